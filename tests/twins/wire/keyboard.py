"""The keyboard of everybody else: each line on standard input is a person's deed, or a failure of the vendor's.

What all twins' hands can do is here, and what those of a CRM can; a vendor's own deeds and its settings are with its
twin. All is in memory.
"""

import argparse
import cmd
import re
import shlex
import socket
from collections.abc import Callable
from typing import IO, Any, ClassVar
from urllib.parse import quote

import httpx2

from tests.twins.wire.faults import Status

WORDS: dict[str, Any] = {"": None, "true": True, "false": False}


def parser(name: str, what: str, port: int) -> argparse.ArgumentParser:
    """Return what reads the arguments of `python -m tests.twins.NAME`."""
    made = argparse.ArgumentParser(prog=f"python -m tests.twins.{name}", description=f"{what} to try with.")
    made.add_argument("--port", type=_free, default=str(port), help="on 127.0.0.1; 0 takes any free one")
    return made


def _free(text: str) -> int:
    """Read a port, and refuse one that another program listens on, in words instead of a traceback."""
    port = int(text)
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            raise argparse.ArgumentTypeError(f"{port} can't be had; name another, or 0 for any free one") from None
    return port


def printed(settings: str) -> str:
    """Return a channel's settings as its twin prints them: with a mode in which what was read can be seen in the CRM.

    A config of a person's own has one already, and so has one of several twins: it stands in no twin's settings.
    """
    return f'{settings}[policy]\nmode = "auto"\n'


def typed(text: str, number: Callable[[str], float] = float) -> Any:
    """Return what somebody typed: nothing clears, true and false are flags, #5 is a number."""
    return number(text[1:]) if text.startswith("#") else WORDS.get(text, text)


class Keyboard(cmd.Cmd):
    """One line, one deed; `help` lists them. A twin's class names what its refusals are, and what it fails with."""

    prompt = ""
    use_rawinput = False
    refusals: ClassVar[tuple[type[Exception], ...]] = (AssertionError, KeyError, ValueError, httpx2.HTTPError)

    def __init__(self, twin: Any, stdout: IO[str] | None = None) -> None:
        super().__init__(stdout=stdout)
        self.twin = twin

    def onecmd(self, line: str) -> bool:
        """Do what a line says; what can't be done is said and changes nothing."""
        try:
            return super().onecmd(line)
        except self.refusals as error:
            self.say(f"refused: {error!r}")
            return False
        finally:
            self.stdout.flush()

    def do_calls(self, line: str) -> None:
        """How often each operation was asked for: calls."""
        for name, count in self.twin.log.counts.most_common():
            self.say(f"{count} {name}")

    def do_fail(self, line: str) -> None:
        """Answer every request so until `heal`: fail STATUS."""
        self.twin.fault(self.failure(int(line)), times=None)

    def do_refuse(self, line: str) -> None:
        """Answer what is asked of one thing so until `heal`: refuse ID STATUS."""
        id, status = shlex.split(line)
        self.twin.fault(self.failure(int(status)), path=rf"{re.escape(quote(id, safe='@'))}(?![\w-])", times=None)

    def do_heal(self, line: str) -> None:
        """Take all failures away: heal."""
        self.twin.heal()

    def do_down(self, line: str) -> None:
        """Refuse connections: down."""
        self.twin.down()

    def do_up(self, line: str) -> None:
        """Accept them again: up."""
        self.twin.up()

    def do_EOF(self, line: str) -> bool:  # noqa: N802
        """End."""
        return True

    def preloop(self) -> None:
        """Let a reader at the other end of a pipe see the settings at once."""
        self.stdout.flush()

    def emptyline(self) -> bool:
        """Do nothing, where the library would do the last line again."""
        return False

    def say(self, text: Any) -> None:
        """Print a line."""
        self.stdout.write(f"{text}\n")

    def failure(self, status: int) -> Status:
        """Return a refusal in this vendor's shape."""
        return Status(status)


class CrmKeyboard(Keyboard):
    """The deeds of whoever else uses a CRM; a vendor's own are with its twin."""

    def do_create(self, line: str) -> None:
        """A person types a record in: create KIND NAME=VALUE ..."""
        kind, *pairs = shlex.split(line)
        self.say(self.twin.person_creates(kind, self.values(kind, pairs)))

    def do_edit(self, line: str) -> None:
        """A person types values into a record; nothing after = clears: edit KIND ID NAME=VALUE ..."""
        kind, id, *pairs = shlex.split(line)
        self.twin.person_edits(kind, self.key(id), self.values(kind, pairs))

    def do_automate(self, line: str) -> None:
        """An automation of the account writes: automate KIND ID NAME=VALUE ..."""
        kind, id, *pairs = shlex.split(line)
        self.twin.automation_edits(kind, self.key(id), self.values(kind, pairs))

    def do_delete(self, line: str) -> None:
        """A person puts a record into the recycle bin: delete KIND ID."""
        kind, id = shlex.split(line)
        self.twin.person_deletes(kind, self.key(id))

    def do_merge(self, line: str) -> None:
        """A person merges two records: merge KIND WINNER LOSER."""
        kind, winner, loser = shlex.split(line)
        self.say(self.twin.person_merges(kind, self.key(winner), self.key(loser)))

    def do_show(self, line: str) -> None:
        """The live records with what they hold: show KIND."""
        for record in self.twin.all(line.strip()):
            held = {name: value for name, value in sorted(self.held(record).items()) if value}
            self.say(f"{record.id} {held}")

    def key(self, id: str) -> Any:
        """Return an id as this vendor's hands take it."""
        return id

    def held(self, record: Any) -> dict[str, Any]:
        """Return what a record holds, by the names that a person would type."""
        values: dict[str, Any] = record.values
        return values

    def values(self, kind: str, pairs: list[str]) -> dict[str, Any]:
        """Return what a line's pairs say of a kind, as this vendor's hands take it."""
        return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
