"""The conversation around a quote: a short one whole, of a long one what is near, the words at their places."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.explain.talk import MAX_SPOTS, WHOLE, Piece, Quote, Talk, pieces, talk
from sidecar.journal import Journal
from sidecar.model import Activity, Actor, Evidence, Role, Said, Standing
from tests.support.facts import NOON, SetClock, say


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An open book of one test."""
    with Journal.open("sqlite:///journal.db", base=tmp_path, clock=SetClock()) as journal:
        yield journal


def activity(text: str, *said: tuple[int, int]) -> Activity:
    """A message of which only some is said in it."""
    spans = tuple(Said(start, end, Role.CUSTOMER) for start, end in said)
    actor = Actor(Role.CUSTOMER, "test")
    return Activity(
        id="activity-1", channel="mail", account="a", external_id="1", kind="mail", at=NOON, actor=actor, thread="t",
        text=text, said=spans,
    )  # fmt: skip


def quotes(given: Activity, *places: tuple[int, int]) -> list[Quote]:
    """Quotes of an activity, numbered from one."""
    found = [Evidence(given.id, start, end, given.text[start:end]) for start, end in places]
    return [Quote(number, evidence, given) for number, evidence in enumerate(found, 1)]


def places(found: Sequence[Piece]) -> list[tuple[str, bool, int, int]]:
    """Pieces as tuples."""
    return [(p.text, p.is_said, p.number, p.left_out) for p in found]


def test_a_text_is_cut_where_words_are_quoted_or_not_said() -> None:
    """A quote, a quoted reply and the rest are told apart to the character; seen to fail with an end included."""
    mail = activity("I want it. Bye\n> Do you want it?", (0, 14))
    assert places(pieces(mail, quotes(mail, (2, 6)))) == [
        ("I ", True, 0, 0), ("want", True, 1, 0), (" it. Bye", True, 0, 0), ("\n> Do you want it?", False, 0, 0),
    ]  # fmt: skip


def test_quotes_that_overlap_keep_every_letter_once() -> None:
    """Two claims may quote the same words; none is shown twice."""
    mail = activity("one two three")
    assert places(pieces(mail, quotes(mail, (0, 7), (4, 13)))) == [
        ("one two", True, 1, 0), (" three", True, 2, 0),
    ]  # fmt: skip


@given(st.text(max_size=80), st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), max_size=6))
def test_no_letter_is_lost_or_moved(text: str, marks: list[tuple[int, int]]) -> None:
    """Whatever is quoted, the pieces together are the text."""
    given = activity(text)
    assert "".join(p.text for p in pieces(given, quotes(given, *marks))) == text


def test_a_quote_that_is_not_there_marks_nothing() -> None:
    """Words that differ by a letter from the text are not highlighted as if they stood in it."""
    mail = activity("I want it")
    wrong = Quote(1, Evidence(mail.id, 2, 6, "wont"), mail)
    assert places(pieces(mail, [wrong])) == [("I want it", True, 0, 0)]


def test_of_a_long_text_its_quotes_and_their_surroundings_are_shown() -> None:
    """A transcript of a megabyte costs a page of text, and says what it leaves out; seen to fail shown whole."""
    call = activity("x" * 500_000 + "we agree" + "y" * 500_000)
    found = pieces(call, quotes(call, (500_000, 500_008)))
    assert sum(len(p.text) for p in found) < 3_000
    assert [p.text for p in found if p.number] == ["we agree"]
    assert sum(len(p.text) + p.left_out for p in found) == len(call.text)
    assert [bool(p.left_out) for p in found] == [False, True, False, False, False, True]


def test_a_quote_of_a_whole_book_is_cut_too() -> None:
    """A quote has no bound of its own, what is shown of it has."""
    book = activity("z" * 300_000)
    assert sum(len(p.text) for p in pieces(book, quotes(book, (0, 300_000)))) < 10_000


def conversation(journal: Journal, count: int, *quoted: int) -> tuple[list[Activity], Talk]:
    """Put messages of a party into the book, and return them with what is shown where some are quoted."""
    said = [say(journal, f"m{n}", "party-1", f"Message {n}", minutes=n, who="ann").activity for n in range(count)]
    evidence = [Evidence(said[n].id, 0, 7, "Message") for n in quoted]
    return said, talk(journal, standing(journal), evidence)


def standing(journal: Journal) -> Standing:
    """Where the party stands."""
    found = journal.standing("party-1")
    assert found is not None
    return found


def test_a_short_conversation_is_shown_whole(journal: Journal) -> None:
    """Nobody has to guess what else was said; seen to fail with the neighbourhood alone."""
    said, shown = conversation(journal, 12, 5)
    assert [turn.activity.id for turn in shown.turns] == [a.id for a in said]
    assert shown.whole and all(turn.follows for turn in shown.turns)


def test_of_a_long_conversation_the_neighbourhoods_are_shown(journal: Journal) -> None:
    """What surrounds each quote is there, gaps are told, neighbours joined; seen to fail with gaps in silence."""
    said, shown = conversation(journal, WHOLE + 40, 10, 12, 80)
    expected = [*range(7, 16), *range(77, 84)]
    assert [turn.activity.id for turn in shown.turns] == [said[n].id for n in expected]
    assert [n for n, turn in zip(expected, shown.turns, strict=True) if not turn.follows] == [77]
    assert (shown.whole, shown.activities) == (False, WHOLE + 40)
    assert [quote.number for quote in shown.quotes] == [1, 2, 3]


def test_of_many_quotes_the_latest_places_are_shown(journal: Journal) -> None:
    """A summary that rests on everything shows a page, not everything."""
    said, shown = conversation(journal, 8 * (MAX_SPOTS + 1), *range(3, 8 * (MAX_SPOTS + 1), 8))
    assert len(shown.turns) == 7 * MAX_SPOTS
    ids = {turn.activity.id for turn in shown.turns}
    assert said[-5].id in ids and said[3].id not in ids


def test_without_quotes_the_end_of_a_long_relationship_is_shown(journal: Journal) -> None:
    """A whole party's page always has words to begin with, the newest ones."""
    said, _ = conversation(journal, WHOLE + 5)
    shown = talk(journal, standing(journal), [], all_threads=True)
    assert [turn.activity.id for turn in shown.turns] == [a.id for a in said[-6:]]
    assert not shown.whole


def test_without_quotes_a_field_shows_what_it_follows_from(journal: Journal) -> None:
    """What is computed from words shows those words' conversation; what follows from none shows none."""
    said, shown = conversation(journal, 3)
    assert shown.turns == ()
    behind = talk(journal, standing(journal), [], [said[1].id])
    assert [turn.activity.id for turn in behind.turns] == [a.id for a in said]
