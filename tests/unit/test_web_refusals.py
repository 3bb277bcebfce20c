"""The HTTP edge against bad, slow and many senders: each is refused in bounded time and memory, in fixed words."""

import gzip
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from structlog.testing import capture_logs

from sidecar.web import Limits
from sidecar.web.sparing import SparingLog
from tests.unit.web_wire import CANARY, LONG, PATIENCE_S, QUICK, KeepingDoor, Running, Wire, ask, chunked, post, running


@pytest.fixture
def door() -> KeepingDoor:
    """Return a door that takes what is signed."""
    return KeepingDoor()


@pytest.fixture
def server(door: KeepingDoor) -> Iterator[Running]:
    """Serve the door as it is served in earnest."""
    with running(door) as server:
        yield server


@pytest.fixture
def quick(door: KeepingDoor) -> Iterator[Running]:
    """Serve the door with little patience."""
    with running(door, QUICK) as server:
        yield server


# What is refused ------------------------------------------------------------------------------------------------------

REFUSED = {
    "get": (post(method="GET", path="/hooks/web"), 405),
    "put": (post(method="PUT"), 405),
    "delete": (post(method="DELETE"), 405),
    "options": (post(method="OPTIONS"), 405),
    "trace": (post(method="TRACE"), 405),
    "patch": (post(method="PATCH"), 405),
    "root": (post(path="/"), 404),
    "hooks": (post(path="/hooks"), 404),
    "no channel": (post(path="/hooks/"), 404),
    "slash at the end": (post(path="/hooks/web/"), 404),
    "two segments": (post(path="/hooks/web/2"), 404),
    "deep path": (post(path="/hooks" + "/web" * 5_000), 404),
    "dots": (post(path="/hooks/../hooks/web"), 404),
    "encoded dots": (post(path="/hooks/%2e%2e/web"), 404),
    "encoded nul": (post(path="/hooks/web%00"), 404),
    "encoded newline": (post(path="/hooks/web%0a"), 404),
    "upper case": (post(path="/hooks/WEB"), 404),
    "another alphabet": (post(path="/hooks/%D1%81%D0%B0"), 404),
    "bad escapes": (post(path="/hooks/%zz%f"), 404),
    "long name": (post(path="/hooks/" + "a" * 65), 404),
    "unknown channel": (post(path="/hooks/mail"), 404),
    "health is private": (post(path="/healthz"), 404),
    "star": (post(method="OPTIONS", path="*"), 404),
    "connect": (post(method="CONNECT", path="sidecar.test:443"), 400),
    "raw bytes in the path": (post(path="/hooks/\xff\xfe"), 400),
    "no signature": (post(headers={"signature": "-"}), 401),
    "wrong signature": (post(headers={"signature": "wrong"}), 401),
    "compressed": (post(gzip.compress(b"{}"), headers={"content-encoding": "gzip"}), 415),
    "compressed twice": (post(headers={"content-encoding": "identity, br"}), 415),
    "compressed transfer": (
        post(b"0\r\n\r\n", headers={"content-length": "-", "transfer-encoding": "gzip, chunked"}), 400,
    ),
    "unknown transfer": (post(headers={"content-length": "-", "transfer-encoding": "x"}), 400),
    "declared too large": (post(b"", length="10001"), 413),
    "declared huge": (post(b"", length="9" * 18), 413),
    "declared beyond numbers": (post(b"", length="9" * 40), 400),
    "chunked too large": (chunked(*[b"x" * 1_000] * 11), 413),
    "negative length": (post(length="-1"), 400),
    "length in words": (post(length="two"), 400),
    "signed length": (post(length="+2"), 400),
    "two lengths": (post(headers={"Content-Length": "3"}), 400),
    "length and chunks": (post(b"0\r\n\r\n", headers={"transfer-encoding": "chunked"}), 400),
    "bad chunk": (post(b"zz\r\n", headers={"content-length": "-", "transfer-encoding": "chunked"}), 400),
    "chunk longer than said": (
        post(b"2\r\nabc\r\n0\r\n\r\n", headers={"content-length": "-", "transfer-encoding": "chunked"}), 400,
    ),
    "not http": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "http 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "http 9": (post().replace(b"HTTP/1.1", b"HTTP/9.9"), 400),
    "no method": (b" / HTTP/1.1\r\n\r\n", 400),
    "lower case method": (post(method="post"), 400),
    "space before colon": (post(headers={"x ": "1"}), 400),
    "folded header": (post(headers={"x": "1\r\n 2"}), 400),
    "nul in a header": (post(headers={"x": "a\x00b"}), 400),
    "long header": (post(headers={"x": LONG}), 431),
    "long name of a header": (post(headers={LONG: "x"}), 431),
    "long path": (post(path="/hooks/" + LONG), 431),
    "long query": (post(path="/hooks/web?" + LONG), 431),
    "many headers": (post(headers={f"x-{number}": "1" for number in range(100)}), 431),
    "very many headers": (post(headers={f"x-{number}": "1" for number in range(9_000)}), 431),
    "long trailer": (chunked(b"{}")[:-2] + f"x: {LONG}\r\n\r\n".encode(), 431),
    "many parameters": (post(path="/hooks/web?" + "a=1&" * 101), 400),
    "websocket": (post(headers={"connection": "upgrade", "upgrade": "websocket"}, path="/hooks/mail"), 404),
}  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[KeepingDoor, Running]]:
    """Serve one door for the whole table: no bad request may spoil it for the next."""
    door = KeepingDoor()
    with running(door) as server:
        yield door, server


