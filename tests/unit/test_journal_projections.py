"""What follows from the facts: one owner per identifier and record, nothing pending forgotten, all rebuildable."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from sidecar.journal import Entry, IdentifierTaken, Journal, RecordTaken
from sidecar.model import Alert, Identifier, Match, Outcome
from sidecar.model.means import AUDIO_MS, AUDIO_NANO_USD, HEARD_BY
from tests.support.books import rows_of
from tests.support.facts import (
    NOON,
    SetClock,
    a_delivery,
    a_match,
    a_posting,
    a_reading,
    a_release,
    an_activity,
    an_inference,
    email,
    say,
)


@pytest.fixture
def clock() -> SetClock:
    """A clock that the test moves."""
    return SetClock()


@pytest.fixture
def journal(journal_url: str, clock: SetClock) -> Iterator[Journal]:
    """An open book under that clock."""
    with Journal.open(journal_url, clock=clock) as journal:
        yield journal


def pending(journal: Journal, party: str) -> list[str]:
    """The texts that no inference has read."""
    return [activity.text for _, activity in journal.pending(party, 100)]


def hold(journal: Journal, key: str, outcome: Outcome, *identifiers: Identifier) -> Match:
    """Put a message without a party into the book."""
    delivery = a_delivery(journal, key)
    activity = an_activity(journal, delivery, key)
    match = a_match(journal, activity, None, outcome=outcome, identifiers=identifiers)
    journal.commit(Entry(facts=(delivery, activity, match)))
    return match


def test_an_identifier_names_its_party(journal: Journal) -> None:
    """What a match links is known from then on, and nothing else is."""
    say(journal, "1", "p", who="ann")
    assert journal.known([email("ann"), email("bob")]) == {email("ann"): "p"}
    assert journal.known([]) == {}


def test_an_identifier_has_one_owner(journal: Journal) -> None:
    """A match that would give an owned identifier away fails whole, so the activity is resolved anew."""
    say(journal, "1", "p", who="ann")
    delivery = a_delivery(journal, "2")
    activity = an_activity(journal, delivery)
    match = a_match(journal, activity, "q", links=[email("bob"), email("ann")])
    journal.commit(Entry(facts=(delivery, activity)))
    with pytest.raises(IdentifierTaken):
        journal.commit(Entry(facts=(match,)))
    assert journal.get(match.id) is None
    assert journal.known([email("bob"), email("ann")]) == {email("ann"): "p"}
    assert journal.pending("q", 10) == []


def test_a_persons_word_moves_an_identifier(journal: Journal) -> None:
    """When a person assigns an activity to another party, what identifies its sender goes with it."""
    said = say(journal, "1", "p", who="ann")
    release = a_release(journal, "assign", "q", said.match.id, other="p", activities=[said.activity.id])
    match = a_match(journal, said.activity, "q", links=[email("ann")], after=release.id)
    journal.commit(Entry(facts=(release, match)))
    assert journal.known([email("ann")]) == {email("ann"): "q"}
    assert (pending(journal, "p"), pending(journal, "q")) == ([], ["Hello"])
    assert journal.party_of(said.activity.id) == "q"
    first = journal.standing("p")
    assert first is not None
    assert (first.activities, first.needs_whole) == (0, True), "the party that loses an activity hears of it"


def test_a_match_that_a_persons_word_has_overtaken_counts_nowhere(journal: Journal) -> None:
    """A late automatic match doesn't take an activity back from the party that a person gave it to."""
    said = say(journal, "1", "p")
    release = a_release(journal, "assign", "q", said.match.id, other="p", activities=[said.activity.id])
    journal.commit(Entry(facts=(release, a_match(journal, said.activity, "q", after=release.id))))
    journal.commit(Entry(facts=(a_match(journal, said.activity, "r"),)))
    assert journal.party_of(said.activity.id) == "q"
    assert journal.standing("r") is None
    assert pending(journal, "r") == []


