"""Grounding: a quote is evidence only when somebody said it, word for word; what copying does to text is forgiven."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.ground import MAX_PART_GAP, MAX_QUOTE_WORDS, find, fold, legible, visible
from sidecar.model import Role, Said

ANN = (
    "Hi, we’re a team of 40 — could we come Wednesday at 10:30? We can't pay more than £4,500 for it, "
    "and my boss isn't sure yet.\nThe café “Zoë’s” 🙂 next door is not open on Thursday…  Non-refundable is fine."
)
WANG = "您好，我们想预订下周四的会议室，一共二十人。价格不是问题。"


def said(text: str, *parts: tuple[int, int]) -> tuple[Said, ...]:
    """Return spans of a text that a customer said; all of it unless parts are given."""
    return tuple(Said(start, end, Role.CUSTOMER) for start, end in parts or ((0, len(text)),))


HARMLESS = (
    "we're a team of 40 - could we come Wednesday at 10:30?",
    "WE’RE A TEAM OF 40",
    "could  we\ncome\tWednesday",
    "could we come\u00a0Wednesday",
    "my boss isn’t sure yet",
    "my boss isn't sure yet.",
    'The cafe "Zoe\'s"',
    "the cafe\u0301 “zoë’s”",
    "Zoë's” next door",
    "is not open on Thursday...",
    "is not open on Thursday … Non-refundable",
    "We can't pay more than £4,500",
    "we’re a team of 40 … at 10:30",
    "a team of 40 ... We can't pay",
    "isn't sure yet. The café",
    "could we\u200b come Wednesday",
    "co\u00aduld we come",
    "on Thursday...  Non-refundable is fine",
)
MEANING = (
    "we're a team of 400",
    "we're a team of 4",
    "a team of 14",
    "could we come Thursday at 10:30",
    "come Wednesday at 10:13",
    "come Wednesday at 10",
    "We can pay more than £4,500",
    "We can",
    "We can't pay more than £4",
    "We can't pay more than €4,500",
    "We can't pay more than £4.500",
    "pay less than £4,500",
    "my boss is sure yet",
    "your boss isn't sure yet",
    "is open on Thursday",
    "is not open Thursday",
    "not open on Wednesday",
    "Refundable is fine",
    "Thursday is not open on",
    "forty",
    "we are a team of 40",
    "could they come Wednesday",
)


@pytest.mark.parametrize("quote", HARMLESS)
def test_what_copying_does_to_words_is_forgiven(quote: str) -> None:
    """Case, accents, quotes, dashes, spaces, an ellipsis and invisible characters don't part a quote from its text."""
    place = find(quote, ANN, said(ANN))
    assert place is not None
    assert 0 <= place[0] < place[1] <= len(ANN)


@pytest.mark.parametrize("quote", MEANING)
def test_what_changes_the_meaning_is_no_quote(quote: str) -> None:
    """A dropped "not", half a number, another day: none is evidence; seen to fail with fuzzy matching."""
    assert find(quote, ANN, said(ANN)) is None


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("我们想预订下周四的会议室", "我们想预订下周四的会议室"),
        ("下周四", "下周四"),
        ("一共二十人", "一共二十人"),
        ("您好，我们", "您好，我们"),
        ("我们想预订…一共二十人", "我们想预订下周四的会议室，一共二十人"),
        ("价格不是问题。", "价格不是问题。"),
        ("下周五", None),
        ("一共十二人", None),
        ("价格是问题", None),
        ("二十人一共", None),
    ],
)
def test_scripts_without_spaces_are_quoted_by_their_characters(quote: str, found: str | None) -> None:
    """Chinese words have no spaces around them, and are found, or not, all the same."""
    place = find(quote, WANG, said(WANG))
    assert (WANG[place[0] : place[1]] if place else None) == found


def test_only_what_was_said_in_this_activity_can_be_quoted() -> None:
    """A quoted reply and a signature are in the text, but nobody said them here; seen to fail with spans ignored."""
    text = "Yes, please book it.\n> We only pay 100.\nAnn Lee, Managing Director"
    spans = said(text, (0, 20))
    assert find("please book it", text, spans) is not None
    assert find("We only pay 100", text, spans) is None
    assert find("Managing Director", text, spans) is None
    assert find("book it. > We only", text, spans) is None


def test_a_quote_is_one_persons() -> None:
    """Words of two speakers, joined, are nobody's, even by an ellipsis; the place is the speaker's who said them."""
    text = "Can you do Tuesday?\nNo, Friday."
    spans = (Said(0, 19, Role.CUSTOMER), Said(20, 31, Role.AGENT, authenticated=True))
    assert find("do Tuesday? No, Friday", text, spans) is None
    assert find("Can you do Tuesday … Friday", text, spans) is None
    place = find("no, friday", text, spans)
    assert place is not None
    assert place[2].role is Role.AGENT
    assert text[place[0] : place[1]] == "No, Friday"


