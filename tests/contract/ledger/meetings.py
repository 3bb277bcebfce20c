"""Promises about meetings and late ties: L25, L26. An appointment is one record, and is found by its deal."""

from datetime import datetime, timedelta

import pytest

from sidecar.errors import RecordGone
from sidecar.model import Link, Value
from sidecar.ports import Create, Update
from tests.contract.ledger.crm import Crm, error, record

STATUSES = ("scheduled", "attended", "cancelled", "no_show")


def later(value: Value, days: int) -> str:
    """Return a meeting's time some days later."""
    return (datetime.fromisoformat(str(value)) + timedelta(days=days)).isoformat()


class MeetingContract:
    """What a CRM does with appointments."""

    def test_l25_a_meeting_is_moved_in_place(self, crm: Crm) -> None:
        """L25: both times move at once, to later and to earlier, nothing else does; seed: an update leaves `end`."""
        if not crm.ledger.capabilities.meetings:
            pytest.skip("no meetings")
        made = crm.create("meeting")
        for days in (2, -3):
            times = {name: later(made.fields[name], days) for name in ("start", "end")}
            moved = record(crm.ledger.write([Update("meeting", made.ref, times)])[0])
            for seen in (moved, crm.read("meeting", made.ref)):
                assert seen.ref == made.ref
                told = {name: seen.fields.get(name) for name in ("title", "start", "end", "status")}
                assert told == {"title": made.fields["title"], **times, "status": "scheduled"}

    def test_l25_how_a_meeting_stands_reads_back(self, crm: Crm) -> None:
        """L25: each status, and back to the first; title and times stay; seed: no_show kept as cancelled."""
        if not crm.ledger.capabilities.meetings:
            pytest.skip("no meetings")
        assert set(STATUSES) <= set(crm.ledger.schema("meeting")["status"].options)
        made = crm.create("meeting")
        for status in (*STATUSES[1:], STATUSES[0]):
            written = record(crm.ledger.write([Update("meeting", made.ref, {"status": status})])[0])
            for seen in (written, crm.read("meeting", made.ref)):
                assert {name: seen.fields.get(name) for name in ("title", "start", "end", "status")} == {
                    **{name: made.fields[name] for name in ("title", "start", "end")}, "status": status,
                }  # fmt: skip

    def test_l25_a_meeting_may_begin_in_any_state_and_be_renamed_in_any(self, crm: Crm) -> None:
        """L25: what was missed before we knew of it is made so, a new title leaves that; seed: it resets it."""
        if not crm.ledger.capabilities.meetings:
            pytest.skip("no meetings")
        for status in STATUSES:
            wanted = {**crm.harness.sample("meeting"), "status": status}
            made = record(crm.ledger.write([Create("meeting", crm.key(), wanted, crm.ties("meeting"))])[0])
            assert (made.fields["status"], made.fields["title"]) == (status, wanted["title"])
            renamed = record(crm.ledger.write([Update("meeting", made.ref, {"title": "Second visit"})])[0])
            assert (renamed.fields["status"], renamed.fields["title"]) == (status, "Second visit")

    def test_l25_a_meeting_is_found_by_its_contact_and_its_deal(self, crm: Crm) -> None:
        """L25: reps see it on both, where the CRM ties it to both; seed: only the first tie is kept."""
        if not crm.ledger.capabilities.meetings:
            pytest.skip("no meetings")
        contact, deal = crm.create(), crm.create("deal")
        ties = (Link("contact", contact.ref), Link("deal", deal.ref))
        made = record(crm.ledger.write([Create("meeting", crm.key(), crm.harness.sample("meeting"), ties)])[0])
        crm.harness.advance(crm.ledger.capabilities.search_lag_s)
        untied: frozenset[str] = getattr(crm.harness, "untied", frozenset())
        for tie in (tie for tie in ties if tie.kind not in untied):
            assert crm.linked("meeting", tie) == [made.ref]

    def test_l26_what_was_made_before_its_deal_is_tied_to_it_once(self, crm: Crm) -> None:
        """L26: its fields may change with it, a second time changes nothing, no other deal takes its place.

        Seeds: links of an update are dropped; they are added beside what stands.
        """
        contact, deal, other = crm.create(), crm.create("deal"), crm.create("deal")
        its = Link("contact", contact.ref)
        for kind in sorted({"note", "task", "meeting"} & crm.ledger.capabilities.kinds):
            made = record(crm.ledger.write([Create(kind, crm.key(), crm.harness.sample(kind), (its,))])[0])
            name = "body" if kind == "note" else "title"
            for fields, end in (({name: "Second visit"}, deal), ({}, deal), ({}, other)):
                ties = (Link("deal", end.ref),)
                tied = record(crm.ledger.write([Update(kind, made.ref, fields, links=ties)])[0])
                assert (tied.ref, tied.fields[name]) == (made.ref, "Second visit")
                assert _is_single(crm, kind) or Link("deal", deal.ref) in tied.links
            crm.harness.advance(crm.ledger.capabilities.search_lag_s)
            expected = [] if _is_single(crm, kind) else [made.ref]
            assert (crm.linked(kind, Link("deal", deal.ref)), crm.linked(kind, its)) == (expected, [made.ref])
            assert crm.linked(kind, Link("deal", other.ref)) == []

    def test_l26_a_tie_to_what_is_gone_is_told_and_its_neighbours_are_tied(self, crm: Crm) -> None:
        """L26: a deal that people deleted meanwhile is `RecordGone`, the row beside is done; seed: it is ignored."""
        contact, deal, gone = crm.create(), crm.create("deal"), crm.create("deal")
        its = (Link("contact", contact.ref),)
        made = [crm.ledger.write([Create("task", crm.key(), crm.harness.sample("task"), its)])[0] for _ in range(2)]
        crm.harness.person_deletes("deal", gone.ref)
        ties = [(Link("deal", end.ref),) for end in (gone, deal)]
        lost, tied = crm.ledger.write(
            [Update("task", record(one).ref, {}, links=tie) for one, tie in zip(made, ties, strict=True)]
        )
        assert isinstance(error(lost), RecordGone)
        crm.harness.advance(crm.ledger.capabilities.search_lag_s)
        expected = [] if _is_single(crm, "task") else [record(tied).ref]
        assert crm.linked("task", Link("deal", deal.ref)) == expected


def _is_single(crm: Crm, kind: str) -> bool:
    """Say whether a CRM ties a record of a kind to its person and to nothing else."""
    untied: frozenset[str] = getattr(crm.harness, "untied", frozenset())
    single: frozenset[str] = getattr(crm.harness, "single", frozenset())
    return "deal" in untied or kind in single
