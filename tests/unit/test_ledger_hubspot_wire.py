"""One call on a real socket: what is tried again, what never is, how long it waits, and what it tells."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.crms.hubspot.options import HubSpotOptions
from adapters.crms.hubspot.shapes import Account, Definitions, Things
from adapters.crms.hubspot.wire import Wire
from adapters.http.calls import CutOffError, NotSentError
from sidecar.errors import ConfigError, PermanentError, TemporaryError, UnknownOutcome
from sidecar.model import Own
from sidecar.ports import Context
from tests.support.certificates import certified
from tests.support.served import until
from tests.twins.hubspot import (
    BlackHole,
    Drop,
    HubSpotTwin,
    Reset,
    Slow,
    Status,
    Truncated,
    html,
    locked,
    migrating,
    too_many,
)
from tests.unit.test_http_deadline import AMPLE, CLIENTS, Says, hostile

DETAILS = "/account-info/2026-09/details"
CREATE = "/crm/objects/2026-09/contacts/batch/create"
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
HASTY: dict[str, Any] = {"read_timeout_s": 1.0, "call_timeout_s": 1.0}
"""For calls that are to end by their time; any other must not end by it, however busy the machine is."""


@dataclass
class Line:
    """A wire to a twin, the naps that it took, and what it told whoever observes."""

    twin: HubSpotTwin
    wire: Wire
    naps: list[float] = field(default_factory=list)
    told: list[tuple[str, int | None, float]] = field(default_factory=list)

    def read(self) -> str:
        """Read the account's id."""
        return self.wire.get(Account, "account", DETAILS).portal

    def write(self, email: str = "ann@x.test") -> Things:
        """Make a contact."""
        row = {"properties": {"email": email}, "associations": [], "objectWriteTraceId": "1"}
        return self.wire.change(Things, "batch_create", "POST", CREATE, {"inputs": [row]})


@contextmanager
def _line(token: str | None = None, **options: Any) -> Iterator[Line]:
    twin = HubSpotTwin(clock=lambda: NOW).start()
    naps: list[float] = []
    told: list[tuple[str, int | None, float]] = []
    given = HubSpotOptions.model_validate({"base_url": twin.url, **options})
    secret = twin.token if token is None else token
    context = Context(lambda: NOW, Own(), Path(), lambda env, file: secret, observe=lambda *call: told.append(call))
    try:
        yield Line(twin, Wire(given, context, sleep=naps.append), naps, told)
    finally:
        twin.stop(check=False)


def _times(fault: Any) -> dict[str, Any]:
    return HASTY if isinstance(fault, BlackHole | Slow) else {}


@pytest.mark.parametrize(
    "fault",
    [html(502), html(503), html(504), html(521), html(523), html(524), Reset(), Drop(), Truncated(),
     Truncated(honest=True), BlackHole(), locked(), too_many(), migrating(1)],
    ids=str,
)  # fmt: skip
def test_a_read_is_tried_again(fault: Any) -> None:
    """A read survives whatever passes; seen to fail with one attempt."""
    with _line(**_times(fault)) as line:
        line.twin.fault(fault)
        assert line.read() == "4242"
        assert line.wire.calls["account"] == 2
        assert len(line.naps) >= 1


@pytest.mark.parametrize(
    ("fault", "done"),
    [(html(502, after_work=True), 1), (html(502), 0), (Drop(), 1), (Reset(), 0), (Truncated(), 1),
     (Truncated(honest=True), 1), (BlackHole(), 0), (Slow(20), 1),
     (Status(500, {"category": "INTERNAL_ERROR"}), 0)],
    ids=str,
)  # fmt: skip
def test_a_write_of_unknown_outcome_is_not_sent_again(fault: Any, done: int) -> None:
    """Once sent, a write is never repeated, whether it was done or not; seen to fail with writes retried."""
    with _line(**_times(fault)) as line:
        line.twin.fault(fault)
        with pytest.raises(UnknownOutcome):
            line.write()
        assert line.wire.calls["batch_create"] == 1
        until(lambda: len(line.twin.all("contact")) >= done, "the work that nobody waited for")
        assert len(line.twin.all("contact")) == done
        assert line.naps == []


@pytest.mark.parametrize("fault", [locked(), too_many(), too_many("SECONDLY", 1), migrating(2)], ids=str)
def test_a_write_that_was_turned_away_is_sent_again(fault: Any) -> None:
    """What is known not to have been done is done after the wait; seen to fail with every failure unknown."""
    with _line() as line:
        line.twin.fault(fault)
        assert len(line.write().results) == 1
        assert len(line.twin.all("contact")) == 1


def test_a_connection_that_never_opened_has_done_nothing() -> None:
    """A CRM that is down is a matter of time, for writes as well; seen to fail with `UnknownOutcome` for it."""
    with _line(max_wait_s=3.0) as line:
        line.twin.down()
        with pytest.raises(TemporaryError) as caught:
            line.write()
        assert not isinstance(caught.value, UnknownOutcome)
        line.twin.up()
        assert len(line.write().results) == 1


@pytest.mark.parametrize(
    ("fault", "wait_s"), [(migrating(7200), 7200.0), (too_many(retry_after_s=60), 60.0)], ids=["moving", "burst"]
)
def test_a_long_wait_is_left_to_others(fault: Status, wait_s: float) -> None:
    """A call waits for seconds; what takes longer is told and not slept through; seen to fail without the bound."""
    with _line() as line:
        line.twin.fault(fault, times=None)
        with pytest.raises(TemporaryError) as caught:
            line.read()
        assert caught.value.retry_after_s == wait_s
        assert line.naps == []


