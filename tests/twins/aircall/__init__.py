"""A small Aircall on a loopback socket: calls as its lists page them, and transcriptions that come late.

Pages of 50, a list of `most` calls at most whatever the page, a 404 for a transcription that isn't there.

`webhook` is what Aircall would post: the token of the webhook in the body, and no signature.

Source: developer.aircall.io (Calls, Conversation Intelligence, Webhooks) and its help's page on lists, read 2026-11;
the shape of a call as in a payload that somebody published.
"""

import base64
import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.twins.wire.passing import Log, Reply, Request
from tests.twins.wire.telling import TellingGateway, told
from tests.twins.wire.twin import Twin

TALK = (("Ann Lee", "How much is it?"), ("Rita Ray", "Four thousand."))
NUMBER = "+44 7700 900123"
USERS = {"Rita Ray": 77, "Sam Own": 78}


class AircallTwin(Twin):
    """One company: `with AircallTwin() as twin: ... twin.url ...`; `most` is the longest list that it tells."""

    def __init__(self, token: str = "api-token-of-the-twin", *, most: int = 10_000, port: int = 0) -> None:
        self.token, self.api_id, self.most = token, "api-id", most
        self.hook_secret = "webhook-token-of-the-twin"
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
            number, began = 76_259_000 + len(self.talks), int(at.timestamp())
            self.talks[str(number)] = {
                "id": number,
                "direct_link": f"{self.url}/v1/calls/{number}",
                "direction": "inbound",
                "status": "done",
                "missed_call_reason": None,
                "started_at": began,
                "answered_at": began + 13,
                "ended_at": began + 313,
                "duration": 313,
                "raw_digits": NUMBER,
                "voicemail": None,
                "recording": f"https://assets.example/{number}?signature=opens-it",
                "asset": f"https://assets.example/{number}",
                "user": {"id": 77, "name": "Rita Ray", "email": "rita@ours.test", "available": True},
                "contact": {
                    "id": 16944643,
                    "first_name": "Ann",
                    "last_name": "Lee",
                    "company_name": "",
                    "information": "",
                    "emails": [{"id": 1, "label": "Work", "value": "ann@customer.test"}],
                    "phone_numbers": [{"id": 2, "label": "Work", "value": "+447700900123"}],
                },
                "number": {"id": 58108, "name": "Sales", "digits": "+44 20 7946 0000"},
                **fields,
            }
            if talk is not None:
                self.transcribes(str(number), talk)
            return str(number)

    def transcribes(self, call: str, talk: Sequence[tuple[str, str]]) -> None:
        """Let a call's words be there: a user's, or those of the number outside (or of the number that is the name)."""
        rows = []
        for n, (name, text) in enumerate(talk):
            said: dict[str, Any] = {"start_time": n * 4.0, "end_time": n * 4.0 + 3, "text": text}
            if name in USERS:
                rows.append({**said, "participant_type": "internal", "user_id": USERS[name]})
            else:
                number = name if name.startswith("+") else NUMBER.replace(" ", "")
                rows.append({**said, "participant_type": "external", "phone_number": number})
        self.words[call] = rows

    def webhook(self, call: str, at: datetime, event: str = "transcription.created", secret: str = "") -> bytes:
        """Return what Aircall posts of a call."""
        told = {"resource": event.partition(".")[0], "event": event, "timestamp": int(at.timestamp())}
        data = self.talks.get(call, {"id": 1})
        return json.dumps({**told, "token": secret or self.hook_secret, "data": data}).encode()

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """Return the head of a webhook, which vouches for nothing."""
        return {"content-type": "application/json"}

    # Answers ----------------------------------------------------------------------------------------------------

    def named(self, request: Request) -> str:
        """Return what is asked for."""
        return urlsplit(request.target).path.rsplit("/", 1)[-1]

    def respond(self, request: Request) -> Reply:
        """Answer one request."""
        parts = urlsplit(request.target)
        known = base64.b64encode(f"{self.api_id}:{self.token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {known}":
            return told(401, {"error": "Unauthorized", "troubleshoot": "Check your API key"})
        steps = parts.path.strip("/").split("/")
        if steps == ["v1", "calls"]:
            return self._calls({name: values[-1] for name, values in parse_qs(parts.query).items()})
        if len(steps) == 4 and steps[3] == "transcription" and steps[2] in self.words:
            content = {"language": "en", "utterances": self.words[steps[2]]}
            about = {
                "id": 68_271,
                "call_id": int(steps[2]),
                "type": "call",
                "call_created_at": "2026-11-22T08:30:00.000Z",
            }
            return told(200, {"transcription": {**about, "content": content}})
        return told(404, {"error": "Not Found"})

    def _calls(self, query: Mapping[str, str]) -> Reply:
        page, size = int(query["page"]), int(query["per_page"])
        if size > 50:
            self._telling.defects.append("more than 50 calls are asked for at once")
        rows = [row for row in self.talks.values() if int(query["from"]) <= row["started_at"] <= int(query["to"])]
        rows.sort(key=lambda row: (row["started_at"], row["id"]))
        begin, listed = (page - 1) * size, rows[: self.most]
        shown = listed[begin : begin + size]
        more = f"{self.url}/v1/calls?page={page + 1}" if begin + size < len(listed) else None
        meta = {"count": len(shown), "total": len(rows), "current_page": page, "per_page": size, "next_page_link": more}
        return told(200, {"meta": meta, "calls": json.loads(json.dumps(shown))})
