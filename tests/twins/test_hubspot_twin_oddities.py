"""Each of HubSpot's oddities, seen once on the twin: whoever is proved against it has met them all."""

from typing import Any

import pytest

from tests.support.asking import Asker, Heard
from tests.support.facts import NOON, SetClock
from tests.twins.hubspot import HubSpotTwin, Pattern, Required, RequiredIf

NOON_MS = int(NOON.timestamp() * 1000)
DATED = "/crm/objects/2026-09"
KEY = {
    "name": "ai_key", "label": "AI key", "type": "string", "fieldType": "text", "groupName": "contactinformation",
    "hasUniqueValue": True,
}  # fmt: skip
ROW: dict[str, Any] = {"properties": {"email": "a@x.test"}, "associations": []}
READ: dict[str, Any] = {"inputs": [{"id": "1"}], "properties": [], "propertiesWithHistory": []}


def test_an_address_is_one_contacts_secondary_ones_too(twin: HubSpotTwin, ask: Asker) -> None:
    """The 409 names who has the address, be it the first or another one."""
    ann = twin.person_creates("contact", {"email": "ann@x.test"})
    twin.adds_address(ann, "ann@home.test")
    for address in ("ANN@x.test", "ann@home.test"):
        answer = ask("POST", f"{DATED}/contacts", {"properties": {"email": address}, "associations": []})
        assert (answer.status, answer.body["category"]) == (409, "CONFLICT")
        assert answer.body["message"].endswith(f"Existing ID: {ann}")
    assert _missing(ask, {**READ, "idProperty": "email", "inputs": [{"id": "ann@home.test"}]}) == ["ann@home.test"]


def test_a_unique_value_finds_one_record_and_refuses_a_second(twin: HubSpotTwin, ask: Asker) -> None:
    """The same key twice can't make two records; which status tells so is a switch."""
    ask("POST", "/crm/properties/2026-09/contacts", KEY)
    body = {"properties": {"ai_key": "k1"}, "associations": []}
    first = ask("POST", f"{DATED}/contacts", body).body["id"]
    again = ask("POST", f"{DATED}/contacts", body)
    assert again.status == 400 and again.body["errors"][0]["code"] == "CONFLICTING_UNIQUE_VALUE"
    assert f"Existing ID: {first}" in again.body["message"]
    twin.switches.unique_conflict = 409
    assert ask("POST", f"{DATED}/contacts", body).status == 409
    read = ask("POST", f"{DATED}/contacts/batch/read", {**READ, "idProperty": "ai_key", "inputs": [{"id": "k1"}]})
    assert [row["id"] for row in read.body["results"]] == [first]


@pytest.mark.parametrize(("version", "status"), [("/crm/v3/objects", 207), (DATED, 201)])
def test_partial_failure_is_told_row_by_row_and_looks_like_success_in_dated_versions(
    twin: HubSpotTwin, ask: Asker, version: str, status: int
) -> None:
    """Who reads the status alone loses a row; results come in another order than inputs."""
    twin.person_creates("contact", {"email": "c3@x.test"})
    rows = [{**ROW, "properties": {"email": f"c{at}@x.test"}, "objectWriteTraceId": f"t{at}"} for at in range(8)]
    answer = ask("POST", f"{version}/contacts/batch/create", {"inputs": rows})
    assert answer.status == status and answer.body["numErrors"] == 1
    assert answer.body["errors"][0]["context"]["objectWriteTraceId"] == ["t3"]
    traces = [row["objectWriteTraceId"] for row in answer.body["results"]]
    assert sorted(traces) == [f"t{at}" for at in range(8) if at != 3] and traces != sorted(traces)


def test_without_trace_ids_one_bad_row_fails_the_whole_batch(twin: HubSpotTwin, ask: Asker) -> None:
    """Nothing of such a batch stays: no record, no value, no address; seen to fail without the undoing."""
    ann = twin.person_creates("contact", {"firstname": "Ann"})
    rows = [{**ROW, "objectWriteTraceId": "t"}, {"properties": {"nope": "1"}, "associations": []}]
    assert ask("POST", f"{DATED}/contacts/batch/create", {"inputs": rows}).status == 400
    changes = [{"id": ann, "properties": {"email": "a@x.test"}}, {"id": "1", "properties": {}}]
    assert ask("POST", f"{DATED}/contacts/batch/update", {"inputs": changes}).status == 404
    assert [record.id for record in twin.all("contacts")] == [ann] and twin.value("contacts", ann, "email") is None
    assert ask("POST", f"{DATED}/contacts/batch/create", {"inputs": [ROW]}).status == 201, "the address is free"


