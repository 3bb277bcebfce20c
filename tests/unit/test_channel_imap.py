"""What the IMAP channel makes of servers that behave in ways that no well-behaved server can be brought to.

A small scripted server answers on a real socket; what good servers do is tested under the contract.
"""

import re
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.imap import ImapChannel, ImapOptions
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from tests.contract.channel import INSTALLED, Secrets, all_captured, context, delivered
from tests.support.ports import free_port

MAIL = b"From: ann@example.org\r\nDate: Sun, 22 Nov 2026 10:00:00 +0100\r\n\r\nHello\r\n"
ARRIVED = '"22-Nov-2026 09:30:00 +0000"'
Answers = Mapping[str, Callable[[str], list[bytes]]]


@contextmanager
def scripted(answers: Answers) -> Iterator[int]:
    """Serve one script: a verb's untagged lines and its status come from its answer; an empty one hangs up."""

    class Script(socketserver.StreamRequestHandler):
        timeout, disable_nagle_algorithm = 60, True

        def handle(self) -> None:
            self.wfile.write(b"* OK [CAPABILITY IMAP4rev1 SPECIAL-USE] ready\r\n")
            for _ in range(200):
                tag, _, command = self.rfile.readline(65536).decode().strip().partition(" ")
                verb = re.sub(r"^UID ", "", command).partition(" ")[0].upper()
                answer = {**GOOD, **answers}.get(verb)
                lines = answer(command) if answer else [b"BAD unknown"]
                if not lines:
                    return
                for line in lines[:-1]:
                    self.wfile.write(b"* " + line + b"\r\n")
                self.wfile.write(tag.encode() + b" " + lines[-1] + b"\r\n")
                if verb == "LOGOUT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Script) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(30)


def body(command: str, mail: bytes = MAIL, size_bytes: int | None = None) -> list[bytes]:
    """Answer a FETCH for UIDs 1 to 3, of facts or of bodies."""
    wanted = [int(number) for number in command.split()[2].split(",")]
    lines = []
    for uid in wanted:
        facts = f"{uid} FETCH (UID {uid} RFC822.SIZE {size_bytes or len(mail)} INTERNALDATE {ARRIVED})".encode()
        literal = f"{uid} FETCH (UID {uid} BODY[] {{{len(mail)}}}\r\n".encode() + mail + b")"
        header = f"{uid} FETCH (UID {uid} BODY[HEADER]<0> {{6}}\r\n".encode() + b"From: )"
        lines.append(facts if "INTERNALDATE" in command else header if "HEADER" in command else literal)
    return [*lines, b"OK fetched"]


GOOD: Answers = {
    "CAPABILITY": lambda _: [b"CAPABILITY IMAP4rev1 SPECIAL-USE", b"OK listed"],
    "LOGIN": lambda _: [b"OK in"],
    "LIST": lambda _: [b'LIST (\\HasNoChildren) "/" INBOX', b'LIST (\\Sent) "/" Outbox', b"OK listed"],
    "EXAMINE": lambda _: [b"0 EXISTS", b"OK [UIDVALIDITY 7] valid", b"OK [UIDNEXT 4] next", b"OK [READ-ONLY] open"],
    "SEARCH": lambda command: [b"SEARCH 1 2 3", b"OK found"],
    "FETCH": body,
    "LOGOUT": lambda _: [b"BYE bye", b"OK out"],
}


