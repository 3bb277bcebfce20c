"""Salesforce's record ids: fifteen characters that mind case, and three more that tell it to those who don't.

The suffix holds, for each of three groups of five, which characters are capital letters; ids in the vendor's published
examples prove it in the tests.
"""

import re

SUFFIXES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
POD, WIDTH = "Ws", 10
WELL_FORMED = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")


def make(prefix: str, number: int) -> str:
    """Return the id of eighteen characters of the so manieth record of a kind."""
    digits = ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return lengthened(prefix + POD + digits.rjust(WIDTH, "0"))


def lengthened(short: str) -> str:
    """Return an id of fifteen characters with its suffix."""
    groups = (short[start : start + 5] for start in (0, 5, 10))
    return short + "".join(
        SUFFIXES[sum(1 << at for at, char in enumerate(group) if char.isupper())] for group in groups
    )


def parsed(text: str) -> str | None:
    """Return an id in its long form, given in either; None for what is none (a wrong suffix included)."""
    if not WELL_FORMED.fullmatch(text):
        return None
    long = lengthened(text[:15])
    return long if len(text) == 15 or text == long else None
