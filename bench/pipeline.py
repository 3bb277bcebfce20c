"""How many messages and parties a second go the whole way, and whether a message costs more when more was said before.

In one process, as `sidecar serve` works: each message is taken at the door, signed; then everything that is due is
done, parsing to posting, with the embedded baseline and the local CRM, on SQLite flushed in full. `walks` says how
fast that is for so many parties, messages of all of them waiting together. `parties` is the same for new parties with
one message each and the scripted model, which costs next to nothing: what everything but the model costs. `history`
brings one party, in one conversation that never ends, its 1st, its 100th and its 1,000th message, each by itself: the
median work of ten neighbours, in statements and steps of SQLite, which do not depend on who else uses the machine, and
in milliseconds, which do. What came before them arrives in bursts.

A figure counts only if nothing was parked, every message was read, and every party has its contact in the CRM.

Usage: python -m bench.pipeline [--messages 200] [--history 1000] [--repeats 3]
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any

from bench._machine import CORES, Trial, alone, flushes_per_s, repeated
from bench._office import Office, Tally, office, watched
from sidecar.journal.codec import encode_standing

PARTIES = (1, 100, 1_000)
NEW = 200
NEIGHBOURS = 10
BURST = 40
TALK = (
    (False, "Hello, do you have a room for six people on Thursday afternoon? We are quite flexible."),
    (True, "Good morning! Yes, the blue room is free on Thursday from two. Shall I hold it for you?"),
    (False, "Our budget is 400 EUR for the afternoon, coffee included. Is that possible?"),
    (True, "I will send you the offer by Friday."),
    (False, "Thanks, that sounds great! Could you also tell me whether there is a projector?"),
    (True, "There is one, and a whiteboard."),
    (False, "This is urgent, our board wants an answer today. Please call me back."),
    (True, "I will call you this afternoon."),
    (False, "Honestly I am a little disappointed, nobody called me."),
    (False, "All is well now, we spoke. What about parking for two cars?"),
)

_ASKS = {"evidence": [{"quote": "do you have a room for six people"}]}
SCRIPT = (
    {
        "match": "do you have a room",
        "answer": {
            "ops": [
                {"field": "intent", "value": "book", **_ASKS},
                {"field": "urgency", "value": "normal", **_ASKS},
                {"field": "stage", "value": "qualified", **_ASKS},
            ],
            "steps": [{"what": "hold a room", "who": "us", **_ASKS}],
            "summary": "Wants a room for six people.",
        },
    },
)


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200, help="of each walk; at least one a party")
    parser.add_argument("--repeats", type=int, default=3, help="trials of new parties")
    parser.add_argument("--history", type=int, default=1_000, help="messages of the party with the long history")
    options = parser.parse_args()
    result: dict[str, Any] = {
        "bench": "pipeline",
        "journal": "sqlite, synchronous=FULL, group commit",
        "crm": "local",
        "llm": "baseline",
        "cores": CORES,
        "parties": repeated(new_parties, options.repeats),
        "walks": [walk(parties, max(parties, options.messages)) for parties in PARTIES],
        "history": history(options.history),
    }
    print(json.dumps(result))


def new_parties() -> Trial:
    """Let so many people write for the first time, and take each of them to the CRM."""
    walked = walk(NEW, NEW, SCRIPT)
    shown = ("cpu_ms_per_message", "flushes_per_s", "others")
    return {"parties_per_s": walked["messages_per_s"], **{name: walked[name] for name in shown}}


def walk(parties: int, messages: int, script: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Send so many messages of so many parties, then do all the work that they make."""
    with office(script) as here:
        flushes = flushes_per_s(here.folder)
        before = here.app.journal.counts()["facts"]
        with alone() as machine:
            for number in range(messages):
                ours, text = TALK[number // parties % len(TALK)]
                here.say(text, f"p{number % parties}", ours=ours)
            pieces = here.work()
        check(here, messages, parties)
        facts = here.app.journal.counts()["facts"] - before
        here.app.close()
        size_bytes = (here.folder / "journal.db").stat().st_size
    return {
        "parties": parties,
        "messages": messages,
        "messages_per_s": round(messages / machine.took_s, 1),
        "cpu_ms_per_message": round(machine.cpu_s / messages * 1_000, 1),
        "work_per_message": round(pieces / messages, 1),
        "facts_per_message": round(facts / messages, 1),
        "journal_bytes_per_message": round(size_bytes / messages),
        "flushes_per_s": flushes,
        "others": machine.others,
    }


def check(here: Office, messages: int, parties: int) -> None:
    """Refuse a figure of a run in which something was left undone."""
    counts = here.app.journal.counts()
    assert here.parked() == 0, f"{here.parked()} pieces of work were parked"
    assert counts["pending"] == 0 and counts["parties"] >= parties, counts
    assert here.app.journal.tally()["activity"] == messages
    contacts = sum(standing.record("contact") is not None for standing in here.app.journal.inbox(parties))
    assert contacts == parties, f"{contacts} contacts for {parties} parties"


def history(last: int) -> list[dict[str, Any]]:
    """Measure messages of one party one by one, at the beginning, after a hundred, and at the end."""
    found = []
    with ExitStack() as stack:
        tally = stack.enter_context(watched())
        here = stack.enter_context(office())
        said = 0
        for first in sorted({1, 100, last} & set(range(1, last + 1))):
            said += bring(here, range(said + 1, first))
            found.append({"message": first, **neighbours(here, tally, range(said + 1, said + 1 + NEIGHBOURS))})
            said += NEIGHBOURS
        check(here, said, 1)
    return found


def bring(here: Office, numbers: range) -> int:
    """Let the messages in between come in bursts."""
    for number in numbers:
        say(here, number)
        if number % BURST == 0:
            here.work()
    here.work()
    return len(numbers)


def neighbours(here: Office, tally: Tally, numbers: Iterable[int]) -> dict[str, Any]:
    """Return the median work of single messages."""
    statements, steps, took_ms, cpu_ms = [], [], [], []
    for number in numbers:
        before = tally.statements, tally.steps
        with alone() as machine:
            say(here, number)
            here.work()
        statements.append(tally.statements - before[0])
        steps.append((tally.steps - before[1]) / 1_000)
        took_ms.append(machine.took_s * 1_000)
        cpu_ms.append(machine.cpu_s * 1_000)
    return {
        "statements": round(median(statements)),
        "sqlite_kilosteps": round(median(steps), 1),
        "cpu_ms": round(median(cpu_ms), 1),
        "ms": round(median(took_ms), 1),
        "standing_bytes": len(encode_standing(here.app.journal.inbox(1)[0])),
    }


def say(here: Office, number: int) -> None:
    """Say one of the sentences, made a new one by its number."""
    ours, text = TALK[number % len(TALK)]
    here.say(f"{text} ({number})", "ann", ours=ours, minutes=7)


if __name__ == "__main__":
    main()
