"""Alarms: told once when it begins, again while it lasts, and when it is over; over restarts, outages and processes."""

import base64
import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from sidecar.app import App
from sidecar.app.alarms import GONE_S, KEPT, KEY, Open, advance
from sidecar.app.conditions import Condition, Conditions
from sidecar.errors import SidecarError
from sidecar.journal import JournalFailed
from tests.support.facts import NOON, SetClock
from tests.support.houses import SECRET, House, buys
from tests.support.receivers import Receiver, receiving
from tests.support.served import until

DAY_S = 86_400.0
SIGNING = "whsec_" + base64.b64encode(b"a signing secret of 32 bytes ...").decode()
CONFIG = """
[ops]
every_s = 86400
[ops.webhook]
url_env = "OPS_URL"
secret_env = "OPS_SECRET"
timeout_s = 30.0
"""
LOW = Condition("disk", "journal", "only 3 MB are free", "Make room.", is_fault=True)
PAUSED = Condition("paused", "ledger", "ledger is paused: by hand", "Resume.")


def at(seconds: float) -> datetime:
    """Return a time so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


# What is to be said ---------------------------------------------------------------------------------------------------


def walk(*steps: tuple[float, list[Condition]], every_s: float = DAY_S) -> list[tuple[float, str, str]]:
    """Look at each time, and return what is said: when, of what, and in which state."""
    told: dict[str, Open] = {}
    said = []
    for seconds, conditions in steps:
        told, notices = advance(told, conditions, at(seconds), every_s)
        said += [(seconds, notice.rule, notice.state) for notice in notices]
    return said


def test_a_condition_is_told_once_and_its_end() -> None:
    """Nobody is told every five seconds, and everybody hears the end; seen to fail with every look told."""
    steps = [(0.0, [LOW]), (5.0, [LOW]), (10.0, []), (20.0, []), (10.0 + GONE_S, [])]
    assert walk(*steps) == [(0.0, "disk", "begun"), (10.0 + GONE_S, "disk", "ended")]


def test_what_comes_and_goes_is_one_thing() -> None:
    """A brake that is tried every few minutes, or goes at a restart, is told once; seen to fail with no patience."""
    steps = [(0.0, [LOW]), (5.0, []), (50.0, [LOW]), (60.0, []), (70.0, []), (100.0, [LOW]), (1_000.0, [LOW])]
    assert walk(*steps) == [(0.0, "disk", "begun")]


def test_what_lasts_is_told_again_each_day() -> None:
    """A pause that everybody forgot is brought back to mind; seen to fail with the reminder at the next look."""
    steps = [(0.0, [LOW]), (DAY_S - 1, [LOW]), (DAY_S, [LOW]), (DAY_S + 5, [LOW]), (2 * DAY_S, [LOW])]
    assert walk(*steps) == [(0.0, "disk", "begun"), (DAY_S, "disk", "still"), (2 * DAY_S, "disk", "still")]


def test_each_thing_is_told_for_itself() -> None:
    """One subject's end is not another's; seen to fail with rules told apart alone."""
    other = Condition("paused", "llm", "llm is paused: by hand", "Resume.")
    steps = [(0.0, [PAUSED]), (5.0, [PAUSED, other]), (10.0, [other]), (10.0 + GONE_S, [other])]
    assert walk(*steps) == [(0.0, "paused", "begun"), (5.0, "paused", "begun"), (70.0, "paused", "ended")]


def test_an_end_says_what_ended() -> None:
    """The all-clear is about the words that people were told, and each notice has an id of its own."""
    told, [begun] = advance({}, [PAUSED], at(0), DAY_S)
    told, _ = advance(told, [], at(5), DAY_S)
    _, [ended] = advance(told, [], at(5 + GONE_S), DAY_S)
    assert (ended.summary, ended.since, ended.remedy) == (begun.summary, begun.since, "")
    assert begun.id != ended.id
    assert advance({}, [PAUSED], at(0), DAY_S)[1] == [begun]


# In a sidecar ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def desk() -> Iterator[Receiver]:
    """The operators' receiver."""
    with receiving("a-secret-path") as desk:
        yield desk