@pytest.mark.parametrize("case", REFUSED)
def test_bad_requests_are_the_senders_to_mend(shared: tuple[KeepingDoor, Running], case: str) -> None:
    """What is wrong with a request is 4xx in fixed words, and changes nothing; never 5xx, which is sent again for days.

    Seen to fail, case by case, with each check of the head removed.
    """
    door, server = shared
    data, status = REFUSED[case]
    heard = ask(server.port, data)
    assert heard.status == status
    assert heard.error
    assert set(heard.headers) >= {"date", "content-length", "cache-control", "x-content-type-options"}
    assert not set(heard.headers) & {"server", "x-powered-by"}
    assert (heard.headers.get("allow") == "POST") == (status == 405)
    assert not door.kept


def test_head_is_answered_without_a_body(server: Running) -> None:
    """A probe by HEAD is told 405 and keeps its connection; seen to fail with a body after the head."""
    with Wire(server.port) as wire:
        for _ in range(2):
            wire.say(post(b"", method="HEAD", length="0"))
            heard = wire.hear(body=False)
            assert heard is not None
            assert (heard.status, heard.body) == (405, b"")


def test_nothing_that_was_sent_comes_back(server: Running) -> None:
    """An answer can't be made to carry somebody's words; seen to fail with the path in the error."""
    for data in (
        post(path=f"/hooks/{CANARY}"),
        post(path=f"/hooks/web?{CANARY}", headers={"signature": CANARY}),
        post(method="GET", headers={"x": CANARY}),
        post(headers={f"{CANARY}(": CANARY}),
    ):
        with capture_logs() as logs:
            heard = ask(server.port, data)
        assert CANARY not in str(heard) + str(logs)


def test_a_large_body_is_refused_before_it_is_sent(server: Running) -> None:
    """Who asks first is told 413 instead of `100 Continue`; seen to fail with the length looked at after reading."""
    with Wire(server.port) as wire:
        wire.say(post(b"", length="1000000", headers={"expect": "100-continue"}))
        heard = wire.hear()
    assert heard is not None
    assert heard.status == 413


def test_who_asks_first_is_told_to_go_on(door: KeepingDoor, server: Running) -> None:
    """`100 Continue` comes when the body is wanted; seen to fail with a body read before the head is judged."""
    with Wire(server.port) as wire:
        wire.say(post(b"", length="5", headers={"expect": "100-continue"}))
        heard = wire.hear()
        assert heard is not None
        assert heard.status == 100
        wire.say(b"hello")
        heard = wire.hear()
        assert heard is not None
        assert heard.status == 202
    assert door.kept[0].body == b"hello"


