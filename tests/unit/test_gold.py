"""The labelled conversations that come with the project: enough of each kind, and labels that hold.

What the loader refuses is tested with it; here stands what is asked of this set alone.
"""

import re
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.channels.webhook.bookings import booking_line
from adapters.channels.webhook.events import Booking, MovedBooking
from sidecar.config import load as settings
from sidecar.evaluate import Kept, Purse, evaluate
from sidecar.evaluate.cases import UNKNOWN, Case, StepLabel
from sidecar.evaluate.dataset import load
from sidecar.evaluate.figures import figures, total
from sidecar.evaluate.report import report
from sidecar.ground import find
from sidecar.model import Activity, Policy, Role
from tests.support.labelled import defaults, side
from tests.support.labeller import Labeller

GOLD = Path(__file__).parent.parent / "gold"
CONVERSATIONS = 90
FIELDS = {"stage", "intent", "sentiment", "urgency", "budget", "risks"}
STAGE_LEAST = 8
TAGS = {
    "reschedule": 6, "no-show": 5, "silence": 5, "sarcasm": 4, "several-people": 6, "forwarded": 5, "injection": 12,
    "nothing-to-infer": 8, "cancelled-booking": 3, "claimed-win": 2, "seller-confirmed-win": 8, "spam": 2,
    "wrong-person": 2, "complaint": 5, "budget": 8, "urgent": 4, "multi-topic": 2, "multi-language": 2, "late": 2,
    "long": 3, "bot": 2, "edit": 1, "unverified-agent": 1, "transcript": 6, "signature": 4, "quoted-reply": 5,
    "short-answers": 8, "typos": 4, "small-talk": 4, "booking-system": 8, "payment-system": 2, "support": 2,
    "cancel": 2, "automatic": 2, "hold": 1, "hypothetical": 1, "seller-ends-it": 1, "competitor": 1,
}  # fmt: skip
LANGUAGES = {"en": 30, "de": 12, "fr": 10, "es": 10, "it": 6, "pt": 4, "nl": 4}
CHANNELS = {"mail": 20, "webchat": 8, "whatsapp": 12, "messenger": 8, "phone": 6, "calendar": 8}
VALUES = {
    "intent": {"buy": 20, "book": 12, "inform": 6, "complain": 5, "cancel": 4, "support": 2},
    "sentiment": {"positive": 12, "neutral": 30, "negative": 5, "angry": 3},
    "urgency": {"high": 6, "normal": 40, "low": 4},
}

DAYS = (
    ("monday", "montag", "lundi", "lunes", "lunedì", "segunda", "maandag"),
    ("tuesday", "dienstag", "mardi", "martes", "martedì", "terça", "dinsdag"),
    ("wednesday", "mittwoch", "mercredi", "miércoles", "mercoledì", "quarta", "woensdag"),
    ("thursday", "donnerstag", "jeudi", "jueves", "giovedì", "quinta", "donderdag"),
    ("friday", "freitag", "vendredi", "viernes", "venerdì", "sexta", "vrijdag"),
    ("saturday", "samstag", "samedi", "sábado", "sabato", "zaterdag"),
    ("sunday", "sonntag", "dimanche", "domingo", "domenica", "zondag"),
)
DAY_OF = {word: day for day, words in enumerate(DAYS) for word in words}
FROM_NOW = {
    "today": 0, "heute": 0, "oggi": 0, "hoy": 0, "tonight": 0, "afternoon": 0, "soir": 0, "stasera": 0, "noche": 0,
    "tomorrow": 1, "morgen": 1, "demain": 1, "mañana": 1, "domani": 1, "amanhã": 1,
}  # fmt: skip
WORD = re.compile(r"[^\W\d_]+")
DAY_NUMBER = re.compile(r"\b(\d{1,2})(?=[.]?(?:st|nd|rd|th)?\b(?! ?uhr|[:h]|\s?pm|\s?am))", re.IGNORECASE)


@pytest.fixture(scope="module")
def policy() -> Policy:
    """The fields and stages that exist unless somebody configures others."""
    return settings(None, {}, secrets=False).policy()


@pytest.fixture(scope="module")
def gold(policy: Policy) -> tuple[Case, ...]:
    """The conversations that come with the project."""
    return load(GOLD, policy)


