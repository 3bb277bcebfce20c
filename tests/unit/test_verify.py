"""Verify: an honest book has no fault, and whatever somebody changes behind its back is named by its id."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from sidecar.capture import capture, to_delivery
from sidecar.journal import Entry
from sidecar.model import Claim, Decision, Delivery, Fact, Verdict
from sidecar.ports import Captured
from sidecar.verify import Fault, verify
from tests.support.books import engine_of, run_sql
from tests.support.houses import House, buys, op, says

damages = pytest.mark.damages_the_book


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house that has read a chat, a mail and a booking, and was edited by a person."""
    with House(tmp_path, "sqlite:///journal.db", buys(), says("ready", op("stage", "qualified", "ready"))) as opened:
        opened.start().hear("I want to buy, I am ready")
        opened.mail("Zoe <zoe@x.test>", "I want to buy too")
        opened.poll()
        data = {"booking_id": "b1", "start": "2026-03-09T10:00:00Z", "customer": {"email": "ann@x.test"}}
        opened.post("booking.created", data)
        opened.work()
        yield opened


def faults(house: House) -> list[Fault]:
    """What verify finds."""
    return list(verify(house.journal, house.app.channels))


def behind(house: House) -> str:
    """The URL of the book, with its guards taken away as somebody with the file can."""
    url = f"sqlite:///{house.folder / 'journal.db'}"
    with engine_of(url).begin() as connection:
        found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
        assert found, "the book is guarded"
        for name in found:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
    return url


def tamper(house: House, fact: Fact, change: Callable[[dict[str, Any]], None], *, hide: bool = True) -> str:
    """Change a fact's body in the file, and with `hide` its hash too; returns its id."""
    url = behind(house)
    with engine_of(url).begin() as connection:
        query = "SELECT body FROM payload WHERE part = 'body' AND fact_id = ?"
        body = json.loads(connection.exec_driver_sql(query, (fact.id,)).scalar_one())
    change(body)
    changed = json.dumps(body).encode()
    run_sql(url, "UPDATE payload SET body = :b WHERE part = 'body' AND fact_id = :id", b=changed, id=fact.id)
    if hide:
        run_sql(url, "UPDATE fact SET sha256 = :h WHERE id = :id", h=sha256(changed).hexdigest(), id=fact.id)
    return fact.id


def claim_about(house: House, field: str) -> Claim:
    """The first verified claim about a field."""
    found = (fact for fact in house.facts("claim") if isinstance(fact, Claim))
    return next(claim for claim in found if claim.field == field and claim.verified)


def test_an_honest_book_has_no_fault(house: House) -> None:
    """Whatever was captured, inferred and posted re-derives; seen to fail with a quote stored as the model wrote it."""
    assert len(house.facts("posting")) > 5
    assert faults(house) == []


@damages
def test_changed_words_are_named(house: House) -> None:
    """A text that its bytes don't say, and the claim that quotes it; seen to fail with the hashes alone compared."""
    activity = house.activity("m1")
    changed = tamper(house, activity, lambda body: body.update(text=body["text"].replace("want to buy", "hate to see")))
    found = faults(house)
    assert changed in {fault.fact for fault in found}
    assert claim_about(house, "intent").id in {fault.fact for fault in found}
    assert "hate" not in " ".join(fault.problem for fault in found), "a fault never holds the words"


@damages
def test_a_speaker_who_was_made_one_of_ours_is_named(house: House) -> None:
    """Who said it is evidence as well; seen to fail with the text alone compared."""
    activity = house.activity("m1")
    changed = tamper(house, activity, lambda body: body["actor"].update(role="agent", authenticated=True))
    assert [fault.fact for fault in faults(house)] == [changed]


@damages
def test_a_changed_quote_is_named(house: House) -> None:
    """Evidence stands where it says, letter by letter; seen to fail with the place left unchecked."""
    changed = tamper(house, claim_about(house, "intent"), lambda body: body["evidence"][0].update(quote="sell"))
    assert [fault.fact for fault in faults(house)] == [changed]


@damages
def test_a_quote_that_was_moved_into_somebody_elses_words_is_named(house: House) -> None:
    """What a mail merely quotes is nobody's word in it; seen to fail without the spans."""
    house.mail("Ann <ann@x.test>", "I want to buy\n\nOn Monday Bob wrote:\n> We shall buy it back")
    house.clock.move(60)
    house.poll()
    mailed = house.journal.captured(1, "drop")[0]
    claims = [c for c in house.facts("claim") if isinstance(c, Claim) and c.field == "intent"]
    claim = next(c for c in claims if {e.activity for e in c.evidence} == {mailed.id})
    start = mailed.text.rindex("buy")
    changed = tamper(house, claim, lambda body: body["evidence"][0].update(start=start, end=start + 3))
    assert [(fault.fact, "outside what was said" in fault.problem) for fault in faults(house)] == [(changed, True)]


