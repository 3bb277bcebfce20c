"""The HTTP edge over real sockets: what senders may do, and that nobody is told 202 too early."""

import asyncio
import random
import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import httpx2
import pytest
from structlog.testing import capture_logs

from sidecar.errors import ConfigError, TemporaryError
from sidecar.ports import HookRequest
from sidecar.web import Limits, serve_http
from tests.unit.web_wire import CANARY, LONG, PATIENCE_S, KeepingDoor, Running, Wire, ask, chunked, look, post, running


@pytest.fixture
def door() -> KeepingDoor:
    """Return a door that takes what is signed."""
    return KeepingDoor()


@pytest.fixture
def server(door: KeepingDoor) -> Iterator[Running]:
    """Serve the door as it is served in earnest."""
    with running(door) as server:
        yield server


# What is taken --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe{", b"{}" * 5_000, '{"a": "é\u2028"}'.encode(), b"\r\n\r\n"])
def test_the_door_is_given_the_very_bytes(door: KeepingDoor, server: Running, body: bytes) -> None:
    """Signatures are checked on what was sent, so nothing may be decoded or tidied; seen to fail with a strip()."""
    answer = httpx2.post(
        f"http://127.0.0.1:{server.port}/hooks/web?a=1&b=%C3%A9&c=",
        content=body,
        headers={"Signature": "right"},
        timeout=PATIENCE_S,
        trust_env=False,
    )
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    assert door.kept[0].body == body
    assert door.kept[0].headers["signature"] == "right"
    assert door.kept[0].query == {"a": "1", "b": "é", "c": ""}


def test_what_comes_in_pieces_is_joined(door: KeepingDoor, server: Running) -> None:
    """A body of many reads, with its length or in chunks, arrives whole; seen to fail with the last piece only."""
    door.max_body_bytes = 1_000_000
    pieces = [random.Random(number).randbytes(100_000) for number in range(9)]
    assert ask(server.port, post(b"".join(pieces))).status == 202
    assert ask(server.port, chunked(*pieces)).status == 202
    assert [request.body for request in door.kept] == [b"".join(pieces)] * 2


def test_a_header_that_is_sent_twice_is_joined(door: KeepingDoor, server: Running) -> None:
    """A second signature never replaces the first; seen to fail with the last one winning."""
    data = post().replace(b"signature: right", b"signature: wrong\r\nsignature: right")
    assert ask(server.port, data).status == 401


def test_requests_in_one_breath_are_answered_in_order(door: KeepingDoor, server: Running) -> None:
    """Pipelined requests each get their own answer; seen to fail with an answer that closes the connection."""
    with Wire(server.port) as wire:
        wire.say(post(b"1") + post(b"2", headers={"signature": "wrong"}) + post(b"3"))
        assert [heard.status for heard in (wire.hear(), wire.hear(), wire.hear()) if heard] == [202, 401, 202]
    assert [request.body for request in door.kept] == [b"1", b"3"]


def test_a_connection_is_kept_for_the_next_request(server: Running) -> None:
    """A refusal of a whole request doesn't cost its sender the connection; seen to fail with it closed."""
    with Wire(server.port) as wire:
        for signature, status in (("right", 202), ("wrong", 401), ("right", 202)):
            wire.say(post(headers={"signature": signature}))
            heard = wire.hear()
            assert heard is not None
            assert heard.status == status


# When 202 is said -----------------------------------------------------------------------------------------------------


def test_five_hundred_at_once_are_each_acknowledged_after_their_own_commit(door: KeepingDoor) -> None:
    """Nobody hears 202 before its own bytes are durable; seen to fail with 202 said at once, or after any commit."""
    door.keep = lambda request: Future()
    with running(door, Limits(header_timeout_s=120.0, ack_timeout_s=120.0)) as server:  # the last one waits for all
        asyncio.run(_post_and_commit_one_by_one(door, server.port, 500))


