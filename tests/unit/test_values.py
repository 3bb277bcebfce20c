"""Values of a field that holds several: each is added and taken away by words of its own, in whatever order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import load
from sidecar.decide import Decided, decide
from sidecar.decide.values import canonical, items, taken_in
from sidecar.model import Claim, Standing, Value, Verdict
from tests.unit.test_decide import MINT, POLICY, claim, held, inference, standing

RISKS = POLICY.fields["risks"]
PRICE, RIVAL, LATER = "price above budget", "a competitor in the race", "plans put off"


def decided(before: Standing, *claims: Claim) -> Decided:
    """Rule on some claims."""
    return decide(claims, inference(60), before, POLICY, MINT, baseline=False)


def risks(found: Decided) -> Value:
    """What is believed of the risks."""
    held_now = found.standing.engagement.fields.get("risks")
    return held_now.value if held_now else None


def test_the_shipped_risks_are_a_closed_list() -> None:
    """Nobody has to read free words to count who is lost to a competitor."""
    assert RISKS.type == "enums"
    assert {PRICE, RIVAL, LATER, "possible manipulation", "no-show"} <= set(RISKS.values)
    (verdict,) = (d for d in decided(standing(), claim("risks", "bad vibes")).decisions if d.field == "risks")
    assert (verdict.verdict, verdict.rule) == (Verdict.REJECT, "invalid_value")
    assert "some of price above budget" in verdict.reason


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("plans put off; price above budget", f"{PRICE}; {LATER}"),
        (" Price above budget ;; price above budget", PRICE),
        ("price above budget; bad vibes", None),
        ("", None),
        (";", None),
        (None, None),
    ],
)
def test_a_list_has_one_form(said: Value, kept: Value) -> None:
    """The same risks in another order are no change in the CRM, and what is in no list is refused whole."""
    assert canonical(said, RISKS) == kept


def test_each_value_is_added_by_words_of_its_own() -> None:
    """The second risk doesn't wipe the first out; seen to fail with the former decision left out of the causes."""
    first = decided(standing(), claim("risks", RIVAL, 1))
    second = decided(first.standing, claim("risks", PRICE, 2))
    assert risks(second) == f"{PRICE}; {RIVAL}"
    before, after = first.standing.engagement.fields["risks"], second.standing.engagement.fields["risks"]
    (decision,) = (d for d in second.decisions if d.id == after.decision)
    assert before.decision in decision.because, "so that `explain` leads to the words of each"
    assert after.activities == ("activity-1", "activity-2")


def test_a_value_is_taken_away_alone_and_the_last_one_clears() -> None:
    """What was settled goes, what wasn't stays."""
    both = standing(risks=held(f"{PRICE}; {RIVAL}", activities=("activity-0",)))
    one = decided(both, claim("risks", PRICE, 1, op="clear"))
    assert risks(one) == RIVAL
    assert risks(decided(one.standing, claim("risks", RIVAL, 2, op="clear"))) is None
    assert risks(decided(both, claim("risks", None, 1, op="clear"))) is None


def test_a_person_s_own_words_stay_in_the_list() -> None:
    """What a rep typed is in no list, and isn't ours to wipe out."""
    theirs = standing(risks=held("hates our colour", engine="person"))
    assert risks(decided(theirs, claim("risks", PRICE, 1))) == f"{PRICE}; hates our colour"


def test_what_is_refused_says_what_was_claimed() -> None:
    """A reviewer reads the claim and not the list that it would have led to."""
    before = standing(risks=held(RIVAL, 30))
    (old,) = (d for d in decided(before, claim("risks", PRICE, 1)).decisions if d.field == "risks")
    assert (old.rule, old.value) == ("older_evidence", PRICE)
    assert risks(decided(before, claim("risks", PRICE, 1))) == RIVAL


@given(st.lists(st.tuples(st.sampled_from(["set", "clear"]), st.sampled_from(RISKS.values)), max_size=12))
def test_a_list_is_the_set_of_what_was_added_and_not_taken_away(said: list[tuple[str, str]]) -> None:
    """Whatever is added and taken away, in order: the text is the set, in the order of the config, and canonical."""
    value: Value = None
    wanted: set[str] = set()
    for op, one in said:
        value = taken_in(op, one, value, RISKS)
        wanted = wanted | {one} if op == "set" else wanted - {one}
    assert items(value) == [one for one in RISKS.values if one in wanted]
    assert value is None or canonical(value, RISKS) == value


def test_a_field_of_one_value_is_set_and_cleared_as_ever() -> None:
    """Only lists add up."""
    intent = POLICY.fields["intent"]
    assert taken_in("set", "buy", "book", intent) == "buy"
    assert taken_in("clear", "buy", "book", intent) is None
    assert canonical("Buy", intent) == "buy"


# The score ------------------------------------------------------------------------------------------------------------


def formula(found: Decided) -> str:
    """How the newest score is made of its parts."""
    return next(c.formula for c in reversed(found.claims) if c.field == "score")


def test_the_score_is_the_sum_that_it_says() -> None:
    """Anybody can redo it: each part with the value that it is for, and what was cut off at 0 and 100."""
    before = standing(stage=held("qualified"), sentiment=held("negative"))
    assert formula(decided(before, claim("intent", "buy", 1))) == (
        "70 x 2/4 stage qualified + 15 intent buy - 10 sentiment negative = 40"
    )
    low = standing(stage=held("enquired"), sentiment=held("angry"), urgency=held("low"))
    assert formula(decided(low, claim("intent", "cancel", 1))).endswith("= -28, so 0")
    lost = standing(stage=held("closed_lost"))
    assert formula(decided(lost, claim("intent", "buy", 0))) == "0: closed_lost is an end without one"


def test_another_sum_of_the_same_size_is_told_anew() -> None:
    """A score of 50 whose parts change names the parts of now; seen to fail with the value compared alone."""
    before = standing(stage=held("qualified"), intent=held("buy"), score=held(50.0, engine="code"))
    changed = decided(before, claim("intent", "book", 1))
    assert formula(changed) == "70 x 2/4 stage qualified + 15 intent book = 50"
    again = decided(changed.standing, claim("intent", "book", 2))
    assert not [c for c in again.claims if c.field == "score"], "what has not changed is not told again"


def test_weights_are_the_configs() -> None:
    """A team that fears competitors more than anger says so, also for the values of a list."""
    policy = replace(POLICY, score=replace(POLICY.score, stage=40.0, points={"risks": {RIVAL: -8.0, PRICE: -3.0}}))
    before = standing(stage=held("qualified"), risks=held(f"{PRICE}; {RIVAL}"), sentiment=held("angry"))
    found = decide((claim("intent", "buy", 1),), inference(60), before, policy, MINT, baseline=False)
    assert (
        formula(found) == "40 x 2/4 stage qualified - 3 risks price above budget - 8 risks a competitor in the race = 9"
    )


def test_the_weights_are_part_of_the_policy_s_version() -> None:
    """Each decision names the very rules that it was made by."""
    one = load(None, {})
    two = load(None, {"SIDECAR_SCORE__STAGE": "60"})
    assert one.policy().sha256 != two.policy().sha256
    assert two.policy().score.points["intent"]["buy"] == 15.0, "what isn't written keeps its default"
