"""The table of Zoho's refusals, of a request and of a row in it, to the error that says who must act. Pure.

What Zoho writes in its messages never enters ours, because it may quote values; a code, names of fields and ids do.
Source: Zoho's status codes page and the error schemas of its OpenAPI description, read 2026-11.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from adapters.http.patience import Again
from sidecar.errors import ConfigError, PermanentError, RecordGone, StaleVersion, TemporaryError, UnknownOutcome

if TYPE_CHECKING:  # the HTTP client is imported by the first call
    from adapters.http.pooled import Reply

SETTING = "crm.refresh_token_env"
BLOCKED_S, LOCKED_S = 300.0, 300.0
TRANSIENT = frozenset((408, 500, 502, 503, 504, 520, 521, 522, 523, 524))
REVOKED = frozenset(("INVALID_TOKEN", "AUTHENTICATION_FAILURE"))
_REFUSALS = frozenset((400, 404, 405, 409, 410, 412, 413, 414, 415, 422))
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,63}")
_FIELD = re.compile(r"[A-Za-z$][A-Za-z0-9_$]{0,99}")


class BlockedError(TemporaryError):
    """Zoho's edge blocks this machine: nothing may be sent for a while."""


class Refusal(PermanentError):
    """A request that was refused for what it says: who asked may know more."""

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def error_of(reply: "Reply", operation: str, *, effect: bool) -> Exception:
    """Return the error for an answer that is no success; a 429 for want of credits is told apart by the wire."""
    status, code = reply.status, code_in(reply.data)
    told = f"{status}{f' {code}' if code else ''}"
    if status == 429:
        return Again(f"too many calls of Zoho's at once ({told})")
    if status in TRANSIENT or status > 524:
        if effect:
            return UnknownOutcome(f"Zoho failed after it was sent {operation} ({told}): it may have done it")
        return Again(f"Zoho is unavailable ({told})")
    if 200 <= status < 300:
        return (UnknownOutcome if effect else Again)(f"Zoho's answer to {operation} can't be read")
    if status == 403 and not isinstance(reply.data, dict):
        return BlockedError("Zoho's edge blocks this machine (403, a page)", retry_after_s=BLOCKED_S)
    return _barred(status, code, told, operation)


def _barred(status: int, code: str, told: str, operation: str) -> Exception:
    if code == "OAUTH_SCOPE_MISMATCH":
        return ConfigError(
            f"the refresh token lacks a scope for {operation} ({told}): see docs/zoho.md", setting=SETTING
        )
    if status == 412 or code == "ALREADY_MODIFIED":
        return StaleVersion(f"something changed since it was read ({told})")
    if status == 401 or code in REVOKED:
        return ConfigError(f"Zoho doesn't accept the token ({told}); is it of this data center?", setting=SETTING)
    if code in ("INVALID_MODULE", "FEATURE_NOT_ENABLED", "FEATURE_NOT_SUPPORTED"):
        return Refusal(f"this org has no such thing as {operation} asks for ({told})", status=status, code=code)
    if status == 403 or code in ("NO_PERMISSION", "AUTHORIZATION_FAILED"):
        return ConfigError(
            f"the token's user may not do {operation} ({told}): see its profile in Zoho", setting=SETTING
        )
    if 300 <= status < 400:
        return ConfigError(f"Zoho's API isn't there: it sent us elsewhere ({told})", setting="crm.data_center")
    if status == 404 and not code.startswith("INVALID_DATA"):
        return ConfigError(f"there is no such part of Zoho's API ({told})", setting="crm.base_url")
    if status in _REFUSALS:
        return Refusal(f"Zoho refused {operation} ({told})", status=status, code=code)
    return PermanentError(f"Zoho refused {operation} ({told})")


def code_in(data: Any) -> str:
    """Return the code of an error's body, empty without one; some stand alone in a list, as a row's would."""
    if isinstance(data, dict) and "code" not in data:
        told = next((each for each in data.values() if isinstance(each, list)), [])
        data = told[0] if len(told) == 1 else None
    code = data.get("code") if isinstance(data, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def row_error(kind: str, ref: str, row: Mapping[str, Any], names: Mapping[str, str]) -> Exception:
    """Return the error for one row; `names` are Zoho's names of fields and ours of them."""
    code, details = code_in(row), row.get("details")
    details = details if isinstance(details, dict) else {}
    field_, inner = str(details.get("api_name") or ""), details.get("errors")
    if code == "MULTIPLE_OR_MULTI_ERRORS" and isinstance(inner, list) and inner and isinstance(inner[0], dict):
        return row_error(kind, ref, inner[0], names)
    about = f"{kind}.{names.get(field_, field_)}" if _FIELD.fullmatch(field_) else kind
    if code == "INVALID_DATA" and field_ == "id" and ref:
        return RecordGone(f"{kind} {ref} is gone")
    if code == "DUPLICATE_DATA":
        holder = details.get("duplicate_record")
        who = (holder.get("id") if isinstance(holder, dict) else None) or details.get("id") or "another"
        return PermanentError(f"{about}: {kind} {who} already has this value ({code})")
    made = _ROWS.get(code)
    return made(about) if made else PermanentError(f"{about}: Zoho refused it ({code or 'without a reason'})")


def met_in(row: Mapping[str, Any], key: str) -> str:
    """Return the record that a creation met because it bears its key already; empty for any other answer."""
    details = row.get("details")
    if not isinstance(details, dict):
        return ""
    if code_in(row) == "ALREADY_MODIFIED":
        return str(details.get("id") or "")
    holder = details.get("duplicate_record")
    is_key = code_in(row) == "DUPLICATE_DATA" and details.get("api_name") == key
    return str((holder.get("id") if isinstance(holder, dict) else None) or details.get("id") or "") if is_key else ""


_ROWS: Mapping[str, Callable[[str], Exception]] = {
    "ALREADY_MODIFIED": lambda about: StaleVersion(f"{about} changed since it was read"),
    "INTERNAL_ERROR": lambda about: UnknownOutcome(f"{about}: Zoho failed at it (INTERNAL_ERROR)"),
    "RECORD_LOCKED": lambda about: PermanentError(f"{about}: the record is locked in Zoho; unlock it there"),
    "RECORD_IN_BLUEPRINT": lambda about: PermanentError(
        f"{about}: a blueprint of Zoho's holds the record; move it on there"
    ),
    "NOT_APPROVED": lambda about: PermanentError(f"{about}: the record waits for an approval in Zoho"),
    "NOT_REVIEWED": lambda about: PermanentError(f"{about}: the record waits for a review in Zoho"),
    "MANDATORY_NOT_FOUND": lambda about: PermanentError(
        f"{about}: Zoho keeps no such record without it; is it required in the layout?"
    ),
    "NO_PERMISSION": lambda about: ConfigError(
        f"{about}: the token's user may not write it; see its profile in Zoho", setting=SETTING
    ),
    "LIMIT_EXCEEDED": lambda about: PermanentError(
        f"{about}: a limit of the org's edition is reached (LIMIT_EXCEEDED)"
    ),
}
