"""Brakes: fields and routes that are held back, and the breaker that stops writing by itself until a person resumes."""

from pathlib import Path

import pytest

from sidecar.errors import TemporaryError
from sidecar.journal import Entry, Journal, Pause
from sidecar.model import Author, AuthorKind, Change, Correction, Fact, Posting, Route
from sidecar.pipeline.brakes import BY_BREAKER, BY_ITSELF, Breaker, BreakerLimits, paused_here, resume
from sidecar.sync import EVERYTHING
from tests.support.facts import NOON, SetClock, say
from tests.support.houses import House, buys, op, says

PAUSED_BY = "rita: the field is wrong"


@pytest.fixture
def clock() -> SetClock:
    """A clock that the test moves."""
    return SetClock()


@pytest.fixture
def journal(tmp_path: Path, clock: SetClock) -> Journal:
    """An open book under that clock."""
    return Journal.open("sqlite:///j.db", base=tmp_path, clock=clock)


def write(journal: Journal, *facts: Fact) -> None:
    """Put facts into the book."""
    journal.commit(Entry(facts=facts))


def changes(journal: Journal, cause: str, start: int, count: int) -> None:
    """Intend so many changes."""
    made = [
        Change(
            because=(cause,), party="p", ledger="local", kind="contact", key="k", ref="1", engagement=1,
            field=f"f{number}", old=None, new="x", reading="r", at=NOON,
        )
        for number in range(start, start + count)
    ]  # fmt: skip
    write(journal, *map(journal.mint, made))


def corrections(journal: Journal, cause: str, start: int, count: int) -> None:
    """Let a person put right so many fields."""
    made = [
        Correction(
            because=(cause,), party="p", reading=f"r{number}", ledger="local", kind="contact", ref="1", engagement=1,
            field="f", ours="x", theirs="y", author=Author(AuthorKind.PERSON), at=NOON,
        )
        for number in range(start, start + count)
    ]  # fmt: skip
    write(journal, *map(journal.mint, made))


def postings(journal: Journal, cause: str, start: int, count: int) -> None:
    """Confirm so many changes."""
    made = [
        Posting(
            because=(cause,), party="p", change=f"c{number}", ledger="local", kind="contact", key="k", ref="1",
            engagement=1, field="f", wrote="x", value="x", at=NOON,
        )
        for number in range(start, start + count)
    ]  # fmt: skip
    write(journal, *map(journal.mint, made))


def lets(breaker: Breaker, count: int = 1) -> bool:
    """Say whether the breaker lets changes through."""
    try:
        with breaker.room(count):
            return True
    except TemporaryError:
        return False


# The breaker ----------------------------------------------------------------------------------------------------------


def test_too_many_changes_within_an_hour_pause_the_ledger(journal: Journal, clock: SetClock) -> None:
    """The figure is in the reason, and an hour later is another hour; seen to fail with every change counted."""
    with journal:
        cause = say(journal, "1", "p", who="ann").match.id
        breaker = Breaker(journal, BreakerLimits(changes_per_hour=5))
        changes(journal, cause, 0, 4)
        assert lets(breaker)
        clock.move(3601)
        changes(journal, cause, 4, 4)
        assert lets(breaker)
        changes(journal, cause, 8, 1)
        assert not lets(breaker)
        assert journal.paused()["ledger"].reason == (
            f"{BY_BREAKER}5 changes in the CRM within an hour, as many as brakes.changes_per_hour allows"
        )


def test_only_a_person_resumes_and_what_was_counted_counts_no_more(journal: Journal, clock: SetClock) -> None:
    """An hour doesn't take it off, nor does a restart; and it isn't on again at once; seen to fail with all counted."""
    with journal:
        cause = say(journal, "1", "p", who="ann").match.id
        changes(journal, cause, 0, 5)
        assert not lets(Breaker(journal, BreakerLimits(changes_per_hour=5)))
        clock.move(4000)
        assert "ledger" in journal.paused()
        clock.move(-1000)
        assert resume(journal, "ledger")
        clock.move(1)
        again = Breaker(journal, BreakerLimits(changes_per_hour=5))
        assert lets(again)
        changes(journal, cause, 5, 5)
        assert not lets(again)


