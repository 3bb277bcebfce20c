"""The promises of the Channel port, numbered: every channel inherits them in a few lines.

C1 to C11 hold for every channel, C21 to C28 for those that are called (webhooks), C41 to C57 for those that ask
(pollers), C50 to C53 and C55 for those of them that can be counted, C56 and C57 for those that leave out by name. An
adapter's test class gives a fixture `harness`: its channel behind a real door (signed bytes, a socket, a folder), and
the hands that the suite needs on the other side of it. The suite reads the declared capabilities: declared true, the
promise is tested; declared false, the call must raise `UnsupportedFeature`. What a sender doesn't do is declared as
well (`stamped`, `covers_body`, `enveloped`), and C21, C25, C27 and C28 say what holds instead.

Seeds in the docstrings are the bugs under which a test was seen to fail.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from sidecar.errors import (
    ConfigError,
    PermanentError,
    RejectedInput,
    SidecarError,
    TemporaryError,
    UnsupportedFeature,
    Withheld,
)
from sidecar.model import Activity, Delivery, Mint, Own, Role
from sidecar.ports import (
    Captured,
    Channel,
    Context,
    Counted,
    Greeter,
    Greeting,
    HookRequest,
    Listener,
    MediaSource,
    PollBatch,
    Retriever,
    Subscriber,
)

NOW = datetime(2026, 11, 22, 10, 0, 5, tzinfo=UTC)
INSTALLED = datetime(2026, 11, 20, 12, tzinfo=UTC)
OWN = Own(
    domains=frozenset({"ours.test"}),
    addresses=frozenset({"+442079460000"}),
    default_region="GB",
    timezone="Europe/London",
)
CANARY = "canary-7f3a quotation"
MINT = Mint(b"a key of the contract suite's own journal")
MAX_BATCHES, MAX_SOURCE_CHARS = 1_000, 300
NOBODY = "http://127.0.0.1:9"
"""Where nobody listens, nor may: the system gives this port to no one who asks for any."""
NOT_FIXTURES = {"SOURCES.md"}
DESCRIPTIONS = (".meta.json", ".meta.toml")


class Secrets:
    """Reads secrets like the product's own reader: by variable, else by file, else `ConfigError`."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def __call__(self, env: str | None, file: str | None) -> str:
        for name in (env, file):
            if name and self.values.get(name):
                return self.values[name]
        raise ConfigError(f"{env or file} is not set")


def context(base: Path, secrets: Secrets | None = None, clock: Callable[[], datetime] = lambda: NOW) -> Context:
    """Return what every channel is given, on a machine that was installed two days before now."""
    return Context(clock, OWN, base, secrets or Secrets(), INSTALLED)


def delivered(channel: Channel, captured: Captured, received_at: datetime = NOW) -> Delivery:
    """Return the delivery that the journal would keep."""
    digest = sha256(captured.raw).hexdigest()
    return MINT(
        Delivery(
            channel=channel.name,
            account=captured.account,
            key=captured.key or digest,
            sha256=digest,
            headers=dict(captured.headers),
            received_at=received_at,
            raw=captured.raw,
        )
    )


def parsed(channel: Channel, captured: Captured) -> tuple[Activity, ...]:
    """Return a captured delivery's activities, with ids."""
    delivery = delivered(channel, captured)
    return tuple(MINT(activity) for activity in channel.parse(delivery))


def all_captured(batches: Iterable[PollBatch]) -> list[Captured]:
    """Return everything that some batches hold, each committed like the product would; bounded."""
    found: list[Captured] = []
    for count, batch in enumerate(batches):
        assert count < MAX_BATCHES, "a poll must end"
        found += batch.captured
        batch.committed()
    return found


class ChannelHarness(Protocol):
    """What a channel under contract must offer beside itself.

    `fixtures` is its folder of payloads, of which those named in `parked` can't be read; of those in `hints`, where a
    harness has any, nothing is read: what they hint at comes by the poll; those in `greeted` are answered and not kept.
    `receive` lets something new and good come in by the channel's own door, `broken` something that is vouched for and
    can't be read, and holds `CANARY`. `reopen` makes the same channel again, as after a restart, perhaps with another
    clock.
    """

    fixtures: Path
    parked: frozenset[str]
    secrets: tuple[str, ...]

    @property
    def channel(self) -> Channel: ...
    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> Channel: ...
    def receive(self) -> Captured: ...
    def broken(self) -> Captured: ...
    def from_fixture(self, path: Path) -> Captured: ...


