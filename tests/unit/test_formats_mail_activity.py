"""Whose a mail is, when it was written, and what makes two mails the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from adapters.formats.mail_activity import mail_activity
from adapters.formats.mime import parse_mail
from sidecar.model import Activity, Delivery, Identifier, Own, Role

OWN = Own(domains=frozenset({"ours.test"}))
ARRIVED = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
MAIL = b"""From: Ann Lee <Ann@example.org>
Reply-To: office@example.org
To: Bob <bob@ours.test>, carl@example.net
Cc: dora@sub.ours.test
Subject: Chairs
Message-ID: <m1@example.org>
References: <root@example.org> <m0@example.org>
Date: Sun, 22 Nov 2026 10:00:00 +0100

How much would forty chairs be?

> You wrote something before.
"""


def activity(raw: bytes = MAIL, sent: bool = False, arrived_at: datetime = ARRIVED, account: str = "rep") -> Activity:
    """Turn a mail's bytes into its activity."""
    delivery = Delivery(
        channel="mail",
        account=account,
        key="k",
        sha256=sha256(raw).hexdigest(),
        received_at=ARRIVED + timedelta(minutes=5),
        raw=raw,
    )
    return mail_activity(delivery, parse_mail(raw), OWN, arrived_at, sent)


def test_a_customers_mail_is_read_whole() -> None:
    """Writer, recipients, thread, time and own words come from the mail; who is ours from the configuration."""
    mail = activity()
    assert (mail.kind, mail.external_id, mail.version) == ("mail", "m1@example.org", "2026-11-22T09:00:00+00:00")
    assert (mail.at, mail.thread, mail.subject) == (datetime(2026, 11, 22, 9, tzinfo=UTC), "root@example.org", "Chairs")
    assert (mail.actor.role, mail.actor.authenticated) == (Role.CUSTOMER, False)
    assert [(p.part, p.identifiers[0].value, p.own) for p in mail.participants] == [
        ("from", "Ann@example.org", False),
        ("reply_to", "office@example.org", False),
        ("to", "bob@ours.test", True),
        ("to", "carl@example.net", False),
        ("cc", "dora@sub.ours.test", True),
    ]
    assert [mail.text[s.start : s.end].strip() for s in mail.said] == ["How much would forty chairs be?"]
    assert mail.attributes["direction"] == "inbound"


def test_only_the_sent_folder_makes_a_mail_ours() -> None:
    """The folder authenticates, whatever From says; a From line alone never does; seen to fail with `own` trusted."""
    forged = MAIL.replace(b"Ann@example.org", b"bob@ours.test")
    assert (activity(forged).actor.role, activity(forged).actor.authenticated) == (Role.AGENT, False)
    assert (activity(forged, sent=True).actor.role, activity(forged, sent=True).actor.authenticated) == (
        Role.AGENT,
        True,
    )
    alias = activity(sent=True)
    assert (alias.actor.role, alias.actor.authenticated) == (Role.AGENT, True)
    assert next(p for p in alias.participants if p.part == "from").own
    assert all(said.authenticated and said.role is Role.AGENT for said in alias.said)


def test_a_forged_copy_cant_keep_the_sent_one_out() -> None:
    """A mail that borrows an agent's Message-ID and Date has another identity than the one in Sent."""
    received, sent = activity(), activity(sent=True)
    assert received.external_id == sent.external_id
    assert sent.version == f"sent:{received.version}"


def test_a_message_id_used_twice_names_two_mails() -> None:
    """Mails with one Message-ID and two dates are two; seen to fail with an empty version."""
    other = activity(MAIL.replace(b"10:00:00", b"10:00:01"))
    assert (other.external_id, other.version != activity().version) == (activity().external_id, True)


def test_without_a_date_what_a_reader_sees_keeps_mails_apart() -> None:
    """Other words, another subject, sender or file under one Message-ID are another mail: seen lost as repeats."""
    raw = MAIL.replace(b"Date:", b"X-Date:")
    file = b'\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename="offer.pdf"\n\n'
    several = raw.replace(b"X-Date:", b"Content-Type: multipart/mixed; boundary=b\nX-Date:").replace(
        b"\n\nHow", file + b"How"
    )
    changed = [
        raw.replace(b"forty", b"fifty"),
        raw.replace(b"Subject: Chairs", b"Subject: Tables"),
        raw.replace(b"Ann@example.org", b"zoe@example.org"),
        several,
        several.replace(b"forty", b"fifty"),
    ]
    found = [activity(each) for each in (raw, *changed, raw.replace(b"X-Date: Sun", b"Date: Some day"))]
    assert {mail.external_id for mail in found} == {"m1@example.org"}
    assert len({mail.version for mail in found}) == 6


def test_without_a_date_the_copies_of_a_mail_are_one() -> None:
    """What carriers write above a mail, and how they wrap it, makes no other one; in Sent it is still told apart."""
    raw = MAIL.replace(b"Date:", b"X-Date:").replace(b"How much", "Où, how much".encode())
    head = b"Received: from mx.example.org by ours.test; Sun, 22 Nov 2026 09:00:07 +0000\nMIME-Version: 1.0\n"
    wrapped = head + raw.replace("Où".encode(), b"O=C3=B9").replace(
        b"example.net",
        b"example.net\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
    )
    copies = [raw, raw.replace(b"\n", b"\r\n"), wrapped, wrapped.replace(b"\n\n> You", b" \n\n> You")]
    assert "Où" in activity(wrapped).text
    (version,) = {activity(copy).version for copy in copies}
    assert activity(raw, sent=True).version == f"sent:{version}"


def test_a_mail_without_an_id_is_its_bytes() -> None:
    """Without a Message-ID the bytes name the mail."""
    raw = MAIL.replace(b"Message-ID: <m1@example.org>\n", b"")
    assert activity(raw).external_id == f"sha256:{sha256(raw).hexdigest()}"


def test_no_date_outranks_the_arrival() -> None:
    """A Date after the arrival, or none, becomes the arrival; seen to fail with the Date taken as it is."""
    late = activity(MAIL.replace(b"2026", b"2037"))
    assert late.at == ARRIVED
    assert "Date lies after the arrival; the arrival's is taken" in late.problems
    assert activity(MAIL.replace(b"Date:", b"X-Date:")).at == ARRIVED
    skewed = activity(arrived_at=ARRIVED - timedelta(minutes=35))
    assert skewed.at == datetime(2026, 11, 22, 9, tzinfo=UTC)


def test_a_mail_from_nobody_is_still_a_mail() -> None:
    """Without a From line there is a customer of whom nothing is known, and not an error."""
    mail = activity(b"Subject: x\nDate: Sun, 22 Nov 2026 10:00:00 +0100\n\nHello\n")
    assert (mail.actor.role, mail.actor.identifiers, mail.participants) == (Role.CUSTOMER, (), ())


def test_machine_mail_keeps_its_reason_and_its_problems() -> None:
    """What the parser found out about a mail isn't lost on the way."""
    mail = activity(b"Auto-Submitted: auto-replied\nFrom: a@x.test\n\nAway\n")
    assert mail.automated is not None
    assert mail.automated.startswith("auto-submitted")
    assert "no readable date" in mail.problems
    assert replace(mail, automated=None) != mail
    assert mail.actor.identifiers == (Identifier("email", "a@x.test"),)
