"""Who speaks in a dropped transcript, when it was, and how little a file's word is worth."""

import re
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.maildrop import MaildropChannel, MaildropOptions
from adapters.channels.maildrop.meta import from_header, read_meta, read_time, to_header
from sidecar.errors import PermanentError
from sidecar.model import Activity, Identifier, Role
from sidecar.ports import Captured
from tests.contract.channel import NOW, context, delivered

FIXTURES = Path(__file__).parent.parent / "fixtures"
MTIME = "2026-11-21T08:00:00+00:00"


def read(text: str | bytes, suffix: str = ".txt", meta: str = "", mtime: str = MTIME, **options: Any) -> Activity:
    """Parse a dropped file."""
    channel = MaildropChannel("drop", MaildropOptions(path=".", **options), context(FIXTURES))
    raw = text.encode() if isinstance(text, str) else text
    headers = {"name": f"call{suffix}", "suffix": suffix, "mtime": mtime}
    key = None
    if meta:
        headers["meta"] = to_header(read_meta(meta.encode()))
        key = sha256(raw + headers["meta"].encode()).hexdigest()
    return channel.parse(delivered(channel, Captured("drop", raw, key, headers)))[0]


def who(activity: Activity) -> list[tuple[str, Role, bool]]:
    """Return each turn's speaker, role and authority."""
    return [(said.who, said.role, said.authenticated) for said in activity.said]


CALL = "Ann Lee: Thursday?\nBob: Yes.\nBob Müller: At ten.\nCarl: Good.\nAnn: Fine.\nAgent: Bye.\nUnknown: Bye."
META = 'customer = "Ann Lee <ann@example.org>, +44 7700 900123"\nagent = ["Bob Müller <bob@ours.test>"]\n'


def test_speakers_are_who_the_declaration_says() -> None:
    """A declared agent is ours and authenticated; whoever isn't declared is a customer, whose word proves least."""
    assert who(read(CALL, meta=META, trusted_speakers=True)) == [
        ("Ann Lee", Role.CUSTOMER, False),
        ("Bob", Role.AGENT, True),
        ("Bob Müller", Role.AGENT, True),
        ("Carl", Role.CUSTOMER, False),
        ("Ann", Role.CUSTOMER, False),
        ("Agent", Role.AGENT, False),
        ("Unknown", Role.CUSTOMER, False),
    ]


def test_a_label_or_a_likely_name_proves_nothing() -> None:
    """Without a declaration nobody is authenticated; seen to fail with the label's agent authenticated."""
    assert not any(authenticated for _, _, authenticated in who(read(CALL)))


def test_a_name_that_fits_two_sides_is_nobodys() -> None:
    """A first name that both sides bear makes no agent; seen to fail with the first match taken."""
    meta = 'customer = "Bob Lee"\nagent = "Bob Müller"'
    assert who(read("Bob: Yes.\nBob Müller: Yes.", meta=meta, trusted_speakers=True)) == [
        ("Bob", Role.CUSTOMER, False),
        ("Bob Müller", Role.AGENT, True),
    ]


def test_shown_names_can_be_distrusted() -> None:
    """Unless trusted_speakers is on, an agent's name carries no authority: guests of meeting tools name themselves."""
    activity = read("Bob: Yes.", meta=META)
    assert who(activity) == [("Bob", Role.AGENT, False)]


def test_people_are_named_with_their_identifiers() -> None:
    """The customer can be matched by address or number; ours are marked as ours; others are named alone."""
    activity = read(CALL, meta=META)
    people = {participant.name: participant for participant in activity.participants}
    known = (Identifier("email", "ann@example.org"), Identifier("phone", "+44 7700 900123"))
    assert (people["Ann Lee"].identifiers, people["Ann Lee"].own) == (known, False)
    assert people["Bob Müller"].own
    assert people["Carl"].identifiers == ()
    assert set(people) == {"Ann Lee", "Bob Müller", "Carl", "Unknown"}
    assert (activity.actor.role, activity.actor.identifiers) == (Role.CUSTOMER, known)
    assert read(CALL).actor.role is Role.SYSTEM
    assert read(CALL, meta='customer = ["Ann Lee", "Carl"]').actor.role is Role.SYSTEM


def test_the_file_beside_wins_over_the_header_within() -> None:
    """What the operator writes beside a file corrects what the tool wrote into it, key by key."""
    text = "subject: Old\ncustomer: Ann <ann@example.org>\n\nAnn: hello"
    activity = read(text, meta='subject = "New"')
    assert activity.subject == "New"
    assert activity.actor.identifiers == (Identifier("email", "ann@example.org"),)


