"""What goes wrong on the way to the HubSpot twin: who is refused, how fast is too fast, how a connection can end."""

import http.client
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.asking import TIMEOUT_S, Asker
from tests.support.facts import NOON, SetClock
from tests.support.served import until
from tests.twins.hubspot import (
    BlackHole,
    Drop,
    HubSpotTwin,
    Late,
    Reset,
    Slow,
    Status,
    Truncated,
    html,
    locked,
    migrating,
    too_many,
)
from tests.twins.wire.faults import Action

DATED = "/crm/objects/2026-09"
CREATE = f"{DATED}/contacts/batch/create"
BODY: dict[str, Any] = {"inputs": [{"properties": {"firstname": "Ann"}, "associations": []}]}
PATIENCE_S = 0.3
RATES = ("max", "remaining", "interval-milliseconds", "daily", "daily-remaining")


@pytest.fixture
def impatient(twin: HubSpotTwin) -> Asker:
    """A client that doesn't wait long."""
    return Asker(twin.url, twin.token, timeout_s=PATIENCE_S)


@pytest.fixture
def ticking() -> Iterator[tuple[HubSpotTwin, Asker, list[float]]]:
    """A portal with the vendor's limits, whose seconds only the test lets pass."""
    seconds = [0.0]
    with HubSpotTwin(SetClock(), ticks=lambda: seconds[0]) as twin:
        yield twin, Asker(twin.url, twin.token), seconds


@pytest.mark.parametrize(
    ("token", "status", "category"),
    [
        ("", 401, "INVALID_AUTHENTICATION"),
        ("Bearer pat-eu1-other", 401, "INVALID_AUTHENTICATION"),
        ("Bearer pat eu1", 530, ""),
        ("Basic x", 530, ""),
    ],
)
def test_a_token_is_unknown_or_not_one_at_all(twin: HubSpotTwin, token: str, status: int, category: str) -> None:
    """A wrong token is a 401 of the API, a malformed one a page of the edge."""
    answer = Asker(twin.url, None)("GET", f"{DATED}/contacts", token=token or None)
    assert answer.status == status
    assert answer.body.startswith("<html>") if status == 530 else answer.body["category"] == category


def test_a_missing_scope_is_named(twin: HubSpotTwin, ask: Asker) -> None:
    """The 403 says which scopes would do, for objects, definitions and workflows alike."""
    for scope, path in (
        ("crm.objects.deals.read", f"{DATED}/deals"),
        ("crm.schemas.contacts.read", "/crm/properties/2026-09/contacts"),
        ("automation", "/automation/v4/flows"),
    ):
        twin.switches.scopes -= {scope, "crm.objects.contacts.read"}
        answer = ask("GET", path)
        assert (answer.status, answer.body["category"]) == (403, "MISSING_SCOPES")
        assert scope in answer.body["errors"][0]["context"]["requiredScopes"]


@pytest.mark.parametrize(
    "path",
    ["/crm/v2/objects/contacts", "/crm/objects/2025-03/contacts", "/crm/v4/objects/contacts", "/crm/v3/boats", "/",
     "/automation/2026-09/flows", "/crm/v3/associations/contacts/deals/batch/read"],
)  # fmt: skip
def test_a_version_that_is_not_served_is_not_found(ask: Asker, path: str) -> None:
    """A path lives in the versions that serve it and in no other."""
    assert ask("GET", path).status == 404


def test_an_address_can_be_too_long(ask: Asker) -> None:
    """Whoever asks for all properties in the query meets the edge; seen by others at about 15,000 characters."""
    assert ask("GET", f"{DATED}/contacts?properties={'x' * 15_000}").status == 414


def test_what_a_test_does_wrong_is_told(twin: HubSpotTwin, ask: Asker) -> None:
    """An edit in between that can't be made isn't lost in a thread."""
    twin.before(lambda: twin.person_edits("contact", "1", {}))
    with pytest.raises(http.client.RemoteDisconnected):
        ask("GET", f"{DATED}/contacts")
    assert "Object not found" in twin.defects.pop()


def test_a_version_that_ends_is_not_found_any_more(twin: HubSpotTwin, ask: Asker) -> None:
    """The day v3 ends can be tried out."""
    assert ask("GET", "/crm/v3/objects/contacts").status == 200
    twin.switches.versions.remove("v3")
    assert ask("GET", "/crm/v3/objects/contacts").status == 404


