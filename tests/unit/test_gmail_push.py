"""Gmail's pushes at the door: whose token is believed, and what a push may do."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.channels.gmail import GmailChannel
from sidecar.errors import PermanentError, RejectedInput, TemporaryError
from sidecar.ports import HookRequest
from tests.contract.channel import CANARY, NOW, all_captured, delivered, door, last_cursor, parsed
from tests.contract.gmail_mailboxes import MAILBOX, PUSHES, RECENT, GmailHarness
from tests.support.served import until
from tests.twins.gmail import GmailTwin
from tests.twins.wire.faults import Status

OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[GmailHarness]:
    """Return a mailbox that waits for its customers."""
    with GmailTwin(MAILBOX, lambda: NOW) as twin:
        yield GmailHarness(twin, tmp_path)


@pytest.fixture
def channel(harness: GmailHarness) -> GmailChannel:
    """Return its channel, which has polled once and so knows Google's keys."""
    made = harness.made(**PUSHES)
    all_captured(made.poll(None))
    return made


def pushed(harness: GmailHarness, **changed: Any) -> HookRequest:
    """Return a push as Pub/Sub sends it."""
    return HookRequest(*harness.twin.push(**changed))


def test_a_push_is_kept_as_a_hint_and_moves_nothing(harness: GmailHarness, channel: GmailChannel) -> None:
    """A push is a delivery with a key of its own and no activity; sent again, it is the same one."""
    request = pushed(harness)
    first, again = channel.verify(request), channel.verify(request)
    assert first.raw == request.body
    assert delivered(channel, first).id == delivered(channel, again).id
    assert channel.verify(pushed(harness)).key != first.key
    assert parsed(channel, first) == ()
    assert channel.capabilities.hints


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://elsewhere.test/hooks/mail"},
        {"aud": None},
        {"email": "stranger@evil.iam.gserviceaccount.com"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"iss": "https://evil.test"},
        {"iss": None},
        {"exp": int(NOW.timestamp()) - 301},
        {"exp": None},
        {"exp": "soon"},
        {"exp": int(NOW.timestamp()) + 10**6},
        {"iat": int(NOW.timestamp()) + 301},
        {"iat": None},
        {"iat": 0, "exp": 2**40},
        {"key": OTHER},
        {"key": "x" * 40, "alg": "HS256"},
        {"key": None, "alg": "none"},
        {"key": OTHER, "alg": "RS512"},
    ],
)
def test_a_token_that_isnt_googles_for_us_is_refused(
    harness: GmailHarness, channel: GmailChannel, changed: dict
) -> None:
    """Whatever is wrong with who signed, for whom, whose it is or when: 401, and a good one beside it passes."""
    assert door(channel, pushed(harness, **changed)) == 401
    assert door(channel, pushed(harness)) is None


def test_a_public_key_is_no_shared_secret(harness: GmailHarness, channel: GmailChannel) -> None:
    """The oldest trick with such tokens, Google's public key taken as an HMAC's secret, is refused."""
    head, body = pushed(harness).headers, harness.twin.push()[1]
    claims = jwt.decode(head["authorization"].split(" ")[1], options={"verify_signature": False})
    row = jwt.algorithms.RSAAlgorithm.to_jwk(harness.twin.signing.public_key())
    forged = jwt.encode(claims, json.loads(row)["n"], algorithm="HS256", headers={"kid": "key-1"})
    assert door(channel, HookRequest({"authorization": f"Bearer {forged}"}, body)) == 401


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic {}", "Bearer {} {}", "Bearer {}.x", "{}",
     "Bearer \udcff", "Bearer ключ", "Bearer " + "x" * 9_000, "Bearer {}\n", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.x"],
)  # fmt: skip
def test_whatever_stands_in_the_header_is_a_refusal(harness: GmailHarness, channel: GmailChannel, header: str) -> None:
    """No header raises anything else than a 401."""
    token = harness.twin.token()
    request = HookRequest({"authorization": header.replace("{}", token)}, harness.twin.push()[1])
    assert door(channel, request) == 401
    assert door(channel, HookRequest({}, request.body)) == 401


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), bits=st.integers(1, 255))
def test_any_changed_byte_of_a_token_is_noticed(
    harness: GmailHarness, channel: GmailChannel, place: int, bits: int
) -> None:
    """The token is signed as a whole; only the padding bits of its last character mean nothing."""
    headers, body = harness.twin.push()
    good = headers["authorization"].encode()
    at = len("Bearer ") + place % (len(good) - len("Bearer ") - 1)
    changed = good[:at] + bytes([good[at] ^ bits]) + good[at + 1 :]
    assert door(channel, HookRequest({"authorization": changed.decode("latin-1")}, body)) == 401


