"""What is asked of Zoom's API: whose recordings, which there are, who was in a meeting, and the file of its words.

Reading alone. Recordings are listed by host and by days, a month at most, so a longer span is asked for in parts and
filtered here. A meeting's one time is named by its uuid, since its id repeats when it recurs; a uuid that begins with a
slash or holds two is encoded twice, or Zoom finds nothing. The file is fetched with our own token from Zoom's hosts
alone, wherever its address came from, and the token stays with the first of them.

Source: developers.zoom.us Meeting API (`GET /users`, `/users/{id}/recordings`, `/past_meetings/{uuid}/participants`),
read 2026-11: 300 rows a page, `from` and `to` are days in UTC; a meeting with one participant has no list of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from adapters.channels.zoom.access import AccountCredentials
from adapters.http.asking import Api, Ask, Manners, rows
from adapters.http.calls import answer
from adapters.http.patience import Again, patient
from sidecar.errors import ConfigError, TemporaryError
from sidecar.ports import Observe

if TYPE_CHECKING:
    from adapters.http.fetched import Fetched, Fetcher

PAGE, MAX_PAGES, MAX_PEOPLE = "300", 1_000, 300
SPAN = timedelta(days=27)
HOSTS = ("zoom.us", "*.zoom.us", "zoom.com", "*.zoom.com", "zoomgov.com", "*.zoomgov.com")
_GONE = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class _Asked:
    operation: str
    effect: bool = False


class Zoom:
    """Asks one account."""

    def __init__(self, base_url: str, access: AccountCredentials, manners: Manners, observe: Observe) -> None:
        self._base_url, self._access, self._manners, self._observe = base_url, access, manners, observe
        self._token = ""
        self._api = Api(manners, self._headers, observe, refused=self._renew)
        self._fetcher: Fetcher | None = None

    def hosts(self) -> Iterator[str]:
        """Yield the ids of those who may hold meetings."""
        yield from (str(row["id"]) for row in self._paged("users", "/v2/users", "users", {"status": "active"}))

    def recordings(self, host: str, since: int, until: int) -> Iterator[dict[str, Any]]:
        """Yield a host's recorded meetings that began between two times, in seconds."""
        path = f"/v2/users/{quote(host, safe='')}/recordings"
        first, last = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)
        while first < last:
            span = {"from": first.date().isoformat(), "to": min(first + SPAN, last).date().isoformat()}
            for row in self._paged("recordings", path, "meetings", span, needs="uuid"):
                if since <= began(row) < until and first.date() <= _day(row) <= min(first + SPAN, last).date():
                    yield row
            first = _next_day(first + SPAN)

    def participants(self, uuid: str) -> list[dict[str, Any]]:
        """Return who was in a meeting; nobody where Zoom keeps no list of it."""
        path = f"/v2/past_meetings/{encoded(uuid)}/participants"
        found = self._paged("participants", path, "participants", {}, needs="", may_lack=(400, 404))
        return [row for _, row in zip(range(MAX_PEOPLE), found, strict=False)]

    def file(self, url: str, max_bytes: int) -> bytes | None:
        """Fetch a recording's file; None where it is gone. `NotAllowedError` for what is too large or elsewhere."""
        fetched: Fetched = patient(self._manners.max_wait_s, _nap)(lambda: self._once(url, max_bytes))
        return None if fetched.status in _GONE else fetched.body

    def _once(self, url: str, max_bytes: int) -> "Fetched":
        fetched = self._fetched(url, max_bytes)
        if fetched.status == 401 and self._renew():
            fetched = self._fetched(url, max_bytes)
        if 200 <= fetched.status < 300 or fetched.status in _GONE:
            return fetched
        if fetched.status in (401, 403):
            raise ConfigError(
                f"answered {fetched.status} to download: {self._manners.remedy}", setting=self._manners.credential
            )
        raise Again(f"Zoom answered {fetched.status} to download")

    def _fetched(self, url: str, max_bytes: int) -> "Fetched":
        from adapters.http.fetched import Fetcher

        if self._fetcher is None:
            self._fetcher = Fetcher(HOSTS, self._manners.timeouts, trusted=(self._base_url,), roams=True)
        fetcher, headers = self._fetcher, self._headers()
        return answer("Zoom", _Asked("download"), self._observe, lambda: fetcher.get(url, headers, max_bytes))

    def _paged(
        self,
        operation: str,
        path: str,
        name: str,
        query: Mapping[str, str],
        *,
        needs: str = "id",
        may_lack: tuple[int, ...] = (),
    ) -> Iterator[dict[str, Any]]:
        token = ""
        for _ in range(MAX_PAGES):
            asked = {**query, "page_size": PAGE, **({"next_page_token": token} if token else {})}
            reply = self._api.ask(Ask(operation, f"{self._base_url}{path}", query=asked, may_lack=may_lack))
            if reply.status in may_lack:
                return
            yield from rows(reply, name, "Zoom", needs=needs)
            token = reply.data.get("next_page_token") or ""
            if not isinstance(token, str) or not token:
                return
        raise TemporaryError(f"Zoom lists more {name} than can be read at once", retry_after_s=3600.0)

    def _headers(self) -> dict[str, str]:
        self._token = self._access.access_token()
        return {"Authorization": f"Bearer {self._token}"}

    def _renew(self) -> bool:
        self._access.refused(self._token)
        return True


def encoded(uuid: str) -> str:
    """Return a uuid as it stands in a path."""
    once = quote(uuid, safe="")
    return quote(once, safe="") if uuid.startswith("/") or "//" in uuid else once


def began(meeting: Mapping[str, Any]) -> int:
    """Return when a meeting began, in seconds; `Again` for one that doesn't tell, which would be passed over else."""
    try:
        at = datetime.fromisoformat(str(meeting.get("start_time")))
    except ValueError:
        raise Again("Zoom lists a meeting without a time") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _day(meeting: Mapping[str, Any]) -> Any:
    return datetime.fromtimestamp(began(meeting), UTC).date()


def _next_day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _nap(seconds: float) -> None:
    import threading

    threading.Event().wait(seconds)
