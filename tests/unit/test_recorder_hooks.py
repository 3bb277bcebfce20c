"""What Aircall, Dialpad and Gong post, and what becomes of it: hints, of which nothing is kept that may not be."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from adapters.channels.aircall import AircallChannel, AircallOptions
from adapters.channels.aircall.hooks import NEWS
from adapters.channels.dialpad import DialpadChannel, DialpadOptions
from adapters.channels.gong import GongChannel, GongOptions
from adapters.channels.gong.hooks import read_keys
from adapters.formats.signed_jws import signed_payload
from adapters.http.hinted import HintedRecorder
from sidecar.app import App
from sidecar.errors import ConfigError, RejectedInput, UnsupportedFeature
from sidecar.model import WorkKey, WorkKind
from sidecar.ports import Captured, Greeting, HookRequest
from tests.contract.channel import NOW, Secrets, context, passed
from tests.contract.hooked_recorders import HOOK, claims_of, neighbour, token_of
from tests.contract.recorders import FIRST, SECOND
from tests.twins.aircall import AircallTwin
from tests.twins.dialpad import enveloped
from tests.twins.gong import shown, signing_key

POLL = WorkKey(WorkKind.POLL, "aircall")
CONFIG = """
own.domains = ["ours.test"]
channels.aircall = {{ type = "aircall", api_id = "api-id", token_env = "T", secret_env = "S", base_url = "{url}" }}
"""


def aircall(**options: Any) -> AircallChannel:
    """Return a channel that takes webhooks, unless the options say otherwise."""
    given = {"api_id": "a", "token_env": "T", "secret_env": "S", **options}
    return AircallChannel("aircall", AircallOptions.model_validate(given), context(Path(), Secrets(T="t", S=FIRST)))


def dialpad(**options: Any) -> DialpadChannel:
    """Return a channel that takes events."""
    given = {"token_env": "T", "secret_env": "S", "transcripts": True, **options}
    told = context(Path(), Secrets(T="t", S=FIRST * 2))
    return DialpadChannel("dialpad", DialpadOptions.model_validate(given), told)


def gong(key: str = shown(signing_key(FIRST)), **options: Any) -> GongChannel:
    """Return a channel that takes a rule's webhooks."""
    hook = {"public_key_env": "S", "public_url": HOOK}
    given = {"access_key": "a", "token_env": "T", "transcripts": True, **hook, **options}
    return GongChannel("gong", GongOptions.model_validate(given), context(Path(), Secrets(T="t", S=key)))


def told(event: Any, **fields: Any) -> HookRequest:
    """Return what Aircall posts."""
    return HookRequest({}, json.dumps({"token": FIRST, "event": event, "data": {}, **fields}).encode())


@pytest.fixture
def twin() -> Iterator[AircallTwin]:
    """Return a company's Aircall."""
    with AircallTwin() as running:
        yield running


@pytest.fixture
def app(tmp_path: Path, twin: AircallTwin) -> Iterator[App]:
    """Return an app that asks it."""
    (tmp_path / "config.toml").write_text(CONFIG.format(url=twin.url))
    environment = {"T": twin.token, "S": f"{FIRST},{SECOND}"}
    with App.from_file(tmp_path / "config.toml", environment) as opened:
        opened.clock = lambda: datetime.now(UTC)
        yield opened


def polled(app: App) -> int:
    """Run all polls that are due within a minute, and say how many there were; bounded."""
    for count in range(100):
        leases = app.journal.claim([POLL], 60.0, within_s=60.0)
        if not leases:
            return count
        app.pipeline.run(leases[0])
    raise AssertionError("the polls never end")


@pytest.mark.parametrize("event", sorted(NEWS))
def test_a_hint_of_aircalls_is_durable_and_many_make_one_poll(app: App, twin: AircallTwin, event: str) -> None:
    """Before Aircall hears 200 a poll is due; fifty repetitions make one, and nothing else is written down.

    Seed: a greeting that is answered and touches nothing.
    """
    for _ in range(50):
        greeting = app.pipeline.receive("aircall", told(event)).result(20)
        assert isinstance(greeting, Greeting)
        assert app.journal.due(100, [WorkKind.POLL], 60.0) == [POLL]
    assert polled(app) == 1
    assert twin.calls("calls") == 1
    assert app.journal.counts()["facts"] == 0


