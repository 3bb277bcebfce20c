"""What a poll asks of Chatwoot's API: which conversations moved last, and what was said in one; or one by its number.

Reading alone: nothing here changes anything in Chatwoot. Calls are spaced evenly, tried again while somebody may wait,
and their refusals name who must act and never what was asked. An answer that is no list of what was asked for counts
as an outage, since a page of a proxy's is the usual cause.

Source: the OpenAPI description and `ConversationFinder`, `MessageFinder` of chatwoot/chatwoot, read 2026-11: 25
conversations a page, newest activity first; 20 messages before an id; 3000 calls a minute from one address by default.
One conversation is told by its number as the list tells it (`conversations/show.json.jbuilder`).
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapters.http.calls import Timeouts, answer, number
from adapters.http.patience import Again, AgainUnanswered, Pace, patient
from sidecar.errors import ConfigError, PermanentError
from sidecar.ports import Observe

if TYPE_CHECKING:  # the HTTP client is imported by the first call
    from adapters.http.pooled import Pooled, Reply

_TRANSIENT = frozenset({408, 425, 429})
CONNECTIONS = 2
ACTIVE = ("last_activity_at", "timestamp")
"""Where the time of a conversation's last activity stands."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Whose conversations are asked for, where, with which token, and how patiently."""

    base_url: str
    account_id: int
    token: str = field(repr=False)
    timeouts: Timeouts
    max_wait_s: float
    calls_per_s: float
    setting: str


@dataclass(frozen=True, slots=True)
class _Asked:
    operation: str
    effect: bool = False


class Api:
    """Asks one account of one Chatwoot."""

    def __init__(self, reached: Reached, observe: Observe, sleep: Callable[[float], None] | None = None) -> None:
        self._reached, self._observe = reached, observe
        self._spacing_s = 1.0 / reached.calls_per_s
        self._pace = Pace("Chatwoot", 1, self._spacing_s)
        self._sleep = sleep or _nap
        self._pooled: Pooled | None = None
        self._lock = threading.Lock()

    def conversations(self, page: int) -> list[dict[str, Any]]:
        """Return a page of all conversations, from 1, newest activity first; empty behind the last."""
        query = {"status": "all", "assignee_type": "all", "sort_by": "last_activity_at_desc", "page": str(page)}
        reply = self._read("conversations", "conversations", query)
        told = reply.data.get("data") if isinstance(reply.data, dict) else None
        return _rows(told, "conversations", ACTIVE)

    def messages(self, conversation: int, before: int | None) -> list[dict[str, Any]]:
        """Return the newest messages of a conversation, or those before an id, oldest first; none where it is gone."""
        query = {"before": str(before)} if before is not None else {}
        reply = self._read("messages", f"conversations/{conversation}/messages", query, may_be_gone=True)
        return [] if reply.status == 404 else _rows(reply.data, "messages", ("created_at",))

    def conversation(self, id: int) -> dict[str, Any] | None:
        """Return one conversation as the list has it; None where it is gone."""
        reply = self._read("conversation", f"conversations/{id}", {}, may_be_gone=True)
        if reply.status == 404:
            return None
        if not _is_row(reply.data, ACTIVE):
            raise Again("Chatwoot's answer holds no conversation")
        told: dict[str, Any] = reply.data
        return told

    def _read(self, operation: str, path: str, query: Mapping[str, str], *, may_be_gone: bool = False) -> "Reply":
        reached = self._reached
        url = f"{reached.base_url}/api/v1/accounts/{reached.account_id}/{path}"

        def once() -> "Reply":
            self._pace.wait(self._spacing_s + reached.max_wait_s)
            transport, headers = self._ready(), {"api_access_token": reached.token}
            reply = answer(
                "Chatwoot",
                _Asked(operation),
                self._observe,
                lambda: transport.send("GET", url, headers, query=query),
            )
            if reply.status != 404 or not may_be_gone:
                self._raise_for(reply, operation)
            return reply

        reply: Reply = patient(reached.max_wait_s, self._sleep)(once)
        return reply

    def _raise_for(self, reply: "Reply", operation: str) -> None:
        status, setting = reply.status, self._reached.setting
        if 200 <= status < 300:
            return
        if status in _TRANSIENT or status >= 500:
            kind = AgainUnanswered if status == 429 else Again
            raise kind(f"Chatwoot answered {status} to {operation}", retry_after_s=number(reply.headers, "retry-after"))
        if status in (401, 403):
            told = f"answered {status}: the token's user must be an agent of this account, in every inbox that counts"
            raise ConfigError(told, setting=f"{setting}.token_env")
        if 300 <= status < 400:
            raise ConfigError(f"answered {status}; write the address that it leads to", setting=f"{setting}.base_url")
        if status == 404:
            raise ConfigError("answered 404: no such account is there", setting=f"{setting}.account_id")
        raise PermanentError(f"Chatwoot answered {status} to {operation}")

    def _ready(self) -> "Pooled":
        with self._lock:
            if self._pooled is None:
                from adapters.http.pooled import Pooled

                self._pooled = Pooled(self._reached.timeouts, CONNECTIONS)
            return self._pooled


def _nap(seconds: float) -> None:
    threading.Event().wait(seconds)


def _rows(told: Any, operation: str, times: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the rows of an answer; one without an id or a time would be passed over in silence, so there is none."""
    rows = told.get("payload") if isinstance(told, dict) else None
    if not isinstance(rows, list) or not all(_is_row(row, times) for row in rows):
        raise Again(f"Chatwoot's answer to {operation} is no list of them")
    return rows


def _is_row(row: Any, times: tuple[str, ...]) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), int) and any(_is_number(row.get(t)) for t in times)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
