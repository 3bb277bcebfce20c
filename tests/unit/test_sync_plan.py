"""The plan: what may be written, what may not and why, and when to look again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sidecar.config import load
from sidecar.model import (
    Author,
    AuthorKind,
    Engagement,
    FieldClass,
    FieldStanding,
    FieldSync,
    Hold,
    Mint,
    Mode,
    Reading,
    Record,
    RecordSync,
    Standing,
    Value,
)
from sidecar.sync import DesiredField, DesiredRecord, Look, Plan, plan

MINT = Mint(b"k" * 32)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = load(None, {}).policy()


def at(minutes: float) -> datetime:
    """Return a time so many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def hold(value: Value, minutes: int, **fields: Any) -> Hold:
    """Return a person's hold."""
    return Hold(author=Author(AuthorKind.PERSON), value=value, at=at(minutes), **fields)


def field(value: Value, minutes: int | None = 5, cls: FieldClass = FieldClass.OBSERVATION, **more: Any) -> DesiredField:
    """Return a property that is wanted, resting on evidence of some minute."""
    evidence_at = None if minutes is None else at(minutes)
    return DesiredField(value, "intent", cls, ("decision-1",), evidence_at, engine=more.pop("engine", "model"), **more)


def made(
    wanted: DesiredField,
    current: Value,
    sync: FieldSync,
    *,
    sent_at: datetime | None = None,
    settle_s: float = 0.0,
    vendor: bool = False,
) -> Plan:
    """Plan one property of a contact that is there."""
    record = DesiredRecord("contact", "contact-1", 0, {"ai_intent": wanted}, create=True)
    found = Record("contact", "c-9", {"ai_intent": current} if current is not None else {}, "7")
    known = RecordSync("contact", "contact-1", "c-9", sent_at=sent_at, fields={"ai_intent": sync})
    return planned((record,), {"contact-1": look(found)}, {"contact-1": known}, settle_s=settle_s, vendor=vendor)


def look(found: Record | None, values: str = "0") -> Look:
    """Return a look with its reading."""
    reading = Reading(
        because=("match-1",),
        party="party-1",
        ledger="local",
        kind="contact",
        key="contact-1",
        ref=found.ref if found else "",
        values_sha256=values,
        at=NOON,
    )
    return Look(found, MINT(reading))


def planned(
    wanted: tuple[DesiredRecord, ...],
    looks: Mapping[str, Look],
    records: Mapping[str, RecordSync],
    *,
    settle_s: float = 0.0,
    vendor: bool = False,
    engines: tuple[str, ...] = (),
) -> Plan:
    """Plan for a standing with these records, and a belief by each engine, at noon and a minute."""
    held = {f"by {engine}": FieldStanding("x", "decision-1", engine, 0.9, at(5)) for engine in engines}
    standing = Standing("party-1", records=records, engagements=(Engagement(fields=held),))
    return plan(wanted, looks, standing, POLICY, MINT, ledger="local", vendor=vendor, settle_s=settle_s, now=at(1))


POSTED = FieldSync(posted="buy", wrote="buy", was_posted=True)
IDENTITY, STATE = FieldClass.IDENTITY, FieldClass.STATE


@pytest.mark.parametrize(
    ("wanted", "current", "sync"),
    [
        (field("buy"), "buy", POSTED),
        (field("book"), "buy", POSTED),
        (field(None), "buy", POSTED),
        (field("book"), None, FieldSync()),
        (field(None), None, FieldSync()),
        (field("buy", 5), "inform", replace(POSTED, hold=hold("inform", 4))),
        (field("buy", 5, STATE), "inform", replace(POSTED, hold=hold("inform", 4))),
        (field("buy", 1), "inform", replace(POSTED, hold=Hold(author=Author(AuthorKind.US), value="inform", at=at(9)))),
        (field("buy", 1), "inform", FieldSync(posted="inform", wrote="inform", was_posted=True, freed_at=at(4))),
        (field("fifty"), "50", FieldSync(posted="50", wrote="fifty", was_posted=True)),
    ],
)
def test_what_is_ours_or_overtaken_is_brought_to_what_is_believed(
    wanted: DesiredField, current: Value, sync: FieldSync
) -> None:
    """Exactly one Change where the CRM differs, none where it doesn't, or where it only spells ours another way."""
    result = made(wanted, current, sync)
    differs = wanted.value != current and (wanted.value, current) != ("fifty", "50")
    assert [(c.old, c.new) for c in result.changes] == ([(current, wanted.value)] if differs else [])
    assert not result.refused