def test_changes_under_way_count(journal: Journal) -> None:
    """Syncs that run together don't pass the limit together; seen to fail with only the book counted."""
    with journal:
        breaker = Breaker(journal, BreakerLimits(changes_per_hour=5))
        with breaker.room(3), breaker.room(2):
            assert not lets(breaker)
        resume(journal, "ledger")
        assert lets(breaker)


def test_one_plan_always_goes_through_after_a_resume(journal: Journal) -> None:
    """A party with more fields than the limit is written before the brake comes on; seen to fail with it counted."""
    with journal:
        breaker = Breaker(journal, BreakerLimits(changes_per_hour=5))
        assert lets(breaker, 12)


def test_too_many_corrections_pause_the_ledger(journal: Journal, clock: SetClock) -> None:
    """A share that is too large, from enough corrections on; seen to fail without the least number, and the share."""
    with journal:
        said = say(journal, "1", "p", who="ann")
        limits = BreakerLimits(correction_rate=0.5, correction_min=3)
        breaker = Breaker(journal, limits)
        postings(journal, said.match.id, 0, 5)
        corrections(journal, said.match.id, 0, 2)
        assert lets(breaker)
        assert lets(Breaker(journal, BreakerLimits(correction_rate=0.3, correction_min=3)))
        assert lets(Breaker(journal, BreakerLimits(correction_rate=0.5, correction_min=2)))
        assert not lets(Breaker(journal, BreakerLimits(correction_rate=0.3, correction_min=2)))
        resume(journal, "ledger")
        clock.move(86_401)
        assert lets(Breaker(journal, BreakerLimits(correction_rate=0.01, correction_min=1)))
        postings(journal, said.match.id, 5, 5)
        corrections(journal, said.match.id, 2, 3)
        assert not lets(breaker)
        assert journal.paused()["ledger"].reason == (
            f"{BY_BREAKER}people put right 3 of the last day's 5 postings, more than brakes.correction_rate = 0.5"
        )


def test_a_breaker_keeps_what_others_paused(journal: Journal) -> None:
    """A person's words stay, and an error's pause, which would go by itself, becomes the breaker's."""
    with journal:
        cause = say(journal, "1", "p", who="ann").match.id
        changes(journal, cause, 0, 5)
        breaker = Breaker(journal, BreakerLimits(changes_per_hour=5))
        journal.pause("ledger", PAUSED_BY)
        assert not lets(breaker)
        assert journal.paused()["ledger"].reason == PAUSED_BY
        journal.pause("ledger", BY_ITSELF + "the key is refused")
        assert not lets(breaker)
        assert journal.paused()["ledger"].reason.startswith(BY_BREAKER)


def test_without_limits_nothing_is_asked(journal: Journal) -> None:
    """Zero is no limit, and a sync without changes asks nothing."""
    with journal:
        cause = say(journal, "1", "p", who="ann").match.id
        changes(journal, cause, 0, 50)
        corrections(journal, cause, 0, 50)
        assert lets(Breaker(journal, BreakerLimits()))
        assert lets(Breaker(journal, BreakerLimits(changes_per_hour=1)), 0)


# In a sidecar ---------------------------------------------------------------------------------------------------------

SAYS = says("buy", op("intent", "buy", "buy"), op("urgency", "high", "buy"))


def test_a_breaker_stops_a_sidecar_and_a_person_starts_it_again(tmp_path: Path) -> None:
    """Nothing more is written, capturing and reading go on, and after `resume` everything is written.

    Seen to fail with the pause taken off by the next success, and with the pipeline not asking.
    """
    with House(tmp_path, "sqlite:///j.db", buys(), after="\n[brakes]\nchanges_per_hour = 8\n").start() as house:
        for who in ("ann", "ben", "cid", "dan"):
            house.hear("I buy", who)
        assert house.journal.paused()["ledger"].reason.startswith(BY_BREAKER)
        written = len(house.records("contact"))
        assert 0 < written < 4
        assert len(house.facts("inference")) == 4
        house.restart()
        house.start()
        house.work()
        assert len(house.records("contact")) == written
        for _ in range(4):
            resume(house.journal, "ledger")
            house.clock.move(10)
            house.restart()
            house.start()
            house.work()
        assert len(house.records("contact")) == 4


