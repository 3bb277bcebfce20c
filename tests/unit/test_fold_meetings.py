"""Appointments, folded: one for each, whatever the order of the news, bounded, and no other party's after a split."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import Activity, Actor, Match, Meeting, Mint, Outcome, Release, Role, Said, Standing, absorb, advance
from sidecar.model.fold.meetings import KEPT, met

MINT = Mint(b"k" * 32)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def news(kind: str, minute: int, hours: int, *, name: str = "bk-1", trusted: bool = True) -> tuple[Match, Activity]:
    """What a booking system says at some minute of an appointment at some hour."""
    text = f"Booking {name} {kind}"
    activity = Activity(
        because=("delivery-1",), channel="web", account="w", external_id=name, kind=kind, version=str(minute),
        at=NOON + timedelta(minutes=minute), actor=Actor(Role.SYSTEM, "test", trusted), thread=name, text=text,
        said=(Said(0, len(text), Role.SYSTEM, trusted),),
        attributes={"start": (NOON + timedelta(hours=hours)).isoformat()},
    )  # fmt: skip
    activity = MINT(activity)
    match = Match(because=(activity.id,), party="party-1", activity=activity.id, outcome=Outcome.PARTY, rule="test")
    return MINT(match), activity


def after(*told: tuple[Match, Activity], standing: Standing | None = None) -> Standing:
    """The standing once these are known, in this order."""
    standing = standing or Standing("party-1")
    for match, activity in told:
        standing = met(standing, match, activity)
    return standing


def one(standing: Standing) -> Meeting:
    """The only appointment."""
    (meeting,) = standing.meetings
    return meeting


@given(
    moves=st.lists(st.integers(24, 240), max_size=3),
    end=st.sampled_from(["", "booking_cancelled", "booking_attended", "booking_no_show"]),
)
def test_the_order_in_which_news_come_changes_nothing(moves: list[int], end: str) -> None:
    """Each permutation of a booking's life ends in the same time and status; seen to fail by the order of arrival."""
    hours = [12, *moves]
    life = [news("booking_created" if n == 0 else "booking_moved", n, h) for n, h in enumerate(hours)]
    life += [news(end, len(hours), hours[-1])] if end else []
    wanted = (NOON + timedelta(hours=hours[-1]), end.removeprefix("booking_") or "scheduled")
    assert {(m.start, m.status) for told in permutations(life) for m in [one(after(*told))]} == {wanted}


def test_an_entry_that_only_stands_in_a_calendar_takes_nothing_back() -> None:
    """It was stamped after the cancellation, and off is off, in any order; seen to fail as scheduled."""
    life = [entry("accepted", 0), entry("cancelled", 2), entry("planned", 3)]
    assert {one(after(life[0], *told)).status for told in permutations(life[1:])} == {"cancelled"}
    assert one(after(*life, entry("accepted", 4))).status == "scheduled"


def entry(status: str, minute: int, name: str = "uid-1") -> tuple[Match, Activity]:
    """What a calendar of ours shows of an appointment at some minute."""
    match, activity = news("meeting", minute, 12, name=name)
    attributes = {"start" if status == "accepted" else "proposed_start": activity.attributes["start"], "status": status}
    return match, MINT(replace(activity, attributes=attributes))


def test_a_party_keeps_the_newest_so_many() -> None:
    """A standing is read at each run, so it doesn't grow; seen to fail without the bound."""
    kept = after(*(news("booking_created", n, n, name=f"bk-{n}") for n in range(KEPT + 5))).meetings
    assert [m.id.rpartition("-")[2] for m in kept] == [str(n) for n in range(5, KEPT + 5)]


def test_a_merge_keeps_both_parties_appointments_and_of_one_the_newest_word() -> None:
    """Nothing is lost, and what both know stands as it was said last; seen to fail with the target's alone."""
    first, moved = news("booking_created", 0, 12), news("booking_moved", 5, 24)
    target = after(first)
    other = after(first, moved, news("booking_created", 6, 48, name="bk-2"), standing=Standing("party-2"))
    both = {meeting.id: meeting for meeting in absorb(target, other, "release-1").meetings}
    assert {name: m.start for name, m in both.items()} == {
        "web/w/bk-1": NOON + timedelta(hours=24), "web/w/bk-2": NOON + timedelta(hours=48),
    }  # fmt: skip


def test_a_booking_and_the_calendars_that_tell_of_it_are_one() -> None:
    """A mail and a calendar may name a booking differently, and are the same appointment unless both came before it;
    seen to fail with two where one of them came before it."""
    booked, mail, own = (
        news("booking_created", 0, 12),
        entry("accepted", 1, "uid-mail"),
        entry("accepted", 2, "uid-own"),
    )
    for told in ((booked, mail, own), (booked, own, mail), (mail, booked, own), (own, booked, mail)):
        assert len({one(after(*told)).id, *one(after(*told)).others}) == 3
    assert len(after(mail, own).meetings) == 2


