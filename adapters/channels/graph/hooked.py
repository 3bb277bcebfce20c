"""What mail and calendar of Microsoft 365 share: whose mailbox, the door for Graph's notices, and its subscriptions.

A base class, where this house prefers none: both are one adapter in two parts, and differ only in what they poll.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.channels.graph import push
from adapters.channels.graph.api import Api, Given, Reached
from adapters.channels.graph.options import GraphOptions
from adapters.channels.graph.signing_in import sign_in
from adapters.channels.graph.subscriptions import Hook, Subscriptions, ends
from adapters.http.consent import OAuthConsent
from adapters.http.oauth import Grant
from sidecar.errors import ConfigError, RejectedInput, SidecarError
from sidecar.ports import Captured, Consent, Context, Greeting, HookRequest

MAX_SKEW = timedelta(minutes=5)
THING = "thing"
"""Header of what a poll has fetched; what came in at the door has none, and is a hint without words."""


class HookedChannel:
    """A channel whose notices are hints. Its account is the mailbox; `first_look` shows whether that may be read."""

    first_look: tuple[str, Mapping[str, str]]

    def __init__(self, name: str, options: GraphOptions, context: Context, scope: str, change: str) -> None:
        setting = f"channels.{name}"
        self.name = name
        self.source = self.account = options.mailbox.casefold()
        self._own, self._clock = context.own, context.clock
        self._live_since = (context.live_since or context.clock()).astimezone(UTC) - MAX_SKEW
        self._max_body_bytes = options.max_body_bytes
        self._secrets: tuple[bytes, ...] = ()
        if options.client_state_env or options.client_state_file:
            text = context.secret(options.client_state_env, options.client_state_file)
            named = "client_state_file" if options.client_state_file else "client_state_env"
            self._secrets = push.read_secrets(text, f"{setting}.{named}")
        self.grant = sign_in(name, options, context, scope)
        where = (options.graph_url, options.mailbox, options.timeouts, options.max_wait_s, options.calls_per_s, setting)
        self._reached, self._observe = Reached(*where), context.observe
        self._api = Api(self._reached, self.grant, context.observe)
        if options.notification_url and not self._secrets:
            raise ConfigError("notifications need a secret; name its variable", setting=f"{setting}.client_state_env")
        hook = Hook(options.notification_url, self._secrets[0]) if options.notification_url else None
        self._subscriptions = Subscriptions(name, self._api, hook, change, context.clock)

    def greet(self, request: HookRequest) -> Greeting | None:
        """Answer Graph's handshake of a new subscription."""
        return push.greet(request)

    def verify(self, request: HookRequest) -> Captured:
        """Compare the secret in each item: 401 for anything wrong with it, 413 and 415 for what is never read."""
        if len(request.body) > self._max_body_bytes:
            raise RejectedInput(f"body is over {self._max_body_bytes} bytes", status=413)
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RejectedInput("send the body without Content-Encoding", status=415)
        if push.verify(request.body, self._secrets):
            self._subscriptions.alarm()
        return Captured(self.account, request.body, is_hint=True)

    def consent(self) -> Consent:
        """Return an attempt to let this channel in; what was given must open the mailbox that the config names."""
        if not isinstance(self.grant, Grant):
            told = 'the app signs in as itself; auth = "delegated" is for a person\'s consent'
            raise ConfigError(told, setting=f"channels.{self.name}.auth")
        return OAuthConsent(self.grant, self._clock, self._whose)

    def subscriptions(self, cursor: Mapping[str, Any] | None) -> Mapping[str, datetime]:
        """Return when each subscription ends, as the poll's cursor knows it."""
        return ends((cursor or {}).get("subscriptions"))

    def _whose(self, token: str) -> str:
        """Return the mailbox, if a token opens it: what it names itself would take another permission to read."""
        Api(self._reached, Given(token), self._observe).page("mailbox", *self.first_look, 1)
        return self.account

    def _tried(self, look: Callable[[], object]) -> Sequence[str]:
        """What is wrong with asking, one line; nothing when all is well."""
        try:
            look()
        except SidecarError as error:
            return [f"{self.name}: {error}"]
        return []
