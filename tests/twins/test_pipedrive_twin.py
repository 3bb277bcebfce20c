"""The Pipedrive twin against what isn't ours: the vendor's published examples, and a client that reads its statuses.

The rest asks by plain HTTP, where a library would be too polite to send what must be refused.
"""

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.facts import SetClock
from tests.twins.pipedrive import AUTOMATION, MOBILE, PipedriveTwin, html, null_body, refused, schema, unsuccessful
from tests.twins.pipedrive.routes import ROUTES

EXAMPLES = Path(__file__).parents[1] / "fixtures" / "pipedrive" / "published_examples.json"
Ask = Callable[..., Any]
ANN = {"name": "Ann Bee", "emails": [{"value": "Ann@x.test"}], "phones": [{"value": "+44 20 7946 0001"}]}


@pytest.fixture
def twin(clock: SetClock) -> Iterator[PipedriveTwin]:
    """A company without limits of speed."""
    with PipedriveTwin(clock) as twin:
        twin.limits.unlimited_bursts = True
        yield twin


@pytest.fixture
def client(twin: PipedriveTwin) -> Any:
    """A published client, its token in the header where it has none, and with a time-out that it lacks."""
    made = importlib.import_module("pipedrive.client").Client(domain=twin.url)
    headers = {"x-api-token": twin.token, "User-Agent": "sidecar/1"}

    class Told:
        def __getattr__(self, method: str) -> Callable[..., Any]:
            def call(path: str, **more: Any) -> Any:
                base = "" if path.startswith("/v1") else "/api/v2"
                sent = {**headers, **more.pop("headers", {})}
                return getattr(made, f"_{method}")(twin.url + base + path, headers=sent, timeout=10, **more)

            return call

    return Told()


def test_the_schema_reads_what_the_vendor_publishes() -> None:
    """What judges the twin's answers is judged itself, by the examples of the vendor's pages; seen to fail without
    `local_won_date`."""
    examples = json.loads(EXAMPLES.read_text())
    assert len(examples) == 4
    for name, example in examples.items():
        assert schema.problems(getattr(schema, name), example) == [], name


def test_every_endpoint_answers_what_its_schema_fits(twin: PipedriveTwin, client: Any) -> None:
    """A client that isn't ours walks every route; an answer that the schema doesn't fit would be a 500."""
    _walk_people(client)
    _walk_catalogue(client)
    _walk_legacy(client)
    known = {route.kind for route in ROUTES}
    walked = {name if name in known else name.split(".", 1)[-1] for name in twin.log.counts}
    assert known - walked == set()
    assert [entry for entry in twin.requests if (entry.status or 500) >= 300] == []


def _walk_people(client: Any) -> None:
    org = client.post("/organizations", json={"name": "Größe & Söhne", "address": {"value": "Berlin"}})["data"]["id"]
    ann = client.post("/persons", json={**ANN, "org_id": org})["data"]["id"]
    deal = client.post("/deals", json={"title": "Roof", "person_id": ann, "org_id": org, "value": 1250.5})["data"]["id"]
    task = {"subject": "Call back", "type": "task", "due_date": "2026-03-05", "due_time": "10:00", "deal_id": deal,
            "participants": [{"person_id": ann, "primary": True}], "note": "<p>soon</p>"}  # fmt: skip
    made = client.post("/activities", json=task)["data"]
    assert (made["person_id"], made["due_time"]) == (ann, "10:00:00")
    for kind, id in (("persons", ann), ("organizations", org), ("deals", deal), ("activities", made["id"])):
        assert client.get(f"/{kind}/{id}")["data"]["id"] == id
        assert [row["id"] for row in client.get(f"/{kind}", params={"ids": str(id)})["data"]] == [id]
    client.patch(f"/deals/{deal}", json={"is_archived": True})
    assert client.get("/deals")["data"] == [] and len(client.get("/deals/archived")["data"]) == 1
    client.patch(f"/deals/{deal}", json={"is_archived": False, "status": "lost", "lost_reason": "price"})
    (hit,) = client.get("/persons/search", params={"term": "ann@X.TEST", "fields": "email", "exact_match": "true"})[
        "data"
    ]["items"]
    assert hit["item"]["organization"]["id"] == org
    assert len(client.get("/itemSearch", params={"term": "roof"})["data"]["items"]) == 1
    gone = client.post("/persons", json={"name": "Gone"})["data"]["id"]
    assert client.delete(f"/persons/{gone}")["data"] == {"id": gone}