def test_bursts_are_refused_until_their_window_has_passed(
    ticking: tuple[HubSpotTwin, Asker, list[float]],
) -> None:
    """Headers count down to the 429, which is no promise of a Retry-After and lets calls in again by and by."""
    twin, ask, seconds = ticking
    twin.limits.burst = 3
    told = [ask("GET", f"{DATED}/contacts").headers["x-hubspot-ratelimit-remaining"] for _ in range(3)]
    assert told == ["2", "1", "0"]
    refused = ask("GET", f"{DATED}/contacts")
    assert (refused.status, refused.body["policyName"]) == (429, "TEN_SECONDLY_ROLLING")
    assert "retry-after" not in refused.headers and "category" not in refused.body
    assert all(f"x-hubspot-ratelimit-{name}" in refused.headers for name in RATES)
    twin.limits.retry_after = True
    assert ask("GET", f"{DATED}/contacts").headers["retry-after"] == "10"
    seconds[0] += 10
    assert ask("GET", f"{DATED}/contacts").status == 200


def test_searches_are_refused_by_the_second_and_tell_no_rates(
    ticking: tuple[HubSpotTwin, Asker, list[float]],
) -> None:
    """Five a second for the account, and no header that warns."""
    _, ask, seconds = ticking
    answers = [ask("POST", f"{DATED}/contacts/search", {}) for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert answers[-1].body["policyName"] == "SECONDLY"
    assert not [name for answer in answers for name in answer.headers if "ratelimit" in name]
    seconds[0] += 1
    assert ask("POST", f"{DATED}/contacts/search", {}).status == 200


def test_the_day_ends_at_midnight_of_the_account(clock: SetClock, twin: HubSpotTwin, ask: Asker) -> None:
    """The daily limit says so by its policy, and is whole again when the account's day is over."""
    twin.limits.daily = 2
    answers = [ask("GET", "/account-info/v3/details") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].body["policyName"] == "DAILY"
    clock.move(timedelta(hours=10, minutes=59).total_seconds())
    assert ask("GET", "/account-info/v3/details").status == 429, "23:59 in Berlin"
    clock.move(60)
    usage = ask("GET", "/account-info/v3/api-usage/daily/private-apps").body["results"][0]
    assert (usage["currentUsage"], usage["usageLimit"]) == (1, 2)


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (locked(), 423), (migrating(3600), 477), (html(502), 502), (html(503), 503), (html(521), 521),
        (html(524), 524), (too_many("DAILY"), 429), (too_many("SECONDLY", 1), 429), (Status(500, {"a": 1}), 500),
    ],
)  # fmt: skip
def test_any_status_can_be_answered_without_the_work(
    twin: HubSpotTwin, ask: Asker, action: Status, status: int
) -> None:
    """The work isn't done, the body is the edge's or the API's, and the next request is well again."""
    twin.fault(action, path="/batch/create")
    answer = ask("POST", CREATE, BODY)
    assert answer.status == status and twin.all("contacts") == []
    assert all(answer.headers[name.lower()] == value for name, value in action.headers.items())
    assert "correlationId" in answer.body or answer.body.startswith("<html>")
    assert ask("POST", CREATE, BODY).status == 201


@pytest.mark.parametrize(
    ("action", "error", "done"),
    [
        (Drop(), http.client.RemoteDisconnected, 1),
        (Reset(), ConnectionResetError, 0),
        (BlackHole(), TimeoutError, 0),
        (Truncated(), http.client.IncompleteRead, 1),
        (Truncated(honest=True), ValueError, 1),
        (Late(0.0), TimeoutError, 1),
    ],
)
def test_a_connection_can_end_before_or_after_the_work(
    twin: HubSpotTwin, ask: Asker, action: Action, error: type[Exception], done: int
) -> None:
    """What the client sees doesn't tell whether the work was done; the log does."""
    rule = twin.fault(action, method="POST", path="/batch/create")
    patience_s = PATIENCE_S if error is TimeoutError else TIMEOUT_S
    with pytest.raises(error):
        Asker(twin.url, twin.token, patience_s)("POST", CREATE, BODY)
    until(lambda: twin.requests, "what may come later than the client goes")
    assert (rule.struck, len(twin.all("contacts"))) == (1, done)
    (entry,) = twin.requests
    assert (entry.operation, entry.inputs, entry.fault) == ("contacts.batch_create", 1, type(action).__name__)
    assert entry.status == (201 if done else None)
    assert ask("POST", CREATE, BODY).status == 201


def test_a_5xx_can_come_after_the_work(twin: HubSpotTwin, ask: Asker) -> None:
    """A gateway that gave up says nothing about what stood behind it."""
    twin.fault(html(504, after_work=True), path="/batch/create")
    assert ask("POST", CREATE, BODY).status == 504 and len(twin.all("contacts")) == 1


def test_an_answer_can_trickle(twin: HubSpotTwin) -> None:
    """A slow answer comes whole in the end, and no time-out between two bytes of it ever strikes."""
    twin.fault(Slow(500), path="/batch/create")
    assert len(Asker(twin.url, twin.token, timeout_s=1.0)("POST", CREATE, BODY).body["results"]) == 1