@pytest.fixture
def house(tmp_path: Path, desk: Receiver) -> Iterator[House]:
    """A sidecar that tells that receiver."""
    env = {"OPS_URL": desk.url, "OPS_SECRET": SIGNING}
    with House(tmp_path, "sqlite:///j.db", buys(), after=CONFIG, clock=SetClock(), env=env).start() as house:
        yield house


def heard(desk: Receiver) -> list[tuple[str, str, str]]:
    """Return what arrived: rule, subject, state."""
    found: list[dict[str, Any]] = [json.loads(body)["data"] for _, body in desk.requests]
    return [(data["rule"], data["subject"], data["state"]) for data in found]


def look(house: House, after_s: float = 5.0) -> None:
    """Let time pass, and let the alarms look."""
    house.clock.move(after_s)
    house.app.alarms.tick()


def test_a_pause_is_told_with_its_reason_and_its_end(house: House, desk: Receiver) -> None:
    """The operators hear why, signed, and hear when it goes on; seen to fail with nothing delivered."""
    look(house)
    assert heard(desk) == []
    house.journal.pause("ledger", "by itself: crm: the key is refused (401)")
    look(house)
    look(house)
    assert heard(desk) == [("paused", "ledger", "begun")]
    headers, body = desk.requests[0]
    told = json.loads(body)
    assert "the key is refused (401)" in told["text"]
    assert told["data"]["remedy"]
    signed_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), NOON.tzinfo)
    assert headers["webhook-signature"] == Webhook(SIGNING).sign(headers["webhook-id"], signed_at, body.decode())
    house.journal.resume("ledger")
    look(house)
    look(house, GONE_S)
    assert heard(desk)[1:] == [("paused", "ledger", "ended")]


def test_a_restart_repeats_nothing(house: House, desk: Receiver) -> None:
    """What was told stays told; seen to fail with the state kept in the process."""
    house.journal.pause("ledger", "by hand")
    look(house)
    house.restart()
    house.start()
    look(house)
    assert heard(desk) == [("paused", "ledger", "begun")]


def test_what_could_not_be_delivered_arrives_later_as_the_same(house: House, desk: Receiver) -> None:
    """An outage delays a notice and doubles none, over a restart too; seen to fail with one try, and with a new id."""
    desk.answer = (503, {"retry-after": "30"})
    house.journal.pause("ledger", "by hand")
    look(house)
    look(house, 5)
    assert len(desk.requests) == 1
    house.restart()
    house.start()
    desk.answer = (204, {})
    look(house, 30)
    look(house, 60)
    assert [headers["webhook-id"] for headers, _ in desk.requests] == [desk.requests[0][0]["webhook-id"]] * 2


def test_a_receiver_that_refuses_is_asked_less_and_less_and_not_for_ever(house: House, desk: Receiver) -> None:
    """A wrong address costs a try each quarter of an hour and ends; seen to fail with no end."""
    desk.answer = (410, {})
    house.journal.pause("ledger", "by hand")
    look(house)
    look(house, 600)
    assert len(desk.requests) == 1
    look(house, 301)
    assert len(desk.requests) == 2
    look(house, KEPT.total_seconds() + 1)
    tries = len(desk.requests)
    desk.answer = (204, {})
    look(house, 1_000)
    assert heard(desk)[tries:] == [("paused", "ledger", "still")]


