"""One spelling per address: how an identifier is normalised, and when it may be merged with none but itself.

Two parties become one only because two identifiers are spelt alike, so the fold is kept small: letter case, character
width, canonical composition and the two spellings of an international domain. `lower` is used rather than `casefold`,
which would make one mailbox of `weiß@` and `weiss@`. Whatever else a reader could take for something that it isn't
(mixed scripts, styled or invisible letters, what no domain may hold) keeps its own bytes as its value, and so equals
nothing else. `look_alike` says which plain address it looks like, so that a person can be asked.

Numbers are checked for being possible, not for being assigned: numbering plans change faster than tables.
"""

import re
import unicodedata

from sidecar.model import Identifier, Own

MAX_EMAIL_CHARS = 320
MAX_CHARS = 512
_ORDER = {"domain": 0, "email": 1, "phone": 2}
_PHONE_PREFIX = re.compile(r"(whatsapp|tel|sms):", re.IGNORECASE)
_PLAIN_DOMAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*")
_IN_NO_ADDRESS = re.compile(r"[\s<>,;]")
_WRITTEN_TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
_SCRIPT_OF_NAME = {"IDEOGRAPHIC": "CJK", "KATAKANA-HIRAGANA": "KATAKANA"}
_LATIN_TWINS = str.maketrans(
    "асԁеһіјӏорԛѕѵԝхуοανριυօսոհզցıɑɡɩ",
    "acdehijlopqsvwxyoavpiuounhqgiagi",
)
"""Small letters that look Latin. Source: Unicode UTS #39 confusables.txt, its single small letters, 2026-11."""


def normalise(identifier: Identifier, own: Own) -> Identifier | None:
    """Return the identifier in its one spelling, or None when it can't identify anybody."""
    value = identifier.value.strip()
    if not value or len(value) > MAX_CHARS or any(unicodedata.category(c) in ("Cc", "Cs") for c in value):
        return None
    folded: str | None = value
    if identifier.kind == "email":
        folded = _email(value)
    elif identifier.kind == "phone":
        folded = _phone(value, own.default_region)
    elif identifier.kind == "domain":
        folded = _domain(value)
    return Identifier(identifier.kind, folded) if folded else None


def strongest_first(identifier: Identifier) -> tuple[int, str, str]:
    """Order identifiers (companies, mail, phone, the rest) so that no choice depends on how they came."""
    return (_ORDER.get(identifier.kind, len(_ORDER)), identifier.kind, identifier.value)


def is_odd(identifier: Identifier) -> bool:
    """Say whether a normalised identifier could be taken for another one, so that it may join no party that exists."""
    if identifier.kind != "email":
        return False
    local, _, domain = identifier.value.rpartition("@")
    return _is_odd_address(local, domain)


def look_alike(identifier: Identifier) -> Identifier | None:
    """Return the plain address for which a reader could take this one, if there is one."""
    if identifier.kind != "email":
        return None
    local, _, domain = identifier.value.rpartition("@")
    text = unicodedata.normalize("NFKC", f"{local}@{_shown(domain)}").lower()
    seen = "".join(c for c in text if unicodedata.category(c) != "Cf").translate(_LATIN_TWINS)
    if not seen.isascii() or seen == identifier.value or not _PLAIN_DOMAIN.fullmatch(seen.rpartition("@")[2]):
        return None
    return Identifier("email", seen)


def domain_of(identifier: Identifier, free_mail: frozenset[str]) -> Identifier | None:
    """Return the company's domain of an e-mail address: none for free mail, nor for one that looks like another's."""
    if identifier.kind != "email" or is_odd(identifier):
        return None
    domain = identifier.value.rpartition("@")[2]
    return None if domain in free_mail else Identifier("domain", domain)


def _email(value: str) -> str | None:
    value = _trimmed(value).removeprefix("<").removesuffix(">")
    value = _trimmed(re.sub(r"^mailto:", "", value, flags=re.IGNORECASE))
    local, _, domain = _one_width(value).rpartition("@")
    domain = domain.rstrip(".")
    if not local or not domain or len(value) > MAX_EMAIL_CHARS or _IN_NO_ADDRESS.search(local + domain):
        return None
    if domain.isascii() and not _PLAIN_DOMAIN.fullmatch(domain.lower()):
        return None
    plain = _ascii(domain)
    if plain is None or _is_odd_address(local, domain):
        return value
    return f"{_composed(_composed(local).lower())}@{plain}"


def _domain(value: str) -> str | None:
    domain = _one_width(value).rstrip(".")
    plain = _ascii(domain)
    return plain if plain and _PLAIN_DOMAIN.fullmatch(plain) and not _is_odd(_shown(domain)) else None


def _phone(value: str, region: str) -> str | None:
    # Imported here, since its tables of the world's numbering plans are slow to load.
    import phonenumbers

    prefix = _PHONE_PREFIX.match(value)
    text = value[prefix.end() :].strip() if prefix else value
    if prefix and prefix.group(1).lower() == "whatsapp" and text[:1].isdigit():
        text = f"+{text}"
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    extension = f";ext={number.extension}" if number.extension else ""  # else two desks of one firm would be one person
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) + extension


def _trimmed(value: str) -> str:
    """Drop what copying leaves at the ends: white space and invisible marks of direction."""
    first = next((i for i, c in enumerate(value) if _is_visible(c)), len(value))
    last = next((i for i in range(len(value), first, -1) if _is_visible(value[i - 1])), first)
    return value[first:last]


def _is_visible(char: str) -> bool:
    return not char.isspace() and unicodedata.category(char) != "Cf"


def _one_width(text: str) -> str:
    """Turn wide and narrow forms, which East Asian keyboards type for the same letters, into the usual ones."""
    if text.isascii():
        return text
    usual = (
        unicodedata.normalize("NFKC", c) if unicodedata.decomposition(c).startswith(("<wide>", "<narrow>")) else c
        for c in text
    )
    return "".join(usual)


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _ascii(domain: str) -> str | None:
    """Return the domain as the network knows it, None for what can't be one."""
    if domain.isascii() and "xn--" not in domain.lower():
        return domain.lower()
    import idna

    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return None


def _shown(domain: str) -> str:
    """Return the domain as people see it; one that can't be decoded as it is."""
    if "xn--" not in domain.lower():
        return domain
    import idna

    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain


def _is_odd_address(local: str, domain: str) -> bool:
    return _ascii(domain) is None or _is_odd(local) or _is_odd(domain) or _is_odd(_shown(_ascii(domain) or domain))


def _is_odd(text: str) -> bool:
    if text.isascii():
        return False
    usual = _one_width(text)
    return (
        unicodedata.normalize("NFKC", usual) != _composed(usual)
        or any(not c.isascii() and _composed(c).isascii() for c in text)
        or any(unicodedata.category(c) in ("Cf", "Cn", "Co") for c in text)
        or any(_mixes_scripts(part) for part in re.split(r"[.。]", usual))
    )


def _mixes_scripts(text: str) -> bool:
    scripts = {_script(c) for c in text if c.isalpha()}
    return len(scripts) > 1 and not any(scripts <= together for together in _WRITTEN_TOGETHER)


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "UNNAMED").split(" ", 1)[0]
    return _SCRIPT_OF_NAME.get(name, name)
