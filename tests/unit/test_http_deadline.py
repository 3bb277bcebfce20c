"""A call has one end, whatever its peer sends and however slowly: nothing that calls out is held by a drip."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import httpx2
import pytest

from adapters.channels.imap.mailbox import Access, Password, open_mailbox
from adapters.crms.hubspot.transport import Transport as HubSpot
from adapters.http import Http, Reply, deadline
from adapters.http.calls import CutOffError, NotSentError, Timeouts, TooLateError
from adapters.http.fetched import Fetcher
from adapters.http.lines import lines
from adapters.http.pooled import Pooled
from adapters.http.raw import RawHttp
from adapters.http.sessions import BoundedSession
from adapters.http.wires import bound
from adapters.notifiers.smtp import SmtpNotifier, SmtpOptions
from sidecar.errors import TemporaryError
from sidecar.model import Own
from sidecar.ports import Context
from tests.support.certificates import certified

STEP_S, WHOLE_S = 0.08, 0.3
TIMES = Timeouts(5.0, 5.0, WHOLE_S)
LONGER = (1, 2, 4, 8, 16)
AMPLE = Timeouts(20.0, 20.0, 60.0)
PATIENCE_S = 20.0
ENOUGH_S = 10.0
"""After so long a server that nobody has given up ends by itself, which no test takes for the end of a call."""
DRIP_S = 0.02
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n{}"
FILLER = b"x" * 60_000


@dataclass(frozen=True)
class Says:
    """What a server says at once, and what it goes on with for as long as somebody listens."""

    at_once: bytes
    then: bytes
    drips: bool = True
    takes: int = 0
    """How many bytes of a request are taken, slowly, before anything is said."""
    tls: ssl.SSLContext | None = None


DRIPS: Mapping[str, Says] = {
    "status": Says(b"", b"HTTP/1.1 200 " + FILLER),
    "headers": Says(HEAD, b"X-Filler: " + FILLER),
    "body": Says(HEAD + b"Content-Length: 60000\r\n\r\n", FILLER),
    "chunk-size": Says(CHUNKED, b"0" * 60_000),
    "chunk": Says(CHUNKED + b"F000\r\n", FILLER),
    "trailer": Says(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-Filler: " + FILLER),
    "informational": Says(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 3_000),
    "informational flood": Says(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 3_000, drips=False),
}
HANDSHAKE = Says(b"", b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03" + FILLER)
FLOODS: Mapping[str, Says] = {
    "header": Says(HEAD + b"X-Filler: ", FILLER, drips=False),
    "headers": Says(HEAD, b"X-Filler: x\r\n" * 5_000, drips=False),
    "chunk-size": Says(CHUNKED, b"0" * 60_000, drips=False),
}


class Hostile:
    """A server on a real socket that says what it was told to, and knows how many connections were given up."""

    def __init__(self, says: Says) -> None:
        self.says, self.served = says, 0
        self._stop, self._ended = threading.Event(), threading.Condition()
        self._given_up = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def is_given_up(self) -> bool:
        """Wait until the other side has closed a connection."""
        with self._ended:
            return self._ended.wait_for(lambda: self._given_up > 0, PATIENCE_S)

    def close(self) -> None:
        """Say no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                connection.settimeout(PATIENCE_S)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        self.served += 1
        try:
            if self.says.tls:
                connection = self.says.tls.wrap_socket(connection, server_side=True)
            with connection:
                self._talk(connection)
        except OSError:
            with self._ended:
                self._given_up += 1
                self._ended.notify_all()

    def _talk(self, connection: socket.socket) -> None:
        left = self.says.takes
        while left > 0:
            taken = 0 if self._stop.wait(DRIP_S) else len(connection.recv(2**18))
            if not taken:
                raise OSError("it hung up")
            left -= taken
        connection.settimeout(0.05)
        with suppress(TimeoutError):
            connection.recv(65_536)  # who speaks mail waits for us
        connection.settimeout(PATIENCE_S)
        connection.sendall(self.says.at_once)
        step = 1 if self.says.drips else len(self.says.then)
        until = monotonic() + ENOUGH_S
        while self.says.then and monotonic() < until:
            for start in range(0, len(self.says.then), step):
                if self._stop.wait(DRIP_S if self.says.drips else 0.0) or monotonic() > until:
                    return
                connection.sendall(self.says.then[start : start + step])


