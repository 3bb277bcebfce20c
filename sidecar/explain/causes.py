"""The chain of causes as HTML: effect first, each fact in words, with its ids and figures for whoever wants them.

What follows from one cause goes straight on; only where several causes meet is the list indented, so that the usual
chain of eight facts fits on a phone. Quotes are named by their numbers: their words stand in the conversation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sidecar.explain.chain import Node
from sidecar.explain.phrases import cut, moment, name, value
from sidecar.markup import marked, text

TITLES: Mapping[str, str] = {
    "posting": "Written to the CRM and read back",
    "change": "Meant to write",
    "decision": "Decided",
    "claim": "Read out of the words",
    "inference": "Asked a model",
    "match": "Whose it is",
    "activity": "Said or done",
    "delivery": "How it reached us",
    "reading": "What the CRM held",
    "release": "A person's word",
    "more": "And more",
    "erased": "Erased",
}
LINE_CHARS = 600
_VERDICTS = {"apply": "Believe it", "suggest": "Ask a person", "hold": "Hold it for a person", "reject": "Turn it down"}
Detail = Mapping[str, Any]
_DETAILS: Mapping[str, str] = {
    "model": "Model", "prompt": "Prompt", "prompt_sha256": "Prompt's SHA-256",
    "version": "Version", "cost_usd": "Cost, US dollars",
    "input_tokens": "Tokens read", "output_tokens": "Tokens written", "duration_ms": "Milliseconds",
    "request_id": "Vendor's request", "policy_sha256": "Policy's SHA-256", "rule": "Rule", "by": "By",
    "certainty": "Certainty", "confidence": "Confidence", "formula": "Formula", "sha256": "SHA-256 of the bytes",
    "key": "Delivery", "how": "How we know who",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Places:
    """Where things stand on the page: quotes by their number, activities by their turn; and the zone of its times."""

    numbers: Mapping[tuple[str, int, int], int]
    turns: Mapping[str, int]
    zone: ZoneInfo


def causes(chain: Sequence[Node], places: Places) -> str:
    """Return list items; of several chains each is a list of its own."""
    if len(chain) < 2:
        return "".join(_items(node, places) for node in chain)
    return "".join(f'<li class="root"><ol class="chain">{_items(node, places)}</ol></li>' for node in chain)


def _items(node: Node, places: Places) -> str:
    """Return a fact and what it follows from: an only cause right behind it, several in a list of their own."""
    said, below = _said(node, places), node.because
    if len(below) < 2:
        return f"<li>{said}</li>{causes(below, places)}"
    branches = "".join(f'<li><ol class="chain">{_items(cause, places)}</ol></li>' for cause in below)
    return f'<li>{said}<ol class="branches">{branches}</ol></li>'


def _said(node: Node, places: Places) -> str:
    title = TITLES.get(node.kind, node.kind)
    return f'<span class="kind">{text(title)}</span>{_line(node, places)}{_details(node)}'


def _line(node: Node, places: Places) -> str:
    told = _TOLD.get(node.kind)
    line = told(node.detail, places) if told else marked(cut(node.line, LINE_CHARS))
    return f'<a href="#t{places.turns[node.id]}">{line}</a>' if node.id in places.turns else line


def _at(detail: Detail, places: Places) -> str:
    return moment(datetime.fromisoformat(detail["at"]), places.zone)


def _posting(detail: Detail, places: Places) -> str:
    place = f"{text(detail['record'])}, {text(detail['field'])}"
    return f"{place}: {value(detail['value'])}, {_at(detail, places)}"


def _change(detail: Detail, places: Places) -> str:
    return f"{text(detail['field'])}: {value(detail['new'])} in place of {value(detail['old'])}"


def _decision(detail: Detail, places: Places) -> str:
    by = "" if detail["by"] == "policy" else f" ({name(detail['by'])})"
    return (
        f"{_VERDICTS.get(detail['verdict'], text(detail['verdict']))}{by}: {marked(cut(detail['reason'], LINE_CHARS))}"
    )


def _claim(detail: Detail, places: Places) -> str:
    found = [places.numbers.get((q["activity"], q["start"], q["end"])) for q in detail["evidence"]]
    quotes = "".join(f' <a class="num" href="#q{number}">{number}</a>' for number in found if number)
    sure = f"{text(detail['certainty']).replace('_', ' ')}, confidence {detail['confidence']}"
    formula = f"; {marked(cut(detail['formula'], LINE_CHARS))}" if detail["formula"] else ""
    unfound = "" if detail["verified"] or detail["formula"] else "; its quote was not found in the text"
    return f"{text(detail['field'])}: {value(detail['value'])} ({sure}{formula}{unfound}){quotes}"


def _inference(detail: Detail, places: Places) -> str:
    prompt = f"prompt {text(detail['prompt'])} {text(detail['prompt_sha256'][:12])}"
    return f"{text(detail['engine'])} ({text(detail['model'])}), {prompt}, {detail['cost_usd']:.4f} US dollars"


def _match(detail: Detail, places: Places) -> str:
    return f"This customer's, by the rule {text(detail['rule'])}"


def _activity(detail: Detail, places: Places) -> str:
    kind = f"{text(detail['kind']).replace('_', ' ')} on {text(detail['channel'])}"
    return f"{kind} by {name(detail['who'] or detail['role'])}, {_at(detail, places)}"


def _delivery(detail: Detail, places: Places) -> str:
    return f"By the channel {text(detail['channel'])}, {_at(detail, places)}"


def _reading(detail: Detail, places: Places) -> str:
    return f"{text(detail['record'])}, as read {_at(detail, places)}"


def _release(detail: Detail, places: Places) -> str:
    reason = f": {marked(cut(detail['reason'], LINE_CHARS))}" if detail["reason"] else ""
    return f"{text(detail['action'])} by {name(detail['by'])}, {_at(detail, places)}{reason}"


_TOLD: Mapping[str, Callable[[Detail, Places], str]] = {
    "posting": _posting, "change": _change, "decision": _decision, "claim": _claim, "inference": _inference,
    "match": _match, "activity": _activity, "delivery": _delivery, "reading": _reading, "release": _release,
}  # fmt: skip


def _details(node: Node) -> str:
    told = {title: node.detail[key] for key, title in _DETAILS.items() if node.detail.get(key) not in (None, "")}
    rows = {"Id": node.id, **told} if node.id else told
    if not rows:
        return ""
    lines = (f"<dt>{text(title)}</dt><dd>{marked(cut(str(held), LINE_CHARS))}</dd>" for title, held in rows.items())
    return f"<details><summary>Details</summary><dl>{''.join(lines)}</dl></details>"
