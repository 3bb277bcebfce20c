"""Bookings become native meetings: made once, moved and called off in place, a rep's time kept, no model waited for."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.crms.local.ledger import OUR_STAGES
from sidecar.app.ladder import Move
from sidecar.app.readiness import wanted_properties
from sidecar.explain import explain, nodes
from sidecar.model import Activity, Mode, Record, Value
from sidecar.pipeline.brakes import pause
from sidecar.pipeline.intake import UNREAD_S
from sidecar.pipeline.rollback import batch, rollback
from tests.contract.test_channel_caldav import ics
from tests.e2e.test_calendar import drop
from tests.support.houses import House, op, says

RULES = (
    says("12 people", op("stage", "qualified", "for 12 people")),
    says("created for", op("stage", "booked", "created for")),
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A whole sidecar with the local CRM."""
    with House(tmp_path, "sqlite:///journal.db", *RULES) as opened:
        yield opened.start()


def ahead(house: House, hours: float = 72) -> datetime:
    """A whole minute so many hours ahead."""
    return (house.clock() + timedelta(hours=hours)).replace(second=0, microsecond=0)


def book(
    house: House, what: str, begins: datetime, *, at: datetime | None = None, id: str = "bk-1", **more: Any
) -> str:
    """The booking system tells of an appointment of Ann's."""
    data = {"booking_id": id, "customer": {"email": "ann@x.test", "name": "Ann"}, "start": begins.isoformat(), **more}
    if what == "moved":
        data.setdefault("previous_start", (begins - timedelta(days=1)).isoformat())
    return house.post(f"booking.{what}", data, at=at)


def after(house: House, seconds: float = 60) -> Record:
    """Do all that is due, let time pass, and return the one meeting."""
    house.work()
    (meeting,) = house.records("meeting")
    house.clock.move(seconds)
    return meeting


def typed(house: House, ref: str, **fields: Value) -> None:
    """A rep changes a meeting in the CRM."""
    house.app.ledger.edit("meeting", ref, fields)  # type: ignore[attr-defined]  # the local ledger has screens
    house.clock.move(60)


def test_a_booking_becomes_a_meeting_tied_to_its_contact_and_deal(house: House) -> None:
    """Time, title and ties are there, and each value leads back to the booking's bytes; seen to fail without ties."""
    house.hear("We want a training day for 12 people")
    begins = ahead(house)
    delivery = book(house, "created", begins, title="Training day", timezone="Europe/London")
    meeting = after(house)
    assert meeting.fields["start"] == begins.isoformat()
    assert meeting.fields["end"] == (begins + timedelta(minutes=30)).isoformat()
    assert (meeting.fields["status"], meeting.fields["title"]) == ("scheduled", "Training day")
    assert "System: “Booking bk-1 created for" in str(meeting.fields["body"])
    assert sorted(link.kind for link in meeting.links) == ["contact", "deal"]
    told = explain(house.journal, "local", house.app.policy, f"meeting:{meeting.ref}", "start")
    found = {node.kind: node.id for node in nodes(told.chain)}
    assert {"posting", "change", "match", "activity", "delivery"} <= found.keys()
    assert found["delivery"] == delivery


def test_a_booking_that_is_moved_called_off_or_missed_changes_its_own_meeting(house: House) -> None:
    """One booking is one meeting, whatever becomes of it; seen to fail with a key made of the time."""
    book(house, "created", ahead(house))
    first = after(house)
    later = ahead(house, 96)
    book(house, "moved", later)
    moved = after(house)
    assert (moved.ref, moved.fields["start"], moved.fields["status"]) == (first.ref, later.isoformat(), "scheduled")
    assert moved.fields["end"] == (later + timedelta(minutes=30)).isoformat()
    book(house, "no_show", later)
    assert after(house).fields["status"] == "no_show"
    again = ahead(house, 120)
    book(house, "moved", again)
    assert after(house).fields["status"] == "scheduled", "another time, another chance"
    book(house, "cancelled", again)
    off = after(house)
    assert (off.fields["status"], off.fields["start"]) == ("cancelled", again.isoformat())


