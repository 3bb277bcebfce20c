"""Canaries: words that exist nowhere else, one for each secret and for each thing that is known of a person.

Where one of them is found, something was let out. They are looked for as they are, and in the forms in which programs
pass text on: escaped for JSON and for URLs, in base64, in hexadecimal, without the marks of a phone number.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from urllib.parse import quote, quote_plus

_KEY = base64.b64encode(b"canary: the key of the web chat..").decode()
SECRETS: Mapping[str, str] = {
    "webhook secret": f"whsec_{_KEY}",
    "webhook secret, bare": _KEY,
    "model key": "sk-canary-Vm0dE1kQx-7731",
    "mailbox password": "canary-Mb0xP4ss-9917",
    "second mailbox password": "canary-P0stP4ss-2204",
    "database password": "canary-DbP4ss-5512",
    "CRM token": "pat-eu1-canary-c8mT0k3n-3380",
    "alert address": "https://127.0.0.1:9/hooks/canary-A1ertPath-6621",
    "alert secret": "whsec_" + base64.b64encode(b"canary: the alerts' signing key.").decode(),
    "SMTP password": "canary-SmtpP4ss-8846",
    "explain key": "canary-3xpla1nK3y-that-seals-the-links-4417",
    "tokens key": base64.b64encode(sha256(b"canary: the key of tokens").digest()).decode(),
    "client secret": "GOCSPX-canary-C1ientS3cret-7003",
    "refresh token": "1//canary-R3fr3shT0k3n-5519",
    "access token": "ya29.canary-Acc3ssT0k3n-1183",
}
PEOPLE: Mapping[str, str] = {
    "name": "Zephyrine Quillfeather",
    "surname": "Quillfeather",
    "accented name": "Žofie Kanárková",
    "address": "zephyrine@kanarienvogel.test",
    "second address": "zofie@kanarienvogel.test",
    "domain": "kanarienvogel.test",
    "phone": "+44 7700 900461",
    "company": "Marzipanwerk Oberquell",
    "words": "xylographic marzipan lanterns",
    "subject": "Velociped nocturne rehearsal",
    "file name": "call-with-Quillfeather",
    "colleague": "bartholomaeus@acme.test",
    "visitor": "visitor-kv-77310",
}
_ALL: Mapping[str, str] = {**SECRETS, **PEOPLE}
_MARKS = re.compile(r"[ ()./-]")
SHORTEST_PHONE_DIGITS = 9


def leaked(text: str | bytes, canaries: Mapping[str, str] = _ALL) -> list[str]:
    """Return the names of the canaries that stand in a text, in whatever form."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    haystacks = (plain.casefold(), _MARKS.sub("", plain))
    return [name for name, value in canaries.items() if _stands(value, haystacks)]


def _stands(value: str, haystacks: tuple[str, str]) -> bool:
    whole, unmarked = haystacks
    digits = re.sub(r"\D", "", value)
    is_phone = value.startswith("+") and len(digits) >= SHORTEST_PHONE_DIGITS
    return any(form.casefold() in whole for form in _forms(value)) or (is_phone and digits in unmarked)


def _forms(value: str) -> Iterable[str]:
    raw = value.encode()
    yield from (value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], raw.hex())
    for shift in range(3):  # base64 of a longer text that the value stands in, at any place
        inner = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        yield inner[(0, 2, 3)[shift] : len(inner) - (2 if (len(raw) + shift) % 3 else 0)]
