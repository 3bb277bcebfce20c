"""How many calls to each CRM so many relationships cost, beside the least that its API allows; prints JSON lines.

The whole sidecar on the twin of each vendor's API, over a socket, by the vendor's own client. So many people write
for the first time: each becomes a contact, a deal, a note and a task, tied together (`creating`). Then each writes
again, and fields, stage, note and task change (`updating`). All of them are due at once, as after an outage or a busy
minute; a single one is what a quiet hour costs. Every call is counted as the twin saw it: guard reads, histories,
writes, read-backs, searches, and those that look up pipelines and properties.

The least is what each API's documents allow (`LEAST`): calls that write contact, deal, note and task with their links
inside, and with the guards against overwriting people. Reading back what was written, which the sidecar does before it
believes a write, is no part of the least; nor is looking whether a new customer is known already.

Source: the vendors' usage guidelines and API references, read 2026-11.

Usage: python -m bench.crm_calls [--parties 1 100 1000] [--crm hubspot pipedrive]
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from bench._machine import CORES, alone
from bench._office import BEGINNING, Office, office
from tests.support.crms import CRMS, Crm, crm_class

CONFIG = """
[brakes]
changes_per_hour = 0
[notes]
settle_s = 0
{route}
[crm]
{section}
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


def _batches(parties: int, size: int) -> int:
    return -(-parties // size)


LEAST: Mapping[str, Callable[[int], tuple[int, int]]] = {
    "hubspot": lambda n: (4 * _batches(n, 100), 4 * _batches(n, 100) + 2 * _batches(n, 50)),
    "pipedrive": lambda n: (4 * n, 4 * n + 2 * _batches(n, 100)),
    "salesforce": lambda n: (2 * _batches(n, 200), 3 * _batches(n, 200)),
    "zoho": lambda n: (4 * _batches(n, 100), 6 * _batches(n, 100)),
}
"""For so many parties, the fewest calls that write four records each, and with the guard reads.

HubSpot: batches of 100, and histories of 50. Pipedrive: a call a record, lists of 100. Salesforce: in two phases,
because one composite can't tie what it makes, 200 rows a collection, and a composite of queries. Zoho: 100 rows a call,
reads of 100.
"""


def main() -> None:
    """Print a line for each CRM, each number of parties, and what is done with them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parties", type=int, nargs="+", default=[1, 100, 1_000])
    parser.add_argument("--crm", nargs="+", choices=sorted(CRMS), default=sorted(CRMS))
    given = parser.parse_args()
    for crm in given.crm:
        for parties in given.parties:
            measure(crm, parties)


def measure(crm: str, parties: int) -> None:
    """Let so many people write twice, and print what it cost each time."""
    offices: list[Office] = []
    with crm_class(crm)(lambda: offices[0].at if offices else BEGINNING) as theirs:
        theirs.unlimit()
        section = theirs.section(theirs.unpaced, settle_s=0, search_lag_s=0)
        config = CONFIG.format(section=section, route=theirs.route())
        with office(SCRIPT, crm=config, secrets=dict(theirs.env)) as here:
            offices.append(here)
            theirs.switch_on(here.app)
            for what, text in (("creating", FIRST), ("updating", SECOND)):
                before = Counter(theirs.twin.log.counts)
                with alone() as spent:
                    for number in range(parties):
                        here.say(text, f"p{number}")
                    here.work()
                check(here, theirs, parties)
                say(theirs, what, parties, theirs.twin.log.counts - before, spent.took_s)


def check(here: Office, crm: Crm, parties: int) -> None:
    """End the benchmark unless each relationship has its four records, each once, and nothing waits for a person."""
    made = {kind: len(crm.show(kind)) for kind in ("contact", "deal", "note", "task")}
    if made["contact"] != parties or made["deal"] != parties or min(made.values()) < parties or here.parked():
        raise SystemExit(f"{parties} relationships made {made}, and {here.parked()} works are parked: refused")


def say(crm: Crm, what: str, parties: int, counts: Counter[str], took_s: float) -> None:
    """Print one line."""
    least, guarded = LEAST[crm.name](parties)
    line = {
        "bench": "crm_calls",
        "figure": what,
        "crm": f"{crm.name} twin",
        "cores": CORES,
        "parties": parties,
        "calls": counts.total(),
        "least_writing": least,
        "least_guarded": guarded,
        "over_least_guarded": round(counts.total() / guarded, 2),
        "by_operation": dict(counts.most_common()),
        "took_s": round(took_s, 1),
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