class WebhookHarness(ChannelHarness, Protocol):
    """A channel that is called: `request` makes a well-signed request; `bad` a table of requests that are not.

    Where what is vouched with doesn't cover the body, `vouched` returns requests that all name one secret, each spelt
    in another way; with a wrong one, none of them is good.
    """

    def body(self) -> bytes: ...
    def vouched(self, secret: str) -> Sequence[HookRequest]: ...
    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest: ...
    def with_secrets(self, *secrets: str) -> Channel: ...
    def bad(self) -> Mapping[str, HookRequest]: ...


class PollHarness(ChannelHarness, Protocol):
    """A channel that asks: `put` lays one new thing on the other side and returns its bytes, `put_old` a thing from
    before the installation, `put_oversized` one that is too large. Where a channel `withholds`, `put_withheld` lays one
    down that its other side refuses to hand out until `mend`, and returns the bytes that it then has. `unreachable` and
    `refused` are the same channel with its other side gone, and with credentials that are not accepted there; None
    where there is no such thing.
    """

    batch_size: int

    def put(self) -> bytes: ...
    def put_old(self) -> bytes: ...
    def put_oversized(self) -> None: ...
    def unreachable(self) -> Channel | None: ...
    def refused(self) -> Channel | None: ...


class ChannelContract:
    """What every channel promises."""

    def test_c1_declares_itself(self, harness: ChannelHarness) -> None:
        """C1: a channel has a name, capabilities, and options that refuse an unknown key."""
        channel = harness.channel
        assert isinstance(channel, Channel)
        assert channel.name
        assert channel.capabilities.webhook or channel.capabilities.poll
        options = type(channel).Options  # type: ignore[attr-defined] # a class attribute by convention of the port
        assert issubclass(options, BaseModel)
        assert options.model_config.get("extra") == "forbid"
        assert all(field.description or field.annotation for field in options.model_fields.values())

    def test_c2_what_comes_in_becomes_activities(self, harness: ChannelHarness) -> None:
        """C2: a good delivery yields activities of its channel and account. Seed: parse returns nothing."""
        captured = harness.receive()
        assert captured.fault is None
        activities = parsed(harness.channel, captured)
        assert activities
        for activity in activities:
            assert (activity.channel, activity.account) == (harness.channel.name, captured.account)
            assert activity.external_id
            assert activity.thread

    def test_c3_the_same_delivery_twice_has_the_same_ids(self, harness: ChannelHarness) -> None:
        """C3: reading again, by a channel made anew, is the same to the last field. Seed: uuid4 as an external id."""
        captured = harness.receive()
        first = parsed(harness.channel, captured)
        assert parsed(harness.reopen(), captured) == first
        assert delivered(harness.channel, captured).id == delivered(harness.reopen(), captured).id

    def test_c4_times_are_aware_utc(self, harness: ChannelHarness) -> None:
        """C4: every activity's time is aware and UTC. Seed: the sender's offset kept."""
        captured = [harness.receive(), *(harness.from_fixture(path) for path in good_fixtures(harness))]
        for activity in (a for c in captured for a in parsed(harness.channel, c)):
            assert activity.at.tzinfo is not None
            assert activity.at.utcoffset() == timedelta(0)

    def test_c5_the_unreadable_is_parked_and_kept_private(
        self, harness: ChannelHarness, caplog: pytest.LogCaptureFixture
    ) -> None:
        """C5: what is vouched for but unreadable is a delivery, parked without a word of it. Seed: str(error)."""
        caplog.set_level(logging.DEBUG)
        captured = harness.broken()
        assert CANARY.encode() in captured.raw
        with pytest.raises(PermanentError) as caught:
            harness.channel.parse(delivered(harness.channel, captured))
        assert CANARY not in str(caught.value)
        assert CANARY not in caplog.text

    def test_c6_every_fixture_is_exercised(self, harness: ChannelHarness) -> None:
        """C6: each payload in the fixtures is read, or parked where that is expected. Seed: an unlisted bad fixture."""
        names = {path.name for path in fixtures(harness)}
        assert names
        assert names >= harness.parked
        hints: frozenset[str] = getattr(harness, "hints", frozenset())
        greeted: frozenset[str] = getattr(harness, "greeted", frozenset())
        assert names >= hints | greeted
        for path in fixtures(harness):
            if path.name in greeted:
                assert isinstance(passed(harness.channel, harness.request(path.read_bytes())), Greeting)  # type: ignore[attr-defined] # it is called
                continue
            captured = harness.from_fixture(path)
            if path.name in hints:
                assert parsed(harness.channel, captured) == (), path.name
                continue
            if path.name not in harness.parked:
                assert parsed(harness.channel, captured), path.name
                continue
            with pytest.raises(PermanentError):
                harness.channel.parse(delivered(harness.channel, captured))

    def test_c7_what_was_said_lies_in_the_text(self, harness: ChannelHarness) -> None:
        """C7: said spans lie in the text, in order, apart, and are not empty. Seed: an end past the text."""
        captured = [harness.receive(), *(harness.from_fixture(path) for path in good_fixtures(harness))]
        for activity in (a for c in captured for a in parsed(harness.channel, c)):
            at = 0
            for said in activity.said:
                assert at <= said.start < said.end <= len(activity.text)
                at = said.end

    def test_c8_a_customer_is_never_authenticated(self, harness: ChannelHarness) -> None:
        """C8: words of customers and bots carry no authority, whoever signed for them. Seed: authenticated=True."""
        captured = [harness.receive(), *(harness.from_fixture(path) for path in good_fixtures(harness))]
        for activity in (a for c in captured for a in parsed(harness.channel, c)):
            speakers = [(said.role, said.authenticated) for said in activity.said]
            speakers.append((activity.actor.role, activity.actor.authenticated))
            assert not {(Role.CUSTOMER, True), (Role.BOT, True)} & set(speakers)
            assert activity.actor.how

    def test_c9_what_is_not_declared_is_refused(self, harness: ChannelHarness) -> None:
        """C9: a call that the capabilities don't declare raises at once. Seed: poll returns an empty list."""
        channel, can = harness.channel, harness.channel.capabilities
        assert isinstance(channel, Greeter) == can.handshake
        assert isinstance(channel, Counted) == can.census
        assert isinstance(channel, MediaSource) == can.media
        assert isinstance(channel, Subscriber) == can.subscriptions
        assert isinstance(channel, Listener) == can.listens
        assert isinstance(channel, Retriever) == can.withholds
        calls: dict[str, tuple[bool, Callable[[], object]]] = {
            "verify": (can.webhook, lambda: channel.verify(HookRequest({}, b""))),
            "poll": (can.poll, lambda: channel.poll(None)),
            "extent": (can.backfill, lambda: channel.extent(INSTALLED)),
            "backfill": (can.backfill, lambda: channel.backfill(INSTALLED, None)),
        }
        for call in (call for declared, call in calls.values() if not declared):
            with pytest.raises(UnsupportedFeature):
                call()

    def test_c10_check_names_no_secret(self, harness: ChannelHarness) -> None:
        """C10: a working channel is well by its own check, which shows no secret. Seed: the options in a line."""
        lines = harness.channel.check()
        assert list(lines) == []
        assert not any(secret in line for line in lines for secret in harness.secrets)
        assert not any(secret in repr(harness.channel.__dict__.get("options")) for secret in harness.secrets)

    def test_c11_parse_asks_no_clock(self, harness: ChannelHarness) -> None:
        """C11: parse depends on the delivery alone, so that it can be repeated. Seed: the clock's now as the time."""
        captured = harness.receive()
        expected = parsed(harness.channel, captured)

        def no_clock() -> datetime:
            raise AssertionError("parse looked at the clock")

        assert parsed(harness.reopen(clock=no_clock), captured) == expected