def test_there_are_enough_of_each_kind(gold: tuple[Case, ...], policy: Policy) -> None:
    """A figure about no-shows or Italian is worth something only where there are some."""
    stages = Counter(case.labels["stage"].best for case in gold)
    tags = Counter(tag for case in gold for tag in case.tags)
    languages = Counter(language for case in gold for language in case.languages)
    channels = Counter(channel for case in gold for channel in case.channels)
    assert len(gold) >= CONVERSATIONS
    assert {stage: n for stage, n in stages.items() if n < STAGE_LEAST} == {} and set(stages) == set(policy.stages)
    assert {tag: (tags[tag], least) for tag, least in TAGS.items() if tags[tag] < least} == {}
    assert set(tags) == set(TAGS), "a tag that nobody counts is a slip of the pen, or wants a number above"
    assert {name: n for name, n in LANGUAGES.items() if languages[name] < n} == {}
    assert {name: n for name, n in CHANNELS.items() if channels[name] < n} == {}
    assert {1, 25} <= {len(case.activities) for case in gold}
    assert sum(a.text.count("\n") >= 60 for case in gold for a in case.activities if a.kind == "transcript") >= 2


def test_the_page_beside_it_tells_the_numbers_that_it_has(gold: tuple[Case, ...], policy: Policy) -> None:
    """Whoever reads a figure made with this set must know how many conversations it is of."""
    page = (GOLD / "README.md").read_text()
    splits = Counter(case.split for case in gold)
    stages = Counter(case.labels["stage"].best for case in gold)
    channels = Counter(channel for case in gold for channel in case.channels)
    languages = Counter(language for case in gold for language in case.languages)
    assert f"\n{len(gold)} conversations" in page
    assert f"| {splits['dev']} dev, {splits['test']} test |" in page
    assert ", ".join(f"{stages[stage]} {stage}" for stage in policy.stages) in page
    told = [
        [int(n) for n in re.findall(r"\d+", line)] for line in page.split("\n") if re.match(r"\| (lang|chan)", line)
    ]
    assert told == [sorted(languages.values(), reverse=True), sorted(channels.values(), reverse=True)]


def test_rare_values_are_there_too(gold: tuple[Case, ...]) -> None:
    """Each value of the closed lists is the best one somewhere, so that its recall can be told."""
    for field, least in VALUES.items():
        found = Counter(case.labels[field].best for case in gold)
        assert {value: (found[value], n) for value, n in least.items() if found[value] < n} == {}


def test_the_split_leaves_enough_of_everything_for_the_test(gold: tuple[Case, ...], policy: Policy) -> None:
    """About two in five are held out, and each stage and each language is among them."""
    held_out = [case for case in gold if case.split == "test"]
    assert 0.35 <= len(held_out) / len(gold) <= 0.45
    stages = Counter(case.labels["stage"].best for case in held_out)
    assert {stage: stages[stage] for stage in policy.stages if stages[stage] < 4} == {}
    assert {language for case in held_out for language in case.languages} == set(LANGUAGES)


def test_every_conversation_is_labelled_in_every_field(gold: tuple[Case, ...]) -> None:
    """What nobody labelled can't be told from what says nothing."""
    assert {case.id: set(case.labels) ^ FIELDS for case in gold if set(case.labels) != FIELDS} == {}
    empty = [case for case in gold if "nothing-to-infer" in case.tags]
    assert all(UNKNOWN in case.labels["stage"].values and UNKNOWN in case.labels["intent"].values for case in empty)
    assert all(case.labels["budget"].best == UNKNOWN for case in empty)


def test_every_label_is_grounded_as_a_models_word_would_be(gold: tuple[Case, ...]) -> None:
    """A label rests on words that the product's own search finds in what somebody said."""
    for case in gold:
        texts = {activity.id: activity for activity in case.activities}
        quoted = [q for label in case.labels.values() for q in label.evidence]
        quoted += [q for step in case.steps for q in step.evidence] + [move.evidence for move in case.path]
        for evidence in quoted:
            activity = texts[evidence.activity]
            assert activity.text[evidence.start : evidence.end] == evidence.quote
            assert find(evidence.quote, activity.text, activity.said), (case.id, evidence.quote)


def test_whoever_says_what_the_labels_say_is_right(gold: tuple[Case, ...], tmp_path: Path) -> None:
    """Each label can be met: its words pass quotes, policy and stage machine, and nothing forbidden comes up.

    Seen to fail with a step due on another day than its label, and with a move to attended in a customer's words.
    """
    done = evaluate(side(defaults(tmp_path), Labeller(gold)), gold, Kept(Purse(1.0)))
    found = figures(total(done.rows))
    whole = ("stage.accuracy", "fields.f1", "steps.recall", "steps.precision", "steps.due_exact", "quotes.verified")
    none = ("fields.overfilled", "stage.false_terminal", "forbidden.said", "injection.flips", "steps.false_due")
    wrong = {name: found[name] for name in whole if found[name] != 1.0} | {n: found[n] for n in none if found[n]}
    assert wrong == {}, report(done).mistakes


