"""What one connection can do to the others: requests on top of each other, in each other, and answers left unread."""

import socket
import threading
from collections.abc import Iterator

import pytest

from sidecar.web import Limits
from tests.unit.web_wire import PATIENCE_S, KeepingDoor, Running, Wire, ask, chunked, post, running


@pytest.fixture
def door() -> KeepingDoor:
    """Return a door that takes what is signed."""
    return KeepingDoor()


@pytest.fixture
def server(door: KeepingDoor) -> Iterator[Running]:
    """Serve the door as it is served in earnest."""
    with running(door) as server:
        yield server


# One after the other --------------------------------------------------------------------------------------------------


def test_a_few_requests_in_one_breath_are_each_answered(door: KeepingDoor, server: Running) -> None:
    """Pipelining is allowed within its bound; seen to fail with a bound of ten."""
    with Wire(server.port) as wire:
        wire.say(b"".join(post(b"%d" % number) for number in range(32)))
        assert [heard.status for heard in (wire.hear() for _ in range(32)) if heard] == [202] * 32
    assert [int(request.body) for request in door.kept] == list(range(32))


def test_a_large_body_costs_nobody_the_connection(door: KeepingDoor, server: Running) -> None:
    """A body that comes together with its head isn't counted as one; seen to fail with whole reads counted."""
    door.max_body_bytes = 1_000_000
    with Wire(server.port) as wire:
        for _ in range(10):
            wire.say(post(b"x" * 100_000))
            heard = wire.hear()
            assert heard is not None
            assert (heard.status, "connection" in heard.headers) == (202, False)


def test_a_flood_in_one_breath_is_cut_and_others_are_served(door: KeepingDoor, server: Running) -> None:
    """Thousands of requests in one write are not kept in memory; seen to fail without the bound: all were answered."""
    flood = b"".join(post(b"") for _ in range(20_000))
    with Wire(server.port) as wire:
        _say_regardless(wire, flood)
        assert ask(server.port, post(b"honest")).status == 202
        answered = 0
        try:
            while wire.hear() is not None:
                answered += 1
        except ConnectionError:
            pass  # cut off while more was being sent
    assert answered <= 64
    assert sum(request.body == b"" for request in door.kept) <= 64


def test_who_reads_no_answer_is_cut_off() -> None:
    """A sender can't hold a connection by not listening; seen to fail without either of the two timers.

    The first sender goes on until the server stops reading it. The next asks for the end a little earlier, when the
    answers fill the kernel and not yet the server's own buffer, so that closing is what would take for ever. Should the
    kernel have less room for that one, so that it is cut off before it asks, another asks earlier still.
    """
    door, most = KeepingDoor(), 1_000_000
    with running(door, Limits(answer_timeout_s=0.3, header_timeout_s=PATIENCE_S)) as server:
        for _ in range(10):
            with _deaf(server.port) as deaf:
                took = _ask_on(door, deaf, most)
                has_asked = took == most and _has_said(deaf, post(headers={"connection": "close"}))
                assert _is_cut(deaf)
            if has_asked:
                return
            most = took - 120
    raise AssertionError("nobody came to ask for the end")


