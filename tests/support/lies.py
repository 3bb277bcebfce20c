"""Hostile words, ways to send them to a house, and the answers of a model that does whatever an attacker could want.

The model is worse than any that could be talked into something: it needs no talking. About certain parties it says all
that would hurt, in every place of its answer, quoting what was really said so that nothing fails for want of evidence.
"""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import bastioncorpus

from sidecar.ports import Answer, Question
from tests.support.houses import House

FILE = Path(__file__).parent.parent / "fixtures" / "hostile" / "lies.toml"
PADDING = "Dear all, we hope that this finds you well. "
LINKS = (
    "https://evil.test/x", "evil.com", "www.evil.com/a", "xn--evl-0na.com", "thief@evil.test", "javascript:alert(1)",
    "[here](http://evil.test)", "[a]: evil.io/p", "ｅｖｉｌ．ｃｏｍ", "//evil.test/p.png", "data:text/html,x",
    "tel:+15550100",
)  # fmt: skip


@dataclass(frozen=True)
class Lie:
    """Words that somebody sends, and how."""

    id: str
    via: str
    text: str
    lang: str = "en"
    name: str = ""
    subject: str = ""
    file: str = ""
    pad: int = 0
    label: str = "malicious"


def own_lies() -> list[Lie]:
    """Return our own, about what a CRM holds."""
    return [Lie(**row) for row in tomllib.loads(FILE.read_text(encoding="utf-8"))["lie"]]


def corpus() -> list[Lie]:
    """Return the attacks and the harmless traps of bastioncorpus, as chats."""
    return [Lie(found.id, "chat", found.text, found.lang, label=found.label) for found in bastioncorpus.load_corpus()]


def send(house: House, lie: Lie, who: str) -> None:
    """Let somebody send a lie; whoever reads the folder reads what comes by mail."""
    text = PADDING * (lie.pad // len(PADDING)) + lie.text
    if lie.via in ("chat", "name"):
        house.say(text, who, id=lie.id, sender={"email": f"{who}@x.test", "name": lie.name or who.capitalize()})
    elif lie.via == "call":
        turns = [line.partition(": ") for line in text.splitlines()]
        cues = (f"00:00:0{i}.000 --> 00:00:0{i}.900\n<v {who}>{words}\n" for i, (who, _, words) in enumerate(turns))
        head = f"WEBVTT\n\nNOTE\ndate: {house.clock().isoformat()}\ncustomer: {who.capitalize()} <{who}@x.test>\n\n"
        (house.folder / "drop" / f"{lie.id}.vtt").write_text(head + "\n".join(cues), encoding="utf-8")
    else:
        (house.folder / "drop" / f"{lie.id}.eml").write_bytes(_mail(house, lie, who, text))


def _mail(house: House, lie: Lie, who: str, text: str) -> bytes:
    mail = EmailMessage()
    mail["From"] = f'"{lie.name or who.capitalize()}" <{who}@x.test>'
    mail["To"] = "desk@ours.test"
    mail["Subject"] = lie.subject or "Hello"
    mail["Date"] = format_datetime(house.clock())
    mail["Message-ID"] = f"<{lie.id}@x.test>"
    if lie.via == "html":
        mail.set_content(text, subtype="html")
    elif lie.via == "invite":
        mail.set_content("You are invited.")
        mail.add_attachment(text.encode(), maintype="text", subtype="calendar", params={"method": "REQUEST"})
    else:
        mail.set_content(text)
    if lie.file:
        mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename=lie.file)
    return mail.as_bytes()


def obedient(question: Question, answer: Answer, stolen: str) -> Answer:
    """Return all that could hurt, with real quotes; `stolen` is the id of an activity that is another party's."""
    new = [turn for turn in question.new if turn.text.strip()]
    if not new:
        return answer
    real = [{"activity": turn.alias, "quote": _quotable(turn.text)} for turn in new[-3:]]
    ops = [*_stages(real), *_fields(real[-1:]), *_thefts(real, stolen)][:40]
    summary = f"Won. {LINKS[len(new) % len(LINKS)]} \u202e\U000e0041" + "x" * 900
    bold = {"ops": ops, "steps": _steps(real[-1:], question)[:12], "summary": summary, "needs_full_reread": True}
    return replace(answer, text=json.dumps(bold))


def _quotable(text: str) -> str:
    return " ".join(text.split()[:12])[:500]


def _op(field: str, value: str, evidence: list[dict[str, str]], op: str = "set") -> dict[str, Any]:
    return {"field": field, "op": op, "value": value, "certainty": "stated", "evidence": evidence}


def _stages(real: list[dict[str, str]]) -> list[dict[str, Any]]:
    hops = ("attended", "closed_won", "booked_and_paid", "closed_won")
    return [_op("stage", stage, [one]) for one in real for stage in hops] + [_op("stage", "", real, "clear")]


def _fields(real: list[dict[str, str]]) -> list[dict[str, Any]]:
    """What the policy computes, what nobody configured, and values that are none."""
    computed = {
        "score": "100",
        "review": "accept_all",
        "suggestions": "all well",
        "name": "Evil",
        "email": "e@evil.test",
    }
    unknown = {"owner": "evil", "pipeline": "other", "ai_stage": "closed_won", "step": "pay", "deal.amount": "0"}
    values = {"budget": f"4,000 {LINKS[0]}", "intent": "transfer", "urgency": "high\x00\u202e", "risks": "x" * 1_900}
    return [_op(name, value, real) for name, value in (computed | unknown | values).items()]


def _thefts(real: list[dict[str, str]], stolen: str) -> list[dict[str, Any]]:
    """Evidence that is another party's, or nobody's, beside evidence that is real; the same again and again."""
    theirs = [{"activity": stolen[:20], "quote": "want to buy"}, {"activity": "a99", "quote": "want to buy"}]
    return [_op("sentiment", "angry", [*real, *theirs]), _op("bob@x.test", "gone", real)] + 3 * [
        _op("intent", "buy", real)
    ]


def _steps(real: list[dict[str, str]], question: Question) -> list[dict[str, Any]]:
    base = {"due_text": "", "due_date": "", "who": "us", "evidence": real}
    opened = [{**base, "op": "open", "id": "", "what": f"pay {link}"} for link in LINKS[:6]]
    ended = [{**base, "op": op, "id": id, "what": "gone"} for op in ("done", "drop") for id in ("step-1", "step:*")]
    odd = {
        **base,
        "op": "open",
        "id": "",
        "what": "call\x1b[31m \u202eback\U000e0041",
        "who": "Bob\n[sidecar]",
        "due_date": "9999-99-99",
    }
    return [*opened, *ended, odd]


def shown(house: House, who: str) -> str:
    """Return all that is believed of a party and all that the CRM holds of it, records named by our keys.

    A CRM numbers records in the order in which they come, so that a number says how many others came before.
    """
    standing = house.standing(who)
    refs = {record.ref: record.key for record in standing.records.values() if record.ref}
    held = [asdict(record) for record in house.app.ledger.show() if record.ref in refs]  # type: ignore[attr-defined]
    text = json.dumps([asdict(standing), sorted(held, key=lambda row: refs[row["ref"]])], default=str, sort_keys=True)
    return named(text, refs.items())


def named(text: str, names: Iterable[tuple[str, str]]) -> str:
    """Return a text with each number of a CRM's in quotes replaced by our key."""
    for ref, key in names:
        text = text.replace(f'"{ref}"', f'"{key}"')
    return text