def test_history_tells_people_from_machines_newest_first(twin: HubSpotTwin, ask: Asker) -> None:
    """Who wrote a value is told by source type and id; the old value is not told, and clearing is an empty value."""
    id = ask("POST", f"{DATED}/contacts", {"properties": {"phone": "1"}, "associations": []}).body["id"]
    twin.person_edits("contact", id, {"phone": "2"}, user_id=102)
    twin.automation_edits("contact", id, {"phone": "3"})
    twin.import_edits("contact", id, {"phone": "4"})
    twin.form_edits("contact", id, {"phone": ""})
    entries = ask("GET", f"{DATED}/contacts/{id}?propertiesWithHistory=phone").body["propertiesWithHistory"]["phone"]
    assert [(entry["value"], entry["sourceType"]) for entry in entries] == [
        ("", "FORM"), ("4", "IMPORT"), ("3", "AUTOMATION_PLATFORM"), ("2", "CRM_UI"), ("1", "INTEGRATION"),
    ]  # fmt: skip
    assert (entries[3]["sourceId"], entries[3]["updatedByUserId"]) == ("userId:102", 102)
    assert entries[4]["sourceId"] == "990011" and "oldValue" not in entries[4]
    assert [entry["timestamp"] for entry in entries] == sorted((e["timestamp"] for e in entries), reverse=True)


def test_history_is_read_fifty_at_a_time(ask: Asker) -> None:
    """A batch of a hundred with history is an explicit error."""
    ids = [{"id": str(at)} for at in range(51)]
    assert ask("POST", f"{DATED}/contacts/batch/read", {**READ, "inputs": ids}).status == 200
    answer = ask("POST", f"{DATED}/contacts/batch/read", {**READ, "inputs": ids, "propertiesWithHistory": ["email"]})
    assert answer.status == 400 and "property histories is 50" in answer.body["message"]


def test_our_own_write_moves_the_last_modified_time(twin: HubSpotTwin, ask: Asker) -> None:
    """An echo of our own looks like a change, even of a value that was there."""
    id = twin.person_creates("contact", {"phone": "1"})
    before = twin.value("contacts", id, "lastmodifieddate")
    ask("PATCH", f"{DATED}/contacts/{id}", {"properties": {"phone": "1"}})
    assert str(twin.value("contacts", id, "lastmodifieddate")) > str(before)
    assert len(twin.all("contacts")[0].history["phone"]) == 1


def test_search_is_behind_the_writes(clock: SetClock, twin: HubSpotTwin, ask: Asker) -> None:
    """A new record isn't found, a changed one is found as it was, until the index has caught up."""
    twin.switches.search_lag_s = 20
    id = twin.person_creates("contact", {"phone": "1"})
    assert _search(ask, ("phone", "HAS_PROPERTY")) == []
    clock.move(20)
    assert _search(ask, ("phone", "EQ", "1")) == [id]
    twin.person_edits("contact", id, {"phone": "2"})
    assert (_search(ask, ("phone", "EQ", "1")), _search(ask, ("phone", "EQ", "2"))) == ([id], [])
    clock.move(20)
    assert (_search(ask, ("phone", "EQ", "1")), _search(ask, ("phone", "EQ", "2"))) == ([], [id])


