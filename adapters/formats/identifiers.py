"""Addresses and phone numbers that a person put into a signature: proposals for who else they are.

What stands in a text is a claim by its writer, and anyone can write anyone's number; so these only ever propose an
identifier and never join two parties. Numbers are found by shape, not validated: that is the identity rules' work.
"""

from __future__ import annotations

import re

from adapters.formats.mime import Mail

FOUND_MAX = 20
_LINES_FROM_END = 15
_CHARS_MAX = 5_000
_EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_PHONE = re.compile(r"(?<![\w@./:+-])\+?[(]?\d[\d ()./\xa0-]{5,24}\d(?![\w@])")
_DATE = re.compile(r"\(?\d{1,4}[./-]\d{1,2}[./-]\d{2,4}\b")


def signature_identifiers(mail: Mail) -> tuple[str, ...]:
    """E-mail addresses and phone-like strings, as written, from the signature or the last lines of the own words."""
    if mail.signature is not None:
        text = mail.text[slice(*mail.signature)][-_CHARS_MAX:]
    else:
        own = "\n".join(mail.text[start:end] for start, end in mail.said)[-_CHARS_MAX:]
        text = "\n".join(own.split("\n")[-_LINES_FROM_END:])
    found = [match.strip(".") for match in _EMAIL.findall(text)]
    found += [number for number in (match.strip() for match in _PHONE.findall(text)) if _is_phone(number)]
    return tuple(dict.fromkeys(found))[:FOUND_MAX]


def _is_phone(number: str) -> bool:
    """International, or national with its leading zero; amounts, dates and reference numbers have neither."""
    digits = sum(char.isdigit() for char in number)
    international = number.startswith(("+", "00", "(+"))
    national = number.lstrip("(").startswith("0")
    return 8 <= digits <= 15 and (international or national) and not _DATE.fullmatch(number)
