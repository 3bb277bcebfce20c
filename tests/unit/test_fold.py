"""The fold: what each fact adds to a standing, above all what people's words in the CRM do to what is believed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sidecar.model import (
    Activity,
    Author,
    AuthorKind,
    Change,
    Decision,
    Engagement,
    FieldStanding,
    FieldSync,
    Hold,
    Identifier,
    Match,
    Mint,
    Outcome,
    Posting,
    Reading,
    RecordSync,
    Release,
    Standing,
    Step,
    Suggestion,
    Value,
    Verdict,
    absorb,
    advance,
)
from sidecar.model.fold import KEPT_CONVERSATIONS, KEPT_DONE_STEPS
from sidecar.model.fold.crm import KEPT_PENDING
from tests.support.activities import activity

MINT = Mint(b"k" * 32)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = "deal-1"


def at(minutes: int) -> datetime:
    """Return a time so many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def believed(value: Value, minutes: int, engine: str = "model", activities: tuple[str, ...] = ("a",)) -> FieldStanding:
    """Return a believed value of some minute."""
    return FieldStanding(value, "decision-0", engine, 0.9, at(minutes), activities)


def standing(*, suggestions: dict[str, Suggestion] | None = None, **fields: FieldStanding) -> Standing:
    """Return a standing that believes some fields, with one record in the CRM."""
    engagement = Engagement(fields=fields, suggestions=suggestions or {})
    return Standing("party-1", engagements=(engagement,), records={KEY: RecordSync("deal", KEY, "d-9", 1)})


def hold(value: Value, minutes: int, name: str = "stage", **more: Any) -> Hold:
    """Return what a person left in the CRM."""
    return Hold(author=Author(AuthorKind.PERSON), value=value, at=at(minutes), name=name, means=value, **more)


def reading(minutes: int = 60, **more: Any) -> Reading:
    """Return what a look at the record said."""
    made = Reading(
        because=("x",), party="party-1", ledger="local", kind="deal", key=KEY, ref="d-9", engagement=1,
        values_sha256=str(minutes), at=at(minutes),
    )  # fmt: skip
    return MINT(replace(made, **more))


def change(new: Value, n: int = 1, field: str = "stage") -> Change:
    """Return an intent."""
    made = Change(
        because=("x",), party="party-1", ledger="local", kind="deal", key=KEY, ref="d-9", engagement=1,
        field=field, old=None, new=new, reading=f"reading-{n}", at=at(n),
    )  # fmt: skip
    return MINT(made)


def posting(of: Change, value: Value = None) -> Posting:
    """Return the confirmation of an intent."""
    made = Posting(
        because=(of.id,), party="party-1", change=of.id, ledger="local", kind="deal", key=KEY, ref="d-9", engagement=1,
        field=of.field, wrote=of.new, value=of.new if value is None else value, at=of.at,
    )  # fmt: skip
    return MINT(made)


def release(action: str, field: str = "stage", kind: str = "") -> Release:
    """Return a person's command."""
    return MINT(
        Release(
            because=("x",), party="party-1", nonce=action, action=action, by="rep-1", field=field, kind=kind, at=at(90)
        )
    )


def synced(of: Standing, name: str = "stage") -> FieldSync:
    """Return what is known of a property of the record."""
    return of.records[KEY].fields[name]


def with_sync(of: Standing, **fields: FieldSync) -> Standing:
    """Return the standing with this known of the record's properties."""
    return replace(of, records={KEY: replace(of.records[KEY], fields=fields)})


