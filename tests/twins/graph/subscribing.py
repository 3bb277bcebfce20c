"""Subscriptions of the twin: made only for an address that shakes hands, renewed, lost."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.twins.graph.shapes import stamp

if TYPE_CHECKING:
    from tests.twins.graph import GraphTwin

Told = tuple[int, Any]
LIFE_MAX = timedelta(minutes=10_080)
NEEDED = ("changeType", "notificationUrl", "resource", "expirationDateTime")


class Subscribing:
    """Answers `/subscriptions`."""

    def __init__(self, twin: "GraphTwin") -> None:
        self.twin = twin

    def answer(self, method: str, path: str, body: Mapping[str, Any]) -> Told:
        """Return a status, and a body or an error's code; whom it asks for his hand, it asks outside of the lock."""
        id = path.partition("/")[2]
        if not id:
            return self._made(body) if method == "POST" else self._all()
        with self.twin.lock:
            held = self.twin.subscriptions.get(id)
            if held is None:
                return 404, "ResourceNotFound"
            if method == "DELETE":
                del self.twin.subscriptions[id]
                return 204, None
            if method == "PATCH":
                held["expirationDateTime"] = self._until(body["expirationDateTime"])
            return 200, {"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#subscriptions/$entity", **held}

    def _all(self) -> Told:
        with self.twin.lock:
            shown = [{**held, "clientState": None} for held in self.twin.subscriptions.values()]
        return 200, {"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#subscriptions", "value": shown}

    def _made(self, body: Mapping[str, Any]) -> Told:
        if not all(body.get(name) for name in NEEDED) or len(body.get("clientState") or "") > 128:
            return 400, "InvalidRequest"
        if not all(
            self.twin.shakes(body[name]) for name in ("notificationUrl", "lifecycleNotificationUrl") if body.get(name)
        ):
            return 400, "ValidationError"
        with self.twin.lock:
            self.twin.now += 1
            id = f"7f105c7d-2dc5-4530-97cd-{self.twin.now:012d}"
            self.twin.subscriptions[id] = {
                "id": id,
                "resource": body["resource"],
                "applicationId": self.twin.client_id,
                "changeType": body["changeType"],
                "clientState": body.get("clientState"),
                "notificationUrl": body["notificationUrl"],
                "lifecycleNotificationUrl": body.get("lifecycleNotificationUrl"),
                "expirationDateTime": self._until(body["expirationDateTime"]),
                "creatorId": "8ee44408-0679-472c-bc2a-692812af3437",
                "latestSupportedTlsVersion": "v1_2",
                "encryptionCertificate": "",
                "encryptionCertificateId": "",
                "includeResourceData": False,
                "notificationContentType": "application/json",
            }
            held = self.twin.subscriptions[id]
        return 201, {"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#subscriptions/$entity", **held}

    def _until(self, asked: str) -> str:
        """Return an end as Graph grants it, never later than it allows."""
        return stamp(min(datetime.fromisoformat(asked), self.twin.clock() + LIFE_MAX))
