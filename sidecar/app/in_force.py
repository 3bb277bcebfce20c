"""The prompts of an installation: which are in force, which are only candidates, who put them in force and why.

What is in force stands in the journal, text and all, so that an edited, broken or lost file changes nothing and stops
nobody. `InForce` is what the pipeline holds: a mapping in which a prompt that was adopted elsewhere counts at once,
because each look costs one small query, which is nothing beside the call that follows it. With `auto_adopt` it takes up
edited files by itself, for playgrounds. Who adopts isn't asked for leave here: whether a report or a gate stands before
it is the caller's business, and only the report's id is kept.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from sidecar.config import Settings
from sidecar.errors import ConfigError, PermanentError
from sidecar.journal import Entry, Journal
from sidecar.model import Prompt
from sidecar.ports import Clock
from sidecar.prompts import examine, folder, live, parse

ADOPTED, HISTORY = "prompt:", "prompt_history:"
SELF = "the sidecar"
"""Who adopted a prompt, where nobody did."""
FIRST, ADOPT, ROLLBACK = "first", "adopt", "rollback"
MAX_KEPT = 200
MAX_REASON_CHARS = 300

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Adoption:
    """One time that a prompt was put in force: which, in place of which, by whom, when, upon which report, why.

    `how` is first (nobody adopted it, somebody has to be the first), adopt or rollback.
    """

    sha256: str
    former: str
    version: str
    how: str
    by: str
    at: datetime
    report: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class States:
    """The prompts in force, the edited files that are only candidates, and what is wrong with files that don't load."""

    in_force: Mapping[str, Prompt]
    candidates: Mapping[str, Prompt]
    broken: Mapping[str, ConfigError] = field(default_factory=dict)


class Shelf:
    """The prompts of one journal, beside one config's files, which are held to that config's fields."""

    def __init__(self, journal: Journal, settings: Settings, clock: Clock) -> None:
        self.journal = journal
        self._base = settings.base
        self._clock = clock
        self._fields, self._needed = settings.fields, settings.without_criteria()

    @property
    def folder(self) -> Path:
        """Where the files are at this moment."""
        return folder(self._base)

    def states(self) -> States:
        """Return how each prompt stands; `ConfigError` only where nothing is in force and nothing loads."""
        adopted = self._adopted()
        try:
            on_disk, broken = examine(self.folder, self._fields, self._needed)
        except ConfigError as error:
            if not adopted:
                raise
            on_disk, broken = {}, {"prompts": error}
        in_force, candidates = live(on_disk, adopted)
        if not in_force:
            raise next(iter(broken.values()))
        return States(in_force, candidates, broken)

    def opened(self, wanted: Collection[str]) -> Mapping[str, Prompt]:
        """Return the prompts in force, once those that are new are noted as adopted; `wanted` ones must be there."""
        states, adopted = self.states(), self._adopted()
        for name in wanted:
            if name not in states.in_force and name in states.broken:
                raise states.broken[name]
        for name, prompt in states.in_force.items():
            if name not in adopted:
                self.adopt(prompt, by=SELF, how=FIRST)
        return states.in_force

    def adopt(self, prompt: Prompt, *, by: str, how: str = ADOPT, report: str = "", reason: str = "") -> Adoption:
        """Put a prompt in force from now on, in every process of this journal."""
        former = self.journal.meta(ADOPTED + prompt.name) or ""
        reason = reason[:MAX_REASON_CHARS]
        made = Adoption(prompt.sha256, former, prompt.version, how, by, self._clock(), report, reason)
        rows = [_row(row) for row in (*self.history(prompt.name), made)][-MAX_KEPT:]
        meta = {ADOPTED + prompt.name: prompt.sha256, HISTORY + prompt.name: json.dumps(rows)}
        self.journal.commit(Entry(meta=meta, texts={prompt.sha256: prompt.source}))
        return made

    def rollback(self, name: str, to: str = "", *, by: str, reason: str = "") -> Prompt:
        """Put a former version in force again, the last one before this or the one whose hash begins with `to`."""
        history = self.history(name)
        shas = (
            list(dict.fromkeys(row.sha256 for row in history if row.sha256.startswith(to))) if to else _stack(history)
        )
        current = self.journal.meta(ADOPTED + name)
        if to and len(shas) != 1:
            known = ", ".join(dict.fromkeys(row.sha256[:12] for row in history)) or "none"
            raise PermanentError(f"{to!r} names {len(shas)} versions of {name} that were in force; known are {known}")
        if to and shas[0] == current:
            raise PermanentError(f"{name} {to} is in force already")
        if not to and len(shas) < 2:
            raise PermanentError(f"nothing was in force before this {name}: sidecar prompts history {name}")
        prompt = self.version(name, shas[0] if to else shas[-2])
        self.adopt(prompt, by=by, how=ROLLBACK, reason=reason)
        return prompt

    def version(self, name: str, sha256: str) -> Prompt:
        """Return a version that was in force, if it still fits the config; else `ConfigError` or `PermanentError`."""
        text = self.journal.text(sha256)
        if text is None:
            raise PermanentError(f"the journal doesn't hold the text of {name} {sha256[:12]}")
        return parse(text, f"{name} {sha256[:12]}", self._fields, self._needed)

    def history(self, name: str) -> list[Adoption]:
        """Return each time that a prompt of this name was put in force, oldest first; what is damaged is left out."""
        try:
            rows = json.loads(self.journal.meta(HISTORY + name) or "[]")
        except ValueError:
            return []
        return [row for row in map(_adoption, rows if isinstance(rows, list) else []) if row is not None]

    def candidate(self, name: str) -> Prompt | None:
        """Return the edited file of a name, if there is one and it isn't what somebody rolled back from."""
        states = self.states()
        if name in states.broken:
            log.warning("prompt_refused", prompt=name, reason=str(states.broken[name]))
        prompt, history = states.candidates.get(name), self.history(name)
        if prompt is None or (history and history[-1].how == ROLLBACK and history[-1].former == prompt.sha256):
            return None
        return prompt

    def _adopted(self) -> dict[str, tuple[str, str]]:
        found = {}
        for key, sha256 in self.journal.metas(ADOPTED).items():
            text = self.journal.text(sha256)
            if text is not None:
                found[key.removeprefix(ADOPTED)] = (sha256, text)
        return found


