"""How channels fare: a channel that stops is noticed by what is usual, and nights, weekends and history are no news."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.health import ChannelHealth, complaints_of
from sidecar.capture import capture, to_delivery
from sidecar.config.sections import ChannelSection, OpsSection
from sidecar.journal import CursorSet, Entry, Finish, Touch
from sidecar.model import Fact, WorkKey, WorkKind
from sidecar.ports import Captured
from tests.contract.chatwoot_accounts import FIRST, signed
from tests.support.facts import NOON, SetClock, a_delivery, an_activity
from tests.support.houses import House, buys
from tests.support.offices import Office
from tests.twins.chatwoot import ChatwootTwin
from tests.unit.test_reconcile import CHAT

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
POLL = WorkKey(WorkKind.POLL, "drop")
EARLY = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""Eight weeks before noon."""


def house_in(folder: Path, **more: Any) -> House:
    """Open a house that was installed long before noon, and now it is noon."""
    clock = SetClock(EARLY)
    house = House(folder, "sqlite:///j.db", buys(), clock=clock, **more).start()
    clock.at = NOON
    return house


def came(house: House, times: Iterable[datetime], channel: str = "web") -> None:
    """Let messages have come at some times."""
    facts: list[Fact] = []
    for number, at in enumerate(times):
        key = f"{channel}-{at.isoformat()}-{number}"
        if channel == "drop":
            head = f"From: ann@x.test\nDate: {format_datetime(at)}\nMessage-ID: <{key}@x.test>\n\n"
            captured = Captured(channel, f"{head}Hello\n".encode(), key, {"name": "a.eml", "suffix": ".eml"})
            delivery = to_delivery(captured, channel, house.clock(), house.journal.mint)
            facts += [delivery, *capture(delivery, house.app.channel("drop"), house.journal.mint)]
        else:
            delivery = a_delivery(house.journal, key, key.encode(), channel)
            facts += [delivery, house.journal.mint(replace(an_activity(house.journal, delivery), at=at, id=""))]
    house.journal.commit(Entry(facts=facts))


def working_weeks(house: House, weeks: int, channel: str = "web", number: int = 3, since: int = 0) -> None:
    """Let so many messages have come at 9, 10, ... 15 o'clock of each working day before today, or before then."""
    midnight = NOON.replace(hour=0)
    days = [midnight - timedelta(days=since * 7 + n) for n in range(1, weeks * 7 + 1)]
    came(
        house,
        [day + hour * HOUR + minute * timedelta(minutes=5) for day in days if day.weekday() < 5
         for hour in range(9, 16) for minute in range(number)],
        channel,
    )  # fmt: skip


def told(house: House) -> list[tuple[str, str]]:
    """Return what operators are told of channels, by rule and subject."""
    return [(c.rule, c.subject) for c in house.app.conditions.now() if c.subject.startswith("channel:")]


def polled(house: House) -> None:
    """Let a poll of the folder come to its end."""
    house.app.worker.poll_all(["drop"])
    house.app.worker.handle(POLL)


def health(house: House, name: str = "web") -> ChannelHealth:
    """Return how a channel fares."""
    (found,) = [h for h in house.app.conditions.health.now() if h.name == name]
    return found


def test_a_channel_that_stops_is_told_and_its_return_ends_it(tmp_path: Path) -> None:
    """By what is usual on a Monday morning, nothing is wrong at nine and something is at noon. Seed: days for weeks."""
    with house_in(tmp_path) as house:
        working_weeks(house, 5)
        house.clock.at = NOON.replace(hour=9)
        assert told(house) == []
        house.clock.at = NOON + HOUR
        assert told(house) == [("quiet", "channel:web")]
        (condition,) = [c for c in house.app.conditions.now() if c.rule == "quiet"]
        assert "since 2026-02-27 15:00 UTC, though usually about 12 would have" in condition.summary
        house.clock.move(60)
        came(house, [house.clock()])
        house.clock.move(60)
        assert told(house) == []


def test_a_weekend_is_no_silence(tmp_path: Path) -> None:
    """On a Sunday nothing is usual, so nothing is missed; seen to fail with days for weeks."""
    with house_in(tmp_path) as house:
        working_weeks(house, 5)
        house.clock.at = NOON - DAY
        assert (told(house), health(house).missed) == ([], 0.0)


def test_what_is_usual_is_known_after_three_weeks(tmp_path: Path) -> None:
    """Of a channel with a short history nothing is guessed, and that is said; seen to fail with one week enough."""
    with house_in(tmp_path) as house:
        working_weeks(house, 2)
        house.clock.move(3600)
        found = health(house)
        assert (found.expected_by_now, found.missed, found.weeks) == (None, None, 1)
        assert told(house) == []


