"""The local CRM beyond the contract: its duplicate rules, its defaults, its lag, and what people do in it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.crms.local import PERSON, LocalLedger, LocalOptions
from sidecar.errors import ConfigError, PermanentError, RecordGone
from sidecar.model import Author, AuthorKind, Gone, Identifier, Link, Own, Record, Value
from sidecar.ports import Context, Create, Failed, FieldSpec, Update, Written

ROBOT = Author(AuthorKind.AUTOMATION, "workflow-7", "Tidying")


class Office:
    """A local CRM and a clock that the test moves."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.now = datetime(2026, 1, 5, 9, tzinfo=UTC)
        context = Context(lambda: self.now, Own(default_region="GB"), folder, lambda env, file: "")
        self.ledger = LocalLedger("crm", LocalOptions.model_validate({"path": "crm.db", **options}), context)

    def create(
        self, key: str, kind: str = "contact", links: tuple[Link, ...] = (), **fields: Value
    ) -> Written | Failed:
        """Create one record as the sidecar does."""
        return self.ledger.write([Create(kind, key, fields, links)])[0]

    def made(self, key: str, kind: str = "contact", links: tuple[Link, ...] = (), **fields: Value) -> Record:
        """Create one record that must be made."""
        result = self.create(key, kind, links, **fields)
        assert isinstance(result, Written), result
        return result.record

    def found(self, kind: str, value: str) -> list[str]:
        """Return the refs found by an identifier."""
        wanted = Identifier(kind, value)
        return [record.ref for record in self.ledger.find("contact", [wanted])[wanted]]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with one owner."""
    return Office(tmp_path, owners={"7": "ann@ours.test"})


def refused(result: Written | Failed) -> Exception:
    """Return why a row was refused."""
    assert isinstance(result, Failed), result
    return result.error


def test_an_address_belongs_to_one_live_contact(office: Office) -> None:
    """A duplicate is refused by its holder's ref, in any case of letters; seen to fail without the check."""
    ann = office.made("ann", email="Ann@x.test")
    for error in (
        refused(office.create("twin", email="ann@X.test")),
        refused(office.ledger.write([Update("contact", office.made("bob").ref, {"email": "ANN@x.test"})])[0]),
    ):
        assert isinstance(error, PermanentError)
        assert ann.ref in str(error)
        assert "x.test" not in str(error)
    with pytest.raises(PermanentError, match=ann.ref):
        office.ledger.create_by_person("contact", {"email": "ann@x.test"})
    assert office.found("email", "ann@x.test") == [ann.ref]
    assert office.made("ann", email="Ann@x.test").ref == ann.ref
    office.ledger.delete("contact", ann.ref)
    assert office.made("twin", email="ann@x.test").ref != ann.ref


def test_a_duplicate_within_one_batch_is_refused_alone(office: Office) -> None:
    """Rows of one batch see each other; seen to fail with the check made before the batch."""
    rows = [Create("contact", key, {"email": "ann@x.test"}) for key in ("a", "b", "a")]
    first, second, third = office.ledger.write(rows)
    assert isinstance(first, Written)
    assert first.record.ref in str(refused(second))
    assert isinstance(third, Written)
    assert third.record.ref == first.record.ref


def test_companies_may_share_addresses_of_any_kind(office: Office) -> None:
    """Only a contact's e-mail address is unique; seen to fail with the rule for every kind."""
    one, two = (office.made(key, "company", domain="x.test", phone="+442079460123") for key in ("a", "b"))
    for shared in (Identifier("domain", "X.test"), Identifier("phone", "+442079460123")):
        found = office.ledger.find("company", [shared])[shared]
        assert [record.ref for record in found] == [one.ref, two.ref]


def test_a_number_that_a_person_typed_is_found(office: Office) -> None:
    """A rep's "020 7946 0123" is the caller's number; seen to fail with numbers compared as typed."""
    ann = office.ledger.create_by_person("contact", {"phone": "020 7946 0123"})
    assert office.found("phone", "+442079460123") == [ann.ref]
    assert ann.fields["phone"] == "020 7946 0123"


