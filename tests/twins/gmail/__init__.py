"""A mailbox of Gmail's on a loopback socket: mails, labels, a history that it forgets, watches, pushes that are signed.

Requests and answers are judged by Google's discovery document (`judge`); what fits it not is a defect that fails the
test. People's hands are methods: `arrives`, `sends`, `drafts`, `deletes`, `relabels`. Consent and tokens are an
`Authority`'s, on the same port, and so are Google's public keys.

What the description doesn't say and the twin does: pages are newest first and keep their place while mails come in; a
history id that is older than `forgets` left, or newer than the mailbox, has 404; a history may lag (`lags`); each draft
that is saved is a new message, and a draft that is sent another one.
"""

import json
import re
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.twins.authority import Authority
from tests.twins.gmail.judge import answered_wrongly, asked_wrongly
from tests.twins.wire.passing import Log, Logged, Reply, Request
from tests.twins.wire.twin import Twin, real_time

WATCH_LIFE = timedelta(days=7)
PUSH_EMAIL = "pushes@northwind.iam.gserviceaccount.com"
AUDIENCE = "https://sidecar.northwind.test/hooks/mail"
SYSTEM = ("INBOX", "SENT", "DRAFT", "SPAM", "TRASH", "UNREAD", "STARRED", "IMPORTANT", "CHAT", "CATEGORY_PERSONAL")
_KINDS = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}
_ROUTES = (
    (re.compile(r"/gmail/v1/users/me/profile"), "profile"),
    (re.compile(r"/gmail/v1/users/me/history"), "history"),
    (re.compile(r"/gmail/v1/users/me/messages"), "list"),
    (re.compile(r"/gmail/v1/users/me/messages/([^/]+)"), "get"),
    (re.compile(r"/gmail/v1/users/me/labels"), "labels"),
    (re.compile(r"/gmail/v1/users/me/watch"), "watch"),
)


@dataclass
class Mail:
    """A mail in the mailbox."""

    id: str
    raw: bytes
    labels: set[str]
    at: datetime
    history: int = 0

    @property
    def order(self) -> tuple[datetime, str]:
        """Where it stands in a list, which is newest first."""
        return self.at, self.id


