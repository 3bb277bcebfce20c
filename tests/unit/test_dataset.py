"""The loader of labelled conversations; those that come with the project are looked at in test_gold."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from sidecar.config import load as settings
from sidecar.errors import ConfigError
from sidecar.evaluate.cases import Label, StepLabel
from sidecar.evaluate.dataset import load
from sidecar.model import Policy, Role

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
        ("12", "9" * 5000, False),
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


CALL = """id = "one"
split = "dev"
languages = ["en"]
timezone = "Europe/Madrid"
channel = "phone"
kind = "transcript"
speakers = { Ann = "agent", "Mr Ruiz" = "customer" }

[[activities]]
at = "2026-11-23 09:00"
by = "customer"
text = "Ann: Hello.\\nMr Ruiz: We signed."

[[activities]]
at = "2026-11-24 09:00"
by = "customer"
channel = "mail"
kind = "mail"
text = "Great.\\n> You are booked.\\nSee you."
below = "Best, Ruiz"

[[activities]]
at = "2026-11-24 09:30"
by = "system"
channel = "calendar"
kind = "booking_created"
attributes = { booking_id = "b-1" }
text = "Booking b-1 created for 2026-11-26 10:00 (Europe/Madrid)"
below = \'"Visit" with Ruiz.\'

[[activities]]
at = "2026-11-24 09:40"
by = "customer"
kind = "edit"
about = 2
text = "Great, thanks."

[labels]
stage = { value = "enquired", quotes = ["1: We signed"] }

[labels.sentiment]
any_of = ["positive", "unknown"]
quotes = ["2: See you"]
"""


def test_only_what_somebody_said_in_it_can_be_quoted(policy: Policy, tmp_path: Path) -> None:
    """Names before a call's lines, quoted mail, signatures and a booking's title are there to be read, not quoted."""
    (tmp_path / "one.toml").write_text(CALL)
    (case,) = load(tmp_path, policy)
    said = [[(a.text[s.start : s.end], s.role, s.authenticated) for s in a.said] for a in case.activities]
    assert said[0] == [("Hello.", Role.AGENT, True), ("We signed.", Role.CUSTOMER, False)]
    assert said[1] == [("Great.", Role.CUSTOMER, False), ("See you.", Role.CUSTOMER, False)]
    assert said[2] == [("Booking b-1 created for 2026-11-26 10:00 (Europe/Madrid)", Role.SYSTEM, True)]
    assert case.activities[1].text.endswith("See you.\nBest, Ruiz")
    assert case.activities[2].text.endswith('(Europe/Madrid): "Visit" with Ruiz.')
    assert case.activities[3].relates_to == case.activities[1].external_id == case.activities[3].external_id
    assert case.activities[3].id != case.activities[1].id
    assert case.channels == ("phone", "mail", "calendar")


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("Mr Ruiz: We", "Bob: We", 12, "line 2 is not"),
        ("2: See you", "2: You are booked", 41, "nobody says"),
        ("2: See you", "2: Ruiz", 41, "nobody says"),
        ("1: We signed", "1: Mr Ruiz", 39, "nobody says"),
        ('quotes = ["2: See you"]', 'quotes = ["1: Hello"]', 41, "is agent's"),
        ("about = 2", "about = 4", 35, "about a later activity"),
        ('"2026-11-24 09:30"', '"2026-11-22 09:30"', 23, "before the one above"),
        ("about = 2", "about = 2\nlate = true", 32, "it is late, yet"),
        ('kind = "edit"', 'kind = "fax"', 34, "no such kind"),
        ("[labels]", '[never]\nstage = ["won"]\n[labels]', 39, "not one of enquired"),
        ('channel = "phone"', 'channel = "phone"\nwithout = [9]', 6, "no activity 9"),
        ('channel = "phone"', 'channel = "phone"\nchecked_at = "2026-11-23 10:00"', 6, "before the last"),
    ],
)  # fmt: skip
def test_a_call_or_a_thread_that_cannot_be_right_is_refused(
    old: str, new: str, line: int, reason: str, policy: Policy, tmp_path: Path
) -> None:
    """Nobody is quoted who isn't there, and nothing happens before it happened."""
    assert old in CALL
    (tmp_path / "one.toml").write_text(CALL.replace(old, new, 1))
    with pytest.raises(ConfigError) as told:
        load(tmp_path, policy)
    assert reason in str(told.value) and f"one.toml:{line}" in str(told.value)


def test_a_win_needs_the_word_of_our_side(policy: Policy, tmp_path: Path) -> None:
    """A label may not say what no policy would let a customer's word bring about."""
    move = '\n[[path]]\nstage = "qualified"\nquote = "1: We signed"\n[[path]]\nstage = "closed_won"\nquote = "{}"\n'
    won = CALL.replace('value = "enquired"', 'value = "closed_won"')
    (tmp_path / "one.toml").write_text(won + move.format("2: Great"))
    with pytest.raises(ConfigError, match="closed_won needs the word of our side"):
        load(tmp_path, policy)
    (tmp_path / "one.toml").write_text(won + move.format("3: Booking b-1 created"))
    (case,) = load(tmp_path, policy)
    assert [moved.stage for moved in case.path] == ["qualified", "closed_won"]


def test_programs_write_json_lines(policy: Policy, tmp_path: Path) -> None:
    """The same keys, a conversation a line; a fault names the line, and an id may be there once."""
    data = tomllib.loads(WRITTEN)
    lines = [json.dumps({**data, "id": name}) for name in ("one", "two")]
    file = tmp_path / "own.jsonl"
    file.write_text("\n\n".join(lines))
    assert [case.id for case in load(file, policy)] == ["one", "two"]
    for text, reason in (
        (lines[0] + "\n" + lines[0], "own.jsonl:2: id: own.jsonl:1 has the same id"),
        (lines[0] + "\n{", "own.jsonl:2: not JSON"),
        (lines[0] + "\n[]", "own.jsonl:2: a line is one JSON object"),
        (lines[1].replace("2026-11-26", "2026-13-26"), "own.jsonl:1: steps[1].due"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=re.escape(reason)):
            load(tmp_path, policy)


def test_no_conversations_are_no_dataset(policy: Policy, tmp_path: Path) -> None:
    """A wrong path is told as what it is, and doesn't become a perfect score of nothing."""
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match=r"no labelled conversations|no such file"):
            load(path, policy)
