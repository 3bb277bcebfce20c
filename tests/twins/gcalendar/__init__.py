"""A Google calendar on a loopback socket: events, series with their exceptions, sync tokens that die, push channels.

Requests and answers are judged by Google's discovery document (`judge`); what doesn't fit is a defect that fails the
test, and so is a sync token that is used with other parameters than it was given for. What people do in the calendar
are methods; consent and tokens are an `Authority`'s, on the same port.

What the description says in words and the twin does: deleted events come on incremental sync, and with `showDeleted`;
a deleted event may bring its id alone, a cancelled day of a series three fields alone; `get` returns cancelled events
too; a token that is forgotten has 410 fullSyncRequired; a page may be empty while more follow.
"""

import json
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.twins.authority import Authority
from tests.twins.gcalendar.judge import body_faults, query_faults
from tests.twins.wire.passing import Log, Logged, Reply, Request
from tests.twins.wire.twin import Twin, real_time

CALENDAR = "anna@ours.test"
WATCH_LIFE = timedelta(days=7)
NOT_WITH_TOKEN = {
    "iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin", "timeMax", "updatedMin",
}  # fmt: skip


class GoogleCalendarTwin(Twin):
    """One calendar: `with GoogleCalendarTwin() as twin: ... twin.url ...`."""

    def __init__(
        self, calendar: str = CALENDAR, *, clock: Callable[[], datetime] = real_time, port: int = 0, zone: str = "UTC"
    ) -> None:
        self.calendar, self.clock, self.zone = calendar, clock, zone
        self.authority = Authority(account=calendar, clock=clock)
        self.events: dict[str, dict[str, Any]] = {}
        self.changed: dict[str, int] = {}
        self.channels: dict[str, dict[str, Any]] = {}
        self.stopped: list[str] = []
        self.version, self.oldest, self.empty_pages, self.refuses_watch = 0, 0, 0, False
        self.numbers: dict[str, int] = {}
        self._ids = count(1)
        self.lock = threading.RLock()
        log = Log()
        super().__init__(_Gateway(self, log), log, 0, port)

    # Hands ------------------------------------------------------------------------------------------------------

    def puts(self, at: datetime, minutes: int = 60, id: str = "", **fields: Any) -> str:
        """Plan a meeting of ours; return its id."""
        with self.lock:
            id = id or f"event{next(self._ids):05}"
            me = {"email": self.calendar, "self": True}
            self._lay(id, {
                "kind": "calendar#event", "id": id, "status": "confirmed", "eventType": "default", "sequence": 0,
                "created": _stamp(self.clock()), "iCalUID": f"{id}@google.com", "creator": me, "organizer": me,
                "htmlLink": f"https://www.google.com/calendar/event?eid={id}", "reminders": {"useDefault": True},
                "start": {"dateTime": at.isoformat(), "timeZone": self.zone},
                "end": {"dateTime": (at + timedelta(minutes=minutes)).isoformat(), "timeZone": self.zone},
                **fields,
            })  # fmt: skip
            return id

    def edits(self, id: str, **fields: Any) -> None:
        """Change an event; None takes a field away."""
        with self.lock:
            held = {**self.events[id], **fields}
            self._lay(id, {name: value for name, value in held.items() if value is not None})

    def deletes(self, id: str, *, bare: bool = False) -> None:
        """Delete an event, of which no more than its id may be told."""
        with self.lock:
            kept = {"kind": "calendar#event", "id": id} if bare else self.events[id]
            self._lay(id, {**kept, "status": "cancelled"})

    def cancels_day(self, series: str, first: datetime) -> str:
        """Call one day of a series off: three fields alone are told of it."""
        with self.lock:
            id = f"{series}_{first.astimezone(UTC):%Y%m%dT%H%M%SZ}"
            told = {"dateTime": first.isoformat(), "timeZone": self.zone}
            self._lay(id, {
                "kind": "calendar#event", "id": id, "status": "cancelled", "recurringEventId": series,
                "originalStartTime": told,
            })  # fmt: skip
            return id

    def forgets(self, id: str = "") -> None:
        """Forget an event for good; without an id all sync tokens that were given."""
        with self.lock:
            if id:
                del self.events[id], self.changed[id]
            else:
                self.version += 1
                self.oldest = self.version

    def told(self, id: str) -> dict[str, Any]:
        """Return an event as the API tells it."""
        return dict(self.events[id])

    def notifies(self, channel: str, state: str = "exists") -> dict[str, str]:
        """Return the headers of a push; its body is empty."""
        with self.lock:
            held = self.channels[channel]
            self.numbers[channel] = self.numbers.get(channel, 0) + 1
            return {
                "x-goog-channel-id": channel, "x-goog-channel-token": str(held["token"]),
                "x-goog-channel-expiration": "Tue, 29 Nov 2026 01:13:52 GMT",
                "x-goog-resource-id": str(held["resourceId"]), "x-goog-resource-uri": str(held["resourceUri"]),
                "x-goog-resource-state": state, "x-goog-message-number": str(self.numbers[channel]),
            }  # fmt: skip

    def _lay(self, id: str, event: dict[str, Any]) -> None:
        self.version += 1
        self.events[id] = {**event, "etag": f'"{3000 + self.version}"'}
        if "iCalUID" in event:
            self.events[id]["updated"] = _stamp(self.clock())
        self.changed[id] = self.version


