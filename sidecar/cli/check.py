"""Checks: is everything there that the config names, can the CRM take what is believed, does the book hold together?

`check` tries each part by itself, so that one run lists all that is wrong, each with its remedy; it writes nothing but
a time into the journal, to see that it can be written. `verify` re-derives what the book says from its raw bytes.
`provision` makes the AI-owned properties in the CRM.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from sidecar.cli.render import add, console, emit, many, show, table
from sidecar.cli.session import FAILED, AsJson, Session, example, said, session
from sidecar.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.app import App

ACCOUNT = "ledger_account"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at one part brought: `problem` must be mended, a `note` is worth knowing; its keys in the JSON."""

    part: str
    problem: str = ""
    note: str = ""


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    app.command("check", epilog=example("sidecar --config config.toml check", "sidecar check --json"))(_check)
    app.command("verify", epilog=example("sidecar verify"))(_verify)
    epilog = example("sidecar --dry-run provision", "sidecar provision")
    app.command("provision", epilog=epilog)(_provision)


def _check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Say what is wrong and how to mend it, before anything is written."""
    findings = list(check(session(ctx)))
    problems = [f for f in findings if f.problem]
    if as_json:
        emit({"ok": not problems, "findings": findings})
    else:
        made = table("part", "", "")
        for f in findings:
            add(made, f.part, "wrong" if f.problem else "fine", f.problem or f.note)
        show(made)
        show(f"{len(problems)} to mend." if problems else "All is well: sidecar serve")
    if problems:
        raise typer.Exit(FAILED)


def check(run: Session) -> Iterator[Finding]:
    """Yield what is found, part by part; an error of one part is a finding, and the others are still looked at."""
    try:
        app = run.open()
    except SidecarError as error:
        yield from (Finding("config", line) for line in said(error))
        return
    yield Finding("config", note=f"mode {app.policy.mode.value}")
    with app:
        for name in app.settings.channels:
            yield from _tried(f"channel {name}", lambda name=name: _channel(app, name))  # type: ignore[misc]
        if not app.settings.channels:
            yield Finding("channels", note="none is configured, so nothing comes in")
        for part, look in (
            ("journal", _journal), ("llm", _llm), ("prompts", _prompts), ("crm", _crm),
        ):  # fmt: skip
            yield from _tried(part, lambda look=look: look(app))  # type: ignore[misc]


def _tried(part: str, look: Callable[[], Iterator[tuple[str, str]]]) -> Iterator[Finding]:
    try:
        found = list(look())
    except SidecarError as error:
        found = [(line, "") for line in said(error)]
    yield from (Finding(part, problem, note) for problem, note in found or [("", "")])


def _journal(app: "App") -> Iterator[tuple[str, str]]:
    app.journal.set_meta("checked_at", app.clock().isoformat())
    counts = app.journal.counts()
    parked = sum(n for (_, state), n in app.journal.work_counts().items() if state == "parked")
    yield "", f"{counts['facts']} facts, {counts['parties']} parties"
    if parked:
        yield f"{many(parked, 'piece', 'pieces')} of work parked: sidecar work --state parked", ""
    for scope, pause in app.journal.paused().items():
        yield f"{scope} is paused: {pause.reason}; mend it, then restart", ""


def _channel(app: "App", name: str) -> Iterator[tuple[str, str]]:
    for line in app.channels[name].check():
        yield line, ""
    seen = app.journal.last_seen().get(name)
    yield "", f"last seen {seen:%Y-%m-%d %H:%M} UTC" if seen else "nothing has come yet"


def _llm(app: "App") -> Iterator[tuple[str, str]]:
    for line in app.llm.check():
        yield line, ""
    baseline = "; rules, not a model" if app.llm.capabilities.is_baseline else ""
    yield "", f"{app.llm.model}, at most ${app.settings.llm.daily_usd:g} a day{baseline}"


def _prompts(app: "App") -> Iterator[tuple[str, str]]:
    in_force, candidates = app.prompt_states()
    for route in app.policy.routes:
        if route.prompt not in in_force:
            yield f"route {route.name}.prompt: there is no {route.prompt!r}; known are {', '.join(in_force)}", ""
    for name in candidates:
        yield "", f"{name} was edited and is not in force: sidecar prompts diff {name}"
    yield "", f"in force: {', '.join(in_force)}"


def _crm(app: "App") -> Iterator[tuple[str, str]]:
    from sidecar.app.readiness import unmapped, wanted_properties

    ledger = app.ledger
    for line in ledger.check():
        yield line, ""
    account, held = ledger.account(), app.journal.meta(ACCOUNT)
    if held not in (None, account):
        yield f"this journal belongs to the CRM account {held!r}, not {account!r}; use another journal.url", ""
    for line in unmapped(app.policy, ledger.pipelines()):
        yield line, ""
    missing = ledger.provision(wanted_properties(app.policy, ledger.capabilities.kinds), dry_run=True)
    if missing and ledger.capabilities.vendor:
        yield f"{len(missing)} properties are missing: sidecar provision", ""
    to_make = f", {len(missing)} properties to make" if missing else ""
    yield "", f"{app.settings.crm.type}, account {account}{to_make}"


def _provision(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Make the AI-owned properties that the CRM lacks."""
    with session(ctx).open() as app:
        from sidecar.app.readiness import wanted_properties

        wanted = wanted_properties(app.policy, app.ledger.capabilities.kinds)
        lines = list(app.ledger.provision(wanted, dry_run=app.dry_run))
        dry_run = app.dry_run
    if as_json:
        emit({"dry_run": dry_run, "properties": lines})
        return
    for line in lines:
        show(f"would: {line}" if dry_run else line)
    show("" if lines else "The CRM has them all.")


def _verify(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Re-derive what the book says from its raw bytes, and name every fact that isn't what it says."""
    from sidecar.verify import verify

    with session(ctx).open() as app:
        total = app.journal.counts()["facts"]
        channels = app.channels
        with console(sys.stderr).status(f"Reading {total} facts"):
            faults = list(verify(app.journal, channels))
    if as_json:
        emit({"ok": not faults, "facts": total, "faults": faults})
    else:
        for fault in faults:
            show(f"{fault.fact}: {fault.problem}")
        show(f"{len(faults)} faults in {total} facts." if faults else f"{total} facts are what they say.")
    if faults:
        raise typer.Exit(FAILED)
