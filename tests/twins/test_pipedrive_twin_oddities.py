"""Each of Pipedrive's oddities seen once: limits, search, time, custom fields, what is gone, what is lost."""

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from tests.support.facts import SetClock
from tests.support.served import until
from tests.twins.pipedrive import Drop, Late, PipedriveTwin, html, too_many

DAY_S = 86_400
ANN = {"name": "Ann Bee", "emails": [{"value": "Ann@x.test"}], "phones": [{"value": "+44 20 7946 0001"}]}
PATIENCE_S = 0.3


@dataclass
class Heard:
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def data(self) -> Any:
        """Return what the answer is about."""
        return self.body["data"]


@dataclass
class Teller:
    """Asks the twin exactly what it is told."""

    twin: PipedriveTwin
    timeout_s: float = 10.0
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Heard:
        target = (path if path.startswith("/v") else f"/api/v2{path}") + (f"?{urlencode(query)}" if query else "")
        headers = {"x-api-token": self.twin.token, "Content-Type": "application/json", **self.headers}
        connection = http.client.HTTPConnection(urlsplit(self.twin.url).netloc, timeout=self.timeout_s)
        try:
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        told = {name.lower(): value for name, value in answer.getheaders()}
        is_json = told["content-type"].startswith("application/json")
        return Heard(answer.status, json.loads(text) if is_json else text, told)


@pytest.fixture
def seconds() -> list[float]:
    """The clock of bursts, which the test moves."""
    return [0.0]


@pytest.fixture
def twin(clock: SetClock, seconds: list[float]) -> Iterator[PipedriveTwin]:
    """A company whose limits are by the test's clocks."""
    with PipedriveTwin(clock, ticks=lambda: seconds[0]) as twin:
        twin.limits.unlimited_bursts = True
        yield twin


@pytest.fixture
def ask(twin: PipedriveTwin) -> Teller:
    """A plain client."""
    return Teller(twin)


def test_each_call_has_its_price(twin: PipedriveTwin, ask: Teller) -> None:
    """A day's tokens go by the vendor's table, and headers tell what is left unless they are missing."""
    prices = [
        ("POST", "/persons", ANN, 5), ("GET", "/persons", None, 10), ("GET", "/persons/search?term=ann", None, 20),
        ("GET", "/persons/101", None, 1), ("PATCH", "/persons/101", {"name": "A"}, 5),
        ("POST", "/v1/notes", {"content": "x", "person_id": 101}, 10), ("GET", "/v1/persons/101/flow", None, 40),
        ("GET", "/v1/users", None, 20), ("DELETE", "/persons/101", None, 3),
    ]  # fmt: skip
    for method, path, body, price in prices:
        before = twin.spent
        heard = ask(method, path, body)
        assert heard.status < 300 and twin.spent - before == price, path
        assert heard.headers["x-daily-ratelimit-token-remaining"] == str(300_000 - twin.spent)
    twin.limits.tells_daily = False
    assert not [name for name in ask("GET", "/persons").headers if "daily" in name]


def test_a_burst_is_refused_with_seconds_to_wait_not_a_time(
    twin: PipedriveTwin, ask: Teller, seconds: list[float]
) -> None:
    """`x-ratelimit-reset` counts from now; searches have a smaller limit of their own, other tokens theirs."""
    twin.limits.unlimited_bursts = False
    twin.limits.burst = 3
    answers = [ask("GET", "/persons") for _ in range(4)]
    assert [heard.status for heard in answers] == [200, 200, 200, 429]
    assert answers[3].headers["x-ratelimit-reset"] == "2" and "retry-after" not in answers[3].headers
    assert answers[3].body["error"]
    seconds[0] += 2
    twin.limits.search_burst = 1
    assert [ask("GET", "/itemSearch?term=ab").status for _ in range(2)] == [200, 429]
    assert Teller(twin, headers={"x-api-token": "other0token"})("GET", "/itemSearch?term=ab").status == 200


