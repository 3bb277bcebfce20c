"""Reading Salesforce: who wrote what, what changed, who is meant, where records went, and how an org is furnished."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.crms.salesforce import feed as feeding
from sidecar.errors import ConfigError
from sidecar.model import AuthorKind, Gone, Identifier, Link, Record, Source
from sidecar.ports import Condition, Create, FieldSpec, Update, View, Written
from tests.support.harnesses import PROPERTIES
from tests.support.orgs import SalesforceHarness, org
from tests.twins.salesforce import refused

US, PERSON, MACHINE, NOBODY = AuthorKind.US, AuthorKind.PERSON, AuthorKind.AUTOMATION, AuthorKind.UNKNOWN


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SalesforceHarness]:
    """An org with our fields."""
    with org(tmp_path) as made:
        yield made


def made(house: SalesforceHarness, kind: str, key: str, *links: Link, **fields: Any) -> Record:
    """Make a record."""
    (result,) = house.ledger.write([Create(kind, key, {**house.sample(kind), **fields}, links)])
    assert isinstance(result, Written), result
    return result.record


def told(house: SalesforceHarness, kind: str, ref: str, name: str) -> list[tuple[Any, AuthorKind]]:
    """Return the values of a field with their authors, oldest first."""
    return [(edit.value, edit.author.kind) for edit in house.ledger.history(kind, [ref], [name])[ref]]


# Who wrote what -----------------------------------------------------------------------------------------------------


def test_of_a_long_text_the_last_author_is_told(house: SalesforceHarness) -> None:
    """Its history says only that it changed; seen to fail with its empty values taken for a clearing."""
    ann = made(house, "contact", "k1", ai_summary="ours")
    house.person_edits("contact", ann.ref, {"ai_summary": "typed"})
    assert told(house, "contact", ann.ref, "ai_summary") == [("(not kept)", US), ("typed", PERSON)]


def test_of_a_field_without_history_only_so_much_is_told(house: SalesforceHarness) -> None:
    """Ours while nobody else touched the record, a person's if a person did last, else nobody's."""
    ann = made(house, "contact", "k1")
    assert told(house, "contact", ann.ref, "email")[0][1] is US
    house.person_edits("contact", ann.ref, {"email": "typed@x.test"})
    assert told(house, "contact", ann.ref, "email") == [("typed@x.test", PERSON)]
    house.ledger.write([Update("contact", ann.ref, {"ai_score": 1})])
    assert told(house, "contact", ann.ref, "email") == [("typed@x.test", NOBODY)]
    house.automation_edits("contact", ann.ref, {"email": "flow@x.test"})
    assert told(house, "contact", ann.ref, "email") == [("flow@x.test", NOBODY)]


def test_counting_guesses_nothing(house: SalesforceHarness) -> None:
    """A walk tells a field without history as its maker's while the record is as it was made, then as nobody's."""
    typed = house.twin.person_creates("contact", {"LastName": "Bee", "Email": "bee@x.test"})

    def sources() -> list[Source]:
        (trail,) = house.ledger.walk("contact", None, ["email"]).trails
        return [source for _, source in trail.edits]

    assert sources() == [Source.PERSON]
    house.person_edits("contact", typed, {"phone": "+442079460001"})
    assert sources() == [Source.UNKNOWN]


def test_what_was_there_before_history_began_is_nobodys(tmp_path: Path) -> None:
    """An admin turns tracking on later; seen to fail with the maker of the record believed."""
    with org(tmp_path) as house:
        house.twin.org.history.tracked.pop("Contact")
        ann = made(house, "contact", "k1")
        house.twin.tracks("contact", "Email", "ai_score__c")
        assert told(house, "contact", ann.ref, "email") == [(ann.fields["email"], NOBODY)]


def test_an_owner_is_told_by_id(house: SalesforceHarness) -> None:
    """The history of a reference has two rows, one with names; seen to fail with both read."""
    house.twin.tracks("deal", "OwnerId", "StageName")
    deal = made(house, "deal", "d1")
    house.advance(1)
    house.twin.person_edits("deal", deal.ref, {"OwnerId": house.twin.bob})
    assert told(house, "deal", deal.ref, "owner") == [(deal.fields["owner"], US), (house.twin.bob, PERSON)]


def test_a_stage_that_a_flow_moved_is_a_machines(house: SalesforceHarness) -> None:
    """Whose edits are no person's is configured, for Salesforce tells only a user."""
    house.twin.tracks("deal", "StageName")
    deal = made(house, "deal", "d1")
    house.automation_edits("deal", deal.ref, {"StageName": "Closed Won"})
    assert told(house, "deal", deal.ref, "stage")[-1] == ("Closed Won", MACHINE)
    assert house.ledger.read("deal", [deal.ref])[deal.ref].fields["closed"] is True  # type: ignore[union-attr]