@pytest.mark.parametrize(
    ("held", "edit", "value", "read_again"),
    [
        (believed("booked", 5), hold("qualified", 9), "qualified", False),
        (believed("booked", 5), hold(None, 9), None, False),
        (believed("booked", 5), hold("qualified", 5), "qualified", False),
        (believed("booked", 9), hold("qualified", 5, to=("booked",)), "qualified", True),
        (believed("booked", 9), hold("qualified", 5, to=("booked",), first=True), "booked", False),
        (believed("booked", 9), hold("attended", 5, to=("closed_won",), first=True), "attended", True),
        (believed("enquired", 9, activities=()), hold("booked", 5), "booked", False),
        (believed("booked", 9, "person"), hold("qualified", 5), "booked", False),
        (believed("booked", 5, "person"), hold("qualified", 9), "qualified", False),
        (believed("booked", 9, "baseline"), hold("qualified", 5, to=("booked",)), "qualified", True),
        (believed("angry", 9), hold("positive", 5, "sentiment"), "angry", False),
        (believed("angry", 5), hold("positive", 9, "sentiment"), "positive", False),
        (believed("angry", 9, "baseline"), hold("positive", 5, "sentiment"), "positive", True),
        (believed(80, 9, "code", ()), hold(20, 5, "score"), 80, False),
        (believed(80, 5, "code", ()), hold(20, 9, "score"), 20, False),
    ],
)
def test_what_a_person_left_is_believed_unless_newer_evidence_stands(
    held: FieldStanding, edit: Hold, value: Value, read_again: bool
) -> None:
    """The newer of evidence and edit is believed; a stage moved before the edit was seen is judged anew from it."""
    after = advance(standing(suggestions=None, **{edit.name: held}), reading(holds={"p": edit}))
    assert after.engagement.fields[edit.name].value == value
    assert after.needs_whole is read_again
    assert synced(after, "p").hold == edit


def test_a_move_that_only_waited_is_judged_anew_from_a_persons_stage() -> None:
    """Evidence newer than the edit that could not move the old stage may move the person's."""
    waiting = {"stage": Suggestion("attended", "decision-1", "may not follow", at(9))}
    after = advance(
        standing(suggestions=waiting, stage=believed("enquired", 1)), reading(holds={"p": hold("booked", 5)})
    )
    assert after.needs_whole
    assert after.engagement.suggestions == waiting
    older = advance(
        standing(suggestions=waiting, stage=believed("enquired", 1)), reading(holds={"p": hold("booked", 9)})
    )
    assert not older.needs_whole
    assert older.engagement.suggestions == {}


def test_an_identity_is_held_and_believed_of_nobody() -> None:
    """A name that a person typed is theirs in the CRM, and no claim about the customer."""
    before = standing(stage=believed("booked", 1))
    after = advance(before, reading(holds={"name": hold("Bea", 9, "")}))
    assert after.engagement == before.engagement
    assert synced(after, "name").hold is not None


def test_a_persons_end_closes_and_their_way_back_opens() -> None:
    """A deal that a person closed is over, whatever the policy would have asked for; and so back."""
    closed = advance(standing(stage=believed("booked", 1)), reading(holds={"p": hold("closed_won", 5, ends=True)}))
    assert closed.engagement.closed_at == at(5)
    back = advance(closed, reading(61, holds={"p": hold("booked", 9)}))
    assert back.engagement.closed_at is None


def test_a_restored_value_is_free_and_believed_from_then_on() -> None:
    """Who restores our value gives it back, and says by it what is true: not what they had written before."""
    held = advance(standing(stage=believed("qualified", 1)), reading(holds={"p": hold("booked", 5)}))
    freed = advance(held, reading(61, freed={"p": hold("qualified", 9)}))
    assert (synced(freed, "p").hold, synced(freed, "p").freed_at) == (None, at(9))
    assert (freed.engagement.stage, freed.engagement.fields["stage"].evidence_at) == ("qualified", at(9))


def test_a_task_that_a_person_ends_or_reopens_ends_or_reopens_its_step() -> None:
    """A step's status is what its task's is."""
    steps = (Step("step-1", "Call", "us"), Step("step-2", "Write", "us"))
    before = replace(standing(), engagements=(Engagement(steps=steps),))
    done = advance(before, reading(holds={"status": hold("done", 5, "step:step-1")}))
    assert [s.status for s in done.engagement.steps] == ["done", "open"]
    again = advance(done, reading(61, freed={"status": hold("open", 9, "step:step-1")}))
    assert [s.status for s in again.engagement.steps] == ["open", "open"]
    gone = advance(
        before, reading(62, gone=True, holds={"status": replace(hold(None, 5, "step:step-2"), means="dropped")})
    )
    assert [s.status for s in gone.engagement.steps] == ["open", "dropped"]
    assert gone.records[KEY].gone


