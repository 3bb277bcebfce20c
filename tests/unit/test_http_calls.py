"""What a call came to before its answer is read, in the words that decide whether it may be sent again."""

from dataclasses import dataclass
from itertools import repeat

import pytest

from adapters.http.calls import CutOffError, NotSentError, Timeouts, answer, number, whole
from adapters.http.patience import Again, AgainUnanswered
from adapters.http.pooled import Pooled
from sidecar.errors import UnknownOutcome
from tests.unit.test_http_deadline import WHOLE, Says, hostile


@dataclass(frozen=True)
class _Call:
    operation: str
    effect: bool


@dataclass(frozen=True)
class _Reply:
    status: int


@pytest.mark.parametrize("effect", [False, True])
def test_an_answer_is_handed_on_and_observed(effect: bool) -> None:
    """Each answer is counted by operation and status, a refusal too; seen to fail with the status left out."""
    seen: list[tuple[str, int | None]] = []
    reply = answer(
        "Vendor", _Call("read", effect), lambda what, status, _: seen.append((what, status)), lambda: _Reply(503)
    )
    assert reply == _Reply(503)
    assert seen == [("read", 503)]


@pytest.mark.parametrize(
    ("error", "effect", "expected"),
    [
        (NotSentError("no connection"), False, AgainUnanswered),
        (NotSentError("no connection"), True, AgainUnanswered),
        (CutOffError("no answer in time"), False, Again),
        (CutOffError("no answer in time"), True, UnknownOutcome),
    ],
)
def test_what_may_have_been_done_is_not_sent_again(error: Exception, effect: bool, expected: type[Exception]) -> None:
    """Only a change that was cut off is of unknown outcome; seen to fail with `Again` for each that was cut off."""
    seen: list[tuple[str, int | None]] = []

    def fail() -> _Reply:
        raise error

    with pytest.raises(expected, match=str(error)) as caught:
        answer("Vendor", _Call("write", effect), lambda what, status, _: seen.append((what, status)), fail)
    assert type(caught.value) is expected
    assert seen == [("write", None)]


def test_a_pool_of_ours_that_is_busy_is_no_outage_of_theirs() -> None:
    """Who waits for a connection in vain says whose they are, asked nobody, and sets nothing aside; seen to fail with
    "Vendor can't be reached", and a call without an answer counted.
    """
    seen: list[str] = []
    with hostile(Says(WHOLE, b"")) as server:
        pooled, url = Pooled(Timeouts(20.0, 0.05, 20.0), 1), f"http://127.0.0.1:{server.port}"
        with (
            pooled._client.stream("GET", url, timeout=20.0),  # takes the only one, and isn't read to its end
            pytest.raises(AgainUnanswered, match="Vendor was not asked for write: our own connections"),
        ):
            answer(
                "Vendor", _Call("write", True), lambda what, *_: seen.append(what), lambda: pooled.send("GET", url, {})
            )
        pooled._client.close()
    assert not seen


def test_a_body_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream without end is not read to its end; seen to fail without the bound."""
    monkeypatch.setattr("adapters.http.calls.MAX_BODY_BYTES", 10)
    assert whole([b"12345", b"67890"]) == b"1234567890"
    with pytest.raises(CutOffError, match="too large"):
        whole(repeat(b"123", 1_000))


@pytest.mark.parametrize(
    ("text", "read"),
    [("7", 7.0), (" 0.5 ", 0.5), ("", None), ("soon", None), ("-1", None), ("1e9", None), ("9" * 40, None)],
)
def test_a_header_is_a_number_or_nothing(text: str, read: float | None) -> None:
    """Nonsense of a gateway is no limit; seen to fail with `float` of whatever stands there."""
    assert number({"retry-after": text}, "retry-after") == read
    assert number({}, "retry-after") is None
