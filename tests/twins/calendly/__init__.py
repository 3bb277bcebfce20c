"""A small Calendly on a loopback socket: events, invitees, its lists as its API pages them, and the webhooks it posts.

What it answers is held against the shapes of Calendly's published description as a generated client has them (`Event`,
`Invitee` below say the same in pydantic): an answer that they don't fit is a defect of the twin, which raises when it
is closed. What people do in Calendly are methods here, and `webhook` returns what Calendly would post.

Source: developer.calendly.com and speakeasy-sdks/calendly-python (models/shared/event.py, invitee.py), read 2026-11:
pages of at most 100 with a token, events by `min_start_time`, invitees by event; moving makes a new event and invitee.
"""

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from tests.twins.wire.passing import Log, Reply, Request
from tests.twins.wire.telling import TellingGateway, told
from tests.twins.wire.twin import Twin

API = "https://api.calendly.com"
ORGANIZATION, USER = f"{API}/organizations/ORGTWIN", f"{API}/users/RITA"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow")


class Cancellation(_Shape):
    """Who called off, as the description has it."""

    canceled_by: str
    reason: str | None
    canceler_type: Literal["host", "invitee"]


class Event(_Shape):
    """An event, as the description has it."""

    uri: str
    name: str
    status: Literal["active", "canceled"]
    start_time: AwareDatetime
    end_time: AwareDatetime
    event_type: str
    location: dict[str, Any]
    invitees_counter: dict[str, int]
    created_at: AwareDatetime
    updated_at: AwareDatetime
    event_memberships: list[dict[str, str]]
    event_guests: list[dict[str, str]]
    cancellation: Cancellation | None = None


class Invitee(_Shape):
    """An invitee, as the description has it."""

    uri: str
    email: str
    name: str
    first_name: str | None
    last_name: str | None
    status: Literal["active", "canceled"]
    timezone: str
    event: str
    created_at: AwareDatetime
    updated_at: AwareDatetime
    rescheduled: bool
    old_invitee: str | None
    new_invitee: str | None
    cancel_url: str
    reschedule_url: str
    text_reminder_number: str | None
    questions_and_answers: list[dict[str, Any]]
    tracking: dict[str, Any]
    no_show: dict[str, str] | None
    cancellation: Cancellation | None = None


_SHAPES: Mapping[str, TypeAdapter[Any]] = {
    "events": TypeAdapter(list[Event]),
    "invitees": TypeAdapter(list[Invitee]),
}


