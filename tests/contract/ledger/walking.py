"""Promises about walking: L20 to L22. Every record once, as its history tells it, and looking changes nothing."""

import pytest

from sidecar.errors import ConfigError, UnsupportedFeature
from sidecar.model import AuthorKind, Source, Trail, Walked
from sidecar.ports import Create, Ledger
from tests.contract.ledger.crm import PAGES, Crm

SAME = {AuthorKind.PERSON: Source.PERSON, AuthorKind.US: Source.US}


class WalkingContract:
    """All records of a kind, with who wrote what."""

    def test_l20_a_walk_meets_every_record_once(self, crm: Crm) -> None:
        """L20: over several pages, also by cursors in another process; seeds: the cursor's record again, no cursor."""
        if not crm.ledger.capabilities.walk:
            with pytest.raises(UnsupportedFeature):
                crm.ledger.walk("contact", None, [])
            return
        wanted = crm.ledger.capabilities.batch_size + 5
        rows = [Create("company", crm.key(), crm.harness.sample("company")) for _ in range(wanted)]
        made = [result.record.ref for result in crm.ledger.write(rows)]  # type: ignore[union-attr]
        crm.harness.person_deletes("company", made[3])
        crm.harness.advance(crm.ledger.capabilities.search_lag_s)
        first = crm.ledger.walk("company", None, ["name"])
        assert first.cursor is not None, "it fits one page, so nothing is shown"
        assert first.total in (None, wanted - 1)
        trails = [*first.trails, *_rest(crm.harness.reopen(), "company", first)]
        assert sorted(trail.ref for trail in trails) == sorted({*made} - {made[3]})
        owner = rows[0].fields.get(crm.harness.owner_property) or ""
        assert {trail.owner for trail in trails} == {owner}, "each is told with its owner"

    def test_l20_an_empty_kind_ends_at_once(self, crm: Crm) -> None:
        """L20: nothing there is a walk as well, what isn't there raises; seed: a cursor for an empty page."""
        if not crm.ledger.capabilities.walk:
            return
        page = crm.ledger.walk("meeting", None, [])
        assert (page.trails, page.cursor) == ((), None)
        with pytest.raises(UnsupportedFeature):
            crm.ledger.walk("spaceship", None, [])
        with pytest.raises(ConfigError):
            crm.ledger.walk("contact", None, ["no_such_property"])

    def test_l21_a_walk_tells_what_the_history_tells(self, crm: Crm) -> None:
        """L21: the same edits and authors, sources that fit them, what is held, whose; seed: edits of all fields."""
        if not crm.ledger.capabilities.walk:
            return
        text, flag = crm.harness.property("ai_text"), crm.harness.property("ai_bool")
        made = crm.create(ai_text="one", ai_bool=False, ours={"ai_long": "unasked"})
        crm.harness.advance(60)
        crm.harness.person_edits("contact", made.ref, {text: "two"})
        crm.harness.advance(60)
        crm.harness.automation_edits("contact", made.ref, {text: "three"})
        bare = crm.create()
        crm.harness.advance(60)
        crm.harness.person_edits("contact", made.ref, {text: None})
        trails = {trail.ref: trail for trail in _all(crm.ledger, "contact", [text, flag])}
        told = trails[made.ref]
        assert [edit for edit, _ in told.edits] == list(
            crm.ledger.history("contact", [made.ref], [text, flag])[made.ref]
        )
        sources = [source for edit, source in told.edits if edit.field == text]
        assert [sources[0], sources[1], sources[3]] == [Source.US, Source.PERSON, Source.PERSON]
        assert sources[2] in (Source.AUTOMATION, Source.INTEGRATION)
        for edit, source in told.edits:
            assert (source in SAME.values()) == (edit.author.kind in SAME)
            assert SAME.get(edit.author.kind, source) == source
        assert told.held == {flag}, "cleared is not held, and false is no empty value"
        assert (trails[bare.ref].held, trails[bare.ref].edits) == (frozenset(), ())

    def test_l22_a_walk_changes_nothing(self, crm: Crm) -> None:
        """L22: no write is made and no version moves; seed: the walk touches what it reads."""
        if not crm.ledger.capabilities.walk:
            return
        made = crm.create(ai_text="one")
        before, writes = crm.read("contact", made.ref), crm.harness.calls()
        _all(crm.ledger, "contact", list(crm.ledger.schema("contact")))
        assert crm.harness.calls() == writes
        assert crm.read("contact", made.ref) == before


def _all(ledger: Ledger, kind: str, fields: list[str]) -> list[Trail]:
    first = ledger.walk(kind, None, fields)
    return [*first.trails, *_rest(ledger, kind, first, fields)]


def _rest(ledger: Ledger, kind: str, page: Walked, fields: list[str] | None = None) -> list[Trail]:
    found: list[Trail] = []
    for _ in range(PAGES):
        if page.cursor is None:
            return found
        page = ledger.walk(kind, page.cursor, fields or ["name"])
        found += page.trails
    raise AssertionError(f"the walk did not end within {PAGES} pages")
