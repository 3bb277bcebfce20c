"""Verdicts: each rule by its name, and the stage machine, which no claim can make take a move that isn't allowed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import load
from sidecar.decide import Decided, by_person, decide
from sidecar.decide.computed import score
from sidecar.model import (
    Certainty,
    Claim,
    Decision,
    Engagement,
    Evidence,
    FieldStanding,
    Inference,
    Mint,
    Release,
    Role,
    Standing,
    Step,
    Verdict,
    advance,
)

MINT = Mint(b"k" * 32)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = load(None, {}).policy()
STAGES = tuple(POLICY.stages)
SELLER_ONLY = frozenset({"attended", "closed_won"})


def at(minutes: int) -> datetime:
    """Return a time so many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def inference(minutes: int = 0, engagement: int = 1) -> Inference:
    """Return an inference of some minute."""
    return MINT(
        Inference(
            because=("match-1",),
            party="party-1",
            request_sha256=f"{minutes}",
            engagement=engagement,
            engine="model",
            model="m-1",
            prompt="relationship",
            prompt_sha256="0",
            request={},
            answer="{}",
            stop="end",
            newest_at=at(minutes),
        )
    )


def claim(field: str, value: Any, minutes: int = 0, position: int = 0, **fields: Any) -> Claim:
    """Return a grounded claim that a customer's words of some minute carry."""
    said_in = fields.pop("said_in", f"activity-{minutes}")
    made = Claim(
        because=("inference-1",),
        party="party-1",
        inference="inference-1",
        position=position,
        engagement=1,
        field=field,
        op="set",
        value=value,
        certainty=Certainty.STATED,
        confidence=0.9,
        evidence=(Evidence(said_in, 0, 4, "Yes.", at=at(minutes)),),
        verified=True,
        role=Role.CUSTOMER,
        at=at(minutes),
    )
    return MINT(replace(made, **{"position": position * 10_000 + minutes, **fields}))


def standing(**held: FieldStanding) -> Standing:
    """Return a standing that believes some fields."""
    return Standing("party-1", engagements=(Engagement(fields=held),))


def held(value: Any, minutes: int = 0, engine: str = "model", activities: tuple[str, ...] = ()) -> FieldStanding:
    """Return a believed value of some minute."""
    return FieldStanding(value, "decision-0", engine, 0.9, at(minutes), activities)


def ruled(item: Claim, before: Standing, *, baseline: bool = False) -> tuple[str, str]:
    """Return verdict and rule of one claim."""
    decided = decide((item,), inference(60), before, POLICY, MINT, baseline=baseline)
    decision = next(d for d in decided.decisions if d.claim == item.id)
    return decision.verdict.value, decision.rule


ENQUIRED, QUALIFIED, BOOKED = held("enquired"), held("qualified"), held("booked")
SELLER: dict[str, Any] = {"role": Role.AGENT, "authenticated": True}
FORGED: dict[str, Any] = {"role": Role.AGENT, "authenticated": False}
SYSTEM: dict[str, Any] = {"role": Role.SYSTEM, "authenticated": True}
CLOSED = Standing("party-1", engagements=(Engagement(closed_at=at(5), fields={"stage": held("closed_lost", 5)}),))
SECOND = Standing(
    "party-1", engagements=(Engagement(), Engagement(2, "", at(5), fields={"stage": held("qualified", 5)}))
)


