"""How often the baseline reads a single phrase right, per language: what `bench.baseline` prints beside conversations.

A phrase says one thing, so a miss is a rule's miss and nobody else's. Each is said after a greeting in its language,
as in a conversation, since "ok, 10" has no language of its own; how often the language of the bare phrase is told is
counted apart. What the labels mean stands beside the phrases, in SOURCES.md.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from adapters.llms.baseline import BaselineLLM
from adapters.llms.baseline.language import MIN_CHARS
from adapters.llms.baseline.text import fold, sentences
from adapters.llms.baseline.words import languages
from sidecar.infer.wire import SCHEMA
from sidecar.model import Engagement, FieldPolicy, FieldStanding, Role, StagePolicy, Standing, Turn
from sidecar.ports import Question

FOLDER = Path(__file__).parent.parent / "tests" / "fixtures" / "phrases"
SAID_AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
FIELDS = ("intent", "sentiment", "urgency")
_ONE_BOOKED = ("attended", "qualified")
Compared = tuple[str, str, str, str]
"""What was asked of which phrase, what it should be and what the rules say; nothing is an empty text."""
_GREETINGS = {
    "en": "Good morning, this is the office of Hill and Son. Thank you for your message, what is it that you wanted?",
    "de": "Guten Tag, hier ist das Büro von Berg und Sohn. Danke für Ihre Nachricht, worum geht es bei Ihnen denn?",
    "fr": "Bonjour, ici le bureau de la maison Dubois. Merci pour votre message, de quoi est-ce qu'il s'agit ?",
    "es": "Hola, esta es la oficina de la casa Robles. Gracias por su mensaje, ¿de qué es de lo que se trata?",
    "it": "Salve, qui è l'ufficio della ditta Bianchi. Grazie per il suo messaggio, di che cosa si tratta?",
    "pt": "Olá, aqui é o escritório da casa Silva. Obrigado pela sua mensagem, do que é que se trata?",
    "nl": "Hallo, dit is het kantoor van de firma Bakker. Dank voor uw bericht, waar gaat het precies over?",
}


@dataclass(frozen=True, slots=True)
class Asker:
    """The rules, and the fields and stages that they are asked about."""

    llm: BaselineLLM
    fields: tuple[FieldPolicy, ...]
    stages: tuple[StagePolicy, ...]

    def ask(self, code: str, text: str, by: str, stage: str = "") -> dict[str, Any]:
        """Return what the rules say of a phrase, said after a greeting, where the relationship stands at `stage`."""
        held = {"stage": FieldStanding(stage, "", "baseline", 0.6, SAID_AT - timedelta(days=1))} if stage else {}
        question = Question(
            system="",
            user="",
            schema=SCHEMA,
            max_tokens=2048,
            now=SAID_AT,
            timezone="UTC",
            standing=Standing("p", engagements=(Engagement(fields=held),)),
            earlier=(replace(_turn(_GREETINGS[code], "agent", 1), at=SAID_AT - timedelta(minutes=5)),),
            new=(_turn(text, by, 2),),
            fields=self.fields,
            stages=self.stages,
        )
        answer: dict[str, Any] = json.loads(self.llm.infer(question).text)
        return answer


def measure_phrases(asker: Asker, half: str, told: list[str] | None = None) -> dict[str, Any]:
    """Return the figures of one half per language, and of all languages together; misses are added to `told`."""
    every: Counter[str] = Counter()
    result: dict[str, Any] = {}
    for file in sorted((FOLDER / half).glob("*.toml")):
        counts = Counter(_counts(asker, file.stem, tomllib.loads(file.read_text("utf-8")), told))
        every += counts
        result[file.stem] = _figures(counts)
    return {**result, "all": _figures(every)}


def _counts(asker: Asker, code: str, labels: Mapping[str, Any], told: list[str] | None) -> Iterator[str]:
    asked = (_values, _moves, _owed)
    compared = (_dates(code, labels), _languages(code, labels), *(each(asker, code, labels) for each in asked))
    for what, text, wanted, got in chain.from_iterable(compared):
        if told is not None and wanted != got:
            told.append(f"{code} {what}: {text!r} wanted {wanted!r}, got {got!r}")
        yield f"{what}.of"
        if wanted == got:
            yield f"{what}.right"
        elif got:
            yield f"{what}.wrong"
        yield from _positives(what, wanted, got)


def _positives(what: str, wanted: str, got: str) -> Iterator[str]:
    """What precision and recall are made of: of all values, and of each stage."""
    if wanted:
        yield f"{what}.wanted"
        yield f"{what}.{wanted}.wanted"
    if got:
        yield f"{what}.given"
        yield f"{what}.{got}.given"
    if wanted and wanted == got:
        yield f"{what}.hit"
        yield f"{what}.{wanted}.hit"


def _dates(code: str, labels: Mapping[str, Any]) -> Iterator[Compared]:
    grammar = languages()[code].grammar
    for text, due in {**labels["dates"], **dict.fromkeys(labels["no_dates"])}.items():
        found = " ".join(m.due for m in grammar.find(fold(text), text, SAID_AT) if m.due)
        yield "no_dates" if due is None else "dates", text, due or "", found


def _values(asker: Asker, code: str, labels: Mapping[str, Any]) -> Iterator[Compared]:
    for name in FIELDS:
        for value, text in _each(labels[name]):
            ops = asker.ask(code, text, "customer")["ops"]
            got = next((op["value"] for op in ops if op["field"] == name), "")
            yield name, text, value if value != "none" else "", got


def _moves(asker: Asker, code: str, labels: Mapping[str, Any]) -> Iterator[Compared]:
    """Where a phrase leaves a relationship; to have asked something is no move for what should move nothing."""
    for by, table in labels["stages"].items():
        for label, text in _each(table):
            wanted = {"none": "", "concrete": "qualified"}.get(label, label)
            for before in ("", "booked") if label == "none" else ("booked",) if label in _ONE_BOOKED else ("",):
                ops = asker.ask(code, text, by, before)["ops"]
                got = next((op["value"] for op in reversed(ops) if op["field"] == "stage"), "")
                yield "stage", text, wanted, "" if label == "none" and got == "enquired" else got


def _owed(asker: Asker, code: str, labels: Mapping[str, Any]) -> Iterator[Compared]:
    for by, table in labels["steps"].items():
        for text, owed in table.items():
            told = asker.ask(code, text, by)["steps"]
            yield "steps", text, owed, "; ".join(f"{s['who']} {s['due_date']}" for s in told)


def _languages(code: str, labels: Mapping[str, Any]) -> Iterator[Compared]:
    known = {c: w.stopwords for c, w in languages().items()}
    tables = (*(labels[name] for name in FIELDS), *labels["stages"].values())
    texts = [text for table in tables for _, text in _each(table)]
    for text in (*labels["no_dates"], *labels["dates"], *texts, *chain.from_iterable(labels["steps"].values())):
        if len(text) >= MIN_CHARS:
            alone = sentences((), (_turn(text, "customer", 1),), known)
            yield "language", text, code, alone[0].language if alone else ""


def _each(table: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    return ((value, text) for value, texts in table.items() for text in texts)


def _turn(text: str, by: str, number: int) -> Turn:
    alias = f"a{number}"
    return Turn(alias, alias, SAID_AT, "webchat", "message", Role(by), by == "agent", "", text)


def _figures(counts: Mapping[str, int]) -> dict[str, Any]:
    def share(name: str) -> str:
        return f"{counts.get(f'{name}.right', 0)}/{counts.get(f'{name}.of', 0)}"

    return {
        "dates_exact": share("dates"),
        "dates_wrong": f"{counts.get('dates.wrong', 0)}/{counts.get('dates.of', 0)}",
        "false_dates": f"{counts.get('no_dates.wrong', 0)}/{counts.get('no_dates.of', 0)}",
        **{name: share(name) for name in ("language", *FIELDS)},
        "booked": _f1(counts, "stage.booked"),
        "fell_through": _f1(counts, "stage.qualified"),
        "won": _f1(counts, "stage.closed_won"),
        "lost": _f1(counts, "stage.closed_lost"),
        "stage_moves": _f1(counts, "stage"),
        "commitments": _f1(counts, "steps"),
    }  # fmt: skip


def _f1(counts: Mapping[str, int], name: str) -> dict[str, float]:
    hit, given, wanted = (counts.get(f"{name}.{part}", 0) for part in ("hit", "given", "wanted"))
    precision, recall = hit / given if given else 0.0, hit / wanted if wanted else 0.0
    both = precision + recall
    return {
        "p": round(precision, 2), "r": round(recall, 2), "f1": round(2 * precision * recall / both, 2) if both else 0.0,
        "n": wanted,
    }  # fmt: skip