def test_the_day_is_over_until_midnight_whatever_retry_after_says(
    clock: SetClock, twin: PipedriveTwin, ask: Teller
) -> None:
    """A spent day answers 429 with a `retry-after` that means nothing, and ends with the server's day."""
    twin.limits.daily_tokens = 12
    assert ask("GET", "/persons").status == 200
    spent = ask("GET", "/persons")
    assert (spent.status, spent.headers["retry-after"]) == (429, "2") and twin.spent == 10
    assert ask("GET", "/persons/1").status == 404, "two tokens are left for what is cheap"
    clock.move(60)
    assert ask("GET", "/persons").status == 429
    clock.move((twin.limits.next_midnight() - clock()).total_seconds())
    assert ask("GET", "/persons").status == 200


def test_who_ignores_refusals_is_shut_out_with_a_page(twin: PipedriveTwin, ask: Teller, seconds: list[float]) -> None:
    """Going on after 429 ends in the edge's 403, which is HTML, and lasts."""
    twin.limits.unlimited_bursts, twin.limits.burst, twin.limits.patience = False, 1, 2
    answers = [ask("GET", "/persons") for _ in range(5)]
    assert [heard.status for heard in answers] == [200, 429, 429, 403, 403]
    assert answers[4].body.startswith("<html>")
    seconds[0] += 59
    assert ask("GET", "/persons").status == 403
    seconds[0] += 1
    assert ask("GET", "/persons").status == 200


def test_search_is_behind_what_was_written(clock: SetClock, twin: PipedriveTwin, ask: Teller) -> None:
    """A new record isn't found, a deleted one still is, until the lag is over; reading by id is never behind."""
    twin.switches.search_lag_s = 20
    id = ask("POST", "/persons", ANN).data["id"]
    found: Callable[[], int] = lambda: len(ask("GET", "/persons/search", term="ann bee").data["items"])  # noqa: E731
    assert (found(), len(ask("GET", f"/persons?ids={id}").data)) == (0, 1)
    clock.move(20)
    assert found() == 1
    twin.person_deletes("person", id)
    assert (found(), len(ask("GET", f"/persons?ids={id}").data)) == (1, 0)
    clock.move(20)
    assert found() == 0


def test_each_search_has_its_own_idea_of_case(twin: PipedriveTwin, ask: Teller) -> None:
    """Exact match doesn't mind case and finds whole values; a field's search minds it; without exact, parts do."""
    ask("POST", "/persons", ANN)
    key = twin.adds_field("person", "Key", "varchar")
    ask("PATCH", "/persons/101", {"custom_fields": {key: "aB1"}})

    def hits(**query: Any) -> int:
        return len(ask("GET", "/persons/search", **query).data["items"])

    def of_field(term: str, match: str = "exact", field: str = key) -> Heard:
        return ask("GET", "/itemSearch/field", term=term, entity_type="person", field=field, match=match)

    assert hits(term="ANN@X.TEST", exact_match="true") == 1 and hits(term="nn@x.tes") == 1
    assert hits(term="nn@x.tes", exact_match="true") == 0 and hits(term="Ann", fields="phone") == 0
    assert [len(of_field(term).data) for term in ("aB1", "ab1", "aB")] == [1, 0, 0]
    assert len(of_field("aB", "beginning").data) == len(of_field("B1", "middle").data) == 1
    assert of_field("1", field="owner_id").status == 400 and ask("GET", "/persons/search?term=a").status == 400
    twin.switches.field_search = "items"
    assert of_field("aB1").data[0]["item"]["id"] == 101


def test_updated_since_is_inclusive_and_knows_whole_seconds_alone(
    clock: SetClock, twin: PipedriveTwin, ask: Teller
) -> None:
    """The second itself is in, the next isn't, and a fraction is a 400; our own write moves the time as well."""
    id = ask("POST", "/persons", ANN).data["id"]
    clock.move(5)
    ask("PATCH", f"/persons/{id}", {"name": "Ann Bee"})
    at = clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(ask("GET", "/persons", updated_since=at).data) == 1
    assert ask("GET", "/persons", updated_until=at).data == []
    for wrong in (at.replace("Z", ".000Z"), at.replace("Z", "+00:00"), at[:10], "2026-13-01T00:00:00Z"):
        assert ask("GET", "/persons", updated_since=wrong).status == 400, wrong


