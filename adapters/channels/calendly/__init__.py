"""Calendly: bookings, moves, cancellations and no-shows, by signed webhooks and by a poll of the same.

Its API has no list of what changed: events are listed by when they begin. So a poll lists everything that is still to
come, looks into the events that changed since the last one, and again into those of the last days, because somebody is
marked as a no-show afterwards. What it finds has the ids that the webhook would have given it.

An event whose invitees are refused while others' come is left out by its id.

The trade-off: a mark that is taken back is told by webhook alone, since the API then shows an invitee without one.

Source: developer.calendly.com (List Events, Get Event, List Event Invitees, rate limits), read 2026-11: 100 a page; 500
calls a minute for each user, 50 on the free plan; an organization's events for its owners and admins alone.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

import orjson
from pydantic import Field
from pydantic_core import PydanticCustomError

from adapters.channels.calendly.events import last_part, lay_down, read_activities
from adapters.channels.calendly.signature import verify
from adapters.formats.outside import read_time
from adapters.formats.rereads import Found, at_hand
from adapters.formats.withheld import MAX_LOOKED_AT, Sieve, first_of, retrieved
from adapters.http.asking import Api, Ask, rows
from adapters.http.options import Address, host_of
from adapters.http.patience import Again
from adapters.http.reconciled import Reconciled, ReconciledOptions
from sidecar.errors import SidecarError, TemporaryError
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, HookRequest

PAGE, MAX_PAGES = 100, 1_000
DAY_S = 86_400


class CalendlyOptions(ReconciledOptions):
    """Settings of one organization, or one user, of Calendly."""

    scope: Literal["organization", "user"] = Field("user", description="Whose events are polled")
    base_url: Address = Field("https://api.calendly.com", description="Where the API is, without a path")
    no_show_days: int = Field(3, ge=0, le=60, description="How many days back each poll looks for no-shows")


class CalendlyChannel(Reconciled):
    """Takes Calendly's webhooks, and asks its API for what they left out."""

    Options = CalendlyOptions
    capabilities = ChannelCapabilities(
        webhook=True, poll=True, backfill=True, bookings=True, census=True, withholds=True
    )
    VENDOR = "Calendly"
    REMEDY = "is the token still valid, and may its user see this scope? An organization's events are for its admins"

    def __init__(self, name: str, options: CalendlyOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self.options = options
        self.source = f"{host_of(options.base_url)}, {options.scope}"  # whose, the token alone says
        headers = {"Authorization": f"Bearer {self.token}"}
        self._api = Api(self.manners, lambda: headers, context.observe)

    def signed(self, request: HookRequest) -> None:
        """Check Calendly's signature."""
        verify(request.headers, request.body, self.secrets, self.clock())

    def read(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a webhook, or an invitee that was asked for."""
        return read_activities(delivery, self.own)

    def found(self, since: int, until: int) -> Iterator[Found]:
        """Yield the invitees that changed in a span, whose events begin after it or up to some days before."""
        first = min(since, self.since())  # the same for all polls
        sieve, times = Sieve(self._another), dict[str, int]()
        for event in self._events(self._begin(since)):
            started, changed = _seconds(event, "start_time"), _seconds(event, "updated_at")
            is_shared = isinstance(counter := event.get("invitees_counter"), dict) and counter.get("limit") != 1
            if changed >= since or started < until - DAY_S or is_shared:
                id, invitees = last_part(event["uri"]), list[dict[str, Any]]()
                named = Captured(self.account, b"", f"event:{changed}:{first}:{id}", {"event": id, "since": str(first)})
                times[str(named.key)] = min(max(changed, since), until - 1)
                brought = sieve.tried(partial(self._looked_into, event, invitees), named)
                yield from (at_hand(times[str(left.key)], left) for left in brought if left.withheld)
                for invitee in invitees:
                    at = _changed(invitee)
                    if since <= at < until:
                        yield Found(at, key := _key(invitee), partial(self._kept, key, event, invitee))
        yield from (at_hand(times[str(left.key)], left) for left in sieve.settled())

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch what is ours of an event's invitees that a poll had to leave out."""

        def fetch() -> Sequence[Captured]:
            event, since = self._event(headers["event"]), int(headers["since"])
            invitees = self._invitees(event) if event else ()
            return [self._kept(_key(one), event, one) for one in invitees if event and _changed(one) >= since]

        return retrieved(key, fetch, self._another)

    def check(self) -> Sequence[str]:
        """Ask for the first page of what the poll asks for."""
        try:
            next(self._events(int(self.clock().timestamp())), None)
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def _kept(self, key: str, event: Mapping[str, Any], invitee: Mapping[str, Any]) -> Captured:
        return self.laid(key, lay_down(event, invitee))

    def _looked_into(self, event: Mapping[str, Any], invitees: list[dict[str, Any]]) -> Captured:
        invitees += list(self._invitees(event))
        return Captured(self.account, b"", last_part(event["uri"]))

    def _another(self, but: Collection[str]) -> bool:
        """Say whether the invitees of another event can be had; the last part of a key is the event's id."""
        newest = islice(self._events(self._begin(self.since()), "desc"), MAX_LOOKED_AT)
        others = {last_part(event["uri"]): partial(self._looked_into, event, []) for event in newest}
        return first_of(others, {key.rpartition(":")[2] for key in but})

    def _begin(self, since: int) -> int:
        """From when on an event begins into which is looked for what changed since a time."""
        return since - self.options.no_show_days * DAY_S

    def _event(self, id: str) -> dict[str, Any] | None:
        url = f"{self.options.base_url}/scheduled_events/{quote(id, safe='')}"
        reply = self._api.ask(Ask("event", url, may_lack=(404,)))
        if reply.status == 404:
            return None
        told = reply.data.get("resource") if isinstance(reply.data, dict) else None
        if not isinstance(told, dict) or not told.get("uri"):
            raise Again("Calendly's answer holds no event")
        return told

    def _events(self, begin: int, order: str = "asc") -> Iterator[dict[str, Any]]:
        me = self._api.ask(Ask("user", f"{self.options.base_url}/users/me"))
        resource = me.data.get("resource") if isinstance(me.data, dict) else None
        field = "current_organization" if self.options.scope == "organization" else "uri"
        whose = resource.get(field) if isinstance(resource, dict) else None
        if not isinstance(whose, str):
            raise Again("Calendly doesn't say who we are")
        after = datetime.fromtimestamp(begin, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {self.options.scope: whose, "min_start_time": after, "sort": f"start_time:{order}"}
        yield from self._pages("events", f"{self.options.base_url}/scheduled_events", query)

    def _invitees(self, event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        url = f"{self.options.base_url}/scheduled_events/{quote(last_part(event['uri']), safe='')}/invitees"
        yield from self._pages("invitees", url, {"sort": "created_at:asc"})

    def _pages(self, operation: str, url: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        told = {**query, "count": str(PAGE)}
        for _ in range(MAX_PAGES):
            reply = self._api.ask(Ask(operation, url, query=told))
            yield from rows(reply, "collection", "Calendly", needs="uri")
            token = _next_page(reply.data.get("pagination"))
            if not token:
                return
            told["page_token"] = token
        raise TemporaryError(f"Calendly lists more {operation} than can be read at once", retry_after_s=3600.0)


def _next_page(pagination: object) -> str:
    """The token of the next page, which old answers hold in an address alone; that is never called."""
    told = pagination if isinstance(pagination, dict) else {}
    token, page = told.get("next_page_token"), told.get("next_page")
    if isinstance(token, str) and token:
        return token
    found = parse_qs(urlsplit(page).query).get("page_token", [""]) if isinstance(page, str) else [""]
    return found[0]


def _key(invitee: Mapping[str, Any]) -> str:
    """An invitee in his state: what of him can change without being news is left out."""
    no_show = invitee.get("no_show")
    marked = no_show.get("uri") if isinstance(no_show, dict) else None
    state = orjson.dumps([invitee.get("status"), invitee.get("rescheduled"), marked])
    return f"invitee:{last_part(invitee['uri'])}:{sha256(state).hexdigest()[:16]}"


def _changed(invitee: Mapping[str, Any]) -> int:
    """When an invitee changed last, by whichever mark of his is the newest."""
    marks = [invitee.get("cancellation"), invitee.get("no_show")]
    times = [_seconds(invitee, "updated_at"), _seconds(invitee, "created_at")]
    return max(times + [_seconds(mark, "created_at") for mark in marks if isinstance(mark, dict)])


def _seconds(row: Mapping[str, Any], name: str) -> int:
    """A time in seconds, 0 for none."""
    try:
        return int(read_time(row.get(name)).timestamp())
    except PydanticCustomError:
        return 0