def test_keys_that_arent_known_yet_are_fetched_while_the_sender_waits(harness: GmailHarness) -> None:
    """The door never waits for Google: the first push is put off, and taken once the keys are there."""
    channel, request = harness.made(**PUSHES), pushed(harness)
    with pytest.raises(TemporaryError):
        channel.verify(request)
    until(lambda: _taken(channel, request), "the keys to be fetched")
    assert harness.twin.calls("certs") == 1


def test_strangers_cant_make_us_ask_google_without_end(harness: GmailHarness, channel: GmailChannel) -> None:
    """A key that Google doesn't have is looked for once a minute at most, and refused in between."""
    with pytest.raises(TemporaryError):
        channel.verify(pushed(harness, kid="another", key=OTHER))
    until(lambda: harness.twin.calls("certs") == 2, "the second fetch")
    for number in range(20):
        assert door(channel, pushed(harness, kid=f"key-{number + 5}", key=OTHER)) == 401
    assert harness.twin.calls("certs") == 2


def test_an_outage_of_googles_keys_stops_no_poll(harness: GmailHarness) -> None:
    """Pushes wait for the keys, mails don't."""
    harness.twin.fault(Status(503, "<html>"), path="/oauth2/v3/certs", times=None)
    harness.put()
    channel = harness.made(**PUSHES)
    assert len(all_captured(channel.poll(None))) == 1
    with pytest.raises(TemporaryError):
        channel.verify(pushed(harness))
    all_captured(channel.poll(None))
    assert harness.twin.calls("certs") == 1, "a poll a second later is not held up again"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"\xff", b"{", b"[" * 90_000, json.dumps({"message": {"data": "%%"}}).encode(),
     json.dumps({"message": {"data": b64encode(b"7").decode()}}).encode(), CANARY.encode()],
)  # fmt: skip
def test_a_body_that_is_no_push_is_parked(harness: GmailHarness, channel: GmailChannel, body: bytes) -> None:
    """The token doesn't sign the body, so whatever comes with a good one is kept and named, without its words."""
    captured = channel.verify(HookRequest(pushed(harness).headers, body))
    with pytest.raises(PermanentError) as caught:
        parsed(channel, captured)
    assert CANARY not in str(caught.value)


def test_a_history_that_lags_behind_its_push_is_read_once_more(harness: GmailHarness, channel: GmailChannel) -> None:
    """Gmail's history may be empty for a moment after its push: the poll asks once more, and no third time."""
    cursor = last_cursor(channel.poll(None))
    harness.twin.arrives(harness.mail(), RECENT)
    channel.verify(pushed(harness))
    harness.twin.lags = 1
    assert len(all_captured(channel.poll(cursor))) == 1
    cursor = last_cursor(channel.poll(cursor))
    channel.verify(pushed(harness, history=2**60))
    before = harness.twin.calls("history")
    all_captured(channel.poll(cursor))
    assert harness.twin.calls("history") == before + 2


def test_an_older_push_moves_nothing_back(harness: GmailHarness, channel: GmailChannel) -> None:
    """A push that comes late names an id that is behind us: nothing is read twice."""
    harness.put()
    cursor = last_cursor(channel.poll(None))
    channel.verify(pushed(harness, history=1))
    channel.verify(pushed(harness, mailbox="boss@ours.test", history=2**60))
    assert not all_captured(channel.poll(cursor))


def test_where_no_pushes_are_set_up_there_is_no_door(harness: GmailHarness) -> None:
    """A channel without pushes takes none, whoever signs them."""
    assert door(harness.channel, pushed(harness)) == 404
    big = HookRequest(pushed(harness).headers, b"x" * 100_001)
    assert door(harness.made(**PUSHES), big) == 413


def test_a_token_holds_for_five_minutes_either_side(harness: GmailHarness, channel: GmailChannel) -> None:
    """Clocks that differ by less than five minutes part nobody."""
    at = int(NOW.timestamp())
    assert door(channel, pushed(harness, iat=at + 299)) is None
    assert door(channel, pushed(harness, iat=at - 3600, exp=at - 299)) is None


def _taken(channel: GmailChannel, request: HookRequest) -> bool:
    try:
        return isinstance(channel.verify(request).headers, Mapping)
    except (TemporaryError, RejectedInput):
        return False
