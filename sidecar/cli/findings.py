"""What a check finds: each part is looked at by itself, so that one run names all that is wrong, with its remedy.

What is wrong in the config doesn't end the look: parts whose own settings are sound are still tried, only those that
rest on a wrong one are passed over. What several parts stumble over is said once. Nothing is written but a time into
the journal, to see that it can be written.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sidecar.cli.render import many
from sidecar.cli.session import Session, environment, said
from sidecar.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.ports import FieldSpec

WORK = "work"
"""The part whose findings ask for a person's eye, and stop nobody from going live."""
BUDGET, SPENT = "budget", "spent: "
"""The part of the day's budgets, and how a note of it begins that says why conversations wait."""
UNSEEN = "not looked at: its settings are wrong"
"""The note of a part that was passed over, of which nobody knows whether it is fine."""
_WRONG = ("paused", "breaker", "disk", "journal", "silent")
"""What of the conditions is for `check` to say: the others are looked at here, or come from nobody serving just now."""
SHOWN = 5
"""How many of a part's like problems are named in its one line; the JSON has them all."""


class Many(NamedTuple):
    """Problems that one command mends, told in one line; `each` names them all."""

    problem: str
    note: str
    each: tuple[str, ...]


Look = Iterator[tuple[str, str] | Many]
"""What a look yields: problems with their remedies, and notes, of which one is empty each time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at one part brought: `problem` must be mended, a `note` is worth knowing; its keys in the JSON."""

    part: str
    problem: str = ""
    note: str = ""
    each: tuple[str, ...] = ()


def check(run: Session) -> Iterator[Finding]:
    """Yield what is found, part by part, each problem once."""
    from sidecar.app import App
    from sidecar.config import examine

    try:
        settings, problems = examine(run.config, environment())
    except SidecarError as error:
        yield from (Finding("config", line) for line in said(error))
        return
    yield from (Finding("config", f"{problem.key}: {problem.text}") for problem in problems)
    wrong = [problem.key for problem in problems]
    if settings is None or _touches("journal", wrong):
        return  # every part rests on the journal
    told = set[str]()
    with App(settings, dry_run=run.dry_run) as app:
        for part, section, look in _looks(app, wrong):
            if _touches(section, wrong):
                yield Finding(part, note=UNSEEN)
                continue
            for finding in _tried(part, look):
                if not finding.problem or finding.problem not in told:
                    yield finding
                told.add(finding.problem)


def _looks(app: "App", wrong: Sequence[str]) -> Iterator[tuple[str, str, Callable[[], Look]]]:
    """Yield each part with the section of the config that it rests on, and how it is looked at."""
    if not wrong:
        read = app.settings.file or "no config.toml here, so defaults and the environment are all (--config FILE)"
        yield "config", "", lambda: iter([("", f"mode {app.policy.mode.value}; {read}")])
    for name in app.settings.channels:
        yield f"channel {name}", f"channels.{name}", lambda name=name: _channel(app, name)  # type: ignore[misc]
    if not app.settings.channels:
        yield "channels", "", lambda: iter([("", "none is configured, so nothing comes in")])
    yield "journal", "journal", lambda: _journal(app)
    yield "ops", "ops", lambda: _ops(app)
    yield BUDGET, "llm", lambda: _budget(app)
    yield "llm", "llm", lambda: _llm(app)
    if app.settings.transcriber.type:
        yield "transcriber", "transcriber", lambda: _transcriber(app)
    yield "prompts", "fields", lambda: _prompts(app)
    yield "crm", "crm", lambda: _crm(app)
    if not _touches("route", wrong) and not _touches("stages", wrong):
        yield "crm stages", "crm", lambda: _stages(app)
    yield "crm owners", "crm", lambda: _owners(app)
    yield "crm properties", "crm", lambda: _properties(app)
    yield "fields", "fields", lambda: _fields(app)
    yield "mode", "crm", lambda: _mode(app)
    yield WORK, "journal", lambda: _work(app)


def _touches(section: str, wrong: Sequence[str]) -> bool:
    return bool(section) and any(key == section or key.startswith(f"{section}.") for key in wrong)


def _tried(part: str, look: Callable[[], Look]) -> Iterator[Finding]:
    """Look at one part; its error is a finding, and what it had yielded before stands."""
    empty = True
    try:
        for brought in look():
            empty = False
            yield Finding(part, brought[0], brought[1], brought.each if isinstance(brought, Many) else ())
    except SidecarError as error:
        empty = False
        yield from (Finding(part, line) for line in said(error))
    if empty:
        yield Finding(part)


def _journal(app: "App") -> Look:
    app.journal.set_meta("checked_at", app.clock().isoformat())
    counts = app.journal.counts()
    yield "", f"{counts['facts']} facts, {counts['parties']} parties"


def _ops(app: "App") -> Look:
    """What is wrong as operators are told of it, and whether they would be."""
    for condition in app.conditions.now():
        if condition.rule == "samples":
            yield "", condition.line
        elif condition.rule in _WRONG:
            yield condition.line, ""
    for notifier in app.notifiers.values():
        for line in notifier.check():
            yield line, ""
    ways = ", ".join(app.notifiers)
    yield "", f"told by {ways}; sidecar alerts test" if ways else "nobody is told: write [ops.webhook] or [ops.smtp]"


def _budget(app: "App") -> Look:
    """What of the day's budgets is spent: nothing is wrong then, but conversations wait."""
    yield from (("", f"{SPENT}{condition.line}") for condition in app.conditions.budget())
    yield "", f"${app.conditions.spent_usd():.2f} of the model today"