def test_search_knows_its_operators(twin: HubSpotTwin, ask: Asker) -> None:
    """Text is compared without case but for IN, times are milliseconds, several options match by any of them."""
    ann = twin.person_creates("contact", {"firstname": "Ann", "phone": "+442079460001"})
    bob = twin.person_creates("contact", {"firstname": "Bob"})
    twin.adds_address(bob, "bob@home.test")
    now = str(NOON_MS)
    for found, *each in (
        ([ann], "firstname", "EQ", "ANN"), ([bob], "firstname", "NEQ", "ann"), ([], "firstname", "IN", ["Ann"]),
        ([ann], "firstname", "IN", ["ann"]), ([bob], "firstname", "NOT_IN", ["ann"]),
        ([ann], "hs_searchable_calculated_phone_number", "EQ", "2079460001"),
        ([bob], "phone", "NOT_HAS_PROPERTY"), ([bob], "hs_additional_emails", "CONTAINS_TOKEN", "bob@home.test"),
        ([bob], "hs_additional_emails", "EQ", "bob@home.test"), ([ann], "firstname", "CONTAINS_TOKEN", "a*"),
        ([ann, bob], "lastmodifieddate", "GTE", now), ([], "lastmodifieddate", "LT", now),
        ([ann, bob], "createdate", "BETWEEN", now, str(NOON_MS + 9)), ([bob], "hs_object_id", "GT", ann),
    ):  # fmt: skip
        assert _search(ask, tuple(each)) == found, each


def test_search_is_strict_about_its_limits(twin: HubSpotTwin, ask: Asker) -> None:
    """Each documented limit is a 400, not a shorter answer; archived records never appear."""
    ids = [twin.person_creates("contact", {"firstname": "Ann"}) for _ in range(3)]
    twin.person_deletes("contact", ids[0])
    one = {"propertyName": "firstname", "operator": "HAS_PROPERTY"}
    assert _search(ask, ("firstname", "HAS_PROPERTY")) == ids[1:]
    for body in (
        {"limit": 201}, {"after": "9901", "limit": 100}, {"sorts": ["firstname", "email"]},
        {"filterGroups": [{"filters": [one]}] * 6}, {"filterGroups": [{"filters": [one] * 7}]},
        {"filterGroups": [{"filters": [one] * 4}] * 5}, {"query": "x" * 3_000},
        {"filterGroups": [{"filters": [{**one, "propertyName": "nope"}]}]},
        {"filterGroups": [{"filters": [{**one, "value": "x"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "createdate", "operator": "GT", "value": "2026-03-02"}]}]},
    ):  # fmt: skip
        assert ask("POST", f"{DATED}/contacts/search", body).status == 400, body
    answer = ask("POST", f"{DATED}/contacts/search", {"limit": 1, "properties": ["firstname"]})
    assert answer.body["total"] == 2 and answer.body["paging"]["next"]["after"] == "1"
    assert not [name for name in answer.headers if "ratelimit" in name]


def test_a_merge_gives_the_survivor_a_new_id(twin: HubSpotTwin, ask: Asker) -> None:
    """Both old ids vanish without a flag; the survivor names them, and has what either had."""
    deal = twin.person_creates("deal", {"dealname": "Roof"})
    ann = twin.person_creates("contact", {"email": "ann@x.test", "firstname": "Ann"})
    anna = twin.person_creates("contact", {"email": "anna@x.test", "firstname": "Anna", "phone": "1"})
    twin.person_associates("contact", anna, "deal", deal)
    new = twin.person_merges("contact", ann, anna)
    assert new not in (ann, anna) and ask("GET", f"{DATED}/contacts/{ann}").status == 404
    assert ask("GET", f"{DATED}/contacts/{anna}?archived=true").status == 404
    assert _missing(ask, {**READ, "inputs": [{"id": ann}, {"id": new}]}) == [ann]
    held = twin.all("contacts")[0].values
    assert (held["firstname"], held["phone"], held["email"]) == ("Ann", "1", "ann@x.test")
    assert (held["hs_merged_object_ids"], held["hs_additional_emails"]) == (f"{ann};{anna}", "anna@x.test")
    assert twin.linked("deal", deal, "contact") == [new] and _search(ask, ("hs_merged_object_ids", "EQ", ann)) == [new]
    twin.switches.merged_ids_resolve = True
    assert _missing(ask, {**READ, "inputs": [{"id": ann}]}) == []
    twin.switches.keeps_primary_id = True
    assert twin.person_merges("contact", new, twin.person_creates("contact", {"firstname": "A."})) == new


