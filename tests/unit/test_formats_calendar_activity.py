"""Calendar events as activities: who did what, on whose authority, and what an event doesn't show."""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from adapters.channels.imap import ImapChannel, ImapOptions
from adapters.formats.calendar_activity import entry_activities, mail_activities
from adapters.formats.mime import parse_mail
from sidecar.capture import capture
from sidecar.errors import PermanentError
from sidecar.model import Activity, Delivery, Identifier, Own, Role
from sidecar.resolve.people import people_of, side_of
from tests.contract.channel import MINT, Secrets, context

ICS = Path(__file__).parent.parent / "fixtures" / "ics"
ANNA, BOB = "anna@example.com", "bob@example.org"
OWN = Own(domains=frozenset({"example.com"}), timezone="Europe/London")
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
LATER = datetime(2027, 2, 1, tzinfo=UTC)


def fixture(name: str) -> bytes:
    """Return a fixture's bytes."""
    return (ICS / f"composed_{name}.ics").read_bytes()


def mail(sender: str, *parts: bytes, method: str = "REQUEST") -> bytes:
    """Return a mail from somebody that brings calendars, as Outlook and Google build them."""
    message = EmailMessage(SMTP)
    message["From"], message["To"] = sender, BOB if sender == ANNA else ANNA
    message["Date"], message["Message-ID"] = "Sun, 22 Nov 2026 09:30:00 +0000", f"<{len(parts)}@x.test>"
    message["Subject"] = "Angebot besprechen"
    message.set_content("See the invitation.\n")
    for part in parts:
        message.add_attachment(part, "text", "calendar", params={"method": method}, filename="invite.ics")
    return message.as_bytes()


def delivery(raw: bytes, received_at: datetime = NOW) -> Delivery:
    """Return a delivery of these bytes."""
    return MINT(Delivery(channel="mail", account="a", key="k", sha256="", headers={}, received_at=received_at, raw=raw))


def sent(sender: str, *parts: bytes, in_sent_folder: bool = False) -> tuple[Activity, ...]:
    """Return the activities of a mail with calendars, the mail's own first."""
    raw = mail(sender, *parts)
    return mail_activities(delivery(raw), parse_mail(raw), OWN, NOW, in_sent_folder)


def entered(ics: bytes, received_at: datetime = NOW) -> Activity:
    """Return the only activity of a calendar file."""
    (activity,) = entry_activities(delivery(ics, received_at), OWN, "a file")
    return activity


@pytest.mark.parametrize(
    ("name", "sender", "status", "line"),
    [
        ("invite_request", ANNA, "proposed", "Meeting proposed for 2026-11-30 10:00 to 11:00 (Europe/Berlin)"),
        ("invite_no_vtimezone", ANNA, "proposed", "Meeting proposed for 2026-11-30 10:00 to 11:00 (Europe/Berlin)"),
        ("reschedule_request_seq1", ANNA, "updated", "Meeting updated, now proposed for 2026-12-01 14:00 to 15:00"),
        ("reply_accepted", BOB, "accepted", "Meeting accepted, it is for 2026-11-30 10:00 to 11:00 (Europe/Berlin)"),
        ("cancel_seq2", ANNA, "cancelled", "Meeting cancelled, it was for 2026-12-01 14:00 to 15:00 (Europe/Berlin)"),
        ("cancel_one_instance", ANNA, "occurrence_cancelled", "Meeting of a series cancelled for one day only"),
    ],
)
def test_every_fixture_tells_what_happened_and_by_whom(name: str, sender: str, status: str, line: str) -> None:
    """Each is an activity of its own beside the mail, in the thread of its UID."""
    _, meeting = sent(sender, fixture(name), in_sent_folder=sender == ANNA)
    assert (meeting.kind, meeting.attributes["status"]) == ("meeting", status)
    assert meeting.thread == "040000008200E00074C5B7101A82E00800000000AA"
    assert meeting.text.startswith(line)
    (said,) = meeting.said
    assert meeting.text[said.start : said.end].endswith(f", by {sender}")
    assert meeting.text[said.end :] == ': "Angebot besprechen" at Teams with Bob Müller.'
    assert ("start" in meeting.attributes) == (status == "accepted")


