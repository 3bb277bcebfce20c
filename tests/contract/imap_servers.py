"""Real IMAP servers for tests: mail-devel, which comes with the tools, and Dovecot, where it is installed.

Both run as processes of their own on a free port of this machine; every test takes a mailbox of its own. The hands on
the other side are the standard library's imaplib, so that a test doesn't speak through the library that it tests.
"""

import getpass
import grp
import imaplib
import os
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.support.ports import free_port

PASSWORD = "correct-horse-battery"
START_TRIES = 800

DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
listen = 127.0.0.1
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
"""


@dataclass(frozen=True)
class Server:
    """A running server, where any user name gets in with the one password."""

    port: int

    @contextmanager
    def hand(self, user: str) -> Iterator[imaplib.IMAP4]:
        """Log in as a mail program would, to put mails and folders in place."""
        hand = imaplib.IMAP4("127.0.0.1", self.port, timeout=20)
        try:
            hand.login(user, PASSWORD)
            yield hand
        finally:
            hand.logout()

    def append(self, user: str, folder: str, raw: bytes, arrived_at: datetime) -> int:
        """Lay a mail into a folder, as of a time; return its UID."""
        with self.hand(user) as hand:
            status, answer = hand.append(folder, "", imaplib.Time2Internaldate(arrived_at), raw)
        assert status == "OK", answer
        uid = re.search(rb"APPENDUID \d+ (\d+)", answer[0])
        return int(uid[1]) if uid else 0


@contextmanager
def mail_devel() -> Iterator[Server]:
    """Run mail-devel."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "mail_devel"), "--host", "127.0.0.1", "--multi-user", "--no-http"]
    command += ["--user", "first@ours.test", "--password", PASSWORD, "--imap-port", str(port)]
    command += ["--smtp-port", str(free_port()), "--smtps-port", str(free_port())]
    with _running(command, port):
        yield Server(port)


@contextmanager
def dovecot(folder: Path) -> Iterator[Server]:
    """Run Dovecot with maildirs in a folder; as root it runs as nobody, for it serves no mail to root."""
    program = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin")
    assert program, "ask for Dovecot only where it is installed"
    port = free_port()
    is_root = os.getuid() == 0
    user = "nobody" if is_root else getpass.getuser()
    group = "nogroup" if is_root else grp.getgrgid(os.getgid()).gr_name
    for name in ("run", "state", "mail"):
        (folder / name).mkdir(parents=True)
    config = folder / "dovecot.conf"
    config.write_text(DOVECOT.format(folder=folder, port=port, user=user, group=group, password=PASSWORD))
    command = [program, "-F", "-c", str(config)]
    if is_root:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, user, group)
        command = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *command]
    with _running(command, port):
        yield Server(port)


@contextmanager
def tls_before(port: int, certificate: Path, key: Path) -> Iterator[int]:
    """Listen with TLS before a plain server; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Front(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(20)
            try:
                outside = context.wrap_socket(self.request, server_side=True)
            except OSError:
                return  # the client doesn't trust us: that is what the test is about
            with outside, socket.create_connection(("127.0.0.1", port), timeout=20) as inside:
                back = threading.Thread(target=_copy, args=(inside, outside))
                back.start()
                _copy(outside, inside)
                back.join(20)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Front) as front:
        thread = threading.Thread(target=front.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield front.server_address[1]
        finally:
            front.shutdown()
            thread.join(20)


class Refusing:
    """What stands before a server and answers NO to each FETCH of a body of some UIDs: `refused` may change."""

    def __init__(self, port: int) -> None:
        self.port, self.refused = port, set[int]()

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Listen; yield the port."""
        front = self

        class Front(socketserver.StreamRequestHandler):
            timeout = 20

            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", front.port), timeout=20) as inside:
                    back = threading.Thread(target=_copy, args=(inside, self.connection))
                    back.start()
                    while line := self.rfile.readline(65536):
                        if front.refuses(line):
                            self.connection.sendall(line.split()[0] + b" NO [SERVERBUG] Internal error occurred.\r\n")
                        else:
                            inside.sendall(line)
                    inside.shutdown(socket.SHUT_WR)
                    back.join(20)

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Front) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield server.server_address[1]
            finally:
                server.shutdown()
                thread.join(20)

    def refuses(self, line: bytes) -> bool:
        """Say whether a command asks for the body of a mail that is refused."""
        asked = re.search(rb"UID FETCH ([\d,:]+) \(?BODY", line)
        return bool(asked) and any(int(uid) in self.refused for uid in re.findall(rb"\d+", asked[1]))  # type: ignore[index]


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except (OSError, ValueError):  # of a socket with TLS that the other thread has ended
        return  # the other side has gone


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(START_TRIES):
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise AssertionError(f"{command[0]} doesn't answer")
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
