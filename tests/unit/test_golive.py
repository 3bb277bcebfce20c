"""Going live: a person sees what a rung writes before it is in force, in one step, and can go back in one."""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.crms.local import LocalLedger
from adapters.crms.local.ledger import LocalOptions
from sidecar.app import App
from sidecar.app.ladder import Move
from sidecar.app.readiness import wanted_properties
from sidecar.cli import golive, run
from sidecar.cli.golive import go_live
from sidecar.errors import ConfigError, PermanentError, UnsupportedFeature
from sidecar.model import Mode
from sidecar.pipeline.preview import preview
from tests.support.houses import House, op, says
from tests.support.offices import CONFIG, Office
from tests.support.rehearsals import ROUTES, climb, rehearsal

BASELINE = 'type = "baseline"\nbaseline_writes = true'
VENDOR = (
    CONFIG.replace('type = "local"', 'type = "local"\nvendor = true')
    .replace('type = "scripted"\npath = "script.json"', BASELINE)
    .replace("[journal]", f"{ROUTES}\n[journal]")
)
OPTIONS = LocalOptions(path=Path("crm.db"), vendor=True)
YES = ("check", "--go-live", "--yes")


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office that rehearses a rollout: two customers were heard, the CRM knows one of them, nothing was written."""
    office = Office(tmp_path_factory.mktemp("office")).furnish([], VENDOR)
    office.told("provision")
    office.mail("Ann Lee <ann@x.test>", "Good morning, I would like to buy a bicycle for 500 EUR.")
    office.chat({"external_id": "v1", "name": "Bo", "email": "bo@x.test"}, "Hello, how much is a bicycle?")
    office.run()
    with opened(office) as app:
        crm: Any = app.ledger
        crm.create_by_person("contact", {"name": "Ann", "email": "ann@x.test"})
    return office


@contextmanager
def opened(office: Office) -> Iterator[App]:
    """The app of an office, beside its commands."""
    with App.from_file(office.config, {}) as app:
        yield app


@pytest.fixture
def office(settled: Office, tmp_path: Path) -> Office:
    """A copy of that office, for one test to change."""
    shutil.copytree(settled.base, tmp_path, dirs_exist_ok=True)
    return Office(tmp_path)


def stands(office: Office) -> tuple[str, str]:
    """Where the ledger stands: climbed, and in force on its first route."""
    ladder = office.data("mode")
    return ladder["ledger"]["climbed"], ladder["routes"][0]["in_force"]


def test_another_accounts_properties_are_left_alone(office: Office) -> None:
    """A token that leads elsewhere neither furnishes that account nor empties it; seen to fail with both done."""
    office.told(*YES)
    office.run()
    office.config.write_text(
        office.config.read_text().replace("crm.db", "b.db").replace("vendor = true", 'vendor = true\naccount = "b"')
    )
    for command in ("provision", "deprovision"):
        assert "belongs to the CRM account 'local', not 'b'" in office.refused(command)


def test_a_dry_run_can_be_read_at_eighty_columns(office: Office) -> None:
    """Names of properties and references of records are never broken; seen to fail with a table of six columns."""
    told = office.sidecar("--dry-run", "run", "--until-idle", "--no-wait", env={"COLUMNS": "80"}).stdout
    assert "ai_trajectory" in told and "\nAnn Lee, contact:" in told
    assert all(len(line.rstrip()) <= 80 for line in told.splitlines() if line.startswith("   "))


# What a check names -------------------------------------------------------------------------------------------------


def test_one_check_names_all_that_a_vendors_crm_lacks(tmp_path: Path) -> None:
    """Properties, stages, owners and secrets, each by its name and with its remedy; seen to fail with their number."""
    owners = 'vendor = true\nowners = { o1 = "eve@ours.test" }'
    broken = VENDOR.replace('booked = "booked"', 'booked = "nowhere"', 1).replace("vendor = true", owners)
    broken = broken.replace('name = "rest"', 'name = "rest"\nowner = "gone@ours.test"')
    more = '\n[channels.a]\ntype = "webhook"\nsecret_env = "A"\n[channels.b]\ntype = "webhook"\nsecret_env = "B_B"\n'
    office = Office(tmp_path).furnish([], broken + more)
    result = office.sidecar("check", "--json")
    assert result.exit_code == 1
    wrong = [f["problem"] for f in json.loads(result.stdout)["findings"] if f["problem"]]
    for part in (
        "channels.a.secret_env: the environment variable",
        "channels.b.secret_env: the environment variable B_B is not set",
        "route chat.stages.booked: 'nowhere' is no stage of the pipeline 'sales'; known are",
        "route rest.owner: the CRM knows no 'gone@ours.test'; name one of its 1 owners by id or e-mail address",
        "the CRM lacks ",
    ):
        assert any(line.startswith(part) for line in wrong), (part, wrong)
    assert len(wrong) == len(set(wrong)) == 5


def test_what_one_command_mends_is_one_line(tmp_path: Path) -> None:
    """Before the first `provision` no page of properties hides the rest; seen to fail with a line for each."""
    office = Office(tmp_path).furnish([], VENDOR)
    (finding,) = (f for f in json.loads(office.sidecar("check", "--json").stdout)["findings"] if f["each"])
    number = len(finding["each"])
    assert number > 30
    assert "create deal.ai_score (number)" in finding["each"]
    assert finding["problem"].startswith(f"the CRM lacks {number} properties of ours (create contact.ai_")
    assert finding["problem"].endswith(f"; and {number - 5} more): sidecar provision")
    assert all(line in finding["problem"] for line in finding["each"][:5])
    assert not any(line in finding["problem"] for line in finding["each"][5:])
    assert office.sidecar("check", env={"COLUMNS": "400"}).stdout.count("sidecar provision") == 1


def test_who_stands_in_for_an_unknown_owner_is_named(office: Office) -> None:
    """It is no fault where crm.owner is known, and worth knowing; seen to fail with an unknown owner passed over."""
    text = office.config.read_text().replace("vendor = true", 'vendor = true\nowner = "o1"\nowners = {o1 = "e@x.test"}')
    office.config.write_text(text.replace('name = "rest"', 'name = "rest"\nowner = "gone"'))
    notes = [f["note"] for f in office.data("check")["findings"] if f["part"] == "crm owners"]
    assert notes[0] == "route rest.owner: the CRM knows no 'gone'; o1 stands in (crm.owner)"


# What is shown before -----------------------------------------------------------------------------------------------


def written(office: Office) -> set[tuple[str, str, Any]]:
    """What the book says was written to the CRM."""
    with office.journal() as journal:
        return {(p.kind, p.field, p.wrote) for p in journal.facts(kinds=("posting",))}  # type: ignore[attr-defined]


@pytest.mark.parametrize("to", ["suggest", "auto"])
def test_the_first_days_diff_is_what_the_first_day_writes(office: Office, to: str) -> None:
    """Nothing more and nothing less; seen to fail with the diff planned as if all had been climbed."""
    report = office.data("--dry-run", "check", "--go-live", "--to", to)
    shown = {(w["record"], w["field"], w["new"]) for w in report["would"] if not w["refused"]}
    assert shown and not written(office) and stands(office) == ("shadow", "shadow")
    assert office.data(*YES, "--to", to)["moved"] is True
    office.run()
    assert written(office) == shown
    again = office.data("--dry-run", "check", "--go-live", "--to", to)
    assert (again["values"], again["records"], again["from"]) == (0, {}, to)


def test_the_diff_counts_what_it_shows(office: Office) -> None:
    """Totals by property, records by kind, refusals by reason, and the calls that it takes at least."""
    report = office.data("--dry-run", "check", "--go-live", "--to", "auto")
    writes = [w for w in report["would"] if not w["refused"]]
    assert report["values"] == len(writes) == sum(f["new"] + f["changed"] for f in report["fields"])
    assert report["records"] == {"contact": {"new": 1, "changed": 1}, "note": {"new": 2, "changed": 0}}
    assert report["calls_at_least"] == 3
    refused = {r["reason"]: r["count"] for r in report["refused"]}
    assert refused == {"somebody else's value stands in the CRM": 1, "a deal is made from qualified on": 2}
    assert (report["looked_at"], report["left_off"], report["rows_left_off"]) == (2, 0, 0)


def test_the_diff_is_a_table_for_people(office: Office) -> None:
    """Old beside new, and the sums; a stranger's text does nothing to the terminal."""
    told = office.told("--dry-run", "check", "--go-live")
    assert "At suggest, of 2 relationships, would be written today: " in told
    assert "in 1 changed contact, 1 new note; the CRM would be written to in 2 calls at least." in told
    assert "the contact that it belongs to is not in the CRM" in told
    assert "Dry run: the mode stays shadow." in told and "breaker" not in told
    office.config.write_text(office.config.read_text() + "[brakes]\nchanges_per_hour = 3\n")
    assert "More than brakes.changes_per_hour = 3: the breaker will stop it halfway" in office.told("--dry-run", *YES)