class WebhookContract(ChannelContract):
    """What a channel that is called promises at the door."""

    def test_c21_a_signed_request_is_taken_byte_for_byte(self, harness: WebhookHarness) -> None:
        """C21: the captured raw bytes are those that were sent, whatever they are. Seed: re-encoded JSON.

        Where a secret must be found in them first, however they are spelt. What is greeted says nothing of them.
        """
        can = harness.channel.capabilities
        requests = [harness.request(harness.body())]
        if can.covers_body:
            for body in (b"", b"\x00\xff\xfe not text", b"{" * 2000, " {\r\n\t} ".encode("utf-16")):
                requests.append(harness.request(body))
                assert can.enveloped or requests[-1].body == body
        else:
            requests += harness.vouched(harness.secrets[0])
        for request in requests:
            outcome = passed(harness.channel, request)
            if isinstance(outcome, Greeting):
                assert not can.covers_body
                assert not any(secret in outcome.text + outcome.trouble for secret in harness.secrets)
                continue
            assert outcome.raw == request.body
            assert outcome.fault is None
            assert can.covers_body or parsed(harness.channel, outcome) == (), "who can write anything is not believed"

    def test_c22_a_bad_signature_is_the_senders_error(self, harness: WebhookHarness) -> None:
        """C22: every forged, stale or malformed request is a 401, never another error. Seed: unguarded b64decode."""
        table = harness.bad()
        assert len(table) >= 40
        wrong = {name: outcome for name, request in table.items() if (outcome := door(harness.channel, request)) != 401}
        assert not wrong

    def test_c23_nothing_is_parsed_before_it_is_verified(self, harness: WebhookHarness) -> None:
        """C23: an unsigned body is refused for its signature, not for its content. Seed: JSON read first."""
        for body in (b"\xff", b"[" * 100_000, b"1e999999", b'{"type":'):
            assert door(harness.channel, HookRequest({}, body)) == 401

    def test_c24_several_secrets_overlap_while_they_are_changed(self, harness: WebhookHarness) -> None:
        """C24: each of several secrets is accepted, and none that was taken away. Seed: only the first one tried."""
        old, new = harness.secrets[0], harness.secrets[1]
        signed_old = harness.request(harness.body(), secret=old)
        signed_new = harness.request(harness.body(), secret=new)
        for secrets in ((old, new), (new, old)):
            assert door(harness.with_secrets(*secrets), signed_old) is None
            assert door(harness.with_secrets(*secrets), signed_new) is None
        assert door(harness.with_secrets(new), signed_old) == 401

    def test_c25_the_window_has_two_sides(self, harness: WebhookHarness) -> None:
        """C25: five minutes early or late is accepted, a second more is not. Seed: only old stamps refused.

        Where no time is signed, an old request is taken, and is the same again.
        """
        body = harness.body()
        if not harness.channel.capabilities.stamped:
            request, later = harness.request(body), harness.reopen(clock=lambda: NOW + timedelta(days=7))
            first, again = passed(harness.channel, request), passed(later, request)
            if isinstance(first, Greeting) or isinstance(again, Greeting):
                assert first == again
                return
            assert delivered(harness.channel, first).id == delivered(later, again).id
            assert [a.id for a in parsed(harness.channel, first)] == [a.id for a in parsed(later, again)]
            return
        for seconds, expected in ((-300, None), (-301, 401), (299, None), (306, 401), (86_400, 401)):
            at = NOW + timedelta(seconds=seconds)
            assert door(harness.channel, harness.request(body, at=at)) == expected, seconds

    def test_c26_no_secret_means_refusal_to_start(self, harness: WebhookHarness) -> None:
        """C26: a channel without a secret isn't made at all, so nothing is accepted unsigned. Seed: skip when empty."""
        for secrets in ((), ("",), (" , ",)):
            with pytest.raises(ConfigError):
                harness.with_secrets(*secrets)

    def test_c27_any_changed_byte_is_noticed(self, harness: WebhookHarness) -> None:
        """C27: no byte of a signed body can be changed, added or taken away. Seed: only the first 64 bytes signed.

        Where the body isn't covered, no character of the secret, wherever it stands. Seed: twelve characters compared.
        """
        if not harness.channel.capabilities.covers_body:
            self._no_character_of_the_secret(harness)
            return
        request = harness.request(harness.body())
        body = request.body
        assert door(harness.channel, request) is None

        @given(st.integers(0, len(body) - 1), st.integers(1, 255))
        def flip(place: int, bits: int) -> None:
            changed = body[:place] + bytes([body[place] ^ bits]) + body[place + 1 :]
            assert door(harness.channel, replace(request, body=changed)) == 401

        flip()
        for changed in {body[:-1], body + b" ", b" " + body, body + b"=", body.replace(b":", b": ")} - {body}:
            assert door(harness.channel, replace(request, body=changed)) == 401

    def _no_character_of_the_secret(self, harness: WebhookHarness) -> None:
        secret, channel = harness.secrets[0], harness.channel

        @given(st.integers(0, len(secret) - 1), st.characters(codec="utf-8"))
        def change(place: int, character: str) -> None:
            changed = secret[:place] + character + secret[place + 1 :]
            expected = None if changed in harness.secrets else 401
            assert {door(channel, request) for request in harness.vouched(changed)} == {expected}

        change()
        for changed in ("", secret[:-1], f"{secret} ", secret * 2):
            assert {door(channel, request) for request in harness.vouched(changed)} == {401}

    def test_c28_no_header_raises_anything_else(self, harness: WebhookHarness) -> None:
        """C28: whatever stands in the signature's headers, the answer is a 4xx. Seed: int() of the header itself.

        Where no header vouches for anything, none changes the answer but the one that says that the body is packed.
        """
        body = harness.body()
        request = harness.request(body)
        signing = request.headers.keys() - {"content-type", "content-encoding", "user-agent"}
        others = {"content-type", "content-encoding", "user-agent", "authorization", "x-signature"}
        names = st.sampled_from(sorted(request.headers if signing else others))
        values = st.text(max_size=60) | st.text("v1,.=+/ 0123456789abcABC\n\x00\ud800", max_size=60)

        @given(st.dictionaries(names, values, min_size=1))
        def forge(headers: dict[str, str]) -> None:
            changed = {**request.headers, **headers}
            outcome = door(harness.channel, replace(request, headers=changed))
            untouched = all(changed[name] == request.headers[name] for name in signing)
            assert outcome in ((None, 415) if untouched else (401,))
            if not signing:
                is_plain = changed.get("content-encoding", "").strip().lower() in ("", "identity")
                assert outcome == (None if is_plain else 415)

        forge()


