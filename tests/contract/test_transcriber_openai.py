"""The transcriber for OpenAI-compatible endpoints, against a twin that OpenAI's own client and types judge."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from pydantic import ValidationError

from adapters.transcribers.openai_compatible import OpenAICompatibleTranscriber, OpenAICompatibleTranscriberOptions
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.ports import Segment, Transcriber
from tests.contract.channel import Secrets, context
from tests.twins.transcriptions import Transcriptions
from tests.twins.wire.faults import BlackHole, Drop, Status, Truncated

KEY = "key-of-the-transcriber"
VOICE = b"OggS" + bytes(range(256)) * 8
WORDS = [(" Wir brauchen eine Schulung", 0.01, -0.2), (" für zwölf Personen.", 0.02, -0.3)]
HEARD = "Wir brauchen eine Schulung für zwölf Personen."


@pytest.fixture
def twin() -> Iterator[Transcriptions]:
    """An endpoint that knows one voice note."""
    with Transcriptions(KEY) as made:
        made.ears.said[VOICE] = list(WORDS)
        yield made


def made(base: Path, url: str, **options: Any) -> OpenAICompatibleTranscriber:
    """Return a transcriber that asks this endpoint and doesn't wait between tries."""
    given: dict[str, Any] = {"base_url": url, "model": "whisper-1", "api_key_env": "KEY", **options}
    read = OpenAICompatibleTranscriberOptions(**given)
    return OpenAICompatibleTranscriber("openai", read, context(base, Secrets(KEY=KEY)), sleep=lambda seconds: None)