def test_what_is_deleted_lies_in_the_recycle_bin(clock: SetClock, twin: HubSpotTwin, ask: Asker) -> None:
    """It is seen only by those who ask for archived records, for ninety days, and comes back with its values."""
    id = twin.person_creates("contact", {"email": "ann@x.test"})
    assert ask("DELETE", f"{DATED}/contacts/{id}").status == 204 == ask("DELETE", f"{DATED}/contacts/1").status
    assert ask("GET", f"{DATED}/contacts/{id}").status == 404 and _missing(ask, {**READ, "inputs": [{"id": id}]})
    assert ask("GET", f"{DATED}/contacts?archived=true").body["results"][0]["archivedAt"]
    assert ask("GET", f"{DATED}/contacts/{id}?archived=true").body["archived"] is True
    assert ask("PATCH", f"{DATED}/contacts/{id}", {"properties": {"phone": "1"}}).status == 404
    twin.person_restores("contact", id)
    assert ask("GET", f"{DATED}/contacts/{id}").body["properties"]["email"] == "ann@x.test"
    twin.person_deletes("contact", id)
    clock.move(91 * 86_400)
    assert ask("GET", f"{DATED}/contacts?archived=true").body["results"] == []
    assert ask("GET", f"{DATED}/contacts/{id}?archived=true").status == 404


def test_associations_come_with_the_record_or_not_at_all(twin: HubSpotTwin, ask: Asker) -> None:
    """A wrong type or a missing end refuses the record too; a primary association is a plain one as well."""
    company = twin.person_creates("company", {"name": "X"})

    def create(to: str, type_id: int) -> Heard:
        spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}
        return ask(
            "POST", f"{DATED}/contacts", {"properties": {}, "associations": [{"to": {"id": to}, "types": [spec]}]}
        )

    assert [create("1", 279).status, create(company, 341).status, create(company, 7).status] == [400, 400, 400]
    assert twin.all("contacts") == []
    contact = create(company, 1).body["id"]
    read = ask("POST", "/crm/v4/associations/companies/contacts/batch/read", {"inputs": [{"id": company}]})
    assert [kind["typeId"] for kind in read.body["results"][0]["to"][0]["associationTypes"]] == [2, 280]
    assert ask("GET", f"{DATED}/contacts/{contact}?associations=companies").body["associations"]["companies"]["results"]
    twin.person_deletes("company", company)
    gone = ask("POST", "/crm/v4/associations/companies/contacts/batch/read", {"inputs": [{"id": company}]})
    assert gone.status == 207 and gone.body["results"] == [], "what is archived is associated with nothing"
    many = [{"id": str(at)} for at in range(1_001)]
    assert ask("POST", "/crm/v4/associations/companies/contacts/batch/read", {"inputs": many}).status == 400


def test_upserts_are_whole_by_address_and_sparse_by_key(twin: HubSpotTwin, ask: Asker) -> None:
    """A sparse upsert by e-mail address is refused; by a unique property of our own it isn't."""
    ask("POST", "/crm/properties/2026-09/contacts", KEY)
    twin.person_creates("contact", {"email": "ann@x.test", "phone": "1", "ai_key": "k1"})

    def upsert(name: str, id: str, properties: dict[str, str]) -> int:
        row = {"id": id, "idProperty": name, "properties": properties}
        return ask("POST", f"{DATED}/contacts/batch/upsert", {"inputs": [row]}).status

    assert upsert("email", "ann@x.test", {"firstname": "Ann"}) == 400
    assert upsert("email", "ann@x.test", {"firstname": "Ann", "phone": "2", "ai_key": "k1"}) == 200
    assert upsert("ai_key", "k1", {"firstname": "Anna"}) == 200 == upsert("ai_key", "k2", {"firstname": "Bob"})
    assert upsert("hs_object_id", "1", {"firstname": "Bob"}) == 400 == upsert("phone", "1", {"firstname": "Bob"})
    assert [record.values["firstname"] for record in twin.all("contacts")] == ["Anna", "Bob"]


def test_the_life_cycle_goes_forward_only_until_it_is_cleared(twin: HubSpotTwin, ask: Asker) -> None:
    """A step back is answered like a success and isn't one."""
    id = twin.person_creates("contact", {"lifecyclestage": "customer"})

    def write(value: str) -> str | None:
        assert ask("PATCH", f"{DATED}/contacts/{id}", {"properties": {"lifecyclestage": value}}).status == 200
        return twin.value("contact", id, "lifecyclestage")

    assert [write("lead"), write("evangelist"), write(""), write("lead")] == ["customer", "evangelist", None, "lead"]