def test_lists_page_by_an_opaque_cursor_and_a_filter_overrides_everything(twin: PipedriveTwin, ask: Teller) -> None:
    """The last page's cursor is null; ids that aren't there are left out; more than a hundred are refused."""
    ids = [ask("POST", "/persons", {"name": f"P{at}"}).data["id"] for at in range(5)]
    first = ask("GET", "/persons", limit=3, sort_by="id", sort_direction="desc")
    rest = ask("GET", "/persons", limit=3, sort_by="id", sort_direction="desc",
               cursor=first.body["additional_data"]["next_cursor"])  # fmt: skip
    assert [row["id"] for row in (*first.data, *rest.data)] == ids[::-1]
    assert rest.body["additional_data"] == {"next_cursor": None}
    assert ask("GET", "/persons", ids=f"{ids[0]},9").data[0]["id"] == ids[0]
    for query in ({"ids": ",".join(["1"] * 101)}, {"limit": 501}, {"cursor": "x"}, {"colour": "red"}):
        assert ask("GET", "/persons", **query).status == 400, query
    saved = twin.adds_filter("person", lambda record: record.values["name"] == "P3")
    assert [row["name"] for row in ask("GET", "/persons", filter_id=saved, ids=ids[0]).data] == ["P3"]


@pytest.mark.parametrize(
    ("type", "good", "bad"),
    [
        ("varchar", ["x", "ü" * 255], ["x" * 256, 5]), ("text", ["x" * 60_000], ["x" * 65_536]),
        ("double", [5, 1.5], ["5", True]), ("date", ["2026-03-02"], ["2026-3-2", "today", "2026-02-30"]),
        ("enum", ["first"], ["second label", 1, []]), ("set", [["first"]], [[], "first label", [1]]),
        ("monetary", [{"value": 5, "currency": "EUR"}], [5, {"value": 5}]), ("user", [1], [9]),
        ("time", [{"value": "10:00"}], ["10:00", {"value": "25:00"}]), ("people", [], [1]),
    ],
)  # fmt: skip
def test_custom_fields_are_strict(twin: PipedriveTwin, ask: Teller, type: str, good: list[Any], bad: list[Any]) -> None:
    """Choices are numbers, several a list that only null clears, and no number is taken as text; what is refused
    changes nothing."""
    code = twin.adds_field("person", "Ours", type, ("A", "B") if type in ("enum", "set") else ())
    first = next(iter(twin.company.definitions["persons"][code].options), 0)
    id = ask("POST", "/persons", ANN).data["id"]
    for given in good:
        value = first if given == "first" else [first] if given == ["first"] else given
        heard = ask("PATCH", f"/persons/{id}", {"custom_fields": {code: value}})
        assert heard.data["custom_fields"] == {code: value}
    for value in bad:
        heard = ask("PATCH", f"/persons/{id}", {"name": "Changed", "custom_fields": {code: value}})
        assert heard.status == 400 and heard.body["error"].startswith("Validation failed"), value
    assert twin.value("person", id, "name") == "Ann Bee"
    assert ask("PATCH", f"/persons/{id}", {"custom_fields": {code: None}}).data["custom_fields"] == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/persons", {"name": "A", "colour": "red"}, 400), ("POST", "/persons", {"emails": []}, 400),
        ("POST", "/persons", {"name": "A", "email": "a@x.test"}, 400), ("POST", "/persons", {"name": ""}, 400),
        ("POST", "/persons", {"name": "A", "org_id": 9}, 400),
        ("POST", "/persons", {"name": "A", "owner_id": "1"}, 400),
        ("POST", "/persons", {"name": "A", "custom_fields": {"x": 1}}, 400),
        ("POST", "/persons", {"name": "A", "job_title": "boss"}, 403),
        ("POST", "/deals", {"title": "A", "stage_id": 5, "pipeline_id": 1}, 400),
        ("POST", "/deals", {"title": "A", "value": "5"}, 400), ("POST", "/deals", {"title": "A", "stage_id": 99}, 400),
        ("POST", "/deals", {"title": "A", "lost_reason": "price"}, 400),
        ("POST", "/activities", {"subject": "A", "person_id": 1}, 400),
        ("POST", "/activities", {"subject": "A", "type": "Task"}, 400),
        ("POST", "/activities", {"subject": "A", "due_time": "10 am"}, 400),
        ("POST", "/organizations", {"name": "A", "address": "Berlin"}, 400), ("POST", "/persons", [], 400),
        ("POST", "/personFields", {"field_name": "A", "field_type": "url"}, 400),
        ("POST", "/personFields", {"field_name": "A", "field_type": "enum"}, 400),
        ("POST", "/v1/notes", {"content": "x"}, 400), ("POST", "/v1/leads", {"title": "x"}, 400),
        ("POST", "/v1/notes", {"content": "x", "person_id": 101, "pinned_to_deal_flag": True}, 400),
        ("PATCH", "/persons/9", {"name": "A"}, 404), ("DELETE", "/persons/9", None, 404),
        ("DELETE", "/personFields/name", None, 403), ("GET", "/persons/nine", None, 400),
    ],
)  # fmt: skip
def test_a_body_is_refused_for_anything_that_is_not_documented(
    twin: PipedriveTwin, ask: Teller, method: str, path: str, body: Any, status: int
) -> None:
    """What Pipedrive might let pass or not, the twin never does, and nothing is made of it."""
    twin.person_creates("person", {"name": "Ann"})
    assert ask(method, path, body).status == status
    assert [len(twin.all(kind)) for kind in ("persons", "organizations", "deals", "activities")] == [1, 0, 0, 0]


