"""The HubSpot twin against HubSpot's own SDK, and each of the vendor's oddities seen once.

The SDK is what judges here: every answer of every endpoint is read by its models, over the socket. The rest asks by
plain HTTP, where a library would be too polite to send what must be refused.
"""

import importlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from urllib3 import Retry

from tests.support.asking import Asker
from tests.support.facts import SetClock
from tests.twins.hubspot import HubSpotTwin, schema
from tests.twins.hubspot.definitions import OBJECTS
from tests.twins.hubspot.routes import ROUTES

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
KEY = {
    "name": "ai_key", "label": "AI key", "type": "string", "fieldType": "text", "groupName": "contactinformation",
    "hasUniqueValue": True,
}  # fmt: skip
VALUES: dict[str, dict[str, str]] = {
    "contacts": {"firstname": "Ann"},
    "companies": {"name": "Größe & Söhne"},
    "deals": {"dealname": "Roof", "pipeline": "75001", "dealstage": "930001"},
    "notes": {"hs_timestamp": "2026-03-02T12:00:00Z", "hs_note_body": "Asked about <b>Thursday</b>"},
    "tasks": {"hs_timestamp": "1772452800000", "hs_task_subject": "Call back"},
    "meetings": {"hs_timestamp": "2026-03-02T12:00:00.500Z", "hs_meeting_title": "Visit"},
}
DATED = "/crm/objects/2026-09"


def sdk(twin: HubSpotTwin) -> Any:
    """Return HubSpot's own client, told to ask the twin and not to repeat itself."""
    return importlib.import_module("hubspot").HubSpot(access_token=twin.token, host=twin.url, retry=Retry(0))


def test_the_sdk_reads_every_answer_of_every_endpoint(twin: HubSpotTwin) -> None:
    """Whoever speaks to the twin through the SDK meets no shape that HubSpot's wouldn't have; seen to fail without
    `links` in a batch's errors."""
    for key in OBJECTS:
        twin.switches.scopes |= {f"crm.schemas.{key}.read", f"crm.schemas.{key}.write"}
    client = sdk(twin)
    apis = {
        "contacts": client.crm.contacts, "companies": client.crm.companies, "deals": client.crm.deals,
        "notes": client.crm.objects.notes, "tasks": client.crm.objects.tasks, "meetings": client.crm.objects.meetings,
    }  # fmt: skip
    twin.adds_flow("Welcome", "contacts")
    _walk_definitions(client.crm.properties)
    for kind, api in apis.items():
        _walk_objects(kind, api)
    _walk_associations(twin, client.crm.associations.v4)
    _walk_account(client)
    _walk_lists(client.crm.lists.lists_api)
    _walk_by_path(twin, client.crm.contacts.batch_api.api_client, "2026-09")
    assert {route.kind for route in ROUTES} == {name.removeprefix("contacts.") for name in twin.log.counts} - {
        name for name in twin.log.counts if name.split(".")[0] in set(OBJECTS) - {"contacts"}
    }
    assert [entry for entry in twin.requests if (entry.status or 500) >= 300] == []


def _walk_definitions(properties: Any) -> None:
    core, groups, batch = properties.core_api, properties.groups_api, properties.batch_api
    for kind in OBJECTS:
        assert groups.create(kind, {"name": "ai", "label": "AI"}).name == "ai"
        groups.update(kind, "ai", {"label": "AI sidecar"})
        assert groups.get_by_name(kind, "ai").label == "AI sidecar"
        assert core.create(kind, {**KEY, "groupName": "ai"}).has_unique_value
        more = batch.create(
            kind, {"inputs": [{**KEY, "name": "ai_b", "hasUniqueValue": False, "groupName": "ai"}, KEY]}
        )
        assert more.num_errors == 1, type(more)
        core.update(kind, "ai_b", {"label": "B"})
        assert core.get_by_name(kind, "ai_b").label == "B"
        read = batch.read(kind, {"archived": False, "inputs": [{"name": "ai_b"}, {"name": "none"}]})
        assert [row.name for row in read.results] == ["ai_b"]
        core.archive(kind, "ai_b")
        batch.archive(kind, {"inputs": [{"name": "ai_b"}]})
        assert [row.name for row in core.get_all(kind, archived=True).results] == ["ai_b"]
        assert len(groups.get_all(kind).results) == 2
        groups.create(kind, {"name": "empty", "label": "Empty"})
        groups.archive(kind, "empty")