class PollContract(ChannelContract):
    """What a channel that asks promises."""

    def test_c41_raw_is_byte_identical(self, harness: PollHarness) -> None:
        """C41: what is captured is what lies on the other side, byte for byte. Seed: line ends changed."""
        put = [harness.put() for _ in range(3)]
        found = [captured.raw for captured in all_captured(harness.channel.poll(None))]
        assert sorted(found) == sorted(put)

    def test_c42_a_poll_resumes_from_its_cursor(self, harness: PollHarness) -> None:
        """C42: after a restart only what is new comes in, and nothing twice. Seed: the cursor ignored."""
        harness.put()
        cursor = last_cursor(harness.channel.poll(None))
        assert not all_captured(harness.reopen().poll(cursor))
        new = harness.put()
        assert [captured.raw for captured in all_captured(harness.reopen().poll(cursor))] == [new]

    def test_c43_a_lost_cursor_loses_nothing(self, harness: PollHarness) -> None:
        """C43: without its cursor a poll may repeat itself under the same ids, and misses nothing. Seed: from now."""
        first_put = [harness.put() for _ in range(2)]
        first = all_captured(harness.channel.poll(None))
        second_put = [harness.put() for _ in range(2)]
        again = all_captured(harness.reopen().poll(None))
        assert {c.raw for c in first} | {c.raw for c in again} == {*first_put, *second_put}
        ids = {delivered(harness.channel, c).id for c in (*first, *again)}
        assert len(ids) == 4

    def test_c44_batches_are_bounded_and_cursors_are_json(self, harness: PollHarness) -> None:
        """C44: no batch is larger than it may be, and each cursor survives JSON. Seed: everything in one batch."""
        for _ in range(harness.batch_size + 1):
            harness.put()
        batches = list(harness.channel.poll(None))
        assert len(batches) >= 2
        assert sum(len(batch.captured) for batch in batches) == harness.batch_size + 1
        for batch in batches:
            assert len(batch.captured) <= harness.batch_size
            assert json.loads(json.dumps(batch.cursor)) == batch.cursor

    def test_c45_what_was_not_committed_comes_again(self, harness: PollHarness) -> None:
        """C45: a crash between poll and commit repeats the batch under the same ids. Seed: moved aside early."""
        harness.put()
        seen = [captured for batch in harness.channel.poll(None) for captured in batch.captured]
        again = [captured for batch in harness.reopen().poll(None) for captured in batch.captured]
        assert len(seen) == 1
        assert [delivered(harness.channel, c).id for c in seen] == [delivered(harness.channel, c).id for c in again]

    def test_c46_a_poll_can_be_left_in_the_middle(self, harness: PollHarness) -> None:
        """C46: from the cursor of any batch, the rest comes and nothing else. Seed: the last cursor in each batch."""
        put = [harness.put() for _ in range(harness.batch_size * 2)]
        batches = iter(harness.channel.poll(None))
        first = next(batch for batch in batches if batch.captured)
        first.committed()
        close = getattr(batches, "close", None)
        if close:
            close()
        rest = all_captured(harness.reopen().poll(first.cursor))
        assert sorted(captured.raw for captured in (*first.captured, *rest)) == sorted(put)

    def test_c47_the_oversized_is_named_not_skipped(self, harness: PollHarness) -> None:
        """C47: what is too large is a delivery with a fault, and its neighbour comes in. Seed: `continue`."""
        harness.put_oversized()
        neighbour = harness.put()
        found = all_captured(harness.channel.poll(None))
        faults = [captured for captured in found if captured.fault]
        assert len(faults) == 1
        assert len(faults[0].raw) < 1_000_000
        assert any(character.isdigit() for character in faults[0].fault or "")
        assert [captured.raw for captured in found if not captured.fault] == [neighbour]

    def test_c48_history_waits_for_a_backfill(self, harness: PollHarness) -> None:
        """C48: a first poll begins at install time; what is older comes by backfill alone. Seed: no lower bound."""
        if not harness.channel.capabilities.backfill:
            pytest.skip("declares no backfill: what lies there was put there to be read")
        old = [harness.put_old() for _ in range(2)]
        new = harness.put()
        since = INSTALLED - timedelta(days=60)
        assert [captured.raw for captured in all_captured(harness.channel.poll(None))] == [new]
        extent = harness.channel.extent(since)
        assert (extent.items, extent.size_bytes) == (2, sum(map(len, old)))
        found = [captured.raw for captured in all_captured(harness.channel.backfill(since, None))]
        assert sorted(found) == sorted(old)
        cursor = last_cursor(harness.channel.backfill(since, None))
        assert not all_captured(harness.reopen().backfill(since, cursor))

    def test_c49_errors_name_who_must_act(self, harness: PollHarness) -> None:
        """C49: an outage is for time to mend, bad credentials for the operator; check says both. Seed: bare OSError."""
        away, refused = harness.unreachable(), harness.refused()
        if away is not None:
            with pytest.raises(TemporaryError):
                all_captured(away.poll(None))
            assert away.check()
        if refused is not None:
            with pytest.raises(ConfigError) as caught:
                all_captured(refused.poll(None))
            assert not any(secret in str(caught.value) for secret in harness.secrets)
            assert refused.check()

    def test_c50_a_census_names_things_as_the_poll_does(self, harness: PollHarness) -> None:
        """C50: what is counted has the ids of what was polled, deliveries and activities. Seed: keys of the bytes."""
        channel = counted(harness)
        for _ in range(harness.batch_size + 1):
            harness.put()
        found = [delivered(harness.channel, c) for c in all_captured(harness.channel.poll(None))]
        again = [delivered(harness.channel, c) for batch in channel.census(INSTALLED) for c in batch.captured]
        assert sorted(d.id for d in again) == sorted(d.id for d in found)
        ids = ({MINT(a).id for d in deliveries for a in harness.channel.parse(d)} for deliveries in (found, again))
        assert next(ids) == next(ids)

    def test_c51_a_census_keeps_and_moves_nothing(self, harness: PollHarness) -> None:
        """C51: it can be left or repeated, and the poll finds all that it found before. Seed: files moved aside."""
        channel = counted(harness)
        put = [harness.put() for _ in range(harness.batch_size + 1)]
        for batch in channel.census(INSTALLED):
            assert dict(batch.cursor) == {}
            batch.committed()
            break
        for _ in range(2):
            batches = list(counted(harness).census(INSTALLED))
            assert sorted(c.raw for batch in batches for c in batch.captured) == sorted(put)
            assert not any(batch.cursor for batch in batches)
        assert sorted(captured.raw for captured in all_captured(harness.channel.poll(None))) == sorted(put)

    def test_c52_a_census_is_bounded(self, harness: PollHarness) -> None:
        """C52: no batch is larger than it may be, and the oversized is named. Seed: everything in one batch."""
        channel = counted(harness)
        harness.put_oversized()
        for _ in range(harness.batch_size + 1):
            harness.put()
        batches = list(channel.census(INSTALLED))
        assert max(len(batch.captured) for batch in batches) <= harness.batch_size
        faults = [captured for batch in batches for captured in batch.captured if captured.fault]
        polled = [captured for captured in all_captured(harness.channel.poll(None)) if captured.fault]
        assert [delivered(harness.channel, c).id for c in faults] == [delivered(harness.channel, c).id for c in polled]
        assert len(faults) == 1

    def test_c53_a_census_begins_where_it_is_asked_to(self, harness: PollHarness) -> None:
        """C53: what is older than its date isn't counted; history is, where a backfill reads it. Seed: no bound."""
        channel = counted(harness)
        old, new = harness.put_old(), harness.put()
        assert [c.raw for batch in channel.census(INSTALLED) for c in batch.captured] == [new]
        if harness.channel.capabilities.backfill:
            found = [c.raw for batch in channel.census(INSTALLED - timedelta(days=60)) for c in batch.captured]
            assert sorted(found) == sorted((old, new))

    def test_c54_what_has_a_cursor_says_of_what(self, harness: PollHarness) -> None:
        """C54: a cursor that holds anything is of a source, named in a line, alike at each start. Seed: the options.

        That another account is another source, and a folder more is none, is seen of each adapter in `test_sources`.
        """
        harness.put()
        source = harness.channel.source
        assert source or not last_cursor(harness.channel.poll(None))
        assert source == harness.reopen().source
        assert source.isprintable() and len(source) <= MAX_SOURCE_CHARS
        assert not any(secret in source for secret in harness.secrets)

    def test_c55_a_census_fetches_nothing_that_is_known(self, harness: PollHarness) -> None:
        """C55: it asks by the keys that it gives, and leaves out what is known, alone. Seed: the keys of another form.

        A channel whose list brings everything asks nothing.
        """
        channel = counted(harness)
        for _ in range(harness.batch_size + 1):
            harness.put()
        told = {(c.account, str(c.key)) for c in all_captured(channel.census(INSTALLED))}
        asked = set[tuple[str, str]]()

        def known(account: str, keys: Sequence[str]) -> Collection[str]:
            asked.update((account, key) for key in keys)
            return [key for key in keys if (account, key) == min(told)]

        rest = {(c.account, str(c.key)) for c in all_captured(counted(harness).census(INSTALLED, known))}
        assert asked in (set(), told)
        assert rest == (told - {min(told)} if asked else told)

    def test_c56_what_is_refused_alone_holds_nothing_back(self, harness: PollHarness) -> None:
        """C56: one thing that can't be fetched is left out by name, and is itself once it can. Seed: no Sieve."""
        hands = withholding(harness)
        before = harness.put()
        raw = hands.put_withheld()
        channel = hands.reopen()
        others = [before, harness.put()]
        batches = list(harness.channel.poll(None))
        found = [captured for batch in batches for captured in batch.captured]
        assert sorted(captured.raw for captured in found if captured.raw in (raw, *others)) == sorted(others)
        (left,) = (captured for captured in found if captured.withheld)
        assert (left.raw, left.fault) == (b"", None)
        cursor = json.loads(json.dumps(batches[-1].cursor))
        assert not all_captured(harness.reopen().poll(cursor))
        assert isinstance(channel, Retriever)
        if isinstance(channel, Counted):
            missed = [c for batch in channel.census(INSTALLED) for c in batch.captured if c.withheld]
            assert [(c.key, c.account) for c in missed] == [(left.key, left.account)]
        with pytest.raises(Withheld):
            channel.retrieve(str(left.key), left.headers)
        hands.mend()
        (captured,) = channel.retrieve(str(left.key), left.headers)
        polled = {delivered(harness.channel, c).id: c for c in all_captured(harness.reopen().poll(None))}
        assert captured.raw == raw
        assert parsed(channel, captured) == parsed(channel, polled[delivered(channel, captured).id])

    def test_c57_an_outage_sets_nothing_aside(self, harness: PollHarness) -> None:
        """C57: while nothing can be fetched nothing is left out, and no cursor moves past it. Seed: no look."""
        hands = withholding(harness)
        raws = [hands.put_withheld() for _ in range(3)]
        channel = hands.reopen()
        cursor: Mapping[str, Any] | None = None
        found = list[Captured]()
        with pytest.raises(SidecarError):
            for batch in harness.channel.poll(None):
                found += batch.captured
                cursor = json.loads(json.dumps(batch.cursor))
        assert not [captured for captured in found if captured.withheld or captured.raw in raws]
        assert isinstance(channel, Retriever)
        key, headers = hands.name_of(raws[0])
        with pytest.raises(SidecarError) as caught:
            channel.retrieve(key, headers)
        assert not isinstance(caught.value, Withheld)
        hands.mend()
        assert sorted(c.raw for c in all_captured(harness.reopen().poll(cursor))) == sorted(raws)


