"""Replay: what another prompt, model or policy would have made of the words that the book holds.

It reads stored activities in the order and the pieces in which they were read, into shadows that nobody keeps, and says
what would differ: claims, decisions, values in the CRM. It has no ledger, and the journal gets not a word of it. What
the very same question was answered in the book is not asked again. Whoever pays hears first what it costs at most.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import ceil, inf
from pathlib import Path

from sidecar.errors import ConfigError, PermanentError
from sidecar.journal import Journal
from sidecar.model import Own, Policy, Prompt, Standing
from sidecar.model.means import Hard
from sidecar.pipeline.answers import Answers, Book, Known, Remembering, Spent, nothing
from sidecar.pipeline.rounds import Rounds, in_turn
from sidecar.pipeline.shadow import Reader
from sidecar.ports import LLM
from sidecar.replay.crm import in_crm
from sidecar.replay.report import Report, Tally, Version, as_data, faults, from_data, version_id
from sidecar.replay.sides import Difference, compare
from sidecar.replay.walk import AGAIN, NEW, WAS, Walk, history, rejoined, walk

__all__ = ["Estimate", "Report", "Side", "Version", "Wanted", "as_data", "estimate", "faults", "from_data", "replay"]

PAGE = 200
MAX_THREADS = 8
MAX_MEMBERS = 200
"""Parties that are read at once where their questions are handed in together: a round is as large as that."""
OUTPUT_CHARS = 1_500
"""About what an answer is long, for the estimate alone."""


@dataclass(frozen=True, slots=True)
class Side:
    """What reads and decides: prompts by name, policy, model."""

    prompts: Mapping[str, Prompt]
    policy: Policy
    llm: LLM
    hard: Hard = field(default_factory=Hard)

    @property
    def version(self) -> Version:
        """Name all that can change an answer."""
        shas = {name: prompt.sha256 for name, prompt in sorted(self.prompts.items())}
        return Version(shas, self.llm.name, self.llm.model, self.llm.effort, self.policy.sha256)

    def prompt(self, standing: Standing) -> Prompt:
        """Return the prompt of a party's route; `ConfigError` where there is none."""
        name = standing.route_in(self.policy).prompt
        if name not in self.prompts:
            raise ConfigError(f"no prompt of that name; there are {', '.join(self.prompts)}", setting=f"prompt {name}")
        return self.prompts[name]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is compared: what is in force with the trial, over which parties, from when on.

    `noise` is how many of the parties are read once more by what is in force, `folder` where paid answers are kept.
    With `both`, what is in force reads, too, instead of what the book holds, which former versions may have read.
    With `sleep`, questions are handed in together at a batch's price, and waited for by it. Once `max_usd` is paid,
    nothing more is asked.
    """

    was: Side
    new: Side
    own: Own
    since: datetime | None = None
    parties: Sequence[str] = ()
    limit: int | None = None
    noise: int = 20
    both: bool = False
    folder: Path | None = None
    threads: int = 4
    max_usd: float = inf
    sleep: Callable[[float], object] | None = None
    told: Callable[[int, int], None] = field(default=lambda done, of: None)

    @property
    def id(self) -> str:
        """Name the comparison."""
        return version_id(self.was.version, self.new.version, self.since, tuple(self.parties), self.limit, self.both)


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much there is to read, and what that costs at most; what the book answers already costs nothing.

    The hard cases are as many as in the book.
    """

    parties: int
    readings: int
    chars: int
    noise_readings: int
    usd: float