def test_pending_is_what_no_inference_has_read(journal: Journal) -> None:
    """Each matched activity is pending until an inference names its match, in the order in which things happened."""
    late = say(journal, "1", "p", "second", minutes=5)
    early = say(journal, "2", "p", "first")
    say(journal, "3", "q", "another's")
    assert pending(journal, "p") == ["first", "second"]
    assert [match for match, _ in journal.pending("p", 1)] == [early.match]
    journal.commit(Entry(facts=(an_inference(journal, "p", [early.match]),)))
    assert pending(journal, "p") == ["second"]
    journal.commit(Entry(facts=(an_inference(journal, "p", [late.match]),)))
    assert pending(journal, "p") == []
    assert pending(journal, "q") == ["another's"]


def test_an_activity_of_a_group_belongs_to_each_party(journal: Journal) -> None:
    """A message to two customers is pending for both, and read by each by itself."""
    delivery = a_delivery(journal, "1")
    activity = an_activity(journal, delivery)
    matches = [a_match(journal, activity, party) for party in ("p", "q")]
    journal.commit(Entry(facts=(delivery, activity, *matches)))
    assert journal.thread_parties("mail", "a", "thread") == {"p", "q"}
    journal.commit(Entry(facts=(an_inference(journal, "p", matches[:1]),)))
    assert (pending(journal, "p"), pending(journal, "q")) == ([], ["Hello"])


def test_a_timeline_is_read_backwards(journal: Journal) -> None:
    """The newest words come first, and one can go on before any time."""
    for minute in range(4):
        say(journal, str(minute), "p", f"m{minute}", minutes=minute)
    assert [a.text for _, a in journal.timeline("p", 2)] == ["m3", "m2"]
    before = NOON + timedelta(minutes=2)
    assert [a.text for _, a in journal.timeline("p", 9, before=before)] == ["m1", "m0"]


def test_versions_are_an_activity_and_its_edits(journal: Journal) -> None:
    """An edit is found by what it relates to."""
    first = say(journal, "1", "p").activity
    delivery = a_delivery(journal, "2")
    edit = an_activity(journal, delivery, "Hello!", minutes=1, relates_to="1")
    journal.commit(Entry(facts=(delivery, edit)))
    assert journal.versions("mail", "a", "1") == [first, edit]
    assert journal.versions("mail", "b", "1") == []


def test_what_waits_for_a_party_is_found_by_its_identifiers(journal: Journal) -> None:
    """An activity without a party is found once one of its identifiers is known, and no longer once it has one."""
    asked = hold(journal, "held 1", Outcome.AMBIGUOUS, email("ann"), email("bob"))
    unasked = hold(journal, "held 2", Outcome.OUTBOUND_ONLY, email("ann"))
    hold(journal, "held 3", Outcome.NOT_CUSTOMER, email("ann"))
    assert set(journal.waiting([email("ann"), email("bob")], 10)) == {asked.activity, unasked.activity}
    assert journal.waiting([email("cid")], 10) == []
    assert journal.questions(10) == [asked]
    journal.commit(Entry(facts=(journal.mint(replace(asked, party="h", outcome=Outcome.PARTY)),)))
    assert journal.waiting([email("ann"), email("bob")], 10) == [unasked.activity]
    assert journal.questions(10) == []
    doubt = replace(asked, outcome=Outcome.UNKNOWN)
    journal.commit(Entry(facts=(journal.mint(doubt),)))
    assert (journal.party_of(asked.activity), journal.questions(10)) == ("h", []), "a late doubt takes nothing away"


