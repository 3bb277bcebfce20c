"""A start while the CRM is away: webhooks are taken, nothing is written before the account is known, errors end it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from sidecar.app import ACCOUNT, App, opening
from sidecar.app.ladder import Move
from sidecar.app.opening import MAX_PAUSE_S, _pause_s
from sidecar.cli.findings import wanted
from sidecar.cli.serve import serve
from sidecar.errors import ConfigError, TemporaryError
from sidecar.model import Mode, WorkKind
from tests.support.crms.hubspot import HubSpotCrm
from tests.support.served import Sidecar, until
from tests.support.vendors import office
from tests.twins.hubspot import HubSpotTwin, Status, html, too_many

AWAY = {"is down": None, "limits calls": too_many(retry_after_s=1)}
WRITES = ("batch_create", "batch_update", "create", "update")


@pytest.fixture
def crm() -> Iterator[HubSpotCrm]:
    """A HubSpot account."""
    held = HubSpotCrm(search_lag_s=0.1)
    with held.twin:
        yield held


@pytest.fixture
def twin(crm: HubSpotCrm) -> HubSpotTwin:
    """Its twin."""
    return crm.twin


@pytest.fixture
def box(tmp_path: Path, crm: HubSpotCrm, monkeypatch: pytest.MonkeyPatch) -> Sidecar:
    """A sidecar that was at work on the account before, and tries again quickly."""
    monkeypatch.setattr(opening, "FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr(opening, "MAX_PAUSE_S", 0.2)
    rule = '{"match": "visit", "answer": {"ops": [{"field": "stage", "value": "qualified",'
    (tmp_path / "script.json").write_text(f'[{rule} "evidence": [{{"quote": "visit"}}]}}]}}}}]')
    # Who is away refuses at once, so a time-out would be the machine's.
    made = office(tmp_path, crm, max_wait_s=0.1, connect_timeout_s=20, read_timeout_s=20, call_timeout_s=60)
    with opened(made) as app:
        app.ledger.provision(wanted(app), False)
        app.ready()
        app.ladder.move([Move("ledger", Mode.AUTO, "the test", app.clock())])
        app.ladder.make_due()
    return made


def opened(box: Sidecar) -> App:
    """The box's app, in this process."""
    return App.from_file(box.folder / "config.toml", box.env)


def take_away(twin: HubSpotTwin, fault: Status | None) -> None:
    """Let the CRM be down, or answer every call so."""
    if fault is None:
        twin.down()
    else:
        twin.fault(fault, times=None)


@contextmanager
def serving(app: App, box: Sidecar) -> Iterator[Callable[[], Exception | None]]:
    """Serve an app in this process; yields what tells the error that ended it."""
    stop, listens = threading.Event(), threading.Event()
    ended: list[Exception] = []

    def listening(port: int, admin_port: int) -> None:
        box.port, box.admin_port = port, admin_port
        listens.set()

    def run() -> None:
        try:
            serve(app, stop, listening)
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert listens.wait(30)
        yield lambda: ended[0] if ended else None
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def write(box: Sidecar) -> int:
    """A customer writes; returns the door's answer."""
    at = datetime.now(UTC).isoformat()
    data = {
        "message_id": "m1", "conversation_id": "c1", "direction": "inbound", "text": "May I have a visit?",
        "sender": {"email": "ann@x.test", "role": "customer"}, "sent_at": at, "attachments": [],
    }  # fmt: skip
    return box.post("web", {"type": "message.created", "timestamp": at, "data": data}, "d1")


def readiness(box: Sidecar) -> httpx2.Response:
    """What /readyz says."""
    with httpx2.Client(trust_env=False) as client:
        return client.get(f"http://127.0.0.1:{box.admin_port}/readyz", timeout=20)


@pytest.mark.parametrize("fault", AWAY.values(), ids=AWAY)
def test_a_crm_that_is_away_keeps_no_webhook_out(box: Sidecar, twin: HubSpotTwin, fault: Status | None) -> None:
    """It starts, takes what comes, says why nothing is written, and drains; seen to fail with `ready` in its place."""
    take_away(twin, fault)
    with opened(box) as app:
        app.opening.begin()
        with serving(app, box) as ended:
            assert write(box) == 202
            until(lambda: any(row.work.kind is WorkKind.PARTY for row in app.journal.work("due", "waiting")), "intake")
            told = readiness(box)
            assert told.status_code == 200
            assert "the CRM hasn't answered since the start" in told.text
            assert app.conditions.oldest_due() is None, "what has to wait is not stuck"
            twin.heal()
            twin.up()
            until(lambda: twin.all("contact"), "the contact")
            assert "hasn't answered" not in readiness(box).text
            assert ended() is None


def test_nothing_is_written_before_the_account_is_known(
    box: Sidecar, twin: HubSpotTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another account is noticed before any write, and ends the process; seen to fail with work let go on meanwhile."""
    with opened(box) as app:

        def once_there_is_work(tries: int) -> float:
            until(lambda: {r.state for r in app.journal.work() if r.work.kind is WorkKind.PARTY} - {"waiting"}, "work")
            return 2.0  # in which it would be done, if it were let

        monkeypatch.setattr(opening, "_pause_s", once_there_is_work)
        app.journal.set_meta(ACCOUNT, "another account")
        take_away(twin, html(503))
        app.opening.begin()
        twin.heal()  # it answers again before it is asked again, so nothing but our own care holds the work
        before = twin.calls(*WRITES)
        with serving(app, box) as ended:
            assert write(box) == 202
            error = until(ended, "the end")
        assert isinstance(error, ConfigError)
        assert "another account" in str(error)
        assert any(row.work.kind is WorkKind.PARTY for row in app.journal.work("due")), "it was there to be done"
        assert twin.calls(*WRITES) == before


@pytest.mark.parametrize("fault", [Status(401, {"category": "INVALID_AUTHENTICATION"}), None], ids=["token", "prompt"])
def test_what_an_operator_must_mend_refuses_to_start(box: Sidecar, twin: HubSpotTwin, fault: Status | None) -> None:
    """A refused token, and a route without a prompt while the CRM is away; seen to fail with all errors awaited."""
    take_away(twin, fault)
    if fault is None:
        config = box.folder / "config.toml"
        config.write_text(config.read_text().replace('pipeline = "default"', 'pipeline = "default"\nprompt = "nope"'))
    with opened(box) as app, pytest.raises(ConfigError):
        app.opening.begin()


def test_a_command_does_not_wait(box: Sidecar, twin: HubSpotTwin) -> None:
    """Whoever runs once hears at once that the CRM is away; seen to fail with `begin` in its place."""
    take_away(twin, html(503))
    with opened(box) as app, pytest.raises(TemporaryError):
        app.run_until_idle(timeout_s=5)


def test_the_pause_grows_to_a_bound() -> None:
    """An outage isn't hammered, and its end is noticed within minutes; seen to fail with a constant pause."""
    pauses = [_pause_s(tries, lambda low, high: high) for tries in range(2_000)]
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[3] < pauses[-1] == MAX_PAUSE_S