def test_one_odd_week_moves_nothing(tmp_path: Path) -> None:
    """An outage of a week and a flood of another leave what is usual as it was; seen to fail with the mean."""
    with house_in(tmp_path) as house:
        working_weeks(house, 2, since=4)
        working_weeks(house, 1, number=50, since=3)
        working_weeks(house, 2)
        found = health(house)
        assert (found.expected_by_now, found.expected_today, found.weeks) == (9, 21, 5)


def test_a_channel_that_is_long_dead_stays_so(tmp_path: Path) -> None:
    """Weeks of silence don't become usual; seen to fail with the last weeks always compared."""
    with house_in(tmp_path) as house:
        working_weeks(house, 5)
        for _ in range(12):
            house.clock.move(WEEK.total_seconds())
            assert told(house) == [("quiet", "channel:web")]


def test_in_a_night_nothing_begins_and_nothing_ends(tmp_path: Path) -> None:
    """Outside the expected hours an alarm stands as it was at their end; seen to fail with the clock's own time."""
    with house_in(tmp_path, env={"SIDECAR_CHANNELS__WEB__EXPECTED": "mon-fri 09:00-11:00"}) as house:
        working_weeks(house, 5, number=4)
        came(house, [NOON.replace(hour=9, minute=20)])
        house.clock.move(8 * 3600)
        assert (told(house), health(house).missed) == ([], 4.0)
        house.clock.at = NOON + DAY + HOUR
        assert told(house) == [("quiet", "channel:web")]
        missed = health(house).missed
        house.clock.move(7 * 3600)
        assert (told(house), health(house).missed) == ([("quiet", "channel:web")], missed)


def test_where_somebody_said_what_silence_is_nothing_is_guessed(tmp_path: Path) -> None:
    """One thing is told once: with hours of its own, only these count."""
    with house_in(tmp_path, env={"SIDECAR_CHANNELS__WEB__SILENT_AFTER_H": "8000"}) as house:
        working_weeks(house, 5)
        house.clock.move(3600)
        assert (told(house), health(house).missed) == ([], 12.0)


def test_history_that_is_read_today_hides_no_silence(tmp_path: Path) -> None:
    """A backfill isn't traffic; seen to fail with what is read counted as of today."""
    with house_in(tmp_path) as house:
        working_weeks(house, 5)
        house.clock.move(3600)
        came(house, [NOON - 30 * WEEK + n * HOUR for n in range(40)])
        assert told(house) == [("quiet", "channel:web")]
        assert health(house).today == 0


def test_silence_counts_up_to_the_last_poll(tmp_path: Path) -> None:
    """A start after a night in which nobody polled tells of no silence before it has looked. Seed: now for the poll."""
    with house_in(tmp_path) as house:
        working_weeks(house, 5, channel="drop")
        house.clock.at = NOON.replace(hour=8)
        polled(house)
        house.clock.at = NOON + HOUR
        assert (health(house, "drop").missed, told(house)) == (0.0, [("late", "channel:drop")])
        polled(house)
        house.clock.move(20)
        assert (health(house, "drop").missed, told(house)) == (12.0, [("quiet", "channel:drop")])


def test_a_poll_that_doesnt_end_well_is_late(tmp_path: Path) -> None:
    """After three rhythms it is news, with the reason; a pause is told already, and a long poll is at work."""
    with house_in(tmp_path, env={"SIDECAR_CHANNELS__DROP__EVERY_S": "600"}) as house:
        polled(house)
        (house.folder / "drop").rename(house.folder / "elsewhere")
        house.clock.move(1_790)
        polled(house)
        assert health(house, "drop").failure.startswith("channels.drop.path: there is no folder")
        house.journal.resume("channel:drop")
        house.clock.move(20)
        (late,) = [c for c in house.app.conditions.now() if c.rule == "late"]
        assert late.subject == "channel:drop"
        assert "since 2026-03-02 12:00 UTC (channels.drop.path: there is no folder" in late.summary
        house.journal.pause("channel:drop", "rita: we move house")
        house.clock.move(20)
        assert told(house) == [("paused", "channel:drop")]
        house.journal.resume("channel:drop")
        house.clock.move(900)
        (lease,) = house.journal.claim([POLL], 600)
        assert (told(house), health(house, "drop").is_polling) == ([], True)
        house.journal.commit(Entry(finish=Finish(lease, "retry", reason="x")))
        (house.folder / "elsewhere").rename(house.folder / "drop")
        house.clock.move(20)
        assert told(house) == [("late", "channel:drop")]
        polled(house)
        house.clock.move(20)
        assert (told(house), health(house, "drop").failure) == ([], "")


