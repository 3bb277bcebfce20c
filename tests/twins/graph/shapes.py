"""What things look like in Graph's JSON: whole, as an unselected answer has them, and cut to what was selected.

Source: the request and response pairs of Microsoft's own reference (`tests/fixtures/msgraph`), which judge these.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from email import message_from_bytes, policy
from email.utils import getaddresses
from typing import Any

ALWAYS = ("id",)


def stamp(at: datetime) -> str:
    """Return a time as Graph writes it."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def person(name: str, address: str) -> dict[str, Any]:
    """Return somebody."""
    return {"emailAddress": {"name": name, "address": address}}


def folder(id: str, name: str, parent: str, total: int) -> dict[str, Any]:
    """Return a folder."""
    return {
        "id": id,
        "displayName": name,
        "parentFolderId": parent,
        "childFolderCount": 0,
        "unreadItemCount": total,
        "totalItemCount": total,
        "isHidden": False,
    }


def message(
    id: str, key: str, folder: str, mime: bytes, received: datetime, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a message, its headers read from its MIME by the standard library."""
    mail = message_from_bytes(mime, policy=policy.compat32)
    people = {name: [person(n, a) for n, a in getaddresses(mail.get_all(name, []))] for name in ("from", "to", "cc")}
    sender = people["from"][0] if people["from"] else person("", "")
    payload = mail.get_payload()
    words = payload if isinstance(payload, str) else ""
    return {
        "@odata.etag": f'W/"{key}"',
        "id": id,
        "createdDateTime": stamp(received),
        "lastModifiedDateTime": stamp(received),
        "changeKey": key,
        "categories": [],
        "receivedDateTime": stamp(received),
        "sentDateTime": stamp(received),
        "hasAttachments": mail.is_multipart(),
        "internetMessageId": str(mail.get("Message-ID", "")),
        "subject": str(mail.get("Subject", "")),
        "bodyPreview": words[:255],
        "importance": "normal",
        "parentFolderId": folder,
        "conversationId": f"conversation-of-{id}",
        "conversationIndex": "AQHTJWSHSywMzSz8o0OJud48nG50GQ==",
        "isDeliveryReceiptRequested": False,
        "isReadReceiptRequested": False,
        "isRead": False,
        "isDraft": False,
        "webLink": "https://outlook.office365.com/owa/?ItemID=x",
        "inferenceClassification": "focused",
        "body": {"contentType": "text", "content": words},
        "sender": sender,
        "from": sender,
        "toRecipients": people["to"],
        "ccRecipients": people["cc"],
        "bccRecipients": [],
        "replyTo": [],
        "flag": {"flagStatus": "notFlagged"},
        **fields,
    }


def event(id: str, key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of one hour; `fields` say what it is about."""
    location: dict[str, Any] = {"displayName": "", "locationType": "default", "uniqueId": "", "uniqueIdType": "unknown"}
    location |= {"address": {}, "coordinates": {}}
    calendar = "https://graph.microsoft.com/v1.0/users('x')/calendars('y')"
    return {
        "@odata.etag": f'W/"{key}"',
        "id": id,
        "createdDateTime": "2026-11-21T09:00:00Z",
        "lastModifiedDateTime": "2026-11-21T09:00:00Z",
        "changeKey": key,
        "categories": [],
        "transactionId": None,
        "originalStartTimeZone": "UTC",
        "originalEndTimeZone": "UTC",
        "iCalUId": f"{id}@graph.test",
        "reminderMinutesBeforeStart": 15,
        "isReminderOn": True,
        "hasAttachments": False,
        "subject": "",
        "bodyPreview": "",
        "importance": "normal",
        "sensitivity": "normal",
        "isAllDay": False,
        "isCancelled": False,
        "isDraft": False,
        "isOrganizer": True,
        "responseRequested": True,
        "seriesMasterId": None,
        "showAs": "busy",
        "type": "singleInstance",
        "webLink": "https://outlook.office365.com/owa/?itemid=x",
        "isOnlineMeeting": False,
        "onlineMeeting": None,
        "onlineMeetingProvider": "unknown",
        "onlineMeetingUrl": None,
        "occurrenceId": None,
        "calendar@odata.associationLink": f"{calendar}/$ref",
        "calendar@odata.navigationLink": calendar,
        "allowNewTimeProposals": True,
        "hideAttendees": False,
        "recurrence": None,
        "responseStatus": {"response": "organizer", "time": "0001-01-01T00:00:00Z"},
        "body": {"contentType": "html", "content": "<html><body>What the invitation says.</body></html>"},
        "start": {"dateTime": "2026-11-30T09:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-30T10:00:00.0000000", "timeZone": "UTC"},
        "location": location,
        "locations": [],
        "attendees": [],
        "organizer": person("Ann", "ann@ours.test"),
        **fields,
    }


def occurrence(master: Mapping[str, Any], number: int, start: str, end: str) -> dict[str, Any]:
    """Return a day of a series as a round tells it: hardly more than when it is."""
    return {
        "@odata.etag": master["@odata.etag"],
        "id": f"{master['id']}.{number}",
        "seriesMasterId": master["id"],
        "type": "occurrence",
        "start": {"dateTime": start, "timeZone": "UTC"},
        "end": {"dateTime": end, "timeZone": "UTC"},
    }


def selected(thing: Mapping[str, Any], select: str) -> dict[str, Any]:
    """Return what was selected of a thing, which always holds its id and etag."""
    if not select:
        return dict(thing)
    names: Collection[str] = {*select.split(","), *ALWAYS, "@odata.etag"}
    return {name: value for name, value in thing.items() if name in names}


def whole(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Return one thing as an answer of its own."""
    return {"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#x/$entity", **thing}
