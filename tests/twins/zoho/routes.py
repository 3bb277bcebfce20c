"""One table of what the twin serves: method, path, handler, scope, what it costs, the query it knows.

Costs are credits. Source: zoho/crm-oas v8.0 and Zoho's API limits page, 2026: writes one for every ten records, the
list of what is deleted two, a query by its limit, most else one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.twins.zoho import catalogue, coql, merging, records, searching, settings, timeline
from tests.twins.zoho.calls import Answer, Call
from tests.twins.zoho.fields import MODULES

Handler = Callable[[Call], Answer]
BASE = re.compile(r"/crm/v8(/.*)")
PAGED = frozenset({"page", "per_page"})
LISTED = PAGED | {"fields", "ids", "cvid", "page_token", "sort_by", "sort_order", "converted", "include_child"}
TIMED = PAGED | {
    "page_token", "include_inner_details", "filters", "sort_by", "sort_order", "include_timeline_types", "include",
}  # fmt: skip
SEARCHED = PAGED | {
    "criteria", "email", "phone", "word", "fields", "sort_by", "sort_order", "converted", "approval_state",
}  # fmt: skip
OF_MODULE = frozenset({"module", "include", "type", "filters"})


@dataclass(frozen=True)
class Route:
    """One row; `kind` names the operation for the log, `scope` what a token must be allowed."""

    method: str
    path: re.Pattern[str]
    kind: str
    handler: Handler
    scope: str
    cost: Callable[[Call], int]
    query: frozenset[str]


@dataclass(frozen=True)
class Asked:
    """A route that was found, with the parts of its path."""

    route: Route
    parts: Mapping[str, str]

    @property
    def operation(self) -> str:
        """Return what this is called in the log: `Contacts.upsert`, `fields.create`, `coql`."""
        return f"{self.parts['module']}.{self.route.kind}" if "module" in self.parts else self.route.kind

    @property
    def is_read(self) -> bool:
        """Tell whether this lists records, of which a composite may have a few."""
        return self.route.kind in ("list", "search", "related", "deleted", "coql")

    def allowed(self, scopes: tuple[str, ...]) -> bool:
        """Tell whether scopes cover this."""
        group, _, right = self.route.scope.rpartition(".")
        group = group.replace("{module}", self.parts.get("module", "").lower())
        parts = group.split(".")
        wider = [".".join(parts[:count]) for count in range(2, len(parts) + 1)]
        held = {scope.lower() for scope in scopes}
        return any(f"{each}.{which}".lower() in held for each in wider for which in (right, "ALL"))


def find(method: str, path: str) -> tuple[Asked | None, str]:
    """Return the route of a request, or None and why: the path, the method or the module."""
    base, why = BASE.fullmatch(path), "INVALID_URL_PATTERN"
    for route in ROUTES if base else ():
        found = route.path.fullmatch(base[1]) if base else None
        if found and found.groupdict().get("module", MODULES[0]) not in MODULES:
            why = "INVALID_MODULE"
        elif found and route.method == method:
            return Asked(route, found.groupdict()), ""
        elif found:
            why = "INVALID_REQUEST_METHOD"
    return None, why


def _rows(call: Call) -> int:
    """Return what a write costs: one credit for every ten records."""
    rows = call.body.get("data") if isinstance(call.body, dict) else None
    count = len(rows) if isinstance(rows, list) else len(call.names("ids"))
    return max(1, -(-count // 10))


def _one(call: Call) -> int:
    return 1


def _two(call: Call) -> int:
    return 2


def _row(
    method: str, path: str, kind: str, handler: Handler, scope: str, cost: Callable[[Call], int] = _one,
    query: frozenset[str] | set[str] = frozenset(),
) -> Route:  # fmt: skip
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path.replace("{module}", r"(?P<module>[A-Z]\w*)"))
    return Route(method, re.compile(pattern), kind, handler, f"ZohoCRM.{scope}", cost, frozenset(query))


_M = "modules.{module}"
_SETTINGS: list[Any] = [
    _row("GET", "/org", "org", settings.read_org, "org.READ"),
    _row("GET", "/users", "users.list", settings.list_users, "users.READ", query=PAGED | {"type", "ids"}),
    _row("GET", "/users/{id}", "users.get", settings.get_user, "users.READ"),
    _row("GET", "/settings/modules", "modules.list", settings.list_modules, "settings.modules.READ",
         query={"status", "feature_name"}),
    _row("GET", "/settings/modules/{name}", "modules.get", settings.get_module, "settings.modules.READ"),
    _row("GET", "/settings/fields", "fields.list", catalogue.list_fields, "settings.fields.READ", query=OF_MODULE),
    _row("POST", "/settings/fields", "fields.create", catalogue.create_fields, "settings.fields.CREATE",
         query={"module"}),
    _row("PATCH", "/settings/fields", "fields.update", catalogue.change_fields, "settings.fields.UPDATE",
         query={"module"}),
    _row("GET", "/settings/fields/{id}", "fields.get", catalogue.get_field, "settings.fields.READ", query=OF_MODULE),
    _row("PATCH", "/settings/fields/{id}", "fields.update", catalogue.change_field, "settings.fields.UPDATE",
         query={"module"}),
    _row("DELETE", "/settings/fields/{id}", "fields.delete", catalogue.delete_field, "settings.fields.DELETE",
         query={"module"}),
    _row("GET", "/settings/layouts", "layouts.list", settings.list_layouts, "settings.layouts.READ", query=OF_MODULE),
    _row("GET", "/settings/layouts/{id}", "layouts.get", settings.get_layout, "settings.layouts.READ",
         query=OF_MODULE),
    _row("GET", "/settings/pipeline", "pipeline.list", settings.list_pipelines, "settings.pipeline.READ",
         query={"layout_id"}),
    _row("GET", "/settings/custom_views", "views.list", settings.list_views, "settings.custom_views.READ",
         query=OF_MODULE | PAGED),
    _row("POST", "/settings/custom_views", "views.create", settings.create_views, "settings.custom_views.CREATE",
         query={"module"}),
    _row("GET", "/settings/custom_views/{id}", "views.get", settings.get_view, "settings.custom_views.READ",
         query={"module"}),
    _row("DELETE", "/settings/custom_views", "views.delete", settings.delete_views, "settings.custom_views.DELETE",
         query={"ids", "module"}),
    _row("POST", "/coql", "coql", coql.query, "coql.READ", coql.credits),
]  # fmt: skip
_RECORDS: list[Any] = [
    _row("GET", "/{module}/search", "search", searching.search, f"{_M}.READ", query=SEARCHED),
    _row("GET", "/{module}/deleted", "deleted", records.deleted, f"{_M}.READ", _two, PAGED | {"type"}),
    _row("POST", "/{module}/upsert", "upsert", records.upsert, f"{_M}.CREATE", _rows),
    _row("GET", "/{module}/actions/count", "count", records.count, f"{_M}.READ", query={"criteria"}),
    _row("GET", "/{module}", "list", records.list_all, f"{_M}.READ", query=LISTED),
    _row("POST", "/{module}", "create", records.create, f"{_M}.CREATE", _rows),
    _row("PUT", "/{module}", "update", records.update, f"{_M}.UPDATE", _rows),
    _row("DELETE", "/{module}", "delete", records.delete, f"{_M}.DELETE", _rows, {"ids", "wf_trigger"}),
    _row("GET", "/{module}/{id}", "get", records.get, f"{_M}.READ", query={"fields"}),
    _row("PUT", "/{module}/{id}", "update", records.update_one, f"{_M}.UPDATE"),
    _row("DELETE", "/{module}/{id}", "delete", records.delete_one, f"{_M}.DELETE", query={"wf_trigger"}),
    _row("GET", "/{module}/{id}/__timeline", "timeline", timeline.read, f"{_M}.READ", query=TIMED),
    _row("POST", "/{module}/{id}/actions/merge", "merge", merging.start, f"{_M}.UPDATE"),
    _row("GET", "/{module}/{id}/actions/merge", "merge.status", merging.status, f"{_M}.READ", query={"job_id"}),
    _row("GET", "/{module}/{id}/{related}", "related", searching.related, f"{_M}.READ", query=LISTED),
]
ROUTES: tuple[Route, ...] = (*_SETTINGS, *_RECORDS)
COMPOSITE = "/crm/v8/__composite_requests"
TOKEN = "/oauth/v2/token"
