"""What the org tells about itself: org, users, modules, layouts, pipelines, list views.

Source: zoho/crm-oas v8.0 org, users, modules, layouts, pipeline and custom_views, read 2026-11-22.
"""

from typing import Any

from tests.twins.zoho import catalogue, schema_settings, values
from tests.twins.zoho.calls import Answer, Call, outcome, rows_of
from tests.twins.zoho.errors import ApiError, RowError, missing_param, wrong_param, wrong_path
from tests.twins.zoho.fields import DISPLAY, MODULES, SINGULAR
from tests.twins.zoho.org import PIPELINES, Org

COMPARATORS = (
    "equal", "not_equal", "contains", "not_contains", "starts_with", "in", "not_in", "greater_than", "greater_equal",
    "less_than", "less_equal",
)  # fmt: skip


def read_org(call: Call) -> Answer:
    """Tell about the org."""
    switches = call.org.switches
    license = {"paid": switches.edition != "free", "paid_type": switches.edition, "paid_expiry": None,
               "users_license_purchased": switches.users, "trial_type": None, "trial_expiry": None}  # fmt: skip
    org = {
        "id": call.org.module_ids["Leads"][:-6] + "000001", "company_name": "Roofs & Co", "type": "production",
        "time_zone": switches.time_zone, "currency": f"Euro - {switches.currency}", "iso_code": switches.currency,
        "currency_symbol": "€", "primary_email": call.org.users[0]["email"], "country_code": "DE", "zgid": "20078",
        "max_per_page": 200, "license_details": license, "domain_name": "org20078",
        "created_time": "2025-01-01T09:00:00+01:00", "oauth_presence": True,
    }  # fmt: skip
    return Answer(200, {"org": [org]}, schema_settings.OrgPage)


def list_users(call: Call) -> Answer:
    """Read a page of users: all, those of a type, or the one who asks."""
    kind = call.text("type", "AllUsers")
    users = [user for user in call.org.users if kind != "CurrentUser" or user["id"] == call.by.user_id]
    if kind in ("ActiveUsers", "ActiveConfirmedUsers"):
        users = [user for user in users if user["status"] == "active"]
    size, number = call.number("per_page", 200, 200), call.number("page", 1)
    page = users[(number - 1) * size : number * size]
    if not page:
        return Answer(204)
    info = {"per_page": size, "count": len(page), "page": number, "more_records": number * size < len(users)}
    return Answer(200, {"users": page, "info": info}, schema_settings.UsersPage)


def get_user(call: Call) -> Answer:
    """Read one user."""
    user = call.org.user(call.parts["id"])
    return Answer(200, {"users": [user]}, schema_settings.Users) if user else Answer(204)


def list_modules(call: Call) -> Answer:
    """Read the modules."""
    return Answer(200, {"modules": [_module(call.org, name) for name in MODULES]}, schema_settings.Modules)


def get_module(call: Call) -> Answer:
    """Read one module."""
    name = call.parts["name"]
    if name not in MODULES:
        raise wrong_path(2, "the module name given seems to be invalid", "INVALID_MODULE")
    return Answer(200, {"modules": [_module(call.org, name)]}, schema_settings.Modules)


def list_layouts(call: Call) -> Answer:
    """Read a module's layouts, of which there is one."""
    return Answer(200, {"layouts": [_layout(call.org, catalogue.module_of(call))]}, schema_settings.Layouts)


def get_layout(call: Call) -> Answer:
    """Read one layout."""
    module = catalogue.module_of(call)
    if call.parts["id"] != call.org.layout_ids[module]:
        return Answer(204)
    return Answer(200, {"layouts": [_layout(call.org, module)]}, schema_settings.Layouts)


def list_pipelines(call: Call) -> Answer:
    """Read the pipelines of a layout of Deals."""
    if not call.text("layout_id"):
        raise missing_param("layout_id")
    if call.text("layout_id") != call.org.layout_ids["Deals"]:
        raise wrong_param("layout_id", message="Invalid layoutid")
    pipelines = [_pipeline(call.org, name, place == 0) for place, name in enumerate(PIPELINES)]
    return Answer(200, {"pipeline": pipelines}, schema_settings.Pipelines)


def list_views(call: Call) -> Answer:
    """Read a module's list views."""
    module = catalogue.module_of(call)
    views = [_view(view) for view in call.org.views.values() if view["module"] == module]
    if not views:
        return Answer(204)
    info = {"per_page": 200, "default": views[0]["id"], "count": len(views), "page": 1, "more_records": False}
    return Answer(200, {"custom_views": views, "info": info}, schema_settings.ViewsPage)


def get_view(call: Call) -> Answer:
    """Read one list view with its criteria."""
    view = call.org.views.get(call.parts["id"])
    if view is None or view["module"] != catalogue.module_of(call):
        return Answer(204)
    more = {name: view.get(name) for name in ("criteria", "fields", "sort_by", "sort_order", "shared_to")}
    return Answer(200, {"custom_views": [{**_view(view), **more}]}, schema_settings.Views)


def create_views(call: Call) -> Answer:
    """Make list views."""
    module = catalogue.module_of(call)
    results: list[dict[str, Any] | RowError] = []
    for place, row in enumerate(rows_of(call, "custom_views", 5)):
        try:
            results.append(_new_view(call, module, row, f"$.custom_views[{place}]"))
        except RowError as error:
            results.append(error)
    status, body = outcome(call, "custom_views", results, 201)
    return Answer(status, body, schema_settings.MadeViews)


