"""Lists that people work from, as Salesforce's list views: made for everybody, once, and never changed again.

The UI API makes them from version 61 on, with columns and filters; what they are sorted by is each person's own to say,
so it is told. Source: User Interface API guide, "Create a List View for an Object", read 2026-11.
"""

import re
from collections.abc import Sequence
from typing import Any

from adapters.crms.salesforce.faults import Refusal
from adapters.crms.salesforce.org import Org
from adapters.crms.salesforce.soql import among, select
from adapters.crms.salesforce.vendor import Row, held
from sidecar.errors import ConfigError
from sidecar.ports import Condition, View

COMPOUND = {"FirstName": "Name", "LastName": "Name"}
"""What a list shows in the place of a field."""
MAX_LABEL, MAX_COLUMNS = 40, 15


class Lists:
    """Makes list views in one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def missing(self, views: Sequence[View]) -> list[View]:
        """Return the views of which one isn't there yet."""
        there = self._there(views)
        return [v for v in views if any((t, _name(v)) not in there for t in self._objects(v))]

    def present(self, views: Sequence[View]) -> list[View]:
        """Return the views that are there."""
        there = self._there(views)
        return [v for v in views if any((t, _name(v)) in there for t in self._objects(v))]

    def line(self, view: View) -> str:
        """Tell that a view is made, and what is left to do by hand."""
        order = f"; people sort it by {view.order} themselves" if view.order else ""
        return f"make the list view {view.name!r} of {', '.join(self._objects(view))}{order}"

    def make(self, view: View) -> None:
        """Make a view wherever it isn't there."""
        self._org.forget()  # the fields that it speaks of may have been made a moment ago
        there = self._there([view])
        for sobject in self._objects(view):
            if (sobject, _name(view)) not in there:
                try:
                    self._org.wire.send("provision", "POST", f"ui-api/list-info/{sobject}", self._body(view, sobject))
                except (Refusal, ConfigError) as error:
                    raise ConfigError(f"{self._by_hand(view, sobject)} ({error})") from None

    def remove(self, view: View) -> None:
        """Take a view away."""
        for sobject, name in self._there([view]):
            self._org.wire.send("remove", "DELETE", f"ui-api/list-info/{sobject}/{name}")

    def _objects(self, view: View) -> tuple[str, ...]:
        return self._org.people if view.kind == "contact" else (self._org.object(view.kind),)

    def _there(self, views: Sequence[View]) -> set[tuple[str, str]]:
        if not views:
            return set()
        objects = sorted({sobject for view in views for sobject in self._objects(view)})
        names = sorted({_name(view) for view in views})
        conditions = (among("SobjectType", objects), among("DeveloperName", names))
        rows = self._org.wire.query(select(("Id", "DeveloperName", "SobjectType"), "ListView", *conditions))
        return {(held(row, "SobjectType"), held(row, "DeveloperName")) for row in rows}

    def _body(self, view: View, sobject: str) -> Row:
        columns = [self._column(view.kind, sobject, name) for name in view.columns]
        return {
            "listViewApiName": _name(view),
            "label": view.name[:MAX_LABEL],
            "displayColumns": list(dict.fromkeys(columns))[:MAX_COLUMNS],
            "filteredByInfo": [self._filter(view.kind, sobject, each) for each in view.where],
            "visibility": "Public",
        }

    def _filter(self, kind: str, sobject: str, condition: Condition) -> Row:
        column = self._column(kind, sobject, condition.property)
        if condition.at_least is not None:
            return {"fieldApiName": column, "operator": "GreaterOrEqual", "operandLabels": [f"{condition.at_least:g}"]}
        said: Any = self._org.described(sobject).get(column, {}).get("picklistValues") or ()
        labels = {held(each, "value"): held(each, "label") for each in said}
        return {
            "fieldApiName": column,
            "operator": "Equals",
            "operandLabels": [labels.get(value) or value for value in condition.one_of],
        }

    def _column(self, kind: str, sobject: str, name: str) -> str:
        ref = {"Lead": "00Q", "Contact": "003"}.get(sobject, "")
        columns = list(self._org.property(kind, name, ref).columns)
        return COMPOUND.get(columns[0], columns[0])

    def _by_hand(self, view: View, sobject: str) -> str:
        filters = "; ".join(
            f"{c.property} at least {c.at_least:g}"
            if c.at_least is not None
            else f"{c.property} is {' or '.join(c.one_of)}"
            for c in view.where
        )
        return (
            f"the list view {view.name!r} can't be made by the API here: an admin makes it on {sobject}, "
            f"where {filters}, with the columns {', '.join(view.columns)}"
        )


def _name(view: View) -> str:
    """Return the API name of a view: letters, digits and single underscores."""
    return re.sub(r"[^A-Za-z0-9]+", "_", view.name).strip("_")
