"""The few questions that a poll asks of Gmail's API: whose mailbox, what changed, which mails there are, one mail.

Reading alone, but for `watch`, which asks Gmail to tell a topic of news. Calls are counted in Gmail's own units (a mail
costs five, a page of history two) against a bound that leaves room for whatever else reads the mailbox; a refusal names
who must act. A token that is refused is renewed once. An answer that isn't shaped as the description says counts as an
outage, since a page of a proxy's is the usual cause.

Source: Google's discovery document of gmail v1, revision 20261005, and its "Usage limits" (15,000 units a minute for a
user; messages.get 5, messages.list 5, history.list 2, getProfile 1, labels.list 1, watch 100), read 2026-11.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from adapters.channels.gmail.shapes import HistoryPage, Label, Labels, ListPage, Mail, Profile, Told, Watch
from adapters.http.calls import Timeouts, answer, number
from adapters.http.patience import Again, AgainUnanswered, Pace, patient
from sidecar.errors import ConfigError, PermanentError
from sidecar.ports import Observe

if TYPE_CHECKING:  # the HTTP client is imported by the first call
    from adapters.http.pooled import Pooled, Reply

T = TypeVar("T", bound=Told)
CONNECTIONS = 2
PAGE = 100
HISTORY_TYPES = ("messageAdded", "messageDeleted", "labelAdded", "labelRemoved")
_UNITS = {"profile": 1, "history": 2, "list": 5, "get": 5, "labels": 1, "watch": 100}
_TRANSIENT = frozenset({408, 425, 429})
_TOO_MUCH = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"})
_BAD_ID = frozenset({400, 404, 410})


class HistoryGoneError(Exception):
    """The history doesn't reach back to the id that was asked from."""


