"""The chain of causes as HTML: effect first, each fact in words, with its ids and figures for whoever wants them.

What follows from one cause goes straight on; only where several causes meet is the list indented, so that the usual
chain of eight facts fits on a phone. Quotes are named by their numbers: their words stand in the conversation.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sidecar.explain.chain import Node
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
MAX_LINE_CHARS = 600
_DETAILS: Mapping[str, str] = {
    "model": "Model", "prompt": "Prompt", "prompt_sha256": "Prompt's SHA-256", "cost_usd": "Cost, US dollars",
    "input_tokens": "Tokens read", "output_tokens": "Tokens written", "duration_ms": "Milliseconds",
    "request_id": "Vendor's request", "policy_sha256": "Policy's SHA-256", "rule": "Rule", "by": "By",
    "certainty": "Certainty", "confidence": "Confidence", "formula": "Formula", "sha256": "SHA-256 of the bytes",
    "key": "Delivery", "old": "Before", "new": "After",
}  # fmt: skip

Numbers = Mapping[tuple[str, int, int], int]


def causes(chain: Iterable[Node], numbers: Numbers, turns: Mapping[str, int]) -> str:
    """Return list items; `numbers` are those of the quotes by place, `turns` the places of activities on the page."""
    return "".join(_items(node, numbers, turns) for node in chain)


def _items(node: Node, numbers: Numbers, turns: Mapping[str, int]) -> str:
    """Return a fact and what it follows from: an only cause beside it, several in a list of their own."""
    below = node.because
    own = _said(node, numbers, turns)
    if len(below) > 1:
        return f"<li>{own}<ol>{causes(below, numbers, turns)}</ol></li>"
    return f"<li>{own}</li>{causes(below, numbers, turns)}"


def _said(node: Node, numbers: Numbers, turns: Mapping[str, int]) -> str:
    title = TITLES.get(node.kind, node.kind)
    return f'<span class="kind">{text(title)}</span>{_line(node, numbers, turns)}{_details(node)}'


def _line(node: Node, numbers: Numbers, turns: Mapping[str, int]) -> str:
    if node.kind == "claim":
        return _claim(node.detail, numbers)
    line = marked(node.line[:MAX_LINE_CHARS])
    if node.id in turns:
        return f'<a href="#t{turns[node.id]}">{line}</a>'
    return line


def _claim(detail: Mapping[str, Any], numbers: Numbers) -> str:
    found = [numbers.get((q["activity"], q["start"], q["end"])) for q in detail["evidence"]]
    quotes = "".join(f' <a class="num" href="#q{number}">{number}</a>' for number in found if number)
    value = marked(str(detail["value"])[:MAX_LINE_CHARS]) if detail["value"] is not None else "nothing"
    rest = f"{text(detail['certainty']).replace('_', ' ')}, confidence {detail['confidence']}"
    formula = f"; {marked(str(detail['formula'])[:MAX_LINE_CHARS])}" if detail["formula"] else ""
    unfound = "" if detail["verified"] or detail["formula"] else "; its quote was not found in the text"
    return f'{text(detail["field"])} = <b lang="">{value}</b> ({rest}{formula}{unfound}){quotes}'


def _details(node: Node) -> str:
    told = {name: node.detail[key] for key, name in _DETAILS.items() if node.detail.get(key) not in (None, "")}
    rows = {"Id": node.id, **told} if node.id else told
    if not rows:
        return ""
    lines = "".join(
        f"<dt>{text(name)}</dt><dd>{marked(str(value)[:MAX_LINE_CHARS])}</dd>" for name, value in rows.items()
    )
    return f"<details><summary>Details</summary><dl>{lines}</dl></details>"