def estimate(book: Journal, wanted: Wanted) -> Estimate:
    """Say what a replay would read, from the requests that the book holds, and how often a stronger model read too."""
    parties = readings = chars = noise_readings = noise_chars = hard = 0
    torn = rejoined(book)
    for number, standing in enumerate(chosen(book, wanted)):
        known = history(book, standing.party)
        is_torn = standing.party in torn
        due = [i for i in known.readings if is_torn or wanted.since is None or i.newest_at >= wanted.since]
        size = sum(len(i.request.get("user", "")) + OUTPUT_CHARS for i in due)
        size += len(wanted.new.prompt(standing).source) * len(due)
        parties, readings, chars = parties + 1, readings + len(due), chars + size
        hard += sum(bool(i.escalated_from) for i in due)
        times = int(is_torn or wanted.both) + int(not is_torn and number < _noise(wanted))
        noise_readings, noise_chars = noise_readings + times * len(due), noise_chars + times * size
    share = hard / readings if readings else 0.0
    usd = _estimated(wanted.new, chars, readings, share)
    usd += _estimated(wanted.was, noise_chars, noise_readings, share) if noise_readings else 0.0
    return Estimate(parties, readings, chars, noise_readings, usd)


def _estimated(side: Side, chars: int, readings: int, share: float) -> float:
    """Return what a side's readings cost, of which a `share` is read by the stronger model as well."""
    usd, stronger = side.llm.estimate_usd(chars, readings), side.llm.stronger
    if share and stronger and side.hard.reasons and not side.llm.capabilities.is_baseline:
        usd += stronger.estimate_usd(ceil(share * chars), ceil(share * readings))
    return usd


def chosen(book: Journal, wanted: Wanted) -> Iterator[Standing]:
    """Yield the parties whose words the trial could read otherwise, in the order of their ids."""
    count = 0
    for standing in _named(book, wanted.parties) if wanted.parties else _all(book):
        if wanted.since and (standing.last_activity_at is None or standing.last_activity_at < wanted.since):
            continue
        if not standing.last_inference or not _differs(wanted, standing):
            continue
        if wanted.limit is not None and count >= wanted.limit:
            return
        count += 1
        yield standing


def replay(book: Journal, wanted: Wanted, now: datetime) -> Report:
    """Read the parties' words again and say what would differ; a party that can't be read is named, and stops none."""
    was, new = wanted.was, wanted.new
    report = Report(wanted.id, now, wanted.since, was.version, new.version)
    report.is_part = bool(wanted.parties) or wanted.limit is not None
    report.is_deterministic = was.llm.capabilities.deterministic
    answers, spent = Answers(wanted.folder / "answers.jsonl" if wanted.folder else None), Spent(wanted.max_usd)
    standings, torn = list(chosen(book, wanted)), rejoined(book)

    threads, rounds = _readers(wanted, len(standings))
    counted = Tally(report)

    def one(numbered: tuple[int, Standing]) -> None:
        number, standing = numbered
        is_torn = standing.party in torn
        asked = Asked(answers, spent, rounds, not is_torn and number < _noise(wanted), is_torn)
        try:
            made = _walk(book, wanted, standing, asked, now)
        except PermanentError as error:
            counted.failed(standing.party, str(error))
        else:
            counted.add(number, made, _differences(made, standing, wanted, book, now), _chance(made, was.policy))

    leave = rounds.leave if rounds else lambda: None
    in_turn(one, list(enumerate(standings)), threads, leave, lambda done: wanted.told(done, len(standings)))
    counted.end()
    report.asked, report.reused, report.tokens, report.usd = spent.asked, spent.reused, spent.tokens, spent.usd
    return report


@dataclass(frozen=True, slots=True)
class Asked:
    """What one party's reading asks by: the answers that are known, what is spent, the rounds where there are some."""

    answers: Answers
    spent: Spent
    rounds: Rounds | None
    is_noise: bool
    is_rejoined: bool

    def model(self, llm: LLM, known: Known = nothing, *, anew: str = "") -> LLM:
        """Return a model that is asked nothing twice."""
        if self.rounds and llm.capabilities.batch:  # the other side's may be one that takes no batches
            llm = self.rounds.over(llm, anew=anew)
        made = Remembering(llm, self.answers, known, anew=anew)
        made.spent = self.spent
        return made