@pytest.mark.parametrize(
    ("item", "before", "verdict", "rule"),
    [
        (claim("mood", "fine"), standing(), "reject", "unknown_field"),
        (claim("intent", "buy", verified=False), standing(), "reject", "unverified"),
        (claim("intent", "buy", problem="a quote is not in what was said"), standing(), "reject", "unverified"),
        (claim("score", "99"), standing(), "reject", "computed_field"),
        (claim("intent", "buy", op="conflict"), standing(), "hold", "contradiction"),
        (claim("stage", None, op="clear"), standing(stage=QUALIFIED), "reject", "invalid_value"),
        (claim("intent", "conquer"), standing(), "reject", "invalid_value"),
        (claim("intent", None), standing(), "reject", "invalid_value"),
        (claim("stage", "won"), standing(), "reject", "invalid_value"),
        (claim("intent", "BUY "), standing(), "apply", "policy"),
        (claim("intent", None, op="clear"), standing(intent=held("buy")), "apply", "policy"),
        (claim("intent", "buy", 1), SECOND, "reject", "former_engagement"),
        (claim("intent", "buy", 5), standing(intent=held("book", 5, "person")), "reject", "older_than_person"),
        (claim("intent", "buy", 6), standing(intent=held("book", 5, "person")), "apply", "policy"),
        (claim("intent", "buy", 5), standing(intent=held("book", 5, "past")), "reject", "older_than_person"),
        (claim("intent", "buy", 4), standing(intent=held("book", 5)), "reject", "older_evidence"),
        (claim("intent", "buy", 5), standing(intent=held("book", 5)), "apply", "policy"),
        (claim("sentiment", "angry", **SELLER), standing(), "reject", "speaker"),
        (claim("intent", "buy", role=Role.BOT), standing(), "reject", "speaker"),
        (claim("stage", "booked", role=Role.BOT), standing(stage=QUALIFIED), "suggest", "bot"),
        (claim("intent", "buy", confidence=0.4), standing(), "suggest", "threshold"),
        (claim("stage", "qualified", 1), standing(stage=ENQUIRED), "apply", "transition"),
        (claim("stage", "enquired", 1), standing(stage=ENQUIRED), "apply", "same_stage"),
        (claim("stage", "attended", 1, **SELLER), standing(stage=ENQUIRED), "suggest", "transition"),
        (claim("stage", "enquired", 1), standing(stage=BOOKED), "suggest", "transition"),
        (claim("stage", "attended", 1), standing(stage=BOOKED), "suggest", "speaker"),
        (claim("stage", "attended", 1, **FORGED), standing(stage=BOOKED), "suggest", "speaker"),
        (claim("stage", "attended", 1, **SELLER), standing(stage=BOOKED), "apply", "transition"),
        (claim("stage", "attended", 1, **SYSTEM), standing(stage=BOOKED), "apply", "transition"),
        (claim("stage", "closed_won", 1), standing(stage=BOOKED), "suggest", "speaker"),
        (claim("stage", "closed_lost", 1), standing(stage=BOOKED), "apply", "transition"),
        (claim("stage", "qualified", 1, confidence=0.5), standing(stage=ENQUIRED), "suggest", "threshold"),
        (claim("stage", "booked", 1), standing(stage=held("legal review", 0, "person")), "suggest", "unknown_stage"),
        (claim("stage", "qualified", 1), standing(stage=held(None, 0, "person")), "apply", "transition"),
        (claim("stage", "booked", 5), CLOSED, "reject", "after_closure"),
        (claim("stage", "closed_won", 6, **SELLER), CLOSED, "suggest", "after_closure"),
        (claim("stage", "qualified", 6), CLOSED, "apply", "transition"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_verdict_names_its_rule(item: Claim, before: Standing, verdict: str, rule: str) -> None:
    """A reader of the book learns by which rule a claim moved something, or nothing."""
    if item.field == "stage" and not before.engagement.stage and item.value == "won":
        before = standing(stage=ENQUIRED)
    assert ruled(item, before) == (verdict, rule)


def test_the_same_words_move_it_one_stage_and_no_more() -> None:
    """One sentence is evidence of one hop: a second move needs words of its own."""
    hops = [claim("stage", stage, 1, i, said_in="activity-1") for i, stage in enumerate(("qualified", "booked"))]
    decided = decide(hops, inference(1), standing(stage=ENQUIRED), POLICY, MINT, baseline=False)
    assert [d.rule for d in decided.decisions if d.field == "stage"] == ["transition", "one_hop"]
    assert decided.standing.engagement.stage == "qualified"


def told(before: Standing, stage: str, minutes: int, *, news: Sequence[str], in_: int) -> tuple[Standing, str]:
    """Let a reading say that our words of some minute mean a stage; return what is believed then, and the rule."""
    item = claim("stage", stage, minutes, said_in=f"activity-{minutes}", **SELLER)
    item = MINT(replace(item, position=in_))
    decided = decide((item,), inference(in_), before, POLICY, MINT, baseline=False, news=news)
    return decided.standing, next(d.rule for d in decided.decisions if d.claim == item.id)


def test_our_words_that_had_to_wait_may_be_taken_up_later() -> None:
    """What said so when it was news still does once the stage before it is reached.

    Seen to fail where only this reading's news count: a rep's edit that crossed our words kept them waiting for ever.
    """
    before, rule = told(standing(stage=QUALIFIED), "attended", 5, news=["activity-5"], in_=6)
    assert rule == "transition"
    before = replace(before, engagements=(replace(before.engagement, fields={"stage": held("booked", 3, "person")}),))
    after, rule = told(before, "attended", 5, news=["activity-9"], in_=9)
    assert (rule, after.engagement.stage) == ("transition", "attended")


def test_old_words_don_t_become_news_by_being_quoted_twice() -> None:
    """Whoever makes a model quote them first where the stage isn't allowed yet has gained nothing later.

    Seen to fail with the transition asked before the age of the words.
    """
    before, rule = told(standing(stage=QUALIFIED), "attended", 5, news=["activity-7"], in_=7)
    assert rule == "old_words"
    before = replace(before, engagements=(replace(before.engagement, fields={"stage": held("booked", 6)}),))
    after, rule = told(before, "attended", 5, news=["activity-9"], in_=9)
    assert (rule, after.engagement.stage) == ("old_words", "booked")


def test_two_messages_move_it_two_stages_in_the_order_of_time() -> None:
    """Claims are ruled on as their words were said, not as a model lists them."""
    hops = [claim("stage", "booked", 2, 0), claim("stage", "qualified", 1, 1)]
    decided = decide(hops, inference(2), standing(stage=ENQUIRED), POLICY, MINT, baseline=False)
    assert decided.standing.engagement.stage == "booked"


@pytest.mark.parametrize(
    ("item", "before", "verdict"),
    [
        (claim("intent", "buy", 1), standing(intent=held("book", 0, "baseline")), "apply"),
        (claim("intent", "buy", 1), standing(intent=held("book", 0, "model")), "reject"),
        (claim("intent", "buy", 1), standing(intent=held("book", 0, "person")), "reject"),
        (claim("stage", "booked", 1, **SYSTEM), standing(stage=held("qualified", 0, "person")), "apply"),
        (claim("stage", "booked", 1, **SYSTEM), standing(stage=held("qualified", 2, "person")), "reject"),
    ],
)
def test_the_baseline_yields_to_everybody_but_systems_events_count(item: Claim, before: Standing, verdict: str) -> None:
    """Rules never overrule a model or a person; what a booking system itself says does, when it is newer."""
    assert ruled(item, before, baseline=True)[0] == verdict


def test_an_end_closes_and_what_comes_later_opens_another_run() -> None:
    """A lost customer who asks again begins anew, in the first stage's neighbourhood, with nothing left of the old."""
    before = standing(stage=BOOKED, intent=held("book"))
    lost = decide([claim("stage", "closed_lost", 1)], inference(1), before, POLICY, MINT, baseline=False).standing
    assert lost.engagement.closed_at == at(1)
    again = [claim("intent", "buy", 2), claim("stage", "qualified", 2, 1)]
    after = decide(again, inference(2), lost, POLICY, MINT, baseline=False).standing
    assert [e.number for e in after.engagements] == [1, 2]
    assert (after.engagement.stage, after.engagement.closed_at) == ("qualified", None)
    assert after.engagement.fields["intent"].value == "buy"
    assert after.engagements[0].fields["intent"].value == "book"
    assert after.engagements[0].stage == "closed_lost"


def test_a_whole_reading_takes_nothing_along_from_a_former_run() -> None:
    """Claims that are read again from before an engagement began stay in the one before it."""
    old = [claim("intent", "cancel", 1), claim("sentiment", "angry", 2, 1)]
    after = decide(old, inference(9, 2), SECOND, POLICY, MINT, baseline=False)
    assert {d.rule for d in after.decisions if d.by == "policy" and d.engine == "model"} == {"former_engagement"}
    assert "sentiment" not in after.standing.engagement.fields


def test_a_new_relationship_begins_in_the_first_stage_but_not_once_a_person_cleared_it() -> None:
    """That a conversation exists makes it an enquiry, unless somebody emptied the stage by hand."""
    fresh = decide([claim("intent", "buy", 1)], inference(1), standing(), POLICY, MINT, baseline=False).standing
    assert fresh.engagement.stage == "enquired"
    cleared = standing(stage=held(None, 0, "person"))
    after = decide([claim("intent", "buy", 1)], inference(1), cleared, POLICY, MINT, baseline=False).standing
    assert after.engagement.stage == ""


CLAIMS = st.builds(
    lambda stage, minutes, role, ok, sure, words: claim(
        "stage", stage, minutes, role=role, authenticated=ok, confidence=sure, said_in=f"activity-{words}"
    ),
    st.sampled_from((*STAGES, "won", "")),
    st.integers(0, 30),
    st.sampled_from(list(Role)),
    st.booleans(),
    st.sampled_from((0.3, 0.65, 0.9)),
    st.integers(0, 5),
)


def walk(items: Sequence[Claim]) -> list[Decided]:
    """Decide on claims in batches of three, as inferences bring them."""
    now, steps = Standing("party-1"), []
    for i in range(0, len(items), 3):
        batch = [MINT(replace(c, position=100 * i + n)) for n, c in enumerate(items[i : i + 3])]
        steps.append(decide(batch, inference(31 + i), now, POLICY, MINT, baseline=False))
        now = steps[-1].standing
    return steps


@given(st.lists(CLAIMS, max_size=18))
def test_no_claims_whatever_make_an_illegal_move(items: list[Claim]) -> None:
    """Each applied stage follows the one before it by an allowed move; seen to fail without the transition rule."""
    before: tuple[int, str] = (1, "")
    for decided in walk(items):
        for decision in decided.decisions:
            if decision.field != "stage" or decision.verdict is not Verdict.APPLY:
                continue
            opens = decision.opens_engagement
            number = before[0] + 1 if opens else before[0]
            current = POLICY.first_stage if opens or not before[1] else before[1]
            new = str(decision.value)
            assert new == current or new in POLICY.stages[current].to
            assert opens == bool(before[1] and POLICY.stages[before[1]].terminal), "an end is final, and only an end"
            before = (number, new)
        assert decided.standing.engagement.stage == before[1]


@given(st.lists(CLAIMS, max_size=18))
def test_a_customers_words_win_and_attend_nothing(items: list[Claim]) -> None:
    """However obedient a model is, what a customer or a bot writes closes no deal as won and attends no meeting."""
    theirs = [c for c in items if c.role in (Role.CUSTOMER, Role.BOT)]
    forged = [replace(c, role=Role.AGENT, authenticated=False) for c in theirs]
    for decided in (*walk(theirs), *walk([MINT(c) for c in forged])):
        applied = [d for d in decided.decisions if d.verdict is Verdict.APPLY and d.field == "stage"]
        assert not SELLER_ONLY & {str(d.value) for d in applied}


@given(st.lists(st.sampled_from(sorted(POLICY.fields)), min_size=1, max_size=8), st.booleans())
def test_what_nobody_said_moves_nothing(fields: list[str], has_quote: bool) -> None:
    """Of planted claims without evidence none is applied, whatever field they name and however sure they are."""
    planted = [
        claim(name, "buy", 1, i, verified=False, evidence=() if not has_quote else claim(name, "buy").evidence)
        for i, name in enumerate(fields)
    ]
    decided = decide(planted, inference(1), standing(stage=ENQUIRED), POLICY, MINT, baseline=False)
    ids = {c.id for c in planted}
    assert all(d.verdict is Verdict.REJECT for d in decided.decisions if d.claim in ids)


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("intent", " Buy ", "buy"),
        ("budget", "  about 4,500  ", "about 4,500"),
        ("budget", "x" * 500, "x" * 120),
    ],
)
def test_a_value_is_kept_as_its_field_holds_it(field: str, value: str, kept: str) -> None:
    """A CRM gets the configured spelling and length, so that it refuses nothing."""
    decided = decide([claim(field, value, 1)], inference(1), standing(stage=ENQUIRED), POLICY, MINT, baseline=False)
    assert decided.standing.engagement.fields[field].value == kept


@pytest.mark.parametrize(("due", "kept"), [("2026-11-26", "2026-11-26"), ("soon", None), ("2026-02-30", None)])
def test_a_date_that_is_none_stays_words(due: str, kept: str | None) -> None:
    """A step without a readable date is a step all the same, and its task can be written."""
    step = Step("step-1", "Send the offer", "us", due_text="soon", due=due)
    item = claim("step", "Send the offer", 1, step=step, confidence=0.75, op="open")
    decided = decide([item], inference(1), standing(stage=ENQUIRED), POLICY, MINT, baseline=False)
    assert decided.standing.engagement.steps[0].due == kept
    assert decided.standing.engagement.steps[0].due_text == "soon"


def release(minutes: int) -> Release:
    """Return a reviewer's word of some minute."""
    return MINT(Release(because=("match-1",), party="party-1", nonce="n", action="approve", by="rep-1", at=at(minutes)))


def test_what_a_person_approves_is_as_new_as_their_word() -> None:
    """An approval needs no transition and no threshold, names the person, and older words don't undo it."""
    item, word = claim("stage", "closed_won", 1), release(9)
    before = standing(stage=ENQUIRED)
    approved = by_person(item, before, POLICY, MINT, verdict=Verdict.APPLY, person="rep-1", release=word)
    assert (approved.by, approved.rule, approved.evidence_at) == ("rep-1", "person", at(9))
    assert approved.closes_engagement
    assert word.id in approved.because
    after = advance(before, approved)
    assert after.engagement.closed_at == at(9)
    assert ruled(claim("stage", "booked", 8), after) == ("reject", "older_than_person")


def test_a_rejected_suggestion_is_gone_and_moves_nothing() -> None:
    """What a person rejected waits no longer, and what is believed stays."""
    item = claim("stage", "attended", 1)
    before = decide([item], inference(1), standing(stage=BOOKED), POLICY, MINT, baseline=False).standing
    assert "stage" in before.engagement.suggestions
    rejected = by_person(item, before, POLICY, MINT, verdict=Verdict.REJECT, person="rep-1", release=release(9))
    after = advance(before, rejected)
    assert "stage" not in after.engagement.suggestions
    assert after.engagement.stage == "booked"


def test_computed_values_name_their_formula_and_follow_what_is_believed() -> None:
    """Score, confidence and review state are arithmetic that anybody can redo; a person's newer value is left alone."""
    decided = decide(
        [claim("intent", "buy", 1), claim("stage", "attended", 1, 1)],
        inference(1),
        standing(stage=BOOKED, review=held("ok", 5, "person")),
        POLICY,
        MINT,
        baseline=False,
    )
    believed = decided.standing.engagement
    assert believed.fields["score"].value == score(believed, POLICY)
    assert believed.fields["review"].value == "ok", "a person's newer word"
    assert "attended" in str(believed.fields["suggestions"].value)
    assert all(c.formula for c in decided.claims)
    by_claim: dict[str, Decision] = {d.claim: d for d in decided.decisions}
    assert {by_claim[c.id].rule for c in decided.claims} == {"computed"}
