"""What we wrote is put back where nobody has edited it since, once, and stays back until newer evidence."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli.rollback import show_rows
from sidecar.errors import PermanentError, TemporaryError
from sidecar.explain import explain, nodes
from sidecar.journal import Entry, Finish, Touch
from sidecar.model import Author, AuthorKind, Change, Release, WorkKey, WorkKind
from sidecar.pipeline.rollback import Restored, batch, rollback
from sidecar.ports import Create, Failed, Update, Written
from tests.support.houses import House, op, says
from tests.support.offices import Office

RULES = [
    says("complain", op("intent", "complain", "complain"), op("sentiment", "angry", "complain")),
    says("cancel", op("intent", "cancel", "cancel")),
    says("buy", op("intent", "buy", "buy"), op("sentiment", "positive", "gladly")),
]
RITA = Author(AuthorKind.PERSON, "rita", "Rita")


class Killed(BaseException):
    """The process ends here, as by kill -9: nothing may catch it."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house with one customer, first glad and then angry; an hour lies between."""
    with House(tmp_path, "sqlite:///j.db", *RULES).start() as opened:
        opened.hear("I want to buy, gladly")
        opened.clock.move(3_600)
        opened.hear("I complain")
        assert held(opened) == ("complain", "angry")
        yield opened


def held(house: House) -> tuple[Any, Any]:
    """The customer's intent and sentiment, as the CRM has them."""
    (contact,) = house.records("contact")
    return contact.fields.get("ai_intent"), contact.fields.get("ai_sentiment")


def edit(house: House, **fields: Any) -> None:
    """A person edits the contact."""
    house.clock.move(60)
    crm: Any = house.app.ledger
    crm.edit("contact", house.records("contact")[0].ref, fields, author=RITA)


def back(house: House, minutes: float = 30, *, dry_run: bool = False) -> Sequence[Restored]:
    """Roll back what was written within the last minutes."""
    changes = batch(house.journal, since=house.clock() - timedelta(minutes=minutes))
    return [row for rows in rollback(house.app.pipeline.parts, changes, "rita", dry_run=dry_run) for row in rows]


def left(rows: Sequence[Restored]) -> dict[str, str]:
    """Why what was left was left, by field."""
    return {row.field: row.left for row in rows if row.left}


def settle(house: House) -> None:
    """Sync everything once more."""
    house.app.ladder.make_due(wait_s=0)
    house.work()


def test_what_was_written_goes_back_and_stays_back_until_newer_evidence(house: House) -> None:
    """The next sync leaves it alone, the next message moves it on; seen to fail with nothing withheld."""
    rows = back(house)
    assert held(house) == ("buy", "positive")
    assert {r.field: (r.now, r.before) for r in rows if not r.left}["ai_intent"] == ("complain", "buy")
    settle(house)
    assert held(house) == ("buy", "positive")
    house.hear("I cancel")
    assert held(house)[0] == "cancel"


def test_a_second_run_finds_nothing_to_do(house: House) -> None:
    """Its own writes are no writes to roll back; seen to fail with those counted."""
    newest = batch(house.journal, last=3)
    back(house)
    assert batch(house.journal, last=3) == newest
    before, facts = house.records("contact"), len(house.facts("change", "posting", "release"))
    assert [row for row in back(house) if not row.left] == []
    assert house.records("contact") == before
    assert len(house.facts("change", "posting", "release")) == facts


def test_a_dry_run_shows_the_same_and_writes_nothing(house: House) -> None:
    """What would be put back is what is; seen to fail with the lease taken, and with anything journaled."""
    facts = len(list(house.journal.facts()))
    sync = WorkKey(WorkKind.SYNC, house.standing().party)
    house.journal.commit(Entry(touches=(Touch(sync),)))
    (lease,) = house.journal.claim([sync], 60)
    shown = back(house, dry_run=True)
    house.journal.commit(Entry(finish=Finish(lease, "again")))
    assert held(house) == ("complain", "angry")
    assert len(list(house.journal.facts())) == facts
    assert back(house) == shown


def test_what_a_person_edited_since_is_left_and_comes_back_as_a_correction(house: House) -> None:
    """A person wins over a rollback, too; seen to fail with holds overlooked."""
    edit(house, ai_intent="support")
    rows = back(house)
    assert left(rows)["ai_intent"] == "somebody else's value stands in the CRM"
    assert held(house) == ("support", "positive")
    assert [fact.field for fact in house.facts("correction")] == ["ai_intent"]  # type: ignore[attr-defined]


