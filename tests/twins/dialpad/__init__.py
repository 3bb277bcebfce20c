"""A small Dialpad on a loopback socket: concluded calls, newest first, and transcripts with lines that nobody spoke.

An empty collection has no list, ids and times are texts, and a transcript that isn't there is a 404.

`webhook` is what Dialpad would post: a token, signed with the webhook's secret, and nothing beside it.

Source: Dialpad API v2, its OpenAPI description (`CallCollection`, `CallProto`, `TranscriptProto`), "Event
Subscriptions", "Call Events", read 2026-11.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt

from tests.twins.wire.passing import Log, Reply, Request
from tests.twins.wire.telling import TellingGateway, told
from tests.twins.wire.twin import Twin

TALK = (("Ann Lee", "How much is it?"), ("Rita Ray", "Four thousand."))
ANN, RITA = "ann@customer.test", "rita@ours.test"
USERS = {"Rita Ray": 77, "Sam Own": 78}


class DialpadTwin(Twin):
    """One company: `with DialpadTwin() as twin: ... twin.url ...`; `page` bounds what it puts on a page."""

    def __init__(self, token: str = "admin-key-of-the-twin", *, page: int = 50, port: int = 0) -> None:
        self.token, self.page = token, page
        self.hook_secret = "secret-of-the-webhook-of-the-twin"
        self.lock = threading.RLock()
        self.talks: dict[str, dict[str, Any]] = {}
        self.words: dict[str, list[dict[str, Any]]] = {}
        log = Log()
        self._telling = TellingGateway(self, log)
        super().__init__(self._telling, log, 0, port)

    # Hands ------------------------------------------------------------------------------------------------------

    def meets(self, at: datetime, talk: Sequence[tuple[str, str]] | None = TALK, title: str = "", **fields: Any) -> str:
        """Let somebody have called; without a talk its words aren't there yet. A title is nothing that calls have."""
        with self.lock:
            number, began = str(5_780_678_246_121_472 + len(self.talks)), int(at.timestamp() * 1000)
            self.talks[number] = {
                "call_id": number,
                "direction": "inbound",
                "state": "hangup",
                "date_started": str(began),
                "date_connected": str(began + 5_000),
                "date_ended": str(began + 305_000),
                "duration": 300_000.0,
                "total_duration": 305_000.0,
                "external_number": "+447700900123",
                "internal_number": "+442079460000",
                "contact": {"id": "c1", "name": "Ann Lee", "phone": "+447700900123", "type": "local", "email": ANN},
                "target": {"id": "77", "name": "Rita Ray", "phone": "+442079460000", "type": "user", "email": RITA},
                "recording_details": [{"url": "https://dialpad.example/opens-it"}],
                "transcription_text": "How much is it? Four thousand.",
                "was_recorded": True,
                **fields,
            }  # fmt: skip
            if talk is not None:
                self.transcribes(number, talk)
            return number

    def transcribes(self, call: str, talk: Sequence[tuple[str, str]]) -> None:
        """Let a call's words be there, with moments between them."""
        rows: list[dict[str, Any]] = [
            {"type": "moment", "content": "whole_call_summary", "name": "Rita Ray", "user_id": 77}
        ]
        for name, text in talk:
            who = (
                {"user_id": str(USERS[name])} if name in USERS else {"contact_id": "c1" if name == "Ann Lee" else name}
            )
            rows.append({"type": "transcript", "time": "2026-11-22T08:30:05", "name": name, "content": text, **who})
        self.words[call] = [*rows, {"type": "ai_question", "content": "Was a price named?"}]

    def event(self, call: str, at: datetime, state: str = "call_transcription") -> bytes:
        """Return what Dialpad tells of a call, before it is signed."""
        return json.dumps({**self.talks[call], "state": state, "event_timestamp": int(at.timestamp() * 1000)}).encode()

    def webhook(self, call: str, at: datetime, state: str = "call_transcription") -> bytes:
        """Return what Dialpad posts of a call."""
        return enveloped(self.event(call, at, state), self.hook_secret)

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """Return the head of an event, which vouches for nothing."""
        return {"content-type": "application/jwt"}

    # Answers ----------------------------------------------------------------------------------------------------

    def named(self, request: Request) -> str:
        """Return what is asked for."""
        return "calls" if urlsplit(request.target).path == "/api/v2/call" else "transcript"

    def respond(self, request: Request) -> Reply:
        """Answer one request."""
        parts = urlsplit(request.target)
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return told(401, {"error": {"code": 401, "message": "Unauthorized"}})
        if parts.path == "/api/v2/call":
            return self._calls({name: values[-1] for name, values in parse_qs(parts.query).items()})
        id = parts.path.removeprefix("/api/v2/transcripts/")
        if id in self.words:
            return told(200, {"call_id": id, "lines": self.words[id]})
        return told(404, {"error": {"code": 404, "message": "not found"}})

    def _calls(self, query: Mapping[str, str]) -> Reply:
        after, before = int(query["started_after"]), int(query["started_before"])
        rows = [row for row in self.talks.values() if after < int(row["date_started"]) < before]
        rows.sort(key=lambda row: (int(row["date_started"]), row["call_id"]), reverse=True)
        begin = int(query.get("cursor", "0"))
        shown = rows[begin : begin + self.page]
        more = {"cursor": str(begin + self.page)} if begin + self.page < len(rows) else {}
        return told(200, {**({"items": shown} if shown else {}), **more})


def enveloped(payload: bytes, secret: str, alg: str = "HS256") -> bytes:
    """Return a token that holds bytes."""
    return jwt.PyJWS().encode(payload, secret, algorithm=alg).encode()