def test_a_poll_that_hangs_is_late(tmp_path: Path) -> None:
    """A poll that runs for an hour and gets nowhere is told of, one whose place moves is not; seen to fail at first."""
    with house_in(tmp_path, env={"SIDECAR_CHANNELS__DROP__EVERY_S": "600"}) as house:
        polled(house)
        assert house.journal.claim([POLL], 60) == []
        house.journal.commit(Entry(touches=(Touch(POLL),)))
        (lease,) = house.journal.claim([POLL], 7 * 86_400)
        assert told(house) == []
        house.clock.move(3_000)
        house.journal.commit(Entry(cursors=(CursorSet("drop", "poll", {}),)))
        house.clock.move(3_000)
        assert (told(house), health(house, "drop").is_polling) == ([], True)
        house.clock.move(1_000)
        assert told(house) == [("late", "channel:drop")]
        house.journal.commit(Entry(finish=Finish(lease, "done")))
        polled(house)
        house.clock.move(20)
        assert told(house) == []


def test_a_start_gives_polls_their_time(tmp_path: Path) -> None:
    """After a night in which nothing ran nothing is late yet, unless it was told of before. Seed: no grace."""
    with house_in(tmp_path) as house:
        polled(house)
        house.clock.move(8 * 3600)
        house.app.conditions.health.begin()
        assert told(house) == []
        house.clock.move(130)
        assert told(house) == [("late", "channel:drop")]
        house.app.alarms.tick()
        house.restart()
        house.app.conditions.health.begin()
        assert told(house) == [("late", "channel:drop")]


def test_a_poll_by_cron_is_late_by_its_own_rhythm(tmp_path: Path) -> None:
    """Who polls in office hours alone isn't late in the morning; seen to fail with a rhythm of a minute."""
    with house_in(tmp_path, env={"SIDECAR_CHANNELS__DROP__CRON": "0 8-17 * * mon-fri"}) as house:
        house.clock.at = NOON.replace(hour=17) - 3 * DAY  # a Friday
        polled(house)
        house.clock.at = NOON.replace(hour=9)
        assert told(house) == []
        house.clock.at = NOON.replace(hour=10, minute=5)
        assert told(house) == [("late", "channel:drop")]


@pytest.mark.parametrize(("rule", "setting"), [("quiet", "quiet_expected"), ("late", "late_polls")])
def test_what_isnt_wanted_is_switched_off(tmp_path: Path, rule: str, setting: str) -> None:
    """Zero is never, for whoever watches by other means."""
    with house_in(tmp_path, env={f"SIDECAR_OPS__{setting.upper()}": "0"}) as house:
        working_weeks(house, 5, channel="drop")
        house.clock.move(3600)
        polled(house)
        house.clock.move(3600)
        assert rule not in dict(told(house))
        assert len(told(house)) == 1


@pytest.mark.parametrize(("left_h", "expected"), [(7, []), (5, ["ends"]), (-1, ["ended"])])
def test_a_push_that_nobody_renewed_is_told_before_it_ends(left_h: int, expected: list[str]) -> None:
    """What should have been renewed at half its life is news before webhooks stay away; seen to fail with "ended"."""
    ends = {"inbox": NOON + timedelta(hours=left_h), "later": NOON + WEEK}
    found = ChannelHealth("mail", "graph_mail", subscriptions=ends)
    complaints = list(complaints_of(found, ChannelSection(type="x"), OpsSection(), NOON))
    assert [(c[0], c[1]) for c in complaints] == [("subscription", "channel:mail")] * len(expected)
    assert all(word in c[2] and "inbox" in c[2] for word, c in zip(expected, complaints, strict=True))


def test_a_channel_whose_deliveries_cant_be_read_is_told(tmp_path: Path) -> None:
    """A share of a day's deliveries is news, a few of many are not; yesterday's are over. Seed: all that are parked."""
    with house_in(tmp_path) as house:
        for n in range(30):
            delivery = a_delivery(house.journal, f"k{n}", str(n).encode(), "web")
            parks = [(WorkKey(WorkKind.PARSE, delivery.id), "poison")] if n < 5 else []
            house.journal.commit(Entry(facts=(delivery,), parks=parks))
        assert (health(house).unreadable, health(house).deliveries, told(house)) == (5, 30, [])
        delivery = a_delivery(house.journal, "more", b"more", "web")
        house.journal.commit(Entry(facts=(delivery,), parks=[(WorkKey(WorkKind.PARSE, delivery.id), "poison")]))
        for key in house.journal.due(100, [WorkKind.PARSE]):
            house.app.worker.handle(key)
        house.clock.move(20)
        assert told(house) == []
        with_more = replace(health(house), unreadable=7)
        (complaint,) = complaints_of(with_more, ChannelSection(type="x"), OpsSection(), NOON)
        assert complaint[0] == "unreadable" and "7 of 31 deliveries" in complaint[2]
        house.clock.move(2 * 86_400)
        assert health(house).unreadable == 0


