"""What is wrong is said in words, with what to do, and only what makes the door useless makes it unready."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.app import App
from sidecar.app.conditions import Condition
from sidecar.journal import Entry, Touch
from sidecar.model import WorkKey, WorkKind
from sidecar.pipeline.brakes import BY_BREAKER
from sidecar.prompts import folder
from sidecar.worker import BY_ERROR
from tests.support.books import run_sql
from tests.support.facts import NOON, an_inference, say
from tests.support.houses import SECRET, House, buys

ONLINE = {"SIDECAR_LLM__TYPE": "anthropic", "ANTHROPIC_API_KEY": "sk-test"}
UNPOLLED = {"SIDECAR_OPS__LATE_POLLS": "0"}
"""For who moves the clock by days without polling: nobody minds."""
NOBODY_DOES_IT = WorkKey(WorkKind.SYNC, "party-x")


def house_in(tmp_path: Path, **more: Any) -> House:
    """Open a house that is ready."""
    return House(tmp_path, "sqlite:///j.db", buys(), **more).start()


def found(house: House) -> list[tuple[str, str]]:
    """Return what is wrong, by rule and subject."""
    return [(condition.rule, condition.subject) for condition in house.app.conditions.now()]


def only(house: House) -> Condition:
    """Return the one thing that is wrong."""
    (condition,) = house.app.conditions.now()
    return condition


def test_where_all_is_well_nothing_is_said(tmp_path: Path) -> None:
    """A ready sidecar has no conditions, and its journal has been written to; seen to fail without the write."""
    with house_in(tmp_path) as house:
        assert (house.app.problems(), house.app.notes()) == ([], [])
        assert house.journal.meta("alive_at") == NOON.isoformat()


def test_a_journal_that_cannot_be_written_makes_it_unready(tmp_path: Path) -> None:
    """Webhooks would be refused, so senders are better sent elsewhere; seen to fail with a journal only read."""
    with house_in(tmp_path) as house:
        run_sql(f"sqlite:///{tmp_path}/j.db", "ALTER TABLE meta RENAME COLUMN value TO lost")
        assert only(house).rule == "journal"
        (problem,) = house.app.problems()
        assert "permissions" in problem


def test_a_book_that_cannot_be_read_is_said_and_nothing_else_fails(tmp_path: Path) -> None:
    """Whoever asks for readiness hears why, not an error; seen to fail with the error let out."""
    with house_in(tmp_path) as house:
        run_sql(f"sqlite:///{tmp_path}/j.db", "DROP TABLE pause")
        assert only(house).rule == "journal"


def test_a_disk_below_its_floor_makes_it_unready(tmp_path: Path) -> None:
    """The figure and the setting are named; seen to fail with bytes taken for megabytes."""
    with house_in(tmp_path, after="\n[ops]\ndisk_free_mb = 10000000\n") as house:
        assert "ops.disk_free_mb" in only(house).summary
        assert len(house.app.problems()) == 1
        assert (house.app.conditions.free_bytes() or 0) < 10_000_000 * 1_000_000


def test_work_that_nobody_does_is_stuck_unless_a_brake_holds_it(tmp_path: Path) -> None:
    """A worker that has ended shows, a paused CRM does not; seen to fail with brakes overlooked, and with no bound."""
    with house_in(tmp_path) as house:
        house.journal.commit(Entry(touches=[Touch(NOBODY_DOES_IT)]))
        house.clock.move(890)
        assert found(house) == []
        house.clock.move(20)
        assert "15 minutes" in only(house).summary
        assert len(house.app.problems()) == 1
        house.journal.pause("ledger", "by hand")
        assert found(house) == [("paused", "ledger")]
        assert house.app.problems() == []


def test_a_dry_run_leaves_its_syncs_due(tmp_path: Path) -> None:
    """What a dry server must not write is not stuck; seen to fail with brakes alone looked at."""
    with house_in(tmp_path) as house:
        house.journal.commit(Entry(touches=[Touch(NOBODY_DOES_IT)]))
        house.clock.move(1_000)
        with App.from_file(tmp_path / "config.toml", {"WEB_SECRET": SECRET}, dry_run=True, clock=house.clock) as dry:
            assert dry.conditions.now() == []
        assert found(house) == [("stuck", "work")]


def test_polls_of_a_paused_channel_are_not_stuck(tmp_path: Path) -> None:
    """A brake on one channel holds its polls alone; seen to fail with every poll held."""
    with house_in(tmp_path) as house:
        touches = [Touch(WorkKey(WorkKind.POLL, "drop")), Touch(WorkKey(WorkKind.POLL, "ledger"))]
        house.journal.commit(Entry(touches=touches))
        house.clock.move(1_000)
        house.journal.pause("channel:drop", "by hand")
        assert ("stuck", "work") in found(house)
        house.journal.pause("ledger", "by hand")
        assert ("stuck", "work") not in found(house)


def test_a_lease_that_nobody_renews_is_stuck(tmp_path: Path) -> None:
    """A process that hangs shows before its work is old; seen to fail with due work looked at alone."""
    with house_in(tmp_path) as house:
        house.journal.commit(Entry(touches=[Touch(NOBODY_DOES_IT)]))
        house.journal.claim([NOBODY_DOES_IT], 60)
        house.clock.move(130)
        assert "1 pieces of work were left" in only(house).summary


@pytest.mark.parametrize(
    ("reason", "rule", "remedy"),
    [
        (BY_ERROR + "crm: the key is refused (401)", "paused", "at a restart"),
        (BY_BREAKER + "500 changes", "breaker", "sidecar resume ledger"),
        ("rita: we move house", "paused", "sidecar resume ledger"),
    ],
)
def test_a_pause_is_said_with_its_reason_and_its_way_out(tmp_path: Path, reason: str, rule: str, remedy: str) -> None:
    """A brake is worth knowing, and the door goes on taking; seen to fail as a fault, and with a name to log."""
    with house_in(tmp_path) as house:
        house.journal.pause("ledger", reason)
        assert only(house).rule == rule
        (note,) = house.app.notes()
        assert house.app.problems() == []
        assert reason.removeprefix("rita: ") in note
        assert remedy in note
        assert "rita" not in only(house).summary
        assert ("Paused by rita." in note) == reason.startswith("rita")


def test_a_spent_budget_is_said_until_the_next_day(tmp_path: Path) -> None:
    """Conversations wait, and whoever looks is told why; seen to fail with yesterday's costs, and with a free model."""
    alone = {"SIDECAR_LLM__PARTY_DAILY_USD": "0"}
    with house_in(tmp_path, env=ONLINE | alone, timezone="Europe/London") as house:
        said = say(house.journal, "1", "p", who="ann")
        house.journal.commit(Entry(facts=[an_inference(house.journal, "p", [said.match], cost_usd=5.5)]))
        assert "$5.50 of llm.daily_usd = 5" in only(house).summary
        house.clock.move(86_400)
        assert found(house) == []