def test_news_that_come_out_of_order_leave_what_is_newest(house: House) -> None:
    """The order in which things were said counts, not that of the deliveries; seen to fail by the order of arrival."""
    said = house.clock()
    house.clock.move(7200)
    later = ahead(house, 96)
    book(house, "moved", later, at=said + timedelta(minutes=30))
    house.work()
    book(house, "created", ahead(house), at=said)
    assert after(house).fields["start"] == later.isoformat()
    book(house, "cancelled", later, at=said + timedelta(minutes=50))
    house.work()
    book(house, "moved", ahead(house, 48), at=said + timedelta(minutes=40))
    assert after(house).fields["status"] == "cancelled"


def test_a_meeting_that_was_kept_and_booked_anew_can_be_called_off_in_any_order(house: House) -> None:
    """Nobody calls off what took place, but the next time of the same booking; seen to fail as attended for good."""
    book(house, "created", ahead(house))
    after(house)
    book(house, "attended", ahead(house))
    assert after(house).fields["status"] == "attended"
    book(house, "cancelled", ahead(house, 71.9667))
    kept = after(house)
    again = ahead(house, 120)
    book(house, "cancelled", again, at=house.clock() + timedelta(seconds=2))
    house.resolve()
    book(house, "moved", again)
    off = after(house)
    assert (kept.ref, off.fields["start"], off.fields["status"]) == (off.ref, again.isoformat(), "cancelled")


def test_what_is_called_off_before_it_was_made_is_not_made(house: House) -> None:
    """A burst of made and called off leaves nothing in the CRM; seen to fail as a cancelled meeting."""
    book(house, "created", ahead(house))
    book(house, "cancelled", ahead(house), at=house.clock() + timedelta(seconds=1))
    house.work()
    assert not house.records("meeting")


def test_a_rep_who_moves_a_meeting_keeps_that_time_until_the_customer_moves_it(house: House) -> None:
    """What was said before the edit moves nothing, neither start nor end; what is said after it does."""
    book(house, "created", ahead(house))
    meeting = after(house)
    early, late, said = ahead(house, 24), ahead(house, 96), house.clock() - timedelta(seconds=30)
    typed(house, meeting.ref, start=early.isoformat())
    book(house, "moved", late, at=said)
    kept = after(house)
    assert kept.fields["start"] == early.isoformat()
    assert kept.fields["end"] == meeting.fields["end"], "half of a move would be none; seen to fail by itself"
    book(house, "cancelled", late)
    off = after(house)
    assert (off.fields["start"], off.fields["status"]) == (early.isoformat(), "cancelled"), "field by field"
    newest = ahead(house, 120)
    book(house, "moved", newest)
    assert after(house).fields["start"] == newest.isoformat()


def test_what_a_rep_renames_or_deletes_stays_so(house: House) -> None:
    """A title is a person's for good once changed, and a deleted meeting is not made again."""
    book(house, "created", ahead(house), title="Visit")
    meeting = after(house)
    typed(house, meeting.ref, title="Visit, with the plans")
    book(house, "moved", ahead(house, 96), title="Visit")
    assert after(house).fields["title"] == "Visit, with the plans"
    house.app.ledger.delete("meeting", meeting.ref)  # type: ignore[attr-defined]
    book(house, "moved", ahead(house, 120))
    house.work()
    assert not house.records("meeting")


def test_only_our_sides_word_makes_a_meeting(house: House) -> None:
    """A customer's invitation makes none until we agree; seen to fail with every invitation taken for a meeting."""
    house.mail("Ann Lee <ann@x.test>", "We want a training day for 12 people")
    house.poll()
    drop(house, "yes", "ann@x.test", "REPLY", answer="ACCEPTED")
    house.poll()
    meeting = after(house)
    assert meeting.fields["start"] == house.activity("meeting-1").attributes["start"]
    event = (
        ics("theirs", ahead(house)).replace(b"ann@example.org", b"ann@x.test").replace(b"anna@ours.test", b"b@x.test")
    )
    (house.folder / "drop" / "theirs.ics").write_bytes(event)
    house.poll()
    assert len(house.records("meeting")) == 1


