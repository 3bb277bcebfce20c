"""Prompts: an edited file is only a candidate; here a person sees the difference, adopts it, and takes it back."""

import difflib
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from sidecar.cli.render import add, block, emit, many, moment, show, table
from sidecar.cli.session import AsJson, By, example, session, whoami
from sidecar.errors import PermanentError

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.app.in_force import States
    from sidecar.model import Prompt
    from sidecar.replay.report import Report as Replayed

HASH_CHARS = 12
_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_KEYS = ("name", "version", "language", "model", "effort", "sha256")

Name = Annotated[str, typer.Argument(help="The prompt's name: its file's, without .md.")]
Because = Annotated[str, typer.Option("--because", help="Why, for the history.")]
Report = Annotated[str, typer.Option("--report", help="The id of the report that shows what it changes.")]
Gate = Annotated[
    bool, typer.Option("--gate", help="Only if a replay of this very text is no worse by more than prompts.max_drop.")
]
To = Annotated[
    str, typer.Option("--to", help="The version, by the beginning of its hash. Default: the last one before.")
]
Sha = Annotated[str, typer.Option("--sha", help="A version that was in force once, by the beginning of its hash.")]
OnDisk = Annotated[bool, typer.Option("--candidate", help="The edited file instead of what is in force.")]


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    family = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    family.command("list", epilog=example("sidecar prompts list"))(_list)
    family.command("show", epilog=example("sidecar prompts show relationship"))(_show)
    family.command("diff", epilog=example("sidecar prompts diff relationship"))(_diff)
    reason = '--because "budget was read out of our own quotes"'
    epilog = example(f"sidecar prompts adopt relationship {reason}", "sidecar prompts adopt relationship --gate")
    family.command("adopt", epilog=epilog)(_adopt)
    family.command("history", epilog=example("sidecar prompts history relationship"))(_history)
    family.command("rollback", epilog=example("sidecar prompts rollback relationship"))(_rollback)
    family.command("packs", epilog=example("sidecar prompts packs", "sidecar prompts packs bant"))(_packs)
    app.add_typer(
        family, name="prompts", help="Compare edited prompts with those in force, adopt them, roll them back."
    )


