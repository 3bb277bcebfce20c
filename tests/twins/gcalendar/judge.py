"""Judges what goes over a calendar twin's socket by Google's own description of it: `discovery.json`.

What is asked and what is answered is held against it; what doesn't fit is a defect and fails the test. The description
has no required keys, so what an answer lacks isn't seen here.

Source: calendar v3, revision 20261030, from google-api-python-client 2.202.0 (Apache-2.0), descriptions left out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DESCRIPTION: Mapping[str, Any] = json.loads((Path(__file__).parent / "discovery.json").read_bytes())
SCHEMAS, PARAMETERS = DESCRIPTION["schemas"], DESCRIPTION["parameters"]
TYPES: Mapping[str, Any] = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def query_faults(method: str, query: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the parameters of a request: `list`, `get` or `watch`."""
    known = PARAMETERS[method]
    wrong = [f"{method} has no parameter {name}" for name in query if known.get(name, {}).get("location") != "query"]
    for name, value in query.items():
        kind = known.get(name, {}).get("type")
        if (kind == "integer" and not value.isdigit()) or (kind == "boolean" and value not in ("true", "false")):
            wrong.append(f"{method}: {name} is no {kind}")
    return wrong


def body_faults(schema: str, body: Any) -> list[str]:
    """Return what in a body doesn't fit a schema such as `Event`."""
    return list(_faults(SCHEMAS[schema], body, schema))


def _faults(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from _faults(SCHEMAS[schema["$ref"]], value, f"{path}.{schema['$ref']}")
    elif not isinstance(value, TYPES[schema.get("type", "object")]):
        yield f"{path} is a {type(value).__name__}"
    elif schema.get("type") == "array":
        for one in value:
            yield from _faults(schema["items"], one, f"{path}[]")
    elif "properties" in schema:
        for key, held in value.items():
            if key in schema["properties"]:
                yield from _faults(schema["properties"][key], held, f"{path}.{key}")
            else:
                yield f"{path} has no key {key}"
