"""A small Cal.com on a loopback socket: bookings, its list as API v2 pages it, and the webhooks that it posts.

What it answers is held against the shapes of Cal.com's published description (`Booking` below says the same in
pydantic): an answer that they don't fit is a defect of the twin, which raises when it is closed. What people do in
Cal.com are methods here, and `webhook` returns what Cal.com would post.

Source: calcom/cal.com (packages/platform/types/bookings/2024-08-13/outputs, webhooks v2021-10-20) and cal.com/docs (get
all bookings; webhooks, whose MEETING_ENDED has no payload), read 2026-11.
"""

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from tests.twins.wire.passing import Log, Reply, Request
from tests.twins.wire.telling import TellingGateway, told
from tests.twins.wire.twin import Twin

HOST = {"id": 1, "name": "Rita Ray", "email": "rita@ours.test", "username": "rita", "timeZone": "Europe/London"}
STATUS = {"accepted": "ACCEPTED", "cancelled": "CANCELLED", "rejected": "REJECTED", "pending": "PENDING"}


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow", alias_generator=to_camel)


class Attendee(_Shape):
    """Somebody who comes, as the description has it."""

    name: str
    email: str
    time_zone: str
    absent: bool


class Booking(_Shape):
    """A booking, as the description has it."""

    id: int
    uid: str
    title: str
    description: str
    hosts: list[dict[str, Any]]
    status: Literal["cancelled", "accepted", "rejected", "pending"]
    start: AwareDatetime
    end: AwareDatetime
    duration: int
    event_type_id: int
    event_type: dict[str, Any]
    location: str
    absent_host: bool
    created_at: AwareDatetime
    updated_at: AwareDatetime
    attendees: list[Attendee]
    booking_fields_responses: dict[str, Any]
    ics_uid: str | None = None
    rescheduled_from_uid: str | None = None
    rescheduled_to_uid: str | None = None


_BOOKINGS = TypeAdapter(list[Booking])


