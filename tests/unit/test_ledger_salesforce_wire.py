"""Calls of Salesforce on a real socket: sessions, what is tried again, what never is, and what it costs."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.crms.salesforce.options import SalesforceOptions
from adapters.crms.salesforce.wire import Query, Wire
from sidecar.errors import ConfigError, StaleVersion, TemporaryError, UnknownOutcome
from sidecar.model import Own
from sidecar.ports import Context
from tests.twins.salesforce import (
    BlackHole,
    Drop,
    Reset,
    SalesforceTwin,
    Status,
    Truncated,
    expired,
    html,
    limit_exceeded,
    locked,
    not_acceptable,
    unavailable,
)

CREATE = "composite/sobjects"
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
PEOPLE = "SELECT Id, LastName FROM Contact"


@dataclass
class Line:
    """A wire to a twin, the naps that it took, and what it told whoever observes."""

    base: Path
    twin: SalesforceTwin = field(init=False)
    now: datetime = NOW
    naps: list[float] = field(default_factory=list)
    told: list[tuple[str, int | None, float]] = field(default_factory=list)

    def wire(self, secret: str | None = None, **options: Any) -> Wire:
        """Return a wire of its own, as another process would have it."""
        given = {
            "base_url": self.twin.url,
            "client_id": self.twin.switches.consumer_key,
            "username": self.twin.switches.username,
            **options,
        }
        held = self.twin.private_key if secret is None else secret
        context = Context(
            lambda: self.now,
            Own(default_region="GB"),
            self.base,
            lambda env, file: held,
            observe=lambda operation, status, seconds: self.told.append((operation, status, seconds)),
        )
        return Wire(SalesforceOptions.model_validate(given), context, sleep=self.naps.append)

    def people(self) -> list[str]:
        """Return the last names of all contacts, as the org has them."""
        return [str(each.values["LastName"]) for each in self.twin.all("contact")]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """An org of its own."""
    with opened(tmp_path) as made:
        yield made


@contextmanager
def opened(base: Path, **switches: Any) -> Iterator[Line]:
    """Open an org."""
    made = Line(base)
    with SalesforceTwin(clock=lambda: made.now, **switches) as made.twin:
        yield made


def create(wire: Wire, name: str = "Bee") -> Any:
    """Make a contact."""
    record = {"attributes": {"type": "Contact"}, "LastName": name}
    return wire.send("write", "POST", CREATE, {"allOrNone": False, "records": [record]})


def test_a_session_is_got_by_a_signed_token_and_says_who_we_are(line: Line) -> None:
    """The twin checks signature, audience and life; the journal is bound to the org that is told."""
    session = line.wire().session()
    assert (session.org, session.user) == (line.twin.org.id, line.twin.user)
    assert session.token not in repr(session)


def test_a_session_is_got_by_the_apps_own_secret(line: Line) -> None:
    """Where the app runs as a user, no key is needed."""
    wire = line.wire("twin-secret", auth="client_credentials", username="")
    assert wire.session().user == line.twin.user
    assert create(wire)[0]["success"] is True


def test_nothing_is_asked_before_the_first_call(line: Line) -> None:
    """Whoever only reads the config waits for nobody."""
    line.wire()
    assert line.twin.requests == []


@pytest.mark.parametrize(
    ("options", "secret", "setting"),
    [
        ({"base_url": None}, None, r"crm\.base_url"),
        ({"client_id": ""}, None, r"crm\.client_id"),
        ({"username": ""}, None, r"crm\.username"),
        ({}, " ", r"crm\.secret_env"),
        ({}, "no key", r"crm\.secret_env"),
        ({"secret_file": "key.pem"}, "no key", r"^crm\.secret_file"),
        ({"secret_file": "key.pem", "client_id": "3MVGother"}, None, r"^crm\.secret_file"),
        ({"client_id": "3MVGother"}, None, "invalid_client"),
        ({"username": "nobody@roofs.test"}, None, "invalid_grant"),
        ({"auth": "client_credentials"}, "wrong", "invalid_client"),
        ({"audience": "https://elsewhere.test"}, None, "invalid_grant"),
    ],
)
def test_what_is_wrong_with_the_app_is_the_operators(
    line: Line, options: dict[str, Any], secret: str | None, setting: str
) -> None:
    """Each is told with what to change, and without the secret."""
    with pytest.raises(ConfigError, match=setting) as refused:
        line.wire(secret, **options).session()
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://yours.my.salesforce.com", "https://login.salesforce.com", "https://u:p@x.test", "https://x.test/a"]
)
def test_the_session_goes_nowhere_unsafe(url: str) -> None:
    """Only https, only the org's own host, without a path; http is for this machine."""
    with pytest.raises(ValidationError):
        SalesforceOptions.model_validate({"base_url": url})
    assert SalesforceOptions.model_validate({"base_url": "http://127.0.0.1:9"}).base_url == "http://127.0.0.1:9"