def _list(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the prompts in force, the edited files that are not, and those that don't load."""
    with session(ctx).open() as app:
        states = app.shelf.states()
    rows = [("in force", p) for p in states.in_force.values()] + [("candidate", p) for p in states.candidates.values()]
    if as_json:
        prompts = [{"state": state, **_told(prompt)} for state, prompt in rows]
        emit({"prompts": prompts, "broken": {name: str(error) for name, error in states.broken.items()}})
        return
    made = table("prompt", "state", "version", "language", "sha256")
    for state, prompt in sorted(rows, key=lambda row: (row[1].name, row[0] == "candidate")):
        add(made, prompt.name, state, prompt.version, prompt.language, prompt.sha256[:HASH_CHARS])
    show(made)
    _say_broken(states)
    if states.candidates:
        show("A candidate changes nothing yet: sidecar prompts diff NAME, then sidecar prompts adopt NAME")


def _show(ctx: typer.Context, name: Name, sha: Sha = "", candidate: OnDisk = False, as_json: AsJson = False) -> None:
    """Show a prompt: what is in force, the edited file, or what was in force once."""
    with session(ctx).open() as app:
        states = app.shelf.states()
        prompt = _known(states, name)
        if sha:
            prompt = app.shelf.version(name, _whole(app, name, sha))
        elif candidate:
            prompt = _candidate(states, name) or prompt
    if as_json:
        emit({**_told(prompt), "serves": prompt.serves, "fields": prompt.fields, "source": prompt.source})
        return
    typer.echo(block(prompt.source), nl=False)  # as a file has it, whatever the width of a terminal


def _diff(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show what an edited prompt changes."""
    with session(ctx).open() as app:
        states = app.shelf.states()
        in_force = _known(states, name)
        candidate = _candidate(states, name) or in_force
    old, new = (prompt.source.splitlines() for prompt in (in_force, candidate))
    lines = list(difflib.unified_diff(old, new, f"{name} in force", f"{name} on disk", lineterm=""))
    if as_json:
        emit({"name": name, "in_force": in_force.sha256, "candidate": candidate.sha256, "diff": lines})
        return
    for line in lines:
        show(Text(block(line), style=_STYLES.get(line[:1], "")))
    if not lines:
        show(f"The file {name}.md is what is in force.")


def _adopt(
    ctx: typer.Context,
    name: Name,
    because: Because = "",
    report: Report = "",
    gate: Gate = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Put an edited prompt in force from now on."""
    found = None
    with session(ctx, writes=True).open() as app:
        states = app.shelf.states()
        in_force, candidate = _known(states, name), _candidate(states, name)
        if candidate is not None:
            found = _reported(app, candidate, report, is_gated=gate or app.settings.prompts.gate)
            app.shelf.adopt(candidate, by=by or whoami(), report=found.id if found else "", reason=because)
    now = candidate or in_force
    if as_json:
        emit({"name": name, "adopted": candidate is not None, "sha256": now.sha256})
    elif candidate is None:
        show(f"{name}.md is in force already.")
    else:
        show(
            f"{name} {now.sha256[:HASH_CHARS]} is in force; running servers read by it from their next conversation on."
        )
        show(_rests_on(found))
        show(f"To take it back: sidecar prompts rollback {name}")


def _rests_on(report: "Replayed | None") -> str:
    if report is None:
        return "No replay of this text shows what it changes."
    what = f"{many(report.readings, 'reading', 'readings')} of {many(report.parties, 'party', 'parties')}"
    return f"It rests on report {report.id}: {what}, read again at {report.at:%Y-%m-%d %H:%M} UTC."


def _reported(app: "App", candidate: "Prompt", report_id: str, *, is_gated: bool) -> "Replayed | None":
    """Return the report that this adoption rests on; a gate wants one, and one that says nothing is worse."""
    from sidecar.replay.kept import FOLDER, kept, latest, tried
    from sidecar.replay.report import faults

    folder, name, sha = app.settings.base / FOLDER, candidate.name, candidate.sha256
    found = kept(folder, report_id) if report_id else latest(folder, name, sha)
    if report_id and found is not None and not tried(found, name, sha):
        raise PermanentError(f"report {report_id} tried another text of {name}: sidecar replay --prompt {name}")
    if is_gated:
        if found is None:
            raise PermanentError(f"no report shows what this {name} changes: sidecar replay --prompt {name}")
        worse = faults(found, app.settings.prompts.max_drop)
        if worse:
            told = "; ".join(worse)
            raise PermanentError(f"not adopted, because report {found.id} says that it is worse: {told}")
    return found


def _history(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show which versions were in force, since when, by whom, upon which report."""
    with session(ctx).open() as app:
        _known(app.shelf.states(), name)
        rows = app.shelf.history(name)
        zone = app.context.own.timezone
    if as_json:
        emit({"name": name, "history": rows})
        return
    from zoneinfo import ZoneInfo

    made = table("since", "how", "version", "sha256", "in place of", "by", "report", "because")
    for row in rows:
        at, hashes = moment(row.at, ZoneInfo(zone)), (row.sha256[:HASH_CHARS], row.former[:HASH_CHARS])
        add(made, at, row.how, row.version, *hashes, row.by, row.report, row.reason)
    show(made)
    if not rows:
        show(f"{name} was never adopted: it is in force since a server or a run first reads by it.")


def _rollback(
    ctx: typer.Context, name: Name, to: To = "", because: Because = "", by: By = "", as_json: AsJson = False
) -> None:
    """Put the version in force again that was before this one, or any former one."""
    with session(ctx, writes=True).open() as app:
        former = _known(app.shelf.states(), name)
        prompt = app.shelf.rollback(name, to, by=by or whoami(), reason=because)
        is_other = name in app.shelf.states().candidates
    if as_json:
        emit({"name": name, "sha256": prompt.sha256, "in_place_of": former.sha256})
        return
    show(f"{name} {prompt.sha256[:HASH_CHARS]} (version {prompt.version}) is in force again.")
    if is_other:
        show(f"The file {name}.md stays as it is, and is a candidate: sidecar prompts diff {name}")


def _packs(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="One pack, with what counts for each of its fields.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show the packs of fields that come along, and how to take one up."""
    from sidecar.config.packs import packs

    taken, known = session(ctx).settings().prompts.packs, packs()
    if name and name not in known:
        raise PermanentError(f"there is no pack {name!r}; known are {', '.join(known)}")
    shown = [known[name]] if name else list(known.values())
    if as_json:
        emit({"packs": [{**asdict(pack), "taken_up": pack.name in taken} for pack in shown]})
        return
    made = table("pack", "is", "fields", "taken up")
    for pack in shown:
        add(made, pack.name, pack.about, ", ".join(pack.fields), "yes" if pack.name in taken else "no")
    show(made)
    if not name:
        show("What counts for the fields of one: sidecar prompts packs NAME")
        return
    for field, given in known[name].fields.items():
        show(Text(f"\n## field: {field}\n\n### Counts\n{given['criteria']}"))
        show(Text(f"\n### Does not count\n{given['not_criteria']}"))
    if name not in taken:
        wanted = ", ".join(f'"{each}"' for each in (*taken, name))
        show(Text(f"\nTo take it up, write under [prompts] in the config: packs = [{wanted}]"))
        show("Then sidecar provision makes its properties; restart the servers.")


def _told(prompt: "Prompt") -> dict[str, Any]:
    return {key: getattr(prompt, key) for key in _KEYS}


def _say_broken(states: "States") -> None:
    for error in states.broken.values():
        show(f"Refused, and changes nothing: {block(error)}")
    if states.broken:
        show(f"Mend {'the file' if len(states.broken) == 1 else 'the files'}; what was adopted last stays in force.")


def _known(states: "States", name: str) -> "Prompt":
    if name not in states.in_force:
        if name in states.broken:
            raise states.broken[name]
        raise PermanentError(f"there is no prompt {name!r}; known are {', '.join(states.in_force)}")
    return states.in_force[name]


def _candidate(states: "States", name: str) -> "Prompt | None":
    """Return the edited file; one that doesn't load is said at once, since whoever asks has just edited it."""
    for broken in (name, "prompts"):
        if broken in states.broken:
            raise states.broken[broken]
    return states.candidates.get(name)


def _whole(app: "App", name: str, sha: str) -> str:
    found = sorted({row.sha256 for row in app.shelf.history(name) if row.sha256.startswith(sha)})
    if len(found) != 1:
        raise PermanentError(f"{sha!r} names {len(found)} versions of {name}: sidecar prompts history {name}")
    return found[0]
