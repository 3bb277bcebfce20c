"""Whose cursor it is: another source under a channel's name is refused until a person has chosen."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import adapters
from sidecar.app.history import read_history
from sidecar.app.moving import moved
from sidecar.app.reconcile import reconcile
from sidecar.errors import ConfigError, PermanentError
from sidecar.journal import Journal
from sidecar.model import Activity
from sidecar.pipeline.sources import SOURCE, place_of
from tests.contract.channel import Secrets, context
from tests.support.facts import NOON
from tests.support.houses import House, buys
from tests.support.offices import CONFIG, Office

SID = "AC" + "0" * 31
TOKEN, ADDRESS = "t" * 40, "https://cal.test/private-7f3a/basic.ics"
SECRETS = Secrets(TOKEN=TOKEN, OTHER="o" * 40, ADDRESS=ADDRESS, ADDRESS_2="https://cal.test/private-9c1b/basic.ics")
HOOKED = {"secret_env": "TOKEN", "token_env": "TOKEN"}
GRAPH = {"mailbox": "ann@ours.test", "tenant": "ours.test", "client_id": "c1", "client_secret_env": "TOKEN"}
GOOGLE = {"client_id": "c1", "client_secret_env": "TOKEN"}
ELSEWHERE = {"base_url": "https://api.elsewhere.test"}
Options = dict[str, Any]

SOURCES: Mapping[str, tuple[Options, tuple[Options, ...], tuple[Options, ...]]] = {
    "webhook": ({"secret_env": "TOKEN"}, (), ()),
    "imap": (
        {"host": "imap.ours.test", "username": "ann@ours.test", "password_env": "TOKEN"},
        ({"username": "ben@ours.test"}, {"host": "imap.elsewhere.test"}),
        ({"folders": ("INBOX", "Sales")}, {"host": "IMAP.ours.test"}, {"port": 1993}, {"password_env": "OTHER"}),
    ),
    "maildrop": ({"path": "drop", "keep": True}, ({"path": "drop2"},), ({"transcripts": True},)),
    "transcripts": ({"path": "drop", "keep": True, "secret_env": "TOKEN"}, ({"path": "drop2"},), ()),
    "caldav": (
        {"url": "https://dav.test/ann/work/", "username": "ann", "password_env": "TOKEN"},
        ({"url": "https://dav.test/ann/home/"}, {"username": "ben"}),
        ({"url": "https://DAV.test/ann/work"}, {"password_env": "OTHER"}),
    ),
    "gcalendar": ({"calendar": "a@ours.test", **GOOGLE}, ({"calendar": "b@ours.test"},), ({"client_id": "c2"},)),
    "icsfeed": ({"url_env": "ADDRESS"}, ({"url_env": "ADDRESS_2"},), ({"own_calendar": True},)),
    "calendly": (HOOKED, ({"scope": "organization"},), ({"token_env": "OTHER"},)),
    "calcom": (HOOKED, (ELSEWHERE,), ({"token_env": "OTHER"},)),
    "chatwoot": ({"account_id": 1, **HOOKED}, ({"account_id": 2}, ELSEWHERE), ({"inboxes": (7,)},)),
    "intercom": (HOOKED, ({"region": "eu"},), ({"base_url": "https://api.intercom.io"},)),
    "fireflies": (HOOKED, (ELSEWHERE,), ({"token_env": "OTHER"},)),
    "aircall": ({"api_id": "k1", "token_env": "TOKEN"}, (ELSEWHERE,), ({"api_id": "k2", "token_env": "OTHER"},)),
    "dialpad": ({"token_env": "TOKEN"}, (ELSEWHERE,), ({"token_env": "OTHER"},)),
    "gong": ({"access_key": "k1", "token_env": "TOKEN"}, ({"workspace_id": "7"}, ELSEWHERE), ({"access_key": "k2"},)),
    "meta": ({"pages": ("1",), **HOOKED}, (), ({"pages": ("1", "2")},)),
    "microsoft365_mail": (GRAPH, ({"mailbox": "ben@ours.test"},), ({"folders": ("inbox", "Sales")}, {"tenant": "x"})),
    "microsoft365_calendar": (GRAPH, ({"mailbox": "ben@ours.test"},), ({"days_ahead": 30}, {"client_id": "c2"})),
    "gmail": (
        {"mailbox": "ann@ours.test", **GOOGLE},
        ({"mailbox": "ben@ours.test"},),
        ({"mailbox": "Ann@Ours.test"}, {"include_labels": ("Sales",)}),
    ),
    "zoom": (
        {"account_id": "a1", "client_id": "c1", "client_secret_env": "TOKEN", "secret_env": "TOKEN"},
        ({"account_id": "a2"},),
        ({"hosts": ("ann@ours.test",)}, {"client_id": "c2"}),
    ),
    "twilio": (
        {"account_sid": f"{SID}1", "public_url": "https://ours.test/hooks/twilio", "auth_token_env": "TOKEN"},
        ({"account_sid": f"{SID}2"},),
        ({"numbers": ("+442079460000",)}, {"auth_token_env": "OTHER"}),
    ),
}  # fmt: skip
"""Each adapter's settings; which changes of them name another source; which don't."""


def source_of(kind: str, options: Options) -> str:
    """Return what a channel with these settings says that it reads."""
    cls = adapters.load(adapters.CHANNELS, kind)
    source = cls("it", cls.Options(**options), context(Path(), SECRETS)).source
    assert isinstance(source, str)
    return source


@pytest.mark.parametrize("kind", adapters.CHANNELS)
def test_each_adapter_tells_its_source_from_another(kind: str) -> None:
    """Another mailbox, calendar or account is another source, one more folder or key is none, and no secret shows.

    Seen to fail with IMAP's host left out, and with its folders named.
    """
    options, others, same = SOURCES[kind]
    source = source_of(kind, options)
    told = {source, *(source_of(kind, {**options, **change}) for change in others)}
    assert len(told) == 1 + len(others)
    assert {source_of(kind, {**options, **change}) for change in same} <= {source}
    assert not any(secret in one for one in told for secret in SECRETS.values.values())
    assert not any("private" in one for one in told), "the path of a feed is its secret"


class Folders:
    """A sidecar that reads a watched folder and leaves there what it has read, and another such folder beside it.

    In the other one lies a file that looks like the one that was read: by its name, its size and its time.
    """

    def __init__(self, base: Path) -> None:
        self.house = House(base, "sqlite:///j.db", buys()).start()
        file = base / "drop" / self.house.mail("ann@x.test", "From one")
        assert self.texts() == ["From one"]
        other = base / "drop2" / file.name
        other.parent.mkdir()
        other.write_bytes(file.read_bytes().replace(b"From one", b"From two").replace(b"@mail.test", b"@post.test"))
        os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))

    @property
    def journal(self) -> Journal:
        """The book."""
        return self.house.journal

    def names(self, path: str) -> None:
        """Start anew with another folder in the settings."""
        config = self.house.folder / "config.toml"
        config.write_text(re.sub(r'path = "drop.*"', f'path = "{path}"', config.read_text()))
        self.house.restart()
        self.house.start()

    def texts(self) -> list[str]:
        """Poll, do what follows, and return what the book has read."""
        self.house.poll()
        return sorted(a.text.strip() for a in self.house.facts("activity") if isinstance(a, Activity))

    def paused(self) -> str:
        """Return why the channel is paused, if it is."""
        (found,) = (health for health in self.house.app.conditions.health.now() if health.name == "drop")
        return found.paused


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    """Open the two folders."""
    found = Folders(tmp_path)
    with found.house:
        yield found


def test_another_source_under_the_same_name_stands_still(folders: Folders) -> None:
    """Its poll is refused and read from nowhere, its health says so, others go on; its own source put back goes on too.

    Seen to fail with the foreign cursor read on from: the second folder then seems to have been read.
    """
    folders.names("drop2")
    folders.house.say("Hello from the web")
    assert folders.texts() == ["From one", "Hello from the web"]
    assert "channels.drop: it names another source" in folders.paused()
    assert "sidecar channels --moved drop" in folders.paused()
    folders.names("drop")
    folders.house.mail("ann@x.test", "One more")
    assert folders.texts() == ["From one", "Hello from the web", "One more"]
    assert not folders.paused()


def test_what_has_moved_begins_anew(folders: Folders) -> None:
    """At a person's word the next poll reads the source from its beginning, once, and what was read stays read once."""
    folders.names("drop2")
    assert folders.texts() == ["From one"]
    shutil.copy2(folders.house.folder / "drop" / "001.eml", folders.house.folder / "drop2" / "002.eml")
    assert moved(folders.house.app, "drop") == ("drop", "drop2")
    assert not folders.journal.paused()
    folders.house.restart()
    assert folders.texts() == ["From one", "From two"]
    assert folders.texts() == ["From one", "From two"]
    with pytest.raises(PermanentError, match="drop hasn't moved: it reads drop2, as before"):
        moved(folders.house.app, "drop")


