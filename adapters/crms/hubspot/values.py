"""Values as HubSpot keeps them, and as we do: every one of its properties is a text on the wire. Pure.

`to_vendor` and `from_vendor` are a pair: what the first lets through, the second gives back. What a property can't hold
is refused here by name, before it costs a call or its whole batch. Errors never quote a value.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec

TEXT_CHARS = 65_536
NUMBER_MAX = 10**15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_vendor(what: str, spec: FieldSpec, value: Value) -> str:
    """Return the text that HubSpot is sent; empty clears. `PermanentError` for what the property can't hold."""
    if value is None or value == "":
        return ""
    return _TO[spec.type](what, spec, value)


def from_vendor(type_: str, held: str | None) -> Value:
    """Return what a property holds; a text that isn't of its type is returned as it stands, and nobody's guess."""
    if held is None or held == "":
        return None
    return _FROM.get(type_, _as_it_is)(held)


def moment(text: str) -> datetime:
    """Read a time in any of HubSpot's ways (ISO with or without milliseconds, a date, epoch milliseconds)."""
    if re.fullmatch(r"-?\d{1,17}", text):
        return _EPOCH + timedelta(milliseconds=int(text))
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def stamp(at: datetime) -> str:
    """Write a time as HubSpot does: UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_ms(at: datetime) -> int:
    """Return a time as search filters want it."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


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


def a_text(what: str, value: Value, max_chars: int | None = TEXT_CHARS) -> str:
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


def _text(what: str, spec: FieldSpec, value: Value) -> str:
    return a_text(what, value, spec.max_chars)


def _enum(what: str, spec: FieldSpec, value: Value) -> str:
    if not isinstance(value, str) or value not in spec.options:
        raise PermanentError(f"{what}: not one of its options ({_few(spec.options) or 'it has none'})")
    return value


def _few(options: tuple[str, ...]) -> str:
    shown = ", ".join(options[:30])
    return f"{shown} and {len(options) - 30} more" if len(options) > 30 else shown


def _number(what: str, spec: FieldSpec, value: Value) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PermanentError(f"{what}: takes a number")
    if not math.isfinite(value) or abs(value) > NUMBER_MAX:
        raise PermanentError(f"{what}: takes a number between -{NUMBER_MAX} and {NUMBER_MAX}")
    return format(Decimal(repr(value)), "f")


def _date(what: str, spec: FieldSpec, value: Value) -> str:
    return a_date(what, value).isoformat()


def _datetime(what: str, spec: FieldSpec, value: Value) -> str:
    return stamp(a_moment(what, value))


def _bool(what: str, spec: FieldSpec, value: Value) -> str:
    if not isinstance(value, bool):
        raise PermanentError(f"{what}: takes true or false")
    return "true" if value else "false"


_TO: Mapping[str, Callable[[str, FieldSpec, Value], str]] = {
    "text": _text,
    "long_text": _text,
    "enum": _enum,
    "number": _number,
    "date": _date,
    "datetime": _datetime,
    "bool": _bool,
}


def _as_it_is(held: str) -> Value:
    return held


def _a_number(held: str) -> Value:
    try:
        return int(held) if re.fullmatch(r"[+-]?\d{1,40}", held) else _whole(float(held))
    except ValueError:
        return held


def _whole(number: float) -> Value:
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) <= NUMBER_MAX else number


def _a_date(held: str) -> Value:
    try:
        return moment(held).date().isoformat()
    except (ValueError, OverflowError):
        return held


def _a_datetime(held: str) -> Value:
    try:
        return moment(held).isoformat()
    except (ValueError, OverflowError):
        return held


def _a_bool(held: str) -> Value:
    return {"true": True, "false": False}.get(held.casefold(), held)


_FROM: Mapping[str, Callable[[str], Value]] = {
    "number": _a_number,
    "date": _a_date,
    "datetime": _a_datetime,
    "bool": _a_bool,
}