def test_parts_around_an_ellipsis_are_close_and_in_their_order() -> None:
    """An ellipsis leaves out a few words, not the half of a mail, and turns nothing round."""
    text = f"We want it. {'x' * MAX_PART_GAP} But not now. We want it on Monday."
    assert find("We want it … But not now", text, said(text)) is None
    assert find("on Monday … We want it", text, said(text)) is None
    assert find("But not now … on Monday", text, said(text)) is not None


def test_a_quote_is_short_and_says_something() -> None:
    """A whole mail proves anything, and one letter or a smile nothing."""
    text = " ".join(f"word{i}" for i in range(100)) + " a 🙂 ?!"
    words = text.split()
    assert find(" ".join(words[:MAX_QUOTE_WORDS]), text, said(text)) is not None
    assert find(" ".join(words[: MAX_QUOTE_WORDS + 1]), text, said(text)) is None
    assert all(find(quote, text, said(text)) is None for quote in ("", "…", "a", "🙂", "?!", "   "))


@pytest.mark.parametrize("dash", ["-", "–", "—"])
def test_a_word_is_found_beside_a_dash_but_not_without_its_negation(dash: str) -> None:
    """Dashes part sentences, so what follows one can be quoted; "non-" belongs to its word."""
    text = f"Thanks{dash}see you Monday. It is non-binding."
    assert find("see you Monday", text, said(text)) is not None
    assert find("binding", text, said(text)) is None
    assert find("non-binding", text, said(text)) is not None


@given(text=st.text(max_size=120), data=st.data())
def test_a_verbatim_quote_is_found_where_it_folds_to_the_same(text: str, data: st.DataObject) -> None:
    """Whatever is found re-reads to the quote: the stored place proves it to anybody; whole spans are always found."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 60)))
    quote = text[start:end]
    place = find(quote, text, said(text))
    if place is None:
        return
    found = fold(text[place[0] : place[1]]).text
    for part in (fold(part).text.strip() for part in quote.replace("…", "...").split("...")):
        assert part in found


@given(
    words=st.lists(st.sampled_from(["we", "can", "can't", "40", "4,500", "Zoë", "不", "会议"]), min_size=1, max_size=30)
)
def test_a_whole_utterance_can_always_be_quoted(words: list[str]) -> None:
    """What somebody said in full is evidence of itself, in another case and composition too."""
    text = " ".join(words)
    if sum(c.isalnum() for c in text) < 2:
        return
    for quote in (text, text.upper(), unicodedata.normalize("NFD", text)):
        place = find(quote, text, said(text))
        assert place is not None
        assert text[place[0] : place[1]] == text


@given(st.text(max_size=200))
def test_each_folded_character_has_its_place(text: str) -> None:
    """Places of folded characters lie in the text and never go back, so that a span can be cut out of the original."""
    folded = fold(text)
    assert len(folded.text) == len(folded.starts) == len(folded.ends)
    assert all(0 <= a < b <= len(text) for a, b in zip(folded.starts, folded.ends, strict=True))
    assert list(folded.starts) == sorted(folded.starts)


def test_hidden_characters_are_not_shown_to_a_model() -> None:
    """Zero-width and tag characters can carry orders that no person sees."""
    assert visible("pay\u200b \U000e0041\U000e0042now\u202e\n\tok") == "pay now\n\tok"


HIDING = {
    "zero width": "\u200b\u200c\u200d\u2060\ufeff",
    "tags": "".join(chr(0xE0000 + ord(c)) for c in "win"),
    "bidi": "\u202a\u202e\u2066\u2069\u061c",
    "soft hyphen": "\u00ad",
    "variation selectors": "\ufe00\ufe0f\U000e0100\U000e01ef",
    "fillers": "\u3164\uffa0\u115f\u1160\u17b4\u180e\u034f",
    "private use": "\ue000\U000f0000",
    "controls": "\x00\x08\x1b\x7f\x9f",
}


@pytest.mark.parametrize("hidden", HIDING.values(), ids=HIDING)
def test_what_nobody_sees_is_not_shown_and_parts_no_quote(hidden: str) -> None:
    """A model quotes what it was shown, and the place is the raw's; seen to fail without marks and fillers."""
    text = f"We si{hidden}gned{hidden} the deal."
    assert visible(text) == legible(text) == "We signed the deal."
    place = find("signed the deal", text, said(text))
    assert place is not None
    start, end, _ = place
    assert text[start:end].startswith("si") and text[start:end].endswith("deal")
    assert visible(text[start:end]) == "signed the deal"


def test_joiners_stay_where_words_need_them() -> None:
    """Persian, Hindi and families of emoji keep their joiners in the CRM; a row of them, or one in Latin, goes."""
    for word in ("می\u200cخواهم", "क्\u200dष", "👩\u200d👧"):
        assert legible(word) == word
    assert legible("a\u200cb م\u200c\u200d\u200cن") == "ab من"