@contextmanager
def hostile(says: Says) -> Iterator[Hostile]:
    """A server for as long as this lasts."""
    server = Hostile(says)
    try:
        yield server
    finally:
        server.close()


Call = Callable[[str, Timeouts], object]
Errors = type[Exception] | tuple[type[Exception], ...]


def _raw(url: str, times: Timeouts) -> object:
    http = RawHttp("user", "password", times.whole_s / deadline.STEPS)
    try:
        return http.ask("GET", url, {}, b"", 1_000_000)
    finally:
        http.close()


def _hubspot(url: str, times: Timeouts) -> object:
    client = HubSpot(url, "token", times)
    try:
        return client.send("GET", "/crm", {}, None)
    finally:
        client._client.rest_client.pool_manager.clear()


def _session(url: str, times: Timeouts) -> object:
    with BoundedSession(times) as session:
        return session.request("GET", url)


CLIENTS: Mapping[str, Call] = {
    "pooled": lambda url, times: Pooled(times, 1).send("GET", url, {}),
    "fetcher": lambda url, times: Fetcher((), times, trusted=(url,)).get(url, {}, 1_000_000),
    "raw": _raw,
    "session": _session,
    "hubspot": _hubspot,
}


def _ends(call: Call, says: Says, expected: Errors, scheme: str = "http") -> bool:
    """Say whether a call of a hostile server ends as it should, and closes its connection.

    On a busy machine so short a time may be over before there is a connection; it is tried again with more then.
    """
    with hostile(says) as server:
        for longer in LONGER:
            try:
                call(f"{scheme}://127.0.0.1:{server.port}", Timeouts(5.0, 5.0, longer * WHOLE_S))
            except expected:
                if server.served:
                    return server.is_given_up()
            except NotSentError:
                continue
            else:
                return False
    return False


def _all_end(call: Call, all_says: Mapping[str, Says], expected: Errors, scheme: str = "http") -> Sequence[str]:
    """Return the names of those that don't end as they should."""
    with ThreadPoolExecutor(len(all_says)) as pool:
        ended = pool.map(lambda says: _ends(call, says, expected, scheme), all_says.values(), timeout=PATIENCE_S)
        return [name for name, is_ended in zip(all_says, ended, strict=True) if not is_ended]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_call_ends_however_its_answer_drips(client: str) -> None:
    """T13: a byte now and then holds no call beyond its time, in whatever part of an answer, and its line is closed.

    Seen to fail, each of them, with the bound on the body alone: the call never ended in status, headers and handshake.
    """
    assert not _all_end(CLIENTS[client], DRIPS, TooLateError)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_call_ends_however_its_handshake_drips(client: str) -> None:
    """T13: TLS that is never agreed upon ends in time, before anything was sent or as what nobody knows."""
    assert _ends(CLIENTS[client], HANDSHAKE, (CutOffError, NotSentError), "https")


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_whose_head_has_no_end_is_not_kept_in_memory(client: str) -> None:
    """T16: headers and chunk sizes that go on and on, as fast as can be, end by their size and not by the time."""

    def call(url: str, times: Timeouts) -> object:
        try:
            return CLIENTS[client](url, AMPLE)
        except TooLateError:
            return None

    assert not _all_end(call, FLOODS, CutOffError)


@pytest.mark.parametrize("client", ["pooled", "session"])
def test_a_call_ends_however_slowly_its_request_is_taken(client: str) -> None:
    """T13: who takes our bytes a few at a time is not fed for ever; seen to fail with a time-out for each write."""
    body = {"text": "x" * 2**25}

    def call(url: str, times: Timeouts) -> object:
        if client == "pooled":
            return Pooled(times, 1).send("POST", url, {}, body=body)
        with BoundedSession(times) as session:
            return session.request("POST", url, json=body)

    assert _ends(call, Says(WHOLE, b"", takes=2**25), CutOffError)


