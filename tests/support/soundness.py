"""Every book that the suite made is verified: each quote at its place in the words, each text from its raw bytes.

So the whole suite is one long query over journals. An app's book is looked at just before the app is closed, wherever a
test or a fixture of any scope closes it; the books of child processes are looked for in the test's folder when the test
is over. How many books and claims that were is told at the end of the run. A test that damages a book on purpose says
so with the marker `damages_the_book`. Seen to fail with each quote stored one character beside its place.
"""

import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.houses import SECRET

COUNTED = ("books", "books of child processes", "claims", "activities", "postings")
_SECRETS = re.compile(r'_env = "(\w+)"')


@dataclass
class _Seen:
    """What was looked at in this process, and what was wrong."""

    is_spared: bool = False
    faults: list[Any] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    of_others: Counter[str] = field(default_factory=Counter)
    paths: set[str] = field(default_factory=set)


_SEEN = _Seen()


def pytest_configure(config: pytest.Config) -> None:
    """Announce the marker."""
    config.addinivalue_line("markers", "damages_the_book: the test tampers with its journal, so it is not verified")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """See to it that each app's book is verified before the app is closed, but for a test that damages it."""
    module = sys.modules.get("sidecar.app")
    if module is not None and not hasattr(module.App.close, "looks"):
        _look_before_closing(module.App)
    _SEEN.is_spared = item.get_closest_marker("damages_the_book") is not None
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Look at the books that only child processes had open, once nobody has, and tell what was wrong with any."""
    yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if isinstance(folder, Path) and not _SEEN.is_spared:
        for config in sorted(folder.glob("**/config.toml"))[:20]:
            _look_in(config)
    faults, _SEEN.faults = _SEEN.faults, []
    assert not faults, faults


def _look_before_closing(app_class: Any) -> None:
    close = app_class.close

    def verified(app: Any) -> None:
        journal = vars(app).get("journal")
        if journal is not None and journal.failed is None and not _SEEN.is_spared:
            _look(journal, vars(app).get("channels", {}))
        close(app)

    verified.looks = True  # type: ignore[attr-defined]
    app_class.close = verified


def _look(journal: Any, channels: Mapping[str, Any]) -> None:
    from sidecar.verify import verify

    _SEEN.faults.extend(verify(journal, channels))
    _SEEN.counts["books"] += 1
    held = journal.tally()
    for kind, name in (("claim", "claims"), ("activity", "activities"), ("posting", "postings")):
        _SEEN.counts[name] += held.get(kind, 0)
    if journal.folder is not None:
        _SEEN.paths.add(str(journal.folder))


def _look_in(config: Path) -> None:
    """Open a sidecar as its own config says, with made-up secrets, if nobody in this process had its book open."""
    from sidecar.app import App
    from sidecar.errors import SidecarError

    near = [*config.parent.glob("*.db"), *config.parent.glob("data/*.db")]
    if not any(str(path.parent) not in _SEEN.paths and _is_book(path) for path in near):
        return
    env = dict.fromkeys(_SECRETS.findall(config.read_text(encoding="utf-8")), SECRET)
    try:
        app = App.from_file(config, env, wait=False)
    except SidecarError:
        return  # a config that the test broke
    try:
        _ = app.journal, app.channels  # opened, so that closing looks at them
        _SEEN.counts["books of child processes"] += 1
    except SidecarError:
        pass  # a book that the test broke, or a secret that can't be made up: then without what its channels read
    finally:
        app.close()


def _is_book(path: Path) -> bool:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        try:
            found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        except sqlite3.DatabaseError:
            return False  # a file that the test broke
    return {"fact", "payload"} <= found


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Hand what this process looked at to the one that tells it."""
    result = yield
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["sound_books"] = dict(_SEEN.counts)
    return result


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what a worker looked at."""
    _SEEN.of_others.update(getattr(node, "workeroutput", {}).get("sound_books", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell how many books and claims were looked at."""
    counts = _SEEN.counts + _SEEN.of_others
    if counts:
        told = ", ".join(f"{counts[name]:,} {name}" for name in COUNTED)
        terminalreporter.write_line(f"verified: {told}; each quote stands in its words, each text in its bytes")
