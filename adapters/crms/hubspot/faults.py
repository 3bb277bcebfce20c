"""The table of HubSpot's refusals: status and body to the error that says who must act. Pure.

What HubSpot writes in its messages never enters ours, because it quotes the values that it was sent; a category, codes,
names of properties and ids do. Which failures are worth another try within the same call (`Again`), which mean that
nobody knows what happened, and which are a row's own is decided here and nowhere else.
Source: HubSpot's error handling guide and its 2026-09 changelog, read 2026-11.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from pydantic import ValidationError

from adapters.crms.hubspot.shapes import Problem, texts_in
from adapters.http.calls import number
from adapters.http.patience import Again
from sidecar.errors import ConfigError, PermanentError, TemporaryError, UnknownOutcome

SETTING = "crm.token_env"
BURST_WINDOW_S, SEARCH_WINDOW_S = 10.0, 1.0
LOCKED_S, EDGE_S, BLOCKED_S, UNKNOWN_MIDNIGHT_S = 2.0, 2.0, 300.0, 900.0
MAX_RETRY_AFTER_S = 86_400.0
TRANSIENT = frozenset((408, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527))
_REFUSALS = frozenset((400, 404, 405, 409, 410, 413, 414, 415, 422))
_CODE = re.compile(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b|\b(?:CONFLICT|FORBIDDEN)\b")
_QUOTED_CODE = re.compile(r'"(?:error|code|errorCode)"\s*:\s*"([A-Z][A-Z0-9_]{1,63})"')
_NAME = re.compile(r"[a-z][a-z0-9_]{1,99}")
_QUOTED_NAME = re.compile(r"""["'`]name["'`]\s*:\s*["'`]([a-z][a-z0-9_]{1,99})["'`]""")
_SCOPE = re.compile(r"\b[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+\b|\bautomation\b")
_LISTED_SCOPES = re.compile(r"[sS]copes?=\[([^\]]{0,2000})\]")  # how one version writes a context, as a text
_EXISTING = re.compile(
    r"(?:Existing ID|existing object(?: with)? id|existing record id)\W{0,3}(\d{1,20})", re.IGNORECASE
)


class Refusal(PermanentError):
    """A request that was refused for what it says (400, 404, 409, 422): who asked may know more."""

    def __init__(self, message: str, *, status: int, problem: Problem) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Asked:
    """What a failure is about: a word for it, whether it may have changed something, and when and where we are."""

    operation: str
    effect: bool
    now: datetime
    zone: tzinfo | None


def error_of(status: int, headers: Mapping[str, str], body: str, asked: Asked) -> Exception:
    """Return the error for an answer that is no success."""
    problem = problem_in(body)
    told = f"{status}{f' {problem.category}' if _is_word(problem.category) else ''}"
    if status == 429:
        return _too_many(headers, problem, asked)
    if status == 423:
        return Again(f"HubSpot has locked it for a moment ({told})", retry_after_s=max(LOCKED_S, _after(headers) or 0))
    if status == 477:
        return Again(f"HubSpot is moving this account ({told})", retry_after_s=_after(headers) or BLOCKED_S)
    if status in TRANSIENT or status > 530:
        return _unavailable(told, headers, asked)
    if status in (401, 403, 530):
        return _barred(status, told, problem)
    if 300 <= status < 400:
        return ConfigError(f"HubSpot's API isn't there: it sent us elsewhere ({told})", setting="crm.base_url")
    if status == 404 and not problem.category and not problem.message:
        return ConfigError(f"there is no such part of HubSpot's API ({told}); see crm.base_url", setting="crm.version")
    if status in _REFUSALS:
        return Refusal(f"HubSpot refused {asked.operation} ({told}{_codes(problem)})", status=status, problem=problem)
    return PermanentError(f"HubSpot refused {asked.operation} ({told})")


def problem_in(body: str) -> Problem:
    """Return what an error's body says; nothing when it is a page, or nonsense."""
    try:
        found = json.loads(body)
        return Problem.model_validate(found) if isinstance(found, dict) else Problem()
    except (ValueError, ValidationError, RecursionError):
        return Problem()


def row_error(what: str, problem: Problem, names: Collection[str]) -> Exception:
    """Return the error for one row; `names` are the properties of its kind, which are the only words taken over."""
    codes, named = codes_in(problem), names_in(problem, names)
    about = f"{what}.{', '.join(named)}" if named else what
    told = f"({', '.join(sorted(codes)) or problem.status or 'no reason'})"
    if any("DOESNT_EXIST" in code or "DOES_NOT_EXIST" in code for code in codes):
        return ConfigError(f"{about}: there is no such property {told}; `sidecar provision` makes the AI-owned ones")
    if "READ_ONLY_VALUE" in codes or "READ_ONLY" in codes:
        return ConfigError(f"{about}: HubSpot lets nobody write it {told}")
    if "MISSING_SCOPES" in codes or problem.category == "FORBIDDEN":
        return ConfigError(_lacking(problem), setting=SETTING)
    if problem.status == "429" or "RATE_LIMITS" in codes or "RATE_LIMIT" in codes:
        return TemporaryError(f"{what}: too many calls {told}", retry_after_s=BURST_WINDOW_S)
    if problem.status.startswith("5") or codes & {"INTERNAL_ERROR", "INTERNAL_SERVER_ERROR"}:
        return UnknownOutcome(f"{what}: HubSpot failed at it {told}")
    existing = existing_id(problem)
    if existing:
        return PermanentError(f"{about}: {what} {existing} already has this value {told}")
    return PermanentError(f"{about}: HubSpot refused it {told}")


