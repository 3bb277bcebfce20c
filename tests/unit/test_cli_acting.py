"""Commands that act: run and its dry run, a person's answers, retries, edits, prompts, backup and restore, check."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sidecar.journal import Entry, Touch
from sidecar.model import WorkKey, WorkKind
from tests.contract.imap_servers import PASSWORD, mail_devel
from tests.support.offices import CONFIG, Office

PHONE = "+447700900123"
PROMPTS = Path(__file__).parent.parent.parent / "prompts"
BASELINE = {"SIDECAR_LLM__TYPE": "baseline"}


def _rule(match: str, stage: str, certainty: str = "stated") -> dict[str, Any]:
    op = {"field": "stage", "value": stage, "certainty": certainty, "evidence": [{"quote": match}]}
    return {"match": match, "answer": {"ops": [op]}}


RULES = [_rule("trial lesson", "qualified"), _rule("perhaps a booking", "booked", "weakly_implied")]


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office where Ann is qualified, Ben hesitates, Phil has a phone, and a message may be Ann's or Phil's."""
    office = Office(tmp_path_factory.mktemp("office")).furnish(RULES)
    shutil.copytree(PROMPTS, office.base / "prompts")
    office.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    office.mail("Ben Ho <ben@x.test>", "Good morning.")
    office.chat({"external_id": "v1", "name": "Phil", "phone": PHONE}, "Hello, this is Phil")
    office.run()
    office.mail("Ben Ho <ben@x.test>", "So perhaps a booking, perhaps not.", days_ago=2)
    office.chat({"external_id": "v9", "name": "Ann Lee", "email": "ann@x.test", "phone": PHONE}, "It is me")
    office.run()
    return office


@pytest.fixture
def office(settled: Office, tmp_path: Path) -> Office:
    """A copy of that office, for one test to change."""
    shutil.copytree(settled.base, tmp_path, dirs_exist_ok=True)
    return Office(tmp_path)


@pytest.fixture
def fresh(tmp_path: Path) -> Office:
    """An office where nothing has come in yet."""
    return Office(tmp_path).furnish(RULES)


def _contact(office: Office, name: str) -> Any:
    records = office.data("ledger", "show", "contact")["records"]
    return next((r for r in records if r["fields"].get("name") == name), None)


def test_a_run_says_what_it_did(fresh: Office) -> None:
    """One round reads, infers and writes, and counts what is new in the book by kind."""
    fresh.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    done = fresh.run()
    assert (done["facts"]["delivery"], done["facts"]["activity"], done["facts"]["inference"]) == (1, 1, 1)
    assert done["facts"]["change"] == done["facts"]["posting"] > 0
    assert _contact(fresh, "Ann Lee")["fields"]["ai_stage"] == "qualified"
    again = fresh.told("run", "--until-idle", "--no-wait")
    assert "new in the book: nothing new." in again


def test_a_run_must_say_when_it_ends(fresh: Office) -> None:
    """`run` alone is refused with what would be right, so that nobody takes it for a server."""
    result = fresh.sidecar("run")
    assert result.exit_code == 2
    assert "sidecar serve" in result.stderr


def test_a_run_waits_for_quiet_conversations_unless_told(fresh: Office) -> None:
    """Without --no-wait a conversation that has just moved is left for later, and the run says so."""
    fresh.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    *_, last = fresh.told("run", "--until-idle").splitlines()
    assert last.startswith("1 conversation is not read yet: each waits until nothing new has come for 60 s.")
    assert "--no-wait" in last and "sidecar serve" in last
    assert fresh.data("party", "show", "ann@")["engagements"][0]["fields"] == {}


def test_a_dry_run_does_everything_but_write(fresh: Office) -> None:
    """The book holds what was read and decided, no Change; the CRM holds nothing; what would be written is shown."""
    fresh.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    done = fresh.data("--dry-run", "run", "--until-idle", "--no-wait")
    assert done["dry_run"] is True
    assert done["facts"]["decision"] > 0
    assert not {"change", "posting", "reading"} & set(done["facts"])
    would = {(w["record"], w["field"]): w["new"] for w in done["would"] if not w["refused"]}
    assert would[("contact", "name")] == "Ann Lee"
    assert would[("deal", "stage")] == "qualified"
    assert fresh.data("ledger", "show")["records"] == []