@pytest.mark.parametrize("page", [False, True])
def test_a_session_that_ends_is_renewed_and_the_call_sent_again_whole(line: Line, page: bool) -> None:
    """A 401, JSON or a page, renews once; the condition of a write is sent again with it, so a person's edit stands."""
    wire = line.wire()
    ref = create(wire)[0]["id"]
    line.now += timedelta(seconds=5)
    line.twin.person_edits("contact", ref, {"LastName": "Typed"})
    line.twin.fault(expired(page), method="PATCH")
    with pytest.raises(StaleVersion):
        since = "Mon, 05 Jan 2026 09:00:02 GMT"
        wire.send("write", "PATCH", f"sobjects/Contact/{ref}", {"LastName": "Ours"}, If_Unmodified_Since=since)
    assert line.people() == ["Typed"]
    assert line.twin.logins == 2


def test_many_threads_renew_a_session_once(line: Line) -> None:
    """Each renewal counts against the app, and the last one would end the others'."""
    wire = line.wire()
    wire.query(PEOPLE)
    line.twin.end_sessions()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: wire.query(PEOPLE), range(16)))
    assert line.twin.logins == 2


def test_a_session_that_is_refused_again_is_the_operators(line: Line) -> None:
    """Two refusals and no more: the vendor's client would go on until its stack ends."""
    wire = line.wire()
    wire.session()
    line.twin.fault(expired(), path="query", times=None)
    before = len(line.twin.requests)
    with pytest.raises(ConfigError, match="doesn't accept the session"):
        wire.query(PEOPLE)
    assert len(line.twin.requests) - before == 3


@pytest.mark.parametrize("fault", [unavailable(), not_acceptable(), html(502), locked(), Reset(), Drop(), Truncated()])
def test_a_reading_is_tried_again(line: Line, fault: Any) -> None:
    """Reading twice hurts nobody."""
    wire = line.wire()
    line.twin.fault(fault, path="query", times=2)
    assert wire.query(PEOPLE) == []


@pytest.mark.parametrize("fault", [unavailable(), not_acceptable(), locked()])
def test_a_write_that_was_not_done_is_sent_again(line: Line, fault: Any) -> None:
    """A busy server that says so has done nothing."""
    wire = line.wire()
    line.twin.fault(fault, path=CREATE, times=2)
    assert create(wire)[0]["success"] is True
    assert line.people() == ["Bee"]
    assert len(line.naps) == 2


@pytest.mark.parametrize(
    "fault",
    [html(502, after_work=True), html(503), Drop(), Truncated(), BlackHole(), Status(500, "oh", after_work=True)],
)
def test_a_write_of_unknown_outcome_is_never_sent_again(line: Line, fault: Any) -> None:
    """Who asked must look: seen to fail with a 502 after a write tried again."""
    wire = line.wire(read_timeout_s=1.0) if isinstance(fault, BlackHole) else line.wire()
    line.twin.fault(fault, path=CREATE)
    with pytest.raises(UnknownOutcome):
        create(wire)
    assert line.people() in ([], ["Bee"])
    assert sum("sobjects" in each.path for each in line.twin.requests) == 1


