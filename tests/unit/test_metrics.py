"""Metrics: what is counted is true, costs little, and holds no word of a stranger's or a customer's."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sidecar.app.observed import observed_ledger, observed_llm, status_of
from sidecar.app.tally import BUCKETS_S, MAX_SERIES, OTHER, Tally
from sidecar.errors import ConfigError, PermanentError, StaleVersion
from sidecar.ports import LLM, Ledger
from tests.support.books import run_sql
from tests.support.facts import SetClock
from tests.support.houses import House, buys

NAMES = ("quentin", "Quentin", "x.test", "buy")


def read(house: House) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Scrape a house as Prometheus does."""
    families = text_string_to_metric_families(house.app.metrics().decode())
    return {
        (sample.name.removeprefix("sidecar_"), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(found: Mapping[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    """Return one figure."""
    return found[name, frozenset(labels.items())]


def test_a_walk_is_counted_at_each_step(tmp_path: Path) -> None:
    """Channels, outcomes, the model, the CRM and the door each leave their figure; seen to fail without each hook."""
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        house.hear("I buy")
        house.hear("I buy more")
        house.mail("news@letters.test", "Our newsletter", "List-Unsubscribe: <mailto:x@letters.test>", "List-Id: <n>")
        house.poll()
        house.say("Something new", "ben")
        house.journal.pause("llm", "by hand")
        house.app.answered("web", 202)
        house.app.answered("../../etc", 404)
        house.clock.move(30)
        found = read(house)
    assert value(found, "activities_total", channel="web", outcome="party") == 2
    assert value(found, "activities_total", channel="drop", outcome="automated") == 1
    assert value(found, "deliveries_total", channel="web") == 3
    assert value(found, "deliveries_total", channel="drop") == 1
    assert value(found, "channel_silent_seconds", channel="web") == 30
    assert value(found, "inferences_total", model="scripted-1", stop="end") == 2
    assert value(found, "tokens_total", model="scripted-1", kind="input") > 0
    assert value(found, "inference_seconds_count", model="scripted-1") == 2
    assert value(found, "ledger_calls_total", operation="write", status="ok") >= 2
    assert value(found, "ledger_seconds_count", operation="write") >= 2
    assert value(found, "door_answers_total", channel="web", status="202") == 1
    assert value(found, "door_answers_total", channel=OTHER, status="404") == 1
    assert value(found, "work", kind="parse", state="due") == 1
    assert value(found, "work_oldest_due_seconds") == 30
    assert value(found, "paused", scope="llm") == 1
    assert value(found, "condition", rule="paused", subject="llm") == 1
    assert value(found, "budget_usd") == 5
    assert value(found, "journal_readable") == 1
    assert value(found, "disk_free_bytes") > value(found, "journal_bytes") > 10_000


def test_metrics_name_nobody(tmp_path: Path) -> None:
    """Whoever may look at metrics learns nothing of a customer; seen to fail with a channel from the URL as a label."""
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        house.hear("I buy", "quentin")
        house.app.answered("quentin@x.test", 404)
        text = house.app.metrics().decode()
    labels = [line for line in text.splitlines() if not line.startswith("#")]
    assert not [line for line in labels if any(name in line for name in NAMES)]


def test_a_channel_that_is_gone_counts_with_the_others(tmp_path: Path) -> None:
    """What the book remembers of old channels doesn't grow the labels; seen to fail with the book's names as labels."""
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        house.hear("I buy")
        settings = house.app.settings
        house.app.settings = settings.model_copy(update={"channels": {"drop": settings.channels["drop"]}})
        found = read(house)
    assert value(found, "deliveries_total", channel=OTHER) == 1
    assert not [name for name, labels in found if name == "channel_silent_seconds"]


def test_without_a_journal_the_rest_is_told(tmp_path: Path) -> None:
    """When the book can't be read somebody looks at metrics; seen to fail with the scrape failing."""
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        house.app.answered("web", 503)
        run_sql(f"sqlite:///{tmp_path}/j.db", "DROP TABLE channel_seen")
        found = read(house)
    assert value(found, "journal_readable") == 0
    assert value(found, "door_answers_total", channel="web", status="503") == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "ok"),
        (StaleVersion("x"), "temporary"),
        (ConfigError("x"), "config"),
        (PermanentError("x"), "permanent"),
        (KeyError("x"), "defect"),
    ],
)
def test_a_call_ends_as_who_must_act(error: Exception | None, status: str) -> None:
    """A status is a word of five, never an error's text."""
    assert status_of(error) == status


def test_what_is_observed_is_what_it_was(tmp_path: Path) -> None:
    """Counting changes nothing: same answers, same errors, and what an adapter has beyond its port."""
    with House(tmp_path, "sqlite:///j.db", buys(), clock=SetClock()).start() as house:
        tally = Tally()
        ledger, llm = observed_ledger(house.app.ledger, tally), observed_llm(house.app.llm, tally)
        assert isinstance(ledger, Ledger)
        assert isinstance(llm, LLM)
        assert ledger.capabilities is house.app.ledger.capabilities
        assert ledger.account() == house.app.ledger.account()
        assert list(ledger.show("contact")) == []  # type: ignore[attr-defined]
        with pytest.raises(PermanentError):
            ledger.schema("nonsense")
        assert llm.model == house.app.llm.model
        house.script({"match": ".", "error": "temporary"})
        house.say("I buy")
        house.work()
    assert dict(tally.counts("ledger_calls")) == {("account", "ok"): 1.0, ("schema", "permanent"): 1.0}
    assert ("scripted-1", "temporary") in house.app.tally.counts("inferences")


def test_an_adapter_tells_of_each_call() -> None:
    """A vendor's statuses are counted by the part of the config that asked, and no answer is a status too."""
    tally = Tally()
    observe = tally.observer("crm")
    observe("search", 429, 0.02)
    observe("search", 429, 70.0)
    observe("search", None, 1.0)
    assert dict(tally.counts("http_calls")) == {("crm", "search", "429"): 2.0, ("crm", "search", "none"): 1.0}
    timing = tally.timings("http")["crm", "search"]
    assert sum(timing.counts) == 3
    assert timing.counts[BUCKETS_S.index(0.025)] == timing.counts[-1] == timing.counts[BUCKETS_S.index(1.0)] == 1
    assert timing.total_s == pytest.approx(71.02)


def test_labels_cannot_grow_without_bound() -> None:
    """A stranger, or an adapter gone wrong, fills no memory; seen to fail without the bound."""
    tally = Tally()
    for number in range(MAX_SERIES * 2):
        tally.add("calls", "part", str(number))
        tally.time("calls", str(number), seconds=1.0)
    assert len(tally.counts("calls")) == len(tally.timings("calls")) == MAX_SERIES + 1
    assert tally.counts("calls")[OTHER, OTHER] == MAX_SERIES
