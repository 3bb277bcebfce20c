"""Watch: silence and overdue steps are raised once, stand while their reason stands, and close by themselves."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.model import (
    Alert,
    Engagement,
    FieldStanding,
    Mint,
    OpenAlert,
    Policy,
    StagePolicy,
    Standing,
    Step,
    Window,
    advance,
)
from sidecar.watch import after_business_days, business_days, digest, next_look, watch

MINT = Mint(b"k" * 32)
LONDON = ZoneInfo("Europe/London")
STAGES = (
    StagePolicy("enquired"),
    StagePolicy("qualified", silent_days=5),
    StagePolicy("booked"),
    StagePolicy("attended", needs="seller", silent_days=3),
    StagePolicy("closed_won", terminal=True, silent_days=1),
)
POLICY = Policy(fields={}, stages={stage.name: stage for stage in STAGES})
MONDAY = datetime(2026, 11, 2, 10, tzinfo=UTC)
INSTALLED = MONDAY - timedelta(days=30)


def at(day: int, hour: int = 10) -> datetime:
    """Return a moment in November 2026, whose 2nd is a Monday; London is on UTC."""
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def party(
    stage: str = "qualified",
    customer: datetime | None = MONDAY,
    *,
    agent: datetime | None = None,
    entered: datetime | None = None,
    score: float | None = None,
    steps: tuple[Step, ...] = (),
    alerts: tuple[OpenAlert, ...] = (),
    **engagement: object,
) -> Standing:
    """Return a party in a stage, whose customer last spoke at a time."""
    when = entered or customer or MONDAY
    fields = {"stage": FieldStanding(stage, "decision-1", "model", 0.9, when)}
    if score is not None:
        fields["score"] = FieldStanding(score, "decision-2", "code", 1.0, when)
    return Standing(
        "party-1",
        last_activity_at=max(t for t in (customer, agent, when) if t),
        last_customer_at=customer,
        last_agent_at=agent,
        engagements=(Engagement(1, fields=fields, steps=steps, **engagement),),  # type: ignore[arg-type]
        alerts=alerts,
        last_inference="inference-1",
    )


def look(standing: Standing, now: datetime, policy: Policy = POLICY) -> tuple[Alert, ...]:
    """Watch a party at a time."""
    return watch(standing, policy, Window(now, INSTALLED), "Europe/London", MINT)


def looked(standing: Standing, now: datetime, policy: Policy = POLICY) -> Standing:
    """Return the standing after its alerts were taken in."""
    for alert in look(standing, now, policy):
        standing = advance(standing, alert)
    return standing


def due_next(standing: Standing, now: datetime) -> datetime | None:
    """Return when the party must be looked at again."""
    return next_look(standing, POLICY, Window(now, INSTALLED), "Europe/London")


def step(due: str | None, status: str = "open", who: str = "us") -> Step:
    """Return a step."""
    return Step("step-1", "send the offer", who, due=due, status=status)


def test_a_customer_who_falls_silent_after_qualification_is_raised() -> None:
    """Five business days after the customer's last word, and not a minute before."""
    assert look(party(), at(9, 9)) == ()
    (alert,) = look(party(), at(9, 10))
    assert (alert.rule, alert.state, alert.subject, alert.party) == ("silent", "open", "party-1", "party-1")
    assert alert.because == ("inference-1",)
    assert alert.reason == "silent in qualified: our answer is still owed (5 business days)"


def test_the_reason_says_whose_turn_it_is() -> None:
    """A silence after our answer is the customer's; one without is ours."""
    (alert,) = look(party(agent=at(3)), at(9))
    assert "no answer to our last word" in alert.reason


def test_our_own_reminders_never_end_a_silence() -> None:
    """Writing again and again is not hearing from the customer; seen to fail with the last activity taken."""
    reminded = party(agent=at(6), entered=at(6))
    assert len(look(reminded, at(9))) == 1
    raised = looked(party(), at(9))
    assert look(replace(raised, last_agent_at=at(10), last_activity_at=at(10)), at(11)) == ()


@pytest.mark.parametrize("stage", ["enquired", "booked", "closed_won", "unheard_of"])
def test_stages_without_a_limit_and_terminal_ones_are_never_silent(stage: str) -> None:
    """Only a stage whose policy says so minds silence, and an end is an end."""
    assert look(party(stage), at(27)) == ()


def test_silence_after_a_meeting_begins_with_the_meeting() -> None:
    """Who attended yesterday is not silent because they last wrote two weeks ago."""
    came = party("attended", customer=MONDAY, entered=at(16))
    assert look(came, at(17)) == ()
    assert len(look(came, at(19))) == 1


