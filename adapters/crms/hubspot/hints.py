"""HubSpot's webhooks, as hints: which records people have just touched, so that nobody waits for the next poll.

Nothing that a webhook says is believed but the record's id: what became of it is read from the API. So a hint that is
lost, repeated, late or out of order costs nothing, and the poll finds what no hint named. Only what a person did is
hinted at, and deletions and merges: our own writes would otherwise come back as work, and a bulk import would flood us.

Source: developers.hubspot.com, "Request validation" (v3) and "Create generic webhook subscriptions", read 2026-11: at
most 100 events in a request, which is answered within 5 s and comes again up to ten times; stale after 5 minutes.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from adapters.crms.hubspot.options import HubSpotOptions
from adapters.crms.hubspot.vendor import AUTHORS, OBJECTS
from sidecar.errors import ConfigError, RejectedInput, UnsupportedFeature
from sidecar.model import AuthorKind
from sidecar.ports import Context, HookRequest

MAX_AGE = timedelta(minutes=5)
MAX_EVENTS = 1_000
MAX_SECRETS = 5
TYPES = {
    "0-1": "contact", "0-2": "company", "0-3": "deal", "0-27": "task", "0-46": "note", "0-47": "meeting",
}  # fmt: skip
"""Kinds by HubSpot's ids of object types, which generic subscriptions name."""
_GONE_OR_BACK = ("deletion", "privacyDeletion", "merge", "restore")

_Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value))]


class _Event(BaseModel):
    """What is read of an event; ids are numbers or texts."""

    model_config = ConfigDict(hide_input_in_errors=True, frozen=True)

    what: _Text = Field("", alias="subscriptionType")
    type_id: _Text = Field("", alias="objectTypeId")
    ref: _Text = Field("", alias="objectId")
    portal: _Text = Field("", alias="portalId")
    source: _Text = Field("", alias="changeSource")
    survivor: _Text = Field("", alias="newObjectId")
    primary: _Text = Field("", alias="primaryObjectId")
    losers: tuple[_Text, ...] = Field((), alias="mergedObjectIds")


_EVENTS = TypeAdapter(Annotated[list[_Event], Field(max_length=MAX_EVENTS)])


class Hints:
    """The webhook door of one account."""

    def __init__(self, options: HubSpotOptions, context: Context) -> None:
        self._clock = context.clock
        self._url = options.hook_url
        self._secrets = _secrets(options, context) if options.hook_url else ()

    @property
    def is_open(self) -> bool:
        """Whether webhooks are taken at all."""
        return bool(self._secrets)

    def named(self, request: HookRequest, portal: str) -> Sequence[tuple[str, str]]:
        """Verify a request and return what people touched as (kind, ref); events of another portal are left out.

        `portal` is ours, or empty while it isn't known. `RejectedInput` for what HubSpot did not sign.
        """
        if not self.is_open:
            raise UnsupportedFeature("webhooks are taken only with crm.hook_url and its secret")
        self._verify(request)
        try:
            events = _EVENTS.validate_json(request.body)
        except ValidationError:
            raise RejectedInput("these are no events of HubSpot's") from None
        refs = [named for event in events if event.portal == portal or not portal for named in _refs(event)]
        return tuple(dict.fromkeys(refs))

    def _verify(self, request: HookRequest) -> None:
        stamp = request.headers.get("x-hubspot-request-timestamp", "")
        given = request.headers.get("x-hubspot-signature-v3", "").encode("utf-8", "replace")
        if not re.fullmatch(r"[0-9]{1,15}", stamp):
            raise RejectedInput("a signed request has a timestamp", status=401)
        sent = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(stamp))
        source = b"POST" + self._url.encode() + request.body + stamp.encode()
        # Every secret is tried, so that the time it takes tells nothing about which of them is in use.
        found = [hmac.compare_digest(_signature(secret, source), given) for secret in self._secrets]
        if not any(found):
            raise RejectedInput("the signature is not HubSpot's", status=401)
        if abs(self._clock() - sent) > MAX_AGE:
            raise RejectedInput("the request is stale", status=401)


def _secrets(options: HubSpotOptions, context: Context) -> tuple[bytes, ...]:
    setting = f"crm.{'hook_secret_file' if options.hook_secret_file else 'hook_secret_env'}"
    text = context.secret(options.hook_secret_env, options.hook_secret_file)
    found = tuple(part.encode() for part in re.split(r"[,\s]+", text) if part)
    if not found or len(found) > MAX_SECRETS:
        raise ConfigError(f"takes the app's client secret, up to {MAX_SECRETS} while it is exchanged", setting=setting)
    return found


def _signature(secret: bytes, source: bytes) -> bytes:
    return base64.b64encode(hmac.digest(secret, source, hashlib.sha256))


def _refs(event: _Event) -> list[tuple[str, str]]:
    prefix, _, what = event.what.partition(".")
    kind = TYPES.get(event.type_id, "") if prefix == "object" else prefix
    by_person = what == "propertyChange" and AUTHORS.get(event.source) is AuthorKind.PERSON
    if kind not in OBJECTS or not (by_person or what in _GONE_OR_BACK):
        return []
    refs = (event.ref, event.survivor, event.primary, *event.losers)
    return [(kind, ref) for ref in dict.fromkeys(refs) if re.fullmatch(r"[0-9]{1,20}", ref)]