def test_notes_keep_what_is_harmless(ask: Teller) -> None:
    """Markup comes back sanitised: no script, no handler, no odd link, and bare signs escaped."""
    ask("POST", "/persons", ANN)
    text = '<p onclick="x()">a & b<br/><a href="javascript:x()">c</a><script>d()</script><h1>e</h1>'
    made = ask("POST", "/v1/notes", {"content": text, "person_id": 101})
    assert made.data["content"] == "<p>a &amp; b<br><a>c</a>e"


def test_a_merge_deletes_the_loser_without_a_word(twin: PipedriveTwin, ask: Teller) -> None:
    """The winner keeps its values and id, takes what it lacks and what hung on the loser; nothing lists who is gone."""
    winner = twin.person_creates("person", {"name": "Ann", "emails": [{"value": "a@x.test"}]})
    loser = twin.person_creates(
        "person", {"name": "Anne", "emails": [{"value": "b@x.test"}], "phones": [{"value": "1"}]}
    )
    deal = twin.person_creates("deal", {"title": "Roof", "person_id": loser})
    call = twin.person_creates("activity", {"subject": "Call", "participants": [{"person_id": loser}]})
    note = ask("POST", "/v1/notes", {"content": "x", "person_id": loser}).data["id"]
    assert twin.person_merges("person", winner, loser) == winner
    assert [row["value"] for row in twin.value("person", winner, "emails")] == ["a@x.test", "b@x.test"]
    assert (twin.value("person", winner, "name"), twin.value("person", winner, "phones")[0]["value"]) == ("Ann", "1")
    assert twin.value("deal", deal, "person_id") == twin.value("activity", call, "person_id") == winner
    assert ask("GET", f"/v1/notes/{note}").data["person_id"] == winner
    gone = ask("GET", f"/persons/{loser}")
    assert gone.data["is_deleted"] and str(winner) not in json.dumps(gone.data["custom_fields"])
    assert ask("GET", f"/persons?ids={loser}").data == [] and ask("PATCH", f"/persons/{loser}", {}).status == 404


