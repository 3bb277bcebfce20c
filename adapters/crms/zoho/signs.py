"""Signs that Zoho can't keep, and how they survive there: an emoji is spelled out by its Unicode name. Pure.

Zoho stores a "?" for every character of four bytes (live report, 2026-06), so an emoji would be lost in silence, and
the value read back would look like somebody's edit. Refusing such a text would park nearly every chat. So a thumb is
written as "⟦thumbs up sign⟧", which a rep can read, and read back as the thumb that it was; the bracket itself is
spelled as well where a customer wrote it, so that nothing is read back as what it was not.

The trade-off: the text takes more room than it has characters, and a rep sees words where a customer sent a picture.
"""

import re
import unicodedata

OPEN, CLOSE = "⟦", "⟧"
LAST_KEPT = 0xFFFF
_SPELLED = re.compile(r"⟦([a-z0-9 +-]{1,120})⟧")


def spelled(text: str) -> str:
    """Return a text that Zoho keeps as it is, from which `unspelled` returns the first."""
    return "".join(f"{OPEN}{_name(sign)}{CLOSE}" if _is_lost(sign) else sign for sign in text)


def unspelled(text: str) -> str:
    """Return what was spelled."""
    return _SPELLED.sub(lambda found: _sign(found.group(1)) or found.group(0), text)


def _is_lost(sign: str) -> bool:
    return ord(sign) > LAST_KEPT or sign == OPEN


def _name(sign: str) -> str:
    """Return a sign's name; one that has none, or that an older Unicode may not know, goes by its number."""
    return unicodedata.name(sign, f"u+{ord(sign):x}").lower()


def _sign(name: str) -> str:
    try:
        sign = chr(int(name[2:], 16)) if name.startswith("u+") else unicodedata.lookup(name.upper())
    except (KeyError, ValueError, OverflowError):
        return ""
    return sign if len(sign) == 1 and _is_lost(sign) else ""
