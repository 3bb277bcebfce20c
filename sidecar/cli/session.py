"""What every command shares: the options before it, the app behind it, and how errors end it.

An error that somebody can act upon is said in a line on standard error, and never as a traceback: its class decided who
acts, its text says what to do. The app is imported when a command opens it, so that `--help` loads nothing of it.
"""

import getpass
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from sidecar.cli.render import tell
from sidecar.errors import ConfigError, PermanentError, SidecarError, TemporaryError

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.config import Settings
    from sidecar.journal import Journal
    from sidecar.model import Standing

LOG_VARIABLE, DEBUG_VARIABLE = "SIDECAR_LOG", "SIDECAR_DEBUG"
FAILED, MISCONFIGURED = 1, 2
CANDIDATES = 6
NO_PARTY = "desk:"
"""How the ids of standings begin that are no party: the desks of owners."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask; for scripts.")]
By = Annotated[str, typer.Option("--by", help="Who says so. Default: you, as this machine knows you.")]


@dataclass(frozen=True, slots=True)
class Session:
    """The options that stand before a command."""

    config: Path | None = None
    dry_run: bool = False

    def open(self, *, wait: bool = True, secrets: bool = False) -> "App":
        """Return the app of the config; use it as a context manager.

        Only what speaks to every adapter asks for `secrets` first: who reads the book needs those of no channel.
        """
        from sidecar.app import App

        return App.from_file(self.config, environment(), wait=wait, dry_run=self.dry_run, secrets=secrets)

    def settings(self) -> "Settings":
        """Return the settings alone, for commands that must work when the journal doesn't open."""
        from sidecar.config import load

        return load(self.config, environment(), secrets=False)


def environment() -> Mapping[str, str]:
    """Return the process's environment without our own variables that are no settings."""
    return {name: value for name, value in os.environ.items() if name not in (LOG_VARIABLE, DEBUG_VARIABLE)}


def session(ctx: typer.Context, *, writes: bool = False) -> Session:
    """Return the session of a command; one that `writes` at a person's word refuses to be tried."""
    found: Session = ctx.ensure_object(Session)
    if writes and found.dry_run:
        raise PermanentError(f"`{ctx.command_path}` does just what you say and can't be tried: leave --dry-run out")
    return found


class Commands(TyperGroup):
    """The root of all commands: ends every error that somebody can act upon in plain words."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except SidecarError as error:
            for line in said(error):
                tell(f"sidecar: {line}")
            raise typer.Exit(MISCONFIGURED if isinstance(error, ConfigError) else FAILED) from None


def said(error: SidecarError) -> list[str]:
    """Return what an error says, a line for each thing to do."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        lines = [type(error).__name__]
    if isinstance(error, TemporaryError):
        lines[-1] += " (time mends this: run it again in a moment)"
    return lines


def ask(question: str, *, yes: bool, as_json: bool) -> None:
    """Go on if somebody says yes; where nobody can be asked, `yes` must have been said before."""
    if yes:
        return
    if as_json:
        raise PermanentError("with --json nothing is asked: say --yes, or --dry-run to look only")
    if not sys.stdin.isatty():
        raise PermanentError("there is nobody to ask here: say --yes, or --dry-run to look only")
    if not typer.confirm(question, err=True):
        raise typer.Abort


def example(*lines: str) -> str:
    """Return the last words of a command's help."""
    return "\n\n".join(f"Example: {line}" for line in lines)


def whoami() -> str:
    """Return the user's name as this machine knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def find_party(journal: "Journal", text: str) -> "Standing":
    """Return the party that a person means: by its id or the beginning of one, a name, an address."""
    standing = journal.standing(text)
    if standing is None and (ids := journal.ids(text, CANDIDATES)):
        standing = journal.standing(ids[0]) if len(ids) == 1 else None
    if standing is not None:
        return standing
    found = [s for s in journal.parties(text, CANDIDATES) if not s.party.startswith(NO_PARTY)] if text.strip() else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise PermanentError(f"there is no party {text!r}; `sidecar party list` names them")
    named = ", ".join(f"{s.name or 'nameless'} ({s.party})" for s in found)
    raise PermanentError(f"{text!r} may be several parties: {named}; name one by its id")


_NAMED_BY = {
    "change": "`sidecar explain` shows their ids",
    "decision": "`sidecar label sample` shows those that wait",
    "inference": "`sidecar explain` shows their ids",
}


def find_id(journal: "Journal", text: str, kind: str) -> str:
    """Return the whole id of a fact of a kind, given it or its beginning."""
    found = [i for i in journal.ids(text, CANDIDATES) if i.startswith(f"{kind}-")]
    if len(found) == 1:
        return found[0]
    if text in found:
        return text
    if not found:
        raise PermanentError(f"there is no {kind} {text!r}; {_NAMED_BY.get(kind, '`sidecar activities` names them')}")
    raise PermanentError(f"{text!r} begins several ids of the kind {kind}; give more of it")
