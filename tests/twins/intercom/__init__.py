"""A small Intercom on a loopback socket: contacts, conversations, parts; its search as the API pages it; its webhooks.

What it answers is held against the shapes of Intercom's published OpenAPI description (`Talk`, `Part`, `Source` below
say the same in pydantic): an answer that they don't fit is a defect of the twin, which raises when it is closed. What
people do in Intercom are methods here, and `webhook` returns what Intercom would post.

Source: intercom/Intercom-OpenAPI (descriptions/2.14: conversations/search, conversations/{id}, contacts/{id}) and the
client that is generated from it, read 2026-11. A search's rows hold no parts; a webhook holds the newest alone.
"""

import json
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tests.twins.wire.passing import Log, Reply, Request
from tests.twins.wire.telling import TellingGateway, told
from tests.twins.wire.twin import Twin

ADMIN = {"type": "admin", "id": "274", "name": "Rita Ray", "email": "rita@ours.test"}
OPERATOR = {"type": "bot", "id": "999", "name": "Fin", "email": "operator+ours@intercom.io"}
SHOWN_PARTS = 1


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class Author(_Shape):
    """Who wrote, as the description has it."""

    type: Literal["user", "lead", "contact", "admin", "bot", "team"]
    id: str
    name: str | None
    email: str | None


class Source(_Shape):
    """A first message, as the description has it."""

    type: str
    id: str
    delivered_as: Literal["customer_initiated", "campaigns_initiated", "operator_initiated", "automated", "admin_initiated"]  # fmt: skip # noqa: E501
    subject: str
    body: str | None
    author: Author
    attachments: list[dict[str, Any]]
    redacted: bool


class Part(_Shape):
    """A part, as the description has it."""

    type: Literal["conversation_part"]
    id: str
    part_type: str
    body: str | None
    created_at: int
    updated_at: int
    notified_at: int
    author: Author
    attachments: list[dict[str, Any]]
    redacted: bool


class Parts(_Shape):
    """The parts of a conversation, as the description has them."""

    type: Literal["conversation_part.list"]
    conversation_parts: list[Part]
    total_count: int


class Talk(_Shape):
    """A conversation, as the description has it."""

    type: Literal["conversation"]
    id: str
    created_at: int
    updated_at: int
    source: Source
    contacts: dict[str, Any]
    open: bool
    state: Literal["open", "closed", "snoozed"]
    read: bool
    priority: Literal["priority", "not_priority"]
    conversation_parts: Parts | None = None


_TALKS = TypeAdapter(list[Talk])