def _readers(wanted: Wanted, parties: int) -> tuple[int, Rounds | None]:
    """Return how many read at once, and the rounds that they hand their questions in by."""
    if wanted.sleep is not None:
        members = max(1, min(parties, MAX_MEMBERS))
        file = wanted.folder / "tickets.json" if wanted.folder else None
        return members, Rounds(members, file, sleep=wanted.sleep)
    return 1 if wanted.new.llm.capabilities.offline else max(1, min(wanted.threads, MAX_THREADS)), None


def _walk(book: Journal, wanted: Wanted, standing: Standing, asked: Asked, now: datetime) -> Walk:
    known = history(book, standing.party)
    answered = Book(known.inferences)
    was, new = wanted.was.llm, asked.model(wanted.new.llm, answered)
    if not was.capabilities.offline:
        was = asked.model(was, answered)  # rules on this machine are not worth counting beside the trial
    readers = {
        WAS: _reader(wanted.was, was, standing, wanted, book),
        NEW: _reader(wanted.new, new, standing, wanted, book),
    }
    if asked.is_noise:
        once_more = asked.model(wanted.was.llm, anew="again")
        readers[AGAIN] = _reader(wanted.was, once_more, standing, wanted, book)
    return walk(book, known, standing, readers, wanted.since, now, reads=wanted.both, is_rejoined=asked.is_rejoined)


def _reader(side: Side, llm: LLM, standing: Standing, wanted: Wanted, book: Journal) -> Reader:
    prompt = side.prompt(standing)
    return Reader(prompt, side.policy, wanted.own, llm, book.mint, side.hard)


def _noise(wanted: Wanted) -> int:
    """A model that always says the same makes no noise."""
    return 0 if wanted.was.llm.capabilities.deterministic else wanted.noise


def _differences(made: Walk, standing: Standing, wanted: Wanted, book: Journal, now: datetime) -> list[Difference]:
    name = standing.name or standing.party
    found = []
    for trial in made.trials:
        new = trial.sides[NEW]
        for field_name, kind, is_wording in compare(trial.was, new, wanted.new.policy):
            was_cells, new_cells = trial.was.get(field_name, ()), new.get(field_name, ())
            args = (made.party, name, trial.at, kind, field_name, was_cells, new_cells)
            found.append(Difference(*args, is_wording=is_wording))
    return [*found, *in_crm(made, wanted.was.policy, wanted.new.policy, book.mint, now)]


def _chance(made: Walk, policy: Policy) -> list[tuple[str, str]]:
    """What differs between the book and the very same reader, asked once more."""
    found = []
    for trial in made.trials:
        if not trial.is_former and AGAIN in trial.sides:
            rows = compare(trial.was, trial.sides[AGAIN], policy)
            found += [(name, kind) for name, kind, is_wording in rows if not is_wording]
    return found


def _differs(wanted: Wanted, standing: Standing) -> bool:
    """Say whether anything that reads this party is another than before."""
    was, new = wanted.was, wanted.new
    if was.policy.sha256 != new.policy.sha256 or (was.llm.name, was.llm.model, was.llm.effort) != (
        new.llm.name,
        new.llm.model,
        new.llm.effort,
    ):
        return True
    return was.prompt(standing).sha256 != new.prompt(standing).sha256


def _named(book: Journal, parties: Sequence[str]) -> Iterator[Standing]:
    for party in parties:
        standing = book.standing(party)
        if standing is None:
            raise PermanentError(f"there is no party {party!r}")
        yield standing


def _all(book: Journal) -> Iterator[Standing]:
    after = ""
    while page := book.standings_after(after, PAGE):
        yield from (s for s in page if s.merged_into is None and not s.party.startswith("desk:"))
        after = page[-1].party


def with_prompt(side: Side, prompt: Prompt) -> Side:
    """Return a side on which one prompt is another."""
    return replace(side, prompts={**side.prompts, prompt.name: prompt})
