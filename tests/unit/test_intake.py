"""Intake: bytes are durable first, one thing said is one activity, one person is one party, strangers stay outside."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from sidecar.errors import RejectedInput, TemporaryError
from sidecar.journal import Entry, Receipt
from sidecar.model import Activity, Delivery, Match, Outcome, WorkKey, WorkKind
from sidecar.ports import HookRequest
from tests.support.houses import House, buys, op, says
from tests.support.openings import Open, opener


@pytest.fixture
def open_house(tmp_path: Path, journal_url: str) -> Iterator[Open]:
    """Opens a house on each database in turn."""
    yield from opener(tmp_path, journal_url)


@pytest.fixture
def open_on_sqlite(tmp_path: Path) -> Iterator[Open]:
    """Opens a house on SQLite, for what no database decides."""
    yield from opener(tmp_path, "sqlite:///journal.db")


# The door -----------------------------------------------------------------------------------------------------------


def test_the_same_request_twice_is_one_activity_and_one_inference(open_house: Open) -> None:
    """Senders repeat themselves; seen to fail with the time of receipt in a delivery's identity."""
    house = open_house(buys())
    data = {
        "message_id": "m1", "conversation_id": "c1", "direction": "inbound", "sender": {"email": "ann@x.test"},
        "text": "I want to buy", "sent_at": house.clock().isoformat(),
    }  # fmt: skip
    at = house.clock()
    assert house.post("message.created", data, key="same", at=at)
    house.work()
    house.clock.move(60)
    assert not house.post("message.created", data, key="same", at=at)
    house.work()
    assert [len(house.facts(kind)) for kind in ("delivery", "activity", "match", "inference")] == [1, 1, 1, 1]
    assert len(house.llm.questions) == 1


def test_a_request_that_comes_again_makes_no_work(open_on_sqlite: Open) -> None:
    """Work follows from news alone; seen to fail with each touch counted."""
    house = open_on_sqlite()
    data = {"booking_id": "b1", "start": "2026-03-09T10:00:00Z", "customer": {"email": "ann@x.test"}}
    at = house.clock()
    house.post("booking.created", data, key="same", at=at)
    house.work()
    house.post("booking.created", data, key="same", at=at)
    assert house.work() == 0


def test_one_thing_said_is_one_activity_though_it_comes_in_two_deliveries(open_on_sqlite: Open) -> None:
    """A webhook and a backfill may tell the same; seen to fail with the delivery in an activity's identity."""
    house = open_on_sqlite(buys())
    house.say("I want to buy", id="m1")
    house.say("I want to buy", id="m1")
    house.work()
    assert [len(house.facts(kind)) for kind in ("delivery", "activity", "inference")] == [2, 1, 1]


@pytest.mark.parametrize("channel", ["nosuch", "drop", ""])
def test_a_channel_that_takes_no_requests_is_not_found(open_on_sqlite: Open, channel: str) -> None:
    """There is no door where no webhook is configured; seen to fail with any channel asked to verify."""
    house = open_on_sqlite()
    with pytest.raises(RejectedInput) as refused:
        house.app.receive(channel, HookRequest({}, b"{}"))
    assert refused.value.status == 404
    assert not house.facts("delivery")


def test_a_request_that_proves_nothing_changes_nothing(open_on_sqlite: Open) -> None:
    """What isn't vouched for isn't stored; seen to fail with the request taken as it comes."""
    house = open_on_sqlite()
    forged = house.signed("d1", "{}") | {"webhook-signature": "v1,AAAA"}
    with pytest.raises(RejectedInput) as refused:
        house.app.receive("web", HookRequest(forged, b"{}"))
    assert refused.value.status == 401
    assert not house.facts("delivery") and not house.journal.work()