class InForce(Mapping[str, Prompt]):
    """Prompts by name, each as it was last adopted in this journal; with `auto` an edited file is adopted by itself."""

    def __init__(self, shelf: Shelf, prompts: Mapping[str, Prompt], *, auto: bool = False) -> None:
        self._shelf = shelf
        self._held = dict(prompts)
        self._auto = auto
        self._seen: dict[str, tuple[int, int]] = {}

    def __getitem__(self, name: str) -> Prompt:
        if self._auto:
            self._take_up(name)
        held = self._held.get(name)
        sha256 = self._shelf.journal.meta(ADOPTED + name)
        if sha256 and (held is None or sha256 != held.sha256):
            text = self._shelf.journal.text(sha256)
            if text is not None:
                held = self._held[name] = parse(text, f"adopted prompt {name}")
                log.info("prompt_in_force", prompt=name, sha256=sha256)
        if held is None:
            raise KeyError(name)
        return held

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._held))

    def __len__(self) -> int:
        return len(self._held)

    def _take_up(self, name: str) -> None:
        """Adopt the file if it was edited since the last look; a broken one is only named in the log."""
        try:
            found = (self._shelf.folder / f"{name}.md").stat()
        except OSError:
            return
        if self._seen.get(name) == (found.st_mtime_ns, found.st_size):
            return
        self._seen[name] = (found.st_mtime_ns, found.st_size)
        prompt = self._shelf.candidate(name)
        if prompt is not None:
            self._shelf.adopt(prompt, by=SELF, reason="prompts.auto_adopt")


def _stack(history: list[Adoption]) -> list[str]:
    """Return the versions that one can roll back through, the one in force last."""
    stack: list[str] = []
    for row in history:
        if row.how == ROLLBACK and row.sha256 in stack:
            del stack[stack.index(row.sha256) + 1 :]
        else:
            stack.append(row.sha256)
    return stack


def _row(adoption: Adoption) -> dict[str, Any]:
    return {**asdict(adoption), "at": adoption.at.isoformat()}


def _adoption(row: Any) -> Adoption | None:
    try:
        return Adoption(**{**row, "at": datetime.fromisoformat(row["at"])})
    except (ValueError, KeyError, TypeError):
        return None