def stamp(at: datetime) -> str:
    """Return a time as Cal.com writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class CalcomTwin(Twin):
    """One user: `with CalcomTwin() as twin: ... twin.url ...`; `most` bookings stand on a page."""

    def __init__(self, token: str = "cal_live_key_of_the_twin", *, most: int = 250, port: int = 0) -> None:
        self.token, self.most = token, most
        self.lock = threading.RLock()
        self.bookings: dict[str, dict[str, Any]] = {}
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
        zone: str = "Europe/London",
        answers: Mapping[str, Any] | None = None,
        attendee: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """Let somebody book; `attendee` are more fields of whoever books. Return the booking's uid."""
        with self.lock:
            number = len(self.bookings) + 1
            uid, guest = f"bk{number:05}", {"name": name, "email": email, "timeZone": zone, "absent": False}
            self.bookings[uid] = {
                "id": number,
                "uid": uid,
                "title": "Consultation between Rita Ray and Ann Lee",
                "description": "",
                "hosts": [HOST],
                "status": "accepted",
                "start": stamp(start),
                "end": stamp(start + timedelta(minutes=30)),
                "duration": 30,
                "eventTypeId": 50,
                "eventType": {"id": 50, "slug": "consultation"},
                "location": "integrations:daily",
                "absentHost": False,
                "createdAt": stamp(at),
                "updatedAt": stamp(at),
                "attendees": [{**guest, "language": "en", **(attendee or {})}],
                "bookingFieldsResponses": {"name": name, "email": email, **(answers or {})},
                "icsUid": f"{uid}@Cal.com",
                "metadata": {},
                **fields,
            }
            return uid

    def moves(self, uid: str, start: datetime, at: datetime) -> str:
        """Let a booking be moved; return the new one, under the same iCalendar UID."""
        with self.lock:
            old = self.bookings[uid]
            who = old["attendees"][0]
            again = {"name": who["name"], "email": who["email"], "icsUid": old["icsUid"], "rescheduledFromUid": uid}
            new = self.books(start, at, **again)
            old |= {"status": "cancelled", "rescheduledToUid": new, "updatedAt": stamp(at)}
            return new

    def cancels(self, uid: str, at: datetime, *, by: str = "ann@customer.test", reason: str = "") -> None:
        """Let somebody call off."""
        ended = {"status": "cancelled", "cancellationReason": reason, "cancelledByEmail": by}
        self.bookings[uid] |= {**ended, "updatedAt": stamp(at)}

    def answers(self, uid: str, at: datetime, *, accepted: bool) -> None:
        """Let the host confirm or decline a request."""
        self.bookings[uid] |= {"status": "accepted" if accepted else "rejected", "updatedAt": stamp(at)}

    def misses(self, uid: str, at: datetime) -> None:
        """Let the host mark whoever booked as absent."""
        self.bookings[uid]["attendees"][0]["absent"] = True
        self.bookings[uid]["updatedAt"] = stamp(at)

    def webhook(self, event: str, uid: str, at: datetime, **extra: Any) -> bytes:
        """Return what Cal.com posts of a booking."""
        with self.lock:
            row = self.bookings[uid]
            if event == "BOOKING_NO_SHOW_UPDATED":
                absent = [{"email": one["email"], "noShow": one["absent"]} for one in row["attendees"]]
                payload: dict[str, Any] = {"bookingUid": uid, "bookingId": row["id"], "attendees": absent}
                return self._posted(event, at, {"payload": {**payload, "message": "marked as no-show"}})
            responses = {name: {"label": name, "value": value} for name, value in row["bookingFieldsResponses"].items()}
            same = {"uid": uid, "title": row["title"], "startTime": row["start"], "endTime": row["end"]}
            if event == "MEETING_ENDED":
                people = [{"id": 1, "noShow": False, **one} for one in row["attendees"]]
                flat = {"id": row["id"], "userPrimaryEmail": HOST["email"], "attendees": people, "status": "ACCEPTED"}
                return self._posted(event, at, {**same, **flat, "responses": responses, "iCalUID": row["icsUid"]})
            payload = {
                **same,
                "type": "consultation",
                "organizer": {**HOST, "utcOffset": 0},
                "attendees": [{**one, "firstName": one["name"], "utcOffset": 0} for one in row["attendees"]],
                "responses": responses,
                "status": STATUS[row["status"]],
                "bookingId": row["id"],
                "iCalUID": row["icsUid"],
                "iCalSequence": 0,
            }
            if event == "BOOKING_RESCHEDULED":
                old = self.bookings[row["rescheduledFromUid"]]
                payload |= {"rescheduleUid": old["uid"], "rescheduleId": old["id"], "rescheduleStartTime": old["start"]}
                del payload["iCalUID"]  # the published example has none
            if event == "BOOKING_CANCELLED":
                payload |= {"cancelledBy": row["cancelledByEmail"], "cancellationReason": row["cancellationReason"]}
            return self._posted(event, at, {"payload": {**payload, **extra}})

    def _posted(self, event: str, at: datetime, body: Mapping[str, Any]) -> bytes:
        return json.dumps({"triggerEvent": event, "createdAt": stamp(at), **body}).encode()

    # Answers ----------------------------------------------------------------------------------------------------

    def named(self, request: Request) -> str:
        """Return what is asked for."""
        return urlsplit(request.target).path.rsplit("/", 1)[-1]

    def respond(self, request: Request) -> Reply:
        """Answer one request."""
        parts = urlsplit(request.target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _refusal(401, "UnauthorizedException", "Invalid API Key")
        if request.headers.get("cal-api-version") != "2024-08-13":
            return _refusal(404, "NotFoundException", f"Cannot GET {parts.path}")
        if request.method != "GET" or parts.path != "/v2/bookings":
            return _refusal(404, "NotFoundException", f"Cannot GET {parts.path}")
        return self._listed(query)

    def _listed(self, query: Mapping[str, str]) -> Reply:
        after = datetime.fromisoformat(query["afterUpdatedAt"])
        found = [row for row in self.bookings.values() if datetime.fromisoformat(row["updatedAt"]) >= after]
        found.sort(key=lambda row: (row["updatedAt"], row["id"]), reverse=query.get("sortUpdatedAt") == "desc")
        begin, size = int(query.get("skip", "0")), min(int(query.get("take", "100")), self.most)
        if int(query.get("take", "100")) > 250:
            self._telling.defects.append("more than 250 bookings are asked for at once")
        rows = json.loads(json.dumps(found[begin : begin + size]))
        try:
            _BOOKINGS.validate_python(rows)
        except ValidationError as error:
            self._telling.defects.append(str(error))
        page = {"totalItems": len(found), "returnedItems": len(rows), "itemsPerPage": size}
        page |= {"hasNextPage": begin + size < len(found), "hasPreviousPage": begin > 0}
        return told(200, {"status": "success", "data": rows, "pagination": page})


def _refusal(status: int, code: str, message: str) -> Reply:
    return told(status, {"status": "error", "error": {"code": code, "message": message}})
