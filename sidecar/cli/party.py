"""Parties: who is known, what is asked of a person, and a person's answers.

Each answer goes to the pipeline as that person's word, a fact in the book; what follows from it (a new reading, a write
to the CRM) is done by the running server, or by the next `sidecar run`.
"""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Group

from sidecar.cli.history import SAID_CHARS, said_in
from sidecar.cli.render import add, emit, moment, plain, short, show, table
from sidecar.cli.session import NO_PARTY, AsJson, By, Limit, example, find_id, find_party, session, whoami
from sidecar.errors import PermanentError

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.journal import Journal
    from sidecar.model import Match, Standing

NEW = "new"
NEXT = "The running server takes it up; without one: sidecar run --until-idle"

Party = Annotated[str, typer.Argument(help="The party: its id or the beginning of one, a name, an address.")]
Field = Annotated[str, typer.Argument(help="The field of the suggestion, a step (step:ID), or contact or deal.")]
Property = Annotated[str, typer.Argument(help="The CRM's property, such as contact.phone.")]

SHOWN_CHARS = 80


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    family = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    for name, command, epilog in (
        ("list", _list, example("sidecar party list ann@", "sidecar party list --json")),
        ("show", _show, example("sidecar party show 'Ann Lee'")),
        ("questions", _questions, example("sidecar party questions")),
        (
            "assign",
            _assign,
            example("sidecar party assign activity-3fa2c1 'Ann Lee'", "sidecar party assign activity-3fa2c1 new"),
        ),
        ("merge", _merge, example("sidecar party merge party-1a2b3c party-9f8e7d")),
        (
            "split",
            _split,
            example(
                "sidecar party split party-1a2b3c activity-3fa2c1 activity-77be01",
                "sidecar party split party-1a2b3c party-9f8e7d",
            ),
        ),
        ("approve", _approve, example("sidecar party approve 'Ann Lee' stage", "sidecar party approve ann@ contact")),
        ("reject", _reject, example("sidecar party reject 'Ann Lee' stage")),
        ("deal", _deal, example("sidecar party deal 'Ann Lee' deal-17")),
        ("pin", _pin, example("sidecar party pin 'Ann Lee' contact.phone")),
        ("release", _release, example("sidecar party release 'Ann Lee' contact.phone")),
    ):
        family.command(name, epilog=epilog)(command)
    app.add_typer(family, name="party", help="Look parties up, and answer what is asked about them.")


def _list(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="A part of a name or address.")] = "",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List parties, those first that were heard of last."""
    with session(ctx).open() as app:
        found = [s for s in app.journal.parties(query, limit) if not s.party.startswith(NO_PARTY)]
        zone = ZoneInfo(app.settings.own_section.timezone)
    if as_json:
        emit({"parties": [_brief(standing) for standing in found]})
        return
    made = table("name", "known by", "stage", "activities>", "last", "party")
    for s in found:
        known = ", ".join(str(i) for i in s.identifiers)
        add(made, s.name, known, s.engagement.stage, s.activities, moment(s.last_activity_at, zone), short(s.party))
    show(made if found else "Nobody is known by that." if query else "No parties yet.")


def _show(ctx: typer.Context, party: Party, as_json: AsJson = False) -> None:
    """Show all that is believed of a party, and what the CRM holds of it."""
    with session(ctx).open() as app:
        standing = find_party(app.journal, party)
        known = _known_by(app.journal, standing)
        zone = ZoneInfo(app.settings.own_section.timezone)
    if as_json:
        emit({**_whole(standing), "known_by": known, "merged": list(standing.absorbed)})
    else:
        show(_pages(standing, known, zone))


def _questions(ctx: typer.Context, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List activities that may be several parties', with each candidate's score and signals."""
    with session(ctx).open() as app:
        asked = [_question(app.journal, match) for match in app.journal.questions(limit)]
        zone = ZoneInfo(app.settings.own_section.timezone)
    if as_json:
        emit({"questions": asked})
        return
    for question in asked:
        at = moment(question["at"], zone)
        show(f"{short(question['activity'])}  {at}  {question['channel']}  {plain(question['who'])}")
        show(f"  “{plain(question['said'], SAID_CHARS)}”")
        made = table("  candidate", "score>", "signals", "party")
        for c in question["candidates"]:
            add(made, f"  {c['name']}", c["score"], ", ".join(c["signals"]), short(c["party"]))
        show(made if question["candidates"] else f"  {plain(question['rule'])}: nobody that is known")
    show("Answer with: sidecar party assign ACTIVITY PARTY|new" if asked else "Nothing is asked.")