def _walk_objects(kind: str, api: Any) -> None:
    basic, batch, search = api.basic_api, api.batch_api, api.search_api
    made = basic.create({"properties": VALUES[kind], "associations": []})
    assert made.created_at >= NOON
    basic.update(made.id, {"properties": {"ai_key": "k1"}})
    read = basic.get_by_id(made.id, properties=["ai_key"], properties_with_history=["ai_key"], associations=["notes"])
    assert read.properties_with_history["ai_key"][0].source_type == "INTEGRATION"
    rows = [{"properties": VALUES[kind], "associations": [], "objectWriteTraceId": str(at)} for at in range(3)]
    ids = {row.object_write_trace_id: row.id for row in batch.create({"inputs": rows}).results}
    changes = [{"id": id, "properties": {"ai_key": f"n{id}"}, "objectWriteTraceId": id} for id in (*ids.values(), "1")]
    assert batch.update({"inputs": changes}).num_errors == 1
    upserts = [
        {"id": key, "idProperty": "ai_key", "properties": VALUES[kind], "objectWriteTraceId": key}
        for key in ("k1", "k2")
    ]
    assert {row.id: row.new for row in batch.upsert({"inputs": upserts}).results}[made.id] is False
    wanted = {"inputs": [{"id": made.id}, {"id": "1"}], "properties": ["ai_key"], "propertiesWithHistory": ["ai_key"]}
    assert batch.read(wanted).errors[0].context == {"ids": ["1"]}
    filters = [{"propertyName": "ai_key", "operator": "HAS_PROPERTY"}]
    assert search.do_search({"filterGroups": [{"filters": filters}], "limit": 2, "sorts": ["-hs_object_id"]}).total == 5
    assert len(basic.get_page(limit=2).results) == 2
    if kind in ("contacts", "companies", "deals"):
        survivor = basic.merge({"primaryObjectId": made.id, "objectIdToMerge": ids["0"]})
        assert survivor.id not in (made.id, ids["0"])
    basic.archive(ids["1"])
    batch.archive({"inputs": [{"id": ids["2"]}]})
    assert {row.id for row in basic.get_page(archived=True).results} == {ids["1"], ids["2"]}


def _walk_associations(twin: HubSpotTwin, v4: Any) -> None:
    contact, note = twin.all("contacts")[0].id, twin.all("notes")[0].id
    pair = {"from": {"id": note}, "to": {"id": contact}}
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}
    assert v4.batch_api.create("notes", "contacts", {"inputs": [{**pair, "types": [spec]}]}).results
    assert v4.batch_api.create_default("notes", "contacts", {"inputs": [pair]}).results
    read = v4.batch_api.get_page("notes", "contacts", {"inputs": [{"id": note}, {"id": "1"}]})
    assert read.results[0].to[0].to_object_id == contact and read.num_errors == 1
    v4.basic_api.create_default("contacts", contact, "notes", note)
    assert v4.basic_api.get_page("contacts", contact, "notes").results[0].to_object_id == note
    v4.batch_api.archive("notes", "contacts", {"inputs": [{"from": {"id": note}, "to": [{"id": contact}]}]})
    v4.basic_api.archive("notes", note, "contacts", contact)
    assert v4.basic_api.get_page("contacts", contact, "notes").results == []


def _walk_account(client: Any) -> None:
    pipelines = client.crm.pipelines
    (first, *_) = pipelines.pipelines_api.get_all("deals").results
    assert pipelines.pipelines_api.get_by_id("deals", first.id).stages[0].id == first.stages[0].id
    assert len(pipelines.pipeline_stages_api.get_all("deals", first.id).results) == len(first.stages)
    assert pipelines.pipeline_stages_api.get_by_id("deals", first.id, "closedwon").label == "Closed Won"
    (owner, *_) = client.crm.owners.owners_api.get_page(limit=1).results
    assert client.crm.owners.owners_api.get_by_id(owner.id).email == "ann@ours.test"