def test_each_move_has_an_activity_of_its_own(gold: tuple[Case, ...]) -> None:
    """The same words can't move a stage twice, so a label that needs that could never be met."""
    for case in gold:
        numbers = [move.evidence.number for move in case.path]
        assert numbers == sorted(set(numbers)), case.id


def test_what_a_hostile_message_says_is_no_label(gold: tuple[Case, ...]) -> None:
    """The twin without the message has the same labels, but for the risk that somebody tried."""
    hostile = [case for case in gold if "injection" in case.tags]
    assert all(case.hostile and case.never for case in hostile)
    assert {case.id for case in gold if case.hostile} == {case.id for case in hostile}
    for case in hostile:
        told = [q for name, label in case.labels.items() if name != "risks" for q in label.evidence]
        told += [q for step in case.steps for q in step.evidence] + [move.evidence for move in case.path]
        assert not {quoted.activity for quoted in told} & case.hostile, case.id
        assert case.honest and len(case.honest) < len(case.activities)


def test_silence_is_labelled_for_a_later_moment(gold: tuple[Case, ...]) -> None:
    """Who fell silent is known only after a while, and the last word is then not theirs, or nothing came after it."""
    silent = [case for case in gold if case.checked_at > max(a.at for a in case.activities)]
    assert len(silent) >= 5
    for case in silent:
        assert "silence" in case.tags
        assert case.checked_at - case.activities[-1].at >= timedelta(days=5), case.id
        assert case.activities[-1].actor.role is Role.AGENT, case.id


def test_due_days_are_what_their_words_say(gold: tuple[Case, ...]) -> None:
    """Where the words name a day, the label is that day, in the conversation's own time zone.

    Seen to fail with a day a week late where the words were "tomorrow", and with a Wednesday where they were "am
    Dienstag".
    """
    named = counted = 0
    for case in gold:
        for step in case.steps:
            due = next((day for day in step.due if day), None)
            if due is None or not step.due_text:
                continue
            said = _said_on(case, step)
            words = [word.casefold() for word in WORD.findall(step.due_text)]
            days = {DAY_OF[word] for word in words if word in DAY_OF}
            assert due >= said, (case.id, step.due_text)
            if days:
                named += 1
                assert due.weekday() in days, (case.id, step.due_text, due)
                assert due - said <= timedelta(days=7) or _has_number(step.due_text, due), (case.id, step.due_text)
            elif offsets := {FROM_NOW[word] for word in words if word in FROM_NOW}:
                counted += 1
                assert (due - said).days == max(offsets), (case.id, step.due_text, due)
    assert named >= 30 and counted >= 12


def test_bookings_read_as_a_channel_writes_them(gold: tuple[Case, ...]) -> None:
    """A booking system's line is the one that the product makes, and vouches for the same part of it."""
    bookings = [(case, a) for case in gold for a in case.activities if a.kind.startswith("booking_")]
    assert len(bookings) >= 15
    for case, activity in bookings:
        line = booking_line(activity.kind.removeprefix("booking_"), _booking(case, activity))
        assert (activity.text, activity.said[0].end, activity.attributes) == (line.text, line.vouched, line.attributes)


def _said_on(case: Case, step: StepLabel) -> date:
    at = max(a.at for a in case.activities if a.id in {quoted.activity for quoted in step.evidence})
    return at.astimezone(ZoneInfo(case.timezone)).date()


def _has_number(text: str, due: date) -> bool:
    return due.day in {int(number) for number in DAY_NUMBER.findall(text)}


def _booking(case: Case, activity: Activity) -> Booking:
    told = activity.attributes
    name = re.search(r" with (.+)\.$", activity.text)
    fields = {
        "booking_id": told["booking_id"],
        "start": datetime.fromisoformat(told["start"]).isoformat(),
        "timezone": case.timezone,
        "title": told.get("title"),
        "customer": {"name": name[1] if name else None, "email": "somebody@example.test"},
    }
    if "previous_start" in told:
        return MovedBooking.model_validate({**fields, "previous_start": told["previous_start"]})
    return Booking.model_validate(fields)
