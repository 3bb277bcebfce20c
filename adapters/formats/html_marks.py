"""What mail programs and style sheets say about an element: quoted, signature, or invisible.

The names were collected from what the programs write; none of them is a standard, and a program may change them with
any release. An unknown one costs little: the text then goes through the same rules as plain text (`quotes`).
Outlook on the web puts `x_` before each name when it quotes a page, so that prefix is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adapters.formats.quotes import MarkKind

_QUOTED = frozenset(
    [
        "gmail_quote", "gmail_attr",  # Gmail
        "yahoo_quoted",  # Yahoo
        "moz-cite-prefix", "moz-forward-container",  # Thunderbird
        "protonmail_quote", "tutanota_quote", "zmail_extra", "reply-intro",  # Proton, Tuta, Zoho, Roundcube
        "olk_src_body_section", "isreplycontent", "isforwardcontent",  # Outlook for Mac, Exchange ActiveSync
    ]
)  # fmt: skip
# From here to the end of the page all is quoted: Outlook puts the older mail beside its header, not inside it.
_REST = frozenset(
    [
        "divrplyfwdmsg", "appendonsend", "outlookmessageheader",
        "mail-editor-reference-message-container", "ms-outlook-mobile-reference-message",
    ]
)  # fmt: skip
_SIGNATURE = frozenset(
    [
        "gmail_signature", "moz-signature", "protonmail_signature_block", "applemailsignature", "signature",
        "ms-outlook-mobile-signature", "ymail_android_signature",
    ]
)  # fmt: skip
_HIDDEN = re.compile(
    r"display:none|mso-hide:all|(?:^|;)opacity:0*\.?0*(?:;|!|$)|(?:^|;)(?:max-height|line-height):0(?:px)?(?:;|!|$)"
    r"|(?:^|;)color:(?:transparent|rgba\([^)]{0,40},0?\.?0*\))"
    r"|(?:^|;)(?:left|right|top|bottom|text-indent|margin-left|margin-right|margin-top):-\d{3,}"
    r"|clip:rect\((?:0|1px)|clip-path:(?:inset\((?:100|50)%|circle\(0)|scale\(0\)|translate[xy]?\(-\d{3,}"
)
_NO_SIZE = re.compile(r"(?:^|;)(?:width|height):[01](?:px)?(?:;|!|$)")
_FONT_SIZE = re.compile(r"(?:^|;)font(?:-size)?:(?:[^;]{0,100}? )?(\d{0,4}\.?\d{0,4})(px|pt|rem|em|%|/|;|!|$)")
_VISIBILITY = re.compile(r"(?:^|;)visibility:(visible|hidden|collapse)")
_COLOUR = re.compile(r"(?:^|;)(color|background(?:-color|-image)?):([^;!]{1,60})")
_RGB = re.compile(r"rgba?\((\d{1,3})[ ,]{1,3}(\d{1,3})[ ,]{1,3}(\d{1,3})(?:[ ,/]{1,3}(\d?\.?\d{0,4})%?)?\)")
_NAMED = {"white": 0xFFFFFF, "snow": 0xFFFAFA, "ivory": 0xFFFFF0, "ghostwhite": 0xF8F8FF, "floralwhite": 0xFFFAF0,
          "black": 0, "red": 0xFF0000, "blue": 0x0000FF, "green": 0x008000, "yellow": 0xFFFF00, "gray": 0x808080,
          "grey": 0x808080, "silver": 0xC0C0C0, "navy": 0x000080, "orange": 0xFFA500, "purple": 0x800080}  # fmt: skip
_DRAWN = re.compile(r"url\(|gradient\(")
_NO_CONTRAST = 12
"""How far apart the parts of two colours, of 255, are at most when no reader tells them from each other."""
Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
_SIMPLE_SELECTOR = re.compile(r"[a-z0-9]{0,20}([.#][a-z0-9_-]{1,100})")
_SMALLEST = {"px": 1.0, "pt": 1.0, "rem": 0.1, "em": 0.1, "%": 10.0}
"""Up to which size nobody can read letters."""
_STYLE_CHARS_MAX = 4_000


@dataclass(frozen=True)
class Style:
    """`hidden` holds for all below; `seen` is None where the element says nothing, and a child may say otherwise."""

    hidden: bool = False
    seen: bool | None = None
    preformatted: bool = False
    ink: Colour | None = None
    paper: Colour | None = None
    new_paper: bool = False  # its background isn't that of what it stands on; `paper` is None where nobody can tell


def mark_of(tag: str, attributes: Mapping[str, str | None]) -> MarkKind | None:
    """What the element's class, id or type says about the words in it."""
    names = _names(attributes)
    if names & _REST:
        return MarkKind.REST
    if names & _SIGNATURE or attributes.get("data-smartmail") == "gmail_signature":
        return MarkKind.SIGNATURE
    if names & _QUOTED or any(name.startswith("yahoo_quoted") for name in names):
        return MarkKind.QUOTED
    if attributes.get("name") == "quote" and tag == "div":  # GMX, web.de
        return MarkKind.QUOTED
    if tag == "blockquote":
        cited = (attributes.get("type") or "").lower() == "cite" or "cite" in attributes
        if cited or "border-left" in (attributes.get("style") or ""):
            return MarkKind.QUOTED
    return None


