"""From a clock to exceptions: watch a party, and keep one ranked task per owner and day that lists them.

An index of times drives it: a party is looked at when something about it changed, or when time alone could have made it
an exception. An owner's list lives in the book as a desk, a standing without identifiers, so that its task is planned,
posted and corrected like every other record.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sidecar.decide.course import cools_at
from sidecar.decide.expiry import expired, next_end
from sidecar.journal import Entry, Finish, Touch
from sidecar.model import (
    Decision,
    FieldClass,
    Lease,
    Mint,
    OpenAlert,
    Route,
    Standing,
    Value,
    Window,
    WorkKey,
    WorkKind,
    advance,
)
from sidecar.pipeline.afresh import afresh
from sidecar.pipeline.parts import Parts
from sidecar.pipeline.people import claim_of
from sidecar.pipeline.upkeep import trim
from sidecar.sync import AI_LINE, DesiredField, DesiredRecord, is_muted, plain
from sidecar.watch import Digest, digest, next_look, watch

SWEEP = "sweep"
DESK = "desk:"
SCAN = 500
MAX_ALERTS = 2_000


class Alerts:
    """The watch over parties."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._journal = parts.journal

    def watch(self, lease: Lease) -> None:
        """Look at one party, or (key `sweep`) make every party due that time alone could have changed, and tidy up."""
        if lease.work.key == SWEEP:
            self._sweep(lease)
        else:
            self._party(lease)

    def _sweep(self, lease: Lease) -> None:
        parties = self._journal.watch_due(self._parts.clock(), SCAN)
        touches = tuple(Touch(WorkKey(WorkKind.WATCH, party)) for party in parties)
        is_more = trim(self._journal, self._parts.clock())
        finish = Finish(lease, "again" if is_more or len(parties) >= SCAN else "done")
        self._journal.commit(Entry(touches=touches, finish=finish))
        self._parts.wake([touch.work for touch in touches])

    def _party(self, lease: Lease) -> None:
        standing = self._journal.standing(lease.work.key)
        if standing is None:
            self._journal.commit(Entry(finish=Finish(lease, "done")))
            return
        if standing.party.startswith(DESK):
            self._desk(standing, lease)
            return
        parts = self._parts
        window = Window(parts.clock(), self._live_since(standing))
        over = self._over(standing, window.now)
        for decision in over:
            standing = advance(standing, decision)
        refreshed = afresh(self._journal, parts.policy, standing, window.now)
        alerts = watch(refreshed.standing, parts.policy, window, parts.own.timezone, self._journal.mint)
        desk = WorkKey(WorkKind.SYNC, DESK + standing.route_in(parts.policy).owner)
        sync = WorkKey(WorkKind.SYNC, standing.party)
        keys = [key for key, is_due in ((desk, alerts), (sync, over or refreshed.decisions)) if is_due]
        self._journal.commit(
            Entry(
                facts=(*over, *refreshed.claims, *refreshed.decisions, *alerts),
                touches=tuple(Touch(key) for key in keys),
                watch_at={standing.party: self._next(refreshed.standing, window)},
                finish=Finish(lease, "done"),
            )
        )
        parts.wake(keys)

    def _live_since(self, standing: Standing) -> datetime:
        """Since when the channel is ours that brought a party's newest word: a history that is read is no silence."""
        journal = self._journal
        newest = journal.timeline(standing.party, 1)
        return journal.begun(newest[0][1].channel) if newest else journal.installed_at

    def _over(self, standing: Standing, now: datetime) -> tuple[Decision, ...]:
        """Return what drops the suggestions that nobody answered in time."""
        journal = self._journal
        return expired(standing, self._parts.policy, now, journal.mint, lambda waiting: claim_of(journal, waiting))

    def _next(self, standing: Standing, window: Window) -> datetime | None:
        """Return when time alone could make the party an exception, cool it, or end a suggestion."""
        policy = self._parts.policy
        look = next_look(standing, policy, window, self._parts.own.timezone)
        cools = cools_at(standing, policy)
        times = (look, next_end(standing, policy, window.now), cools if cools and cools > window.now else None)
        return min((at for at in times if at), default=None)

    def _desk(self, standing: Standing, lease: Lease) -> None:
        """A new day has a new list: look again at midnight, and make it where the day has none yet."""
        parts = self._parts
        today = parts.clock().astimezone(ZoneInfo(parts.own.timezone)).date()
        key = _desk_key(standing.party.removeprefix(DESK), today.isoformat(), self._journal.mint)
        sync = WorkKey(WorkKind.SYNC, standing.party)
        touches = () if key in standing.records else (Touch(sync),)
        midnight = datetime.combine(today + timedelta(days=1), time(), ZoneInfo(parts.own.timezone)).astimezone(UTC)
        self._journal.commit(Entry(touches=touches, watch_at={standing.party: midnight}, finish=Finish(lease, "done")))
        parts.wake([touch.work for touch in touches])