# What changed -------------------------------------------------------------------------------------------------------


def test_what_changes_within_a_second_of_being_named_is_named_again(house: SalesforceHarness) -> None:
    """Stamps are whole seconds: seen to fail with such a record taken for told."""
    ann = made(house, "contact", "k1")
    house.advance(120)
    cursor = house.ledger.changed(None).cursor
    house.advance(120)
    house.twin.person_edits("contact", ann.ref, {"LastName": "First"})
    first = house.ledger.changed(cursor)
    house.twin.person_edits("contact", ann.ref, {"LastName": "Second"})
    assert list(house.ledger.changed(first.cursor).refs) == []
    house.advance(2)
    again = house.ledger.changed(first.cursor)
    assert list(again.refs) == [("contact", ann.ref)]
    assert list(house.ledger.changed(again.cursor).refs) == []


def test_a_feed_of_many_pages_misses_none_of_one_second(
    house: SalesforceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data load stamps thousands of records alike; seen to fail with pages that go on behind the second."""
    monkeypatch.setattr(feeding, "PAGE", 3)
    cursor = house.ledger.changed(None).cursor
    house.advance(120)
    made_ = {house.twin.person_creates("contact", {"LastName": f"N{n}"}) for n in range(8)}
    house.advance(120)
    seen: list[str] = []
    for _ in range(10):
        page = house.ledger.changed(cursor)
        seen += [ref for _, ref in page.refs]
        cursor = page.cursor
    assert sorted(seen) == sorted(made_)


def test_a_look_for_changes_is_one_call(house: SalesforceHarness) -> None:
    """Every thirty seconds, all day: the day's calls must last; seen to fail with a call for each object."""
    cursor = house.ledger.changed(None).cursor
    house.advance(60)
    before = house.twin.limits.used()
    house.ledger.changed(cursor)
    assert house.twin.limits.used() - before == 1


def test_a_change_by_the_system_itself_is_news(house: SalesforceHarness) -> None:
    """Only `SystemModstamp` moves then."""
    ann = made(house, "contact", "k1")
    house.advance(120)
    cursor = house.ledger.changed(None).cursor
    house.advance(120)
    house.twin.system_touches("contact", ann.ref)
    assert ("contact", ann.ref) in house.ledger.changed(cursor).refs


# Who is meant, and where records went -------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["+44 20 7946 0001", "020 7946 0001", "(020) 7946-0001", "+442079460001"])
def test_a_number_is_found_however_it_was_typed(house: SalesforceHarness, typed: str) -> None:
    """In any field for numbers; another number with the same digits inside isn't taken for it."""
    ann = house.twin.person_creates("contact", {"LastName": "Ann", "MobilePhone": typed})
    house.twin.person_creates("contact", {"LastName": "Bob", "Phone": "+4420794600019"})
    wanted = Identifier("phone", "+442079460001")
    assert [each.ref for each in house.ledger.find("contact", [wanted])[wanted]] == [ann]


@pytest.mark.parametrize("website", ["https://www.roofs.test/about", "ROOFS.test", "http://roofs.test:80"])
def test_a_company_is_found_by_its_domain(house: SalesforceHarness, website: str) -> None:
    """However its website was typed; a longer domain isn't taken for it."""
    roofs = house.twin.person_creates("company", {"Name": "Roofs", "Website": website})
    house.twin.person_creates("company", {"Name": "Other", "Website": "notroofs.test"})
    wanted = Identifier("domain", "roofs.test")
    assert [each.ref for each in house.ledger.find("company", [wanted])[wanted]] == [roofs]


@pytest.mark.parametrize("value", ["' OR Email != '", "x\\' OR Id != \\'", "%", "_@x.test", "a\nb@x.test"])
def test_no_identifier_finds_everybody(house: SalesforceHarness, value: str) -> None:
    """What a sender writes into an address is data."""
    made(house, "contact", "k1")
    for kind, what in (("contact", "email"), ("contact", "phone"), ("company", "domain")):
        wanted = Identifier(what, value)
        assert house.ledger.find(kind, [wanted])[wanted] == []
    assert house.ledger.read("contact", [value])[value] == Gone("contact", value)
    assert house.ledger.find_by_key("contact", [value]) == {}


def test_a_task_that_a_rep_completes_stays_a_task(house: SalesforceHarness) -> None:
    """Notes are completed tasks as well, and are told apart by our key; seen to fail with the status asked."""
    ann = made(house, "contact", "k1")
    task = made(house, "task", "t1", Link("contact", ann.ref))
    note = made(house, "note", "n1", Link("contact", ann.ref))
    house.twin.person_edits("task", task.ref, {"Status": "Completed"})
    read = house.ledger.read("task", [task.ref, note.ref])
    assert read[task.ref].fields["status"] == "done"  # type: ignore[union-attr]
    assert read[note.ref] == Gone("task", note.ref)
    link = Link("contact", ann.ref)
    assert [each.ref for each in house.ledger.linked("note", [link])[link]] == [note.ref]
    assert [each.ref for each in house.ledger.linked("task", [link])[link]] == [task.ref]


def test_each_record_type_is_a_pipeline_with_its_own_stages(house: SalesforceHarness) -> None:
    """As the org's sales processes say; a stage of another one is refused."""
    roofs = house.twin.adds_record_type("deal", "Roofs", ["Prospecting", "Closed Won", "Closed Lost"])
    walls = house.twin.adds_record_type("deal", "Walls", ["Qualification", "Closed Won", "Closed Lost"])
    ledger = house.reopen()
    assert {p.ref: [stage for stage, _ in p.stages] for p in ledger.pipelines()} == {
        roofs: ["Prospecting", "Closed Won", "Closed Lost"],
        walls: ["Qualification", "Closed Won", "Closed Lost"],
    }
    wanted = {**house.sample("deal"), "pipeline": walls, "stage": "Qualification"}
    (result,) = ledger.write([Create("deal", "d1", wanted)])
    assert isinstance(result, Written)
    assert result.record.fields["pipeline"] == walls
    (wrong,) = ledger.write([Update("deal", result.record.ref, {"stage": "Prospecting"})])
    assert not isinstance(wrong, Written)


# How an org is furnished --------------------------------------------------------------------------------------------


def test_check_names_what_is_missing_with_its_remedy(tmp_path: Path) -> None:
    """Before provisioning, without a right, and with an object that may not be seen; nothing when all is well."""
    with org(tmp_path, provisioned=False) as house:
        assert any("Contact.AI_Sidecar_Key__c" in line and "provision" in line for line in house.ledger.check())
        house.ledger.provision({"contact": PROPERTIES}, False)
        assert list(house.ledger.check()) == []
        house.twin.switches.hidden = {"Event"}
        assert any("may not see Event" in line for line in house.ledger.check())
        house.twin.switches.hidden = set()
        house.twin.limits.others = house.twin.limits.daily - 5_000
        assert any("calls of the day are left" in line for line in house.ledger.check())


def test_check_names_the_fields_whose_history_is_not_kept(tmp_path: Path) -> None:
    """Nobody could tell a person's edit of them; where an org tracks nothing the fields are made all the same.

    Where it is all of them they are counted, and none is spelt out.
    """
    with org(tmp_path, provisioned=False) as house:
        tracked = house.twin.org.history.tracked
        kept = tracked.pop("Contact")
        house.ledger.provision({"contact": PROPERTIES}, False)
        (line,) = house.ledger.check()
        assert f"history of all {len(PROPERTIES)} AI fields of Contact isn't kept" in line
        tracked["Contact"] = {*kept, "ai_stage__c"}
        (line,) = house.reopen().check()
        assert "history of ai_summary__c, ai_score__c of Contact isn't kept" in line


def test_a_field_that_nobody_may_see_is_granted_and_not_made_again(house: SalesforceHarness) -> None:
    """An admin made it, or took the permission away: that is said by name; seen to fail with a second field made."""
    for each in list(house.twin.all("FieldPermissions")):
        if each.values["Field"] == "Contact.ai_score__c":
            del house.twin.org.records["FieldPermissions"][each.id]
    ledger = house.reopen()
    assert "ai_score" not in ledger.schema("contact")
    lines = list(ledger.provision({"contact": PROPERTIES}, False))
    assert lines == ["let the integration user write Contact.ai_score__c"]
    assert "ai_score" in ledger.schema("contact")


def test_keys_of_activities_need_not_be_external_ids(tmp_path: Path) -> None:
    """Not every org lets a field of activities be one: then the key is looked for before anything is made."""
    with org(tmp_path, activity_external_ids=False) as house:
        first, second = made(house, "task", "t1"), made(house, "task", "t1")
        assert first.ref == second.ref
        assert not house.twin.org.sobjects["Task"].fields["AI_Sidecar_Key__c"].externalId


def test_what_the_api_may_not_make_is_told_to_the_admin(tmp_path: Path) -> None:
    """The permission set, a field, a list: each with what to do by hand, and with nothing half done in silence."""
    with org(tmp_path, provisioned=False) as house:
        house.twin.fault(refused(403, "INSUFFICIENT_ACCESS"), path="tooling/query")
        with pytest.raises(ConfigError, match="Customize Application"):
            house.ledger.provision({"contact": PROPERTIES}, False)
        house.twin.fault(refused(400, "FIELD_INTEGRITY_EXCEPTION"), path="CustomField", method="POST", times=2)
        with pytest.raises(ConfigError, match=r"Contact\.ai_summary__c can't be made"):
            house.ledger.provision({"contact": PROPERTIES}, False)
        house.ledger.provision({"contact": PROPERTIES}, False)
        house.twin.switches.list_views = False
        view = View("Ready for action", "contact", (Condition("ai_score", at_least=60),), ("name", "ai_score"))
        with pytest.raises(ConfigError, match="an admin makes it on Contact, where ai_score at least 60"):
            house.ledger.provision({"contact": PROPERTIES}, False, [view])


def test_lists_for_people_are_made_with_their_filters(house: SalesforceHarness) -> None:
    """By the labels that people see, for everybody."""
    view = View(
        "Waiting for a person",
        "contact",
        (Condition("ai_stage", ("enquired", "booked")), Condition("ai_score", at_least=60)),
        ("name", "ai_stage"),
        "ai_score",
    )
    (line,) = house.ledger.provision({"contact": PROPERTIES}, False, [view])
    assert "ai_score" in line
    (held,) = house.twin.org.list_views.values()
    assert [(f["fieldApiName"], f["operator"], f["operandLabels"]) for f in held["filteredByInfo"]] == [
        ("ai_stage__c", "Equals", ["Enquired", "Booked"]),
        ("ai_score__c", "GreaterOrEqual", ["60"]),
    ]
    assert [column["fieldApiName"] for column in held["displayColumns"]] == ["Name", "ai_stage__c"]
    assert held["visibility"] == "Public"


def test_everything_goes_with_the_last_field(house: SalesforceHarness) -> None:
    """Keys, times, outcomes and the permission set stay while a field of ours does, and no longer."""
    assert not any("permission set" in line for line in house.ledger.deprovision({"deal": PROPERTIES}, False))
    lines = list(house.ledger.deprovision({"contact": PROPERTIES}, False))
    assert "permission set" in lines[-1]
    assert not [each for each in house.twin.all("PermissionSet") if each.values["Name"] == "AI_Sidecar"]
    assert not [name for name in house.twin.org.sobjects["Task"].fields if name.startswith("AI_")]


@pytest.mark.parametrize("name", ["ai__two", "ai_", "score", "ai_Upper", "ai_" + "x" * 50])
def test_a_name_that_salesforce_could_not_keep_is_refused(house: SalesforceHarness, name: str) -> None:
    """Before anything is made."""
    spec = replace(PROPERTIES[2], name=name)
    with pytest.raises(ConfigError):
        house.ledger.provision({"contact": [FieldSpec("ai_other", ours=True), spec]}, False)
    assert "ai_other" not in house.ledger.schema("contact")


def test_what_an_org_is_like_is_asked_for_seldom(house: SalesforceHarness) -> None:
    """Fields, stages and users are remembered, and looked up again after a while; seen to fail without the memory."""
    ann = made(house, "contact", "k1")
    before = house.ledger.calls["describe"]
    for _ in range(3):
        house.ledger.read("contact", [ann.ref])
    assert house.ledger.calls["describe"] == before
    house.advance(timedelta(minutes=11).total_seconds())
    house.ledger.read("contact", [ann.ref])
    assert house.ledger.calls["describe"] > before