def _walk_lists(api: Any) -> None:
    from hubspot.crm.lists import ListCreateRequest

    wanted = ListCreateRequest(name="By hand", object_type_id="0-1", processing_type="MANUAL")
    made = api.create(wanted).list
    assert api.get_by_name("By hand", "0-1").list.list_id == made.list_id
    api.remove(made.list_id)


def _walk_by_path(twin: HubSpotTwin, client: Any, version: str) -> None:
    """Ask dated paths, and those that the SDK has no method for, through the SDK's own transport."""

    def call(method: str, path: str, body: Any = None, model: str = "object") -> Any:
        return client.call_api(
            path, method, body=body, response_types_map={200: model, 201: model}, auth_settings=["oauth2"],
            _return_http_data_only=True, _request_timeout=10.0,
        )  # fmt: skip

    batch = f"/crm/objects/{version}/contacts/batch"
    traced = {"properties": {"email": "eve@x.test"}, "associations": [], "objectWriteTraceId": "a"}
    made = call("POST", f"{batch}/create", {"inputs": [traced, {**traced, "objectWriteTraceId": "b"}]},
                "BatchResponseSimplePublicObjectWithErrors")  # fmt: skip
    assert (len(made.results), made.num_errors) == (1, 1)
    assert call("GET", f"/crm/objects/{version}/0-1/{made.results[0].id}", None, "SimplePublicObject").id
    pair = {"inputs": [{"from": {"id": made.results[0].id}, "to": {"id": twin.all("deals")[0].id}}]}
    call("POST", f"/crm/associations/{version}/contacts/deals/batch/associate/default", pair)
    assert call("GET", f"/account-info/{version}/details")["portalId"] == 4242
    assert call("GET", f"/account-info/{version}/api-usage/daily/private-apps")["results"][0]["currentUsage"] > 9
    assert call("GET", f"/crm/limits/{version}/custom-properties")["overallUsage"] == len(OBJECTS)
    assert len(call("GET", f"/crm/pipelines/{version}/deals")["results"]) == 2
    assert len(call("GET", f"/crm/owners/{version}/")["results"]) == 2
    (flow,) = call("GET", "/automation/v4/flows")["results"]
    assert call("GET", f"/automation/v4/flows/{flow['id']}")["actions"] == []
    wanted = {"inputs": [{"type": "FLOW_ID", "flowId": flow["id"]}]}
    assert call("POST", "/automation/v4/flows/batch/read", wanted)["results"][0]["name"] == "Welcome"