def test_a_merged_record_goes_on_under_its_new_ref() -> None:
    """A record that was merged away is not gone: it moved, and what we know of its properties moves along."""
    before = with_sync(standing(), stage=FieldSync(posted="booked", was_posted=True))
    moved = advance(before, reading(gone=True, moved_to="d-10"))
    assert (moved.records[KEY].ref, moved.records[KEY].gone) == ("d-10", False)
    assert synced(moved).posted == "booked"
    missing = advance(before, reading(61, ref=""))
    assert missing.records[KEY].ref == "d-9", "a look that found nothing forgets no ref"


def test_an_intent_is_pending_until_it_is_confirmed() -> None:
    """What we meant to write is known from before the write; the confirmation makes it ours and ends all holds."""
    first, second = change("booked", 1), change("qualified", 2)
    pending = advance(advance(standing(), first), second)
    assert synced(pending).pending == {first.id: "booked", second.id: "qualified"}
    assert pending.records[KEY].sent_at == second.at
    held = advance(pending, reading(holds={"stage": hold("booked", 5, "")}))
    posted = advance(held, posting(second, "Qualified"))
    assert synced(posted) == replace(
        FieldSync(posted="Qualified", wrote="qualified", was_posted=True, change=second.id), hold=None
    )


def test_second_tries_and_many_intents_stay_bounded() -> None:
    """A CRM that is away for days doesn't make a standing grow: one intent a value, and the newest few of them."""
    now = standing()
    for n in range(100):
        now = advance(now, change("booked", n))
    assert len(synced(now).pending) == 1
    for n in range(100):
        now = advance(now, change(f"value {n}", n))
    assert [*synced(now).pending.values()] == [f"value {n}" for n in range(100 - KEPT_PENDING, 100)]


def test_putting_back_a_persons_value_leaves_it_theirs() -> None:
    """The write is ours, the value is not: neither posted by us nor free to be written over."""
    theirs = hold("qualified", 5, overrun=True, unsettled=("c",))
    before = with_sync(standing(), stage=FieldSync(posted="booked", wrote="booked", was_posted=True, hold=theirs))
    back = change("qualified")
    after = advance(advance(before, back), posting(back))
    assert synced(after).hold == replace(theirs, overrun=False)
    assert (synced(after).posted, synced(after).pending) == ("booked", {})


def test_a_pin_holds_and_a_release_gives_back_what_stands() -> None:
    """A pinned property is left alone; released, the value that stands counts as ours to write over."""
    before = with_sync(standing(), stage=FieldSync(posted="booked", was_posted=True, hold=hold("qualified", 5)))
    pinned = advance(before, release("pin"))
    assert synced(pinned).pinned
    assert synced(pinned).hold is not None
    freed = advance(pinned, release("release", kind="deal"))
    assert synced(freed) == FieldSync(posted="qualified", wrote="qualified", was_posted=True, freed_at=at(5))
    elsewhere = advance(pinned, release("release", kind="contact"))
    assert synced(elsewhere).pinned


def test_an_approval_gives_back_what_stood_against_it() -> None:
    """A person who approves a suggestion wants it written, over what was typed before; a pin still stands."""
    fields = {name: FieldSync(hold=hold("qualified", 5), pinned=name == "b") for name in ("a", "b")}
    before = with_sync(standing(stage=believed("qualified", 5, "person")), **fields)
    decision = MINT(
        Decision(
            because=("x",), party="party-1", claim="claim-1", policy="p", verdict=Verdict.APPLY, rule="person",
            reason="", engagement=1, field="stage", op="set", value="attended", engine="person", confidence=0.9,
            evidence_at=at(9), by="rep-1", after="release-1",
        )
    )  # fmt: skip
    after = advance(before, decision)
    assert after.engagement.stage == "attended"
    assert (synced(after, "a").hold, synced(after, "a").posted) == (None, "qualified")
    assert synced(after, "b").hold is not None