def test_what_is_no_news_of_aircalls_makes_no_poll(app: App) -> None:
    """A ringing telephone, a user who goes to lunch and an unheard-of event are answered, and cost no call."""
    for event in ("call.created", "call.ringing_on_agent", "user.closed", "fax.burnt", "", "integration.created"):
        assert isinstance(app.pipeline.receive("aircall", told(event)).result(20), Greeting)
    assert isinstance(app.pipeline.receive("aircall", told(["call.ended"])).result(20), Greeting)
    assert app.journal.due(100, [WorkKind.POLL], 60.0) == []


def test_a_withdrawn_integration_pauses_the_channel_until_the_api_answers(app: App) -> None:
    """Aircall's word pauses the channel by name, for the operator; the next poll asks, and what answers goes on.

    Seeds: the word passed over; never forgotten, so that no poll asks again.
    """
    app.pipeline.receive("aircall", told("integration.deleted")).result(20)
    (lease,) = app.journal.claim([POLL], 60.0, within_s=60.0)
    with pytest.raises(ConfigError, match=r"channels\.aircall: the integration was taken away"):
        app.pipeline.run(lease)
    (pause,) = app.journal.paused().values()
    assert pause.scope == "channel:aircall" and "taken away in Aircall" in pause.reason
    app.pipeline.run(lease)
    assert app.journal.meta("trouble:aircall") is None


def test_nothing_of_aircalls_bytes_is_kept_and_no_answer_holds_the_token() -> None:
    """Whoever asks the channel to keep a webhook is refused; a refusal doesn't show the token that was tried."""
    channel = aircall()
    with pytest.raises(UnsupportedFeature):
        channel.verify(told("call.ended"))
    with pytest.raises(RejectedInput) as caught:
        channel.greet(told("call.ended", token=SECOND))
    assert SECOND not in str(caught.value) and FIRST not in str(caught.value)


@pytest.mark.parametrize("channel", [aircall(secret_env=None), dialpad(secret_env=None), gong(public_key_env=None)])
def test_without_a_secret_a_channel_polls_alone(channel: HintedRecorder) -> None:
    """Where no webhooks are set up, none is taken, whoever vouches for it. Seed: no secret, nothing compared."""
    for body in (b'{"token":""}', b"", told("call.ended").body, enveloped(b"{}", FIRST * 2)):
        for headers in ({}, {"authorization": token_of(claims_of(body))}):
            with pytest.raises(RejectedInput) as caught:
                passed(channel, HookRequest(headers, body))
            assert caught.value.status == 404


@pytest.mark.parametrize("channel", [aircall(), dialpad(), gong()])
def test_a_question_by_get_is_nobodys(channel: HintedRecorder) -> None:
    """None of the three asks whose address it is, so nobody is told."""
    with pytest.raises(RejectedInput) as caught:
        channel.greet(HookRequest({}, b"", {"challenge": "x"}, "GET"))
    assert caught.value.status == 403


@pytest.mark.parametrize("channel", [aircall(), dialpad(), gong()])
def test_too_much_is_never_read_and_packed_bytes_neither(channel: HintedRecorder) -> None:
    """A body over the limit is refused before its signature is looked at, and one that would have to be unpacked."""
    with pytest.raises(RejectedInput) as caught:
        channel.greet(HookRequest({}, b"x" * 1_000_001))
    assert caught.value.status == 413


def test_without_consent_an_event_is_a_hint_and_not_kept() -> None:
    """While transcripts is off nothing is kept that might hold words, signed though it is; else its bytes are."""
    event = enveloped(orjson.dumps({"call_id": 1, "transcription_text": "Four thousand."}), FIRST * 2)
    body = orjson.dumps({"callData": {"metaData": {"id": "1"}}, "isTest": False})
    rule = HookRequest({"authorization": token_of(claims_of(body))}, body)
    for made, request in ((dialpad, HookRequest({}, event)), (gong, rule)):
        answer = passed(made(transcripts=False), request)
        assert isinstance(answer, Greeting) and answer.is_hint and not answer.trouble
        kept = passed(made(), request)
        assert isinstance(kept, Captured) and kept.raw == request.body and kept.is_hint