def test_what_a_person_deleted_is_not_made_again(office: Office) -> None:
    """The same key after a deletion is refused as gone; seen to fail with the key freed."""
    task = office.made("call", "task", title="Call back")
    office.ledger.delete("task", task.ref)
    error = refused(office.create("call", "task", title="Call back"))
    assert isinstance(error, RecordGone)
    assert error.moved_to is None
    assert office.ledger.show("task") == []


def test_the_key_of_a_merged_record_leads_to_the_survivor(office: Office) -> None:
    """A creation repeated after a merge makes no third record; seen to fail with the key freed."""
    lost, kept = office.made("a"), office.made("b")
    office.ledger.merge("contact", kept.ref, lost.ref)
    error = refused(office.create("a"))
    assert isinstance(error, RecordGone)
    assert error.moved_to == kept.ref


def test_one_key_may_name_records_of_two_kinds(office: Office) -> None:
    """A key is the kind's own; seen to fail with keys unique over all kinds."""
    assert office.made("same").kind == "contact"
    assert office.made("same", "note").kind == "note"
    assert isinstance(refused(office.create("")), PermanentError)


def test_a_merge_keeps_the_winners_values_and_fills_its_gaps(office: Office) -> None:
    """Nothing that only the loser knew is lost; seen to fail with the loser's values dropped, and with them winning."""
    winner = office.made("w", name="Ann", email="ann@x.test")
    loser = office.made("l", name="A. B.", email="ann@home.test", phone="+442079460123")
    deal = office.made("d", "deal", (Link("contact", loser.ref),))
    pair = office.made("p", "deal", (Link("contact", loser.ref), Link("contact", winner.ref)))
    office.now += timedelta(hours=1)
    merged = office.ledger.merge("contact", winner.ref, loser.ref)
    assert merged.fields == {"name": "Ann", "email": "ann@x.test", "phone": "+442079460123"}
    assert set(merged.links) == {Link("deal", deal.ref), Link("deal", pair.ref)}
    (contacts,) = office.ledger.linked("contact", [Link("deal", pair.ref)]).values()
    assert [r.ref for r in contacts] == [winner.ref]
    history = office.ledger.history("contact", [winner.ref], ["name", "phone"])[winner.ref]
    assert [(e.field, e.author.kind) for e in history] == [("name", AuthorKind.US), ("phone", AuthorKind.PERSON)]
    assert history[-1].at == office.now
    assert office.found("email", "ann@home.test") == [winner.ref]
    assert winner.ref in str(refused(office.create("new", email="ann@home.test")))


def test_an_address_that_came_by_a_merge_goes_when_it_is_replaced(office: Office) -> None:
    """A filled gap is a value like any other; seen to fail with it still indexed as a former address."""
    winner, loser = office.made("w"), office.made("l", email="old@x.test")
    office.ledger.merge("contact", winner.ref, loser.ref)
    assert office.found("email", "old@x.test") == [winner.ref]
    office.ledger.edit("contact", winner.ref, {"email": "new@x.test"})
    assert office.found("email", "old@x.test") == []
    assert office.made("free", email="old@x.test").ref != winner.ref


def test_a_merge_brings_no_stage_from_another_pipeline(tmp_path: Path) -> None:
    """A merged deal still stands in its own pipeline; seen to fail with every gap filled."""
    pipelines = [{"ref": "sales", "stages": ["new"]}, {"ref": "repairs", "stages": ["asked"]}]
    office = Office(tmp_path, pipelines=pipelines)
    winner = office.made("w", "deal", pipeline="sales")
    loser = office.made("l", "deal", pipeline="repairs", stage="asked", amount=5)
    assert office.ledger.merge("deal", winner.ref, loser.ref).fields == {"pipeline": "sales", "amount": 5}


