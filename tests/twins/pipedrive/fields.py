"""Fields: the native ones by kind, the custom ones with their 40-character codes, and what a custom value may be.

Source: Pipedrive's v2 fields reference and migration guide, 2026: sixteen types; a choice is its number, several are a
list that null clears and an empty list doesn't; types are strict, so that "5" is no number.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.twins.pipedrive.errors import invalid

SEARCHABLE = frozenset({"address", "varchar", "text", "varchar_auto", "double", "monetary", "phone"})
VARCHAR_CHARS, TEXT_CHARS = 255, 65_535
CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
NATIVE = {
    "persons": {
        "name": "varchar", "first_name": "varchar", "last_name": "varchar", "emails": "varchar", "phones": "phone",
        "owner_id": "user", "org_id": "org", "add_time": "date", "update_time": "date", "label_ids": "set",
        "visible_to": "enum",
    },
    "organizations": {
        "name": "varchar", "address": "address", "owner_id": "user", "add_time": "date", "update_time": "date",
        "label_ids": "set", "visible_to": "enum",
    },
    "deals": {
        "title": "varchar", "value": "monetary", "currency": "varchar", "owner_id": "user", "person_id": "people",
        "org_id": "org", "stage_id": "int", "pipeline_id": "int", "status": "enum", "expected_close_date": "date",
        "probability": "double", "lost_reason": "varchar", "add_time": "date", "update_time": "date",
        "label_ids": "set", "visible_to": "enum",
    },
}  # fmt: skip


@dataclass
class Definition:
    """One field of a kind; `options` are id -> label, for enum and set."""

    code: str
    name: str
    type: str
    is_custom: bool = True
    description: str | None = None
    options: dict[int, str] = field(default_factory=dict)

    def wire(self) -> dict[str, Any]:
        """Return the field as v2 tells it."""
        return {
            "field_name": self.name, "field_code": self.code, "description": self.description, "field_type": self.type,
            "options": self.option_rows() if self.type in ("enum", "set") and self.is_custom else None,
            "subfields": None, "is_custom_field": self.is_custom, "is_optional_response_field": False,
        }  # fmt: skip

    def option_rows(self) -> list[dict[str, Any]]:
        """Return the choices as v2 tells them."""
        return [
            {"id": id, "label": label, "color": None, "add_time": None, "update_time": None}
            for id, label in self.options.items()
        ]


def native() -> dict[str, dict[str, Definition]]:
    """Return the native fields of each kind that has custom ones."""
    return {
        kind: {name: Definition(name, name.replace("_", " ").capitalize(), type, False) for name, type in held.items()}
        for kind, held in NATIVE.items()
    }


def new_code(company_id: int, kind: str, number: int) -> str:
    """Return the code of a new field: no two companies have the same."""
    return hashlib.sha1(f"{company_id}/{kind}/{number}".encode(), usedforsecurity=False).hexdigest()


def check_custom(definitions: dict[str, Definition], custom: dict[str, Any], exists: Callable[..., bool]) -> None:
    """Raise the 400 for a custom value that its field can't hold; `exists(type, id)` knows users and records."""
    for code, value in custom.items():
        definition = definitions.get(code)
        if definition is None or not definition.is_custom:
            raise invalid(f"custom_fields.{code}: unknown field")
        if value is not None and (wrong := _wrong(definition, value, exists)):
            raise invalid(f"custom_fields.{code}: {wrong}")


def _wrong(definition: Definition, value: Any, exists: Callable[..., bool]) -> str | None:
    kind = definition.type
    if kind in ("varchar", "varchar_auto", "phone", "text"):
        most = TEXT_CHARS if kind == "text" else VARCHAR_CHARS
        return _wrong_text(value, most)
    if kind == "double":
        return None if _is_number(value) else "Expected number"
    if kind == "enum":
        return None if _is_id(value) and value in definition.options else "Expected the id of an option"
    if kind == "set":
        fits = isinstance(value, list) and value and all(_is_id(each) and each in definition.options for each in value)
        return None if fits else "Expected ids of options, at least one; null clears"
    if kind == "date":
        return None if _is_date(value) else "Expected a date, YYYY-MM-DD"
    if kind in ("user", "org", "people"):
        return None if _is_id(value) and exists(kind, value) else f"Expected the id of a {kind}"
    return _wrong_object(kind, value)


def _wrong_text(value: Any, most: int) -> str | None:
    if not isinstance(value, str):
        return "Expected string"
    return f"must be at most {most} characters" if len(value) > most else None


def _wrong_object(kind: str, value: Any) -> str | None:
    """Check a value that is an object: it has these keys, each of which fits."""
    shapes: dict[str, dict[str, Callable[[Any], bool]]] = {
        "monetary": {"value": _is_number, "currency": lambda each: bool(re.fullmatch(r"[A-Z]{3}", str(each)))},
        "time": {"value": _is_clock},
        "timerange": {"from": _is_clock, "until": _is_clock},
        "daterange": {"from": _is_date, "until": _is_date},
        "address": {"value": lambda each: isinstance(each, str)},
    }
    wanted = shapes[kind]
    if not isinstance(value, dict) or not wanted.keys() <= value.keys():
        return f"Expected an object with {sorted(wanted)}"
    if kind != "address" and value.keys() != wanted.keys():
        return f"Unexpected keys {sorted(value.keys() - wanted.keys())}"
    return next((f"{name} does not fit" for name, fits in wanted.items() if not fits(value[name])), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_clock(value: Any) -> bool:
    return isinstance(value, str) and bool(CLOCK.fullmatch(value))


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def as_text(value: Any) -> Any:
    """Return a value as the changelog tells it: texts, numbers as text, and lists of addresses as they are."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list):
        return value if value and isinstance(value[0], dict) else ",".join(str(each) for each in value) or None
    if isinstance(value, dict):
        return as_text(value["value"]) if "value" in value else f"{value['from']} - {value['until']}"
    return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