def _assign(
    ctx: typer.Context,
    activity: Annotated[str, typer.Argument(help="The activity: its id or the beginning of one.")],
    party: Annotated[str, typer.Argument(help="The party, or `new` for one that isn't known yet.")],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Say whose an activity is."""
    with session(ctx, writes=True).open() as app:
        to = NEW if party == NEW else find_party(app.journal, party).party
        whose = app.pipeline.people.assign(find_id(app.journal, activity, "activity"), to, by or whoami())
    _done(f"It is {short(whose)}'s now.", {"party": whose}, as_json=as_json)


def _merge(
    ctx: typer.Context,
    winner: Annotated[str, typer.Argument(help="The party that stays.")],
    loser: Annotated[str, typer.Argument(help="The party that becomes part of it.")],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Make two parties one."""
    with session(ctx, writes=True).open() as app:
        into, other = (find_party(app.journal, text).party for text in (winner, loser))
        kept = app.pipeline.people.merge(into, other, by or whoami())
    _done(f"They are {short(kept)} now, and will be read whole again.", {"party": kept}, as_json=as_json)


def _split(
    ctx: typer.Context,
    party: Party,
    activities: Annotated[
        list[str],
        typer.Argument(help="The activities that are somebody else's, or the id of the party that was merged into it."),
    ],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Move activities of a party out to a new one; naming a party that was merged into it undoes the merge."""
    with session(ctx, writes=True).open() as app:
        whose, people, said = find_party(app.journal, party), app.pipeline.people, by or whoami()
        merged = [other for other in whose.absorbed if [other] == app.journal.ids(activities[0], 2)]
        if merged and len(activities) == 1:
            new = people.unmerge(whose.party, merged[0], said)
        else:
            new = people.split(whose.party, [find_id(app.journal, text, "activity") for text in activities], said)
    _done(f"They are {short(new)}'s now; both will be read whole again.", {"party": new}, as_json=as_json)


def _approve(ctx: typer.Context, party: Party, field: Field, by: By = "", as_json: AsJson = False) -> None:
    """Approve a suggestion, or let a contact or deal be made."""
    _review(ctx, party, field, by, approve=True, as_json=as_json)


def _reject(ctx: typer.Context, party: Party, field: Field, by: By = "", as_json: AsJson = False) -> None:
    """Reject a suggestion."""
    _review(ctx, party, field, by, approve=False, as_json=as_json)


def _review(ctx: typer.Context, party: str, field: str, by: str, *, approve: bool, as_json: bool) -> None:
    with session(ctx, writes=True).open() as app:
        whose = find_party(app.journal, party).party
        app.pipeline.people.review(whose, field, by or whoami(), approve=approve)
    word = "approved" if approve else "rejected"
    _done(f"{plain(field)} is {word}.", {"party": whose, "field": field, "verdict": word}, as_json=as_json)


def _deal(
    ctx: typer.Context,
    party: Party,
    ref: Annotated[str, typer.Argument(metavar="REF", help="The deal in the CRM.")],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Say which of several open deals a party's engagement is."""
    with session(ctx, writes=True).open() as app:
        whose = find_party(app.journal, party).party
        app.pipeline.people.tie(whose, ref.removeprefix("deal:"), by or whoami())
    _done(f"{plain(ref)} is the deal from now on.", {"party": whose, "deal": ref}, as_json=as_json)


def _pin(ctx: typer.Context, party: Party, prop: Property, by: By = "", as_json: AsJson = False) -> None:
    """Order a property in the CRM to be left alone."""
    _hold(ctx, party, prop, by, pinned=True, as_json=as_json)


def _release(ctx: typer.Context, party: Party, prop: Property, by: By = "", as_json: AsJson = False) -> None:
    """Give a property in the CRM back to us, whether it was pinned or edited."""
    _hold(ctx, party, prop, by, pinned=False, as_json=as_json)


def _hold(ctx: typer.Context, party: str, prop: str, by: str, *, pinned: bool, as_json: bool) -> None:
    with session(ctx, writes=True).open() as app:
        standing = find_party(app.journal, party)
        kind, name = _property(app, standing, prop)
        app.pipeline.people.pin(standing.party, kind, name, by or whoami(), pinned=pinned)
    told = f"{kind}.{name} is left alone from now on." if pinned else f"{kind}.{name} is ours again."
    _done(told, {"party": standing.party, "property": f"{kind}.{name}", "pinned": pinned}, as_json=as_json)


def _property(app: "App", standing: "Standing", text: str) -> tuple[str, str]:
    """Return the record kind and the property that a text names; a misspelt one would protect nothing."""
    held = {f"{record.kind}.{name}" for record in standing.records.values() for name in record.fields}
    known = held | {f"{t.kind}.{t.property}" for f in app.policy.fields.values() for t in f.targets}
    kind, dot, name = text.partition(".")
    if not dot or text not in known:
        near = get_close_matches(text, sorted(known), n=3) or sorted(k for k in known if k.startswith(f"{kind}."))
        raise PermanentError(f"there is no property {text!r} that we write; known: {', '.join(near or sorted(known))}")
    return kind, name


def _done(text: str, data: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit(data)
    else:
        show(text, NEXT)


def _brief(standing: "Standing") -> dict[str, Any]:
    return {
        "party": standing.party,
        "name": standing.name,
        "identifiers": [str(i) for i in standing.identifiers],
        "stage": standing.engagement.stage,
        "channel": standing.channel,
        "activities": standing.activities,
        "since": standing.since,
        "last_activity_at": standing.last_activity_at,
    }


def _whole(standing: "Standing") -> dict[str, Any]:
    """Return a standing under keys that stay, whatever becomes of the class."""
    engagements = [
        {
            "number": e.number,
            "stage": e.stage,
            "opened_at": e.opened_at,
            "closed_at": e.closed_at,
            "fields": e.fields,
            "suggestions": e.suggestions,
            "steps": e.steps,
        }
        for e in standing.engagements
    ]
    records = [
        {
            "kind": r.kind,
            "ref": r.ref,
            "engagement": r.engagement,
            "gone": r.gone,
            "fields": {
                name: {"posted": f.posted, "hold": f.hold, "pinned": f.pinned, "pending": list(f.pending.values())}
                for name, f in r.fields.items()
            },
        }
        for r in standing.records.values()
    ]
    return {
        **_brief(standing),
        "engagements": engagements,
        "alerts": standing.alerts,
        "records": records,
        "conversations": standing.conversations,
        "allowed": standing.allowed,
    }


def _known_by(journal: "Journal", standing: "Standing") -> list[dict[str, Any]]:
    """Return each identifier with the activity by which it became the party's, and who said so."""
    from sidecar.model import Activity, Match

    matches = journal.get_many(standing.known_by.get(str(i), "") for i in standing.identifiers)
    activities = journal.get_many(m.activity for m in matches.values() if isinstance(m, Match))
    rows = []
    for identifier in standing.identifiers:
        match = matches.get(standing.known_by.get(str(identifier), ""))
        activity = activities.get(match.activity) if isinstance(match, Match) else None
        rows.append(
            {
                "identifier": str(identifier),
                "rule": match.rule if isinstance(match, Match) else "",
                "activity": activity.id if isinstance(activity, Activity) else None,
                "channel": activity.channel if isinstance(activity, Activity) else "",
                "at": activity.at if isinstance(activity, Activity) else None,
            }
        )
    return rows


def _pages(standing: "Standing", known: list[dict[str, Any]], zone: ZoneInfo) -> Group:
    engagement = standing.engagement
    head = table("", "")
    merged = ", ".join(short(other) for other in standing.absorbed) or "nobody"
    for label, value in (
        ("party", standing.party), ("name", standing.name), ("engagement", engagement.number), ("merged", merged),
        ("activities", standing.activities), ("last", moment(standing.last_activity_at, zone)),
    ):  # fmt: skip
        add(head, label, value)
    linked = table("identifier", "since", "channel", "activity", "by", title="Known by")
    for row in known:
        at = moment(row["at"], zone)
        add(linked, row["identifier"], at, row["channel"], short(row["activity"] or "erased"), row["rule"])
    believed = table("field", "value", "by", "sure>", "as of", title="Believed")
    for name, field in engagement.fields.items():
        add(believed, name, field.value, field.engine, field.confidence, moment(field.evidence_at, zone))
    waiting = table("field", "value", "why it waits", title="Waits for a person")
    for name, suggestion in engagement.suggestions.items():
        add(waiting, name, suggestion.value, suggestion.reason)
    steps = table("step", "who", "due", "status", "what", title="Steps")
    for step in engagement.steps:
        add(steps, f"step:{step.id}", step.who, step.due or step.due_text, step.status, step.what)
    alerts = table("alert", "rank>", "since", "why", title="Exceptions")
    for alert in standing.alerts:
        add(alerts, alert.rule, alert.rank, moment(alert.at, zone), alert.reason)
    pages = [page for page in (linked, believed, waiting, steps, alerts, _in_crm(standing)) if page.row_count]
    return Group(head, *pages)


def _in_crm(standing: "Standing") -> Any:
    made = table("record", "property", "ours", "theirs", "whose", title="In the CRM")
    for record in standing.records.values():
        for name, field in record.fields.items():
            author = field.hold.author if field.hold else None
            theirs = field.hold.value if field.hold else ""
            whose = "pinned" if field.pinned else (author.name or author.kind.value) if author else "ours"
            shown = (plain(value, SHOWN_CHARS) for value in (field.posted, theirs))  # a note's text would fill a page
            add(made, f"{record.kind}:{record.ref or 'not made'}", name, *shown, whose)
    return made


def _question(journal: "Journal", match: "Match") -> dict[str, Any]:
    from sidecar.model import Activity

    activity = journal.get(match.activity)
    names = {c.ref: journal.standing(c.ref) for c in match.candidates}
    found = isinstance(activity, Activity)
    return {
        "activity": match.activity,
        "rule": match.rule,
        "outcome": match.outcome.value,
        "at": activity.at if isinstance(activity, Activity) else None,
        "channel": activity.channel if isinstance(activity, Activity) else "",
        "who": match.name or ", ".join(str(i) for i in match.identifiers),
        "identifiers": [str(i) for i in match.identifiers],
        "said": said_in(activity) if isinstance(activity, Activity) else "",
        "readable": found,
        "candidates": [
            {
                "party": c.ref,
                "name": standing.name if (standing := names[c.ref]) else "",
                "score": c.score,
                "signals": list(c.signals),
            }
            for c in match.candidates
        ],
    }
