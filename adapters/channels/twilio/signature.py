"""Twilio's signatures: who may call us, decided on the configured address and the bytes that came.

A form is signed as the address followed by each parameter's name and values, names sorted, values sorted and each once.
A body of JSON is signed by its hash, which stands in the address as `bodySHA256`; then the address alone is signed. The
address is the configured one and never what a Host header says, because anybody may write that. It must be the whole of
it: a query that isn't configured could take the place of parameters, which the signed text doesn't tell apart.

Everything wrong with a request is the sender's error (401). The signature holds no time, so an old request may be
played again; it yields the same ids and adds nothing. Blank values are part of what is signed, and parameters that
nobody knows yet as well. Bytes that are no UTF-8 are carried through as they are, so that no two bodies are the same
text by chance.

Source: twilio-python 9.13.0, `RequestValidator` (which raises TypeError or IndexError for bodies that it doesn't
expect, so it is a judge in the tests and not used here), and Twilio's "Webhook security", read 2026-11-23.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

from sidecar.errors import ConfigError, RejectedInput

MIN_SECRET_CHARS = 16
MAX_FIELDS = 1_000
PORTS = {"https": 443, "http": 80}

_BODY_HASH = re.compile(r"(?:(?P<own>.*)&)?bodySHA256=(?P<hash>[0-9a-f]{64})")
_ALGORITHMS = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}


def verify(headers: Mapping[str, str], body: bytes, raw_query: str, public_url: str, secrets: Sequence[bytes]) -> None:
    """Refuse a request that none of the secrets signed for the configured address."""
    given = _given(headers.get("x-twilio-signature", ""))
    algorithm = _algorithm(headers.get("x-twilio-webhooks-signature-settings", ""))
    url = urlsplit(public_url)
    if raw_query == url.query:
        signed = _parameters(body)
    else:
        found = _BODY_HASH.fullmatch(raw_query)
        if found is None or (found["own"] or "") != url.query:
            raise RejectedInput("the address that was called isn't the one in public_url", status=401)
        if not hmac.compare_digest(sha256(body).hexdigest(), found["hash"]):
            raise RejectedInput("the body isn't the one whose hash stands in the address", status=401)
        signed = b""
    called = [urlunsplit(way._replace(query=raw_query)).encode() for way in _ways(url)]
    made = [hmac.digest(secret, at + signed, algorithm) for secret in secrets for at in called]
    matches = [hmac.compare_digest(one, given) for one in made]
    if not any(matches):
        raise RejectedInput(
            "x-twilio-signature matches no auth token, or public_url isn't what Twilio calls", status=401
        )


def read_form(body: bytes) -> dict[str, str]:
    """Read a form, blank values included, the first of several; `ValueError` for one of too many fields."""
    found: dict[str, str] = {}
    for name, value in _fields(body):
        found.setdefault(name, value)
    return found


def read_secrets(text: str, setting: str) -> tuple[bytes, ...]:
    """Read auth tokens parted by commas or white space; `ConfigError` on `setting`, without showing them."""
    words = [word for word in re.split(r"[,\s]+", text) if word]
    if not words:
        raise ConfigError("holds no auth token; without one every request would be refused", setting=setting)
    if any(len(word) < MIN_SECRET_CHARS or not word.isascii() or not word.isprintable() for word in words):
        raise ConfigError(f"an auth token has at least {MIN_SECRET_CHARS} plain characters", setting=setting)
    return tuple(word.encode() for word in words)


def _given(header: str) -> bytes:
    try:
        return base64.b64decode(header.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise RejectedInput("x-twilio-signature is missing or no base64", status=401) from None


def _algorithm(header: str) -> str:
    """The hash that a header names; without one, as for auth tokens, it is SHA-1."""
    for part in header.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            found = _ALGORITHMS.get(value.strip().upper())
            if found is None:
                raise RejectedInput("it is signed by an algorithm that isn't known here", status=401)
            return found
    return "sha1"


def _parameters(body: bytes) -> bytes:
    """The text of a form as it is signed."""
    try:
        fields = _fields(body)
    except ValueError:
        raise RejectedInput(f"a form of more than {MAX_FIELDS} fields", status=401) from None
    return "".join(name + value for name, value in sorted(set(fields))).encode("utf-8", "surrogateescape")


def _fields(body: bytes) -> list[tuple[str, str]]:
    text = body.decode("utf-8", "surrogateescape")
    return parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=MAX_FIELDS)


def _ways(url: SplitResult) -> Iterator[SplitResult]:
    """Yield the address with and without its port, since Twilio signs the one or the other."""
    yield url
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname or ""
    usual = PORTS.get(url.scheme)
    if url.port is None:
        yield url._replace(netloc=f"{url.netloc}:{usual}")
    elif url.port == usual:
        yield url._replace(netloc=host)
