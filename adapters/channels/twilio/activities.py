"""From what Twilio told to activities: which reader a delivery is for.

A webhook is a form, or JSON, and says by its fields what it is about; what a poll lays down is JSON of our own making
that names it. What nobody here reads (events of next year, a transcription that began) yields nothing: the delivery is
kept and counted. So does a hint: a finished transcript is fetched by the poll that the hint made due.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from adapters.channels.twilio import calls, messages, speech
from adapters.channels.twilio.drafts import Rules
from adapters.channels.twilio.signature import read_form
from sidecar.errors import PermanentError
from sidecar.model import Activity, Delivery

POLLED = "polled"
"""The field under which a poll says what it lays down: message, gone, call, recording or transcript."""
WORDS = frozenset(
    {"TranscriptionData", "TranscriptionText", "SpeechResult", "UnstableSpeechResult", "StableSpeechResult"}
)
"""Fields that hold what was said in a call."""
HINT_FIELDS = frozenset(
    {"account_sid", "service_sid", "transcript_sid", "customer_key", "event_type", "encryption_credential_sid"}
)
"""All that a hint of a finished transcript says: none of it was said by anybody."""


def read_activities(delivery: Delivery, rules: Rules) -> tuple[Activity, ...]:
    """Read a delivery into its activities; `PermanentError` for one that can't be read, or of another account."""
    if delivery.raw.lstrip()[:1] != b"{":
        params = form(delivery.raw)
        _of_this_account(delivery, params.get("AccountSid") or params.get("account_sid"))
        return _posted(delivery, params, rules)
    data = read_json(delivery.raw)
    row = data.get(str(data.get(POLLED)))
    told = row if isinstance(row, dict) else data
    _of_this_account(delivery, told.get("account_sid") or told.get("AccountSid"))
    return _listed(delivery, data, told, rules) if POLLED in data else _posted(delivery, _texts(data), rules)


def holds_words(body: bytes) -> bool:
    """Say whether a webhook holds what was said in a call, or may."""
    if body.lstrip()[:1] in (b"{", b"["):
        try:
            data = read_json(body)
        except PermanentError:
            return True
        return not data.keys() <= HINT_FIELDS
    try:
        return bool(WORDS & form(body).keys())
    except PermanentError:
        return True


def form(raw: bytes) -> dict[str, str]:
    """Read a form; `PermanentError` for one of too many fields."""
    try:
        return read_form(raw)
    except ValueError:
        raise PermanentError("a form of too many fields") from None


def read_json(raw: bytes) -> dict[str, Any]:
    """Read an object of JSON; `PermanentError` for anything else."""
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise PermanentError(f"body is no JSON: line {error.lineno}, column {error.colno}") from None
    if not isinstance(data, dict):
        raise PermanentError("body is no object")
    return data


def _of_this_account(delivery: Delivery, account: object) -> None:
    if account != delivery.account:
        raise PermanentError("it is of another account than account_sid says; each needs a channel of its own")


def _posted(delivery: Delivery, params: Mapping[str, str], rules: Rules) -> tuple[Activity, ...]:
    if params.get("event_type") or params.get("transcript_sid"):
        return ()
    if params.get("TranscriptionEvent"):
        return speech.live(delivery, params, rules)
    if "TranscriptionText" in params or "TranscriptionStatus" in params:
        return speech.recorded(delivery, params, rules)
    if params.get("RecordingSid") and params.get("RecordingStatus"):
        return calls.recording_posted(delivery, params, rules)
    if params.get("CallSid") and params.get("CallStatus"):
        return calls.posted(delivery, params, rules)
    if params.get("MessageSid") or params.get("SmsSid") or params.get("SmsMessageSid"):
        return messages.posted(delivery, params, rules)
    return ()


def _listed(delivery: Delivery, data: Mapping[str, Any], row: Mapping[str, Any], rules: Rules) -> tuple[Activity, ...]:
    polled = data[POLLED]
    if polled == "message":
        return messages.listed(delivery, row, rules)
    if polled == "gone":
        return messages.taken_back(delivery, row)
    if polled == "call":
        parent = data.get("parent")
        return calls.listed(delivery, row, parent if isinstance(parent, dict) else None, rules)
    if polled == "recording":
        return calls.recording_listed(delivery, row, rules)
    if polled == "transcript":
        return speech.finished(delivery, data, rules)
    return ()


def _texts(data: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a body of JSON as a form would have had them."""
    return {name: value if isinstance(value, str) else str(value) for name, value in data.items() if value is not None}