def test_who_runs_on_with_old_settings_reads_no_more(folders: Folders) -> None:
    """A server that hasn't heard of the move can't lay its own cursor down in its place; seen to fail with the source
    forgotten instead of set.
    """
    folders.journal.begin_anew("drop", {SOURCE + "drop": "drop2"})
    folders.house.mail("ann@x.test", "Too late")
    assert folders.texts() == ["From one"]
    assert folders.journal.cursor("drop", "poll") is None
    assert folders.paused()


@pytest.mark.parametrize("cursor", ["poll", "backfill:2026-01-01"])
def test_what_was_in_flight_when_it_moved_is_not_kept(folders: Folders, cursor: str) -> None:
    """A batch that was read before the person's word, and is laid down after it, takes nothing of it back; seen to
    fail with the old source and its cursor written over the new one.
    """
    folders.house.mail("ann@x.test", "Too late")
    adapter, held = folders.house.app.channel("drop"), folders.journal.cursor("drop", "poll")
    batch = next(iter(adapter.poll(held)))
    folders.journal.begin_anew("drop", {SOURCE + "drop": "drop2"})
    with pytest.raises(ConfigError, match="sidecar channels --moved drop"):
        folders.house.app.pipeline.intake.keep("drop", batch, cursor)
    assert folders.journal.meta(SOURCE + "drop") == "drop2"
    assert folders.journal.cursor("drop", cursor) is None
    assert len(list(folders.house.facts("delivery"))) == 1


