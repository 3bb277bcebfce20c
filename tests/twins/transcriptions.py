"""A small stand-in for endpoints that speak OpenAI's audio transcriptions, over a real socket.

It knows some files by their bytes and what is said in each, tells segments or refuses to, and speaks of its errors as
such endpoints do. OpenAI's own SDK judges it: a request or an answer that its types don't take is a defect, and the
twin raises when it is closed. Source: openai 3.54, types.audio; read 2026-11.
"""

import json
from collections.abc import Mapping
from email import message_from_bytes
from typing import Any, get_args, get_type_hints

from openai.types.audio import Transcription, TranscriptionVerbose
from openai.types.audio.transcription_create_params import TranscriptionCreateParamsNonStreaming
from openai.types.audio_response_format import AudioResponseFormat
from pydantic import ValidationError

from tests.twins.wire.passing import Log, Logged, Reply, Request
from tests.twins.wire.twin import Twin

FIELDS = frozenset(get_type_hints(TranscriptionCreateParamsNonStreaming))
MODELS = ("whisper-1", "words-only")
ENDINGS = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")


class _RefusalError(Exception):
    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        self.status = status
        self.body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


class Ears:
    """Answers requests; `said` are the words of each file, as segments (text, no_speech_prob, avg_logprob)."""

    def __init__(self, key: str, log: Log) -> None:
        self.key, self.log, self.defects = key, log, list[str]()
        self.said: dict[bytes, list[tuple[str, float, float]]] = {}
        self.language = "german"
        self.asked: list[dict[str, Any]] = []

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        try:
            reply = self.reply(200, self._done(request))
        except _RefusalError as refused:
            reply = self.reply(refused.status, refused.body)
        self.note(request, reply, self.operation(request), answered=answered, fault=fault)
        return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        status, size = (reply.status, len(reply.body)) if reply else (None, 0)
        self.log.add(
            Logged(
                request.method, request.target, operation, 1, status, len(request.body), size, b"", answered, fault
            )
        )  # fmt: skip

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        return request.target.rpartition("/")[2]

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of JSON."""
        return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is."""
        return body

    def _done(self, request: Request) -> Any:
        if self.key and request.headers.get("authorization", "") != f"Bearer {self.key}":
            raise _RefusalError(401, "Incorrect API key provided.", code="invalid_api_key")
        if (request.method, request.target) == ("GET", "/v1/models"):
            return {
                "object": "list",
                "data": [{"id": m, "object": "model", "created": 1, "owned_by": "us"} for m in MODELS],
            }
        if (request.method, request.target) != ("POST", "/v1/audio/transcriptions"):
            raise _RefusalError(404, "Not Found")
        return self._transcribed(request)

    def _transcribed(self, request: Request) -> dict[str, Any]:
        fields, name, raw = _form(request)
        self.asked.append({**fields, "file": name})
        if set(fields) - FIELDS or fields.get("response_format", "json") not in get_args(AudioResponseFormat):
            self.defects.append(f"OpenAI's SDK knows no such request: {sorted(fields)}")
        if fields["model"] not in MODELS:
            raise _RefusalError(404, f"The model `{fields['model']}` does not exist", code="model_not_found")
        if name.rpartition(".")[2] not in ENDINGS or raw not in self.said:
            raise _RefusalError(400, "Audio file might be corrupted or unsupported", "file", "invalid_value")
        return self._words(fields["model"], fields.get("response_format", "json"), raw)

    def _words(self, model: str, form: str, raw: bytes) -> dict[str, Any]:
        text = "".join(words for words, _, _ in self.said[raw]).strip()
        usage = {"type": "duration", "seconds": 2.0 * len(self.said[raw])}
        if form == "json":
            return self._judged(Transcription, {"text": text, "usage": usage})
        if form != "verbose_json" or model != "whisper-1":
            told = f"response_format '{form}' is not compatible with model '{model}'. Use 'json' or 'text' instead."
            raise _RefusalError(400, told, "response_format", "unsupported_value")
        segments = [
            {
                "id": n, "seek": 0, "start": 2.0 * n, "end": 2.0 * n + 2, "text": words, "tokens": [1],
                "temperature": 0.0, "avg_logprob": sure, "compression_ratio": 1.0, "no_speech_prob": silent,
            }
            for n, (words, silent, sure) in enumerate(self.said[raw])
        ]  # fmt: skip
        whole = {"task": "transcribe", "language": self.language, "duration": usage["seconds"], "text": text}
        return self._judged(TranscriptionVerbose, {**whole, "segments": segments, "usage": usage})

    def _judged(self, shape: type[Any], body: dict[str, Any]) -> dict[str, Any]:
        try:
            shape.model_validate(body)
        except ValidationError as error:
            self.defects.append(f"OpenAI's SDK knows no such answer: {error}")
        return body


class Transcriptions(Twin):
    """An endpoint: `with Transcriptions() as twin: twin.ears.said[b"..."] = [...]; ... twin.base_url ...`."""

    def __init__(self, key: str = "", *, port: int = 0) -> None:
        log = Log()
        self.ears = Ears(key, log)
        super().__init__(self.ears, log, 0, port)

    @property
    def base_url(self) -> str:
        """The address, as far as /audio/transcriptions."""
        return f"{self.url}/v1"


def _form(request: Request) -> tuple[dict[str, str], str, bytes]:
    """Return the fields of a form, and its file's name and bytes."""
    header = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    fields: dict[str, str] = {}
    name, raw = "", b""
    for part in message_from_bytes(header + request.body).walk():
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename():
            name, raw = part.get_filename() or "", content
        else:
            fields[str(part.get_param("name", header="content-disposition"))] = content.decode()
    return fields, name, raw
