"""The private listener, and what is counted at the public one."""

from tests.unit.web_wire import CANARY, LONG, QUICK, KeepingDoor, Wire, ask, look, post, running


def test_metrics_are_for_the_private_listener() -> None:
    """Who may scrape is who reaches the private port; seen to fail with the route on both."""
    door = KeepingDoor(measured=b"sidecar_info 1.0\n")
    with running(door) as server:
        heard = look(server.admin_port, "/metrics")
        assert (heard.status_code, heard.content) == (200, door.measured)
        assert heard.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert ask(server.port, post(b"", method="GET", path="/metrics", length="0")).status == 404


def test_notes_make_nobody_unready() -> None:
    """A paused CRM is said, and webhooks still come; seen to fail with notes among the problems."""
    door = KeepingDoor(known=["ledger is paused: by hand"])
    with running(door) as server:
        heard = look(server.admin_port, "/readyz")
        assert (heard.status_code, heard.json()) == (200, {"status": "ready", "notes": list(door.known)})
        door.found = ["the disk is full"]
        heard = look(server.admin_port, "/readyz")
        assert heard.status_code == 503
        assert heard.json() == {"status": "not ready", "problems": list(door.found), "notes": list(door.known)}


def test_metrics_that_fail_are_no_crash() -> None:
    """A scrape that fails says so without its error's words, and the listener goes on; seen to fail with it let out."""

    class Broken(KeepingDoor):
        def metrics(self) -> bytes:
            raise OSError(CANARY)

    with running(Broken()) as server:
        heard = look(server.admin_port, "/metrics")
        assert heard.status_code == 503
        assert CANARY not in heard.text
        assert look(server.admin_port, "/healthz").status_code == 200


def test_each_answer_is_counted_with_its_channel() -> None:
    """What senders hear is known by status, also where no app was asked; seen to fail without each of the places."""
    door = KeepingDoor()
    with running(door) as server:
        assert ask(server.port, post()).status == 202
        assert ask(server.port, post(headers={"signature": "wrong"})).status == 401
        assert ask(server.port, post(path="/hooks/other")).status == 404
        assert ask(server.port, post(path="/elsewhere")).status == 404
        assert ask(server.port, post(headers={"x": LONG})).status == 431
    with running(door, QUICK) as server, Wire(server.port) as wire:
        wire.say(b"POST /hooks/web HTTP/1.1\r\n")
        heard = wire.hear()
        assert heard is not None
        assert heard.status == 408
    assert door.answers == [("web", 202), ("web", 401), ("other", 404), ("", 404), ("", 431), ("", 408)]


def test_whoever_comes_when_all_is_taken_is_counted() -> None:
    """A door that is too small shows in the figures; seen to fail with nobody told."""
    door = KeepingDoor()
    with running(door, type(QUICK)(connections=1, spare_connections=5)) as server, Wire(server.port) as first:
        first.say(post())
        assert first.hear() is not None
        assert ask(server.port, post()).status == 503
    assert ("", 503) in door.answers