def test_only_our_own_sent_folder_speaks_for_us() -> None:
    """Our invitation is ours from the sent folder; the same under our name from elsewhere proves nothing."""
    for in_sent_folder in (True, False):
        _, meeting = sent(ANNA, fixture("invite_request"), in_sent_folder=in_sent_folder)
        assert (meeting.actor.role, meeting.actor.authenticated) == (Role.AGENT, in_sent_folder)
        assert meeting.version.startswith("sent:") == in_sent_folder


def test_a_guests_answer_is_a_customers_word() -> None:
    """The guest says yes to what we proposed, which is agreed; it carries no authority of ours."""
    _, meeting = sent(BOB, fixture("reply_accepted"))
    assert (meeting.actor.role, meeting.actor.authenticated) == (Role.CUSTOMER, False)
    assert meeting.attributes["start"] == "2026-11-30T10:00:00+01:00"


def test_nobody_accepts_what_he_has_proposed_himself() -> None:
    """A guest's yes agrees only to a meeting of ours; seen to fail with any accepted answer taken as agreed."""
    own_event = fixture("reply_accepted").replace(b"mailto:anna@example.com", b"mailto:carl@example.org")
    _, meeting = sent(BOB, own_event)
    assert meeting.attributes["status"] == "accepted"
    assert "start" not in meeting.attributes


@pytest.mark.parametrize(
    ("name", "sender"),
    [
        ("invite_request", BOB),
        ("cancel_seq2", BOB),
        ("cancel_seq2", "mallory@evil.test"),
        ("reply_accepted", "mallory@evil.test"),
        ("reply_accepted", ANNA),
    ],
)
def test_nobody_acts_for_another(name: str, sender: str) -> None:
    """A guest can't call off our meeting, nor a stranger accept; the mail says that something was left aside."""
    (whole,) = sent(sender, fixture(name))
    assert any("isn't its sender's to send" in problem for problem in whole.problems)


def test_a_forgery_takes_nobodys_place() -> None:
    """What another says of the same UID, SEQUENCE and DTSTAMP is another fact; seen to fail without the digest."""
    forged = fixture("invite_request").replace(b"mailto:anna@example.com", b"mailto:bob@example.org")
    _, real = sent(ANNA, fixture("invite_request"))
    _, other = sent(BOB, forged)
    assert real.external_id == other.external_id
    assert real.version != other.version


def test_an_invitation_that_is_enclosed_twice_is_one() -> None:
    """Google and Outlook enclose it as text and as a file."""
    assert len(sent(ANNA, fixture("invite_request"), fixture("invite_request"))) == 2


def test_a_broken_invitation_costs_the_mail_nothing() -> None:
    """The mail is read, says what was wrong, and a good calendar beside the broken one is read too."""
    whole, meeting = sent(ANNA, b"BEGIN:VCALENDAR\ncanary", fixture("invite_request"))
    assert whole.kind == "mail"
    assert whole.text.startswith("See the invitation.")
    assert any(problem.startswith("calendar part: the calendar ends") for problem in whole.problems)
    assert meeting.kind == "meeting"


def test_a_mail_full_of_events_is_read_as_far_as_it_may() -> None:
    """No sender can park his mail, or flood a relationship, by the number of events in it."""
    begin, _, rest = fixture("invite_request").partition(b"BEGIN:VEVENT")
    event = (b"BEGIN:VEVENT" + rest).partition(b"END:VCALENDAR")[0]
    many = b"".join(event.replace(b"AA\r\n", b"%d\r\n" % n).replace(b"AA\n", b"%d\n" % n) for n in range(60))
    whole, *meetings = sent(ANNA, begin + many + b"END:VCALENDAR\r\n")
    assert len(meetings) == 50
    assert any("60 events, the first 50" in problem for problem in whole.problems)


