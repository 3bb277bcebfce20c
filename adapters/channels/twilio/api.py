"""The questions that a poll asks of Twilio's REST API: lists by their pages, and single calls and recordings.

Reading alone: nothing here changes anything at Twilio. The credentials go to the two configured hosts and no further:
of the address of a next page only path and query are taken. An answer that is no list of what was asked for counts as
an outage, since a page of a proxy's is the usual cause.

Source: twilio/twilio-oai (spec/json/twilio_api_v2010.json, twilio_intelligence_v2.json) as twilio-python 9.13.0 has it,
read 2026-11-23: filters of messages, calls and recordings know days of UTC alone, `PageSize` is at most 1000, and a
next page stands in `next_page_uri` or in `meta.next_page_url`.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from adapters.http.asking import Api, Ask, Manners, rows
from adapters.http.patience import Again
from sidecar.errors import ConfigError
from sidecar.ports import Observe

MAX_PAGES = 10_000
PAGE_ROWS = 1_000
SENTENCES_A_PAGE = 1_000
MISSING = (404, 410)
VERSION = "2010-04-01"
_PARTS = frozenset({"media", "sentences"})
"""Lists that belong to something, and go with it."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Whose account is asked, at which two hosts, and as whom."""

    base_url: str
    intelligence_url: str
    account: str
    username: str
    password: str = field(repr=False)
    setting: str = "account_sid"

    @property
    def authorization(self) -> str:
        """Return the header by which Twilio knows us."""
        return "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode()


class TwilioApi:
    """Asks one account of Twilio's."""

    def __init__(self, reached: Reached, manners: Manners, observe: Observe) -> None:
        self._reached = reached
        headers = {"Authorization": reached.authorization}
        self._api = Api(manners, lambda: headers, observe)

    def listed(self, kind: str, query: Mapping[str, str], page_rows: int = PAGE_ROWS) -> Iterator[dict[str, Any]]:
        """Yield the rows of a list: messages, calls, recordings or transcripts."""
        if kind == "transcripts":
            yield from self._pages(kind, self._reached.intelligence_url, "/v2/Transcripts", kind, query, page_rows)
            return
        yield from self._pages(kind, self._reached.base_url, self._path(kind.capitalize()), kind, query, page_rows)

    def media(self, message: str) -> list[dict[str, Any]]:
        """Return the files of a message; none where it is gone."""
        path = self._path(f"Messages/{message}/Media")
        return list(self._pages("media", self._reached.base_url, path, "media_list", {}, PAGE_ROWS))

    def sentences(self, transcript: str) -> list[dict[str, Any]]:
        """Return what was said, sentence by sentence; nothing where the transcript is gone."""
        path = f"/v2/Transcripts/{transcript}/Sentences"
        at = self._reached.intelligence_url
        return list(self._pages("sentences", at, path, "sentences", {}, SENTENCES_A_PAGE))

    def one(self, kind: str, sid: str) -> dict[str, Any] | None:
        """Return a message, call, recording or transcript by its sid; None where it is gone."""
        at = f"{self._reached.base_url}{self._path(f'{kind.capitalize()}/{sid}')}"
        if kind == "transcripts":
            at = f"{self._reached.intelligence_url}/v2/Transcripts/{sid}"
        reply = self._api.ask(Ask(kind, at, may_lack=MISSING))
        if reply.status in MISSING:
            return None
        if not isinstance(reply.data, dict) or reply.data.get("sid") != sid:
            raise Again(f"Twilio's answer to {kind} is not what was asked for")
        return reply.data

    def probe(self, kind: str) -> None:
        """Ask for one row of a list; raise what is wrong with asking."""
        for _ in self.listed(kind, {}, 1):
            return

    def _path(self, what: str) -> str:
        return f"/{VERSION}/Accounts/{self._reached.account}/{what}.json"

    def _pages(
        self, kind: str, base_url: str, path: str, name: str, query: Mapping[str, str], page_rows: int
    ) -> Iterator[dict[str, Any]]:
        ask = Ask(kind, base_url + path, query={**query, "PageSize": str(page_rows)}, may_lack=MISSING)
        for _ in range(MAX_PAGES):
            reply = self._api.ask(ask)
            if reply.status in MISSING:
                if kind not in _PARTS:
                    raise ConfigError(
                        f"answered {reply.status}: no such account is there", setting=self._reached.setting
                    )
                return
            needs = "transcript" if name == "sentences" else "sid"
            yield from rows(reply, name, "Twilio", needs=needs)
            following = _next(reply.data)
            if following is None:
                return
            ask = Ask(kind, base_url + following, may_lack=MISSING)
        raise Again(f"Twilio's list of {kind} has more pages than can be read at once", retry_after_s=3600.0)


def _next(data: Mapping[str, Any]) -> str | None:
    """Return the path and query of the next page, None at the end."""
    meta = data.get("meta")
    told = meta.get("next_page_url") if isinstance(meta, dict) else data.get("next_page_uri")
    if not told:
        return None
    parts = urlsplit(told) if isinstance(told, str) and len(told) < 8_000 else urlsplit("")
    if not parts.path.startswith("/"):
        raise Again("Twilio names a next page that can't be asked for")
    return f"{parts.path}?{parts.query}"
