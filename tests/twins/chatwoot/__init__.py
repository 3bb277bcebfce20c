"""A small Chatwoot on a loopback socket: contacts, conversations, messages; its lists, as its API pages them.

What it answers is held against the shapes of Chatwoot's published OpenAPI description (`Conversation`, `Message` below
say the same in pydantic), and an answer that they don't fit is a defect of the twin: it raises when it is closed. What
people do in Chatwoot are methods here, and `webhook` returns what Chatwoot would post of a message.

Source: chatwoot/chatwoot, read 2026-11: swagger/definitions/resource/{message,conversation}.yml, `ConversationFinder`
(25 a page, newest activity first), `MessageFinder` (20 before an id), `Message#webhook_data`,
`conversations/show.json.jbuilder` (one, as the list tells it).
"""

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tests.twins.wire.passing import Log, Logged, Reply, Request
from tests.twins.wire.twin import Twin

CONVERSATIONS_A_PAGE, MESSAGES_A_PAGE = 25, 20
WORDS = ("incoming", "outgoing", "activity", "template")


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class Message(_Shape):
    """A message, as the description has it; `message_type` 3 is in the code alone."""

    id: int
    content: str | None
    inbox_id: int
    conversation_id: int
    message_type: Literal[0, 1, 2, 3]
    created_at: int
    private: bool
    status: Literal["sent", "delivered", "read", "failed"] | None
    source_id: str | None
    content_type: Literal["text", "input_select", "cards", "form"] | None
    content_attributes: dict[str, Any]
    sender: dict[str, Any] | None = None


class Conversation(_Shape):
    """A conversation, as the description has it."""

    id: int
    messages: list[dict[str, Any]]
    account_id: int
    inbox_id: int
    status: Literal["open", "resolved", "pending", "snoozed"]
    timestamp: int
    last_activity_at: int
    unread_count: int
    additional_attributes: dict[str, Any]
    custom_attributes: dict[str, Any]


_SHAPES: Mapping[str, TypeAdapter[Any]] = {
    "messages": TypeAdapter(list[Message]),
    "conversations": TypeAdapter(list[Conversation]),
    "conversation": TypeAdapter(Conversation),
}


