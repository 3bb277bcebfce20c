"""A small Graph API of Meta's on a loopback socket: files of messages, and the conversations of pages.

What it answers is held against the shapes that Meta documents (below, in pydantic); an answer that they don't fit is a
defect of the twin, and it raises when it is closed. `webhook` returns what Meta would post of a message, signed.

Source: Meta's OpenAPI description v23 (retrieveMediaUrl: `file_size` is a string there, and an address is good for five
minutes), Graph reference of Page, Conversation, Message; error codes 100 and 190; read 2026-11.
"""

import hmac
import json
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from tests.twins.wire.passing import Log, Logged, Reply, Request
from tests.twins.wire.twin import Twin

VERSION = "v23.0"
NEWEST = 20


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class MediaUrl(_Shape):
    """Where a file is, as the description has it."""

    messaging_product: str
    url: str
    mime_type: str
    sha256: str
    file_size: str
    id: str


class Listed(_Shape):
    """A page of a list."""

    data: list[dict[str, Any]]
    paging: dict[str, Any] | None = None


class _RefusalError(Exception):
    def __init__(self, status: int, code: int, message: str, subcode: int | None = None) -> None:
        self.status = status
        told = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AbC"}
        self.body = {"error": told | ({"error_subcode": subcode} if subcode else {})}


class MetaTwin(Twin):
    """One app's files and pages: `with MetaTwin() as twin: twin.keep("77", b"OggS...", "audio/ogg"); ... twin.url`."""

    def __init__(self, token: str = "token-of-the-system-user", secret: str = "5ec2e7" * 6, *, port: int = 0) -> None:
        self.token, self.secret = token, secret
        self.lock = threading.RLock()
        self.files: dict[str, tuple[bytes, str]] = {}
        self.pages: dict[str, str] = {}
        self.conversations: dict[str, tuple[str, str, list[dict[str, Any]]]] = {}
        self.elsewhere = ""
        log = Log()
        super().__init__(_Gateway(self, log), log, 0, port)

    def keep(self, id: str, raw: bytes, kind: str) -> str:
        """Keep a file under an id; returns the hash that a webhook tells of it."""
        with self.lock:
            self.files[id] = (raw, kind)
        return b64encode(sha256(raw).digest()).decode()

    def say(
        self, page: str, person: str, id: str, text: str, at: datetime, *, by_us: bool = False, **more: Any
    ) -> None:
        """Let somebody write to a page, or the page to somebody; `platform` may be instagram."""
        platform = more.pop("platform", "messenger")
        side = (self.pages[page] or page) if platform == "instagram" else page
        us, them = {"id": side, "name": "Ours"}, {"id": person, "name": "Ann Lee"}
        sender, to = (us, them) if by_us else (them, us)
        said = {"id": id, "created_time": _time(at), "from": sender, "to": {"data": [to]}, "message": text, **more}
        with self.lock:
            talk = self.conversations.setdefault(f"t_{page}_{platform}_{person}", (page, platform, []))
            talk[2].insert(0, said)

    def told(self, conversation: str) -> bytes:
        """Return what is told of a conversation: its newest messages."""
        with self.lock:
            page, _, talk = self.conversations[conversation]
            older = (
                f"https://graph.facebook.com/{VERSION}/{conversation}/messages?access_token={_page_token(page)}&after=x"
            )
            paging = {"paging": {"cursors": {"after": "x"}, "next": older}} if len(talk) > NEWEST else {}
            return json.dumps({"messages": {"data": talk[:NEWEST], **paging}, "id": conversation}).encode()

    def webhook(self, body: Mapping[str, Any]) -> tuple[bytes, str]:
        """Return a body as Meta sends it, and the value of its signature's header."""
        raw = json.dumps(body, separators=(",", ":")).replace("/", "\\/").encode()
        return raw, "sha256=" + hmac.digest(self.secret.encode(), raw, "sha256").hex()


