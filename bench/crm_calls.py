"""How many calls to HubSpot so many relationships cost, beside the least that its API allows; prints JSON lines.

The whole sidecar on the twin of HubSpot's API, over a socket, by HubSpot's own client. So many people write for the
first time: each becomes a contact, a deal, a note and a task, with their associations (`creating`). Then each writes
again, and fields, stage, note and task change (`updating`). All of them are due at once, as after an outage or a busy
minute; a single one is what a quiet hour costs. Every call is counted as the twin saw it: guard reads, histories,
writes, read-backs, searches, and those that look up pipelines and properties.

The least is what the API's batches allow: 4 calls for each 100 relationships to write four kinds of records with the
links inside, one for each 2,000 to link upserted deals; with the guards against overwriting people 2 more for each 50,
because a read with history takes 50. Reading back what was written, which the sidecar does before it believes a write,
is no part of the least.

Source: HubSpot's usage guidelines and API reference, read 2026-11.

Usage: python -m bench.crm_calls [--parties 1 100 1000]
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench._machine import CORES, alone
from bench._office import BEGINNING, Office, office
from sidecar.app.ladder import Move
from sidecar.cli.findings import wanted
from sidecar.model import Mode
from tests.twins.hubspot import HubSpotTwin

BATCH, HISTORY_BATCH, LINK_BATCH = 100, 50, 2_000
STAGES = {
    "enquired": "appointmentscheduled", "qualified": "qualifiedtobuy", "booked": "presentationscheduled",
    "attended": "contractsent", "closed_won": "closedwon", "closed_lost": "closedlost",
}  # fmt: skip
CRM = """
[brakes]
changes_per_hour = 100000
[notes]
settle_s = 0
[[route]]
name = "sales"
pipeline = "default"
[route.stages]
{stages}
[crm]
type = "hubspot"
base_url = "{url}"
settle_s = 0
search_lag_s = 0
burst = 1000
search_per_s = 1000
"""
FIRST = "Hello, do you have a room for six people on Thursday afternoon?"
SECOND = "This is urgent, our board wants an answer today. Please call me back."


def _says(quote: str, step: str, **fields: str) -> dict[str, Any]:
    evidence = [{"quote": quote}]
    ops = [{"field": name, "value": value, "evidence": evidence} for name, value in fields.items()]
    steps = [{"what": step, "who": "us", "evidence": evidence}]
    return {"match": quote, "answer": {"ops": ops, "steps": steps, "summary": quote}}


SCRIPT = (
    _says("do you have a room", "hold a room", intent="book", urgency="normal", stage="qualified"),
    _says("This is urgent", "call back", intent="support", urgency="high", sentiment="negative"),
)


def main() -> None:
    """Print a line for each number of parties and what is done with them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parties", type=int, nargs="+", default=[1, 100, 1_000])
    for parties in parser.parse_args().parties:
        measure(parties)


def measure(parties: int) -> None:
    """Let so many people write twice, and print what it cost each time."""
    offices: list[Office] = []
    with HubSpotTwin(clock=lambda: offices[0].at if offices else BEGINNING) as twin:
        twin.check_answers(False)
        twin.limits.burst = twin.limits.search_per_s = None
        stages = "\n".join(f'{ours} = "{theirs}"' for ours, theirs in STAGES.items())
        crm = CRM.format(url=twin.url, stages=stages)
        with office(SCRIPT, crm=crm, secrets={"HUBSPOT_TOKEN": twin.token}) as here:
            offices.append(here)
            switch_on(here)
            for what, text in (("creating", FIRST), ("updating", SECOND)):
                before, seen = Counter(twin.log.counts), twin.calls()
                with alone() as spent:
                    for number in range(parties):
                        here.say(text, f"p{number}")
                    here.work()
                check(here, twin, parties)
                counts = twin.log.counts - before
                entries = list(twin.log.entries)[-(twin.calls() - seen) :]
                say(what, parties, counts, [entry.body for entry in entries], spent.took_s)


def switch_on(here: Office) -> None:
    """Make what is missing in the CRM, and climb to the top of the ladder."""
    app = here.app
    app.ledger.provision(wanted(app), dry_run=False)
    app.ladder.move([Move("ledger", Mode.AUTO, "a benchmark", app.clock())])


def check(here: Office, twin: HubSpotTwin, parties: int) -> None:
    """End the benchmark unless each relationship has its four records, each once, and nothing waits for a person."""
    made = {kind: len(twin.all(kind)) for kind in ("contact", "deal", "note", "task")}
    if made["contact"] != parties or made["deal"] != parties or min(made.values()) < parties or here.parked():
        raise SystemExit(f"{parties} relationships made {made}, and {here.parked()} works are parked: refused")


def say(what: str, parties: int, counts: Counter[str], bodies: Sequence[bytes], took_s: float) -> None:
    """Print one line."""
    writing = sum(n for name, n in counts.items() if name.endswith(("create", "update", "upsert", "archive")))
    histories = sum(b'"propertiesWithHistory":["' in body.replace(b" ", b"") for body in bodies)
    batches = math.ceil(parties / BATCH)
    least = 4 * batches + math.ceil(parties / LINK_BATCH)
    guarded = least + 2 * math.ceil(parties / HISTORY_BATCH)
    line = {
        "bench": "crm_calls",
        "figure": what,
        "crm": "hubspot twin",
        "cores": CORES,
        "parties": parties,
        "calls": counts.total(),
        "writing": writing,
        "with_history": histories,
        "least_writing": least,
        "least_guarded": guarded,
        "over_least_guarded": round(counts.total() / guarded, 2),
        "by_operation": dict(counts.most_common()),
        "took_s": round(took_s, 1),
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
