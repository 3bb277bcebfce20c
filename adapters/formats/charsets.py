"""Bytes to text, for senders who name the wrong charset, an unknown one, or none.

A mail or transcript must never be lost for its charset, so decoding always ends in text: what can't be read becomes
U+FFFD and a problem is noted. The price is that a wrongly labelled text may be readable but wrong; the raw bytes
are kept elsewhere, so it can be read again.

Only codecs that map bytes to characters are allowed: Python also registers escapes, IDNA and punycode under that
interface, which are slow on long input or raise whatever the error handler says.
"""

from __future__ import annotations

import codecs
import re

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,39}")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_CHARSETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "charmap"})
# Supersets that real senders mean when they write the smaller name, as the WHATWG Encoding Standard lists them.
_WIDER = {
    "ascii": "utf-8",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso8859-9": "cp1254",
}


def decode_text(data: bytes, charset: str | None) -> tuple[str, str | None]:
    """Decode `data`, and say what was wrong with its charset, if anything."""
    codec = _codec(charset) if charset else "utf-8"
    if codec is None:
        return _guess(data)[0], f"unknown charset {_printable(charset)}: read as UTF-8 or Windows-1252"
    try:
        return data.decode(codec), None
    except UnicodeError:
        if codec == "utf-8":
            return _guess(data)
        return data.decode(codec, "replace"), f"undecodable bytes for charset {codec}: replaced"


def clean_text(text: str) -> str:
    """Make line ends LF, drop NUL and replace lone surrogates by U+FFFD; all else stays as the sender wrote it.

    NUL and lone surrogates are the two things that databases and UTF-8 can't hold.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _codec(charset: str) -> str | None:
    name = charset.strip().strip("'\"")
    if not _NAME.fullmatch(name):
        return None
    try:
        info = codecs.lookup(name)
        b"x".decode(info.name, "replace")  # not b"": empty input is let through by codecs that are none for text
    except (LookupError, ValueError):
        return None
    if info.name in _NOT_CHARSETS:
        return None
    return _WIDER.get(info.name, info.name)


def _guess(data: bytes) -> tuple[str, str | None]:
    """UTF-8 where it fits, else Windows-1252; where neither fits, characters are replaced."""
    try:
        return data.decode("utf-8"), None
    except UnicodeError:
        pass  # most senders who name no charset, or a wrong one, then mean Windows-1252
    try:
        return data.decode("cp1252"), "not UTF-8: read as Windows-1252"
    except UnicodeError:
        return data.decode("utf-8", "replace"), "undecodable bytes: replaced"


def _printable(charset: str | None) -> str:
    return ascii((charset or "")[:40])
