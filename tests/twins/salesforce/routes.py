"""One table of what the twin serves: method, path under the version, handler, whether it takes a body, its name.

Everything else is a 404 in the vendor's words, and another method a 405. Left out: Bulk, composite graph and batch,
tree, quick actions, search (SOSL), analytics, Chatter, SOAP.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.twins.salesforce import batches, composite, describing, lists, rows, tooling
from tests.twins.salesforce.calls import Answer, Call

VERSIONED = re.compile(r"/services/data/v(\d+\.0)(/.*)?")


@dataclass(frozen=True)
class Route:
    """One row; `kind` names the operation for the log."""

    method: str
    path: re.Pattern[str]
    kind: str
    handler: Callable[[Call], Answer]
    takes_body: bool = False
    is_tooling: bool = False


@dataclass(frozen=True)
class Asked:
    """A route that was found, with its version and the parts of its path."""

    route: Route
    version: str
    parts: Mapping[str, str]

    @property
    def operation(self) -> str:
        """Return what this is called in the log: `Contact.create`, `query`, `collections.change`."""
        of = self.parts.get("sobject")
        return f"{of}.{self.route.kind}" if of else self.route.kind


def find(method: str, path: str) -> tuple[Asked | None, int]:
    """Return the route of a request, or None and why: 404, or 405 for another method."""
    split = VERSIONED.fullmatch(path.rstrip("/"))
    status = 404
    for route in ROUTES if split else ():
        found = route.path.fullmatch(split[2] or "") if split else None
        if split and found and route.method == method:
            return Asked(route, split[1], found.groupdict()), 200
        status = 405 if found else status
    return None, status


def _row(method: str, path: str, kind: str, handler: Callable[[Call], Answer], *, tooling: bool = False) -> Route:
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
    return Route(method, pattern, kind, handler, method in ("POST", "PATCH"), tooling)


ROUTES = (
    _row("GET", "", "resources", describing.resources),
    _row("GET", "/limits", "limits", describing.limits),
    _row("GET", "/sobjects", "describe_global", describing.everything),
    _row("GET", "/query", "query", describing.query),
    _row("GET", "/queryAll", "queryAll", describing.query_all),
    _row("GET", "/query(?:All)?/{locator}", "query_more", describing.more),
    _row("GET", "/sobjects/{sobject}", "basics", describing.basics),
    _row("GET", "/sobjects/{sobject}/describe", "describe", describing.describe),
    _row("GET", "/sobjects/{sobject}/updated", "updated", describing.updated),
    _row("GET", "/sobjects/{sobject}/deleted", "deleted", describing.deleted),
    _row("POST", "/sobjects/{sobject}", "create", rows.create),
    _row("GET", "/sobjects/{sobject}/{id}", "get", rows.get),
    _row("PATCH", "/sobjects/{sobject}/{id}", "change", rows.change),
    _row("DELETE", "/sobjects/{sobject}/{id}", "delete", rows.delete),
    _row("GET", "/sobjects/{sobject}/{key}/{value}", "get_by_key", rows.get_by_key),
    _row("PATCH", "/sobjects/{sobject}/{key}/{value}", "upsert", rows.upsert),
    _row("POST", "/composite", "composite", composite.run),
    _row("POST", "/composite/sobjects", "collections.create", batches.create),
    _row("PATCH", "/composite/sobjects", "collections.change", batches.change),
    _row("DELETE", "/composite/sobjects", "collections.delete", batches.delete),
    _row("GET", "/composite/sobjects/{sobject}", "collections.read", batches.read),
    _row("POST", "/composite/sobjects/{sobject}", "collections.read", batches.read),
    _row("PATCH", "/composite/sobjects/{sobject}/{key}", "collections.upsert", batches.upsert),
    _row("GET", "/tooling/query", "tooling.query", describing.query, tooling=True),
    _row("POST", "/tooling/sobjects/CustomField", "tooling.create", tooling.create, tooling=True),
    _row("GET", "/tooling/sobjects/CustomField/{id}", "tooling.get", tooling.get, tooling=True),
    _row("PATCH", "/tooling/sobjects/CustomField/{id}", "tooling.change", tooling.change, tooling=True),
    _row("DELETE", "/tooling/sobjects/CustomField/{id}", "tooling.delete", tooling.delete, tooling=True),
    _row("GET", "/ui-api/list-info/{sobject}", "lists.every", lists.every),
    _row("POST", "/ui-api/list-info/{sobject}", "lists.create", lists.create),
    _row("GET", "/ui-api/list-info/{sobject}/{name}", "lists.get", lists.get),
    _row("DELETE", "/ui-api/list-info/{sobject}/{name}", "lists.delete", lists.delete),
    _row("GET", "/ui-api/object-info/{sobject}/picklist-values/{record_type}/{field}", "choices", lists.choices),
)
