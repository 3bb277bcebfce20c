"""The command `audit`: on the first day, against somebody else's CRM, with nothing but leave to read it."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sidecar.app import ACCOUNT
from sidecar.cli import app as command_line
from sidecar.journal import Journal
from sidecar.model import Source
from tests.support.portals import HubSpotHarness, portal
from tests.twins.hubspot import Source as Hand
from tests.twins.hubspot.hands import FORM, IMPORT, WORKFLOW, person

ERP = Hand("INTEGRATION", "another-app", "ERP")
CONFIG = """
[own]
timezone = "Europe/London"
[channels.web]
type = "webhook"
secret_env = "NOT_THERE"
[crm]
type = "hubspot"
base_url = "{url}"
burst = 1000
search_per_s = 1000
[journal]
url = "sqlite:///journal.db"
"""


class Desk:
    """A folder with a config that names a portal, and no more: no routes, no model, no channel's secret."""

    def __init__(self, base: Path, hub: HubSpotHarness) -> None:
        self.base, self.hub = base, hub
        self.config = base / "config.toml"
        self.config.write_text(CONFIG.format(url=hub.twin.url))
        self.env = {"HUBSPOT_TOKEN": hub.twin.token, "COLUMNS": "300", "SIDECAR_LOG": "off", "NO_COLOR": "1"}

    def run(self, *arguments: str, expect: int = 0) -> Result:
        """Run the command as a shell would."""
        given = ["--config", str(self.config), "audit", "--out", str(self.base / "out"), *arguments]
        done = CliRunner(env=self.env).invoke(command_line, given)
        assert done.exit_code == expect, done.output
        return done

    def told(self) -> dict[str, Any]:
        """Return the report that was written."""
        return dict(json.loads((self.base / "out" / "audit.json").read_text()))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A portal as we find it: not provisioned, its token able to read alone."""
    with portal(tmp_path, provisioned=False) as hub:
        hub.twin.switches.scopes = {scope for scope in hub.twin.switches.scopes if scope.endswith(".read")}
        hub.twin.check_answers(True)
        yield Desk(tmp_path, hub)


def _furnish(hub: HubSpotHarness, records: int) -> dict[Source, int]:
    """Fill the portal by several hands; return how many contacts' values each wrote."""
    hands = {
        Source.PERSON: person(), Source.IMPORT: IMPORT, Source.FORM: FORM, Source.AUTOMATION: WORKFLOW,
        Source.INTEGRATION: ERP, Source.UNKNOWN: Hand("MERGE_OBJECTS", "12"), Source.DEFAULT: Hand("DEFAULT", ""),
    }  # fmt: skip
    written = dict.fromkeys(Source, 0)
    for number in range(records):
        source = tuple(hands)[number % len(hands)]
        made = hub.twin.creates("contact", {"email": f"a{number}@x.test", "firstname": "Ann"}, hands[source])
        written[source] += 2
        if number % 2:
            hub.advance(60)
            hub.twin.person_edits("contact", made, {"firstname": "Bea", "lastname": "Lee", "hubspot_owner_id": "7"})
            written[Source.PERSON] += 2
    return written


def test_a_portal_is_audited_by_reading_alone(desk: Desk) -> None:
    """Without provisioning, mode, model and channel secrets every author is told; seen to fail with all apps alike."""
    written = _furnish(desk.hub, 130)
    desk.hub.twin.creates("company", {"name": "Größe"}, person())
    ran = desk.run("--since", "2026-01-01", "--team", "north=ann@ours.test", "--seconds-per-edit", "30")
    assert "was written to the CRM" not in ran.output and "typed" in ran.output
    told = desk.told()
    (contacts,) = (row for row in told["kinds"] if row["name"] == "contact")
    assert contacts["values"] == written
    assert told["records"] == {"contact": 130, "company": 1, "deal": 0, "note": 0, "task": 0, "meeting": 0}
    assert {row["name"] for row in told["owners"]} == {"ann@ours.test", "nobody"}
    assert {row["name"] for row in told["teams"]} == {"north", "no team"}
    assert told["is_complete"] and told["total"]["values"]["person"] == written[Source.PERSON] + 1
    lines = list(csv.DictReader(io.StringIO((desk.base / "out" / "audit.csv").read_text())))
    assert sum(int(line["values_person"]) for line in lines) == told["total"]["values"]["person"]
    asked = {request.operation.rpartition(".")[2] for request in desk.hub.twin.requests}
    assert asked <= {"details", "list", "batch_read", "search"}, "only what reads was asked for"
    assert desk.hub.twin.calls("contacts.list", "contacts.batch_read") == 2 + 3


def test_an_audit_leaves_no_fact(desk: Desk) -> None:
    """The journal gets no fact and no account, results are for the owner alone; seen to fail with `bind`."""
    _furnish(desk.hub, 3)
    desk.run("--since", "2026-01-01")
    journal = Journal.open("sqlite:///journal.db", base=desk.base)
    try:
        assert journal.tally() == {}
        assert journal.meta(ACCOUNT) is None
    finally:
        journal.close()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (desk.base / "out").iterdir()}
    assert modes == {"audit.html": 0o600, "audit.csv": 0o600, "audit.json": 0o600}, "and no state is left"


def test_an_audit_in_pieces_is_the_same_audit(desk: Desk) -> None:
    """Several runs of some pages come to the same; seen to fail with the cursor left out of the file."""
    _furnish(desk.hub, 130)
    begun = desk.run("--since", "2026-01-01", "--pages", "1", "--kind", "contact", "--kind", "deal")
    assert "Not finished" in begun.output
    assert not desk.told()["is_complete"]
    assert (desk.base / "out" / "audit.state.json").stat().st_mode & 0o777 == 0o600
    calls = desk.hub.twin.calls("contacts.list")
    desk.run("--since", "2026-02-02", "--kind", "contact", expect=1)
    desk.run()
    assert desk.hub.twin.calls("contacts.list") == calls + 1, "what was read is not read again"
    parts = desk.told()
    desk.run("--since", "2026-01-01", "--kind", "contact", "--kind", "deal", "--anew")
    whole = desk.told()
    assert parts["is_complete"] and whole["is_complete"]
    for name in ("records", "total", "kinds", "fields", "owners", "months"):
        assert parts[name] == whole[name], name


def test_json_is_the_report(desk: Desk) -> None:
    """Programs get what the file holds; seen to fail with the table before it."""
    _furnish(desk.hub, 6)
    printed = json.loads(desk.run("--since", "2026-01-01", "--json").stdout)
    assert printed == desk.told()


@pytest.mark.parametrize("given", [("--kind", "spaceship"), ("--team", "north"), ("--team", "=a@x.test")])
def test_what_cant_be_meant_is_refused_by_name(desk: Desk, given: tuple[str, str]) -> None:
    """Before the portal is asked for anything; seen to fail with such words passed over."""
    desk.run(*given, expect=1)
    assert not desk.hub.twin.requests
