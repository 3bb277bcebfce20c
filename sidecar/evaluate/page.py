"""The report as one HTML page: no script, no font, no request; the matrix and the intervals drawn as inline SVG.

Values and names come from conversations and from files that people wrote, and are data: they are escaped where they are
put in (`markup`).
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from sidecar.evaluate.chance import DRAWS, Difference
from sidecar.evaluate.figures import BINS, PAID, is_better, is_share, lower_is_better
from sidecar.evaluate.report import HEADLINE, Comparison, Report
from sidecar.markup import text
from sidecar.markup.document import document
from sidecar.markup.drawing import grid, interval, table, under

MAX_ROWS = 400
"""Mistakes that are listed; the JSON has all."""
METHOD = (
    "Each conversation was read activity by activity, as the running sidecar would read it, and marked at its end.",
    "Unknown is a value like others: to leave a field alone where nobody said anything is right, to fill it is wrong.",
    "A value is right when the label accepts it; a label may accept several where careful people differ.",
    "Precision, recall and F1 count filled values; macro-F1 is the mean over the values that were wanted, unknown "
    "among them. Overfilled is the share of fields with nothing to say that were filled nevertheless.",
    "Distance counts stages in the order of the config; two different ends lie furthest apart. A false terminal is a "
    "conversation that was believed to have ended, or ended otherwise than it did.",
    "A step is found by its owner, and by its words or the words that it rests on; its day must be the very day.",
    "A flip is a conversation in which a hostile message moved something to a wrong value.",
    f"Intervals hold 95 of 100 draws of whole conversations ({DRAWS} draws, always the same; all "
    "or nothing has Wilson's interval). A difference is told "
    "apart when luck alone brings it less than once in twenty: by the draws, for the stage by McNemar's exact test.",
)
T = TypeVar("T")


def html(report: Report, title: str, *, other: Report | None = None, compared: Comparison | None = None) -> str:
    """Return the whole page of one side, or of two."""
    parts = [
        f'<header><p class="over">Evaluation</p><h1>{text(title)}</h1>{_who(report, other)}</header><main>',
        _section("Figures", _figures(report)),
        *([_compared(compared)] if compared else []),
        *_drawn(report, "Stages" if other is None else f"Stages, {report.who.name}"),
        *(_drawn(other, f"Stages, {other.who.name}") if other else ()),
        _section("How sure, and how often right", _calibration(report)),
        *_slices(report),
        _section("Mistakes", _mistakes(report)),
        _section("How this was counted", "<ul>" + "".join(f"<li>{text(line)}</li>" for line in METHOD) + "</ul>"),
        "</main>",
    ]
    return document(title, "".join(parts))


def shown(name: str, value: float | None) -> str:
    """Return a figure as people read it: shares as percentages, others as they are."""
    if value is None:
        return ""
    if is_share(name):
        return f"{value:.1%}"
    return (
        f"{value:.4f}" if name == "cost_usd" else f"{value:.3f}" if name.startswith("calibration.") else f"{value:.2f}"
    )


def points(name: str, by: float) -> str:
    """Return by how much a figure differs, signed; shares in points."""
    return f"{100 * by:+.1f} points" if is_share(name) else f"{by:+.3f}"


def verdict(name: str, held: Difference) -> str:
    """Return what a difference says in one word."""
    if not held.by:
        return "same"
    if not held.is_told_apart:
        return "may be luck"
    return "better" if is_better(name, held.first, held.second) else "worse"


def _section(heading: str, body: str) -> str:
    return f"<section><h2>{text(heading)}</h2>{body}</section>"


def _who(report: Report, other: Report | None) -> str:
    sides = [report, *([other] if other else [])]
    head = ("", "prompt", "version", "read by", "conversations>", "calls>", "tokens>", "USD>", "p50 ms>", "p95 ms>")
    rows = (
        (
            side.who.name, side.who.prompt, side.who.version[:12], _model(side), side.n, side.spent.calls,
            f"{side.spent.tokens:,}", f"{side.spent.usd:.4f}", _ms(side.spent.p50_ms), _ms(side.spent.p95_ms),
        )
        for side in sides
    )  # fmt: skip
    return table(head, rows)


def _model(report: Report) -> str:
    return " ".join(word for word in (report.who.llm, report.who.model, report.who.effort) if word)


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _figures(report: Report) -> str:
    rows = [
        (
            name + (" (less is better)" if lower_is_better(name) else ""), shown(name, held.value),
            under(
                f"{shown(name, held.low)} to {shown(name, held.high)}",
                interval(held.value, held.low, held.high) if held.high <= 1 and name not in PAID else "",
            ),
        )
        for name, held in ordered(report.figures).items()
    ]  # fmt: skip
    return table(("figure", "value>", "95 % interval>"), rows)


def ordered(figures: Mapping[str, T]) -> dict[str, T]:
    """Return figures in the order in which they are told: the headline, then the others."""
    first = {name: figures[name] for name in HEADLINE if name in figures}
    return {**first, **{name: held for name, held in sorted(figures.items()) if name not in first}}


def _compared(compared: Comparison) -> str:
    most = max((abs(v) for d in compared.differences.values() for v in (d.low, d.high) if abs(v) <= 1), default=1) or 1
    span = (-most, most)
    rows = [
        (
            name, shown(name, held.first), shown(name, held.second),
            under(
                points(name, held.by), interval(held.by, held.low, held.high, span=span) if abs(held.by) <= 1 else ""
            ),
            f"{held.p:.3f}", verdict(name, held),
        )
        for name, held in ordered(compared.differences).items()
    ]  # fmt: skip
    stage = compared.stage
    told = (
        f"<p>Stage: {stage.both} conversations right on both sides, {stage.first_only} on the first alone, "
        f"{stage.second_only} on the second alone, {stage.neither} on neither; McNemar's exact p = {stage.p:.3f}.</p>"
    )
    apart = "".join(
        f"<p>{heading}: {text(', '.join(cases[:MAX_ROWS]))}</p>"
        for heading, cases in (
            ("Right on the first side alone", compared.first_only),
            ("Right on the second side alone", compared.second_only),
        )
        if cases
    )
    head = ("figure", "first>", "second>", "difference>", "p>", "")
    return _section("The second side beside the first", told + apart + table(head, rows))


def _drawn(report: Report, heading: str) -> Iterator[str]:
    if report.matrix.values:
        told = "<p>Rows are what people labelled, columns what was believed; a frame marks agreement.</p>"
        names = report.matrix.values
        yield _section(heading, told + grid(names, names, report.matrix.rows, "Confusion matrix of the stages"))


def _calibration(report: Report) -> str:
    rows = [
        (
            f"{at / BINS:.1f} to {(at + 1) / BINS:.1f}",
            number,
            f"{sure:.2f}",
            f"{right:.1%}",
            interval(right, sure, right),
        )
        for at, (number, sure, right) in enumerate(report.calibration)
        if number
    ]  # fmt: skip
    told = "<p>The dot is how often values of a bin were right; the line reaches from how sure they were to it.</p>"
    return told + table(("confidence", "values>", "mean>", "right>", ""), rows)


def _slices(report: Report) -> Iterator[str]:
    for kind, held in report.slices.items():
        names = [name for name in HEADLINE if any(name in one.figures for one in held.values())]
        rows = [
            (name, one.n, *(shown(figure, one.figures.get(figure)) for figure in names)) for name, one in held.items()
        ]
        if rows:
            yield _section(f"By {kind}", table((kind, "n>", *(f"{name}>" for name in names)), rows))


def _mistakes(report: Report) -> str:
    rows = [(m.case, m.field, " or ".join(m.wanted), m.said) for m in report.mistakes[:MAX_ROWS]]
    left = len(report.mistakes) - len(rows)
    more = f"<p>and {left} more in the JSON</p>" if left else ""
    return table(("conversation", "field", "labelled", "believed"), rows) + more