def test_what_can_t_be_parsed_is_kept_and_parked_by_its_name_and_stops_nobody(open_on_sqlite: Open) -> None:
    """Poison is one delivery's own; seen to fail with the error left to the thread."""
    house = open_on_sqlite(buys())
    poison = house.post("message.created", {"text": "no ids"})
    house.say("I want to buy")
    house.work()
    (parked,) = house.parked()
    assert parked.work == WorkKey(WorkKind.PARSE, poison)
    assert parked.parked_reason
    assert house.fields()["intent"] == "buy"
    held = house.journal.get(poison)
    assert isinstance(held, Delivery) and b"no ids" in held.raw


def test_what_was_not_stored_wakes_nobody(open_on_sqlite: Open) -> None:
    """A failed commit leaves nothing to look for; seen to fail with the wake on any end of it."""
    house = open_on_sqlite(buys())
    woken: list[list[WorkKey]] = []
    house.app.pipeline.parts.wake = lambda keys: woken.append(list(keys))
    append = house.journal.append
    failed: Future[Receipt] = Future()
    failed.set_exception(TemporaryError("the disk is full"))
    house.journal.append = lambda entry: failed  # type: ignore[method-assign]
    data = {
        "message_id": "m1", "conversation_id": "c1", "direction": "inbound", "sender": {"email": "ann@x.test"},
        "text": "I want to buy", "sent_at": house.clock().isoformat(),
    }  # fmt: skip
    with pytest.raises(TemporaryError):
        house.post("message.created", data)
    assert woken == []
    house.journal.append = append  # type: ignore[method-assign]
    house.post("message.created", data)
    assert [key.kind for (key,) in woken] == [WorkKind.PARSE]


# Polls --------------------------------------------------------------------------------------------------------------


def test_a_cursor_moves_together_with_what_was_read_or_not_at_all(open_house: Open) -> None:
    """A crash between the two would lose mail; seen to fail with the cursor committed by itself."""
    house = open_house(buys())
    house.mail("Ann <ann@x.test>", "I want to buy")
    append, entries = house.journal.append, []

    def failing(entry: Entry) -> Future[Receipt]:
        if any(cursor.channel == "drop" for cursor in entry.cursors):
            entries.append(entry)
            raise TemporaryError("the disk is full")
        return append(entry)

    house.journal.append = failing  # type: ignore[method-assign]
    house.poll()
    assert [len(entry.facts) for entry in entries] == [1]
    assert house.journal.cursor("drop", "poll") is None and not house.facts("delivery")
    house.journal.append = append  # type: ignore[method-assign]
    house.clock.move(3600)
    house.work()
    assert house.journal.cursor("drop", "poll") is not None
    assert house.fields()["intent"] == "buy"


def test_a_lost_cursor_costs_work_and_repeats_nothing(open_on_sqlite: Open) -> None:
    """Reading all again brings nothing new; seen to fail with the time of receipt in a delivery's identity."""
    house = open_on_sqlite(buys())
    house.mail("Ann <ann@x.test>", "I want to buy")
    house.poll()
    counted = house.journal.counts()
    house.clock.move(60)
    adapter = house.app.channels["drop"]
    batches = list(adapter.poll(None))
    assert batches
    assert [house.app.pipeline.intake.keep("drop", batch, "poll") for batch in batches] == [0] * len(batches)
    assert house.work() == 0
    assert house.journal.counts() == counted


def test_a_file_is_let_go_only_once_its_bytes_are_durable(open_on_sqlite: Open) -> None:
    """What a channel does afterwards comes after the commit; seen to fail with the two lines swapped."""
    house = open_on_sqlite()
    house.mail("Ann <ann@x.test>", "Hello")
    (batch,) = house.app.channels["drop"].poll(None)
    held: list[int] = []
    told = type(batch)(batch.captured, batch.cursor, lambda: held.append(len(house.facts("delivery"))))
    house.app.pipeline.intake.keep("drop", told, "poll")
    assert held == [1]


# Whose it is --------------------------------------------------------------------------------------------------------

LISTS = """
relevance.do_not_process = ["*@never.test"]
relevance.not_customer = ["*@supplier.test"]
"""


