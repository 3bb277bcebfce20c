"""Look-ups for people: ids by their beginning, what was captured last, what is new by kind; on both databases."""

from collections.abc import Iterator

import pytest

from sidecar.journal import Entry, Journal
from tests.support.books import erase
from tests.support.facts import SetClock, a_delivery, a_match, a_release, an_activity, say


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    """An open book whose clock stands still."""
    with Journal.open(journal_url, clock=SetClock()) as journal:
        yield journal


def test_an_id_is_found_by_its_beginning(journal: Journal) -> None:
    """A person types a part of an id; several that fit are all named, up to the limit."""
    saids = [say(journal, str(n), "party-1a2b") for n in range(3)]
    whole = sorted(s.activity.id for s in saids)
    assert journal.ids(whole[0], 5) == [whole[0]]
    assert journal.ids("activity-", 5) == whole
    assert journal.ids("activity-", 2) == whole[:2]
    assert journal.ids("party-1a", 5) == ["party-1a2b"]


@pytest.mark.parametrize("prefix", ["", "activity-%", "activity-_", "party-9", "nonsense-1", "activity-ffffffffff"])
def test_what_begins_no_id_finds_none(journal: Journal, prefix: str) -> None:
    """A text that is no id's beginning finds nothing, wildcards included; seen to fail without `autoescape`."""
    say(journal, "1", "party-1a2b")
    assert journal.ids(prefix, 5) == []


def test_what_was_captured_last_comes_first(journal: Journal) -> None:
    """The newest activities of the book are listed, whatever their own times say."""
    saids = [say(journal, str(n), "party-1") for n in range(4)]
    newest_first = [s.activity.id for s in reversed(saids)]
    assert [a.id for a in journal.captured(3)] == newest_first[:3]
    assert [a.id for a in journal.captured(9, saids[0].activity.channel)] == newest_first
    assert journal.captured(9, "no such channel") == []


def test_news_are_counted_by_kind(journal: Journal) -> None:
    """What came after a place in the book is counted, and what stood before it isn't."""
    say(journal, "1", "party-1")
    place = journal.counts()["facts"]
    assert journal.tally(place) == {}
    say(journal, "2", "party-1")
    assert journal.tally(place) == {"activity": 1, "delivery": 1, "match": 1}
    assert journal.tally()["activity"] == 2


def test_the_neighbours_of_an_activity_are_those_of_its_conversation(journal: Journal) -> None:
    """What was said just before and after is found, of this party and thread; seen to fail with the thread let go."""
    saids = [say(journal, str(n), "party-1", minutes=n) for n in range(7)]
    say(journal, "of somebody else", "party-2", minutes=3)
    delivery = a_delivery(journal, "another channel", channel="chat")
    other = an_activity(journal, delivery, minutes=3)
    journal.commit(Entry(facts=(delivery, other, a_match(journal, other, "party-1"))))
    found = journal.around("party-1", saids[3].activity, 2, 1)
    assert [a.id for a in found] == [said.activity.id for said in saids[1:5]]
    assert [a.id for a in journal.around("party-1", saids[0].activity, 5, 0)] == [saids[0].activity.id]
    assert [a.id for a in journal.around("party-1", other, 5, 5)] == [other.id]


def test_the_latest_facts_of_a_party_come_newest_first(journal: Journal) -> None:
    """A party's past is read from its end, in bounds, and nobody else's with it."""
    saids = [say(journal, str(n), "party-1") for n in range(4)]
    say(journal, "of somebody else", "party-2")
    word = a_release(journal, "pin", "party-1", saids[0].match.id)
    journal.commit(Entry(facts=(word,)))
    newest = [word.id, *(said.match.id for said in reversed(saids))]

    def lately(kinds: list[str], limit: int, among: int = 99) -> tuple[list[str], bool]:
        found, are_all = journal.lately("party-1", kinds, limit, among)
        return [written.fact.id for written in found], are_all

    assert lately(["match", "release"], 3) == (newest[:3], False)
    assert lately(["match", "release"], 5) == (newest, True)
    assert lately(["match"], 9) == (newest[1:], True)
    assert lately(["match"], 9, among=2) == ([newest[1]], False)
    assert lately(["posting"], 9) == ([], True)


def test_a_cause_whose_body_is_gone_is_still_named(journal: Journal, journal_url: str) -> None:
    """Erasure leaves the chain's skeleton; seen to fail with the bodies joined."""
    said = say(journal, "1", "party-1")
    assert journal.erased_causes(said.match.id) == []
    erase(journal_url, said.activity.id)
    assert journal.causes(said.match.id) == []
    assert journal.erased_causes(said.match.id) == [(said.activity.id, "activity")]