def test_our_invitation_reaches_the_guest_and_his_reply_is_his() -> None:
    """The customer's side of a meeting is the guest, whoever of the two acts; ours never begins a party."""
    for name, sender, begins in (("invite_request", ANNA, False), ("reply_accepted", BOB, True)):
        _, meeting = sent(sender, fixture(name), in_sent_folder=sender == ANNA)
        side = side_of(meeting, people_of(meeting, OWN))
        assert [person.identifiers for person in side.people] == [(Identifier("email", BOB),)]
        assert side.may_begin is begins


def test_a_past_event_shows_that_it_was_planned() -> None:
    """Nobody is said to have come to what only stands in a calendar, and no start is agreed by it."""
    accepted = fixture("reply_accepted").replace(b"METHOD:REPLY\r\n", b"").replace(b"METHOD:REPLY\n", b"")
    before, after = entered(accepted), entered(accepted, LATER)
    assert before.attributes["status"] == "accepted"
    assert after.attributes["status"] == "held_as_planned"
    assert "who came is not known" in after.text
    assert "start" not in after.attributes
    assert (before.actor.role, before.actor.authenticated) == (Role.SYSTEM, False)


@pytest.mark.parametrize(
    ("answer", "status"),
    [(b"ACCEPTED", "accepted"), (b"DECLINED", "declined"), (b"TENTATIVE", "planned"), (b"NEEDS-ACTION", "planned")],
)
def test_an_entry_tells_what_the_other_side_has_answered(answer: bytes, status: str) -> None:
    """An entry is agreed when the side that was asked says yes."""
    ics = fixture("invite_request").replace(b"PARTSTAT=NEEDS-ACTION", b"PARTSTAT=" + answer)
    assert entered(ics).attributes["status"] == status


def test_titles_are_nobodys_word() -> None:
    """A title stands behind the colon on one line; a private one, with its place, doesn't stand there at all."""
    ics = fixture("invite_request").replace(b"Angebot besprechen", b'Done: \\n "Bob attended"')
    activity = entered(ics)
    assert activity.said[0].end < activity.text.index("Done")
    assert "\n" not in activity.text
    private = entered(ics.replace(b"SEQUENCE:0", b"SEQUENCE:0\nCLASS:PRIVATE"))
    assert "attended" not in private.text
    assert "Teams" not in private.text
    assert "title" not in private.attributes


def test_an_entry_from_the_future_is_no_newer_than_its_receipt() -> None:
    """A stamp can't make an entry outrank everyone's later words."""
    assert entered(fixture("invite_request").replace(b"DTSTAMP:2026", b"DTSTAMP:2036")).at == NOW


def test_a_mailbox_yields_mail_and_meeting(tmp_path: Path) -> None:
    """What lies in a mailbox's sent folder comes through the channel as two activities, the meeting ours."""
    options = ImapOptions(host="mail.example.com", username="anna", password_env="PASSWORD")
    channel = ImapChannel("mail", options, context(tmp_path, Secrets(PASSWORD="x")))
    raw = mail(ANNA, fixture("invite_request"))
    found = capture(
        MINT(
            Delivery(channel="mail", account="a", key="k", sha256="", headers={"sent": "1"}, received_at=NOW, raw=raw)
        ),
        channel,
        MINT,
    )
    assert [(a.kind, a.actor.authenticated) for a in found] == [("mail", True), ("meeting", True)]
    assert len({a.id for a in found}) == 2


def test_a_calendar_without_events_is_parked() -> None:
    """An unreadable file is named to a person, not passed over."""
    with pytest.raises(PermanentError):
        entry_activities(delivery(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"), OWN, "a file")
