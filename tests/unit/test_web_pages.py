"""Pages over real sockets: what a holder of a link sees, what a stranger doesn't, and that webhooks don't suffer."""

import contextlib
import threading
from collections.abc import Iterator

import pytest
from selectolax.lexbor import LexborHTMLParser
from structlog.testing import capture_logs

from sidecar.errors import RejectedInput
from sidecar.web import Limits
from tests.unit.web_wire import CANARY, PATIENCE_S, KeepingDoor, Running, Wire, ask, post, running

SEALED = "/explain/party-1/stage/sealed"
PAGE = "<!DOCTYPE html><title>x</title><p>Größe \N{ROSE}"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[KeepingDoor, Running]]:
    """Serve a door with pages as it is served in earnest, for all tests that don't need one of their own."""
    door = KeepingDoor()
    with running(door) as server:
        yield door, server


@pytest.fixture
def door(served: tuple[KeepingDoor, Running]) -> KeepingDoor:
    """Return the door, with a page again."""
    served[0].shows = lambda path: PAGE
    return served[0]


@pytest.fixture
def server(door: KeepingDoor, served: tuple[KeepingDoor, Running]) -> Running:
    """Return where it is served."""
    return served[1]


def get(path: str = SEALED, method: str = "GET", *more: str) -> bytes:
    """Write a request for a page."""
    lines = "".join(f"{line}\r\n" for line in ("host: sidecar.test", *more))
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def test_a_sealed_link_is_answered_with_its_page(server: Running) -> None:
    """The page comes whole, and with every header that keeps it where it is; seen to fail without no-store."""
    heard = ask(server.port, get())
    assert (heard.status, heard.body.decode()) == (200, PAGE)
    assert heard.headers["content-type"] == "text/html; charset=utf-8"
    assert heard.headers["cache-control"] == "no-store"
    assert heard.headers["referrer-policy"] == "no-referrer"
    assert heard.headers["x-content-type-options"] == "nosniff"
    assert heard.headers["x-frame-options"] == "DENY"
    assert "noindex" in heard.headers["x-robots-tag"]
    policy = {part.split()[0]: part.split()[1:] for part in heard.headers["content-security-policy"].split(";")}
    assert (
        policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    )
    assert policy["sandbox"] == [] and len(policy["style-src"]) == 1 and policy["style-src"][0].startswith("'sha256-")
    assert not {"set-cookie", "server", "etag", "last-modified"} & set(heard.headers)


def test_a_head_says_what_a_get_would(server: Running) -> None:
    """Who asks for the head alone gets it, and the next answer isn't shifted; seen to fail with HEAD refused."""
    with Wire(server.port) as wire:
        wire.say(get(method="HEAD") + get())
        head, whole = wire.hear(body=False), wire.hear()
    assert head and whole
    assert (head.status, head.headers) == (200, whole.headers)
    assert whole.body.decode() == PAGE


@pytest.mark.parametrize(
    "path, status", [("/explain/", 404), ("/explain/x", 404), ("/explain/x/ended", 410), ("/a/explain/../x", 404)]
)
def test_what_is_no_link_gets_a_page_that_says_nothing(server: Running, path: str, status: int) -> None:
    """A stranger learns our words alone, whatever the path says; 410 tells a rep to ask for another link."""
    asked = f"{path}?{CANARY}" if status == 404 else path
    heard = ask(server.port, get(asked))
    assert heard.status == status
    assert heard.headers["content-security-policy"].startswith("default-src 'none'")
    read = LexborHTMLParser(heard.body.decode())
    assert read.css_first("h1") is not None and not read.css("script, link, img, form, iframe, a")
    assert CANARY not in heard.body.decode() and path not in heard.body.decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_page_can_only_be_looked_at(door: KeepingDoor, server: Running, method: str) -> None:
    """Nothing is done by a link, so a scanner that follows every method does nothing."""
    heard = ask(server.port, get(method=method))
    assert (heard.status, heard.headers["allow"]) == (405, "GET, HEAD")
    assert not door.kept


def test_a_body_is_not_taken_for_the_next_request(server: Running) -> None:
    """What somebody sends along with a GET is answered and cut off; seen to fail with the connection kept."""
    with Wire(server.port) as wire:
        wire.say(get(SEALED, "GET", "content-length: 5000") + get())
        heard = wire.hear()
        assert heard and (heard.status, heard.headers["connection"]) == (200, "close")


