"""Renews what makes Gmail push: a watch ends after seven days, so the poll sets it anew at half of its life.

Pushes are a convenience: when a watch can't be set, the poll goes on without, tries again after a while, and `check`
and the subscription's end say so. The history id that Gmail answers with is never taken for the cursor's.

Source: "Configure push notifications in Gmail API", read 2026-11: a watch must be renewed at least every 7 days.
"""

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from adapters.channels.gmail.api import Api
from adapters.channels.gmail.walk import Place
from sidecar.errors import SidecarError
from sidecar.ports import PollBatch

AGAIN_AFTER = timedelta(minutes=10)


def watched(api: Api, topic: str, place: Place, now: datetime) -> Generator[PollBatch, None, Place]:
    """Set the watch where that is due, and return the place that says until when it holds."""
    if not topic or not place.history:  # a first poll keeps its history id before anything else
        return place
    watch = dict(place.watch or {})
    renew_at = read_time(watch.get("renew_at")) if watch.get("topic") == topic else None
    if renew_at is not None and now < renew_at:
        return place
    try:
        expires_at = api.watch(topic)
        watch = {"topic": topic, "expires_at": _told(expires_at), "renew_at": _told(now + (expires_at - now) / 2)}
    except SidecarError:
        watch |= {"topic": topic, "renew_at": _told(now + AGAIN_AFTER)}
    place = replace(place, watch=watch)
    yield PollBatch((), place.told())
    return place


def read_time(told: str | None) -> datetime | None:
    """Return a time of a cursor's, if it is one."""
    try:
        at = datetime.fromisoformat(told) if told else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo else None


def _told(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
