"""Opens houses for a test, and closes them all after it: the fixture `open_house`, for every test that asks for it.

A house of another making (another model, other routes) is made from it by a fixture of the same name in that test's
file; one that has to be changed before it starts opens its own.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.houses import House

Open = Callable[..., House]


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Open]:
    """Opens houses on SQLite, and starts them."""
    yield from opener(tmp_path, "sqlite:///journal.db")


def opener(folder: Path, url: str, *, starts: bool = True) -> Iterator[Open]:
    """Yield what opens houses on a journal, and close them afterwards."""
    opened: list[House] = []

    def make(*rules: dict[str, Any], **more: Any) -> House:
        opened.append(House(folder, url, *rules, **more))
        return opened[-1].start() if starts else opened[-1]

    yield make
    for house in opened:
        house.app.close()
