"""The word files: complete, alike, and refused when they can't do what they are for."""

from importlib.resources import files

import pytest

from adapters.llms.baseline.text import fold, sentences
from adapters.llms.baseline.words import LANGUAGES, languages, parse
from sidecar.model import Role
from tests.contract.llm import turn

ENGLISH = (files("adapters.llms.baseline") / "words" / "en.toml").read_text(encoding="utf-8")
STOPWORDS = {code: words.stopwords for code, words in languages().items()}


def test_every_language_has_the_same_patterns() -> None:
    """What one language can say, the others can; a table that is missing would be a silence."""
    names = {code: set(words.patterns) for code, words in languages().items()}
    assert set(names) == set(LANGUAGES)
    assert len({frozenset(found) for found in names.values()}) == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[urgency]", "[urgencies]", "urgenc"),
        ("negates_after = false", "", "negates_after"),
        ('"urgent\\\\w*"', '"Urgent"', "never match"),
        ('"asap"', '"as(ap"', "urgency.high"),
        ("tomorrow = [", "later = [", "dates"),
        ("low = [", "lower = [", "urgency should hold"),
    ],
)
def test_a_broken_word_file_is_refused(old: str, new: str, words: str) -> None:
    """A typo is found when the file is loaded, not by what it silently misses."""
    assert old in ENGLISH
    with pytest.raises(ValueError, match=words):
        parse(ENGLISH.replace(old, new), "en")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Could you tell me what this is?", "en"),
        ("Ich hätte gerne einen Termin bei Ihnen", "de"),
        ("Hola, quisiera saber si tienen mesa para dos", "es"),
        ("Bonjour, je voudrais un devis pour les travaux", "fr"),
        ("Buongiorno, vorrei sapere quanto costa il vostro corso", "it"),
        ("Olá, gostaria de saber quanto custa a consulta", "pt"),
        ("Hallo, kunnen jullie mij vertellen wat het kost?", "nl"),
    ],
)
def test_the_language_of_a_turn_is_recognised(text: str, code: str) -> None:
    """Patterns of one language aren't let loose on another; a short answer takes the conversation's."""
    found = sentences((), (turn(text, 1), turn("ok, 10", 2, Role.AGENT)), STOPWORDS)
    assert {s.language for s in found} == {code}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hi Dr. Lee. It's £1.50 e.g. today! Ok? Yes", ["Hi Dr. Lee.", "It's £1.50 e.g. today!", "Ok?", "Yes"]),
        ("Am 26. November um 10 Uhr. Passt das?", ["Am 26. November um 10 Uhr.", "Passt das?"]),
        ("Hello\n\nSee you then\n- Ann", ["Hello", "See you then", "- Ann"]),
        ("¿Qué precio tiene? ¡Gracias!", ["¿Qué precio tiene?", "¡Gracias!"]),
        ("Wait... what?! 👍", ["Wait...", "what?!"]),
    ],
)  # fmt: skip
def test_sentences_are_cut_where_people_end_them(text: str, parts: list[str]) -> None:
    """Abbreviations, amounts and German ordinals end nothing; a sentence of signs alone is none."""
    assert [s.text for s in sentences((), (turn(text),), STOPWORDS)] == parts


def test_a_line_that_a_mailer_wrapped_is_one_sentence() -> None:
    """Patterns see the sentence that was written, not the width of somebody's window."""
    text = "We would like to replace our telephone system before the current\ncontract ends in March."
    assert len(sentences((), (turn(text),), STOPWORDS)) == 1


@pytest.mark.parametrize("text", ["Zoë’s “naïve” café – 10 €", "Straße ﬁn İ 日本", "e\u0301 👩‍👩‍👧"])
def test_folding_keeps_every_place(text: str) -> None:
    """A place in the folded copy is the same place in the original, or no quote would be verbatim."""
    assert len(fold(text)) == len(text)


def test_a_long_sentence_is_quoted_around_what_counts() -> None:
    """Quotes have 25 words at most and hold the words that carry the statement."""
    text = f"{'so ' * 40}please call me tomorrow {'and ' * 40}on"
    (sentence,) = sentences((), (turn(text),), STOPWORDS)
    quote = sentence.quote(sentence.folded.index("call me"))
    assert len(quote.split()) == 25
    assert "call me tomorrow" in quote
    assert quote in text
