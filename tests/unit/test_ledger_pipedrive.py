"""The Pipedrive adapter beyond the contract: what it does when calls fail, what it leaves alone, what it costs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.crms.pipedrive import PipedriveLedger, PipedriveOptions
from adapters.crms.pipedrive.account import name_for
from sidecar.errors import ConfigError, PermanentError, RecordGone, TemporaryError, UnknownOutcome
from sidecar.model import AuthorKind, Gone, Identifier, Link, Own, Record
from sidecar.ports import Context, Create, FieldSpec, Update
from tests.contract.ledger.crm import PROPERTIES, error, record
from tests.support.pipedrives import PipedriveHarness
from tests.twins.pipedrive import Drop, Status, html, null_body, refused, too_many, unsuccessful

PERSONS = "/api/v2/persons$"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[PipedriveHarness]:
    """A provisioned company, whose calls wait for little."""
    made = PipedriveHarness(tmp_path, {"max_wait_s": 1.0}, {})
    made.ledger.provision({"contact": PROPERTIES}, False)
    yield made
    made.twin.stop()


def made(box: PipedriveHarness, kind: str = "contact", key: str = "key", *links: Link, **fields: Any) -> Record:
    """Make one record."""
    return record(box.ledger.write([Create(kind, key, {**box.sample(kind), **fields}, links)])[0])


def new(box: PipedriveHarness, key: str = "key") -> Create:
    """Return a creation of a contact."""
    return Create("contact", key, box.sample("contact"))


def test_a_creation_whose_answer_was_lost_is_found_and_not_repeated(box: PipedriveHarness) -> None:
    """A dropped answer is an unknown outcome, and the look after it finds the person.

    Seen to fail without the list of what changed lately.
    """
    box.ledger.schema("contact")
    wanted = new(box)
    box.twin.fault(Drop(), method="POST", path=PERSONS)
    assert isinstance(error(box.ledger.write([wanted])[0]), UnknownOutcome)
    (found,) = box.reopen().find_by_key("contact", ["key"]).values()
    again = record(box.reopen().write([wanted])[0])
    assert again.ref == found.ref
    assert len(box.twin.all("person")) == 1


def test_nothing_is_sent_after_a_row_whose_outcome_is_unknown(box: PipedriveHarness) -> None:
    """An outage isn't met by each row of a batch: the rest wait; seen to fail without `stop`."""
    box.twin.fault(html(502), method="POST", path=PERSONS, times=None)
    first, second = box.ledger.write([new(box, "one"), new(box, "two")])
    assert isinstance(error(first), UnknownOutcome)
    assert type(error(second)) is TemporaryError
    assert box.ledger.calls["write"] == 1


@pytest.mark.parametrize("fault", [html(502), null_body(), html(200)])
def test_a_read_is_tried_again(box: PipedriveHarness, fault: Any) -> None:
    """A page or a null is no answer: reading asks again.

    Seen to fail with one attempt only, and with a page or a null taken for an empty answer.
    """
    person = made(box)
    box.twin.fault(fault, method="GET", path=f"/persons/{person.ref}")
    assert box.ledger.read("contact", [person.ref]) == {person.ref: person}


def test_a_success_that_says_false_is_none(box: PipedriveHarness) -> None:
    """200 with `success: false` is a refusal, nothing is told as written; seen to fail without the wire's check."""
    box.twin.fault(unsuccessful(), method="POST", path=PERSONS)
    assert isinstance(error(box.ledger.write([new(box)])[0]), PermanentError)


