"""The ledger: what the CRM holds, who wrote it, and, for the local CRM that has no screens, a person's own edits.

A vendor's CRM is edited in its own screens, and never from here: an edit by our access would look like ours, and the
rule that a person wins could not hold.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

import typer

from sidecar.cli.render import add, emit, moment, plain, show, table
from sidecar.cli.session import AsJson, By, Limit, example, session, whoami
from sidecar.errors import PermanentError, UnsupportedFeature
from sidecar.model import Author, AuthorKind, Gone, Record, Value

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.ports import FieldSpec, View

_FLAGS = {"true": True, "yes": True, "false": False, "no": False}

Kind = Annotated[str, typer.Argument(help="contact, company, deal, note, task or meeting.")]
Ref = Annotated[str, typer.Argument(help="The record's ref.")]


@runtime_checkable
class PeoplesSide(Protocol):
    """What a CRM without screens of its own lets people do."""

    def edit(self, kind: str, ref: str, fields: Mapping[str, Value], author: Author = ...) -> Record:
        """Change fields as a person does."""

    def show(self, kind: str | None = None, ref: str | None = None, limit: int = ...) -> Sequence[Record]:
        """Return live records."""


@runtime_checkable
class Listing(Protocol):
    """What a CRM without screens of its own shows of its lists."""

    def views(self) -> "Sequence[View]":
        """Return the lists."""

    def members(self, view: "View", limit: int = ...) -> Sequence[Record]:
        """Return who is in one, in its order."""


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    family = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    epilog = example("sidecar ledger show contact", "sidecar ledger show deal 17 --json")
    family.command("show", epilog=epilog)(_show)
    epilog = example("sidecar ledger edit contact 17 phone=+442079460000 ai_summary=")
    family.command("edit", epilog=epilog)(_edit)
    family.command("history", epilog=example("sidecar ledger history contact 17"))(_history)
    epilog = example("sidecar ledger list", "sidecar ledger list 'AI: Waiting for a person'")
    family.command("list", epilog=epilog)(_list)
    app.add_typer(family, name="ledger", help="Look at the CRM's records, and edit those of the local one.")


def _show(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Argument(help="contact, company, deal, note, task or meeting.")] = None,
    ref: Annotated[str | None, typer.Argument(help="The record's ref; contact:17 names both.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show what the CRM holds."""
    if kind and ":" in kind and ref is None:
        kind, _, ref = kind.partition(":")
    with session(ctx).open() as app:
        found = [_one(app, kind, ref)] if kind and ref else list(_people(app, "show").show(kind, None, limit))
    if as_json:
        emit({"records": found})
        return
    for record in found:
        links = " ".join(f"{link.kind}:{link.ref}" for link in record.links)
        made = table(f"{record.kind}:{plain(record.ref)}", plain(links))
        for name, value in record.fields.items():
            add(made, name, value)
        show(made, "")
    if not found:
        show("The CRM holds no such records.")


def _list(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A list's name; without one, all are named.")] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show the lists that people work from, or who is in one; for the local CRM, which has no screens of its own."""
    with session(ctx).open() as app:
        ledger: object = app.ledger
        if not isinstance(ledger, Listing):
            raise UnsupportedFeature(f"open the list in {app.settings.crm.type} itself")
        views = ledger.views()
        view = next((view for view in views if view.name == name), None)
        if name and view is None:
            raise PermanentError(f"there is no list {name!r}; there are {', '.join(repr(v.name) for v in views)}")
        found = ledger.members(view, limit) if view else []
    if as_json:
        emit({"lists": [each.name for each in views], "records": found})
        return
    columns = view.columns if view else ()
    made = table(*(columns or ("list", "of")))
    for record in found:
        add(made, *(record.fields.get(column) for column in columns))
    for each in () if view else views:
        add(made, each.name, each.kind)
    show(made if found or not view else "Nobody is in it.")


def _edit(
    ctx: typer.Context,
    kind: Kind,
    ref: Ref,
    values: Annotated[list[str], typer.Argument(metavar="FIELD=VALUE...", help="An empty value clears the field.")],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Edit a record of the local CRM as a person: from then on it is that person's."""
    who = by or whoami()
    with session(ctx, writes=True).open() as app:
        people, schema = _people(app, "edit"), app.ledger.schema(kind)
        fields = dict(_assigned(text, schema) for text in values)
        record = people.edit(kind, ref, fields, author=Author(AuthorKind.PERSON, who, who))
    if as_json:
        emit({"record": record})
    else:
        show(f"{plain(kind)}:{plain(ref)} holds {', '.join(plain(f'{k} = {v!r}') for k, v in fields.items())}")


def _history(ctx: typer.Context, kind: Kind, ref: Ref, as_json: AsJson = False) -> None:
    """Show who wrote what into a record, oldest first."""
    with session(ctx).open() as app:
        if not app.ledger.capabilities.history:
            raise UnsupportedFeature(f"{app.settings.crm.type} keeps no history that can be read")
        _one(app, kind, ref)
        edits = app.ledger.history(kind, [ref], list(app.ledger.schema(kind))).get(ref, ())
        zone = ZoneInfo(app.settings.own_section.timezone)
    if as_json:
        emit({"edits": list(edits)})
        return
    made = table("when", "field", "value", "by")
    for edit in sorted(edits, key=lambda e: e.at):
        add(made, moment(edit.at, zone), edit.field, edit.value, f"{edit.author.name} ({edit.author.kind.value})")
    show(made if edits else "Nobody has written anything into it.")


def _people(app: "App", verb: str) -> PeoplesSide:
    ledger: object = app.ledger
    if not isinstance(ledger, PeoplesSide):
        raise UnsupportedFeature(
            f"`sidecar ledger {verb}` without a ref is for the local CRM; open {app.settings.crm.type} itself"
            if verb == "show"
            else f"a person edits {app.settings.crm.type} in its own screens; only the local CRM is edited from here"
        )
    return ledger


def _one(app: "App", kind: str, ref: str) -> Record:
    found = app.ledger.read(kind, [ref]).get(ref)
    if isinstance(found, Record):
        return found
    if isinstance(found, Gone) and found.moved_to:
        raise PermanentError(f"{kind}:{ref} was merged into {kind}:{found.moved_to}")
    raise PermanentError(f"the CRM holds no {kind} {ref!r}; `sidecar ledger show {kind}` lists them")


def _assigned(text: str, schema: "Mapping[str, FieldSpec]") -> tuple[str, Value]:
    """Read FIELD=VALUE by the field's type in the CRM."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise PermanentError(f"write FIELD=VALUE, not {text!r}")
    spec = schema.get(name)
    if spec is None:
        raise PermanentError(f"there is no field {name!r}; known are {', '.join(schema)}")
    if value == "":
        return name, None
    if spec.type == "bool":
        if value.casefold() not in _FLAGS:
            raise PermanentError(f"{name} is true or false, not {value!r}")
        return name, _FLAGS[value.casefold()]
    return name, _number(name, value) if spec.type == "number" else value


def _number(name: str, value: str) -> int | float:
    try:
        return int(value)
    except ValueError:
        try:
            return float(value)
        except ValueError:
            raise PermanentError(f"{name} is a number, not {value!r}") from None
