"""The figures as one HTML page that needs nothing else: no script, no font, no request; charts are inline SVG.

Labels and addresses come from the CRM and are data: each is stripped of controls, escaped, and stands in text or in a
title, never in an attribute that does something. A policy in the page forbids what an oversight would let through.
Colours are told apart by colour-blind eyes, and every figure of a chart stands in words beside it.
"""

from collections.abc import Iterable, Mapping, Sequence

from sidecar.audit.figures import SHARED, SOURCES, Candidate, Report, Row
from sidecar.markup import text
from sidecar.model import Source

COLOURS: Mapping[Source, str] = {
    Source.PERSON: "#d55e00", Source.FORM: "#e69f00", Source.IMPORT: "#f0e442", Source.INTEGRATION: "#0072b2",
    Source.AUTOMATION: "#56b4e9", Source.US: "#009e73", Source.UNKNOWN: "#999999",
}  # fmt: skip
MAX_ROWS = 60
"""Rows of one chart; the sheet has all of them."""
_WIDTH, _HEIGHT, _NAME, _BAR = 960, 24, 260, 520
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Who writes this CRM</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
svg{width:100%;height:auto;display:block}svg text{font:13px system-ui,sans-serif;fill:#222}
table{border-collapse:collapse;display:block;overflow-x:auto}
td,th{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.verdict{font-size:1.5rem;font-weight:600}.key span{display:inline-block;margin-right:1rem}
.key i{display:inline-block;width:.8rem;height:.8rem;margin-right:.35rem;border:1px solid #555}
</style></head><body>
"""


def html(report: Report) -> str:
    """Return the whole page."""
    period = f"{report.since:%Y-%m-%d} to {report.until:%Y-%m-%d}"
    own = [row for row in report.fields if not row.ours]
    ai_owned = [row for row in report.fields if row.ours]
    months = [Row(month, by, {}, {}) for month, by in report.months.items()]
    parts = [
        _HEAD,
        f"<h1>Who writes this CRM</h1><p>{text(report.crm)}, account {text(report.account)}, {period}</p>",
        f'<p class="verdict">{text(report.verdict.words)}</p>',
        "" if report.is_complete else "<p><strong>The audit isn't finished; run it again to go on.</strong></p>",
        _sums(report),
        _key(),
        *(_chart(title, rows) for title, rows in (
            ("All fields, by kind of record", report.kinds),
            ("By team", report.teams),
            ("By owner of the record", report.owners),
            ("By month", months),
            ("By field", own),
            ("AI-owned fields (in no share)", ai_owned),
        ) if rows),
        _ranking(report.candidates),
        _standing(own),
        "<h2>How this was counted</h2><ul>" + "".join(f"<li>{text(line)}</li>" for line in report.method) + "</ul>",
        "</body></html>\n",
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


def _sums(report: Report) -> str:
    read = ", ".join(f"{count:,} of kind {text(kind)}" for kind, count in report.records.items())
    rows = "".join(
        f'<tr><td>{source}</td><td class="n">{report.total.values[source]:,}</td>'
        f'<td class="n">{_share(report.total.values[source], report.total.total)}</td></tr>'
        for source in SHARED
    )
    return (
        f"<p>Records read: {read or 'none'}. At {report.seconds_per_edit:g} seconds an edit (an assumption), people "
        f"spent {report.minutes_typed:,.0f} minutes on typing, and the sidecar gave back "
        f"{report.minutes_given_back:,.0f}.</p><table><tr><th>Written by</th><th class='n'>Values</th>"
        f"<th class='n'>Share</th></tr>{rows}<tr><th>all</th><td class='n'>{report.total.total:,}</td><td></td></tr>"
        f"</table><p>Beside these, the CRM itself put in {report.total.values[Source.DEFAULT]:,} values that nobody "
        "typed (default).</p>"
    )


def _key() -> str:
    spans = (f'<span><i style="background:{colour}"></i>{source}</span>' for source, colour in COLOURS.items())
    return f'<p class="key">{"".join(spans)}</p>'


def _chart(title: str, rows: Sequence[Row]) -> str:
    """Return a bar for each row, parted by source; its length is its share of the longest, its name its text."""
    shown = [row for row in rows if row.total][:MAX_ROWS]
    if not shown:
        return ""
    longest = max(row.total for row in shown)
    bars = "".join(_bar(row, longest, at * _HEIGHT) for at, row in enumerate(shown))
    height = len(shown) * _HEIGHT
    left = sum(1 for row in rows if row.total) - len(shown)
    more = f"<p>{left} more rows are in the sheet.</p>" if left else ""
    return f'<h2>{text(title)}</h2><svg viewBox="0 0 {_WIDTH} {height}" role="img">{bars}</svg>{more}'


def _bar(row: Row, longest: int, top: int) -> str:
    parts, left = [], float(_NAME)
    for source in SHARED:
        count = row.values.get(source, 0)
        width = _BAR * count / longest
        if count:
            told = f"{source}: {count:,} ({_share(count, row.total)})"
            parts.append(
                f'<rect x="{left:.1f}" y="{top + 3}" width="{width:.1f}" height="{_HEIGHT - 8}" '
                f'fill="{COLOURS[source]}"><title>{told}</title></rect>'
            )
        left += width
    full = f"{row.kind}: {row.label or row.name}" if row.kind else row.name
    name = full if len(full) <= 36 else full[:35] + "…"
    return (
        f'<g><text x="0" y="{top + 16}">{text(name)}<title>{text(full)}</title></text>{"".join(parts)}'
        f'<text x="{left + 8:.1f}" y="{top + 16}">{row.total:,}, {_share(row.values[Source.PERSON], row.total)} '
        "typed</text></g>"
    )


def _ranking(candidates: Sequence[Candidate]) -> str:
    if not candidates:
        return ""
    rows = (
        f"<tr><td>{text(c.kind)}: {text(c.label)}</td><td>{'yes' if c.can_write else 'no'}</td>"
        f'<td class="n">{c.values:,}</td><td class="n">{c.edits:,}</td><td class="n">{c.minutes:,.0f}</td></tr>'
        for c in candidates[:MAX_ROWS]
    )
    head = ("Field", "Sidecar can write it", "Values typed", "Edits", "Minutes")
    return f"<h2>What people type, and what could be written for them</h2>{_table(head, rows)}"


def _standing(rows: Sequence[Row]) -> str:
    held = [row for row in rows if sum(row.standing.values())][:MAX_ROWS]
    if not held:
        return ""
    lines = (
        f"<tr><td>{text(row.kind)}: {text(row.label)}</td>"
        + "".join(f'<td class="n">{row.standing[source]:,}</td>' for source in SOURCES)
        + f'<td class="n">{sum(row.standing.values()):,}</td></tr>'
        for row in held
    )
    return f"<h2>Values that stand now, by who wrote them last</h2>{_table(('Field', *SOURCES, 'all'), lines)}"


def _table(head: Sequence[str], rows: Iterable[str]) -> str:
    return f"<table><tr>{''.join(f'<th>{text(name)}</th>' for name in head)}</tr>{''.join(rows)}</table>"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"