@damages
def test_changed_raw_bytes_are_named(house: House) -> None:
    """The bytes are what all else rests on; seen to fail without the hash of the raw bytes."""
    delivery = house.facts("delivery")[0]
    statement = "UPDATE payload SET body = :b WHERE part = 'raw' AND fact_id = :id"
    raw = house.journal.raw(delivery.id).replace(b"want", b"hate")
    run_sql(behind(house), statement, b=raw, id=delivery.id)
    assert [fault.fact for fault in faults(house)] == [delivery.id]


@damages
def test_raw_bytes_whose_hash_was_changed_with_them_are_named_by_what_they_say(house: House) -> None:
    """Who forges bytes and all hashes would have to forge the reading too; seen to fail with nothing read again."""
    activity = house.activity("m1")
    delivery = house.journal.get(activity.because[0])
    assert isinstance(delivery, Delivery)
    raw = delivery.raw.replace(b"want", b"hate")
    digest = sha256(raw).hexdigest()
    tamper(house, delivery, lambda body: body.update(sha256=digest))
    run_sql(
        f"sqlite:///{house.folder / 'journal.db'}",
        "UPDATE payload SET body = :b WHERE part = 'raw' AND fact_id = :id", b=raw, id=delivery.id,
    )  # fmt: skip
    assert [fault.fact for fault in faults(house)] == [activity.id]


@damages
@pytest.mark.parametrize("kind", ["delivery", "activity", "claim", "decision", "posting", "inference", "change"])
def test_damage_in_one_place_hides_no_other(house: House, kind: str) -> None:
    """Verify names what it can't read and goes on; seen to fail with the first damaged fact raising."""
    damaged = tamper(house, house.facts(kind)[0], lambda body: body.update(extra=1), hide=False)
    other = tamper_activity(house)
    found = {fault.fact for fault in faults(house)}
    assert {damaged, other} <= found


def tamper_activity(house: House) -> str:
    """Change the words of the mail; returns its id."""
    url = f"sqlite:///{house.folder / 'journal.db'}"
    mailed = house.journal.captured(10, "drop")[-1]
    with engine_of(url).begin() as connection:
        query = "SELECT body FROM payload WHERE part = 'body' AND fact_id = ?"
        body = connection.exec_driver_sql(query, (mailed.id,)).scalar_one()
    changed = bytes(body).replace(b"buy too", b"buy two")
    assert changed != bytes(body)
    run_sql(url, "UPDATE payload SET body = :b WHERE part = 'body' AND fact_id = :id", b=changed, id=mailed.id)
    run_sql(url, "UPDATE fact SET sha256 = :h WHERE id = :id", h=sha256(changed).hexdigest(), id=mailed.id)
    return mailed.id


@damages
def test_a_verdict_that_lost_its_evidence_is_named(house: House) -> None:
    """Nothing is applied without a quote or a formula; seen to fail with the verified mark alone believed."""
    claim = claim_about(house, "stage")
    tamper(house, claim, lambda body: body.update(evidence=[]))
    decided = [d for d in house.facts("decision") if isinstance(d, Decision) and d.claim == claim.id]
    assert {d.verdict for d in decided} == {Verdict.APPLY}
    assert [fault.fact for fault in faults(house)] == [d.id for d in decided]


def test_what_a_channel_can_t_read_any_more_is_named(house: House) -> None:
    """A parser that has changed its mind is named; seen to fail with what is missing passed over."""

    class Forgetful:
        def parse(self, delivery: Delivery) -> tuple[()]:
            return ()

    found = list(verify(house.journal, {"drop": Forgetful()}))  # type: ignore[dict-item]  # verify asks only to parse
    assert [fault.problem for fault in found] == ["it no longer follows from its delivery"]
    assert list(verify(house.journal, {})) == [], "a channel that is gone can't be asked"


@damages
def test_what_a_former_reader_named_otherwise_still_follows(house: House) -> None:
    """A mail without a Date had an empty version once: its words are compared, and others are a fault."""
    mint, drop = house.journal.mint, house.app.channels["drop"]
    held = []
    for key, word in (("m8", "Sunday"), ("m9", "Monday")):
        raw = f"From: ann@x.test\nTo: desk@ours.test\nMessage-ID: <{key}@x.test>\n\nAre you open on Sunday?\n".encode()
        delivery = to_delivery(Captured("drop", raw, key), "drop", house.clock(), mint)
        (activity,) = capture(delivery, drop, mint)
        held.append(mint(replace(activity, version="", text=activity.text.replace("Sunday", word))))
        assert held[-1].id != activity.id
        house.journal.commit(Entry(facts=(delivery, held[-1])))
    assert [fault.fact for fault in faults(house)] == [held[1].id]