def test_a_call_id_makes_the_thread() -> None:
    """Transcripts of one call belong together; without an id each stands alone."""
    assert read("Ann: hello", meta='call-id = "CA1"').thread == "call:CA1"
    alone = read("Ann: hello")
    assert alone.thread == alone.external_id


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ("date = 2026-11-20T09:30:00+01:00", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        ('date = "2026-11-20T09:30:00Z"', datetime(2026, 11, 20, 9, 30, tzinfo=UTC)),
        ("date = 2026-07-01T09:30:00", datetime(2026, 7, 1, 8, 30, tzinfo=UTC)),
        ("date = 2026-07-01", datetime(2026, 7, 1, 11, 0, tzinfo=UTC)),
        ('date = "last week"', datetime.fromisoformat(MTIME)),
        ("date = 2031-01-01", NOW),
        ('date = "9999-12-31T23:59:59-12:00"', datetime.fromisoformat(MTIME)),
        ("", datetime.fromisoformat(MTIME)),
    ],
)
def test_a_call_was_when_it_is_said_to_have_been(meta: str, expected: datetime) -> None:
    """The declared time counts, local to us where it has no offset; else the file's own, and never one after now."""
    assert read("Ann: hello", meta=meta).at == expected


def test_a_files_time_is_no_more_than_a_hint() -> None:
    """A file's time in the future is the time at which it came in."""
    activity = read("Ann: hello", mtime="2031-01-01T00:00:00+00:00")
    assert activity.at == NOW
    assert activity.problems == ("no date is given; the file's time is taken",)


def test_a_mail_in_a_file_is_never_authenticated() -> None:
    """A From line that names us makes an agent whom nobody vouches for."""
    mail = b"From: Bob <bob@ours.test>\r\nTo: ann@example.org\r\nDate: Thu, 19 Nov 2026 09:00:00 +0000\r\n\r\nHello\r\n"
    for suffix in (".eml", ".mbox"):
        actor = read(mail, suffix).actor
        assert (actor.role, actor.authenticated) == (Role.AGENT, False)


@pytest.mark.parametrize("path", sorted((FIXTURES / "vtt").glob("composed_*")), ids=lambda path: path.name)
def test_every_recorded_transcript_becomes_an_activity(path: Path) -> None:
    """Each format's sample is read, with its spans in place."""
    activity = read(path.read_bytes(), path.suffix)
    assert activity.kind == "transcript"
    assert all(activity.text[said.start : said.end].strip() for said in activity.said)


def test_a_fault_stays_a_fault() -> None:
    """The reason travels with the delivery, so that reading it again gives the same answer."""
    channel = MaildropChannel("drop", MaildropOptions(path="."), context(FIXTURES))
    refused = Captured("drop", b"", "x", {"suffix": ".txt", "fault": "file of 9 bytes; at most 5 are read"})
    with pytest.raises(PermanentError, match="at most 5"):
        channel.parse(delivered(channel, refused))


def test_the_docs_show_files_that_are_understood() -> None:
    """The meta file and the two headers in the docs declare the same people; seen to fail with one key misspelt."""
    text = (FIXTURES.parent.parent / "docs" / "maildrop.md").read_text()
    (meta,) = re.findall(r"```toml\n(date.*?)```", text, re.DOTALL)
    (noted,) = re.findall(r"```\n(WEBVTT.*?)```", text, re.DOTALL)
    (headed,) = re.findall(r"```\n(date:.*?)```", text, re.DOTALL)
    spoken = "Ann Lee: How much?\nBob Müller: Four thousand."
    told = [
        read(spoken, meta=meta, trusted_speakers=True),
        read(noted, ".vtt", trusted_speakers=True),
        read(headed, trusted_speakers=True),
    ]
    for activity in told:
        assert (activity.at, activity.participants, who(activity)) == (told[0].at, told[0].participants, who(told[0]))
    assert [authenticated for _, _, authenticated in who(told[0])] == [False, True]


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: f"customer = '''{text}'''".encode()))
def test_any_meta_file_is_read_or_refused(raw: bytes) -> None:
    """Whatever stands in a meta file, it is understood or a PermanentError, and survives its header."""
    try:
        meta = read_meta(raw)
    except PermanentError:
        return
    assert from_header(to_header(meta)) == meta
    assert (read_time(meta, "Europe/London") or NOW).utcoffset() is not None


@given(st.text(max_size=60), st.sampled_from([".txt", ".srt", ".vtt"]))
def test_any_transcript_is_read_or_refused(text: str, suffix: str) -> None:
    """Whatever somebody drops is an activity or a PermanentError."""
    try:
        activity = read(text.encode("utf-8", "replace"), suffix, meta=META)
    except PermanentError:
        return
    assert activity.said