async def _post_and_commit_one_by_one(door: KeepingDoor, port: int, count: int) -> None:
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    for number, (_, writer) in enumerate(streams):
        writer.write(post(b"%d" % number))
    heard = [asyncio.create_task(reader.readuntil(b"}")) for reader, _ in streams]
    await asyncio.to_thread(door.wait_for, count)
    order = list(range(count))
    random.Random(7).shuffle(order)
    for said, position in enumerate(order):
        assert sum(task.done() for task in heard) == said
        number = int(door.kept[position].body)
        door.pending[position].set_result(None)
        answer = await asyncio.wait_for(heard[number], PATIENCE_S)
        assert answer.startswith(b"HTTP/1.1 202 ")
    for _, writer in streams:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [
        (TemporaryError("the disk is busy"), "5"),
        (TemporaryError("the disk is busy", retry_after_s=1.2), "2"),
        (TemporaryError("the disk is busy", retry_after_s=0), "1"),
        (TemporaryError("the disk is busy", retry_after_s=float("inf")), "3600"),
        (ValueError(CANARY), "5"),
        (RecursionError(CANARY), "5"),
    ],
)
@pytest.mark.parametrize("is_late", [False, True])
def test_what_could_not_be_kept_is_to_be_sent_again(
    door: KeepingDoor, server: Running, error: Exception, retry_after: str, is_late: bool
) -> None:
    """A failure of ours is 503 with a time to come again, said by the door or by the commit, never 202 or 500.

    Seen to fail with the future's error not looked at, and with errors passed on to uvicorn.
    """

    def keep(_: HookRequest) -> "Future[object]":
        if not is_late:
            raise error
        future: Future[object] = Future()
        threading.Thread(target=future.set_exception, args=(error,)).start()
        return future

    door.keep = keep
    with capture_logs() as logs:
        heard = ask(server.port, post(CANARY.encode()))
    assert (heard.status, heard.headers["retry-after"]) == (503, retry_after)
    expected = "hook_deferred" if isinstance(error, TemporaryError) else "hook_failed"
    assert [(log["event"], log["error"]) for log in logs] == [(expected, type(error).__name__)]
    assert CANARY not in str(logs) + str(heard)


def test_a_commit_that_takes_too_long_is_not_given_up(door: KeepingDoor) -> None:
    """The sender hears 503 in its own time while the commit goes on; seen to fail with the future cancelled."""
    door.keep = lambda request: Future()
    with running(door, Limits(ack_timeout_s=0.3)) as server:
        heard = ask(server.port, post())
        assert (heard.status, heard.headers["retry-after"]) == (503, "5")
        assert not door.pending[0].cancelled()
        door.pending[0].set_result(None)


def test_who_hangs_up_disturbs_nobody(door: KeepingDoor, server: Running) -> None:
    """Half a body is nothing, and a lost sender is no error of ours; seen to fail with half a body handed on."""
    with capture_logs() as logs:
        for said in (post(b"", length="100") + b"half", post(b"", length="100"), b"POST /hooks/web HT", b""):
            with Wire(server.port) as wire:
                wire.say(said)
        assert ask(server.port, post(b"whole")).status == 202
    assert [request.body for request in door.kept] == [b"whole"]
    assert not logs


def test_bodies_that_wait_for_the_disk_hold_bounded_memory(door: KeepingDoor) -> None:
    """A slow disk makes senders come again instead of filling the memory; seen to fail without the sum."""
    door.keep = lambda request: Future()
    with running(door, Limits(held_bytes=15_000)) as server, Wire(server.port) as first, Wire(server.port) as third:
        first.say(post(b"1" * 10_000))
        door.wait_for(1)
        assert ask(server.port, post(b"2" * 10_000)).status == 503
        door.pending[0].set_result(None)
        heard = first.hear()
        assert heard is not None
        assert heard.status == 202
        third.say(post(b"3" * 10_000))
        door.wait_for(2)


# The end --------------------------------------------------------------------------------------------------------------


def test_a_request_in_flight_is_answered_before_the_end(door: KeepingDoor) -> None:
    """Stopping loses no answer that is due, and takes no new request; seen to fail with a close at once."""
    door.keep = lambda request: Future()
    with running(door) as server, Wire(server.port) as wire:
        wire.say(post())
        door.wait_for(1)
        server.stop.set()
        assert _until(lambda: not server.listens())
        server.thread.join(0.5)  # the commit takes its time
        assert server.thread.is_alive()
        door.pending[0].set_result(None)
        heard = wire.hear()
        assert heard is not None
        assert (heard.status, heard.headers["connection"]) == (202, "close")
        assert server.ended()