ROW = {"properties": {"email": "a@x.test"}, "associations": []}
READ: dict[str, Any] = {"inputs": [{"id": "1"}], "properties": [], "propertiesWithHistory": []}


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (f"{DATED}/contacts", {**ROW, "colour": "red"}, "no field 'colour'"),
        (f"{DATED}/contacts", {"properties": {"amount": 1}, "associations": []}, "must be str, not int"),
        (f"{DATED}/contacts", {"properties": {"email": None}, "associations": []}, "must be str"),
        (f"{DATED}/contacts", {"properties": {"email": "a@x.test"}}, "associations is required"),
        (f"{DATED}/contacts", {"associations": []}, "properties"),
        (f"{DATED}/contacts/batch/create", {"inputs": {}}, "must be a list"),
        (f"{DATED}/contacts/batch/create", {"inputs": []}, "must not be empty"),
        (f"{DATED}/contacts/batch/create", {"inputs": [ROW] * 101}, "is 100"),
        (f"{DATED}/contacts/batch/read", {"inputs": [{"id": "1"}], "properties": []}, "properties_with_history"),
        (f"{DATED}/contacts/batch/read", {**READ, "inputs": [{"id": 1}]}, "must be str"),
        (f"{DATED}/contacts/batch/read", {**READ, "idProperty": "phone"}, "non-unique"),
        (f"{DATED}/contacts/batch/upsert", {"inputs": [{**ROW, "id": "1"}]}, "no field 'associations'"),
        (f"{DATED}/contacts/batch/upsert", {"inputs": [{"id": "1", "properties": {}}]}, "idProperty is required"),
        (f"{DATED}/contacts/batch/update", {"inputs": [{"id": "1", "properties": {}}] * 2}, "Duplicate IDs"),
        (f"{DATED}/contacts?colour=red", ROW, "Unknown query"),
        (f"{DATED}/boats", ROW, "Unable to infer"),
        ("/crm/properties/2026-09/contacts", {**KEY, "type": "text"}, "type"),
        ("/crm/properties/2026-09/contacts", {**KEY, "fieldType": "checkbox"}, "fieldType"),
        ("/crm/properties/2026-09/contacts", {**KEY, "name": "AI Key"}, "not valid"),
        ("/crm/properties/2026-09/contacts", {**KEY, "groupName": "none"}, "does not exist"),
        ("/crm/properties/2026-09/contacts", {**KEY, "type": "enumeration", "fieldType": "select"}, "need options"),
        ("/crm/properties/2026-09/contacts", {**KEY, "type": "bool", "fieldType": "booleancheckbox"}, "two options"),
        ("/crm/associations/2026-09/notes/contacts/batch/create", {"inputs": [{"from": {"id": "1"}}]}, "types"),
    ],
)
def test_a_body_is_refused_for_anything_that_the_sdk_does_not_know(
    ask: Asker, path: str, body: dict[str, Any], told: str
) -> None:
    """What HubSpot might let pass or not, the twin never does; seen to fail with unknown keys dropped."""
    answer = ask("POST", path, body)
    assert (answer.status, answer.body["category"]) == (400, "VALIDATION_ERROR")
    assert told in answer.body["message"] and answer.body["correlationId"]


@pytest.mark.parametrize("raw", [b"{", b"", b"[1]", b'{"properties":{},"properties":{}}'])
def test_what_is_not_one_json_object_is_refused(ask: Asker, raw: bytes) -> None:
    """A broken body is the sender's fault, not a crash."""
    assert ask("POST", f"{DATED}/contacts", raw=raw).status == 400


@pytest.mark.parametrize(
    ("kind", "properties", "code"),
    [
        ("contacts", {"nope": "1"}, "PROPERTY_DOESNT_EXIST"),
        ("contacts", {"createdate": "2026-01-01"}, "READ_ONLY_VALUE"),
        ("contacts", {"email": "ann at x"}, "INVALID_EMAIL"),
        ("contacts", {"lifecyclestage": "friend"}, "INVALID_OPTION"),
        ("contacts", {"hubspot_owner_id": "99"}, "INVALID_OPTION"),
        ("contacts", {"firstname": "x" * 65_537}, "VALUE_TOO_LONG"),
        ("companies", {"annualrevenue": "much"}, "INVALID_LONG"),
        ("companies", {"annualrevenue": "NaN"}, "INVALID_LONG"),
        ("deals", {"closedate": "tomorrow"}, "INVALID_DATE"),
        ("deals", {"closedate": "2026-01-01T10:00:00"}, "INVALID_DATE"),
        ("deals", {"pipeline": "default", "dealstage": "930001"}, "INVALID_OPTION"),
        ("deals", {"dealstage": "nope"}, "INVALID_OPTION"),
        ("notes", {"hs_note_body": "no time"}, "REQUIRED_FIELD"),
        ("notes", {"hs_timestamp": "2026-03-02", "hs_note_body": "x" * 65_537}, "VALUE_TOO_LONG"),
        ("tasks", {"hs_timestamp": "2026-03-02", "hs_task_status": "open"}, "INVALID_OPTION"),
    ],
)
def test_a_property_is_refused_with_the_vendors_code(
    ask: Asker, kind: str, properties: dict[str, str], code: str
) -> None:
    """Each way in which a value can be wrong has the vendor's code, in the text and as an error that names it."""
    answer = ask("POST", f"{DATED}/{kind}", {"properties": properties, "associations": []})
    assert answer.status == 400 and code in answer.body["message"]
    assert code in [error["code"] for error in answer.body["errors"]]