def test_a_value_between_which_a_person_wrote_is_what_goes_back(house: House) -> None:
    """The row of our writes ends where somebody else wrote; seen to fail with the first old value of all."""
    edit(house, ai_intent="support")
    house.clock.move(60)
    house.hear("I cancel")
    assert held(house)[0] == "cancel"
    back(house)
    assert held(house) == ("support", "positive")


def test_records_that_we_made_stay_and_are_named(house: House) -> None:
    """Nothing is deleted or emptied; seen to fail with the first Change of a record rolled back."""
    before = house.records("contact")
    rows = back(house, minutes=600)
    assert house.records("contact") == before
    assert {row.record for row in rows if row.left.startswith("we made this record")} >= {"contact"}


def test_pins_and_pauses_hold(house: House) -> None:
    """A brake holds a rollback as it holds a sync; seen to fail with either left out."""
    house.app.pipeline.people.pin(house.standing().party, "contact", "ai_intent", "rita", pinned=True)
    house.journal.pause("field:sentiment", "rita: not now")
    reasons = left(back(house))
    assert reasons["ai_intent"] == "pinned by a person"
    assert reasons["ai_sentiment"] == "paused: rita: not now"
    house.journal.pause("route:" + house.app.policy.routes[0].name, "rita: moved")
    assert left(back(house))["ai_intent"] == "paused: rita: moved"
    assert held(house) == ("complain", "angry")
    house.journal.pause("ledger", "rita: closed")
    with pytest.raises(PermanentError, match="paused"):
        back(house)


def test_a_person_gives_a_value_back_that_was_rolled_back(house: House) -> None:
    """`release` lets it be written again; seen to fail with the mark of the rollback kept."""
    back(house)
    house.app.pipeline.people.pin(house.standing().party, "contact", "ai_intent", "rita", pinned=False)
    settle(house)
    assert held(house) == ("complain", "positive")


def test_each_value_leads_back_to_who_rolled_it_back_and_to_the_words(house: House) -> None:
    """The chain of causes goes on through a rollback; seen to fail with the Release left out."""
    back(house)
    ref = house.records("contact")[0].ref
    found = explain(house.journal, house.app.ledger.account(), house.app.policy, f"contact:{ref}", "ai_intent")
    kinds = {node.kind for node in nodes(found.chain)}
    assert {"posting", "change", "release", "decision", "activity"} <= kinds
    releases = [fact for fact in house.facts("release") if isinstance(fact, Release)]
    assert {(r.action, r.by) for r in releases} == {("rollback", "rita")}


def test_the_projection_can_be_rebuilt_after_a_rollback(house: House) -> None:
    """What is withheld follows from the facts alone; seen to fail with the Release kept out of the fold."""
    back(house)
    kept = house.standing()
    assert any(f.withheld_at for r in kept.records.values() for f in r.fields.values())
    house.journal.rebuild()
    assert house.standing() == kept


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_was_killed_is_run_again_and_ends_the_same(house: House, when: str) -> None:
    """Dead between intent and write, or between write and confirmation; seen to fail with pending writes in the way."""
    ledger: Any = house.app.ledger
    write = ledger.write

    def dies(writes: Sequence[Any]) -> Sequence[Written]:
        if when == "after":
            write(writes)
        raise Killed

    ledger.write = dies
    with pytest.raises(Killed):
        back(house)
    house.restart()
    house.app.ready()
    back(house)
    assert held(house) == ("buy", "positive")
    settle(house)
    assert held(house) == ("buy", "positive")
    assert [row for row in back(house) if not row.left] == []


