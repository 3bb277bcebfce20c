"""A Google calendar under the contract, against a twin that Google's own description judges.

Google signs no push, so the contract of signed requests doesn't fit; what holds at the door instead stands below.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.channels.gcalendar import GoogleCalendarChannel
from adapters.channels.gcalendar.push import token
from sidecar.errors import ConfigError, PermanentError, RejectedInput, TemporaryError, Withheld
from sidecar.ports import HookRequest
from tests.contract.channel import INSTALLED, NOW, PollContract, all_captured, delivered, door, last_cursor, parsed
from tests.contract.google_calendars import (
    FOLDER,
    OLD_SECRET,
    PUSH_SECRET,
    PUSH_URL,
    SOON,
    CalendarHarness,
    keys,
    pushed,
)
from tests.twins.gcalendar import GoogleCalendarTwin, limited
from tests.twins.gcalendar.judge import body_faults
from tests.twins.wire.faults import Status

BOB = {"email": "bob@example.org", "displayName": "Bob Müller", "responseStatus": "needsAction"}
ANNA = {"email": "anna@ours.test", "self": True, "organizer": True, "responseStatus": "accepted"}
SERIES = ["RRULE:FREQ=WEEKLY;BYDAY=WE"]
WEDNESDAY = datetime.fromisoformat("2026-11-25T10:00:00+00:00")


@pytest.fixture
def twin() -> Iterator[GoogleCalendarTwin]:
    """A calendar for each test."""
    with GoogleCalendarTwin(clock=lambda: NOW) as made:
        yield made


@pytest.fixture
def harness(twin: GoogleCalendarTwin, tmp_path: Path) -> CalendarHarness:
    """The calendar, let in."""
    return CalendarHarness(twin, tmp_path)


class TestGoogleCalendar(PollContract):
    """The contract, and what a Google calendar promises beside."""

    def test_what_the_fixtures_say_is_what_google_describes(self) -> None:
        """The payloads that we composed hold nothing that Google's description doesn't know."""
        for path in (FOLDER / "events").glob("*.json"):
            assert body_faults("Event", json.loads(path.read_bytes())) == [], path.name
        assert body_faults("Events", json.loads((FOLDER / "composed_events_page.json").read_bytes())) == []

    def test_a_page_of_googles_example_is_read_whole(self, harness: CalendarHarness) -> None:
        """A meeting, a deleted event with its id alone, and a cancelled day with three fields alone."""
        page = json.loads((FOLDER / "composed_events_page.json").read_bytes())
        for item in page["items"]:
            harness.twin.version += 1
            harness.twin.events[item["id"]] = item
            harness.twin.changed[item["id"]] = harness.twin.version
        found = [harness.read(captured) for captured in all_captured(harness.channel.poll(None))]
        assert [(a.attributes["status"], a.thread) for a in found] == [
            ("planned", "4k2n9q0r7v8t1s3u5w6x7y8z9a@google.com"),
            ("cancelled", "cancelled1@google.com"),
            ("occurrence_cancelled", "series1@google.com"),
        ]
        assert found[0].text == (
            "Meeting planned for 2026-12-01 10:00 to 10:30 (Europe/Berlin): "
            '"Demo Acme" with anna@example.com, bob@example.org.'
        )
        assert [p.own for p in found[0].participants] == [True, True, False]
        assert found[2].external_id == "series1@google.com#2026-12-08T09:00:00+00:00"
        assert "2026-12-08 10:00 (Europe/Berlin)" in found[2].text

    def test_created_moved_answered_cancelled(self, harness: CalendarHarness) -> None:
        """Each is an activity of its own in the thread of the iCalUID."""
        id = harness.twin.puts(SOON, attendees=[ANNA, BOB])
        found, cursor = harness.polled(None)
        for change in (
            {"start": {"dateTime": (SOON + timedelta(days=1)).isoformat()}, "sequence": 1,
             "end": {"dateTime": (SOON + timedelta(days=1, hours=1)).isoformat()}},
            {"attendees": [ANNA, {**BOB, "responseStatus": "accepted"}]},
            {"attendees": [ANNA, {**BOB, "responseStatus": "declined"}]},
        ):  # fmt: skip
            harness.twin.edits(id, **change)
            more, cursor = harness.polled(cursor)
            found += more
        harness.twin.deletes(id)
        more, cursor = harness.polled(cursor)
        activities = [harness.read(captured) for captured in (*found, *more)]
        assert [a.attributes["status"] for a in activities] == [
            "planned", "planned", "accepted", "declined", "cancelled",
        ]  # fmt: skip
        assert {a.thread for a in activities} == {f"{id}@google.com"}
        assert len({a.id for a in activities}) == 5
        assert activities[2].attributes["start"].startswith("2026-11-26T10:00")
        assert harness.polled(cursor)[0] == []

    def test_a_series_comes_once_and_its_days_by_themselves(self, harness: CalendarHarness) -> None:
        """Its rule in words, a moved day, a day that was called off with three fields alone; not hundreds of days."""
        uid = "040000008200E00074C5B7101A82E008@imported"
        id = harness.twin.puts(WEDNESDAY, iCalUID=uid, recurrence=SERIES)
        (whole,), cursor = harness.polled(None)
        day = WEDNESDAY + timedelta(days=7)
        harness.twin.puts(
            day + timedelta(days=1), id=f"{id}_moved", iCalUID=uid, recurringEventId=id,
            originalStartTime={"dateTime": day.isoformat(), "timeZone": "UTC"},
        )  # fmt: skip
        harness.twin.cancels_day(id, day + timedelta(days=7))
        (moved, off), cursor = harness.polled(cursor)
        assert harness.read(whole).text.startswith(
            "Meeting planned for 2026-11-25 10:00 to 11:00 (UTC), and weekly on Wednesday from then on"
        )
        assert "planned for 2026-12-03 10:00 to 11:00 (UTC), in place of 2026-12-02 10:00" in harness.read(moved).text
        cancelled = harness.read(off)
        assert cancelled.attributes["status"] == "occurrence_cancelled"
        assert (cancelled.thread, cancelled.relates_to) == (uid, uid)

    def test_a_token_that_google_forgot_costs_a_listing(self, harness: CalendarHarness) -> None:
        """After 410 all is listed anew under the same keys; what was deleted in the gap is told, however it went."""
        ids = [harness.twin.puts(SOON + timedelta(hours=n)) for n in range(6)]
        first, cursor = harness.polled(None)
        harness.twin.forgets()
        harness.twin.deletes(ids[0])
        harness.twin.deletes(ids[1], bare=True)
        harness.twin.forgets(ids[2])
        new = harness.twin.puts(SOON + timedelta(days=1))
        again, after = harness.polled(cursor)
        known = {captured.key for captured in first}
        news = [harness.read(captured) for captured in again if captured.key not in known]
        assert sorted((a.thread.partition("@")[0], a.attributes["status"]) for a in news) == sorted(
            [(ids[0], "cancelled"), (ids[1], "cancelled"), (ids[2], "removed"), (new, "planned")]
        )
        assert {c.key for c in again} & known == {c.key for c in first if str(c.key).split(":")[1] in ids[3:]}
        assert harness.polled(after)[0] == []
        assert set(after["items"]) == {*ids[3:], new}

    def test_a_deletion_that_google_wont_tell_of_holds_nothing_back(self, harness: CalendarHarness) -> None:
        """After 410 an event that can't be asked for comes by name; seen to fail with it asked for without a sieve."""
        ids = [harness.twin.puts(SOON + timedelta(hours=n)) for n in range(6)]
        _, cursor = harness.polled(None)
        harness.twin.forgets()
        for id in ids[:2]:
            harness.twin.forgets(id)
        harness.twin.deletes(ids[2])
        harness.twin.fault(Status(403), path=f"/events/({ids[0]}|{ids[2]})$", times=None)
        found, cursor = harness.polled(cursor)
        left, told = [c for c in found if c.withheld], [c for c in found if not c.withheld]
        assert [str(c.key).split(":")[1] for c in left] == ids[:1]
        assert {ids[1], ids[2]} == {harness.read(c).thread.partition("@")[0] for c in told} - set(ids[3:])
        assert harness.polled(cursor)[0] == []
        with pytest.raises(Withheld):
            harness.channel.retrieve(str(left[0].key), left[0].headers)
        harness.mend()
        (come,) = harness.channel.retrieve(str(left[0].key), left[0].headers)
        assert (come.key, harness.read(come).attributes["status"]) == (left[0].key, "removed")

    def test_a_calendar_without_anything_to_come_is_held_by_nothing(self, harness: CalendarHarness) -> None:
        """An event of the past shows that others can be had. Seen to fail with what is remembered alone asked for."""
        harness.put_old()
        gone = harness.twin.puts(INSTALLED - timedelta(days=30))
        _, cursor = harness.polled(None)
        harness.twin.deletes(gone, bare=True)
        harness.twin.fault(Status(500), path=f"/events/{gone}$", times=None)
        (left,), cursor = harness.polled(cursor)
        assert left.withheld
        with pytest.raises(Withheld):
            harness.channel.retrieve(str(left.key), left.headers)
        assert harness.polled(cursor)[0] == []

    def test_a_day_of_a_series_that_google_wont_tell_of_holds_nothing_back(self, harness: CalendarHarness) -> None:
        """It comes by name, with ids and times alone, and later in its series' thread unless it is back."""
        uid = "040000008200E00074C5B7101A82E008@imported"
        series = harness.twin.puts(INSTALLED - timedelta(days=30), iCalUID=uid, summary="Surgery")
        harness.put()
        _, cursor = harness.polled(None)
        harness.twin.cancels_day(series, SOON)
        harness.twin.fault(Status(500), path=f"/events/{series}$", times=None)
        (left,), cursor = harness.polled(cursor)
        assert left.withheld
        assert set(left.headers) == {"item"}
        assert "Surgery" not in str(left)
        harness.mend()
        (come,) = harness.channel.retrieve(str(left.key), left.headers)
        assert (come.key, harness.read(come).thread) == (left.key, uid)
        harness.twin.edits(str(left.key).split(":")[1], status="confirmed")
        assert not harness.channel.retrieve(str(left.key), left.headers)

    def test_a_token_dies_in_the_middle_of_a_listing(self, harness: CalendarHarness) -> None:
        """The listing begins anew, and ends with everything."""
        put = [harness.put() for _ in range(harness.batch_size * 2)]
        batches = iter(harness.channel.poll(None))
        first = next(batches)
        harness.twin.forgets()
        assert sorted(c.raw for c in all_captured(batches)) == sorted(put)
        again, _ = harness.polled(first.cursor)
        assert sorted(captured.raw for captured in again) == sorted(put)

    def test_a_calendar_that_takes_no_token_is_no_endless_loop(self, harness: CalendarHarness) -> None:
        """One new beginning a poll, and then it is for time to mend."""
        harness.put()
        _, cursor = harness.polled(None)
        for _ in range(harness.batch_size):
            harness.put()
        gone = json.loads((FOLDER / "composed_410_gone.json").read_bytes())
        harness.twin.fault(Status(410, gone), path="Token=", times=None)
        with pytest.raises(TemporaryError):
            harness.polled(cursor)

    def test_parameters_are_the_same_for_a_tokens_life(self, harness: CalendarHarness) -> None:
        """Another page size begins anew; the twin fails the test where a token is used with other parameters."""
        harness.put(), harness.put()
        first, cursor = harness.polled(None)
        again, after = harness.polled(cursor, batch_size=harness.batch_size + 1)
        assert [c.key for c in again] == [c.key for c in first]
        assert harness.polled(after, batch_size=harness.batch_size + 1)[0] == []
        assert all("singleEvents=false" in r.path for r in harness.twin.requests if r.operation == "events")
        assert not any("timeM" in request.path for request in harness.twin.requests)

    def test_an_empty_page_is_not_the_end(self, harness: CalendarHarness) -> None:
        """Google may answer a page without events while more follow."""
        put = harness.put()
        harness.twin.empty_pages = 2
        assert [captured.raw for captured in all_captured(harness.channel.poll(None))] == [put]

    def test_what_comes_in_during_a_listing_is_not_lost(self, harness: CalendarHarness) -> None:
        """The token that a listing ends with is of its beginning."""
        put = [harness.put() for _ in range(harness.batch_size + 1)]
        batches = iter(harness.channel.poll(None))
        found = list(next(batches).captured)
        put.append(harness.put())
        rest = list(batches)
        found += all_captured(rest)
        found += all_captured(harness.channel.poll(rest[-1].cursor))
        assert {captured.raw for captured in found} == set(put)

    def test_what_is_no_meeting_stays_there(self, harness: CalendarHarness) -> None:
        """Focus time, working places, absences and birthdays are nobody's meetings."""
        for kind in ("focusTime", "workingLocation", "outOfOffice", "birthday"):
            harness.twin.puts(SOON, eventType=kind)
        mail = harness.twin.puts(SOON, eventType="fromGmail")
        assert [captured.raw for captured in all_captured(harness.channel.poll(None))] == [harness.laid(mail)]

    def test_history_and_what_was_called_off_before_us_stay_there(self, harness: CalendarHarness) -> None:
        """A first poll brings what is to come, and a series that goes on."""
        harness.put_old()
        long_ago = INSTALLED - timedelta(days=90)
        harness.twin.puts(long_ago, recurrence=["RRULE:FREQ=WEEKLY;COUNT=3"])
        series = harness.twin.puts(long_ago, recurrence=["RRULE:FREQ=WEEKLY"])
        harness.twin.clock = lambda: INSTALLED - timedelta(days=1)
        harness.twin.deletes(harness.twin.puts(SOON))
        harness.twin.clock = lambda: NOW
        assert [captured.raw for captured in all_captured(harness.channel.poll(None))] == [harness.laid(series)]

    def test_whose_calendar_it_is_says_google(self, harness: CalendarHarness) -> None:
        """Our side is who Google says it is, whatever the address; a room is no guest, left-out guests are said."""
        me = {"email": "anna.private@mail.test", "self": True}
        room = {"email": "room@resource.calendar.google.com", "resource": True, "responseStatus": "accepted"}
        guests = [{**me, "responseStatus": "accepted"}, {**BOB, "responseStatus": "accepted"}, room]
        harness.twin.puts(SOON, organizer=me, creator=me, attendees=guests, attendeesOmitted=True)
        harness.twin.puts(SOON, organizer={"email": "eve@evil.test"}, attendees=[{**me, "responseStatus": "accepted"}])
        ours, theirs = (harness.read(captured) for captured in all_captured(harness.channel.poll(None)))
        assert [(p.part, p.own) for p in ours.participants] == [
            ("organizer", True), ("attendee", True), ("attendee", False),
        ]  # fmt: skip
        assert ours.problems == ("Google left guests out, so not all are known",)
        assert (ours.actor.authenticated, theirs.actor.authenticated) == (True, False)
        assert (ours.attributes["status"], theirs.attributes["status"]) == ("accepted", "accepted")

    def test_a_private_event_keeps_its_title_to_itself(self, harness: CalendarHarness) -> None:
        """As with any other calendar: who and when, and not what or where."""
        for visibility in ("private", "confidential"):
            harness.twin.puts(SOON, visibility=visibility, summary="Surgery", location="Clinic", attendees=[BOB])
        for captured in all_captured(harness.channel.poll(None)):
            activity = harness.read(captured)
            assert activity.attributes["visibility"] == "private"
            assert "Surgery" not in activity.text + str(activity.attributes)
            assert "Clinic" not in activity.text

    @pytest.mark.parametrize(
        "fields",
        [
            {"start": {"dateTime": "soon"}}, {"start": {"date": "2026-13-01"}}, {"start": None},
            {"start": {"dateTime": "0001-01-01T00:00:00Z"}}, {"iCalUID": "u" * 600},
        ],
    )  # fmt: skip
    def test_what_cannot_be_read_is_parked(self, harness: CalendarHarness, fields: dict[str, Any]) -> None:
        """A meeting without a time is named to a person, and its neighbour is read."""
        harness.twin.edits(harness.twin.puts(SOON), **fields)
        neighbour = harness.put()
        bad, good = all_captured(harness.channel.poll(None))
        with pytest.raises(PermanentError):
            parsed(harness.channel, bad)
        assert good.raw == neighbour

    def test_whole_days_and_times_without_an_offset(self, harness: CalendarHarness) -> None:
        """A day is a day where we are; a time without an offset is in the zone that it names."""
        harness.twin.puts(SOON, start={"date": "2026-12-24"}, end={"date": "2026-12-26"})
        zone = {"timeZone": "America/New_York"}
        late = {"dateTime": "2026-12-24T10:00:00", **zone}
        harness.twin.puts(SOON, start=late, end={"dateTime": "2026-12-24T11:00:00", **zone})
        texts = [harness.read(captured).text for captured in all_captured(harness.channel.poll(None))]
        assert texts == [
            "Meeting planned for 2026-12-24 to 2026-12-25.",
            "Meeting planned for 2026-12-24 10:00 to 11:00 (America/New_York).",
        ]

    def test_the_census_gives_what_the_poll_gave(self, harness: CalendarHarness) -> None:
        """Counted against the journal, every event is there under its key."""
        harness.put_old()
        for _ in range(harness.batch_size + 1):
            harness.put()
        batches = list(harness.channel.census(INSTALLED - timedelta(days=90)))
        assert keys(batches) == keys(harness.channel.poll(None))
        assert all(batch.cursor == {} for batch in batches)

    @pytest.mark.parametrize("reason", ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"])
    def test_a_limit_is_for_time_to_mend(self, harness: CalendarHarness, reason: str) -> None:
        """A 403 may be a limit of calls; seen to fail with every 403 taken for a missing right."""
        harness.twin.fault(Status(403, limited(reason), {"Retry-After": "30"}), path="/events")
        with pytest.raises(TemporaryError) as caught:
            harness.polled(None)
        assert caught.value.retry_after_s == 30.0
        harness.twin.fault(Status(403, limited("forbidden")), path="/events")
        with pytest.raises(ConfigError):
            harness.polled(None)

    def test_another_calendar_is_said(self, harness: CalendarHarness) -> None:
        """What the account can't see is the operator's to mend, and check says so."""
        (line,) = harness.made(calendar="other@ours.test").check()
        assert "knows no such calendar" in line

    def test_a_token_that_ended_early_is_had_anew(self, harness: CalendarHarness) -> None:
        """A 401 costs one more call, no more."""
        put = harness.put()
        channel = harness.channel
        assert not channel.check()
        for access in list(harness.twin.authority.accesses):
            harness.twin.authority.ends(access)
        assert [captured.raw for captured in all_captured(channel.poll(None))] == [put]

    def test_a_person_lets_the_channel_in(self, harness: CalendarHarness) -> None:
        """The consent is kept once a first call has seen the calendar, and not for another one."""
        harness.tokens.held.clear()
        with pytest.raises(ConfigError, match="sidecar connect calendar"):
            harness.polled(None)
        consent = harness.channel.consent()
        back = harness.twin.authority.visit(consent.invite(8765).address)
        assert consent.take(back) == harness.twin.calendar
        assert harness.polled(None)[0] == []
        other = harness.made(calendar="other@ours.test").consent()
        with pytest.raises(ConfigError):
            other.take(harness.twin.authority.visit(other.invite(8765).address))


class TestPushes:
    """Google's pushes at the door, and the channel that they come by."""

    def watched(self, harness: CalendarHarness, cursor: Any = None, at: datetime = NOW) -> Any:
        """Poll with pushes set up, and return the cursor."""
        harness.twin.clock = lambda: at
        return last_cursor(harness.made(lambda: at, push_url=PUSH_URL).poll(cursor))

    def test_a_push_is_known_and_is_only_a_hint(self, harness: CalendarHarness) -> None:
        """Each state of Google's is taken, kept raw, and nothing is read of it; the same push twice is one."""
        self.watched(harness)
        (channel,) = harness.twin.channels
        assert harness.channel.capabilities.hints
        for state in ("sync", "exists", "not_exists", "something_new"):
            headers = harness.twin.notifies(channel, state)
            captured = harness.channel.verify(HookRequest(headers, b""))
            assert (captured.raw, parsed(harness.channel, captured)) == (b"", ())
            again = harness.channel.verify(HookRequest(headers, b""))
            assert delivered(harness.channel, captured).id == delivered(harness.channel, again).id
            assert captured.headers["state"] == state
            assert not [v for v in captured.headers.values() if v == headers["x-goog-channel-token"]]

    def test_the_channel_is_laid_down_before_google_hears_of_it(self, harness: CalendarHarness) -> None:
        """A push that overtakes the answer is known, and a crash in between leaves a trace."""
        batches = iter(harness.made(push_url=PUSH_URL).poll(None))
        asked = next(batches).cursor["watch"]["asked"]
        assert harness.twin.calls("watch") == 0
        early = {
            "x-goog-channel-id": asked, "x-goog-channel-token": token(PUSH_SECRET.encode(), asked),
            "x-goog-resource-state": "sync", "x-goog-message-number": "1",
        }  # fmt: skip
        assert door(harness.channel, HookRequest(early, b"")) is None
        list(batches)
        assert list(harness.twin.channels) == [asked]

    def test_the_channel_is_renewed_at_half_of_its_life(self, harness: CalendarHarness) -> None:
        """It is not asked for twice, then a new one is made and the old one ended; its end can be seen."""
        cursor = self.watched(harness)
        ends = harness.made(push_url=PUSH_URL).subscriptions(cursor)
        assert ends == {"push": NOW + timedelta(days=7)}
        cursor = self.watched(harness, cursor, NOW + timedelta(days=3))
        assert harness.twin.calls("watch") == 1
        cursor = self.watched(harness, cursor, NOW + timedelta(days=3, hours=13))
        assert harness.twin.calls("watch") == 2
        first, second = harness.twin.channels
        assert (harness.twin.stopped, cursor["watch"]["id"]) == ([first], second)
        assert harness.channel.subscriptions(cursor) == {}

    def test_a_refused_channel_costs_the_poll_nothing(self, harness: CalendarHarness) -> None:
        """Without pushes the poll goes on, and asks for them again after an hour."""
        harness.twin.refuses_watch = True
        put = harness.put()
        batches = list(harness.made(push_url=PUSH_URL).poll(None))
        assert [captured.raw for captured in all_captured(batches)] == [put]
        cursor = self.watched(harness, last_cursor(batches), NOW + timedelta(minutes=30))
        assert harness.twin.calls("watch") == 1
        assert "push_url" in harness.made(push_url=PUSH_URL).check()[0]
        harness.twin.refuses_watch = False
        cursor = self.watched(harness, cursor, NOW + timedelta(hours=2))
        assert harness.made(push_url=PUSH_URL).subscriptions(cursor)

    def test_check_tries_a_push_channel_and_leaves_none(self, harness: CalendarHarness) -> None:
        """Whoever sets pushes up hears at once whether Google takes the address."""
        assert not harness.made(push_url=PUSH_URL).check()
        assert harness.twin.stopped == list(harness.twin.channels)
        assert len(harness.twin.stopped) == 1

    def test_a_channel_of_another_address_is_replaced(self, harness: CalendarHarness) -> None:
        """When we move, Google is told where to."""
        cursor = self.watched(harness)
        moved = harness.made(push_url="https://new.ours.test/hooks/calendar")
        list(moved.poll(cursor))
        assert [held["token"] for held in harness.twin.channels.values()]
        assert harness.twin.calls("watch") == 2

    def test_several_secrets_overlap_while_they_are_changed(self, harness: CalendarHarness) -> None:
        """A channel that was made under the former secret is still known."""
        id = "channel-1"
        for secret, expected in ((PUSH_SECRET, None), (OLD_SECRET, None), ("secret-of-another-tenant", 401)):
            request = pushed({}, channel_id=id, channel_token=token(secret.encode(), id), resource_state="exists",
                             message_number="7")  # fmt: skip
            assert door(harness.channel, request) == expected

    def test_whatever_else_comes_is_refused(self, harness: CalendarHarness) -> None:
        """A table of pushes that are not Google's: each is a 401, never another error."""
        self.watched(harness)
        good = harness.twin.notifies(next(iter(harness.twin.channels)))
        assert door(harness.channel, HookRequest(good, b"")) is None
        right = good["x-goog-channel-token"]
        other = harness.twin.notifies(next(iter(harness.twin.channels)))
        wrong = [
            "", " ", right[:-1], right + "0", right.upper(), f" {right}", f"{right}\n", f"{right},{right}", "0" * 64,
            "ключ", "\ud800", "\0", right[::-1], PUSH_SECRET, "tenant=7;sig=abc", "x" * 10_000, "null", "true",
            token(b"another tenant's secret", good["x-goog-channel-id"]), token(PUSH_SECRET.encode(), ""),
        ]  # fmt: skip
        ids = ["", "other", good["x-goog-channel-id"] + "0", "a b", "\n", "ü", "\ud800", "x" * 65, "../..", "*"]
        table = [pushed(good, channel_token=text) for text in wrong] + [pushed(good, channel_id=text) for text in ids]
        table += [pushed(good, message_number=text) for text in ("", "-1", "1.0", "１", "9" * 21, "ten", " 1", "nan")]
        table += [pushed(good, resource_state=text) for text in ("", "EXISTS", "exists\n", "a" * 31, "<b>", "é")]
        table += [HookRequest({k: v for k, v in other.items() if k != name}, b"") for name in (
            "x-goog-channel-id", "x-goog-channel-token", "x-goog-message-number", "x-goog-resource-state"
        )]  # fmt: skip
        table += [HookRequest({}, b""), HookRequest({"x-goog-channel-token": right}, b"{}")]
        assert len(table) >= 40
        assert {door(harness.channel, request) for request in table} == {401}
        with pytest.raises(RejectedInput) as caught:
            harness.channel.verify(HookRequest(good, b"x" * 100_000))
        assert caught.value.status == 413
        assert door(harness.made(push_secret_env=None), HookRequest(good, b"")) == 404

    def test_pushes_need_a_secret_and_https(self, harness: CalendarHarness) -> None:
        """A channel without a secret isn't made at all, and Google calls no address in clear."""
        with pytest.raises(ConfigError, match="push_secret_env"):
            harness.made(push_secret_env=None, push_url=PUSH_URL)
        for url in ("http://sidecar.ours.test/hooks/x", "https://u:p@x.test/", "https://x.test/?a=b", "hooks"):
            with pytest.raises(ValidationError):
                GoogleCalendarChannel.Options(calendar="a@x.test", client_id="x", push_url=url)

    def test_googles_example_of_a_push_is_read(self, harness: CalendarHarness) -> None:
        """With a token of ours in the place of the example's, its headers are taken as they are."""
        told = json.loads((FOLDER / "composed_push_headers.json").read_bytes())
        headers = {name.lower(): value for name, value in told.items()}
        assert door(harness.channel, HookRequest(headers, b"")) == 401
        headers["x-goog-channel-token"] = token(PUSH_SECRET.encode(), headers["x-goog-channel-id"])
        captured = harness.channel.verify(HookRequest(headers, b""))
        assert captured.headers["resource"] == "ret08u3rv24htgh289g"


def test_one_way_in_is_enough_and_none_is_too_few(harness: CalendarHarness) -> None:
    """A calendar is let in by a person or by a service account."""
    both: list[dict[str, Any]] = [{"client_id": ""}, {"service_account_env": "KEY"}]
    for options in both:
        with pytest.raises(ConfigError, match="not both"):
            harness.made(**options)
