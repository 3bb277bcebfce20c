"""The table of Pipedrive's refusals: status and body to the error that says who must act. Pure.

What Pipedrive writes in its messages never enters ours, because it may quote values; a code and names of fields do.
Source: Pipedrive's status code and rate limiting guides, read 2026-11.
"""

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from adapters.http.calls import number
from adapters.http.patience import Again
from sidecar.errors import ConfigError, PermanentError, TemporaryError, UnknownOutcome

if TYPE_CHECKING:  # the client is imported by the first call
    from adapters.crms.pipedrive.transport import Reply

SETTING = "crm.token_env"
BURST_S, BLOCKED_S, MAX_BURST_S = 2.0, 300.0, 60.0
TRANSIENT = frozenset((408, 500, 502, 503, 504, 520, 521, 522, 523, 524))
_REFUSALS = frozenset((400, 404, 405, 409, 410, 412, 413, 414, 422))
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,63}")


class BlockedError(TemporaryError):
    """Pipedrive's edge blocks this machine: nothing may be sent for a while."""


class Refusal(PermanentError):
    """A request that was refused for what it says: who asked may know more."""

    def __init__(self, message: str, *, status: int, said: str) -> None:
        super().__init__(message)
        self.status = status
        self.said = said
        """What Pipedrive wrote, for finding names of fields in it; it may quote values, so it is shown to nobody."""

    @property
    def is_missing(self) -> bool:
        """Whether the record that was spoken of isn't there."""
        return self.status in (404, 410)

    def about(self, kind: str, names: Mapping[str, str]) -> PermanentError | ConfigError:
        """Return the error for one row; `names` are field codes and our names of them."""
        named = [name for code, name in names.items() if re.search(rf"\b{re.escape(code)}\b", self.said)][:5]
        about = f"{kind}.{', '.join(dict.fromkeys(named))}" if named else kind
        return PermanentError(f"{about}: Pipedrive refused it ({self.status})")


def error_of(reply: "Reply", operation: str, *, effect: bool) -> Exception:
    """Return the error for an answer that is no success; a spent daily budget is told apart by the wire."""
    status, told = reply.status, f"{reply.status}{_code(reply.data)}"
    if status == 429:
        reset_s = number(reply.headers, "x-ratelimit-reset")
        return Again("too many calls at once (429)", retry_after_s=min(reset_s or BURST_S, MAX_BURST_S))
    if status in TRANSIENT or status > 524:
        if effect:
            return UnknownOutcome(f"Pipedrive failed after it was sent {operation} ({told}): it may have done it")
        return Again(f"Pipedrive is unavailable ({told})")
    if status == 403 and not isinstance(reply.data, dict):
        return BlockedError("Pipedrive's edge blocks this machine (403, a page)", retry_after_s=BLOCKED_S)
    if status == 200 and reply.data is None:  # seen on v1: a null body, or a page of a gateway
        return (UnknownOutcome if effect else Again)(f"Pipedrive's answer to {operation} can't be read")
    return _barred(status, told, operation, reply)


def _barred(status: int, told: str, operation: str, reply: "Reply") -> Exception:
    said = words(reply.data)
    if status == 401:
        return ConfigError(f"Pipedrive doesn't accept the token ({told}); is it revoked, or renewed?", setting=SETTING)
    if status == 402:
        return ConfigError("the company's subscription isn't paid (402): Pipedrive answers nobody", setting=SETTING)
    if status == 403 and "limit" in said.casefold():
        return PermanentError(f"Pipedrive refused {operation}: a limit of the plan is reached ({told})")
    if status == 403:
        return ConfigError(f"the token's user may not do {operation} ({told}): see its permission set", setting=SETTING)
    if status == 415:
        return ConfigError(f"a feature that {operation} needs is off in this company ({told})", setting="crm.base_url")
    if 300 <= status < 400:
        return ConfigError(f"Pipedrive's API isn't there: it sent us elsewhere ({told})", setting="crm.base_url")
    if status == 404 and not isinstance(reply.data, dict):
        return ConfigError(f"there is no such part of Pipedrive's API ({told})", setting="crm.base_url")
    if status in _REFUSALS or 200 <= status < 300:
        return Refusal(f"Pipedrive refused {operation} ({told})", status=status, said=said)
    return PermanentError(f"Pipedrive refused {operation} ({told})")


def is_spent(reply: "Reply") -> bool:
    """Say whether a 429 is the day's: the header that counts the day's tokens says nothing is left."""
    return reply.status == 429 and number(reply.headers, "x-daily-ratelimit-token-remaining") == 0


def words(data: Any, depth: int = 4) -> str:
    """Return every text in an error's body, in one."""
    if isinstance(data, str):
        return data[:2_000]
    inner: Collection[Any] = data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ()
    return " ".join(words(each, depth - 1) for each in list(inner)[:50]) if depth else ""


def _code(data: Any) -> str:
    code = data.get("code") or data.get("errorCode") if isinstance(data, dict) else None
    return f" {code}" if isinstance(code, str) and _CODE.fullmatch(code) else ""