def test_a_merge_with_itself_or_the_gone_is_refused(office: Office) -> None:
    """A slip of the hand makes no record vanish; seen to fail without the comparison."""
    ann, gone = office.made("a"), office.made("g")
    office.ledger.delete("contact", gone.ref)
    with pytest.raises(PermanentError, match="itself"):
        office.ledger.merge("contact", ann.ref, ann.ref)
    for winner, loser in ((ann.ref, gone.ref), (gone.ref, ann.ref), (ann.ref, "contact-999")):
        with pytest.raises(RecordGone):
            office.ledger.merge("contact", winner, loser)
    assert [r.ref for r in office.ledger.show("contact")] == [ann.ref]


def test_a_survivor_that_is_deleted_is_still_where_the_merged_one_went(office: Office) -> None:
    """Who follows a merge into the recycle bin learns both; seen to fail with `moved_to` cleared by the deletion."""
    lost, kept = office.made("a"), office.made("b")
    office.ledger.merge("contact", kept.ref, lost.ref)
    office.ledger.delete("contact", kept.ref)
    assert office.ledger.read("contact", [lost.ref, kept.ref]) == {
        lost.ref: Gone("contact", lost.ref, kept.ref),
        kept.ref: Gone("contact", kept.ref),
    }


def test_a_deal_lands_in_the_first_pipeline_by_the_crms_own_hand(office: Office) -> None:
    """What we didn't write isn't told as ours, and a stage is never made up; seen to fail with the default by US."""
    deal = office.made("d", "deal", stage="enquired")
    assert deal.fields == {"pipeline": "sales", "stage": "enquired"}
    history = office.ledger.history("deal", [deal.ref], ["pipeline", "stage"])[deal.ref]
    assert [(e.field, e.author.kind) for e in history] == [
        ("pipeline", AuthorKind.AUTOMATION), ("stage", AuthorKind.US)
    ]  # fmt: skip
    assert office.made("e", "deal").fields == {"pipeline": "sales"}
    error = refused(office.ledger.write([Update("deal", deal.ref, {"pipeline": None})])[0])
    assert isinstance(error, PermanentError)


def test_search_is_blind_to_the_young_for_its_lag_only(tmp_path: Path) -> None:
    """The declared lag is real, and the key sees through it; seen to fail with the lag only declared."""
    office = Office(tmp_path, search_lag_s=30)
    ann = office.made("ann", email="ann@x.test")
    office.now += timedelta(seconds=29)
    assert office.found("email", "ann@x.test") == []
    assert [*office.ledger.find_by_key("contact", ["ann"])] == ["ann"]
    assert ann.ref in str(refused(office.create("twin", email="ann@x.test")))
    office.now += timedelta(seconds=1)
    assert office.found("email", "ann@x.test") == [ann.ref]


def test_a_clock_set_back_hides_nothing(office: Office) -> None:
    """Without a lag no record is too young to be found; seen to fail with the comparison made regardless."""
    ann = office.made("ann", email="ann@x.test")
    office.now -= timedelta(hours=3)
    assert office.found("email", "ann@x.test") == [ann.ref]


def test_every_write_makes_a_new_version_and_a_note_only_of_what_changed(office: Office) -> None:
    """A value typed again is no edit, and yet a write; seen to fail with every named field noted."""
    ann = office.made("ann", name="Ann", phone="1")
    office.now += timedelta(hours=1)
    again = office.ledger.edit("contact", ann.ref, {"name": "Ann", "phone": "2"})
    assert again.version != ann.version
    assert again.updated_at == office.now
    history = office.ledger.history("contact", [ann.ref], ["name", "phone"])[ann.ref]
    assert [(e.field, e.value, e.author) for e in history[2:]] == [("phone", "2", PERSON)]


def test_people_and_automations_create_by_their_own_name(office: Office) -> None:
    """A record that a person typed has no key and is theirs from the start; seen to fail with US as its author."""
    typed = office.ledger.create_by_person("contact", {"name": "Ann"})
    imported = office.ledger.create_by_person("contact", {"name": "Bob"}, author=ROBOT)
    history = office.ledger.history("contact", [typed.ref, imported.ref], ["name"])
    assert history[typed.ref][0].author == PERSON
    assert history[imported.ref][0].author == ROBOT


