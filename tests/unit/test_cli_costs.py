"""Costs: the command adds up what the book counted, by whatever is asked, and shows it beside the budget."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.capture import to_delivery
from sidecar.journal import Entry, Journal
from sidecar.model.means import AUDIO_MS, AUDIO_NANO_USD, HEARD_BY
from sidecar.ports import Captured
from tests.support.books import run_sql
from tests.support.facts import an_inference, say
from tests.support.offices import CONFIG, Office
from tests.twins.completions import Completions, Kind
from tests.unit.test_journal_costs import BACK


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office that read three parties' words, one with the stronger model, and one of them yesterday."""
    office = Office(tmp_path_factory.mktemp("office")).furnish([])
    with office.journal() as journal:
        for n, (party, model, usd) in enumerate((("p", "small", 0.5), ("q", "large", 2.0), ("p", "small", 0.25))):
            said = say(journal, str(n), party, who=party)
            read = an_inference(journal, party, [said.match], cost_usd=usd)
            told: dict[str, Any] = {
                "model": model,
                "input_tokens": 1_000,
                "cache_read_tokens": 500,
                "output_tokens": 20,
            }
            told |= {"escalated_from": "x"} if model == "large" else {}
            read = replace(read, channel="mail", route="sales", senders={f"sender-{party}": 9}, **told)
            journal.commit(Entry(facts=(journal.mint(read),)))
    return office


def test_every_way_of_counting_comes_to_the_same_sum(office: Office) -> None:
    """A bill is the same whatever it is broken down by; seen to fail with one dimension's rows left out."""
    for by in ("day", "model", "prompt", "channel", "route", "party", "sender"):
        report = office.data("costs", "--by", by)
        assert sum(row["usd"] for row in report["rows"]) == report["total"]["usd"] == 2.75, by
        assert sum(row["calls"] for row in report["rows"]) == report["total"]["calls"] == 3, by


def test_hearing_stands_beside_reading(tmp_path: Path) -> None:
    """Minutes and money of voice notes are told for the days asked for, and what today may hold; nothing where none."""
    office = Office(tmp_path).furnish([])
    assert office.data("costs")["heard"]["files"] == 0 and "Heard" not in office.told("costs")
    told = {HEARD_BY: "whisper-1", AUDIO_MS: "90000", AUDIO_NANO_USD: "9000000"}
    with office.journal() as journal:
        for n in range(2):
            captured = Captured("web", b"{}", f"media:activity-{n}:0", told)
            journal.commit(Entry(facts=(to_delivery(captured, "web", journal.now(), journal.mint),)))
    heard = office.data("costs")["heard"]
    assert heard == {"files": 2, "minutes": 3.0, "usd": 0.018, "today_minutes": 3.0, "daily_minutes": 600.0}
    assert "Heard 2 voice notes, 3.0 minutes, for $0.0180; today 3.0 of transcriber.daily_minutes = 600." in " ".join(
        office.told("costs").split()
    )
    assert office.data("costs", "--until", "2026-01-31", "--since", "2026-01-01")["heard"]["minutes"] == 0


def test_the_dearest_come_first_and_the_rest_is_counted(office: Office) -> None:
    """Whoever looks for what costs most finds it in the first row, and learns how much isn't shown."""
    report = office.data("costs", "--by", "party", "--top", "1")
    (row,) = report["rows"]
    assert (row["name"], row["usd"], row["escalations"], report["left_out"]) == ("q", 2.0, 1, 1)
    assert (row["input_tokens"], row["cache_read_tokens"], row["output_tokens"]) == (1_000, 500, 20)
    assert "1 further row left out" in office.told("costs", "--by", "party", "--top", "1")


def test_costs_stand_beside_the_budget(office: Office) -> None:
    """What was used today is shown beside what may be; a month is estimated from the days since the first call.

    Seen to fail with thirty days in the mean of somebody who began today.
    """
    report = office.data("costs")
    assert report["today"]["usd"] == 2.75
    assert report["today"]["daily_usd"] == 5.0
    assert (report["days"], report["per_month_usd"]) == (1, pytest.approx(82.5))
    told = office.told("costs")
    assert "Today so far: $2.7500 of llm.daily_usd = 5, 4,560 tokens." in told
    assert "On average of 1 day $2.7500 a day, which is $82.50 in 30 days" in told
    one = office.data("costs", "--since", str(report["until"]))
    assert one["per_day_usd"] == 2.75


def test_a_check_says_that_a_budget_is_spent(office: Office) -> None:
    """Nothing is wrong, and all is not well: conversations wait."""
    with Completions(Kind(models=("m",))) as served:
        env = {"SIDECAR_LLM__TYPE": "openai", "SIDECAR_LLM__BASE_URL": served.base_url, "SIDECAR_LLM__MODEL": "m"}
        shares = ("PARTY_DAILY_USD", "SENDER_DAILY_USD")
        env |= {"SIDECAR_LLM__FREE": "true"} | {f"SIDECAR_LLM__{share}": "0" for share in shares}
        well, spent = (office.sidecar("check", env={**env, "SIDECAR_LLM__DAILY_USD": usd}) for usd in ("9", "1"))
        assert (well.exit_code, spent.exit_code) == (0, 0), spent.output
        assert "All is well" in well.stdout and re.search(r"budget +fine +\$2\.75 of the model today", well.stdout)
        assert "a budget is spent and conversations wait" in spent.stdout
        assert "All is well" not in spent.stdout
        assert re.search(r"waits +the day's model budget is spent \(\$2\.75 of llm\.daily_usd = 1\)", spent.stdout)


def test_a_time_without_calls_says_so(office: Office) -> None:
    """An empty table would look like a fault, and an end before the beginning is one."""
    assert "Nothing was read from 2020-01-01 to 2020-01-31." in office.told(
        "costs", "--since", "2020-01-01", "--until", "2020-01-31"
    )
    assert "is later than" in office.refused("costs", "--since", "2020-02-01", "--until", "2020-01-31")


def test_no_address_is_printed(office: Office) -> None:
    """Senders are hashes: what costs is nobody's address; the example in the help is a command that works."""
    assert "@" not in json.dumps([row["name"] for row in office.data("costs", "--by", "sender")["rows"]])
    assert "sidecar costs --by party --top 5" in office.told("costs", "--help")
    office.told("costs", "--by", "party", "--top", "5")


def test_a_journal_on_a_server_moves_on_when_somebody_says_that_there_is_a_backup(
    tmp_path: Path, postgres_url: str
) -> None:
    """An upgrade names the command, and the command does it."""
    Journal.open(postgres_url).close()
    for statement in BACK:
        run_sql(postgres_url, statement)
    config = CONFIG.replace("sqlite:///journal.db", postgres_url)
    office = Office(tmp_path).furnish([], config)
    assert "sidecar migrate --backed-up" in office.refused("costs", code=2)
    assert office.data("migrate", "--backed-up") == {"revision": "0004"}
    assert office.data("costs")["rows"] == []


def test_what_an_older_version_booked_is_told_apart_from_nothing(tmp_path: Path) -> None:
    """Calls that nobody noted the channel of were made nevertheless; seen to fail with "nothing was read"."""
    office = Office(tmp_path).furnish([])
    with office.journal() as journal:
        said = say(journal, "1", "p", who="p")
        journal.commit(Entry(facts=(an_inference(journal, "p", [said.match], cost_usd=0.5),)))
    assert office.data("costs", "--by", "channel")["uncounted"] == 1
    told = office.told("costs", "--by", "channel")
    assert "1 call was booked by a version that didn't note the channel." in told and "Nothing" not in told
