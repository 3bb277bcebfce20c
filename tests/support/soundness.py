"""After each test, every book that an app had open is verified: each quote at its place, each text from its raw bytes.

So the whole suite is one long query over journals. A test that damages a book on purpose says so with the marker
`damages_the_book`.
"""

from collections.abc import Iterator

import pytest

from sidecar.app import App
from sidecar.verify import Fault, verify


def pytest_configure(config: pytest.Config) -> None:
    """Announce the marker."""
    config.addinivalue_line("markers", "damages_the_book: the test tampers with its journal, so it is not verified")


@pytest.fixture(autouse=True)
def sound_books(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Verify each app's book just before the app is closed."""
    if request.node.get_closest_marker("damages_the_book"):
        yield
        return
    faults: list[Fault] = []
    close = App.close

    def verified(app: App) -> None:
        journal = vars(app).get("journal")
        if journal is not None and journal.failed is None:
            faults.extend(verify(journal, vars(app).get("channels", {})))
        close(app)

    monkeypatch.setattr(App, "close", verified)
    yield
    assert not faults, faults