def test_what_is_private_in_gong_is_not_kept_when_it_is_told() -> None:
    """A webhook about a private call makes a poll due and leaves nothing, with the option on."""
    body = orjson.dumps({"callData": {"metaData": {"id": "1", "isPrivate": True}}})
    answer = passed(gong(), HookRequest({"authorization": token_of(claims_of(body))}, body))
    assert isinstance(answer, Greeting) and answer.is_hint


def test_times_count_where_they_are_signed() -> None:
    """A token is good until five minutes after its end, and a little ahead of its time. Seed: no tolerance."""
    at = NOW.timestamp()
    for times in ({"exp": at - 299}, {"iat": at + 299, "exp": at + 600}, {"nbf": at + 299}, {"iat": at - 10**6}):
        kept = passed(dialpad(), HookRequest({}, enveloped(orjson.dumps(times), FIRST * 2)))
        assert isinstance(kept, Captured)
    body = orjson.dumps({"callData": {"metaData": {"id": "1"}}})
    claims = {**claims_of(body), "exp": int(at) - 299}
    for prefix in ("", "Bearer "):
        kept = passed(gong(), HookRequest({"authorization": prefix + token_of(claims)}, body))
        assert isinstance(kept, Captured)
    later = GongChannel(
        "gong",
        gong().options,
        context(Path(), Secrets(T="t", S=shown(signing_key(FIRST))), lambda: NOW + timedelta(seconds=10)),
    )
    with pytest.raises(RejectedInput):
        passed(later, HookRequest({"authorization": token_of(claims)}, body))


def test_a_token_has_one_spelling() -> None:
    """What a lenient reader of base64 takes for the same bytes is another body: refused. Seed: the library alone."""
    good = enveloped(b"{}", FIRST * 2)
    assert signed_payload(good, [(FIRST * 2).encode()], "HS256") == b"{}"
    for changed in (good[:-1] + neighbour(good[-1:]), good + b"=", good[:-5] + b"!" + good[-5:]):
        with pytest.raises(RejectedInput):
            signed_payload(changed, [(FIRST * 2).encode()], "HS256")


KEYS: Mapping[str, str] = {
    "nothing": " , ",
    "a text": "no key at all",
    "a private key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    "half a key": shown(signing_key(FIRST))[:100],
    "base64 of nothing": "AAAA",
}


@pytest.mark.parametrize("text", KEYS.values(), ids=KEYS)
def test_what_is_no_key_of_gongs_refuses_to_start(text: str) -> None:
    """A key that can't be read is an error of the operator's that names the setting and shows nothing of it."""
    with pytest.raises(ConfigError, match=r"channels\.gong\.public_key_env") as caught:
        gong(text)
    assert text.strip(" ,")[:20] not in str(caught.value) or not text.strip(" ,")


def test_keys_are_read_as_gong_shows_them_and_as_a_pem() -> None:
    """Base64 in a line or in many, PEM, or several of them, are the same keys; a short one is none."""
    bare = shown(signing_key(FIRST))
    lines = "\n".join(bare[at : at + 64] for at in range(0, len(bare), 64))
    pem = f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"
    first = read_keys(bare, "x")[0].public_numbers()
    for text in (lines, pem, f"{pem}{pem}", f"{bare},{bare}"):
        assert {key.public_numbers() for key in read_keys(text, "x")} == {first}
    short = generate_private_key(public_exponent=65_537, key_size=1_024)  # noqa: S505 # that it is short is the point
    with pytest.raises(ConfigError):
        read_keys(shown(short), "x")


@pytest.mark.parametrize(
    "url", ["http://sidecar.test/hooks/gong", "https://", "https://sidecar.test", "https://u:p@sidecar.test/hooks/gong"]
)
def test_an_address_that_gong_cant_call_refuses_to_start(url: str) -> None:
    """The configured address is one that a rule could call, and stands beside the key."""
    with pytest.raises(ValueError, match="public_url"):
        gong(public_url=url)
    with pytest.raises(ConfigError, match="public_url"):
        gong(public_url="")


def test_a_short_secret_of_dialpads_refuses_to_start() -> None:
    """A secret shorter than its algorithm demands is refused, without a word of it."""
    given = DialpadOptions.model_validate({"token_env": "T", "secret_env": "S"})
    with pytest.raises(ConfigError, match=r"channels\.dialpad\.secret_env") as caught:
        DialpadChannel("dialpad", given, context(Path(), Secrets(T="t", S=FIRST)))
    assert FIRST not in str(caught.value)