def delete_views(call: Call) -> Answer:
    """Delete list views."""
    module = catalogue.module_of(call)
    if not call.text("ids"):
        raise missing_param("ids")
    results: list[dict[str, Any] | RowError] = []
    for id in call.ids():
        view = call.org.views.get(id)
        if view is None or view["module"] != module:
            results.append(RowError("INVALID_DATA", "the id given seems to be invalid", {"id": id}))
            continue
        del call.org.views[id]
        done = {"code": "SUCCESS", "details": {"id": id}, "message": "custom view deleted", "status": "success"}
        results.append(done)
    status, body = outcome(call, "custom_views", results, 200)
    return Answer(status, body, schema_settings.MadeViews)


def _new_view(call: Call, module: str, row: Any, path: str) -> dict[str, Any]:
    org, name = call.org, row.get("name") if isinstance(row, dict) else None
    if not isinstance(name, str) or not name:
        raise ApiError(400, "REQUIRED_PARAM_MISSING", "invalid data", {"param_name": "name"})
    if any(view["name"] == name and view["module"] == module for view in org.views.values()):
        raise RowError("DUPLICATE_DATA", "duplicate data", {"api_name": "name", "json_path": f"{path}.name"})
    fields = row.get("fields")
    if not isinstance(fields, list) or not fields:
        raise RowError("MANDATORY_NOT_FOUND", "required field not found",
                       {"api_name": "fields", "json_path": f"{path}.fields"})  # fmt: skip
    for number, field in enumerate(fields):
        _known(org, module, field, f"{path}.fields[{number}]")
    _criteria(org, module, row.get("criteria"), f"{path}.criteria", 0)
    now, who, id = org.told(org.now()), values.user(org, call.by.user_id), org.next_id()
    org.views[id] = {
        **row, "id": id, "module": module, "created_time": now, "created_by": who, "modified_time": now,
        "modified_by": who,
    }  # fmt: skip
    return {"code": "SUCCESS", "details": {"id": id}, "message": "custom view created", "status": "success"}


def _criteria(org: Org, module: str, criteria: Any, path: str, depth: int) -> None:
    """Raise what is wrong with a view's criteria."""
    if criteria is None:
        return
    if not isinstance(criteria, dict) or depth > 5:
        raise RowError("INVALID_DATA", "invalid data", {"api_name": "criteria", "json_path": path})
    if "group" in criteria:
        for number, each in enumerate(criteria["group"]):
            _criteria(org, module, each, f"{path}.group[{number}]", depth + 1)
        return
    _known(org, module, criteria.get("field"), f"{path}.field")
    if criteria.get("comparator") not in COMPARATORS:
        raise RowError("INVALID_DATA", "invalid data", {"api_name": "comparator", "json_path": f"{path}.comparator"})
    if "value" not in criteria:
        raise RowError("MANDATORY_NOT_FOUND", "required field not found",
                       {"api_name": "value", "json_path": f"{path}.value"})  # fmt: skip


def _known(org: Org, module: str, field: Any, path: str) -> None:
    name = field.get("api_name") if isinstance(field, dict) else None
    if name not in org.fields[module]:
        raise RowError("INVALID_DATA", "invalid data", {"api_name": "api_name", "json_path": f"{path}.api_name"})


def _view(view: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": view["id"], "name": view["name"], "display_value": view["name"], "system_name": None,
        "access_type": view.get("access_type", "only_to_me"), "default": False, "system_defined": False,
        "category": "created_by_me", "created_time": view["created_time"], "created_by": view["created_by"],
        "modified_time": view["modified_time"], "modified_by": view["modified_by"], "last_accessed_time": None,
        "locked": bool(view.get("locked", False)),
    }  # fmt: skip


def _module(org: Org, name: str) -> dict[str, Any]:
    return {
        "id": org.module_ids[name], "api_name": name, "module_name": name, "plural_label": name,
        "singular_label": SINGULAR[name], "generated_type": "default", "api_supported": True, "creatable": True,
        "editable": True, "deletable": True, "viewable": True, "status": "visible", "per_page": 200,
        "display_field": DISPLAY[name], "show_as_tab": name != "Notes", "global_search_supported": True,
        "convertable": name == "Leads", "profiles": [], "parent_module": {}, "modified_time": None,
        "isBlueprintSupported": name in ("Leads", "Deals"),
    }  # fmt: skip


def _layout(org: Org, module: str) -> dict[str, Any]:
    section = {
        "id": org.layout_ids[module][:-1] + "9", "api_name": f"{SINGULAR[module]}_Information", "name": "Information",
        "display_label": "Information", "sequence_number": 1, "column_count": 2, "type": "used", "mode": "all",
        "isSubformSection": False, "generated_type": "default",
        "fields": [catalogue.wire(org, each) for each in org.fields[module].values()],
    }  # fmt: skip
    return {
        "id": org.layout_ids[module], "name": "Standard", "api_name": "Standard__s", "display_label": "Standard",
        "status": "active", "visible": True, "generated_type": "system", "source": "crm", "created_for": None,
        "created_by": None, "modified_by": None, "created_time": None, "modified_time": None, "profiles": [],
        "has_more_profiles": False, "show_business_card": True, "sections": [section],
    }  # fmt: skip


def _pipeline(org: Org, name: str, is_default: bool) -> dict[str, Any]:
    categories = {"Open": "Pipeline", "Closed Won": "Closed", "Closed Lost": "Omitted"}
    stages = [
        {
            "display_value": label, "sequence_number": place, "actual_value": label, "id": org.stage_ids[label],
            "forecast_type": kind, "forecast_category": {"name": categories[kind], "id": org.stage_ids[label]},
        }
        for place, (label, kind, _) in enumerate(PIPELINES[name], 1)
    ]  # fmt: skip
    return {
        "display_value": name, "default": is_default, "maps": stages, "actual_value": name,
        "id": org.pipeline_ids[name],
    }  # fmt: skip
