"""Cal.com, hosted or your own: bookings, requests, moves and cancellations, by signed webhooks and by a poll.

Its API lists the bookings that changed since a time, so a poll reads those alone. Both ways lead to the same
activities; neither changes anything there. A no-show is told by webhook without the booking, so each webhook also makes
a poll due. The signature holds no time: an old webhook that is sent again is the same delivery, by its bytes.

Source: cal.com/docs (webhooks; API v2, get all bookings, `cal-api-version` 2024-08-13; 120 calls a minute for an API
key) and calcom/cal.com, read 2026-11.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

import orjson
from pydantic import Field
from pydantic_core import PydanticCustomError

from adapters.channels.calcom.events import is_absent, lay_down, read_activities
from adapters.formats.outside import read_time
from adapters.formats.rereads import Found
from adapters.formats.signed_hex import check_signature
from adapters.http.asking import Api, Ask, rows
from adapters.http.options import Address, host_of
from adapters.http.reconciled import Reconciled, ReconciledOptions
from sidecar.errors import SidecarError, TemporaryError
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, HookRequest

API_VERSION = "2024-08-13"
HEADER = "x-cal-signature-256"
PAGE, MAX_PAGES = 100, 1_000


class CalcomOptions(ReconciledOptions):
    """Settings of one user, or one team, of Cal.com."""

    base_url: Address = Field("https://api.cal.com", description="Where the API is, without a path")
    calls_per_minute: int = Field(100, ge=1, le=60_000, description="Most calls of its API in a minute")


class CalcomChannel(Reconciled):
    """Takes Cal.com's webhooks, and asks its API for what they left out."""

    Options = CalcomOptions
    capabilities = ChannelCapabilities(
        webhook=True, poll=True, backfill=True, bookings=True, hints=True, stamped=False, census=True
    )
    VENDOR = "Cal.com"
    REMEDY = "is the API key still valid, and base_url the address of the API (not of the booking pages)?"

    def __init__(self, name: str, options: CalcomOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self.options = options
        self.source = host_of(options.base_url)  # whose it is there, the key alone says
        headers = {"Authorization": f"Bearer {self.token}", "cal-api-version": API_VERSION}
        self._api = Api(self.manners, lambda: headers, context.observe)

    def signed(self, request: HookRequest) -> None:
        """Check Cal.com's signature."""
        check_signature(HEADER, request.headers.get(HEADER, ""), "", request.body, self.secrets)

    def read(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a webhook, or a booking that was asked for."""
        return read_activities(delivery, self.own)

    def found(self, since: int, until: int) -> Iterator[Found]:
        """Yield the bookings that changed in a span."""
        listed = list(self._bookings(since))
        replaced = {row.get("rescheduledFromUid") for row in listed} - {None, ""}
        for row in listed:
            at, is_replaced = _changed(row), row["uid"] in replaced or bool(row.get("rescheduledToUid"))
            if since <= at < until:
                key = _key(row, is_replaced=is_replaced)
                yield Found(at, key, partial(self._kept, key, row, is_replaced))

    def check(self) -> Sequence[str]:
        """Ask for the first page of what the poll asks for."""
        try:
            next(self._bookings(int(self.clock().timestamp())), None)
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def _kept(self, key: str, row: Mapping[str, Any], is_replaced: bool) -> Captured:
        return self.laid(key, lay_down(row, is_replaced=is_replaced))

    def _bookings(self, since: int) -> Iterator[dict[str, Any]]:
        """Bookings that changed since a time, oldest change first; each page begins where the last one ended.

        A booking that changes meanwhile moves to the end, and would draw others over the border of pages that are
        counted off.
        """
        after, skip, seen = since - 1, 0, set[tuple[str, str]]()
        for _ in range(MAX_PAGES):
            told = datetime.fromtimestamp(after, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            query = {"afterUpdatedAt": told, "sortUpdatedAt": "asc", "take": str(PAGE), "skip": str(skip)}
            reply = self._api.ask(Ask("bookings", f"{self.options.base_url}/v2/bookings", query=query))
            found = rows(reply, "data", "Cal.com", needs="uid")
            named = {(str(row["uid"]), str(row.get("updatedAt"))): row for row in found}
            yield from (row for name, row in named.items() if name not in seen)
            seen |= named.keys()
            paging = reply.data.get("pagination")
            if not found or (isinstance(paging, dict) and paging.get("hasNextPage") is False):
                return
            last = _changed(found[-1]) - 1
            after, skip = (last, 0) if last > after else (after, skip + len(found))
        raise TemporaryError("Cal.com lists more bookings than can be read at once", retry_after_s=3600.0)


def _key(row: Mapping[str, Any], *, is_replaced: bool) -> str:
    state = orjson.dumps([row.get("status"), is_absent(row), is_replaced])
    return f"booking:{row['uid']}:{sha256(state).hexdigest()[:16]}"


def _changed(row: Mapping[str, Any]) -> int:
    for name in ("updatedAt", "createdAt"):
        try:
            return int(read_time(row.get(name)).timestamp())
        except PydanticCustomError:
            continue
    return 0