def test_a_party_quiet_before_the_installation_is_left_alone() -> None:
    """The first day doesn't begin with a thousand old silences."""
    old = party(customer=INSTALLED - timedelta(days=1), steps=(step("2026-10-01"),))
    assert look(old, at(27)) == ()
    assert due_next(old, at(2)) is None


def test_a_closed_engagement_raises_nothing() -> None:
    """What is over is neither silent nor overdue."""
    assert look(party(steps=(step("2026-11-03"),), closed_at=at(4)), at(27)) == ()


def test_a_party_about_which_nothing_is_believed_raises_nothing() -> None:
    """Each alert follows from a fact; without an inference or decision there is none to follow from."""
    assert look(replace(party(), last_inference="", engagements=(Engagement(),)), at(27)) == ()


def test_the_same_silence_is_raised_once() -> None:
    """However often one looks, and whatever is inferred meanwhile, one silence is one alert."""
    raised = looked(party(), at(9))
    for day in range(9, 28):
        later = replace(raised, last_inference=f"inference-{day}")
        assert look(later, at(day)) == ()


def test_a_stage_restated_by_us_raises_no_second_alert() -> None:
    """When our follow-up says again that they attended, the silence that was raised is still the same."""
    raised = looked(party("attended", entered=at(4)), at(9))
    restated = replace(party("attended", agent=at(10), entered=at(10)), alerts=raised.alerts)
    assert look(restated, at(11)) == ()
    assert look(restated, at(27)) == ()
    assert due_next(restated, at(11)) is None


def test_a_word_from_the_customer_closes_the_silence() -> None:
    """The alert goes by itself, names the alert that it closes, and shares its identity with it."""
    raised = looked(party(), at(9))
    opened = raised.alerts[0]
    spoke = replace(raised, last_customer_at=at(10), last_activity_at=at(10), last_inference="inference-2")
    (closed,) = look(spoke, at(10, 11))
    assert (closed.state, closed.rule, closed.about) == ("closed", opened.rule, opened.about)
    assert closed.because == (opened.id, "inference-2")
    assert looked(spoke, at(10, 11)).alerts == ()


def test_the_next_silence_is_another_alert() -> None:
    """A customer who falls silent twice is raised twice; seen to fail with the stage's decision as identity."""
    first = looked(party(), at(9))
    spoke = replace(first, last_customer_at=at(10), last_activity_at=at(10))
    second = looked(looked(spoke, at(10, 11)), at(17))
    assert len(second.alerts) == 1
    assert second.alerts[0].id != first.alerts[0].id


def test_two_silences_without_a_look_between_are_told_apart() -> None:
    """After a standstill of ours the old silence is closed and the new one raised, in one look."""
    spoke = replace(looked(party(), at(9)), last_customer_at=at(10), last_activity_at=at(10))
    assert [alert.state for alert in look(spoke, at(26))] == ["closed", "open"]


def test_a_word_that_arrives_late_closes_the_silence_that_it_disproves() -> None:
    """A mailbox that was down for days delivers what the customer wrote before the alert."""
    raised = looked(party(), at(9))
    late = replace(raised, last_customer_at=at(6), last_activity_at=at(6))
    assert [alert.state for alert in look(late, at(9, 12))] == ["closed"]


def test_another_stage_closes_the_silence() -> None:
    """Who has booked is not silent after qualification any more."""
    raised = looked(party(), at(9))
    booked = replace(party("booked", entered=at(10)), alerts=raised.alerts)
    assert [alert.state for alert in look(booked, at(10))] == ["closed"]


def test_another_engagement_closes_the_last_ones_alerts() -> None:
    """A new run through the stages begins without the old one's exceptions."""
    raised = looked(party(steps=(step("2026-11-03"),)), at(9))
    assert len(raised.alerts) == 2
    fresh = replace(raised, engagements=(*raised.engagements, Engagement(2)))
    assert [alert.state for alert in look(fresh, at(10))] == ["closed", "closed"]


@pytest.mark.parametrize(
    ("due", "still_fine", "late"),
    [
        ("2026-11-05", at(5, 23), at(6, 0)),
        ("2026-11-05T10:00", at(5, 9), at(5, 10)),
        ("2026-11-05T10:00:00Z", at(5, 9), at(5, 10)),
        ("2026-11-05T10:00+02:00", at(5, 7), at(5, 8)),
    ],
)
def test_a_step_is_overdue_once_its_time_has_passed(due: str, still_fine: datetime, late: datetime) -> None:
    """A day is over at its midnight, a time when it is past, in our own zone unless it names another."""
    standing = party("booked", steps=(step(due),))
    assert look(standing, still_fine) == ()
    (alert,) = look(standing, late)
    assert (alert.rule, alert.about) == ("overdue", f"step-1@{due}")


