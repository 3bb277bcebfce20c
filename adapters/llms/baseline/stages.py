"""Reads the moves between stages, oldest first: what a booking system reports, our side confirms, customers say.

It only asserts; whether a move is allowed, and on whose word, is the policy's business. Still it claims weakly what a
customer says about signing, paying or having come, because those are not a customer's to say. One turn makes at most
one move, its last: the same words can't carry two.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from adapters.llms.baseline.reading import STATED, STRONG, WEAK, Evidence, Reading
from adapters.llms.baseline.slots import accepted, confirmed
from adapters.llms.baseline.text import Sentence
from sidecar.model import Role, Turn

ENQUIRED, QUALIFIED, BOOKED, ATTENDED, WON, LOST = "enquired", "qualified", "booked", "attended", "won", "lost"
_NAMES = {
    ENQUIRED: ("enquired", "enquiry", "lead"),
    QUALIFIED: ("qualified",),
    BOOKED: ("booked", "scheduled"),
    ATTENDED: ("attended",),
    WON: ("closed_won", "won"),
    LOST: ("closed_lost", "lost"),
}
_RANK = {"": 0, ENQUIRED: 1, QUALIFIED: 2, BOOKED: 3, ATTENDED: 4}
_EVENTS = {
    "booking_created": BOOKED,
    "booking_moved": BOOKED,
    "booking_cancelled": "fell_through",
    "booking_attended": ATTENDED,
    "booking_no_show": "fell_through",
}
_AMOUNT = re.compile(r"\d|\b(?:thousand|hundred|grand|tausend|mil|mille)\b")
_FAR = timedelta(days=14)
"""A date at least so far ahead says by when something is needed; a nearer one is more likely a wish for a slot."""


@dataclass(frozen=True, slots=True)
class Move:
    """One move to a stage of the config, with its certainty and evidence; `meaning` is the rules' own word for it."""

    stage: str
    meaning: str
    certainty: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class _Sign:
    meaning: str
    certainty: str
    evidence: tuple[Evidence, ...]

    @property
    def turn(self) -> Turn:
        return self.evidence[-1].sentence.turn


def moves(reading: Reading) -> tuple[Move, ...]:
    """Return the moves that the new turns show, from the stage that stands."""
    standing = reading.question.standing.engagement
    held = None if _is_opening(reading) else standing.fields.get("stage")
    names = _configured(reading)
    current = next((m for m, name in names.items() if name == standing.stage), "")
    suspects = {s.number for s in reading.orders}
    was_over = current in (WON, LOST)
    found: list[Move] = []
    last_turn = -1
    for sign in _signs(reading):
        number = sign.evidence[-1].sentence.number
        if held and (sign.turn.at < held.evidence_at or (sign.turn.at == held.evidence_at and was_over)):
            continue
        if number in suspects and sign.meaning != ENQUIRED:
            continue
        target = _target(current, sign.meaning)
        if not target or target not in names or (number == last_turn and current in (WON, LOST)):
            continue
        move = Move(names[target], target, sign.certainty, sign.evidence)
        found = [*found[:-1], move] if number == last_turn else [*found, move]
        current, last_turn = target, number
    return _without_standstill(found, standing.stage)


def _is_opening(reading: Reading) -> bool:
    """Whether the stage is the first one, given because a conversation began: words that come in late still count."""
    held = reading.question.standing.engagement.fields.get("stage")
    return bool(
        held and not held.activities and held.engine == "baseline" and held.value == reading.question.stages[0].name
    )


def _configured(reading: Reading) -> dict[str, str]:
    """Map our words for stages to the config's; a stage that goes by another name is not for rules to guess."""
    existing = {stage.name.casefold(): stage.name for stage in reading.question.stages}
    found = {m: next((existing[n] for n in names if n in existing), None) for m, names in _NAMES.items()}
    return {meaning: name for meaning, name in found.items() if name}


def _target(current: str, meaning: str) -> str:
    """Where a sign leads from here, or an empty text when it leads nowhere."""
    is_over = current in (WON, LOST)
    if meaning == "fell_through":
        return QUALIFIED if current == BOOKED else ""
    if meaning in (WON, LOST):
        return "" if is_over else meaning
    if is_over:
        return meaning if meaning in (ENQUIRED, BOOKED) else ""
    if meaning == BOOKED and current == ATTENDED:
        return BOOKED
    return meaning if _RANK[meaning] > _RANK[current] else ""


def _without_standstill(found: list[Move], stage: str) -> tuple[Move, ...]:
    kept: list[Move] = []
    for move in found:
        if move.stage != (kept[-1].stage if kept else stage):
            kept.append(move)
    return tuple(kept)


