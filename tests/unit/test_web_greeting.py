"""The GET by which a sender asks whether an address is ours: answered in plain text, and nothing is kept of it."""

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from sidecar.errors import RejectedInput
from sidecar.ports import Greeting, HookRequest
from tests.unit.web_wire import KeepingDoor, Running, Wire, ask, post, running

SECRET_WORD = "verify-me-please"


class GreetingDoor(KeepingDoor):
    """A door whose channel `web` greets who knows the word, and whose channel `shy` is never asked."""

    def receive(self, channel: str, request: HookRequest) -> "Future[object]":
        """Greet a GET, and take a POST as ever."""
        if request.method == "POST":
            return super().receive(channel, request)
        if channel == "shy":
            raise RejectedInput("never asked", status=405)
        if request.query.get("token") != SECRET_WORD:
            raise RejectedInput("wrong token", status=403)
        greeted: Future[object] = Future()
        greeted.set_result(Greeting(request.query["challenge"]))
        return greeted


@pytest.fixture
def door() -> GreetingDoor:
    """Return a door that greets."""
    return GreetingDoor()


@pytest.fixture
def server(door: GreetingDoor) -> Iterator[Running]:
    """Serve the door as it is served in earnest."""
    with running(door) as server:
        yield server


def get(path: str, *more: tuple[str, str]) -> bytes:
    """Write a GET without a body."""
    return post(b"", method="GET", path=path, headers={"content-length": "-", **dict(more)})


def test_a_greeting_is_plain_text_and_nothing_is_kept(door: GreetingDoor, server: Running) -> None:
    """Who knows the word hears the challenge alone, as text that no browser takes for a page, on a kept connection."""
    with Wire(server.port) as wire:
        for challenge in ("1158201444", "%3Cb%3E"):
            wire.say(get(f"/hooks/web?token={SECRET_WORD}&challenge={challenge}"))
            heard = wire.hear()
            assert heard is not None
            assert (heard.status, heard.body.decode()) == (200, challenge.replace("%3C", "<").replace("%3E", ">"))
            assert heard.headers["content-type"] == "text/plain; charset=utf-8"
            assert heard.headers["x-content-type-options"] == "nosniff"
            assert heard.headers["content-security-policy"] == "default-src 'none'"
    assert not door.kept
    assert door.answers == [("web", 200), ("web", 200)]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/hooks/web?token=other&challenge=1"), 403),
        (get("/hooks/web?challenge=1"), 403),
        (get("/hooks/shy?a=1"), 405),
        (get("/hooks/web"), 405),
        (get("/hooks/web?"), 405),
        (get("/hooks/web/?a=1"), 404),
        (get("/?a=1"), 404),
        (post(b"{}", method="GET", path="/hooks/web?a=1"), 405),
        (post(b"", method="HEAD", path="/hooks/web?a=1"), 405),
        (post(b"", method="PUT", path="/hooks/web?a=1"), 405),
        (get(f"/hooks/web?{'a=1&' * 200}"), 400),
    ],
)
def test_whoever_else_asks_is_refused(door: GreetingDoor, server: Running, request_: bytes, status: int) -> None:
    """A wrong word, a question without a query or with a body, and other methods get a 4xx that repeats nothing."""
    heard = ask(server.port, request_, body=not request_.startswith(b"HEAD"))
    assert heard.status == status
    assert b"challenge" not in heard.body
    assert not door.kept
