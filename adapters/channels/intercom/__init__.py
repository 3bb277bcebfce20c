"""Intercom as a hub: its messenger, e-mail, WhatsApp and more, by signed webhooks and by a poll of the same.

A webhook holds the newest parts of a conversation, so each one also makes a poll due: it searches the conversations
that changed and reads each of them whole. Both ways lead to the same activities; neither changes anything there.

The signature holds no time: an old webhook that is sent again is the same delivery, by its `notif_` id. A conversation
that is longer than what the API tells of one (500 parts) has its oldest parts told by nobody. One that is refused while
others come is left out by its id.

Source: intercom/Intercom-OpenAPI (descriptions/2.14) and developers.intercom.com (webhooks; rate limiting), read
2026-11: 150 conversations a page, 10,000 calls a minute for a private app, `X-Hub-Signature: sha1=` over the raw body.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote

import orjson
from pydantic import Field

from adapters.channels.intercom.activities import read_activities
from adapters.channels.intercom.events import POLLED
from adapters.formats.rereads import Found
from adapters.formats.signed_hex import check_signature
from adapters.formats.withheld import retrieved
from adapters.http.asking import Api, Ask, rows
from adapters.http.options import Address, host_of
from adapters.http.patience import Again
from adapters.http.reconciled import Reconciled, ReconciledOptions
from sidecar.errors import SidecarError, TemporaryError, Unanswered
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, Greeting, HookRequest

API_VERSION = "2.14"
HEADER = "x-hub-signature"
REFUSED = "conversation:"
"""How the key of a conversation begins that can't be read: then when it changed, from when on it is read, its id."""
PAGE, MAX_PAGES, MAX_ROUNDS = 150, 1_000, 20
REGIONS = {"us": "https://api.intercom.io", "eu": "https://api.eu.intercom.io", "au": "https://api.au.intercom.io"}
_ABOUT = ("id", "created_at", "updated_at", "contacts", "title")


class IntercomOptions(ReconciledOptions):
    """Settings of one workspace of Intercom."""

    region: Literal["us", "eu", "au"] = Field("us", description="Where the workspace is kept")
    base_url: Address | None = Field(None, description="Where the API is, instead of the region's own address")
    calls_per_minute: int = Field(600, ge=1, le=60_000, description="Most calls of its API in a minute")


