"""What admins set up in Zoho, and what the API makes of it: names of fields, choices, caps, list views, leads."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.facts import SetClock
from tests.support.zohos import ANN, ZohoAsker
from tests.twins.zoho import ZohoTwin


@pytest.fixture
def twin(clock: SetClock) -> Iterator[ZohoTwin]:
    """An org."""
    with ZohoTwin(clock) as twin:
        yield twin


@pytest.fixture
def ask(twin: ZohoTwin) -> ZohoAsker:
    """A plain client with a token of ours."""
    return ZohoAsker(twin, twin.token)


def test_an_external_field_stands_in_for_ids(ask: ZohoAsker) -> None:
    """With the header, the path and the rows name records by the value of a field that was made for it."""
    field = {"field_label": "Our key", "data_type": "text", "external": {"type": "org"}, "unique": {
        "case_sensitive": False}}  # fmt: skip
    assert ask("POST", "/settings/fields", {"fields": [field]}, module="Contacts").status == 201
    id = ask.made("Contacts", {**ANN, "Our_key": "k-1"})
    headers = {"X-EXTERNAL": "Contacts.Our_key"}
    assert ask("GET", "/Contacts/k-1", headers=headers).body["data"][0]["id"] == id
    assert ask("GET", "/Contacts/k-1").status == 400
    heard = ask("PUT", "/Contacts", {"data": [{"Our_key": "k-1", "Title": "Dr"}]}, headers)
    assert heard.body["data"][0]["details"]["id"] == id
    assert ask("GET", "/Contacts/k-1", headers={"X-EXTERNAL": "Contacts.Title"}).status == 400


def test_a_field_is_called_what_the_vendor_makes_of_its_label(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Five a call, the answer tells an id alone, two labels may end in one name and are told apart by a number."""
    made = [{"field_label": label, "data_type": "text"} for label in ("AI: stage", "AI stage")]
    heard = ask("POST", "/settings/fields", {"fields": [*made, {**made[1], "field_label": "ai STAGE"}]}, module="Deals")
    assert [row["code"] for row in heard.body["fields"]] == ["SUCCESS", "SUCCESS", "DUPLICATE_DATA"]
    assert set(heard.body["fields"][0]["details"]) == {"id"}
    names = [row["api_name"] for row in ask("GET", "/settings/fields", module="Deals").body["fields"]]
    assert names[-2:] == ["AI_stage", "AI_stage1"]
    assert ask("POST", "/settings/fields", {"fields": made * 3}, module="Deals").status == 400
    assert ask("POST", "/settings/fields", {"fields": made}, module="Notes").body["code"] == "INVALID_MODULE"


def test_the_free_edition_refuses_types_and_a_cap_refuses_more(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """What an edition doesn't have is LIMIT_EXCEEDED, for fields as for records beyond the org's."""
    twin.switches.edition = "free"
    choices = [{"display_value": "x"}]
    several = {"field_label": "Several", "data_type": "multiselectpicklist", "pick_list_values": choices}
    refused = ask("POST", "/settings/fields", {"fields": [several]}, module="Contacts")
    assert (refused.status, refused.body["fields"][0]["code"]) == (400, "LIMIT_EXCEEDED")
    twin.switches.custom_field_cap = 0
    one = {"fields": [{"field_label": "One", "data_type": "text"}]}
    assert ask("POST", "/settings/fields", one, module="Contacts").body["fields"][0]["code"] == "FIELD_LIMIT_EXCEEDED"
    twin.switches.record_cap = 1
    heard = ask("POST", "/Contacts", {"data": [ANN, ANN]})
    assert [row["code"] for row in heard.body["data"]] == ["SUCCESS", "LIMIT_EXCEEDED"]


def test_a_layout_asks_for_what_an_admin_made_mandatory(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """A field that became mandatory refuses new records without it, and clearing it; old records stay."""
    id = ask.made("Contacts", ANN)
    twin.makes_required("contact", "Phone")
    for heard in (
        ask("POST", "/Contacts", {"data": [{"Last_Name": "Bo"}]}),
        ask("PUT", "/Contacts", {"data": [{"id": id, "Phone": None}]}),
    ):
        (row,) = heard.body["data"]
        assert (row["code"], row["details"]["api_name"]) == ("MANDATORY_NOT_FOUND", "Phone")
    assert ask("PUT", "/Contacts", {"data": [{"id": id, "Title": "Dr"}]}).status == 200


def test_choices_of_a_picklist_are_added_and_taken_away(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """A patch names new choices by label and old ones by id; a field's values go with it."""
    name = twin.adds_field("deal", "AI review", "picklist", ("approve", "reject"))
    field = twin.org.fields["Deals"][name]
    values = [{"id": field.options[2]["id"], "_delete": None}, {"display_value": "later"}]
    ask("PATCH", f"/settings/fields/{field.id}", {"fields": [{"pick_list_values": values}]}, module="Deals")
    assert field.labels == ["-None-", "approve", "later"]
    id = ask.made("Deals", {"Deal_Name": "Roof", "Stage": "Qualification", name: "later"})
    assert ask("DELETE", f"/settings/fields/{field.id}", module="Deals").status == 200
    assert name not in ask.row("Deals", id)


def test_a_list_view_shows_what_fits(ask: ZohoAsker) -> None:
    """A view's criteria are checked when it is made, and decide what a list by its id shows."""
    ids = [ask.made("Contacts", {**ANN, "Title": title}) for title in ("Dr", "Mr")]

    def part(comparator: str, value: str) -> dict[str, Any]:
        return {"field": {"api_name": "Title"}, "comparator": comparator, "value": value}

    both = {"group_operator": "and", "group": [part("contains", "r"), part("not_equal", "Mr")]}
    view = {"name": "Doctors", "fields": [{"api_name": "Email"}], "criteria": both}
    (made,) = ask("POST", "/settings/custom_views", {"custom_views": [view]}, module="Contacts").body["custom_views"]
    shown = ask("GET", "/Contacts", fields="Title", cvid=made["details"]["id"]).body["data"]
    assert [row["id"] for row in shown] == ids[:1]
    again = ask("POST", "/settings/custom_views", {"custom_views": [view]}, module="Contacts")
    assert again.body["custom_views"][0]["code"] == "DUPLICATE_DATA"
    wrong = {**view, "name": "Wrong", "criteria": part("is like", "x")}
    assert ask("POST", "/settings/custom_views", {"custom_views": [wrong]}, module="Contacts").status == 400


def test_a_lead_becomes_a_contact(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """A converted lead leaves the list, and says by itself which contact it became."""
    lead = ask.made("Leads", {**ANN, "Company": "Roof Ltd"})
    contact = twin.person_converts(lead)
    assert ask("GET", "/Leads", fields="id").status == 204
    assert ask("GET", "/Leads", fields="id", converted="true").body["data"] == [{"id": lead}]
    row = ask.row("Leads", lead)
    assert (row["$converted"], row["$converted_detail"]) == (True, {"contact": contact})
    assert ask.row("Contacts", contact)["Email"] == "Ann@x.test"
