"""Tables and drawings for pages: inline SVG of plain shapes, and every figure of a drawing stands in it as words.

Names and values come from outside and are escaped here, so a caller passes them as they are. Colour says nothing that
isn't written as well, since not everybody sees it.
"""

from collections.abc import Iterable, Sequence

from sidecar.markup import text

_CELL, _HEAD, _NAME = 64, 116, 150
_BLUE, _ORANGE, _GREY = "#1a56a8", "#d55e00", "#d8dde5"
_BAR_WIDTH, _BAR_HEIGHT = 240, 18


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; a column whose head ends in `>` holds figures. What is `Drawn` stands in a cell as it is."""
    numeric = [name.endswith(">") for name in head]
    titles = "".join(_cell("th", name.rstrip(">"), is_n) for name, is_n in zip(head, numeric, strict=True))
    body = "".join(
        f"<tr>{''.join(_cell('td', cell, is_n) for cell, is_n in zip(row, numeric, strict=True))}</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


class Drawn(str):
    """HTML that was made here."""

    __slots__ = ()


def grid(rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]], label: str) -> str:
    """Draw counts as a grid whose cells are the darker the more of their row they hold; the diagonal is framed."""
    width, height = _NAME + _CELL * len(columns) + _HEAD // 2, _HEAD + 32 * len(rows) + 8
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"><title>{text(label)}</title>'
    ]
    for at, name in enumerate(columns):
        x = _NAME + _CELL * at + _CELL // 2
        parts.append(f'<text x="{x}" y="{_HEAD - 8}" transform="rotate(-40 {x} {_HEAD - 8})">{text(name)}</text>')
    for down, (name, held) in enumerate(zip(rows, counts, strict=True)):
        y = _HEAD + 32 * down
        parts.append(f'<text x="{_NAME - 8}" y="{y + 21}" text-anchor="end">{text(name)}</text>')
        parts += [
            _square(_NAME + _CELL * at, y, number, sum(held), rows[down] == columns[at])
            for at, number in enumerate(held)
        ]
    return '<div class="scroll">' + "".join(parts) + "</svg></div>"


def interval(value: float, low: float, high: float, *, span: tuple[float, float] = (0.0, 1.0)) -> Drawn:
    """Draw a value and its bounds on a scale."""
    least, most = span
    x, left, right = (
        round(4 + (_BAR_WIDTH - 8) * (min(most, max(least, at)) - least) / ((most - least) or 1), 1)
        for at in (value, low, high)
    )
    middle = _BAR_HEIGHT // 2
    zero = round(4 + (_BAR_WIDTH - 8) * (0 - least) / ((most - least) or 1), 1)
    mark = f'<line x1="{zero}" y1="2" x2="{zero}" y2="{_BAR_HEIGHT - 2}" stroke="{_GREY}"/>' if least < 0 < most else ""
    return Drawn(
        f'<svg viewBox="0 0 {_BAR_WIDTH} {_BAR_HEIGHT}" width="{_BAR_WIDTH}" height="{_BAR_HEIGHT}" role="img">'
        f"<title>{value:.3f}, between {low:.3f} and {high:.3f}</title>"
        f'<line x1="4" y1="{middle}" x2="{_BAR_WIDTH - 4}" y2="{middle}" stroke="{_GREY}"/>{mark}'
        f'<line x1="{left}" y1="{middle}" x2="{right}" y2="{middle}" stroke="{_BLUE}" stroke-width="4"/>'
        f'<circle cx="{x}" cy="{middle}" r="4" fill="{_ORANGE}"/></svg>'
    )


def under(words: str, drawing: str) -> Drawn:
    """Return words with a drawing beneath them, for one cell: beside them a small screen has no room for it."""
    return Drawn(f"{text(words)}{drawing}")


def _cell(tag: str, value: object, is_figure: bool) -> str:
    shown = value if isinstance(value, Drawn) else text("" if value is None else value)
    return f'<{tag} class="n">{shown}</{tag}>' if is_figure else f"<{tag}>{shown}</{tag}>"


def _square(x: int, y: int, number: int, of: int, is_same: bool) -> str:
    share = number / of if of else 0.0
    frame = f' stroke="{_ORANGE}" stroke-width="2"' if is_same else f' stroke="{_GREY}"'
    shown = f'<text x="{x + _CELL // 2}" y="{y + 21}" text-anchor="middle">{number}</text>' if number else ""
    return (
        f'<rect x="{x + 1}" y="{y + 1}" width="{_CELL - 2}" height="30" fill="{_BLUE}" '
        f'fill-opacity="{0.55 * share:.2f}"{frame}/>{shown}'
    )