def test_a_booking_and_its_calendar_entry_are_one_meeting(house: House) -> None:
    """Two systems that tell of the same hour make one meeting, which both may move; seen to fail as two."""
    begins = ahead(house)
    book(house, "created", begins)
    house.work()
    (house.folder / "drop" / "ours.ics").write_bytes(accepted("in-our-calendar", begins))
    house.poll()
    after(house)
    book(house, "cancelled", begins)
    assert after(house).fields["status"] == "cancelled"


def accepted(uid: str, begins: datetime) -> bytes:
    """An entry of our calendar that Ann has accepted."""
    event = ics(uid, begins).replace(b"NEEDS-ACTION", b"ACCEPTED")
    return event.replace(b"ann@example.org", b"ann@x.test")


def test_that_its_time_has_passed_says_nothing_of_a_meeting(house: House) -> None:
    """Held as planned is no attendance; who came is said by the booking system. Seen to fail as attended."""
    house.hear("We want a training day for 12 people")
    entry = accepted("visit", ahead(house, 2))
    (house.folder / "drop" / "before.ics").write_bytes(entry)
    house.poll()
    after(house, 6 * 3600)
    (house.folder / "drop" / "after.ics").write_bytes(entry.replace(b"SUMMARY:Offer", b"SUMMARY:Offer "))
    house.poll()
    told = [
        a.attributes.get("status") for a in house.facts("activity") if isinstance(a, Activity) and a.thread == "visit"
    ]
    assert told == ["accepted", "held_as_planned"]
    assert after(house).fields["status"] == "scheduled"


def test_what_was_over_long_ago_is_not_made(house: House) -> None:
    """Years of bookings that are read anew fill no timeline; seen to fail without the bound."""
    late = ahead(house, -24)
    book(house, "created", ahead(house, -30 * 24), at=house.clock() - timedelta(days=31))
    book(house, "created", late, at=house.clock() - timedelta(days=2), id="bk-2")
    assert after(house).fields["start"] == late.isoformat()


@pytest.mark.parametrize(("mode", "made"), [("shadow", 0), ("suggest", 1)])
def test_the_mode_holds_for_meetings(tmp_path: Path, mode: str, made: int) -> None:
    """In shadow nothing is written; from suggest on meetings are, as notes and tasks are, for a contact in the CRM."""
    with House(tmp_path, "sqlite:///journal.db", *RULES) as house:
        text = (tmp_path / "config.toml").read_text().replace('mode = "auto"', f'mode = "{mode}"')
        (tmp_path / "config.toml").write_text(text)
        house.restart()
        house.start()
        house.app.ledger.create_by_person("contact", {"name": "Ann", "email": "ann@x.test"})  # type: ignore[attr-defined]
        book(house, "created", ahead(house))
        house.work()
        assert len(house.records("meeting")) == made


def test_a_booking_waits_for_no_model(house: House) -> None:
    """While the model is paused the meeting is in the CRM within half a minute; seen to fail with the reading first."""
    house.app.wait = True
    pause(house.journal, "llm", "out of order")
    book(house, "created", ahead(house))
    house.app.worker.run_until_idle(wait=True, timeout_s=60.0)
    assert not house.records("meeting"), "a deal may come of the reading"
    house.clock.move(UNREAD_S + 1)
    house.app.worker.run_until_idle(wait=True, timeout_s=60.0)
    assert len(house.records("meeting")) == 1
    assert house.journal.work("due") or house.journal.work("waiting"), "the reading is still to come"


