"""Runs the day: hour by hour things happen, are posted or wait to be asked for, and our own sidecar works.

The clock is ours, so that an hour takes no time; everything else is real: sockets, servers, signatures, the book.
`differences` says what isn't equal at the end, in lines, for a person to read.
"""

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx2

from sidecar.app import App
from sidecar.model import Activity, Match, Outcome
from sidecar.web import serve_http
from tests.day.people import Person, crowd, together
from tests.day.provider import Provider, Push
from tests.support.authorities import KEY
from tests.support.facts import SetClock

HOURS = 24
BEGIN = datetime.fromisoformat("2026-03-02T06:00:00+00:00")
TWICE, LATE = 0.05, 0.1
ALL = 1_000_000
MOST = 1000
TALK = (
    "Could you tell me what it costs for twelve people?", "We would like to book a visit on Thursday.",
    "Thank you, that works for us.", "I am not sure that this fits our budget of 4000 pounds.",
    "Wir hätten gern ein Angebot für zwölf Personen.", "Can we talk on the phone tomorrow?",
    "Nous aimerions commander pour lundi.", "Please send me the contract.", "Is there still a place on Friday?",
    "That is too expensive for us, sorry.", "Great, see you then!", "¿Podemos cambiar la cita al jueves?",
)  # fmt: skip
CONFIG = """
[own]
domains = ["ours.test"]
addresses = ["+15550783881"]
[journal]
url = "sqlite:///journal.db"
[tokens]
key_env = "TOKENS_KEY"
[crm]
type = "local"
path = "crm.db"
[crm.create]
contact = "auto"
deal = "qualified"
[policy]
mode = "auto"
"""


