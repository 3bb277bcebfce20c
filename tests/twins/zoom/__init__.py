"""A small Zoom account on a loopback socket: its app's tokens, users, recordings, participants and transcript files.

Pages, spans of days, double encoding and the token's place are as Zoom's documentation has them; what it would refuse
(a span over a month, more than 300 rows, a uuid encoded once too little) is refused here. The file of a transcript is
handed out at another path of the same socket after a redirect, as Zoom does it. `webhook` is what Zoom would post.

Source: developers.zoom.us, "Server-to-Server OAuth", Meeting API, "Using webhooks", read 2026-11.
"""

import base64
import hmac
import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from tests.twins.wire.passing import Log, Reply, Request
from tests.twins.wire.telling import TellingGateway, told
from tests.twins.wire.twin import Twin

TALK = (("Ann Lee", "How much is it?"), ("Rita Ray", "Four thousand."))


class ZoomTwin(Twin):
    """One account: `with ZoomTwin() as twin: ... twin.url ...`; `page` bounds what it puts on a page."""

    def __init__(self, token: str = "app-secret-of-the-twin", *, page: int = 300, port: int = 0) -> None:
        self.token, self.account, self.client, self.page = token, "acc-1", "client-1", page
        self.hook_secret = "secret-token-of-the-twin"
        self.lock = threading.RLock()
        self.users = [{"id": "host-1", "email": "rita@ours.test", "status": "active"}]
        self.meetings: dict[str, dict[str, Any]] = {}
        self.people: dict[str, list[dict[str, Any]]] = {}
        self.files: dict[str, bytes] = {}
        self.given: list[str] = []
        log = Log()
        self._telling = TellingGateway(self, log)
        super().__init__(self._telling, log, 0, port)

    # Hands ------------------------------------------------------------------------------------------------------

    def meets(
        self,
        at: datetime,
        talk: Sequence[tuple[str, str]] | None = TALK,
        title: str = "Demo",
        *,
        uuid: str | None = None,
        number: int = 812345678,
        host: str = "host-1",
        people: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """Let a meeting have been held and recorded; without a talk its transcript isn't there yet."""
        with self.lock:
            uuid = uuid or f"{len(self.meetings) + 1:06d}AAAiAAAAAiAiAiiAii=="
            self.meetings[uuid] = {
                "uuid": uuid,
                "id": number,
                "account_id": self.account,
                "host_id": host,
                "host_email": next(user["email"] for user in self.users if user["id"] == host),
                "topic": title,
                "type": 8,
                "start_time": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "timezone": "Europe/London",
                "duration": 31,
                "recording_files": [self._file(uuid, "MP4", "completed")],
            }
            told = people or (
                {"id": "p1", "name": "Rita Ray", "user_email": "rita@ours.test", "internal_user": True},
                {"id": "", "name": "Ann Lee", "user_email": "ann@customer.test", "internal_user": False},
                {"id": "", "name": "Ann Lee", "user_email": "ann@customer.test", "internal_user": False},
            )
            self.people[uuid] = [dict(person) for person in told]
            if talk is not None:
                self.transcribes(uuid, talk)
            return uuid

    def transcribes(self, uuid: str, talk: Sequence[tuple[str, str]], status: str = "completed") -> str:
        """Let a meeting's words be there; several times for a recording that was paused. Return the file's id."""
        with self.lock:
            file = self._file(uuid, "TRANSCRIPT", status)
            self.meetings[uuid]["recording_files"].append(file)
            self.files[file["id"]] = vtt(talk)
            return str(file["id"])

    def transcript(self, uuid: str) -> bytes:
        """Return the file of a meeting's first words."""
        files = self.meetings[uuid]["recording_files"]
        return self.files[next(file["id"] for file in files if file["file_type"] == "TRANSCRIPT")]

    def webhook(self, uuid: str, at: datetime, event: str = "recording.transcript_completed") -> bytes:
        """Return what Zoom posts of a meeting."""
        body = {
            "event": event,
            "event_ts": int(at.timestamp() * 1000),
            "payload": {"account_id": self.account, "object": self.meetings[uuid]},
            "download_token": "eyJhbGciOiJIUzUxMiJ9.download.token",
        }
        return json.dumps(body).encode()

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """Return the head by which Zoom signs a body."""
        stamp = str(int(at.timestamp()))
        digest = hmac.new(self.hook_secret.encode(), f"v0:{stamp}:".encode() + body, "sha256").hexdigest()
        return {"x-zm-request-timestamp": stamp, "x-zm-signature": f"v0={digest}", "content-type": "application/json"}

    def _file(self, uuid: str, kind: str, status: str) -> dict[str, Any]:
        count = sum(len(meeting.get("recording_files", ())) for meeting in self.meetings.values())
        id = f"file-{count + 1}-{kind.lower()}"
        opens = {"download_url": f"{self.url}/rec/download/{id}", "play_url": f"{self.url}/rec/play/{id}"}
        return {"id": id, "meeting_id": uuid, "file_type": kind, "status": status, "file_size": 4123, **opens}

    # Answers ----------------------------------------------------------------------------------------------------

    def named(self, request: Request) -> str:
        """Return what is asked for."""
        path = urlsplit(request.target).path
        return "token" if path == "/oauth/token" else "download" if path.startswith("/rec/") else path.split("/")[-1]

    def respond(self, request: Request) -> Reply:
        """Answer one request."""
        parts = urlsplit(request.target)
        if parts.path == "/oauth/token":
            return self._grant(request)
        if parts.path.startswith("/rec/onward/"):
            return self._onward(parts.path.rsplit("/", 1)[-1], request)
        if request.headers.get("authorization", "") not in {f"Bearer {token}" for token in self.given}:
            return told(401, {"code": 124, "message": "Invalid access token."})
        if parts.path.startswith("/rec/download/"):
            return told(302, b"", {"Location": f"/rec/onward/{parts.path.rsplit('/', 1)[-1]}"})
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return self._answer(parts.path.strip("/").split("/"), query)

    def _answer(self, steps: Sequence[str], query: Mapping[str, str]) -> Reply:
        if int(query.get("page_size", "30")) > 300:
            self._telling.defects.append("more than 300 rows are asked for")
        if steps == ["v2", "users"]:
            return self._paged("users", [user for user in self.users if user["status"] == query["status"]], query)
        if len(steps) == 4 and steps[:2] == ["v2", "users"] and steps[3] == "recordings":
            return self._recordings(unquote(steps[2]), query)
        if len(steps) == 4 and steps[:2] == ["v2", "past_meetings"] and steps[3] == "participants":
            return self._participants(steps[2], query)
        return told(404, {"code": 2300, "message": "This API endpoint is not recognized."})

    def _grant(self, request: Request) -> Reply:
        known = base64.b64encode(f"{self.client}:{self.token}".encode()).decode()
        form = dict(parse_qsl(request.body.decode()))
        if request.headers.get("authorization") != f"Basic {known}":
            return told(401, {"reason": "Invalid client_id or client_secret", "error": "invalid_client"})
        if form != {"grant_type": "account_credentials", "account_id": self.account}:
            return told(400, {"reason": "Bad Request", "error": "invalid_request"})
        self.given.append(f"access-{len(self.given) + 1}")
        return told(200, {"access_token": self.given[-1], "token_type": "bearer", "expires_in": 3599, "scope": "x"})

    def _recordings(self, user: str, query: Mapping[str, str]) -> Reply:
        first, last = date.fromisoformat(query["from"]), date.fromisoformat(query["to"])
        if not first <= last <= first + timedelta(days=31):
            return told(400, {"code": 300, "message": "The date range is more than a month."})
        owner = next((u["id"] for u in self.users if user in (u["id"], u["email"])), None)
        if owner is None:
            return told(404, {"code": 1001, "message": "User does not exist."})
        rows = [m for m in self.meetings.values() if m["host_id"] == owner]
        rows = [m for m in rows if first <= datetime.fromisoformat(m["start_time"]).date() <= last]
        return self._paged("meetings", sorted(rows, key=lambda m: str(m["start_time"]), reverse=True), query)

    def _participants(self, step: str, query: Mapping[str, str]) -> Reply:
        once = unquote(step)
        uuid = unquote(once) if unquote(once) != once else once
        if (uuid.startswith("/") or "//" in uuid) and once == uuid:
            return told(404, {"code": 3001, "message": "Meeting does not exist."})
        if uuid not in self.people:
            return told(404, {"code": 3001, "message": "Meeting does not exist."})
        return self._paged("participants", self.people[uuid], query)

    def _onward(self, id: str, request: Request) -> Reply:
        """The host that keeps files, which takes its permission from the address."""
        if id not in self.files:
            return told(404, b"")
        return told(200, self.files[id], {"Content-Type": "text/vtt"})

    def _paged(self, name: str, rows: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> Reply:
        begin = int(query.get("next_page_token", "page-0").removeprefix("page-"))
        size = min(self.page, int(query.get("page_size", "30")))
        more = f"page-{begin + size}" if begin + size < len(rows) else ""
        return told(200, {"page_size": size, "next_page_token": more, name: list(rows[begin : begin + size])})


def vtt(talk: Sequence[tuple[str, str]]) -> bytes:
    """Return a transcript as Zoom writes it: no voice tags, each cue begins with a name."""
    cues = [
        f"{n + 1}\r\n00:00:{n % 60:02}.280 --> 00:00:{n % 60:02}.910\r\n{name}: {words}\r\n"
        for n, (name, words) in enumerate(talk)
    ]
    return ("WEBVTT\r\n\r\n" + "\r\n".join(cues)).encode()