class TestOpenAICompatibleTranscriber:
    """Words come back as they were said, and a failure says who must act."""

    def test_openai_s_own_client_speaks_to_the_twin(self, twin: Transcriptions) -> None:
        """The stand-in is one that OpenAI's client takes for an endpoint, in both forms."""
        client = OpenAI(base_url=twin.base_url, api_key=KEY, max_retries=0)
        file = ("voice.ogg", VOICE, "audio/ogg")
        try:
            plain = client.audio.transcriptions.create(file=file, model="words-only", response_format="json")
            whole = client.audio.transcriptions.create(file=file, model="whisper-1", response_format="verbose_json")
        finally:
            client.close()
        assert plain.text == whole.text == HEARD
        assert [segment.no_speech_prob for segment in whole.segments or ()] == [0.01, 0.02]

    def test_words_and_segments_come_back(self, twin: Transcriptions, tmp_path: Path) -> None:
        """A transcript holds the words, their times, the language and the model; the file goes there whole."""
        transcriber = made(tmp_path, twin.base_url, language="de")
        assert isinstance(transcriber, Transcriber)
        found = transcriber.transcribe(VOICE, "audio/ogg; codecs=opus")
        assert (found.text, found.model, found.language, found.duration_s) == (HEARD, "whisper-1", "german", 4.0)
        assert found.segments == (
            Segment(0.0, 2.0, "Wir brauchen eine Schulung"), Segment(2.0, 4.0, "für zwölf Personen."),
        )  # fmt: skip
        assert twin.ears.asked == [
            {
                "model": "whisper-1", "response_format": "verbose_json", "temperature": "0", "language": "de",
                "file": "voice.ogg",
            }
        ]  # fmt: skip
        assert not transcriber.check()

    def test_what_was_made_up_in_silence_is_nobody_s_word(self, twin: Transcriptions, tmp_path: Path) -> None:
        """A segment that the endpoint takes for silence is left out; seen to fail with the whole text taken."""
        twin.ears.said[VOICE] = [*WORDS, (" Vielen Dank fürs Zuschauen!", 0.93, -1.4)]
        assert made(tmp_path, twin.base_url).transcribe(VOICE, "audio/ogg").text == HEARD
        twin.ears.said[VOICE] = [(" Vielen Dank fürs Zuschauen!", 0.93, -1.4)]
        assert made(tmp_path, twin.base_url).transcribe(VOICE, "audio/ogg").text == ""

    def test_a_model_without_segments_is_asked_in_its_own_form(self, twin: Transcriptions, tmp_path: Path) -> None:
        """What refuses the better form once isn't asked for it again."""
        transcriber = made(tmp_path, twin.base_url, model="words-only")
        assert [transcriber.transcribe(VOICE, "audio/ogg").text for _ in range(2)] == [HEARD, HEARD]
        assert [asked["response_format"] for asked in twin.ears.asked] == ["verbose_json", "json", "json"]

    @pytest.mark.parametrize(
        ("status", "error", "named"),
        [
            (400, PermanentError, "refused the file"),
            (413, PermanentError, "refused the file"),
            (401, ConfigError, "transcriber.api_key_env"),
            (403, ConfigError, "transcriber.api_key_env"),
            (404, ConfigError, "transcriber.model"),
            (302, ConfigError, "transcriber.base_url"),
            (408, TemporaryError, "408"),
            (429, TemporaryError, "429"),
            (500, TemporaryError, "500"),
            (503, TemporaryError, "503"),
        ],
    )
    def test_a_refusal_says_who_must_act(
        self, twin: Transcriptions, tmp_path: Path, status: int, error: type[Exception], named: str
    ) -> None:
        """Time, the operator, or nobody for this one file: by status, and never in the endpoint's own words."""
        twin.fault(Status(status, {"error": {"message": "canary-of-the-endpoint"}}), times=None)
        with pytest.raises(error, match=named) as caught:
            made(tmp_path, twin.base_url).transcribe(VOICE, "audio/ogg")
        assert "canary" not in str(caught.value)
        assert KEY not in str(caught.value)

    def test_a_wait_that_was_asked_for_is_told(self, twin: Transcriptions, tmp_path: Path) -> None:
        """Retry-After is obeyed within the call while it is short, and handed on when it is long."""
        twin.fault(Status(429, {}, {"Retry-After": "77"}), times=None)
        with pytest.raises(TemporaryError) as caught:
            made(tmp_path, twin.base_url).transcribe(VOICE, "audio/ogg")
        assert caught.value.retry_after_s == 77
        twin.heal()
        twin.fault(Status(429, {}, {"Retry-After": "1"}))
        assert made(tmp_path, twin.base_url).transcribe(VOICE, "audio/ogg").text == HEARD

    @pytest.mark.parametrize("fault", [Drop(), Truncated(), BlackHole(hold_s=5.0), Status(200, {"words": "none"})])
    def test_an_endpoint_that_is_away_or_babbles_is_waited_for(
        self, twin: Transcriptions, tmp_path: Path, fault: Any
    ) -> None:
        """No answer, half an answer and an answer that is none are errors of time."""
        twin.fault(fault, times=None)
        with pytest.raises(TemporaryError):
            made(tmp_path, twin.base_url, timeout_s=0.4, max_retries=0).transcribe(VOICE, "audio/ogg")

    def test_a_file_that_is_none_for_it_is_never_sent(self, twin: Transcriptions, tmp_path: Path) -> None:
        """Another type, or more bytes than may be sent, stays here."""
        transcriber = made(tmp_path, twin.base_url, max_bytes=1_000)
        for raw, kind in ((VOICE, "audio/ogg"), (b"x", "text/html"), (b"x", ""), (b"x", "image/png")):
            with pytest.raises(PermanentError):
                transcriber.transcribe(raw, kind)
        assert not twin.ears.asked

    def test_a_wrong_setting_is_found_by_the_check(self, twin: Transcriptions, tmp_path: Path) -> None:
        """A model that isn't listed, a key that isn't taken, an endpoint that isn't there: each is said."""
        (line,) = made(tmp_path, twin.base_url, model="whisper-9").check()
        assert "whisper-9" in line
        twin.ears.key = "another"
        (line,) = made(tmp_path, twin.base_url).check()
        assert "transcriber.api_key_env" in line
        twin.down()
        (line,) = made(tmp_path, twin.base_url).check()
        assert "can't be reached" in line

    def test_no_key_goes_over_a_plain_line(self, tmp_path: Path) -> None:
        """A key is sent by https, or to this machine; an address can't hold one."""
        with pytest.raises(ConfigError, match=r"transcriber\.base_url"):
            made(tmp_path, "http://speech.example.com/v1")
        for url in ("https://user:key@speech.example.com/v1", "https://speech.example.com/v1?key=1", "speech:1"):
            with pytest.raises(ValidationError):
                made(tmp_path, url)

    def test_nothing_that_was_said_is_logged(
        self, twin: Transcriptions, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither the words nor the key are in any log, in success or failure."""
        caplog.set_level(logging.DEBUG)
        made(tmp_path, twin.base_url).transcribe(VOICE, "audio/ogg")
        twin.fault(Status(400, {"error": {"message": HEARD}}), times=None)
        with pytest.raises(PermanentError):
            made(tmp_path, twin.base_url).transcribe(VOICE, "audio/ogg")
        assert "Schulung" not in caplog.text
        assert KEY not in caplog.text