def test_admins_rules_hold_in_dated_versions_alone(twin: HubSpotTwin, ask: Asker) -> None:
    """What v3 lets pass, 2026-09 refuses: required, required under a condition, and a pattern."""
    twin.portal.rules += [
        Required("contacts", "lastname"), RequiredIf("deals", "amount", "dealstage", frozenset({"930003"})),
        Pattern("contacts", "zip", r"\d{5}"),
    ]  # fmt: skip
    bad: list[tuple[str, dict[str, str]]] = [
        ("contacts", {"firstname": "Ann"}), ("contacts", {"lastname": "B", "zip": "W1"}),
        ("deals", {"pipeline": "75001", "dealstage": "930003"}),
    ]  # fmt: skip
    for kind, properties in bad:
        answer = ask("POST", f"{DATED}/{kind}", {"properties": properties, "associations": []})
        assert (answer.status, answer.body["category"]) == (400, "VALIDATION_ERROR")
        made = ask("POST", f"/crm/v3/objects/{kind}", {"properties": properties, "associations": []})
        assert made.status == 201
    assert ask("PATCH", f"{DATED}/contacts/{twin.all('contacts')[0].id}", {"properties": {"phone": "1"}}).status == 200


def test_definitions_are_made_once_and_taken_away_with_their_values(twin: HubSpotTwin, ask: Asker) -> None:
    """A name that is taken is a 409, uniqueness is scarce and can't be given later, deleting empties every record."""
    path = "/crm/properties/2026-09/contacts"
    assert [ask("POST", path, KEY).status, ask("POST", path, KEY).status] == [201, 409]
    assert ask("POST", f"{path}/groups", {"name": "contactinformation", "label": "x"}).status == 409
    assert ask("PATCH", f"{path}/ai_key", {"hasUniqueValue": False}).status == 400
    assert ask("DELETE", f"{path}/email").status == 400 == ask("DELETE", f"{path}/groups/contactinformation").status
    assert [ask("POST", path, {**KEY, "name": f"u{at}"}).status for at in range(10)] == [201] * 9 + [400]
    id = twin.person_creates("contact", {"ai_key": "k1"})
    assert ask("DELETE", f"{path}/ai_key").status == 204 and twin.value("contact", id, "ai_key") is None
    assert ask("GET", f"{path}/ai_key").status == 404 and ask("GET", f"{path}/ai_key?archived=true").status == 200
    twin.switches.custom_property_limit = 9
    assert ask("POST", path, {**KEY, "name": "more", "hasUniqueValue": False}).status == 400


@pytest.mark.parametrize(
    ("allowed", "plain", "unique"), [("unique", 201, 201), ("plain", 201, 400), ("none", 400, 400)]
)
def test_whether_activities_take_properties_is_a_switch(
    twin: HubSpotTwin, ask: Asker, allowed: str, plain: int, unique: int
) -> None:
    """The vendor doesn't say, so whoever provisions must cope with each."""
    twin.switches.activity_properties = allowed
    row = {**KEY, "groupName": "noteinformation"}
    path = "/crm/properties/2026-09/notes"
    assert ask("POST", path, {**row, "name": "ai_b", "hasUniqueValue": False}).status == plain
    assert ask("POST", path, row).status == unique


def _search(ask: Asker, each: tuple[Any, ...]) -> list[str]:
    name, operator, *values = each
    wanted: dict[str, Any] = {"propertyName": name, "operator": operator}
    if values and isinstance(values[0], list):
        wanted["values"] = values[0]
    else:
        wanted |= dict(zip(("value", "highValue"), values, strict=False))
    answer = ask("POST", f"{DATED}/contacts/search", {"filterGroups": [{"filters": [wanted]}]})
    assert answer.status == 200, answer.body
    return [row["id"] for row in answer.body["results"]]


def _missing(ask: Asker, body: dict[str, Any]) -> list[str]:
    answer = ask("POST", f"{DATED}/contacts/batch/read", body)
    assert answer.status == 200
    return [id for error in answer.body.get("errors", []) for id in error["context"]["ids"]]