def test_a_request_that_outlives_the_grace_is_to_be_sent_again(door: KeepingDoor) -> None:
    """When the end can't wait any longer the sender is told 503, never 500; seen to fail with a cancelled task."""
    door.keep = lambda request: Future()
    with running(door, Limits(stop_grace_s=1)) as server, Wire(server.port) as wire:
        wire.say(post())
        door.wait_for(1)
        server.stop.set()
        heard = wire.hear()
        assert heard is not None
        assert (heard.status, heard.headers["retry-after"]) == (503, "5")
        assert server.ended()


def test_the_answer_of_a_stopped_server_is_missed_by_nobody(
    door: KeepingDoor, caplog: pytest.LogCaptureFixture
) -> None:
    """A commit that ends after the server is no error in the writer's thread; seen to fail with the loop's error."""
    door.keep = lambda request: Future()
    with running(door, Limits(stop_grace_s=0)) as server, Wire(server.port) as wire:
        wire.say(post())
        door.wait_for(1)
        server.stop.set()
        assert server.ended()
    assert door.pending[0].done()
    assert not caplog.records


def _until(happened: Callable[[], bool]) -> bool:
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        if happened():
            return True
        pause.wait(0.02)
    return False


@pytest.mark.parametrize("which", ["web.port", "web.admin_port"])
def test_a_port_that_is_taken_is_the_operators_to_mend(door: KeepingDoor, server: Running, which: str) -> None:
    """The setting to change is named, and the other listener ends too; seen to fail with uvicorn's SystemExit."""
    before = set(threading.enumerate())
    ports = {"web.port": (server.port, 0), "web.admin_port": (0, server.port)}[which]
    with pytest.raises(ConfigError, match=which):
        serve_http(door, "127.0.0.1", ports[0], "127.0.0.1", ports[1], threading.Event())
    assert not set(threading.enumerate()) - before


def test_many_connections_leave_the_journal_its_files(door: KeepingDoor) -> None:
    """A low soft limit is raised as far as it may be; seen to fail without it, with 500 connections and 256 files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        with running(door, Limits(connections=200, spare_connections=0)):
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(500, before[1]), before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


# The private listener -------------------------------------------------------------------------------------------------


def test_operators_see_life_and_readiness(door: KeepingDoor, server: Running) -> None:
    """Alive is not the same as ready, and each reason is named; seen to fail with one answer for both."""
    assert look(server.admin_port, "/readyz").json() == {"status": "ready"}
    door.found = ["journal: the disk is full"]
    not_ready = look(server.admin_port, "/readyz")
    assert (not_ready.status_code, not_ready.json()["problems"]) == (503, ["journal: the disk is full"])
    alive = look(server.admin_port, "/healthz")
    assert (alive.status_code, alive.headers["cache-control"]) == (200, "no-store")


def test_readiness_that_cannot_be_found_out_is_not_ready() -> None:
    """A check that fails is a problem, not a crash with its words shown; seen to fail with the error let out."""

    class Broken(KeepingDoor):
        def problems(self) -> list[str]:
            raise OSError(CANARY)

    with running(Broken()) as server:
        heard = look(server.admin_port, "/readyz")
    assert heard.status_code == 503
    assert CANARY not in heard.text


def test_the_private_listener_takes_no_webhooks(door: KeepingDoor, server: Running) -> None:
    """What is private stays small: two paths, read only; seen to fail with both apps on one port."""
    for data, status in (
        (post(), 404),
        (post(path="/healthz"), 405),
        (post(b"", method="GET", path="/healthz/", length="0"), 404),
        (post(b"", method="GET", path="/", length="0"), 404),
        (post(headers={"x": LONG}), 431),
    ):
        heard = ask(server.admin_port, data)
        assert heard.status == status
        assert heard.error
    assert not door.kept