def _deaf(port: int) -> socket.socket:
    """Connect with hardly any room for answers."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
    deaf.settimeout(PATIENCE_S)
    deaf.connect(("127.0.0.1", port))
    return deaf


def _ask_on(door: KeepingDoor, deaf: socket.socket, most: int) -> int:
    """Send requests, a few at a time, until so many are taken, or the sender is cut off; returns how many were."""
    begun = sent = len(door.kept)
    while sent - begun < most:
        few = min(30, most - (sent - begun))
        sent += few
        if not _has_said(deaf, post() * few) or not _takes(door, deaf, sent):
            break
    return len(door.kept) - begun


def _takes(door: KeepingDoor, deaf: socket.socket, count: int) -> bool:
    """Wait until the door has taken so many requests, or until the sender is cut off instead."""
    for _ in range(int(PATIENCE_S / 0.1)):
        with door.news:
            if door.news.wait_for(lambda: len(door.kept) >= count, 0.1):
                return True
        if not _has_said(deaf, b"\r\n"):
            return False
    return False


def _has_said(deaf: socket.socket, data: bytes) -> bool:
    try:
        deaf.sendall(data)
    except ConnectionError:
        return False
    return True


def _is_cut(deaf: socket.socket) -> bool:
    """Wait until nothing can be sent any more."""
    deaf.settimeout(0.1)
    pause = threading.Event()
    for _ in range(300):
        try:
            deaf.sendall(b"\r\n")
        except TimeoutError:
            continue
        except ConnectionError:
            return True
        pause.wait(0.1)
    return False


def _say_regardless(wire: Wire, data: bytes) -> None:
    try:
        wire.say(data)
    except ConnectionError:
        return  # cut off in the middle


# One within the other -------------------------------------------------------------------------------------------------

HIDDEN = post(b"hidden")
CHUNKS = {"content-length": "-", "transfer-encoding": "chunked"}
SMUGGLED = {
    "length wins": post(b"0\r\n\r\n" + HIDDEN, length="5", headers={"transfer-encoding": "chunked"}),
    "chunks win": post(b"0\r\n\r\n" + HIDDEN, headers={"transfer-encoding": "chunked"}),
    "chunks that are not": post(HIDDEN, headers={**CHUNKS, "transfer-encoding": "xchunked"}),
    "chunks before the last": post(b"0\r\n\r\n" + HIDDEN, headers={**CHUNKS, "transfer-encoding": "chunked, identity"}),
    "chunks twice": post(b"0\r\n\r\n" + HIDDEN, headers={**CHUNKS, "transfer-encoding": "chunked, chunked"}),
    "chunks in two headers": post(
        b"0\r\n\r\n" + HIDDEN, headers={**CHUNKS, "transfer-encoding": "identity", "Transfer-Encoding": "chunked"}
    ),
    "a tab before the colon": post(HIDDEN, headers={"content-length": "-", "transfer-encoding\t": "chunked"}),
    "a space before the colon": post(HIDDEN, headers={"content-length": "-", "transfer-encoding ": "chunked"}),
    "a vertical tab": post(HIDDEN, headers={**CHUNKS, "transfer-encoding": "\x0bchunked"}),
    "two lengths": post(HIDDEN, length="0", headers={"Content-Length": str(len(HIDDEN))}),
    "a list of lengths": post(HIDDEN, length=f"0, {len(HIDDEN)}"),
    "a length in hexadecimals": post(HIDDEN, length="0x0"),
    "a length with a sign": post(HIDDEN, length="+0"),
    "an empty length": post(HIDDEN, length=" "),
    "a chunk of no length": post(b"\r\n" + HIDDEN, headers=CHUNKS),
    "a chunk of negative length": post(b"-1\r\n" + HIDDEN, headers=CHUNKS),
    "a chunk beyond 64 bits": post(b"10000000000000000\r\n" + HIDDEN, headers=CHUNKS),
    "a chunk in hexadecimals": post(b"0x0\r\n\r\n" + HIDDEN, headers=CHUNKS),
    "a chunk that ends without a line": post(b"1\r\nx0\r\n\r\n" + HIDDEN, headers=CHUNKS),
    "a bare line feed in a header": post(headers={"x": f"1\n\n{HIDDEN.decode()}"}),
    "a bare carriage return in a header": post(headers={"x": f"1\r\r{HIDDEN.decode()}"}),
    "a header without a name": post(HIDDEN, length="0").replace(b"\r\nhost", b"\r\n: x\r\nhost"),
}  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[KeepingDoor, Running]]:
    """Serve one door for the whole table."""
    door = KeepingDoor()
    with running(door) as server:
        yield door, server


@pytest.mark.parametrize("case", SMUGGLED)
def test_no_request_hides_in_another(shared: tuple[KeepingDoor, Running], case: str) -> None:
    """Where a request ends is never in doubt: a head that two readers may read differently is 400, and the last.

    Seen to fail with the doubtful heads let through to the app.
    """
    door, server = shared
    with Wire(server.port) as wire:
        wire.say(SMUGGLED[case])
        heard = wire.hear()
        assert heard is not None
        assert (heard.status, heard.headers.get("connection")) == (400, "close")
        assert wire.is_closed()
    assert not door.kept


def test_a_body_that_looks_like_a_request_is_a_body(door: KeepingDoor, server: Running) -> None:
    """What lies within the declared length is never read as a head; seen to fail with a length that is ignored."""
    for data in (post(HIDDEN), chunked(HIDDEN), chunked(HIDDEN[:9], HIDDEN[9:])):
        assert ask(server.port, data).status == 202
    assert [request.body for request in door.kept] == [HIDDEN] * 3


# Slowly, in other places than head and body ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        post(b"2;" + b"x" * 500, headers=CHUNKS),
        post(b"2\r\n{}\r\n0\r\nx: " + b"x" * 500, headers=CHUNKS),
        post(b"0" * 500, headers=CHUNKS),
    ],
    ids=["extension of a chunk", "trailer", "length of a chunk"],
)
def test_what_surrounds_a_body_has_its_time_too(door: KeepingDoor, said: bytes) -> None:
    """The body's clock runs until its last byte, whatever the bytes are; seen to fail without the deadline."""
    quick = Limits(body_timeout_s=0.3, body_rate=100, linger_s=0.3)
    with running(door, quick) as server, Wire(server.port) as wire:
        head = said.index(b"\r\n\r\n") + 4
        wire.say(said[:head])
        wire.trickle(said[head:])
        heard = wire.hear()
        assert heard is not None
        assert heard.status in (400, 408)
        assert wire.is_closed()
    assert not door.kept