def test_all_waits_of_a_call_have_one_bound() -> None:
    """Retries end after so many seconds of waiting together; seen to fail with a bound for each wait."""
    with _line(max_wait_s=5.0) as line:
        line.twin.fault(locked(), times=None)
        with pytest.raises(TemporaryError):
            line.read()
        assert line.naps == [2.0, 2.0]


def test_a_day_that_is_used_up_is_told_at_once() -> None:
    """Nobody tries again before midnight; seen to fail with the daily limit taken for a burst."""
    with _line() as line:
        line.twin.fault(too_many("DAILY"), times=None)
        with pytest.raises(TemporaryError):
            line.read()
        assert line.wire.calls["account"] == 1


@pytest.mark.parametrize("bytes_per_s", [40, 4000], ids=["headers", "body"])
def test_a_slow_answer_ends(bytes_per_s: float) -> None:
    """An answer that trickles has an end, which no time-out of the socket gives.

    Seen to fail without the bound of bodies, and to take twenty times as long without that of headers.
    """
    with _line(max_wait_s=0.0, **HASTY) as line:
        line.twin.fault(Slow(bytes_per_s), times=None)
        with pytest.raises(TemporaryError):
            line.wire.get(Definitions, "properties", "/crm/properties/2026-09/contacts")


def test_one_connection_serves_many_calls() -> None:
    """The pool is shared, so a call doesn't cost a handshake; seen to fail with a client per call."""
    with _line() as line:
        for _ in range(5):
            line.read()
        transport = line.wire._transport
        assert transport is not None
        pools = transport._client.rest_client.pool_manager.pools
        served = [(pools[key].num_connections, pools[key].num_requests) for key in pools.keys()]  # noqa: SIM118 no mapping
        assert served == [(1, 5)]


def test_a_redirect_is_not_followed() -> None:
    """The token goes to one host; seen to fail with redirects and retries on."""
    with _line() as line:
        line.twin.fault(Status(302, "", {"Location": f"{line.twin.url}/elsewhere"}))
        with pytest.raises(ConfigError, match=r"crm\.base_url"):
            line.read()
        assert len(line.twin.requests) <= 1


def test_each_call_is_observed() -> None:
    """Who operates it sees each call with its status, an unanswered one too; seen to fail without `finally`."""
    with _line() as line:
        line.twin.fault(Drop())
        line.read()
        assert [(operation, status) for operation, status, _ in line.told] == [("account", None), ("account", 200)]
        assert all(seconds >= 0 for _, _, seconds in line.told)


def test_no_secret_and_no_value_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Token, addresses and bodies are in no log and no error; seen to fail with urllib3's debug log let through."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger().setLevel(logging.DEBUG)
    with _line() as line:
        line.write("canary@x.test")
        errors = []
        line.twin.fault(Status(400, {"category": "VALIDATION_ERROR", "message": "canary@x.test is bad"}))
        line.twin.fault(html(502))
        for _ in range(2):
            with pytest.raises((PermanentError, UnknownOutcome)) as caught:
                line.write("canary@x.test")
            errors.append(repr(caught.value) + repr(caught.value.__cause__))
        text = caplog.text + "".join(errors)
        assert "canary" not in text
        assert line.twin.token not in text
        assert "127.0.0.1" not in text


def test_a_missing_token_is_the_operators() -> None:
    """Nothing is sent without a token; seen to fail with an empty one sent."""
    with _line(token="") as line, pytest.raises(ConfigError, match=r"crm\.token_env"):
        line.read()
    assert line.twin.requests == []


@pytest.mark.parametrize(
    "url",
    ["http://api.hubapi.com", "http://10.0.0.1", "https://user:pw@api.hubapi.com", "https://api.hubapi.com/v3", "ftp://x",
     "https://", "http://127.0.0.1.evil.test", "https://api.hubapi.com?x=1"],
)  # fmt: skip
def test_the_token_is_sent_over_https_or_to_this_machine(url: str) -> None:
    """A typing error can't send the token in clear; seen to fail with any http allowed."""
    with pytest.raises(ValidationError):
        HubSpotOptions(base_url=url)


@pytest.mark.parametrize(
    "url", ["https://api.hubapi.com", "https://api.hubapi.com/", "http://127.0.0.1:9", "http://[::1]:9"]
)
def test_a_good_address_is_taken(url: str) -> None:
    """Tests and gateways on this machine work without TLS; seen to fail with https alone."""
    assert HubSpotOptions(base_url=url).base_url == url.rstrip("/")


def test_an_untrusted_certificate_got_nothing_sent(tmp_path: Path) -> None:
    """TLS that broke leaves an outcome unknown; seen to fail with a defect of the SDK, which has no body to decode."""
    served, _ = certified(tmp_path, "localhost")
    cases = ((Says(b"", b"", tls=served), NotSentError), (Says(b"HTTP/1.1 400 Bad Request\r\n\r\n", b""), CutOffError))
    for says, expected in cases:
        with hostile(says) as server, pytest.raises(expected) as caught:
            CLIENTS["hubspot"](f"https://localhost:{server.port}", AMPLE)
        assert caught.type is expected