class IntercomChannel(Reconciled):
    """Takes Intercom's webhooks, and asks its API for the whole of each conversation."""

    Options = IntercomOptions
    capabilities = ChannelCapabilities(
        webhook=True, poll=True, backfill=True, deletions=True, hints=True, stamped=False, census=True, withholds=True
    )
    VENDOR = "Intercom"
    REMEDY = "is the app installed in this workspace and region, and may it read conversations and contacts?"

    def __init__(self, name: str, options: IntercomOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self._base = options.base_url or REGIONS[options.region]
        self.source = host_of(self._base)  # whose workspace it is there, the token alone says
        headers = {"Authorization": f"Bearer {self.token}", "Intercom-Version": API_VERSION}
        self._api = Api(self.manners, lambda: headers, context.observe)

    def signed(self, request: HookRequest) -> None:
        """Check Intercom's signature."""
        given = request.headers.get(HEADER, "")
        check_signature(HEADER, given, "sha1=", request.body, self.secrets, algorithm="sha1")

    def key_of(self, body: bytes) -> str | None:
        """Return a notification's own id, which a retry repeats though its count of attempts changes."""
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        id = told.get("id") if isinstance(told, dict) else None
        is_one = isinstance(id, str) and id.startswith("notif_") and id.isascii() and id.isprintable()
        return id[:200] if is_one and isinstance(id, str) else None

    def verify(self, request: HookRequest) -> Captured:
        """Check the signature on the raw bytes; 401 for anything wrong with it. Intercom hears 200."""
        captured = super().verify(request)
        return Captured(captured.account, captured.raw, captured.key, answer=Greeting("kept"))

    def read(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a webhook, or a message that was asked for."""
        return read_activities(delivery)

    def found(self, since: int, until: int) -> Iterator[Found]:
        """Yield the messages of a span, and what was redacted in conversations that changed in it."""
        contacts: dict[str, Any] = {}
        first = min(since, self.since())  # the same for all polls
        for id, moved in self._moved(since).items():
            try:
                talk = self._conversation(id)
            except Unanswered:
                raise
            except SidecarError as error:
                yield Found(moved, f"{REFUSED}{moved}:{first}:{id}", partial(_refuse, error), within=id, since=first)
                continue
            for at, key, message in _messages(talk) if talk else ():
                if since <= at < until:
                    yield Found(at, key, partial(self._kept, key, message, contacts), within=id)

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch a message, or all that is ours of a conversation, that a poll had to leave out.

        A message that has another state since then stands under another key, and comes by the poll.
        """

        def fetch() -> Sequence[Captured]:
            contacts: dict[str, Any] = {}
            since = int(headers.get("since", self.since()))
            told = [(one, message) for at, one, message in _messages(self._conversation(headers["within"]) or {})
                    if (at >= since if key.startswith(REFUSED) else one == key)]  # fmt: skip
            return [self._kept(one, message, contacts) for one, message in told]

        return retrieved(key, fetch, self.another())

    def _kept(self, key: str, message: Mapping[str, Any], contacts: dict[str, Any]) -> Captured:
        listed = message.get("contacts")
        named = listed.get("contacts") if isinstance(listed, dict) else None
        first = named[0].get("id") if isinstance(named, list) and named and isinstance(named[0], dict) else None
        if isinstance(first, str) and first not in contacts:
            contacts[first] = self._contact(first)
        told = {"topic": POLLED, "conversation": message, "contact": contacts.get(first) if first else None}
        return self.laid(key, orjson.dumps(told, option=orjson.OPT_SORT_KEYS))

    def _moved(self, since: int) -> dict[str, int]:
        """The conversations that changed since a time, and when; one that jumps while pages are turned isn't missed.

        The newest stand first, so the front is listed again until nothing has jumped there from a page to come.
        """
        found: dict[str, int] = {}
        floor = since
        for _ in range(MAX_ROUNDS):
            listed = {str(row["id"]): _number(row.get("updated_at")) for row in self._conversations(floor)}
            if found.keys() >= listed.keys():
                return dict(sorted(found.items()))
            found |= listed
            floor = max(floor, *listed.values())
        raise TemporaryError("Intercom's conversations move faster than they can be listed", retry_after_s=60.0)

    def _conversations(self, since: int) -> Iterator[dict[str, Any]]:
        query = {"field": "updated_at", "operator": ">", "value": since - 1}
        body: dict[str, Any] = {"query": query, "pagination": {"per_page": PAGE}}
        for _ in range(MAX_PAGES):
            reply = self._api.ask(Ask("search", f"{self._base}/conversations/search", "POST", body=body))
            yield from rows(reply, "conversations", "Intercom")
            pages = reply.data.get("pages")
            following = pages.get("next") if isinstance(pages, dict) else None
            after = following.get("starting_after") if isinstance(following, dict) else None
            if not isinstance(after, str):
                return
            body = {"query": query, "pagination": {"per_page": PAGE, "starting_after": after}}
        raise TemporaryError("Intercom lists more conversations than can be read at once", retry_after_s=3600.0)

    def _conversation(self, id: str) -> dict[str, Any] | None:
        url = f"{self._base}/conversations/{quote(id, safe='')}"
        reply = self._api.ask(Ask("conversation", url, may_lack=(404,)))
        if reply.status == 404:
            return None
        if not isinstance(reply.data, dict) or not isinstance(reply.data.get("created_at"), int):
            raise Again("Intercom's answer holds no conversation")
        told: dict[str, Any] = reply.data
        return told

    def _contact(self, id: str) -> dict[str, Any] | None:
        reply = self._api.ask(Ask("contact", f"{self._base}/contacts/{quote(id, safe='')}", may_lack=(404,)))
        told = reply.data if reply.status != 404 and isinstance(reply.data, dict) else {}
        return {name: told.get(name) for name in ("id", "external_id", "name", "email", "phone")} if told else None


def _refuse(error: SidecarError) -> Captured:
    raise error


def _messages(talk: Mapping[str, Any]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The messages of a conversation: when each was news, the key of its state, and the conversation with it alone."""
    about = {name: talk[name] for name in _ABOUT if name in talk}
    source, listed = talk.get("source"), talk.get("conversation_parts")
    changed = _number(talk.get("updated_at"))
    if isinstance(source, dict):
        at = changed if source.get("redacted") is True else _number(talk.get("created_at"))
        yield at, _key(f"source:{talk['id']}", source), {**about, "source": source}
    began = {"source": {name: source.get(name) for name in ("author", "type")}} if isinstance(source, dict) else {}
    parts = listed.get("conversation_parts") if isinstance(listed, dict) else None
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, dict) and part.get("id"):
            at = changed if part.get("redacted") is True else _number(part.get("created_at"))
            alone = {"conversation_parts": {"conversation_parts": [part]}}
            yield at, _key(f"part:{part['id']}", part), {**about, **began, **alone}


def _key(id: str, message: Mapping[str, Any]) -> str:
    state = orjson.dumps([message.get("redacted") is True, message.get("part_type")])
    return f"{id}:{sha256(state).hexdigest()[:16]}"


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