def _work(app: "App") -> Look:
    states: dict[str, int] = {}
    for (_, state), count in app.journal.work_counts().items():
        states[state] = states.get(state, 0) + count
    if parked := states.get("parked", 0):
        yield f"{many(parked, 'piece', 'pieces')} of work parked: sidecar work --state parked", ""
    yield "", f"{states.get('due', 0)} due, {states.get('waiting', 0)} waiting"


def _channel(app: "App", name: str) -> Look:
    from sidecar.pipeline.sources import see_source

    channel = app.channel(name)
    for line in channel.check():
        yield line, ""
    see_source(app.journal, channel)
    seen = app.journal.last_seen().get(name)
    yield "", f"last seen {seen:%Y-%m-%d %H:%M} UTC" if seen else "nothing has come yet"


def _transcriber(app: "App") -> Look:
    if app.transcriber is not None:
        for line in app.transcriber.check():
            yield line, ""
        yield "", f"{app.transcriber.model} hears voice notes"


def _llm(app: "App") -> Look:
    for line in app.llm.check():
        yield line, ""
    baseline = "; rules, not a model" if app.llm.capabilities.is_baseline else ""
    usd = app.settings.llm.daily_usd
    bound = f"at most ${usd:g} a day" if usd else "without a bound in money"
    strong = f", {app.llm.stronger.model} for hard cases" if app.llm.stronger else ""
    yield "", f"{app.llm.model}{strong}, {bound}{baseline}"


def _prompts(app: "App") -> Look:
    states = app.shelf.states()
    in_force, candidates = states.in_force, states.candidates
    for error in states.broken.values():
        yield f"{error}; what was adopted stays in force", ""
    for route in app.policy.routes:
        if route.prompt not in in_force:
            yield f"route {route.name}.prompt: there is no {route.prompt!r}; known are {', '.join(in_force)}", ""
    for name in candidates:
        yield "", f"{name} was edited and is not in force: sidecar prompts diff {name}"
    yield "", f"in force: {', '.join(in_force)}"


def _crm(app: "App") -> Look:
    from sidecar.app import ACCOUNT

    for line in app.ledger.check():
        yield line, ""
    account, held = app.ledger.account(), app.journal.meta(ACCOUNT)
    if held not in (None, account):
        yield f"this journal belongs to the CRM account {held!r}, not {account!r}; use another journal.url", ""
    yield "", f"{app.settings.crm.type}, account {account}"


def _stages(app: "App") -> Look:
    from sidecar.app.readiness import unmapped

    pipelines = app.ledger.pipelines()
    for line in unmapped(app.policy, pipelines, is_vendor=app.ledger.capabilities.vendor):
        yield line, ""
    yield "", f"pipelines {', '.join(p.ref for p in pipelines)}" if pipelines else "the CRM has no pipelines"


def _owners(app: "App") -> Look:
    """Name each unknown owner: a note where the configured one takes their place, else a problem."""
    from sidecar.app.readiness import with_owners

    if not app.ledger.capabilities.owners:
        yield "", "this CRM names no owners"
        return
    if not any(route.owner for route in app.policy.routes):
        yield "", "none is configured: what is made belongs to nobody (crm.owner, or owner of a route)"
        return
    owners, fallback = app.ledger.owners(), app.settings.crm.owner
    policy, unknown = with_owners(app.policy, owners, fallback)
    own = {route.name: route.owner for route in policy.routes}
    for route, owner in unknown:
        line = f"route {route}.owner: the CRM knows no {owner!r}"
        if own[route]:
            yield "", f"{line}; {fallback} stands in (crm.owner)"
        else:
            yield f"{line}; name one of its {len(owners)} owners by id or e-mail address, here or in crm.owner", ""
    if not unknown:
        yield "", f"{many(len(set(own.values()) - {''}), 'owner', 'owners')} found"


def _properties(app: "App") -> Look:
    missing = app.ledger.provision(wanted(app), dry_run=True)
    if app.ledger.capabilities.vendor and missing:
        more = f"; and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        lacks = f"lacks {many(len(missing), 'property', 'properties')} of ours ({'; '.join(missing[:SHOWN])}{more})"
        yield Many(f"the CRM {lacks}: sidecar provision", "", tuple(missing))
        return
    yield "", f"{len(missing)} properties to make" if missing else "the CRM has them all"


def _fields(app: "App") -> Look:
    nowhere = [name for name, field in app.policy.fields.items() if not field.targets]
    if nowhere:
        kept = "is believed and kept in the journal alone" if len(nowhere) == 1 else "are kept in the journal alone"
        yield "", f"{', '.join(nowhere)} {kept}: without targets ([fields.{nowhere[0]}]) nothing gets into the CRM"
    yield "", f"{many(len(app.policy.fields), 'field', 'fields')}, {len(app.policy.fields) - len(nowhere)} to the CRM"


def wanted(app: "App") -> "dict[str, list[FieldSpec]]":
    """Return the AI-owned properties that the config wants, by record kind."""
    from sidecar.app.readiness import wanted_properties

    found = wanted_properties(app.policy, app.ledger.capabilities.kinds)
    return {kind: list(specs) for kind, specs in found.items()}


def _mode(app: "App") -> Look:
    configured = app.policy.mode.value
    if not app.is_gated:
        yield "", f"{configured}, by the config alone: this CRM is our own"
        return
    rung = app.rungs().ledger
    higher = "" if rung.value == "auto" else "; the next rung: sidecar check --go-live"
    yield "", f"climbed to {rung.value}, the config allows {configured}{higher}"