def test_redirects_have_one_time_together() -> None:
    """T4: a server that is slow before each redirect doesn't get the whole time for each."""
    with hostile(
        Says(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /\r\nX: ", b"x" * 12 + b"\r\n\r\n")
    ) as server:
        with pytest.raises((TooLateError, NotSentError)):  # whichever it was about just then
            Fetcher((), TIMES, trusted=(server.url,)).get(server.url, {}, 100)
        assert server.served < 4


def test_over_tls_a_call_ends_as_well(tmp_path: Path) -> None:
    """T13: within TLS a drip is cut off like outside."""
    tls, trust = certified(tmp_path, "files.example.com")

    def call(url: str, times: Timeouts) -> object:
        named = url.replace("127.0.0.1", "files.example.com")
        with httpx2.HTTPTransport(verify=trust) as transport:
            there = ["127.0.0.1"]
            fetcher = Fetcher((), times, trusted=(named,), resolve=lambda host, port: there, transport=transport)
            return fetcher.get(f"{named}/", {}, 1_000_000)

    within = {name: replace(DRIPS[name], tls=tls) for name in ("headers", "body")}
    assert not _all_end(call, within, TooLateError, "https")


def test_a_connection_that_was_given_up_is_not_used_again() -> None:
    """After a drip the only place in the pool is free, and a good answer is not mixed with what dripped."""
    with hostile(DRIPS["body"]) as server:
        for longer in LONGER:
            pooled = Pooled(Timeouts(5.0, 5.0, longer * WHOLE_S), 1)
            server.says = DRIPS["body"]
            with pytest.raises((TooLateError, NotSentError)):
                pooled.send("GET", server.url, {})
            server.says = Says(WHOLE, b"")
            with suppress(TooLateError, NotSentError):  # a busy machine
                assert pooled.send("GET", server.url, {}).data == {}
                break
        else:
            pytest.fail("the pool has no place")


def _mailbox(says: Says, tls: bool) -> bool:
    def call(url: str, times: Timeouts) -> object:
        port = int(url.rpartition(":")[2])
        access = Access("127.0.0.1", port, tls, "us", Password("secret"), STEP_S, "channels.mail")
        with open_mailbox(access) as mailbox:
            return mailbox.folders()

    return _ends(call, says, TemporaryError)


def _mail(says: Says, tls: bool) -> bool:
    def call(url: str, times: Timeouts) -> object:
        given = {"host": "127.0.0.1", "port": int(url.rpartition(":")[2]), "tls": tls, "timeout_s": STEP_S}
        given |= {"username": "us", "password_env": "PASSWORD"}
        options = SmtpOptions.model_validate({**given, "from": "us@ours.test", "to": ["ops@ours.test"]})
        [line] = SmtpNotifier("smtp", options, _context()).check()
        raise TemporaryError(line)

    return _ends(call, says, TemporaryError)


def _context() -> Context:
    return Context(clock=lambda: datetime.now(UTC), own=Own(), base=Path(), secret=lambda env, file: "secret")


MAILS: Sequence[tuple[Callable[[Says, bool], bool], Says, bool]] = (
    (_mailbox, Says(b"", b"* OK " + FILLER), False),
    (_mailbox, Says(b"* OK ready\r\n", b"* OK " + FILLER), False),
    (_mailbox, Says(b"* OK ready\r\n", b"* OK more\r\n" * 5_000, drips=False), False),
    (_mailbox, HANDSHAKE, True),
    (_mail, Says(b"", b"220 " + FILLER), False),
    (_mail, Says(b"220 ready\r\n", b"250-more\r\n" * 5_000), False),
    (_mail, HANDSHAKE, True),
)


def test_servers_of_mail_that_drip_are_given_up() -> None:
    """T13: a mailbox and the server for notices have an end for each command, before and after the greeting."""
    with ThreadPoolExecutor(len(MAILS)) as pool:
        ended = list(pool.map(lambda case: case[0](case[1], case[2]), MAILS, timeout=PATIENCE_S))
    assert all(ended)


def test_a_notice_whose_answer_drips_was_taken_or_is_tried_later() -> None:
    """T13: an alarm is not held by who hears it: a status counts whatever follows, and none is an error of time."""

    def call(url: str, times: Timeouts) -> Reply:
        http = Http("ops.webhook", times.whole_s / deadline.STEPS, lambda: datetime.now(UTC))
        return http.post("notice", url, {}, b"{}")

    assert _ends(call, DRIPS["headers"], TemporaryError)
    with hostile(DRIPS["body"]) as server:
        for longer in LONGER:
            with suppress(TemporaryError):  # a busy machine
                assert call(server.url, Timeouts(5.0, 5.0, longer * WHOLE_S)).status == 200
                break
        else:
            pytest.fail("a status doesn't count")


def test_lines_that_drip_have_an_end() -> None:
    """T13: of a long answer that is read line by line, the reading as a whole has a bound, for all its lines."""
    with hostile(Says(CHUNKED + b"F000\r\n", b"{}\n" * 20_000)) as server:
        with bound(httpx2.Client(trust_env=False, timeout=PATIENCE_S)) as client:
            answer = client.send(client.build_request("GET", server.url), stream=True)
            with pytest.raises(CutOffError):
                for line in lines(answer, 1_000, WHOLE_S):
                    assert line == "{}"
        assert server.is_given_up()


def test_a_name_that_is_never_found_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """T13: the system's look-up knows no time-out; it is left behind, and only so many may be."""
    found, real = threading.Event(), socket.getaddrinfo

    def never(host: str, *given: object, **named: object) -> object:
        if host != "hangs.example.com" or named.get("flags"):
            return real(host, *given, **named)  # type: ignore[arg-type]
        found.wait(PATIENCE_S)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setattr(deadline, "_lookups", threading.BoundedSemaphore(1))
    before = threading.active_count()
    try:
        for call in (CLIENTS["pooled"], CLIENTS["session"], CLIENTS["hubspot"]):
            with pytest.raises(NotSentError):
                call("http://hangs.example.com", Timeouts(5.0, 5.0, 0.1))
        assert threading.active_count() <= before + 1
    finally:
        found.set()
    for thread in threading.enumerate():
        if thread.name == "look-up":
            thread.join(PATIENCE_S)


def test_a_name_that_no_thread_can_look_up_is_looked_up_when_one_can() -> None:
    """Where threads run out nothing is sent, and no place of a look-up is lost by it; seen to fail with each kept."""
    before = threading.stack_size(2**60)  # more than any processor can address, however memory is promised
    try:
        for _ in range(deadline.MAX_LOOKUPS + 1):
            with pytest.raises(OSError, match="thread"):
                deadline.addresses("localhost", 80)
        with pytest.raises(NotSentError):
            CLIENTS["pooled"]("http://localhost:1", TIMES)
    finally:
        threading.stack_size(before)
    assert deadline.addresses("localhost", 80)


def test_a_call_within_another_ends_with_it() -> None:
    """Who waits for several calls says how long for all of them; after it, time is nobody's bound any more."""
    assert deadline.left_s(None) is None
    with deadline.within(-1.0):
        with deadline.within(1_000.0), pytest.raises(TimeoutError):
            deadline.left_s(5.0)
        with pytest.raises(TimeoutError):
            deadline.left_s(None)
    assert deadline.left_s(5.0) == 5.0


def test_a_name_that_is_none_has_no_address() -> None:
    """What no name can be is an error of the network, and not a defect of ours."""
    for name in ("x" * 64 + ".test", "a..test"):
        with pytest.raises(OSError, match="name"):
            deadline.addresses(name, 80)
    assert deadline.addresses("127.0.0.1", 80) == ["127.0.0.1"]