def test_late_work_is_done_after_the_client_has_gone(twin: HubSpotTwin, impatient: Asker) -> None:
    """A look right after the time-out finds nothing, a later one finds the record; stopping forgets what is to come."""
    twin.fault(Late(60), path="/batch/create")
    with pytest.raises(TimeoutError):
        impatient("POST", CREATE, BODY)
    assert twin.all("contacts") == []
    until(twin.hasten, "the late work")
    assert len(twin.all("contacts")) == 1
    twin.fault(Late(60), path="/batch/create")
    with pytest.raises(TimeoutError):
        impatient("POST", CREATE, BODY)
    twin.stop()
    assert len(twin.all("contacts")) == 1


def test_a_person_can_edit_between_our_read_and_our_write(twin: HubSpotTwin, ask: Asker) -> None:
    """The edit is there before our write is applied, and in the history between the two."""
    id = twin.person_creates("contact", {"phone": "1"})
    twin.before(lambda: twin.person_edits("contact", id, {"phone": "2"}), method="PATCH")
    ask("GET", f"{DATED}/contacts/{id}")
    ask("PATCH", f"{DATED}/contacts/{id}", {"properties": {"phone": "3"}})
    history = twin.all("contacts")[0].history["phone"]
    assert [(entry.value, entry.source.type) for entry in history] == [
        ("3", "INTEGRATION"), ("2", "CRM_UI"), ("1", "CRM_UI"),
    ]  # fmt: skip


def test_a_portal_can_go_down_and_come_back_at_its_address(twin: HubSpotTwin, ask: Asker) -> None:
    """Connections are refused meanwhile, those that were open are closed, and nothing is forgotten."""
    ask("POST", CREATE, BODY)
    kept = http.client.HTTPConnection("127.0.0.1", int(twin.url.rpartition(":")[2]), timeout=5)
    kept.request("GET", f"{DATED}/contacts", headers={"Authorization": f"Bearer {twin.token}"})
    kept.getresponse().read()
    url = twin.url
    twin.down()
    with pytest.raises(ConnectionRefusedError):
        ask("GET", f"{DATED}/contacts")
    with pytest.raises((http.client.HTTPException, OSError)):
        kept.request("GET", f"{DATED}/contacts")
        kept.getresponse()
    kept.close()
    twin.up()
    assert twin.url == url and len(ask("GET", f"{DATED}/contacts").body["results"]) == 1


def test_chance_is_the_same_for_the_same_seed() -> None:
    """A run that failed can be run again."""

    def outcomes(seed: int) -> list[int]:
        with HubSpotTwin(SetClock(), seed=seed) as twin:
            twin.fault(html(502), times=None, probability=0.5)
            return [Asker(twin.url, twin.token)("GET", f"{DATED}/contacts").status for _ in range(12)]

    assert outcomes(1) == outcomes(1) != outcomes(2)
    assert set(outcomes(1)) == {200, 502}


def test_the_log_tells_operations_rows_and_bytes(twin: HubSpotTwin, ask: Asker) -> None:
    """A benchmark counts calls by what they are, not by their paths."""
    ask("POST", CREATE, {"inputs": BODY["inputs"] * 3})
    ask("POST", "/crm/v3/objects/0-1/search", {})
    ask("GET", "/nothing")
    assert dict(twin.log.counts) == {"contacts.batch_create": 1, "contacts.search": 1, "unknown": 1}
    assert (twin.calls(), twin.calls("search", "batch_create")) == (3, 2)
    first = twin.requests[0]
    assert (first.method, first.path, first.inputs, first.status) == ("POST", CREATE, 3, 201)
    assert first.size_in_bytes == len(first.body) > 0 < first.size_out_bytes and b"Ann" in first.body


def test_threads_are_served_at_once_and_lose_nothing(twin: HubSpotTwin) -> None:
    """Sixteen threads make as many records as they ask for, under ids of their own."""
    from concurrent.futures import ThreadPoolExecutor

    ask: Callable[[int], int] = lambda at: Asker(twin.url, twin.token)("POST", CREATE, BODY).status  # noqa: E731
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(64))) == {201}
    assert len({record.id for record in twin.all("contacts")}) == 64


def test_a_wrong_answer_of_the_twin_fails_whoever_uses_it() -> None:
    """A defect of the twin isn't taken for one of the code under test."""
    twin = HubSpotTwin(SetClock()).start()
    twin.portal.owners[0]["age"] = 7
    answer = Asker(twin.url, twin.token)("GET", "/crm/owners/2026-09/")
    assert answer.status == 500 and "no field 'age'" in twin.defects[0]
    with pytest.raises(AssertionError, match="never would"):
        twin.stop()


def test_time_is_real_where_no_clock_is_given() -> None:
    """A demo needs no clock of its own."""
    with HubSpotTwin() as twin:
        before = time.time()
        twin.person_creates("contact", {"firstname": "Ann"})
        assert before - 1 < twin.all("contacts")[0].created_at.timestamp()
        assert twin.all("contacts")[0].created_at > NOON