def test_a_burst_is_waited_out(box: PipedriveHarness, tmp_path: Path) -> None:
    """A refused call was not done, so even a write is sent again after the reset that the header names."""
    box.twin.fault(
        refused(429, "Rate limit exceeded", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0.05"}),
        method="POST",
        path=PERSONS,
    )
    record(box.ledger.write([new(box)])[0])
    assert box.ledger.calls["write"] == 2


def test_a_spent_day_stops_every_call_until_midnight(box: PipedriveHarness) -> None:
    """The daily 429's retry-after is not believed: nothing is sent before midnight.

    Seen to fail with retry-after believed, and with the day's 429 taken for a burst's.
    """
    person = made(box)
    box.twin.fault(too_many(daily=True), method="GET", path="/persons/")
    for _ in range(3):
        with pytest.raises(TemporaryError, match="midnight") as caught:
            box.ledger.read("contact", [person.ref])
        assert caught.value.retry_after_s is not None
        assert 14 * 3600 < caught.value.retry_after_s < 15.1 * 3600  # it is nine in the morning
    assert box.ledger.calls["get"] == 1
    box.advance(15.1 * 3600)
    assert box.ledger.read("contact", [person.ref]) == {person.ref: person}


def test_the_reserve_is_left_to_others(box: PipedriveHarness) -> None:
    """The last tokens of a day are not ours; seen to fail with the header not read."""
    person = made(box)
    box.twin.limits.daily_tokens = box.twin.spent + 150
    box.ledger.read("contact", [person.ref])
    with pytest.raises(TemporaryError, match="midnight"):
        box.ledger.read("contact", [person.ref])


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (refused(401), ConfigError, "token"),
        (refused(402), ConfigError, "paid"),
        (refused(403), ConfigError, "permission"),
        (refused(415), ConfigError, "off"),
        (html(403), TemporaryError, "blocks"),
        (refused(422), PermanentError, "refused"),
        (Status(302, "<html></html>", {"location": "https://elsewhere.test/"}), ConfigError, "elsewhere"),
    ],
)
def test_each_refusal_says_who_must_act(box: PipedriveHarness, fault: Any, kind: type[Exception], says: str) -> None:
    """The table of statuses; nobody follows a redirect with the token."""
    person = made(box)
    box.twin.fault(fault, method="GET", path="/persons/")
    with pytest.raises(kind, match=says):
        box.ledger.read("contact", [person.ref])


def test_the_token_is_in_no_address_and_in_no_error(box: PipedriveHarness) -> None:
    """It goes as a header, and what can't be reached is told without it; seen to fail with it told."""
    made(box)
    assert all(box.twin.token not in str(each) for each in box.twin.requests)
    box.twin.down()
    with pytest.raises(TemporaryError) as caught:
        box.reopen().account()
    assert box.twin.token not in repr(caught.value)


def test_what_others_added_to_a_person_is_left_alone(box: PipedriveHarness) -> None:
    """A new address takes the place of the first one, and a rep's others stay.

    Seen to fail with the list replaced.
    """
    person = made(box, email="old@x.test")
    both = [{"value": "old@x.test", "primary": True}, {"value": "home@x.test", "label": "home"}]
    box.twin.person_edits("person", int(person.ref), {"emails": both})
    record(box.ledger.write([Update("contact", person.ref, {"email": "new@x.test"})])[0])
    held = box.twin.value("person", int(person.ref), "emails")
    assert [(each["value"], each["primary"]) for each in held] == [("new@x.test", True), ("home@x.test", False)]
    record(box.ledger.write([Update("contact", person.ref, {"email": None})])[0])
    assert [each["value"] for each in box.twin.value("person", int(person.ref), "emails")] == ["home@x.test"]


def test_a_phone_is_found_in_whatever_spelling_it_stands(box: PipedriveHarness) -> None:
    """Search is asked by the digits, and what it finds is compared by number.

    Seen to fail with E.164 searched alone.
    """
    for spelling in ("+44 20 7946 0001", "020 7946 0001", "+442079460001"):
        person = made(box, key=spelling)
        box.twin.person_edits("person", int(person.ref), {"phones": [{"value": spelling}]})
    box.advance(60)
    (found,) = box.ledger.find("contact", [Identifier("phone", "+442079460001")]).values()
    assert len(found) == 3


