"""Addresses: what a program would make a link of is known as one, however it is written, and what isn't, isn't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.infer.addresses import addresses, written


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://evil.test/?q=1 now", "evil.test/?q=1"),
        ("FTP://evil.test/x", "ftp://evil.test/x"),
        ("custom+scheme://open/me", "custom+scheme://open/me"),
        ("http:\\\\evil.com", "evil.com"),
        ("[click](https://evil.test/a)", "evil.test/a"),
        ("read [this][1]\n[1]: evil.io", "evil.io"),
        ("![](//evil.test/p.png)", "evil.test/p.png"),
        ("evil.com", "evil.com"),
        ("_evil.com_ ", "evil.com"),
        ("...evil.com", "evil.com"),
        ("@evil.com", "evil.com"),
        ("a.b.evil.co.uk!", "a.b.evil.co.uk"),
        ("evil.com:8080/x", "evil.com:8080/x"),
        ("www.evil", "evil"),
        ("xn--80ak6aa92e.com", "xn--80ak6aa92e.com"),
        ("shop.xn--p1ai", "shop.xn--p1ai"),
        ("пример.рф", "пример.рф"),
        ("ｅｖｉｌ．ｃｏｍ", "evil.com"),
        ("evil。com", "evil.com"),
        ("h\u200bttps://ev\u00adil.com/\U000e0041x", "evil.com/x"),
        ("write to thief@evil.test", "thief@evil.test"),
        ("mailto:thief@evil.test?cc=x", "mailto:thief@evil.test?cc=x"),
        ("javascript:alert`1`", "javascript:alert`1`"),
        ("data:text/html,hi", "data:text/html,hi"),
        ("tel:+4915112345", "tel:+4915112345"),
        ("1.2.3.4/x", "1.2.3.4/x"),
        ("“https://evil.test/x”", "evil.test/x"),
        (r"open \\srv\share\x", r"\\srv\share\x"),
    ],
)  # fmt: skip
def test_what_a_program_would_link_is_an_address(text: str, found: str) -> None:
    """A scheme, a bare name, punycode, full width or hidden signs: seen to fail with schemes and paths alone."""
    assert found in addresses(text)


@pytest.mark.parametrize(
    "text",
    [
        "e.g. this, i.e. that, at 10.30 a.m./p.m., and/or 24/7", "4,500.00 EUR/m2 or 1.2.3",
        "Mr.Lee, St.Gallen, z.B. Ph.D.",
        "see offer.pdf and Node.js", "Tel: +49 30 123456", "Note: call back", "C:", "12:30", "one... two",
        "@ann", "a@b",
    ],
)  # fmt: skip
def test_ordinary_words_are_no_address(text: str) -> None:
    """Abbreviations, amounts, times and files are left alone; seen to fail with any dot between letters."""
    assert not addresses(text)


def test_where_somebody_leads_to_may_be_named() -> None:
    """Who wrote a long link, or an address of mail, wrote the name in it, and no other place there."""
    known = written("Have a look: https://www.Shop.com/offer?x=1, or ask ann@works.test")
    assert {"shop.com", "shop.com/offer?x=1", "works.test", "ann@works.test"} <= known
    assert "shop.com/other" not in known


@given(st.text(alphabet="aé.-@:/\\x。1 ", max_size=400))
def test_any_text_is_looked_through(text: str) -> None:
    """No text breaks it, and what it finds stands in what it was given."""
    assert all(isinstance(found, str) for found in addresses(text))
    assert addresses(f"{text}\nhttps://evil.test/x") >= {"evil.test/x"}
