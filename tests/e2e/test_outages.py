"""Outages: whatever the CRM or the model does, deliveries are acknowledged, nothing is lost, and all drains in the end.

One running sidecar is led through the whole table, since what one outage leaves behind must not harm the next. HubSpot
is the twin, the model is llmock behind Anthropic's SDK, or a script where a real one would have to be taught to refuse.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from llmock.pytest_plugin import LLMock

from sidecar.app import App
from sidecar.journal import Journal
from sidecar.model import WorkKind, WorkRow
from tests.e2e.test_walk import answer
from tests.support.crms.hubspot import HubSpotCrm
from tests.support.served import Sidecar, until
from tests.support.vendors import office, switch_on, switch_on_unchecked
from tests.twins.hubspot import BlackHole, Drop, HubSpotTwin, Reset, Slow, Status, Truncated, html, locked, too_many

QUOTE = "we need a training day"
PER_OUTAGE = 2
RULES = [
    {"match": QUOTE, "answer": {"ops": [{"field": "stage", "value": "qualified", "evidence": [{"quote": QUOTE}]}]}},
    {"match": "refuse this", "stop": "refusal"},
    {"match": "cut this off", "stop": "truncated"},
]
CRM = {
    "refuses connections": None,
    "answers slowly": Slow(40),
    "never answers": BlackHole(4.0),
    "resets connections": Reset(),
    "limits bursts": too_many(retry_after_s=1),
    "limits bursts without saying when": too_many(),
    "locks records": locked(),
    "is behind a broken gateway": html(502),
    "is behind a gateway that breaks after the work": html(504, after_work=True),
    "is in maintenance": Status(503, {"status": "error", "message": "down"}),
    "talks nonsense": Status(200, "<html>login</html>", {"Content-Type": "text/html"}),
    "answers half": Truncated(),
    "answers half and calls it all": Truncated(honest=True),
    "does it and drops the answer": Drop(),
}


@pytest.fixture(scope="module")
def portal() -> Iterator[HubSpotCrm]:
    """A HubSpot account on a socket."""
    with HubSpotCrm(search_lag_s=0.5) as opened:
        yield opened


@pytest.fixture(scope="module")
def twin(portal: HubSpotCrm) -> HubSpotTwin:
    """The same as what strikes it sees it."""
    return portal.twin


@dataclass
class Crowd:
    """Customers who write to one sidecar, each once and under an address of its own."""

    box: Sidecar
    twin: HubSpotTwin
    journal: Journal
    count: int = 0

    @property
    def parked(self) -> list[WorkRow]:
        """What waits for a person."""
        return self.journal.work("parked")

    @property
    def waits(self) -> bool:
        """Whether a sync was tried and waits for better times."""
        return any(row.work.kind is WorkKind.SYNC and row.attempts for row in self.journal.work("waiting", "due"))

    @property
    def is_idle(self) -> bool:
        """Whether nothing can be done right now."""
        return not self.journal.work("due", "running")

    def write(self, text: str = QUOTE, times: int = PER_OUTAGE) -> list[str]:
        """Let so many new customers write; each must be acknowledged. Returns their addresses."""
        addresses = []
        for _ in range(times):
            self.count += 1
            number, at = self.count, datetime.now(UTC).isoformat()
            sender = {"external_id": f"v-{number}", "name": f"Ann {number}", "email": f"ann{number}@x.test"}
            data = {
                "message_id": f"m-{number}", "conversation_id": f"c-{number}", "direction": "inbound",
                "sender": {**sender, "role": "customer"}, "text": f"Hello, {text}.", "sent_at": at, "attachments": [],
            }  # fmt: skip
            event = {"type": "message.created", "timestamp": at, "data": data}
            assert self.box.post("web", event, f"d-{number}") == 202, "capturing never depends on CRM or model"
            addresses.append(sender["email"])
        return addresses

    def deals(self, address: str) -> int:
        """How many qualified deals of a customer's contacts there are."""
        contacts = [record for record in self.twin.all("contact") if record.values.get("email") == address]
        deals = [deal for contact in contacts for deal in self.twin.linked("contact", contact.id, "deal")]
        return sum(self.twin.value("deal", deal, "dealstage") == "qualifiedtobuy" for deal in deals)

    def written(self, addresses: list[str]) -> bool:
        """Whether each customer has a contact with a qualified deal."""
        return all(self.deals(address) for address in addresses)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, portal: HubSpotCrm) -> Iterator[Crowd]:
    """One sidecar for the whole table, whose model follows a script."""
    folder = tmp_path_factory.mktemp("outages")
    (folder / "script.json").write_text(json.dumps(RULES))
    box = office(folder, portal, max_wait_s=1.0)
    switch_on_unchecked(box)
    with box.serve(), App.from_file(folder / "config.toml", box.env) as app:
        yield Crowd(box, portal.twin, app.journal)
        everything_is_there_once(box, portal.twin)


