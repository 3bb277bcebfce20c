"""The book: what is written is there, once, with its causes, unchanged, or not at all."""

import math
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from sidecar.errors import ConfigError, PermanentError
from sidecar.journal import CursorSet, Entry, Journal
from sidecar.model import WorkKey, WorkKind
from tests.support.books import run_sql
from tests.support.facts import NOON, SetClock, a_delivery, a_match, a_posting, an_activity, an_inference, say


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    """An open book whose clock stands still."""
    with Journal.open(journal_url, clock=SetClock()) as journal:
        yield journal


def test_a_fact_reads_back_as_it_was_written(journal: Journal) -> None:
    """What comes out of the book equals what went in, the raw bytes of a delivery included."""
    raw = bytes(range(256)) * 3
    delivery = a_delivery(journal, "1", raw)
    activity = an_activity(journal, delivery, "Grüße \u0000 \U0001f600")
    receipt = journal.commit(Entry(facts=(delivery, activity)))
    assert receipt.new == {delivery.id, activity.id}
    assert receipt.seq == 2
    assert journal.get(delivery.id) == delivery
    assert journal.raw(delivery.id) == raw
    assert journal.get_many([activity.id, "nothing"]) == {activity.id: activity}
    assert journal.get("nothing") is None


@pytest.mark.parametrize("value", ["1", 1, 1.0, 10**30, True, False, None, "2026-01-01", ""])
def test_a_crm_value_keeps_its_type(journal: Journal, value: str | int | float | bool | None) -> None:
    """A number is never read back as a text, nor a flag as a number."""
    said = say(journal, "1", "p")
    posting = a_posting(journal, "p", said.match.id, "r", value)
    journal.commit(Entry(facts=(posting,)))
    found = journal.get(posting.id)
    assert found == posting
    assert type(getattr(found, "value", ...)) is type(value)


def test_the_same_fact_twice_is_one_fact(journal: Journal) -> None:
    """However often a fact comes, within an entry or later, the book holds it once and says so."""
    delivery = a_delivery(journal, "1")
    first = journal.commit(Entry(facts=(delivery, delivery)))
    again = journal.commit(Entry(facts=(delivery,)))
    assert first.new == {delivery.id}
    assert (again.new, again.seq) == (frozenset(), 0)
    assert list(journal.facts()) == [replace(delivery, raw=b"")]


def test_facts_are_read_in_the_order_of_the_book(journal: Journal) -> None:
    """Paging by kind, party and place returns each fact once, in the order in which it was written."""
    saids = [say(journal, str(n), "p" if n % 2 else "q") for n in range(6)]
    assert [fact.id for fact in journal.facts(kinds=["match"], party="p")] == [
        s.match.id for s in saids if s.match.party == "p"
    ]
    places = [written.seq for written in journal.written()]
    assert places == list(range(1, 19))
    assert [w.fact.id for w in journal.written(after=17)] == [saids[5].match.id]
    assert [w.fact.KIND for w in journal.written(limit=3)] == ["delivery", "activity", "match"]
    assert all(w.recorded_at == NOON for w in journal.written())


def test_causes_and_effects_lead_both_ways(journal: Journal) -> None:
    """From any fact one can walk back to the bytes and forward to what followed."""
    said = say(journal, "1", "p")
    inference = an_inference(journal, "p", [said.match])
    journal.commit(Entry(facts=(inference,)))
    assert journal.causes(inference.id) == [said.match]
    assert journal.causes(said.match.id) == [said.activity]
    assert journal.effects(said.activity.id) == [said.match]
    assert journal.effects(said.match.id, "inference") == [inference]
    assert journal.effects(said.match.id, "claim") == []
    assert journal.causes(said.delivery.id) == []


def test_a_fact_without_a_cause_is_refused(journal: Journal) -> None:
    """Only a delivery may follow from nothing; the refusal names the kind."""
    delivery = a_delivery(journal, "1")
    orphan = replace(an_activity(journal, delivery), because=())
    with pytest.raises(PermanentError, match="activity"):
        journal.commit(Entry(facts=(delivery, orphan)))
    assert list(journal.facts()) == []


def test_a_fact_with_an_unknown_cause_is_refused_whole(journal: Journal) -> None:
    """An entry is written whole or not at all, so an unknown cause keeps its neighbours and touches out too."""
    delivery = a_delivery(journal, "1")
    orphan = an_activity(journal, a_delivery(journal, "never written"))
    key = WorkKey(WorkKind.PARSE, delivery.id)
    with pytest.raises(PermanentError, match="activity follows from"):
        journal.commit(Entry(facts=(delivery, orphan), parks=((key, "x"),), meta={"a": "b"}))
    assert list(journal.facts()) == []
    assert journal.work() == []
    assert journal.meta("a") is None


