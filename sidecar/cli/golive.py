"""Going live: the next rung of the mode ladder is put in force, once all is well and a person has seen what it writes.

Everything is shown before anything is asked: what would be written today, to how many records, what would not and why,
and which of the CRM's own automations would act on it. The plan is made by the code that will write, under the rung
that is asked for. Nothing is written from here: the rung is journaled, the relationships are made due, and whoever
serves does the rest.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from sidecar.cli.render import add, console, emit, many, show, table
from sidecar.cli.session import ask
from sidecar.errors import PermanentError, UnsupportedFeature
from sidecar.model import Mode

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.model import Rungs
    from sidecar.pipeline.preview import Would

MAX_ROWS = 20_000
_ASKED = ("contact", "company", "deal")


@dataclass(frozen=True, slots=True)
class Step:
    """What is asked for: which scope moves from which rung to which, and what the ladder looks like then."""

    scope: str
    start: Mode
    to: Mode
    rungs: "Rungs"
    ways: Sequence[tuple[str, Mode | None]]

    @property
    def is_new(self) -> bool:
        """Whether it moves anything."""
        return self.start is not self.to


def go_live(app: "App", scope: str, to: Mode | None, limit: int, by: str, *, yes: bool, as_json: bool) -> None:
    """Show what a rung would write, ask, and put it in force; the checks have passed."""
    app.bind()
    step = _step(app, scope, to)
    report = _report(app, step, limit)
    if not as_json:
        _print(report)
    if step.is_new and not app.dry_run:
        if as_json and not yes:
            emit(report)
        where = "" if scope == "ledger" else f" of the {scope.replace(':', ' ', 1)}"
        ask(f"Move the mode{where} from {step.start.value} to {step.to.value}?", yes=yes, as_json=as_json)
    if not app.dry_run and (step.is_new or report["values"]):
        report["due"] = _move(app, step, by)
        report["moved"] = step.is_new
    if as_json:
        emit(report)
    else:
        _print_end(report, is_dry=app.dry_run)


def _step(app: "App", scope: str, to: Mode | None) -> Step:
    from sidecar.app.ladder import moved, rung_of, ways_up

    if not app.is_gated:
        raise PermanentError("this CRM is our own and has no ladder: policy.mode in the config decides")
    rungs = app.rungs()
    start = rung_of(rungs, scope)
    to = to or next((mode for mode in Mode if mode.height == start.height + 1), start)
    if to.height < start.height:
        raise PermanentError(f"{scope} stands on {start.value}; down goes by: sidecar mode {to.value} --reason WHY")
    ceiling = _ceiling(app, scope)
    if to.height > ceiling.height:
        setting = {"ledger": "policy.mode", "route": "route.mode (or policy.mode)"}.get(scope.split(":")[0], "the mode")
        raise PermanentError(
            f"the config allows no more than {ceiling.value} here: to go to {to.value}, set {setting} to "
            f'"{to.value}" or higher, restart the server, and come back'
        )
    ways = ways_up(rungs, scope, to) if to is not start else []
    return Step(scope, start, to, moved(rungs, ways), ways)


def _ceiling(app: "App", scope: str) -> Mode:
    """Return the highest mode that the config allows to anything of a scope."""
    policy, (kind, _, name) = app.policy, scope.partition(":")
    routes = [r for r in policy.routes if kind != "route" or r.name == name]
    fields = [f for f in policy.fields.values() if kind != "field" or f.name == name]
    modes = [policy.configured(route, field) for route in routes for field in fields]
    modes += [policy.configured(route) for route in routes if kind != "field"]
    return max(modes, key=lambda mode: mode.height, default=Mode.SHADOW)


def _report(app: "App", step: Step, limit: int) -> dict[str, Any]:
    """Return all that there is to see before a step, as the JSON has it."""
    rows, looked, left_off = _first_day(app, step, limit)
    writes = [row for row in rows if not row.refused]
    records: dict[str, dict[str, int]] = {}
    for kind, is_new in {(w.party, w.key): (w.record, w.new_record) for w in writes}.values():
        tally = records.setdefault(kind, {"new": 0, "changed": 0})
        tally["new" if is_new else "changed"] += 1
    values = Counter((w.record, w.field, w.old is None) for w in writes)
    fields = sorted({(w.record, w.field) for w in writes})
    size = app.ledger.capabilities.batch_size
    return {
        "ok": True,
        "scope": step.scope,
        "from": step.start,
        "to": step.to,
        "moved": False,
        "dry_run": app.dry_run,
        "looked_at": looked,
        "left_off": left_off,
        "values": len(writes),
        "records": records,
        "calls_at_least": sum(ceil(count / size) for tally in records.values() for count in tally.values()),
        "fields": [
            {"record": kind, "field": field, "new": values[kind, field, True], "changed": values[kind, field, False]}
            for kind, field in fields
        ],
        "refused": [
            {"reason": reason, "count": count}
            for reason, count in Counter(w.refused for w in rows if w.refused).most_common()
        ],
        "would": rows[:MAX_ROWS],
        "rows_left_off": max(0, len(rows) - MAX_ROWS),
        "held_lower": _held_lower(step),
        "changes_per_hour": app.settings.brakes.changes_per_hour,
        **_automations(app, step, writes),
    }


def _first_day(app: "App", step: Step, limit: int) -> "tuple[list[Would], int, int]":
    """Look at the newest relationships under the ladder as it will be; the rows that the step is about."""
    from dataclasses import replace

    from sidecar.pipeline.preview import preview

    kind, _, name = step.scope.partition(":")
    parts = replace(app.pipeline.parts, rungs=lambda: step.rungs)
    found = [s for s in app.journal.inbox(limit + 1) if not s.merged_into]
    looked = [s for s in found[:limit] if kind != "route" or app.pipeline.ledger.route(s).name == name]
    with console(sys.stderr).status(f"Looking at {many(len(looked), 'relationship', 'relationships')}") as status:
        rows = list(preview(parts, looked, lambda n: status.update(f"Looked at {n} of {len(looked)} relationships")))
    left_off = max(1, app.journal.counts()["parties"] - limit) if len(found) > limit else 0
    return [row for row in rows if kind != "field" or row.ours == name], len(looked), left_off


def _held_lower(step: Step) -> list[str]:
    """Name the routes and fields that stay below, because somebody holds them there."""
    from sidecar.app.ladder import FIELD, LEDGER, ROUTE

    if step.scope != LEDGER:
        return []
    own = [(ROUTE + name, rung) for name, rung in step.rungs.routes.items()]
    own += [(FIELD + name, rung) for name, rung in step.rungs.fields.items()]
    return [f"{scope} stays on {rung.value}" for scope, rung in own if rung.height < step.to.height]


def _automations(app: "App", step: Step, writes: "Sequence[Would]") -> dict[str, Any]:
    """Return what in the CRM would act on these writes or, where it can't be read, what to look at."""
    properties = _properties(app, step, writes)
    try:
        return {"automations": list(app.ledger.automations(properties)), "checklist": []}
    except UnsupportedFeature:
        return {"automations": None, "checklist": _checklist(properties, step.to)}