def test_people_are_held_to_the_same_types(office: Office) -> None:
    """The screens of a CRM refuse what its properties can't hold; seen to fail with people's values unchecked."""
    deal = office.made("d", "deal")
    with pytest.raises(PermanentError):
        office.ledger.edit("deal", deal.ref, {"stage": "somewhere"})
    with pytest.raises(ConfigError):
        office.ledger.edit("deal", deal.ref, {"mood": "good"})
    assert office.ledger.show("deal", deal.ref)[0].fields == deal.fields


def test_history_and_links_of_what_is_gone_or_unknown_are_told(office: Office) -> None:
    """An unknown property is the operator's, a gone record has no answer; seen to fail with empty answers for both."""
    ann, gone = office.made("a", name="Ann"), office.made("g", name="Bob")
    office.ledger.delete("contact", gone.ref)
    assert [*office.ledger.history("contact", [ann.ref, gone.ref], ["name"])] == [ann.ref]
    with pytest.raises(ConfigError, match=r"contact\.mood"):
        office.ledger.history("contact", [ann.ref], ["mood"])
    assert office.ledger.linked("deal", [Link("contact", gone.ref)]) == {}


def test_the_feed_comes_in_bounded_pages_and_ends(office: Office) -> None:
    """A long absence is caught up page by page, each record once; seen to fail with the page's first seq as cursor."""
    start = office.ledger.changed(None).cursor
    made = [office.made(f"k{n}").ref for n in range(205)]
    office.ledger.edit("contact", made[0], {"name": "Ann"})
    pages, cursor = [], start
    for _ in range(10):
        page = office.ledger.changed(cursor)
        if not page.refs:
            break
        pages.append([ref for _, ref in page.refs])
        cursor = page.cursor
    assert [len(page) for page in pages] == [100, 100, 5]
    assert [ref for page in pages for ref in page] == [*made[1:], made[0]]
    assert office.ledger.changed(cursor).cursor == cursor


@pytest.mark.parametrize("cursor", [{}, {"seq": 10**9}, {"seq": -1}, {"seq": "1"}, {"after": 3}])
def test_a_cursor_from_elsewhere_reads_from_the_beginning(office: Office, cursor: dict[str, object]) -> None:
    """A restored file makes us look twice rather than miss an edit; seen to fail with the cursor believed."""
    ann = office.made("ann")
    assert list(office.ledger.changed(cursor).refs) == [("contact", ann.ref)]


def test_show_lists_live_records_oldest_first_and_bounded(office: Office) -> None:
    """The list that people see has no dead rows and an end; seen to fail with dead rows shown."""
    refs = [office.made(f"k{n}").ref for n in range(4)]
    note = office.made("n", "note").ref
    office.ledger.delete("contact", refs[1])
    assert [r.ref for r in office.ledger.show()] == [refs[0], refs[2], refs[3], note]
    assert [r.ref for r in office.ledger.show("contact", limit=2)] == [refs[0], refs[2]]
    assert office.ledger.show("contact", refs[1]) == []


def test_one_wish_twice_is_one_property(office: Office) -> None:
    """Two fields mapped to one property don't collide; seen to fail with the schema read once."""
    spec = FieldSpec("ai_mood", "enum", options=("good",))
    wider = FieldSpec("ai_mood", "enum", options=("good", "bad"))
    assert office.ledger.provision({"deal": [spec, wider, spec]}, False) == [
        "create deal.ai_mood (enum: good)",
        "add bad to deal.ai_mood",
    ]
    assert office.ledger.schema("deal")["ai_mood"].options == ("good", "bad")


@pytest.mark.parametrize(
    "options",
    [
        {"colour": "red"},
        {"search_lag_s": -1},
        {"account": ""},
        {"pipelines": []},
        {"pipelines": [{"ref": "a", "stages": []}]},
        {"pipelines": [{"ref": "a", "stages": ["x"]}, {"ref": "a", "stages": ["y"]}]},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    """A slip in the config is told at start; seen to fail with `extra` ignored and without the bounds."""
    with pytest.raises(ValidationError):
        LocalOptions.model_validate(options)
