"""The export: the whole book in an open format, and of one party nothing that is only another's."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.journal import Entry, Journal, export
from tests.support.books import run_sql
from tests.support.facts import (
    SetClock,
    a_delivery,
    a_match,
    a_release,
    an_activity,
    an_inference,
    email,
    say,
)


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    """An open book whose clock stands still."""
    with Journal.open(journal_url, clock=SetClock()) as journal:
        yield journal


def lines_of(journal: Journal, party: str | None = None) -> list[dict[str, Any]]:
    """The lines of an export, parsed."""
    written = list(export(journal, party))
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in written)
    return [json.loads(line) for line in written]


def test_an_export_holds_the_whole_book(journal: Journal) -> None:
    """Each fact is on one line, in order, with its causes, and its body and raw bytes match their hashes."""
    raw = bytes(range(256))
    delivery = a_delivery(journal, "1", raw)
    activity = an_activity(journal, delivery, "two\nlines \u2028 \U0001f600")
    match = a_match(journal, activity, "p", links=[email("ann")])
    journal.commit(Entry(facts=(delivery, activity, match, an_inference(journal, "p", [match])), texts={"h": "system"}))
    lines = lines_of(journal)
    facts, texts = lines[:4], lines[4:]
    assert [line["kind"] for line in facts] == ["delivery", "activity", "match", "inference"]
    assert [line["seq"] for line in facts] == [1, 2, 3, 4]
    assert [line["because"] for line in facts] == [[], [delivery.id], [activity.id], [match.id]]
    assert base64.b64decode(facts[0]["raw"]) == raw
    assert facts[0]["body"]["sha256"] == hashlib.sha256(raw).hexdigest()
    assert facts[1]["body"]["text"] == activity.text
    assert texts == [{"kind": "text", "sha256": "h", "body": "system"}]
    for line, written in zip(facts, export(journal), strict=False):
        body = written[written.index(b'"body":') + 7 :]
        assert any(hashlib.sha256(body[:end]).hexdigest() == line["sha256"] for end in range(len(body)))


def test_an_export_of_more_than_a_page_misses_nothing(journal: Journal) -> None:
    """Paging through the book neither skips nor repeats."""
    journal.commit(Entry(facts=[a_delivery(journal, str(n)) for n in range(450)]))
    assert [line["seq"] for line in lines_of(journal)] == list(range(1, 451))


def test_a_partys_export_holds_nothing_that_is_only_anothers(journal: Journal) -> None:
    """Words, addresses and bytes of another party are in no line; seen to fail with each condition left out."""
    mine = say(journal, "1", "p", "my words", who="ann")
    say(journal, "2", "q", "CANARY another's words", who="canary")
    taken = say(journal, "3", "p", "CANARY wrongly mine", who="canary2")
    release = a_release(journal, "assign", "q", taken.match.id, other="p", activities=[taken.activity.id])
    journal.commit(
        Entry(facts=(release, a_match(journal, taken.activity, "q", links=[email("canary2")], after=release.id)))
    )
    batch = a_delivery(journal, "4", b"CANARY and mine")
    both = [an_activity(journal, batch, text) for text in ("mine in a batch", "CANARY in a batch")]
    both[1] = journal.mint(replace(both[1], external_id="4b"))
    matches = [a_match(journal, both[0], "p"), a_match(journal, both[1], "q")]
    journal.commit(Entry(facts=(batch, *both, *matches, an_inference(journal, "p", [mine.match]))))
    written = b"".join(export(journal, "p"))
    assert b"CANARY" not in written
    assert b"canary" not in written
    assert base64.b64encode(b"CANARY and mine") not in written
    kinds = [line["kind"] for line in lines_of(journal, "p")]
    assert sorted(kinds) == ["activity"] * 2 + ["delivery"] * 2 + ["inference"] + ["match"] * 2
    [withheld] = [line for line in lines_of(journal, "p") if line.get("raw_withheld")]
    assert (withheld["id"], withheld["raw"]) == (batch.id, None)


def test_a_merged_partys_export_is_that_of_the_party_that_lives(journal: Journal) -> None:
    """Under either id one gets the facts of both."""
    one = say(journal, "1", "p")
    say(journal, "2", "q")
    journal.commit(Entry(facts=(a_release(journal, "merge", "p", one.match.id, other="q"),)))
    assert lines_of(journal, "q") == lines_of(journal, "p")
    assert len(lines_of(journal, "p")) == 7


def test_what_was_erased_is_named_and_empty(journal: Journal, journal_url: str) -> None:
    """An erased fact leaves its line, its causes and the reason, and not one word."""
    said = say(journal, "1", "p", "secret words")
    for fact in (said.delivery, said.activity):
        run_sql(journal_url, "INSERT INTO erased (fact_id, at, reason) VALUES (:id, 0, 'asked for')", id=fact.id)
        run_sql(journal_url, "DELETE FROM payload WHERE fact_id = :id", id=fact.id)
    line = lines_of(journal)[1]
    assert (line["id"], line["body"], line["erased"]) == (said.activity.id, None, "asked for")
    assert b"secret words" not in b"".join(export(journal))
    assert journal.faults() == []


def test_the_documentation_names_every_key(journal: Journal) -> None:
    """Whoever reads docs/export.md finds each key of a line explained."""
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    say(journal, "1", "p")
    keys = {key for line in lines_of(journal) for key in line} | {"erased", "raw_withheld"}
    assert [key for key in sorted(keys) if f"| `{key}` |" not in page] == []