def _properties(app: "App", step: Step, writes: "Sequence[Would]") -> Mapping[str, Sequence[str]]:
    """Return the properties that may be written from this step on, today or later, by kind of record."""
    from sidecar.app.readiness import writable

    kind, _, name = step.scope.partition(":")
    found = {of: list(names) for of, names in writable(app.policy, step.to, app.ledger.capabilities.kinds).items()}
    if kind == "field":
        targets = {(t.kind, t.property) for t in app.policy.fields[name].targets}
        targets |= {("deal", "stage")} if name == "stage" and step.to is Mode.AUTO else set()
        found = {of: [n for n in names if (of, n) in targets] for of, names in found.items()}
    for row in writes:
        found.setdefault(row.record, []).append(row.field)
    return {of: sorted(set(names)) for of, names in sorted(found.items()) if names}


def _checklist(properties: Mapping[str, Sequence[str]], to: Mode) -> list[str]:
    """Return what a person looks at in the CRM's workflow screens, where they can't be read from here."""
    lines = [
        f"{kind}: which workflows, assignments, scores or syncs start when one of these changes? {', '.join(names)}"
        for kind, names in properties.items()
        if kind in _ASKED
    ]
    lines += [
        f"{kind}: which of them start when a {kind} is made or changed?" for kind in properties if kind not in _ASKED
    ]
    if to is Mode.AUTO:
        made = [kind for kind in properties if kind in _ASKED]
        lines.append(f"Which start when a {' or a '.join(made)} is made (a welcome mail, an owner by rotation)?")
    lines.append("Do any of them write to the customer? Turn those off, or leave out what the sidecar has written.")
    lines.append(
        "Do any of them write to one of these properties themselves? Then that value stands, not the sidecar's."
    )
    return lines


