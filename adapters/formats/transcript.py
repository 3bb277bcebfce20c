"""A transcript file as turns: who said which words, and when in the call.

Phone systems, meeting tools and people export WebVTT, SubRip or plain text, each with its own way to name the speaker.
All come out as one canonical text with a line per turn, `Speaker: words`, because that line is what a claim quotes: a
turn's span covers the words alone, so that nobody can be quoted by the name that stands before them. A cue that names
nobody is "Unknown"; it is not joined to the speaker before it, as that would be a guess about who said it.

Who took part may stand in the file itself: a NOTE block of `key: value` lines before the first WebVTT cue, or header
lines above the first blank line of a plain text. A transcript whose speakers are called "Customer" and "Agent" has no
such header, so those two keys count only beside another key or with an address or number in the value.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType

from adapters.formats.charsets import clean_text
from adapters.formats.cues import Utterance, name_and_words, read_cues
from adapters.formats.transcript_json import read_told
from sidecar.errors import PermanentError

TRANSCRIPT_BYTES_MAX = 25 * 1024 * 1024
UNKNOWN_SPEAKER = "Unknown"
META_KEYS = ("date", "subject", "customer", "agent", "system", "call-id", "channel")

_LINES_MAX = 100_000
_META_LINES_MAX = 50
_META_LINE = re.compile(r"([A-Za-z][A-Za-z-]{0,30})\s{0,3}:\s{0,3}(.{1,500})")
_EMAIL = re.compile(r"[^\s@<>,;()\"]{1,64}@[^\s@<>,;()\"]{1,255}")
_PHONE = re.compile(r"\+?[(]?\d[\d ()./\xa0-]{5,24}\d")
_CLOCK = r"\[?\(?(?:(\d{1,3}):)?(\d{1,2}):(\d{2})(?:\.\d{1,3})?\)?\]?"
_CLOCK_FIRST = re.compile(rf"{_CLOCK}\s{{1,4}}(?:-\s{{1,3}})?(?=\S)")
_CLOCK_AFTER_NAME = re.compile(rf"([^:：]{{1,60}}?)\s{{1,4}}{_CLOCK}\s{{0,3}}[:：]\s")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Person:
    """A person as the file's own header names them."""

    name: str
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Turn:
    """What one speaker said in one go: `text[start:end]` are the words; None for an unnamed speaker or unknown time."""

    start: int
    end: int
    speaker: str | None
    offset_s: float | None


@dataclass(frozen=True)
class Transcript:
    """Canonical lines `Speaker: words`, their turns, and the file's own header (each key may come more than once)."""

    text: str
    turns: tuple[Turn, ...]
    meta: Mapping[str, tuple[str, ...]]
    problems: tuple[str, ...]

    @property
    def customers(self) -> tuple[Person, ...]:
        """The persons that `customer:` lines name."""
        return tuple(parse_person(value) for value in self.meta.get("customer", ()))

    @property
    def agents(self) -> tuple[Person, ...]:
        """The persons that `agent:` lines name."""
        return tuple(parse_person(value) for value in self.meta.get("agent", ()))


def parse_transcript(raw: bytes, suffix: str) -> Transcript:
    """Read a .vtt, .srt, .txt or .json transcript. Raises PermanentError, saying what would be right, for any other."""
    kind = suffix.strip().lower().removeprefix(".")
    if kind not in ("vtt", "srt", "txt", "json"):
        raise PermanentError("unknown kind of transcript: .vtt, .srt, .txt and .json are read")
    if len(raw) > TRANSCRIPT_BYTES_MAX:
        raise PermanentError(f"transcript of {len(raw)} bytes; at most {TRANSCRIPT_BYTES_MAX}")
    text, problems = _decode(raw)
    outer: dict[str, list[str]] = {}
    if kind == "json":
        told = read_told(text, META_KEYS)
        if not told.kind:
            return _layout(told.utterances, told.meta, problems)
        kind, text, outer = told.kind, clean_text(told.content), dict(told.meta)
    lines = text.split("\n")
    if len(lines) > _LINES_MAX:
        raise PermanentError(f"transcript of {len(lines)} lines; at most {_LINES_MAX}")
    if kind == "txt":
        meta, spoken = _txt_header(lines)
        utterances = list(_txt_utterances(spoken))
    else:
        meta = _notes(lines) if kind == "vtt" else {}
        utterances, unread = read_cues(lines, kind)
        problems += unread
    return _layout(utterances, {**meta, **outer}, problems)


def kind_of(raw: bytes) -> str:
    """Say by its beginning of which kind a transcript is whose name nobody told."""
    text = next((raw[len(bom) :].decode(codec, "replace") for bom, codec in _BOMS if raw.startswith(bom)), None)
    head = (raw[:4096].decode("utf-8", "replace") if text is None else text[:4096]).lstrip()
    if head.startswith("WEBVTT"):
        return "vtt"
    if head.startswith(("{", "[")) and not _CLOCK_FIRST.match(head):
        return "json"
    return "srt" if re.match(r"\d{1,9}\s{1,4}-?\d{1,3}:\d{2}:\d{2}[^\n]{0,20}-->", head) else "txt"