def test_two_bookings_of_one_system_are_two_whatever_a_calendar_says() -> None:
    """Two places booked at one time are two, and calling one off leaves the other; seen to fail as one, cancelled,
    where a calendar told of the first before the booking system did."""
    first, second = news("booking_created", 1, 12), news("booking_created", 2, 12, name="bk-2")
    gone = news("booking_cancelled", 3, 12)
    states = [m.status for m in after(entry("accepted", 0), first, second, gone).meetings]
    assert sorted(states) == ["cancelled", "scheduled"]


def test_a_merge_knows_an_appointment_by_any_of_its_names() -> None:
    """What one party has by its booking and the other by its calendar is one; seen to fail with two of it."""
    booked, shown = news("booking_created", 0, 12), entry("accepted", 1)
    both, calendar = after(booked, shown), after(shown, standing=Standing("party-2"))
    for merged in (absorb(both, calendar, "release-1"), absorb(calendar, both, "release-1")):
        assert {one(merged).id, *one(merged).others} == {"web/w/bk-1", "uid:uid-1"}
        assert set(one(merged).activities) == {booked[1].id, shown[1].id}


def test_what_turns_out_to_be_anothers_is_called_off_here() -> None:
    """A meeting of somebody else doesn't stand in this customer's timeline; seen to fail as scheduled."""
    match, activity = news("booking_created", 0, 12)
    standing = after((match, activity))
    release = Release(
        because=(match.id,), party="party-2", nonce="n", action="assign", by="rita", activities=(activity.id,),
        other="party-1", at=NOON + timedelta(minutes=9),
    )  # fmt: skip
    meeting = one(advance(standing, MINT(release)))
    assert (meeting.status, meeting.stated_at) == ("cancelled", release.at)


def test_what_nobody_vouches_for_and_what_has_no_time_is_none() -> None:
    """A form that anybody fills in, and a start that is no time, make no appointment; nothing raises."""
    match, activity = news("booking_created", 0, 12)
    broken = [{}, {"start": "tomorrow"}, {"start": "2026-11-23T12:00:00"}]
    odd = [(match, MINT(replace(activity, attributes=attributes))) for attributes in broken]
    assert after(news("booking_created", 0, 12, trusted=False), *odd).meetings == ()


def renamed(minute: int, hours: int, name: str, before: str) -> tuple[Match, Activity]:
    """What a booking system says that names an appointment anew when it is moved."""
    _, activity = news("booking_moved", minute, hours, name=name)
    activity = MINT(replace(activity, attributes={**activity.attributes, "replaces": before}))
    match = Match(because=(activity.id,), party="party-1", activity=activity.id, outcome=Outcome.PARTY, rule="test")
    return MINT(match), activity


def test_one_that_is_named_anew_at_each_move_stays_one() -> None:
    """Whatever the order of three names of an appointment and its end, it is one; seen to fail with two of it."""
    life = [
        news("booking_created", 0, 12, name="a"), renamed(1, 24, "b", "a"), renamed(2, 48, "c", "b"),
        news("booking_no_show", 3, 48, name="c"),
    ]  # fmt: skip
    wanted = (NOON + timedelta(hours=48), "no_show")
    assert {(m.start, m.status) for told in permutations(life) for m in [one(after(*told))]} == {wanted}


def test_a_mark_that_somebody_was_missing_can_be_taken_back() -> None:
    """What the host unmarked is scheduled again, and the older mark doesn't come back when it is told late."""
    missed, (match, created) = news("booking_no_show", 1, 12), news("booking_created", 2, 12)
    back = MINT(replace(created, attributes={**created.attributes, "status": "not_missed"}))
    for told in permutations([news("booking_created", 0, 12), missed, (match, back)]):
        assert one(after(*told)).status == "scheduled"


def test_a_booking_and_its_entry_stay_one_when_a_move_tells_no_name_of_the_entry() -> None:
    """A booking is known by its own name and by that of its calendar entry; seen to fail by the latter alone."""

    def with_uid(told: tuple[Match, Activity], **more: str) -> tuple[Match, Activity]:
        return told[0], MINT(replace(told[1], attributes={**told[1].attributes, **more}))

    booked = with_uid(news("booking_created", 0, 12, name="a"), uid="one@cal")
    moved, gone = renamed(2, 24, "b", "a"), news("booking_cancelled", 4, 24, name="b")
    shown = entry("accepted", 1, "one@cal")
    for told in permutations([booked, moved, shown, gone]):
        states = [(m.start, m.status) for m in after(*told).meetings]
        assert states == [(NOON + timedelta(hours=24), "cancelled")]
    second = with_uid(news("booking_created", 1, 12, name="c"), uid="two@cal")
    assert len(after(booked, second).meetings) == 2