class _Gateway:
    def __init__(self, twin: MetaTwin, log: Log) -> None:
        self.twin, self.log, self.defects = twin, log, list[str]()

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        try:
            reply = self._done(request)
        except _RefusalError as refused:
            reply = self.reply(refused.status, refused.body)
        self.note(request, reply, self.operation(request), answered=answered, fault=fault)
        return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        status, size = (reply.status, len(reply.body)) if reply else (None, 0)
        token = request.headers.get("authorization", "").encode()
        self.log.add(
            Logged(request.method, request.target, operation, 1, status, 0, size, token, answered, fault)
        )  # fmt: skip

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        parts = urlsplit(request.target).path.strip("/").split("/")
        return parts[0] if parts[0] != VERSION else (parts[2] if len(parts) > 2 else "object")

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of text or JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        return Reply(status, text.encode(), {"Content-Type": "application/json", **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is."""
        return body

    def _done(self, request: Request) -> Reply:
        url = urlsplit(request.target)
        parts, query = url.path.strip("/").split("/"), {k: v[0] for k, v in parse_qs(url.query).items()}
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        with self.twin.lock:
            if parts[0] == "files":
                return self._file(parts[1], given)
            if request.method != "GET" or parts[0] != VERSION:
                raise _RefusalError(404, 2500, "Unknown path components")
            if given != self.twin.token and given not in self._page_tokens():
                raise _RefusalError(401, 190, "Invalid OAuth access token - Cannot parse access token")
            if len(parts) == 3:
                return self._listed(parts[1], query, given)
            return self._object(parts[1], query, given)

    def _page_tokens(self) -> set[str]:
        return {_page_token(page) for page in self.twin.pages}

    def _file(self, id: str, given: str) -> Reply:
        if given != self.twin.token:
            return self.reply(401, "unauthorized")
        if id not in self.twin.files:
            return self.reply(404, "not found")
        raw, kind = self.twin.files[id]
        return Reply(200, raw, {"Content-Type": kind})

    def _object(self, id: str, query: Mapping[str, str], given: str) -> Reply:
        twin = self.twin
        if id in twin.files:
            raw, kind = twin.files[id]
            digest = sha256(raw).hexdigest()
            url = twin.elsewhere or f"{twin.url}/files/{id}?hash=x"
            told = {"messaging_product": "whatsapp", "url": url, "mime_type": kind, "sha256": digest}
            return self._judged(MediaUrl, {**told, "file_size": str(len(raw)), "id": id})
        if id in twin.pages:
            tied = {"instagram_business_account": {"id": twin.pages[id]}} if twin.pages[id] else {}
            return self.reply(200, {"access_token": _page_token(id), **tied, "id": id})
        if id in twin.conversations and query.get("fields", "").startswith("messages"):
            page, _, _ = twin.conversations[id]
            if given != _page_token(page):
                raise _RefusalError(403, 10, "Application does not have permission for this action")
            return Reply(200, twin.told(id), {"Content-Type": "application/json"})
        raise _RefusalError(400, 100, f"Object with ID '{id}' does not exist", 33)

    def _listed(self, page: str, query: Mapping[str, str], given: str) -> Reply:
        if page not in self.twin.pages or given != _page_token(page):
            raise _RefusalError(403, 10, "Application does not have permission for this action")
        rows = sorted(
            ({"id": id, "updated_time": talk[0]["created_time"]} for id, talk in self._of(page, query["platform"])),
            key=lambda row: row["updated_time"],
            reverse=True,
        )
        size, begin = min(int(query.get("limit", "25")), 25), int(query.get("after", "0"))
        body: dict[str, Any] = {"data": rows[begin : begin + size]}
        if begin + size < len(rows):
            body["paging"] = {"cursors": {"after": str(begin + size)}, "next": "https://graph.facebook.com/next"}
        return self._judged(Listed, body)

    def _of(self, page: str, platform: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        for id, (of, on, talk) in self.twin.conversations.items():
            if (of, on) == (page, platform):
                yield id, talk

    def _judged(self, shape: type[BaseModel], body: dict[str, Any]) -> Reply:
        try:
            shape.model_validate(body)
        except ValidationError as error:
            self.defects.append(f"Meta documents no such answer: {error}")
        return self.reply(200, body)


def _page_token(page: str) -> str:
    return f"token-of-page-{page}"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
