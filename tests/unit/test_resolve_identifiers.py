"""Identifiers: what is spelt alike after normalising may be merged, so each fold and each refusal is pinned here."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.model import Identifier, Own
from sidecar.resolve import normalise
from sidecar.resolve.identifiers import domain_of, is_odd, look_alike

INVISIBLE = "\u200b\u202e"
OWN = Own(default_region="GB")
ODD = [
    "аnn@x.test",
    "ann@pаypal.test",
    "ann@xn--pypal-4ve.test",
    "𝐚nn@x.test",
    "an\u200bn@x.test",
    "ann@x\u200d.test",
    "\u212aim@x.test",
    "ﬁn@x.test",
    "\u212a@x.test",
    "\ufecb@x.test",
    "ann@i❤.ws",
    "ann@xn--zzzzzz99999.test",
]
# Latin, its wide, styled and accented forms, Cyrillic and Greek twins, and what steers text: the alphabet of impostors.
LETTERS = "aAeénNoO0оаеαοｅＡ𝐚ﬁßſK\u212aı\u0301\u200b\u202e日かИи\ufecbع._-+"


def email(value: str) -> Identifier | None:
    """Normalise an e-mail address."""
    return normalise(Identifier("email", value), OWN)


@pytest.mark.parametrize(
    ("given", "spelt"),
    [
        ("Ann@X.Test", "ann@x.test"),
        ("  ann@x.test ", "ann@x.test"),
        ("<mailto:Ann@x.test>", "ann@x.test"),
        ("ann@x.test.", "ann@x.test"),
        ("\u202aann@x.test\u202c", "ann@x.test"),
        ("ａｎｎ＠ｘ.test", "ann@x.test"),
        ("ann@bücher.test", "ann@xn--bcher-kva.test"),
        ("ann@bu\u0308cher.test", "ann@xn--bcher-kva.test"),
        ("Ann@XN--BCHER-KVA.test", "ann@xn--bcher-kva.test"),
        ("ИВАН@почта.test", "иван@xn--80a1acny.test"),
        ("山田@日本語かな.test", "山田@xn--u8j2c547sncbk91h.test"),
        ("ann+news@x.test", "ann+news@x.test"),
        ("a.n.n@x.test", "a.n.n@x.test"),
        ("ann@foo_bar.test", "ann@foo_bar.test"),
    ],
)
def test_one_mailbox_has_one_spelling(given: str, spelt: str) -> None:
    """Case, width, composition and the two spellings of a domain don't make two people of one."""
    assert email(given) == Identifier("email", spelt)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("weiß@x.test", "weiss@x.test"),
        ("ann@straße.test", "ann@strasse.test"),
        ("ann@x.test", "ann+a@x.test"),
        ("ann@x.test", "a.nn@x.test"),
        ("ann@x.test", "ann@mail.x.test"),
    ],
)
def test_two_mailboxes_keep_two_spellings(left: str, right: str) -> None:
    """Addresses that different people could own are never folded into one; seen to fail with casefold for lower."""
    assert email(left) != email(right)


@pytest.mark.parametrize("value", ODD)
def test_an_odd_address_equals_nothing_but_its_own_bytes(value: str) -> None:
    """What could be taken for another address is kept byte for byte and is never spelt like a plain one."""
    spelt = email(value)
    assert spelt == Identifier("email", value)
    assert spelt is not None
    assert is_odd(spelt)


@pytest.mark.parametrize(
    ("value", "twin"),
    [
        ("аnn@x.test", "ann@x.test"),
        ("ann@pаypal.test", "ann@paypal.test"),
        ("ann@xn--pypal-4ve.test", "ann@paypal.test"),
        ("ann@аррӏе.test", "ann@apple.test"),
        ("an\u200bn@x.test", "ann@x.test"),
    ],
)
def test_a_look_alike_names_the_address_that_it_looks_like(value: str, twin: str) -> None:
    """A person can be asked about an impostor, because the address that it imitates is known."""
    spelt = email(value)
    assert spelt is not None
    assert spelt.value != twin
    assert look_alike(spelt) == Identifier("email", twin)


@pytest.mark.parametrize("value", ["ann@x.test", "иван@почта.test", "山田@日本.test", "ann@bücher.test"])
def test_an_honest_address_looks_like_no_other(value: str) -> None:
    """Other scripts are not suspicious by themselves: people may write their own names."""
    spelt = email(value)
    assert spelt is not None
    assert not is_odd(spelt)
    assert look_alike(spelt) is None


