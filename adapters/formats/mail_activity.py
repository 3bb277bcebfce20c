"""A mail as an activity, the same whichever way it came: from a mailbox, by a provider's API or as a file.

Who wrote a mail is a matter of where it lay. Only what stands in a mailbox's own sent folder is authenticated as
ours; a `From` line that names us proves nothing, for anybody can write one. So the same mail can lie in two places with
unlike authority (an agent copies himself: one in Sent, one in the inbox, the weaker one perhaps first). Both become
activities: the sent copy has `sent:` before its version, so that the weaker one can't take its place and can't keep it
out. Whoever reads may leave version `v` aside where `sent:v` exists under the same external id.

A Message-ID names a mail, except with senders that use one twice; the Date in the version keeps such mails apart, and
is the same in every copy. Where there is none that can be read, what a reader sees does both: copies of one mail differ
in what carriers write above it, not in sender, subject, words and files.

A Date is the sender's word: one that lies after the mail's arrival is replaced by the arrival's, so that nobody can
date his mail into the future to outrank everyone's later words.
"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from adapters.formats.mime import Address, Mail
from sidecar.model import Activity, Actor, Delivery, Identifier, Own, Participant, Role, Said

MAX_SKEW = timedelta(minutes=10)
SENT_VERSION = "sent:"


def mail_activity(delivery: Delivery, mail: Mail, own: Own, arrived_at: datetime, in_sent_folder: bool) -> Activity:
    """Turn a parsed mail into its activity; `arrived_at` is when it reached the place where it was found."""
    actor = _actor(mail.from_[0] if mail.from_ else None, own, in_sent_folder)
    at, late = _written(mail, arrived_at)
    version = mail.date.astimezone(UTC).isoformat() if mail.date else _seen(mail)
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=mail.message_id or f"sha256:{sha256(delivery.raw).hexdigest()}",
        kind="mail",
        version=f"{SENT_VERSION}{version}" if in_sent_folder else version,
        at=at,
        actor=actor,
        participants=tuple(
            _participant(part, address, own, is_writer=part == "from" and actor.role is Role.AGENT)
            for part, addresses in (
                ("from", mail.from_),
                ("reply_to", mail.reply_to),
                ("to", mail.to),
                ("cc", mail.cc),
            )
            for address in addresses
        ),
        thread=mail.thread_root,
        subject=mail.subject,
        text=mail.text,
        said=tuple(Said(span[0], span[1], actor.role, actor.authenticated, actor.name) for span in mail.said),
        automated=mail.automated,
        attributes={
            "direction": "outbound" if actor.role is Role.AGENT else "inbound",
            "attachments": str(len(mail.attachments)),
        },
        problems=mail.problems + late,
    )


def _seen(mail: Mail) -> str:
    """Names what a reader sees of a mail that only its Message-ID would name, however its copies are wrapped."""
    if mail.message_id is None:
        return ""
    senders = [address.email.casefold() for address in mail.from_]
    files = [(attachment.name, attachment.sha256) for attachment in mail.attachments]
    seen = repr((senders, mail.subject.split(), mail.text.split(), files))
    return f"sha256:{sha256(seen.encode()).hexdigest()}"


def _actor(sender: Address | None, own: Own, in_sent_folder: bool) -> Actor:
    identifiers = (Identifier("email", sender.email),) if sender else ()
    name = sender.name if sender else ""
    if in_sent_folder:
        return Actor(Role.AGENT, "lies in the mailbox's own sent folder", True, name, identifiers)
    if any(own.owns(identifier) for identifier in identifiers):
        return Actor(Role.AGENT, "the From line names our side, which anybody can write", False, name, identifiers)
    return Actor(Role.CUSTOMER, "the From line", False, name, identifiers)


def _participant(part: str, address: Address, own: Own, is_writer: bool) -> Participant:
    identifier = Identifier("email", address.email)
    return Participant(part, address.name, (identifier,), own=is_writer or own.owns(identifier))


def _written(mail: Mail, arrived_at: datetime) -> tuple[datetime, tuple[str, ...]]:
    if mail.date is None:
        return arrived_at.astimezone(UTC), ()
    if mail.date > arrived_at + MAX_SKEW:
        return arrived_at.astimezone(UTC), ("Date lies after the arrival; the arrival's is taken",)
    return mail.date.astimezone(UTC), ()
