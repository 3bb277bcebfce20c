"""Twilio: SMS and WhatsApp, calls with their recordings and transcripts, by signed webhooks and by poll.

A message or call that ended is named by its sid, so that whichever way it is told first it is one activity. Webhooks
are fast; the poll finds what they left out, fetches finished transcripts, of which a webhook is only a hint, and sees
what was taken back. Nothing is ever sent, and nothing at Twilio is changed.

What is said in calls is read and kept only with `transcripts`, which is off: then a webhook that holds such words is
verified, answered and forgotten, and nothing that holds any is asked for. Twilio expects an answer that it may carry
out, so it hears an empty one: as the address for incoming calls themselves this one would hang up on the caller.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

from adapters.channels.twilio.activities import holds_words, read_activities
from adapters.channels.twilio.api import Reached, TwilioApi
from adapters.channels.twilio.media import fetch, is_recording
from adapters.channels.twilio.options import TwilioOptions
from adapters.channels.twilio.signature import read_secrets, verify
from adapters.channels.twilio.walk import Place, Walk, Window, backfilled, counted, older, polled, read_place
from adapters.formats.withheld import retrieved
from adapters.http.asking import Manners
from sidecar.errors import ConfigError, PermanentError, RejectedInput, SidecarError
from sidecar.model import Activity, Attachment, Delivery
from sidecar.ports import (
    Captured,
    ChannelCapabilities,
    Context,
    Extent,
    Greeting,
    HookRequest,
    KnownKeys,
    Media,
    PollBatch,
    nothing_known,
)

MAX_SKEW = timedelta(minutes=5)
MAX_TOKEN_CHARS = 100
DO_NOTHING = Greeting('<?xml version="1.0" encoding="UTF-8"?><Response/>', "text/xml; charset=utf-8")
"""What Twilio hears: carry out nothing."""
_RESERVED_NAMES = {"email", "phone", "domain", "bsuid"}


class TwilioChannel:
    """Takes the webhooks of one account, and asks its API for what they left out."""

    Options = TwilioOptions
    capabilities = ChannelCapabilities(
        webhook=True,
        poll=True,
        backfill=True,
        deletions=True,
        handshake=True,
        hints=True,
        stamped=False,
        census=True,
        media=True,
        withholds=True,
    )

    def __init__(self, name: str, options: TwilioOptions, context: Context) -> None:
        at = f"channels.{name}"
        if name in _RESERVED_NAMES:
            raise ConfigError("this name is taken by a kind of identifier", setting=at)
        if not (options.auth_token_env or options.auth_token_file):
            raise ConfigError("name the variable that holds the auth token", setting=f"{at}.auth_token_env")
        self.name = name
        self.options = options
        self.source = self.account = options.account_sid
        self._clock, self._live_since = context.clock, context.live_since
        self._rules = options.rules
        setting = f"{at}.{'auth_token_file' if options.auth_token_file else 'auth_token_env'}"
        self._secrets = read_secrets(context.secret(options.auth_token_env, options.auth_token_file), setting)
        self._reached, self._credential = _reached(options, context, self._secrets[0].decode(), at, setting)
        remedy = "it must be a key, or the auth token, of this very account"
        manners = Manners(
            "Twilio", options.calls_per_s, 1.0, options.max_wait_s, options.timeouts, self._credential, remedy
        )
        self._api = TwilioApi(self._reached, manners, context.observe)
        self._walk = Walk(self._api, self.account, self._rules, options.max_item_bytes)

    def greet(self, request: HookRequest) -> Greeting | None:
        """Answer, and forget, what holds words of a call where these may not be kept; 403 for a GET."""
        if request.method != "POST":
            raise RejectedInput("Twilio's webhooks are taken by POST alone", status=403)
        if self._rules.transcripts or not holds_words(request.body):
            return None
        self.verify(request)
        return DO_NOTHING

    def verify(self, request: HookRequest) -> Captured:
        """Check the signature for the configured address; 401 for anything wrong, 413 and 415 for what isn't read."""
        if len(request.body) > self.options.max_body_bytes:
            raise RejectedInput(f"body is over {self.options.max_body_bytes} bytes", status=413)
        verify(request.headers, request.body, request.raw_query, self.options.public_url, self._secrets)
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RejectedInput("send the body without Content-Encoding", status=415)
        return Captured(self.account, request.body, _key(request), answer=DO_NOTHING)

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what the lists hold since the cursor, never what predates us; the cursor's shape stands in `walk`.

        A poll that follows the last reading closely, because a webhook hinted at it, asks for transcripts alone.
        """
        place, now = read_place(cursor), self._clock().astimezone(UTC)
        is_due = not place.read_s or int(now.timestamp()) - place.read_s >= self.options.rest_s
        kinds = self._walk.kinds if is_due else self._walk.kinds[2:]
        since = self._installed()
        if place.day is not None:
            again = datetime.combine(place.day - timedelta(days=self.options.overlap_days), time(), UTC)
            since = max(since, again)
        done = Place(now.date(), int(now.timestamp())) if is_due else place
        yield from polled(self._walk, place, kinds, Window(since), done, self.options.batch_size)

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a webhook, or what a poll laid down; a hint yields nothing."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        return read_activities(delivery, self._rules)

    def extent(self, since: datetime) -> Extent:
        """Count what the lists hold between then and the first start, by reading them."""
        items = size_bytes = 0
        oldest: datetime | None = None
        for one in older(self._walk, since, self._installed(), None):
            items, size_bytes = items + 1, size_bytes + sum(len(captured.raw) for captured in one.captured)
            oldest = one.at if oldest is None else min(oldest, one.at)
        return Extent(items, size_bytes, oldest)

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what lies between then and the first start, day by day."""
        yield from backfilled(older(self._walk, since, self._installed(), cursor), self.options.batch_size)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield all that the lists hold from then until now; a text that was changed or emptied has another key."""
        yield from counted(self._walk, Window(since), self.options.batch_size, known)

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch what a poll had to leave out; what has another state since then comes by the poll, under its key."""
        another = partial(self._walk.another, f"{key.partition(':')[0]}s", like_decides=True)
        return retrieved(key, lambda: self._walk.retrieved(key), another)

    def media(self, attachment: Attachment) -> Media:
        """Fetch a file of a message, or the recording of a call where words may be kept."""
        options = self.options
        if is_recording(attachment) and not options.transcripts:
            raise PermanentError("what is said in calls may not be read any more: `transcripts` is off")
        return fetch(attachment, self._reached, options.timeouts, options.max_media_bytes, self._credential)

    def check(self) -> Sequence[str]:
        """Ask for a row of each list that the poll reads."""
        try:
            for kind in self._walk.kinds:
                self._api.probe(kind)
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def _installed(self) -> datetime:
        return (self._live_since or self._clock()) - MAX_SKEW


