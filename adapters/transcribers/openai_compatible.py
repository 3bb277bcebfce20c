"""Any endpoint that speaks OpenAI's audio transcriptions: Whisper on a machine of one's own, or a hosted service.

A file goes there as a form and comes back as words. Some models tell segments and how sure they are (`verbose_json`),
others only words: the better form is asked for first, and what refuses it by a 400 that says so is asked for the plain
one while this process lives. Speech models make words up where nobody speaks, so segments that the endpoint itself
takes for silence are left out; a quote from them would be nobody's. Nothing about the file is logged, and no error
repeats what an endpoint says, since that may repeat what was said.

The trade-off: one file is one call, and a file that is too large for the endpoint is refused, not cut into pieces.

Source: OpenAI's SDK 3.54 (types.audio: transcription_create_params, transcription_verbose, transcription_segment), read
2026-11; 25 MB a file is OpenAI's own limit.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from adapters.http.calls import Timeouts, TooLateError, answer, number
from adapters.http.options import is_loopback
from adapters.http.patience import Again, patient
from sidecar.errors import ConfigError, PermanentError, SidecarError, TemporaryError
from sidecar.ports import Context, Segment, TranscriberCapabilities, Transcript

if TYPE_CHECKING:  # the HTTP client is imported by the first call
    from adapters.http.pooled import Pooled, Reply

TYPES: Mapping[str, str] = {
    "application/ogg": "ogg",
    "audio/aac": "m4a",
    "audio/flac": "flac",
    "audio/m4a": "m4a",
    "audio/mp3": "mp3",
    "audio/mp4": "mp4",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/webm": "webm",
    "audio/x-m4a": "m4a",
    "audio/x-wav": "wav",
    "video/mp4": "mp4",
    "video/webm": "webm",
}
"""The types that are taken, and the ending by which an endpoint knows each; some voice notes come as video/mp4."""
VERBOSE, PLAIN = "verbose_json", "json"
CONNECTIONS = 4
CONNECT_TIMEOUT_S = 5.0
MAX_WAIT_S = 10.0
MAX_RETRY_AFTER_S = 86_400.0
SILENT, UNSURE = 0.6, -1.0
"""A segment at least so likely to be no speech, and no surer than so (mean log probability), is silence: Whisper's own
rule, which OpenAI's endpoint documents and leaves to its caller."""
_LATER = frozenset({408, 409, 425, 429})
_OF_THE_FILE = frozenset({400, 413, 415, 422})
_OPERATORS = {
    401: ("api_key_env", "the key is not accepted, or there is none; set one that is"),
    402: ("api_key_env", "the account can't pay; see to its billing"),
    403: ("api_key_env", "the key may not use this model or endpoint"),
    404: ("model", "there is no such model, or base_url is wrong (most end in /v1)"),
}
_FORMAT = re.compile(r"response_format|verbose_json")