@pytest.mark.parametrize(
    ("wanted", "current", "sync", "reason"),
    [
        (field("buy", 9, IDENTITY), "Bea", replace(POSTED, hold=hold("Bea", 4)), "somebody else's"),
        (field("buy", 9, IDENTITY), None, replace(POSTED, hold=hold(None, 4)), "somebody else's"),
        (field("buy", 4), "inform", replace(POSTED, hold=hold("inform", 4)), "newer than the evidence"),
        (field("buy", 3, STATE), None, replace(POSTED, hold=hold(None, 4)), "newer than the evidence"),
        (field("buy", None), "inform", replace(POSTED, hold=hold("inform", 4)), "newer than the evidence"),
        (field("buy", 9, engine="person"), "inform", replace(POSTED, hold=hold("inform", 4)), "wrote elsewhere"),
        (field("buy", 9, engine="past"), "inform", replace(POSTED, hold=hold("inform", 4)), "wrote elsewhere"),
        (field("book", 9), "buy", replace(POSTED, pinned=True), "pinned"),
        (field("book", 9), "inform", POSTED, "somebody else's"),
        (field("book", 9, mode=Mode.SHADOW), "buy", POSTED, "shadow"),
        (field("book", 9, mode=Mode.SUGGEST, native=True), "buy", POSTED, "suggest"),
    ],
)
def test_what_is_somebodys_is_left_and_the_reason_told(
    wanted: DesiredField, current: Value, sync: FieldSync, reason: str
) -> None:
    """A person's value stands by its class: for good, or until newer activities; a dry run says why."""
    result = made(wanted, current, sync)
    assert not result.changes
    assert [reason in refused.reason for refused in result.refused] == [True]


def test_rules_do_not_write_to_somebody_elses_crm() -> None:
    """The embedded baseline writes to the local CRM, and to a vendor's only when told to."""
    wanted = field("book", engine="baseline")
    assert made(wanted, "buy", POSTED, vendor=False).changes
    assert not made(wanted, "buy", POSTED, vendor=True).changes


@pytest.mark.parametrize(
    ("engines", "is_written"),
    [(("baseline", "code"), False), (("baseline", "code", "person"), False), (("baseline", "model", "code"), True)],
)
def test_what_code_makes_of_rules_alone_waits_as_they_do(engines: tuple[str, ...], is_written: bool) -> None:
    """A score, note or deal that rests on the baseline is the baseline's; seen to fail with its own fields alone held.

    What a model or a person has a part in is written; the contact itself rests on who wrote, not on what was read.
    """
    score = DesiredField(35, "score", FieldClass.OBSERVATION, ("decision-2",), at(5), engine="code")
    name = DesiredField("Ann", "name", FieldClass.IDENTITY, ("match-1",), at(5), engine="code")
    note = DesiredField("words", "", FieldClass.IDENTITY, ("decision-2",), at(5), engine="code")
    wanted = (
        DesiredRecord("contact", "contact-1", 0, {"ai_score": score, "name": name}, create=True, mode=Mode.AUTO),
        DesiredRecord("note", "note-1", 1, {"body": note}, create=True, links=("contact-1",), mode=Mode.AUTO),
    )
    result = planned(wanted, {}, {}, vendor=True, engines=engines)
    assert [(c.kind, c.field) for c in result.changes if c.field == "name"] == [("contact", "name")]
    assert any(c.field == "ai_score" for c in result.changes) is is_written
    assert any(c.kind == "note" for c in result.changes) is is_written


