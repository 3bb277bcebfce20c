"""Lets a channel into an account, or out of it, at a person's command; the channel's own adapter knows how.

What the person must do is shown by whoever asks; here is what comes before and after: tokens that can't be opened any
more are forgotten, for they would be in the way, and a channel that an error had stopped goes on at once.
"""

from collections.abc import Callable

from sidecar.app import App
from sidecar.app.vault import Vault
from sidecar.errors import ConfigError, PermanentError, SidecarError, UnsupportedFeature
from sidecar.ports import Connectable, Consent, Invitation
from sidecar.worker import BY_ERROR

MAX_TAKES = 2_000


def consent_of(app: App, name: str) -> Consent:
    """Return an attempt to let a channel in; `PermanentError` for one that isn't there or needs none."""
    if name not in app.settings.channels:
        known = ", ".join(app.settings.channels) or "none"
        raise PermanentError(f"there is no channel {name!r}; configured are {known}")
    channel = app.channel(name)
    if not isinstance(channel, Connectable):
        raise UnsupportedFeature(f"the channel {name} has credentials of its own in the config, and needs no consent")
    return channel.consent()


def invite(app: App, name: str, consent: Consent, port: int | None) -> Invitation:
    """Begin an attempt, once it is sure that what it brings can be kept."""
    vault = Vault(app.settings, app.journal)
    try:
        vault.load(name)
    except ConfigError:
        vault.probe()
        vault.forget(name)
    vault.probe()
    return consent.invite(port)


def await_code(app: App, consent: Consent, invitation: Invitation, sleep: Callable[[float], object]) -> str:
    """Ask as often as the provider allows until the person has typed the code; return whose account it is."""
    for _ in range(MAX_TAKES):
        sleep(consent.wait_s)
        if (account := consent.take()) is not None:
            return account
        if app.clock() >= invitation.until:
            break
    raise PermanentError("nobody typed the code in time; begin anew")


def let_go_on(app: App, name: str) -> bool:
    """Take off the brake that an error had put on a channel; a person's stays."""
    scope = f"channel:{name}"
    held = app.journal.paused().get(scope)
    return held is not None and held.reason.startswith(BY_ERROR) and app.journal.resume(scope)


def disconnect(app: App, name: str) -> tuple[bool, bool, str]:
    """Forget a channel's tokens, after asking the provider to take the access back.

    Returns whether it did, whether there were any, and why it couldn't be asked.
    """
    consent, why, revoked = consent_of(app, name), "", False
    try:
        revoked = consent.end()
    except SidecarError as error:
        why = str(error)
    return revoked, Vault(app.settings, app.journal).forget(name), why