@pytest.mark.parametrize(
    "outcome, sender, to, headers",
    [
        (Outcome.AUTOMATED, "news@x.test", "desk@ours.test", ["List-Id: <x.test>", "Precedence: bulk"]),
        (Outcome.INTERNAL, "bob@ours.test", "eve@ours.test", []),
        (Outcome.DO_NOT_PROCESS, "ann@never.test", "desk@ours.test", []),
        (Outcome.DO_NOT_PROCESS, "bob@ours.test", "ann@never.test", []),
        (Outcome.NOT_CUSTOMER, "sales@supplier.test", "desk@ours.test", []),
        (Outcome.OUTBOUND_ONLY, "bob@ours.test", "stranger@x.test", []),
    ],
)  # fmt: skip
def test_who_is_no_customer_never_reaches_the_model_or_the_crm(
    open_on_sqlite: Open, outcome: Outcome, sender: str, to: str, headers: list[str]
) -> None:
    """Strangers, colleagues and machines cost nothing and make no records; seen to fail with the gate left out."""
    house = open_on_sqlite(buys(), more=LISTS)
    house.mail(sender, "We would buy this now", *headers, to=to)
    house.poll()
    (match,) = house.facts("match")
    assert isinstance(match, Match)
    assert (match.outcome, match.party) == (outcome, None)
    assert not house.llm.questions
    assert not house.app.ledger.show()  # type: ignore[attr-defined]  # the local ledger shows itself
    assert not house.parked()


def test_what_we_wrote_first_is_taken_in_once_they_answer(open_house: Open) -> None:
    """Our mail to a stranger waits for a person behind it; seen to fail with waiting deliveries left alone."""
    house = open_house(buys())
    house.answer("Shall I send an offer?", thread="t1")
    house.work()
    assert house.match("m1").outcome is Outcome.OUTBOUND_ONLY
    assert not house.llm.questions
    house.clock.move(60)
    house.say("Yes, I want to buy", thread="t2")
    house.work()
    assert house.match("m1").outcome is Outcome.PARTY
    assert house.match("m1").party == house.standing().party
    assert "Shall I send an offer?" in house.llm.heard[-1]
    assert house.standing().activities == 2 and house.journal.counts()["pending"] == 0


def test_one_person_over_many_messages_at_once_is_one_party(open_house: Open) -> None:
    """Four workers resolve a stranger's messages at one time; seen to fail without the identifier's one owner."""
    house = open_house(buys(), more="limits.concurrency = 4")
    for i in range(8):
        house.say(f"I want to buy {i}", thread=f"t{i}")
    for i in range(4):
        for known in ({}, {"email": f"guest{i}@x.test"}):
            house.say(f"buy it {i}", thread=f"g{i}", sender={"external_id": f"visitor-{i}", **known})
    for key in [key for key in house.journal.due(100) if key.kind is WorkKind.PARSE]:
        house.app.worker.handle(key)
    _meet_at_the_match(house, 2)
    house.work()
    house.clock.move(3600)
    house.work()
    assert house.journal.counts()["parties"] == 5
    assert [house.standing(f"guest{i}").activities for i in range(4)] == [2] * 4
    assert house.standing().activities == 8
    assert len(house.records("contact")) == 5
    assert not house.parked() and house.journal.counts()["pending"] == 0


def _meet_at_the_match(house: House, parties: int) -> None:
    """Let two workers, whenever they can, decide whose an activity is before either of them has said so."""
    append, barrier = house.journal.append, threading.Barrier(parties)

    def meeting(entry: Entry) -> Future[Receipt]:
        if any(isinstance(fact, Match) for fact in entry.facts):
            try:
                barrier.wait(0.2)
            except threading.BrokenBarrierError:
                barrier.reset()
        return append(entry)

    house.journal.append = meeting  # type: ignore[method-assign]


# When it is read ----------------------------------------------------------------------------------------------------


