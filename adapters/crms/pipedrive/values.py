"""Values as Pipedrive keeps them, and as we do. Pure; what a field can't hold is refused here by name.

`to_vendor` and `from_vendor` are a pair. Pipedrive has no field type for a time or for yes and no: a time is a text in
a field whose name ends in `(UTC)`, a flag is a list with the options Yes and No. Errors never quote a value.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec

NUMBER_MAX = 10**15
YES, NO = "Yes", "No"


def to_vendor(what: str, spec: FieldSpec, value: Value, options: Mapping[str, Any]) -> Any:
    """Return what Pipedrive is sent; None clears. `options` are its ids by label."""
    if value is None or value == "":
        return None
    return _TO[spec.type](what, spec, value, options)


def from_vendor(type_: str, value: Any, options: Mapping[str, Any]) -> Value:
    """Return what a field holds; what isn't of its type is returned as a text, and nobody's guess."""
    if value is None or value == "":
        return None
    if type_ in ("enum", "bool"):
        labels = {str(ref): label for label, ref in options.items()}
        label = labels.get(str(value), str(value))
        return {YES: True, NO: False}.get(label, label) if type_ == "bool" else label
    if type_ == "number":
        return _a_number(value)
    if type_ == "date":
        return str(value)[:10]
    return str(value)


def a_date(what: str, value: Value) -> date:
    """Read a canonical date such as 2026-01-31."""
    try:
        if isinstance(value, str) and date.fromisoformat(value).isoformat() == value:
            return date.fromisoformat(value)
    except ValueError:
        pass  # told below, as every other text that is no date
    raise PermanentError(f"{what}: takes a date such as 2026-01-31")


def a_moment(what: str, value: Value) -> datetime:
    """Read a canonical time, which has an offset."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is not None and at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # told below, as every other text that is no time
    raise PermanentError(f"{what}: takes a time with its offset such as 2026-01-31T10:00:00+00:00")


def a_text(what: str, value: Value, max_chars: int | None) -> str:
    """Read a text that survives the way: no NUL, no half of a surrogate pair, not too long."""
    if not isinstance(value, str):
        raise PermanentError(f"{what}: takes a text")
    if max_chars is not None and len(value) > max_chars:
        raise PermanentError(f"{what}: {len(value)} characters, and at most {max_chars} fit")
    if "\x00" in value:
        raise PermanentError(f"{what}: takes no NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PermanentError(f"{what}: not valid Unicode (half of a surrogate pair)") from None
    return value


def _text(what: str, spec: FieldSpec, value: Value, options: Mapping[str, Any]) -> str:
    return a_text(what, value, spec.max_chars)


def _enum(what: str, spec: FieldSpec, value: Value, options: Mapping[str, Any]) -> Any:
    if not isinstance(value, str) or value not in options:
        shown = ", ".join(list(options)[:30]) or "it has none"
        raise PermanentError(f"{what}: not one of its options ({shown})")
    return options[value]


def _bool(what: str, spec: FieldSpec, value: Value, options: Mapping[str, Any]) -> Any:
    if not isinstance(value, bool):
        raise PermanentError(f"{what}: takes true or false")
    return options[YES if value else NO]


def _number(what: str, spec: FieldSpec, value: Value, options: Mapping[str, Any]) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PermanentError(f"{what}: takes a number")
    if not math.isfinite(value) or abs(value) > NUMBER_MAX:
        raise PermanentError(f"{what}: takes a number between -{NUMBER_MAX} and {NUMBER_MAX}")
    return value


def _date(what: str, spec: FieldSpec, value: Value, options: Mapping[str, Any]) -> str:
    return a_date(what, value).isoformat()


def _moment(what: str, spec: FieldSpec, value: Value, options: Mapping[str, Any]) -> str:
    return a_moment(what, value).isoformat()


_TO: Mapping[str, Callable[[str, FieldSpec, Value, Mapping[str, Any]], Any]] = {
    "text": _text,
    "long_text": _text,
    "enum": _enum,
    "bool": _bool,
    "number": _number,
    "date": _date,
    "datetime": _moment,
}


def _a_number(value: Any) -> Value:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) <= NUMBER_MAX else number