def channel(port: int, base: Path, **options: Any) -> ImapChannel:
    """Return a channel for a server's inbox."""
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": port, "tls": False, "username": "rep", "timeout_s": 30}
    settings |= {"password_env": "P", "sent_folders": (), **options}
    return ImapChannel("mail", ImapOptions(**settings), context(base, Secrets(P="secret")))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"NO [AUTHENTICATIONFAILED] no", ConfigError),
        (b"NO wrong", ConfigError),
        (b"NO [UNAVAILABLE] Temporary authentication failure", TemporaryError),
        (b"NO [LIMIT] later", TemporaryError),
        (b"NO [ALERT] Too many simultaneous connections", TemporaryError),
    ],
)
def test_a_refused_login_is_told_from_a_busy_server(answer: bytes, expected: type[Exception], tmp_path: Path) -> None:
    """Only a wrong password pauses the channel; a busy server is tried again; seen to fail without the codes."""
    with scripted({"LOGIN": lambda _: [answer]}) as port, pytest.raises(expected) as caught:
        all_captured(channel(port, tmp_path, username="rep@ours.test").poll(None))
    assert "rep" not in str(caught.value), "it is logged, and the name may be a person's address"


@pytest.mark.parametrize("verb", ["LOGIN", "LIST", "EXAMINE", "SEARCH", "FETCH"])
def test_a_server_that_hangs_up_is_an_outage(verb: str, tmp_path: Path) -> None:
    """Wherever the connection breaks off, time may mend it; seen to fail with abort taken for the operator's error."""
    with scripted({verb: lambda _: []}) as port, pytest.raises(TemporaryError):
        all_captured(channel(port, tmp_path, sent_folders=None).poll(None))


def test_what_came_before_an_outage_stands(tmp_path: Path) -> None:
    """Batches before the break are whole, and their cursor goes on after them."""
    fetched: list[str] = []

    def second_body_breaks(command: str) -> list[bytes]:
        fetched.append(command)
        return [] if len(fetched) == 3 else body(command)

    with scripted({"FETCH": second_body_breaks}) as port:
        batches = channel(port, tmp_path, batch_size=1).poll(None)
        first = next(batches)
        with pytest.raises(TemporaryError):
            next(batches)
    assert first.cursor == {"INBOX": {"uidvalidity": 7, "uid": 1}}
    assert [captured.raw for captured in first.captured] == [MAIL]


def test_a_mail_of_which_the_server_tells_nothing_at_all_is_left_out_alone(tmp_path: Path) -> None:
    """Where even a size is refused the others still come; seen to fail with facts asked for all together alone."""

    def second_is_broken(command: str) -> list[bytes]:
        return [b"NO [SERVERBUG] broken"] if "2" in command.split()[2].split(",") else body(command)

    with scripted({"FETCH": second_is_broken}) as port:
        found = all_captured(channel(port, tmp_path).poll(None))
    assert [(captured.key, captured.raw) for captured in found if not captured.withheld] == [
        ("INBOX:7:1", MAIL),
        ("INBOX:7:3", MAIL),
    ]
    assert [captured.key for captured in found if captured.withheld] == ["INBOX:7:2"]


def test_a_mail_that_a_server_names_without_its_words_is_not_gone(tmp_path: Path) -> None:
    """It is left out by name, and not taken for deleted; seen to fail with NIL taken for nothing."""

    def second_is_nil(command: str) -> list[bytes]:
        return [
            re.sub(rb"^(2 FETCH \(UID 2 )BODY\[\] .*$", rb"\1BODY[] NIL)", line, flags=re.S) for line in body(command)
        ]

    with scripted({"FETCH": second_is_nil}) as port:
        found = all_captured(channel(port, tmp_path).poll(None))
    assert [(one.key, one.raw) for one in found if not one.withheld] == [("INBOX:7:1", MAIL), ("INBOX:7:3", MAIL)]
    assert [one.key for one in found if one.withheld] == ["INBOX:7:2"]


def test_a_server_that_refuses_everything_is_soon_left_alone(tmp_path: Path) -> None:
    """An outage ends a poll after few questions, and sets nothing aside; seen to fail without the bound."""
    asked: list[str] = []

    def refused(command: str) -> list[bytes]:
        asked.append(command)
        return [b"NO [UNAVAILABLE] later"]

    many = " ".join(map(str, range(1, 1_001))).encode()
    answers = {"FETCH": refused, "SEARCH": lambda _: [b"SEARCH " + many, b"OK found"]}
    with scripted(answers) as port, pytest.raises(TemporaryError):
        all_captured(channel(port, tmp_path).poll(None))
    assert len(asked) <= 101


