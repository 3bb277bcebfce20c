"""Reads intent, sentiment, urgency, risks and budget from what the customer wrote; the newest words that say it count.

What nobody said yields nothing: calm text is not "neutral", it is silent. Values that the config doesn't list are
never given. There is no lead score and no list of people's names.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from adapters.llms.baseline.reading import STRONG, WEAK, Evidence, Reading, op
from adapters.llms.baseline.text import Sentence
from sidecar.model import SEVERAL, FieldPolicy, Role

MAX_RISKS = 6
_INTENTS = ("cancel", "complain", "support", "book", "buy", "inform")
_IMPLIED_INTENTS = {
    "book": ("reschedule",),  # before cancel: whoever can't come and asks for another day wants to come
    "cancel": ("cancelled",),
    "buy": ("chosen", "won_claim", "need", "quantity", "budget"),
}
_RISK_NAMES = {
    "price": "price above budget",
    "competitor": "a competitor in the race",
    "delay": "plans put off",
    "approval": "somebody else must agree",
}
_NO_SHOW, _MANIPULATION = "no-show", "possible manipulation"
_NUMBER = r"\d(?:[\d.,' ]{0,14}\d)?"
_MONEY = re.compile(
    rf"(?:[$€£]|usd|eur|gbp|chf)\s?{_NUMBER}\s?(?:k|mio|million|mil|m)?(?!\w)"
    rf"|(?<![\w.]){_NUMBER}\s?(?:k|mio|million|mil|tausend)?\s?(?:[$€£]|euros?|dollars?|pounds?|usd|eur|gbp|chf|"
    r"franken|francs?|pesos?)(?!\w)"
)


def fields(reading: Reading) -> list[dict[str, Any]]:
    """Return the statements about observed fields that the new turns support and that would change something."""
    found: list[dict[str, Any]] = []
    for name, read in _READERS.items():
        policy = next((f for f in reading.question.fields if f.name == name), None)
        if policy is None or policy.grounding != "quoted":
            continue
        held = reading.question.standing.engagement.fields.get(name)
        old = str(held.value) if held and held.value is not None else ""
        found += [s for s in read(reading, old, policy) if s["value"] != old and _fits(s["value"], policy)]
    return found


def _fits(value: str, policy: FieldPolicy) -> bool:
    if policy.values:
        return value.casefold() in {v.casefold() for v in policy.values}
    return len(value) <= policy.max_chars


def _intent(reading: Reading, old: str, policy: FieldPolicy) -> Iterator[dict[str, Any]]:
    for turn in _newest_first(reading):
        for name in _INTENTS:
            for sentence in turn:
                match = reading.words(sentence).hit(f"intent.{name}", sentence, conditional=True)
                if match:
                    certainty = STRONG if name not in ("inform", "support") else WEAK
                    yield op("intent", name, certainty, [Evidence(sentence, match.start())])
                    return
        for name, signals in _IMPLIED_INTENTS.items():
            for sentence in turn:
                hits = (reading.words(sentence).hit(f"signals.{s}", sentence, conditional=True) for s in signals)
                match = next((hit for hit in hits if hit), None)
                if match:
                    yield op("intent", name, WEAK, [Evidence(sentence, match.start())])
                    return


def _sentiment(reading: Reading, old: str, policy: FieldPolicy) -> Iterator[dict[str, Any]]:
    for turn in _newest_first(reading):
        scores = {name: _felt(reading, turn, name) for name in ("angry", "negative", "positive", "mild")}
        shouts = [s for s in turn if _shouts(s)]
        if scores["angry"] or (scores["negative"] and shouts):
            evidence = scores["angry"] or scores["negative"]
            yield op("sentiment", "angry", STRONG, evidence)
        elif scores["negative"]:
            yield op("sentiment", "negative", STRONG if len(scores["negative"]) > 1 else WEAK, scores["negative"])
        elif scores["positive"]:
            yield op("sentiment", "positive", STRONG if len(scores["positive"]) > 1 else WEAK, scores["positive"])
        elif scores["mild"] and old in ("negative", "angry"):
            yield op("sentiment", "neutral", WEAK, scores["mild"])
        else:
            continue
        return


def _felt(reading: Reading, turn: Sequence[Sentence], name: str) -> list[Evidence]:
    found = []
    for sentence in turn:
        words = reading.words(sentence)
        for match in words.matches(f"sentiment.{name}", sentence):
            hit = words.hit(f"sentiment.{name}", sentence)
            if hit and hit.start() == match.start():
                found.append(Evidence(sentence, match.start()))
    return found


def _shouts(sentence: Sentence) -> bool:
    letters = [c for c in sentence.text if c.isalpha()]
    is_loud = len(letters) >= 12 and sum(c.isupper() for c in letters) > 0.8 * len(letters)
    return is_loud or "!!" in sentence.text


def _urgency(reading: Reading, old: str, policy: FieldPolicy) -> Iterator[dict[str, Any]]:
    for turn in _newest_first(reading):
        for sentence in turn:
            words = reading.words(sentence)
            for name in ("low", "high"):
                match = words.hit(f"urgency.{name}", sentence, conditional=True)
                if match:
                    yield op("urgency", name, STRONG, [Evidence(sentence, match.start())])
                    return


def _risks(reading: Reading, old: str, policy: FieldPolicy) -> Iterator[dict[str, Any]]:
    """The new risks, each for itself with words of its own; where the field is a text, the whole list that holds."""
    known = [risk for risk in (part.strip() for part in old.split(";")) if risk]
    found = {risk: evidence for risk, evidence in _risky(reading).items() if risk not in known}
    if policy.type == SEVERAL:
        yield from (op("risks", risk, STRONG, [evidence]) for risk, evidence in found.items())
    elif found:
        yield op("risks", "; ".join((known + list(found))[-MAX_RISKS:]), STRONG, list(found.values()))


def _risky(reading: Reading) -> dict[str, Evidence]:
    found: dict[str, Evidence] = {}
    for sentence in reading.new(Role.CUSTOMER):
        words = reading.words(sentence)
        for name, risk in _RISK_NAMES.items():
            match = words.hit(f"risks.{name}", sentence, conditional=True)
            if match:
                found.setdefault(risk, Evidence(sentence, match.start()))
    for sentence in (s for s in reading.sentences if s.is_new):
        if sentence.turn.kind == "booking_no_show":
            found.setdefault(_NO_SHOW, Evidence(sentence))
        elif sentence.role is not Role.BOT:
            match = reading.words(sentence).asserted("signals.no_show", sentence)
            if match:
                found.setdefault(_NO_SHOW, Evidence(sentence, match.start()))
    for sentence in (s for s in reading.orders if s.is_new):
        found.setdefault(_MANIPULATION, Evidence(sentence))
    return found


def _budget(reading: Reading, old: str, policy: FieldPolicy) -> Iterator[dict[str, Any]]:
    for turn in _newest_first(reading):
        for sentence in turn:
            match = reading.words(sentence).hit("signals.budget", sentence, conditional=True)
            money = _MONEY.search(sentence.folded)
            if match and money:
                amount = sentence.text[money.start() : money.end()].strip()
                yield op("budget", amount, STRONG, [Evidence(sentence, min(match.start(), money.start()))])
                return


def _newest_first(reading: Reading) -> list[list[Sentence]]:
    """The customer's new sentences by turn, the newest turn first, in order within a turn."""
    turns: dict[int, list[Sentence]] = {}
    for sentence in reading.new(Role.CUSTOMER):
        turns.setdefault(sentence.number, []).append(sentence)
    return [turns[number] for number in sorted(turns, reverse=True)]


_READERS: Mapping[str, Callable[[Reading, str, FieldPolicy], Iterator[dict[str, Any]]]] = {
    "intent": _intent,
    "sentiment": _sentiment,
    "urgency": _urgency,
    "risks": _risks,
    "budget": _budget,
}
