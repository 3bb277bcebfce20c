"""The rows of Twilio's lists in Twilio's own shape, every field that its SDK reads and none beside."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

Row = dict[str, Any]


def mail_time(at: datetime) -> str:
    """Return a time as the older API writes it."""
    return format_datetime(at.astimezone(UTC)).replace("GMT", "+0000")


def iso_time(at: datetime) -> str:
    """Return a time as the newer API writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def message(account: str, sid: str, at: datetime, **told: Any) -> Row:
    """Return a row of the list of messages."""
    uri = f"/2010-04-01/Accounts/{account}/Messages/{sid}"
    return {
        "body": "",
        "num_segments": "1",
        "direction": "inbound",
        "from": "",
        "to": "",
        "date_updated": mail_time(at),
        "price": None,
        "error_message": None,
        "uri": f"{uri}.json",
        "account_sid": account,
        "num_media": "0",
        "status": "received",
        "messaging_service_sid": None,
        "sid": sid,
        "date_sent": mail_time(at),
        "date_created": mail_time(at),
        "error_code": None,
        "price_unit": "USD",
        "api_version": "2010-04-01",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        **told,
    }


def media(account: str, sid: str, owner: str, at: datetime, content_type: str) -> Row:
    """Return a row of the list of a message's files."""
    return {
        "account_sid": account,
        "content_type": content_type,
        "date_created": mail_time(at),
        "date_updated": mail_time(at),
        "parent_sid": owner,
        "sid": sid,
        "uri": f"/2010-04-01/Accounts/{account}/Messages/{owner}/Media/{sid}.json",
    }


def call(account: str, sid: str, at: datetime, ended: datetime, **told: Any) -> Row:
    """Return a row of the list of calls."""
    uri = f"/2010-04-01/Accounts/{account}/Calls/{sid}"
    return {
        "sid": sid,
        "date_created": mail_time(at),
        "date_updated": mail_time(ended),
        "parent_call_sid": None,
        "account_sid": account,
        "to": "",
        "to_formatted": "",
        "from": "",
        "from_formatted": "",
        "phone_number_sid": "",
        "status": "completed",
        "start_time": mail_time(at),
        "end_time": mail_time(ended),
        "duration": str(int((ended - at).total_seconds())),
        "price": None,
        "price_unit": "USD",
        "direction": "inbound",
        "answered_by": None,
        "api_version": "2010-04-01",
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": "0",
        "stir_verstat": None,
        "trunk_sid": None,
        "uri": f"{uri}.json",
        "subresource_uris": {"recordings": f"{uri}/Recordings.json"},
        **told,
    }


def recording(account: str, sid: str, call: str, at: datetime, **told: Any) -> Row:
    """Return a row of the list of recordings."""
    uri = f"/2010-04-01/Accounts/{account}/Recordings/{sid}"
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "call_sid": call,
        "conference_sid": None,
        "date_created": mail_time(at),
        "date_updated": mail_time(at),
        "start_time": mail_time(at),
        "duration": "71",
        "sid": sid,
        "price": None,
        "price_unit": "USD",
        "status": "completed",
        "channels": 2,
        "source": "DialVerb",
        "error_code": None,
        "uri": f"{uri}.json",
        "encryption_details": None,
        "subresource_uris": {"transcriptions": f"{uri}/Transcriptions.json"},
        "media_url": f"https://api.twilio.com{uri}",
        **told,
    }


def transcript(account: str, sid: str, source: str, at: datetime, **told: Any) -> Row:
    """Return a row of the list of transcripts."""
    url = f"https://intelligence.twilio.com/v2/Transcripts/{sid}"
    return {
        "account_sid": account,
        "service_sid": "GA" + "e" * 32,
        "sid": sid,
        "date_created": iso_time(at),
        "date_updated": iso_time(at),
        "status": "completed",
        "channel": {"type": "voice", "media_properties": {"source": "TwilioRecording", "source_sid": source}},
        "data_logging": False,
        "language_code": "en-GB",
        "customer_key": None,
        "media_start_time": iso_time(at),
        "duration": 71,
        "url": url,
        "redaction": True,
        "encryption_credential_sid": None,
        "links": {"sentences": f"{url}/Sentences"},
        **told,
    }


def sentence(sid: str, index: int, channel: int, words: str) -> Row:
    """Return a row of a transcript's sentences."""
    return {
        "media_channel": channel,
        "sentence_index": index,
        "start_time": f"{index * 4}.0",
        "end_time": f"{index * 4 + 3}.5",
        "transcript": words,
        "sid": sid,
        "confidence": "0.93",
        "words": None,
    }
