"""What is asked of Gong's API: which calls there were and with whom, and the words of one.

Reading alone. Gong gives three calls a second and ten thousand a day to a whole company, so the pace leaves some to
others, and the day is counted here, from midnight to midnight in UTC and anew after a restart. A 404 is Gong's word for
"no calls in that time", and for a transcript that isn't there yet; both are an answer. The list is paged by a cursor
within a fixed span, so it doesn't move.

Source: Gong API v2, `POST /v2/calls/extensive` and `/v2/calls/transcript`, its OpenAPI description and help.gong.io,
read 2026-11: ids have up to 20 digits, `started` is ISO 8601, `records.cursor` only while there is more.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from adapters.http.asking import Api, Ask, rows
from adapters.http.patience import Again
from sidecar.errors import TemporaryError, Unanswered
from sidecar.ports import Clock

if TYPE_CHECKING:
    from adapters.http.pooled import Reply

MAX_PAGES = 1_000
VENDOR = "Gong"


class Gong:
    """Asks one company's Gong."""

    def __init__(self, api: Api, base_url: str, workspace: str, per_day: int, clock: Clock) -> None:
        self._api, self._base_url, self._workspace = api, base_url, workspace
        self._per_day, self._clock = per_day, clock
        self._today, self._spent = date.min, 0

    def listed(self, since: int, until: int) -> Iterator[dict[str, Any]]:
        """Yield the calls that began between two times, in seconds, with those who took part."""
        span = {"fromDateTime": _iso(since), "toDateTime": _iso(until)}
        chosen = span | ({"workspaceId": self._workspace} if self._workspace else {})
        body: dict[str, Any] = {"filter": chosen, "contentSelector": {"exposedFields": {"parties": True}}}
        for _ in range(MAX_PAGES):
            reply = self._asked("calls", "/v2/calls/extensive", body)
            if reply.status == 404:
                return
            yield from (row for row in rows(reply, "calls", VENDOR, needs="metaData") if since <= began(row) < until)
            records = reply.data.get("records")
            cursor = records.get("cursor") if isinstance(records, dict) else None
            if not isinstance(cursor, str) or not cursor:
                return
            body = {**body, "cursor": cursor}
        raise TemporaryError("Gong lists more calls than can be read at once", retry_after_s=3600.0)

    def words(self, call: str) -> dict[str, Any] | None:
        """Return a call's transcript; None while there is none."""
        reply = self._asked("transcript", "/v2/calls/transcript", {"filter": {"callIds": [call]}})
        if reply.status == 404:
            return None
        found = [row for row in rows(reply, "callTranscripts", VENDOR, needs="callId") if row["callId"] == call]
        return found[0] if found and found[0].get("transcript") else None

    def _asked(self, operation: str, path: str, body: dict[str, Any]) -> "Reply":
        self._pay()
        return self._api.ask(Ask(operation, f"{self._base_url}{path}", "POST", body=body, may_lack=(404,)))

    def _pay(self) -> None:
        now = self._clock().astimezone(UTC)
        if now.date() != self._today:
            self._today, self._spent = now.date(), 0
        if self._spent >= self._per_day:
            midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=1, microsecond=0)
            told = "Gong was asked as often as calls_per_day allows; it goes on at midnight UTC"
            raise Unanswered(told, retry_after_s=(midnight - now).total_seconds())
        self._spent += 1


def began(call: dict[str, Any]) -> int:
    """Return when a call began, in seconds; `Again` for one that doesn't tell, which would be passed over else."""
    told = call.get("metaData")
    started = told.get("started") if isinstance(told, dict) else None
    try:
        at = datetime.fromisoformat(started) if isinstance(started, str) else None
    except ValueError:
        at = None
    if at is None or not isinstance(told, dict) or not isinstance(told.get("id"), str) or not told["id"]:
        raise Again("Gong lists a call without an id or a time")
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