def test_a_fact_that_was_not_minted_is_refused(journal: Journal) -> None:
    """A fact without an id can't be told from another, so it never enters the book."""
    with pytest.raises(PermanentError, match="mint"):
        journal.commit(Entry(facts=(replace(a_delivery(journal, "1"), id=""),)))


def test_what_could_not_be_read_back_is_refused(journal: Journal) -> None:
    """Half a surrogate pair and a number that is not finite are refused at the door; words like NaN are just words."""
    delivery = a_delivery(journal, "1")
    good = an_activity(journal, delivery, "NaN and Infinity")
    journal.commit(Entry(facts=(delivery, good)))
    with pytest.raises(PermanentError, match="Unicode"):
        journal.commit(Entry(facts=(an_activity(journal, delivery, "\ud800"),)))
    match = a_match(journal, good, "p")
    journal.commit(Entry(facts=(match,)))
    for number in (math.nan, math.inf):
        with pytest.raises(PermanentError, match="finite"):
            journal.commit(Entry(facts=(a_posting(journal, "p", match.id, "r", number),)))


def test_a_key_that_one_database_would_refuse_is_refused_by_both(journal: Journal) -> None:
    """A NUL or an endless id parks its delivery on either database, with the same words."""
    for key in ("a\u0000b", "é" * 600):
        delivery = a_delivery(journal, "1")
        with pytest.raises(PermanentError, match="NUL or more than"):
            journal.commit(Entry(facts=(delivery, replace(an_activity(journal, delivery), external_id=key))))
    with pytest.raises(PermanentError, match="broken Unicode"):
        journal.commit(Entry(parks=((WorkKey(WorkKind.PARTY, "\ud800"), "x"),)))


def test_a_reason_is_kept_whatever_it_holds(journal: Journal) -> None:
    """An error's text that no database takes as it is must not keep poison from being parked."""
    journal.commit(Entry(parks=((WorkKey(WorkKind.PARTY, "p"), "bad \u0000\ud800" + "x" * 9000),)))
    journal.pause("ledger", "\u0000why")
    [row] = journal.work("parked")
    assert (row.parked_reason or "")[:6] == "bad ?x"
    assert len(row.parked_reason or "") <= 2000
    assert journal.paused()["ledger"].reason == "why"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fact SET party = 'other'",
        "DELETE FROM fact",
        "UPDATE because SET effect_kind = 'x'",
        "DELETE FROM because",
        "UPDATE payload SET part = 'x'",
        "DELETE FROM payload",
        "UPDATE text SET sha256 = 'x'",
        "DELETE FROM text",
    ],
)
def test_nothing_in_the_book_can_be_changed(journal_url: str, statement: str) -> None:
    """The database itself refuses to change or remove what was written; seen to fail without the triggers."""
    with Journal.open(journal_url) as journal:
        say(journal, "1", "p")
        journal.commit(Entry(texts={"0": "system"}))
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            run_sql(journal_url, statement)


def test_a_payload_may_go_only_after_its_erasure_is_written_down(journal_url: str) -> None:
    """Erasing leaves a mark and the skeleton, so the chain of causes stays whole while the words are gone."""
    with Journal.open(journal_url) as journal:
        said = say(journal, "1", "p")
        run_sql(journal_url, "INSERT INTO erased (fact_id, at, reason) VALUES (:id, 0, 'test')", id=said.activity.id)
        run_sql(journal_url, "DELETE FROM payload WHERE fact_id = :id", id=said.activity.id)
        assert journal.get(said.activity.id) is None
        assert journal.get(said.match.id) == said.match
        assert journal.pending("p", 10) == []


def test_damage_is_named_never_used(journal_url: str) -> None:
    """A flipped bit in a body or in raw bytes is noticed when it is read; seen to fail without the hashes."""
    with Journal.open(journal_url) as journal:
        said = say(journal, "1", "p")
    _without_guard(journal_url)
    run_sql(journal_url, "UPDATE payload SET body = :b WHERE part = 'raw'", b=b"Hellp")
    body = b'{"id": "forged"}'
    run_sql(journal_url, "UPDATE payload SET body = :b WHERE part = 'body' AND fact_id = :id", b=body, id=said.match.id)
    with Journal.open(journal_url) as journal:
        with pytest.raises(PermanentError, match="damaged"):
            journal.raw(said.delivery.id)
        with pytest.raises(PermanentError, match="damaged"):
            journal.get(said.match.id)