def words_digest(transcript: Transcript, hint: str) -> str:
    """Return what names a transcript whatever file it came in: the hash of its canonical text and what call it was."""
    return sha256(f"{transcript.text}\n\n{hint}".encode()).hexdigest()


def parse_person(value: str) -> Person:
    """Read `Ann Lee <ann@x.test>, +44 7700 900123`: the name is what is neither address nor number."""
    emails = tuple(dict.fromkeys(_EMAIL.findall(value)))
    rest = _EMAIL.sub(" ", value)
    phones = tuple(dict.fromkeys(number.strip() for number in _PHONE.findall(rest)))
    name = re.sub(r"[<>,;()\"]", " ", _PHONE.sub(" ", rest))
    return Person(" ".join(name.split())[:200], emails, phones)


def _decode(raw: bytes) -> tuple[str, list[str]]:
    problems: list[str] = []
    for bom, codec in _BOMS:
        if raw.startswith(bom):
            text = raw[len(bom) :].decode(codec, "replace")
            if "\N{REPLACEMENT CHARACTER}" in text:
                problems.append(f"undecodable bytes for {codec}: replaced")
            return clean_text(text), problems
    if b"\0" in raw:
        raise PermanentError("binary data, or UTF-16 without its byte order mark: save the transcript as UTF-8")
    try:
        return clean_text(raw.decode("utf-8")), problems
    except UnicodeDecodeError:
        return clean_text(raw.decode("cp1252", "replace")), ["not UTF-8: read as Windows-1252"]


def _notes(lines: Iterable[str]) -> dict[str, list[str]]:
    """The `key: value` lines of NOTE blocks before the first cue."""
    meta: dict[str, list[str]] = {}
    inside = False
    for line in lines:
        if "-->" in line:
            break
        if line.startswith("NOTE") and not line[4:].strip().startswith(("-->",)):
            inside, line = True, line[4:]
        elif not line.strip():
            inside = False
        found = _META_LINE.fullmatch(line.strip()) if inside else None
        if found and sum(map(len, meta.values())) < _META_LINES_MAX:
            meta.setdefault(found[1].lower(), []).append(found[2].strip())
    return meta


def _txt_header(lines: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The header lines above the first blank line, when all of them are known keys; and the lines below."""
    meta: dict[str, list[str]] = {}
    telling = False
    for at, line in enumerate(lines[: _META_LINES_MAX + 1]):
        if not line.strip():
            return (meta, lines[at + 1 :]) if telling else ({}, lines)
        found = _META_LINE.fullmatch(line.strip())
        if found is None or found[1].lower() not in META_KEYS:
            break
        key, value = found[1].lower(), found[2].strip()
        meta.setdefault(key, []).append(value)
        telling = telling or key not in ("customer", "agent", "system") or bool(_reachable(value))
    return {}, lines


def _reachable(value: str) -> bool:
    person = parse_person(value)
    return bool(person.emails or person.phones)


def _txt_utterances(lines: Iterable[str]) -> Iterator[Utterance]:
    """One utterance a line that names its speaker; other lines go on with the one before."""
    named = False
    offset_s: float | None = None
    speaker: str | None = None
    words: list[str] = []
    for line in lines:
        rest, at_s = _without_clock(line.strip())
        name, said = name_and_words(rest)
        named = named or name is not None
        if name is not None or (at_s is not None and said):
            yield Utterance(speaker, " ".join(words), offset_s)
            speaker, words, offset_s = name, [said], at_s
        elif said:
            words.append(said)
    yield Utterance(speaker, " ".join(words), offset_s)
    if not named:
        raise PermanentError("not a transcript: no line of the form 'Speaker: words'")


def _without_clock(line: str) -> tuple[str, float | None]:
    """Take `[00:01:02] Ann: words`, `00:12 Ann: words` or `Ann (00:12): words` apart."""
    if first := _CLOCK_FIRST.match(line):
        return line[first.end() :], _seconds(first[1], first[2], first[3])
    if after := _CLOCK_AFTER_NAME.match(line):
        return f"{after[1]}: {line[after.end() :]}", _seconds(after[2], after[3], after[4])
    return line, None


def _seconds(hours: str | None, minutes: str, seconds: str) -> float:
    return float(int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds))


def _layout(utterances: Iterable[Utterance], meta: Mapping[str, list[str]], problems: list[str]) -> Transcript:
    joined: list[tuple[str | None, list[str], float | None]] = []
    for utterance in utterances:
        words = " ".join(utterance.words.split())
        if not words:
            continue
        if joined and utterance.speaker is not None and joined[-1][0] == utterance.speaker:
            joined[-1][1].append(words)
        else:
            joined.append((utterance.speaker, [words], utterance.offset_s))
    if not joined:
        raise PermanentError("not a transcript: no spoken words in it")
    lines: list[str] = []
    turns: list[Turn] = []
    at = 0
    for speaker, spoken, offset_s in joined:
        prefix, words = f"{speaker or UNKNOWN_SPEAKER}: ", " ".join(spoken)
        start = at + len(prefix)
        turns.append(Turn(start, start + len(words), speaker, offset_s))
        lines.append(prefix + words)
        at = start + len(words) + 1
    fixed = MappingProxyType({key: tuple(values) for key, values in meta.items()})
    return Transcript("\n".join(lines), tuple(turns), fixed, tuple(problems))
