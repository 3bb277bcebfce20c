"""A front of an IMAP server that takes tokens: it speaks AUTHENTICATE XOAUTH2, and logs in behind with the password.

The server behind is a real one that knows no tokens. The front reads the client's words byte for byte, as Google and
Microsoft describe them: `user=` name, `auth=Bearer ` token, each ended by a byte of value one, and one more at the end;
after a refusal the client is told why in base64 and must answer before it hears NO.

Source: Google "OAuth 2.0 Mechanism for IMAP", read as known 2026-11.
"""

import base64
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from tests.contract.imap_servers import PASSWORD

WHY = base64.b64encode(b'{"status":"400","schemes":"bearer","scope":"https://mail.google.com/"}')


@dataclass
class Xoauth2:
    """The front's port, and what was tried at it: the name and the token of each attempt."""

    port: int = 0
    tried: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def xoauth2_before(port: int, opens: Callable[[str], str]) -> Iterator[Xoauth2]:
    """Run the front; `opens(token)` says whose account a token opens."""
    with _Server(port, opens) as front:
        thread = threading.Thread(target=front.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield front.told
        finally:
            front.shutdown()
            thread.join(20)


class _Front(socketserver.StreamRequestHandler):
    timeout = 20
    server: "_Server"

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.behind), timeout=20) as server, suppress(OSError):
            inside = server.makefile("rb")
            self.wfile.write(inside.readline())
            if self._is_let_in(server, inside):
                back = threading.Thread(target=_copy, args=(inside, self.wfile), daemon=True)
                back.start()
                while line := self.rfile.readline():
                    server.sendall(line)
                server.shutdown(socket.SHUT_RDWR)
                back.join(20)

    def _is_let_in(self, server: socket.socket, inside: BinaryIO) -> bool:
        while line := self.rfile.readline():
            tag, _, command = line.strip().partition(b" ")
            if command.upper() == b"AUTHENTICATE XOAUTH2":
                if name := self._tried():
                    server.sendall(b'%s LOGIN "%s" "%s"\r\n' % (tag, name.encode(), PASSWORD.encode()))
                    return True
                self.wfile.write(tag + b" NO [AUTHENTICATIONFAILED] Invalid credentials\r\n")
            else:
                server.sendall(line)
                self._answered(inside, tag)
        return False

    def _tried(self) -> str:
        """Ask for a token and return the name that it opens; an empty one once the client has heard why not."""
        self.wfile.write(b"+ \r\n")
        name, token = _read(base64.b64decode(self.rfile.readline(), validate=False))
        self.server.told.tried.append((name, token))
        if token and self.server.opens(token).casefold() == name.casefold():
            return name
        self.wfile.write(b"+ " + WHY + b"\r\n")
        self.rfile.readline()
        return ""

    def _answered(self, inside: BinaryIO, tag: bytes) -> None:
        while line := inside.readline():
            self.wfile.write(line)
            if line.startswith(tag + b" "):
                return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, behind: int, opens: Callable[[str], str]) -> None:
        super().__init__(("127.0.0.1", 0), _Front)
        self.behind, self.opens = behind, opens
        self.told = Xoauth2(int(self.server_address[1]))


def _read(words: bytes) -> tuple[str, str]:
    """Return name and token of a client's words, or nothing where they aren't as described."""
    parts = words.decode().split("\x01")
    if len(parts) != 4 or parts[2:] != ["", ""]:
        return "", ""
    name, token = parts[0], parts[1]
    if not name.startswith("user=") or not token.startswith("auth=Bearer "):
        return "", ""
    return name.removeprefix("user="), token.removeprefix("auth=Bearer ")


def _copy(source: Any, sink: Any) -> None:
    with suppress(OSError, ValueError):
        while line := source.readline():
            sink.write(line)
            sink.flush()
