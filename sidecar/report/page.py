"""The funnel as one HTML page: a bar for each stage, parted by why engagements stand or ended there."""

from collections.abc import Mapping

from sidecar.decide.course import ACTIVE, LOST, NO_SHOW, SILENT, THEY_OWE, WE_OWE, WON
from sidecar.markup import text
from sidecar.markup.document import document
from sidecar.markup.drawing import table
from sidecar.report.funnel import Funnel, StageRow, share

COLOURS: Mapping[str, str] = {
    ACTIVE: "#009e73", WE_OWE: "#e69f00", THEY_OWE: "#56b4e9", SILENT: "#999999", NO_SHOW: "#cc79a7", LOST: "#d55e00",
    WON: "#0072b2",
}  # fmt: skip
WORDS: Mapping[str, str] = {
    ACTIVE: "talking", WE_OWE: "we owe an answer", THEY_OWE: "they owe an answer", SILENT: "silent", NO_SHOW: "no-show",
    LOST: "lost", WON: "won",
}  # fmt: skip
_BAR, _HEIGHT = 720, 24


def html(found: Funnel) -> str:
    """Return the whole page."""
    period = f"since {found.since:%Y-%m-%d}" if found.since else "since the beginning"
    body = (
        f'<header><p class="over">{text(f"{found.at:%Y-%m-%d %H:%M} UTC")}</p><h1>How far, and why no further</h1>'
        f'<p class="lead">{found.engagements} engagements that began {text(period)}; each counts once, at the furthest '
        f"open stage that it reached.</p></header><main><section><h2>Stages</h2>{_bars(found)}{_key(found)}</section>"
        f"<section><h2>By stage and reason</h2>{_stages(found)}</section>"
        f"<section><h2>By channel</h2>{_channels(found)}</section></main>"
    )
    return document("Funnel", body)


def _bars(found: Funnel) -> str:
    return "".join(_bar(row, found) for row in found.stages)


def _bar(row: StageRow, found: Funnel) -> str:
    """The whole bar came this far; what stays here has colours, what went on is light.

    What it says stands over it as text of the page: within the drawing it would shrink with it on a small screen.
    """
    total = max((r.reached for r in found.stages), default=0) or 1
    parts, left = [], 0.0
    for name in found.reasons:
        count = row.reasons.get(name, 0)
        width = _BAR * count / total
        if count:
            parts.append(
                f'<rect x="{left:.1f}" width="{width:.1f}" height="{_HEIGHT}" fill="{COLOURS[name]}">'
                f"<title>{text(row.stage)}, {WORDS[name]}: {count}</title></rect>"
            )
        left += width
    went_on = row.reached - sum(row.reasons.values())
    width = _BAR * went_on / total
    on = f'<rect x="{left:.1f}" width="{width:.1f}" height="{_HEIGHT}" fill="#d8dde5"/>'
    return (
        f'<p>{text(row.stage)} <span class="sub">{row.reached} ({share(row, found.stages):.0%})</span></p>'
        f'<svg viewBox="0 0 {_BAR} {_HEIGHT}" width="{_BAR}" height="{_HEIGHT}" role="img">'
        f"<title>{text(row.stage)}</title>{''.join(parts)}{on if went_on else ''}</svg>"
    )


def _key(found: Funnel) -> str:
    cells = "".join(
        f'<tr><td><svg viewBox="0 0 14 14" width="14" height="14" role="img"><title>{WORDS[name]}</title>'
        f'<rect width="14" height="14" fill="{COLOURS[name]}"/></svg></td><td>{WORDS[name]}</td></tr>'
        for name in found.reasons
    )
    return f"<table>{cells}</table>" if cells else "<p>Nothing has been counted yet.</p>"


def _stages(found: Funnel) -> str:
    head = ("Stage", "Came so far>", *(f"{WORDS[name]}>" for name in found.reasons), "Went on>")
    rows = [
        (row.stage, row.reached, *(row.reasons.get(name, 0) for name in found.reasons), _left(row))
        for row in found.stages
    ]
    return table(head, rows)


def _left(row: StageRow) -> int:
    return row.reached - sum(row.reasons.values())


def _channels(found: Funnel) -> str:
    ordered = sorted(found.cells, key=lambda cell: (cell.channel, -cell.count))
    rows = [(cell.channel, cell.stage, WORDS[cell.reason], cell.count) for cell in ordered]
    return table(("Channel", "Stage", "Why", "Engagements>"), rows)
