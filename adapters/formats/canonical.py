"""What a value may be before a vendor sees it. Pure.

Each CRM writes values in its own way, but what counts as a text, a date, a moment or a number is ours and the same for
all of them; so it is checked here, by name, before it costs a call or the whole batch that it would have stood in.
Nothing is cut, rounded, trimmed or guessed. Errors name the property and its limits and never quote the value, which
may be a customer's words.

The trade-off: a bound that only one vendor has (so many characters, so many options) is that vendor's to pass in.
"""

import math
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime

from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec

NUMBER_MAX = 10**15
"""Above it a CRM's floating-point number no longer tells neighbours apart."""

OPTIONS_SHOWN = 30
"""How many options an error names, since a list of owners may have thousands."""


def checked(what: str, spec: FieldSpec, value: Value) -> Value:
    """Return a value that is not empty as it is kept, a time in UTC; `PermanentError` for what the type can't hold."""
    return _CHECKS[spec.type](what, spec, value)


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


def an_option(what: str, value: Value, options: Collection[str]) -> str:
    """Read one of a property's options."""
    if not isinstance(value, str) or value not in options:
        raise PermanentError(f"{what}: not one of its options ({_few(options) or 'it has none'})")
    return value


def a_number(what: str, value: Value) -> int | float:
    """Read a number that every CRM can hold; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PermanentError(f"{what}: takes a number")
    if not math.isfinite(value) or abs(value) > NUMBER_MAX:
        raise PermanentError(f"{what}: takes a number between -{NUMBER_MAX} and {NUMBER_MAX}")
    return value


def a_date(what: str, value: Value) -> date:
    """Read a canonical date such as 2026-01-31."""
    try:
        if isinstance(value, str) and date.fromisoformat(value).isoformat() == value:
            return date.fromisoformat(value)
    except ValueError:
        pass  # told below, as every other text that is no date
    raise PermanentError(f"{what}: takes a date such as 2026-01-31")


def a_moment(what: str, value: Value) -> datetime:
    """Read a canonical time, which has an offset; returned in UTC."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is not None and at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # told below, as every other text that is no time
    raise PermanentError(f"{what}: takes a time with its offset such as 2026-01-31T10:00:00+00:00")


def a_flag(what: str, value: Value) -> bool:
    """Read true or false, and nothing that only looks like it."""
    if not isinstance(value, bool):
        raise PermanentError(f"{what}: takes true or false")
    return value


def whole(number: float) -> Value:
    """Return a number as it was meant: 5.0 is 5; None for one that is none."""
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) <= NUMBER_MAX else number


def _few(options: Collection[str]) -> str:
    shown = ", ".join(list(options)[:OPTIONS_SHOWN])
    return f"{shown} and {len(options) - OPTIONS_SHOWN} more" if len(options) > OPTIONS_SHOWN else shown


_CHECKS: Mapping[str, Callable[[str, FieldSpec, Value], Value]] = {
    "text": lambda what, spec, value: a_text(what, value, spec.max_chars),
    "long_text": lambda what, spec, value: a_text(what, value, spec.max_chars),
    "enum": lambda what, spec, value: an_option(what, value, spec.options),
    "number": lambda what, spec, value: a_number(what, value),
    "date": lambda what, spec, value: a_date(what, value).isoformat(),
    "datetime": lambda what, spec, value: a_moment(what, value).isoformat(),
    "bool": lambda what, spec, value: a_flag(what, value),
}
TYPES = tuple(sorted(_CHECKS))
"""The types that a property can have."""
