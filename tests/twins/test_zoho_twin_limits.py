"""Zoho's limits and what goes wrong on the way: tokens, scopes, credits, calls at once, composites, faults."""

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.facts import SetClock
from tests.support.served import until
from tests.support.zohos import ZohoAsker
from tests.twins.zoho import Drop, Late, ZohoTwin, html, refused, too_many, unavailable

ANN = {"Last_Name": "Bee", "First_Name": "Ann", "Email": "Ann@x.test"}
PATIENCE_S = 0.3
LEFT = "x-api-credits-remaining"


@pytest.fixture
def twin(clock: SetClock) -> Iterator[ZohoTwin]:
    """An org."""
    with ZohoTwin(clock) as twin:
        yield twin


@pytest.fixture
def ask(twin: ZohoTwin) -> ZohoAsker:
    """A plain client with a token of ours."""
    return ZohoAsker(twin, twin.token)


def _grant(twin: ZohoTwin, **more: str) -> dict[str, str]:
    return {
        "grant_type": "refresh_token", "client_id": twin.switches.client_id, "refresh_token": twin.refresh_token,
        "client_secret": twin.switches.client_secret, **more,
    }  # fmt: skip


def _refresh(twin: ZohoTwin, ask: ZohoAsker, **more: str) -> Any:
    return ask("POST", "/oauth/v2/token", urlencode(_grant(twin, **more)))


def test_a_token_lives_an_hour_and_says_where_the_api_is(clock: SetClock, twin: ZohoTwin, ask: ZohoAsker) -> None:
    """The answer names the API's address; after an hour, or when it is taken away, the token is INVALID_TOKEN."""
    heard = _refresh(twin, ask)
    assert (heard.status, heard.body["api_domain"], heard.body["expires_in"]) == (200, twin.url, 3600)
    ours = ZohoAsker(twin, heard.body["access_token"])
    clock.move(3599)
    assert ours("GET", "/org").status == 200
    clock.move(1)
    assert (ours("GET", "/org").status, ours("GET", "/org").body["code"]) == (401, "INVALID_TOKEN")
    fresh = ZohoAsker(twin, twin.token)
    twin.tokens.revoke()
    assert fresh("GET", "/org").body["code"] == "INVALID_TOKEN"
    with ZohoTwin(clock) as another:
        assert ZohoAsker(another, twin.token)("GET", "/org").body["code"] == "INVALID_TOKEN"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"refresh_token": "1000.x"}, "invalid_code"), ({"client_id": "x"}, "invalid_client"),
        ({"client_secret": "x"}, "invalid_client_secret"), ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)  # fmt: skip
def test_a_refused_refresh_looks_like_success(
    twin: ZohoTwin, ask: ZohoAsker, wrong: dict[str, str], error: str
) -> None:
    """Who trusts the 200 finds no token in it; secrets aren't kept in the log."""
    heard = _refresh(twin, ask, **wrong)
    assert (heard.status, heard.body) == (200, {"error": error})
    assert twin.requests[-1].body == b"" and twin.calls("token") == 1


def test_ten_tokens_in_ten_minutes_and_no_more(clock: SetClock, twin: ZohoTwin, ask: ZohoAsker) -> None:
    """The eleventh blocks the refresh token for ten minutes; another one's isn't."""
    assert {_refresh(twin, ask).status for _ in range(10)} == {200}
    blocked = _refresh(twin, ask)
    assert (blocked.status, blocked.body["error"]) == (400, "Access Denied")
    clock.move(599)
    assert _refresh(twin, ask).status == 400
    assert _refresh(twin, ask, refresh_token=list(twin.switches.refresh_tokens)[1]).status == 200
    clock.move(1)
    assert _refresh(twin, ask).status == 200
    twin.tokens.most = None
    assert {_refresh(twin, ask).status for _ in range(11)} == {200}


def test_of_thirty_tokens_the_oldest_dies_with_the_next(twin: ZohoTwin) -> None:
    """Who mints a token for each call kills those that are in use."""
    oldest = ZohoAsker(twin, twin.token)
    for _ in range(29):
        twin.tokens.mint(twin.refresh_token)
    assert oldest("GET", "/org").status == 200
    twin.tokens.mint(twin.refresh_token)
    assert oldest("GET", "/org").body["code"] == "INVALID_TOKEN"


