"""Twilio's addresses: whose they are, and which of them name somebody.

A number stands bare, or behind the name of its channel (`whatsapp:+44...`); both are the same telephone here, so that
one person by WhatsApp through Meta and by SMS through Twilio is one party. A WhatsApp user may have no number to show:
then a user id stands there (`whatsapp:US.135`), which is Meta's own and so of the same kind as in Meta's channel. SIP
and client addresses are never forced through a reading of numbers; they are ids of this channel. The numbers under
which Twilio tells of callers who hide theirs name nobody: else all of them would be one person.

Source: Twilio's Message and Call resources (twilio-python 9.13.0), "WhatsApp BSUID Format in Conversations and Webhook
Fields" (changelog, 2026-07-20), read 2026-11-23.
"""

import re

from sidecar.model import Identifier

MAX_CHARS = 320
_NUMBER = re.compile(r"\+[1-9][0-9]{5,14}")
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_PREFIXED = re.compile(r"(?P<prefix>[a-z][a-z_]{1,30}):(?P<rest>.+)", re.DOTALL)
_TELEPHONES = frozenset({"whatsapp", "rcs", "tel", "sms", "mms"})
_KEYPAD = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
_HIDDEN = ("anonymous", "restricted", "blocked", "unknown", "unavailable", "private")
_NOBODY = frozenset({*_HIDDEN, *(f"+{word.translate(_KEYPAD)}" for word in _HIDDEN)})
"""The words, and the numbers that spell them on a telephone's keys: +266696687 is ANONYMOUS."""
_OURS = frozenset({"client", "sip", "sips", "sim"})


def bare(address: str) -> str:
    """Return an address without the name of its channel, in lower case unless it is a user id."""
    found = _PREFIXED.fullmatch(address.strip())
    rest = found["rest"].strip() if found else address.strip()
    return rest if _USER_ID.fullmatch(rest) else rest.casefold()


def identifiers(channel: str, address: str) -> tuple[Identifier, ...]:
    """Return what an address says of whose it is; nothing for a hidden caller."""
    text = " ".join(address.split())
    if not text or len(text) > MAX_CHARS:
        return ()
    found = _PREFIXED.fullmatch(text)
    prefix, rest = (found["prefix"], found["rest"].strip()) if found else ("", text)
    if rest.casefold() in _NOBODY:
        return ()
    if _NUMBER.fullmatch(rest) and (not prefix or prefix in _TELEPHONES):
        return (Identifier("phone", rest),)
    if prefix == "whatsapp" and _USER_ID.fullmatch(rest):
        return (Identifier("bsuid", rest),)
    return (Identifier(channel, text.casefold()),)


def user_ids(*told: str) -> tuple[Identifier, ...]:
    """Return the WhatsApp user ids among what Twilio tells of a sender beside its address."""
    rests = (text.strip().removeprefix("whatsapp:") for text in told)
    return tuple(Identifier("bsuid", rest) for rest in rests if _USER_ID.fullmatch(rest))


def is_desk(address: str) -> bool:
    """Say whether an address is a telephone of ours by its kind: a browser's, a SIP desk's, a SIM's."""
    found = _PREFIXED.fullmatch(address.strip().casefold())
    return found is not None and found["prefix"] in _OURS
