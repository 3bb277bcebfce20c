"""Plain text in the rich-text bodies of a CRM and back: nothing of what a customer wrote may become markup. Pure.

CRMs show the bodies of notes, tasks and meetings as HTML. So each character that HTML would read is escaped, and
lines are parted by `<br>`; reading is the exact inverse for what we wrote, and for what a person formatted it gives the
text that they see. Where a CRM lets no property be made for a kind, the body also carries our key in its last line.
"""

import re
from hashlib import sha256
from html import escape
from html.parser import HTMLParser

_BLOCKS = frozenset((
    "address", "article", "blockquote", "dd", "div", "dl", "dt", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hr", "li", "ol", "p", "pre", "section", "table", "tr", "ul",
))  # fmt: skip
_UNSEEN = frozenset(("script", "style", "head", "title", "template"))
_MARK = re.compile(r"\n?\[sidecar:(k[0-9a-f]{24})\]\s*$")


def to_html(text: str) -> str:
    """Return a text as HTML that shows it, line by line."""
    return "<br>".join(escape(line, quote=False) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


def from_html(body: str) -> str:
    """Return the text that a person sees in a body."""
    reader = _Reader()
    reader.feed(body)
    reader.close()
    return reader.text()


def token(key: str) -> str:
    """Return the word by which search finds a body that carries a key."""
    return "k" + sha256(key.encode()).hexdigest()[:24]


def marked(text: str, word: str) -> str:
    """Return a text with a key's word in its last line."""
    return f"{text}\n[sidecar:{word}]" if text else f"[sidecar:{word}]"


def mark_of(text: str) -> str | None:
    """Return the word that a text carries, if any."""
    found = _MARK.search(text)
    return found.group(1) if found else None


def unmarked(text: str) -> str:
    """Return a text without the key's word."""
    return _MARK.sub("", text)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._unseen = 0
        self._at_edge = True
        """Whether a block has just begun or ended, so that white space of the source says nothing."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "br":
            self._parts.append("\n")
            self._at_edge = False
        elif tag in _BLOCKS:
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        if self._unseen or (self._at_edge and "\n" in data and not data.strip()):
            return
        self._parts.append(re.sub(r"[\r\n]+", " ", data))
        self._at_edge = False

    def text(self) -> str:
        """Return what was read; a break at the end shows nothing."""
        while self._parts and self._parts[-1] == "":
            self._parts.pop()
        return "".join("\n" if part == "" else part for part in self._parts)

    def _break(self) -> None:
        """Part two blocks by one line; several edges at one place are one."""
        if self._parts and self._parts[-1] not in ("", "\n"):
            self._parts.append("")
        self._at_edge = True