def test_a_cursor_of_nobody_is_adopted_once(folders: Folders) -> None:
    """In an older book the next poll makes a cursor its source's, and the one after that holds others to it."""
    assert folders.journal.swap_meta(SOURCE + "drop", "drop", None)
    assert folders.texts() == ["From one"]
    assert folders.journal.meta(SOURCE + "drop") == "drop"
    folders.names("drop2")
    assert folders.texts() == ["From one"]
    assert folders.paused()


def test_a_source_that_was_never_read_binds_nobody(tmp_path: Path) -> None:
    """Whoever mends a wrong address before the first poll came to an end is asked nothing."""
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        place_of(house.journal, house.app.channel("drop"))
        assert house.journal.meta(SOURCE + "drop") is None
        with pytest.raises(PermanentError, match="drop hasn't moved: nothing has been read under its name"):
            moved(house.app, "drop")


def test_history_and_counts_are_refused_as_well(folders: Folders) -> None:
    """A backfill has cursors too, and what is counted would be fetched under the former's name: both name both."""
    folders.names("drop2")
    for read in (
        lambda: read_history(folders.house.app, "drop", NOON),
        lambda: reconcile(folders.house.app, "drop", NOON, fetch=True),
    ):
        with pytest.raises(ConfigError, match="it names drop2, and drop was read under its name"):
            read()


def test_a_person_is_told_and_says_what_it_is(tmp_path: Path) -> None:
    """`check` names both sources and the way on; `channels --moved` goes it, and refuses what it can't be said of."""
    office = Office(tmp_path).furnish([], CONFIG.replace("transcripts = true", "keep = true"))
    office.run()
    office.mail("ann@x.test", "Hello")
    office.run()
    (tmp_path / "drop2").mkdir()
    office.config.write_text(office.config.read_text().replace('path = "drop"', 'path = "drop2"'))
    checked = office.sidecar("check")
    assert checked.exit_code == 1
    assert "channels.mail: it names drop2, and drop was read under its name" in " ".join(checked.stdout.split())
    assert "it names drop2" in office.refused("--dry-run", "backfill", "mail", "--since", "2026-01-01", code=2)
    office.run()
    assert "sidecar channels --moved mail" in " ".join(office.told("channels").split())
    assert "leave --dry-run out" in office.refused("--dry-run", "channels", "--moved", "mail")
    assert office.data("channels", "--moved", "mail") == {"channel": "mail", "was": "drop", "now": "drop2"}
    assert "hasn't moved" in office.refused("channels", "--moved", "mail")
    assert "there is no channel 'post'" in office.refused("channels", "--moved", "post")
    assert "hasn't moved" in office.refused("channels", "--moved", "web")
    assert not [line for line in office.sidecar("check").stdout.splitlines() if "drop was read" in line]
