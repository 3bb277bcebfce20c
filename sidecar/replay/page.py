"""The report as one HTML page: what would differ, by field and beside chance, then each difference with its words.

Values and quotes were written by people outside, so everything passes `markup`; the page holds no script and can load
nothing.
"""

from collections.abc import Iterable, Sequence

from sidecar.markup import marked, text
from sidecar.markup.document import document
from sidecar.markup.drawing import Drawn, table
from sidecar.replay.report import FieldCount, Report, Version
from sidecar.replay.sides import Cell, Difference, at_once

MAX_SHOWN = 500
_BAR = 200
LEGEND = (
    "Statements: readings in which either side spoke of the field. Differ: of these, where the two sides say or decide "
    "something else (the upper bar). By chance: where what is in force differs from itself when it is asked once more "
    "(the lower bar); only what exceeds it is the trial's doing. Wording alone: texts that say it in other words. "
    "In the CRM: properties that would hold another value today. People agree: of the values that people put right or "
    "approved, how many each side had."
)
KINDS = {
    "crm": "Values in the CRM",
    "claim": "What was read",
    "decision": "What was decided on the same reading",
}


def html(report: Report) -> str:
    """Return the whole page."""
    shown = report.differences[:MAX_SHOWN]
    left = sum(report.kinds.values()) - len(shown)
    parts = [
        f'<header><p class="over">Replay {text(report.id)}</p><h1>What would differ</h1>'
        f'<p class="lead">{text(summary(report))}</p></header><main>',
        _section("What was compared", _versions(report.was, report.new)),
        _section("By field", _fields(report)),
        *(
            _section(title, "".join(_difference(d, where) for d, where in at_once(shown) if d.kind == kind))
            for kind, title in KINDS.items()
            if any(d.kind == kind for d in shown)
        ),
        f"<section><p>{left} more are in the JSON.</p></section>" if left else "",
        "</main>",
    ]
    return document(f"Replay {report.id}", "".join(parts))


def summary(report: Report) -> str:
    """Return the report in a few sentences."""
    crm = report.kinds.get("crm", 0)
    said = [
        f"{report.readings} readings of {report.parties} parties were read again.",
        f"{crm} values in the CRM would differ, {report.kinds.get('claim', 0)} statements and "
        f"{report.kinds.get('decision', 0)} verdicts.",
        chance(report),
        f"{len(report.ended)} relationships would be over that are not.",
        f"It asked {report.asked} questions for ${report.usd:.4f}; {report.reused} answers were known.",
    ]
    if report.former:
        said.append(
            f"{report.former} readings in the book were made by a former version: what differs there may be that "
            "version's doing, and --both shows the trial's own."
        )
    if report.rejoined:
        said.append(f"{report.rejoined} parties were merged or split, and read as if it had always been so.")
    return " ".join(said)


def chance(report: Report) -> str:
    """Say how much of it mere chance would bring."""
    if report.is_deterministic:
        return "What reads now says the same each time, so nothing of it is chance."
    spoken, changed = (sum(getattr(row, name) for row in report.fields) for name in ("noise_spoken", "noise_changed"))
    if not spoken:
        return "How much of it is chance was not measured."
    return f"Asked once more, what is in force differs from itself in {changed / spoken:.1%} of {spoken} statements."


def _section(title: str, body: str) -> str:
    return f"<section><h2>{text(title)}</h2>{body}</section>"


def _versions(was: Version, new: Version) -> str:
    rows = []
    for label, a, b in (
        ("model", f"{was.engine} {was.model} {was.effort}", f"{new.engine} {new.model} {new.effort}"),
        *((f"prompt {name}", was.prompts.get(name, "")[:12], sha[:12]) for name, sha in new.prompts.items()),
        ("policy", was.policy[:12], new.policy[:12]),
    ):
        rows.append((label, a.strip(), b.strip()))
    return table(("", "in force", "on trial"), rows)


def _fields(report: Report) -> str:
    head = ("Field", "Statements>", "Differ>", "By chance>", "", "Wording alone>", "In the CRM>", "People agree")
    return f"<p>{LEGEND}</p>{table(head, map(_field, report.fields))}"


def _field(row: FieldCount) -> Sequence[object]:
    share = row.changed / row.spoken if row.spoken else 0.0
    noise = row.noise_changed / row.noise_spoken if row.noise_spoken else 0.0
    bar = Drawn(
        f'<svg viewBox="0 0 {_BAR} 14" width="{_BAR}" height="14" role="img">'
        f"<title>{share:.1%} differ, {noise:.1%} by chance</title>"
        f'<rect y="1" width="{_BAR * min(share, 1.0):.1f}" height="7" fill="#0072b2"/>'
        f'<rect y="9" width="{_BAR * min(noise, 1.0):.1f}" height="4" fill="#999999"/></svg>'
    )
    judged = f"{row.agreed_was} → {row.agreed_new} of {row.judged}" if row.judged else ""
    chance = f"{noise:.0%} of {row.noise_spoken}" if row.noise_spoken else ""
    differ = f"{row.changed} ({share:.0%})" if row.spoken else "computed"
    return row.name, row.spoken or "", differ, chance, bar, row.worded, row.crm, judged


def _difference(difference: Difference, records: Sequence[str]) -> str:
    what = ", ".join(records) or difference.field
    stays = f' <span class="sub">stays, because {text(difference.kept)}</span>' if difference.kept else ""
    return (
        f'<article><h3>{text(difference.name)}: <span class="value">{text(what)}</span>{stays}</h3>'
        f'<p class="sub">{difference.at:%Y-%m-%d %H:%M} UTC</p><table><tr><th>in force</th><th>on trial</th></tr>'
        f"<tr><td>{_cells(difference.was)}</td><td>{_cells(difference.new)}</td></tr></table></article>"
    )


def _cells(cells: Sequence[Cell]) -> str:
    return "".join(_cell(cell) for cell in cells) or '<p class="sub">nothing</p>'


def _cell(cell: Cell) -> str:
    value = f"{cell.op} {cell.value if cell.value is not None else ''}" if cell.op != "set" else cell.value
    reason = f"{cell.verdict}: {cell.reason}" if cell.rule else cell.reason
    verdict = f' <span class="sub">{text(reason)}</span>' if reason else ""
    return f'<p><b class="value">{text(value)}</b>{verdict}</p>{_quotes(cell.quotes)}'


def _quotes(quotes: Iterable[str]) -> str:
    return "".join(f"<blockquote>{marked(quote)}</blockquote>" for quote in dict.fromkeys(quotes))
