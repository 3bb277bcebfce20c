"""Brakes: what is paused waits and loses nothing, everything else goes on."""

import json
from pathlib import Path

import pytest

from sidecar.model import WorkKey, WorkKind
from sidecar.worker import scope_of
from tests.support.offices import SCRIPT, Office

ANN = {"external_id": "v1", "name": "Ann Lee", "email": "ann@x.test", "role": "customer"}
NOTHING = json.dumps({"ops": [], "steps": [], "summary": "Ann wrote.", "needs_full_reread": False})


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office whose model has little to say."""
    return Office(tmp_path).furnish([{"match": ".", "answer": json.loads(NOTHING)}])


def kinds(office: Office) -> set[str]:
    """The kinds of records in the CRM."""
    return {record["kind"] for record in office.data("ledger", "show")["records"]}


def test_a_paused_ledger_gets_nothing_until_it_is_resumed(office: Office) -> None:
    """Capturing and inferring go on, writing waits, and nothing is lost; seen to fail with `hold` always false."""
    office.told("pause", "ledger", "--reason", "we move house")
    office.chat(ANN, "Hello")
    office.run()
    assert kinds(office) == set()
    assert len(office.data("inbox")["relationships"]) == 1
    assert "we move house" in office.sidecar("check").output
    office.told("resume", "ledger")
    office.run()
    assert "contact" in kinds(office)


def test_a_paused_channel_is_not_polled(office: Office) -> None:
    """A mail waits in its folder while its channel is paused, and others go on."""
    office.told("pause", "channel:mail")
    office.mail("Bob <bob@x.test>", "Hello")
    office.chat(ANN, "Hello")
    office.run()
    assert [found["name"] for found in office.data("inbox")["relationships"]] == ["Ann Lee"]
    office.told("resume", "channel:mail")
    office.run()
    assert len(office.data("inbox")["relationships"]) == 2


def test_a_config_error_pauses_its_adapter_alone_and_a_restart_tries_again(office: Office) -> None:
    """A model that refuses our key is asked once, not once a party; mended and restarted, everything is read."""
    (office.base / SCRIPT).write_text(json.dumps([{"match": ".", "error": "config"}]))
    office.chat(ANN, "Hello")
    office.chat({**ANN, "external_id": "v2", "email": "ben@x.test", "name": "Ben Hur"}, "Hello")
    office.run()
    with office.journal() as journal:
        assert set(journal.paused()) == {"llm"}
        assert not list(journal.facts(kinds=["inference"]))
    (office.base / SCRIPT).write_text(json.dumps([{"match": ".", "answer": json.loads(NOTHING)}]))
    office.run()
    with office.journal() as journal:
        assert not journal.paused()
        assert len(list(journal.facts(kinds=["inference"]))) == 2


def test_words_that_name_no_adapter_are_refused(office: Office) -> None:
    """A brake that would hold nothing is a mistake, and a brake that isn't on can't be taken off."""
    assert "ledger, llm, transcriber, channel:mail" in office.refused("pause", "leger")
    assert "not paused" in office.refused("resume", "ledger")


def test_work_knows_the_adapter_that_it_speaks_to() -> None:
    """Only work that goes out is held; what captures and watches never is."""
    scopes = {kind: scope_of(WorkKey(kind, "x")) for kind in WorkKind}
    assert scopes[WorkKind.SYNC] == scope_of(WorkKey(WorkKind.POLL, "ledger")) == "ledger"
    assert (scopes[WorkKind.PARTY], scopes[WorkKind.POLL]) == ("llm", "channel:x")
    assert {scopes[kind] for kind in (WorkKind.PARSE, WorkKind.RESOLVE, WorkKind.WATCH)} == {""}