def test_the_command_shows_asks_and_puts_back(tmp_path: Path) -> None:
    """Without a word nothing is written, a scope must be named, and a second run puts nothing back."""
    answer = {"ops": [], "steps": [], "summary": "Somebody wrote.", "needs_full_reread": False}
    office = Office(tmp_path).furnish([{"match": ".", "answer": answer}])
    office.mail("ann@x.test", "I want to buy now")
    office.told("run", "--until-idle", "--no-wait")
    assert office.sidecar("rollback").exit_code == 1
    dry = office.data("rollback", "--last", "1", "--dry-run")
    assert (dry["dry_run"], dry["restored"]) == (True, [])
    assert "we made this record" in office.told("rollback", "--since", "2020-01-01", "--yes")
    assert office.data("rollback", "--party", "ann@x.test", "--yes")["restored"] == []
    assert "would be put back" in office.told("--dry-run", "rollback", "--last", "5")
    for time in ("2020-01-01T14:00", "2020-01-01T14:00:00Z", "2020-01-01T14:00:00.5+02:00"):
        assert office.data("rollback", "--since", time, "--dry-run")["left"], "a time as the sidecar prints it is taken"
    assert not office.data("rollback", "--since", "2099-01-01T00:00Z", "--dry-run")["left"]
    assert "2026-11-20T14:00Z" in office.sidecar("rollback", "--since", "yesterday").output
    (contact,) = office.data("ledger", "show", "contact")["records"]
    said = office.told("explain", f"contact:{contact['ref']}", "ai_summary")
    change = re.search(r"change-[0-9a-f]+", said)
    assert change and len(change[0]) < 30
    assert office.data("rollback", "--batch", change[0], "--dry-run")["left"], "an id as `explain` prints it is taken"
    assert "no change 'change-none'; `sidecar explain` shows" in office.refused("rollback", "--batch", "change-none")


def test_a_long_text_hides_no_other_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a note's text its beginning is shown; the JSON has it whole; seen to fail with all of it printed."""
    told("\n".join(["line of a note"] * 100))
    said = capsys.readouterr().out
    assert said.count("line of a note") <= 8 and "ai_intent" in said
    assert "None" not in said, "a record that was never made has no name"


def told(body: str) -> None:
    """Print what was put back of a note and of a field."""
    rows = [
        Restored("party-1", "Ann", "note", "n1", "body", body, None),
        Restored("party-1", "Ann", "note", "n2", "body", body, None, left="we made this record"),
        Restored("party-1", "Ann", "contact", "c1", "ai_intent", "buy", "cancel"),
        Restored("party-1", "Ann", "deal", None, "", None, None, left="it never was in the CRM"),
    ]
    show_rows(rows, is_dry=False)


def test_one_batch_goes_back_and_nothing_beside_it(house: House) -> None:
    """What one sync wrote is named by any change of it; seen to fail with all of the party's changes taken."""
    house.hear("I cancel")
    assert held(house) == ("cancel", "angry")
    ours = [c for c in house.facts("change") if isinstance(c, Change) and c.field == "ai_sentiment"]
    changes = batch(house.journal, beside=ours[-1].id)
    assert {c.at for made in changes.values() for c in made} == {ours[-1].at}
    rows = [row for rows in rollback(house.app.pipeline.parts, changes, "rita", dry_run=False) for row in rows]
    assert held(house) == ("cancel", "positive")
    assert left(rows)["ai_intent"] == "we wrote it anew after that"
    with pytest.raises(PermanentError, match="there is no change"):
        batch(house.journal, beside=house.standing().party)


def test_many_parties_share_the_calls_of_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback of many costs as many calls as that of one; seen to fail with one party after another."""
    monkeypatch.setattr("sidecar.pipeline.together.PATIENCE_S", 60.0)  # a slow machine is no straggler
    people = [f"p{number}" for number in range(12)]
    for who in people:
        house.say("I want to buy, gladly", who)
    house.work()
    house.clock.move(3_600)
    for who in people:
        house.say("I complain", who)
    house.work()
    written: list[int] = []
    write = house.app.ledger.write

    def counted(writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        written.append(len(writes))
        return write(writes)

    monkeypatch.setattr(house.app.ledger, "write", counted)
    rows = back(house)
    assert written[0] == len(people), written
    assert {r.party for r in rows if not r.left and r.field == "ai_intent"} == {
        house.standing(who).party for who in people
    }


def test_a_party_that_can_not_be_put_back_ends_it_with_an_error(house: House) -> None:
    """Whose sync is under way can't be put back beside it, and the others of its call are; seen to fail in silence."""
    house.hear("I want to buy, gladly", "bob")
    house.clock.move(3_600)
    house.hear("I complain", "bob")
    house.hear("I cancel", "ann")
    sync = WorkKey(WorkKind.SYNC, house.standing("ann").party)
    house.journal.commit(Entry(touches=(Touch(sync),)))
    house.journal.claim([sync], 600)
    with pytest.raises(TemporaryError, match="under way"):
        back(house)
    contacts = {str(c.fields["name"]): c.fields.get("ai_intent") for c in house.records("contact")}
    assert contacts == {"Ann": "cancel", "Bob": "buy"}
