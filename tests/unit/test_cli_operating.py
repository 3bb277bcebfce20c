"""Commands for those who operate it: is it alive, would alerts arrive, what is held back."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.app import App
from sidecar.cli.serve import serve
from tests.support.offices import CONFIG, Office
from tests.support.receivers import Receiver, receiving

WAIT_S = 30.0
PATIENTLY = ("--timeout", "30")
OPS = '\n[ops.webhook]\nurl_file = "ops.url"\ntimeout_s = 30.0\n'


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office whose model has nothing to say."""
    nothing = {"ops": [], "steps": [], "summary": "Somebody wrote.", "needs_full_reread": False}
    return Office(tmp_path).furnish([{"match": ".", "answer": nothing}])


@pytest.fixture
def desk() -> Iterator[Receiver]:
    """The operators' receiver."""
    with receiving("a-secret-path") as desk:
        yield desk


def tell(office: Office, url: str) -> None:
    """Let the office tell its operators at an address."""
    office.config.write_text(CONFIG + OPS)
    (office.base / "ops.url").write_text(url)
    (office.base / "ops.url").chmod(0o600)


@contextmanager
def serving(office: Office) -> Iterator[App]:
    """Serve an office within this process, its config naming the port that the private listener took."""
    stop, listens = threading.Event(), threading.Event()
    ports: list[int] = []

    def listening(port: int, admin_port: int) -> None:
        ports.extend((port, admin_port))
        listens.set()

    with App.from_file(office.config, {}) as app:
        app.ready()
        thread = threading.Thread(target=serve, args=(app, stop, listening))
        thread.start()
        try:
            assert listens.wait(WAIT_S)
            office.config.write_text(office.config.read_text().replace("admin_port = 0", f"admin_port = {ports[1]}"))
            yield app
        finally:
            stop.set()
            thread.join(WAIT_S)
        assert not thread.is_alive()


# healthcheck ----------------------------------------------------------------------------------------------------------


def test_a_health_check_knows_a_living_server_from_none(office: Office) -> None:
    """A container's check ends with 0 or 1, and says where it knocked; seen to fail with any answer taken."""
    with serving(office):
        assert office.told("healthcheck", *PATIENTLY).strip() == "ok"
        assert office.data("healthcheck", "--ready", *PATIENTLY) == {"ok": True, "status": "ready"}
    dead = office.sidecar("healthcheck")
    assert (dead.exit_code, dead.stdout) == (1, "")
    assert "nothing answers on 127.0.0.1:" in dead.stderr


def test_readiness_is_another_question(office: Office) -> None:
    """What is paused is said, what is broken fails `--ready` and not the bare check; seen to fail with one for both."""
    with serving(office) as app:
        office.told("pause", "ledger", "--reason", "we move house")
        assert "- ledger is paused: " in (said := office.told("healthcheck", "--ready", *PATIENTLY))
        assert "we move house" in said
        app.settings = app.settings.model_copy(
            update={"ops": app.settings.ops.model_copy(update={"disk_free_mb": 10_000_000})}
        )
        unready = office.sidecar("healthcheck", "--ready", *PATIENTLY)
        assert unready.exit_code == 1
        assert "disk_free_mb" in unready.stdout
        assert office.told("healthcheck", *PATIENTLY).strip() == "ok"


def test_a_port_that_nobody_can_know_is_said(office: Office) -> None:
    """Port 0 takes any free one, so it can't be asked; a wrong config is named too."""
    assert "web.admin_port" in office.refused("healthcheck", code=2)
    office.config.write_text(CONFIG.replace("admin_port = 0", "admin_port = 70000"))
    assert "sidecar check" in office.refused("healthcheck", code=2)


def test_what_answers_and_is_not_ours_is_no_health(office: Office) -> None:
    """Another program on the port, or one that never answers, is not alive; seen to fail with any bytes taken."""
    with receiving() as stranger:
        port = stranger.url.split(":")[2].split("/")[0]
        office.config.write_text(CONFIG.replace("admin_port = 0", f"admin_port = {port}"))
        assert office.sidecar("healthcheck").exit_code == 1
        assert office.sidecar("healthcheck", env={"SIDECAR_WEB__ADMIN_PORT": "1"}).exit_code == 1


