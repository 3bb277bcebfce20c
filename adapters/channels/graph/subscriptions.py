"""What Graph is to tell us of, until when, and renewing it: a comfort, so that nothing here may stop a poll.

A subscription is made for each folder, and for the calendar, when a poll finds none; renewed at half of its life, as
Graph itself dated it; looked at now and then, and at once after Graph said that it removed it or wants it authorised
anew. Graph calls our address while it makes one, so the door must be open then. What fails is tried again later, and
shows as a subscription that has ended: who watches the channels' health is told.

The state lies in the poll's cursor: `{name: {"id": text, "expires_at": ISO, "renewed_at": ISO, "looked_at": ISO,
"failed_at": ISO, "mark": text}}`. The mark tells what a subscription is about, and under which address and secret it
was made, since none of these can be changed later. The trade-off: what Graph says of a subscription is heard by the
process whose door it comes in at; a poll in another process sees it within the hour.

Source: learn.microsoft.com `subscription` resource and "Reduce missing subscriptions", read 2026-11: about seven days
at most for messages and events, 4,230 minutes in older texts, so that much is asked for.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import structlog

from adapters.channels.graph.api import Api, quoted
from sidecar.errors import SidecarError
from sidecar.ports import Clock

LIFE = timedelta(minutes=4_230)
LOOK = timedelta(hours=1)
RETRY = timedelta(minutes=15)
_log = structlog.get_logger(__name__)

State = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Hook:
    """Where Graph is to call, and the secret that it is to bring."""

    url: str
    state: bytes = field(repr=False)

    def mark(self, resource: str) -> str:
        """Return what tells this address and secret, and what it is to hear of, from others, and nothing of them."""
        return sha256(b"\0".join((self.url.encode(), resource.encode(), self.state))).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one poll knows: where Graph is to call, when it is, and whether Graph has sounded an alarm."""

    hook: Hook
    now: datetime
    is_alarm: bool


class Subscriptions:
    """Keeps the subscriptions of one channel, all to the same kinds of `change`."""

    def __init__(self, channel: str, api: Api, hook: Hook | None, change: str, clock: Clock) -> None:
        self._channel, self._api, self._hook, self._change, self._clock = channel, api, hook, change, clock
        self._alarmed = threading.Event()

    def alarm(self) -> None:
        """Let the next poll look at, and renew, every subscription."""
        self._alarmed.set()

    def kept(self, told: object, resources: Mapping[str, str]) -> State:
        """Return the state after whatever was due; it never raises for what Graph refuses.

        `resources` are what the subscriptions are about, by a name that may be shown.
        """
        if self._hook is None:
            return {}
        state, asked = read_state(told), _Asked(self._hook, self._clock(), self._alarmed.is_set())
        self._alarmed.clear()
        return {name: self._one(asked, name, state.get(name, {}), resource) for name, resource in resources.items()}

    def _one(self, asked: _Asked, name: str, held: dict[str, str], resource: str) -> dict[str, str]:
        now = asked.now
        if not asked.is_alarm and (failed := _at(held, "failed_at")) and now < failed + RETRY:
            return held
        try:
            return self._tended(asked, held, resource)
        except SidecarError as error:
            _log.warning("subscription_failed", channel=self._channel, about=name, error=str(error))
            return {"expires_at": now.isoformat(), **held, "failed_at": now.isoformat()}

    def _tended(self, asked: _Asked, held: dict[str, str], resource: str) -> dict[str, str]:
        now, expires = asked.now, _at(held, "expires_at")
        if "id" not in held or expires is None or expires <= now:
            return self._made(asked, resource)
        path = f"subscriptions/{quoted(held['id'])}"
        if held.get("mark") != asked.hook.mark(resource):
            made = self._made(asked, resource)
            self._api.change("unsubscribe", "DELETE", path, None)
            return made
        renewed, looked = _at(held, "renewed_at") or now, _at(held, "looked_at") or now
        is_due = asked.is_alarm or now >= renewed + (expires - renewed) / 2
        if not is_due and now < looked + LOOK:
            return {key: value for key, value in held.items() if key != "failed_at"}
        if is_due:
            told = self._api.change("renew", "PATCH", path, {"expirationDateTime": _told(now + LIFE)})
        else:
            told = self._api.change("subscription", "GET", path, None)
        if told is None:
            return self._made(asked, resource)
        return self._dated(held | ({"renewed_at": now.isoformat()} if is_due else {}), told, now)

    def _made(self, asked: _Asked, resource: str) -> dict[str, str]:
        hook, now = asked.hook, asked.now
        body = {
            "changeType": self._change,
            "notificationUrl": hook.url,
            "lifecycleNotificationUrl": hook.url,
            "resource": resource,
            "expirationDateTime": _told(now + LIFE),
            "clientState": hook.state.decode(),
        }
        made = self._api.change("subscribe", "POST", "subscriptions", body) or {}
        held = {"id": str(made.get("id", ""))[:200], "mark": hook.mark(resource), "renewed_at": now.isoformat()}
        return self._dated(held, made, now)

    def _dated(self, held: dict[str, str], told: Mapping[str, Any], now: datetime) -> dict[str, str]:
        """Return the state with the end that Graph named; one that it didn't name counts as asked for."""
        expires = read_time(told.get("expirationDateTime")) or _at(held, "expires_at") or now + LIFE
        kept = {key: value for key, value in held.items() if key != "failed_at"}
        return kept | {"expires_at": expires.isoformat(), "looked_at": now.isoformat()}


def read_state(told: object) -> State:
    """Return the state within a cursor; what can't be read counts as lost, and is made anew."""
    if not isinstance(told, Mapping):
        return {}
    return {
        str(name): {str(key): value for key, value in held.items() if isinstance(value, str)}
        for name, held in told.items()
        if isinstance(held, Mapping)
    }


def ends(told: object) -> dict[str, datetime]:
    """Return when each subscription ends; one that couldn't be made or renewed has ended when that failed."""
    found = {}
    for name, held in read_state(told).items():
        times = [at for at in (_at(held, "expires_at"), _at(held, "failed_at")) if at]
        if times:
            found[name] = min(times)
    return found


def read_time(value: object) -> datetime | None:
    """Return a time of Graph's, `2026-11-20T18:23:45.9356913Z`, as aware UTC; None for what is none."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _at(held: Mapping[str, str], name: str) -> datetime | None:
    return read_time(held.get(name))


def _told(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