def test_a_cleared_stage_is_no_stage() -> None:
    """Nothing is nothing, and not a stage by the name of None."""
    assert Engagement(fields={"stage": believed(None, 1, "person")}).stage == ""


def match(of: Activity, *links: Identifier, name: str = "", party: str = "party-1") -> Match:
    """Return a match of an activity with a party."""
    made = Match(
        because=(of.id,), party=party, activity=of.id, outcome=Outcome.PARTY, rule="test", name=name, links=links
    )
    return MINT(made)


def test_news_make_a_party_known_and_late_news_make_it_read_again() -> None:
    """The first name stays; a message from before the last reading sends the whole history to be read again."""
    first, late = activity(external_id="x1", at=at(5)), activity(external_id="x2", at=at(1))
    known = advance(Standing("party-1"), match(first, Identifier("email", "ann@x.test"), name="Ann"), first)
    assert (known.name, known.activities, known.since) == ("Ann", 1, at(5))
    read = replace(known, last_inference="inference-1")
    after = advance(read, match(late, name="Bo"), late)
    assert (after.name, after.activities, after.since, after.needs_whole) == ("Ann", 2, at(1), True)
    assert [(c.first_at, c.last_at, c.count) for c in after.conversations] == [(at(1), at(5), 2)]


def test_the_past_stays_bounded() -> None:
    """A standing holds the newest conversations and the last ended steps, however long a relationship lasts."""
    now = Standing("party-1")
    for n in range(KEPT_CONVERSATIONS + 5):
        item = activity(external_id=f"x{n}", thread=f"t{n}", at=at(n))
        now = advance(now, match(item), item)
    assert len(now.conversations) == KEPT_CONVERSATIONS
    assert now.conversations[-1].thread == f"t{KEPT_CONVERSATIONS + 4}"
    for n in range(KEPT_DONE_STEPS + 5):
        step = Step(f"step-{n}", f"Call {n}", "us", status="done")
        decision = Decision(
            because=("x",), party="party-1", claim=f"claim-{n}", policy="p", verdict=Verdict.APPLY, rule="policy",
            reason="", engagement=1, field="step", op="done", value=step.what, engine="model", confidence=0.9,
            step=step, evidence_at=at(n),
        )  # fmt: skip
        now = advance(now, MINT(decision))
    assert [s.id for s in now.engagement.steps] == [f"step-{n}" for n in range(5, KEPT_DONE_STEPS + 5)]


def test_two_parties_that_are_one_keep_what_both_had() -> None:
    """Nothing of the absorbed party is lost: identifiers, records, permits, steps; and its history is read again."""
    one = replace(
        standing(stage=believed("booked", 9)),
        name="Ann",
        identifiers=(Identifier("email", "ann@x.test"),),
        last_activity_at=at(9),
        activities=2,
    )
    other = Standing(
        "party-2",
        identifiers=(Identifier("phone", "+447700900123"),),
        last_activity_at=at(5),
        activities=3,
        engagements=(Engagement(fields={"stage": believed("enquired", 5), "intent": believed("buy", 5)}),),
        records={"contact-2": RecordSync("contact", "contact-2", "c-7")},
        absorbed=("party-3",),
        allowed=("deal",),
    )
    both = absorb(one, other, "release-1")
    assert both.needs_whole
    assert (both.activities, both.name, both.absorbed) == (5, "Ann", ("party-2", "party-3"))
    assert {str(i) for i in both.identifiers} == {"email:ann@x.test", "phone:+447700900123"}
    assert set(both.records) == {KEY, "contact-2"}
    assert both.allowed == ("deal",)
    assert (both.engagement.stage, both.engagement.fields["intent"].value) == ("booked", "buy")
    assert absorb(other, one, "release-1").engagement.stage == "booked", "the newer one's, whichever absorbs"
