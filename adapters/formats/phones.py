"""Phone numbers: what a number means, whoever typed it how, and in which ways it is likely to stand in a CRM. Pure.

CRMs keep a number as somebody typed it, and search by letters or digits. So it is looked for in its likely spellings,
and what is found is compared by what it means. A text that is no number is only ever equal to itself.

The trade-off: the tables of the world's numbering plans are slow to load, so they are imported by the first number that
isn't normalised already.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phone:
    """A number as dialled from anywhere, its digits within the country, and as it is written abroad and at home."""

    dialled: str
    national: str
    abroad: str
    home: str


def read_phone(typed: str, region: str) -> Phone | None:
    """Read a number, None for a text that is none; `region` is where one without a country's code belongs ("GB")."""
    import phonenumbers
    from phonenumbers import PhoneNumberFormat

    try:
        number = phonenumbers.parse(typed.strip(), region)
    except phonenumbers.NumberParseException:
        return None
    e164, abroad, home = (
        phonenumbers.format_number(number, way)
        for way in (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL)
    )
    return Phone(e164, phonenumbers.national_significant_number(number), abroad, home)


def dialled(typed: str, region: str) -> str:
    """Return a number as it is dialled from anywhere, such as +442079460123; else what was typed, casefolded."""
    typed = typed.strip()
    if re.fullmatch(r"\+[1-9][0-9]{5,14}", typed):
        return typed
    found = read_phone(typed, region)
    return found.dialled if found else typed.casefold()


def spellings(typed: str, region: str) -> Iterator[str]:
    """Yield the ways in which a number is likely to stand in a CRM, each with and without what isn't a digit."""
    as_dialled = dialled(typed, region)
    yield as_dialled
    yield as_dialled.lstrip("+")
    found = read_phone(as_dialled, region)
    for written in (found.abroad, found.home) if found else ():
        yield written
        yield digits(written)


def digits(text: str) -> str:
    """Return a text's digits."""
    return re.sub(r"\D", "", text)
