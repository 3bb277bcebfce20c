"""What Pipedrive leaves of markup in notes: harmless tags without their attributes, and no more than text of the rest.

Source: Pipedrive's notes reference, 2026: "HTML will be sanitised on the back-end"; which tags stay is not told, so
only those stay that its own editor makes. A client that relies on more, or on its bytes coming back, is found out.
"""

from html import escape
from html.parser import HTMLParser

KEPT = frozenset({"a", "b", "blockquote", "br", "div", "em", "i", "li", "ol", "p", "s", "span", "strong", "u", "ul"})
SILENCED = frozenset({"script", "style", "iframe", "object"})
LINKS = ("http://", "https://", "mailto:")


def clean(text: str) -> str:
    """Return a note's text as it is stored."""
    cleaner = _Cleaner()
    cleaner.feed(text)
    cleaner.close()
    return "".join(cleaner.parts)


class _Cleaner(HTMLParser):
    """Keeps what is harmless."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silenced = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silenced += tag in SILENCED
        if tag in KEPT and not self.silenced:
            target = next((value for name, value in attrs if name == "href" and value), "") if tag == "a" else ""
            is_safe = target.lower().startswith(LINKS)
            self.parts.append(f'<{tag} href="{escape(target)}">' if is_safe else f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in KEPT and tag != "br" and not self.silenced:
            self.parts.append(f"</{tag}>")
        self.silenced = max(self.silenced - (tag in SILENCED), 0)

    def handle_data(self, data: str) -> None:
        if not self.silenced:
            self.parts.append(escape(data, quote=False))
