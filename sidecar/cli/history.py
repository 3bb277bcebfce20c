"""History: what happened, and how a value came to be: from the CRM's field back to the raw words.

Both read the book and nothing else, so they answer when the model, the CRM or the channel is gone.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from sidecar.cli.render import add, block, emit, moment, plain, short, show, table
from sidecar.cli.session import AsJson, Limit, example, find_id, find_party, session
from sidecar.errors import ConfigError, PermanentError

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.explain import Explanation, Node
    from sidecar.explain.past import Event
    from sidecar.journal import Journal
    from sidecar.model import Activity, Inference, Match

SAID_CHARS = 160
SCAN = 2_000
ACCOUNT = "ledger_account"


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of a timeline; its fields are the keys of the JSON."""

    activity: str
    at: datetime
    channel: str
    kind: str
    role: str
    who: str
    how: str
    authenticated: bool
    subject: str
    said: str
    outcome: str
    rule: str
    party: str | None


@dataclass(frozen=True, slots=True)
class LinkMade:
    """A link to the explain page; its fields are the keys of the JSON, `last_day` is UTC's."""

    link: str
    record: str
    field: str
    last_day: date


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example(
        "sidecar explain contact:17 ai_stage",
        "sidecar explain 'Ann Lee' stage --json",
        "sidecar explain 'Ann Lee' --link",
    )
    app.command("explain", epilog=epilog)(_explain)
    lines = ("--party 'Ann Lee'", "--raw activity-3fa2c1", "--raw inference-77be01")
    epilog = example(*(f"sidecar activities {line}" for line in lines))
    app.command("activities", epilog=epilog)(_activities)


