"""Backups: whole although the book is in use, read back before they count, restorable into either database."""

import json
import threading
from pathlib import Path

import pytest

from sidecar.errors import ConfigError, PermanentError
from sidecar.journal import Entry, Journal, Touch, backup, restore, schema
from sidecar.journal import tables as t
from sidecar.model import WorkKey, WorkKind
from tests.support.books import rows_of, run_sql
from tests.support.facts import a_delivery, an_inference, email, say

ALL = (*t.BOOK, *t.PROJECTIONS, t.cursor, t.work, t.pause, t.meta)


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty place to restore into, on each database in turn."""
    if request.param == "postgresql":
        server = request.getfixturevalue("new_postgres_url")
        return str(server())
    return f"sqlite:///{tmp_path / 'elsewhere.db'}"


def fill(url: str) -> None:
    """Put something into every corner of a book."""
    with Journal.open(url) as journal:
        said = say(journal, "1", "p", "Grüße \u0000", who="ann")
        journal.commit(Entry(facts=(an_inference(journal, "p", [said.match]),), texts={"hash": "system"}))
        journal.commit(Entry(touches=(Touch(WorkKey(WorkKind.PARTY, "p"), 3600),), meta={"k": "v"}))
        journal.claim([WorkKey(WorkKind.PARTY, "p")], 3600, within_s=3600)
        journal.pause("ledger", "because")


def test_a_restored_book_is_the_same_book(journal_url: str, elsewhere: str, tmp_path: Path) -> None:
    """From either database into either: every row is there, ids are minted alike, and the copy goes on."""
    fill(journal_url)
    kept = rows_of(journal_url, ALL)
    manifest = backup(journal_url, tmp_path / "copy" / "book.db")
    assert manifest.rows["fact"] == 4
    assert restore(tmp_path / "copy" / "book.db", elsewhere) == manifest
    assert rows_of(elsewhere, ALL) == kept
    with Journal.open(elsewhere) as journal:
        assert journal.faults() == []
        assert journal.known([email("ann")]) == {email("ann"): "p"}
        assert journal.commit(Entry(facts=(a_delivery(journal, "1", "Grüße \u0000".encode()),))).new == frozenset()
        assert journal.commit(Entry(facts=(a_delivery(journal, "2"),))).seq == 5
        assert journal.due(10, within_s=3600) == [WorkKey(WorkKind.PARTY, "p")], "who held the lease is dead here"


def test_a_backup_under_load_has_all_that_was_acknowledged_before(journal_url: str, tmp_path: Path) -> None:
    """Copying doesn't stop the writers, and each fact that was acknowledged before it began is in it."""
    stop, acked = threading.Event(), []

    def write(journal: Journal) -> None:
        number = 0
        while not stop.is_set():
            acked.append(a_delivery(journal, str(number)).id)
            journal.commit(Entry(facts=(a_delivery(journal, str(number)),)))
            number += 1

    with Journal.open(journal_url) as journal:
        writer = threading.Thread(target=write, args=(journal,))
        writer.start()
        try:
            for copy in range(3):
                before = acked[:-1]
                manifest = backup(journal_url, tmp_path / f"{copy}.db")
                held = {row[1] for row in rows_of(f"sqlite:///{tmp_path / f'{copy}.db'}", [t.fact])["fact"]}
                assert set(before) <= held
                assert manifest.rows["fact"] == len(held)
        finally:
            stop.set()
            writer.join(60)


def test_a_backup_is_private_and_overwrites_nothing(tmp_path: Path) -> None:
    """Nobody else reads a backup, and an older one is never lost to a newer one."""
    fill(f"sqlite:///{tmp_path / 'j.db'}")
    backup("sqlite:///j.db", tmp_path / "b.db", base=tmp_path)
    assert (tmp_path / "b.db").stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="overwrites nothing"):
        backup("sqlite:///j.db", tmp_path / "b.db", base=tmp_path)
    assert sorted(path.name for path in tmp_path.glob("b.*")) == ["b.db", "b.db.manifest.json"]
    with pytest.raises(ConfigError, match="no book"):
        backup("sqlite:///empty.db", tmp_path / "c.db", base=tmp_path)


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """Spaces and signs that mean something in a URL are only names in a path."""
    odd = tmp_path / "a b%20?c#d"
    with Journal.open("sqlite:///j.db", base=odd) as journal:
        say(journal, "1", "p")
    backup("sqlite:///j.db", odd / "copy.db", base=odd)
    restore(odd / "copy.db", "sqlite:///back.db", base=odd)
    assert sorted(path.name for path in odd.glob("*.db")) == ["back.db", "copy.db", "j.db"]
    with Journal.open("sqlite:///back.db", base=odd) as journal:
        assert journal.counts()["facts"] == 3