@pytest.mark.parametrize("data", [post(b"x" * 4_000_000), chunked(*[b"x" * 100_000] * 40)], ids=["length", "chunks"])
def test_who_sends_too_much_may_finish_and_reads_the_answer(door: KeepingDoor, data: bytes) -> None:
    """A sender that writes all before it reads hears why, not a reset; seen to fail with a close at once."""
    with running(door, Limits(linger_s=PATIENCE_S)) as server, Wire(server.port) as wire:
        wire.say(data)
        heard = wire.hear()
        assert heard is not None
        assert (heard.status, heard.headers["connection"]) == (413, "close")
        assert wire.is_closed()


def _say_regardless(wire: Wire, data: bytes) -> None:
    try:
        wire.say(data)
    except ConnectionError:
        return  # the server has waited long enough


def test_a_body_without_an_end_is_cut(door: KeepingDoor) -> None:
    """A refused sender can't go on for ever; seen to fail without a bound of the lingering."""
    with running(door, Limits(linger_s=0.3)) as server, Wire(server.port) as wire:
        wire.say(post(b"", length="1000000"))
        heard = wire.hear()
        assert heard is not None
        assert heard.status == 413
        wire.trickle(b"x" * 500)
        assert wire.is_closed()


def test_strangers_cannot_fill_the_log(server: Running) -> None:
    """A flood of refused requests is a few lines with a count; seen to fail with a line for each."""
    with capture_logs() as logs, Wire(server.port) as wire:
        for _ in range(500):
            wire.say(post(headers={"signature": "wrong"}))
            assert wire.hear()
    assert 1 <= len(logs) < 100
    assert {(log["event"], log["channel"], log["status"]) for log in logs} == {("hook_rejected", "web", 401)}


def test_held_back_lines_are_counted() -> None:
    """Every event is in some line's count, and kinds don't hide each other; seen to fail without the count."""
    times = iter([0.0, 0.1, 0.9, 0.9, *[1.0] * 5_001])
    lines = []

    class Log:
        def info(self, event: str, **values: object) -> None:
            lines.append((event, values))

    log = SparingLog(Log(), times.__next__)
    for _ in range(3):
        log.say("info", "refused", status=404)
    log.say("info", "refused", reason="x", status=401)
    log.say("info", "refused", status=404)
    for number in range(5_000):
        log.say("info", "refused", status=number)
    assert lines[:3] == [
        ("refused", {"status": 404, "held_back": 0}),
        ("refused", {"status": 401, "reason": "x", "held_back": 0}),
        ("refused", {"status": 404, "held_back": 2}),
    ]
    assert len(log._said_at) <= 1_000


# Slow senders ---------------------------------------------------------------------------------------------------------


def test_slow_headers_are_cut(door: KeepingDoor, quick: Running) -> None:
    """A head that trickles in is 408 and closed; seen to fail without the timer (uvicorn waits for ever)."""
    with Wire(quick.port) as wire:
        wire.trickle(b"POST /hooks/web HTTP/1.1\r\nhost: x\r\nx: " + b"x" * 500)
        heard = wire.hear()
        assert heard is not None
        assert heard.status == 408
        assert wire.is_closed()


@pytest.mark.parametrize(
    "said", [b"POST /hooks/web HTTP/1.1\r\nx: " + b"x" * 500, b"\r\n" * 250], ids=["head", "lines"]
)
def test_slow_headers_of_a_second_request_are_cut(quick: Running, said: bytes) -> None:
    """Patience isn't won by one good request; seen to fail with a timer for the first head only."""
    with Wire(quick.port) as wire:
        wire.say(post())
        heard = wire.hear()
        assert heard is not None
        assert heard.status == 202
        wire.trickle(said)
        heard = wire.hear()
        assert heard is not None
        assert heard.status == 408


def test_headers_without_an_end_are_cut(door: KeepingDoor) -> None:
    """A head is refused when it is too large, not when it is complete; seen to fail with complete headers counted."""
    with running(door, Limits(linger_s=PATIENCE_S)) as server, Wire(server.port) as wire:
        _say_regardless(wire, b"POST /hooks/web HTTP/1.1\r\nx: " + b"x" * 600_000)
        heard = wire.hear()
        assert heard is not None
        assert heard.status == 431