def test_the_diff_says_what_it_left_off(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound is never silent; seen to fail with the newest alone shown as all."""
    report = office.data("--dry-run", "check", "--go-live", "--limit", "1")
    assert (report["looked_at"], report["left_off"]) == (1, 1)
    assert "1 relationships were not looked at" in office.told("--dry-run", "check", "--go-live", "--limit", "1")
    monkeypatch.setattr(golive, "MAX_ROWS", 3)
    report = office.data("--dry-run", "check", "--go-live")
    assert len(report["would"]) == 3 and report["rows_left_off"] > 0


# The step -----------------------------------------------------------------------------------------------------------


def test_nothing_is_climbed_while_anything_is_wrong(office: Office) -> None:
    """All checks pass first, but parked work stops nobody; seen to fail with the checks' outcome passed over."""
    office.chat({"external_id": "v2"}, "", kind="message.exploded")
    office.run()
    office.config.write_text(office.config.read_text().replace('booked = "booked"', 'booked = "nowhere"', 1))
    result = office.sidecar(*YES)
    assert result.exit_code == 1
    assert "1 to mend. Then again: sidecar check --go-live" in result.stdout
    assert "'nowhere' is no stage" in result.stdout and "would be written today" not in result.stdout
    office.config.write_text(office.config.read_text().replace('"nowhere"', '"booked"'))
    assert stands(office) == ("shadow", "shadow")
    assert office.data(*YES)["moved"] is True


def test_without_a_person_it_takes_a_yes(office: Office) -> None:
    """A script that doesn't say so moves nothing; seen to fail with the end of input taken for consent."""
    result = office.sidecar("check", "--go-live")
    assert result.exit_code == 1 and "there is nobody to ask here: say --yes" in result.stderr
    result = office.sidecar("check", "--go-live", "--json")
    assert result.exit_code == 1 and "with --json nothing is asked: say --yes" in result.stderr
    assert json.loads(result.stdout)["moved"] is False
    assert stands(office) == ("shadow", "shadow")


@pytest.mark.parametrize(("answer", "code", "rung"), [("n", 1, "shadow"), ("y", 0, "suggest")])
def test_a_person_is_asked_at_the_terminal(office: Office, answer: str, code: int, rung: str) -> None:
    """The question names both rungs, and only a yes moves; seen to fail with the question left out."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "sidecar", "--config", str(office.config), "check", "--go-live"]
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60, check=False)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == code, done.stderr
    assert "Move the mode from shadow to suggest? [y/N]" in done.stderr
    assert stands(office) == (rung, rung)


def test_one_rung_at_a_time_and_none_twice(office: Office) -> None:
    """Each step is the next one and says so, until the top; seen to fail with all of it climbed at once."""
    told = office.told(*YES)
    assert "The mode is suggest now; 2 relationships are due" in told
    assert "Next, when its criteria are met" in told and "Back, at once: sidecar mode shadow --reason WHY" in told
    assert "The mode was suggest already." in office.told(*YES, "--to", "suggest")
    assert "The mode is auto now" in office.told(*YES)
    told = office.told(*YES)
    assert "The mode was auto already; there is no higher one." in told
    assert stands(office) == ("auto", "auto")
    assert len(office.data("mode")["moves"]) == 2


def test_a_step_that_was_cut_short_is_made_again(office: Office) -> None:
    """The rung was up and nothing was due when the process died: the same command mends it."""
    with opened(office) as app:
        app.ladder.move([Move("ledger", Mode.SUGGEST, "rita", app.clock())])
    office.run()
    assert not written(office)
    assert office.data(*YES, "--to", "suggest")["moved"] is False
    office.run()
    assert written(office)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "shadow"), "ledger stands on suggest; down goes by: sidecar mode shadow --reason WHY"),
        (("--to", "auto"), 'the config allows no more than suggest here: to go to auto, set policy.mode to "auto"'),
        (("--route", "nosuch"), "there is no route 'nosuch'; known are chat, rest"),
        (("--field", "nosuch"), "there is no field 'nosuch'; known are"),
        (("--route", "chat", "--field", "stage"), "name a route or a field, not both"),
    ],
)
def test_a_step_that_cannot_be_is_refused_with_what_can(office: Office, arguments: tuple[str, ...], said: str) -> None:
    """Down is another command, the config is the ceiling, and names are those that exist."""
    office.told(*YES)
    office.config.write_text(office.config.read_text().replace('mode = "auto"', 'mode = "suggest"'))
    result = office.sidecar(*YES, *arguments)
    assert result.exit_code == 1 and said in result.stderr, result.output
    assert stands(office) == ("suggest", "suggest")


def test_the_reference_crm_has_no_ladder(office: Office) -> None:
    """Whoever looks for one is told what decides there."""
    office.config.write_text(office.config.read_text().replace("vendor = true", "vendor = false"))
    assert "policy.mode in the config decides" in office.sidecar(*YES).stderr
    assert "policy.mode decides" in office.refused("mode", "shadow")
    ladder = office.data("mode")
    assert (ladder["gated"], ladder["ledger"]["climbed"], ladder["routes"][0]["in_force"]) == (False, None, "auto")
    assert "the config alone decides" in office.told("mode")


def test_options_of_going_live_mean_nothing_without_it(office: Office) -> None:
    """Nobody believes to have gone live who only checked."""
    assert office.sidecar("check", "--to", "auto").exit_code == 2


def test_a_route_goes_first(office: Office) -> None:
    """The diff shows the pilot's own relationships, and the rest stay where they are."""
    report = office.data(*YES, "--route", "rest")
    assert {w["name"] for w in report["would"]} == {"Ann Lee"} and report["looked_at"] == 1
    routes = {r["route"]: (r["climbed"], r["in_force"]) for r in office.data("mode")["routes"]}
    assert routes == {"chat": (None, "shadow"), "rest": ("suggest", "suggest")}
    told = office.told(*YES, "--route", "rest", "--to", "auto")
    assert "Move the mode" not in told and "Back, at once: sidecar mode suggest --route rest --reason WHY" in told


def test_a_field_goes_first(office: Office) -> None:
    """Only its own values are shown and written; seen to fail with the whole record's."""
    report = office.data(*YES, "--field", "intent")
    assert {(w["record"], w["field"]) for w in report["would"] if not w["refused"]} == {("contact", "ai_intent")}
    office.run()
    assert {field for _, field, _ in written(office)} == {"ai_intent"}
    told = office.told("mode")
    assert "field intent" in told and "field stage" not in told


def test_who_is_held_back_is_named(office: Office) -> None:
    """A step of the whole leaves those where somebody holds them, and says so."""
    office.told("mode", "shadow", "--field", "score", "--reason", "reps laugh", "--by", "rita")
    assert "field:score stays on shadow." in office.told(*YES)
    office.run()
    assert "ai_score" not in {field for _, field, _ in written(office)}


# The way down -------------------------------------------------------------------------------------------------------


def test_the_way_down_takes_one_command_and_no_check(office: Office) -> None:
    """Also while all else is broken; who, when and why stay in the book. Seen to fail with checks before it."""
    office.told(*YES, "--to", "auto")
    (office.base / "web.secret").unlink()
    told = office.told("mode", "shadow", "--reason", "odd stages", "--by", "rita")
    assert "odd stages" in told and "rita" in told
    assert stands(office) == ("shadow", "shadow")
    last = office.data("mode")["moves"][-1]
    assert (last["to"], last["by"], last["reason"], last["account"]) == ("shadow", "rita", "odd stages", "local")
    assert "ledger stands on shadow; up goes by: sidecar check --go-live --to auto" in office.refused("mode", "auto")
    assert "can't be tried" in office.refused("--dry-run", "mode", "shadow")


# What the CRM would do ----------------------------------------------------------------------------------------------


class Workflows(LocalLedger):
    """The local CRM with automations that it names, or can't name."""

    named: Sequence[str] | None = None

    def automations(self, properties: Any) -> Sequence[str]:
        """Say what would act on these properties."""
        self.asked = properties
        if self.named is None:
            raise UnsupportedFeature("not here")
        return self.named


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house whose CRM has workflows."""
    with rehearsal(tmp_path, says("I am ready", op("stage", "qualified", "I am ready"))) as opened:
        opened.app.ledger = Workflows("local", OPTIONS, opened.app.context)
        opened.hear("I am ready")
        yield opened


def shown(house: House, capsys: pytest.CaptureFixture[str], scope: str = "ledger", to: Mode | None = None) -> str:
    """What going live prints, in a dry run."""
    house.app.dry_run = True
    go_live(house.app, scope, to, 10, "rita", yes=False, as_json=False)
    return capsys.readouterr().out


def test_the_crms_automations_are_asked_about_what_would_be_written(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """At each rung about its own properties: the native stage only at the top; seen to fail with the AI-owned alone."""
    crm: Any = house.app.ledger
    crm.named = ["Won deals: mails the customer (deal.stage)"]
    assert "Won deals: mails the customer" in shown(house, capsys)
    assert "stage" not in crm.asked["deal"] and "ai_stage" in crm.asked["deal"]
    shown(house, capsys, to=Mode.AUTO)
    assert {"stage", "ai_stage", "pipeline", "name"} <= set(crm.asked["deal"]) and {"note"} <= set(crm.asked)
    shown(house, capsys, "field:stage", Mode.AUTO)
    assert crm.asked == {"contact": ["ai_stage"], "deal": ["ai_stage", "stage"]}
    crm.named = []
    assert "No automation of the CRM acts" in shown(house, capsys)


def test_where_automations_cannot_be_read_a_checklist_says_what_to_look_at(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each property by its name, and what to do; seen to fail with the feature's absence passed over."""
    told = shown(house, capsys, to=Mode.AUTO)
    assert "automations can't be read from here. Look at them in its own screens:" in told
    assert "[ ] deal: which workflows" in told and "ai_stage" in told
    assert "[ ] Which start when a contact or a deal is made" in told
    assert "Which start when" not in shown(house, capsys)


# A dry run below the top --------------------------------------------------------------------------------------------


def test_in_shadow_a_dry_run_shows_what_each_rung_would_write(office: Office) -> None:
    """Also of relationships that nothing is due for; each value says which rung it takes. Seen to fail with the due."""
    done = office.data("--dry-run", "run", "--until-idle", "--no-wait")
    at = {(w["name"], w["record"], w["field"]): (w["at"], w["refused"]) for w in done["would"]}
    assert at["Ann Lee", "contact", "ai_stage"] == ("suggest", "the mode is shadow")
    assert at["Ann Lee", "note", "body"] == ("suggest", "the mode is shadow")
    assert at["Bo", "contact", "name"] == ("auto", "the mode is shadow")
    assert at["Bo", "note", "body"] == ("auto", "the mode is shadow")
    assert not [w for w in done["would"] if not w["refused"]] and done["left_off"] == 0
    told = office.told("--dry-run", "run", "--until-idle", "--no-wait")
    assert "the mode is shadow: written at suggest" in told and "wait for a higher mode: sidecar mode" in told


def test_the_rungs_that_a_dry_run_names_are_those_that_write(office: Office) -> None:
    """What is marked with a rung is written there and not before; seen to fail with all marked as the next one."""
    would = office.data("--dry-run", "run", "--until-idle", "--no-wait")["would"]
    marked = {
        rung: {(w["record"], w["field"], w["new"]) for w in would if w["at"] == rung} for rung in ("suggest", "auto")
    }
    office.told(*YES)
    office.run()
    assert written(office) == marked["suggest"]
    office.told(*YES)
    office.run()
    assert written(office) == marked["suggest"] | marked["auto"]


def test_a_dry_run_says_what_it_left_off(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many relationships are looked at and no more, and so many rows printed; neither in silence."""
    monkeypatch.setattr(run, "MAX_LOOKS", 1)
    monkeypatch.setattr(run, "MAX_ROWS", 2)
    assert office.data("--dry-run", "run", "--until-idle")["left_off"] == 1
    told = office.told("--dry-run", "run", "--until-idle")
    assert "1 more relationships were not looked at." in told and "more rows: --json has them all" in told


# Properties ---------------------------------------------------------------------------------------------------------


def test_properties_are_taken_away_once_nothing_is_written_any_more(office: Office) -> None:
    """Refused while values would still be written, shown in a dry run, done once, and made again at will."""
    office.told(*YES)
    office.run()
    assert "the sidecar still writes to this CRM; first: sidecar mode shadow" in office.refused("deprovision", "--yes")
    office.told("mode", "shadow", "--reason", "we leave")
    assert len(office.data("--dry-run", "deprovision")["properties"]) == 42
    result = office.sidecar("deprovision")
    assert result.exit_code == 1 and "there is nobody to ask here: say --yes" in result.stderr
    assert "say --yes" in office.refused("deprovision", "--json")
    held = office.data("ledger", "show", "contact")["records"][0]["fields"]
    assert "ai_stage" in held
    assert len(office.data("deprovision", "--yes")["properties"]) == 42
    held = office.data("ledger", "show", "contact")["records"][0]["fields"]
    assert held == {"name": "Ann", "email": "ann@x.test"}
    assert "The CRM has none of them." in office.told("deprovision", "--yes")
    assert "42 done." in office.told("provision") and "has them all" in office.told("provision")


def test_what_somebody_else_made_under_our_name_stays(tmp_path: Path) -> None:
    """An admin's own property, with their data in it, is named and left; seen to fail known by its name alone."""
    office = Office(tmp_path).furnish([], VENDOR)
    with opened(office) as app:
        theirs = [spec for spec in wanted_properties(app.policy, {"contact"})["contact"] if spec.name == "ai_next_step"]
        app.ledger.provision({"contact": theirs}, False)
        assert isinstance(app.ledger, LocalLedger)
        ref = app.ledger.create_by_person("contact", {"name": "Ann", "ai_next_step": "typed by Rita"}).ref
    assert not any("contact.ai_next_step (" in line for line in office.data("provision")["properties"])
    told = office.data("--dry-run", "deprovision")
    assert told["left"] == ["contact.ai_next_step"] and len(told["properties"]) == 41
    said = " ".join(office.sidecar("deprovision", "--yes").stdout.split())
    assert "Left, because this journal didn't make them: contact.ai_next_step." in said
    (left,) = office.data("ledger", "show", "contact")["records"]
    assert (left["ref"], left["fields"]["ai_next_step"]) == (ref, "typed by Rita")
    again = office.told("deprovision", "--yes")
    assert "The CRM has nothing else of them." in again
    assert len(office.data("deprovision", "--yes", "--unnoted")["properties"]) == 1


def test_a_journal_that_made_nothing_takes_nothing_away(tmp_path: Path) -> None:
    """Another journal on the same CRM knows nothing of what the first one made; and says so."""
    office = Office(tmp_path).furnish([], VENDOR)
    office.told("provision")
    office.config.write_text(office.config.read_text().replace("sqlite:///journal.db", "sqlite:///another.db"))
    told = office.data("deprovision", "--yes")
    assert len(told["left"]) == 40 and not any("ai_" in line for line in told["properties"])


def test_force_takes_properties_away_from_under_the_writer(office: Office) -> None:
    """Whoever insists is obeyed."""
    office.told(*YES)
    assert len(office.data("deprovision", "--yes", "--force")["properties"]) == 42


def test_nobody_goes_live_without_an_account(tmp_path: Path) -> None:
    """A step needs a CRM that says whose it is, and a journal of no other's."""
    with rehearsal(tmp_path) as house:
        house.journal.set_meta("ledger_account", "another")
        with pytest.raises(ConfigError, match="belongs to the CRM account 'another'"):
            go_live(house.app, "ledger", None, 10, "rita", yes=True, as_json=True)


def test_a_party_that_cannot_be_looked_at_is_named_and_the_others_are_shown(house: House) -> None:
    """One poisoned record hides nobody else's; seen to fail with the first error ending the look."""
    house.hear("I am ready", "bob")
    climb(house, Mode.AUTO)

    class Poisoned(Workflows):
        def find(self, kind: str, identifiers: Any) -> Any:
            if any("bob" in i.value for i in identifiers):
                raise PermanentError("the CRM can't read this one")
            return super().find(kind, identifiers)

    poisoned = Poisoned("local", OPTIONS, house.app.context)
    house.app.pipeline.parts.ledger = poisoned
    rows = list(preview(house.app.pipeline.parts, house.journal.inbox(10)))
    assert [w.name for w in rows if w.refused == "the CRM can't read this one"] == ["Bob"]
    assert {w.name for w in rows if not w.refused} == {"Ann"}
