"""What `adapters.formats.transcript` promises: who said which words, no cue lost in silence, refusals that help."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.transcript import Person, Transcript, kind_of, parse_person, parse_transcript, words_digest
from sidecar.errors import PermanentError

FIXTURES = Path(__file__).parent.parent / "fixtures" / "vtt"
CUE = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n"


def _fixture(name: str) -> Transcript:
    return parse_transcript((FIXTURES / name).read_bytes(), Path(name).suffix)


def _spoken(transcript: Transcript) -> list[tuple[str | None, str, float | None]]:
    return [(turn.speaker, transcript.text[turn.start : turn.end], turn.offset_s) for turn in transcript.turns]


def test_teams_cues_before_the_recording_and_two_voices_in_one_cue_are_kept() -> None:
    """The library alone drops the first cue and names Anna for Bob's word; entities are decoded."""
    transcript = _fixture("composed_teams_negative_and_two_voices.vtt")
    assert transcript.text == "Anna Schmidt: Started early & fine. one\nBob: two"
    assert _spoken(transcript) == [("Anna Schmidt", "Started early & fine. one", 0.0), ("Bob", "two", 1.0)]
    assert transcript.problems == ("1 cues began before the recording: their time set to 0",)


def test_zoom_names_are_split_at_the_first_colon() -> None:
    """A colon in the words stays in the words."""
    transcript = _fixture("composed_zoom_speaker_prefix.vtt")
    assert _spoken(transcript) == [
        ("Anna Schmidt", "Guten Tag, schön dass Sie da sind.", 2.28),
        ("Bob Müller", "Hi: two colons", 5.1),
    ]


def test_a_note_block_names_who_took_part() -> None:
    """Keys may repeat; voice tags, unpadded times and settings are read; an escaped tag is words and no voice."""
    transcript = _fixture("composed_note_header.vtt")
    assert transcript.text == "Ann Lee: I need 40 seats by <v Bob> March.\nUnknown: Nobody is named here."
    assert _spoken(transcript)[1] == (None, "Nobody is named here.", 5.0)
    assert transcript.meta["date"] == ("2026-11-16T10:22:00+01:00",)
    assert transcript.customers == (Person("Ann Lee", ("ann@x.test",), ("+44 7700 900123",)), Person("Tom Lee"))
    assert transcript.agents == (Person("Grace Hopper", ("grace@seller.test",)),)
    assert transcript.problems == ()


def test_subrip_with_byte_order_mark_and_wrapped_lines() -> None:
    """A wrapped line that holds a colon doesn't become a speaker of its own."""
    transcript = _fixture("composed_call.srt")
    assert _spoken(transcript) == [
        ("Ann Lee", "Can you do Thursday at 10: sharp?", 1.0),
        ("Grace", "Yes & gladly. See you.", 2.6),
    ]
    assert transcript.meta == {}
    assert transcript.problems == ("1 cues began before the recording: their time set to 0",)


def test_a_plain_text_with_a_header() -> None:
    """Times are read in three places and are no words; a speaker's consecutive lines are one turn."""
    transcript = _fixture("composed_call.txt")
    assert _spoken(transcript) == [
        ("Ann Lee", "I want to move the appointment.", 1.0),
        ("Grace", "To which day?", 12.0),
        ("Ann Lee", "Friday. At ten.", None),
    ]
    assert dict(transcript.meta) == {
        "date": ("2026-11-16",),
        "customer": ("Ann Lee <ann@x.test>, +44 7700 900123",),
        "agent": ("Grace Hopper",),
        "call-id": ("CA4711",),
    }


def test_speakers_called_customer_and_agent_are_no_header() -> None:
    """Their first words must not vanish into the metadata."""
    transcript = _fixture("composed_roles.txt")
    assert transcript.meta == {}
    assert transcript.text == "Customer: Hello, is this the clinic?\nAgent: Yes, how can I help?"