def style_of(attributes: Mapping[str, str | None], hidden: frozenset[str]) -> Style:
    """Whether an element can be seen, by its attributes and by the selectors that a style sheet hides."""
    names = {f".{name}" for name in (attributes.get("class") or "").lower().split()}
    names.add(f"#{(attributes.get('id') or '').lower()}")
    style = _declarations(attributes.get("style") or "")
    unread = (attributes.get("aria-hidden") or "").strip().lower() == "true"
    if "hidden" in attributes or unread or names & hidden or _is_hidden(style):
        return Style(hidden=True)
    colours = dict(_COLOUR.findall(style))
    ink = _colour(colours.get("color") or attributes.get("color") or "")
    backgrounds = [value for name, value in colours.items() if name != "color"]
    paper = attributes.get("bgcolor") or attributes.get("background") or (backgrounds[-1] if backgrounds else "")
    drawn = "background" in attributes or any(_DRAWN.search(value) for value in backgrounds)
    return Style(
        seen=_is_seen(style),
        preformatted="white-space:pre" in style,
        ink=ink,
        paper=None if drawn else _colour(paper),
        new_paper=bool(paper) and paper not in ("transparent", "inherit", "none"),
    )


def is_unreadable(ink: Colour | None, paper: Colour | None) -> bool:
    """Say whether letters have the colour of what they stand on, as far as both are known."""
    return (
        ink is not None
        and paper is not None
        and all(abs(a - b) <= _NO_CONTRAST for a, b in zip(ink, paper, strict=True))
    )


def _colour(text: str) -> Colour | None:
    """Read a colour; None for one that isn't known, and for one that can be seen through."""
    text = text.strip().lower()
    if found := _RGB.search(text):
        is_solid = found[4] is None or found[4] in ("", "1", "1.0", "100")
        return (int(found[1]), int(found[2]), int(found[3])) if is_solid else None
    digits = text.removeprefix("#").split(" ")[0]
    if len(digits) == 3 and text.startswith("#"):
        digits = "".join(2 * digit for digit in digits)
    try:
        number = _NAMED[digits] if digits in _NAMED else int(digits, 16) if len(digits) == 6 else None
    except ValueError:
        return None
    return None if number is None else (number >> 16, number >> 8 & 255, number & 255)


def hidden_selectors(sheets: str) -> frozenset[str]:
    """The `.class` and `#id` selectors whose rules hide; rules for some screens only (`@media`) are not counted."""
    found: set[str] = set()
    for rule in _without_at_rules(sheets[:100_000].lower()).split("}"):
        selectors, _, declarations = rule.partition("{")
        style = _declarations(declarations)
        if _is_hidden(style) or _is_seen(style) is False:
            for selector in selectors.split(","):
                simple = _SIMPLE_SELECTOR.fullmatch(selector.strip())
                if simple:
                    found.add(simple[1])
    return frozenset(found)


def _names(attributes: Mapping[str, str | None]) -> set[str]:
    words: Iterable[str] = [*(attributes.get("class") or "").split()[:50], attributes.get("id") or ""]
    names = set()
    for word in words:
        word = word.lower()
        while word.startswith("x_"):
            word = word[2:]
        names.add(word)
    return names


def _declarations(style: str) -> str:
    """A style in lower case with single blanks and none beside its punctuation, as the patterns expect it."""
    words = " ".join(style[:_STYLE_CHARS_MAX].lower().split())
    return re.sub(r" ?([:;!,(]) ?", r"\1", words)


def _is_hidden(style: str) -> bool:
    if not style:
        return False
    return bool(_HIDDEN.search(style)) or ("overflow:hidden" in style and bool(_NO_SIZE.search(style)))


def _is_seen(style: str) -> bool | None:
    seen: bool | None = None
    if size := _FONT_SIZE.search(style):
        try:
            points = float(size[1])
        except ValueError:
            points = 12.0
        absolute = size[2] in ("px", "pt", "rem")
        if points <= _SMALLEST.get(size[2], 0.0):
            seen = False
        elif absolute:
            seen = True
    if visibility := _VISIBILITY.search(style):
        seen = visibility[1] == "visible" and seen is not False
    return seen


def _without_at_rules(sheet: str) -> str:
    """Drop `@media {...}` and its like, whose rules hold for some screens only."""
    kept: list[str] = []
    depth, at, skipping = 0, 0, False
    for brace in re.finditer(r"[@{};]", sheet):
        char = brace[0]
        if char == "@" and depth == 0 and not skipping:
            kept.append(sheet[at : brace.start()])
            skipping = True
        elif char in "{}":
            depth = max(0, depth + (1 if char == "{" else -1))
        if skipping and depth == 0 and char in "};":
            skipping, at = False, brace.end()
    return "".join(kept) + ("" if skipping else sheet[at:])