def everything_is_there_once(box: Sidecar, twin: HubSpotTwin) -> None:
    """Nothing twice, nothing parked but what is poison, and a book that is what it says."""
    addresses = [record.values.get("email") for record in twin.all("contact")]
    assert len(addresses) == len(set(addresses)), "a contact was made twice"
    for contact in twin.all("contact"):
        for kind in ("deal", "note"):
            assert len(twin.linked("contact", contact.id, kind)) <= 1, f"a {kind} was made twice"
    box.run("verify")


@pytest.mark.parametrize("what", CRM)
def test_a_crm_that(what: str, crowd: Crowd, twin: HubSpotTwin) -> None:
    """While it lasts all is taken in, and after it all is written, once; seen to fail with errors that park."""
    fault = CRM[what]
    if fault is None:
        twin.down()
    else:
        twin.fault(fault, path="/crm/", times=None)
    addresses = crowd.write()
    until(lambda: crowd.waits, "the outage to be noticed")
    twin.up() if fault is None else twin.heal()
    until(lambda: crowd.written(addresses), f"what was said while it {what} to be written", 90.0)
    assert not crowd.parked


def test_a_day_that_is_used_up_is_not_hammered(crowd: Crowd, twin: HubSpotTwin, request: pytest.FixtureRequest) -> None:
    """Nobody asks again before the account's midnight, and capturing goes on; seen to fail with a backoff."""
    rule = twin.fault(too_many("DAILY"), path="/crm/", times=None)
    request.addfinalizer(twin.heal)
    addresses = crowd.write()

    def met() -> list[WorkRow]:
        """The syncs of those who wrote just now that were tried: an earlier outage may have left others waiting."""
        mine = {standing.party for address in addresses for standing in crowd.journal.parties(address)}
        rows = crowd.journal.work("waiting")
        return [row for row in rows if row.work.kind is WorkKind.SYNC and row.work.key in mine and row.attempts]

    until(lambda: rule.struck and len(met()) == PER_OUTAGE and crowd.is_idle, "the limit to be met")
    midnight = (datetime.now(ZoneInfo(twin.switches.time_zone)) + timedelta(days=1)).replace(hour=0, minute=0, second=0)
    for row in met():
        assert row.not_before and abs((row.not_before - midnight).total_seconds()) < 120, "it waits until midnight"
    crowd.write()


@pytest.mark.parametrize("poison", ["refuse this", "cut this off"])
def test_a_poisonous_party_delays_no_other(poison: str, crowd: Crowd) -> None:
    """What the model won't read is parked by name, and all others go on; seen to fail with the model paused for it."""
    before = len(crowd.parked)
    crowd.write(poison, 1)
    others = crowd.write()
    until(lambda: crowd.written(others), "the others to be written")
    until(lambda: len(crowd.parked) == before + 1, "the poison to be parked")


LLM: dict[str, Callable[[LLMock], Any]] = {
    "is down": lambda llm: llm.outage(),
    "is overloaded": lambda llm: llm.fail(529, times=None),
    "limits": lambda llm: llm.rate_limit(times=None, retry_after=1.0),
}


def _asked_since(llmock: LLMock, asked: int) -> bool:
    return len(llmock.requests) > asked


def test_a_model_that_is_away_delays_and_loses_nothing(tmp_path: Any, llmock: LLMock, portal: HubSpotCrm) -> None:
    """Down, overloaded, limiting: deliveries wait in the book and are read afterwards; seen to fail with a park."""
    box = office(
        tmp_path, portal, llm=f'type = "anthropic"\nbase_url = "{llmock.base_url("anthropic")}"\nmax_retries = 0',
        secrets={"ANTHROPIC_API_KEY": "a-key-for-the-stand-in"},
    )  # fmt: skip
    switch_on(box)
    with box.serve(), App.from_file(tmp_path / "config.toml", box.env) as app:
        crowd = Crowd(box, portal.twin, app.journal, count=10_000)
        for what, strike in LLM.items():
            strike(llmock)
            asked = len(llmock.requests)
            addresses = crowd.write()
            until(partial(_asked_since, llmock, asked), "the outage to be noticed")
            llmock.reset()
            llmock.reply(answer(("stage", "qualified", "a1", QUOTE)), times=None)
            until(partial(crowd.written, addresses), f"what was said while it {what}", 90.0)
        assert not crowd.parked
    everything_is_there_once(box, portal.twin)