def test_a_query_that_a_mail_program_adds_does_no_harm(server: Running) -> None:
    """Links are decorated on their way; a page opens all the same."""
    assert ask(server.port, get(SEALED + "?utm_source=crm")).status == 200


def test_without_pages_there_are_none() -> None:
    """Where no key is configured a link is as unknown as any other path."""
    with running(KeepingDoor()) as server:
        assert ask(server.port, get()).status == 404


def test_many_headers_are_refused(server: Running) -> None:
    """The bounds of the door hold for pages too."""
    assert ask(server.port, get(SEALED, "GET", *(f"x-{n}: 1" for n in range(200)))).status == 431


def test_what_is_not_known_any_more_looks_like_what_never_was(door: KeepingDoor, server: Running) -> None:
    """A sealed link to an erased customer says what any wrong link says."""

    def gone(path: str) -> str:
        raise RejectedInput(CANARY, status=404)

    door.shows = gone
    assert ask(server.port, get()).body == ask(server.port, get("/explain/x")).body


def test_an_error_is_told_by_its_kind_alone(door: KeepingDoor, server: Running) -> None:
    """A defect says "come again" and its place in the log, not whose page it was; seen to fail with the text logged."""

    def broken(path: str) -> str:
        raise ValueError(CANARY)

    door.shows = broken
    with capture_logs() as logs:
        heard = ask(server.port, get())
    assert (heard.status, heard.headers["retry-after"]) == (503, "5")
    (entry,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert (entry["event"], entry["error"]) == ("page_failed", "ValueError")
    assert CANARY not in heard.body.decode() + str(logs)


def test_the_log_holds_no_link() -> None:
    """Who reads the log can't open a page; seen to fail with the path logged."""
    with running(KeepingDoor(shows=lambda path: PAGE)) as server, capture_logs() as logs:
        ask(server.port, get())
        ask(server.port, get("/explain/guess"))
        assert {"page_shown", "page_refused"} <= {entry["event"] for entry in logs}
    assert "explain/" not in str(logs) and "party-1" not in str(logs)


def test_readers_never_keep_webhooks_waiting() -> None:
    """While every page hangs a webhook is taken, and one reader too many comes again; seen to fail unbounded."""
    opened, go_on = threading.Semaphore(0), threading.Event()

    def slow(path: str) -> str:
        opened.release()
        go_on.wait(PATIENCE_S)
        return PAGE

    limits = Limits(pages=2, pages_waiting=2, page_timeout_s=PATIENCE_S)
    with running(KeepingDoor(shows=slow), limits) as server, Wire(server.port) as one, Wire(server.port) as other:
        try:
            one.say(get())
            other.say(get())
            assert opened.acquire(timeout=PATIENCE_S) and opened.acquire(timeout=PATIENCE_S)
            assert ask(server.port, get()).status == 503
            assert ask(server.port, post()).status == 202
        finally:
            go_on.set()
        assert [heard.status for heard in (one.hear(), other.hear()) if heard] == [200, 200]


def test_few_pages_are_built_at_once() -> None:
    """However many are opened together, they take turns; seen to fail with a thread for each."""
    building, most, lock = 0, 0, threading.Lock()

    def counted(path: str) -> str:
        nonlocal building, most
        with lock:
            building += 1
            most = max(most, building)
        threading.Event().wait(0.02)
        with lock:
            building -= 1
        return PAGE

    with running(KeepingDoor(shows=counted), Limits(pages=1)) as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.port)) for _ in range(8)]
        for wire in wires:
            wire.say(get())
        assert [heard.status for heard in (wire.hear() for wire in wires) if heard] == [200] * 8
    assert most == 1


def test_a_page_that_is_late_says_so() -> None:
    """Nobody waits for ever, and a page that hangs leaves room for the next once it ends."""
    go_on = threading.Event()

    def slow(path: str) -> str:
        go_on.wait(PATIENCE_S)
        return PAGE

    door = KeepingDoor(shows=slow)
    with running(door, Limits(pages_waiting=1, page_timeout_s=0.2)) as server:
        assert ask(server.port, get()).status == 503
        assert ask(server.port, get()).status == 503, "the first one still runs"
        go_on.set()
        door.shows = lambda path: PAGE
        statuses = (ask(server.port, get()).status for _ in range(1_000))
        assert 200 in statuses