@pytest.mark.parametrize("head", ["date: today\nnickname: Bo\n\nAnn: hi", "date: today\nAnn: hi\n\nAnn: ho"])
def test_a_header_with_an_unknown_key_is_no_header(head: str) -> None:
    """Only a block of known keys, ended by a blank line, is taken out of the words."""
    transcript = parse_transcript(head.encode(), ".txt")
    assert transcript.meta == {}
    assert "today" in transcript.text


@pytest.mark.parametrize(
    ("value", "person"),
    [
        ("Ann Lee <ann@x.test>, +44 7700 900123", Person("Ann Lee", ("ann@x.test",), ("+44 7700 900123",))),
        ("ann@x.test; a.lee@y.test", Person("", ("ann@x.test", "a.lee@y.test"))),
        ("+49 (171) 555-0123", Person("", (), ("+49 (171) 555-0123",))),
        ('"Lee, Ann"', Person("Lee Ann")),
    ],
)
def test_a_person_is_read_from_a_header_value(value: str, person: Person) -> None:
    """The name is what is neither address nor number."""
    assert parse_person(value) == person


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_mark_give_the_same_transcript(codec: str) -> None:
    """Windows tools save UTF-16 with a mark; line ends of any kind are the same."""
    expected = parse_transcript((CUE + "Jörg: Grüße\n").encode(), "vtt")
    assert parse_transcript((CUE + "Jörg: Grüße\n").replace("\n", "\r\n").encode(codec), ".VTT") == expected
    assert parse_transcript((CUE + "Jörg: Grüße\n").replace("\n", "\r").encode(codec), ".vtt") == expected


def test_cues_that_name_nobody_are_not_joined() -> None:
    """Two unnamed cues may be two people."""
    transcript = parse_transcript(f"{CUE}yes\n\n00:00:03.000 --> 00:00:04.000\nno".encode(), ".vtt")
    assert _spoken(transcript) == [(None, "yes", 1.0), (None, "no", 3.0)]


def test_an_unmarked_old_encoding_is_read_and_noted() -> None:
    """Windows-1252 is the likeliest when it isn't UTF-8, and the guess is said."""
    transcript = parse_transcript("Jörg: Grüße".encode("cp1252"), ".txt")
    assert transcript.text == "Jörg: Grüße"
    assert transcript.problems == ("not UTF-8: read as Windows-1252",)


def test_a_cue_that_cant_be_read_is_counted() -> None:
    """The library drops it in silence; the count of timing lines gives it away."""
    raw = CUE + "Ann: one\n\n00:00:xx.000 --> 00:00:09.000\nAnn: lost\n\n00:00:09,5 --> 00:00:10\nAnn: two\n"
    transcript = parse_transcript(raw.encode(), ".vtt")
    assert _spoken(transcript) == [("Ann", "one two", 1.0)]
    assert transcript.problems == ("1 of 3 cues could not be read",)


@pytest.mark.parametrize(
    ("words", "speaker"),
    [
        ("Dr. Ann O'Neil-Lee: hello", None),
        ("Ann O'Neil-Lee: hello", "Ann O'Neil-Lee"),
        ("SPEAKER_00: hello", "SPEAKER_00"),
        ("田中：こんにちは", "田中"),
        ("here is the thing: it rains", None),
        ("See https://example.org: nice", None),
        ("10: 30 works", None),
        ("One two three four five six seven: no", None),
        ("&lt;b&gt;: no", None),
    ],
)
def test_only_what_looks_like_a_name_is_a_speaker(words: str, speaker: str | None) -> None:
    """A wrong speaker is worse than none: who said it decides what may follow from it."""
    assert parse_transcript((CUE + words).encode(), ".vtt").turns[0].speaker == speaker


