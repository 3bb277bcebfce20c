"""Seals what must be kept and may not be read: AES-256-GCM, under keys that are the operator's and in no book.

A book is copied into backups and looked into by whoever mends it, and a refresh token opens somebody's mailbox; so what
is sealed is worth nothing without the key. Each text is sealed for the name that it is kept under, so that nobody can
lay the token of one mailbox under another's name. The first key seals; the others still open, so that a key can be
changed: what is sealed anew takes the first.

Pure: no clock, no I/O. A key is 32 random bytes in base64, as `openssl rand -base64 32` prints them. The trade-off:
whoever loses the key loses the tokens, and has to let the sidecar into each mailbox once more.
"""

import binascii
import re
import secrets
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256

from sidecar.errors import ConfigError

KEY_BYTES = 32
MAX_KEYS = 5
HOW = "make one with: openssl rand -base64 32"
_NONCE_BYTES = 12
_VERSION = "1"
_MIN_DISTINCT = 8
"""Random bytes that are fewer than so many different ones don't occur; a key of a manual's does."""
_SEALED = re.compile(rf"{_VERSION}\.(?P<key>[0-9a-f]{{16}})\.(?P<body>[A-Za-z0-9_-]+=*)")


class Seal:
    """Seals and opens texts; its keys stand in no representation of it."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not 1 <= len(keys) <= MAX_KEYS:
            raise ConfigError(f"give one to {MAX_KEYS} keys, the one in force first")
        self._keys = {_named(key): key for key in keys}
        self._first = _named(keys[0])

    def seal(self, name: str, text: bytes) -> str:
        """Return a text that only `open` with the same name reads; each time another one."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE_BYTES)
        body = nonce + AESGCM(self._keys[self._first]).encrypt(nonce, text, _bound(name, self._first))
        return f"{_VERSION}.{self._first}.{urlsafe_b64encode(body).decode()}"

    def open(self, name: str, sealed: str) -> bytes:
        """Return what was sealed for a name; `ConfigError` where the key is another, or anything was changed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        match = _SEALED.fullmatch(sealed)
        if match is None:
            raise ConfigError("what is kept of it isn't sealed as we seal")
        key = self._keys.get(match["key"])
        if key is None:
            raise ConfigError("it was sealed with a key that isn't among them any more")
        try:
            body = urlsafe_b64decode(match["body"])
            if urlsafe_b64encode(body).decode() != match["body"]:
                raise ValueError("the last character may say one thing alone")
            return AESGCM(key).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], _bound(name, match["key"]))
        except (InvalidTag, ValueError):
            raise ConfigError("it was changed, or sealed for another name") from None


def keys_of(secret: str) -> list[bytes]:
    """Return the keys that a secret lists, parted by commas, spaces or lines; `ConfigError` for what is no such key."""
    return [_key(word) for word in secret.replace(",", " ").split()]


def _key(word: str) -> bytes:
    try:
        key = b64decode(word.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"a key is {KEY_BYTES} random bytes in base64; {HOW}") from None
    if len(key) != KEY_BYTES:
        raise ConfigError(f"a key has {len(key)} bytes and must have {KEY_BYTES}; {HOW}")
    if len(set(key)) < _MIN_DISTINCT or key.isascii():
        raise ConfigError(f"a key isn't random; {HOW}")
    return key


def _named(key: bytes) -> str:
    return sha256(b"sidecar token key\n" + key).hexdigest()[:16]


def _bound(name: str, key: str) -> bytes:
    return f"sidecar tokens {_VERSION}\n{key}\n{name}".encode()
