"""The local CRM's file: who may open it, what its faults are called, and that many hands may write at once."""

import multiprocessing
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from adapters.crms.local import LocalLedger, LocalOptions, store
from adapters.crms.local.store import Store, named
from sidecar.errors import ConfigError, StaleVersion, TemporaryError
from sidecar.model import Own, Record
from sidecar.ports import Context, Create, Failed, Update, Written

PROCESSES, ROUNDS, TRIES = 3, 20, 2_000


def open_ledger(folder: Path, **options: object) -> LocalLedger:
    """Open the CRM in a folder under a clock that stands still."""
    context = Context(lambda: datetime(2026, 1, 5, 9, tzinfo=UTC), Own(), folder, lambda env, file: "")
    return LocalLedger("crm", LocalOptions.model_validate({"path": "deep/crm.db", **options}), context)


def write_as_one_of_many(folder: str, count_ref: str) -> list[str]:
    """Create the same records as everybody else, and count up one field by conditional writes; return the refs."""
    ledger = open_ledger(Path(folder))
    made = ledger.write([Create("contact", f"key-{n}", {"email": f"c{n}@x.test"}) for n in range(ROUNDS)])
    for _ in range(ROUNDS):
        _count_up(ledger, count_ref)
    return [result.record.ref for result in made if isinstance(result, Written)]


def _wait_for_all(barrier: Barrier) -> None:
    barrier.wait(timeout=60)  # so that nobody has finished before the last has begun


def _count_up(ledger: LocalLedger, ref: str) -> None:
    for _ in range(TRIES):
        held = ledger.read("deal", [ref])[ref]
        assert isinstance(held, Record)
        amount = held.fields["amount"]
        assert isinstance(amount, int)
        (result,) = ledger.write([Update("deal", ref, {"amount": amount + 1}, held.version)])
        if isinstance(result, Written):
            return
        assert isinstance(result.error, StaleVersion)
    raise AssertionError("never got a turn")


def _counter(ledger: LocalLedger) -> str:
    return ledger.create_by_person("deal", {"amount": 0}).ref


def test_processes_make_one_record_per_key_and_lose_no_update(tmp_path: Path) -> None:
    """The file is the lock between processes; seen to fail with BEGIN in place of BEGIN IMMEDIATE."""
    ledger = open_ledger(tmp_path)
    count = _counter(ledger)
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(PROCESSES, _wait_for_all, (spawn.Barrier(PROCESSES),)) as pool:
        work = [(str(tmp_path), count)] * PROCESSES
        refs = pool.starmap_async(write_as_one_of_many, work).get(timeout=120)
    assert all(made == refs[0] for made in refs)
    assert len(set(refs[0])) == ROUNDS
    assert ledger.show("deal")[0].fields["amount"] == PROCESSES * ROUNDS
    assert len(ledger.show("contact")) == ROUNDS


def test_threads_share_one_ledger(tmp_path: Path) -> None:
    """A connection is never in two hands; seen to fail with one connection lent to all."""
    ledger = open_ledger(tmp_path)
    count = _counter(ledger)
    with ThreadPoolExecutor(8) as pool:
        for turn in [pool.submit(_count_up, ledger, count) for _ in range(40)]:
            turn.result(timeout=60)
    assert ledger.show("deal")[0].fields["amount"] == 40


def test_processes_that_open_a_new_file_at_once_all_succeed(tmp_path: Path) -> None:
    """The first start of several workers makes one schema; seen to fail with the schema made outside a transaction."""
    barrier = threading.Barrier(8)

    def open_at_once(_: int) -> str:
        barrier.wait(timeout=30)
        return open_ledger(tmp_path).account()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(open_at_once, range(8), timeout=60)) == ["local"] * 8


