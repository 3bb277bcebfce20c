"""Promises about meetings: L25. An appointment is one record, whatever becomes of it."""

from datetime import datetime, timedelta

import pytest

from sidecar.model import Link, Value
from sidecar.ports import Create, Update
from tests.contract.ledger.crm import Crm, record

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