def test_grace_is_given_in_business_days() -> None:
    """With a day of grace, what was due on Friday is overdue on Monday's end, not on Saturday."""
    lenient = replace(POLICY, overdue_grace_days=1)
    standing = party("booked", customer=at(5), steps=(step("2026-11-06"),))
    assert look(standing, at(9, 23), lenient) == ()
    assert len(look(standing, at(10, 0), lenient)) == 1


def test_a_step_says_who_owes_it() -> None:
    """What we owe and what is owed to us are different exceptions to a reader."""
    (ours,) = look(party("booked", steps=(step("2026-11-03"),)), at(5))
    (theirs,) = look(party("booked", steps=(step("2026-11-03", who="customer"),)), at(5))
    assert ours.reason == "overdue: a step that we owe (1 business day)"
    assert theirs.reason == "overdue: a step that is owed to us (1 business day)"


@pytest.mark.parametrize("due", [None, "", "Thursday", "2026-13-01", "9999-12-31", "2026-11-03T99:00", "0001-01-01"])
def test_words_that_are_no_date_are_never_late(due: str | None) -> None:
    """A model's due date that can't be read, or lies outside time, neither alarms nor breaks the watch."""
    lenient = replace(POLICY, overdue_grace_days=3)
    assert look(party("booked", steps=(step(due),)), at(27), lenient) == ()


@pytest.mark.parametrize("status", ["done", "dropped"])
def test_a_step_that_ended_closes_its_alert(status: str) -> None:
    """Done or dropped, it is owed no longer."""
    raised = looked(party("booked", steps=(step("2026-11-03"),)), at(5))
    ended = replace(raised, engagements=(replace(raised.engagement, steps=(step("2026-11-03", status),)),))
    assert [alert.state for alert in look(ended, at(6))] == ["closed"]


def test_a_step_put_off_is_another_date() -> None:
    """A new date closes the old alert, and is overdue in its own time."""
    raised = looked(party("booked", steps=(step("2026-11-03"),)), at(5))
    later = replace(raised, engagements=(replace(raised.engagement, steps=(step("2026-11-09"),)),))
    assert [alert.state for alert in look(later, at(6))] == ["closed"]
    assert [alert.about for alert in look(looked(later, at(6)), at(10))] == ["step-1@2026-11-09"]


def test_alerts_of_other_rules_are_left_alone() -> None:
    """Whoever raised an alert closes it."""
    other = OpenAlert("alert-9", "contradiction", "claim-1", 50.0, "", at(3), 1)
    assert look(party("booked", alerts=(other,)), at(27)) == ()


def test_rank_grows_with_stage_lateness_and_score() -> None:
    """What is further along, longer overdue and of more promise comes first."""

    def rank(standing: Standing, now: datetime) -> float:
        return look(standing, now)[0].rank

    assert rank(party("attended"), at(9)) > rank(party("qualified"), at(9))
    assert rank(party(), at(20)) > rank(party(), at(9))
    assert rank(party(score=90), at(9)) > rank(party(score=10), at(9))
    assert 0 <= rank(party(score=10**9), at(27)) <= 100


def test_the_next_look_is_when_time_alone_changes_something() -> None:
    """An index of these moments drives the watch: nothing is due for a party whom only a new fact can change."""
    standing = party(steps=(step("2026-11-04"),))
    assert due_next(standing, at(2)) == at(5, 0)
    assert due_next(standing, at(5, 0)) == at(9)
    assert due_next(standing, at(9)) is None
    assert due_next(party("booked"), at(2)) is None


def test_a_merged_party_is_not_watched() -> None:
    """Its history is the other's now."""
    merged = replace(party(), merged_into="party-2")
    assert look(merged, at(27)) == ()
    assert due_next(merged, at(2)) is None


def test_the_digest_is_ranked_capped_and_counts_what_it_leaves_off() -> None:
    """Each owner sees at most so many parties, the most pressing first, and how many more there are."""

    def alert(name: str, rank: float) -> OpenAlert:
        return OpenAlert(name, "silent", "x", rank, "", at(9))

    alerts = {"p1": [alert("a1", 10), alert("a2", 80)], "p2": [alert("a3", 50)], "p3": [alert("a4", 20)], "p4": []}
    owners: Mapping[str, str] = {"p1": "rep-1", "p2": "rep-1", "p3": "rep-2", "p4": "rep-2"}
    first, second = digest(alerts, owners.__getitem__, cap=1)
    assert (first.owner, [line.party for line in first.lines], first.left_off) == ("rep-1", ["p1"], 1)
    assert [a.id for a in first.lines[0].alerts] == ["a2", "a1"]
    assert (second.owner, [line.party for line in second.lines], second.left_off) == ("rep-2", ["p3"], 0)


