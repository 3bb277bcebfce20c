"""HubSpot's search, within its limits: five groups of filters, 18 filters, 3,000 characters, 200 results a page.

It answers only with refs: what search says lags behind what is, so whoever searches reads the records afresh and
compares for himself. Groups are alternatives; as many as fit are asked in one call.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.crms.hubspot.portal import Portal
from adapters.crms.hubspot.shapes import Things
from adapters.crms.hubspot.vendor import (
    SEARCH_CHARS,
    SEARCH_FILTERS,
    SEARCH_GROUPS,
    SEARCH_PAGE,
    SEARCH_REACH,
    SEARCH_VALUES,
)
from sidecar.errors import PermanentError

ROOM = 250
"""Characters of a body that are not filters."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a property: several values go with `IN` alone."""

    name: str
    operator: str
    values: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        """Return it as the API takes it."""
        given: dict[str, Any] = {"propertyName": self.name, "operator": self.operator}
        if self.operator == "IN":
            return {**given, "values": list(self.values)}
        return {**given, "value": self.values[0]} if self.values else given


class Search:
    """Searches one account."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def refs(self, kind: str, *groups: Sequence[Filter]) -> list[str]:
        """Return the refs of all records that fit one of the groups, each once."""
        found: dict[str, None] = {}
        for packed in _packed([part for group in groups for part in _split(group)]):
            body: dict[str, Any] = {
                "filterGroups": [{"filters": [f.body() for f in group]} for group in packed],
                "properties": ["hs_object_id"],
                "limit": SEARCH_PAGE,
            }
            for page in self._pages(kind, body):
                found |= dict.fromkeys(thing.id for thing in page.results)
        return list(found)

    def page(self, kind: str, body: dict[str, Any]) -> Things:
        """Return one page of a search."""
        return self._portal.wire.ask(Things, "search", self._portal.paths.objects(kind, "search"), body)

    def _pages(self, kind: str, body: dict[str, Any]) -> Iterator[Things]:
        for _ in range(SEARCH_REACH // SEARCH_PAGE):
            page = self.page(kind, body)
            yield page
            if not page.after:
                return
            body = {**body, "after": page.after}
        raise PermanentError(f"more than {SEARCH_REACH} records of the kind {kind} bear one identifier")


def _split(group: Sequence[Filter]) -> Iterator[Sequence[Filter]]:
    """Part a group whose one `IN` is too long for a body."""
    (first, *others) = group
    fits = len(first.values) <= SEARCH_VALUES and _chars(group) + ROOM <= SEARCH_CHARS
    if others or first.operator != "IN" or fits:
        yield group
        return
    part: list[str] = []
    for value in first.values:
        is_full = len(part) >= SEARCH_VALUES or _chars([Filter(first.name, "IN", (*part, value))]) + ROOM > SEARCH_CHARS
        if part and is_full:
            yield [Filter(first.name, "IN", tuple(part))]
            part = []
        part.append(value)
    yield [Filter(first.name, "IN", tuple(part))]


def _packed(groups: Sequence[Sequence[Filter]]) -> Iterator[list[Sequence[Filter]]]:
    """Put as many groups into one search as its limits allow."""
    packed: list[Sequence[Filter]] = []
    for group in groups:
        wider = [*packed, group]
        if packed and (
            len(wider) > SEARCH_GROUPS
            or sum(map(len, wider)) > SEARCH_FILTERS
            or sum(map(_chars, wider)) + ROOM > SEARCH_CHARS
        ):
            yield packed
            wider = [group]
        packed = wider
    if packed:
        yield packed


def _chars(group: Sequence[Filter]) -> int:
    return len(json.dumps({"filters": [f.body() for f in group]})) + 2
