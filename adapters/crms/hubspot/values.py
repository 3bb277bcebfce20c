"""Values as HubSpot keeps them, and as we do: every one of its properties is a text on the wire. Pure.

`to_vendor` and `from_vendor` are a pair: what the first lets through, the second gives back. What a property can't hold
is refused by name, before it costs a call or its whole batch.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from adapters.formats.canonical import checked, whole
from sidecar.model import Value
from sidecar.ports import FieldSpec

TEXT_CHARS = 65_536
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_vendor(what: str, spec: FieldSpec, value: Value) -> str:
    """Return the text that HubSpot is sent; empty clears. `PermanentError` for what the property can't hold."""
    if value is None or value == "":
        return ""
    kept = checked(what, spec, value)
    if spec.type == "datetime":
        return stamp(datetime.fromisoformat(str(kept)))
    if isinstance(kept, bool):
        return "true" if kept else "false"
    return format(Decimal(repr(kept)), "f") if isinstance(kept, int | float) else str(kept)


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


def _as_it_is(held: str) -> Value:
    return held


def _a_number(held: str) -> Value:
    try:
        return int(held) if re.fullmatch(r"[+-]?\d{1,40}", held) else whole(float(held))
    except ValueError:
        return held


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
