"""Composite: up to twenty-five requests in one call, five of them queries or collections, each telling the next.

A later request may refer to what an earlier one answered. The whole answers 200, whatever became of the parts; with
allOrNone one failure undoes everything, and the outer flag rules over those of collections inside.
Source: Salesforce REST API guide, "Send Multiple Requests Using Composite" and "Composite Subrequest", read 2026-11:
any header of the resource counts in a part, but Accept, Authorization and Content-Type refuse the whole.
"""

import re
from collections.abc import Mapping
from typing import Any

from tests.twins.salesforce.calls import Answer, Call
from tests.twins.salesforce.errors import ApiError, Condition

MOST, MOST_HEAVY = 25, 5
HEAVY = re.compile(r"/services/data/v[\d.]+/(query|queryAll|composite/sobjects)\b")
REFERENCE = re.compile(r"@\{([A-Za-z]\w*)((?:\.\w+|\[\d+\])*)\}")
KEYS = {"method", "url", "referenceId", "body", "httpHeaders"}
INHERITED = {"accept", "authorization", "content-type"}
UNDONE = "The transaction was rolled back since another operation in the same transaction failed."
HALTED = [{"errorCode": "PROCESSING_HALTED", "message": UNDONE}]  # fmt: skip


def run(call: Call) -> Answer:
    """Run the requests in order."""
    parts = _parts(call)
    everything = call.flag(call.body, "allOrNone")
    before = call.org.checkpoint() if everything else None
    known: dict[str, Any] = {}
    out: list[dict[str, Any]] = []
    for part in parts:
        answer = _one(call, part, known, everything)
        out.append({
            "body": answer.body, "httpHeaders": dict(answer.headers), "httpStatusCode": answer.status,
            "referenceId": part["referenceId"],
        })  # fmt: skip
        if answer.status < 300:
            known[part["referenceId"]] = answer.body
    if before is not None and any(_failed(each) for each in out):
        call.org.roll_back(before)
        out = [
            each if _failed(each) else {**each, "body": HALTED, "httpHeaders": {}, "httpStatusCode": 400}
            for each in out
        ]
    return Answer(200, {"compositeResponse": out})


def _parts(call: Call) -> list[Mapping[str, Any]]:
    body = call.body
    if unknown := sorted(body.keys() - {"allOrNone", "collateSubrequests", "compositeRequest"}):
        raise ApiError("JSON_PARSER_ERROR", f'Unrecognized field "{unknown[0]}"')
    parts = body.get("compositeRequest")
    if not isinstance(parts, list) or not parts:
        raise ApiError("JSON_PARSER_ERROR", "compositeRequest must be a list of requests")
    if len(parts) > MOST:
        raise ApiError("LIMIT_EXCEEDED", f"The maximum number of subrequests is {MOST}")
    for part in parts:
        _check_part(part)
    names = [part["referenceId"] for part in parts]
    if len(set(names)) < len(names):
        raise ApiError("INVALID_INPUT", "referenceId must be unique")
    if sum(bool(HEAVY.match(part["url"])) for part in parts) > MOST_HEAVY:
        raise ApiError("LIMIT_EXCEEDED", f"The maximum number of queries and collections is {MOST_HEAVY}")
    return parts


def _check_part(part: Any) -> None:
    if not isinstance(part, dict) or part.keys() - KEYS or not {"method", "url", "referenceId"} <= part.keys():
        raise ApiError("JSON_PARSER_ERROR", "a subrequest must have method, url and referenceId, and nothing unknown")
    if not re.fullmatch(r"[A-Za-z]\w*", str(part["referenceId"])):
        raise ApiError("INVALID_INPUT", f"invalid referenceId: {part['referenceId']}")
    headers = part.get("httpHeaders", {})
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise ApiError("JSON_PARSER_ERROR", "httpHeaders must be texts by name")
    if wrong := {name.lower() for name in headers} & INHERITED:
        raise ApiError("INVALID_INPUT", f"headers may not be set in a subrequest: {sorted(wrong)}")


def _one(call: Call, part: Mapping[str, Any], known: Mapping[str, Any], everything: bool) -> Answer:
    try:
        url, body = _filled(call, part["url"], known), _filled(call, part.get("body"), known)
        headers = {name.lower(): value for name, value in part.get("httpHeaders", {}).items()}
        return call.dispatch(call, str(part["method"]), str(url), headers, body, everything)
    except Condition as condition:
        return Answer(condition.status)
    except ApiError as error:
        return Answer(error.status, error.body())


def _filled(call: Call, value: Any, known: Mapping[str, Any]) -> Any:
    """Return a value with what earlier answers said in the place of references."""
    if isinstance(value, dict):
        return {key: _filled(call, each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(call, each, known) for each in value]
    if not isinstance(value, str):
        return value
    if alone := REFERENCE.fullmatch(value):
        return _referred(call, alone, known)
    return REFERENCE.sub(lambda found: str(_referred(call, found, known)), value)


def _referred(call: Call, found: re.Match[str], known: Mapping[str, Any]) -> Any:
    held: Any = known.get(found[1])
    steps = re.findall(r"\.(\w+)|\[(\d+)\]", found[2])
    if isinstance(held, list) and not call.org.switches.index_references:
        held = None
    for name, place in steps:
        if name:
            held = held.get(name) if isinstance(held, dict) else None
        else:
            held = held[int(place)] if isinstance(held, list) and int(place) < len(held) else None
    if held is None or isinstance(held, dict | list):
        words = f"Invalid reference specified. No value for {found[0][2:-1]} found in {found[1]}"
        raise ApiError("PROCESSING_HALTED", words)
    return held


def _failed(part: Mapping[str, Any]) -> bool:
    rows = part["body"] if isinstance(part["body"], list) else []
    refused = part["httpStatusCode"] == 300 or part["httpStatusCode"] >= 400
    return refused or any(isinstance(row, dict) and row.get("success") is False for row in rows)
