"""The composition root: settings become adapters, journal, pipeline, worker and engine. The only importer of adapters.

Adapters are made late and one by one, so that a command pays only for what it uses: looking at the inbox opens the
journal and no CRM. Whatever is wrong with a section is a `ConfigError` with its dotted key.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog

import adapters
from sidecar.app.alarms import Alarms
from sidecar.app.beginnings import begin
from sidecar.app.conditions import Conditions
from sidecar.app.in_force import InForce, Shelf
from sidecar.app.ladder import ACCOUNT, Ladder
from sidecar.app.metrics import Metrics
from sidecar.app.observed import observed_ledger, observed_llm
from sidecar.app.opening import Opening
from sidecar.app.readiness import unmapped, unprompted, with_owners
from sidecar.app.schedule import Schedule
from sidecar.app.shown import shown
from sidecar.app.slips import Slips
from sidecar.app.tally import OTHER, Tally
from sidecar.app.vault import Vault
from sidecar.app.worklists import provision
from sidecar.config import Settings, load, validate_options
from sidecar.config.sections import BrakesSection
from sidecar.errors import ConfigError, RejectedInput, TemporaryError
from sidecar.journal import Journal
from sidecar.links import Linked, Links, keys_in
from sidecar.model import Policy, Prompt, Rungs
from sidecar.pipeline import Parts, Pipeline
from sidecar.pipeline.brakes import Breaker, BreakerLimits
from sidecar.ports import LLM, Channel, Clock, Context, Engine, HookRequest, Ledger, Notifier, Transcriber
from sidecar.worker import BY_ERROR, Worker

__all__ = ["ACCOUNT", "App", "utc_now"]

log = structlog.get_logger()


def utc_now() -> datetime:
    """Return the time; the one clock that everything else is given."""
    return datetime.now(UTC)


@dataclass
class App:
    """One sidecar, from one config. Use it as a context manager."""

    settings: Settings
    clock: Clock = utc_now
    wait: bool = True
    dry_run: bool = False
    tally: Tally = field(default_factory=Tally)
    _opened: list[Any] = field(default_factory=list)
    _channels: dict[str, Channel] = field(default_factory=dict)

    @classmethod
    def from_file(
        cls,
        path: Path | None,
        env: Mapping[str, str],
        *,
        wait: bool = True,
        dry_run: bool = False,
        clock: Clock = utc_now,
        secrets: bool = True,
    ) -> "App":
        """Load a config; `ConfigError` lists all that is wrong with it, for `secrets` also which are missing."""
        return cls(load(path, env, secrets=secrets), clock, wait=wait, dry_run=dry_run)

    def __enter__(self) -> "App":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close whatever was opened, newest first."""
        while self._opened:
            self._opened.pop().close()

    @cached_property
    def journal(self) -> Journal:
        """The book, opened and brought to the newest schema; it has the database's clock unless one was injected."""
        clock = None if self.clock is utc_now else self.clock
        journal = Journal.open(self.settings.journal_url(), base=self.settings.base, clock=clock)
        self._opened.append(journal)
        return begin(journal, self.settings.channels)

    @cached_property
    def policy(self) -> Policy:
        """What decides what may be written."""
        return self.settings.policy()

    @cached_property
    def context(self) -> Context:
        """What every adapter is given."""
        return Context(
            clock=self.clock,
            own=self.settings.own(),
            base=self.settings.base,
            secret=self.settings.secret,
            tokens=Vault(self.settings, self.journal),
        )

    @cached_property
    def channels(self) -> Mapping[str, Channel]:
        """The configured channels by name."""
        return {name: self.channel(name) for name in self.settings.channels}

    def channel(self, name: str) -> Channel:
        """Return one configured channel, whatever is wrong with the others."""
        if name not in self._channels:
            section, since = self.settings.channels[name], self.journal.begun(name)
            made = self._adapter(adapters.CHANNELS, section.type, f"channels.{name}", name, section.options, since)
            self._channels[name] = made
        return self._channels[name]

    @cached_property
    def ledger(self) -> Ledger:
        """The configured CRM."""
        section = self.settings.crm
        ledger: Ledger = self._adapter(adapters.LEDGERS, section.type, "crm", section.type, section.options)
        return ledger

    @cached_property
    def llm(self) -> LLM:
        """The configured model."""
        section = self.settings.llm
        llm: LLM = self._adapter(adapters.LLMS, section.type, "llm", section.type, section.options)
        return llm

    @cached_property
    def transcriber(self) -> Transcriber | None:
        """What hears voice notes, where there is one."""
        section = self.settings.transcriber
        if not (kind := section.type):
            return None
        heard: Transcriber = self._adapter(adapters.TRANSCRIBERS, kind, "transcriber", kind, section.options)
        return heard

    @cached_property
    def engine(self) -> Engine:
        """The engine that carries due work."""
        engine: Engine = self._adapter(adapters.ENGINES, "embedded", "engine", "embedded", {})
        return engine

    @cached_property
    def notifiers(self) -> Mapping[str, Notifier]:
        """The ways to tell the operators something, by name."""
        return {name: self.notifier(name) for name in self.settings.ops.notifiers}

    def notifier(self, name: str) -> Notifier:
        """Return one way to tell the operators something."""
        options = self.settings.ops.notifiers[name]
        notifier: Notifier = self._adapter(adapters.NOTIFIERS, name, f"ops.{name}", name, options)
        return notifier

    @cached_property
    def shelf(self) -> Shelf:
        """The prompts of this installation, and who put which in force."""
        return Shelf(self.journal, self.settings, self.clock)

    @cached_property
    def prompts(self) -> Mapping[str, Prompt]:
        """The prompts in force, also those adopted later; one that was never adopted is, from now on."""
        wanted = {route.prompt for route in self.policy.routes}
        return InForce(self.shelf, self.shelf.opened(wanted), auto=self.settings.prompts.auto_adopt)

    def prompt_states(self) -> tuple[Mapping[str, Prompt], Mapping[str, Prompt]]:
        """Return the prompts in force and the edited files that are only candidates."""
        states = self.shelf.states()
        return states.in_force, states.candidates

    @cached_property
    def pipeline(self) -> Pipeline:
        """The pipeline over all parts."""
        return Pipeline(
            Parts(
                journal=self.journal,
                channels=self.channels,
                llm=observed_llm(self.llm, self.tally),
                ledger=observed_ledger(self.ledger, self.tally),
                policy=self.policy,
                own=self.settings.own(),
                relevance=self.settings.relevance(),
                prompts=self.prompts,
                clock=self.clock,
                quiet_s=self.settings.inference.quiet_s,
                max_wait_s=self.settings.inference.max_wait_s,
                budget=self.settings.budget(),
                hard=self.settings.hard(),
                wait=self.wait,
                dry_run=self.dry_run,
                rungs=self.rungs,
                room=Breaker(self.journal, _breaker_limits(self.settings.brakes, is_gated=self.is_gated)).room,
                resolved=lambda channel, outcome: self.tally.add("activities", channel, outcome),
                arrived=lambda kind, seconds: self.tally.time("door_to_crm", kind, seconds=seconds),
                links=self.links,
                transcriber=self.transcriber,
            )
        )

    @cached_property
    def links(self) -> Links | None:
        """What makes and reads the links to the explain page; None where the config gives no address and no key."""
        web = self.settings.web
        if not web.public_url:
            return None
        try:
            keys = keys_in(self.settings.secret(web.explain_key_env, web.explain_key_file))
            return Links(web.public_url, keys, web.explain_days)
        except ConfigError as error:
            raise ConfigError(str(error), setting="web.explain_key_env") from None

    @cached_property
    def ladder(self) -> Ladder:
        """The mode ladder, as it was climbed."""
        return Ladder(self.journal)

    @property
    def is_gated(self) -> bool:
        """Whether what is written takes a rung that a person put in force: on every CRM but the reference one.

        A CRM that can't be opened is nothing that could be written to, and counts as gated.
        """
        try:
            return self.ledger.capabilities.vendor
        except ConfigError:
            return True

    def rungs(self) -> Rungs:
        """Return how far the ladder was climbed; where nothing is gated, the config alone decides."""
        return self.ladder.rungs() if self.is_gated else Rungs()

    def policy_now(self) -> Policy:
        """Return the policy as far as it is in force at this moment."""
        return replace(self.policy, rungs=self.rungs())

    @cached_property
    def worker(self) -> Worker:
        """The worker over the pipeline."""
        limits, known = self.settings.limits, self.opening.is_over
        return Worker(self.pipeline, concurrency=limits.concurrency, lease_s=limits.lease_s, is_bound=known)

    @cached_property
    def opening(self) -> Opening:
        """How far the start has come of a sidecar that serves."""
        return Opening(self)

    def ready(self) -> None:
        """Bind the journal to the CRM account, see that stages have places and routes prompts; else `ConfigError`."""
        self.bind()
        capabilities = self.ledger.capabilities
        if not capabilities.vendor:
            provision(self.ledger, self.policy, dry_run=self.dry_run)
        problems = unmapped(self.policy, self.ledger.pipelines(), is_vendor=capabilities.vendor)
        problems += unprompted(self.policy, self.prompts)
        if problems:
            raise ConfigError("\n".join(problems))
        for scope, pause in self.journal.paused().items():
            if pause.reason.startswith(BY_ERROR):
                self.journal.resume(scope)
        self.journal.end_waits()
        self.ladder.follow(self.policy, is_held=capabilities.vendor or self.dry_run)

    def bind(self) -> None:
        """Bind the journal to the CRM account, which is no other's, and the routes to owners whom the CRM knows."""
        account, held = self.ledger.account(), self.journal.meta(ACCOUNT)
        if held is not None and held != account:
            raise ConfigError(
                f"this journal belongs to the CRM account {held!r}, not {account!r}; use another journal.url for it",
                setting="crm",
            )
        if held is None:
            self.journal.set_meta(ACCOUNT, account)
        if self.ledger.capabilities.owners and any(route.owner for route in self.policy.routes):
            self.policy, unknown = with_owners(self.policy, self.ledger.owners(), self.settings.crm.owner)
            for route, _ in unknown:
                log.warning("owner_unknown", route=route)
            if "pipeline" in self.__dict__:
                self.pipeline.parts.policy = self.policy

    def run_until_idle(self, *, timeout_s: float) -> int:
        """Poll each channel and the CRM once, do all due work, and return how many pieces were done."""
        self.ready()
        polled = [name for name, channel in self.channels.items() if channel.capabilities.poll]
        self.worker.poll_all(polled)
        done = self.worker.run_until_idle(wait=self.wait, timeout_s=timeout_s)
        if self.ledger.capabilities.change_feed:
            self.worker.poll_all([])
            done += self.worker.run_until_idle(wait=self.wait, timeout_s=timeout_s)
        self.slips.look()
        return done

    def serve(self, stop: threading.Event) -> None:
        """Work until `stop` is set: the engine's threads, and the schedule of polls. HTTP is the web's."""
        self.pipeline.parts.wake = self.engine.wake
        worker = threading.Thread(target=self.worker.serve, args=(self.engine,), name="engine")
        worker.start()
        schedule = Schedule(self)
        try:
            self.conditions.health.begin()
            self.alarms.start()
            schedule.start()
            self.opening.start()
            while not stop.wait(1.0):
                if self.opening.error is not None:
                    raise self.opening.error
                if self.journal.failed:
                    raise TemporaryError("the journal can't be trusted any more; the process must end and be restarted")
        finally:
            if self.journal.failed:
                self.alarms.last_words(self.conditions.now())
            schedule.stop()
            self.opening.stop(self.settings.limits.stop_grace_s)
            self.engine.stop(self.settings.limits.stop_grace_s)
            worker.join(self.settings.limits.stop_grace_s)
            self.alarms.stop(self.settings.limits.stop_grace_s)

    def receive(self, channel: str, request: HookRequest) -> Any:
        """Take a webhook request; the future is done when its bytes are durable."""
        return self.pipeline.receive(channel, request)

    def linked(self, path: str) -> Linked:
        """Return what a link to the explain page shows; `RejectedInput` for what is no link, or none any more."""
        if self.links is None:
            raise RejectedInput("there is no explain page", status=404)
        return self.links.read(path, self.clock())

    def page(self, linked: Linked) -> str:
        """Return the page behind a link, from the book alone; `RejectedInput` for what the book doesn't know."""
        return shown(self, linked)

    @cached_property
    def conditions(self) -> Conditions:
        """What is wrong with this installation right now."""
        return Conditions(self)

    @cached_property
    def slips(self) -> Slips:
        """What moves a field down that people put right too often."""
        return Slips(self)

    @cached_property
    def alarms(self) -> Alarms:
        """What tells the operators of it."""
        return Alarms(self)

    def problems(self) -> list[str]:
        """Say why this process isn't ready, a line each."""
        starting = [] if "ledger" in self.__dict__ else ["starting"]
        return [*(condition.line for condition in self.conditions.now() if condition.is_fault), *starting]

    def notes(self) -> list[str]:
        """Say what is worth knowing and keeps nobody from sending webhooks, a line each."""
        return [condition.line for condition in self.conditions.now() if not condition.is_fault]

    @cached_property
    def _metrics(self) -> Metrics:
        return Metrics(self)

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text form."""
        return self._metrics.text()

    def answered(self, channel: str, status: int) -> None:
        """Count an answer at the door; a name that isn't a channel's is a stranger's word."""
        self.tally.add("door_answers", channel if channel in self.settings.channels else OTHER, str(status))

    @property
    def max_body_bytes(self) -> int:
        """The largest request body that is read."""
        return self.settings.limits.max_body_bytes

    def _adapter(
        self, table: Mapping[str, str], kind: str, section: str, name: str, given: Any, since: datetime | None = None
    ) -> Any:
        cls = adapters.load(table, kind, f"{section}.type")
        options = validate_options(cls.Options, section, given)
        try:
            context = replace(self.context, observe=self.tally.observer(section), live_since=since)
            return cls(name, options, context)
        except ConfigError as error:
            raise error if error.setting else ConfigError(str(error), setting=section) from None


def _breaker_limits(section: BrakesSection, *, is_gated: bool) -> BreakerLimits:
    """Return the limits that were written; the defaults only where the CRM is somebody else's."""
    names = set(type(section).model_fields) if is_gated else section.model_fields_set
    return BreakerLimits(**{name: getattr(section, name) for name in names})