def _signs(reading: Reading) -> Iterator[_Sign]:
    seen: set[int] = set()
    for sentence in (s for s in reading.sentences if s.is_new):
        turn = sentence.turn
        if turn.kind in _EVENTS or turn.kind == "meeting":
            if sentence.number not in seen:
                seen.add(sentence.number)
                yield from _event(turn, sentence)
        elif sentence.role is Role.CUSTOMER:
            yield from _by_customer(reading, sentence)
        else:
            yield from _by_us(reading, sentence)


def _event(turn: Turn, sentence: Sentence) -> Iterator[_Sign]:
    """A booking system states what happened; a calendar entry only that something was planned."""
    trusted = turn.role is Role.SYSTEM and turn.authenticated
    if turn.kind in _EVENTS:
        yield _Sign(_EVENTS[turn.kind], STATED if trusted else STRONG, (Evidence(sentence),))
    elif turn.attributes.get("status", "").casefold() in ("cancelled", "canceled"):
        yield _Sign("fell_through", STRONG, (Evidence(sentence),))
    elif turn.attributes.get("start"):
        yield _Sign(BOOKED, STRONG, (Evidence(sentence),))


def _by_customer(reading: Reading, sentence: Sentence) -> Iterator[_Sign]:
    words = reading.words(sentence)
    for name, meaning in (("lost", LOST), ("cancelled", "fell_through"), ("no_show", "fell_through")):
        match = words.hit(f"signals.{name}", sentence)
        if match and not _only_asks(sentence, match) and not (name == "lost" and words.hearsay.search(sentence.folded)):
            yield _Sign(meaning, STRONG, (Evidence(sentence, match.start()),))
    for name, meaning in (("won_claim", WON), ("attended_claim", ATTENDED), ("won", WON), ("attended", ATTENDED)):
        match = words.asserted(f"signals.{name}", sentence)
        if match:
            yield _Sign(meaning, WEAK, (Evidence(sentence, match.start()),))
            break
    taken = accepted(reading, sentence)
    if taken:
        yield _Sign(BOOKED, STRONG, (Evidence(taken.where, taken.moment.start), Evidence(sentence)))
    yield from _interest(reading, sentence)


def _only_asks(sentence: Sentence, match: re.Match[str]) -> bool:
    """Whether a question asks for just what matched; "I can't come, is Friday free?" asks for something else."""
    return sentence.is_question and not re.search(r"[,;:.!-]\s*\w", sentence.folded[match.end() :])


def _interest(reading: Reading, sentence: Sentence) -> Iterator[_Sign]:
    words = reading.words(sentence)
    enquiry = words.hit("signals.enquiry", sentence, conditional=True)
    concrete = concreteness(reading, sentence)
    chosen = words.asserted("signals.chosen", sentence)
    if concrete is not None or chosen:
        at = concrete if concrete is not None else chosen.start() if chosen else 0
        yield _Sign(QUALIFIED, STRONG, (Evidence(sentence, at),))
    elif enquiry:
        yield _Sign(ENQUIRED, STRONG, (Evidence(sentence, enquiry.start()),))
    elif sentence.is_question and not any(
        words.hit(f"intent.{i}", sentence) for i in ("complain", "support", "cancel")
    ):
        yield _Sign(ENQUIRED, WEAK, (Evidence(sentence),))


def concreteness(reading: Reading, sentence: Sentence) -> int | None:
    """Return where a customer's need becomes concrete (budget, decision, how many, by when), or None."""
    words = reading.words(sentence)
    decider = words.asserted("signals.decider", sentence)
    if decider:
        return decider.start()
    budget = words.hit("signals.budget", sentence)
    if budget and _AMOUNT.search(sentence.folded):
        return budget.start()
    turn = [s for s in reading.sentences if s.number == sentence.number]
    if not any(words.hit("signals.need", s, conditional=True) for s in turn):
        return None
    detail = words.hit("signals.quantity", sentence) or words.hit("signals.timeframe", sentence)
    if detail:
        return detail.start()
    said_on = reading.said_at(sentence).date()
    far = (m for m in reading.dates(sentence) if m.day and not m.clock and m.day >= said_on + _FAR)
    return next((m.start for m in far), None)


def _by_us(reading: Reading, sentence: Sentence) -> Iterator[_Sign]:
    """What our side says counts as said by it only when it can't be forged; a bot speaks of bookings alone."""
    words = reading.words(sentence)
    is_bot = sentence.role is Role.BOT
    sure = STRONG if sentence.authenticated or is_bot else WEAK
    agreed = confirmed(reading, sentence)
    if agreed:
        yield _Sign(BOOKED, sure, (Evidence(sentence, agreed[0].start()),))
    names = [("cancelled", "fell_through")]
    if not is_bot:
        names += [("no_show", "fell_through"), ("attended", ATTENDED), ("won", WON), ("lost", LOST)]
    for name, meaning in names:
        match = words.asserted(f"signals.{name}", sentence)
        if match:
            yield _Sign(meaning, sure, (Evidence(sentence, match.start()),))