def test_a_login_that_breaks_off_makes_no_outcome_unknown(line: Line) -> None:
    """A write behind a session that could not be had was not sent."""
    wire = line.wire(max_wait_s=0)
    line.twin.fault(Drop(), path="token", times=None)
    with pytest.raises(TemporaryError) as refused:
        create(wire)
    assert not isinstance(refused.value, UnknownOutcome)
    assert line.people() == []


def test_waiting_has_a_bound(line: Line) -> None:
    """Nobody waits for a server that stays busy."""
    wire = line.wire(max_wait_s=3)
    line.twin.fault(unavailable(), path="query", times=None)
    with pytest.raises(TemporaryError):
        wire.query(PEOPLE)
    assert sum(line.naps) <= 3


def test_a_spent_day_stops_every_call_until_it_frees(line: Line) -> None:
    """Refused calls are not sent again and again: one is tried after a while; seen to fail with the refusal retried."""
    wire = line.wire()
    wire.query(PEOPLE)
    line.twin.fault(limit_exceeded(), path="query")
    asked = len(line.twin.requests)
    for _ in range(3):
        with pytest.raises(TemporaryError) as refused:
            wire.query(PEOPLE)
        assert refused.value.retry_after_s is not None
    assert len(line.twin.requests) == asked + 1
    line.now += timedelta(minutes=15)
    assert wire.query(PEOPLE) == []


def test_the_reserve_is_left_to_others(line: Line) -> None:
    """What every answer tells of the day's calls is believed."""
    line.twin.limits.daily, line.twin.limits.others = 100, 88
    wire = line.wire(reserve=10)
    wire.query(PEOPLE)
    wire.query(PEOPLE)
    with pytest.raises(TemporaryError, match="reserve"):
        for _ in range(3):
            wire.query(PEOPLE)
    assert line.twin.limits.used() <= 91


def test_several_queries_are_one_call_and_a_long_one_fits(line: Line) -> None:
    """Five of them go in a composite's body, where an address would be too long; each is answered whole."""
    wire = line.wire()
    line.twin.switches.batch = 2
    for name in "abcde":
        line.twin.person_creates("contact", {"LastName": name})
    wire.query(PEOPLE)
    before = wire.calls["query"]
    found = wire.queries([Query(f"{PEOPLE} WHERE LastName = '{name}'") for name in "abcde"])
    assert [[row["LastName"] for row in rows] for rows in found] == [[name] for name in "abcde"]
    assert wire.calls["query"] == before + 1
    names = ",".join(f"'{'x' * 70}{n}'" for n in range(200))
    assert [row["LastName"] for row in wire.query(f"{PEOPLE} WHERE LastName NOT IN ({names})")] == list("abcde")


def test_a_refused_query_is_told_whichever_way_it_went(line: Line) -> None:
    """A composite answers 200 for it; seen to fail with the status of a part ignored."""
    wire = line.wire()
    for asked in ([Query("SELECT Nonsense FROM Contact")], [Query(PEOPLE), Query("SELECT Nonsense FROM Contact")]):
        with pytest.raises(Exception, match="INVALID_FIELD"):
            wire.queries(asked)


def test_nothing_of_what_is_sent_is_logged_or_told(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a customer's name nor a session, in logs, errors or what observers are told."""
    wire = line.wire()
    with caplog.at_level(logging.INFO):
        create(wire, "Canary")
        with pytest.raises(Exception) as refused:
            wire.query("SELECT Id FROM Contact WHERE Canary = 'Canary'")
    assert "Canary" not in caplog.text + str(refused.value) + repr(line.told)
    assert wire.session().token not in caplog.text
    assert [each[0] for each in line.told] == ["write", "query", "login"]