def stamp(at: datetime) -> str:
    """Return a time as Calendly writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class CalendlyTwin(Twin):
    """One organization: `with CalendlyTwin() as twin: ... twin.url ...`."""

    def __init__(self, token: str = "personal-token-of-the-twin", *, page: int = 100, port: int = 0) -> None:
        self.token, self.page = token, page
        self.lock = threading.RLock()
        self.events: dict[str, dict[str, Any]] = {}
        self.invitees: dict[str, dict[str, Any]] = {}
        log = Log()
        self._telling = TellingGateway(self, log)
        super().__init__(self._telling, log, 0, port)

    # Hands ------------------------------------------------------------------------------------------------------

    def books(
        self,
        start: datetime,
        at: datetime,
        *,
        name: str = "Ann Lee",
        email: str = "ann@customer.test",
        event: str | None = None,
        about: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """Let somebody book, a new event unless one is given; `about` are fields of the event. Return the invitee."""
        with self.lock:
            number = len(self.invitees) + 1
            event = event or self._opens(start, at, about or {})
            id, uri = f"INV{number:05}", self.events[event]["uri"]
            self.invitees[id] = {
                "uri": f"{uri}/invitees/{id}",
                "event": uri,
                "email": email,
                "name": name,
                "first_name": None,
                "last_name": None,
                "status": "active",
                "timezone": "Europe/London",
                "created_at": stamp(at),
                "updated_at": stamp(at),
                "rescheduled": False,
                "old_invitee": None,
                "new_invitee": None,
                "cancel_url": f"https://calendly.com/cancellations/{id}",
                "reschedule_url": f"https://calendly.com/reschedulings/{id}",
                "text_reminder_number": None,
                "questions_and_answers": [],
                "tracking": {"utm_source": None, "salesforce_uuid": None},
                "no_show": None,
                "payment": None,
                "routing_form_submission": None,
                **fields,
            }
            self.events[event]["updated_at"] = stamp(at)
            return id

    def moves(self, invitee: str, start: datetime, at: datetime) -> str:
        """Let an invitee move to another time; return the new invitee."""
        with self.lock:
            old = self.invitees[invitee]
            more = {"questions_and_answers": old["questions_and_answers"], "old_invitee": old["uri"]}
            new = self.books(start, at, name=old["name"], email=old["email"], **more)
            self._ends(invitee, at, "invitee", "")
            old |= {"rescheduled": True, "new_invitee": self.invitees[new]["uri"]}
            return new

    def cancels(self, invitee: str, at: datetime, *, by: str = "invitee", reason: str = "") -> None:
        """Let the invitee, or the host, call off."""
        with self.lock:
            self._ends(invitee, at, by, reason)

    def misses(self, invitee: str, at: datetime) -> None:
        """Let the host mark somebody as a no-show."""
        number = len([row for row in self.invitees.values() if row["no_show"]]) + 1
        self.invitees[invitee]["no_show"] = {"uri": f"{API}/invitee_no_shows/NS{number}", "created_at": stamp(at)}

    def unmarks(self, invitee: str) -> None:
        """Let the host take a mark back."""
        self.invitees[invitee]["no_show"] = None

    def webhook(self, event: str, invitee: str, at: datetime) -> bytes:
        """Return what Calendly posts of an invitee."""
        with self.lock:
            row = self.invitees[invitee]
            payload = {**row, "scheduled_event": self.events[_last(row["event"])]}
            body = {"event": event, "created_at": stamp(at), "created_by": USER, "payload": payload}
            return json.dumps(body).encode()

    def forgets(self, invitee: str) -> None:
        """Lose an invitee, as after a request for deletion."""
        del self.invitees[invitee]

    def _opens(self, start: datetime, at: datetime, about: Mapping[str, Any]) -> str:
        id = f"EVT{len(self.events) + 1:05}"
        self.events[id] = {
            "uri": f"{API}/scheduled_events/{id}",
            "name": "Consultation",
            "status": "active",
            "start_time": stamp(start),
            "end_time": stamp(start + timedelta(minutes=30)),
            "event_type": f"{API}/event_types/CONSULT",
            "location": {"type": "physical", "location": "1 High Street"},
            "invitees_counter": {"total": 1, "active": 1, "limit": 1},
            "created_at": stamp(at),
            "updated_at": stamp(at),
            "event_memberships": [{"user": USER, "user_email": "rita@ours.test", "user_name": "Rita Ray"}],
            "event_guests": [],
            "calendar_event": None,
            **about,
        }
        return id

    def _ends(self, invitee: str, at: datetime, by: str, reason: str) -> None:
        row = self.invitees[invitee]
        cause = {"canceled_by": row["name"], "reason": reason, "canceler_type": by, "created_at": stamp(at)}
        row |= {"status": "canceled", "cancellation": cause, "updated_at": stamp(at)}
        self.events[_last(row["event"])] |= {"status": "canceled", "cancellation": cause, "updated_at": stamp(at)}

    # Answers ----------------------------------------------------------------------------------------------------

    def named(self, request: Request) -> str:
        """Return what is asked for."""
        return urlsplit(request.target).path.rsplit("/", 1)[-1]

    def respond(self, request: Request) -> Reply:
        """Answer one request."""
        parts = urlsplit(request.target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        steps = parts.path.strip("/").split("/")
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return told(401, {"title": "Unauthenticated", "message": "The access token is invalid"})
        if request.method == "GET" and steps == ["users", "me"]:
            return told(200, {"resource": {"uri": USER, "current_organization": ORGANIZATION, "timezone": "UTC"}})
        if request.method == "GET" and steps == ["scheduled_events"]:
            return self._events(query)
        if request.method == "GET" and len(steps) == 2 and steps[1] in self.events:
            return told(200, {"resource": self.events[steps[1]]})
        if request.method == "GET" and len(steps) == 3 and steps[2] == "invitees" and steps[1] in self.events:
            uri = self.events[steps[1]]["uri"]
            rows = [row for row in self.invitees.values() if row["event"] == uri]
            return self._page("invitees", sorted(rows, key=lambda row: str(row["created_at"])), query)
        return told(404, {"title": "Resource Not Found", "message": "The server could not find the resource."})

    def _events(self, query: Mapping[str, str]) -> Reply:
        whose = (query.get("organization"), query.get("user"))
        if whose not in ((ORGANIZATION, None), (None, USER)):
            return told(403, {"title": "Permission Denied", "message": "You do not have permission"})
        since = datetime.fromisoformat(query["min_start_time"])
        rows = [row for row in self.events.values() if datetime.fromisoformat(row["start_time"]) >= since]
        is_down = query.get("sort") == "start_time:desc"
        return self._page("events", sorted(rows, key=lambda row: str(row["start_time"]), reverse=is_down), query)

    def _page(self, what: str, rows: list[dict[str, Any]], query: Mapping[str, str]) -> Reply:
        begin, size = int(query.get("page_token", "0")), min(int(query.get("count", "20")), self.page)
        if int(query.get("count", "20")) > 100:
            self._telling.defects.append("more than 100 rows are asked for at once")
        shown = rows[begin : begin + size]
        try:
            _SHAPES[what].validate_python(shown)
        except ValidationError as error:
            self._telling.defects.append(f"{what}: {error}")
        token = str(begin + size) if begin + size < len(rows) else None
        address = f"{API}/{what}?page_token={token}" if token else None
        pagination = {"count": len(shown), "next_page": address, "next_page_token": token}
        return told(200, {"collection": json.loads(json.dumps(shown)), "pagination": pagination})


def _last(uri: str) -> str:
    return uri.rsplit("/", 1)[-1]