class ChatwootTwin(Twin):
    """One account of a Chatwoot: `with ChatwootTwin(account=3) as twin: ... twin.url ...`."""

    def __init__(self, account: int = 3, token: str = "agent-token-of-the-twin", *, port: int = 0) -> None:
        self.account, self.token = account, token
        self.lock = threading.RLock()
        self.conversations: dict[int, dict[str, Any]] = {}
        self.talk: dict[int, dict[int, dict[str, Any]]] = {}
        self._ids = iter(range(90_001, 10_000_000))
        log = Log()
        super().__init__(_Gateway(self, log), log, 0, port)

    # Hands ------------------------------------------------------------------------------------------------------

    def begins(self, name: str = "Mariana Souza", inbox: int = 11, **contact: Any) -> int:
        """Let a contact begin a conversation; return its number."""
        with self.lock:
            number = len(self.conversations) + 41
            sender = {"id": number + 5000, "name": name, "email": None, "phone_number": None, "identifier": None}
            meta = {"sender": {**sender, **contact}, "channel": "Channel::WebWidget", "assignee": None}
            self.conversations[number] = {"meta": meta, "id": number, "inbox_id": inbox, "status": "open", "active": 0}
            self.talk[number] = {}
            return number

    def says(self, conversation: int, content: str | None, at: datetime, **fields: Any) -> int:
        """Let somebody write in a conversation, the contact unless `message_type` and `sender` say else."""
        with self.lock:
            number = next(self._ids)
            contact = self.conversations[conversation]["meta"]["sender"]
            self.talk[conversation][number] = {
                "id": number,
                "content": content,
                "inbox_id": self.conversations[conversation]["inbox_id"],
                "conversation_id": conversation,
                "message_type": 0,
                "content_type": "text",
                "status": "sent",
                "content_attributes": {},
                "created_at": int(at.timestamp()),
                "private": False,
                "source_id": None,
                "sender": {**contact, "type": "contact", "availability_status": "offline"},
                **fields,
            }
            about = self.conversations[conversation]
            about["active"] = max(about["active"], int(at.timestamp()))
            return number

    def answers(self, conversation: int, content: str, at: datetime, **fields: Any) -> int:
        """Let one of our people write."""
        ann = {"id": 7, "name": "Agent Ann", "email": "ann@acme.example", "type": "user"}
        return self.says(conversation, content, at, **{"message_type": 1, "sender": ann, **fields})

    def deletes(self, message: int) -> None:
        """Take a message back, as Chatwoot does: its place is kept."""
        with self.lock:
            told = self._find(message)
            told |= {"content": "This message was deleted", "content_attributes": {"deleted": True}}

    def forgets(self, message: int) -> None:
        """Lose a message altogether, as with a database that was put back."""
        with self.lock:
            for talk in self.talk.values():
                talk.pop(message, None)

    def webhook(self, message: int, event: str = "message_created") -> bytes:
        """Return what Chatwoot posts of a message."""
        with self.lock:
            told = self._find(message)
            about = self.conversations[told["conversation_id"]]
            contact = {**about["meta"]["sender"], "type": "contact"}
            shown = {key: told[key] for key in ("id", "content", "content_type", "content_attributes", "private")}
            at = datetime.fromtimestamp(told["created_at"], UTC).isoformat(timespec="milliseconds")
            more = {
                "event": event,
                "message_type": WORDS[told["message_type"]],
                "created_at": at.replace("+00:00", "Z"),
                "source_id": told["source_id"],
                "sender": told["sender"],
                "inbox": {"id": about["inbox_id"], "name": "Website"},
                "account": {"id": self.account, "name": "Acme"},
                "conversation": {
                    "id": about["id"],
                    "inbox_id": about["inbox_id"],
                    "channel": about["meta"]["channel"],
                    "status": about["status"],
                    "contact_inbox": {"id": 77, "source_id": f"visitor-{about['id']}", "inbox_id": about["inbox_id"]},
                    "meta": {"sender": contact, "assignee": None},
                },
            }
            return json.dumps({**shown, **more}).encode()

    def told(self, message: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a message and its conversation as the API tells them."""
        with self.lock:
            found = self._find(message)
            return found, self.shown(self.conversations[found["conversation_id"]])

    def shown(self, conversation: Mapping[str, Any]) -> dict[str, Any]:
        """Return a conversation as the list has it."""
        more = {"account_id": self.account, "unread_count": 0, "additional_attributes": {}, "custom_attributes": {}}
        rest = {key: value for key, value in conversation.items() if key != "active"}
        active = conversation["active"]
        return {**rest, **more, "messages": [], "timestamp": active, "last_activity_at": active}

    def _find(self, message: int) -> dict[str, Any]:
        return {number: told for talk in self.talk.values() for number, told in talk.items()}[message]


class _Gateway:
    """Answers requests for the account; `defects` are answers that don't fit the shapes, and crashes."""

    def __init__(self, twin: ChatwootTwin, log: Log) -> None:
        self.twin, self.log, self.defects = twin, log, list[str]()

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        with self.twin.lock:
            reply = self._reply(request)
            self.note(request, reply, self.operation(request), answered=answered, fault=fault)
            return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        status, size_bytes = (reply.status, len(reply.body)) if reply else (None, 0)
        told = (request.method, request.target, operation, 1, status, len(request.body), size_bytes, request.body)
        self.log.add(Logged(*told, answered, fault))

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        last = urlsplit(request.target).path.rpartition("/")[2]
        return last if last in ("messages", "conversations") else "conversation"

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of JSON."""
        return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is."""
        return body

    def _reply(self, request: Request) -> Reply:
        parts = urlsplit(request.target)
        steps = parts.path.strip("/").split("/")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        token = {name.lower(): value for name, value in request.headers.items()}.get("api_access_token")
        if token != self.twin.token:
            return self.reply(401, {"error": "Invalid Access Token"})
        if request.method != "GET" or steps[:4] != ["api", "v1", "accounts", str(self.twin.account)]:
            return self.reply(404, {"error": "Resource could not be found"})
        if steps[4:] == ["conversations"]:
            rows = self._conversations(query)
            return self._judged("conversations", rows, {"data": {"meta": {"all_count": len(rows)}, "payload": rows}})
        if len(steps) == 6 and steps[4] == "conversations" and int(steps[5]) in self.twin.conversations:
            row = self.twin.shown(self.twin.conversations[int(steps[5])])
            return self._judged("conversation", row, row)
        if len(steps) == 7 and steps[6] == "messages" and int(steps[5]) in self.twin.talk:
            rows = list(self._messages(int(steps[5]), query))
            return self._judged("messages", rows, {"meta": {}, "payload": rows})
        return self.reply(404, {"error": "Resource could not be found"})

    def _conversations(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        rows = [self.twin.shown(row) for row in self.twin.conversations.values() if row["active"]]
        wanted = query.get("status", "open")
        rows = [row for row in rows if wanted in ("all", row["status"])]
        rows.sort(key=lambda row: (row["last_activity_at"], row["id"]), reverse=True)
        begin = (int(query.get("page", "1")) - 1) * CONVERSATIONS_A_PAGE
        return rows[begin : begin + CONVERSATIONS_A_PAGE]

    def _messages(self, conversation: int, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        before = int(query["before"]) if "before" in query else None
        rows = [row for i, row in sorted(self.twin.talk[conversation].items()) if before is None or i < before]
        yield from rows[-MESSAGES_A_PAGE:]

    def _judged(self, what: str, rows: Any, body: Any) -> Reply:
        try:
            _SHAPES[what].validate_python(rows)
        except ValidationError as error:
            self.defects.append(f"{what}: {error}")
        return self.reply(200, body)
