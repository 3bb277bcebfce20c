"""Bodies and answers judged by the model classes of HubSpot's own SDK, strictly.

The judge is not ours: keys and types are the `openapi_types` and `attribute_map` of the vendor's classes, and what is
required or one of a few words is what their setters refuse. Stricter than the vendor's server on purpose: an unknown
key is refused, a null is refused in a request, a number is not a string.
"""

import importlib
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

LIST = re.compile(r"list\[(.*)\]")
DICT = re.compile(r"dict\[([^,]*), (.*)\]")
PLAIN: Mapping[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (int, float), "bool": (bool,), "object": (object,)
}  # fmt: skip


def problems(module: str, model: str, data: Any, *, nulls: bool) -> list[str]:
    """Return what is wrong with data as this model of this SDK module; nothing when it fits.

    `nulls` allows null for what isn't required, and for a property's value: answers may hold them, requests not.
    """
    return list(_judge(module, model, data, model, nulls))


def _judge(module: str, kind: str, data: Any, where: str, nulls: bool) -> list[str]:
    if found := LIST.fullmatch(kind):
        return _judge_list(module, found.group(1), data, where, nulls)
    if found := DICT.fullmatch(kind):
        return _judge_dict(module, found.group(2), data, where, nulls)
    if kind == "datetime":
        return [] if _is_time(data) else [f"{where} must be an ISO 8601 time"]
    if kind in PLAIN:
        fits = isinstance(data, PLAIN[kind]) and (kind in ("bool", "object") or not isinstance(data, bool))
        return [] if fits else [f"{where} must be {kind}, not {type(data).__name__}"]
    return _judge_model(module, kind, data, where, nulls)


def _judge_list(module: str, kind: str, data: Any, where: str, nulls: bool) -> list[str]:
    if not isinstance(data, list):
        return [f"{where} must be a list"]
    return [found for at, item in enumerate(data) for found in _judge(module, kind, item, f"{where}[{at}]", nulls)]


def _judge_dict(module: str, kind: str, data: Any, where: str, nulls: bool) -> list[str]:
    if not isinstance(data, dict):
        return [f"{where} must be an object"]
    return [
        found
        for key, item in data.items()
        if not (nulls and item is None)
        for found in _judge(module, kind, item, f"{where}.{key}", nulls)
    ]


def _judge_model(module: str, kind: str, data: Any, where: str, nulls: bool) -> list[str]:
    if not isinstance(data, dict):
        return [f"{where} must be an object"]
    made, names, types = _model(module, kind)
    wrong: list[str] = []
    values: dict[str, Any] = {}
    for key, item in data.items():
        if key not in names:
            wrong.append(f"{where} has no field {key!r}")
        elif item is not None:
            values[names[key]] = item
            wrong += _judge(module, types[names[key]], item, f"{where}.{key}", nulls)
        elif not nulls:
            wrong.append(f"{where}.{key} must not be null")
    if not wrong:
        try:
            made(**values, local_vars_configuration=_configuration(module))
        except ValueError as error:
            wrong.append(f"{where}: {error}")
    return wrong


@cache
def _model(module: str, kind: str) -> tuple[Any, Mapping[str, str], Mapping[str, str]]:
    made = getattr(importlib.import_module(f"{module}.models"), kind)
    return made, {key: name for name, key in made.attribute_map.items()}, made.openapi_types


@cache
def _configuration(module: str) -> Any:
    strict = importlib.import_module(f"{module}.configuration").Configuration()
    strict.client_side_validation = True  # the SDK switches it off: its models then accept anything
    return strict


def _is_time(data: Any) -> bool:
    try:
        return isinstance(data, str) and datetime.fromisoformat(data).tzinfo is not None
    except ValueError:
        return False
