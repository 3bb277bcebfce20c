"""Values as Zoho keeps them, and as we do. Pure; what a field can't hold is refused here by name.

`to_vendor` and `from_vendor` are a pair. A checkbox of Zoho's is never empty, so a flag of ours is a list with the
options Yes and No. Times are kept to the second, numbers to so many places; a finer one is refused, not rounded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from adapters.crms.zoho.signs import spelled, unspelled
from adapters.crms.zoho.vendor import NONE, moment, stamp
from adapters.formats.canonical import checked, whole
from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec

YES, NO = "Yes", "No"


@dataclass(frozen=True, slots=True)
class Definition:
    """A field as Zoho defines it: its name in the API, its type, how much it holds, its options as (id, value).

    `chances` are the probabilities that go with its options, as (value, percent), where they are told.
    """

    name: str
    type: str
    label: str = ""
    ref: str = ""
    length: int | None = None
    decimals: int | None = None
    options: tuple[tuple[str, str], ...] = field(default=())
    is_custom: bool = False
    is_writable: bool = True
    chances: tuple[tuple[str, int], ...] = field(default=())

    @property
    def labels(self) -> tuple[str, ...]:
        """Return what may be chosen."""
        return tuple(value for _, value in self.options if value != NONE)


def to_vendor(what: str, spec: FieldSpec, value: Value, definition: Definition) -> Any:
    """Return what Zoho is sent; None clears."""
    if value is None or value == "":
        return None
    return _TO[spec.type](what, checked(what, spec, value), definition)


def from_vendor(type_: str, value: Any) -> Value:
    """Return what a field holds; what isn't of its type is returned as a text, and nobody's guess."""
    if value is None or value in ("", NONE):
        return None
    return _FROM[type_](value)


def _text(what: str, value: Value, definition: Definition) -> str:
    return fitting(what, spelled(str(value)), definition.length)


def fitting(what: str, text: str, room: int | None) -> str:
    """Return a text that is spelled already, unless it is longer than its field."""
    if room is not None and len(text) > room:
        raise PermanentError(f"{what}: {len(text)} characters with its emoji spelled out, and at most {room} fit")
    return text


def _bool(what: str, value: Value, definition: Definition) -> Any:
    return value if definition.type == "boolean" else YES if value else NO


def _number(what: str, value: Value, definition: Definition) -> Any:
    number, places = Decimal(repr(value)), definition.decimals
    if definition.type == "integer":
        places = 0
    exponent = number.normalize().as_tuple().exponent
    if places is not None and isinstance(exponent, int) and -exponent > places:
        raise PermanentError(f"{what}: takes a number with at most {places} decimal places")
    if definition.length is not None and abs(number) >= Decimal(10) ** definition.length:
        raise PermanentError(f"{what}: takes a number of at most {definition.length} digits")
    return value


def _moment(what: str, value: Value, definition: Definition) -> str:
    at = datetime.fromisoformat(str(value))
    if at.microsecond:
        raise PermanentError(f"{what}: takes a time without parts of a second")
    return stamp(at)


def _as_it_is(what: str, value: Value, definition: Definition) -> Any:
    return value


_TO: Mapping[str, Callable[[str, Value, Definition], Any]] = {
    "text": _text,
    "long_text": _text,
    "enum": _as_it_is,
    "bool": _bool,
    "number": _number,
    "date": _as_it_is,
    "datetime": _moment,
}


def _a_text(value: Any) -> Value:
    return unspelled(str(value))


def _a_number(value: Any) -> Value:
    try:
        return value if isinstance(value, int) and not isinstance(value, bool) else whole(float(value))
    except (TypeError, ValueError):
        return str(value)


def _a_moment(value: Any) -> Value:
    try:
        return moment(str(value)).isoformat()
    except ValueError:
        return str(value)


def _a_bool(value: Any) -> Value:
    return value if isinstance(value, bool) else {YES: True, NO: False}.get(str(value), str(value))


_FROM: Mapping[str, Callable[[Any], Value]] = {
    "text": _a_text,
    "long_text": _a_text,
    "enum": str,
    "bool": _a_bool,
    "number": _a_number,
    "date": lambda value: str(value)[:10],
    "datetime": _a_moment,
}