def test_of_two_processes_one_tells(house: House, desk: Receiver) -> None:
    """Two sidecars on one journal are one voice; seen to fail with a notice that nobody claims."""
    env = {"WEB_SECRET": SECRET, "OPS_URL": desk.url, "OPS_SECRET": SIGNING}
    with App.from_file(house.folder / "config.toml", env, clock=house.clock) as other:
        house.journal.pause("ledger", "by hand")
        both = [threading.Thread(target=app.alarms.tick) for app in (house.app, other)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(30)
        house.app.alarms.tick()
        other.alarms.tick()
    assert heard(desk) == [("paused", "ledger", "begun")]


def test_what_another_process_told_meanwhile_is_not_told_again(house: House, desk: Receiver) -> None:
    """Who looks while another tells forgets nothing of that; seen to fail with the state written without a look."""
    env = {"WEB_SECRET": SECRET, "OPS_URL": desk.url, "OPS_SECRET": SIGNING}
    with App.from_file(house.folder / "config.toml", env, clock=house.clock) as other:

        class Slow(Conditions):
            def now(self) -> list[Condition]:
                found = super().now()
                other.alarms.tick()
                return found

        house.journal.pause("ledger", "by hand")
        house.app.conditions = Slow(house.app)
        house.app.alarms.tick()
    assert heard(desk) == [("paused", "ledger", "begun")]


def test_a_broken_memory_is_no_silence(house: House, desk: Receiver) -> None:
    """What can't be read was never told, so it is told; seen to fail with the error let out."""
    house.journal.set_meta(KEY, '{"told": 5}')
    house.journal.pause("ledger", "by hand")
    look(house)
    assert heard(desk) == [("paused", "ledger", "begun")]


def test_a_journal_that_failed_is_told_past_the_journal_once_a_day(house: House, desk: Receiver) -> None:
    """The worst of all is told although nothing can be kept, and crashes are no flood; seen to fail without a mark."""
    words = [Condition("journal", "journal", "the journal failed", "Look at the disk.", is_fault=True)]
    house.app.alarms.last_words(words)
    house.clock.move(3_600)
    house.app.alarms.last_words(words)
    assert heard(desk) == [("journal", "journal", "begun")]
    house.clock.move(DAY_S)
    house.app.alarms.last_words(words)
    assert len(heard(desk)) == 2


def test_a_process_whose_journal_fails_tells_before_it_ends(house: House, desk: Receiver) -> None:
    """The operators hear of it from the process itself, which then ends; seen to fail with the words left out.

    Nothing of it lives on; seen to fail with a thread that waited for somebody else to say stop.
    """
    ended: list[BaseException] = []

    def serve() -> None:
        try:
            house.app.serve(threading.Event())
        except SidecarError as error:
            ended.append(error)

    assert house.app.pipeline is not None
    before = at_work()
    serving = threading.Thread(target=serve)
    serving.start()
    until(lambda: at_work() - before, "alarms at work")
    house.journal._writer._fail(JournalFailed("the journal's file can't be trusted: SQLITE_IOERR"))
    serving.join(60)
    assert not serving.is_alive()
    assert len(ended) == 1
    assert not at_work() - before
    assert heard(desk) == [("journal", "journal", "begun")]


def test_notices_name_nobody(house: House, desk: Receiver) -> None:
    """What leaves by mail or webhook holds no customer's name or words; seen to fail with an error's text."""
    house.script({"match": ".", "error": "config"})
    house.hear("my secret words", "quentin")
    house.journal.pause("channel:web", "by hand")
    look(house)
    look(house, DAY_S)
    assert len(heard(desk)) >= 3
    told = "".join(body.decode() for _, body in desk.requests)
    assert not [word for word in ("quentin", "Quentin", "x.test", "secret words") if word in told]


def test_alarms_run_beside_the_work_until_they_are_stopped(house: House, desk: Receiver) -> None:
    """The thread ends when it is told to, whatever hangs; seen to fail with the stop overlooked."""
    before = at_work()
    house.app.alarms.start()
    house.app.alarms.stop(30)
    assert not at_work() - before


def at_work() -> set[threading.Thread]:
    """Return the threads that look for something to tell."""
    return {thread for thread in threading.enumerate() if thread.name == "alarms"}


def test_without_anybody_to_tell_it_is_still_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The log says what is wrong, why, and when it is over, also where nobody wrote an address."""
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        house.journal.pause("ledger", "rita: we move house")
        look(house)
        house.journal.resume("ledger")
        look(house)
        look(house, GONE_S)
    said = [line for line in capsys.readouterr().out.splitlines() if "ops_condition" in line]
    assert ["begun" in said[0], "we move house" in said[0], "ended" in said[1], len(said)] == [True, True, True, 2]
