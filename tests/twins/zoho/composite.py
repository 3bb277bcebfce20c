"""Up to five requests in one, each of which may use what an earlier one was answered.

A request that writes may hold one record, so that this saves credits and round trips for what belongs together, and
nothing for what comes in hundreds. Source: zoho/crm-oas v8.0 composite_requests, read 2026-11-22, which calls the flag
`parallel_execution`; an older one said `concurrent_execution`.
"""

import copy
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from tests.twins.wire.passing import Request
from tests.twins.zoho.errors import ApiError, refusal
from tests.twins.zoho.org import Org

MOST, READS = 5, 25
URI = re.compile(r"/crm(/.*)?/v[0-9]+([.][0-9]+)?/.*")
SUB_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_]*")
REFERENCE = re.compile(r"@\{([a-zA-Z0-9_]+):\$([^}]*)\}")
KEYS = frozenset({"rollback_on_fail", "parallel_execution", "__composite_requests"})
SUB_KEYS = frozenset({"sub_request_id", "method", "uri", "headers", "params", "body"})
Run = Callable[[Request], tuple[int, Any, Mapping[str, str]]]


def run(org: Org, body: Any, do: Run) -> tuple[int, dict[str, Any], int]:
    """Run the requests of a body by `do`; return status, answer and credits."""
    subs, rolls_back = _checked(body)
    kept = copy.deepcopy((org.records, org.jobs, org.views, org.fields, org.fired)) if rolls_back else None
    told, answers = list[dict[str, Any]](), dict[str, Any]()
    for place, sub in enumerate(subs):
        told.append(_one(sub, place, answers, do))
    failed = [each for each in told if _failed(each)]
    if kept is not None and failed:
        org.records, org.jobs, org.views, org.fields, org.fired = kept
    status = 200 if not any(each["status"] == "error" for each in told) else 207
    if all(each["status"] == "error" for each in told):
        status = 400
    return status, {"__composite_requests": told}, 2 if rolls_back and not failed else 1


def _checked(body: Any) -> tuple[list[dict[str, Any]], bool]:
    subs = body.get("__composite_requests") if isinstance(body, dict) else None
    if not isinstance(subs, list) or not subs:
        raise ApiError(400, "MANDATORY_NOT_FOUND", "required field not found", {"api_name": "__composite_requests"})
    if unknown := sorted(set(body) - KEYS):
        raise ApiError(400, "INVALID_DATA", "invalid data", {"api_name": unknown[0], "json_path": f"$.{unknown[0]}"})
    if len(subs) > MOST:
        details = {"api_name": "__composite_requests", "maximum_length": MOST}
        raise ApiError(400, "LIMIT_EXCEEDED", "limit exceeded", details)
    rolls_back = bool(body.get("rollback_on_fail", False))
    if rolls_back and body.get("parallel_execution", False):
        ambiguous = [{"api_name": name} for name in ("rollback_on_fail", "parallel_execution")]
        raise ApiError(400, "AMBIGUITY_DURING_PROCESSING", "both can't be true", {"ambiguity_due_to": ambiguous})
    return subs, rolls_back


def _one(sub: Any, place: int, answers: dict[str, Any], do: Run) -> dict[str, Any]:
    path = f"$.__composite_requests[{place}]"
    if wrong := _wrong(sub, path):
        return wrong
    try:
        uri = _filled(sub["uri"], answers)
        body = json.loads(_filled(json.dumps(sub["body"]), answers)) if "body" in sub else None
    except LookupError as error:
        return refusal("INVALID_REFERENCE", f"the reference {error} is invalid", {"json_path": path})
    if params := sub.get("params"):
        uri += ("&" if "?" in uri else "?") + urlencode(params)
    uri = re.sub(r"^/crm/v[0-9.]+/", "/crm/v8/", uri)
    headers = {str(name).lower(): str(value) for name, value in (sub.get("headers") or {}).items()}
    raw = b"" if body is None else json.dumps(body).encode()
    status, answer, told = do(Request(sub["method"], uri, headers, raw))
    answers[str(sub.get("sub_request_id", place + 1))] = answer
    response = {"headers": {name.lower(): value for name, value in told.items()}, "body": answer,
                "status_code": status}  # fmt: skip
    return {
        "code": "SUCCESS", "message": "composite sub request executed successfully", "status": "success",
        "details": {"response": response},
    }  # fmt: skip


def _wrong(sub: Any, path: str) -> dict[str, Any] | None:
    """Return the refusal of a sub-request that makes no sense."""
    if not isinstance(sub, dict):
        return refusal("INVALID_DATA", "invalid data", {"expected_data_type": "jsonobject", "json_path": path})
    name = next(iter(sorted(set(sub) - SUB_KEYS)), "")
    if not name and sub.get("method") not in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        name = "method"
    if not name and not (isinstance(sub.get("uri"), str) and URI.fullmatch(sub["uri"])):
        name = "uri"
    if not name and not SUB_ID.fullmatch(str(sub.get("sub_request_id", "1"))):
        name = "sub_request_id"
    if not name and {"authorization", "x-crm-org"} & {str(each).lower() for each in sub.get("headers") or {}}:
        name = "headers"
    if not name:
        return None
    details = {"expected_data_type": "text", "api_name": name, "json_path": f"{path}.{name}"}
    return refusal("INVALID_DATA", "invalid data", details)


def _filled(text: str, answers: Mapping[str, Any]) -> str:
    """Return a text with what it refers to put in; a reference to nothing is a `LookupError`."""

    def value(found: re.Match[str]) -> str:
        at = answers[found[1]]
        for name, number in re.findall(r"\.([\w$]+)|\[(\d+)\]", found[2]):
            if not isinstance(at, dict | list):
                raise KeyError(found[0])
            at = at[int(number)] if isinstance(at, list) else at[name]
        return str(at)

    return REFERENCE.sub(value, text)


def _failed(told: Mapping[str, Any]) -> bool:
    """Tell whether a sub-request was refused, as a whole or in its row."""
    if told["status"] == "error":
        return True
    response = told["details"]["response"]
    return int(response["status_code"]) >= 400