class WithholdingHarness(PollHarness, Protocol):
    """A channel that leaves out what is withheld, as `PollHarness` says; `name_of` is the name of what it lays."""

    def put_withheld(self) -> bytes: ...
    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]: ...
    def mend(self) -> None: ...


def withholding(harness: Any) -> WithholdingHarness:
    """Return the hands of a channel that leaves out by name; one that doesn't declare `withholds` is passed over."""
    hands: WithholdingHarness = harness
    if not hands.channel.capabilities.withholds:
        pytest.skip("declares no leaving out: what it lists, it lists whole")
    return hands


def counted(harness: PollHarness) -> Counted:
    """Return the channel made anew, to be counted; one that doesn't declare a census is passed over."""
    channel = harness.reopen()
    if not isinstance(channel, Counted):
        pytest.skip("declares no census")
    return channel


def door(channel: Channel, request: HookRequest) -> int | None:
    """Return None for a request that is let in, else the status that it is refused with."""
    try:
        passed(channel, request)
    except RejectedInput as refused:
        return refused.status
    return None


def passed(channel: Channel, request: HookRequest) -> Captured | Greeting:
    """Return what becomes of a request at the door, as the intake has it: shown to a greeter first."""
    if isinstance(channel, Greeter) and (greeting := channel.greet(request)) is not None:
        return greeting
    return channel.verify(request)


def last_cursor(batches: Iterable[PollBatch]) -> Mapping[str, Any] | None:
    """Return the cursor of the last batch, as it comes back from a database."""
    cursor: Mapping[str, Any] | None = None
    for batch in batches:
        batch.committed()
        cursor = json.loads(json.dumps(batch.cursor))
    return cursor


def fixtures(harness: ChannelHarness) -> Sequence[Path]:
    """Return a system's payloads, without the files that describe them."""
    found = sorted(path for path in harness.fixtures.rglob("*") if path.is_file())
    return [path for path in found if path.name not in NOT_FIXTURES and not path.name.endswith(DESCRIPTIONS)]


def good_fixtures(harness: ChannelHarness) -> Sequence[Path]:
    """Return the payloads that can be read."""
    left_out = harness.parked | getattr(harness, "greeted", frozenset())
    return [path for path in fixtures(harness) if path.name not in left_out]