class GmailTwin(Twin):
    """One mailbox: `with GmailTwin("sales@northwind.test", clock) as twin: ... twin.url ...`."""

    def __init__(
        self, mailbox: str = "sales@northwind.test", clock: Callable[[], datetime] = real_time, *, port: int = 0
    ) -> None:
        self.mailbox, self.clock = mailbox, clock
        self.authority = Authority(account=mailbox, clock=clock)
        self.lock = threading.RLock()
        self.mails: dict[str, Mail] = {}
        self.records: list[tuple[int, dict[str, Any]]] = []
        self.user_labels: dict[str, str] = {}
        self.topics = {"projects/northwind/topics/gmail"}
        self.watched: list[str] = []
        self.lags = 0
        self.oldest = 0
        self._history, self._ids = 987_000, iter(range(0x19A8C0FFEE000001, 0x19A8C0FFEFFFFFFF))
        self._key: rsa.RSAPrivateKey | None = None
        self._pushes = 0
        log = Log()
        super().__init__(_Gateway(self, log), log, 0, port)

    # Hands ------------------------------------------------------------------------------------------------------

    def arrives(self, raw: bytes, at: datetime | None = None, labels: tuple[str, ...] = ("INBOX", "UNREAD")) -> str:
        """Let a mail come in; return its id."""
        with self.lock:
            mail = Mail(f"{next(self._ids):x}", raw, set(labels), at or self.clock())
            self.mails[mail.id] = mail
            self._record("messagesAdded", mail)
            return mail.id

    def sends(self, raw: bytes, at: datetime | None = None, *, to_oneself: bool = False) -> str:
        """Let the account send a mail."""
        return self.arrives(raw, at, ("SENT", "INBOX") if to_oneself else ("SENT",))

    def drafts(self, raw: bytes, at: datetime | None = None) -> str:
        """Let a draft be saved, as a new message each time."""
        return self.arrives(raw, at, ("DRAFT",))

    def sends_draft(self, id: str) -> str:
        """Let a draft be sent: it is deleted, and another message is in its place."""
        with self.lock:
            raw, at = self.mails[id].raw, self.mails[id].at
            self.deletes(id)
            return self.sends(raw, at)

    def deletes(self, id: str) -> None:
        """Delete a mail for good."""
        with self.lock:
            self._record("messagesDeleted", self.mails.pop(id))

    def relabels(self, id: str, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Put labels on a mail and take others off: reading it, starring it, moving it out of spam."""
        with self.lock:
            mail = self.mails[id]
            mail.labels = (mail.labels | set(add)) - set(remove)
            for kind, changed in (("labelsAdded", add), ("labelsRemoved", remove)):
                if changed:
                    self._record(kind, mail, labelIds=list(changed))

    def labels(self, name: str) -> str:
        """Make a label of the account's own; return its id."""
        self.user_labels[name] = f"Label_{len(self.user_labels) + 17}"
        return self.user_labels[name]

    def forgets(self) -> None:
        """Forget all history so far."""
        with self.lock:
            self._history += 1000
            self.oldest, self.records = self._history, []

    def jump(self, newest: int) -> None:
        """Let the history come to an id."""
        self._history = newest

    def access(self) -> str:
        """Give a refresh token as if the account's owner had consented."""
        return self.authority.grants("https://www.googleapis.com/auth/gmail.readonly")

    @property
    def newest(self) -> int:
        """The mailbox's newest history id."""
        return self._history

    def push(self, **changed: Any) -> tuple[dict[str, str], bytes]:
        """Return headers and body of what Pub/Sub would push now; `changed` are claims, or `kid`, `alg`, `key`."""
        self._pushes += 1
        news = {
            "emailAddress": changed.pop("mailbox", self.mailbox),
            "historyId": changed.pop("history", self._history),
        }
        sent = self.clock().isoformat().replace("+00:00", "Z")
        message = {"data": b64encode(json.dumps(news).encode()).decode(), "messageId": f"2070443601{self._pushes}"}
        message |= {"message_id": message["messageId"], "publishTime": sent, "publish_time": sent}
        body = json.dumps({"message": message, "subscription": "projects/northwind/subscriptions/sidecar"}).encode()
        return {"authorization": f"Bearer {self.token(**changed)}", "content-type": "application/json"}, body

    def token(self, **changed: Any) -> str:
        """Return a token such as Pub/Sub bears."""
        now = int(self.clock().timestamp())
        head = {"kid": changed.pop("kid", "key-1")}
        key, algorithm = changed.pop("key", self.signing), changed.pop("alg", "RS256")
        claims = {
            "aud": AUDIENCE,
            "azp": "113774264463038321964",
            "email": PUSH_EMAIL,
            "sub": "113774264463038321964",
            "email_verified": True,
            "exp": now + 3600,
            "iat": now,
            "iss": "https://accounts.google.com",
        }
        told = {name: value for name, value in (claims | changed).items() if value is not None}
        return jwt.encode(told, key, algorithm=algorithm, headers=head)

    @property
    def signing(self) -> rsa.RSAPrivateKey:
        """The key whose public half `/oauth2/v3/certs` shows."""
        if self._key is None:
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._key

    # ------------------------------------------------------------------------------------------------------------

    def _record(self, kind: str, mail: Mail, **more: Any) -> None:
        self._history += 7  # ids have gaps
        mail.history = self._history
        named = {"id": mail.id, "threadId": mail.id}
        told = {"message": {**named, "labelIds": sorted(mail.labels)}, **more}
        if kind == "messagesDeleted":
            told = {"message": named}
        self.records.append((self._history, {"id": str(self._history), "messages": [named], kind: [told]}))


class _Gateway:
    """Answers for the mailbox; `defects` are requests and answers that don't fit the description."""

    def __init__(self, twin: GmailTwin, log: Log) -> None:
        self.twin, self.log, self.defects = twin, log, list[str]()

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        with self.twin.lock:
            reply = self.twin.authority.reply(request) or self._reply(request)
            self.note(request, reply, self.operation(request), answered=answered, fault=fault)
            return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        status, size_bytes = (reply.status, len(reply.body)) if reply else (None, 0)
        told = (request.method, request.target, operation, 1, status, len(request.body), size_bytes, request.body)
        self.log.add(Logged(*told, answered, fault))

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        path = urlsplit(request.target).path
        if path == "/oauth2/v3/certs":
            return "certs"
        named = next((name for route, name in _ROUTES if route.fullmatch(path)), "")
        return named or self.twin.authority.operation(request) or "unknown"

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of JSON, or of text."""
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return Reply(status, raw, {"Content-Type": "application/json; charset=UTF-8", **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is."""
        return body

    def refusal(self, status: int, reason: str) -> Reply:
        """Return a refusal in Google's shape."""
        row = {"message": "told to the developer", "domain": "global", "reason": reason}
        return self.reply(status, {"error": {"code": status, "message": "told to the developer", "errors": [row]}})

    def _reply(self, request: Request) -> Reply:
        parts, operation = urlsplit(request.target), self.operation(request)
        if operation == "certs":
            return self._certs()
        headers = {name.lower(): value for name, value in request.headers.items()}
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not self.twin.authority.opens(token):
            return self.refusal(401, "authError")
        if self.twin.authority.opens(token) != self.twin.mailbox and operation != "profile":
            return self.refusal(403, "forbidden")
        if operation == "unknown":
            return self.refusal(404, "notFound")
        query = parse_qs(parts.query, keep_blank_values=True)
        body = json.loads(request.body) if request.body else None
        self.defects += asked_wrongly(operation, request.method, query, body)
        one = {name: values[-1] for name, values in query.items()}
        if operation == "get":
            return self._get(parts.path.rsplit("/", 1)[1], one.get("format", "full"))
        if operation == "history":
            return self._history(one, query.get("historyTypes", []))
        if operation == "list":
            return self._list(one)
        return self._small(operation, token, body)

    def _small(self, operation: str, token: str, body: Any) -> Reply:
        twin = self.twin
        if operation == "profile":
            told = {"emailAddress": twin.authority.opens(token), "messagesTotal": len(twin.mails)}
            return self._judged(operation, told | {"threadsTotal": len(twin.mails), "historyId": str(twin.newest)})
        if operation == "labels":
            rows = [{"id": name, "name": name, "type": "system"} for name in SYSTEM]
            rows += [{"id": id, "name": name, "type": "user"} for name, id in twin.user_labels.items()]
            return self._judged(operation, {"labels": rows})
        if body["topicName"] not in twin.topics:
            return self.refusal(400, "failedPrecondition")
        twin.watched.append(body["topicName"])
        ends = int((twin.clock() + WATCH_LIFE).timestamp() * 1000)
        return self._judged(operation, {"historyId": str(twin.newest), "expiration": str(ends)})

    def _get(self, id: str, form: str) -> Reply:
        mail = self.twin.mails.get(id)
        if mail is None:
            return self.refusal(404, "notFound")
        told: dict[str, Any] = {
            "id": mail.id,
            "threadId": mail.id,
            "labelIds": sorted(mail.labels),
            "snippet": "",
            "historyId": str(mail.history),
            "internalDate": str(int(mail.at.timestamp() * 1000)),
            "sizeEstimate": len(mail.raw),
        }
        if form == "raw":
            told["raw"] = urlsafe_b64encode(mail.raw).rstrip(b"=").decode()
        if form == "metadata":
            head = mail.raw.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").split("\r\n")
            rows = [{"name": line.partition(":")[0], "value": line.partition(":")[2].strip()} for line in head]
            told["payload"] = {"mimeType": "text/plain", "headers": rows}
        return self._judged("get", told)

    def _history(self, query: Mapping[str, str], types: list[str]) -> Reply:
        twin, start = self.twin, int(query["startHistoryId"])
        if start < twin.oldest or start > twin.newest:
            return self.refusal(404, "notFound")
        if twin.lags > 0:
            twin.lags -= 1
            return self._judged("history", {"historyId": str(start)})
        kinds = {_KINDS[kind] for kind in types}
        found = [row for number, row in twin.records if number > start and (not types or kinds & set(row))]
        begin, most = int(query.get("pageToken", "0")), int(query.get("maxResults", "100"))
        told: dict[str, Any] = {"historyId": str(twin.newest)}
        if rows := found[begin : begin + most]:
            told["history"] = rows
        if begin + most < len(found):
            told["nextPageToken"] = str(begin + most)
        return self._judged("history", told)

    def _list(self, query: Mapping[str, str]) -> Reply:
        words = dict(word.split(":") for word in query.get("q", "").split())
        after, before = int(words.get("after", "0")), int(words.get("before", str(10**12)))
        hidden = set() if query.get("includeSpamTrash") == "true" else {"SPAM", "TRASH"}
        found = [mail for mail in self.twin.mails.values() if after < mail.at.timestamp() < before]
        found = sorted((mail for mail in found if not hidden & mail.labels), key=lambda mail: mail.order, reverse=True)
        if token := query.get("pageToken"):
            last = tuple(json.loads(bytes.fromhex(token)))
            found = [mail for mail in found if (mail.at.isoformat(), mail.id) < last]
        most = int(query.get("maxResults", "100"))
        told: dict[str, Any] = {"resultSizeEstimate": len(found)}
        if rows := [{"id": mail.id, "threadId": mail.id} for mail in found[:most]]:
            told["messages"] = rows
        if len(found) > most:
            last = (found[most - 1].at.isoformat(), found[most - 1].id)
            told["nextPageToken"] = json.dumps(last).encode().hex()
        return self._judged("list", told)

    def _certs(self) -> Reply:
        row = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.twin.signing.public_key()))
        rows = [{**row, "kid": "key-1", "alg": "RS256", "use": "sig"}]
        return self.reply(200, {"keys": rows}, {"Cache-Control": "public, max-age=20000"})

    def _judged(self, operation: str, body: Any) -> Reply:
        self.defects += answered_wrongly(operation, body)
        return self.reply(200, body)
