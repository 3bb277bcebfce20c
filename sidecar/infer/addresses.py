"""Addresses: whatever a CRM, a mail program or a reader's browser would make a link of.

A model that is told to may put a link anywhere, and a rep who trusts the CRM follows it, or a page loads it unasked. So
nothing that a model says may hold an address that nobody wrote. What counts is what common programs link: any scheme, a
name with a path, a bare name under a common ending, mail addresses, numbers and shares of a network, in any script. It
may err on the high side: words that only look like an address cost one claim where they aren't in the raw either.
"""

import re
import unicodedata

from sidecar.ground import visible

_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_NAME = rf"(?:{_LABEL}\.){{1,5}}"
_COMMON = (
    "aero|agency|app|asia|bank|best|bid|biz|blog|buzz|cafe|center|cfd|cheap|click|cloud|club|com|company|contact|cyou|"
    "date|deals|design|dev|digital|direct|download|earth|edu|email|events|example|expert|exposed|express|fit|fun|fund|"
    "gdn|global|gov|group|guru|help|homes|host|icu|info|ink|int|invalid|jobs|land|lat|legal|life|link|live|loan|lol|"
    "love|ltd|management|market|media|men|mil|mobi|money|monster|museum|name|net|network|news|ninja|one|online|onion|"
    "org|page|party|pay|photo|pics|plus|press|pro|promo|pub|quest|racing|rest|review|reviews|rocks|run|sale|sbs|school|"
    "science|services|shop|site|skin|social|solutions|space|store|stream|studio|style|support|systems|team|tech|tel|"
    "test|today|tools|top|trade|travel|vip|watch|website|wiki|win|work|works|world|xxx|xyz|zip|zone|рф|укр|中国|한국"
)
"""Endings under which a bare name is linked, beside those of two letters; after a list of those that mail filters name.
Source: the zone's own list (IANA, 2026-11) less the words that stand after a full stop in ordinary texts."""
_END = r"(?![^\W_]|-[^\W_])"
_MORE = r"[^\s\"'<>\])“”„«»‘’…]"
_PATH = rf"[/?#]{_MORE}*"
_ADDRESS = re.compile(
    rf"""[a-z][a-z0-9+.-]{{1,20}}:[/\\]{{2}}{_MORE}+"""
    rf"""|(?<![^\W_])(?:mailto|javascript|vbscript|tel|sms|callto|skype|facetime|magnet|file|blob):{_MORE}+"""
    rf"""|data:[a-z]+/{_MORE}+|\\\\[\w.$-]{{1,80}}\\{_MORE}+"""
    rf"""|(?<![\w.+%-])[\w.+%-]{{1,64}}@{_NAME}[^\W_][\w-]{{1,62}}"""
    rf"""|(?<![^\W_])(?:www\.{_MORE}+|\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d{{2,5}})?{_PATH}"""
    rf"""|{_NAME}(?:(?:xn--[a-z0-9-]{{2,59}}|[^\W\d_]{{2,24}})(?::\d{{2,5}})?{_PATH}"""
    rf"""|(?:xn--[a-z0-9-]{{2,59}}|(?!js)[a-z]{{2}}|{_COMMON}){_END}))"""
)
_WEB = re.compile(r"^(?:https?:[/\\]{2})?(?:www\.)?")


def addresses(text: str) -> frozenset[str]:
    """Return the addresses in a text, as where they lead is compared: without case, https, www, closing marks."""
    if not any(mark in text for mark in ".:@\\。．｡："):
        return frozenset()
    plain = unicodedata.normalize("NFKC", visible(text)).casefold().replace("。", ".")
    return frozenset(_WEB.sub("", found.rstrip(".,;:!?*_/#")) for found in _ADDRESS.findall(plain))


def written(text: str) -> frozenset[str]:
    """Return the addresses that a text gives whoever speaks about it: its own, and the names of where they lead."""
    found = addresses(text)
    return found | {re.split(r"[/?#:]", one.rpartition("@")[2], maxsplit=1)[0] for one in found}
