"""After each test, every book that an app had open is verified: each quote at its place, each text from its raw bytes.

So the whole suite is one long query over journals. A test that damages a book on purpose says so with the marker
`damages_the_book`.
"""

import sys
from collections.abc import Iterator
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Announce the marker."""
    config.addinivalue_line("markers", "damages_the_book: the test tampers with its journal, so it is not verified")


@pytest.fixture(autouse=True)
def sound_books(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Verify each app's book just before the app is closed."""
    module = sys.modules.get("sidecar.app")
    if module is None or request.node.get_closest_marker("damages_the_book"):
        yield  # no app was imported by any test so far, so there is none to close
        return
    from sidecar.verify import verify

    faults: list[Any] = []
    close = module.App.close

    def verified(app: Any) -> None:
        journal = vars(app).get("journal")
        if journal is not None and journal.failed is None:
            faults.extend(verify(journal, vars(app).get("channels", {})))
        close(app)

    monkeypatch.setattr(module.App, "close", verified)
    yield
    assert not faults, faults