def desk(parts: Parts, standing: Standing) -> tuple[DesiredRecord, ...]:
    """Return the one task that an owner's desk should hold today, and those of other days, to be closed."""
    name = standing.party
    owner = name.removeprefix(DESK)
    parties = dict.fromkeys(a.party for a in parts.journal.open_alerts(MAX_ALERTS) if a.party)
    standings = {party: parts.journal.standing(party) for party in parties}
    standings = {p: found for p, found in standings.items() if found is None or not is_muted(found, parts.policy)}
    open_alerts = {party: found.alerts for party, found in standings.items() if found}
    names = {party: standing.name or party for party, standing in standings.items() if standing}

    def owner_of(party: str) -> str:
        found = standings.get(party)
        return (found.route_in(parts.policy) if found else parts.policy.route("")).owner

    lists = digest(open_alerts, owner_of, parts.policy.alerts_per_owner)
    mine = next((found for found in lists if found.owner == owner), Digest(owner, ()))
    route, now = desk_route(parts, name), parts.clock()
    today = now.astimezone(ZoneInfo(parts.own.timezone)).date().isoformat()
    records = [_today(mine, names, owner, today, route, parts)] if mine.lines else []
    held = {record.key for record in records}
    records += [
        _closed(record.key, alerts_of(mine), now, route, parts)
        for record in standing.records.values()
        if record.kind == "task" and record.key not in held and _is_open(record.fields.get("status"))
    ]
    return tuple(records)


def desk_route(parts: Parts, name: str) -> Route:
    """Return the route whose owner a desk is of."""
    owner = name.removeprefix(DESK)
    return next((r for r in parts.policy.routes if r.owner == owner), parts.policy.routes[0])


def alerts_of(found: Digest) -> tuple[OpenAlert, ...]:
    """Return all alerts of an owner's list, in its order."""
    return tuple(alert for line in found.lines for alert in line.alerts)


def _today(
    found: Digest, names: Mapping[str, str], owner: str, today: str, route: Route, parts: Parts
) -> DesiredRecord:
    lines = [
        f"{i}. {plain(names.get(line.party, line.party))}: {'; '.join(alert.reason for alert in line.alerts)}"
        for i, line in enumerate(found.lines, 1)
    ]
    if found.left_off:
        lines.append(f"and {found.left_off} more: `sidecar inbox` lists them")
    lines.append(AI_LINE)
    title = f"{len(found.lines) + found.left_off} relationships need a look"
    values: dict[str, Value] = {"title": title, "body": "\n".join(lines), "due": today, "status": "open"}
    if owner:
        values["owner"] = owner
    causes = tuple(alert.id for alert in alerts_of(found))
    at = max(alert.at for alert in alerts_of(found))
    return _task(_desk_key(owner, today, parts.journal.mint), values, causes, at, route, parts, create=True)


def _desk_key(owner: str, day: str, mint: Mint) -> str:
    return mint.id("task", "desk", owner, day)


def _closed(key: str, alerts: tuple[OpenAlert, ...], now: datetime, route: Route, parts: Parts) -> DesiredRecord:
    """An older list closes itself: what still stands is on today's."""
    causes = tuple(alert.id for alert in alerts)
    return _task(key, {"status": "done"}, causes, now, route, parts, create=False)


def _task(
    key: str,
    values: Mapping[str, Value],
    causes: tuple[str, ...],
    at: datetime,
    route: Route,
    parts: Parts,
    *,
    create: bool,
) -> DesiredRecord:
    mode = parts.policy_now().mode_for(route)
    fields = {
        name: DesiredField(value, "", FieldClass.OBSERVATION, causes, at, False, mode) for name, value in values.items()
    }
    why_not = "" if create else "the list is of another day"
    return DesiredRecord("task", key, 0, fields, create, why_not, mode=mode)


def _is_open(status: object) -> bool:
    return getattr(status, "posted", None) == "open" and getattr(status, "hold", None) is None
