"""The Zoho twin against what isn't ours: the examples of answers and refusals that the vendor publishes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.asking import Heard
from tests.support.facts import SetClock
from tests.support.zohos import ANN, ZohoAsker
from tests.twins.zoho import ZohoTwin, schema, schema_settings
from tests.twins.zoho.routes import ROUTES

EXAMPLES = json.loads((Path(__file__).parents[1] / "fixtures" / "zoho" / "published_examples.json").read_text())
NOON = "2026-03-02T12:00:00+00:00"
Provoke = Callable[[ZohoTwin, ZohoAsker], Heard]


@pytest.fixture
def twin(clock: SetClock) -> Iterator[ZohoTwin]:
    """An org."""
    with ZohoTwin(clock) as twin:
        yield twin


@pytest.fixture
def ask(twin: ZohoTwin) -> ZohoAsker:
    """A plain client with a token of ours."""
    return ZohoAsker(twin, twin.token)


def test_the_schema_reads_what_the_vendor_publishes() -> None:
    """What judges the twin's answers is judged itself, by the examples of the vendor's description."""
    answers = EXAMPLES["answers"]
    assert sum(map(len, answers.values())) == 22
    for name, examples in answers.items():
        model = getattr(schema, name, None) or getattr(schema_settings, name)
        for example in examples:
            assert schema.problems(model, example["body"]) == [], example["operation"]


def test_the_schema_refuses_what_is_not_so() -> None:
    """The judge is no rubber stamp: an id as a number, a missing name and an unknown key are each found."""
    page = EXAMPLES["answers"]["DeletedPage"][0]["body"]
    for spoilt in ({"id": 410888000000099071}, {"display_name": ...}, {"colour": "red"}):
        row = {name: value for name, value in {**page["data"][0], **spoilt}.items() if value is not ...}
        assert schema.problems(schema.DeletedPage, {**page, "data": [row]})


def _contact(ask: ZohoAsker, **row: Any) -> Heard:
    return ask("POST", "/Contacts", {"data": [{**ANN, **row}]})


def _put(ask: ZohoAsker, id: str, headers: dict[str, str] | None = None) -> Heard:
    return ask("PUT", "/Contacts", {"data": [{"id": id, "Title": "Dr"}]}, headers)


def _coql(query: str) -> Provoke:
    return lambda twin, ask: ask("POST", "/coql", {"select_query": query})


def _duplicate(twin: ZohoTwin, ask: ZohoAsker) -> Heard:
    twin.makes_unique("Contacts", "Email")
    ask.made("Contacts", ANN)
    return _contact(ask, Email="ann@X.test")


def _locked(twin: ZohoTwin, ask: ZohoAsker) -> Heard:
    id = ask.made("Contacts", ANN)
    twin.locks("contact", id)
    return _put(ask, id)


def _locked_delete(twin: ZohoTwin, ask: ZohoAsker) -> Heard:
    id = ask.made("Contacts", ANN)
    twin.locks("contact", id)
    return ask("DELETE", "/Contacts", ids=id)


def _not_approved(twin: ZohoTwin, ask: ZohoAsker) -> Heard:
    id = ask.made("Contacts", ANN)
    twin.waits_for_approval("contact", id)
    return _put(ask, id)


def _stale(twin: ZohoTwin, ask: ZohoAsker) -> Heard:
    return _put(ask, ask.made("Contacts", ANN), {"If-Unmodified-Since": "2026-03-02T11:59:59+00:00"})


def _expired(twin: ZohoTwin, ask: ZohoAsker) -> Heard:
    for _ in range(2):
        ask.made("Contacts", ANN)
    query: dict[str, Any] = {"fields": "Email", "per_page": "1"}
    token = ask("GET", "/Contacts", **query).body["info"]["next_page_token"]
    clock: Any = twin.org.clock
    clock.move(86_401)
    return ZohoAsker(twin, twin.token)("GET", "/Contacts", page_token=token, **query)


def _note(twin: ZohoTwin, ask: ZohoAsker) -> Heard:
    parent = {"module": {"api_name": "Contacts"}, "id": ask.made("Contacts", ANN)}
    return ask("POST", "/Notes", {"data": [{"Parent_Id": parent}]})


def _merge_with_itself(twin: ZohoTwin, ask: ZohoAsker) -> Heard:
    id = ask.made("Contacts", ANN)
    return ask("POST", f"/Contacts/{id}/actions/merge", {"merge": [{"data": [{"id": id}]}]})


def _no_scope(twin: ZohoTwin, ask: ZohoAsker) -> Heard:
    twin.switches.scopes = ("ZohoCRM.modules.contacts.READ",)
    return _contact(ask)


PROVOKED: dict[str, Provoke] = {
    "InvalidDataType": lambda twin, ask: ask("POST", "/Accounts", {"data": [{"Account_Name": "A", "Employees": "12"}]}),
    "InvalidDataLength": lambda twin, ask: _contact(ask, First_Name="x" * 41),
    "DuplicateDataError": _duplicate,
    "RecordLockedError": _locked,
    "DeletedRecordLocked": _locked_delete,
    "NotApprovedError": _not_approved,
    "LimitExceededError": lambda twin, ask: ask("POST", "/Contacts", {"data": [ANN] * 101}),
    "AlreadyModified": _stale,
    "ExpectedFieldMissing": _note,
    "InvalidModuleOfRows": lambda twin, ask: ask("POST", "/Kontakte", {"data": [ANN]}),
    "InvalidModuleOfGone": lambda twin, ask: ask("GET", "/Kontakte/deleted"),
    "InvalidModule": lambda twin, ask: ask("GET", "/Kontakte", fields="id"),
    "LimitExceededFields": lambda twin, ask: ask("GET", "/Contacts", fields=",".join(f"F{n}" for n in range(51))),
    "InvalidCvid": lambda twin, ask: ask("GET", "/Contacts", fields="id", cvid="1"),
    "TokenBoundDataMismatch": lambda twin, ask: ask("GET", "/Contacts", fields="id", page_token="bm90aGluZw"),
    "ExpiredValue": _expired,
    "DiscretePaginationLimitExceeded": lambda twin, ask: ask("GET", "/Contacts", fields="id", page="11"),
    "MissingIds": lambda twin, ask: ask("DELETE", "/Contacts"),
    "MissingSearch": lambda twin, ask: ask("GET", "/Contacts/search"),
    "CoqlClause": _coql("select id from Contacts limit 1"),
    "CoqlOperator": _coql("select id from Contacts where First_Name > 'A'"),
    "CoqlNear": _coql("select id Contacts where id is not null"),
    "CoqlColumn": _coql("select Nothing from Contacts where id is not null"),
    "CoqlModule": _coql("select id from Kontakte where id is not null"),
    "CoqlMandatory": lambda twin, ask: ask("POST", "/coql", {"query": "select"}),
    "CoqlLimitZero": _coql("select id from Contacts where id is not null limit 0"),
    "CoqlDuplicate": _coql("select First_Name, First_Name from Contacts where id is not null"),
    "InvalidLayoutID": lambda twin, ask: ask("GET", "/settings/pipeline", layout_id="1"),
    "RelatedName": lambda twin, ask: ask("GET", f"/Contacts/{ask.made('Contacts', ANN)}/Invoices", fields="id"),
    "MergeMaster": lambda twin, ask: ask("POST", "/Contacts/1/actions/merge", {"merge": [{"data": []}]}),
    "MergeDuplicate": _merge_with_itself,
    "OauthScopeMismatch": _no_scope,
    "AuthenticationFailure": lambda twin, ask: ask("GET", "/org", headers={"Authorization": "Bearer x"}),
    "InvalidUrlPattern": lambda twin, ask: ask("GET", "/nowhere"),
    "InvalidRequestMethod": lambda twin, ask: ask("PATCH", "/org"),
}


def test_every_published_refusal_is_provoked() -> None:
    """None of the fixture's refusals is left out of the next test."""
    assert set(PROVOKED) == set(EXAMPLES["refusals"])