def test_a_burst_is_read_at_once_when_it_has_ended(open_house: Open) -> None:
    """An album is one thought; seen to fail with each message due at once."""
    house = open_house(buys())
    for i in range(5):
        house.say(f"buy {i}")
        house.app.worker.run_until_idle()
        assert not house.llm.questions, "the conversation is not quiet"
        house.clock.move(30)
    house.clock.move(60)
    house.app.worker.run_until_idle()
    assert house.llm.heard == [[f"buy {i}" for i in range(5)]]


def test_a_burst_that_never_ends_is_read_all_the_same(open_on_sqlite: Open) -> None:
    """Nobody can keep us from reading by writing on; seen to fail without the longest wait."""
    house = open_on_sqlite(buys(), more="inference.max_wait_s = 300")
    for i in range(12):
        house.say(f"buy {i}")
        house.app.worker.run_until_idle()
        house.clock.move(30)
    assert house.llm.questions


def test_a_booking_is_read_at_once(open_on_sqlite: Open) -> None:
    """What a system says is whole as it comes; seen to fail with one quiet time for all."""
    house = open_on_sqlite()
    data = {"booking_id": "b1", "start": "2026-03-09T10:00:00Z", "customer": {"email": "ann@x.test"}}
    house.post("booking.created", data)
    house.app.worker.run_until_idle()
    assert len(house.llm.questions) == 1


def test_what_is_said_while_a_party_is_being_read_is_read_too(open_house: Open) -> None:
    """A run's input is a query, so no message falls between two runs; seen to fail with finish counting all touches."""
    house = open_house(buys(), says("never mind", op("intent", "cancel", "never mind")))
    late = ["I want to buy one", "never mind"]

    def meanwhile(_: object) -> None:
        if late:
            house.clock.move(5)
            house.say(late.pop(0))
            for key in house.journal.due(10, [WorkKind.PARSE]):
                house.app.worker.handle(key)
            for key in house.journal.due(10, [WorkKind.RESOLVE]):
                house.app.worker.handle(key)

    house.llm.meanwhile = meanwhile
    house.hear("I want to buy")
    assert len(house.llm.questions) == 3
    assert house.llm.heard[-1][-1] == "never mind"
    assert house.fields()["intent"] == "cancel"
    assert house.journal.counts()["pending"] == 0


def test_a_channel_that_was_taken_out_of_the_config_parks_with_the_remedy(open_on_sqlite: Open) -> None:
    """What it brought is kept, and says what to do; seen to fail with the KeyError of a plain look-up."""
    house = open_on_sqlite(buys())
    house.mail("Ann <ann@x.test>", "I want to buy")
    (batch,) = house.app.channels["drop"].poll(None)
    house.app.pipeline.intake.keep("drop", batch, "poll")
    channels = house.app.pipeline.parts.channels
    house.app.pipeline.parts.channels = {"web": channels["web"]}
    house.work()
    (parked,) = house.parked()
    assert "'drop' is not configured any more" in str(parked.parked_reason)
    house.app.pipeline.parts.channels = channels
    assert house.journal.retry(parked.work)
    house.work()
    assert house.fields()["intent"] == "buy"


def test_every_delivery_ends_in_one_state(open_on_sqlite: Open) -> None:
    """Nothing that was captured is forgotten: read, parked, or waiting for a person. Seen to fail with a lost touch."""
    house = open_on_sqlite(buys(), more=LISTS)
    house.say("I want to buy")
    house.post("message.created", {"text": "poison"})
    house.mail("ann@never.test", "buy")
    house.answer("Hello?", "stranger")
    house.poll()
    activities = [a for a in house.facts("activity") if isinstance(a, Activity)]
    matched = {m.activity for m in house.facts("match") if isinstance(m, Match)}
    assert {a.id for a in activities} == matched
    parsed = {cause for a in activities for cause in a.because}
    parked = {row.work.key for row in house.parked()}
    deliveries = {d.id for d in house.facts("delivery")}
    assert parsed | parked == deliveries and not parsed & parked
    assert house.journal.counts()["pending"] == 0 and not house.journal.work("due", "waiting", "running")
