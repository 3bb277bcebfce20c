"""Judges what goes over a Gmail twin's socket by Google's own description of it: `discovery.json`.

Every request's parameters and every answer's body are held against it; what doesn't fit is a defect, of ours where we
asked it and of the twin where it answered, and either fails the test. The description has no required keys, so what an
answer lacks isn't seen here.

Source: gmail v1, revision 20261005, from google-api-python-client 2.202.0 (Apache-2.0), descriptions left out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DESCRIPTION: Mapping[str, Any] = json.loads((Path(__file__).parent / "discovery.json").read_bytes())
METHODS, SCHEMAS = DESCRIPTION["methods"], DESCRIPTION["schemas"]
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "boolean": bool, "array": list, "object": dict,
}  # fmt: skip
NUMERIC = ("uint64", "int64")


def asked_wrongly(operation: str, method: str, query: Mapping[str, list[str]], body: Any) -> list[str]:
    """Return what is wrong with a request."""
    described = METHODS[operation]
    wrong = [] if described["httpMethod"] == method else [f"{operation} is a {described['httpMethod']}"]
    known = {name: one for name, one in described["parameters"].items() if one["location"] == "query"}
    for name, values in query.items():
        if name not in known:
            wrong.append(f"{operation} has no parameter {name}")
            continue
        if len(values) > 1 and not known[name].get("repeated"):
            wrong.append(f"{operation}: {name} is given twice")
        for value in values:
            wrong += [f"{operation}: {name} {fault}" for fault in _parameter(known[name], value)]
    request = described.get("request", {}).get("$ref")
    if request:
        wrong += [f"{operation} {fault}" for fault in _faults(SCHEMAS[request], body, request)]
    return wrong


def answered_wrongly(operation: str, body: Any) -> list[str]:
    """Return what is wrong with an answer."""
    name = METHODS[operation]["response"]["$ref"]
    return [f"{operation} {fault}" for fault in _faults(SCHEMAS[name], body, name)]


def _parameter(described: Mapping[str, Any], value: str) -> Iterator[str]:
    if "enum" in described and value not in described["enum"]:
        yield f"is {value!r}"
    if (described["type"] == "integer" or described.get("format") in NUMERIC) and not value.isdigit():
        yield f"is no number: {value!r}"
    if described["type"] == "boolean" and value not in ("true", "false"):
        yield f"is no boolean: {value!r}"


def _faults(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from _faults(SCHEMAS[schema["$ref"]], value, f"{path}.{schema['$ref']}")
        return
    if not _is_a(value, schema.get("type", "object")):
        yield f"{path} is a {type(value).__name__}"
    elif schema.get("format") in NUMERIC and not str(value).lstrip("-").isdigit():
        yield f"{path} is no number"
    elif schema.get("type") == "array":
        for one in value:
            yield from _faults(schema["items"], one, f"{path}[]")
    elif "properties" in schema:
        for key, held in value.items():
            if key not in schema["properties"]:
                yield f"{path} has no key {key}"
            else:
                yield from _faults(schema["properties"][key], held, f"{path}.{key}")


def _is_a(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind])
