"""The Twilio twin, judged by Twilio's own SDK, which reads its answers over the socket."""

import io
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.rest.api.v2010.account.call import CallInstance
from twilio.rest.api.v2010.account.message import MessageInstance
from twilio.rest.api.v2010.account.message.media import MediaInstance
from twilio.rest.api.v2010.account.recording import RecordingInstance
from twilio.rest.intelligence.v2.transcript import TranscriptInstance
from twilio.rest.intelligence.v2.transcript.sentence import SentenceInstance

from tests.twins.twilio import TOKEN, TwilioTwin
from tests.twins.twilio.__main__ import TwilioKeyboard

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ANN, US = "+447700900123", "+442079460000"
LINES = """text +447700900123 +442079460000 "Is it in stock?"
ring +447700900123 +442079460000 60
transcribe CA00000000000000000000000000000002 "1:Can I come?" "2:Of course."
show messages
show calls
show transcripts
empty SM00000000000000000000000000000001
delete SM00000000000000000000000000000001
delete SM00000000000000000000000000000001
nonsense
"""


class Redirected(TwilioHttpClient):  # type: ignore[misc]  # the SDK ships without type information
    """The SDK's own client, whose requests for Twilio's hosts go to the twin."""

    def __init__(self, url: str) -> None:
        super().__init__(timeout=20)
        self.url = url

    def request(self, method: str, url: str, *rest: Any, **named: Any) -> Any:
        """Send a request to the twin."""
        for host in ("https://api.twilio.com", "https://intelligence.twilio.com"):
            url = url.replace(host, self.url)
        return super().request(method, url, *rest, **named)


@pytest.fixture
def twin() -> Iterator[TwilioTwin]:
    """Return an account with a message and its file, a call, its recording and its transcript, and older ones."""
    with TwilioTwin(most_rows=3) as twin:
        for days in range(7):
            at = NOON - timedelta(days=days)
            twin.attaches(twin.texts(ANN, US, f"{days} days ago", at), "image/png", b"png")
            recording = twin.records(twin.rings(ANN, US, at))
            twin.transcribes(recording, [(1, f"Question {n}") for n in range(5)], at)
        yield twin


def sdk(twin: TwilioTwin, token: str = TOKEN) -> Client:
    """Return Twilio's client of the twin."""
    return Client(twin.account, token, http_client=Redirected(twin.url))


def test_the_sdk_lists_what_the_twin_holds(twin: TwilioTwin) -> None:
    """Twilio's client turns the twin's pages to their end and reads every time in them; seen to fail without a key."""
    client = sdk(twin)
    messages = client.messages.list()
    assert [m.body for m in messages] == [f"{days} days ago" for days in range(7)]
    assert [m.date_sent for m in messages] == [NOON - timedelta(days=days) for days in range(7)]
    assert [file.content_type for file in client.messages(messages[0].sid).media.list()] == ["image/png"]
    calls, recordings = client.calls.list(), client.recordings.list()
    assert [c.start_time for c in calls] == [r.start_time for r in recordings] == [m.date_sent for m in messages]
    assert client.recordings(recordings[0].sid).fetch().call_sid == calls[0].sid
    transcripts = client.intelligence.v2.transcripts.list()
    assert [t.date_created for t in transcripts] == [m.date_sent for m in messages]
    assert [s.transcript for s in client.intelligence.v2.transcripts(transcripts[0].sid).sentences.list()] == [
        f"Question {n}" for n in range(5)
    ]


def test_the_sdk_filters_by_days(twin: TwilioTwin) -> None:
    """A day, and a day on, mean what Twilio's client asks by them; the newer API filters by the second."""
    client, day = sdk(twin), date(2026, 11, 20)
    assert len(client.messages.list(date_sent=day)) == len(client.calls.list(start_time=day)) == 1
    assert len(client.messages.list(date_sent_after=day)) == len(client.calls.list(start_time_after=day)) == 3
    assert len(client.recordings.list(date_created_after=day)) == 3
    since = "2026-11-20T12:00:00Z"
    assert len(client.intelligence.v2.transcripts.list(after_date_created=since)) == 3
    assert len(client.intelligence.v2.transcripts.list(before_date_created=since)) == 4


