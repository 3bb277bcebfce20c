"""A small Fireflies on a loopback socket: meetings, their sentences, and the two queries that the channel asks.

The queries are read as GraphQL is written (the field asked for, its variables, the selected names), so that a name
which the published schema lacks is a defect and an answer holds what was asked for and nothing else. What people do are
methods; `webhook` is what Fireflies would post.

Source: docs.fireflies.ai, queries `transcripts` and `transcript`, schemas Transcript, Sentence, MeetingAttendee, User,
"Error codes", "Webhooks V2", read 2026-11.
"""

import hmac
import json
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.twins.wire.passing import Log, Reply, Request
from tests.twins.wire.telling import TellingGateway, told
from tests.twins.wire.twin import Twin

TRANSCRIPT = frozenset(
    {
        "id", "title", "date", "dateString", "duration", "privacy", "host_email", "organizer_email", "participants",
        "user", "meeting_attendees", "sentences", "speakers", "transcript_url", "meeting_link", "calendar_id",
    }
)  # fmt: skip
PARTS = {
    "user": {"user_id", "name", "email"},
    "meeting_attendees": {"displayName", "email", "name", "phoneNumber", "location"},
    "sentences": {"index", "speaker_id", "speaker_name", "text", "raw_text", "start_time", "end_time", "ai_filters"},
}
PAGE = 50


class FirefliesTwin(Twin):
    """One account: `with FirefliesTwin() as twin: ... twin.url ...`."""

    def __init__(self, token: str = "api-key-of-the-twin", *, port: int = 0) -> None:
        self.token, self.lock = token, threading.RLock()
        self.hook_secret = "signing-secret-of-the-twin"
        self.meetings: dict[str, dict[str, Any]] = {}
        log = Log()
        self._telling = TellingGateway(self, log)
        super().__init__(self._telling, log, 0, port)

    # Hands ------------------------------------------------------------------------------------------------------

    def meets(
        self,
        at: datetime,
        talk: Sequence[tuple[str, str]] | None = (("Ann Lee", "How much is it?"), ("Rita Ray", "Four thousand.")),
        title: str = "Demo",
        **fields: Any,
    ) -> str:
        """Let a meeting have been held; without a talk its words aren't there yet."""
        with self.lock:
            number = f"ff{len(self.meetings) + 1:08d}"
            self.meetings[number] = {
                "id": number,
                "title": title,
                "date": int(at.timestamp() * 1000),
                "duration": 31.5,
                "privacy": "teammates",
                "host_email": "rita@ours.test",
                "organizer_email": "rita@ours.test",
                "participants": ["rita@ours.test", "ann@customer.test"],
                "user": {"user_id": "u1", "name": "Rita Ray", "email": "rita@ours.test"},
                "meeting_attendees": [
                    {"displayName": "Ann Lee", "email": "ann@customer.test", "name": None},
                    {"displayName": None, "email": "rita@ours.test", "name": None},
                ],
                "sentences": None,
                **fields,
            }
            if talk is not None:
                self.transcribes(number, talk)
            return number

    def transcribes(self, meeting: str, talk: Sequence[tuple[str, str]]) -> None:
        """Let a meeting's words be there."""
        with self.lock:
            names = list(dict.fromkeys(name for name, _ in talk))
            self.meetings[meeting]["sentences"] = [
                {
                    "index": index,
                    "speaker_id": names.index(name),
                    "speaker_name": name,
                    "text": text,
                    "raw_text": text,
                    "start_time": index * 4.0,
                    "end_time": index * 4.0 + 3,
                    "ai_filters": None,
                }
                for index, (name, text) in enumerate(talk)
            ]

    def webhook(self, meeting: str, at: datetime, event: str = "meeting.transcribed") -> bytes:
        """Return what Fireflies posts of a meeting."""
        return json.dumps({"event": event, "timestamp": int(at.timestamp() * 1000), "meeting_id": meeting}).encode()

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """Return the head by which Fireflies signs a body, whenever it does."""
        digest = hmac.new(self.hook_secret.encode(), body, "sha256").hexdigest()
        return {"x-hub-signature": f"sha256={digest}", "content-type": "application/json"}

    # Answers ----------------------------------------------------------------------------------------------------

    def named(self, request: Request) -> str:
        """Return the query's field."""
        found = re.search(rb"\{ (transcripts?)\(", request.body)
        return found[1].decode() if found else "?"

    def respond(self, request: Request) -> Reply:
        """Answer one query."""
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return self._refusal(401, "auth_failed")
        if (request.method, request.target) != ("POST", "/graphql"):
            return told(404, {"message": "not found"})
        asked = json.loads(request.body)
        query, variables = asked["query"], asked["variables"]
        fields = self._selected(query)
        if self.named(request) == "transcripts":
            return told(200, {"data": {"transcripts": [self._shown(m, fields) for m in self._listed(variables)]}})
        meeting = self.meetings.get(variables["id"])
        if meeting is None:
            return self._refusal(200, "object_not_found")
        return told(200, {"data": {"transcript": self._shown(meeting, fields)}})

    def whole(self, meeting: str, query: str) -> bytes:
        """Return the answer to a query about one meeting, as the API's bytes."""
        return told(200, {"data": {"transcript": self._shown(self.meetings[meeting], self._selected(query))}}).body

    def _listed(self, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        if not 1 <= variables.get("limit", PAGE) <= PAGE:
            self._telling.defects.append("the list is asked for more than 50 at once")
        since, until = (_at(variables[name]) for name in ("fromDate", "toDate"))
        rows = [row for row in self.meetings.values() if since <= row["date"] / 1000 <= until]
        rows.sort(key=lambda row: (row["date"], row["id"]), reverse=True)
        skip = variables.get("skip", 0)
        return rows[skip : skip + variables.get("limit", PAGE)]

    def _selected(self, query: str) -> dict[str, list[str]]:
        """The selected names, with those below each; one that the schema lacks is a defect of whoever asks."""
        inner = query[query.index("{", query.index("(", query.index("{"))) + 1 :]
        found: dict[str, list[str]] = {}
        for name, below in re.findall(r"(\w+)(?: \{ ([\w ]+) \})?", inner):
            found[name] = below.split()
            if name not in TRANSCRIPT or set(found[name]) - PARTS.get(name, set()):
                self._telling.defects.append(f"the schema has no {name} {found[name]}")
            if (name in PARTS) != bool(found[name]):
                self._telling.defects.append(f"{name} must, or must not, have names below it")
        return found

    def _shown(self, meeting: Mapping[str, Any], fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        return {name: _below(meeting.get(name), below) for name, below in fields.items()}

    def _refusal(self, status: int, code: str) -> Reply:
        error = {"message": "refused", "code": code, "extensions": {"code": code, "status": status}}
        return told(status, {"errors": [error]})


def _below(value: Any, names: Sequence[str]) -> Any:
    if not names or value is None:
        return value
    if isinstance(value, list):
        return [_below(row, names) for row in value]
    return {name: value.get(name) for name in names}


def _at(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()
