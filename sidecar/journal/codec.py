"""Facts and standings to JSON and back, exactly: what is read equals what was written.

pydantic does the work, one adapter per class, built when first needed. JSON was chosen over a binary form because the
book must outlive this code: anybody can read it. What JSON can't hold (NaN, half a surrogate pair) is refused at the
door, since a fact that can be written and not read would be worse than none. The raw bytes of a Delivery are no JSON
and live in a payload of their own.
"""

from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from sidecar.errors import PermanentError
from sidecar.model import KINDS, Delivery, Fact, Standing

MAX_FACT_BYTES = 64 * 1024 * 1024
BODY, RAW = "body", "raw"


def encode(fact: Fact) -> dict[str, bytes]:
    """Return the payload of a fact by part: its JSON, and for a Delivery its raw bytes apart."""
    parts = {}
    if isinstance(fact, Delivery):
        parts[RAW] = fact.raw
        fact = replace(fact, raw=b"")
    parts[BODY] = _json(_fact_adapter(fact.KIND), fact, fact.KIND)
    if sum(map(len, parts.values())) > MAX_FACT_BYTES:
        raise PermanentError(f"a {fact.KIND} of more than {MAX_FACT_BYTES} bytes can't be journaled")
    return parts


def decode(kind: str, body: bytes, raw: bytes = b"") -> Fact:
    """Return the fact of a payload; `PermanentError` when the bytes are not what `encode` wrote."""
    try:
        fact: Fact = _fact_adapter(kind).validate_json(body)
    except ValidationError as error:
        raise PermanentError(f"a {kind} in the book can't be read: {error.error_count()} fields are wrong") from None
    return replace(fact, raw=raw) if raw and isinstance(fact, Delivery) else fact


def encode_standing(standing: Standing) -> str:
    """Return a standing as JSON text."""
    return _json(_standing_adapter(), standing, "standing").decode()


def decode_standing(doc: str) -> Standing:
    """Return the standing of a JSON text."""
    return _standing_adapter().validate_json(doc)


def encode_value(value: Any) -> str:
    """Return plain JSON data, such as a cursor, as text."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError as error:
        raise PermanentError(f"a cursor must be plain JSON: {error}") from None


def decode_value(text: str) -> Any:
    """Return the plain data of a JSON text."""
    return orjson.loads(text)


def digest(body: bytes) -> str:
    """Return the sha256 of a payload, in hex."""
    return sha256(body).hexdigest()


def _json(adapter: TypeAdapter[Any], value: object, what: str) -> bytes:
    try:
        body = adapter.dump_json(value, warnings="error")
        literal = to_json(value, inf_nan_mode="constants")
    except (PydanticSerializationError, UnicodeEncodeError):
        raise PermanentError(f"a {what} holds what JSON can't: broken Unicode, or a value of the wrong type") from None
    if literal != body and (b"NaN" in literal or b"Infinity" in literal):
        # pydantic writes null for what is not finite, which would be read as another value, or not at all.
        raise PermanentError(f"a {what} holds a number that is not finite")
    return body


@cache
def _fact_adapter(kind: str) -> TypeAdapter[Any]:
    if kind not in KINDS:
        raise PermanentError(f"the book knows no facts of the kind {kind!r}")
    return TypeAdapter(KINDS[kind])


@cache
def _standing_adapter() -> TypeAdapter[Standing]:
    return TypeAdapter(Standing)