def test_business_days_are_told_by_the_wall_clock() -> None:
    """Across the end of summer time, 10 o'clock is still 10 o'clock; a weekend begins on its Monday."""
    friday = datetime(2026, 10, 23, 10, tzinfo=LONDON)
    assert after_business_days(friday, 1, LONDON) == datetime(2026, 10, 26, 10, tzinfo=UTC)
    saturday = datetime(2026, 11, 7, 15, tzinfo=UTC)
    assert after_business_days(saturday, 0, LONDON) == datetime(2026, 11, 9, tzinfo=UTC)
    assert after_business_days(saturday, 1, LONDON) == datetime(2026, 11, 10, tzinfo=UTC)
    night = datetime(2026, 11, 6, 20, tzinfo=UTC)
    assert after_business_days(night, 0, ZoneInfo("Asia/Tokyo")) == datetime(2026, 11, 8, 15, tzinfo=UTC)


ZONES = st.sampled_from(
    [
        ZoneInfo(name)
        for name in ("UTC", "Europe/London", "America/New_York", "Asia/Tokyo", "Africa/Cairo", "Asia/Kolkata")
    ]
)
MOMENTS = st.integers(0, 10 * 365 * 24 * 3600).map(lambda s: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=s))


@given(MOMENTS, st.integers(0, 400), ZONES)
@example(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), 0, LONDON)
@example(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), 5, LONDON)
def test_business_days_count_what_they_add(since: datetime, days: int, zone: ZoneInfo) -> None:
    """Adding days and counting them agree, day by day walked on a calendar; no result lies in a weekend or the past."""
    later = after_business_days(since, days, zone)
    assert later >= since
    assert later.astimezone(zone).weekday() < 5
    assert business_days(since, later, zone) == days
    assert later == since or business_days(since, later - timedelta(microseconds=1), zone) <= max(0, days - 1)
    assert _working_days(since.astimezone(zone).date(), later.astimezone(zone).date()) == days


@given(MOMENTS, MOMENTS, MOMENTS, ZONES)
def test_more_time_is_never_fewer_business_days(since: datetime, a: datetime, b: datetime, zone: ZoneInfo) -> None:
    """The count grows with the clock and is never negative."""
    assert 0 <= business_days(since, min(a, b), zone) <= business_days(since, max(a, b), zone)


def _working_days(first: date, last: date) -> int:
    """Count the Mondays to Fridays after the one on which counting begins, by looking at each day."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return len([day for day in days if day.weekday() < 5][1:])


HOURS = st.integers(0, 24 * 25)
STANDINGS = st.builds(
    lambda stage, customer, agent, entered, dues, score: party(
        stage,
        MONDAY + timedelta(hours=customer),
        agent=MONDAY + timedelta(hours=agent),
        entered=MONDAY + timedelta(hours=entered),
        score=score,
        steps=tuple(replace(step(due), id=f"step-{n}") for n, due in enumerate(dues)),
    ),
    st.sampled_from([s.name for s in STAGES]),
    HOURS,
    HOURS,
    HOURS,
    st.lists(st.sampled_from([None, "2026-11-05", "2026-11-06T17:00", "2026-11-21", "soon"]), max_size=3),
    st.one_of(st.none(), st.floats(-50, 200, allow_nan=False)),
)


@given(STANDINGS, HOURS, HOURS)
def test_between_two_looks_nothing_happens(standing: Standing, first: int, between: int) -> None:
    """After a look, watching again changes nothing until the moment that next_look named, and something then."""
    now = MONDAY + timedelta(hours=first)
    seen = looked(standing, now)
    assert look(seen, now) == ()
    following = due_next(seen, now)
    moment = now + timedelta(hours=between)
    if following is None or moment < following:
        assert look(seen, moment) == ()
    if following is not None:
        assert following > now
        assert look(seen, following - timedelta(microseconds=1)) == ()
        assert any(alert.state == "open" for alert in look(seen, following))


@given(STANDINGS, st.lists(st.tuples(HOURS, st.booleans()), max_size=5))
def test_there_is_never_more_than_one_alert_about_a_thing(standing: Standing, events: list[tuple[int, bool]]) -> None:
    """Through any sequence of looks and customers' words, one silence at most is open, and no identity comes twice."""
    raised: list[str] = []
    for hour, spoke in sorted(events):
        now = MONDAY + timedelta(hours=hour)
        if spoke:
            last = max(now, standing.last_customer_at or now)
            standing = replace(standing, last_customer_at=last, last_activity_at=last)
        alerts = look(standing, now)
        raised += [alert.id for alert in alerts]
        for alert in alerts:
            standing = advance(standing, alert)
        assert sum(alert.rule == "silent" for alert in standing.alerts) <= 1
        assert len({(alert.rule, alert.about) for alert in standing.alerts}) == len(standing.alerts)
    assert len(set(raised)) == len(raised)