def test_a_booking_and_a_meeting_skip_the_quiet_period_and_what_follows_does(tmp_path: Path) -> None:
    """Door to CRM without time passing, in the middle of a lively talk; an old calendar entry waits for quiet."""
    with House(tmp_path, "sqlite:///journal.db", *RULES) as house:
        house.start().app.wait = True
        house.say("We want a training day for 12 people")
        house.app.worker.run_until_idle(wait=True, timeout_s=60.0)
        assert not house.llm.questions, "a message waits for quiet"
        book(house, "created", ahead(house))
        house.app.worker.run_until_idle(wait=True, timeout_s=60.0)
        assert len(house.records("meeting")) == 1
        assert len(house.llm.questions) == 1


def test_how_long_it_took_from_the_door_to_the_crm_is_measured(house: House) -> None:
    """Once a meeting and news, by kind, from the receipt on; seen to fail from the confirmation on."""
    house.app.wait = True
    book(house, "created", ahead(house))
    house.clock.move(3)
    after(house)
    book(house, "moved", ahead(house, 96))
    house.clock.move(7)
    after(house)
    told = house.app.metrics().decode()
    for kind, seconds in (("booking_created", 3.0), ("booking_moved", 7.0)):
        assert f'sidecar_door_to_crm_seconds_count{{kind="{kind}"}} 1.0' in told
        assert f'sidecar_door_to_crm_seconds_sum{{kind="{kind}"}} {seconds}' in told


def test_a_persons_wait_is_no_time_from_the_door_to_the_crm(tmp_path: Path) -> None:
    """What waited until more might be written isn't measured, and what comes afterwards is; seen to fail without it."""
    shadow = {"SIDECAR_POLICY__MODE": "shadow"}
    with House(tmp_path, "sqlite:///journal.db", *RULES, env=shadow) as house:
        house.start()
        book(house, "created", ahead(house))
        house.work()
        assert not house.records("meeting")
        house.clock.move(2 * 86_400)
        house.restart(SIDECAR_POLICY__MODE="auto")
        house.start().work()
        assert len(house.records("meeting")) == 1
        assert "sidecar_door_to_crm_seconds_count{" not in house.app.metrics().decode()
        house.clock.move(60)
        book(house, "moved", ahead(house, 96))
        house.clock.move(7)
        house.work()
        assert 'sidecar_door_to_crm_seconds_sum{kind="booking_moved"} 7.0' in house.app.metrics().decode()


def test_a_booking_that_no_booking_system_vouches_for_makes_none(tmp_path: Path) -> None:
    """With `trusted_bookings` off the sender may be anybody's form; seen to fail with each taken for a system."""
    with House(tmp_path, "sqlite:///journal.db", *RULES) as house:
        config = tmp_path / "config.toml"
        config.write_text(config.read_text().replace(*("[channels.drop]", "trusted_bookings = false\n[channels.drop]")))
        house.restart()
        book(house.start(), "created", ahead(house))
        house.work()
        assert house.records("contact")
        assert not house.records("meeting")


def test_the_rules_that_read_keep_no_meeting_from_a_vendors_crm(tmp_path: Path) -> None:
    """The baseline doesn't write there, and a booking isn't its word; seen to fail with a model waited for."""
    crm = 'type = "local"\npath = "crm.db"\nvendor = true'
    stages = "".join(f'{name} = "{name}"\n' for name in OUR_STAGES)
    route = f'[[route]]\nname = "default"\npipeline = "sales"\n[route.stages]\n{stages}'
    with House(tmp_path, "sqlite:///journal.db", crm=crm, after=route) as house:
        config = tmp_path / "config.toml"
        config.write_text(config.read_text().replace('"scripted"\npath = "script.json"', '"baseline"'))
        house.restart()
        house.app.ledger.provision(wanted_properties(house.app.policy, house.app.ledger.capabilities.kinds), False)
        house.app.bind()
        house.app.ladder.move([Move("ledger", Mode.AUTO, "the test", house.clock())])
        house.start()
        house.hear("We need a training day for 12 people, our budget is 4000 pounds.")
        book(house, "created", ahead(house))
        house.work()
        assert len(house.records("meeting")) == 1
        assert not house.records("deal")