def existing_id(problem: Problem) -> str | None:
    """Return the id of the record that holds a unique value already, where HubSpot names it."""
    found = (_EXISTING.search(word) for word in texts_in([problem.message, problem.context, problem.errors]))
    return next((match.group(1) for match in found if match), None)


def is_missing(problem: Problem) -> bool:
    """Say whether the record that it is about isn't there."""
    return problem.category == "OBJECT_NOT_FOUND" or problem.status in ("404", "NOT_FOUND")


def codes_in(problem: Problem) -> set[str]:
    """Return the codes that an error names: in its fields, or as the `"error"` of the JSON in its message.

    A message is otherwise not looked into: it quotes values, and a customer may have written anything.
    """
    said = [problem.category, problem.code, problem.sub_category]
    quoted = [problem.message]
    for error in problem.errors or ():
        if isinstance(error, Mapping):
            said += [error.get("code"), error.get("category"), error.get("subCategory")]
            quoted.append(str(error.get("message", "")))
    named = [code for text in said if isinstance(text, str) for code in _CODE.findall(text)]
    return {*named, *(code for text in quoted for code in _QUOTED_CODE.findall(text)[:20])}


def names_in(problem: Problem, names: Collection[str]) -> list[str]:
    """Return the properties that an error names: in its contexts, else quoted in a message, else anywhere in one."""
    contexts, messages = [problem.context], [problem.message]
    for error in problem.errors or ():
        if isinstance(error, Mapping):
            contexts.append(error.get("context"))
            messages.append(str(error.get("message", "")))
    told = [word for context in contexts for word in texts_in(context)]
    for found in (
        [name for word in told for name in _NAME.findall(word)],
        [name for text in messages for name in _QUOTED_NAME.findall(text)],
        [name for text in messages for name in _NAME.findall(text)],
    ):
        if known := [name for name in dict.fromkeys(found) if name in names]:
            return known[:10]
    return []


def scopes_in(problem: Problem) -> list[str]:
    """Return the scopes that an error says are missing, from nowhere but where it lists them: a domain looks alike."""
    contexts = [problem.context, *(e.get("context") for e in problem.errors or () if isinstance(e, Mapping))]
    listed = [v for context in contexts if isinstance(context, Mapping) for k, v in context.items() if "cope" in str(k)]
    listed += [found for context in contexts if isinstance(context, str) for found in _LISTED_SCOPES.findall(context)]
    return sorted({scope for value in listed for word in texts_in(value) for scope in _SCOPE.findall(word)})[:20]


def _too_many(headers: Mapping[str, str], problem: Problem, asked: Asked) -> TemporaryError:
    if problem.policy == "DAILY" or "DAILY" in problem.message.upper():
        wait_s = _until_midnight(asked)
        return TemporaryError(
            "the account's calls of this day are used up; it goes on at its midnight", retry_after_s=wait_s
        )
    window_s = SEARCH_WINDOW_S if problem.policy == "SECONDLY" or asked.operation == "search" else BURST_WINDOW_S
    interval_s = (number(headers, "x-hubspot-ratelimit-interval-milliseconds") or 0) / 1000
    wait_s = _after(headers) or (min(interval_s, BURST_WINDOW_S) if interval_s else window_s)
    return Again("too many calls at once (429)", retry_after_s=wait_s)


def _until_midnight(asked: Asked) -> float:
    if asked.zone is None:
        return UNKNOWN_MIDNIGHT_S
    here = asked.now.astimezone(asked.zone)
    midnight = (here + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(1.0, midnight.timestamp() - here.timestamp()) + 1.0


def _unavailable(told: str, headers: Mapping[str, str], asked: Asked) -> Exception:
    if asked.effect:
        return UnknownOutcome(f"HubSpot failed after it was sent {asked.operation} ({told}): it may have done it")
    return Again(f"HubSpot is unavailable ({told})", retry_after_s=_after(headers) or EDGE_S)


def _barred(status: int, told: str, problem: Problem) -> Exception:
    if status == 403 and problem.category == "MISSING_SCOPES":
        return ConfigError(_lacking(problem), setting=SETTING)
    if status == 403 and not problem.category:
        return TemporaryError("HubSpot's edge blocks this machine (403, without a reason)", retry_after_s=BLOCKED_S)
    if status == 530:
        return ConfigError("HubSpot's edge takes no such token (530): is it whole?", setting=SETTING)
    remedy = "is it revoked, or another account's?" if status == 401 else "see what it may do in HubSpot"
    return ConfigError(f"HubSpot doesn't accept the token ({told}); {remedy}", setting=SETTING)


def _lacking(problem: Problem) -> str:
    scopes = ", ".join(scopes_in(problem))
    return f"the token lacks a scope{f' ({scopes})' if scopes else ''}; add it to the service key or app in HubSpot"


def _codes(problem: Problem) -> str:
    others = sorted(codes_in(problem) - {problem.category})[:5]
    return f": {', '.join(others)}" if others else ""


def _is_word(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Z][A-Z0-9_]{1,63}", text))


def _after(headers: Mapping[str, str]) -> float | None:
    seconds = number(headers, "retry-after")
    return min(seconds, MAX_RETRY_AFTER_S) if seconds is not None else None
