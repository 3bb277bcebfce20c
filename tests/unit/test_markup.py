"""Words from outside stay words in HTML: nothing in them is obeyed, hidden or lost."""

import re

from hypothesis import example, given
from hypothesis import strategies as st
from justhtml import JustHTML
from selectolax.lexbor import LexborHTMLParser

from sidecar.markup import marked, text
from sidecar.markup.document import document, notice, policy
from sidecar.markup.sheets import safe, unmarked

SEEN = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"]), max_size=60)


@given(SEEN)
@example("<b title='a' id=\"b\">&amp;</b>")
def test_words_come_out_of_a_page_as_they_went_in(said: str) -> None:
    """A parser of another make reads back every letter, as text and as an attribute; seen to fail unescaped."""
    read = LexborHTMLParser(document("x", f'<p title="{text(said)}">{marked(said)}</p>'))
    (paragraph,) = read.css("p")
    assert paragraph.text() == said
    assert (paragraph.attributes["title"] or "") == said


@given(st.text(st.characters(), max_size=60))
@example("<!--\x00\x1b[31m\x9b\u202e\ufdd0\uffff\ud800\U000e0041--></p>")
def test_any_text_makes_a_valid_page(said: str) -> None:
    """No character that somebody may send breaks the page or turns it around; seen to fail with a NUL let through."""
    page = document(said, f"<p>{marked(said)}</p>")
    page.encode()
    JustHTML(page, strict=True)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\ud800-\udfff\x00\x1b\x9b]", page)


def test_hidden_characters_are_named() -> None:
    """Whoever judges words sees that some were hidden from people; joiners of scripts and emoji stay."""
    assert marked("a\u202eb") == "a<i>[U+202E]</i>b"
    assert marked("a" + "".join(map(chr, range(0xE0041, 0xE0045)))) == "a<i>[4 hidden characters]</i>"
    assert marked("a\r\nb\rc\u2028d") == "a\nb\nc\nd"
    family = "\N{MAN}\u200d\N{GIRL} \u0915\u094d\u200d\u0937"
    assert marked(family) == family


def test_a_notice_is_a_whole_page() -> None:
    """An error looks like a page of ours, and says one thing."""
    page = notice("Gone <b>", 'It is "gone".')
    JustHTML(page, strict=True)
    read = LexborHTMLParser(page)
    assert [node.text() for node in read.css("title, h1, p")] == ["Gone <b>", "Gone <b>", 'It is "gone".']


def test_the_policy_lets_nothing_in_but_the_style() -> None:
    """The hash is the very style sheet's; seen to fail with a space added to it."""
    from base64 import b64encode
    from hashlib import sha256

    (style,) = LexborHTMLParser(document("x", "")).css("style")
    digest = b64encode(sha256((style.text() or "").encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in policy()
    assert "unsafe" not in policy() and "script-src" not in policy()


@given(st.text(max_size=20))
@example("=1+1")
@example("'=1+1")
@example("'tis")
@example(" \u00a0+44 20")
def test_a_cell_reads_back_as_it_was(said: str) -> None:
    """What is led by an apostrophe in a sheet loses no letter on its way back, and nothing is taken for a formula."""
    assert unmarked(safe(said)) == said
    assert not safe(said).startswith(("=", "+", "-", "@", "|"))