def test_a_size_that_was_only_estimated_is_checked_again(tmp_path: Path) -> None:
    """A server that understates a size can't get a larger mail in; seen to fail with the announced size trusted."""
    large = MAIL + b"x" * 2_000
    with scripted({"FETCH": lambda command: body(command, large, 100)}) as port:
        made = channel(port, tmp_path, max_message_bytes=1_000)
        found = all_captured(made.poll(None))
    assert len(found) == 3
    for captured in found:
        assert captured.fault == f"mail of {len(large)} bytes; at most 1000 are read"
        with pytest.raises(PermanentError):
            made.parse(delivered(made, captured))


def test_a_mail_that_vanished_is_no_error(tmp_path: Path) -> None:
    """A mail that is deleted between the search and the fetch is simply not there."""
    with scripted({"FETCH": lambda command: [body(command)[0], b"OK fetched"]}) as port:
        found = all_captured(channel(port, tmp_path).poll(None))
    assert [captured.key for captured in found] == ["INBOX:7:1"]


def test_a_server_without_uidvalidity_never_resumes(tmp_path: Path) -> None:
    """Without a generation of UIDs no cursor can be trusted, so the folder is listed anew each time."""
    opened = [b"0 EXISTS", b"OK [READ-ONLY] open"]
    with scripted({"EXAMINE": lambda _: opened}) as port:
        made = channel(port, tmp_path)
        for _ in range(2):
            assert len(all_captured(made.poll({"INBOX": {"uidvalidity": 0, "uid": 3}}))) == 3


def test_long_histories_are_searched_by_the_month(tmp_path: Path) -> None:
    """No answer lists years of mail in one line; each day is asked for once; seen to fail with one search for all."""
    asked: list[tuple[str, str]] = []

    def search(command: str) -> list[bytes]:
        found = re.search(r"SINCE (\S+)(?: BEFORE (\S+))?", command)
        assert found
        asked.append((found[1], found[2] or ""))
        return [b"SEARCH", b"OK found"]

    with scripted({"SEARCH": search}) as port:
        extent = channel(port, tmp_path).extent(INSTALLED.replace(year=2024))
        assert extent.items == 0
        assert len(asked) >= 24
        assert [before for _, before in asked[:-1]] == [since for since, _ in asked[1:]]
        asked.clear()
        all_captured(channel(port, tmp_path).poll(None))
    assert asked[-1][1] == "", "what a server dates into the future must not be missed"


@pytest.mark.parametrize(
    ("options", "password"),
    [({"password_env": None}, "secret"), ({}, "two\r\nlines"), ({}, "")],
)
def test_a_password_that_cant_be_used_refuses_to_start(options: dict[str, Any], password: str, tmp_path: Path) -> None:
    """No password, or one that would break the protocol's lines, is the operator's error before anything is sent."""
    settings: dict[str, Any] = {"host": "mail.example", "username": "rep", "password_env": "P", **options}
    with pytest.raises(ConfigError) as caught:
        ImapChannel("mail", ImapOptions(**settings), context(tmp_path, Secrets(P=password)))
    assert "lines" not in str(caught.value)


def test_accounts_are_stable(tmp_path: Path) -> None:
    """The account, of which ids are made, doesn't change with the spelling of the host."""
    for host in ("Mail.Example", "mail.example"):
        options = ImapOptions(host=host, username="rep@ours.test", password_env="P")
        made = ImapChannel("mail", options, context(tmp_path, Secrets(P="secret")))
        assert made.account == "rep@ours.test@mail.example"


def test_check_warns_of_a_password_in_clear(tmp_path: Path) -> None:
    """A mailbox across the network without TLS is named before anything else goes wrong."""
    lines = channel(free_port(), tmp_path, host="127.0.0.2", timeout_s=1).check()
    assert "in clear" in lines[0]
    assert "can't be reached" in lines[1]
