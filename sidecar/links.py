"""Links to the explain page: URLs that carry their own permission, so that a rep needs no account of ours.

Whoever holds a link sees one conversation, so a link names exactly one thing, can't be changed into another, and ends.
An HMAC under a key of the operator's covers all of it; nothing is stored, so nothing about links has to be kept, erased
or synchronised between processes. The trade-off: a single link can't be called back; a new key calls back all of them.

Pure: no clock, no I/O. A link holds for the configured days from when it is made (`since`), however old the words are
that it leads to. But it stands in texts that the CRM keeps, and no text may be rewritten each day for the sake of its
link alone: whoever composes one anew asks `alike` first, and keeps the text that is out where nothing else differs.

The path has no query, no escape that a CRM's HTML would break, and no mark at its end that a finder of links would cut
off: `/explain/party-3fa2c1.../stage/1-20779-k3v5...` is version, day of expiry, and 160 bits of the HMAC.
"""

import hmac
import re
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote, unquote, urlsplit

from sidecar.errors import ConfigError, RejectedInput

PREFIX = "/explain/"
MAX_PATH_CHARS = 1_000
MAX_NAME_CHARS = 200
MIN_KEY_CHARS = 32
MAX_KEYS = 5
_VERSION = "1"
_SEAL_BYTES = 20
_EPOCH = date(1970, 1, 1).toordinal()
_LAST = date(2200, 1, 1).toordinal() - _EPOCH  # what a forged date line may say has an end
_SKEW = timedelta(days=1)
_PATH = re.compile(
    rf"{PREFIX}(?P<record>[\w.~:%-]+)/(?:(?P<field>[\w.~:%-]+)/)?{_VERSION}-(?P<day>\d{{5}})-(?P<seal>[a-z2-7]{{32}})",
    re.ASCII,
)
_ENDING = re.compile(rf"(?<=/){_VERSION}-(?P<day>\d{{5}})-[a-z2-7]{{32}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Linked:
    """What a link shows: a field of a record, or everything known of it where `field` is empty.

    `record` is a party's id, or a CRM record (`contact:17`); `field` a field of ours, `step:` and a step's id, or a
    property of the CRM record. The page ends with the day `until`, which is the first on which it can't be seen.
    """

    record: str
    field: str
    until: date


class Links:
    """Makes and reads links. The first key seals; the others are still believed, so that a key can be changed."""

    def __init__(self, public_url: str, keys: Sequence[str], days: int = 14) -> None:
        if not 1 <= len(keys) <= MAX_KEYS:
            raise ConfigError(f"give one to {MAX_KEYS} keys, the one in force first")
        if any(len(key) < MIN_KEY_CHARS for key in keys):
            raise ConfigError(f"a key has fewer than {MIN_KEY_CHARS} characters")
        self._base = public_url.rstrip("/")
        self._base_path = urlsplit(self._base).path
        self._keys = [key.encode() for key in keys]
        self._days = days

    def url(self, record: str, field: str, since: datetime) -> str:
        """Return the link to a field of a party (or of a CRM record), or to all of it where `field` is empty.

        `since` is when the link is made (UTC): it holds for the configured days after it, to the end of the last one.
        """
        if len(record) > MAX_NAME_CHARS or len(field) > MAX_NAME_CHARS or not record:
            raise ValueError("a link names a record and a field of bounded length")
        return self._sealed(record, field, self.until(since))

    def until(self, since: datetime) -> date:
        """Return the first day (UTC) on which a link made for a time doesn't hold any more."""
        day = min(max(since.date().toordinal() - _EPOCH, 0), _LAST) + self._days + 1
        return date.fromordinal(day + _EPOCH)

    def alike(self, held: str, text: str, newest: datetime | None, now: datetime) -> bool:
        """Say whether a text that is out says what a new one does, with links that hold for long enough.

        They may differ in the days and seals of links to the same things. Those that are out were made some time ago;
        they hold for long enough unless they end before the days of the `newest` words that the text rests on are over
        (words of the future, which nobody said yet, ask for nothing). What looks like a link in somebody's words is the
        same in both texts, and is compared as text.
        """
        if _bare(held) != _bare(text):
            return False
        pairs = zip(_ENDING.finditer(held), _ENDING.finditer(text), strict=True)
        days = [int(out["day"]) for out, new in pairs if out.group() != new.group()]
        if newest is None or newest > now:
            return bool(days)
        return bool(days) and min(days) >= self.until(newest).toordinal() - _EPOCH

    def within(self, linked: Linked, party: str, field: str) -> str:
        """Return the link to one field, for a page that shows all of the party's: it ends with that page's own."""
        return self._sealed(party, field, linked.until)

    def read(self, path: str, now: datetime) -> Linked:
        """Return what a request's path shows; `RejectedInput` with 404 for no link of ours, 410 for one out of time.

        `path` is as it was sent, with its percent-encoding, with or without the path of `public_url`. A link that would
        hold for longer than the configured days from now on is out of time too: a date in the future that somebody
        wrote into a mail buys nothing, and fewer days in the config hold for links that are out already.
        """
        match = _PATH.fullmatch(path.removeprefix(self._base_path)) if len(path) <= MAX_PATH_CHARS else None
        if match is None:
            raise RejectedInput("no link", status=404)
        sealed = match.string[: match.start("seal") - 1]
        seals = [hmac.compare_digest(_seal(key, sealed), match["seal"]) for key in self._keys]
        if not any(seals):
            raise RejectedInput("a link with another seal", status=404)
        until = date.fromordinal(int(match["day"]) + _EPOCH)
        today = now.astimezone(UTC).date()
        if not today < until <= today + timedelta(days=self._days + 1) + _SKEW:
            raise RejectedInput("a link out of time", status=410)
        return Linked(unquote(match["record"]), unquote(match["field"] or ""), until)

    def _sealed(self, record: str, field: str, until: date) -> str:
        names = "/".join(quote(name, safe=":") for name in (record, field) if name)
        sealed = f"{PREFIX}{names}/{_VERSION}-{until.toordinal() - _EPOCH:05d}"
        return f"{self._base}{sealed}-{_seal(self._keys[0], sealed)}"


def keys_in(secret: str) -> list[str]:
    """Return the keys that a secret lists: one a line, or parted by commas or spaces; the first is the one in force."""
    return secret.replace(",", " ").split()


def _bare(text: str) -> str:
    """Return a text without the days and seals of its links."""
    return _ENDING.sub("", text)


def _seal(key: bytes, sealed: str) -> str:
    """Return 160 bits in base 32: letters and digits alone, so that no mail program cuts off a dash at the end."""
    digest = hmac.digest(key, b"sidecar explain link\n" + sealed.encode(), "sha256")
    return b32encode(digest[:_SEAL_BYTES]).decode().lower()
