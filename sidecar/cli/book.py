"""The book as a whole: taken out as JSON Lines, copied to a safe place, and brought back from there.

None of it opens the app's adapters: a backup must work when the CRM is away, and a restore when the book doesn't open.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from sidecar.cli.render import console, emit, plain, show
from sidecar.cli.session import AsJson, example, find_party, session
from sidecar.errors import PermanentError


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example("sidecar export --out book.jsonl", "sidecar export --party 'Ann Lee' | gzip > ann.jsonl.gz")
    app.command("export", epilog=epilog)(_export)
    app.command("backup", epilog=example("sidecar backup /backups/2026-11-22.db"))(_backup)
    epilog = example("sidecar restore /backups/2026-11-22.db --check", "sidecar restore /backups/2026-11-22.db")
    app.command("restore", epilog=epilog)(_restore)
    app.command("migrate", epilog=example("sidecar migrate --backed-up"))(_migrate)


def _migrate(
    ctx: typer.Context,
    backed_up: Annotated[
        bool, typer.Option("--backed-up", help="A backup of the PostgreSQL database exists (pg_dump).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the journal to this version's schema; a SQLite journal does so by itself, beside a copy of what it was."""
    from sidecar.journal import Journal
    from sidecar.journal.schema import HEAD

    settings = session(ctx).settings()
    with console(sys.stderr).status("Bringing the journal up to date"):
        Journal.open(settings.journal_url(), base=settings.base, backed_up=backed_up).close()
    _say({"revision": HEAD}, f"The journal is of revision {HEAD}, which this version needs.", as_json=as_json)


def _export(
    ctx: typer.Context,
    party: Annotated[str | None, typer.Option("--party", "-p", help="Of this party alone: id, name, address.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Into this new file. Default: standard output.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the book, or what is known of one party, as JSON Lines; with --out and --json a summary is printed."""
    from sidecar.journal.export import export

    with session(ctx).open() as app:
        whose = find_party(app.journal, party).party if party else None
        lines = 0
        with _into(out) as file:
            for line in export(app.journal, whose):
                file.write(line)
                lines += 1
    if out is not None:
        _say({"file": str(out), "lines": lines, "party": whose}, f"{lines} lines in {out}", as_json=as_json)


@contextmanager
def _into(out: Path | None) -> Iterator[BinaryIO]:
    """Open a file that nobody else may read and that isn't there yet; it is taken away again if the export fails."""
    if out is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        out.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise PermanentError(f"{out} exists; an export overwrites nothing") from None
    except OSError as error:
        raise PermanentError(f"{out} can't be written: {error.strerror}") from None
    try:
        with out.open("wb") as file:
            yield file
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def _backup(
    ctx: typer.Context,
    to: Annotated[Path, typer.Argument(help="A new file; a manifest is put beside it.")],
    as_json: AsJson = False,
) -> None:
    """Copy the journal while it is in use, and read the copy back; a local CRM's file is copied by itself."""
    from sidecar.journal.backup import backup

    settings = session(ctx).settings()
    with console(sys.stderr).status("Copying the book, and reading the copy back"):
        manifest = backup(settings.journal_url(), to.absolute(), base=settings.base)
    facts = manifest.rows.get("fact", 0)
    text = f"{to} holds {facts} facts, and was read back. Whoever has it has the conversations: encrypt it."
    _say({"file": str(to), "manifest": manifest}, text, as_json=as_json)


def _restore(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(help="The backup's file.")],
    check: Annotated[bool, typer.Option("--check", help="Only see whether it could be restored.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Give up the facts that the journal holds now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a backup the journal; one that is in use is never overwritten, one with facts only with --force."""
    from sidecar.journal.backup import restore

    run = session(ctx)
    only_check = check or run.dry_run
    settings = run.settings()
    with console(sys.stderr).status("Examining the backup"):
        manifest = restore(source.absolute(), settings.journal_url(), base=settings.base, check=only_check, force=force)
    facts = manifest.rows.get("fact", 0)
    done = f"{source} is sound: {facts} facts, made at {manifest.made_at}."
    text = done if only_check else f"{done} It is the journal now: sidecar check"
    _say({"file": str(source), "restored": not only_check, "manifest": manifest}, text, as_json=as_json)


def _say(data: dict[str, object], text: str, *, as_json: bool) -> None:
    if as_json:
        emit(data)
    else:
        show(plain(text))
