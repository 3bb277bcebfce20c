"""A transcript as JSON: a documented shape of ours, and what speech-to-text services hand out.

Ours is the one to write: who took part and when beside a list of segments, or beside a whole file of another kind.

    {"date": "2026-11-20T09:30:00Z", "subject": "First call", "call-id": "CA123",
     "customer": "Ann Lee <ann@example.org>, +44 7700 900123", "agent": ["Bob Müller <bob@ours.example>"],
     "segments": [{"speaker": "Ann Lee", "text": "How much?", "start": 1.5}]}

or `"format": "vtt", "content": "WEBVTT..."` instead of the segments; formats are vtt, srt and txt. Read as well, each
told by the list that it has: Whisper's `segments` (as a rule nobody is named), AssemblyAI's `utterances` (times in
milliseconds), Deepgram's `results.utterances`, and a bare list of such rows. A speaker who is a number or a letter
stays "Speaker 0": who that is, nobody told. What looks like none of these is refused, and never guessed at.

Source: openai/whisper `result["segments"]`, AssemblyAI "Transcript" (`utterances`), Deepgram "Utterances", as known
2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from adapters.formats.charsets import clean_text
from adapters.formats.cues import Utterance
from sidecar.errors import PermanentError

ROWS_MAX = 100_000
VALUES_MAX, VALUE_CHARS_MAX = 50, 500
CONTENT_KINDS = ("vtt", "srt", "txt")
_SPEAKERS = ("speaker", "speaker_name", "speakerName", "name")
_WORDS = ("text", "transcript", "sentence", "content")
_STARTS = ("start", "start_time", "startTime")
_LABEL = re.compile(r"[0-9]{1,3}|[A-Z]")


@dataclass(frozen=True)
class Told:
    """What such a file tells: its header, and either utterances or a file of another kind within it."""

    meta: Mapping[str, list[str]]
    utterances: Sequence[Utterance] = ()
    kind: str = ""
    content: str = ""


def read_told(text: str, keys: Sequence[str]) -> Told:
    """Read a transcript of JSON; `keys` are those of the header. `PermanentError` says what would be right."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise PermanentError(f"not a .json transcript: line {error.lineno}, column {error.colno}") from None
    if isinstance(data, list):
        return Told({}, _utterances(data, 1.0))
    if not isinstance(data, dict):
        raise _unknown()
    meta = {key: _values(key, data[key]) for key in keys if key in data}
    if "content" in data and "segments" not in data:
        kind, content = data.get("format"), data["content"]
        if kind not in CONTENT_KINDS or not isinstance(content, str):
            raise PermanentError(f"a .json transcript with content names its format: {', '.join(CONTENT_KINDS)}")
        return Told(meta, kind=kind, content=content)
    results = data.get("results")
    if isinstance(data.get("segments"), list):
        return Told(meta, _utterances(data["segments"], 1.0))
    if isinstance(data.get("utterances"), list):
        return Told(meta, _utterances(data["utterances"], 0.001))
    if isinstance(results, dict) and isinstance(results.get("utterances"), list):
        return Told(meta, _utterances(results["utterances"], 1.0))
    raise _unknown()


def _utterances(rows: list[Any], unit_s: float) -> list[Utterance]:
    if len(rows) > ROWS_MAX:
        raise PermanentError(f"transcript of {len(rows)} rows; at most {ROWS_MAX}")
    return [_utterance(row, at, unit_s) for at, row in enumerate(rows)]


def _utterance(row: Any, at: int, unit_s: float) -> Utterance:
    words = _first(row, _WORDS) if isinstance(row, dict) else None
    if not isinstance(words, str):
        raise PermanentError(f"row {at} of the .json transcript has no text")
    start = _first(row, _STARTS)
    offset_s = start * unit_s if isinstance(start, int | float) and not isinstance(start, bool) else None
    return Utterance(_speaker(_first(row, _SPEAKERS)), clean_text(words), offset_s)


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _speaker(told: Any) -> str | None:
    if isinstance(told, int) and not isinstance(told, bool):
        told = str(told)
    if not isinstance(told, str):
        return None
    name = " ".join(clean_text(told).split())[:200]
    return f"Speaker {name}" if _LABEL.fullmatch(name) else name or None


def _values(key: str, value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if len(items) > VALUES_MAX or not all(isinstance(item, str) and len(item) <= VALUE_CHARS_MAX for item in items):
        told = f"at most {VALUES_MAX} texts of at most {VALUE_CHARS_MAX} characters"
        raise PermanentError(f"{key} of the .json transcript is no text, nor a list of {told}")
    return [" ".join(clean_text(item).split()) for item in items if item.strip()]


def _unknown() -> PermanentError:
    return PermanentError('not a .json transcript: write {"segments": [{"speaker": "Ann Lee", "text": "..."}]}')