@pytest.mark.parametrize(
    "value",
    ["", "   ", "ann", "ann@", "@x.test", "a b@x.test", "ann@x..test", "ann@-x.test", "a\x00@x.test", "\ud800@x.test"],
)
def test_what_is_no_address_identifies_nobody(value: str) -> None:
    """Rubbish never becomes an identifier under which strangers would meet."""
    assert email(value) is None


def test_an_address_has_a_bound() -> None:
    """A megabyte in a From line is refused before any table or parser looks at it."""
    assert email("a" * 321 + "@x.test") is None
    assert normalise(Identifier("web", "v" * 513), OWN) is None


@pytest.mark.parametrize(
    ("given", "spelt"),
    [
        ("07700 900123", "+447700900123"),
        ("+44 7700 900123", "+447700900123"),
        ("+44 (0)7700 900-123", "+447700900123"),
        ("0044 7700 900123", "+447700900123"),
        ("tel:+44-7700-900123", "+447700900123"),
        ("whatsapp:+447700900123", "+447700900123"),
        ("WhatsApp:447700900123", "+447700900123"),
        ("٠٧٧٠٠٩٠٠١٢٣", "+447700900123"),
        ("+1 202-555-0123", "+12025550123"),
        ("020 7946 0018 ext 5", "+442079460018;ext=5"),
    ],
)
def test_one_number_has_one_spelling(given: str, spelt: str) -> None:
    """However people write a number, it is the same telephone; a desk behind a switchboard is another one."""
    assert normalise(Identifier("phone", given), OWN) == Identifier("phone", spelt)


@pytest.mark.parametrize(
    "value", ["anonymous", "Restricted", "12345", "+266696687", "+7378742833", "+44", "", "BANK", "+999123456789"]
)
def test_what_is_no_number_identifies_nobody(value: str) -> None:
    """Withheld callers and short codes never meet in one party; +266696687 spells ANONYMOUS on a keypad."""
    assert normalise(Identifier("phone", value), OWN) is None


def test_a_national_number_is_read_in_our_region() -> None:
    """The same digits are another telephone in another country, and the config says which is ours."""
    number = Identifier("phone", "030 901820")
    assert normalise(number, Own(default_region="DE")) == Identifier("phone", "+4930901820")
    assert normalise(number, Own(default_region="GB")) != normalise(number, Own(default_region="DE"))


def test_a_channels_own_id_is_left_alone() -> None:
    """Only the channel knows what its ids mean, so case and punctuation stay."""
    assert normalise(Identifier("web", " Visitor-77.A "), OWN) == Identifier("web", "Visitor-77.A")


def test_a_company_is_no_mail_provider() -> None:
    """Thousands share a free-mail domain and an impostor borrows one, so neither makes a company."""
    free = frozenset({"free.test"})
    assert domain_of(Identifier("email", "ann@acme.test"), free) == Identifier("domain", "acme.test")
    assert domain_of(Identifier("email", "ann@free.test"), free) is None
    assert domain_of(Identifier("email", "ann@pаypal.test"), free) is None
    assert domain_of(Identifier("phone", "+447700900123"), free) is None


addresses = st.builds(
    "{}@{}.test".format, st.text(LETTERS, min_size=1, max_size=6), st.text(LETTERS, min_size=1, max_size=6)
)


@given(addresses)
@example("ＡNN@ｘ.test")
def test_normalising_twice_changes_nothing(value: str) -> None:
    """A spelling is the end of the matter: what is stored is found again."""
    spelt = email(value)
    assert spelt is None or normalise(spelt, OWN) == spelt


@given(addresses, addresses)
@example("Ann@x.test", "аnn@x.test")
@example("kim@x.test", "\u212aim@x.test")
@example("𝐚nn@x.test", "ann@x.test")
@example("\ufecb@x.test", "ع@x.test")
def test_what_is_spelt_alike_was_alike_to_begin_with(left: str, right: str) -> None:
    """Two addresses that normalise to one differ in case, width or composition only; seen to fail with NFKC for NFC."""
    a, b = email(left), email(right)
    if a is not None and a == b and not is_odd(a):
        assert _plainly(left) == _plainly(right)


@given(addresses)
def test_an_odd_address_keeps_its_bytes(value: str) -> None:
    """Whichever oddity it is, nothing is folded away that could tell it from another address."""
    spelt = email(value)
    if spelt is not None and is_odd(spelt):
        assert spelt.value == value.strip(INVISIBLE)


def _plainly(address: str) -> str:
    """What may be folded, written down a second way: width by its block, then case, then composition."""
    wide = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    shown = address.strip(INVISIBLE).translate(wide)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", shown).lower())