@pytest.mark.parametrize("name", sorted(PROVOKED))
def test_the_twin_refuses_as_the_vendor_publishes(twin: ZohoTwin, ask: ZohoAsker, name: str) -> None:
    """Status, place in the body, code, words and the keys of the details are those of the vendor's example."""
    published = EXAMPLES["refusals"][name]
    heard = PROVOKED[name](twin, ask)
    assert heard.status == published["status"], heard.body
    assert _gist(heard.body) == _gist(published["body"])


def _gist(body: Any) -> Any:
    """Return what of a refusal doesn't depend on the data: a list of one stands for its place."""
    if "code" in body:
        return body["code"], body["message"], set(body["details"]), body["status"]
    ((key, (one,)),) = body.items()
    return key, _gist(one)


def test_every_route_answers_what_its_schema_fits(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Each row of the table is walked with success; an answer that the schema doesn't fit would be a 500."""
    _walk_settings(ask)
    _walk_records(twin, ask)
    walked = {(entry.method, entry.operation) for entry in twin.requests if (entry.status or 500) < 300}
    missed = [
        (route.method, route.kind) for route in ROUTES
        if not any(method == route.method and kind.endswith(route.kind) for method, kind in walked)
    ]  # fmt: skip
    assert missed == []


def _walk_settings(ask: ZohoAsker) -> None:
    assert ask("GET", "/org").body["org"][0]["time_zone"] == "Europe/Berlin"
    users = ask("GET", "/users", type="ActiveUsers").body["users"]
    assert ask("GET", f"/users/{users[0]['id']}").body["users"] == [users[0]]
    assert (
        ask("GET", "/settings/modules").body["modules"][1]
        == ask("GET", "/settings/modules/Contacts").body["modules"][0]
    )
    field = {"field_label": "AI stage", "data_type": "picklist", "pick_list_values": [{"display_value": "enquired"}]}
    made = ask("POST", "/settings/fields", {"fields": [field]}, module="Contacts").body["fields"][0]
    id = made["details"]["id"]
    patch = {"fields": [{"id": id, "pick_list_values": [{"display_value": "booked"}]}]}
    assert ask("PATCH", "/settings/fields", patch, module="Contacts").status == 200
    renamed = {"fields": [{"field_label": "AI step"}]}
    assert ask("PATCH", f"/settings/fields/{id}", renamed, module="Contacts").status == 200
    (told,) = ask("GET", f"/settings/fields/{id}", module="Contacts").body["fields"]
    assert (told["api_name"], told["field_label"]) == ("AI_stage", "AI step")
    assert [choice["actual_value"] for choice in told["pick_list_values"]] == ["-None-", "enquired", "booked"]
    assert told in ask("GET", "/settings/fields", module="Contacts").body["fields"]
    assert ask("DELETE", f"/settings/fields/{id}", module="Contacts").status == 200
    (layout,) = ask("GET", "/settings/layouts", module="Deals").body["layouts"]
    assert ask("GET", f"/settings/layouts/{layout['id']}", module="Deals").body["layouts"] == [layout]
    pipelines = ask("GET", "/settings/pipeline", layout_id=layout["id"]).body["pipeline"]
    assert [each["forecast_type"] for each in pipelines[1]["maps"]] == ["Open", "Open", "Closed Won", "Closed Lost"]
    view = {"name": "Waiting", "fields": [{"api_name": "Email"}], "criteria": {
        "field": {"api_name": "Title"}, "comparator": "equal", "value": "Dr"}}  # fmt: skip
    id = ask("POST", "/settings/custom_views", {"custom_views": [view]}, module="Contacts").body["custom_views"][0][
        "details"
    ]["id"]
    assert ask("GET", "/settings/custom_views", module="Contacts").body["custom_views"][0]["id"] == id
    told = ask("GET", f"/settings/custom_views/{id}", module="Contacts").body["custom_views"][0]
    assert told["criteria"] == view["criteria"]
    assert ask("DELETE", "/settings/custom_views", ids=id, module="Contacts").status == 200


def _walk_records(twin: ZohoTwin, ask: ZohoAsker) -> None:
    ann = ask.made("Contacts", ANN)
    company = ask.made("Accounts", {"Account_Name": "Roof Ltd"})
    deal = ask.made("Deals", {"Deal_Name": "Roof", "Stage": "Qualification", "Contact_Name": ann, "Account_Name": {
        "id": company}})  # fmt: skip
    task = ask.made("Tasks", {"Subject": "Call", "Who_Id": {"id": ann}, "What_Id": deal, "$se_module": "Deals"})
    about = {"Event_Title": "Visit", "Start_DateTime": NOON, "End_DateTime": NOON, "Who_Id": ann}
    ask.made("Events", about)
    note = ask.made("Notes", {"Note_Content": "x", "Parent_Id": {"module": {"api_name": "Deals"}, "id": deal}})
    row = {"Email": "ann@x.test", "Last_Name": "Bee", "Title": "Dr"}
    upserted = ask("POST", "/Contacts/upsert", {"data": [row], "duplicate_check_fields": ["Email"]}).body["data"][0]
    assert (upserted["action"], upserted["duplicate_field"], upserted["details"]["id"]) == ("update", "Email", ann)
    ask("PUT", "/Deals", {"data": [{"id": deal, "Stage": "Closed Won"}]})
    ask("PUT", f"/Deals/{deal}", {"data": [{"Amount": 900}]})
    (told,) = ask("GET", f"/Deals/{deal}").body["data"]
    assert (told["Contact_Name"], told["Probability"]) == ({"name": "Ann Bee", "id": ann}, 100)
    assert ask("GET", "/Tasks", fields="What_Id", ids=task).body["data"][0]["$se_module"] == "Deals"
    assert ask("GET", f"/Deals/{deal}/Notes", fields="Note_Content").body["data"][0]["id"] == note
    assert ask("GET", "/Contacts/search", word="bee").body["data"][0]["id"] == ann
    assert ask("GET", "/Contacts/actions/count", criteria="(Title:equals:Dr)").body == {"count": 1}
    query = "select Account_Name.Account_Name from Deals where Stage = 'Closed Won'"
    assert ask("POST", "/coql", {"select_query": query}).body["data"] == [
        {"Account_Name.Account_Name": "Roof Ltd", "id": deal}
    ]
    history = ask("GET", f"/Deals/{deal}/__timeline").body["__timeline"]
    assert history[0]["field_history"] == [{"api_name": "Amount", "_value": {"old": None, "new": "900"}}]
    bob = ask.made("Contacts", {"Last_Name": "Bo"})
    merge = {"merge": [{"data": [{"id": bob, "_fields": [{"api_name": "Last_Name"}]}]}]}
    assert ask("POST", f"/Contacts/{ann}/actions/merge", merge).body["merge"][0]["details"] == {"id": ann}
    (job,) = twin.org.jobs
    assert ask("GET", f"/Contacts/{ann}/actions/merge", job_id=job).body["merge"][0]["status"] == "completed"
    assert ask("DELETE", f"/Tasks/{task}").status == 200 and ask("DELETE", "/Notes", ids=note).status == 200
    assert ask("GET", "/Tasks/deleted").body["data"][0]["id"] == task