class _Gateway:
    """Answers requests for the calendar; `defects` are what doesn't fit the description, and crashes."""

    def __init__(self, twin: GoogleCalendarTwin, log: Log) -> None:
        self.twin, self.log = twin, log
        self.defects: list[str] = []

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        try:
            with self.twin.lock:
                reply = self.twin.authority.reply(request) or self._reply(request)
        except Exception as error:  # a twin that crashes is wrong, and says so at its end
            self.defects.append(f"{request.method} {request.target}: {error!r}")
            reply = self.reply(500, {})
        self.note(request, reply, self.operation(request), answered=answered, fault=fault)
        return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        status, size_bytes = (reply.status, len(reply.body)) if reply else (None, 0)
        told = (request.method, request.target, operation, 1, status, len(request.body), size_bytes, request.body)
        self.log.add(Logged(*told, answered, fault))

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        last = urlsplit(request.target).path.rsplit("/", 1)[-1]
        return last if last in ("watch", "stop", "events", "token") else "event"

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of JSON."""
        return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is."""
        return body

    def _reply(self, request: Request) -> Reply:
        parts = urlsplit(request.target)
        steps = [unquote(step) for step in parts.path.strip("/").split("/")]
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not self.twin.authority.opens(headers.get("authorization", "").removeprefix("Bearer ")):
            return self._refused(401, "authError", "Invalid Credentials")
        if steps == ["calendar", "v3", "channels", "stop"] and request.method == "POST":
            return self._stop(json.loads(request.body))
        if steps[:3] != ["calendar", "v3", "calendars"] or steps[3] != self.twin.calendar or steps[4] != "events":
            return self._refused(404, "notFound", "Not Found")
        if len(steps) == 5:
            self.defects += query_faults("list", query)
            return self._list(query)
        if steps[5:] == ["watch"] and request.method == "POST":
            return self._watch(json.loads(request.body))
        self.defects += query_faults("get", query)
        found = self.twin.events.get(steps[5])
        return self._judged("Event", found) if found else self._refused(404, "notFound", "Not Found")

    def _list(self, query: dict[str, str]) -> Reply:
        token, page = query.pop("syncToken", ""), query.pop("pageToken", "")
        if token and NOT_WITH_TOKEN & set(query):
            return self._refused(400, "badRequest", "Sync token cannot be used with these parameters.")
        since, begun, offset = 0, self.twin.version, 0
        for text in (token, page):
            if not text:
                continue
            try:
                told = json.loads(urlsafe_b64decode(text))
                since, begun, offset = told.get("since", 0), told.get("begun", begun), told.get("offset", 0)
            except ValueError:
                return self._refused(400, "invalid", "Invalid token value.")
            if told["query"] != query:
                self.defects.append(f"a token of {told['query']} was used with {query}")
        if (token or page) and max(since, begun if page else 0) < self.twin.oldest:
            return self._refused(410, "fullSyncRequired", "Sync token is no longer valid, a full sync is required.")
        return self._page(query, bool(token), since, begun, offset)

    def _page(self, query: dict[str, str], is_sync: bool, since: int, begun: int, offset: int) -> Reply:
        is_sync = is_sync or since > 0
        found = [event for id, event in self.twin.events.items() if self.twin.changed[id] > since]
        shown = [event for event in found if is_sync or query.get("showDeleted") == "true" or _is_shown(event)]
        size = int(query.get("maxResults", "250"))
        if self.twin.empty_pages > 0 and offset == 0:
            self.twin.empty_pages -= 1
            size = 0
        rows, rest = shown[offset : offset + size], shown[offset + size :]
        told = {"since": since, "begun": begun, "offset": offset + size, "query": query}
        following = {"nextPageToken": _packed(told)} if rest or size == 0 else {
            "nextSyncToken": _packed({"since": begun, "query": query})
        }  # fmt: skip
        body = {
            "kind": "calendar#events", "etag": f'"p{self.twin.version}"', "summary": self.twin.calendar,
            "description": "", "updated": _stamp(self.twin.clock()), "timeZone": self.twin.zone, "accessRole": "owner",
            "defaultReminders": [], "items": rows, **following,
        }  # fmt: skip
        return self._judged("Events", body)

    def _watch(self, asked: dict[str, Any]) -> Reply:
        self.defects += body_faults("Channel", asked)
        if self.twin.refuses_watch:
            return self._refused(401, "push.webhookUrlUnauthorized", "Unauthorized WebHook callback channel")
        if asked["id"] in self.twin.channels:
            return self._refused(400, "channelIdNotUnique", "Channel id not unique")
        ends = self.twin.clock() + min(timedelta(seconds=int(asked["params"]["ttl"])), WATCH_LIFE)
        held = {
            "kind": "api#channel", "id": asked["id"], "resourceId": f"resource-{len(self.twin.channels) + 1}",
            "resourceUri": f"{self.twin.url}/calendar/v3/calendars/x/events?alt=json", "token": asked["token"],
            "expiration": str(int(ends.timestamp() * 1000)),
        }  # fmt: skip
        self.twin.channels[asked["id"]] = held
        return self._judged("Channel", held)

    def _stop(self, asked: dict[str, Any]) -> Reply:
        self.defects += body_faults("Channel", asked)
        held = self.twin.channels.get(asked["id"])
        if held is None or held["resourceId"] != asked["resourceId"]:
            return self._refused(404, "notFound", "Channel not found")
        self.twin.stopped.append(asked["id"])
        return Reply(204, b"")

    def _judged(self, schema: str, body: Any) -> Reply:
        self.defects += body_faults(schema, body)
        return self.reply(200, body)

    def _refused(self, status: int, reason: str, message: str) -> Reply:
        error = {"domain": "calendar", "reason": reason, "message": message}
        return self.reply(status, {"error": {"errors": [error], "code": status, "message": message}})


def limited(reason: str = "rateLimitExceeded") -> dict[str, Any]:
    """Return the body of a refusal because of a limit, which has status 403."""
    error = {"domain": "usageLimits", "reason": reason, "message": "Rate Limit Exceeded"}
    return {"error": {"errors": [error], "code": 403, "message": "Rate Limit Exceeded"}}


def _is_shown(event: Mapping[str, Any]) -> bool:
    return event["status"] != "cancelled" or "recurringEventId" in event


def _packed(told: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(told).encode()).decode()


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