def test_a_guests_no_calls_it_off_a_perhaps_does_not_and_a_yes_brings_it_back(house: House) -> None:
    """The guest's own answers, each by a mail of hers; seen to fail with any answer taken for a no."""
    house.mail("Ann Lee <ann@x.test>", "We want a training day for 12 people")
    house.poll()
    told = []
    for name, answer in (("yes", "ACCEPTED"), ("perhaps", "TENTATIVE"), ("no", "DECLINED"), ("again", "ACCEPTED")):
        drop(house, name, "ann@x.test", "REPLY", answer=answer)
        house.poll()
        told.append(after(house).fields["status"])
    assert told == ["scheduled", "scheduled", "cancelled", "scheduled"]


def test_nobody_in_our_name_calls_off(house: House) -> None:
    """A cancellation that claims to be the organizer's, and isn't from our sent folder; seen to fail when believed."""
    house.mail("Ann Lee <ann@x.test>", "We want a training day for 12 people")
    house.poll()
    (house.folder / "drop" / "ours.ics").write_bytes(accepted("meeting-1", ahead(house)))
    house.poll()
    after(house)
    drop(house, "off", "anna@ours.test", "CANCEL")
    house.poll()
    told = [a.attributes["status"] for a in house.facts("activity") if isinstance(a, Activity) and a.kind == "meeting"]
    assert told == ["accepted", "cancelled"]
    assert after(house).fields["status"] == "scheduled"


def test_a_meeting_is_whose_it_is_with(tmp_path: Path) -> None:
    """The host whom the booking system names, where the CRM knows them, else the route's; seen to fail without."""
    crm = 'type = "local"\npath = "crm.db"\nowners = {7 = "bob@ours.test", 8 = "Cleo@ours.test"}'
    route = '[[route]]\nname = "default"\nowner = "7"\n'
    with House(tmp_path, "sqlite:///journal.db", *RULES, crm=crm, after=route) as house:
        book(house.start(), "created", ahead(house), host={"email": "cleo@ours.test"})
        assert after(house).fields["owner"] == "8"
        book(house, "created", ahead(house, 100), id="bk-2", host={"email": "guest-host@ours.test"})
        house.work()
        assert {meeting.fields["owner"] for meeting in house.records("meeting")} == {"7", "8"}


def test_a_meeting_belongs_to_the_routes_owner_until_a_rep_hands_it_over(tmp_path: Path) -> None:
    """It stands in somebody's calendar, and whom a rep gave it stays; seen to fail with the owner written each time."""
    crm = 'type = "local"\npath = "crm.db"\nowners = {7 = "bob@ours.test", 8 = "cleo@ours.test"}'
    route = '[[route]]\nname = "default"\nowner = "7"\n'
    with House(tmp_path, "sqlite:///journal.db", *RULES, crm=crm, after=route) as house:
        book(house.start(), "created", ahead(house))
        meeting = after(house)
        assert meeting.fields["owner"] == "7"
        typed(house, meeting.ref, owner="8")
        book(house, "moved", ahead(house, 96))
        assert after(house).fields["owner"] == "8"


def test_a_rollback_puts_a_meetings_time_back_and_leaves_the_meeting(house: House) -> None:
    """What we moved is moved back; a meeting that we made is named and stays."""
    book(house, "created", ahead(house))
    first = after(house)
    moved_at = house.clock()
    book(house, "moved", ahead(house, 96))
    assert after(house).fields["start"] != first.fields["start"]
    rows = [
        row
        for rows in rollback(house.app.pipeline.parts, batch(house.journal, since=moved_at), "rita", dry_run=False)
        for row in rows
    ]
    assert {(row.record, row.field) for row in rows if not row.left} >= {("meeting", "start"), ("meeting", "end")}
    put_back = after(house)
    assert {name: put_back.fields[name] for name in ("start", "end")} == {
        name: first.fields[name] for name in ("start", "end")
    }
    rows = [
        row for rows in rollback(house.app.pipeline.parts, batch(house.journal), "rita", dry_run=False) for row in rows
    ]
    assert "meeting" in {row.record for row in rows if "we made this record" in row.left}
    assert after(house).fields["status"] == "scheduled"
