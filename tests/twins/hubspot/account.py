"""What belongs to the account: pipelines, owners, its own details, what is used of its limits, its workflows.

The SDK has no models for details, usage, limits and workflows; their shapes are those of HubSpot's reference pages.
Source: developers.hubspot.com, account-info, limits-tracking and automation v4, 2026.
"""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.twins.hubspot.calls import Answer, Call, page
from tests.twins.hubspot.definitions import OBJECTS
from tests.twins.hubspot.errors import ApiError, invalid, not_found
from tests.twins.hubspot.values import iso

PIPELINES, OWNERS = "hubspot.crm.pipelines", "hubspot.crm.owners"


def list_pipelines(call: Call) -> Answer:
    """Read the pipelines with their stages."""
    return Answer(200, {"results": _pipelines(call)}, (PIPELINES, "CollectionResponsePipelineNoPaging"))


def get_pipeline(call: Call) -> Answer:
    """Read one pipeline."""
    return Answer(200, _pipeline(call), (PIPELINES, "Pipeline"))


def list_stages(call: Call) -> Answer:
    """Read the stages of a pipeline."""
    return Answer(200, {"results": _pipeline(call)["stages"]}, (PIPELINES, "CollectionResponsePipelineStageNoPaging"))


def get_stage(call: Call) -> Answer:
    """Read one stage of a pipeline."""
    found = next((each for each in _pipeline(call)["stages"] if each["id"] == call.parts["stage"]), None)
    if found is None:
        raise not_found("resource not found")
    return Answer(200, found, (PIPELINES, "PipelineStage"))


def list_owners(call: Call) -> Answer:
    """Read a page of owners."""
    limit = call.number("limit", 100, 500)
    wanted, archived = call.text("email").lower(), call.flag("archived")
    rows = [
        owner for owner in call.portal.owners
        if owner["archived"] == archived and wanted in ("", owner["email"].lower())
    ]  # fmt: skip
    shown, paging = page(rows, call, limit)
    return Answer(200, {"results": shown, **paging}, (OWNERS, "CollectionResponsePublicOwnerForwardPaging"))


def get_owner(call: Call) -> Answer:
    """Read one owner, by owner id or by user id."""
    key = call.text("idProperty", "id")
    if key not in ("id", "userId"):
        raise invalid("idProperty must be id or userId")
    found = next((each for each in call.portal.owners if str(each[key]) == call.parts["id"]), None)
    if found is None or found["archived"] != call.flag("archived"):
        raise not_found("resource not found")
    return Answer(200, found, (OWNERS, "PublicOwner"))


def details(call: Call) -> Answer:
    """Tell which account this is."""
    switches = call.portal.switches
    offset = call.portal.clock().astimezone(ZoneInfo(switches.time_zone)).utcoffset() or timedelta()
    hours, minutes = divmod(abs(int(offset.total_seconds())) // 60, 60)
    return Answer(200, {
        "portalId": switches.portal_id, "accountType": switches.account_type, "timeZone": switches.time_zone,
        "companyCurrency": switches.currency, "additionalCurrencies": [], "uiDomain": "app-eu1.hubspot.com",
        "utcOffset": f"{'-' if offset < timedelta() else '+'}{hours:02d}:{minutes:02d}",
        "utcOffsetMilliseconds": int(offset.total_seconds() * 1000), "dataHostingLocation": "eu1",
    })  # fmt: skip


def usage(call: Call) -> Answer:
    """Tell how many calls of the day are used."""
    limits = call.portal.limits
    row = {
        "name": "private-apps-api-calls-daily", "usageLimit": limits.daily, "currentUsage": limits.used_today(),
        "fetchStatus": "SUCCESS",
        "collectedAt": iso(call.portal.clock()), "resetsAt": iso(limits.next_midnight()),
    }  # fmt: skip
    return Answer(200, {"results": [row]})


def limits(call: Call) -> Answer:
    """Tell how many custom properties there are, and how many there may be."""
    most, rows = call.portal.switches.custom_property_limit, list[dict[str, Any]]()
    for kind, (type_id, label, _) in OBJECTS.items():
        used = len([x for x in call.portal.definitions[kind].values() if x.custom and not x.archived_at])
        rows.append({
            "objectTypeId": type_id, "singularLabel": label, "pluralLabel": kind.capitalize(), "limit": most,
            "usage": used, "percentage": 100 * used / most,
        })  # fmt: skip
    used = sum(row["usage"] for row in rows)
    overall = most * len(OBJECTS)
    return Answer(200, {
        "byObjectType": rows, "overallLimit": overall, "overallUsage": used, "overallPercentage": 100 * used / overall,
    })  # fmt: skip


def list_flows(call: Call) -> Answer:
    """Read a page of workflows, without what they do."""
    shown, paging = page(call.portal.flows, call, call.number("limit", 100, 100))
    short = ("id", "isEnabled", "flowType", "objectTypeId", "name", "revisionId", "uuid", "createdAt", "updatedAt")
    return Answer(200, {"results": [{key: flow[key] for key in short} for flow in shown], **paging})


def get_flow(call: Call) -> Answer:
    """Read one workflow whole."""
    found = next((flow for flow in call.portal.flows if flow["id"] == call.parts["id"]), None)
    if found is None:
        raise not_found("resource not found")
    return Answer(200, found)


def read_flows(call: Call) -> Answer:
    """Read workflows whole, by id; those that aren't there are left out."""
    if not isinstance(call.body, dict) or not isinstance(call.body.get("inputs"), list):
        raise invalid("inputs is required")
    wanted = [row.get("flowId") for row in call.body["inputs"] if row.get("type") == "FLOW_ID"]
    at = iso(call.portal.clock())
    rows = [flow for flow in call.portal.flows if flow["id"] in wanted]
    return Answer(200, {"status": "COMPLETE", "results": rows, "startedAt": at, "completedAt": at})


def _pipelines(call: Call) -> list[dict[str, Any]]:
    if call.type() != "deals":
        raise ApiError(400, "VALIDATION_ERROR", f"{call.type()} have no pipelines")
    return call.portal.pipelines


def _pipeline(call: Call) -> dict[str, Any]:
    found = next((each for each in _pipelines(call) if each["id"] == call.parts["id"]), None)
    if found is None:
        raise not_found("resource not found")
    return found
