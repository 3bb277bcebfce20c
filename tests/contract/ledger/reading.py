"""Promises about reading: L3, L4, L10, L12 to L19. Nothing is guessed, missed, or told as somebody else's."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sidecar.errors import ConfigError, PermanentError, RecordGone, UnsupportedFeature
from sidecar.model import AuthorKind, Edit, Gone, Identifier, Link, Value
from sidecar.ports import Create, FieldSpec, Update
from tests.contract.ledger.crm import PROPERTIES, Crm, error, record


class ReadingContract:
    """What is found, what is gone, who did it, and how the CRM is furnished."""

    def test_l3_a_record_is_found_by_each_identifier(self, crm: Crm) -> None:
        """L3: once the declared search lag is over, each identifier finds the record; seed: phones not indexed."""
        for kind, by in crm.harness.identifying.items():
            wanted = crm.harness.sample(kind)
            made = record(crm.ledger.write([Create(kind, crm.key(), wanted)])[0])
            identifiers = crm.identifiers(kind, wanted)
            assert len(identifiers) == len(by), f"the sample {kind} lacks an identifier"
            for identifier in identifiers:
                assert crm.find(kind, identifier) == [made.ref], identifier.kind

    def test_l3_a_changed_identifier_is_found_anew(self, crm: Crm) -> None:
        """L3: an address that a person replaced finds nothing, the new one does; seed: old identifiers kept."""
        before, after = crm.harness.sample("contact"), crm.harness.sample("contact")
        made = record(crm.ledger.write([Create("contact", crm.key(), before)])[0])
        crm.harness.person_edits("contact", made.ref, {name: after[name] for name in crm.identifying()})
        for old, new in zip(crm.identifiers("contact", before), crm.identifiers("contact", after), strict=True):
            assert crm.find("contact", old) == []
            assert crm.find("contact", new) == [made.ref]

    def test_l4_find_returns_none_one_or_all(self, crm: Crm) -> None:
        """L4: nobody, the one, or every candidate, each once; seed: the first candidate only."""
        phone = crm.harness.identifying["contact"]["phone"]
        ann, bob = crm.harness.sample("contact"), crm.harness.sample("contact")
        bob[phone] = ann[phone]
        refs = sorted(record(r).ref for r in crm.ledger.write([Create("contact", crm.key(), f) for f in (ann, bob)]))
        assert crm.find("contact") == []
        assert crm.find("contact", Identifier("email", "nobody@elsewhere.test")) == []
        assert crm.find("contact", Identifier("phone", str(ann[phone]))) == refs
        assert crm.find("contact", *crm.identifiers("contact", ann), *crm.identifiers("contact", bob)) == refs

    def test_l4_an_identifier_that_no_record_can_bear_finds_nothing(self, crm: Crm) -> None:
        """L4: a channel's own id is no error and no guess; seed: any kind matches by value alone."""
        made = crm.create()
        (email,) = (i.value for i in crm.identifiers("contact", made.fields) if i.kind == "email")
        assert crm.find("contact", Identifier("web:visitor", email)) == []

    def test_l10_a_deleted_record_is_gone(self, crm: Crm) -> None:
        """L10: what a person deleted reads as gone, isn't found or written to; seed: a deleted row stays live."""
        key = crm.key()
        made = crm.create(key=key)
        crm.harness.person_deletes("contact", made.ref)
        assert crm.ledger.read("contact", [made.ref]) == {made.ref: Gone("contact", made.ref)}
        assert crm.find("contact", *crm.identifiers("contact", made.fields)) == []
        refused = error(crm.update(made.ref, ai_text="too late"))
        assert isinstance(refused, RecordGone)
        assert refused.moved_to is None
        if crm.ledger.capabilities.unique_key:
            assert crm.ledger.find_by_key("contact", [key]) == {}

    def test_l10_a_record_that_never_was_is_gone(self, crm: Crm) -> None:
        """L10: a ref of nothing is answered, beside one of something; seed: unknown refs left out."""
        made = crm.create()
        never = made.ref + "999"
        found = crm.ledger.read("contact", [never, made.ref])
        assert found == {never: Gone("contact", never), made.ref: crm.read("contact", made.ref)}

    def test_l10_a_merged_record_leads_to_the_survivor(self, crm: Crm) -> None:
        """L10: a merged ref says where it moved to, through two merges as well; seed: `moved_to` not stored."""
        if not crm.ledger.capabilities.merges:
            pytest.skip("this CRM does not tell what a record was merged into")
        first, second, third = crm.create(), crm.create(), crm.create()
        middle = crm.harness.person_merges("contact", second.ref, first.ref)
        last = crm.harness.person_merges("contact", third.ref, middle)
        for ref in {first.ref, second.ref, middle, third.ref} - {last}:
            assert crm.ledger.read("contact", [ref]) == {ref: Gone("contact", ref, moved_to=last)}
            refused = error(crm.update(ref, ai_text="too late"))
            assert isinstance(refused, RecordGone)
            assert refused.moved_to == last
        for lost in (first, second, third):
            (email,) = (i for i in crm.identifiers("contact", lost.fields) if i.kind == "email")
            assert crm.find("contact", email) == [last]

    def test_l12_history_tells_authors_apart_oldest_first(self, crm: Crm) -> None:
        """L12: a person, an automation and we are told apart; seeds: all edits by US, newest first."""
        made = crm.create(ai_text="one", ai_number=1)
        text, number = crm.harness.property("ai_text"), crm.harness.property("ai_number")
        if not crm.ledger.capabilities.history:
            with pytest.raises(UnsupportedFeature):
                crm.ledger.history("contact", [made.ref], [text])
            return
        crm.harness.advance(60)
        crm.harness.person_edits("contact", made.ref, {text: "two"})
        crm.harness.advance(60)
        crm.harness.automation_edits("contact", made.ref, {text: "three"})
        crm.harness.advance(60)
        record(crm.update(made.ref, ai_text="four"))
        crm.harness.advance(60)
        crm.harness.person_edits("contact", made.ref, {text: None})
        other = crm.create(ai_text="other")
        edits = crm.ledger.history("contact", [made.ref, other.ref], [text])
        us, person, automation = AuthorKind.US, AuthorKind.PERSON, AuthorKind.AUTOMATION
        expected = [("one", us), ("two", person), ("three", automation), ("four", us), (None, person)]
        assert told(edits[made.ref]) == [(text, value, author) for value, author in expected]
        times = [edit.at for edit in edits[made.ref]]
        assert times == sorted(times)
        assert all(at.utcoffset() is not None for at in times)
        assert told(edits[other.ref]) == [(text, "other", us)]
        assert told(crm.ledger.history("contact", [made.ref], [number])[made.ref]) == [(number, 1, us)]

    def test_l13_the_change_feed_names_every_changed_record(self, crm: Crm) -> None:
        """L13: after a cursor, creations, edits, deletions and merges all appear; seed: deletions don't."""
        if not crm.ledger.capabilities.change_feed:
            with pytest.raises(UnsupportedFeature):
                crm.ledger.changed(None)
            return
        old, edited, deleted, kept, merged = (crm.create() for _ in range(5))
        start = crm.ledger.changed(None)
        assert ("contact", old.ref) not in start.refs
        crm.harness.advance(60)
        crm.harness.person_edits("contact", edited.ref, crm.ours({"ai_text": "typed"}))
        crm.harness.person_deletes("contact", deleted.ref)
        note = crm.create("note")
        expected = {("contact", edited.ref), ("contact", deleted.ref), ("note", note.ref)}
        if crm.ledger.capabilities.merges:
            survivor = crm.harness.person_merges("contact", kept.ref, merged.ref)
            expected |= {("contact", merged.ref), ("contact", survivor)}
        seen, end = crm.drain(start.cursor)
        assert expected <= seen
        assert ("contact", old.ref) not in seen
        crm.harness.advance(60)
        crm.harness.automation_edits("contact", old.ref, crm.ours({"ai_text": "by a workflow"}))
        assert ("contact", old.ref) in crm.drain(end.cursor)[0]

    def test_l13_a_lost_cursor_starts_now(self, crm: Crm) -> None:
        """L13: without a cursor the feed goes on from here, missing nothing from then; seed: None is the start."""
        if not crm.ledger.capabilities.change_feed:
            pytest.skip("this CRM declares no change feed")
        made = crm.create()
        crm.harness.advance(60)
        page = crm.ledger.changed(None)
        assert list(page.refs) == []
        crm.harness.advance(60)
        crm.harness.person_edits("contact", made.ref, crm.ours({"ai_text": "typed"}))
        assert ("contact", made.ref) in crm.drain(page.cursor)[0]

    def test_l14_provisioning_says_what_it_does_and_does_it_once(self, crm: Crm) -> None:
        """L14: a dry run tells and changes nothing, the second run has nothing to do; seed: `dry_run` writes."""
        spec = FieldSpec("ai_mood", "enum", "AI mood", options=("good", "bad"), ours=True)
        before = dict(crm.ledger.schema("deal"))
        told = list(crm.ledger.provision({"deal": [spec]}, True))
        assert any("ai_mood" in line for line in told)
        assert crm.ledger.schema("deal") == before
        assert list(crm.ledger.provision({"deal": [spec]}, False)) == told
        after = crm.ledger.schema("deal")
        made = after[crm.harness.property("ai_mood")]
        assert (made.type, made.options, made.label, made.ours) == ("enum", ("good", "bad"), "AI mood", True)
        assert {name: after[name] for name in before} == before
        assert list(crm.ledger.provision({"deal": [spec]}, False)) == []
        assert crm.ledger.schema("deal") == after

    def test_l14_provisioning_adds_options_and_never_takes_any(self, crm: Crm) -> None:
        """L14: what a record may hold today it may hold tomorrow; seed: options replaced."""
        made = crm.create(ai_enum="low")
        lines = crm.ledger.provision({"contact": [replace(PROPERTIES[2], options=("high", "urgent"))]}, False)
        assert len(lines) == 1
        assert set(crm.ledger.schema("contact")[crm.harness.property("ai_enum")].options) == {"low", "high", "urgent"}
        assert crm.value(made.ref, "ai_enum") == "low"
        record(crm.update(made.ref, ai_enum="urgent"))

    def test_l14_a_property_of_another_type_is_the_operators(self, crm: Crm) -> None:
        """L14: a property is never turned into another, and none is made beside it; seed: types not compared."""
        wanted = [FieldSpec("ai_new", "text", ours=True), FieldSpec("ai_text", "number", ours=True)]
        before = crm.ledger.schema("contact")
        with pytest.raises(ConfigError, match="ai_text"):
            crm.ledger.provision({"contact": wanted}, False)
        assert crm.ledger.schema("contact") == before

    def test_l18_what_was_provisioned_is_taken_away_and_nothing_else(self, crm: Crm) -> None:
        """L18: only the properties named go, once, told beforehand; seeds: `dry_run` removes, native ones removed."""
        made = crm.create(ai_text="inferred", ai_number=7)
        native = next(name for name, spec in crm.ledger.schema("contact").items() if not spec.ours)
        wanted = {"contact": [PROPERTIES[0], FieldSpec(native, "text"), FieldSpec("ai_never", "text", ours=True)]}
        told = list(crm.ledger.deprovision(wanted, True))
        assert crm.value(made.ref, "ai_text") == "inferred"
        assert any("ai_text" in line for line in told)
        assert list(crm.ledger.deprovision(wanted, False)) == told
        left = crm.ledger.schema("contact")
        assert crm.harness.property("ai_text") not in left
        assert {native, crm.harness.property("ai_number")} <= set(left)
        assert crm.value(made.ref, "ai_number") == 7
        assert list(crm.ledger.deprovision(wanted, False)) == []
        crm.ledger.provision({"contact": PROPERTIES}, False)
        assert crm.value(made.ref, "ai_text") is None, "a property that is made again begins empty"

    def test_l19_automations_are_told_or_unsupported(self, crm: Crm) -> None:
        """L19: what would act upon our writes is listed, or declared unreadable; seed: an empty list for unreadable."""
        asked = {"contact": [crm.harness.property("ai_text")]}
        if not crm.ledger.capabilities.automations:
            with pytest.raises(UnsupportedFeature):
                crm.ledger.automations(asked)
            return
        assert list(crm.ledger.automations(asked)) == []

    def test_l15_associated_records_are_found(self, crm: Crm) -> None:
        """L15: a creation's links lead there and back; seed: links stored from one end only."""
        ann, bob = crm.create(), crm.create()
        first, second, other = (
            record(
                crm.ledger.write([Create("deal", crm.key(), crm.harness.sample("deal"), (Link("contact", c.ref),))])[0]
            )
            for c in (ann, ann, bob)
        )
        assert sorted(crm.linked("deal", Link("contact", ann.ref))) == sorted([first.ref, second.ref])
        assert crm.linked("contact", Link("deal", other.ref)) == [bob.ref]
        assert crm.linked("note", Link("contact", ann.ref)) == []
        assert Link("contact", ann.ref) in crm.read("deal", first.ref).links
        crm.harness.person_deletes("deal", first.ref)
        assert crm.linked("deal", Link("contact", ann.ref)) == [second.ref]
        crm.harness.person_deletes("contact", bob.ref)
        links = [Link("contact", ann.ref), Link("contact", bob.ref)]
        by = crm.ledger.linked("deal", links)
        assert {link: [r.ref for r in found] for link, found in by.items()} == {links[0]: [second.ref]}

    def test_l15_an_association_with_nothing_is_refused(self, crm: Crm) -> None:
        """L15: a note for a contact that is gone isn't left lying about; seed: links not checked."""
        ann = crm.create()
        crm.harness.person_deletes("contact", ann.ref)
        note = Create("note", "unmade", crm.harness.sample("note"), (Link("contact", ann.ref),))
        assert isinstance(error(crm.ledger.write([note])[0]), RecordGone)
        if crm.ledger.capabilities.unique_key:
            assert crm.ledger.find_by_key("note", ["unmade"]) == {}

    def test_l16_every_stage_that_is_listed_can_be_written(self, crm: Crm) -> None:
        """L16: pipelines and stages are listed by the ids that a write takes; seed: labels in place of ids."""
        pipelines = crm.ledger.pipelines()
        assert pipelines
        for pipeline in pipelines:
            assert pipeline.stages
            for stage, label in pipeline.stages:
                assert label
                place = {crm.harness.pipeline_property: pipeline.ref, crm.harness.stage_property: stage}
                wanted = {**crm.harness.sample("deal"), **place}
                held = record(crm.ledger.write([Create("deal", crm.key(), wanted)])[0]).fields
                assert {name: held.get(name) for name in place} == place

    def test_l16_every_owner_that_is_listed_can_be_written(self, crm: Crm) -> None:
        """L16: owners are listed by the ref that a write takes, and no other is taken; seed: e-mail in place of ref."""
        if not crm.ledger.capabilities.owners:
            with pytest.raises(UnsupportedFeature):
                crm.ledger.owners()
            return
        owners = crm.ledger.owners()
        assert owners
        name, made = crm.harness.owner_property, crm.create("deal")
        for ref, email in owners.items():
            assert "@" in email
            written = record(crm.ledger.write([Update("deal", made.ref, {name: ref})])[0])
            assert written.fields.get(name) == ref
        assert isinstance(error(crm.ledger.write([Update("deal", made.ref, {name: "nobody"})])[0]), PermanentError)

    def test_l17_the_account_is_told_and_stays(self, crm: Crm) -> None:
        """L17: the journal can bind itself to the account, and all is well with it; seed: an account per instance."""
        account = crm.ledger.account()
        assert account
        assert crm.harness.reopen().account() == account == crm.ledger.account()
        assert list(crm.ledger.check()) == []

    def test_l17_what_was_written_is_there_after_a_restart(self, crm: Crm) -> None:
        """L17: a confirmed write is the account's, not this process's; seed: a write that isn't committed."""
        key = crm.key()
        made = crm.create(key=key, ai_text="kept")
        again = crm.harness.reopen()
        assert again.read("contact", [made.ref]) == {made.ref: crm.read("contact", made.ref)}
        assert record(again.write([Create("contact", key, crm.harness.sample("contact"))])[0]).ref == made.ref


def told(edits: Sequence[Edit]) -> list[tuple[str, Value, AuthorKind]]:
    """Return edits without their times and names."""
    return [(edit.field, edit.value, edit.author.kind) for edit in edits]