class IntercomTwin(Twin):
    """One workspace: `with IntercomTwin() as twin: ... twin.url ...`; `most` rows stand on a page of a search."""

    def __init__(self, token: str = "access-token-of-the-twin", *, most: int = 150, port: int = 0) -> None:
        self.token, self.most = token, most
        self.lock = threading.RLock()
        self.contacts: dict[str, dict[str, Any]] = {}
        self.talks: dict[str, dict[str, Any]] = {}
        self._ids = iter(range(5001, 10_000_000))
        log = Log()
        self._telling = TellingGateway(self, log)
        super().__init__(self._telling, log, 0, port)

    # Hands ------------------------------------------------------------------------------------------------------

    def joins(self, name: str = "Ann Lee", **fields: Any) -> str:
        """Let a contact be there, a user or a lead; return the id."""
        with self.lock:
            id = f"{len(self.contacts) + 1:024x}"
            known = {"role": "user", "external_id": None, "email": None, "phone": None}
            self.contacts[id] = {"type": "contact", "id": id, "name": name, **known, **fields}
            return id

    def begins(self, contact: str, body: str, at: datetime, **source: Any) -> str:
        """Let a contact begin a conversation, or somebody else as `source` says; return its number."""
        with self.lock:
            number, about, seconds = str(next(self._ids)), self.contacts[contact], int(at.timestamp())
            reference = {"type": "contact", "id": contact, "external_id": about["external_id"]}
            self.talks[number] = {
                "type": "conversation",
                "id": number,
                "title": None,
                "created_at": seconds,
                "updated_at": seconds,
                "source": {
                    "type": "conversation",
                    "id": "3",
                    "delivered_as": "customer_initiated",
                    "subject": "",
                    "body": f"<p>{body}</p>",
                    "author": self._author(contact),
                    "attachments": [],
                    "url": None,
                    "redacted": False,
                    **source,
                },
                "contacts": {"type": "contact.list", "contacts": [reference]},
                "teammates": {"type": "admin.list", "admins": []},
                "open": True,
                "state": "open",
                "read": False,
                "priority": "not_priority",
                "parts": [],
            }
            return number

    def says(self, talk: str, body: str | None, at: datetime, **fields: Any) -> str:
        """Let the contact write in a conversation, or somebody else, or something, as fields say; return the part."""
        with self.lock:
            id, about, seconds = str(next(self._ids)), self.talks[talk], int(at.timestamp())
            about["parts"].append(
                {
                    "type": "conversation_part",
                    "id": id,
                    "part_type": "comment",
                    "body": f"<p>{body}</p>" if body is not None else None,
                    "created_at": seconds,
                    "updated_at": seconds,
                    "notified_at": seconds,
                    "assigned_to": None,
                    "author": self._author(about["contacts"]["contacts"][0]["id"]),
                    "attachments": [],
                    "external_id": None,
                    "redacted": False,
                    **fields,
                }
            )
            about["updated_at"] = max(about["updated_at"], seconds)
            return id

    def answers(self, talk: str, body: str, at: datetime, **fields: Any) -> str:
        """Let one of our people write."""
        return self.says(talk, body, at, **{"author": ADMIN, **fields})

    def notes(self, talk: str, body: str, at: datetime) -> str:
        """Let one of our people leave a note for colleagues."""
        return self.says(talk, body, at, author=ADMIN, part_type="note")

    def redacts(self, talk: str, part: str, at: datetime) -> None:
        """Let somebody take the words of a part away; of the first message with the part `source`."""
        with self.lock:
            about = self.talks[talk]
            rows = [about["source"]] if part == "source" else [row for row in about["parts"] if row["id"] == part]
            for row in rows:
                row |= {"body": "<p><i>This message was deleted</i></p>", "redacted": True, "attachments": []}
            about["updated_at"] = int(at.timestamp())

    def deletes(self, talk: str) -> None:
        """Let somebody delete a conversation."""
        del self.talks[talk]

    def webhook(self, topic: str, talk: str, at: datetime, item: Mapping[str, Any] | None = None) -> bytes:
        """Return what Intercom posts of a conversation: itself with its newest parts, unless another item is given."""
        with self.lock:
            body = {
                "type": "notification_event",
                "app_id": "ws12ab",
                "data": {"type": "notification_event_data", "item": item or self.shown(talk, SHOWN_PARTS)},
                "links": {},
                "id": f"notif_{next(self._ids)}",
                "topic": topic,
                "delivery_status": "pending",
                "delivery_attempts": 1,
                "delivered_at": 0,
                "first_sent_at": int(at.timestamp()),
                "created_at": int(at.timestamp()),
                "self": None,
            }
            return json.dumps(body).encode()

    def shown(self, talk: str, parts: int | None = None) -> dict[str, Any]:
        """Return a conversation as it is told, with its newest parts, or all of them."""
        about = self.talks[talk]
        rows = about["parts"] if parts is None else about["parts"][-parts:] if parts else []
        listed = {"type": "conversation_part.list", "conversation_parts": rows, "total_count": len(about["parts"])}
        plain = {name: value for name, value in about.items() if name != "parts"}
        told: dict[str, Any] = json.loads(json.dumps({**plain, "conversation_parts": listed}))
        return told

    def _author(self, contact: str) -> dict[str, Any]:
        about = self.contacts[contact]
        return {"type": about["role"], "id": contact, "name": about["name"], "email": about["email"]}

    # Answers ----------------------------------------------------------------------------------------------------

    def named(self, request: Request) -> str:
        """Return what is asked for."""
        steps = urlsplit(request.target).path.strip("/").split("/")
        return "search" if steps[-1] == "search" else steps[0].rstrip("s")

    def respond(self, request: Request) -> Reply:
        """Answer one request."""
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _refusal(401, "unauthorized", "Access Token Invalid")
        if request.headers.get("intercom-version") != "2.14":
            return _refusal(400, "intercom_version_invalid", "The requested version could not be found")
        steps = urlsplit(request.target).path.strip("/").split("/")
        if request.method == "POST" and steps == ["conversations", "search"]:
            return self._search(json.loads(request.body))
        if request.method == "GET" and len(steps) == 2 and steps[0] == "conversations" and steps[1] in self.talks:
            return self._judged([self.shown(steps[1])], self.shown(steps[1]))
        if request.method == "GET" and len(steps) == 2 and steps[0] == "contacts" and steps[1] in self.contacts:
            return told(200, self.contacts[steps[1]])
        return _refusal(404, "not_found", "Resource Not Found")

    def _search(self, body: Mapping[str, Any]) -> Reply:
        query, paging = body["query"], body.get("pagination", {})
        if (query["field"], query["operator"]) != ("updated_at", ">") or not isinstance(query["value"], int):
            return _refusal(400, "parameter_invalid", "this twin searches by updated_at > alone")
        if paging.get("per_page", 20) > 150:
            return _refusal(400, "parameter_invalid", "per_page is at most 150")
        found = [id for id, row in self.talks.items() if row["updated_at"] > query["value"]]
        found.sort(key=lambda id: (-self.talks[id]["updated_at"], id))
        size = min(paging.get("per_page", 20), self.most)
        begin = int(paging.get("starting_after", "0"))
        rows = [self.shown(id) for id in found[begin : begin + size]]
        for row in rows:
            del row["conversation_parts"]
        more = begin + size < len(found)
        pages: dict[str, Any] = {"type": "pages", "page": begin // size + 1, "per_page": size, "total_pages": 1}
        pages |= {"next": {"page": begin // size + 2, "starting_after": str(begin + size)}} if more else {}
        return self._judged(
            rows, {"type": "conversation.list", "pages": pages, "total_count": len(found), "conversations": rows}
        )

    def _judged(self, rows: list[dict[str, Any]], body: Any) -> Reply:
        try:
            _TALKS.validate_python(rows)
        except ValidationError as error:
            self._telling.defects.append(str(error))
        return told(200, body)


def _refusal(status: int, code: str, message: str) -> Reply:
    return told(status, {"type": "error.list", "errors": [{"code": code, "message": message}]})