@dataclass
class Day:
    """One day of one sidecar; use `lived` to make it pass."""

    folder: Path
    providers: Sequence[Provider]
    seed: int
    people: Sequence[Person]
    clock: SetClock
    rng: random.Random = field(init=False)
    tally: Counter[str] = field(default_factory=Counter)
    port: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        sections: dict[str, str] = {}
        env: dict[str, str] = {"TOKENS_KEY": KEY}
        for provider in self.providers:
            sections.setdefault(provider.channel, provider.config)
            env |= provider.env
        text = "".join(f"[channels.{name}]\n{section}\n" for name, section in sections.items())
        (self.folder / "config.toml").write_text(CONFIG + text)
        self.app = App.from_file(self.folder / "config.toml", env, wait=False, clock=self.clock)

    def live(self, messages: int) -> None:
        """Let so many things happen within the day, then wait until everybody is back and nothing is owed."""
        for provider in self.providers:
            provider.connect(self.app)
        self.app.ready()
        with self._open_door():
            for hour in range(HOURS):
                self._weather(hour)
                self._happen(messages // HOURS, hour)
                self._deliver(is_door_shut=hour == HOURS // 2)
                self._work()
                self.clock.at = BEGIN + timedelta(hours=hour + 1)
            for provider in self.providers:
                provider.outage(is_away=False)
            while any(provider.owed for provider in self.providers):
                self._deliver(is_door_shut=False)
            for _ in range(3):  # what waits for a backoff, or for an overlap
                self.clock.move(1800)
                self._work()
            self._answer()

    def _weather(self, hour: int) -> None:
        """Each provider is away for two hours of the day, one after the other."""
        for number, provider in enumerate(self.providers):
            begin = 2 + number * (HOURS - 4) // len(self.providers)
            if hour == begin:
                provider.outage(is_away=True)
                self.tally["outages"] += 1
            elif hour == begin + 2:
                provider.outage(is_away=False)

    def _happen(self, number: int, hour: int) -> None:
        times = sorted(self.rng.uniform(0, 3500) for _ in range(number))
        by_name = {provider.name: provider for provider in self.providers}
        for seconds in times:
            person = self.rng.choice(self.people)
            provider = by_name[self.rng.choice(person.ways)]
            acts = list(provider.acts)
            act = acts[0] if self.rng.random() < 0.55 else self.rng.choice(acts)
            self.tally["happened"] += 1
            text = f"{self.rng.choice(TALK)} ({self.tally['happened']})"
            at = (BEGIN + timedelta(hours=hour, seconds=seconds)).replace(microsecond=0)
            provider.acts[act](person, text, at)

    def _deliver(self, *, is_door_shut: bool) -> None:
        """Post what is owed in any order: some twice, some an hour late, what isn't taken again and again."""
        owed = [(provider, push) for provider in self.providers for push in provider.owed]
        for provider in self.providers:
            provider.owed = []
        self.rng.shuffle(owed)
        self.clock.move(3550)
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=30) as client:
                for provider, push in owed:
                    self._post(client, provider, push, is_door_shut=is_door_shut)
        finally:
            self.clock.move(-3550)

    def _post(self, client: httpx2.Client, provider: Provider, push: Push, *, is_door_shut: bool) -> None:
        if not provider.is_lossy and self.rng.random() < LATE:
            provider.owed.append(push)
            self.tally["late"] += 1
            return
        if is_door_shut or getattr(provider, "is_away", False):
            self.tally["not taken"] += 1
            if provider.is_lossy:
                self.tally["lost webhooks"] += 1
            else:
                provider.owed.append(push)
            return
        times = 2 if self.rng.random() < TWICE else 1
        self.tally["duplicates"] += times - 1
        for _ in range(times):
            headers = {"content-type": "application/json", **push.signed(self.clock())}
            answer = client.post(f"/hooks/{push.channel}{push.query}", content=push.body, headers=headers)
            assert answer.status_code in (200, 202, 204), (provider.name, answer.status_code)
            self.tally["webhooks"] += 1

    def _work(self, *, asks: bool = True) -> None:
        self.clock.move(3590)
        polled = [name for name, channel in self.app.channels.items() if asks and channel.capabilities.poll]
        self.app.worker.poll_all(polled)  # and the CRM
        self.app.worker.run_until_idle(wait=False, timeout_s=600)
        self.clock.move(-3590)

    def _answer(self) -> None:
        """Be the person who is asked whether two parties are one: who was known by two names, then said both.

        The answer is the truth's: the generator gives no name to two people.
        """
        for _ in range(len(self.people)):
            open_ = [match for match in open_questions(self.app) if match.candidates]
            if not open_:
                return
            winner, *losers = (candidate.ref for candidate in open_[0].candidates)
            for loser in losers:
                self.app.pipeline.people.merge(winner, loser, "operator")
            self.tally["questions answered"] += 1
            self._work(asks=False)
            self._unite(winner)
            self._work(asks=False)

    def _unite(self, party: str) -> None:
        """Be the rep who makes one record of two in the CRM, which nobody else does."""
        standing = self.app.journal.standing(party)
        assert standing is not None
        for kind in ("contact", "deal"):
            kept, *others = [r.ref for r in standing.records.values() if r.kind == kind and r.ref and not r.gone] or [
                ""
            ]
            for other in others:
                self.app.ledger.merge(kind, kept, other)  # type: ignore[attr-defined]  # the local ledger's own screen

    @contextmanager
    def _open_door(self) -> Iterator[None]:
        stop, listens = threading.Event(), threading.Event()

        def listening(port: int, admin_port: int) -> None:
            self.port = port
            listens.set()

        def serve() -> None:
            serve_http(self.app, "127.0.0.1", 0, "127.0.0.1", 0, stop, listening=listening)

        thread = threading.Thread(target=serve, name="door")
        thread.start()
        try:
            assert listens.wait(30)
            yield
        finally:
            stop.set()
            thread.join(30)


def lived(folder: Path, providers: Sequence[Provider], clock: SetClock, seed: int, people: int, messages: int) -> Day:
    """Return a day that has passed."""
    rng = random.Random(seed)
    day = Day(folder, providers, seed, crowd(rng, people, [provider.name for provider in providers]), clock)
    day.live(messages)
    return day


def differences(day: Day) -> list[str]:
    """Say what provider and journal don't agree upon, whose activities are apart or mixed, and what is there twice."""
    journal = day.app.journal
    activities = [fact for fact in journal.facts(kinds=("activity",)) if isinstance(fact, Activity)]
    seen = [(_known(day, activity), activity) for activity in activities]
    return [
        *_unequal(day, seen),
        *_stale(day, seen),
        *_apart(day, seen),
        *(f"parked: {row.work.kind.value} {row.parked_reason}" for row in journal.work("parked")),
    ]


def _known(day: Day, activity: Activity) -> str:
    providers = (provider for provider in day.providers if provider.channel == activity.channel)
    return next(provider.known(activity) for provider in providers)


def _unequal(day: Day, activities: Sequence[tuple[str, Activity]]) -> Iterator[str]:
    found: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for id, activity in activities:
        found[activity.channel][id, activity.kind] += 1
    truth: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    states = {provider.channel for provider in day.providers if provider.is_state}
    for provider in day.providers:
        truth[provider.channel] += provider.truth
    for channel, told in truth.items():
        seen = found[channel]
        if channel in states:
            told, seen = Counter(set(told)), Counter(set(seen))
        gone = {one for provider in day.providers if provider.channel == channel for one in provider.fleeting}
        yield from (f"{channel}: missing {one} x{n}" for one, n in sorted((told - seen).items()) if one not in gone)
        yield from (f"{channel}: too many {one} x{n}" for one, n in sorted((seen - told).items()))


def _stale(day: Day, activities: Sequence[tuple[str, Activity]]) -> Iterator[str]:
    """Meetings of which the newest word isn't how they stand."""
    newest: dict[tuple[str, str], Activity] = {}
    for id, activity in sorted(activities, key=lambda one: one[1].at):
        newest[activity.channel, id] = activity
    for provider in day.providers:
        for id, (status, start) in provider.stands.items():
            if (provider.channel, id) in newest:
                told = newest[provider.channel, id].attributes
                when = told.get("start") or told.get("proposed_start", "")
                if told.get("status") != status or (start and when != start.isoformat()):
                    yield f"{provider.channel}: {id} is {status} {start}, the book says {told.get('status')} {when}"


def open_questions(app: App) -> list[Match]:
    """Return what a person must still say: activities that may be several parties', or are nobody's we know."""
    return app.journal.questions(MOST)


def _apart(day: Day, activities: Sequence[tuple[str, Activity]]) -> Iterator[str]:
    """One party per person, as far as identifiers can tell: the same party for the same group, and no other's."""
    owner: dict[str, str] = {}
    for match in day.app.journal.facts(kinds=("match",)):
        if isinstance(match, Match) and match.outcome is Outcome.PARTY and match.party:
            standing = day.app.journal.standing(match.party)
            owner[match.activity] = standing.party if standing else match.party
    by_channel: dict[str, Mapping[str, frozenset[str]]] = defaultdict(dict)
    for provider in day.providers:
        by_channel[provider.channel] = {**by_channel[provider.channel], **provider.whose}
    groups = together(names for whose in by_channel.values() for names in whose.values())
    parties: dict[int, set[str]] = defaultdict(set)
    members: dict[str, set[int]] = defaultdict(set)
    without: dict[int, list[str]] = defaultdict(list)
    times = Counter((activity.channel, id) for id, activity in activities)
    lone = {
        (provider.channel, id)
        for provider in day.providers
        for id, _ in provider.fleeting
        if times[provider.channel, id] == 1
    }
    for id, activity in activities:
        names = by_channel.get(activity.channel, {}).get(id)
        if names is None:
            continue
        group, party = groups[min(names)], owner.get(activity.id)
        is_end = activity.kind == "deletion" or activity.attributes.get("status") == "cancelled"
        if party is None and is_end and (activity.channel, id) in lone:
            continue  # the end of something that was never seen is nobody's
        if party is None:
            without[group].append(f"{activity.channel}: {id} {activity.kind} has no party")
            continue
        parties[group].add(party)
        members[party].add(group)
    yield from (line for group, lines in without.items() if group in parties for line in lines)
    yield from (f"one person, {len(found)} parties" for found in parties.values() if len(found) > 1)
    yield from (f"one party, {len(found)} people" for found in members.values() if len(found) > 1)


def twice(day: Day) -> list[str]:
    """Say what the CRM holds twice: contacts of one address or number, and the same words on the same records."""
    ledger = day.app.ledger
    found: Counter[tuple[str, ...]] = Counter()
    for record in ledger.show("contact", limit=ALL):  # type: ignore[attr-defined]  # the local ledger shows itself
        for name in ("email", "phone"):
            if value := record.fields.get(name):
                found["contact", name, str(value)] += 1
    for kind in ("deal", "note", "task"):
        for record in ledger.show(kind, limit=ALL):  # type: ignore[attr-defined]
            if record.fields.get("status") == "done":
                continue  # who asks the same again, once it was answered, is owed another answer
            links = ",".join(sorted(f"{link.kind}:{link.ref}" for link in record.links))
            found[kind, links, str(record.fields.get("body") or record.fields.get("subject") or "")] += 1
    return [" ".join(what) for what, number in sorted(found.items()) if number > 1]