# alerts ---------------------------------------------------------------------------------------------------------------


def test_a_test_alert_arrives(office: Office, desk: Receiver) -> None:
    """A wrong address is found on a quiet day; the address is a secret and stays one; seen to fail with it shown."""
    tell(office, desk.url)
    assert "webhook: sent" in office.told("alerts", "test")
    [(_, body)] = desk.requests
    assert json.loads(body)["type"] == "ops.test"
    desk.answer = (404, {})
    failed = office.sidecar("alerts", "test", "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["ways"]["webhook"]["ok"] is False
    assert "a-secret-path" not in failed.output


def test_nobody_to_tell_is_said(office: Office) -> None:
    """Who believes that alerts would come learns that none will, from the test, the list and the check."""
    assert "[ops.webhook]" in office.refused("alerts", "test", code=2)
    assert "Nobody is told" in office.told("alerts", "list")
    assert "nobody is told" in office.sidecar("check").stdout


def test_the_list_says_what_is_wrong_now(office: Office, desk: Receiver) -> None:
    """What operators are told can be looked at, with what to do; `check` finds a way that can't work."""
    tell(office, desk.url)
    office.told("pause", "llm", "--reason", "a new key")
    shown = office.data("alerts", "list")
    assert [(c["rule"], c["subject"]) for c in shown["conditions"]] == [("paused", "llm")]
    assert shown["ways"] == ["webhook"]
    assert "a new key" in office.told("alerts", "list")
    tell(office, "http://elsewhere.test/a-secret-path")
    checked = office.sidecar("check")
    assert checked.exit_code == 1
    assert "https://" in checked.stdout
    assert "a-secret-path" not in checked.output


def test_a_server_tells_of_a_brake_that_somebody_put_on(office: Office, desk: Receiver) -> None:
    """From a command in one process to the operators' receiver by way of the server, within seconds."""
    tell(office, desk.url)
    with serving(office):
        office.told("pause", "ledger", "--reason", "we move house")
        waiting = threading.Event()
        for _ in range(int(WAIT_S / 0.2)):
            if desk.requests:
                break
            waiting.wait(0.2)
    told = json.loads(desk.requests[0][1])
    assert (told["data"]["rule"], told["data"]["subject"]) == ("paused", "ledger")
    assert "we move house" in told["text"]


# pause ----------------------------------------------------------------------------------------------------------------


def test_fields_and_routes_can_be_held_by_name(office: Office) -> None:
    """What can be paused is what the config has; seen to fail with any name taken."""
    office.told("pause", "field:summary")
    office.told("pause", "route:default", "--reason", "new pipeline")
    with office.journal() as journal:
        assert set(journal.paused()) == {"field:summary", "route:default"}
    assert "field:stage" in office.refused("pause", "field:nonsense")
    assert "route:default" in office.refused("pause", "route:nonsense")
    office.told("resume", "field:summary")
    office.told("resume", "route:default")
    assert "not paused" in office.refused("resume", "route:default")


def test_a_second_pause_takes_no_reason_away(office: Office) -> None:
    """A breaker's figure and a person's words stay, and since when; seen to fail with the last one kept."""
    office.told("pause", "ledger", "--reason", "we move house")
    with office.journal() as journal:
        before = journal.paused()["ledger"]
    assert "was paused already, and stays so" in office.told("pause", "ledger")
    assert office.data("pause", "ledger", "--reason", "else")["already"] == before.reason
    with office.journal() as journal:
        assert journal.paused()["ledger"] == before
        journal.pause("ledger", "by itself: the key is refused")
    office.told("pause", "ledger", "--reason", "a person's now")
    with office.journal() as journal:
        assert journal.paused()["ledger"].reason.endswith(": a person's now")
