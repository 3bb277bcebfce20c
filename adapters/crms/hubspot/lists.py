"""Makes lists for people in an account (HubSpot calls them segments), and takes them away again.

A list is known by its name, which HubSpot keeps unique for a kind of record; one that is there is left as it is, since
a person may have changed it. The API sets neither the columns nor the order of a list, and needs scopes of its own, so
what is left to an admin is said in the line of the list. Nothing here is worth a failed provisioning.
Source: HubSpot's API reference, lists and list filters, read 2026-11.
"""

from collections.abc import Sequence
from typing import Any

from adapters.crms.hubspot.faults import Refusal
from adapters.crms.hubspot.portal import Catalogue, Portal
from adapters.crms.hubspot.shapes import Listed
from adapters.crms.hubspot.vendor import TYPE_IDS
from sidecar.errors import ConfigError
from sidecar.ports import Condition, View


class Lists:
    """The lists of one account."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def furnish(self, views: Sequence[View], dry_run: bool) -> list[str]:
        """Make the lists that are missing; a line for each, with what an admin does by hand."""
        return [line for view in views for line in self._furnish(view, dry_run)]

    def remove(self, views: Sequence[View], dry_run: bool) -> list[str]:
        """Take the lists away that are there; one that we may not look for is left."""
        lines = []
        for view in views:
            try:
                held = self._find(view)
            except ConfigError as error:
                lines.append(f"the list {view.name!r} has to be looked for by hand: {error}")
                continue
            if held is not None:
                lines.append(f"remove the list {view.name!r}")
                if not dry_run:
                    self._gone(held)
        return lines

    def _furnish(self, view: View, dry_run: bool) -> list[str]:
        try:
            if self._find(view) is not None:
                return []
            if not dry_run:
                self._make(view)
        except ConfigError as error:
            return [f"the list {view.name!r} of {view.kind}s can't be made ({error}); by hand: {_told(view)}"]
        order = f", sort by {_label(view.order)}, highest first" if view.order else ""
        columns = ", ".join(map(_label, view.columns))
        return [f"create the list {view.name!r} of {view.kind}s; by hand in it: show {columns}{order}"]

    def _find(self, view: View) -> str | None:
        path = self._portal.paths.lists("object-type-id", TYPE_IDS[view.kind], "name", view.name)
        try:
            return self._portal.wire.get(Listed, "list", path).list.id
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            return None

    def _make(self, view: View) -> None:
        catalogue = self._portal.catalogue(view.kind)
        body = {
            "name": view.name,
            "objectTypeId": TYPE_IDS[view.kind],
            "processingType": "DYNAMIC",
            "filterBranch": _branch(
                "OR", [_branch("AND", [], [f for c in view.where for f in _filters(catalogue, c)])]
            ),
        }
        self._portal.wire.change(Listed, "create_list", "POST", self._portal.paths.lists(), body)

    def _gone(self, ref: str) -> None:
        try:
            self._portal.wire.remove("remove_list", self._portal.paths.lists(ref))
        except Refusal as refusal:
            if refusal.status != 404:
                raise


def _branch(operator: str, branches: Sequence[Any], filters: Sequence[Any] = ()) -> dict[str, Any]:
    """Conditions stand in AND branches below one OR branch, which HubSpot asks of every list."""
    return {
        "filterBranchType": operator,
        "filterBranchOperator": operator,
        "filterBranches": list(branches),
        "filters": list(filters),
    }


def _filters(catalogue: Catalogue, condition: Condition) -> list[dict[str, Any]]:
    held = catalogue.find(condition.property)
    if held is None:
        raise catalogue.unknown(condition.property)
    found = []
    if condition.one_of and held.spec.type == "enum":
        found.append(_operation("ENUMERATION", "IS_ANY_OF", values=list(condition.one_of)))
    elif condition.one_of:
        found.append(_operation("MULTISTRING", "IS_EQUAL_TO", values=list(condition.one_of)))
    if condition.at_least is not None:
        found.append(_operation("NUMBER", "IS_GREATER_THAN_OR_EQUAL_TO", value=condition.at_least))
    return [{"filterType": "PROPERTY", "property": held.vendor[0], "operation": each} for each in found]


def _operation(kind: str, operator: str, **more: Any) -> dict[str, Any]:
    return {"operationType": kind, "operator": operator, "includeObjectsWithNoValueSet": False, **more}


def _told(view: View) -> str:
    """What to click together where the API may not."""
    parts = [_said(condition) for condition in view.where]
    return f"Segments > Create, {view.kind}s, active, {' and '.join(parts)}"


def _said(condition: Condition) -> str:
    name = _label(condition.property)
    if condition.at_least is not None:
        return f"{name} is at least {condition.at_least:g}"
    return f"{name} is any of {', '.join(condition.one_of)}"


def _label(name: str) -> str:
    return f"AI {name.removeprefix('ai_').replace('_', ' ').capitalize()}" if name.startswith("ai_") else name
