"""All records of a kind, page by page, with who wrote what in them: for counting, so by reading alone.

A page is one list of a hundred records and two batch reads of fifty, the most that HubSpot gives with histories: three
calls for a hundred records. Property names travel in bodies, because an account's hundreds of them don't fit into an
address. Listing goes by id: what is made meanwhile comes at the end, and a cursor holds in another process.
"""

from collections.abc import Sequence

from adapters.crms.hubspot.history import Histories
from adapters.crms.hubspot.portal import Portal, Property
from adapters.crms.hubspot.search import Search
from adapters.crms.hubspot.shapes import Thing, Things
from adapters.crms.hubspot.vendor import LIST_PAGE
from sidecar.errors import ConfigError
from sidecar.model import Trail, Walked

OWNER = "hubspot_owner_id"


class Walk:
    """Walks one account."""

    def __init__(self, portal: Portal, histories: Histories, search: Search) -> None:
        self._portal, self._histories, self._search = portal, histories, search

    def page(self, kind: str, cursor: str | None, names: Sequence[str]) -> Walked:
        """Return up to a hundred live records with the edits of these properties, and their count on the first page."""
        held = [self._portal.property(kind, name) for name in dict.fromkeys(names)]
        if cursor is not None and not cursor.isdigit():
            raise ConfigError(f"{cursor!r} is no place in a list of HubSpot's: begin the walk anew")
        query = {"limit": str(LIST_PAGE), "properties": OWNER, **({"after": cursor} if cursor else {})}
        listed = self._portal.wire.get(Things, "list", self._portal.paths.objects(kind), query)
        self._histories.look_everywhere()
        told = self._histories.told(kind, [thing.id for thing in listed.results], held) if held else {}
        trails = tuple(self._trail(thing, told.get(thing.id), held) for thing in listed.results)
        return Walked(trails, listed.after or None, self._total(kind) if cursor is None else None)

    def _trail(self, listed: Thing, thing: Thing | None, held: Sequence[Property]) -> Trail:
        owner = listed.properties.get(OWNER) or ""
        if thing is None:
            return Trail(listed.id, owner)
        zone = self._portal.zone()
        filled = (one.spec.name for one in held if one.from_vendor(thing.properties, zone) is not None)
        return Trail(listed.id, owner, frozenset(filled), tuple(self._histories.sourced(thing, held)))

    def _total(self, kind: str) -> int | None:
        return self._search.page(kind, {"filterGroups": [], "properties": ["hs_object_id"], "limit": 1}).total
