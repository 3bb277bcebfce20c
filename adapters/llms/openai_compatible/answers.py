"""What a model wrote, made into the JSON that was asked for: no thinking, no fences, no talk around it.

Endpoints that hold a model to a schema need none of this; others let it think aloud, or wrap its answer in Markdown.
Nothing is mended here: an answer that fits no schema is passed on as it is, and whoever asked finds it invalid.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_STARTS = 50
_THOUGHT = re.compile(r"^\s*(?:<think(?:ing)?>)?.*?</think(?:ing)?>\s*", re.DOTALL)
_KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "integer": (int,),
    "number": (int, float), "null": (type(None),),
}  # fmt: skip


def said(text: str, schema: Mapping[str, Any]) -> str:
    """Return the first JSON object that fits the schema, else the first there is, else the text without thoughts."""
    spoken = _THOUGHT.sub("", text, count=1).strip()
    found = _objects(spoken)
    chosen = next((value for value in found if fits(value, schema)), found[0] if found else None)
    return spoken if chosen is None else json.dumps(chosen, ensure_ascii=False, separators=(",", ":"))


def fits(value: object, schema: Mapping[str, Any]) -> bool:
    """Say whether a value has a schema's types, words and properties; words in any case, since models vary it."""
    kind = schema.get("type")
    if isinstance(kind, str) and not isinstance(value, _KINDS.get(kind, (object,))):
        return False
    if isinstance(value, bool) and kind in ("integer", "number"):
        return False
    if "enum" in schema and _folded(value) not in [_folded(word) for word in schema["enum"]]:
        return False
    if isinstance(value, dict):
        return _has_properties(value, schema)
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return all(fits(item, schema["items"]) for item in value)
    return True


def _has_properties(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    parts: Mapping[str, Any] = schema.get("properties", {})
    if any(name not in value for name in schema.get("required", ())):
        return False
    if schema.get("additionalProperties") is False and any(name not in parts for name in value):
        return False
    return all(fits(held, parts[name]) for name, held in value.items() if name in parts)


def _folded(value: object) -> object:
    return value.strip().casefold() if isinstance(value, str) else value


def _objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects in a text that stand in no other, from at most so many opening braces."""
    decoder, found, at = json.JSONDecoder(), list[dict[str, Any]](), 0
    for _ in range(MAX_STARTS):
        at = text.find("{", at)
        if at < 0:
            break
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        found.append(value)
    return found
