"""A small Gong on a loopback socket: calls with their parties, and transcripts that come late.

It refuses what Gong refuses (a wrong key, a body without a filter, a time that is none), pages by a cursor, and answers
404 where there are no calls in a span or no transcript, as Gong does. Each answer has a request id of its own.

`webhook` is what an automation rule would post, and `signed` the head with its token.

Source: Gong API v2, its OpenAPI description (`CallBasicData`, `Party`, `CallTranscripts`) and help.gong.io ("Payload
sent to webhooks", "Prepare your receiving application ... JWT header"), read 2026-11; error body `{"requestId",
"errors": [...]}`.
"""

import base64
import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.twins.wire.passing import Log, Reply, Request
from tests.twins.wire.telling import TellingGateway, told
from tests.twins.wire.twin import Twin

TALK = (("Ann Lee", "How much is it?"), ("Rita Ray", "Four thousand."))
PEOPLE: Sequence[Mapping[str, Any]] = (
    {"name": "Rita Ray", "emailAddress": "rita@ours.test", "affiliation": "Internal", "userId": "77"},
    {"name": "Ann Lee", "emailAddress": "ann@customer.test", "affiliation": "External", "phoneNumber": "+447700900123"},
)


class GongTwin(Twin):
    """One company: `with GongTwin() as twin: ... twin.url ...`; `page` bounds what it puts on a page."""

    def __init__(self, token: str = "key-secret-of-the-twin", *, page: int = 100, port: int = 0) -> None:
        self.token, self.key, self.page = token, "KEYOFTHETWIN", page
        self.hook_url = "http://127.0.0.1:8080/hooks/gong"
        self.lock = threading.RLock()
        self.talks: dict[str, dict[str, Any]] = {}
        self.words: dict[str, list[dict[str, Any]]] = {}
        self._asked = 0
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
        people: Sequence[Mapping[str, Any]] = PEOPLE,
        **about: Any,
    ) -> str:
        """Let a call have been held; without a talk its words aren't there yet."""
        with self.lock:
            number = str(5599332235511222000 + len(self.talks))
            parties = [
                {"id": f"p{n}", "speakerId": f"64323456785{n}", "methods": [], **row} for n, row in enumerate(people)
            ]
            self.talks[number] = {
                "metaData": {
                    "id": number,
                    "url": f"https://app.gong.io/call?id={number}",
                    "title": title,
                    "started": at.astimezone(UTC).isoformat(),
                    "duration": 1860,
                    "direction": "Conference",
                    "scope": "External",
                    "workspaceId": "623457276584334",
                    "isPrivate": False,
                    **about,
                },
                "parties": parties,
            }
            if talk is not None:
                self.transcribes(number, talk)
            return number

    def transcribes(self, call: str, talk: Sequence[tuple[str, str]]) -> None:
        """Let a call's words be there; a speaker whom no party's name names has an id of his own."""
        ids = {row["name"]: row["speakerId"] for row in self.talks[call]["parties"]}
        self.words[call] = [
            {
                "speakerId": ids.get(name, f"unknown-{name}"),
                "topic": None,
                "sentences": [{"start": n * 4000, "end": n * 4000 + 3000, "text": text}],
            }
            for n, (name, text) in enumerate(talk)
        ]

    @property
    def public_key(self) -> str:
        """The public half of the key that the twin signs with, as Gong's page shows it."""
        return shown(signing_key("twin"))

    def webhook(self, call: str, at: datetime) -> bytes:
        """Return what a rule posts of a call: what Gong knows of it, perhaps with words."""
        content = {"pointsOfInterest": {"actionItems": [{"snippet": "Four thousand."}]}}
        return json.dumps({"callData": {**self.talks[call], "content": content}, "isTest": False}).encode()

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """Return the head by which Gong signs a body."""
        now = int(at.timestamp())
        claims = {"webhook_url": self.hook_url, "body_sha256": sha256(body).hexdigest(), "iat": now, "exp": now + 300}
        token = jwt.encode(claims, signing_key("twin"), algorithm="RS256")
        return {"authorization": token, "content-type": "application/json"}

    # Answers ----------------------------------------------------------------------------------------------------

    def named(self, request: Request) -> str:
        """Return what is asked for."""
        return request.target.rsplit("/", 1)[-1]

    def respond(self, request: Request) -> Reply:
        """Answer one request."""
        self._asked += 1
        known = base64.b64encode(f"{self.key}:{self.token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {known}":
            return self._refusal(401, "Unauthorized")
        body = json.loads(request.body)
        if not isinstance(body.get("filter"), dict):
            return self._refusal(400, "Invalid filter")
        if (request.method, request.target) == ("POST", "/v2/calls/extensive"):
            return self._calls(body)
        if (request.method, request.target) == ("POST", "/v2/calls/transcript"):
            return self._transcripts(body["filter"])
        return self._refusal(405, "Method not allowed")

    def _calls(self, body: Mapping[str, Any]) -> Reply:
        chosen = body["filter"]
        since, until = (datetime.fromisoformat(chosen[name]) for name in ("fromDateTime", "toDateTime"))
        if body.get("contentSelector") != {"exposedFields": {"parties": True}}:
            self._telling.defects.append("parties are not asked for, or more than that is")
        rows = [
            row for row in self.talks.values() if since <= datetime.fromisoformat(row["metaData"]["started"]) < until
        ]
        rows = [
            row
            for row in rows
            if chosen.get("workspaceId", row["metaData"]["workspaceId"]) == row["metaData"]["workspaceId"]
        ]
        if not rows:
            return self._refusal(404, "No calls found corresponding to the provided filters")
        begin = int(body.get("cursor", "0"))
        return self._page("calls", rows, begin)

    def _transcripts(self, chosen: Mapping[str, Any]) -> Reply:
        rows = [{"callId": id, "transcript": self.words[id]} for id in chosen.get("callIds", ()) if id in self.words]
        if not rows:
            return self._refusal(404, "No calls found corresponding to the provided filters")
        return self._page("callTranscripts", rows, 0)

    def _page(self, name: str, rows: Sequence[Mapping[str, Any]], begin: int) -> Reply:
        shown = rows[begin : begin + self.page]
        more = {"cursor": str(begin + self.page)} if begin + self.page < len(rows) else {}
        records = {"totalRecords": len(rows), "currentPageSize": len(shown), "currentPageNumber": 0, **more}
        return told(200, {"requestId": f"request-{self._asked}", "records": records, name: shown})

    def _refusal(self, status: int, message: str) -> Reply:
        return told(status, {"requestId": f"request-{self._asked}", "errors": [message]})


@cache
def signing_key(name: str) -> RSAPrivateKey:
    """Return a key, the same for a name as long as the process lives: making one takes a while."""
    return generate_private_key(public_exponent=65_537, key_size=2_048)


def shown(key: RSAPrivateKey) -> str:
    """Return the public half of a key as Gong's page shows it: base64 in a line."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()