def _explain(
    ctx: typer.Context,
    record: Annotated[str, typer.Argument(help="A CRM record (contact:17, or its ref alone), or a party.")],
    field: Annotated[
        str, typer.Argument(help="A property of the record (ai_stage), or a field of ours (stage). All, with --link.")
    ] = "",
    link: Annotated[
        bool, typer.Option("--link", help="Print a link to the page that shows it, for [web] explain_days.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Follow a value back to the words that it came from, or print a link to the page that shows it."""
    from sidecar.explain import became

    with session(ctx).open() as app:
        if link:
            made = linked(app, record, field)
            emit(made) if as_json else typer.echo(made.link)
            return
        if not field:
            raise PermanentError("name a field; `sidecar party` shows what is believed, and --link links to all of it")
        found = explained(app, record, field)
        zone = ZoneInfo(app.settings.own_section.timezone)
        events, is_all = became(app.journal, _account(app), app.policy, found.record, field)
    if as_json:
        told = {given.name: getattr(found, given.name) for given in fields(found)}
        emit({**told, "past": events, "past_is_all": is_all})
        return
    show(explanation_tree(found))
    if events:
        show("", *_became(events, zone, is_all=is_all))


def _became(events: "Sequence[Event]", zone: ZoneInfo, *, is_all: bool) -> tuple[Any, ...]:
    """What was believed over time, and what people made of it: a state's dates and causes."""
    rows = table("what became of it", "", "value", "because", airy=True)
    for event in events:
        because = "; ".join(part for part in (event.why, event.place) if part)
        what = event.what + (f" by {plain(event.who, 30)}" if event.by_person else "")
        add(
            rows,
            moment(event.at, zone),
            what,
            plain("" if event.value is None else str(event.value), 60),
            plain(because, 160),
        )
    return (rows,) if is_all else (rows, "Only the newest are shown.")


def _account(app: "App") -> str:
    return app.journal.meta(ACCOUNT) or app.ledger.account()


def explained(app: "App", record: str, field: str) -> "Explanation":
    """Return the explanation of a field of a CRM record, or of a party given by id, name or address."""
    from sidecar.explain import explain

    account = _account(app)
    try:
        return explain(app.journal, account, app.policy, record, field)
    except PermanentError as unknown:
        try:
            party = find_party(app.journal, record).party
        except PermanentError:
            party = record
        if party == record:
            raise unknown from None
        return explain(app.journal, account, app.policy, party, field)


def linked(app: "App", record: str, field: str) -> LinkMade:
    """Make a link to a field, or to all that is known of a party, from now on; `ConfigError` where there is no page."""
    if app.links is None:
        raise ConfigError(
            "is not set: without it, and [web] explain_key_env, there is no page", setting="web.public_url"
        )
    found = explained(app, record, field).record if field else whose(app, record)
    now = app.clock()
    last = app.links.until(now) - timedelta(days=1)
    return LinkMade(link=app.links.url(found, field, now), record=found, field=field, last_day=last)


def whose(app: "App", record: str) -> str:
    """Return the party of a CRM record, or of an id, name or address."""
    from sidecar.explain import find

    try:
        return find(app.journal, app.journal.meta(ACCOUNT) or "", record)[0].party
    except PermanentError:
        return find_party(app.journal, record).party


def explanation_tree(found: "Explanation") -> Tree:
    """Return an explanation as a tree, effects above their causes."""
    head = f"{plain(found.record)} {plain(found.field)} = {plain(repr(found.value), 200)}"
    tree = Tree(Text(head, style="bold"))
    if found.note:
        tree.add(Text(plain(found.note)))
    if found.refused:
        tree.add(Text(plain(found.refused.line)))
    for node in found.chain:
        _grow(tree, node)
    return tree


def _grow(tree: Tree, node: "Node") -> None:
    label = Text.assemble((f"{node.kind} ", "cyan"), plain(node.line), (f"  {short(node.id)}", "dim"))
    branch = tree.add(label)
    if node.kind == "delivery":
        branch.add(Text(f"the bytes: sidecar activities --raw {short(node.id)}", style="dim"))
    for cause in node.because:
        _grow(branch, cause)


def _activities(
    ctx: typer.Context,
    party: Annotated[str | None, typer.Option("--party", "-p", help="Of this party: id, name or address.")] = None,
    channel: Annotated[str | None, typer.Option("--channel", help="On this channel.")] = None,
    raw: Annotated[
        str | None,
        typer.Option("--raw", help="Print an activity's or a delivery's bytes, or a model's answer, as it came."),
    ] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show what was said and done, the latest last, and whose it was taken to be."""
    with session(ctx).open() as app:
        if raw is not None:
            _print_raw(app.journal, raw, as_json=as_json)
            return
        found = timeline(app, limit, party=party, channel=channel)
        zone = ZoneInfo(app.settings.own_section.timezone)
    if as_json:
        emit({"activities": found})
    else:
        show(timeline_table(found, zone) if found else "No activities yet.")


def timeline(app: "App", limit: int, *, party: str | None = None, channel: str | None = None) -> list[Happened]:
    """Return the latest activities, of a party or of all, oldest first."""
    journal = app.journal
    if party is None:
        latest = journal.captured(limit, channel)
        found = [_happened(activity, _last_match(journal, activity)) for activity in latest]
    else:
        pairs = journal.timeline(find_party(journal, party).party, SCAN if channel else limit)
        found = [_happened(a, match) for match, a in pairs if channel in (None, a.channel)][:limit]
    return sorted(found, key=lambda h: (h.at, h.activity))


def timeline_table(found: list[Happened], zone: ZoneInfo) -> Table:
    """Return a timeline as a table."""
    made = table("when", "channel", "kind", "by", "said", "taken to be", "activity")
    for h in found:
        by = f"{h.who or h.role} ({h.role}: {h.how})" if h.who else f"{h.role}: {h.how}"
        said = plain(f"{h.subject}: {h.said}" if h.subject else h.said, SAID_CHARS)
        whose = f"{h.outcome} by {h.rule}" if h.outcome else "not resolved yet"
        add(made, moment(h.at, zone), h.channel, h.kind, by, said, whose, short(h.activity))
    return made


def said_in(activity: "Activity") -> str:
    """Return what was said in an activity: no quoted reply, no signature; of a system's event all of it."""
    spoken = " ".join(activity.text[said.start : said.end] for said in activity.said)
    return (spoken or activity.text).strip()


def _last_match(journal: "Journal", activity: "Activity") -> "Match | None":
    from sidecar.model import Match

    matches = [match for match in journal.effects(activity.id, "match") if isinstance(match, Match)]
    return matches[-1] if matches else None


def _happened(activity: "Activity", match: "Match | None") -> Happened:
    return Happened(
        activity=activity.id,
        at=activity.at,
        channel=activity.channel,
        kind=activity.kind,
        role=activity.actor.role.value,
        who=activity.actor.name,
        how=activity.actor.how,
        authenticated=activity.actor.authenticated,
        subject=activity.subject,
        said=said_in(activity),
        outcome=match.outcome.value if match else "",
        rule=match.rule if match else "",
        party=match.party if match else None,
    )


def _print_raw(journal: "Journal", text: str, *, as_json: bool) -> None:
    """Print bytes exactly to a pipe, and harmlessly to a terminal."""
    from sidecar.model import Delivery, Inference

    kind = next((kind for kind in ("delivery", "inference") if text.startswith(f"{kind}-")), "activity")
    fact_id = find_id(journal, text, kind)
    sources = journal.causes(fact_id) if kind == "activity" else []
    found = journal.get(next((c.id for c in sources if isinstance(c, Delivery)), fact_id))
    if not isinstance(found, Delivery | Inference):
        raise PermanentError(f"the bytes of {text} are not in the book any more")
    raw = found.raw if isinstance(found, Delivery) else found.answer.encode()
    if as_json:
        emit(_delivered(found) if isinstance(found, Delivery) else _answered(found))
    elif sys.stdout.isatty():
        show(block(raw.decode("utf-8", "replace")))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()


def _answered(inference: "Inference") -> dict[str, Any]:
    return {
        "inference": inference.id,
        "model": inference.model,
        "prompt": inference.prompt,
        "stop": inference.stop,
        "answer": inference.answer,
    }


def _delivered(delivery: Any) -> dict[str, Any]:
    return {
        "delivery": delivery.id,
        "channel": delivery.channel,
        "account": delivery.account,
        "key": delivery.key,
        "received_at": delivery.received_at,
        "headers": dict(delivery.headers),
        "sha256": delivery.sha256,
        "raw_base64": delivery.raw,
    }
