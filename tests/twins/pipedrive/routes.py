"""One table of what the twin serves: method, path, handler, the model of the body, what it costs, the query it knows.

v2 lies under `/api/v2`, and nothing under `/v2`; v1 under `/v1` and `/api/v1`. What v2 has, v1 hasn't any more.
Costs are tokens of the company's day. Source: Pipedrive's OpenAPI `x-token-cost` and rate limiting guide, 2026.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tests.twins.pipedrive import bodies, catalogue, entities, legacy, searching
from tests.twins.pipedrive.calls import Answer, Call

Handler = Callable[[Call], Answer]
V1, V2 = re.compile(r"(?:/api)?/v1(/.*)"), re.compile(r"/api/v2(/.*)")
RETIRED = re.compile(r"/(deals|persons|organizations|activities|pipelines|stages|itemSearch|\w+Fields)(/(\d+|search))?")
PAGED = frozenset({"limit", "cursor"})
V1_PAGED = frozenset({"start", "limit", "sort"})
LISTED = PAGED | {
    "filter_id", "ids", "owner_id", "org_id", "updated_since", "updated_until", "sort_by", "sort_direction",
    "include_fields", "custom_fields",
}  # fmt: skip
BODIES: dict[str, type[BaseModel]] = {
    "persons": bodies.PersonIn, "organizations": bodies.OrganizationIn, "deals": bodies.DealIn,
    "activities": bodies.ActivityIn,
}  # fmt: skip
MORE = {
    "persons": {"deal_id", "first_char"}, "organizations": {"first_char"},
    "deals": {"person_id", "pipeline_id", "stage_id", "status"},
    "activities": {"deal_id", "lead_id", "person_id", "done"},
}  # fmt: skip
SEARCHED = PAGED | {"term", "fields", "exact_match", "include_fields"}


@dataclass(frozen=True)
class Route:
    """One row; `kind` names the operation for the log, `many` says that the body is a list of the model."""

    method: str
    path: re.Pattern[str]
    version: int
    kind: str
    handler: Handler
    cost: int
    model: type[BaseModel] | None = None
    many: bool = False
    query: frozenset[str] = frozenset()
    is_search: bool = False


@dataclass(frozen=True)
class Asked:
    """A route that was found, with the parts of its path."""

    route: Route
    parts: Mapping[str, str]

    @property
    def operation(self) -> str:
        """Return what this is called in the log: `persons.create`, `personFields.list`, `notes.create`."""
        of = self.parts.get("kind") or self.parts.get("fields")
        return f"{of}.{self.route.kind}" if of and "." not in self.route.kind else self.route.kind

    @property
    def model(self) -> type[BaseModel] | None:
        """Return what the body must fit."""
        return BODIES[self.parts["kind"]] if self.route.kind in ("create", "update") else self.route.model

    @property
    def query(self) -> frozenset[str]:
        """Return the query parameters that are known."""
        if self.route.kind in ("list", "archived") and "kind" in self.parts:
            return self.route.query | MORE[self.parts["kind"]]
        return self.route.query


def find(method: str, path: str) -> tuple[Asked | None, int]:
    """Return the route of a request, or None and why: 404, 405 for another method, 410 for what v1 had."""
    version, rest = 0, ""
    for number, pattern in ((1, V1), (2, V2)):
        if split := pattern.fullmatch(path.rstrip("/")):
            version, rest = number, split[1]
    status = 404
    for route in ROUTES:
        found = route.path.fullmatch(rest) if route.version == version else None
        if found and route.method == method:
            return Asked(route, found.groupdict()), 200
        status = 405 if found else status
    if version == 1 and status == 404 and RETIRED.fullmatch(rest):
        status = 410
    return None, status


def _row(method: str, path: str, version: int, kind: str, handler: Handler, cost: int, **more: Any) -> Route:
    path = path.replace("{kind}", r"(?P<kind>persons|organizations|deals|activities)")
    path = path.replace("{logged}", r"(?P<kind>persons|organizations|deals)")
    path = path.replace("{fields}", r"(?P<fields>personFields|dealFields|organizationFields)")
    return Route(method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), version, kind, handler, cost, **more)


_SHOWN = frozenset({"include_fields", "custom_fields"})
_ENTITIES = [
    _row("GET", "/{logged}/search", 2, "search", searching.of_kind, 20, is_search=True,
         query=SEARCHED | {"person_id", "organization_id", "status"}),
    _row("GET", "/(?P<kind>deals)/archived", 2, "archived", entities.list_archived, 20, query=LISTED),
    _row("GET", "/{kind}", 2, "list", entities.list_all, 10, query=LISTED),
    _row("POST", "/{kind}", 2, "create", entities.create, 5),
    _row("GET", "/{kind}/{id}", 2, "get", entities.get, 1, query=_SHOWN),
    _row("PATCH", "/{kind}/{id}", 2, "update", entities.change, 5),
    _row("DELETE", "/{kind}/{id}", 2, "delete", entities.delete, 3),
    _row("GET", "/itemSearch", 2, "search.items", searching.items, 20, is_search=True,
         query=SEARCHED | {"item_types", "search_for_related_items"}),
    _row("GET", "/itemSearch/field", 2, "search.field", searching.by_field, 20, is_search=True,
         query=PAGED | {"term", "entity_type", "field", "match"}),
]  # fmt: skip
_CATALOGUE = [
    _row("GET", "/{fields}", 2, "list", catalogue.list_fields, 10, query=PAGED | {"include_fields"}),
    _row("POST", "/{fields}", 2, "create_field", catalogue.create_field, 5, model=bodies.FieldIn),
    _row("GET", "/{fields}/{code}", 2, "get", catalogue.get_field, 1, query=frozenset({"include_fields"})),
    _row("PATCH", "/{fields}/{code}", 2, "change_field", catalogue.change_field, 5, model=bodies.FieldChange),
    _row("DELETE", "/{fields}/{code}", 2, "delete", catalogue.delete_field, 3),
    _row("POST", "/{fields}/{code}/options", 2, "add_options", catalogue.add_options, 5, model=bodies.OptionIn,
         many=True),
    _row("DELETE", "/{fields}/{code}/options", 2, "delete_options", catalogue.delete_options, 3, many=True,
         model=bodies.OptionId),
    _row("GET", "/pipelines", 2, "pipelines.list", catalogue.list_pipelines, 5,
         query=PAGED | {"sort_by", "sort_direction"}),
    _row("GET", "/pipelines/{id}", 2, "pipelines.get", catalogue.get_pipeline, 1),
    _row("GET", "/stages", 2, "stages.list", catalogue.list_stages, 5,
         query=PAGED | {"sort_by", "sort_direction", "pipeline_id"}),
    _row("GET", "/stages/{id}", 2, "stages.get", catalogue.get_stage, 1),
    _row("GET", "/users", 1, "users.list", catalogue.list_users, 20),
    _row("GET", "/users/{id}", 1, "users.get", catalogue.get_user, 2),
    _row("GET", "/activityTypes", 1, "activityTypes.list", catalogue.list_types, 20),
    _row("GET", "/webhooks", 1, "webhooks.list", catalogue.list_webhooks, 20),
    _row("POST", "/webhooks", 1, "webhooks.create", catalogue.create_webhook, 10, model=bodies.WebhookIn),
    _row("DELETE", "/webhooks/{id}", 1, "webhooks.delete", catalogue.delete_webhook, 6),
]  # fmt: skip
_NOTED = V1_PAGED | {
    "user_id", "lead_id", "deal_id", "person_id", "org_id", "updated_since", "start_date", "end_date",
}  # fmt: skip
_LED = V1_PAGED | {"person_id", "organization_id", "owner_id", "updated_since"}
_LEGACY = [
    _row("GET", "/notes", 1, "notes.list", legacy.list_notes, 20, query=_NOTED),
    _row("POST", "/notes", 1, "notes.create", legacy.create_note, 10, model=bodies.NoteIn),
    _row("GET", "/notes/{id}", 1, "notes.get", legacy.get_note, 2),
    _row("PUT", "/notes/{id}", 1, "notes.update", legacy.change_note, 10, model=bodies.NoteIn),
    _row("DELETE", "/notes/{id}", 1, "notes.delete", legacy.delete_note, 6),
    _row("GET", "/leads", 1, "leads.list", legacy.list_leads, 20, query=_LED),
    _row("POST", "/leads", 1, "leads.create", legacy.create_lead, 10, model=bodies.LeadIn),
    _row("GET", "/leads/{id}", 1, "leads.get", legacy.get_lead, 2),
    _row("PATCH", "/leads/{id}", 1, "leads.update", legacy.change_lead, 10, model=bodies.LeadIn),
    _row("DELETE", "/leads/{id}", 1, "leads.delete", legacy.delete_lead, 6),
    _row("GET", "/{logged}/{id}/changelog", 1, "changelog", legacy.changelog, 20, query=PAGED),
    _row("GET", "/{logged}/{id}/flow", 1, "flow", legacy.flow, 40, query=V1_PAGED),
    _row("PUT", "/{logged}/{id}/merge", 1, "merge", legacy.merge, 40, model=bodies.MergeIn),
]
ROUTES = (*_ENTITIES, *_CATALOGUE, *_LEGACY)
