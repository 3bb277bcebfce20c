"""What a property takes and how HubSpot stores it: everything a string, checked by the property's type.

Dates are `YYYY-MM-DD` at midnight UTC, times ISO 8601 in UTC whose milliseconds may be missing, numbers and booleans
text, several options joined by `;`. E-mail addresses are lower-cased and checked, rich text loses what could run. The
empty string clears.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from html.parser import HTMLParser

from tests.twins.hubspot.definitions import Definition
from tests.twins.hubspot.errors import Problem

MAX_CHARS = 65_536
EMAIL = re.compile(r"[^@\s,;<>()\"]{1,64}@[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
EPOCH_MS = re.compile(r"-?\d{1,14}")
DROPPED_WHOLE = frozenset({"script", "style", "iframe", "object", "embed", "noscript"})
ADDRESSES = frozenset({"href", "src", "action"})


def canonical(definition: Definition, raw: str) -> str | None:
    """Return the value as it is stored, None for cleared; raise `Refused` for what the property doesn't take."""
    if raw == "":
        return None
    if len(raw) > MAX_CHARS:
        raise Refused("VALUE_TOO_LONG", f"Value for {definition.name} was too long: at most {MAX_CHARS} characters")
    if definition.is_email:
        return _email(definition, raw)
    if definition.is_rich_text:
        return sanitised(raw)
    reader = _READERS.get(definition.type)
    return reader(definition, raw) if reader else raw


class Refused(Exception):
    """A value that a property doesn't take."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def problem(self, name: str) -> Problem:
        """Return this as the problem of a property."""
        return Problem(self.code, self.message, name)


def iso(at: datetime) -> str:
    """Return a time as HubSpot writes it: UTC, and without milliseconds where there are none."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds" if at.microsecond >= 1000 else "seconds")
    return text.replace("+00:00", "Z")


def epoch_ms(stored: str) -> int:
    """Return a stored date or time as milliseconds since 1970."""
    at = datetime.fromisoformat(stored)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """Return milliseconds since 1970 as a time, before 1970 too."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def sanitised(html: str) -> str:
    """Return rich text without scripts, handlers and addresses that run."""
    cleaner = _Cleaner()
    cleaner.feed(html)
    cleaner.close()
    return "".join(cleaner.kept)


def _email(definition: Definition, raw: str) -> str:
    address = raw.strip().lower()
    if not EMAIL.fullmatch(address):
        raise Refused("INVALID_EMAIL", f"Email address {raw} is invalid")
    return address


def _number(definition: Definition, raw: str) -> str:
    try:
        number = Decimal(raw.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Refused("INVALID_LONG", f"{raw} was not a valid number.")
    return format(number, "f")


def _bool(definition: Definition, raw: str) -> str:
    if raw.lower() not in ("true", "false"):
        raise Refused("INVALID_BOOLEAN", f"{raw} was not a valid boolean.")
    return raw.lower()


def _date(definition: Definition, raw: str) -> str:
    at = _moment(raw, "INVALID_DATE")
    if (at.hour, at.minute, at.second, at.microsecond) != (0, 0, 0, 0):
        raise Refused("INVALID_DATE", f"{raw} was not a valid date: it must be midnight UTC.")
    return at.date().isoformat()


def _datetime(definition: Definition, raw: str) -> str:
    return iso(_moment(raw, "INVALID_DATE"))


def _moment(raw: str, code: str) -> datetime:
    try:
        if EPOCH_MS.fullmatch(raw):
            return from_ms(int(raw))
        if DAY.fullmatch(raw):
            return datetime.fromisoformat(raw).replace(tzinfo=UTC)
        at = datetime.fromisoformat(raw)
    except (ValueError, OverflowError):
        raise Refused(code, f"{raw} was not a valid date.") from None
    if at.tzinfo is None:
        raise Refused(code, f"{raw} was not a valid date: it has no time zone.")
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _enumeration(definition: Definition, raw: str) -> str:
    chosen = raw.split(";") if definition.is_multiple else [raw]
    chosen = [value for value in dict.fromkeys(chosen) if value]
    if definition.options is not None:
        allowed = definition.option_values()
        for value in chosen:
            if value not in allowed:
                raise Refused("INVALID_OPTION", f"{value} was not one of the allowed options: {sorted(allowed)}")
    return ";".join(chosen)


_READERS = {
    "number": _number, "bool": _bool, "date": _date, "datetime": _datetime, "enumeration": _enumeration,
}  # fmt: skip


class _Cleaner(HTMLParser):
    """Copies markup and text, without what could run."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.kept: list[str] = []
        self.dropping: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.dropping:
            return
        if tag in DROPPED_WHOLE:
            self.dropping = tag
            return
        kept = "".join(f' {name}="{_quoted(value)}"' for name, value in attrs if _is_harmless(name, value or ""))
        self.kept.append(f"<{tag}{kept}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.dropping == tag:
            self.dropping = None

    def handle_endtag(self, tag: str) -> None:
        if self.dropping:
            self.dropping = None if self.dropping == tag else self.dropping
        elif tag not in DROPPED_WHOLE:
            self.kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._keep(data)

    def handle_entityref(self, name: str) -> None:
        self._keep(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._keep(f"&#{name};")

    def _keep(self, text: str) -> None:
        if not self.dropping:
            self.kept.append(text)


def _quoted(value: str | None) -> str:
    return (value or "").replace("&", "&amp;").replace('"', "&quot;")


def _is_harmless(name: str, value: str) -> bool:
    runs = re.sub(r"[\s\x00-\x1f]", "", value).lower().startswith(("javascript:", "data:", "vbscript:"))
    return not name.startswith("on") and not (name in ADDRESSES and runs)