def test_a_merged_party_is_followed_everywhere(journal: Journal) -> None:
    """After a merge one party is left: with both histories, identifiers, records and alerts, under either id."""
    one, other = say(journal, "1", "p", "from p", who="ann"), say(journal, "2", "q", "from q", who="bob", minutes=1)
    alert = journal.mint(
        Alert(
            because=(other.match.id,), party="q", rule="silent", subject="q", about="x", rank=1.0, reason="r", at=NOON
        )
    )
    reading = a_reading(journal, "q", other.match.id, "77")
    journal.commit(Entry(facts=(alert, reading)))
    journal.commit(Entry(facts=(a_release(journal, "merge", "p", one.match.id, other="q"),)))
    assert pending(journal, "p") == pending(journal, "q") == ["from p", "from q"]
    assert journal.known([email("ann"), email("bob")]) == {email("ann"): "p", email("bob"): "p"}
    assert journal.linked_party("local", "contact", "77") == "p"
    assert journal.standing("q") == journal.standing("p")
    assert journal.live_party("q") == "p"
    assert [standing.party for standing in journal.parties()] == ["p"]
    assert {fact.party for fact in journal.facts(party="p")} == {"p", "q"}
    # What was under way for the party that is gone is taken in by the one that lives.
    late = say(journal, "3", "q", "late", who="bob", minutes=2)
    assert journal.party_of(late.activity.id) == "p"
    standing = journal.standing("p")
    assert standing is not None
    assert (standing.party, standing.activities) == ("p", 3)


def test_merges_chain_and_never_circle(journal: Journal) -> None:
    """When q is merged into p and p into r, all three are r; merging r into q after that changes nothing."""
    saids = {party: say(journal, party, party) for party in ("p", "q", "r")}
    for target, other in (("p", "q"), ("r", "p"), ("q", "r")):
        journal.commit(Entry(facts=(a_release(journal, "merge", target, saids["p"].match.id, other=other),)))
    assert {journal.live_party(party) for party in "pqr"} == {"r"}
    assert [standing.party for standing in journal.parties()] == ["r"]


def test_a_record_has_one_party(journal: Journal) -> None:
    """A CRM record that belongs to one party can't be tied to another one: the reading fails, and is made anew."""
    p, q = say(journal, "1", "p"), say(journal, "2", "q")
    journal.commit(Entry(facts=(a_reading(journal, "p", p.match.id, "77"),)))
    with pytest.raises(RecordTaken):
        journal.commit(Entry(facts=(a_reading(journal, "q", q.match.id, "77"),)))
    journal.commit(Entry(facts=(a_reading(journal, "q", q.match.id, "77", linked_by=""),)))
    assert journal.linked_party("local", "contact", "77") == "p"
    journal.commit(Entry(facts=(a_posting(journal, "q", q.match.id, "78"),)))
    assert journal.linked_party("local", "contact", "78") == "q"
    assert journal.linked_party("local", "contact", "79") is None


def test_a_merged_record_stays_with_its_party(journal: Journal) -> None:
    """When the CRM merges a record into another, the other one is the party's too."""
    said = say(journal, "1", "p")
    gone = replace(a_reading(journal, "p", said.match.id, "77"), gone=True, moved_to="80")
    journal.commit(Entry(facts=(journal.mint(gone),)))
    assert journal.linked_party("local", "contact", "80") == "p"


def test_spending_is_summed_per_day_of_a_zone(journal: Journal, clock: SetClock) -> None:
    """A day's costs are those of the day as the operator's time zone has it, and the sum is exact."""
    clock.at = NOON.replace(hour=22)
    for n in range(10):
        said = say(journal, str(n), "p")
        journal.commit(Entry(facts=(an_inference(journal, "p", [said.match], cost_usd=0.1),)))
        journal.commit(Entry(facts=(an_inference(journal, "p", [said.match], cost_usd=0.1),)))
    assert journal.spent_usd(date(2026, 3, 2)) == 1.0
    assert journal.spent_usd(date(2026, 3, 2), "Europe/Berlin") == 1.0
    assert journal.spent_usd(date(2026, 3, 3), "Asia/Kathmandu") == 1.0
    assert journal.spent_usd(date(2026, 3, 2), "Asia/Kathmandu") == 0.0
    assert journal.spent_usd(date(2026, 3, 3)) == 0.0