def _move(app: "App", step: Step, by: str) -> int:
    from sidecar.app.ladder import Move

    now = app.clock()
    if step.ways:
        app.ladder.move([Move(scope, mode, by, now, "check --go-live") for scope, mode in step.ways])
    with console(sys.stderr).status("Making the relationships due"):
        return app.ladder.make_due()


def _print(report: dict[str, Any]) -> None:
    from sidecar.cli.run import print_would

    writes = [row for row in report["would"] if not row.refused]
    print_would(writes)
    totals = table("record", "field", "new>", "changed>")
    for row in report["fields"]:
        add(totals, row["record"], row["field"], row["new"], row["changed"])
    if report["fields"]:
        show(totals)
    refusals = table("not written, because", "values>")
    for row in report["refused"]:
        add(refusals, row["reason"], row["count"])
    if report["refused"]:
        show(refusals)
    for line in _summary(report):
        show(line)


def _summary(report: dict[str, Any]) -> list[str]:
    records = [
        f"{tally[how]} {how} {kind if tally[how] == 1 else kind + 's'}"
        for kind, tally in report["records"].items()
        for how in ("new", "changed")
        if tally[how]
    ]
    people = many(report["looked_at"], "relationship", "relationships")
    values = many(report["values"], "value", "values")
    calls = many(report["calls_at_least"], "call", "calls")
    what = (
        f"{values} in {', '.join(records)}; the CRM would be written to in {calls} at least" if records else "nothing"
    )
    lines = [f"At {report['to'].value}, of {people}, would be written today: {what}."]
    if report["left_off"]:
        lines.append(f"{report['left_off']} relationships were not looked at: --limit {10_000} is the most.")
    most = report["changes_per_hour"]
    if most and report["values"] > most:
        lines.append(
            f"More than brakes.changes_per_hour = {most}: the breaker will stop it halfway; go by --route, or raise it."
        )
    lines += [f"{line}." for line in report["held_lower"]]
    if report["automations"] is None:
        lines.append("This CRM's automations can't be read from here. Look at them in its own screens:")
        lines += [f"  [ ] {line}" for line in report["checklist"]]
    elif report["automations"]:
        lines.append("These automations of the CRM act on what would be written:")
        lines += [f"  {line}" for line in report["automations"]]
    else:
        lines.append("No automation of the CRM acts on what would be written.")
    return lines


def _print_end(report: dict[str, Any], *, is_dry: bool) -> None:
    option = "" if report["scope"] == "ledger" else f" --{report['scope'].replace(':', ' ', 1)}"
    to: Mode = report["to"]
    if is_dry:
        show(f"Dry run: the mode stays {report['from'].value}.")
    elif report["moved"]:
        due = many(report["due"], "relationship is", "relationships are")
        show(f"The mode is {to.value} now; {due} due, for the running server or: sidecar run --until-idle")
        if to is not Mode.AUTO:
            show(f"Next, when its criteria are met (docs/rollout.md): sidecar check --go-live{option}")
        show(f"Back, at once: sidecar mode {report['from'].value}{option} --reason WHY")
    else:
        top = "; there is no higher one" if to is Mode.AUTO else ""
        show(f"The mode was {to.value} already{top}. Back: sidecar mode shadow{option} --reason WHY")
