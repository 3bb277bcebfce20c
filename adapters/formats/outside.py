"""Fields of pydantic models for what vendors tell: strict where a mistake would falsify a fact, else lenient. Pure.

A time must be one and have its offset; what only names somebody is shortened to one line or is nothing. A refusal names
the path and the rule, never the content. The trade-off: a name of a wrong type is lost rather than the whole message.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from sidecar.errors import PermanentError

MAX_TEXT_CHARS = 200_000
MAX_LINE_CHARS = 320
SHOWN_ERRORS = 5
YEARS = (1970, 2200)

M = TypeVar("M", bound=BaseModel)


def read_object(raw: bytes) -> dict[str, Any]:
    """Read a body of JSON into its object; `PermanentError` when it is none."""
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise PermanentError(f"body is not JSON: line {error.lineno}, column {error.colno}") from None
    if not isinstance(data, dict):
        raise PermanentError("body is no JSON object")
    return data


def read_as(model: type[M], data: Mapping[str, Any]) -> M:
    """Read an object as a model; `PermanentError` with the paths and rules that it breaks."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)[:SHOWN_ERRORS]
        shown = (f"{'.'.join(map(_plain, fault['loc']))}: {fault['type']}" for fault in faults)
        raise PermanentError("; ".join(shown)) from None


def read_time(value: object) -> datetime:
    """Read seconds since 1970, or an ISO 8601 text with its offset, as UTC."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            at = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str) and len(value) <= 40:
            at = datetime.fromisoformat(value)
        else:
            raise PydanticCustomError("time", "seconds, or an ISO 8601 text")
        if at.utcoffset() is None or not YEARS[0] <= at.year <= YEARS[1]:
            raise PydanticCustomError("time_with_offset", "a time with its offset, within a lifetime of now")
        return at.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise PydanticCustomError("time", "seconds, or an ISO 8601 text") from None


def word(name: object) -> str:
    """Return the name of a kind of event if it looks like one, else `?`, so that no content is shown for it."""
    is_plain = isinstance(name, str) and name.isascii() and name.replace(".", "_").isidentifier() and len(name) <= 60
    return str(name) if is_plain else "?"


def _plain(item: object) -> str:
    text = str(item)
    return text if isinstance(item, int) or (text.isascii() and text.isidentifier() and len(text) <= 40) else "?"


def _line(value: object) -> str:
    text = " ".join(value.replace("\0", " ").split()) if isinstance(value, str) else ""
    return text if len(text) <= MAX_LINE_CHARS else ""


def _text(value: object) -> object:
    return "" if value is None else value


def _shown(value: str) -> str:
    return value.replace("\0", "\ufffd")  # databases can't hold it in text; the raw bytes keep it


def _rows(value: object) -> object:
    rows = value if isinstance(value, list) else []
    return [row for row in rows if isinstance(row, dict)]


def _bag(value: object) -> object:
    return value if isinstance(value, dict) else {}


At = Annotated[datetime, BeforeValidator(read_time)]
Line = Annotated[str, BeforeValidator(_line)]
Text = Annotated[str, BeforeValidator(_text), Field(max_length=MAX_TEXT_CHARS, strict=True), AfterValidator(_shown)]
Bag = Annotated[dict[str, Any], BeforeValidator(_bag)]
Flag = Annotated[bool, BeforeValidator(lambda value: value is True)]
Rows = BeforeValidator(_rows)
"""Makes of what should be a list of objects one, whatever it is."""


class Part(BaseModel):
    """What every such model has in common."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)
