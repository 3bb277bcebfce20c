"""How our words in the CRM read: short, plain, quotes marked as quotes, one line that says that AI wrote them. Pure.

Everything that a customer or a model said is data: it is put on one line, without control characters or marks that turn
the direction of reading, so that no message can change how the text around it looks; adapters escape what their CRM
would take for markup. What a rep can do about it stands in a line that is the same everywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sidecar.ground import legible
from sidecar.model import Evidence, Role, Suggestion

MARKER = "[sidecar]"
"""Ends each text of ours, so that a person, and any program, can tell it from theirs."""
AI_LINE = f"Written by AI. Wrong? Change the field itself, or this text: what you write stays. {MARKER}"
WAITING_LINE = "Waiting for you: set AI review to accept_all or reject_all, or change the field itself."
MAX_QUOTE_CHARS = 240
_WHO = {Role.CUSTOMER: "Customer", Role.AGENT: "Us", Role.BOT: "Bot", Role.SYSTEM: "System"}

Linked = Callable[[str], str]
"""Returns the link to what explains a field of the party, empty where there is no such page."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What texts are made of beside beliefs: the evidence by decision, and the link to what explains a field."""

    quotes: Mapping[str, tuple[Evidence, ...]] = field(default_factory=dict)
    link: Linked = lambda name: ""

    def quote(self, decision: str) -> str:
        """Return the first words behind a decision, with who said them; empty where there are none."""
        found = self.quotes.get(decision, ())
        return quoted(found[0]) if found else ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a person, as the CRM shows it, and the decisions that are shown."""

    text: str
    because: tuple[str, ...]


def quoted(evidence: Evidence) -> str:
    """Return words as somebody's: `Customer: “Thursday at 10 works”`."""
    inner = plain(evidence.quote, MAX_QUOTE_CHARS).replace("“", "'").replace("”", "'")
    return f"{_WHO[evidence.role]}: “{inner}”"


def plain(text: object, max_chars: int = MAX_QUOTE_CHARS) -> str:
    """Return words from outside on one line, without anything that can't be seen; our marker is nobody else's."""
    flat = " ".join(legible(str(text)).split()).replace("[sidecar", "(sidecar")
    return flat if len(flat) <= max_chars else flat[: max_chars - 1] + "…"


def titled(text: object, max_chars: int) -> str:
    """Return words from outside as a title, which a spreadsheet takes for no formula when a rep exports it."""
    return plain(text, max_chars).lstrip("=+-@ ") or "(without words)"


def label(name: str) -> str:
    """Return a field's name as a person reads it; a step goes by what it is."""
    return "Next step" if name.startswith("step:") else name.replace("_", " ").capitalize()


def waiting(suggestions: Mapping[str, Suggestion], wording: Wording, max_lines: int, max_chars: int) -> Waiting:
    """Return what waits, each with value, words, date, reason and link; only what has room, and that whole."""
    text, because = WAITING_LINE, list[str]()
    for name, suggestion in sorted(suggestions.items())[:max_lines]:
        lines = [text, f"- {label(name)}: {_value(suggestion)} ({suggestion.at:%Y-%m-%d}; {suggestion.reason})"]
        lines += [quote] if (quote := wording.quote(suggestion.decision)) else []
        lines += [link] if (link := wording.link(name)) else []
        longer = "\n".join(lines)
        if len(longer) <= max_chars:
            text = longer
            because.append(suggestion.decision)
    left = len(suggestions) - len(because)
    more = f"\nand {left} more, which `sidecar inbox` lists"
    return Waiting(text + more if left and len(text + more) <= max_chars else text, tuple(because))


def _value(suggestion: Suggestion) -> str:
    return "empty it" if suggestion.value is None else plain(suggestion.value)
