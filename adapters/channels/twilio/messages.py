"""SMS and WhatsApp: a message as a webhook tells it, and as the list of messages does; receipts; messages taken back.

Both ways lead to the same activity, named by the message's sid. What a customer's telephone sent is a customer's word.
What our account sent was written by a program, and Twilio doesn't tell whether people or a bot stand behind it: the
setting `outbound_by` does, and says a bot unless it is told otherwise. A text that was emptied is a message taken back,
since that is all that Twilio's API can do to one.

Source: "Twilio's request to your incoming message Webhook URL" (2026-03-09), Message resource of twilio-python 9.13.0,
read 2026-11-23.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.channels.twilio.addresses import user_ids
from adapters.channels.twilio.drafts import Rules, Sides, bracketed, clean, happened, is_sid, known, rows, sid, system
from sidecar.errors import PermanentError
from sidecar.model import Activity, Actor, Attachment, Delivery, Role, Said

MAX_FILES = 50
_INCOMING = frozenset({"", "received", "receiving"})
_KINDS = {"image": "image", "audio": "audio", "video": "video"}
_MEDIA = re.compile(r"/Messages/([A-Z]{2}[0-9a-fA-F]{32})/Media/(ME[0-9a-fA-F]{32})(?:\.json)?$")
Params = Mapping[str, Any]


def posted(delivery: Delivery, params: Params, rules: Rules) -> tuple[Activity, ...]:
    """Read a webhook about a message: the message itself, or what became of one of ours."""
    status = params.get("MessageStatus") or params.get("SmsStatus") or ""
    if status not in _INCOMING or "MessageStatus" in params:
        return _receipt(delivery, params, rules, status)
    sides = Sides(
        ours=params.get("To", ""),
        theirs=params.get("From", ""),
        is_inbound=True,
        name=clean(params.get("ProfileName"))[:200],
        also=user_ids(*(params.get(name, "") for name in ("ExternalUserId", "ExternalUserIdentifier"))),
    )
    if not sides.theirs:
        raise PermanentError("a message that names no sender")
    extra = {
        "button": params.get("ButtonPayload") or params.get("ListId"),
        "replies_to": params.get("OriginalRepliedMessageSid"),
        "type": params.get("MessageType"),
    }
    files = tuple(_posted_files(params))
    lines = [*map(_file_line, files), *_place(params)]
    external_id = sid(params.get("MessageSid") or params.get("SmsMessageSid"), "MessageSid")
    return _message(delivery, rules, external_id, sides, params.get("Body"), lines, files, extra, ())


def listed(delivery: Delivery, row: Params, rules: Rules) -> tuple[Activity, ...]:
    """Read a message as the list has it, with its files."""
    external_id, is_inbound = sid(row.get("sid"), "sid"), row.get("direction") == "inbound"
    sides = _sides(row)
    files = tuple(_listed_files(row))
    times = (row.get("date_sent"), row.get("date_created"))
    missing = _told_files(row) - len(files)
    lines = [*map(_file_line, files), *([bracketed("files", f"{missing} that can't be read")] if missing > 0 else ())]
    extra = {"sent_by": None if is_inbound else row.get("direction")}
    return _message(delivery, rules, external_id, sides, row.get("body"), lines, files, extra, times)


def taken_back(delivery: Delivery, row: Params) -> tuple[Activity, ...]:
    """Read that a message was emptied or deleted, as the poll found out."""
    external_id = sid(row.get("sid"), "sid")
    return (
        Activity(
            channel=delivery.channel,
            account=delivery.account,
            external_id=external_id,
            kind="deletion",
            version="deleted",
            at=delivery.received_at,
            actor=system("Twilio says that it was taken back, and not by whom"),
            thread=f"beside:{external_id}",
            relates_to=external_id,
        ),
    )


def ours_of(row: Params) -> str:
    """Return the address of ours that a listed message came to or from."""
    return _sides(row).ours


def _message(
    delivery: Delivery,
    rules: Rules,
    external_id: str,
    sides: Sides,
    body: object,
    lines: list[str],
    files: tuple[Attachment, ...],
    extra: Mapping[str, object],
    times: tuple[object, ...],
) -> tuple[Activity, ...]:
    if not rules.counts(sides.ours):
        return ()
    words = clean(body)
    at, problems = happened(delivery, *times)
    actor = _actor(delivery.channel, sides, rules, str(extra.get("sent_by") or ""))
    direction = "inbound" if sides.is_inbound else "outbound"
    return (
        Activity(
            channel=delivery.channel,
            account=delivery.account,
            external_id=external_id,
            kind="message",
            at=at,
            actor=actor,
            participants=sides.participants(delivery.channel),
            thread=_thread(sides),
            text="\n".join(filter(None, (words, *lines))),
            said=(Said(0, len(words), actor.role, actor.authenticated, actor.name),) if words else (),
            attributes=known({"direction": direction, "platform": _platform(sides), **extra}),
            attachments=tuple(file for file in files if file.ref),
            problems=problems,
        ),
    )


def _actor(channel: str, sides: Sides, rules: Rules, sent_by: str) -> Actor:
    if sides.is_inbound:
        return Actor(Role.CUSTOMER, "sender, as Twilio names it", False, sides.name, sides.customer(channel))
    if rules.outbound_by == "agent" and sent_by != "outbound-reply":
        return Actor(Role.AGENT, "sent by our account, for which people write", True)
    return Actor(Role.BOT, "sent by a program of our account")


def _sides(row: Params) -> Sides:
    is_inbound = row.get("direction") == "inbound"
    origin, target = str(row.get("from") or ""), str(row.get("to") or "")
    return Sides(target, origin, True) if is_inbound else Sides(origin, target, False)


def _receipt(delivery: Delivery, params: Params, rules: Rules, status: str) -> tuple[Activity, ...]:
    """What became of a message of ours: it names nobody, so it is kept and counted and asks no model anything."""
    if not rules.counts(params.get("From", "")):
        return ()
    external_id = sid(params.get("MessageSid") or params.get("SmsSid"), "MessageSid")
    word = status if status.isascii() and status.replace("_", "").isalpha() and len(status) <= 40 else "?"
    return (
        Activity(
            channel=delivery.channel,
            account=delivery.account,
            external_id=external_id,
            kind="status",
            version=word,
            at=delivery.received_at,
            actor=system("a receipt of Twilio's"),
            thread=f"beside:{external_id}",
            attributes=known({"status": word, "error": params.get("ErrorCode")}),
        ),
    )


def _thread(sides: Sides) -> str:
    return f"{sides.ours.casefold()}/{sides.theirs}" if sides.theirs else sides.ours.casefold() or "unknown"


def _platform(sides: Sides) -> str:
    prefix, mark, _ = (sides.theirs or sides.ours).partition(":")
    return prefix if mark and prefix.isascii() and prefix.isalpha() else "sms"


def _posted_files(params: Params) -> Iterator[Attachment]:
    told = params.get("NumMedia", "0")
    count = int(told) if told.isascii() and told.isdigit() and len(told) < 4 else 0
    is_voice = str(params.get("From")).startswith("whatsapp")  # the list doesn't tell voice notes from other audio
    for number in range(min(count, MAX_FILES)):
        found = _MEDIA.search(str(params.get(f"MediaUrl{number}", "")))
        ref = f"message/{found[1]}/{found[2]}" if found else ""
        yield _file(ref, params.get(f"MediaContentType{number}"), is_voice)


def _listed_files(row: Params) -> Iterator[Attachment]:
    for media in rows(row.get("media"))[:MAX_FILES]:
        if is_sid(media.get("sid"), "ME"):
            parent = media.get("parent_sid")
            owner = str(parent if is_sid(parent, "MM") or is_sid(parent, "SM") else row.get("sid"))
            is_voice = str(row.get("from")).startswith("whatsapp")
            yield _file(f"message/{owner}/{media['sid']}", media.get("content_type"), is_voice)


def _file(ref: str, content_type: object, is_voice: bool) -> Attachment:
    """A file as Twilio names it; one whose address has no sids in it is told of and can't be fetched."""
    kind = content_type.partition(";")[0].strip().lower()[:100] if isinstance(content_type, str) else ""
    sort = _KINDS.get(kind.partition("/")[0], "document")
    return Attachment(ref, "voice" if is_voice and sort == "audio" else sort, kind)


def _file_line(file: Attachment) -> str:
    return bracketed("voice note" if file.kind == "voice" else file.kind, file.content_type)


def _told_files(row: Params) -> int:
    told = str(row.get("num_media") or "0")
    return min(int(told), MAX_FILES) if told.isascii() and told.isdigit() and len(told) < 4 else 0


def _place(params: Params) -> Iterator[str]:
    if params.get("Latitude") or params.get("Longitude"):
        yield bracketed("location", *(params.get(name) for name in ("Label", "Address", "Latitude", "Longitude")))
