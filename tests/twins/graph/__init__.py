"""A small Microsoft Graph on a loopback socket: one mailbox with mail and calendar, subscriptions, and a sign-in.

Its answers are judged by Microsoft's own published examples (`tests/contract/test_twin_graph.py`). A call without the
preference for immutable ids is a defect, and so are more than four at once: the twin raises when it is closed. What
people do in Outlook are methods here; who subscribed is told, and his address shakes hands, over real HTTP.

Source: learn.microsoft.com Graph v1.0 reference and microsoftgraph/microsoft-graph-docs-contrib, read 2026-11.
"""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2

from tests.twins.authority import Authority
from tests.twins.graph.gateway import GraphGateway
from tests.twins.graph.rounds import Rounds
from tests.twins.graph.shapes import event, message, occurrence, selected, stamp, whole
from tests.twins.wire.passing import Log
from tests.twins.wire.twin import Twin, real_time

FOLDERS = {
    "inbox": "Inbox",
    "sentitems": "Sent Items",
    "drafts": "Drafts",
    "junkemail": "Junk Email",
    "archive": "Archive",
    "deleteditems": "Deleted Items",
}
WAIT_S = 20.0


class GraphTwin(Twin):
    """One mailbox: `with GraphTwin() as twin: ... twin.url ...`. Its clock may be set."""

    def __init__(
        self,
        mailbox: str = "ann@ours.test",
        *,
        clock: Callable[[], datetime] = real_time,
        tenant: str = "ours.test",
        client_id: str = "an-app",
        client_secret: str = "secret-of-the-app",
        port: int = 0,
    ) -> None:
        self.mailbox, self.clock, self.tenant = mailbox, clock, tenant
        self.client_id, self.client_secret = client_id, client_secret
        self.authority = Authority(client_id, client_secret, mailbox, rotates=True, clock=clock)
        self.lock = threading.RLock()
        self.rounds = Rounds()
        self.folders = {f"AQMk{name}==": (name, shown, "AQMkroot==") for name, shown in FOLDERS.items()}
        self.messages: dict[str, dict[str, Any]] = {}
        self.mime: dict[str, bytes] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.days: dict[str, list[dict[str, Any]]] = {}
        self.changes: list[tuple[int, str, str, str]] = []  # number, scope, what, id
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.now = 0
        log = Log()
        super().__init__(GraphGateway(self, log), log, 0, port)

    # Mail -------------------------------------------------------------------------------------------------------

    def receives(self, mime: bytes, at: datetime, folder: str = "inbox", **fields: Any) -> str:
        """Let a mail lie in a folder; return its immutable id."""
        with self.lock:
            id, key = self._id("AAkALg"), self._id("CQAAAB")
            where = self.folder_id(folder)
            self.messages[id] = message(id, key, where, mime, at, fields)
            self.mime[id] = mime
            self._note(where, "created", id)
            return id

    def sends(self, mime: bytes, at: datetime) -> str:
        """Let our person send a mail."""
        return self.receives(mime, at, "sentitems")

    def reads(self, id: str) -> None:
        """Let our person open a mail: an update of nothing that matters."""
        with self.lock:
            self.messages[id]["isRead"] = True
            self._note(self.messages[id]["parentFolderId"], "updated", id)

    def files(self, id: str, folder: str) -> None:
        """Let our person move a mail: gone from one folder, new in another, under the same immutable id."""
        with self.lock:
            self._note(self.messages[id]["parentFolderId"], "deleted", id)
            self.messages[id]["parentFolderId"] = self.folder_id(folder)
            self._note(self.messages[id]["parentFolderId"], "created", id)

    def deletes(self, id: str) -> None:
        """Let our person delete a mail for good."""
        with self.lock:
            self._note(self.messages[id]["parentFolderId"], "deleted", id)
            del self.messages[id], self.mime[id]

    def folder_id(self, name: str) -> str:
        """Return the id of a folder by its well-known name, its shown name, or its id."""
        return next(id for id, (known, shown, _) in self.folders.items() if name in (id, known, shown))

    def makes_folder(self, name: str, inside: str = "inbox") -> str:
        """Let our person make a folder; return its id."""
        with self.lock:
            id = self._id("AQMkADY")
            self.folders[id] = ("", name, self.folder_id(inside))
            return id

    def bins_folder(self, id: str) -> None:
        """Let our person delete a folder: it lies in Deleted Items with its mails, under the id that it had."""
        with self.lock:
            self.folders[id] = ("", self.folders[id][1], self.folder_id("deleteditems"))

    def empties_bin(self) -> None:
        """Let what lies in Deleted Items be gone for good."""
        with self.lock:
            bin = self.folder_id("deleteditems")
            for id in [id for id, (_, _, parent) in self.folders.items() if parent == bin]:
                del self.folders[id]
                for mail in [key for key, row in self.messages.items() if row["parentFolderId"] == id]:
                    del self.messages[mail], self.mime[mail]

    # Calendar ---------------------------------------------------------------------------------------------------

    def plans(self, start: datetime, **fields: Any) -> str:
        """Let an event of an hour stand in the calendar; return its id."""
        with self.lock:
            id = self._id("AAkEV")
            self.events[id] = event(id, self._id("nfZyf"), {**self._when(start), **self._touched(), **fields})
            self._note("calendar", "created", id)
            return id

    def repeats(self, start: datetime, weeks: int, **fields: Any) -> str:
        """Let a weekly series stand in the calendar; return the id of its master."""
        pattern = {"pattern": {"type": "weekly", "interval": 1}, "range": {"type": "numbered"}}
        with self.lock:
            id = self.plans(start, type="seriesMaster", recurrence=pattern, **fields)
            self._expand(id, start, weeks)
            return id

    def excepts(self, master: str, number: int, start: datetime, **fields: Any) -> str:
        """Let one day of a series be moved; return the exception's id."""
        with self.lock:
            day = self.days[master].pop(number)
            first = f"{day['start']['dateTime'][:19]}Z"
            more = {"type": "exception", "seriesMasterId": master, "originalStart": first, **fields}
            uid = self.events[master]["iCalUId"]
            return self.plans(start, **{"iCalUId": uid, "subject": self.events[master]["subject"], **more})

    def changes_event(self, id: str, start: datetime | None = None, **fields: Any) -> None:
        """Let somebody change an event."""
        with self.lock:
            key = self._id("nfZyf")
            moved = self._when(start) if start else {}
            self.events[id] |= {**moved, **self._touched(), **fields, "changeKey": key, "@odata.etag": f'W/"{key}"'}
            if start and id in self.days:
                self._expand(id, start, len(self.days[id]))
            self._note("calendar", "updated", id)

    def removes(self, id: str) -> None:
        """Let our person delete an event."""
        with self.lock:
            for day in self.days.pop(id, []):
                self._note("calendar", "deleted", day["id"])
            del self.events[id]
            self._note("calendar", "deleted", id)

    # Notices ----------------------------------------------------------------------------------------------------

    def notice(self, subscription: str, **fields: Any) -> bytes:
        """Return what Graph posts of a change."""
        with self.lock:
            held = self.subscriptions[subscription]
            id = self._id("AAkALg")
            about = {"@odata.type": "#Microsoft.Graph.Message", "@odata.id": "x", "@odata.etag": 'W/"x"', "id": id}
            item = {
                "subscriptionId": subscription,
                "subscriptionExpirationDateTime": held["expirationDateTime"],
                "changeType": "created",
                "resource": f"Users/{self.mailbox}/Messages/{id}",
                "resourceData": about,
                "clientState": held["clientState"],
                "tenantId": "84bd8158-6d4d-4958-8b9f-9d6445542f95",
                **fields,
            }
            return json.dumps({"value": [item]}).encode()

    def lifecycle(self, subscription: str, event: str) -> bytes:
        """Return what Graph posts of a subscription's own fate."""
        told = json.loads(self.notice(subscription))["value"][0]
        kept = ("subscriptionId", "subscriptionExpirationDateTime", "clientState", "tenantId")
        return json.dumps({"value": [{**{key: told[key] for key in kept}, "lifecycleEvent": event}]}).encode()

    def tells(self, subscription: str, body: bytes | None = None) -> int:
        """Post a notice to who subscribed; return the status of the answer."""
        url = self.subscriptions[subscription]["notificationUrl"]
        headers = {"Content-Type": "application/json"}
        with httpx2.Client(trust_env=False, timeout=WAIT_S) as client:
            return client.post(url, content=body or self.notice(subscription), headers=headers).status_code

    def drops(self, subscription: str) -> None:
        """Remove a subscription, as Graph may at any time."""
        with self.lock:
            del self.subscriptions[subscription]

    def shakes(self, url: str) -> bool:
        """Ask an address whether it is who subscribed; over HTTP, unless a test puts somebody else here."""
        token = "Validation: Testing client application reachability for subscription Request-Id: a b+c/d=é"
        try:
            with httpx2.Client(trust_env=False, timeout=WAIT_S) as client:
                told = client.post(f"{url}?validationToken={quote(token, safe='')}")
        except httpx2.HTTPError:
            return False
        kind = told.headers.get("content-type", "")
        return told.status_code == 200 and kind.startswith("text/plain") and told.text == token

    # ------------------------------------------------------------------------------------------------------------

    def told(self, kind: str, id: str, select: str) -> bytes:
        """Return the bytes in which a GET tells of one event or message."""
        with self.lock:
            return json.dumps(
                whole(selected((self.events if kind == "events" else self.messages)[id], select))
            ).encode()

    def changed(self, scope: str, since: int) -> list[tuple[str, str]]:
        """Return what happened in a scope since a number, oldest first."""
        return [(what, id) for number, where, what, id in self.changes if where == scope and number > since]

    def _expand(self, id: str, start: datetime, weeks: int) -> None:
        days = [start + timedelta(weeks=week) for week in range(weeks)]
        self.days[id] = [
            occurrence(self.events[id], number, _wall(day), _wall(day + timedelta(hours=1)))
            for number, day in enumerate(days)
        ]

    def _when(self, start: datetime) -> dict[str, Any]:
        times = {"start": start, "end": start + timedelta(hours=1)}
        return {name: {"dateTime": _wall(at), "timeZone": "UTC"} for name, at in times.items()}

    def _touched(self) -> dict[str, str]:
        return {"lastModifiedDateTime": stamp(self.clock().astimezone(UTC))}

    def _note(self, scope: str, what: str, id: str) -> None:
        self.now += 1
        self.changes.append((self.now, scope, what, id))

    def _id(self, prefix: str) -> str:
        self.now += 1
        return f"{prefix}AgAA{self.now:08d}AA="


def _wall(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.0000000"
