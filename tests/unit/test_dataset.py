"""The loader of labelled conversations; those that come with the project are looked at in test_gold."""

from pathlib import Path

import pytest

from sidecar.config import load as settings
from sidecar.errors import ConfigError
from sidecar.evaluate.cases import Case, Label, StepLabel
from sidecar.evaluate.dataset import load
from sidecar.infer.ground import find
from sidecar.model import Policy

GOLD = Path(__file__).parent.parent / "gold"
WRITTEN = """id = "one"
split = "dev"
languages = "en"
timezone = "Europe/London"
channel = "webchat"

[[activities]]
at = "Mon 2026-11-23 09:00"
by = "customer"
text = "We are a team of 40, the budget is 12,000 dollars."

[[activities]]
at = "Mon 2026-11-23 09:05"
by = "agent"
text = "I'll send the offer on Thursday."

[labels]
stage = { value = "qualified" }
budget = { value = "12,000 dollars", quotes = ["1: the budget is 12,000 dollars"] }

[[path]]
stage = "qualified"
quote = "1: a team of 40"

[[steps]]
who = "us"
what = ["send|mail", "offer"]
due = "Thu 2026-11-26"
due_text = "on Thursday"
quotes = ["2: I'll send the offer on Thursday"]
"""


@pytest.fixture(scope="module")
def policy() -> Policy:
    """The fields and stages that exist unless somebody configures others."""
    return settings(None, {}, secrets=False).policy()


@pytest.fixture(scope="module")
def gold(policy: Policy) -> tuple[Case, ...]:
    """The conversations that come with the project."""
    return load(GOLD, policy)


def test_every_label_of_the_gold_set_is_grounded_as_a_models_would_be(gold: tuple[Case, ...]) -> None:
    """A label rests on words that the product's own search finds in what somebody said."""
    for case in gold:
        texts = {activity.id: activity for activity in case.activities}
        quoted = [q for label in case.labels.values() for q in label.evidence]
        quoted += [q for step in case.steps for q in step.evidence] + [move.evidence for move in case.path]
        for evidence in quoted:
            activity = texts[evidence.activity]
            assert activity.text[evidence.start : evidence.end] == evidence.quote
            assert find(evidence.quote, activity.text, activity.said), (case.id, evidence.quote)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('"Mon 2026-11-23 09:05"', '"Tue 2026-11-23 09:05"', 13, "is a Mon"),
        ('"Mon 2026-11-23 09:05"', '"Mon 2026-11-23 08:05"', 13, "before the one above"),
        ('split = "dev"', 'split = "train"', 2, "'dev' or 'test'"),
        ('timezone = "Europe/London"', 'timezone = "Europe/Leeds"', 4, "no such time zone"),
        ('channel = "webchat"\n', "", 6, "has no channel"),
        ('channel = "webchat"', 'chanel = "webchat"', 5, "Extra inputs"),
        ('{ value = "qualified" }', '{ value = "hot" }', 18, "not one of enquired"),
        ("budget =", "wealth =", 19, "no field wealth"),
        ("1: the budget is 12,000", "1: the budget is 15,000", 19, "nobody says"),
        ("1: the budget is 12,000 dollars", "2: the offer", 19, "is agent's"),
        ('"1: the budget is 12,000 dollars"', "", 19, "has no quotes"),
        ('stage = "qualified"\nquote', 'stage = "attended"\nquote', 21, "may not be followed"),
        ('stage = "qualified"\nquote = "1:', 'stage = "booked"\nquote = "1:', 21, "says otherwise"),
        ('due = "Thu', 'due = "Fri', 28, "is a Thu"),
        ('"on Thursday"', '"on Friday"', 25, "words that say when"),
        ('quotes = ["2: I', 'quotes = ["3: I', 25, "counted from 1"),
        ('"send|mail"', '"|"', 25, "is empty"),
        ('id = "one"', 'id = "two"', 1, "named like"),
        ('id = "one"', "id = one", 1, "not TOML"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_with_its_place(
    old: str, new: str, line: int, reason: str, policy: Policy, tmp_path: Path
) -> None:
    """A wrong label is worse than none, and whoever wrote it learns where it stands."""
    assert old in WRITTEN
    (tmp_path / "one.toml").write_text(WRITTEN.replace(old, new, 1))
    with pytest.raises(ConfigError) as told:
        load(tmp_path, policy)
    assert reason in str(told.value)
    if "not TOML" not in reason:
        assert f"one.toml:{line}" in str(told.value)


def test_a_written_conversation_becomes_what_it_says(policy: Policy, tmp_path: Path) -> None:
    """Times are taken in the conversation's zone, roles as declared, labels with the places of their words."""
    (tmp_path / "one.toml").write_text(WRITTEN)
    (case,) = load(tmp_path, policy)
    assert [a.at.isoformat() for a in case.activities] == ["2026-11-23T09:00:00+00:00", "2026-11-23T09:05:00+00:00"]
    assert [a.actor.authenticated for a in case.activities] == [False, True]
    assert case.labels["stage"].evidence[0].quote == "a team of 40"
    assert (case.checked_at, case.channels) == (case.activities[-1].at, ("webchat",))
    assert case.steps[0].fits("Mail them an offer") and not case.steps[0].fits("Call them")
    assert case.steps[0].accepts_due("2026-11-26T09:00") and not case.steps[0].accepts_due("")


@pytest.mark.parametrize(
    ("label", "value", "agrees"),
    [
        ("12,000 dollars", "$12.000", True),
        ("12,000 dollars", "12k USD", True),
        ("12,000 dollars", "120 dollars", False),
        ("400 to 500 EUR a month", "€400-500/month", True),
        ("400 to 500 EUR a month", "up to 500 EUR", False),
        ("99,50 €", "99.50 EUR", True),
        ("a; b", "b; a", True),
        ("a; b", "a", False),
        ("unknown", None, True),
        ("unknown", " ", True),
        ("unknown", "12", False),
        ("booked", "Booked", True),
    ],
)
def test_agreement_is_about_meaning_and_not_spelling(label: str, value: str | None, agrees: bool) -> None:
    """An amount is the same however it is written, a list in any order, and a field left alone is "unknown"."""
    assert Label("budget", (label,)).accepts(value) is agrees


def test_a_step_fits_by_one_word_of_each_group() -> None:
    """A step that is told in another language, or without an accent, still is the step."""
    step = StepLabel(("us", "Zoë"), (("call", "rappel"), ("quote", "devis")))
    assert step.fits("RAPPELER pour le devis") and not step.fits("call them")
    assert step.accepts_owner("zoe") and not step.accepts_owner("customer")
    assert step.accepts_due(None) and not step.accepts_due("2026-11-26")
