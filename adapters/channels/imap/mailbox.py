"""One connection to a mailbox: the few commands that capture needs, with time-outs, and errors named for who must act.

It never changes the mailbox: folders are opened read-only and bodies are peeked at, so nothing is marked as read. All
messages are named by explicit UIDs (IMAPClient 4.1.0 can't read the answer to `1:*`; seen 2026-11-22), and times keep
the server's offset, which IMAPClient would else turn into naive local ones. Each command has one end for all of its
answer, since a server that drips would else be waited for without end.
"""

import imaplib
import logging
import selectors
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Protocol

from adapters.http.deadline import STEPS, connected, trusting, within
from sidecar.errors import ConfigError, TemporaryError, Unanswered

HEADER_BYTES = 64 * 1024
FACTS_PER_FETCH = 500
REFUSED_MAX = 100
"""So many refusals of facts, and it is no matter of single mails; one among 500 is found by ten."""
BODIES_S = 600.0
"""What a batch of mails may take: one too large for a slow line would be begun again and again."""
EMPTY_MAX = 3
# Codes of RFC 5530 and 9051 by which a server says that it, not the setting, is the trouble.
_PASSING = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]", "TOO MANY", "TRY AGAIN", "TEMPORAR")


class Key(Protocol):
    """What gives access tokens."""

    def access_token(self) -> str:
        """Return one that holds."""

    def refused(self, token: str) -> None:
        """Take in that one was refused."""