def test_alerts_are_open_until_a_later_fact_closes_them(journal: Journal) -> None:
    """Open alerts are listed by rank, each once, and a closing fact ends exactly the one it names."""
    said = say(journal, "1", "p")

    def alert(subject: str, rank: float, state: str = "open") -> Alert:
        because = (said.match.id,)
        return journal.mint(
            Alert(
                because=because, rule="silent", subject=subject, about="x", rank=rank, state=state, reason="r", at=NOON
            )
        )

    low, high = alert("p", 1.0), alert("q", 2.0)
    journal.commit(Entry(facts=(low, high)))
    assert journal.open_alerts() == [high, low]
    journal.commit(Entry(facts=(alert("q", 2.0, "closed"),)))
    assert journal.open_alerts() == [low]


def test_a_party_is_watched_until_its_time(journal: Journal) -> None:
    """A party that must be looked at again is found once its time has come."""
    say(journal, "1", "p")
    say(journal, "2", "q")
    journal.commit(Entry(watch_at={"p": NOON + timedelta(days=1), "q": NOON, "unknown": NOON}))
    assert journal.watch_due(NOON, 10) == ["q"]
    assert journal.watch_due(NOON + timedelta(days=1), 10) == ["q", "p"]
    say(journal, "3", "p")
    journal.commit(Entry(watch_at={"q": None}))
    assert journal.watch_due(NOON + timedelta(days=1), 10) == ["p"], "news leave the reminder where it was"


def test_parties_are_found_by_name_and_identifier(journal: Journal) -> None:
    """Whoever looks for a person finds them by part of a name or an address, in any case, and % is only a sign."""
    delivery = a_delivery(journal, "1")
    activity = an_activity(journal, delivery)
    match = a_match(journal, activity, "p", links=[email("ann_%")], name="Ann Ångström")
    journal.commit(Entry(facts=(delivery, activity, match)))
    say(journal, "2", "q", who="bob", minutes=1)
    for query in ("ångs", "ANN", "n_%@", "p"):
        assert [standing.party for standing in journal.parties(query)] == ["p"], query
    assert journal.parties("%x") == []
    assert [standing.party for standing in journal.parties()] == ["q", "p"]
    assert [standing.party for standing in journal.inbox(1)] == ["q"]
    assert journal.inbox(10, "review") == []


def test_channels_tell_when_they_were_last_heard(journal: Journal) -> None:
    """A channel that went quiet is seen by the time of its last delivery."""
    for minutes, channel in ((1, "mail"), (3, "web"), (2, "mail")):
        delivery = a_delivery(journal, str(minutes), channel=channel)
        journal.commit(Entry(facts=(replace(delivery, received_at=NOON + timedelta(minutes=minutes)),)))
    assert journal.last_seen() == {"mail": NOON + timedelta(minutes=2), "web": NOON + timedelta(minutes=3)}


def test_health_counts_what_is_open(journal: Journal) -> None:
    """The figures of the health page are those of the book."""
    say(journal, "1", "p")
    hold(journal, "2", Outcome.UNKNOWN)
    assert journal.counts() == {"facts": 6, "parties": 1, "pending": 1, "questions": 1, "alerts": 0}


def test_a_rebuilt_projection_equals_the_kept_one(journal: Journal, journal_url: str) -> None:
    """Every projection follows from the facts alone; seen to fail with reminders that aren't carried over."""
    test_a_merged_party_is_followed_everywhere(journal)
    test_what_waits_for_a_party_is_found_by_its_identifiers(journal)
    said = say(journal, "8", "s", who="dan")
    release = a_release(journal, "assign", "t", said.match.id, other="s", activities=[said.activity.id])
    late = a_match(journal, said.activity, "u")
    journal.commit(Entry(facts=(release, a_match(journal, said.activity, "t", links=[email("dan")], after=release.id))))
    journal.commit(Entry(facts=(late, an_inference(journal, "s", [said.match], 0.1))))
    journal.commit(Entry(watch_at={"t": NOON}))
    audio = {HEARD_BY: "whisper-1", AUDIO_MS: "4200", AUDIO_NANO_USD: "420000"}
    journal.commit(Entry(facts=(replace(a_delivery(journal, "voice"), headers=audio),)))
    kept = rows_of(journal_url)
    assert all(kept.values()), "each projection must hold something, or nothing is compared"
    assert journal.rebuild() == journal.counts()["facts"]
    assert rows_of(journal_url) == kept