def test_a_backup_that_was_changed_is_refused(tmp_path: Path) -> None:
    """A copy that is not what its manifest says restores nothing; seen to fail with the comparison left out."""
    fill(f"sqlite:///{tmp_path / 'j.db'}")
    copy = tmp_path / "b.db"
    backup("sqlite:///j.db", copy, base=tmp_path)
    restore(copy, "sqlite:///other.db", base=tmp_path, check=True)
    assert not (tmp_path / "other.db").exists(), "a check restores nothing"
    run_sql(f"sqlite:///{copy}", "DELETE FROM match_index")
    with pytest.raises(PermanentError, match="manifest"):
        restore(copy, "sqlite:///other.db", base=tmp_path, check=True)
    copy.with_name("b.db.manifest.json").write_text("{}")
    with pytest.raises(PermanentError, match="can't be read"):
        restore(copy, "sqlite:///other.db", base=tmp_path)
    copy.with_name("b.db.manifest.json").unlink()
    with pytest.raises(ConfigError, match="no backup"):
        restore(copy, "sqlite:///other.db", base=tmp_path)


def test_a_damaged_book_is_not_called_a_backup(tmp_path: Path) -> None:
    """A flipped bit that the database doesn't notice is found when the copy is read back, and named by its fact."""
    url = f"sqlite:///{tmp_path / 'j.db'}"
    fill(url)
    run_sql(url, "DROP TRIGGER payload_no_update")
    run_sql(url, "UPDATE payload SET body = x'00' WHERE part = 'raw'")
    with pytest.raises(PermanentError, match=r"delivery-.* raw bytes"):
        backup(url, tmp_path / "b.db")
    assert not (tmp_path / "b.db").exists()
    with Journal.open(url) as journal:
        assert [fault.partition(":")[2] for fault in journal.faults()] == [" its raw bytes don't match their hash"]


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM payload WHERE part = 'body'", "missing and was not erased"),
        ("DELETE FROM because", "follows from nothing"),
        ("UPDATE payload SET body = x'7B7D' WHERE part = 'body'", "don't match the hash"),
    ],
)
def test_what_is_missing_is_found(tmp_path: Path, statement: str, fault: str) -> None:
    """Lost payloads, lost causes and changed bodies are each named; seen to fail with each check left out."""
    url = f"sqlite:///{tmp_path / 'j.db'}"
    fill(url)
    for trigger in ("payload_no_update", "payload_no_delete", "because_no_delete"):
        run_sql(url, f"DROP TRIGGER {trigger}")
    run_sql(url, statement)
    with Journal.open(url) as journal:
        assert any(fault in line for line in journal.faults())


def test_a_book_in_use_is_never_overwritten(journal_url: str, tmp_path: Path) -> None:
    """Restoring over a book that a process has open is refused, even by force; over facts, without force."""
    source = f"sqlite:///{tmp_path / 'source.db'}"
    fill(source)
    manifest = backup(source, tmp_path / "b.db")
    with Journal.open(journal_url) as journal:
        say(journal, "other", "q")
        with pytest.raises(ConfigError, match="in use"):
            restore(tmp_path / "b.db", journal_url, force=True)
    with pytest.raises(ConfigError, match="3 facts"):
        restore(tmp_path / "b.db", journal_url)
    restore(tmp_path / "b.db", journal_url, force=True)
    assert len(rows_of(journal_url, [t.fact])["fact"]) == manifest.rows["fact"]
    with Journal.open(journal_url) as journal:
        assert journal.get(a_delivery(journal, "other").id) is None


def test_a_database_that_is_no_book_is_left_alone(postgres_url: str, tmp_path: Path) -> None:
    """Restoring never touches tables that are somebody else's."""
    source = f"sqlite:///{tmp_path / 'source.db'}"
    fill(source)
    backup(source, tmp_path / "b.db")
    run_sql(postgres_url, "CREATE TABLE theirs (id TEXT)")
    with pytest.raises(ConfigError, match="no book"):
        restore(tmp_path / "b.db", postgres_url, force=True)


def test_the_manifest_can_be_read_by_anybody(tmp_path: Path) -> None:
    """The manifest says what to expect without any code of ours."""
    fill(f"sqlite:///{tmp_path / 'j.db'}")
    backup("sqlite:///j.db", tmp_path / "b.db", base=tmp_path)
    held = json.loads((tmp_path / "b.db.manifest.json").read_text())
    assert held["rows"]["payload"] == 5
    assert held["revision"] == schema.HEAD
