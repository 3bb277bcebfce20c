"""`connect` and `disconnect`: let a channel into an account, from a machine that may have no browser.

By a code: the page and the code are shown, and whoever opens it on a telephone is enough. By a browser: the address is
shown, and the person pastes the one that their browser was sent to, though it shows an error there, for nobody listens
on their machine; or `--listen` waits for it on a port of this one, through `ssh -L`. Nothing that is shown or asked for
here opens the account by itself: the verifier that the address needs beside it never leaves this process.
"""

import sys
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sidecar.cli.render import emit, plain, show, tell
from sidecar.cli.session import AsJson, example, session
from sidecar.errors import PermanentError

if TYPE_CHECKING:
    from sidecar.ports import Consent, Invitation

PASTE_PORT = 8765
MAX_LINE_CHARS = 8_000
MAX_PASTES = 3
Name = Annotated[str, typer.Argument(help="The channel's name in the config.")]


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    lines = ("sidecar connect mail", "sidecar connect mail --listen 8765   (with ssh -L 8765:127.0.0.1:8765)")
    app.command("connect", epilog=example(*lines))(_connect)
    app.command("disconnect", epilog=example("sidecar disconnect mail"))(_disconnect)


def _connect(
    ctx: typer.Context,
    channel: Name,
    listen: Annotated[
        int | None,
        typer.Option("--listen", min=1, max=65_535, help="Wait for the browser on this port of this machine."),
    ] = None,
    paste: Annotated[
        bool, typer.Option("--paste", help="Ask for the browser's address, even where codes work.")
    ] = False,
    timeout_s: Annotated[float, typer.Option("--timeout-s", min=1, max=1_800, help="How long --listen waits.")] = 900.0,
    as_json: AsJson = False,
) -> None:
    """Let a channel into an account: a person says yes on a page of the provider's, once."""
    from sidecar.app.connecting import await_code, consent_of, invite, let_go_on

    with session(ctx, writes=True).open() as app:
        consent = consent_of(app, channel)
        by_code = consent.by_code and listen is None and not paste
        invitation = invite(app, channel, consent, None if by_code else listen or PASTE_PORT)
        _tell(channel, invitation, listens=listen is not None, as_json=as_json)
        if by_code:
            account = await_code(app, consent, invitation, Event().wait)
        elif listen is not None:
            account = _taken(consent, consent.listen(timeout_s))
        else:
            account = _pasted(consent, as_json=as_json)
        goes_on = let_go_on(app, channel)
    if as_json:
        emit({"channel": channel, "account": account, "connected": True, "resumed": goes_on}, indent=None)
    else:
        show(f"{channel} is connected to {plain(account)}." + (" It goes on now." if goes_on else ""))


def _disconnect(ctx: typer.Context, channel: Name, as_json: AsJson = False) -> None:
    """Forget what lets a channel into an account, and ask the provider to take the access back where it can."""
    from sidecar.app.connecting import disconnect

    with session(ctx, writes=True).open() as app:
        revoked, forgotten, why = disconnect(app, channel)
    if as_json:
        emit({"channel": channel, "revoked": revoked, "forgotten": forgotten, "problem": why or None}, indent=None)
        return
    show(f"The tokens of {channel} are forgotten." if forgotten else f"There were no tokens of {channel}.")
    if forgotten and not revoked:
        told = f" ({plain(why)})" if why else ""
        show(f"The provider wasn't told{told}: take the access away in the account's own settings.")


def _tell(channel: str, invitation: "Invitation", *, listens: bool, as_json: bool) -> None:
    """Show what to do, on standard error, or as a line of JSON."""
    if as_json:
        told: dict[str, Any] = {"channel": channel, "open": invitation.address, "until": invitation.until}
        emit(told | ({"code": invitation.code} if invitation.code else {"redirect": invitation.redirect}), indent=None)
        sys.stdout.flush()
        return
    tell("Open this on any device, and log in to the account that this channel is to read:", "")
    sys.stderr.write(f"  {plain(invitation.address)}\n\n")  # never wrapped, so that it can be copied
    if invitation.code:
        tell(f"Type this code there: {plain(invitation.code)}", "")
        tell(f"Waiting; the code is good until {invitation.until:%H:%M} UTC.")
    elif listens:
        tell("Waiting for the browser to come back to this machine.")
    else:
        tell("Your browser will end at a page that it can't show. That is right: copy the whole address from its")
        tell(f"address line (it begins with {plain(invitation.redirect)}) and paste it here.")
    sys.stderr.flush()


def _taken(consent: "Consent", address: str) -> str:
    account = consent.take(address)
    if account is None:
        raise PermanentError("the provider didn't say whose account it is; begin anew")
    return account


def _pasted(consent: "Consent", *, as_json: bool) -> str:
    """Read the address until one is of this attempt; nothing but a line from whoever is there counts."""
    for left in range(MAX_PASTES, 0, -1):
        if not as_json:
            sys.stderr.write("Address: ")
            sys.stderr.flush()
        line = sys.stdin.readline(MAX_LINE_CHARS)
        if not line:
            raise PermanentError("nobody pasted an address; run it again, or with --listen")
        try:
            return _taken(consent, line.strip())
        except PermanentError as error:
            if left == 1 or as_json or "copy all of it" not in str(error):
                raise
            tell(str(error))
    raise PermanentError("no address was of this attempt")