@pytest.mark.parametrize(
    ("kind", "name", "written", "stored"),
    [
        ("contacts", "email", " Ann@X.test ", "ann@x.test"),
        ("contacts", "phone", "+44 20 7946 0001", "+44 20 7946 0001"),
        ("companies", "annualrevenue", "1.2E+3", "1200"),
        ("deals", "amount", "1250.50", "1250.50"),
        ("deals", "closedate", "1772452800500", "2026-03-02T12:00:00.500Z"),
        ("deals", "closedate", "2026-03-02T13:00:00+01:00", "2026-03-02T12:00:00Z"),
        ("contacts", "ai_date", "1772409600000", "2026-03-02"),
        ("contacts", "ai_many", "b;a;b", "b;a"),
        ("contacts", "ai_flag", "TRUE", "true"),
        ("contacts", "firstname", "", None),
        ("notes", "hs_note_body", '<p onclick="x()">Hi<script>x()</script> a & b &lt; <a href=" javascript:x">c</a>',
         "<p>Hi a & b &lt; <a>c</a>"),
    ],
)  # fmt: skip
def test_values_are_stored_in_the_vendors_form(
    twin: HubSpotTwin, ask: Asker, kind: str, name: str, written: str, stored: str | None
) -> None:
    """What is read back is a string or null in the vendor's spelling, not always what was written."""
    flags = [{"label": value, "value": value, "hidden": False} for value in ("true", "false")]
    many = [{"label": value, "value": value, "hidden": False} for value in ("a", "b")]
    _define(ask, "ai_date", "date", "date")
    _define(ask, "ai_many", "enumeration", "checkbox", many)
    _define(ask, "ai_flag", "bool", "booleancheckbox", flags)
    made = ask("POST", f"{DATED}/{kind}", {"properties": {**VALUES[kind], name: written}, "associations": []})
    read = ask("GET", f"{DATED}/{kind}/{made.body['id']}?properties={name}")
    assert read.body["properties"][name] == stored == twin.value(kind, made.body["id"], name)


def test_times_have_no_milliseconds_where_there_are_none(clock: SetClock, twin: HubSpotTwin, ask: Asker) -> None:
    """A reader that expects milliseconds breaks here, as it would at the vendor's."""
    first = twin.person_creates("contact", {"firstname": "Ann"})
    assert ask("GET", f"{DATED}/contacts/{first}").body["createdAt"] == "2026-03-02T12:00:00Z"
    second = twin.person_creates("contact", {"firstname": "Bob"})
    assert ask("GET", f"{DATED}/contacts/{second}").body["createdAt"] == "2026-03-02T12:00:00.002Z"


def test_the_judge_of_answers_is_awake(twin: HubSpotTwin) -> None:
    """An answer with a number for a text, or without what the SDK requires, is called a defect."""
    good = twin.portal.need("contacts", twin.person_creates("contact", {})).wire([])
    judge: Callable[[Any], list[str]] = lambda body: schema.problems(  # noqa: E731
        "hubspot.crm.contacts", "SimplePublicObject", body, nulls=True
    )
    assert judge(good) == []
    spoilt = [{**good, "id": 7}, {**good, "createdAt": "noon"}, {**good, "x": 1}, {**good, "properties": None}]
    assert all(judge(body) for body in spoilt)


def _define(ask: Asker, name: str, type: str, field_type: str, options: list[dict[str, Any]] | None = None) -> None:
    row = {**KEY, "name": name, "type": type, "fieldType": field_type, "hasUniqueValue": False}
    answer = ask("POST", "/crm/properties/2026-09/contacts", row | ({"options": options} if options else {}))
    assert answer.status == 201, answer.body
