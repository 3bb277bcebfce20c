"""Prompts: an edited file is only a candidate; here a person sees the difference and puts it in force."""

import difflib
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from sidecar.cli.render import add, block, emit, show, table
from sidecar.cli.session import AsJson, example, session
from sidecar.errors import PermanentError

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.model import Prompt

HASH_CHARS = 12
_STYLES = {"+": "green", "-": "red", "@": "cyan"}

Name = Annotated[str, typer.Argument(help="The prompt's name: its file's, without .md.")]


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    family = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    family.command("list", epilog=example("sidecar prompts list"))(_list)
    family.command("diff", epilog=example("sidecar prompts diff relationship"))(_diff)
    family.command("adopt", epilog=example("sidecar prompts adopt relationship"))(_adopt)
    app.add_typer(family, name="prompts", help="Compare edited prompts with those in force, and adopt them.")


def _list(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the prompts in force, and the edited files that are not."""
    with session(ctx).open() as app:
        in_force, candidates = app.prompt_states()
    rows = [("in force", p) for p in in_force.values()] + [("candidate", p) for p in candidates.values()]
    if as_json:
        keys = ("name", "version", "language", "sha256")
        emit({"prompts": [{"state": state, **{key: getattr(p, key) for key in keys}} for state, p in rows]})
        return
    made = table("prompt", "state", "version", "language", "sha256")
    for state, prompt in sorted(rows, key=lambda row: (row[1].name, row[0] == "candidate")):
        add(made, prompt.name, state, prompt.version, prompt.language, prompt.sha256[:HASH_CHARS])
    show(made)
    if candidates:
        show("A candidate changes nothing yet: sidecar prompts diff NAME, then sidecar prompts adopt NAME")


def _diff(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show what an edited prompt changes."""
    with session(ctx).open() as app:
        in_force, _ = _known(app, name)
        candidate = app.prompt_states()[1].get(name, in_force)
    old, new = (prompt.source.splitlines() for prompt in (in_force, candidate))
    lines = list(difflib.unified_diff(old, new, f"{name} in force", f"{name} on disk", lineterm=""))
    if as_json:
        emit({"name": name, "in_force": in_force.sha256, "candidate": candidate.sha256, "diff": lines})
        return
    for line in lines:
        show(Text(block(line), style=_STYLES.get(line[:1], "")))
    if not lines:
        show(f"The file {name}.md is what is in force.")


def _adopt(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Put an edited prompt in force from now on."""
    with session(ctx, writes=True).open() as app:
        in_force, candidate = _known(app, name)
        if candidate is not None:
            app.adopt(candidate)
    now = candidate or in_force
    if as_json:
        emit({"name": name, "adopted": candidate is not None, "sha256": now.sha256})
    elif candidate is None:
        show(f"{name}.md is in force already.")
    else:
        show(f"{name} {now.sha256[:HASH_CHARS]} is in force; running servers take it up when they are restarted.")


def _known(app: "App", name: str) -> "tuple[Prompt, Prompt | None]":
    in_force, candidates = app.prompt_states()
    if name not in in_force:
        raise PermanentError(f"there is no prompt {name!r}; known are {', '.join(in_force)}")
    return in_force[name], candidates.get(name)