def test_deleted_is_soft_for_thirty_days(clock: SetClock, twin: PipedriveTwin, ask: Teller) -> None:
    """Deals can be listed by status=deleted until they are purged; a person may take one back."""
    deal = twin.person_creates("deal", {"title": "Roof"})
    ask("DELETE", f"/deals/{deal}")
    (row,) = ask("GET", "/deals", status="deleted").data
    assert (row["status"], row["is_deleted"]) == ("deleted", True) and ask("GET", "/deals").data == []
    twin.person_restores("deal", deal)
    assert len(ask("GET", "/deals").data) == 1
    twin.person_deletes("deal", deal)
    clock.move(31 * DAY_S)
    assert ask("GET", "/deals", status="deleted").data == [] and ask("GET", f"/deals/{deal}").status == 404


def test_work_can_be_lost_late_or_done_behind_a_page(twin: PipedriveTwin, ask: Teller) -> None:
    """A dropped answer, a late one and a 502 after the work leave a record each, which a blind repeat would double."""
    twin.fault(Drop(), method="POST", path="/persons")
    with pytest.raises(http.client.RemoteDisconnected):
        ask("POST", "/persons", ANN)
    twin.fault(Late(0.0), method="POST", path="/persons")
    with pytest.raises(TimeoutError):
        Teller(twin, PATIENCE_S)("POST", "/persons", ANN)
    until(lambda: len(twin.all("person")) == 2, "the late work")
    twin.fault(html(502, after_work=True), path="/persons")
    assert ask("POST", "/persons", ANN).status == 502
    twin.fault(too_many(daily=True), path="/persons")
    refused = ask("POST", "/persons", ANN)
    assert (refused.status, refused.headers["x-daily-ratelimit-token-remaining"]) == (429, "0")
    assert len(twin.all("person")) == 3 and len({record.id for record in twin.all("person")}) == 3


def test_a_person_can_edit_between_our_read_and_our_write(twin: PipedriveTwin, ask: Teller) -> None:
    """The edit is in the changelog before our write, which nothing stops: there is no conditional write."""
    id = twin.person_creates("person", {"name": "Ann"})
    twin.before(lambda: twin.person_edits("person", id, {"name": "Anna"}), method="PATCH")
    ask("PATCH", f"/persons/{id}", {"name": "Anne"})
    lines = ask("GET", f"/v1/persons/{id}/changelog").data
    assert [(row["new_value"], row["change_source"]) for row in lines] == [("Anne", "api"), ("Anna", "app")]


def test_webhooks_are_forty_and_their_events_wait_in_the_outbox(twin: PipedriveTwin, ask: Teller) -> None:
    """An event has data, what was before, and who did it from where; only https is accepted."""
    hook = {"subscription_url": "https://h.test/p", "event_action": "*", "event_object": "person", "name": "ours"}
    id = ask("POST", "/v1/webhooks", hook).data["id"]
    person = twin.person_creates("person", {"name": "Ann"})
    twin.person_edits("person", person, {"name": "Anna"})
    (_, made), (_, changed) = twin.company.outbox
    assert (made["meta"]["action"], made["meta"]["change_source"], made["previous"]) == ("create", "app", None)
    assert changed["previous"]["name"] == "Ann" and changed["data"]["name"] == "Anna"
    assert [number for number, _ in twin.company.outbox] == [id, id]
    assert ask("POST", "/v1/webhooks", {**hook, "subscription_url": "http://h.test/p"}).status == 400
    twin.switches.webhook_limit = 1
    assert ask("POST", "/v1/webhooks", hook).status == 403


def test_a_wrong_answer_of_the_twin_fails_whoever_uses_it(clock: SetClock) -> None:
    """A defect of the twin isn't taken for one of the code under test; paths are read with their quotes taken off."""
    twin = PipedriveTwin(clock).start()
    twin.company.pipelines[0]["colour"] = "red"
    assert Teller(twin)("GET", f"/{quote('pipelines')}/1").status == 500
    with pytest.raises(AssertionError, match="colour"):
        twin.stop()