def test_opening_waits_for_another_who_is_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own waiting leaves out the switch to WAL; seen to fail without the loop around it."""
    (tmp_path / "deep").mkdir()
    other = sqlite3.connect(tmp_path / "deep" / "crm.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with monkeypatch.context() as hasty:
        hasty.setattr(store, "BUSY_TIMEOUT_S", 0.05)
        with pytest.raises(TemporaryError):
            open_ledger(tmp_path).account()
    release = threading.Timer(0.1, other.rollback)
    release.start()
    assert open_ledger(tmp_path).account() == "local"
    release.join()
    other.close()


def test_a_confirmed_write_is_on_disk(tmp_path: Path) -> None:
    """Each connection flushes at its commit, to a log that readers don't wait for; seen to fail with NORMAL."""
    opened = Store(tmp_path / "crm.db", "local")
    with opened.writing() as first, opened.reading() as second:
        for db in (first, second):
            assert db.execute("PRAGMA synchronous").fetchone() == (2,)
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Customers' data is not world-readable, SQLite's log beside it neither; seen to fail with a default mode."""
    ledger = open_ledger(tmp_path)
    _counter(ledger)
    files = sorted((tmp_path / "deep").iterdir())
    assert {file.name for file in files} >= {"crm.db", "crm.db-wal"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_an_error_undoes_the_whole_block(tmp_path: Path) -> None:
    """No half of a write stays, and the connection stays fit for use; seen to fail with COMMIT in a finally."""
    opened = Store(tmp_path / "crm.db", "local")
    with pytest.raises(ZeroDivisionError), opened.writing() as db:
        db.execute("INSERT INTO meta VALUES ('half', 'done')")
        raise ZeroDivisionError
    with opened.reading() as db:
        assert db.execute("SELECT count(*) FROM meta WHERE key = 'half'").fetchone() == (0,)
    with opened.writing() as db:
        db.execute("INSERT INTO meta VALUES ('whole', 'done')")


def test_idle_connections_are_few(tmp_path: Path) -> None:
    """A burst of readers leaves no crowd of open files; seen to fail without the bound."""
    opened = Store(tmp_path / "crm.db", "local")
    barrier = threading.Barrier(12)

    def read(_: int) -> None:
        with opened.reading() as db:
            db.execute("SELECT 1 FROM meta").fetchone()
            barrier.wait(timeout=30)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(read, range(12), timeout=60))
    handles = Path("/proc/self/fd")
    if not handles.exists():
        pytest.skip("this system does not list a process's open files")
    # Each connection opens the log once; the file itself SQLite keeps open a while after a close, for its locks' sake.
    log = tmp_path / "crm.db-wal"
    assert 0 < sum(_shows(handle, log) for handle in handles.iterdir()) <= store.IDLE_CONNECTIONS


def _shows(handle: Path, file: Path) -> bool:
    try:
        return file.samefile(handle)
    except FileNotFoundError:
        return False  # another thread of this process closed it meanwhile


def test_another_accounts_file_is_refused(tmp_path: Path) -> None:
    """A file mixed up is told, not written to; seen to fail without the comparison."""
    assert open_ledger(tmp_path, account="north").account() == "north"
    south = open_ledger(tmp_path, account="south")
    with pytest.raises(ConfigError, match="north"):
        south.account()
    with pytest.raises(ConfigError, match=r"crm\.account"):
        south.write([Create("contact", "k", {})])
    assert "north" in south.check()[0]


def test_a_newer_releases_file_is_refused(tmp_path: Path) -> None:
    """A downgrade doesn't misread the newer format; seen to fail without the comparison."""
    open_ledger(tmp_path).account()
    db = sqlite3.connect(tmp_path / "deep" / "crm.db")
    db.execute(f"PRAGMA user_version = {store.SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(ConfigError, match="newer release"):
        open_ledger(tmp_path).account()


def test_what_is_not_a_database_is_the_operators(tmp_path: Path) -> None:
    """A wrong path is named, not parked as a fault of ours; seen to fail with sqlite's own error let through."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "crm.db").write_text("name,email\n" * 200)
    ledger = open_ledger(tmp_path)
    with pytest.raises(ConfigError, match=r"crm\.path.*not a database"):
        ledger.account()
    assert "not a database" in ledger.check()[0]


def test_a_folder_that_can_not_be_made_is_the_operators(tmp_path: Path) -> None:
    """A path through a file is named; seen to fail with the OSError let through."""
    (tmp_path / "deep").write_text("in the way")
    assert "crm.path" in open_ledger(tmp_path).check()[0]


def test_a_locked_file_is_a_matter_of_time_for_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program's lock delays a batch, once and not row by row; seen to fail with sqlite's error let through."""
    monkeypatch.setattr(store, "BUSY_TIMEOUT_S", 0.05)
    ledger = open_ledger(tmp_path)
    ledger.account()
    other = sqlite3.connect(tmp_path / "deep" / "crm.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    rows = [Create("contact", f"k{n}", {}) for n in range(3)]
    refused = ledger.write(rows)
    assert [type(result.error) for result in refused if isinstance(result, Failed)] == [TemporaryError] * 3
    assert len({id(result) for result in refused}) == 1, "the rows after the first need not wait as long in vain"
    assert "busy" in ledger.check()[0]
    other.close()
    assert all(isinstance(result, Written) for result in ledger.write(rows))


def test_a_fault_of_ours_keeps_its_name() -> None:
    """A broken constraint is a bug to be seen, not the operator's or time's; seen to fail with all errors temporary."""
    db = sqlite3.connect(":memory:")
    try:
        with pytest.raises(sqlite3.IntegrityError) as broken:
            db.execute("CREATE TABLE t (x CHECK (x > 0))").execute("INSERT INTO t VALUES (0)")
        assert named(broken.value) is broken.value
    finally:
        db.close()
