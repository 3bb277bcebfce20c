"""Finds out which slot a conversation settled on: offered by one side, taken by the other, confirmed in few words.

People spread a slot over several messages ("Saturday?", "it starts at 2pm", "yes please", "see you then"). A
confirmation without the word for an appointment, and a yes, count only where a day and a time stand in the last few
turns and somebody had asked for one: "noted" and "until tomorrow" are said about everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from re import Match

from adapters.llms.baseline.dates import Moment
from adapters.llms.baseline.reading import Reading
from adapters.llms.baseline.text import Sentence
from sidecar.model import Role

SPANS = ("week_end", "next_week_end", "month_end", "next_month_end", "year_end")
"""Moments by whose end something is due; nobody is expected at one."""
REACH_TURNS = 4
OFFER_REACH_TURNS = 2


@dataclass(frozen=True, slots=True)
class Slot:
    """A day, mostly with a time, as `due`; the words that name it, and the sentence where they stand."""

    moment: Moment
    words: str
    where: Sentence

    @property
    def due(self) -> str:
        """The slot as `2026-11-26T10:00`, or as a day."""
        return self.moment.due

    @property
    def is_whole(self) -> bool:
        """Whether both day and time are known."""
        return bool(self.moment.due and self.moment.clock)


def confirmed(reading: Reading, sentence: Sentence) -> tuple[Match[str], Slot | None] | None:
    """Return the words with which a sentence confirms an appointment, and its slot where that is known."""
    words = reading.words(sentence)
    explicit = words.asserted("signals.booking", sentence)
    if explicit:
        return explicit, slot(reading, sentence)
    named = next((m for m in reading.dates(sentence) if m.due and m.clock), None)
    plain = words.asserted("signals.fixed", sentence) if named else None
    if plain and named and not words.patterns["signals.offer"].search(sentence.folded):
        return plain, Slot(named, sentence.text[named.start : named.end], sentence)
    brief = words.asserted("signals.settled", sentence)
    found = slot(reading, sentence) if brief and _sought(reading, sentence) else None
    return (brief, found) if brief and found and found.is_whole else None


def accepted(reading: Reading, sentence: Sentence) -> Slot | None:
    """Return the slot that we offered and that a customer's sentence takes, by a yes or by naming it again."""
    words = reading.words(sentence)
    if sentence.is_question or words.hit("signals.reschedule", sentence, conditional=True):
        return None
    offer = _offer(reading, sentence)
    if offer is None:
        return None
    named = [m for m in reading.dates(sentence) if m.day and not m.past]
    if not named:
        said_yes = words.asserted("signals.accept", sentence)
        return slot(reading, offer[-1]) if said_yes else None
    offered = [(m, s) for s in offer for m in reading.dates(s) if m.day and m.clock and not m.past]
    taken = next(((m, s) for m, s in offered if any(m.day and _same_day(m, n) for n in named)), None)
    return Slot(taken[0], taken[1].text[taken[0].start : taken[0].end], taken[1]) if taken else None


def slot(reading: Reading, sentence: Sentence) -> Slot | None:
    """Return the slot that a sentence means: its own day and time, completed by what was said just before."""
    before = [s for s in reading.sentences if sentence.number - REACH_TURNS <= s.number <= sentence.number]
    before = [s for s in before if (s.number, s.start) <= (sentence.number, sentence.start)]
    named = [(m, s) for s in reversed(before) for m in reversed(reading.dates(s)) if not m.past]
    days = [(m, s) for m, s in named if m.day and m.kind not in SPANS]
    if not days:
        return None
    moment, where = days[0]
    if moment.clock is None:
        whole = next(((m, s) for m, s in days if m.clock and _same_day(m, moment)), None)
        clock = next((m.clock for m, _ in named if m.only_clock and m.clock), None)
        if whole:
            moment, where = whole
        elif clock:
            return Slot(replace(moment, clock=clock), where.text[moment.start : moment.end], where)
    return Slot(moment, where.text[moment.start : moment.end], where)


def _same_day(a: Moment, b: Moment) -> bool:
    return a.day is not None and b.day is not None and a.day.weekday() == b.day.weekday()


def _offer(reading: Reading, sentence: Sentence) -> Sequence[Sentence] | None:
    """Our newest turn before a sentence, if it offers a slot."""
    ours = [
        s
        for s in reading.sentences
        if sentence.number - OFFER_REACH_TURNS <= s.number < sentence.number and s.role in (Role.AGENT, Role.BOT)
    ]
    turn = [s for s in ours if s.number == ours[-1].number]
    if not turn:
        return None
    asks = any(s.is_question or reading.words(s).patterns["signals.offer"].search(s.folded) for s in turn)
    found = slot(reading, turn[-1])
    names_time = any(m.clock for s in turn for m in reading.dates(s))
    return turn if found and found.is_whole and names_time and (asks or _sought(reading, sentence)) else None


def _sought(reading: Reading, sentence: Sentence) -> bool:
    """Whether an appointment is what the conversation is about: a customer asked for one, or one stands."""
    engagement = reading.question.standing.engagement
    if any(step.status == "open" and step.what.startswith("Appointment") for step in engagement.steps):
        return True
    earlier = (s for s in reading.sentences if s.number <= sentence.number)
    return any(
        s.turn.kind.startswith("booking_")
        or (s.role is Role.CUSTOMER and reading.words(s).patterns["intent.book"].search(s.folded))
        for s in earlier
    )