def test_each_call_needs_its_scope(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """A narrow scope serves its module and right, a wide one all; without it is OAUTH_SCOPE_MISMATCH."""
    twin.switches.scopes = ("ZohoCRM.modules.contacts.READ", "ZohoCRM.settings.ALL")
    assert ask("GET", "/Contacts", fields="id").status == 204
    assert ask("GET", "/settings/fields", module="Deals").status == 200
    for heard in (
        ask("GET", "/Deals", fields="id"), ask("POST", "/Contacts", {"data": [ANN]}), ask("GET", "/org"),
        ask("POST", "/coql", {"select_query": "select id from Contacts where id is not null"}),
        ask("POST", "/__composite_requests", {"__composite_requests": []}),
    ):  # fmt: skip
        assert (heard.status, heard.body["code"]) == (401, "OAUTH_SCOPE_MISMATCH")


def test_each_call_has_its_price(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """A credit for every ten rows written, two for what is gone, one to three for a query by its limit."""
    query = {"select_query": "select id from Contacts where id is not null"}
    long = {name: f"{query['select_query']} limit {limit}" for name, limit in (("two", 201), ("three", 0))}
    long["three"] = f"{query['select_query']} limit 5, 2000"
    prices: list[tuple[str, str, Any, int]] = [
        ("POST", "/Contacts", {"data": [ANN] * 10}, 1), ("POST", "/Contacts", {"data": [ANN] * 11}, 2),
        ("POST", "/Contacts/upsert", {"data": [ANN] * 100}, 10), ("GET", "/Contacts?fields=id", None, 1),
        ("GET", "/Contacts/deleted", None, 2), ("POST", "/coql", query, 1),
        ("POST", "/coql", {"select_query": long["two"]}, 2), ("POST", "/coql", {"select_query": long["three"]}, 3),
        ("GET", "/settings/fields?module=Deals", None, 1),
    ]  # fmt: skip
    for method, path, body, price in prices:
        before = twin.spent
        assert ask(method, path, body).status < 300 and twin.spent - before == price, path


def test_credits_roll_and_are_told_from_half_on(clock: SetClock, twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Nothing is told of credits before half are used; the day is the last 24 hours, and a refusal costs nothing."""
    twin.limits.daily = 4
    assert LEFT not in ask("GET", "/org").headers
    clock.move(3599)
    assert [ask("GET", "/org").headers[LEFT] for _ in range(3)] == ["2", "1", "0"]
    assert ask("GET", "/org").status == 429 and twin.spent == 4
    clock.move(82_800)
    assert ZohoAsker(twin, twin.token)("GET", "/org").status == 429
    clock.move(1)
    assert [ZohoAsker(twin, twin.token)("GET", "/org").status for _ in range(2)] == [200, 429]


def test_the_two_429_are_alike(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Spent credits and too many calls at once answer the same body, without a time or what is left."""
    twin.limits.others = 20
    at_once = ask("GET", "/org")
    twin.limits.others, twin.limits.daily = 0, 0
    spent = ask("GET", "/org")
    assert at_once.status == spent.status == 429 and at_once.body == spent.body
    for heard in (at_once, spent):
        assert "retry-after" not in heard.headers and LEFT not in heard.headers
    twin.switches.tells_credits_on_429 = True
    assert ask("GET", "/org").headers[LEFT] == "0"


def test_a_composite_takes_five_places_and_one_credit(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Requests refer to earlier answers; each may write one record, and the flag has its own name."""
    twin.limits.others = 16
    body = {"__composite_requests": [
        {"sub_request_id": "a", "method": "POST", "uri": "/crm/v8/Contacts", "body": {"data": [ANN], "trigger": []}},
        {"sub_request_id": "b", "method": "POST", "uri": "/crm/v8/Deals", "body": {"data": [
            {"Deal_Name": "Roof", "Stage": "Qualification", "Contact_Name": "@{a:$.data[0].details.id}"}]}},
        {"sub_request_id": "c", "method": "GET", "uri": "/crm/v8/Contacts/@{a:$.data[0].details.id}"},
        {"sub_request_id": "d", "method": "POST", "uri": "/crm/v8/Contacts", "body": {"data": [ANN, ANN]}},
    ]}  # fmt: skip
    assert ask("POST", "/__composite_requests", body).status == 429
    twin.limits.others = 15
    heard = ask("POST", "/__composite_requests", body)
    told = [each["details"]["response"] for each in heard.body["__composite_requests"]]
    assert [each["status_code"] for each in told] == [201, 201, 200, 400] and twin.spent == 1
    assert told[3]["body"]["data"][0]["code"] == "LIMIT_EXCEEDED"
    (deal,) = twin.all("deal")
    assert deal.values["Contact_Name"] == told[2]["body"]["data"][0]["id"]
    assert ask("POST", "/__composite_requests", {**body, "concurrent_execution": True}).status == 400
    body["__composite_requests"] *= 2
    assert ask("POST", "/__composite_requests", body).body["code"] == "LIMIT_EXCEEDED"


def test_a_composite_rolls_back_if_told_to(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """One that fails undoes the others; a reference to nothing is refused for itself."""
    good = {"method": "POST", "uri": "/crm/v8/Contacts", "body": {"data": [ANN]}}
    bad = {"method": "POST", "uri": "/crm/v8/Contacts", "body": {"data": [{"First_Name": "x"}]}}
    lost = {"method": "GET", "uri": "/crm/v8/Contacts/@{nothing:$.data[0].id}"}
    foreign = {"method": "GET", "uri": "/elsewhere"}
    heard = ask("POST", "/__composite_requests", {"rollback_on_fail": True, "__composite_requests": [good, bad]})
    assert heard.status == 200 and twin.all("contact") == []
    heard = ask("POST", "/__composite_requests", {"__composite_requests": [good, lost, foreign]})
    assert heard.status == 207 and len(twin.all("contact")) == 1
    codes = [each["code"] for each in heard.body["__composite_requests"]]
    assert codes == ["SUCCESS", "INVALID_REFERENCE", "INVALID_DATA"]
    before = twin.spent
    ask("POST", "/__composite_requests", {"rollback_on_fail": True, "__composite_requests": [good]})
    assert twin.spent - before == 2
    both = {"rollback_on_fail": True, "parallel_execution": True, "__composite_requests": [good]}
    assert ask("POST", "/__composite_requests", both).body["code"] == "AMBIGUITY_DURING_PROCESSING"


def test_an_answer_is_dropped_after_the_work(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """The record is there and nobody was told."""
    twin.fault(Drop(), method="POST", path="/Contacts")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask("POST", "/Contacts", {"data": [ANN]})
    assert len(twin.all("contact")) == 1 and not twin.requests[-1].answered


def test_a_write_is_applied_after_its_time_out(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Looked for at once it isn't there; a moment later it is."""
    twin.fault(Late(after_s=60), method="POST", path="/Contacts")
    ask.timeout_s = PATIENCE_S
    with pytest.raises(TimeoutError):
        ask("POST", "/Contacts", {"data": [ANN]})
    assert twin.all("contact") == []
    until(twin.hasten, "the late work")
    assert len(twin.all("contact")) == 1


def test_someone_types_between_our_read_and_our_write(clock: SetClock, twin: ZohoTwin, ask: ZohoAsker) -> None:
    """What runs before a request is seen by it: the conditional write is refused."""
    id = ask.made("Contacts", ANN)
    read = ask("GET", f"/Contacts/{id}").body["data"][0]["Modified_Time"]

    def types() -> None:
        clock.move(1)
        twin.person_edits("contact", id, {"Title": "Dr"})

    twin.before(types, method="PUT")
    heard = ask("PUT", "/Contacts", {"data": [{"id": id, "Title": "Mr"}]}, {"If-Unmodified-Since": read})
    assert heard.status == 412 and twin.value("contact", id, "Title") == "Dr"


def test_faults_answer_in_the_shapes_of_the_vendor_and_of_its_edge(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """A page of HTML, JSON of a service that is away, a 429 that says nothing, a token that died meanwhile."""
    for fault in (html(502), unavailable(), too_many(), refused(401, "INVALID_TOKEN")):
        twin.fault(fault)
    heard = [ask("GET", "/org") for _ in range(5)]
    assert [each.status for each in heard] == [502, 503, 429, 401, 200]
    assert heard[0].body.startswith("<html>")
    assert [each.body["code"] for each in heard[1:4]] == ["SERVICE_UNAVAILABLE", "TOO_MANY_REQUESTS", "INVALID_TOKEN"]
    twin.down()
    with pytest.raises(ConnectionError):
        ask("GET", "/org")
    twin.up()
    assert ask("GET", "/org").status == 200


def test_what_makes_no_sense_is_refused(twin: ZohoTwin, ask: ZohoAsker) -> None:
    """Unknown parameters, bodies that aren't JSON, rows that aren't rows, ids that aren't ids: each a 400."""
    for method, path, body in (
        ("GET", "/Contacts?fields=id&colour=red", None), ("POST", "/Contacts", "{"),
        ("POST", "/Contacts", {"data": {}}), ("POST", "/Contacts", {"rows": []}),
        ("POST", "/Contacts", {"data": ["x"]}), ("GET", "/Contacts/abc", None),
        ("GET", "/Contacts?fields=id&ids=abc", None), ("GET", "/Contacts?fields=id&per_page=201", None),
        ("PUT", "/Contacts", {"data": [{"Title": "x"}]}), ("PUT", "/Contacts/1", {"data": [{"Title": "x"}]}),
        ("GET", "/Contacts", None), ("GET", "/settings/fields", None), ("POST", "/settings/fields?module=Deals", {}),
    ):  # fmt: skip
        assert ask(method, path, body).status == 400, (method, path, body)
    assert twin.defects == []
