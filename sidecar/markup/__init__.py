"""Text from outside as it may stand in HTML: escaped for text and attributes, and without what can't be seen.

Characters that show nothing can turn a line around (bidi overrides), hide words from people that a model reads (tags),
or make a page invalid. `text` leaves them out, for labels; `marked` says where they stood, for words that somebody
judges. Joiners stay: many scripts, and emoji, are written with them. `document` makes whole pages of such parts.
"""

import re
from html import escape

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    "\U000e0000-\U000e007f]+"
)
_BREAKS = re.compile("\r\n?|[\u2028\u2029]")


def text(value: object) -> str:
    """Return text from outside as it may stand in HTML, an attribute's value included."""
    return escape(_UNSEEN.sub("", str(value)), quote=True)


def marked(value: str) -> str:
    """Return words from outside as HTML in which each run of hidden characters is named where it stands."""
    parts, at = [], 0
    value = _BREAKS.sub("\n", value)
    for found in _HIDDEN.finditer(value):
        parts.append(escape(value[at : found.start()], quote=True))
        parts.append(f"<i>{_named(found.group())}</i>")
        at = found.end()
    return "".join((*parts, escape(value[at:], quote=True)))


def _named(hidden: str) -> str:
    return f"[U+{ord(hidden):04X}]" if len(hidden) == 1 else f"[{len(hidden)} hidden characters]"