def test_won_and_lost_are_stages(box: PipedriveHarness) -> None:
    """A deal is won by its stage, stands where it stood when it is opened again.

    Seen to fail with a stage written without the status `open`.
    """
    deal = made(box, "deal")
    (won,) = box.ledger.write([Update("deal", deal.ref, {"stage": "won"})])
    assert (record(won).fields["stage"], record(won).fields["closed"]) == ("won", True)
    (back,) = box.ledger.write([Update("deal", deal.ref, {"stage": deal.fields["stage"]})])
    assert record(back).fields["stage"] == deal.fields["stage"]
    assert "closed" not in record(back).fields


def test_the_way_through_the_stages_is_told_with_its_authors(box: PipedriveHarness) -> None:
    """Stage and status are one field to us: made by us, moved by a person, won by us.

    Seen to fail with the status left out.
    """
    deal = made(box, "deal")
    box.advance(60)
    box.twin.person_edits("deal", int(deal.ref), {"stage_id": 2})
    box.advance(60)
    box.ledger.write([Update("deal", deal.ref, {"stage": "won"})])
    edits = box.ledger.history("deal", [deal.ref], ["stage"])[deal.ref]
    told = [(edit.value, edit.author.kind) for edit in edits]
    assert told == [("1", AuthorKind.US), ("2", AuthorKind.PERSON), ("won", AuthorKind.US)]


def test_what_a_person_made_is_nobodys_as_far_as_can_be_told(box: PipedriveHarness) -> None:
    """A person's record doesn't bear our key, so its first values aren't ours; seen to fail with all ours."""
    ref = str(box.twin.person_creates("person", {"name": "Bob", "emails": [{"value": "bob@x.test"}]}))
    (edit,) = box.ledger.history("contact", [ref], ["email"])[ref]
    assert (edit.value, edit.author.kind) == ("bob@x.test", AuthorKind.UNKNOWN)


def test_a_merged_record_is_gone_and_found_by_its_address(box: PipedriveHarness) -> None:
    """Nobody tells what it was merged into, so nothing is guessed; seen to fail with the winner guessed."""
    winner, loser = made(box, key="one"), made(box, key="two")
    box.person_merges("contact", winner.ref, loser.ref)
    box.advance(60)
    assert box.ledger.read("contact", [loser.ref]) == {loser.ref: Gone("contact", loser.ref)}
    address = Identifier("email", str(loser.fields["email"]))
    assert [each.ref for each in box.ledger.find("contact", [address])[address]] == [winner.ref]


def test_a_note_is_known_again_by_another_process(box: PipedriveHarness) -> None:
    """The key in a note's last line is found and shown to nobody, also after it was rewritten.

    Seen to fail with a note made or rewritten without its mark, and with the mark shown.
    """
    person = made(box)
    note = made(box, "note", "note-key", Link("contact", person.ref))
    assert "[sidecar:" in box.twin.notes()[0]["content"]
    assert "[sidecar:" not in str(note.fields["body"])
    record(box.ledger.write([Update("note", note.ref, {"body": "rewritten <b>"})])[0])
    found = box.reopen().find_by_key("note", ["note-key", "another"])
    assert {key: each.ref for key, each in found.items()} == {"note-key": note.ref}
    assert found["note-key"].fields["body"] == "rewritten <b>"


def test_meetings_and_tasks_are_two_kinds(box: PipedriveHarness) -> None:
    """One list holds both, and neither is taken for the other.

    Seen to fail with the type not looked at, by reading as by the feed.
    """
    person = made(box)
    to = Link("contact", person.ref)
    task, meeting = made(box, "task", "t", to), made(box, "meeting", "m", to)
    assert [each.ref for each in box.ledger.linked("task", [to])[to]] == [task.ref]
    assert box.ledger.read("task", [meeting.ref]) == {meeting.ref: Gone("task", meeting.ref)}
    start = box.ledger.changed(None)
    box.advance(60)
    box.twin.person_edits("activity", int(task.ref), {"done": True})
    box.twin.person_edits("activity", int(meeting.ref), {"done": True})
    seen = box.ledger.changed(start.cursor).refs
    assert {("task", task.ref), ("meeting", meeting.ref)} == set(seen)
    assert box.ledger.read("meeting", [meeting.ref])[meeting.ref].fields["status"] == "attended"  # type: ignore[union-attr]


