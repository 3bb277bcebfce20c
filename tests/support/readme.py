"""The README's table of what each adapter can do, made from what the adapters declare.

`python -m tests.support.readme` writes it anew; a test holds the README to it, so that no ability is claimed that isn't
declared, and the contract suites hold each declaration to the adapter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import adapters
from sidecar.model import Own
from sidecar.ports import ChannelCapabilities, Context, LedgerCapabilities, LLMCapabilities

README = Path(__file__).parent.parent.parent / "README.md"
BEGIN = "<!-- written by `python -m tests.support.readme` from the adapters' declarations -->"
END = "<!-- end -->"
_LEFT_OUT = {"kinds", "vendor", "efforts"}


def table() -> str:
    """Return the tables in Markdown: channels, CRMs, models."""
    parts = []
    for title, family, declared in (
        ("Channel", adapters.CHANNELS, ChannelCapabilities),
        ("CRM", adapters.LEDGERS, LedgerCapabilities),
        ("Model", adapters.LLMS, LLMCapabilities),
    ):
        names = [field.name for field in fields(declared) if field.name not in _LEFT_OUT]
        lines = [_row([title, *(name.replace("_", " ") for name in names)]), _row(["---"] * (len(names) + 1))]
        for kind in family:
            capabilities = _declared(family, kind)
            lines.append(_row([f"`{kind}`", *(_cell(getattr(capabilities, name)) for name in names)]))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def kept(text: str) -> str:
    """Return the part of a README that must be equal to `table()`."""
    return text.partition(BEGIN)[2].partition(END)[0].strip()


def written(text: str) -> str:
    """Return a README with the table as it must be."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


def _declared(family: Mapping[str, str], kind: str) -> Any:
    """What an adapter declares: its class, or where its options have a say, an instance at their defaults."""
    cls = adapters.load(family, kind)
    if isinstance(getattr(cls, "capabilities", None), tuple(_CAPABILITIES)):
        return cls.capabilities
    with TemporaryDirectory() as folder:
        context = Context(lambda: datetime(2026, 1, 1, tzinfo=UTC), Own(), Path(folder), lambda env, file: "")
        return cls(kind, cls.Options(), context).capabilities


_CAPABILITIES = (ChannelCapabilities, LedgerCapabilities, LLMCapabilities)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
