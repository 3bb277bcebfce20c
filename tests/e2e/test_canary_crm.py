"""Canaries at a vendor's CRM: whatever it answers, and it repeats everything, none of that reaches a log or a URL.

The CRM is the HubSpot twin on a socket, which is told to refuse each kind of call in each way, in words that hold the
token, the customer and what was written about him. The sidecar is the real command, switched on as an operator does it.
"""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.e2e.test_canary import Day, _message
from tests.support.canaries import PEOPLE, SECRETS, leaked
from tests.support.parrots import MailParrot, ModelParrot
from tests.support.served import sidecar, until
from tests.twins.hubspot import HubSpotTwin, Status

CONFIG = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[own]
domains = ["acme.test"]
[channels.web]
type = "webhook"
secret_env = "WEB_SECRET"
[crm]
type = "hubspot"
base_url = "{twin}"
every_s = 1
settle_s = 0.5
search_lag_s = 0.5
burst = 1000
connect_timeout_s = 2
read_timeout_s = 5
call_timeout_s = 5
max_wait_s = 6
[crm.create]
contact = "auto"
[[route]]
name = "sales"
pipeline = "default"
[route.stages]
enquired = "appointmentscheduled"
qualified = "qualifiedtobuy"
booked = "presentationscheduled"
attended = "contractsent"
closed_won = "closedwon"
closed_lost = "closedlost"
[llm]
type = "anthropic"
base_url = "{llm_url}"
max_retries = 0
[inference]
quiet_s = 0.1
[policy]
mode = "auto"
[notes]
settle_s = 0
"""
ENV = {
    "WEB_SECRET": SECRETS["webhook secret"],
    "HUBSPOT_TOKEN": SECRETS["CRM token"],
    "ANTHROPIC_API_KEY": SECRETS["model key"],
}
ALL = [*SECRETS.values(), *PEOPLE.values()]
EVERYTHING = " ".join(ALL)
REFUSALS = (
    (400, "VALIDATION_ERROR"), (404, "OBJECT_NOT_FOUND"), (409, "CONFLICT"), (413, ""), (423, "LOCKED"),
    (429, "RATE_LIMITS"), (500, "INTERNAL_ERROR"), (502, ""), (403, "MISSING_SCOPES"), (401, "INVALID_AUTHENTICATION"),
)  # fmt: skip
IMPERSONAL = (("check",), ("check", "--json"), ("work",), ("work", "--json"), ("--dry-run", "provision"), ("mode",))


def refusal(status: int, category: str) -> Status:
    """An answer that says everything it can think of, in each place that an error of HubSpot's has."""
    context = {"properties": ALL, "ids": ALL, "value": [EVERYTHING], "propertyName": ALL}
    error = {"message": EVERYTHING, "code": category, "context": context, "in": PEOPLE["address"]}
    body: dict[str, Any] = {"status": "error", "message": EVERYTHING, "category": category, "context": context}
    body |= {"errors": [error], "links": {"who": EVERYTHING}, "correlationId": PEOPLE["visitor"]}
    return Status(status, body if category else f"<html><body>{EVERYTHING}</body></html>")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """A day on which the CRM refuses everything once, in every way."""
    folder = tmp_path_factory.mktemp("canary-crm")
    with ModelParrot() as model, MailParrot() as mail, HubSpotTwin(tokens={SECRETS["CRM token"]}) as twin:
        box = sidecar(folder, CONFIG.format(twin=twin.url, llm_url=model.url), ENV)
        lived = Day(box, model, mail)
        box.run("provision")
        box.run("check", "--go-live", "--to", "auto", "--yes")
        with box.serve():
            _is_refused(lived, twin)
            for path in ("/readyz", "/metrics"):
                lived.ask(path)
            lived.answers += [("request", entry.status or 0, f"{entry.method} {entry.path}") for entry in twin.requests]
        twin.fault(refusal(401, "INVALID_AUTHENTICATION"), times=None)
        for words in IMPERSONAL:
            lived.tell(*words)
        yield lived


def _is_refused(day: Day, twin: HubSpotTwin) -> None:
    for number, (status, category) in enumerate(REFUSALS):
        rule = twin.fault(refusal(status, category), path="(create|upsert|search|read|update)", times=6)
        who = f"{number}" if number else ""
        message = _message(PEOPLE["words"], f"m{number}", who)
        assert day.box.post("web", message, f"m{number}", secret=ENV["WEB_SECRET"]) == 202
        until(partial(getattr, rule, "struck"), f"the CRM to refuse with {status}")
        if status in (401, 403):
            until(partial(_pauses, day, status), "the ledger to be paused")
        twin.heal()
        if status in (401, 403):
            day.tell("resume", "ledger")
    assert day.box.post("web", _message(PEOPLE["words"], "last", "77"), "last", secret=ENV["WEB_SECRET"]) == 202
    until(lambda: _known(twin, "guest77@"), "the CRM to know somebody in the end")


def _pauses(day: Day, status: int) -> bool:
    word = "scope" if status == 403 else str(status)
    return any(e.get("event") == "adapter_paused" and word in e["reason"] for e in list(day.box.log))


def _known(twin: HubSpotTwin, address: str) -> bool:
    return any(
        address in entry.body.decode("utf-8", "replace") and entry.status in (200, 201) for entry in twin.requests
    )


def test_what_a_crm_says_reaches_no_log(day: Day) -> None:
    """A vendor's error may quote token, customer and values; seen to fail with its message in ours."""
    found = {json.dumps(entry)[:400]: leaks for entry in day.box.log if (leaks := leaked(json.dumps(entry)))}
    assert not found, "\n".join(f"{leaks}: {entry}" for entry, leaks in found.items())
    assert {"adapter_paused", "work_parked"} <= {entry.get("event") for entry in day.box.log}


def test_no_url_of_the_crm_names_anybody(day: Day) -> None:
    """URLs end up in logs of proxies and vendors: ids stand in them, no addresses and no token."""
    asked = [text for path, _, text in day.answers if path == "request"]
    assert len(asked) > 10
    assert not [text for text in asked if leaked(text)]


def test_the_listener_and_the_commands_tell_nothing_of_it(day: Day) -> None:
    """Readiness, metrics, checks and lists of work say what to mend, in our words."""
    assert not [(path, leaks) for path, _, text in day.answers if (leaks := leaked(text))]
    found = {words: leaks for words, text in day.told.items() if (leaks := leaked(text))}
    assert not found, "\n".join(f"{words}: {leaks}\n{day.told[words][-1500:]}" for words, leaks in found.items())
