"""The folder with a door under the contract of those that are called and of those that ask."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.maildrop.uploads import TranscriptsChannel, TranscriptsOptions
from sidecar.errors import RejectedInput, UnsupportedFeature
from sidecar.ports import Captured, HookRequest
from tests.contract import test_channel_webhook as standard
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    NOW,
    PollContract,
    Secrets,
    WebhookContract,
    all_captured,
    context,
    delivered,
    door,
    parsed,
)
from tests.contract.test_channel_maildrop import MAX_BYTES, FolderHarness

CALL: Mapping[str, Any] = {
    "date": "2026-11-20T09:30:00Z",
    "customer": ["Ann Lee <ann@example.org>"],
    "segments": [{"speaker": "Ann Lee", "text": "How much?", "start": 1.5}],
}


@dataclass
class TranscriptsHarness(FolderHarness):
    """A folder, and a door beside it."""

    keep: bool = False
    secrets: tuple[str, ...] = (standard.FIRST, standard.SECOND)

    def made(self, clock: Callable[[], datetime] = lambda: NOW, **options: Any) -> TranscriptsChannel:
        """Make a channel with some options changed."""
        told = {"path": "drop", "batch_size": self.batch_size, "max_file_bytes": MAX_BYTES, "transcripts": True}
        secrets = options.pop("secrets", self.secrets)
        made = TranscriptsOptions(**{**told, "secret_env": "SECRET", **options})
        return TranscriptsChannel("drop", made, context(self.base, Secrets(SECRET=",".join(secrets)), clock))

    def with_secrets(self, *secrets: str) -> TranscriptsChannel:
        """Make the channel with other secrets."""
        return self.made(secrets=secrets)

    def body(self) -> bytes:
        """Return a file that no other repeats."""
        self.files += 1
        return json.dumps({**CALL, "call-id": f"CA{self.files}"}).encode()

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Sign a file as the standard says."""
        return standard.signed(f"up_{self.files}", str(int(at.timestamp())), body, secret or standard.FIRST)

    def receive(self) -> Captured:
        """Post a file."""
        return self.made().verify(self.request(self.body()))

    def broken(self) -> Captured:
        """Post a file that is no transcript."""
        return self.made().verify(self.request(json.dumps({CANARY: CANARY}).encode()))

    def bad(self) -> Mapping[str, HookRequest]:
        """Return requests of which none is what the standard asks for."""
        body = self.body()
        good = self.request(body)
        heads = standard.bad_headers(good.headers, body)
        return {name: HookRequest(headers, body) for name, headers in heads.items()} | {
            "empty body": HookRequest(good.headers, b""),
            "body serialised anew": HookRequest(good.headers, json.dumps(json.loads(body), indent=1).encode()),
        }


class TestTranscriptsChannel(WebhookContract, PollContract):
    """The folder with a door keeps every promise of a channel that is called, and of one that asks."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> TranscriptsHarness:
        """Return an empty folder, and a door that nobody has come to."""
        return TranscriptsHarness(tmp_path)


@pytest.fixture
def box(tmp_path: Path) -> TranscriptsHarness:
    """Return the same for the tests below."""
    return TranscriptsHarness(tmp_path)


def test_the_same_words_by_folder_and_by_door_are_one_activity(box: TranscriptsHarness) -> None:
    """A call's file dropped as WebVTT with a file beside it, and posted as JSON, as WebVTT with a NOTE, or as text, is
    told once; seen to fail with the bytes' hash as its id."""
    vtt = "00:00:01.500 --> 00:00:03.000\r\n<v Ann Lee>How much?</v>\r\n"
    head = "date: 2026-11-20T09:30:00Z\ncustomer: Ann Lee <ann@example.org>\n\n"
    box.drop("call.vtt", f"\ufeffWEBVTT\r\n\r\n{vtt}".encode())
    box.drop("call.meta.toml", b'date = 2026-11-20T10:30:00+01:00\ncustomer = "Ann Lee <ann@example.org>"')
    (dropped,) = all_captured(box.made().poll(None))
    posted = [json.dumps(CALL).encode(), f"WEBVTT\n\nNOTE\n{head}{vtt}".encode(), f"{head}Ann Lee: How much?".encode()]
    found = [dropped, *(box.made().verify(box.request(body)) for body in posted)]
    activities = [parsed(box.made(), captured)[0] for captured in found]
    assert len({activity.id for activity in activities}) == 1
    assert {(activity.at.isoformat(), activity.text) for activity in activities} == {
        ("2026-11-20T09:30:00+00:00", "Ann Lee: How much?")
    }


def test_without_consent_nothing_is_kept_and_nothing_moved(box: TranscriptsHarness) -> None:
    """While the option is off a posted file is answered once its signature is right, a dropped one stays where it is,
    mails beside it come in, and check says what waits. Seen to fail with files taken first."""
    off = box.made(transcripts=False)
    greeting = off.greet(box.request(box.body()))
    assert greeting is not None and "transcripts is off" in greeting.text
    with pytest.raises(RejectedInput) as forged:
        off.greet(HookRequest({}, box.body()))
    assert forged.value.status == 401
    assert box.made().greet(box.request(box.body())) is None
    with pytest.raises(RejectedInput):
        box.made().greet(HookRequest({}, b"", {"a": "b"}, "GET"))
    for name in ("call.vtt", "call.srt", "call.txt", "call.json", "call.meta.toml"):
        box.drop(name, b"Ann: hello")
    mail = box.put()
    assert [captured.raw for captured in all_captured(off.poll(None))] == [mail]
    assert set(box.names()) >= {"call.vtt", "call.srt", "call.txt", "call.json", "call.meta.toml"}
    assert [captured.raw for captured in all_captured(off.census(INSTALLED))] == [mail]
    (line,) = off.check()
    assert "4 transcripts wait" in line and "transcripts = true" in line


def test_a_door_alone_needs_no_folder(box: TranscriptsHarness) -> None:
    """Without a path nothing is polled and nothing is wrong; what is too large is refused by its own status."""
    channel = box.made(path="", max_body_bytes=1_000)
    assert [*channel.poll(None), *channel.check(), *channel.census(INSTALLED)] == []
    assert door(channel, box.request(b"x" * 1_001)) == 413
    request = box.request(box.body())
    assert door(channel, HookRequest({**request.headers, "content-encoding": "gzip"}, request.body)) == 415
    with pytest.raises(UnsupportedFeature):
        channel.extent(NOW)


def test_what_was_taken_with_consent_is_read_when_it_is_gone(box: TranscriptsHarness) -> None:
    """A delivery of before stays readable, so that reading the book again gives the same."""
    captured = box.made().verify(box.request(box.body()))
    off = box.made(transcripts=False)
    assert off.parse(delivered(off, captured))[0].kind == "transcript"