def _walk_catalogue(client: Any) -> None:
    body = {"field_name": "AI stage", "field_type": "enum", "options": [{"label": "enquired"}]}
    made = client.post("/personFields", json=body)["data"]
    code = made["field_code"]
    assert len(code) == 40
    (added,) = client.post(f"/personFields/{code}/options", json=[{"label": "booked"}])["data"]
    assert len(client.get(f"/personFields/{code}")["data"]["options"]) == 2
    client.delete(f"/personFields/{code}/options", json=[{"id": added["id"]}])
    assert client.patch(f"/personFields/{code}", json={"field_name": "AI"})["data"]["field_name"] == "AI"
    key = client.post("/dealFields", json={"field_name": "Key", "field_type": "varchar"})["data"]["field_code"]
    deal = client.get("/deals")["data"][0]["id"]
    client.patch(f"/deals/{deal}", json={"custom_fields": {key: "K1"}})
    params = {"term": "K1", "entity_type": "deal", "field": key, "match": "exact"}
    assert client.get("/itemSearch/field", params=params)["data"] == [{"id": deal, key: "K1"}]
    client.delete(f"/dealFields/{key}")
    assert key not in [row["field_code"] for row in client.get("/dealFields", params={"limit": 500})["data"]]
    (first, *_) = client.get("/pipelines")["data"]
    assert client.get(f"/pipelines/{first['id']}")["data"]["name"] == "Sales"
    stage = client.get("/stages", params={"pipeline_id": first["id"]})["data"][0]
    assert client.get(f"/stages/{stage['id']}")["data"]["name"] == "Lead In"
    assert len(client.get("/v1/users")["data"]) == 2 and client.get("/v1/users/me")["data"]["company_id"] == 77001
    assert "task" in [row["key_string"] for row in client.get("/v1/activityTypes")["data"]]
    hook = {"subscription_url": "https://h.test/", "event_action": "*", "event_object": "note", "name": "h"}
    id = client.post("/v1/webhooks", json=hook)["data"]["id"]
    assert [row["id"] for row in client.get("/v1/webhooks")["data"]] == [id]
    client.delete(f"/v1/webhooks/{id}")


def _walk_legacy(client: Any) -> None:
    (ann, *_) = client.get("/persons")["data"]
    note = client.post("/v1/notes", json={"content": "<b>Thursday</b>", "person_id": ann["id"]})["data"]["id"]
    assert client.put(f"/v1/notes/{note}", json={"content": "Friday"})["data"]["content"] == "Friday"
    assert client.get(f"/v1/notes/{note}")["data"]["person"] == {"name": "Ann Bee"}
    assert len(client.get("/v1/notes", params={"person_id": ann["id"]})["data"]) == 1
    client.delete(f"/v1/notes/{note}")
    assert client.get("/v1/notes")["data"] is None
    lead = client.post("/v1/leads", json={"title": "Asks", "person_id": ann["id"]})["data"]["id"]
    client.patch(f"/v1/leads/{lead}", json={"title": "Asked"})
    assert client.get(f"/v1/leads/{lead}")["data"]["title"] == "Asked" and len(client.get("/v1/leads")["data"]) == 1
    client.delete(f"/v1/leads/{lead}")
    other = client.post("/persons", json={"name": "Ann B.", "phones": [{"value": "1"}]})["data"]["id"]
    client.put(f"/v1/persons/{other}/merge", json={"merge_with_id": ann["id"]})
    assert client.get(f"/persons/{other}")["data"]["is_deleted"]
    assert client.get(f"/v1/persons/{ann['id']}/changelog")["data"][0]["field_key"] == "phone"
    assert client.get(f"/v1/persons/{ann['id']}/flow")["data"][0]["object"] == "personChange"


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"), (401, "UnauthorizedError"), (402, "UnknownError"), (403, "ForbiddenError"),
        (404, "NotFoundError"), (410, "GoneError"), (415, "UnsupportedMediaTypeError"),
        (422, "UnprocessableEntityError"), (429, "TooManyRequestsError"), (500, "InternalServerError"),
        (503, "ServiceUnavailableError"),
    ],
)  # fmt: skip
def test_a_client_that_is_not_ours_understands_each_refusal(
    twin: PipedriveTwin, client: Any, status: int, name: str
) -> None:
    """A refusal is what a published client takes for one, in a body whose words it finds."""
    twin.fault(refused(status, "not now"))
    errors = importlib.import_module("pipedrive.exceptions")
    with pytest.raises(getattr(errors, name), match="not now"):
        client.get("/persons")
    assert client.get("/persons")["data"] == []


