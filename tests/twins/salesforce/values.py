"""From what JSON says to what a field holds: types as strict as the vendor's, lengths, choices, references.

Numbers in quotes are refused, which the vendor may bear: nobody should count on it.
"""

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.twins.salesforce import ids
from tests.twins.salesforce.errors import ApiError, unreadable
from tests.twins.salesforce.org import Org, wire_time
from tests.twins.salesforce.schema import NUMBERS, TEXTS, Field

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,7})?)?(Z|[+-]\d\d:?\d\d)")
EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;.]{2,}")
EXPECTED = {"boolean": "boolean", "int": "int", "date": "date", "datetime": "datetime"}


def checked(org: Org, field: Field, value: Any) -> Any:
    """Return what a field holds once this JSON value is written to it, or raise the refusal."""
    kind = field.type
    if value is None:
        if kind == "boolean":
            raise unreadable("boolean", "VALUE_NULL", "null")
        return None
    if kind == "boolean":
        if not isinstance(value, bool):
            raise unreadable("boolean", _token(value), value)
        return value
    if kind in NUMBERS:
        return _number(field, value)
    if not isinstance(value, str):
        raise unreadable(EXPECTED.get(kind, "string"), _token(value), value)
    if kind == "date":
        return _date(value)
    if kind == "datetime":
        return _moment(value)
    return _text(org, field, value) if kind in TEXTS else value


def moment(text: str) -> datetime | None:
    """Return a time with its offset, None for what is none."""
    if not MOMENT.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", text))
    except ValueError:
        return None
    return at.astimezone(UTC)


def _token(value: Any) -> str:
    if isinstance(value, bool):
        return "VALUE_TRUE" if value else "VALUE_FALSE"
    if isinstance(value, int):
        return "VALUE_NUMBER_INT"
    if isinstance(value, float):
        return "VALUE_NUMBER_FLOAT"
    if isinstance(value, list | dict):
        return "START_ARRAY" if isinstance(value, list) else "START_OBJECT"
    return "VALUE_STRING"


def _number(field: Field, value: Any) -> float | int:
    whole = field.type == "int"
    if isinstance(value, bool) or not isinstance(value, int | float) or (whole and value != int(value)):
        raise unreadable("int" if whole else "double", _token(value), value)
    if whole:
        return int(value)
    if field.precision and abs(value) >= 10 ** (field.precision - field.scale):
        words = f"{field.label}: value outside of valid range on numeric field: {value}"
        raise ApiError("NUMBER_OUTSIDE_VALID_RANGE", words, [field.name])
    return float(Decimal(str(value)).quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP))


def _date(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat() if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else _no_date(value)
    except ValueError:
        return _no_date(value)


def _no_date(value: str) -> str:
    raise unreadable("date", "VALUE_STRING", value)


def _moment(value: str) -> str:
    at = moment(value)
    if at is None:
        raise unreadable("datetime", "VALUE_STRING", value)
    return wire_time(at)


def _text(org: Org, field: Field, value: str) -> str | None:
    text = value.strip()
    if field.type == "textarea":
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", org.switches.line_ends)
    else:
        text = re.sub(r"[\r\n]+", " ", text)
    if not text:
        return None
    if field.type == "reference":
        return _reference(org, field, text)
    if field.length and len(text.encode("utf-16-le")) // 2 > field.length:
        words = f"{field.label}: data value too large: {text} (max length={field.length})"
        raise ApiError("STRING_TOO_LONG", words, [field.name])
    if field.type == "email" and not EMAIL.fullmatch(text):
        raise ApiError("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", [field.name])
    if field.is_restricted:
        _check_choice(field, text)
    return text


def _check_choice(field: Field, text: str) -> None:
    for part in text.split(";") if field.type == "multipicklist" else [text]:
        if part not in field.choices:
            words = f"{field.label}: bad value for restricted picklist field: {part}"
            raise ApiError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", words, [field.name])


def _reference(org: Org, field: Field, text: str) -> str:
    id = ids.parsed(text)
    of = org.of_id(id) if id else None
    if id is None or (of and of.name not in field.referenceTo):
        raise ApiError("MALFORMED_ID", f"{field.label}: id value of incorrect type: {text}", [field.name])
    found = org.there(of.name, id) if of else None
    if found is None:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])
    if found.deleted_at:
        raise ApiError("ENTITY_IS_DELETED", "entity is deleted", [])
    return id
