"""Values as Salesforce keeps them, and as we do. Pure.

`to_vendor` and `from_vendor` are a pair: what the first lets through, the second gives back. Salesforce changes texts
in silence: it takes white space off both ends, and makes each line end one of its own. So a text that would come back
otherwise carries invisible word joiners, at its ends and before such a line end, which reading takes away again.
It has no empty yes or no, so a flag of ours is a list with Yes and No; numbers are rounded to their field's places, so
one with more places is refused. Errors never quote a value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from adapters.crms.salesforce.vendor import NO, YES, moment, stamp
from adapters.formats.canonical import a_moment, checked, whole
from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec

JOINER = "\u2060"
_CLASH = re.compile(f"^{JOINER}|{JOINER}$|{JOINER}[\r\n]")


@dataclass(frozen=True, slots=True)
class Column:
    """How Salesforce describes a field, as far as values depend on it."""

    name: str
    type: str
    length: int = 0
    scale: int = 0
    is_flag: bool = False
    """Whether it is a list with Yes and No."""


def to_vendor(what: str, spec: FieldSpec, column: Column, value: Value) -> Any:
    """Return what is sent, None to clear; `PermanentError` for what the field can't hold."""
    if value is None or value == "":
        if column.type == "boolean":
            raise PermanentError(f"{what}: a checkbox is either on or off and can't be empty")
        return None
    good = checked(what, spec, value)
    if spec.type == "bool":
        return (YES if good else NO) if column.is_flag else good
    if spec.type == "number":
        return _number(what, column, good)
    if spec.type == "datetime":
        return stamp(a_moment(what, good))
    if spec.type in ("text", "long_text"):
        return _text(what, column, str(good))
    return good


def from_vendor(spec: FieldSpec, column: Column, held: Any) -> Value:
    """Return what a field holds; what isn't of its type is returned as it stands, and nobody's guess."""
    if held is None or held == "":
        return None
    if spec.type == "bool":
        return {YES: True, NO: False, True: True, False: False, "true": True, "false": False}.get(held, str(held))
    if spec.type == "number":
        return _read_number(held)
    if spec.type in ("date", "datetime"):
        return _read_time(spec.type, str(held))
    return _plain(str(held)) if spec.type in ("text", "long_text") else str(held)


def _number(what: str, column: Column, value: Any) -> Any:
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > column.scale:
        raise PermanentError(f"{what}: takes a number with at most {column.scale} decimal places")
    return int(value) if column.type == "int" else value


def _text(what: str, column: Column, text: str) -> str:
    is_long = column.type == "textarea"
    if not is_long and re.search(r"[\r\n]", text):
        raise PermanentError(f"{what}: takes a text of one line")
    if _CLASH.search(text):
        raise PermanentError(f"{what}: takes no word joiner (U+2060) at its ends or before a line end")
    sent = text.replace("\r\n", f"{JOINER}\n").replace("\r", f"{JOINER}{JOINER}\n")
    if sent != sent.strip():
        sent = f"{JOINER}{sent}{JOINER}"
    units = len(sent.encode("utf-16-le")) // 2 + (sent.count("\n") if is_long else 0)
    if column.length and units > column.length:
        raise PermanentError(f"{what}: {units} characters as Salesforce counts them, and at most {column.length} fit")
    return sent


def _plain(held: str) -> str:
    text = held.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > 1 and text.startswith(JOINER) and text.endswith(JOINER):
        text = text[1:-1]
    return text.replace(f"{JOINER}{JOINER}\n", "\r").replace(f"{JOINER}\n", "\r\n")


def _read_number(held: Any) -> Value:
    try:
        return whole(float(held))
    except (TypeError, ValueError):
        return str(held)


def _read_time(type_: str, held: str) -> Value:
    try:
        at = moment(held)
        return at.isoformat() if type_ == "datetime" else date.fromisoformat(held[:10]).isoformat()
    except ValueError:
        return held


NOTHING: Mapping[str, Any] = {}
"""The row of a record that isn't there yet."""
