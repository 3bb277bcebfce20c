"""Addresses and numbers that a customer writes down: shown to people as proposals, never merged upon.

Anyone can write anyone's address into a message. So what stands in the words, or in the signature right below them, is
offered beside the match and links nothing. Numbers count only in the shape in which people write numbers to be called
at: international, or with the leading zero.
"""

import re
from collections.abc import Collection, Iterator

from sidecar.model import Activity, Identifier, Own, Role
from sidecar.resolve.identifiers import normalise, strongest_first

MAX_PROPOSALS = 10
MAX_SPANS = 50
MAX_CHARS = 5_000
SIGNATURE_LINES = 12
SIGNATURE_CHARS = 1_000
_EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_PHONE = re.compile(r"(?<![\w@./:+-])(?:\+|\(?0)[\d ()./\xa0-]{6,24}\d(?![\w@])")
_DATE = re.compile(r"\(?\d{1,4}[./-]\d{1,2}[./-]\d{2,4}\b")
_QUOTE_BEGINS = re.compile(r"^\s*(?:>|-{5}|_{5})|:\s*$|<[^>]*@[^>]*>")


def proposals(activity: Activity, own: Own, taken: Collection[Identifier]) -> tuple[Identifier, ...]:
    """Return the identifiers that a customer wrote down, normalised, without ours and without those `taken`."""
    found = set()
    for text in _written(activity):
        for identifier in _read(text):
            spelt = normalise(identifier, own)
            if spelt and spelt not in taken and not own.owns(spelt):
                found.add(spelt)
    return tuple(sorted(found, key=strongest_first)[:MAX_PROPOSALS])


def _written(activity: Activity) -> Iterator[str]:
    """Yield what customers said, and in mail the lines below each of their spans that look like a signature."""
    spans = activity.said[:MAX_SPANS]
    for index, said in enumerate(spans):
        if said.role is not Role.CUSTOMER:
            continue
        yield activity.text[said.start : said.end][-MAX_CHARS:]
        if activity.kind == "mail":
            until = spans[index + 1].start if index + 1 < len(spans) else len(activity.text)
            yield _signature(activity.text[said.end : min(until, said.end + SIGNATURE_CHARS)])


def _signature(text: str) -> str:
    lines = []
    for line in text.splitlines()[:SIGNATURE_LINES]:
        if _QUOTE_BEGINS.search(line):
            break
        lines.append(line)
    return "\n".join(lines)


def _read(text: str) -> Iterator[Identifier]:
    for match in _EMAIL.finditer(text):
        yield Identifier("email", match.group().strip("."))
    for match in _PHONE.finditer(text):
        number = match.group()
        if 8 <= sum(char.isdigit() for char in number) <= 15 and not _DATE.match(number):
            yield Identifier("phone", number)