def test_a_dry_run_takes_nothing_from_the_real_one(fresh: Office) -> None:
    """What a dry run showed, the next real run writes; seen to fail with the sync finished as done."""
    fresh.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    shown = fresh.told("--dry-run", "run", "--until-idle", "--no-wait")
    assert shown.startswith("Read first, which writes into the journal alone: ")
    assert "the CRM was not touched" in shown
    assert "Read first" not in fresh.told("--dry-run", "run", "--until-idle", "--no-wait"), "there was nothing to read"
    assert fresh.run()["facts"]["posting"] > 0
    assert _contact(fresh, "Ann Lee")["fields"]["ai_stage"] == "qualified"
    assert fresh.data("--dry-run", "run", "--until-idle", "--no-wait")["would"] == []


def test_a_dry_run_says_why_not(tmp_path: Path) -> None:
    """In shadow mode nothing would be written, and each refusal has its reason."""
    shadow = Office(tmp_path).furnish(RULES, CONFIG.replace('mode = "auto"', 'mode = "shadow"'))
    shadow.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    would = shadow.data("--dry-run", "run", "--until-idle", "--no-wait")["would"]
    assert would
    assert {w["refused"] for w in would if w["record"] == "contact"} == {"the mode is shadow"}


def test_a_dry_run_shows_an_old_value_beside_the_new(office: Office) -> None:
    """A change of what the CRM holds is shown as both, and a person's value as refused."""
    ben = _contact(office, "Ben Ho")
    office.told("ledger", "edit", "contact", ben["ref"], "name=Benjamin", "--by", "rita")
    office.mail("Ben Ho <ben@x.test>", "Now I want a trial lesson.", days_ago=1)
    would = office.data("--dry-run", "run", "--until-idle", "--no-wait")["would"]
    by_field = {w["field"]: w for w in would if w["record"] == "contact" and w["party"] and w["ref"] == ben["ref"]}
    assert (by_field["ai_stage"]["old"], by_field["ai_stage"]["new"]) == ("enquired", "qualified")
    assert by_field["name"]["old"] == "Benjamin"
    assert by_field["name"]["refused"] == "somebody else's value stands in the CRM"


def test_a_question_is_answered_with_a_party(office: Office) -> None:
    """After a person's word the activity is that party's, the question is gone, and the word is in the book."""
    (question,) = office.data("party", "questions")["questions"]
    ann = office.data("party", "show", "Ann Lee")["party"]
    assert office.data("party", "assign", question["activity"], "Ann Lee", "--by", "rita") == {"party": ann}
    assert office.data("party", "questions")["questions"] == []
    office.run()
    assert len(office.data("activities", "--party", ann)["activities"]) == 2
    with office.journal() as journal:
        assert [r.by for r in journal.facts(kinds=("release",))] == ["rita"]  # type: ignore[attr-defined]


def test_a_question_may_be_somebody_new(office: Office) -> None:
    """`new` makes a party of the activity's own."""
    (question,) = office.data("party", "questions")["questions"]
    new = office.data("party", "assign", question["activity"][:24], "new")["party"]
    assert new not in {c["party"] for c in question["candidates"]}
    assert "sidecar run --until-idle" in office.told("party", "merge", "Phil", new)


def test_parties_are_merged_and_split(office: Office) -> None:
    """Two become one under the winner's id, and an activity that isn't theirs becomes a new party's."""
    phil, ann = (office.data("party", "show", name)["party"] for name in ("Phil", "Ann Lee"))
    assert office.data("party", "merge", "Phil", "Ann Lee") == {"party": phil}
    office.run()
    assert office.data("party", "show", ann)["party"] == phil
    activities = office.data("activities", "--party", phil)["activities"]
    mail = next(a for a in activities if a["channel"] == "mail")
    new = office.data("party", "split", phil, mail["activity"])["party"]
    office.run()
    assert [a["activity"] for a in office.data("activities", "--party", new)["activities"]] == [mail["activity"]]
    left = office.data("activities", "--party", phil)["activities"]
    assert mail["activity"] not in {a["activity"] for a in left}
    assert "one party already" in office.refused("party", "merge", phil, ann)


def test_a_suggestion_is_approved(office: Office) -> None:
    """A person's yes makes the value believed, and the CRM gets it."""
    assert office.data("party", "approve", "Ben Ho", "stage")["verdict"] == "approved"
    office.run()
    (engagement,) = office.data("party", "show", "Ben Ho")["engagements"]
    assert engagement["stage"] == "booked"
    assert _contact(office, "Ben Ho")["fields"]["ai_stage"] == "booked"