def test_who_never_speaks_is_closed(quick: Running) -> None:
    """An open connection without a word is not kept; seen to fail with a timer that starts at the first byte."""
    with Wire(quick.port) as wire:
        assert wire.is_closed()


def test_an_idle_connection_is_closed(door: KeepingDoor) -> None:
    """A connection that was useful once is not kept for ever; seen to fail with an endless keep-alive."""
    with running(door, Limits(keep_alive_s=1)) as server, Wire(server.port) as wire:
        wire.say(post())
        assert wire.hear()
        assert wire.is_closed()


@pytest.mark.parametrize("start", [post(b"", length="9000"), chunked(b"x")[:-5] + b"2000\r\n"], ids=["length", "chunk"])
@pytest.mark.parametrize("rest", [b"", b"x" * 500], ids=["silent", "slow"])
def test_a_slow_body_is_cut(door: KeepingDoor, start: bytes, rest: bytes) -> None:
    """A body slower than the least rate is 408 and handed to nobody; seen to fail without the deadline."""
    with running(door, Limits(body_timeout_s=0.3, linger_s=0.3)) as server, Wire(server.port) as wire:
        wire.say(start)
        wire.trickle(rest)
        heard = wire.hear()
        assert heard is not None
        assert heard.status == 408
        assert wire.is_closed()
    assert not door.kept


def test_a_body_that_keeps_its_rate_is_taken(door: KeepingDoor) -> None:
    """A slow line is not a hostile one: what came earns time; seen to fail with a fixed deadline."""
    with running(door, Limits(body_timeout_s=0.3, body_rate=20)) as server, Wire(server.port) as wire:
        wire.say(post(b"", length="1001") + b"x" * 1_000)
        threading.Event().wait(0.6)
        wire.say(b"x")
        heard = wire.hear()
        assert heard is not None
        assert heard.status == 202


def test_an_answer_that_is_due_is_not_cut_short(door: KeepingDoor) -> None:
    """Garbage or a slow head behind a good request can't take its 202 away; seen to fail with a refusal at once."""
    for behind in (b"\x00\x01\x02\r\n\r\n", b"POST /hoo"):
        door.keep = lambda request: Future()
        with running(door, QUICK) as server, Wire(server.port) as wire:
            wire.say(post() + behind)
            door.wait_for(1)
            threading.Event().wait(QUICK.header_timeout_s + 0.3)
            door.pending[-1].set_result(None)
            heard = wire.hear()
            assert heard is not None
            assert heard.status == 202
        door.kept.clear()
        door.pending.clear()


# Many senders ---------------------------------------------------------------------------------------------------------


def test_hanging_connections_do_not_stop_others(door: KeepingDoor, server: Running) -> None:
    """Five hundred half-sent heads leave the door open; seen to fail with a cap of five hundred."""
    hanging = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(500)]
    for connection in hanging:
        connection.sendall(b"POST /hooks/web HTTP/1.1\r\n")
    assert ask(server.port, post()).status == 202
    for connection in hanging:
        connection.close()


def test_too_many_connections_are_told_to_come_again(door: KeepingDoor) -> None:
    """Over the cap a request is 503, far over it a connection is closed; below it again all is well.

    Who was there before is served meanwhile. Seen to fail without the cap, with a cap that counts connections that are
    gone, and with one that doesn't ask who came first.
    """
    with running(door, Limits(connections=3, spare_connections=2)) as server:
        taken = [Wire(server.port) for _ in range(3)]
        for wire in taken:
            wire.say(post())
            assert wire.hear()
        heard = ask(server.port, post())
        assert (heard.status, heard.headers["retry-after"], bool(heard.error)) == (503, "1", True)
        spare = [Wire(server.port) for _ in range(2)]
        with Wire(server.port) as wire:
            assert wire.is_closed()
        for wire in taken:
            wire.say(post())
            heard_before = wire.hear()
            assert heard_before is not None
            assert heard_before.status == 202
        for wire in (*taken, *spare):
            wire.__exit__(None, None, None)
        assert any(_is_taken(server.port) for _ in range(1_000))


def _is_taken(port: int) -> bool:
    try:
        with Wire(port) as wire:
            wire.say(post())
            heard = wire.hear()
    except ConnectionError:
        return False
    return heard is not None and heard.status == 202