def test_an_edit_within_the_second_of_another_is_named(box: PipedriveHarness) -> None:
    """A time of update knows whole seconds: what was named may change again under the same one, and is named again.

    Seen to fail with all that was named kept out, and a rep's edit right behind a write of ours lost to the feed.
    """
    person = made(box)
    start = box.ledger.changed(None)
    box.advance(60)
    box.twin.person_edits("person", int(person.ref), {"name": "Ann"})
    first = box.ledger.changed(start.cursor)
    box.twin.person_edits("person", int(person.ref), {"name": "Ann Lee"})
    second = box.ledger.changed(first.cursor)
    box.advance(5)
    third = box.ledger.changed(second.cursor)
    assert [page.refs for page in (first, second, third)] == [(("contact", person.ref),)] * 3
    assert box.ledger.changed(third.cursor).refs == ()


def test_a_person_without_a_name_goes_by_the_address(box: PipedriveHarness) -> None:
    """Pipedrive keeps nobody without a name; seen to fail without the address in its place."""
    (written,) = box.ledger.write([Create("contact", "key", {"email": "ann@x.test"})])
    assert record(written).fields["name"] == "ann@x.test"


def test_a_deleted_deal_is_not_written_to(box: PipedriveHarness) -> None:
    """An update of what a person deleted is refused; the feed names it.

    Seen to fail with the deleted ones not listed by the feed.
    """
    deal = made(box, "deal")
    start = box.ledger.changed(None)
    box.advance(60)
    box.person_deletes("deal", deal.ref)
    assert isinstance(error(box.ledger.write([Update("deal", deal.ref, {"amount": 7})])[0]), RecordGone)
    assert ("deal", deal.ref) in box.ledger.changed(start.cursor).refs


def test_what_it_costs_is_counted_as_pipedrive_counts(box: PipedriveHarness) -> None:
    """Our count of tokens is the company's; seen to fail with the cost of a read, a write or a changelog mistaken."""
    before, counted = box.twin.spent, box.ledger.wire.tokens
    person = made(box)
    made(box, "deal", "d", Link("contact", person.ref))
    box.ledger.history("contact", [person.ref], ["name"])
    assert box.ledger.wire.tokens - counted == box.twin.spent - before


@pytest.mark.parametrize("spec", [*PROPERTIES, replace(PROPERTIES[0], label="")])
def test_a_fields_name_says_what_we_call_it(box: PipedriveHarness, spec: FieldSpec) -> None:
    """What provisioning names is read back as the same specification.

    Seen to fail without the parentheses, and without the mark of a time.
    """
    told = box.ledger.schema("contact")[spec.name]
    assert (told.type, told.ours) == (spec.type, True)
    assert name_for(FieldSpec("ai_summary", "text", "AI Summary")) == "AI Summary"


def test_without_an_address_or_rights_check_says_what_to_do(box: PipedriveHarness, tmp_path: Path) -> None:
    """The operator reads one line for each thing that is wrong, and no token; seen to fail with the errors raised."""
    nowhere = PipedriveLedger("crm", PipedriveOptions(), Context(lambda: box.now, Own(), tmp_path, lambda e, f: "x"))
    assert any("crm.base_url" in line for line in nowhere.check())
    box.twin.fault(refused(403), method="GET", path="/dealFields", times=None)
    assert any("permission" in line for line in box.reopen().check())


@pytest.mark.parametrize("url", ["http://yours.pipedrive.com", "https://u:p@x.test", "https://x.test/v1", "yours"])
def test_the_token_goes_to_no_unsafe_place(url: str) -> None:
    """Only https, only a host; seen to fail without the validator."""
    with pytest.raises(ValidationError):
        PipedriveOptions(base_url=url)