def test_a_suggestion_is_rejected(office: Office) -> None:
    """A person's no takes the suggestion away and leaves the value."""
    assert "stage is rejected" in office.told("party", "reject", "Ben Ho", "stage")
    (engagement,) = office.data("party", "show", "Ben Ho")["engagements"]
    assert (engagement["stage"], engagement["suggestions"]) == ("enquired", {})
    assert "waiting: nothing" in office.refused("party", "reject", "Ben Ho", "stage")


def test_a_contact_is_made_when_a_person_lets_it(tmp_path: Path) -> None:
    """Where contacts are only suggested the inbox asks, and a yes makes one."""
    config = CONFIG.replace('contact = "auto"', 'contact = "suggest"').replace('deal = "qualified"', 'deal = "never"')
    office = Office(tmp_path).furnish(RULES, config)
    office.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    office.run()
    assert _contact(office, "Ann Lee") is None
    (line,) = office.data("inbox")["relationships"]
    assert "sidecar party approve PARTY contact" in line["review"][-1]
    office.told("party", "approve", "Ann Lee", "contact")
    office.run()
    assert _contact(office, "Ann Lee")["fields"]["email"] == "ann@x.test"
    assert office.data("inbox")["relationships"][0]["review"] == []


def test_a_property_is_pinned_and_given_back(office: Office) -> None:
    """A pinned property is left alone whatever is said; released, it follows again."""
    ann = office.data("party", "show", "Ann Lee")["party"]
    assert office.data("party", "pin", ann, "contact.ai_stage")["pinned"] is True
    assert "pinned" in office.told("party", "show", ann)
    office.told("party", "release", ann, "contact.ai_stage")
    records = office.data("party", "show", ann)["records"]
    assert not next(r for r in records if r["kind"] == "contact")["fields"]["ai_stage"]["pinned"]


def test_a_misspelt_property_is_not_pinned(office: Office) -> None:
    """A pin that protects nothing is refused, with what was probably meant."""
    assert "contact.ai_stage" in office.refused("party", "pin", "Ann Lee", "contact.ai_stge")
    assert "there is no property" in office.refused("party", "pin", "Ann Lee", "nonsense")