def _without_guard(url: str) -> None:
    if url.startswith("sqlite"):
        run_sql(url, "DROP TRIGGER payload_no_update")
    else:
        run_sql(url, "DROP TRIGGER payload_no_change ON payload")


def test_ids_belong_to_one_journal(tmp_path: Path) -> None:
    """The same delivery has another id in another book, so an erased text can't be guessed from its id."""
    with (
        Journal.open("sqlite:///a.db", base=tmp_path) as one,
        Journal.open("sqlite:///b.db", base=tmp_path) as other,
    ):
        assert a_delivery(one, "1").id != a_delivery(other, "1").id


def test_the_key_and_the_birthday_stay(journal_url: str) -> None:
    """A book that is opened again mints the same ids and remembers when it was installed."""
    clock = SetClock()
    with Journal.open(journal_url, clock=clock) as journal:
        held = a_delivery(journal, "1").id
        assert journal.installed_at == NOON
    clock.move(3600)
    with Journal.open(journal_url, clock=clock) as journal:
        assert a_delivery(journal, "1").id == held
        assert journal.installed_at == NOON
        with pytest.raises(PermanentError, match="hmac_key"):
            journal.set_meta("hmac_key", "00")


def test_cursors_texts_settings_and_brakes_are_kept(journal_url: str) -> None:
    """What an installation must remember survives closing: cursors, long texts, settings, pauses."""
    with Journal.open(journal_url, clock=SetClock()) as journal:
        journal.commit(
            Entry(
                cursors=(CursorSet("mail", "poll", {"uid": 7}), CursorSet("mail", "poll", {"uid": 9, "x": ["ü"]})),
                texts={"hash": "long words\u0000"},
                meta={"k": "v"},
            )
        )
        journal.commit(Entry(texts={"hash": "long words\u0000"}, meta={"k": "w"}))
        journal.pause("ledger", "too many changes")
    with Journal.open(journal_url, clock=SetClock()) as journal:
        assert journal.cursor("mail", "poll") == {"uid": 9, "x": ["ü"]}
        assert journal.cursor("mail", "backfill") is None
        assert journal.text("hash") == "long words\u0000"
        assert journal.text("other") is None
        assert journal.meta("k") == "w"
        assert {p.scope: (p.reason, p.since) for p in journal.paused().values()} == {
            "ledger": ("too many changes", NOON)
        }
        assert journal.resume("ledger")
        assert not journal.resume("ledger")
        assert journal.paused() == {}


def test_without_a_clock_the_database_tells_the_time(journal_url: str) -> None:
    """Times are aware and never run backwards, whoever's clock it is."""
    with Journal.open(journal_url) as journal:
        times = [journal.now() for _ in range(20)]
    assert times == sorted(times)
    assert all(at.utcoffset() == NOON.utcoffset() for at in times)


def test_a_naive_time_is_refused(journal: Journal) -> None:
    """A time without a zone means nothing and never enters the book."""
    delivery = a_delivery(journal, "1")
    naive = replace(an_activity(journal, delivery), at=datetime(2026, 1, 1))  # noqa: DTZ001  # that is the point
    with pytest.raises(PermanentError, match="time zone"):
        journal.commit(Entry(facts=(delivery, naive)))


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "nonsense", "oracle+x://h"])
def test_a_url_that_can_not_hold_a_book_is_the_operators_to_mend(url: str, tmp_path: Path) -> None:
    """Whoever mistypes the journal's URL is told the setting's name."""
    with pytest.raises(ConfigError, match=r"journal\.url"):
        Journal.open(url, base=tmp_path)


def test_a_server_that_does_not_answer_is_the_operators_to_mend(tmp_path: Path) -> None:
    """A wrong PostgreSQL address refuses to start, naming the setting and no password."""
    with pytest.raises(ConfigError, match=r"journal\.url") as caught:
        Journal.open(f"postgresql://u:secret@/x?host={tmp_path}")
    assert "secret" not in str(caught.value)


def test_the_file_is_private_and_relative_to_its_base(tmp_path: Path) -> None:
    """Conversations are nobody else's: the file, its side files and its folders are readable by their owner alone."""
    with Journal.open("sqlite:///data/journal.db", base=tmp_path) as journal:
        say(journal, "1", "p")
        found = sorted(tmp_path.rglob("*"))
        assert tmp_path / "data" / "journal.db" in found
        assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in found), found
