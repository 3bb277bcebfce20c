"""One table of what the twin serves: method, path, handler, the model of the body, the scopes, the query that it knows.

A path is known under each API version that serves it: `/crm/v3/objects/contacts` and `/crm/objects/2026-09/contacts`
are one row. Associations are v4 and dated, never v3; workflows are v4 alone.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.twins.hubspot import account, associations, batches, lists, objects, properties, searching
from tests.twins.hubspot.calls import Answer, Call, module, object_type
from tests.twins.hubspot.definitions import ACTIVITIES

Handler = Callable[[Call], Answer]
Scopes = Callable[[Mapping[str, str]], list[set[str]]]
FAMILY_FIRST = re.compile(r"/(?P<family>crm|account-info|automation)/(?P<version>v\d+)(?P<rest>/.*)")
VERSION_LATER = re.compile(r"/crm/(?P<area>[a-z-]+)/(?P<version>\d{4}-\d{2})(?P<rest>(/.*)?)")
DATED_ACCOUNT = re.compile(r"/(?P<family>account-info)/(?P<version>\d{4}-\d{2})(?P<rest>/.*)")
SHOWN = frozenset({"properties", "propertiesWithHistory", "associations", "archived"})
PAGED = frozenset({"limit", "after"})


@dataclass(frozen=True)
class Route:
    """One row: `kind` names the operation for the log; `models` is the SDK module and class that the body must fit."""

    method: str
    path: re.Pattern[str]
    kind: str
    handler: Handler
    scopes: Scopes
    model: Callable[[Mapping[str, str]], tuple[str, str]] | None = None
    query: frozenset[str] = frozenset()
    older: str = "v3"
    dated: bool = True
    for_judge: Callable[[Any], Any] = lambda body: body


@dataclass(frozen=True)
class Asked:
    """A route that was found, in which version, with the parts of its path."""

    route: Route
    version: str
    parts: Mapping[str, str]

    @property
    def operation(self) -> str:
        """Return what this is called in the log: `contacts.batch_create`, `associations.batch_read`."""
        kind = self.parts.get("type", "")
        return f"{object_type(kind)}.{self.route.kind}" if kind and "." not in self.route.kind else self.route.kind


def find(method: str, path: str, versions: set[str]) -> Asked | None:
    """Return the route of a request, None for what no version serves."""
    split = _split(path)
    if split is None or split[0] not in versions:
        return None
    version, rest = split
    for route in ROUTES:
        found = route.path.fullmatch(rest)
        if not found or route.method != method:
            continue
        if version == route.older or (route.dated and version[0].isdigit()):
            return Asked(route, version, found.groupdict())
    return None


def _split(path: str) -> tuple[str, str] | None:
    """Return (version, path without version) of `/crm/v3/objects/...` and `/crm/objects/2026-09/...` alike."""
    path = path.rstrip("/")
    if found := FAMILY_FIRST.fullmatch(path):
        prefix = "" if found["family"] == "crm" else f"/{found['family']}"
        return found["version"], prefix + found["rest"]
    if found := DATED_ACCOUNT.fullmatch(path):
        return found["version"], f"/{found['family']}{found['rest']}"
    if found := VERSION_LATER.fullmatch(path):
        return found["version"], f"/{found['area']}{found['rest']}"
    return None


def _of_type(verb: str) -> Scopes:
    return lambda parts: [{f"crm.objects.{_scoped(parts['type'])}.{verb}"}]


def _of_both(verb: str) -> Scopes:
    return lambda parts: [{f"crm.objects.{_scoped(parts[end])}.{verb}"} for end in ("from", "to")]


def _of_schema(verb: str) -> Scopes:
    def scopes(parts: Mapping[str, str]) -> list[set[str]]:
        name = _scoped(parts["type"])
        any_of = {f"crm.schemas.{name}.{verb}"}
        return [any_of | ({f"crm.objects.{name}.read"} if verb == "read" else set())]

    return scopes


def _scope(*names: str) -> Scopes:
    return lambda parts: [{name} for name in names]


def _scoped(name: str) -> str:
    """Return whose scopes open an object type: activities are opened by those of contacts."""
    kind = object_type(name)
    return "contacts" if kind in ACTIVITIES else kind


def _object(name: str) -> Callable[[Mapping[str, str]], tuple[str, str]]:
    return lambda parts: (module(object_type(parts["type"])), name)


def _of(module_name: str, name: str) -> Callable[[Mapping[str, str]], tuple[str, str]]:
    return lambda parts: (module_name, name)


def _row(method: str, path: str, kind: str, handler: Handler, scopes: Scopes, **more: Any) -> Route:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Route(method, re.compile(pattern), kind, handler, scopes, **more)


_READ, _WRITE = _of_type("read"), _of_type("write")
_OBJECTS = [
    _row("POST", "/objects/{type}/batch/create", "batch_create", batches.create, _WRITE,
         model=_object("BatchInputSimplePublicObjectBatchInputForCreate")),
    _row("POST", "/objects/{type}/batch/read", "batch_read", batches.read, _READ,
         model=_object("BatchReadInputSimplePublicObjectId"), query=frozenset({"archived"})),
    _row("POST", "/objects/{type}/batch/update", "batch_update", batches.change, _WRITE,
         model=_object("BatchInputSimplePublicObjectBatchInput")),
    _row("POST", "/objects/{type}/batch/upsert", "batch_upsert", batches.upsert, _WRITE,
         model=_object("BatchInputSimplePublicObjectBatchInputUpsert")),
    _row("POST", "/objects/{type}/batch/archive", "batch_archive", batches.archive, _WRITE,
         model=_object("BatchInputSimplePublicObjectId")),
    _row("POST", "/objects/{type}/search", "search", searching.search, _READ,
         model=_object("PublicObjectSearchRequest"), for_judge=searching.without_sorts),
    _row("POST", "/objects/{type}/merge", "merge", objects.merge, _WRITE,
         model=_of("hubspot.crm.contacts", "PublicMergeInput")),
    _row("POST", "/objects/{type}", "create", objects.create, _WRITE,
         model=_object("SimplePublicObjectInputForCreate")),
    _row("GET", "/objects/{type}", "list", objects.list_all, _READ, query=SHOWN | PAGED),
    _row("GET", "/objects/{type}/{id}", "get", objects.get, _READ, query=SHOWN | {"idProperty"}),
    _row("PATCH", "/objects/{type}/{id}", "update", objects.change, _WRITE, model=_object("SimplePublicObjectInput"),
         query=frozenset({"idProperty"})),
    _row("DELETE", "/objects/{type}/{id}", "archive", objects.archive, _WRITE),
]  # fmt: skip
_V4 = "hubspot.crm.associations.v4"
_PAIR = "/associations/{from}/{to}/batch/"
_ENDS = "/objects/{from}/{id}/associations/"
_ASSOCIATIONS = [
    _row("POST", _PAIR + "read", "associations.batch_read", associations.batch_read, _of_both("read"), older="v4",
         model=_of(_V4, "BatchInputPublicFetchAssociationsBatchRequest")),
    _row("POST", _PAIR + "create", "associations.batch_create", associations.batch_create, _of_both("write"),
         older="v4", model=_of(_V4, "BatchInputPublicAssociationMultiPost")),
    _row("POST", _PAIR + "associate/default", "associations.batch_default", associations.batch_default,
         _of_both("write"), older="v4", model=_of(_V4, "BatchInputPublicDefaultAssociationMultiPost")),
    _row("POST", _PAIR + "archive", "associations.batch_archive", associations.batch_archive, _of_both("write"),
         older="v4", model=_of(_V4, "BatchInputPublicAssociationMultiArchive")),
    _row("GET", _ENDS + "{to}", "associations.list", associations.list_of_one, _of_both("read"), older="v4",
         query=PAGED),
    _row("PUT", _ENDS + "default/{to}/{to_id}", "associations.default", associations.put_default, _of_both("write"),
         older="v4"),
    _row("DELETE", _ENDS + "{to}/{to_id}", "associations.archive", associations.archive_one, _of_both("write"),
         older="v4"),
]  # fmt: skip
_P = properties.MODULE
_KNOWN, _MADE = _of_schema("read"), _of_schema("write")
_ARCHIVED = frozenset({"archived", "properties"})
_SDK = properties.as_in_the_sdk
_PROPERTIES = [
    _row("GET", "/properties/{type}/groups", "groups.list", properties.list_groups, _KNOWN),
    _row("POST", "/properties/{type}/groups", "groups.create", properties.create_group, _MADE,
         model=_of(_P, "PropertyGroupCreate")),
    _row("GET", "/properties/{type}/groups/{name}", "groups.get", properties.get_group, _KNOWN),
    _row("PATCH", "/properties/{type}/groups/{name}", "groups.update", properties.change_group, _MADE,
         model=_of(_P, "PropertyGroupUpdate")),
    _row("DELETE", "/properties/{type}/groups/{name}", "groups.archive", properties.delete_group, _MADE),
    _row("POST", "/properties/{type}/batch/create", "properties.batch_create", properties.batch_create, _MADE,
         model=_of(_P, "BatchInputPropertyCreate"), for_judge=_SDK),
    _row("POST", "/properties/{type}/batch/read", "properties.batch_read", properties.batch_read, _KNOWN,
         model=_of(_P, "BatchReadInputPropertyName")),
    _row("POST", "/properties/{type}/batch/archive", "properties.batch_archive", properties.batch_archive, _MADE,
         model=_of(_P, "BatchInputPropertyName")),
    _row("GET", "/properties/{type}", "properties.list", properties.list_all, _KNOWN, query=_ARCHIVED),
    _row("POST", "/properties/{type}", "properties.create", properties.create, _MADE, model=_of(_P, "PropertyCreate"),
         for_judge=_SDK),
    _row("GET", "/properties/{type}/{name}", "properties.get", properties.get, _KNOWN, query=_ARCHIVED),
    _row("PATCH", "/properties/{type}/{name}", "properties.update", properties.change, _MADE,
         model=_of(_P, "PropertyUpdate"), for_judge=_SDK),
    _row("DELETE", "/properties/{type}/{name}", "properties.archive", properties.delete, _MADE),
]  # fmt: skip
_NONE = _scope()
_ACCOUNT = [
    _row("GET", "/pipelines/{type}", "pipelines.list", account.list_pipelines, _KNOWN),
    _row("GET", "/pipelines/{type}/{id}", "pipelines.get", account.get_pipeline, _KNOWN),
    _row("GET", "/pipelines/{type}/{id}/stages", "pipelines.stages", account.list_stages, _KNOWN),
    _row("GET", "/pipelines/{type}/{id}/stages/{stage}", "pipelines.stage", account.get_stage, _KNOWN),
    _row("GET", "/owners", "owners.list", account.list_owners, _scope("crm.objects.owners.read"),
         query=PAGED | {"email", "archived"}),
    _row("GET", "/owners/{id}", "owners.get", account.get_owner, _scope("crm.objects.owners.read"),
         query=frozenset({"idProperty", "archived"})),
    _row("GET", "/limits/custom-properties", "limits.custom_properties", account.limits, _NONE),
    _row("GET", "/account-info/details", "account.details", account.details, _NONE),
    _row("GET", "/account-info/api-usage/daily/private-apps", "account.usage", account.usage, _NONE),
    _row("GET", "/automation/flows", "flows.list", account.list_flows, _scope("automation"), query=PAGED,
         older="v4", dated=False),
    _row("GET", "/automation/flows/{id}", "flows.get", account.get_flow, _scope("automation"), older="v4", dated=False),
    _row("POST", "/automation/flows/batch/read", "flows.batch_read", account.read_flows, _scope("automation"),
         older="v4", dated=False),
]  # fmt: skip
_LISTS = [
    _row("POST", "/lists", "lists.create", lists.create, _scope("crm.lists.write"),
         model=_of(lists.MODULE, "ListCreateRequest"), for_judge=lists.without_filters),
    _row("GET", "/lists/object-type-id/{type}/name/{name}", "lists.by_name", lists.by_name, _scope("crm.lists.read"),
         query=frozenset({"includeFilters"})),
    _row("DELETE", "/lists/{id}", "lists.delete", lists.delete, _scope("crm.lists.write")),
]  # fmt: skip
ROUTES = (*_OBJECTS, *_ASSOCIATIONS, *_PROPERTIES, *_ACCOUNT, *_LISTS)
