"""The table of Salesforce's refusals: codes to the error that says who must act. Pure.

What Salesforce writes in its messages never enters ours, because it quotes values; codes, names of fields and ids do.
Which failures are worth another try within the same call (`Again`), which mean that nobody knows what happened, and
which are a row's own is decided here and nowhere else.
Source: REST API status codes, and status codes of DML, read 2026-11.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.http.patience import Again
from sidecar.errors import ConfigError, PermanentError, StaleVersion, TemporaryError, UnknownOutcome

SPENT = "REQUEST_LIMIT_EXCEEDED"
LOCKED = frozenset(("UNABLE_TO_LOCK_ROW",))
GONE = frozenset((
    "ENTITY_IS_DELETED", "NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY", "CANNOT_UPDATE_CONVERTED_LEAD", "MALFORMED_ID",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "INSUFFICIENT_ACCESS_OR_READONLY",
))  # fmt: skip
"""Codes that a row gets when its record, or one that it speaks of, isn't there: worth a look before it is believed."""
UNSHARED = frozenset(("INSUFFICIENT_ACCESS_OR_READONLY", "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"))
"""Codes that an object gets which the user may not write, and also a single record that isn't shared with it."""
_UNAVAILABLE = frozenset((406, 420, 429, 503))
_FIELDS = frozenset((
    "INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_TYPE", "INVALID_TYPE_ON_FIELD_IN_RECORD",
))  # fmt: skip
_ACCESS = frozenset((
    "API_CURRENTLY_DISABLED", "API_DISABLED_FOR_ORG", "INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS_OR_READONLY",
    "FUNCTIONALITY_NOT_ENABLED", "OPERATION_NOT_ALLOWED",
))  # fmt: skip
_BUSY = frozenset(("SERVER_UNAVAILABLE", "TXN_SECURITY_RUNTIME_ERROR", "CONCURRENT_REQUEST_LIMIT", *LOCKED))
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,99}")
_RECORD = re.compile(r"\b[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?\b")


@dataclass(frozen=True, slots=True)
class Problem:
    """One error as Salesforce tells it; what it says is for finding ids in it, and is shown to nobody."""

    code: str
    fields: tuple[str, ...] = ()
    holders: tuple[str, ...] = field(default=(), repr=False)


class Refusal(PermanentError):
    """A request that was refused for what it says: who asked may know more."""

    def __init__(self, message: str, *, status: int, problems: tuple[Problem, ...]) -> None:
        super().__init__(message)
        self.status = status
        self.problems = problems

    @property
    def codes(self) -> frozenset[str]:
        """The codes that it names."""
        return frozenset(problem.code for problem in self.problems)

    @property
    def is_missing(self) -> bool:
        """Whether the record that was spoken of isn't there."""
        return self.status == 404 or bool(self.codes & {"NOT_FOUND", "ENTITY_IS_DELETED"})


def error_of(status: int, data: Any, operation: str, *, effect: bool) -> Exception:
    """Return the error for an answer that is no success; a day's spent calls are told apart by the wire."""
    problems = problems_in(data)
    codes = frozenset(problem.code for problem in problems)
    told = f"{status}{''.join(f' {code}' for code in sorted(codes)[:3])}"
    if codes & _BUSY or (status in _UNAVAILABLE and (problems or status != 503 or not effect)):
        return Again(f"Salesforce is busy ({told})")
    if status >= 500 or status in (200, 408):
        if effect:
            return UnknownOutcome(f"Salesforce failed after it was sent {operation} ({told}): it may have done it")
        return Again(f"Salesforce is unavailable, or its answer can't be read ({told})")
    if status == 412:
        return StaleVersion("the record was changed meanwhile (412)")
    if status == 401:
        return ConfigError(f"Salesforce doesn't accept the session that it gave ({told})")
    if 300 <= status < 400 and not problems:
        return ConfigError(f"the org's API isn't there: it sent us elsewhere ({told})", setting="crm.base_url")
    if not problems and status in (403, 404):
        return ConfigError(f"there is no API of an org there ({told})", setting="crm.base_url")
    if codes & UNSHARED and operation == "write":
        return Refusal(f"Salesforce refused {operation} ({told})", status=status, problems=problems)
    if status == 403 or codes & _ACCESS:
        return ConfigError(f"the integration user may not do {operation} ({told}): see its permissions")
    return Refusal(f"Salesforce refused {operation} ({told})", status=status, problems=problems)


def problems_in(data: Any) -> tuple[Problem, ...]:
    """Return what a refusal's body says: a list of errors, or one; nothing for a page."""
    listed = data if isinstance(data, list) else [data] if isinstance(data, Mapping) else []
    return tuple(_problem(each) for each in listed[:50] if isinstance(each, Mapping))


def row_error(what: str, problems: tuple[Problem, ...], names: Mapping[str, str]) -> Exception:
    """Return the error for one row; `names` are our names of the org's fields, the only ones that are taken over."""
    codes = frozenset(problem.code for problem in problems)
    named = [names[f] for problem in problems for f in problem.fields if f in names]
    about = f"{what}.{', '.join(dict.fromkeys(named))}" if named else what
    told = f"({', '.join(sorted(codes)[:5]) or 'no reason'})"
    if codes & _BUSY:
        return TemporaryError(f"{what}: Salesforce is busy {told}")
    if SPENT in codes:
        return TemporaryError(f"{what}: the org's calls are used up {told}")
    if codes & _FIELDS:
        return ConfigError(
            f"{about}: the integration user can't write it {told}; `sidecar provision` mends what is ours"
        )
    if codes & _ACCESS:
        return ConfigError(f"{about}: the integration user may not write it {told}; see its permissions")
    if "UNKNOWN_EXCEPTION" in codes:
        return UnknownOutcome(f"{what}: Salesforce failed at it {told}")
    holders = [ref for problem in problems for ref in problem.holders]
    if holders:
        return PermanentError(f"{about}: {what} {', '.join(dict.fromkeys(holders))} already has this {told}")
    return PermanentError(f"{about}: Salesforce refused it {told}")


def _problem(said: Mapping[str, Any]) -> Problem:
    code = next((said[name] for name in ("errorCode", "statusCode", "error") if isinstance(said.get(name), str)), "")
    fields = said.get("fields")
    named = tuple(str(name) for name in fields[:20]) if isinstance(fields, list) else ()
    return Problem(code if _CODE.fullmatch(code) else "UNKNOWN_CODE", named, tuple(_holders(code, said)))


def _holders(code: str, said: Mapping[str, Any]) -> list[str]:
    """Return the ids of the records that hold what was to be unique, where Salesforce names them."""
    if code == "DUPLICATE_VALUE":
        message = str(said.get("message", ""))[:2_000]
        return _RECORD.findall(message.rpartition("id:")[2]) if "id:" in message else []
    if code != "DUPLICATES_DETECTED":
        return []
    result = said.get("duplicateResult")
    matched = [m for r in _listed(result, "matchResults") for m in _listed(r, "matchRecords")]
    found = [m.get("record") for m in matched if isinstance(m, Mapping)]
    ids = [str(record.get("Id", "")) for record in found if isinstance(record, Mapping)]
    return [ref for ref in ids if _RECORD.fullmatch(ref)][:10]


def _listed(value: Any, name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found[:50] if isinstance(found, list) else []