class Opens(Protocol):
    """What gives access tokens."""

    def access_token(self) -> str: ...
    def refused(self, token: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Reached:
    """Which API is asked, how patiently, how fast, and which setting its refusals name."""

    base_url: str
    timeouts: Timeouts
    max_wait_s: float
    units_per_s: int
    setting: str


@dataclass(frozen=True, slots=True)
class _Asked:
    operation: str
    effect: bool = False


class Api:
    """Asks about the mailbox that the access opens; safe to share between threads."""

    def __init__(
        self, reached: Reached, access: Opens, observe: Observe, sleep: Callable[[float], None] | None = None
    ) -> None:
        self._reached, self._access, self._observe = reached, access, observe
        self._pace = Pace("Gmail", reached.units_per_s, 1.0)
        self._sleep = sleep or _nap
        self._pooled: Pooled | None = None
        self._lock = threading.Lock()

    def profile(self) -> Profile:
        """Return whose mailbox it is, and its newest history id."""
        return self._told(Profile, self._read("profile", "profile"), "profile")

    def history(self, start: str, page: str) -> HistoryPage:
        """Return a page of what happened after an id; `HistoryGoneError` where it reaches back no longer.

        An id that is out of date has 404, typically; so whatever a first page is refused for counts as that.
        """
        query = [("startHistoryId", start), ("maxResults", str(PAGE)), *(("historyTypes", t) for t in HISTORY_TYPES)]
        query += [("pageToken", page)] if page else []
        reply = self._read("history", "history", query, may_lack=_BAD_ID)
        if reply.status in _BAD_ID:
            raise HistoryGoneError
        return self._told(HistoryPage, reply, "history")

    def mails(self, after: datetime, before: datetime | None, page: str) -> ListPage | None:
        """Return a page of the mails between two times, newest first; None where the page is known no longer."""
        words = f"after:{int(after.timestamp())}" + (f" before:{int(before.timestamp()) + 1}" if before else "")
        query = [("q", words), ("maxResults", str(PAGE)), ("includeSpamTrash", "true")]
        query += [("pageToken", page)] if page else []
        reply = self._read("list", "messages", query, may_lack=_BAD_ID if page else ())
        return None if reply.status in _BAD_ID else self._told(ListPage, reply, "messages")

    def mail(self, id: str, form: Literal["minimal", "metadata", "raw"]) -> Mail | None:
        """Return a mail, with its bytes where `form` is raw; None where it is gone."""
        reply = self._read("get", f"messages/{quote(id, safe='')}", [("format", form)], may_lack=(404,))
        return None if reply.status == 404 else self._told(Mail, reply, "message")

    def labels(self) -> Sequence[Label]:
        """Return the mailbox's labels."""
        return self._told(Labels, self._read("labels", "labels"), "labels").labels

    def watch(self, topic: str) -> datetime:
        """Ask that a topic is told of news, and return until when it is."""
        told = self._told(Watch, self._read("watch", "watch", body={"topicName": topic}), "watch")
        return datetime.fromtimestamp(int(told.expiration) / 1000, UTC)

    def _read(
        self,
        operation: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        body: Any = None,
        may_lack: Sequence[int] | frozenset[int] = (),
    ) -> "Reply":
        asked = f"?{urlencode(query)}" if query else ""
        url = f"{self._reached.base_url}/gmail/v1/users/me/{path}{asked}"

        def once() -> "Reply":
            for _ in range(_UNITS[operation]):
                self._pace.wait(1.0 + self._reached.max_wait_s)
            reply = self._authorized(operation, url, body)
            if reply.status not in may_lack:
                self._raise_for(reply, operation)
            return reply

        reply: Reply = patient(self._reached.max_wait_s, self._sleep)(once)
        return reply

    def _authorized(self, operation: str, url: str, body: Any) -> "Reply":
        """Ask with an access token; one that is refused is replaced once."""
        transport, method = self._ready(), "GET" if body is None else "POST"

        def asked(token: str) -> "Reply":
            headers = {"Authorization": f"Bearer {token}"}
            sent = _Asked(operation)  # a watch that was set twice is one watch, so that all of these may be asked again
            return answer("Gmail", sent, self._observe, lambda: transport.send(method, url, headers, body=body))

        token = self._access.access_token()
        reply = asked(token)
        if reply.status == 401:
            self._access.refused(token)
            reply = asked(self._access.access_token())
        return reply

    def _raise_for(self, reply: "Reply", operation: str) -> None:
        status, setting, reason = reply.status, self._reached.setting, _reason(reply.data)
        if 200 <= status < 300:
            return
        if status in _TRANSIENT or status >= 500 or reason in _TOO_MUCH:
            wait_s = number(reply.headers, "retry-after")
            kind = AgainUnanswered if status == 429 or reason in _TOO_MUCH else Again
            raise kind(f"Gmail answered {status} to {operation}", retry_after_s=wait_s)
        if status == 401:
            raise ConfigError("Gmail refuses the access; let it in anew: sidecar connect", setting=setting)
        if status == 403:
            told = f"Gmail answered 403 ({reason or 'no reason'}): is the Gmail API enabled in the project, "
            raise ConfigError(
                told + "the scope gmail.readonly given, and the mailbox allowed to be read", setting=setting
            )
        if 300 <= status < 400:
            raise ConfigError(f"answered {status}; write the address that it leads to", setting=f"{setting}.base_url")
        if operation == "watch" and status in (400, 404):
            told = f"Gmail answered {status} to the topic: does it exist, and may gmail-api-push publish to it?"
            raise ConfigError(told, setting=f"{setting}.topic")
        if status in (400, 404) and operation != "get":
            told = f"Gmail answered {status} ({reason or 'no reason'}) to {operation}: has this account a mailbox?"
            raise ConfigError(told, setting=setting)
        raise PermanentError(f"Gmail answered {status} to {operation}")

    def _told(self, shape: type[T], reply: "Reply", operation: str) -> T:
        try:
            return shape.model_validate(reply.data)
        except ValidationError:
            raise Again(f"Gmail's answer to {operation} is none") from None

    def _ready(self) -> "Pooled":
        with self._lock:
            if self._pooled is None:
                from adapters.http.pooled import Pooled

                self._pooled = Pooled(self._reached.timeouts, CONNECTIONS)
            return self._pooled


def _reason(data: Any) -> str:
    """Return Google's word for a refusal, if it is one."""
    error = data.get("error") if isinstance(data, dict) else None
    rows = error.get("errors") if isinstance(error, dict) else None
    told = rows[0].get("reason") if isinstance(rows, list) and rows and isinstance(rows[0], dict) else ""
    return told if isinstance(told, str) and told.isascii() and told.isalpha() and len(told) < 60 else ""


def _nap(seconds: float) -> None:
    threading.Event().wait(seconds)