def test_an_unknown_outcome_is_waited_out_and_then_tried_by_an_intent_of_its_own() -> None:
    """While an earlier write may still arrive nothing is sent; afterwards the second try has its own Change."""
    pending = replace(POSTED, pending={"change-1": "book"})
    early = made(field("book"), "buy", pending, sent_at=at(0.9), settle_s=30)
    assert not early.changes
    assert early.wait_until == at(0.9) + timedelta(seconds=30)
    late = made(field("book"), "buy", pending, sent_at=at(0), settle_s=30)
    assert [c.new for c in late.changes] == ["book"]
    assert late.changes[0].reading, "it relies on the look that found the first one missing"
    assert late.wait_until is None


def test_a_value_that_was_run_over_is_put_back_before_anything_else() -> None:
    """A person's value that our write ran over goes back, even when nothing of it is wanted any more."""
    sync = FieldSync(posted="book", wrote="book", was_posted=True, hold=hold("inform", 4, overrun=True))
    result = made(field("buy", 9), "book", sync)
    assert [(c.old, c.new) for c in result.changes] == [("book", "inform")]
    there = made(field("buy", 9), "inform", sync)
    assert not there.changes


def test_nothing_is_made_that_a_person_deleted_or_did_not_allow() -> None:
    """A deletion is a person's word, and so is the setting that keeps us from making records."""
    contact = DesiredRecord("contact", "contact-1", 0, {"ai_intent": field("buy")}, create=True)
    gone = planned((contact,), {}, {"contact-1": RecordSync("contact", "contact-1", "c-9", gone=True)})
    assert not gone.records
    assert "deleted" in gone.refused[0].reason
    not_allowed = planned((replace(contact, create=False, why_not="ask first"),), {}, {})
    assert (not_allowed.records, not_allowed.refused[0].reason) == ((), "ask first")
    fresh = planned((contact,), {}, {})
    assert [c.ref for c in fresh.changes] == [None]
    for mode in (Mode.SHADOW, Mode.SUGGEST):
        shy = replace(contact, mode=mode, fields={"ai_intent": field("buy", mode=mode)})
        assert not planned((shy,), {}, {}).changes


def test_what_belongs_to_a_contact_waits_for_the_contact() -> None:
    """A deal without its contact would hang in the air; with it, both are made at once."""
    contact = DesiredRecord("contact", "contact-1", 0, {"ai_intent": field("buy")}, create=True)
    deal = DesiredRecord("deal", "deal-1", 1, {"ai_intent": field("buy")}, create=True, links=("contact-1",))
    alone = planned((replace(contact, create=False, why_not="no"), deal), {}, {})
    assert not alone.changes
    assert "contact" in alone.refused[1].reason
    assert [r.wanted.kind for r in planned((contact, deal), {}, {}).records] == ["contact", "deal"]


def test_a_record_that_may_have_been_made_is_made_again_only_after_the_settle_time() -> None:
    """A create of unknown outcome is looked for first; the second try is another intent than the first."""
    contact = DesiredRecord("contact", "contact-1", 0, {"ai_intent": field("buy")}, create=True)
    first = planned((contact,), {}, {}).changes[0]
    sync = RecordSync(
        "contact", "contact-1", sent_at=at(0.9), fields={"ai_intent": FieldSync(pending={first.id: "buy"})}
    )
    looks = {"contact-1": look(None)}
    early = planned((contact,), looks, {"contact-1": sync}, settle_s=30)
    assert not early.changes
    assert early.wait_until is not None
    again = planned((contact,), looks, {"contact-1": replace(sync, sent_at=at(0))}, settle_s=30).changes
    assert [c.new for c in again] == ["buy"]
    assert again[0].id != first.id


def test_the_same_look_makes_the_same_intent() -> None:
    """Planning twice from one reading adds nothing to the book; another reading is another intent."""
    first, again = (made(field("book"), "buy", POSTED).changes[0] for _ in range(2))
    assert first.id == again.id
    other = MINT(replace(first, reading="reading-2"))
    assert other.id != first.id