class OpenAICompatibleTranscriberOptions(BaseModel):
    """Settings of the `[transcriber]` section for type `openai`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: str = Field(description="Endpoint, as far as its /audio/transcriptions, such as http://127.0.0.1:8000/v1")
    model: str = Field(min_length=1, max_length=200, description="Model that hears every voice note")
    api_key_env: str | None = Field(None, description="Variable that holds the key, where there is one")
    api_key_file: str | None = Field(None, description="File that holds the key")
    language: str = Field("", pattern=r"^([a-z]{2,3})?$", description="The one language of all files; empty is any")
    timeout_s: float = Field(120.0, gt=0, le=600, description="Seconds to wait for the words of one file")
    max_bytes: int = Field(16_000_000, ge=1_000, le=25_000_000, description="Largest file that is sent there")
    max_retries: int = Field(2, ge=0, le=5, description="Short retries within one call")

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("it is an address such as https://api.example.com/v1")
        if parts.username or parts.password:
            raise ValueError("a key doesn't belong here; use api_key_env or api_key_file")
        return url.rstrip("/")

    @property
    def has_key(self) -> bool:
        """Say whether a key is named."""
        return bool(self.api_key_env or self.api_key_file)


class _Segment(BaseModel):
    start: float = Field(0.0, ge=0, le=1e6)
    end: float = Field(0.0, ge=0, le=1e6)
    text: str = Field(max_length=100_000)
    avg_logprob: float = 0.0
    no_speech_prob: float = 0.0

    @property
    def is_silence(self) -> bool:
        return self.no_speech_prob >= SILENT and self.avg_logprob <= UNSURE


class _Answer(BaseModel):
    text: str = Field(max_length=1_000_000)
    language: str | None = Field(None, max_length=60)
    duration: float | None = Field(None, ge=0, le=1e6)
    segments: tuple[_Segment, ...] | None = Field(None, max_length=20_000)


@dataclass(frozen=True, slots=True)
class _Asked:
    operation: str
    effect: bool = False


class OpenAICompatibleTranscriber:
    """Has files heard by an OpenAI-compatible endpoint; fulfils the port `Transcriber`."""

    Options = OpenAICompatibleTranscriberOptions

    def __init__(
        self,
        name: str,
        options: OpenAICompatibleTranscriberOptions,
        context: Context,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        parts = urlsplit(options.base_url)
        if options.has_key and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ConfigError("a key is sent there, so it must be https", setting="transcriber.base_url")
        self.name, self.model = name, options.model
        self.capabilities = TranscriberCapabilities(options.max_bytes, frozenset(TYPES))
        self._options, self._observe = options, context.observe
        self._sleep = sleep or _nap
        self._headers = {"Authorization": f"Bearer {_key(context, options)}"} if options.has_key else {}
        self._is_plain = False
        self._pooled: Pooled | None = None
        self._lock = threading.Lock()

    def transcribe(self, raw: bytes, content_type: str) -> Transcript:
        """Return what is said in a file; one that the endpoint refuses for what it is is a `PermanentError`."""
        kind = content_type.partition(";")[0].strip().lower()
        if kind not in TYPES or len(raw) > self._options.max_bytes:
            raise PermanentError("no file of this type and size is sent to a transcriber")
        file = (f"voice.{TYPES[kind]}", raw, kind)
        for _ in range(2):
            form = PLAIN if self._is_plain else VERBOSE
            try:
                return self._read(self._sent(file, form))
            except _NoSuchForm:
                self._is_plain = True
        raise PermanentError("the endpoint takes none of the forms in which words can be asked for")

    def check(self) -> Sequence[str]:
        """Ask for the list of models, which costs nothing; an endpoint that has none is taken at its word."""
        try:
            reply = patient(0.0, self._sleep)(self._once, "models", "GET", "/models", {})
        except SidecarError as error:
            return (f"transcriber: {error}",)
        if reply.status in (404, 405):
            return ()
        try:
            _raise_for(reply)
        except SidecarError as error:
            return (f"transcriber: {error}",)
        rows = reply.data.get("data") if isinstance(reply.data, dict) else None
        known = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return (
            (f"transcriber.model: the endpoint lists no model {self.model!r}",)
            if known and self.model not in known
            else ()
        )

    def _sent(self, file: tuple[str, bytes, str], form: str) -> "Reply":
        fields = {"model": self.model, "response_format": form, "temperature": "0"}
        if self._options.language:
            fields["language"] = self._options.language
        given = {"form": fields, "files": {"file": file}}

        def once() -> "Reply":
            reply = self._once("transcribe", "POST", "/audio/transcriptions", given)
            _raise_for(reply, form)
            return reply

        reply: Reply = patient(MAX_WAIT_S, self._sleep, self._options.max_retries + 1)(once)
        return reply

    def _once(self, operation: str, method: str, path: str, given: Mapping[str, Any]) -> "Reply":
        pooled, options = self._client(), self._options

        def send() -> "Reply":
            try:
                return pooled.send(method, options.base_url + path, self._headers, **given)
            except TooLateError:
                raise TemporaryError(f"the transcriber gave no words within {options.timeout_s:g} s") from None

        return answer("the transcriber", _Asked(operation), self._observe, send)

    def _read(self, reply: "Reply") -> Transcript:
        try:
            found = _Answer.model_validate(reply.data)
        except ValidationError:
            raise TemporaryError(
                "what came back is no transcription; if this lasts, see transcriber.base_url"
            ) from None
        spoken = [segment for segment in found.segments or () if not segment.is_silence]
        is_whole = len(spoken) == len(found.segments or ())
        text = found.text if is_whole else _joined([segment.text for segment in spoken])
        return Transcript(
            text=text.strip(),
            model=self.model,
            language=found.language or "",
            duration_s=found.duration,
            segments=tuple(Segment(s.start, s.end, s.text.strip()) for s in spoken),
        )

    def _client(self) -> "Pooled":
        from adapters.http.pooled import Pooled

        with self._lock:
            if self._pooled is None:
                wait_s = self._options.timeout_s
                self._pooled = Pooled(Timeouts(min(CONNECT_TIMEOUT_S, wait_s), wait_s, wait_s), CONNECTIONS)
            return self._pooled


class _NoSuchForm(Exception):
    """The endpoint's model doesn't tell segments."""


def _raise_for(reply: "Reply", form: str = "") -> None:
    status = reply.status
    if 200 <= status < 300:
        return
    code, why = _said(reply.data)
    told = f"the transcriber answered {status}"
    if code == "insufficient_quota":
        raise ConfigError(f"the account has no credit left; {told}", setting="transcriber.api_key_env")
    if status in _LATER or status >= 500:
        wait_s = number(reply.headers, "retry-after")
        raise Again(told, retry_after_s=None if wait_s is None else min(wait_s, MAX_RETRY_AFTER_S))
    if status in _OPERATORS:
        key, remedy = _OPERATORS[status]
        raise ConfigError(f"{remedy}; {told}", setting=f"transcriber.{key}")
    if status in _OF_THE_FILE:
        if form == VERBOSE and _FORMAT.search(why):
            raise _NoSuchForm
        raise PermanentError(f"the transcriber refused the file: {status}")
    raise ConfigError(f"this is no endpoint for transcriptions; {told}", setting="transcriber.base_url")


def _said(data: Any) -> tuple[str, str]:
    """Return the code of an error and all that it says, in lower case; each may be empty."""
    told = data.get("error", data) if isinstance(data, Mapping) else data
    if not isinstance(told, Mapping):
        return "", str(told or "")[:2_000].lower()
    words = [told.get(key) for key in ("param", "code", "type", "message", "detail")]
    code = told.get("code")
    return code if isinstance(code, str) else "", " ".join(str(word) for word in words if word)[:2_000].lower()


def _joined(texts: Sequence[str]) -> str:
    """Segments of Whisper begin with the space that parts them, where their script has one; others' bring none."""
    return ("" if any(text[:1].isspace() for text in texts) else " ").join(texts)


def _key(context: Context, options: OpenAICompatibleTranscriberOptions) -> str:
    key = context.secret(options.api_key_env, options.api_key_file).strip()
    if not key.isprintable() or not key.isascii():
        raise ConfigError("the key holds what no header can", setting="transcriber.api_key_env")
    return key


def _nap(seconds: float) -> None:
    threading.Event().wait(seconds)