def test_lags_are_shown_by_their_class(tmp_path: Path) -> None:
    """Half and nineteen of twenty are within these bounds; what came before a day isn't counted."""
    with house_in(tmp_path) as house:
        came(house, [NOON - timedelta(seconds=s) for s in (*range(1, 19), 250, 7_000)])
        assert (health(house).lag_p50_s, health(house).lag_p95_s) == (10, 300)
        house.clock.move(2 * 86_400)
        assert health(house).lag_p50_s is None


def test_what_is_kept_and_brings_nothing_is_counted(tmp_path: Path) -> None:
    """Deliveries that are kept and bring nothing are seen by their channel; seen to fail without the count."""
    with ChatwootTwin() as twin:
        env = {"CHAT_SECRET": FIRST, "CHAT_TOKEN": twin.token}
        after = CHAT.format(url=twin.url, account=twin.account) + "inboxes = [12]\n"
        with House(tmp_path, "sqlite:///j.db", after=after, env=env).start() as house:
            elsewhere = twin.says(twin.begins(inbox=11), "Hello", house.clock())
            stamp = str(int(house.clock().timestamp()))
            house.app.receive("chat", signed(twin.webhook(elsewhere), stamp, FIRST)).result(30)
            assert health(house, "chat").unread == 0
            house.work()
            house.clock.move(20)
            assert (health(house, "chat").unread, health(house).unread) == (1, 0)
            assert 'sidecar_channel_unread{channel="chat"} 1.0' in house.app.metrics().decode()


def test_metrics_tell_the_same(tmp_path: Path) -> None:
    """What the command shows is scraped too, by channels of the config alone, and what isn't known is left out."""
    with house_in(tmp_path) as house:
        working_weeks(house, 5)
        came(house, [NOON], channel="of-old")
        text = house.app.metrics().decode()
        assert 'sidecar_channel_expected{channel="web"} 9.0' in text
        assert 'sidecar_channel_missed{channel="web"} 9.0' in text
        assert 'sidecar_channel_today{channel="web"} 0.0' in text
        assert 'sidecar_channel_expected{channel="drop"}' not in text
        assert 'sidecar_channel_polled_seconds{channel="web"}' not in text
        assert "of-old" not in text


def test_the_command_shows_each_channel(tmp_path: Path) -> None:
    """Every channel has a line, for people and for programs, and what isn't known yet is said to be so."""
    office = Office(tmp_path).furnish([])
    office.mail("Ann <ann@x.test>", "Hello")
    office.run()
    rows = {row["channel"]: row for row in office.data("channels")["channels"]}
    assert (rows["mail"]["deliveries_of_a_day"], rows["mail"]["complaints"], rows["web"]["polled_at"]) == (1, [], None)
    assert rows["mail"]["polled_at"] and rows["mail"]["weeks_known"] == 0
    text = office.told("channels")
    assert "not known yet (0 of 3 weeks)" in text and "well" in text
    with office.journal() as journal:
        journal.pause("channel:mail", "rita: we move house")
        journal.commit(Entry(touches=[Touch(WorkKey(WorkKind.POLL, "mail"))]))
    assert "paused: rita: we move house" in office.told("channels")
    assert json.loads(office.told("channels", "--json"))["channels"][0]["paused"] == "rita: we move house"


def test_a_channel_that_paused_itself_says_why_once(tmp_path: Path) -> None:
    """The line that says what to do stands alone; seen to fail with the failure told beside its pause."""
    office = Office(tmp_path).furnish([])
    (office.base / "drop").rename(office.base / "gone")
    (office.base / "drop").write_text("no folder any more")
    assert "channel:mail is paused: by itself: channels.mail.path" in office.told("run", "--until-idle")
    (row,) = (row for row in office.data("channels")["channels"] if row["channel"] == "mail")
    assert row["failure"] and row["failure"] in row["paused"]
    text = office.told("channels")
    assert "paused: by itself" in text and "failing" not in text