@pytest.mark.parametrize(
    ("fault", "seen"),
    [(html(502), "<html>"), (html(403), "<html>"), (null_body(), None), (unsuccessful(), {"success": False})],
)
def test_what_a_trusting_client_takes_for_success(twin: PipedriveTwin, client: Any, fault: Any, seen: Any) -> None:
    """A gateway's page, null, and success:false come back without any exception, which is why nobody may trust it."""
    twin.fault(fault)
    heard = client.get("/persons")
    if isinstance(seen, dict):
        assert heard["success"] is False
    else:
        assert heard is None if seen is None else heard.startswith(seen)


def test_the_states_that_the_api_itself_refuses(twin: PipedriveTwin, client: Any) -> None:
    """Retired endpoints, wrong methods, an unpaid company, a feature that is off, a full account: each by status."""
    errors = importlib.import_module("pipedrive.exceptions")
    id = client.post("/deals", json={"title": "Roof"})["data"]["id"]
    with pytest.raises(errors.GoneError):
        client.get("/v1/deals")
    with pytest.raises(errors.UnknownError) as wrong:
        client.put(f"/deals/{id}", json={"title": "x"})
    assert wrong.value.response.status_code == 405
    twin.switches.entity_cap = 1
    with pytest.raises(errors.ForbiddenError) as full:
        client.post("/deals", json={"title": "One more"})
    assert full.value.response.json()["code"] == "ERR_ENTITY_LIMIT_REACHED"
    twin.switches.features_off = {"notes"}
    with pytest.raises(errors.UnsupportedMediaTypeError):
        client.get("/v1/notes")
    twin.switches.unpaid = True
    with pytest.raises(errors.UnknownError) as unpaid:
        client.get("/deals")
    assert unpaid.value.response.status_code == 402


def test_the_token_belongs_into_the_header_alone(twin: PipedriveTwin, client: Any) -> None:
    """A token in the query would be in every log, and is refused even beside a good one; Bearer is for apps."""
    errors = importlib.import_module("pipedrive.exceptions")
    for refused_by in ({"params": {"api_token": twin.token}}, {"headers": {"x-api-token": "wrong"}}):
        with pytest.raises(errors.UnauthorizedError):
            client.get("/persons", **refused_by)
    twin.switches.bearers["app"] = 2
    me = client.get("/v1/users/me", headers={"x-api-token": None, "Authorization": "Bearer app"})
    assert me["data"]["id"] == 2


def test_the_changelog_tells_people_from_programs(twin: PipedriveTwin, client: Any) -> None:
    """A token acts as its user, so that only source and program tell who typed; newest first, none for nothing."""
    deal = client.post("/deals", json={"title": "Roof"})["data"]["id"]
    client.patch(f"/deals/{deal}", json={"stage_id": 2, "title": "Roof"})
    twin.person_edits("deal", deal, {"stage_id": 3})
    twin.automation_edits("deal", deal, {"stage_id": 1})
    twin.person_edits("deal", deal, {"value": 100}, MOBILE)
    lines = client.get(f"/v1/deals/{deal}/changelog")["data"]
    assert [(row["field_key"], row["old_value"], row["new_value"], row["change_source"]) for row in lines] == [
        ("value", "0", "100", "mobile"), ("stage_id", "3", "1", "api"), ("stage_id", "2", "3", "app"),
        ("stage_id", "1", "2", "api"),
    ]  # fmt: skip
    assert lines[1]["change_source_user_agent"] == AUTOMATION.user_agent
    assert lines[3]["change_source_user_agent"] == "sidecar/1" and lines[3]["actor_user_id"] == 1
    page = client.get(f"/v1/deals/{deal}/changelog", params={"limit": 3})
    rest = client.get(f"/v1/deals/{deal}/changelog", params={"cursor": page["additional_data"]["next_cursor"]})
    assert rest["data"] == lines[3:]
