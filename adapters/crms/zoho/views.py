"""Lists for people, as Zoho's custom views: made once for everybody, known by name, taken away with the rest.

A view that is there is left as it is, whoever changed it. What a view of Zoho's can't say isn't asked for: a condition
is a field that holds one of some values, or a number that is no smaller.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.crms.zoho.faults import row_error
from adapters.crms.zoho.org import MAX_PAGES, Org
from adapters.crms.zoho.vendor import MODULES, held
from sidecar.errors import ConfigError
from sidecar.ports import Condition, View

PATH = "/settings/custom_views"


class Views:
    """Makes the lists of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def furnish(self, views: Sequence[View], wanted: Mapping[str, frozenset[str]], *, dry_run: bool) -> list[str]:
        """Make the views that are missing; `wanted` are the fields that are there or will be, by kind."""
        missing = [view for view in views if view.name not in self._there(view.kind)]
        for view in missing:
            asked = {c.property for c in view.where} | {*view.columns, *([view.order] if view.order else [])}
            unknown = sorted(
                asked - wanted.get(view.kind, frozenset()) - set(self._org.catalogue(view.kind).properties)
            )
            if unknown:
                raise ConfigError(f"the list {view.name!r} asks for {', '.join(unknown)}, which no {view.kind} has")
        if not dry_run:
            for view in missing:
                body = {"custom_views": [self._row(view)]}
                query = {"module": MODULES[view.kind]}
                self._done(view, self._org.wire.send("provision", "POST", PATH, body, query=query, rows="custom_views"))
        return [f"make the list {view.name!r} of {view.kind}s" for view in missing]

    def remove(self, views: Sequence[View], *, dry_run: bool) -> list[str]:
        """Take the views away that are there."""
        lines = []
        for view in views:
            ref = self._there(view.kind).get(view.name)
            if ref is None:
                continue
            lines.append(f"remove the list {view.name!r} of {view.kind}s")
            if not dry_run:
                query = {"module": MODULES[view.kind], "ids": ref}
                self._done(view, self._org.wire.send("remove", "DELETE", PATH, None, query=query, rows="custom_views"))
        return lines

    def _there(self, kind: str) -> dict[str, str]:
        """Return the views of a kind, id by name."""
        query = {"module": MODULES[kind]}
        rows = self._org.wire.rows("views", PATH, query, MAX_PAGES, key="custom_views")
        return {held(row, "name"): held(row, "id") for row in rows}

    def _row(self, view: View) -> dict[str, Any]:
        conditions = [self._condition(view.kind, condition) for condition in view.where]
        group = {"group_operator": "and", "group": conditions}
        columns = [name for each in view.columns for name in self._names(view.kind, each)]
        row: dict[str, Any] = {
            "name": view.name,
            "access_type": "public",
            "criteria": group if len(conditions) > 1 else conditions[0] if conditions else None,
            "fields": [{"api_name": name} for name in dict.fromkeys(columns)],
        }
        if view.order:
            row |= {"sort_by": {"api_name": self._names(view.kind, view.order)[0]}, "sort_order": "desc"}
        return {name: value for name, value in row.items() if value is not None}

    def _condition(self, kind: str, condition: Condition) -> dict[str, Any]:
        asked: dict[str, Any] = {"field": {"api_name": self._names(kind, condition.property)[0]}}
        if condition.at_least is not None:
            return {**asked, "comparator": "greater_equal", "value": condition.at_least}
        several = list(condition.one_of)
        return {
            **asked,
            "comparator": "in" if len(several) > 1 else "equal",
            "value": several if len(several) > 1 else several[0],
        }

    def _names(self, kind: str, name: str) -> tuple[str, ...]:
        names = self._org.property(kind, name).names
        return ("Full_Name",) if names == ("First_Name", "Last_Name") else names[:1]

    @staticmethod
    def _done(view: View, told: Sequence[Mapping[str, Any]]) -> None:
        for row in told:
            if row.get("status") == "error":
                raise ConfigError(f"the list {view.name!r}: {row_error(view.kind, '', row, {})}")