def test_the_default_limits_hold_for_somebody_elses_crm_alone(tmp_path: Path) -> None:
    """The reference CRM takes whatever a rehearsal brings, unless limits are written for it."""
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        assert "ledger" not in house.journal.paused()
        cause = say(house.journal, "1", "p", who="ann").match.id
        changes(house.journal, cause, 0, 1_001)
        with house.app.pipeline.parts.room(1):
            pass
    (tmp_path / "other").mkdir()
    vendor = {"SIDECAR_CRM__VENDOR": "true"}
    with House(tmp_path / "other", "sqlite:///j.db", buys(), env=vendor, after=ROUTE) as other:
        cause = say(other.journal, "1", "p", who="ann").match.id
        changes(other.journal, cause, 0, 1_001)
        with pytest.raises(TemporaryError), other.app.pipeline.parts.room(1):
            pass


STAGES = ("enquired", "qualified", "booked", "attended", "closed_won", "closed_lost")
ROUTE = '\n[[route]]\nname = "all"\n[route.stages]\n' + "".join(f'{stage} = "{stage}"\n' for stage in STAGES)


def test_a_paused_field_is_not_written_and_is_once_it_is_resumed(tmp_path: Path) -> None:
    """Its neighbours are written, the reason is said, and nothing else has to happen for it to be written later.

    Seen to fail without the plan's look at brakes, and with nothing touched by `resume`.
    """
    with House(tmp_path, "sqlite:///j.db", SAYS).start() as house:
        house.journal.pause("field:urgency", PAUSED_BY)
        house.hear("I buy")
        [contact] = house.records("contact")
        assert contact.fields["ai_intent"] == "buy"
        assert "ai_urgency" not in contact.fields
        _, made = house.app.pipeline.ledger.look(house.standing())
        assert {(r.field, r.reason) for r in made.refused if r.kind == "contact"} == {
            ("ai_urgency", f"paused: {PAUSED_BY}")
        }
        assert resume(house.journal, "field:urgency")
        house.work()
        [contact] = house.records("contact")
        assert contact.fields["ai_urgency"] == "high"
        assert not resume(house.journal, "field:urgency")


def test_a_paused_route_writes_nothing_new_and_nothing_else(tmp_path: Path) -> None:
    """No record is made and no field changed on that route, while the other goes on; seen to fail for records."""
    routes = '\n[[route]]\nname = "drop"\nmatch = { channel = ["drop"] }\n[[route]]\nname = "rest"\n'
    with House(tmp_path, "sqlite:///j.db", SAYS, after=routes).start() as house:
        house.hear("I buy")
        house.journal.pause("route:rest", PAUSED_BY)
        house.hear("I buy", "ben")
        house.mail("cid@x.test", "I buy")
        house.poll()
        emails = {record.fields.get("email") for record in house.records("contact")}
        assert emails == {"ann@x.test", "cid@x.test"}
        _, made = house.app.pipeline.ledger.look(house.standing("ben"))
        assert ("contact", "", f"paused: {PAUSED_BY}") in {(r.kind, r.field, r.reason) for r in made.refused}
        resume(house.journal, "route:rest")
        house.work()
        assert len(house.records("contact")) == 3


def test_an_error_takes_no_brake_over(tmp_path: Path) -> None:
    """What a person paused while a call was failing stays so after a success; seen to fail with it replaced."""
    with House(tmp_path, "sqlite:///j.db", {"match": ".", "error": "config"}).start() as house:
        house.llm.meanwhile = lambda _: house.journal.pause("llm", PAUSED_BY)
        house.hear("I buy")
        assert house.journal.paused()["llm"].reason == PAUSED_BY


def test_reasons_are_by_field_and_a_route_holds_everything() -> None:
    """Only what concerns a route is held back on it."""
    pauses = {
        scope: Pause(scope, scope.upper(), NOON)
        for scope in ("ledger", "llm", "channel:web", "field:intent", "route:chat")
    }
    assert paused_here(pauses, Route("mail")) == {"intent": "paused: FIELD:INTENT"}
    assert paused_here(pauses, Route("chat")) == {"intent": "paused: FIELD:INTENT", EVERYTHING: "paused: ROUTE:CHAT"}
