"""An HTML body as the text that its reader saw, with the places that mail programs mark as quoted or as signature.

HTML is preferred to a mail's plain text, because there the quoted part stands in a container of its own, whatever the
language. The walk keeps the tree's order and lays out just enough (paragraphs, rows, bullets) for the text to be read
and quoted. Links give their words only. What no reader could see is left out and counted: hidden text is how
instructions for a model are smuggled into a mail that looks harmless to a person.

The tree comes from lexbor, whose parser is quadratic in nesting depth and in attributes per tag (200 kB of `<div>`
take 1.5 s, measured 2026-11), so both are bounded beforehand by a linear scan that may only err on the high side.
Letters in the colour of what they stand on are found where an element, or the page's plain white, says what that is. A
background that a style sheet sets, a picture, or another element laid over the words can't be recognised here.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from adapters.formats.html_marks import WHITE, Colour, Style, hidden_selectors, is_unreadable, mark_of, style_of
from adapters.formats.quotes import Mark, MarkKind
from sidecar.errors import PermanentError

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

HTML_CHARS_MAX = 1_000_000
NODES_MAX = 200_000
DEPTH_MAX = 1_000
ATTRIBUTES_MAX = 2_000

_DROPPED = frozenset(
    [
        "script", "style", "head", "title", "template", "svg", "math", "iframe", "object", "audio", "video", "canvas",
        "noembed", "noframes", "datalist",
    ]
)  # fmt: skip
_PARAGRAPHS = frozenset(["p", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "pre"])
_BLOCKS = _PARAGRAPHS | frozenset(
    [
        "address", "article", "aside", "body", "center", "dd", "details", "div", "dt", "fieldset", "figure", "footer",
        "form", "header", "hr", "html", "li", "main", "nav", "section", "summary", "tr", "tbody", "thead", "tfoot",
    ]
)  # fmt: skip
_VOID = frozenset(
    [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    ]
)  # fmt: skip
_NOT_NESTING = _VOID | {"p", "li", "td", "th", "tr", "dd", "dt", "option", "tbody", "thead", "tfoot", "html", "body"}
_SPACE = re.compile(r"[ \t\n\r\f\xa0]+")
_EMBEDDED_FILE = re.compile(r"data:[A-Za-z]{1,20}/[A-Za-z0-9.+-]{1,60};base64,[A-Za-z0-9+/=\s]*+")
# A quote counts only after "=", as in the HTML standard; whatever lies in the match is counted, so never too little.
_TAG = re.compile(
    r"""<!--.*?(?:-->|\Z)|<(style|script|title|textarea|xmp|iframe|noembed|noframes)\b.*?(?:</\1|\Z)"""
    r"""|<(/?)([a-zA-Z][^\s/>]*+)((?:[^>=]++|=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?+)*+)>?""",
    re.DOTALL | re.IGNORECASE,
)
_OPENING = re.compile(r"<([a-zA-Z][^\s/>]*+)")
_SEPARATOR = re.compile(r"[\s/\"'=]+")


@dataclass(frozen=True)
class Rendered:
    """The readable text of a page and its marked places; `problems` name what was left out."""

    text: str
    marks: tuple[Mark, ...] = ()
    problems: tuple[str, ...] = ()


def render_html(source: str) -> Rendered:
    """Turn HTML into readable text. Raises PermanentError for a page that is built to exhaust its reader."""
    from selectolax.lexbor import LexborHTMLParser

    source = _EMBEDDED_FILE.sub("data:", source)
    problems: list[str] = []
    if len(source) > HTML_CHARS_MAX:
        problems.append(f"HTML of {len(source)} characters: cut after {HTML_CHARS_MAX}")
        source = source[:HTML_CHARS_MAX]
    _check_bounds(source)
    tree = LexborHTMLParser(source)
    page = _Page()
    if tree.root is not None:
        sheets = "\n".join(node.text() or "" for node in tree.css("style")[:20])
        is_painted = "background" in sheets.lower()  # then anything may stand on any colour
        _walk(tree.root, page, hidden_selectors(sheets), None if is_painted else WHITE)
    if page.hidden_chars:
        problems.append(f"hidden text left out: {page.hidden_chars} characters")
    if page.nodes > NODES_MAX:
        problems.append(f"HTML of more than {NODES_MAX} nodes: the rest was left out")
    return Rendered("".join(page.pieces), tuple(page.marks), tuple(problems))


def _check_bounds(source: str) -> None:
    """Refuse nesting and attribute counts at which the tree builder becomes slow; a linear, pessimistic scan."""
    open_by_name: Counter[str] = Counter()
    depth = 0
    for tag in _TAG.finditer(source):
        closing, name, attributes = tag[2], (tag[3] or "").lower(), tag[4] or ""
        if not name:  # a comment or raw text: what it opens counts, what it closes does not
            for opening in _OPENING.finditer(tag[0], 1):
                depth += opening[1].lower() not in _NOT_NESTING
        elif closing:
            if open_by_name[name]:
                open_by_name[name] -= 1
                depth -= 1
        elif name not in _NOT_NESTING:
            open_by_name[name] += 1
            depth += 1
        if depth > DEPTH_MAX:
            raise PermanentError(f"HTML nested more than {DEPTH_MAX} deep")
        if len(attributes) > ATTRIBUTES_MAX and len(_SEPARATOR.findall(attributes)) > 2 * ATTRIBUTES_MAX:
            raise PermanentError(f"HTML tag with more than {ATTRIBUTES_MAX} attributes")


class _State(NamedTuple):
    """What an element hands down to its children."""

    kind: MarkKind | None = None
    unseen: bool = False  # by font size or visibility, which a child may undo
    hidden: bool = False  # for good
    preformatted: bool = False
    list_tag: str = ""
    ink: Colour | None = None
    paper: Colour | None = None


_Step = tuple["LexborNode | None", _State, str]


@dataclass
class _Page:
    """The text laid out so far."""

    pieces: list[str] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    length: int = 0
    nodes: int = 0
    hidden_chars: int = 0
    rest: MarkKind | None = None  # set where a mail program says that all that follows is quoted
    counters: list[int] = field(default_factory=list)
    _newlines: int = 0
    _space: str = ""
    _kind: MarkKind | None = None

    def write(self, text: str, kind: MarkKind | None) -> None:
        kind = self.rest or kind
        if kind is not self._kind:
            self.feed(1)
            self._kind = kind
        before = self.length
        if before:
            self._append("\n" * self._newlines or self._space)
        start = self.length
        self._append(text)
        self._newlines, self._space = 0, ""
        if kind is not None:
            if self.marks and self.marks[-1].kind is kind and self.marks[-1].end == before:
                start = self.marks.pop().start
            self.marks.append(Mark(start, self.length, kind))

    def space(self, text: str = " ") -> None:
        self._space = self._space or text

    def feed(self, newlines: int) -> None:
        self._newlines = max(self._newlines, newlines)

    def break_line(self) -> None:
        self._newlines += 1 if self._newlines < 3 else 0

    def _append(self, text: str) -> None:
        self.pieces.append(text)
        self.length += len(text)


def _walk(root: LexborNode, page: _Page, hidden: frozenset[str], paper: Colour | None) -> None:
    """Depth first without recursion; a None on the stack ends the element whose tag stands beside it."""
    stack: list[_Step] = [(root, _State(paper=paper), "")]
    while stack and page.nodes <= NODES_MAX:
        node, state, tag = stack.pop()
        if node is None:
            _leave(tag, page)
            continue
        page.nodes += 1
        tag = (node.tag or "").lower()
        if tag == "-text":
            _write_text(node.text_content or "", state, page)
        elif tag and tag[0] not in "-!_" and tag not in _DROPPED:
            outer = state.kind
            state = _enter(node, tag, state, page, hidden)
            stack.append((None, state, tag))
            children = _children(node, state)
            if tag == "div" and outer is None and state.kind is MarkKind.QUOTED:
                _release_answers(node, children, state)
            stack += reversed(children)


def _enter(node: LexborNode, tag: str, state: _State, page: _Page, hidden: frozenset[str]) -> _State:
    if tag == "br":
        page.break_line()
    elif tag in _BLOCKS:
        page.feed(2 if tag in _PARAGRAPHS else 1)
    elif tag in ("td", "th"):
        page.space("\t")
    attributes = node.attributes
    if tag in ("ul", "ol"):
        page.counters.append(0)
        state = state._replace(list_tag=tag)
    elif tag == "li" and not state.hidden and page.counters:
        page.counters[-1] += 1
        page.write("-" if state.list_tag != "ol" else f"{page.counters[-1]}.", state.kind)
        page.space()
    ink = None if tag == "a" else state.ink  # a link has a colour of its own
    state = state._replace(preformatted=state.preformatted or tag == "pre", ink=ink)
    if attributes:
        state = _styled(style_of(attributes, hidden), state)
        mark = mark_of(tag, attributes)
        if mark is MarkKind.REST and not state.hidden:
            page.rest = MarkKind.REST
        elif mark is not None and state.kind is None:
            state = state._replace(kind=mark)
    return state


def _styled(style: Style, state: _State) -> _State:
    return state._replace(
        hidden=state.hidden or style.hidden,
        unseen=state.unseen if style.seen is None else not style.seen,
        preformatted=state.preformatted or style.preformatted,
        ink=style.ink or state.ink,
        paper=style.paper if style.new_paper else state.paper,
    )


def _children(node: LexborNode, state: _State) -> list[_Step]:
    children: list[_Step] = []
    child = node.first_child
    while child is not None and len(children) <= NODES_MAX:
        children.append((child, state, ""))
        child = child.next
    return children


def _release_answers(node: LexborNode, children: list[_Step], state: _State) -> None:
    """Give answers between quoted lines back to their writer.

    Gmail then cuts its blockquote in two and lets the answer stand beside both inside div.gmail_quote: what comes after
    the first blockquote, and in none itself, is the sender's own. A forwarded mail has no blockquote there.
    """
    if "gmail_quote" not in (node.attributes.get("class") or ""):
        return
    quotes = [at for at, (child, _, _) in enumerate(children) if child is not None and child.tag == "blockquote"]
    known = set(quotes)
    for at in range(quotes[0] + 1 if quotes else len(children), len(children)):
        if at not in known:
            children[at] = (children[at][0], state._replace(kind=None), "")


def _leave(tag: str, page: _Page) -> None:
    if tag in _BLOCKS:
        page.feed(2 if tag in _PARAGRAPHS else 1)
    elif tag in ("td", "th"):
        page.space("\t")
    if tag in ("ul", "ol") and page.counters:
        page.counters.pop()


def _write_text(text: str, state: _State, page: _Page) -> None:
    if state.hidden or state.unseen or is_unreadable(state.ink, state.paper):
        page.hidden_chars += len(text.strip())
        return
    if state.preformatted:
        for at, line in enumerate(text.split("\n")):
            if at:
                page.break_line()
            if line.strip():
                page.write(line.replace("\xa0", " "), state.kind)
        return
    words = _SPACE.sub(" ", text)
    if words.startswith(" "):
        page.space()
    if words.strip(" "):
        page.write(words.strip(" "), state.kind)
        if words.endswith(" "):
            page.space()