@pytest.mark.parametrize(
    ("raw", "suffix", "reason"),
    [
        (b"hello there", ".txt", "no line of the form 'Speaker: words'"),
        (b"hello there", ".vtt", "must begin with WEBVTT"),
        (b"hello there", ".srt", "must begin with a number and a line"),
        (b"WEBVTT\n\n", ".vtt", "no spoken words"),
        (b"", ".txt", "not a transcript"),
        (b"Ann: hi", ".docx", r"\.vtt, \.srt, \.txt and \.json are read"),
        (b"PK\x03\x04\0\0", ".txt", "binary data"),
        ("Ann: hi".encode("utf-16-le"), ".txt", "save the transcript as UTF-8"),
        (b"WEBVTT\n\n" + b"00:00:01.000 --> 00:00:02.000\nx\n\n" * 20_001, ".vtt", "20001 cues; at most 20000"),
        (b"Ann: hi\n" * 100_001, ".txt", "100002 lines; at most 100000"),
        (b"x" * (25 * 1024 * 1024 + 1), ".txt", "26214401 bytes; at most 26214400"),
    ],
)
def test_what_is_no_transcript_is_refused_with_what_would_be_right(raw: bytes, suffix: str, reason: str) -> None:
    """The reviewer reads in the refusal what to change."""
    with pytest.raises(PermanentError, match=reason):
        parse_transcript(raw, suffix)


def _checked(raw: bytes, suffix: str) -> None:
    try:
        transcript = parse_transcript(raw, suffix)
    except PermanentError:
        return
    assert transcript == parse_transcript(raw, suffix)
    transcript.text.encode("utf-8")
    lines = transcript.text.split("\n")
    assert len(lines) == len(transcript.turns)
    for line, turn in zip(lines, transcript.turns, strict=True):
        words = transcript.text[turn.start : turn.end]
        assert words.strip()
        assert line == f"{turn.speaker or 'Unknown'}: {words}"


_CHUNKS = [
    "WEBVTT", "\n", "\n\n", "\r", "00:00:01.000 --> 00:00:02.000", "-00:00:01,000 --> 1:0:0.5", "99:99.9 --> 0:0.0",
    "1\n",
    "999999:59:59.999 --> 00:00:00.000", " --> ", "<v Ann>", "<v.x \u2028>", "</v>", "<c>", "Ann: hi", "NOTE date: x",
    "&lt;v&gt;", "&#13;&#10;", "&#xD800;", "customer: a@b.c", "[0:01] ", "\0", "\ufeff", "\x85", "\u200b", "STYLE",
    "：", "REGION\nid:x", "- Bob: yes",
]  # fmt: skip


