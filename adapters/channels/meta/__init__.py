"""Meta's webhooks: WhatsApp (Cloud API), Messenger and Instagram, one address for all three.

`verify` vouches for the raw bytes and looks at nothing inside them; `parse` reads them later, each platform by its own
file. One request may hold many entries, numbers and pages, so one delivery becomes many activities. Meta gives a
request no id and no time, and sends it again in other company; what keeps an activity the same is its message's own id.

With an access token files can be fetched (`graph`), and for the pages that are named a poll repairs what webhooks lost
(`pages`). WhatsApp has nothing to ask for. People's requests for deletion come to the same address (`deletion`).

Left out on purpose: receipts are kept and counted without becoming talk, the history of an onboarded WhatsApp app is
read only where that is wanted, and nothing is ever sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from adapters.channels.meta import deletion, pages
from adapters.channels.meta.drafts import Reads
from adapters.channels.meta.envelope import read_delivery
from adapters.channels.meta.graph import Graph
from adapters.channels.meta.options import MetaOptions, reached
from adapters.channels.meta.signature import greet, read_secrets, verify
from adapters.http.options import host_of
from sidecar.errors import ConfigError, PermanentError, RejectedInput, SidecarError, UnsupportedFeature
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

__all__ = ["MetaChannel", "MetaOptions"]

TAKEN = Greeting("EVENT_RECEIVED")
"""What Meta hears once its bytes are durable: it documents the status 200, and this text in its own samples."""
DELETION = "deletion"
MAX_SKEW = timedelta(minutes=5)


class MetaChannel:
    """Takes what Meta's webhooks tell of WhatsApp numbers, Facebook pages and Instagram accounts."""

    Options = MetaOptions
    capabilities = ChannelCapabilities(
        webhook=True, poll=True, edits=True, deletions=True, handshake=True, stamped=False, census=True, media=True
    )

    def __init__(self, name: str, options: MetaOptions, context: Context) -> None:
        at = f"channels.{name}"
        setting = f"{at}.{'secret_file' if options.secret_file else 'secret_env'}"
        if not (options.secret_env or options.secret_file):
            raise ConfigError("name the variable that holds the app secret, or use secret_file", setting=setting)
        self.name = name
        self.options = options
        self._clock, self._live_since = context.clock, context.live_since
        self._secrets = read_secrets(context.secret(options.secret_env, options.secret_file), setting)
        self._tokens: tuple[bytes, ...] = ()
        if options.verify_token_env or options.verify_token_file:
            setting = f"{at}.{'verify_token_file' if options.verify_token_file else 'verify_token_env'}"
            text = context.secret(options.verify_token_env, options.verify_token_file)
            self._tokens = read_secrets(text, setting)
        self.source = host_of(options.graph_url) if options.pages else ""  # pages come and go, by one cursor for all
        self._graph = Graph(reached(options, context, at), context.observe)
        if not options.pages:  # WhatsApp alone has nothing to ask for
            self.capabilities = replace(self.capabilities, poll=False)

    def greet(self, request: HookRequest) -> Greeting | None:
        """Return Meta's challenge to whoever knows the verify token, or what became of a request for deletion."""
        if request.method == "POST":
            return None
        if deletion.QUERY in request.query:
            page = deletion.status_page(request.query[deletion.QUERY], self._secrets)
            return Greeting(page, "text/html; charset=utf-8")
        return Greeting(greet(request.query, self._tokens))

    def verify(self, request: HookRequest) -> Captured:
        """Check the signature on the raw bytes; 401 for anything wrong with it, 413 and 415 for what is never read."""
        if len(request.body) > self.options.max_body_bytes:
            raise RejectedInput(f"body is over {self.options.max_body_bytes} bytes", status=413)
        kind = request.headers.get("content-type", "")[:200]
        if kind.partition(";")[0].strip().lower() == deletion.FORM:
            return self._asked_to_delete(request, kind)
        verify(request.headers, request.body, self._secrets)
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RejectedInput("send the body without Content-Encoding", status=415)
        return Captured(account=self.name, raw=request.body, headers={"content-type": kind}, answer=TAKEN)

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the conversations of the pages that moved since the last poll."""
        if not self.options.pages:
            raise UnsupportedFeature("WhatsApp has nothing to ask for, and no page is named")
        return self._walk().poll(cursor)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield every conversation that moved since then, as the poll gives it; its words alone say its key."""
        if not self.options.pages:
            raise UnsupportedFeature("WhatsApp has no list to compare with, and no page is named")
        return self._walk().census(since)

    def is_listed(self, activity: Activity) -> bool:
        """Say whether an activity is of a page's; of WhatsApp nothing can be asked for."""
        return activity.attributes.get("platform") in pages.PLATFORMS

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a request, or what was asked for, into the activities of all its entries."""
        if DELETION in delivery.headers:
            raise PermanentError(deletion.refusal(delivery.raw))
        if pages.SIDE in delivery.headers:
            return pages.read_conversation(delivery, bool(self.options.bot_apps))
        return read_delivery(delivery, Reads(frozenset(self.options.bot_apps), self.options.history))

    def media(self, attachment: Attachment) -> Media:
        """Fetch a file that a message named, from Meta's own hosts."""
        return self._graph.media(attachment)

    def extent(self, since: datetime) -> Extent:
        """Refuse: there is no history to read."""
        raise UnsupportedFeature("Meta's webhooks have no history")

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Refuse: there is no history to read."""
        raise UnsupportedFeature("Meta's webhooks have no history")

    def check(self) -> Sequence[str]:
        """Ask for what the poll asks for; without pages, a webhook whose secrets can be read waits for its sender."""
        try:
            tuple(pages.accounts(self._graph, self.options.pages))
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def _asked_to_delete(self, request: HookRequest, kind: str) -> Captured:
        deletion.read_request(request.body, self._secrets)
        if self.options.public_url is None:
            raise RejectedInput("requests for deletion aren't taken here", status=404)
        code = deletion.code_of(request.body, self._secrets[0], self._clock())
        told = deletion.answer(code, f"{self.options.public_url}/hooks/{self.name}")
        headers = {"content-type": kind, DELETION: "asked"}
        return Captured(self.name, request.body, headers=headers, answer=Greeting(told, "application/json"))

    def _walk(self) -> pages.Walk:
        options = self.options
        since = self._installed() - MAX_SKEW
        reads = options.batch_size, options.overlap_s
        return pages.Walk(self._graph, options.pages, self.name, since, self._clock(), *reads)

    def _installed(self) -> datetime:
        return self._live_since or self._clock()