def test_the_sdk_is_refused_like_anybody(twin: TwilioTwin) -> None:
    """A wrong token and a sid that isn't there are errors to Twilio's client."""
    with pytest.raises(TwilioException):
        sdk(twin, "wrong").messages.list()
    with pytest.raises(TwilioException, match="not found"):
        sdk(twin).calls("CA" + "9" * 32).fetch()


class Heard(dict[str, Any]):
    """A row that knows which of its fields were read."""

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row)
        self.read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field and remember it."""
        self.read.add(name)
        return super().get(name, default)


def test_rows_have_every_field_that_the_sdk_reads(twin: TwilioTwin) -> None:
    """No row lacks a field of Twilio's, and none has one that Twilio's doesn't; seen to fail with one left out."""
    version: Any = None
    media, _ = next(iter(twin.files.values()))
    sentences = next(iter(twin.sentences.values()))
    rows: list[tuple[Any, dict[str, Any], dict[str, str]]] = [
        (MessageInstance, next(iter(twin.messages.values())), {"account_sid": twin.account}),
        (MediaInstance, media, {"account_sid": twin.account, "message_sid": media["parent_sid"]}),
        (CallInstance, next(iter(twin.calls_made.values())), {"account_sid": twin.account}),
        (RecordingInstance, next(iter(twin.recordings.values())), {"account_sid": twin.account}),
        (TranscriptInstance, next(iter(twin.transcripts.values())), {}),
        (SentenceInstance, sentences[0], {"transcript_sid": "GT"}),
    ]
    for instance, row, solution in rows:
        heard = Heard(row)
        instance(version, heard, **solution)
        assert heard.read == set(row), instance.__name__


def test_its_webhooks_are_signed_as_twilio_signs(twin: TwilioTwin) -> None:
    """What the twin posts is valid to Twilio's own validator, form and JSON."""
    validator, url = RequestValidator(TOKEN), "https://sidecar.example.com/hooks/twilio"
    body = twin.hint("GT" + "1" * 32)
    called, headers = twin.signed(url, body)
    assert validator.validate(called, body.decode(), headers["X-Twilio-Signature"])
    assert not validator.validate(called, body.decode() + " ", headers["X-Twilio-Signature"])


def test_the_twin_can_be_run_and_typed_into() -> None:
    """It tells where it is, does what a line says, and refuses what can't be done without ending."""
    command = [sys.executable, "-m", "tests.twins.twilio", "--port", "0"]
    ended = subprocess.run(command, input=LINES, capture_output=True, text=True, timeout=60, check=True)
    told = ended.stdout
    assert f"TWILIO_TOKEN={TOKEN}" in told and 'base_url = "http://127.0.0.1:' in told
    assert "SM00000000000000000000000000000001 received +447700900123 Is it in stock?" in told
    assert told.count("refused: ") == 1 and "Unknown syntax: nonsense" in told
    assert ended.stderr == ""


def test_what_is_typed_goes_to_the_door() -> None:
    """A deed is posted at once where a door is named; one that nobody opens is said and ends nothing."""
    with TwilioTwin() as twin, TwilioTwin() as door:
        out = io.StringIO()
        keys = TwilioKeyboard(twin, f"{door.url}/hooks/twilio", out)
        keys.onecmd(f"text {ANN} {US} Hello")
        keys.onecmd(f"send {US} {ANN} Hello back")
        keys.onecmd(f"hear CA{'1' * 32} 2 inbound Good morning")
        assert out.getvalue().count("posted: 401") == len(door.requests) == 2
        assert b"inbound_track" in door.requests[1].body
        door.down()
        keys.onecmd(f"ring {ANN} {US}")
        assert "not posted: ConnectError" in out.getvalue()