@given(st.binary(max_size=300), st.sampled_from([".vtt", ".srt", ".txt"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_transcript_or_a_permanent_error(raw: bytes, suffix: str) -> None:
    """Nothing else ever comes out, and a second reading is the same."""
    _checked(raw, suffix)
    _checked(b"Ann: hi\n" + raw, suffix)


@given(st.lists(st.sampled_from(_CHUNKS) | st.text(max_size=8), max_size=30), st.sampled_from([".vtt", ".srt", ".txt"]))
@settings(max_examples=600, deadline=None)
def test_any_mosaic_of_transcript_fragments_keeps_turns_and_text_together(chunks: list[str], suffix: str) -> None:
    """One line a turn, and each span covers the words of its own line alone."""
    raw = "".join(chunks).encode("utf-8", "surrogatepass")
    _checked(raw, suffix)
    _checked(CUE.encode() + raw, suffix)


OURS = """{"date": "2026-11-20T09:30:00Z", "customer": "Ann Lee <ann@x.test>", "agent": ["Bob", "Grace"],
 "segments": [{"speaker": "Ann Lee", "text": "How\\nmuch?", "start": 1.5}, {"speaker": "Bob", "text": "4,000"}]}"""
WHISPER = """{"text": " How much? 4,000", "segments": [{"id": 0, "start": 0.0, "end": 2.1, "text": " How much?"},
 {"id": 1, "start": 2.1, "end": 3.0, "text": " 4,000"}], "language": "en"}"""
ASSEMBLY = """{"status": "completed", "utterances": [{"speaker": "A", "text": "How much?", "start": 1500, "end": 2000},
 {"speaker": "B", "text": "4,000", "start": 2500, "end": 3000}]}"""
DEEPGRAM = """{"metadata": {}, "results": {"channels": [], "utterances": [
 {"start": 1.5, "transcript": "How much?", "speaker": 0}, {"start": 2.5, "transcript": "4,000", "speaker": 1}]}}"""
LISTED = """[{"sentence": "How much?", "startTime": 1.5, "speaker_name": "Ann"}, {"sentence": "4,000"}]"""


@pytest.mark.parametrize(
    ("text", "speakers", "offset_s"),
    [
        (OURS, ["Ann Lee", "Bob"], 1.5),
        (WHISPER, [None, None], 0.0),
        (ASSEMBLY, ["Speaker A", "Speaker B"], 1.5),
        (DEEPGRAM, ["Speaker 0", "Speaker 1"], 1.5),
        (LISTED, ["Ann", None], 1.5),
    ],
)
def test_shapes_of_json_are_told_by_their_lists(text: str, speakers: list[str | None], offset_s: float) -> None:
    """Ours, and what speech-to-text services hand out, give the same turns; whom nobody named stays nobody.

    Seen to fail with AssemblyAI's milliseconds as seconds.
    """
    transcript = parse_transcript(text.encode(), ".json")
    assert [transcript.text[turn.start : turn.end] for turn in transcript.turns] == ["How much?", "4,000"]
    assert [turn.speaker for turn in transcript.turns] == speakers
    assert transcript.turns[0].offset_s == offset_s


def test_json_carries_a_whole_file_with_who_took_part() -> None:
    """What is told beside a file within wins over the file's own header, as a file beside it does."""
    told = {"format": "vtt", "content": "WEBVTT\n\nNOTE\nsubject: Old\ncustomer: X\n\n" + CUE[8:] + "<v Ann>Hi</v>"}
    transcript = parse_transcript(json.dumps({**told, "customer": "Ann <ann@x.test>"}).encode("utf-8-sig"), ".json")
    assert (transcript.text, transcript.customers) == ("Ann: Hi", (Person("Ann", ("ann@x.test",)),))
    assert transcript.meta["subject"] == ("Old",)


@pytest.mark.parametrize(
    "text", ["{", "7", "{}", '{"segments": [7]}', '{"segments": [{"speaker": "Ann"}]}', '{"content": "x"}',
             '{"segments": [{"text": "x"}], "agent": 7}', '{"segments": []}', "[" * 2000, '{"segments": {"a": 1}}']
)  # fmt: skip
def test_json_that_is_no_transcript_is_refused(text: str) -> None:
    """Nothing is guessed at, and nothing of it is repeated."""
    with pytest.raises(PermanentError):
        parse_transcript(text.encode(), ".json")


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"\xef\xbb\xbfWEBVTT\n", "vtt"),
        ("WEBVTT\n".encode("utf-16"), "vtt"),
        (b"1\r\n00:00:01,000 --> 00:00:02,000\r\nhi", "srt"),
        (b' {"segments": []}', "json"),
        (b"[00:01:02] Ann: hi", "txt"),
        (b"Ann: hi", "txt"),
        (b"", "txt"),
    ],
)
def test_a_file_without_a_name_is_known_by_its_beginning(raw: bytes, kind: str) -> None:
    """Who uploads tells no suffix that is signed; a clock in brackets is no JSON."""
    assert kind_of(raw) == kind


def test_the_same_words_have_one_name_in_whatever_file() -> None:
    """Byte order mark, line ends, kind of file and cues change nothing; another call or another word does."""
    vtt = b"WEBVTT\r\n\r\n00:00:01.000 --> 00:00:02.000\r\n<v Ann>How much?\r\n"
    same = [
        (vtt, "vtt"),
        (b"\xef\xbb\xbf" + vtt.replace(b"\r\n", b"\n"), "vtt"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nAnn: How much?\n", "srt"),
        (b"Ann: How much?", "txt"),
        (b'[{"speaker": "Ann", "text": "How  much?"}]', "json"),
    ]
    names = {words_digest(parse_transcript(raw, kind), "CA1") for raw, kind in same}
    assert len(names) == 1
    assert words_digest(parse_transcript(vtt, "vtt"), "CA2") not in names
    assert words_digest(parse_transcript(vtt.replace(b"much", b"many"), "vtt"), "CA1") not in names
