"""How commands print: tables for people, JSON for programs, and nothing that a customer could smuggle into a terminal.

What is printed was mostly written by strangers. A mail can hold escape sequences that repaint a terminal, characters
that turn the reading direction round, and markup that rich would obey, so every text passes `plain` and is handed to
rich as text, never as markup. JSON keeps the exact text and escapes those same characters instead. Output that is piped
has no colours and is not cut to eighty columns.
"""

import base64
import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 200
SHORT_ID_DIGITS = 12
_SEQUENCE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]")
_UNSEEN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Controls, those of the reading direction among them, and halves of surrogate pairs; tab and line end stay."""
_CONTROL = re.compile(f"[{_UNSEEN}]")
_ID = re.compile(r"([a-z]+-)([0-9a-f]{32})")


def plain(value: object, max_chars: int | None = None) -> str:
    """Return a value as one harmless line, cut to a length where one is given."""
    text = " ".join(block(value).split())
    return text if max_chars is None or len(text) <= max_chars else text[: max_chars - 1].rstrip() + "…"


def block(value: object) -> str:
    """Return a value as harmless text that keeps its line ends."""
    text = "" if value is None else str(value)
    return _CONTROL.sub(_replaced, _SEQUENCE.sub("", text.replace("\r\n", "\n")))


def _replaced(found: re.Match[str]) -> str:
    if "\ud800" <= found[0] <= "\udfff":
        return "\ufffd"
    return "\n" if found[0] in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029" else ""


def short(fact_id: str) -> str:
    """Return an id cut to what tells it apart; commands take it as well as the whole one."""
    found = _ID.fullmatch(fact_id)
    return found[1] + found[2][:SHORT_ID_DIGITS] if found else plain(fact_id, 60)


def many(number: int, one: str, more: str) -> str:
    """Return a number with its noun."""
    return f"{number} {one if number == 1 else more}"


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """Return a time on our wall."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else ""


def table(*columns: str, title: str | None = None, whole: Collection[str] = (), airy: bool = False) -> Table:
    """Return an empty table; a column that ends in `>` is set to the right, and one that is `whole` is never broken.

    Between the rows of an `airy` one a line is left free.
    """
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", show_edge=False, pad_edge=False)
    made.padding = (0, 1, 1, 0) if airy else (0, 1)
    for name in columns:
        right = name.endswith(">")
        justify: JustifyMethod = "right" if right else "left"
        made.add_column(name.rstrip(">"), justify=justify, overflow="fold", no_wrap=name in whole)
    return made


def add(to: Table, *cells: object, style: str | None = None) -> None:
    """Add a row of texts from outside; a tuple is a cell of several lines."""
    to.add_row(*(Text("\n".join(_lines(cell))) for cell in cells), style=style)


def _lines(cell: object) -> list[str]:
    lines = cell if isinstance(cell, tuple) else (cell,)
    return [line for line in map(plain, lines) if line]


def show(*things: RenderableType) -> None:
    """Print to standard output; a text is printed as it is, without markup."""
    _print(sys.stdout, things)


def tell(*things: RenderableType) -> None:
    """Print to standard error, where it disturbs no pipe."""
    _print(sys.stderr, things)


def console(stream: Any = None) -> Console:
    """Return a console on a stream, standard output by default."""
    stream = stream or sys.stdout
    piped = not (hasattr(stream, "isatty") and stream.isatty()) and "COLUMNS" not in os.environ
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=PIPED_WIDTH if piped else None)


def _print(stream: Any, things: Iterable[RenderableType]) -> None:
    out = console(stream)
    for thing in things:
        out.print(Text(block(thing)) if isinstance(thing, str) else thing, soft_wrap=isinstance(thing, str))


def emit(value: object, indent: int | None = 2) -> None:
    """Print JSON to standard output, exact, with what a terminal might obey escaped."""
    sys.stdout.write(as_text(value, indent) + "\n")


def as_text(value: object, indent: int | None = 2) -> str:
    """Return JSON, exact, with what a terminal might obey escaped."""
    text = json.dumps(value, default=_data, ensure_ascii=False, indent=indent)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _data(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