def test_shares_that_are_used_up_are_counted_and_nobody_is_named(tmp_path: Path) -> None:
    """Who runs it learns that somebody's words wait, and how many are such, until the next day."""
    with house_in(tmp_path, env=ONLINE) as house:
        for name in ("p", "q", "r"):
            said = say(house.journal, name, name, who=name)
            cost_usd = 0.3 if name == "r" else 1.5
            inference = an_inference(house.journal, name, [said.match], cost_usd=cost_usd)
            house.journal.commit(Entry(facts=[replace(inference, senders={f"sender-{name}": 3})]))
        parties, senders = [c for c in house.app.conditions.now() if c.rule == "budget"]
        assert parties.summary.startswith("2 parties have used up a share of the day's budget (llm.party_daily_usd = 1")
        assert senders.summary.startswith("2 senders have used up")
        assert not [c for c in (parties, senders) if c.is_fault]
        house.clock.move(86_400)
        assert found(house) == []


@pytest.mark.parametrize("cost_usd", [0.0, 1_000.0])
def test_without_bounds_nothing_is_spent_up(tmp_path: Path, cost_usd: float) -> None:
    """Zero is no bound, for whoever watches the bill elsewhere; seen to fail with zero taken for nothing."""
    bounds = ("DAILY_USD", "PARTY_DAILY_USD", "SENDER_DAILY_USD")
    with house_in(tmp_path, env=ONLINE | {f"SIDECAR_LLM__{name}": "0" for name in bounds}) as house:
        said = say(house.journal, "1", "p", who="ann")
        house.journal.commit(Entry(facts=[an_inference(house.journal, "p", [said.match], cost_usd=cost_usd)]))
        assert found(house) == []


def test_parked_work_is_news_above_a_number(tmp_path: Path) -> None:
    """A few pieces are everyday, many are news; seen to fail with the bound itself told."""
    with house_in(tmp_path, after="\n[ops]\nparked_above = 2\n") as house:
        house.journal.commit(Entry(parks=[(WorkKey(WorkKind.PARSE, str(n)), "poison") for n in range(2)]))
        assert found(house) == []
        house.journal.commit(Entry(parks=[(WorkKey(WorkKind.PARSE, "more"), "poison")]))
        assert "sidecar work --state parked" in only(house).remedy


def test_a_silent_channel_is_news_in_its_hours(tmp_path: Path) -> None:
    """Silence counts from the last delivery, or from its first start; seen to fail with nights counted."""
    hours = {"SIDECAR_CHANNELS__WEB__SILENT_AFTER_H": "8", "SIDECAR_CHANNELS__WEB__EXPECTED": "mon-fri 09:00-17:00"}
    with house_in(tmp_path, env=hours | UNPOLLED) as house:
        house.clock.move(7 * 3600)  # from noon of its first start, a weekday, to the evening
        assert found(house) == []
        house.clock.move(17 * 3600)
        assert only(house) == Condition(
            "silent",
            "channel:web",
            "nothing has come on web for 8 expected hours",
            "See what `sidecar check` says of web, and whether its source still sends.",
        )
        house.hear("I am back")
        assert found(house) == []
        house.clock.move(3 * 86_400)
        house.journal.pause("channel:web", "by hand")
        assert found(house) == [("paused", "channel:web")]


def test_a_channel_that_nobody_watches_may_be_silent(tmp_path: Path) -> None:
    """Silence is news only where somebody said after how long."""
    with house_in(tmp_path, env=UNPOLLED) as house:
        assert house.app.channels
        house.clock.move(100 * 86_400)
        assert found(house) == []


def test_a_prompt_that_does_not_load_is_news(tmp_path: Path) -> None:
    """What was adopted stays in force, but the next start would fail; seen to fail with the start as the only look."""
    shutil.copytree(folder(tmp_path), tmp_path / "prompts")
    with house_in(tmp_path) as house:
        (tmp_path / "prompts" / "relationship.md").write_text("+++\nnonsense = 1\n+++\n")
        assert only(house).rule == "prompt"
        assert "relationship.md" in only(house).summary
        assert house.app.problems() == []
