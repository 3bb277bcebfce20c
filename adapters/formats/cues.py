"""The cues of a WebVTT or SubRip file as utterances.

`webvtt-py` reads the blocks; around it stand guards for what it does in silence (0.6.0, measured 2026-11): it drops
cues with a negative offset, which Microsoft Teams writes for what was said before the recording began, and it raises
on a time that is no time. So timing lines are rewritten canonically before it sees them, and afterwards the cues are
counted. Speakers are read here, because the library names only the first of two voices in a cue.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sidecar.errors import PermanentError

CUES_MAX = 20_000
_TIMING = re.compile(
    r"\s*(-?)(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?\d*\s*-->"
    r"\s*(-?)(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
)
_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,100})?[ \t]+([^<>]{1,200})>")
_TAG = re.compile(r"</?[A-Za-z0-9.:][^<>]{0,200}>")
_NAMED = re.compile(r"(?:-\s{1,3})?([^:：\n]{1,60}?)\s{0,3}(?::\s+|：\s*)(?=\S)")


@dataclass(frozen=True)
class Utterance:
    """Words of one speaker in one cue or line; None where the file doesn't say."""

    speaker: str | None
    words: str
    offset_s: float | None


def read_cues(lines: list[str], kind: str) -> tuple[list[Utterance], list[str]]:
    """The utterances of a "vtt" or "srt" file in their order, and what could not be read as it stood."""
    import webvtt
    from webvtt.errors import MalformedCaptionError, MalformedFileError

    announced = sum("-->" in line for line in lines)
    if announced > CUES_MAX:
        raise PermanentError(f"transcript of {announced} cues; at most {CUES_MAX}")
    canonical, negative = _canonical(lines)
    try:
        captions = webvtt.WebVTT.from_buffer(canonical, format=kind).captions
    except (MalformedCaptionError, MalformedFileError) as error:
        first = "WEBVTT" if kind == "vtt" else "a number and a line '00:00:01,000 --> 00:00:02,000'"
        raise PermanentError(f"not a .{kind} transcript: it must begin with {first}") from error
    problems = [f"{negative} cues began before the recording: their time set to 0"] if negative else []
    if len(captions) != announced:
        problems.append(f"{announced - len(captions)} of {announced} cues could not be read")
    known = _first_names(caption.raw_text for caption in captions)
    return [said for cue in captions for said in _utterances(cue.raw_text, _offset_s(cue.start), known)], problems


def name_and_words(line: str) -> tuple[str | None, str]:
    """Split `Ann Lee: words` at the first colon; no name when what stands before it doesn't look like one."""
    named = _NAMED.match(line)
    if named is None:
        return None, line.strip()
    name = " ".join(named[1].split())
    if not name or name[0].islower() or len(name.split()) > 6 or re.search(r"[.!?。]\s|[,;\"<>]|-->|//", name):
        return None, line.strip()
    if not any(char.isalpha() for char in name):
        return None, line.strip()
    return name, line[named.end() :].strip()


def _canonical(lines: Iterable[str]) -> tuple[list[str], int]:
    """Timing lines in the one form that the library reads, negative times as 0; and how many of those there were."""
    out: list[str] = []
    negative = 0
    for line in lines:
        timing = _TIMING.match(line) if "-->" in line else None
        if timing:
            negative += bool(timing[1])
            line = f"{_clock(*timing.groups()[:5])} --> {_clock(*timing.groups()[5:])}"
        out.append(line)
    return out, negative


def _clock(sign: str | None, hours: str | None, minutes: str, seconds: str, fraction: str | None) -> str:
    if sign:
        return "00:00:00.000"
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{(fraction or '0'):0<3}"


def _offset_s(clock: str) -> float:
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return round(int(hours) * 3600 + int(minutes) * 60 + float(seconds), 3)


def _first_names(texts: Iterable[str]) -> frozenset[str]:
    """Names that begin a cue. Below its first line only these count: "at 10: sharp?" is a wrapped line, no speaker."""
    return frozenset(name for name, _ in (name_and_words(_plain(text.split("\n")[0])) for text in texts) if name)


def _utterances(raw_text: str, offset_s: float, known: frozenset[str]) -> Iterator[Utterance]:
    """Split a cue at its voices, or at its `Name: words` lines; entities come last, for `&lt;v Bob&gt;` is no voice."""
    pieces = _VOICE.split(raw_text)
    if len(pieces) == 1:
        speaker: str | None = None
        for at, line in enumerate(raw_text.split("\n")):
            line = _plain(line).strip()
            name, words = name_and_words(line)
            if at == 0 or name in known or line.startswith("- "):
                speaker = name or speaker
            else:
                words = line
            yield Utterance(speaker, words, offset_s)
        return
    yield Utterance(None, _plain(pieces[0]), offset_s)
    for voice, said in zip(pieces[1::2], pieces[2::2], strict=True):
        speaker = " ".join(html.unescape(voice).split()) or None
        yield Utterance(speaker, _plain(said), offset_s)


def _plain(words: str) -> str:
    return html.unescape(_TAG.sub("", words)).replace("\0", "")
