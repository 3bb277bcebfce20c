"""Invitations end to end: a mail's answer moves the relationship on, and nobody moves another's."""

from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from sidecar.model import Activity, Match, Outcome
from tests.contract.test_channel_caldav import ics
from tests.support.houses import House, op, says

RULES = [
    says("Meeting accepted", op("stage", "booked", "Meeting accepted, it is for")),
    says("Meeting cancelled", op("stage", "closed_lost", "Meeting cancelled")),
    says("12 people", op("intent", "buy", "training day for 12 people"), op("stage", "qualified", "12 people")),
]


def drop(house: House, name: str, sender: str, method: str, *, answer: str = "NEEDS-ACTION") -> None:
    """Somebody's mail with an event of Anna's drops into the folder."""
    event = ics("meeting-1", house.clock() + timedelta(days=3)).replace(b"NEEDS-ACTION", answer.encode())
    event = event.replace(b"ann@example.org", b"ann@x.test").replace(b"VERSION", f"METHOD:{method}\r\nVERSION".encode())
    message = EmailMessage(SMTP)
    message["From"], message["To"], message["Message-ID"] = sender, "anna@ours.test", f"<{name}@x.test>"
    message["Date"], message["Subject"] = format_datetime(house.clock()), "Offer"
    message.set_content("See the calendar.\n")
    message.add_attachment(event, "text", "calendar", params={"method": method})
    (house.folder / "drop" / f"{name}.eml").write_bytes(message.as_bytes())


def test_a_guests_yes_books_and_nobody_else_calls_off(tmp_path: Path) -> None:
    """The acceptance is quoted and believed; a cancellation that isn't the sender's to send changes nothing."""
    with House(tmp_path, "sqlite:///journal.db", *RULES).start() as house:
        house.mail("Ann Lee <ann@x.test>", "We want a training day for 12 people")
        house.poll()
        house.clock.move(3600)
        drop(house, "yes", "ann@x.test", "REPLY", answer="ACCEPTED")
        house.poll()
        assert house.fields()["stage"] == "booked"
        meeting = house.activity("meeting-1")
        assert (meeting.kind, meeting.thread, meeting.attributes["status"]) == ("meeting", "meeting-1", "accepted")
        assert meeting.attributes["start"].startswith(f"{house.clock() + timedelta(days=3):%Y-%m-%dT%H}")
        house.clock.move(3600)
        drop(house, "no", "eve@evil.test", "CANCEL")
        drop(house, "no2", "ann@x.test", "CANCEL")
        house.poll()
        assert house.fields()["stage"] == "booked"
        meetings = [a for a in house.facts("activity") if isinstance(a, Activity) and a.kind == "meeting"]
        assert len(meetings) == 1
        matched = {m.party for m in house.facts("match") if isinstance(m, Match) and m.activity == meeting.id}
        assert matched == {house.standing().party}
        assert not house.parked()


def test_a_dropped_calendar_is_read_and_a_broken_one_is_named(tmp_path: Path) -> None:
    """An event of ours in a file reaches the guest whom we know, and no file begins a relationship with its guests."""
    with House(tmp_path, "sqlite:///journal.db", *RULES).start() as house:
        event = ics("meeting-2", house.clock() + timedelta(days=3))
        (house.folder / "drop" / "strangers.ics").write_bytes(event)
        house.poll()
        assert house.match("meeting-2").outcome is not Outcome.PARTY
        house.mail("Ann Lee <ann@x.test>", "We want a training day for 12 people")
        house.poll()
        known = event.replace(b"ann@example.org", b"ann@x.test").replace(b"meeting-2", b"meeting-3")
        (house.folder / "drop" / "known.ics").write_bytes(known)
        (house.folder / "drop" / "broken.ics").write_bytes(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
        house.poll()
        assert house.match("meeting-3").party == house.standing().party
        (parked,) = house.parked()
        assert "no event" in (parked.parked_reason or "")