@dataclass(frozen=True, slots=True)
class Password:
    """What a mailbox is opened with that has a password of its own."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Given:
    """A token that somebody has just been given, to be tried once."""

    token: str = field(repr=False)

    def access_token(self) -> str:
        """Return it."""
        return self.token

    def refused(self, token: str) -> None:
        """There is no other."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where a mailbox is and how to get in; `setting` is the channel's place in the config, for errors."""

    host: str
    port: int
    tls: bool | str
    username: str
    key: Password | Key
    timeout_s: float
    setting: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as the server lists it."""

    name: str
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Opened:
    """A folder's generation of UIDs, and the UID that its next mail will have (0 when the server doesn't say)."""

    uidvalidity: int
    uidnext: int


@dataclass(frozen=True, slots=True)
class MailFacts:
    """What is known of a mail before it is fetched; a server may not know when it arrived."""

    size_bytes: int
    arrived_at: datetime | None


@contextmanager
def open_mailbox(access: Access) -> Iterator["Mailbox"]:
    """Connect, log in, and log out whatever happens in between."""
    # At DEBUG these libraries write down what goes over the wire, which is what customers wrote.
    logging.getLogger("imapclient").setLevel(logging.INFO)
    with _asked(access):
        client = _client(access)
    try:
        client.normalise_times = False
        with _asked(access):
            if access.tls == "starttls":
                client.starttls(trusting(ssl.create_default_context()))
        _log_in(client, access)
        yield Mailbox(client, access)
    finally:
        with within(access.timeout_s):
            client.__exit__(None, None, None)  # logs out and closes, whatever the connection has come to


class Mailbox:
    """An open mailbox; one folder at a time is selected."""

    def __init__(self, client: Any, access: Access) -> None:
        self._client = client
        self._access = access
        self._empty = 0  # how often in a row an idle line could be read and held nothing

    def folders(self) -> Sequence[Folder]:
        """List the folders that can hold mail."""
        with _asked(self._access):
            listed = self._client.list_folders()
        found = [Folder(str(name), frozenset(flag.decode().lower() for flag in flags)) for flags, _, name in listed]
        return [folder for folder in found if "\\noselect" not in folder.flags]

    def sent_folder(self) -> str | None:
        """Return the folder marked `\\Sent`, else one of a name that such folders usually have."""
        from imapclient.imapclient import SENT

        with _asked(self._access):
            name = self._client.find_special_folder(SENT)
        return str(name) if name else None

    def select(self, folder: str) -> Opened:
        """Open a folder read-only."""
        refusal = f"folder {folder!r} can't be opened: sidecar check names what folders and sent_folders may hold"
        with _asked(self._access, refusal):
            answer = self._client.select_folder(folder, readonly=True)
        return Opened(int(answer.get(b"UIDVALIDITY", 0)), int(answer.get(b"UIDNEXT", 0)))

    def after(self, uid: int) -> list[int]:
        """Return the UIDs above one, in order; `n:*` names the last mail even where n is past it."""
        with _asked(self._access):
            found = self._client.search(["UID", f"{uid + 1}:*"])
        return sorted(int(number) for number in found if number > uid)

    def between(self, since: date, before: date | None) -> list[int]:
        """Return the UIDs of mails that arrived on these days of the server's calendar, in order."""
        criteria = ["SINCE", since] + (["BEFORE", before] if before else [])
        with _asked(self._access):
            found = self._client.search(criteria)
        return sorted(int(number) for number in found)

    def facts(self, uids: Sequence[int]) -> Mapping[int, MailFacts]:
        """Return size and arrival of those of the mails that are still there; nothing of one that is refused alone."""
        facts: dict[int, MailFacts] = {}
        for start in range(0, len(uids), FACTS_PER_FETCH):
            facts |= self._facts(list(uids[start : start + FACTS_PER_FETCH]))
        return facts

    def _facts(self, uids: list[int]) -> Mapping[int, MailFacts]:
        """The facts of some mails; while the server refuses, of halves of them."""
        facts: dict[int, MailFacts] = {}
        left, refusals = [uids], 0
        while left:
            some = left.pop()
            try:
                with _asked(self._access):
                    answer = self._client.fetch(some, ["RFC822.SIZE", "INTERNALDATE"])
            except Unanswered:
                raise
            except TemporaryError:
                refusals += 1
                if refusals > REFUSED_MAX:
                    raise
                half = len(some) // 2
                left += [some[half:], some[:half]] if half else []
                facts |= {} if half else {some[0]: MailFacts(0, None)}
                continue
            for uid, items in answer.items():
                arrived_at = items.get(b"INTERNALDATE")
                facts[uid] = MailFacts(
                    int(items.get(b"RFC822.SIZE", 0)), arrived_at.astimezone(UTC) if arrived_at else None
                )
        return facts

    def bodies(self, uids: Sequence[int]) -> Mapping[int, bytes]:
        """Return the raw bytes of the mails that are still there; `TemporaryError` where one is there without them."""
        if not uids:
            return {}
        with _named(self._access), within(max(BODIES_S, STEPS * self._access.timeout_s)):
            answer = self._client.fetch(list(uids), ["BODY.PEEK[]"])
        found = {uid: items[b"BODY[]"] for uid, items in answer.items() if b"BODY[]" in items}
        if None in found.values():  # NIL: a server names a mail whose file it can't read, and says OK
            raise TemporaryError(f"{self._access.host} has a mail and not its words")
        return {uid: bytes(raw) for uid, raw in found.items()}

    def header(self, uid: int) -> bytes:
        """Return the first bytes of a mail's header section, empty when the mail is gone."""
        with _asked(self._access):
            answer = self._client.fetch([uid], [f"BODY.PEEK[HEADER]<0.{HEADER_BYTES}>"])
        return bytes(answer.get(uid, {}).get(b"BODY[HEADER]<0>") or b"")[:HEADER_BYTES]

    def begins(self, uid: int) -> bool:
        """Say whether the server hands out the first byte of a mail."""
        with _asked(self._access):
            answer = self._client.fetch([uid], ["BODY.PEEK[]<0.1>"])
        return bool(answer.get(uid, {}).get(b"BODY[]<0>"))

    def can_idle(self) -> bool:
        """Say whether the server tells of news by itself."""
        with _asked(self._access):
            return bool(self._client.has_capability("IDLE"))

    @contextmanager
    def idling(self) -> Iterator[Callable[[float], list[bytes]]]:
        """Let the server tell of news while this lasts; what is given waits so many seconds for its words."""
        with _asked(self._access):
            self._client.idle()
        with _named(self._access):
            yield self._heard  # which has an end of its own
        with _asked(self._access):
            self._client.idle_done()

    def _heard(self, wait_s: float) -> list[bytes]:
        """Wait for words. Of a dropped line IMAPClient (4.1.0) says nothing, at once and for ever: see it by that."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._client.socket(), selectors.EVENT_READ)
            is_readable = bool(waiting.select(0))
        with within(wait_s + self._access.timeout_s):
            told = self._client.idle_check(timeout=wait_s)
        self._empty = self._empty + 1 if is_readable and not told else 0
        if self._empty >= EMPTY_MAX:
            raise TemporaryError(f"{self._access.host} hung up")
        return [word for words in told for word in words if isinstance(word, bytes)]


class _Imap(imaplib.IMAP4):
    """A conversation whose connection ends with the command, over TLS from the first byte on if so set."""

    def __init__(self, access: Access) -> None:
        self._is_tls = access.tls is True
        super().__init__(access.host, access.port, access.timeout_s)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        sock = connected(self.host, self.port, timeout)
        if not self._is_tls:
            return sock
        return trusting(ssl.create_default_context()).wrap_socket(sock, server_hostname=self.host)


def _client(access: Access) -> Any:
    from imapclient import IMAPClient, SocketTimeout

    class Client(IMAPClient):  # type: ignore[misc]  # the library ships without types
        def _create_IMAP4(self) -> _Imap:  # noqa: N802  # as the library calls it
            return _Imap(access)

    times = SocketTimeout(access.timeout_s, access.timeout_s)
    return Client(access.host, access.port, ssl=access.tls is True, timeout=times)


def _log_in(client: Any, access: Access) -> None:
    if isinstance(access.key, Password):
        if not _is_let_in(client, access, access.key):
            raise ConfigError(
                f"{access.host} refused the name or the password; some providers want an app password, or oauth",
                setting=f"{access.setting}.password_env",
            )
        return
    for _ in range(2):  # a token may have been taken back before its time
        token = access.key.access_token()
        if _is_let_in(client, access, token):
            return
        access.key.refused(token)
    name = access.setting.rpartition(".")[2]
    raise ConfigError(
        f"{access.host} refused a fresh token for this name: is it the mailbox that was let in, and may it be read by "
        f"IMAP? To let it in again: sidecar connect {name}",
        setting=f"{access.setting}.username",
    )


def _is_let_in(client: Any, access: Access, key: Password | str) -> bool:
    """Log in, and say whether the server takes the name with this password or token."""
    from imapclient.exceptions import LoginError

    try:
        with _asked(access):
            if isinstance(key, str):
                client.oauth2_login(access.username, key)
            elif key.text.isascii() and access.username.isascii():
                client.login(access.username, key.text)
            else:
                client.plain_login(access.username, key.text)  # LOGIN knows no encoding
    except LoginError as error:
        # IMAPClient wraps a connection that breaks off, too.
        if isinstance(error.__context__, imaplib.IMAP4.abort) or _is_passing(error):
            raise TemporaryError(f"{access.host} can't log anybody in just now") from None
        return False
    return True


@contextmanager
def _asked(access: Access, refusal: str = "") -> Iterator[None]:
    """Ask something of the server, in a time that each command may take as a whole."""
    with within(STEPS * access.timeout_s), _named(access, refusal):
        yield


@contextmanager
def _named(access: Access, refusal: str = "") -> Iterator[None]:
    """Name a library's errors for who must act; `refusal` says what the operator did wrong if the server says no."""
    from imapclient.exceptions import CapabilityError, LoginError

    try:
        yield
    except LoginError:
        raise
    except CapabilityError:
        hint = f"{access.host} lacks what this setting needs; it may want tls = true, on another port"
        raise ConfigError(hint, setting=f"{access.setting}.tls") from None
    except ssl.SSLCertVerificationError as error:
        raise ConfigError(
            f"the certificate of {access.host} isn't valid: {error.verify_message}", setting=f"{access.setting}.host"
        ) from None
    except ssl.SSLError as error:
        if error.reason == "WRONG_VERSION_NUMBER":
            hint = f'port {access.port} of {access.host} speaks no TLS at first; try tls = "starttls" or another port'
            raise ConfigError(hint, setting=f"{access.setting}.tls") from None
        raise TemporaryError(f"TLS with {access.host} broke off: {error.reason}") from None
    except (imaplib.IMAP4.abort, OSError, EOFError) as error:
        raise Unanswered(f"{access.host} can't be reached: {type(error).__name__}") from None
    except imaplib.IMAP4.error as error:
        if refusal and not _is_passing(error):
            raise ConfigError(refusal, setting=f"{access.setting}.folders") from None
        raise TemporaryError(f"{access.host} answered with an error") from None


def _is_passing(error: Exception) -> bool:
    text = str(error).upper()
    return any(word in text for word in _PASSING)