def test_a_persons_edit_in_the_local_crm_stands(office: Office) -> None:
    """An edit is written as that person's, comes back as a correction, and is not overwritten."""
    ref = _contact(office, "Ann Lee")["ref"]
    office.told("ledger", "edit", "contact", ref, "ai_stage=booked", "ai_score=7.5", "phone=", "--by", "rita")
    done = office.run()
    assert done["facts"]["correction"] >= 1
    assert _contact(office, "Ann Lee")["fields"]["ai_stage"] == "booked"
    edits = office.data("ledger", "history", "contact", ref)["edits"]
    assert ("rita", "booked") in {(e["author"]["name"], e["value"]) for e in edits}
    assert office.data("explain", ref, "ai_stage")["note"].startswith("rita wrote it in the CRM")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("ai_stage", "write FIELD=VALUE"),
        ("ai_stge=booked", "there is no field 'ai_stge'"),
        ("ai_score=many", "ai_score is a number"),
        ("ai_stage=exploded", "ai_stage"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(office: Office, value: str, told: str) -> None:
    """A misspelt field or a value of the wrong type changes nothing and says what is wrong."""
    ref = _contact(office, "Ann Lee")["ref"]
    result = office.sidecar("ledger", "edit", "contact", ref, value)
    assert result.exit_code in (1, 2)
    assert told in result.stderr


def test_parked_work_is_tried_again(fresh: Office) -> None:
    """A person lets one piece, or all, be tried anew; what isn't parked, or isn't anything, is refused."""
    fresh.chat({"external_id": "v2"}, "", kind="message.exploded")
    fresh.run()
    (row,) = fresh.data("work", "--state", "parked")["work"]
    assert fresh.data("work", "--retry", "parse", row["key"])["retried"] == [{"kind": "parse", "key": row["key"]}]
    assert fresh.data("work", "--state", "parked")["work"] == []
    assert "isn't parked" in fresh.refused("work", "--retry", "parse", row["key"])
    assert "known are parse" in fresh.refused("work", "--retry", "nonsense", "x")
    fresh.run()
    assert "1 piece will be tried again" in fresh.told("work", "--retry-all")


def test_parked_work_is_dismissed_and_taken_up_again(fresh: Office) -> None:
    """What nobody will mend leaves the list and the alarm's count, by whom and why is kept; a poll can't be dropped."""
    fresh.chat({"external_id": "v2"}, "", kind="message.exploded")
    fresh.run()
    (row,) = fresh.data("work", "--state", "parked")["work"]
    drop = ("work", "--drop", "parse", row["key"])
    assert "--reason" in fresh.refused(*drop)
    assert "for ever" in fresh.refused("work", "--drop", "poll", "web", "--reason", "a test")
    told = fresh.data(*drop, "--reason", "a test of ours", "--by", "kim")
    assert told["dismissed"] == [{"kind": "parse", "key": row["key"]}]
    assert "parked" not in {count["state"] for count in fresh.data("work")["counts"]}
    (held,) = fresh.data("work", "--state", "dismissed")["work"]
    word = held["dismissed"]
    assert (word["by"], word["reason"], word["parked"]) == ("kim", "a test of ours", row["parked_reason"])
    assert "kim, " in fresh.told("work", "--state", "dismissed")
    fresh.data("work", "--retry", "parse", row["key"])
    (again,) = fresh.data("work")["work"]
    assert (again["key"], again["state"], again["dismissed"]) == (row["key"], "due", None)


@pytest.mark.parametrize(
    "command",
    [
        ["party", "assign", "activity-1", "new"], ["party", "merge", "a", "b"], ["party", "approve", "a", "stage"],
        ["party", "pin", "a", "contact.name"], ["ledger", "edit", "contact", "1", "name=x"], ["work", "--retry-all"],
        ["prompts", "adopt", "relationship"], ["prompts", "rollback", "relationship"],
    ],
)  # fmt: skip
def test_a_persons_word_is_not_tried(office: Office, command: list[str]) -> None:
    """What --dry-run can't hold back is refused, not done; seen to fail without `writes`."""
    assert "leave --dry-run out" in office.refused("--dry-run", *command)


def test_an_edited_prompt_waits_until_it_is_adopted(office: Office) -> None:
    """An edit is shown as a candidate with its difference, and is in force only after a person's word."""
    file = office.base / "prompts" / "relationship.md"
    file.write_text(file.read_text().replace("## Evidence", "Be kind.\n\n## Evidence", 1))
    states = {p["state"]: p["sha256"] for p in office.data("prompts", "list")["prompts"]}
    assert set(states) == {"in force", "candidate"}
    assert "+Be kind." in office.data("prompts", "diff", "relationship")["diff"]
    assert "+Be kind." in office.told("prompts", "diff", "relationship")
    adopted = office.data("prompts", "adopt", "relationship")
    assert (adopted["adopted"], adopted["sha256"]) == (True, states["candidate"])
    assert [p["sha256"] for p in office.data("prompts", "list")["prompts"]] == [states["candidate"]]
    assert "in force already" in office.told("prompts", "adopt", "relationship")
    (_, last) = office.data("prompts", "history", "relationship")["history"]
    assert (last["how"], last["sha256"], last["former"]) == ("adopt", states["candidate"], states["in force"])


def test_a_prompt_is_taken_back_and_each_step_is_on_record(office: Office) -> None:
    """Who adopted what, and why, is told afterwards, and the former version comes back; no report is made up."""
    file = office.base / "prompts" / "relationship.md"
    former = office.data("prompts", "show", "relationship")
    file.write_text(file.read_text().replace("## Evidence", "Be kinder.\n\n## Evidence", 1))
    assert office.told("prompts", "show", "relationship") == former["source"], "so that it can be written to a file"
    assert "Be kinder." in office.told("prompts", "show", "relationship", "--candidate")
    why = ("--because", "too stern", "--by", "Eva")
    assert "there is no report" in office.refused("prompts", "adopt", "relationship", "--report", "report-7", *why)
    office.data("prompts", "adopt", "relationship", *why)
    assert "Be kinder." in office.told("prompts", "show", "relationship")
    told = office.told("prompts", "history", "relationship")
    assert all(word in told for word in ("Eva", "too stern", former["sha256"][:12]))
    sha = former["sha256"][:12]
    assert office.data("prompts", "show", "relationship", "--sha", sha)["source"] == former["source"]
    assert "is in force again" in office.told("prompts", "rollback", "relationship", "--by", "Ben")
    states = {p["state"]: p["sha256"] for p in office.data("prompts", "list")["prompts"]}
    assert states["in force"] == former["sha256"]
    assert set(states) == {"in force", "candidate"}
    assert "is in force already" in office.refused("prompts", "rollback", "relationship", "--to", sha)
    assert "names 0 versions" in office.refused("prompts", "rollback", "relationship", "--to", "nosuch")


def test_a_broken_edit_is_named_where_somebody_looks(office: Office) -> None:
    """Whoever has just saved a prompt reads what is wrong with which line, and that nothing has changed."""
    file = office.base / "prompts" / "relationship.md"
    in_force = office.data("prompts", "show", "relationship")["sha256"]
    kept = file.read_text()
    file.write_text(kept.replace("## Evidence", "## Evidense", 1))
    try:
        assert "## Evidence is missing" in office.data("prompts", "list")["broken"]["relationship"]
        told = office.told("prompts", "list")
        assert "relationship.md:" in told
        assert "stays in force" in told
        for command in ("diff", "adopt"):
            assert "## Evidence is missing" in office.refused("prompts", command, "relationship", code=2)
        assert office.data("prompts", "show", "relationship")["sha256"] == in_force
        office.run()
    finally:
        file.write_text(kept)


def test_a_healthy_office_checks_out(fresh: Office) -> None:
    """Each part is looked at and found well, the properties that will be made are counted, and nothing is made."""
    result = fresh.sidecar("check", "--json", env=BASELINE)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["ok"] is True
    parts = {f["part"] for f in found["findings"]}
    crm = {"crm", "crm stages", "crm owners", "crm properties"}
    assert parts - crm == {
        "config", "channel mail", "channel web", "journal", "ops", "budget", "llm", "prompts", "fields", "mode", "work",
    }  # fmt: skip
    assert crm < parts
    assert "properties to make" in next(f["note"] for f in found["findings"] if f["part"] == "crm properties")
    assert "All is well" in fresh.sidecar("check", env=BASELINE).stdout


def test_a_check_lists_all_that_is_wrong(office: Office) -> None:
    """One look names every part that needs mending, with its remedy, and fails."""
    office.chat({"external_id": "v2"}, "", kind="message.exploded")
    office.run()
    shutil.rmtree(office.base / "drop")
    (office.base / "drop").write_text("not a folder")
    with office.journal() as journal:
        journal.set_meta("ledger_account", "another")
        journal.pause("ledger", "by hand")
    config = office.config.read_text()
    office.config.write_text(config + '\n[[route]]\nname = "all"\nprompt = "nonsense"\n')
    result = office.sidecar("check", "--json")
    assert result.exit_code == 1
    wrong: dict[str, list[str]] = {}
    for finding in json.loads(result.stdout)["findings"]:
        wrong.setdefault(finding["part"], []).append(finding["problem"])
    assert any("path" in p for p in wrong["channel mail"])
    assert any("parked" in p for p in wrong["work"])
    assert any("ledger is paused: by hand" in p for p in wrong["ops"])
    assert any("another" in p for p in wrong["crm"])
    assert any("nonsense" in p for p in wrong["prompts"])
    told = office.sidecar("check").stdout
    assert "to mend." in told
    first, second = (line for line in told.splitlines() if line.startswith("channel mail  "))
    assert "  wrong  " in first and "  fine  " not in second, told


def test_a_check_says_which_field_gets_nowhere(fresh: Office) -> None:
    """Whoever makes a field and forgets its targets learns why the CRM never shows it; nothing is wrong with that."""
    new = '\n[fields.pets]\nclass = "observation"\ncriteria = "Pets that somebody has."\n'
    fresh.config.write_text(fresh.config.read_text() + new)
    result = fresh.sidecar("check", env=BASELINE)
    assert result.exit_code == 0, result.output
    assert "pets is believed and kept in the journal alone: without targets ([fields.pets])" in result.stdout


def test_a_check_reports_a_broken_config_like_any_other_part(fresh: Office) -> None:
    """`check --json` is JSON even when the config is wrong, with a line for each key."""
    fresh.config.write_text(fresh.config.read_text() + "\n[nonsense]\na = 1\n")
    result = fresh.sidecar("check", "--json")
    assert result.exit_code == 1
    findings = json.loads(result.stdout)["findings"]
    assert findings[0]["part"] == "config"
    assert "nonsense" in findings[0]["problem"]
    assert "crm" in {f["part"] for f in findings if not f["problem"]}, "the rest is looked at all the same"


def test_properties_are_made_and_only_shown_in_a_dry_run(fresh: Office) -> None:
    """`provision` makes what is missing once; a dry run says what it would make."""
    wanted = fresh.data("--dry-run", "provision")
    assert wanted["dry_run"] is True
    assert len(wanted["properties"]) > 10
    assert len(fresh.data("provision")["properties"]) == len(wanted["properties"])
    assert "has them all" in fresh.told("provision")


def test_a_backup_brings_a_book_back(office: Office, tmp_path: Path) -> None:
    """What was backed up can be checked, and restored over a lost journal; nothing is overwritten unasked."""
    copy = tmp_path / "safe" / "book.db"
    made = office.data("backup", str(copy))
    assert made["manifest"]["rows"]["fact"] > 0
    assert "overwrites nothing" in office.refused("backup", str(copy), code=2)
    assert office.data("restore", str(copy), "--check")["restored"] is False
    assert office.data("--dry-run", "restore", str(copy))["restored"] is False
    assert "force" in office.refused("restore", str(copy), code=2)
    before = office.data("inbox")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{office.base / 'journal.db'}{suffix}").unlink(missing_ok=True)
    assert "It is the journal now" in office.told("restore", str(copy))
    assert office.data("inbox") == before


def test_a_damaged_backup_is_not_restored(office: Office, tmp_path: Path) -> None:
    """A copy that isn't what its manifest says is refused, whatever is forced."""
    copy = tmp_path / "book.db"
    office.told("backup", str(copy))
    raw = bytearray(copy.read_bytes())
    raw[-1] ^= 0xFF
    copy.write_bytes(bytes(raw))
    assert str(copy) in office.refused("restore", str(copy), "--force")
    assert "no backup" in office.refused("restore", str(tmp_path / "nothing"), code=2)


@contextmanager
def _mailbox(base: Path, mails: int) -> Iterator[Office]:
    """An office with a real mailbox that holds older mails."""
    with mail_devel() as server:
        section = (
            f'[channels.box]\ntype = "imap"\nhost = "127.0.0.1"\nport = {server.port}\ntls = false\n'
            'username = "first@ours.test"\npassword_file = "box.secret"\nbatch_size = 2\nsent_folders = []\n\n[crm]\n'
        )
        office = Office(base).furnish(RULES, CONFIG.replace("[crm]\n", section, 1))
        secret = base / "box.secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        for n in range(mails):
            raw = (
                f"From: Old{n} <old{n}@x.test>\nTo: desk@ours.test\nSubject: Old\nMessage-ID: <old{n}@x.test>\n"
                f"Date: Mon, 0{n + 1} Jun 2026 10:00:00 +0000\n\nI would like a trial lesson.\n"
            )
            server.append("first@ours.test", "INBOX", raw.encode(), datetime(2026, 6, n + 1, tzinfo=UTC))
        yield office


def test_older_history_is_read_after_its_extent_was_shown(tmp_path: Path) -> None:
    """A backfill says how much it is and what it may cost, asks, reads once, and goes on where it ended."""
    with _mailbox(tmp_path, 5) as office:
        command = ("backfill", "box", "--since", "2026-05-01")
        extent = office.data("--dry-run", *command)
        assert (extent["items"], extent["read"]) == (5, None)
        assert extent["estimated_usd"] > 0
        declined = office.sidecar(*command, answer="n\n")
        assert declined.exit_code == 1
        assert "5 items" in declined.stderr
        assert office.data("activities")["activities"] == []
        assert "say --yes" in office.refused(*command, "--json")
        assert "5 deliveries are new" in office.sidecar(*command, answer="y\n").stdout
        assert office.data(*command, "--yes")["read"] == 0
        office.run()
        assert len(office.data("activities", "--channel", "box")["activities"]) == 5


def test_only_a_channel_with_a_history_is_backfilled(office: Office) -> None:
    """A folder or a webhook has no past to read, and a channel must exist."""
    since = ("--since", "2026-01-01")
    assert "no older history" in office.refused("backfill", "web", *since)
    assert "configured are" in office.refused("backfill", "nonsense", *since)


def test_a_dry_run_leaves_syncs_due_for_whoever_comes(office: Office) -> None:
    """A dry run neither claims nor finishes a sync that was due before it."""
    ann = office.data("party", "show", "Ann Lee")["party"]
    with office.journal() as journal:
        journal.commit(Entry(touches=(Touch(WorkKey(WorkKind.SYNC, ann)),)))
    office.data("--dry-run", "run", "--until-idle", "--no-wait")
    rows = office.data("work", "--state", "due")["work"]
    assert (ann, 0) in {(row["key"], row["attempts"]) for row in rows if row["kind"] == "sync"}
