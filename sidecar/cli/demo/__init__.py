"""`demo`: sample conversations through a really running sidecar, from the door to the CRM and back to the words.

It plays the outside world (`outside`, with the `samples`), runs the sidecar (`running`), keeps to one folder (`home`)
and prints what came of it (`telling`). It holds no answers: whatever it shows was inferred during the run. It can't be
pointed at anybody's CRM or book: of the environment it takes the model's settings and nothing else of ours.
"""

import os
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from sidecar.cli.render import emit, show
from sidecar.cli.session import AsJson, example
from sidecar.errors import ConfigError
from sidecar.model import Author, AuthorKind, Value

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.cli.demo.outside import Outside
    from sidecar.cli.demo.running import Running
    from sidecar.cli.demo.samples import Sample

MIRA = Author(AuthorKind.PERSON, "mira", "Mira Lang")
TYPED: Mapping[str, Value] = {"name": "Jonas Weber (Blumen Weber)", "ai_budget": "6.500 EUR, Regenverdeck inklusive"}
"""What a rep types into a contact: a name, which is hers for good, and a budget that she heard on the telephone."""
FIRST_DAYS = timedelta(days=6, hours=12)
"""How long ago the samples are parted: deals are made from what came before, and lost by what came after."""
SEEN_S = 60.0
ZONE = "Europe/Berlin"


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    app.command("demo", epilog=example("sidecar demo", "sidecar demo --folder demo --json"))(_demo)


def _demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where config.toml and the conversations lie.")] = Path(
        "demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Run sample conversations through a sidecar with a small CRM, afresh each time, and show what came of it."""
    from sidecar.app import App
    from sidecar.cli.demo.home import afresh
    from sidecar.cli.demo.running import Running

    began = time.monotonic()
    env = environment(os.environ)
    now = datetime.now(ZoneInfo(ZONE))
    if not as_json:
        show("The sidecar is reading some conversations. It writes to a small CRM of its own, and nowhere else.")
    config = afresh(folder, env, now)
    with App.from_file(config, env) as app:
        if problems := app.llm.check():
            raise ConfigError("\n".join(problems))
        with Running(app) as running:
            told = _story(running, folder, now, quiet=as_json)
        told |= {"took_s": round(time.monotonic() - began, 1)}
        if as_json:
            emit(told)
        else:
            from sidecar.cli.demo.telling import closing

            closing(app, str(folder), _program(), time.monotonic() - began)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return what the demo takes from the environment: of our settings the model's alone."""
    env = {name: value for name, value in given.items() if not name.upper().startswith("SIDECAR_")}
    env |= {name: value for name, value in given.items() if name.upper().startswith("SIDECAR_LLM__")}
    if env.get("ANTHROPIC_API_KEY") and "SIDECAR_LLM__TYPE" not in env:
        env["SIDECAR_LLM__TYPE"] = "anthropic"
    return env | {"SIDECAR_WEB__PORT": "0", "SIDECAR_WEB__ADMIN_PORT": "0"}


def _story(running: "Running", folder: Path, now: datetime, *, quiet: bool) -> dict[str, Any]:
    """Let the conversations happen, and show them; returns the figures of it."""
    from sidecar.cli.demo.outside import Outside
    from sidecar.cli.demo.samples import samples

    app = running.app
    past = samples(folder / "conversations", now)
    channels = app.settings.channels
    secrets = {
        n: app.settings.secret(None, c.options["secret_file"]) for n, c in channels.items() if c.type == "webhook"
    }
    folders = {n: app.settings.base / c.options["path"] for n, c in channels.items() if c.type == "maildrop"}
    outside = Outside(f"http://127.0.0.1:{running.port}", secrets, folders)
    try:
        _let_happen(running, outside, past, now)
        if not quiet:
            _show(app, past)
        _edit(running, outside, folder, len(past), quiet=quiet)
    finally:
        outside.close()
    return _figures(app)


def _let_happen(running: "Running", outside: "Outside", past: "list[Sample]", now: datetime) -> None:
    first = [sample for sample in past if sample.at < now - FIRST_DAYS]
    outside.deliver(first)
    running.until_idle(len(first))
    outside.deliver(past[len(first) :])
    running.until_idle(len(past))


def _show(app: "App", past: "list[Sample]") -> None:
    from sidecar.cli.demo import telling

    telling.arrived(app, past)
    telling.inbox(app)
    telling.one_timeline(app)
    telling.chain(app)
    telling.exceptions(app)
    telling.injection(app)


def _edit(running: "Running", outside: "Outside", folder: Path, before_count: int, *, quiet: bool) -> None:
    """Let a rep edit a contact and its customer write again."""
    from sidecar.cli.demo.samples import samples
    from sidecar.cli.demo.telling import JONAS, contact_of, edited, party_of
    from sidecar.cli.ledger import PeoplesSide

    app = running.app
    crm: object = app.ledger
    if not isinstance(crm, PeoplesSide):
        raise ConfigError("the demo edits the local CRM as a person; leave crm.type as it is", setting="crm.type")
    before = contact_of(app, party_of(app, JONAS))
    crm.edit("contact", before.ref, TYPED, author=MIRA)
    running.until(lambda: _is_seen(app, JONAS), SEEN_S, "the edit in the CRM was not seen")
    count = before_count
    for step in sorted(path for path in (folder / "later").iterdir() if path.is_dir()):
        later = samples(step, datetime.now(ZoneInfo(ZONE)))
        outside.deliver(later)
        count += len(later)
    running.until_idle(count)
    if not quiet:
        standing = party_of(app, JONAS)
        said = next(a.text for _, a in app.journal.timeline(standing.party, 10) if a.kind == "message")
        edited(app, before.fields, TYPED, contact_of(app, standing).fields, said)


def _is_seen(app: "App", address: str) -> bool:
    """Say whether the rep's edit has come back from the CRM as a fact."""
    from sidecar.cli.demo.telling import party_of

    record = party_of(app, address).record("contact")
    held = [record.fields[name].hold for name in TYPED if name in record.fields] if record else []
    return len(held) == len(TYPED) and all(held)


def _figures(app: "App") -> dict[str, Any]:
    from sidecar.cli.demo.telling import reader_of

    reader, counts = reader_of(app), app.journal.counts()
    return {
        "engine": reader.engine,
        "models": list(reader.models),
        "inferences": reader.calls,
        "cost_usd": round(reader.cost_usd, 6),
        "deliveries": sum(1 for _ in app.journal.facts(kinds=("delivery",))),
        "facts": counts["facts"],
        "questions": counts["questions"],
        "alerts": counts["alerts"],
        "parked": len(app.journal.work("parked")),
    }


def _program() -> str:
    """How the reader calls this program: by the path that make uses, where that is how it was called."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "sidecar" and not called.is_absolute() else "sidecar"