def _reached(options: TwilioOptions, context: Context, token: str, at: str, setting: str) -> tuple[Reached, str]:
    """Return as whom the API is asked, and the setting that its refusals name: an API key's, else the auth token's."""
    hosts = options.base_url, options.intelligence_url, options.account_sid
    if options.api_key_sid is None:
        return Reached(*hosts, options.account_sid, token, f"{at}.account_sid"), setting
    key = f"{at}.{'api_key_secret_file' if options.api_key_secret_file else 'api_key_secret_env'}"
    if not (options.api_key_secret_env or options.api_key_secret_file):
        raise ConfigError("name the variable that holds the API key's secret", setting=key)
    secret = context.secret(options.api_key_secret_env, options.api_key_secret_file).strip()
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ConfigError("holds no secret of an API key", setting=key)
    return Reached(*hosts, options.api_key_sid, secret, f"{at}.account_sid"), key


def _key(request: HookRequest) -> str | None:
    """The delivery's id: Twilio's token, which a retry repeats, with the bytes' hash, since nobody signs the token."""
    token = request.headers.get("i-twilio-idempotency-token", "").strip()
    if not token or len(token) > MAX_TOKEN_CHARS or not token.isascii() or not token.isprintable():
        return None
    return f"{token}:{sha256(request.body).hexdigest()[:32]}"
