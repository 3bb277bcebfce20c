"""What belongs to the account: fields with their options, pipelines, stages, users, activity types, webhooks.

Source: Pipedrive's v2 fields, pipelines and stages reference, v1 users and webhooks reference, 2026.
"""

from typing import Any

from tests.twins.pipedrive import schema
from tests.twins.pipedrive.calls import Answer, Call, one, page
from tests.twins.pipedrive.errors import ApiError, invalid, not_found
from tests.twins.pipedrive.fields import Definition, new_code
from tests.twins.pipedrive.values import ACTIVITY_TYPES

OF_FIELDS = {"personFields": "persons", "dealFields": "deals", "organizationFields": "organizations"}


def list_fields(call: Call) -> Answer:
    """Read a page of fields."""
    return page(list(_fields(call).values()), call, Definition.wire, schema.FieldOut)


def get_field(call: Call) -> Answer:
    """Read one field."""
    return one(_field(call).wire(), schema.FieldOut)


def create_field(call: Call) -> Answer:
    """Make a custom field; two of one name are no error, and its code can't be chosen."""
    _need_admin(call)
    kind, body = OF_FIELDS[call.parts["fields"]], call.body
    takes_options = body["field_type"] in ("enum", "set")
    if takes_options != bool(body.get("options")):
        raise invalid("options: required for enum and set, and for nothing else")
    company = call.company
    code = new_code(company.switches.company_id, kind, company.next_id("fields"))
    options = {company.next_id("options"): each["label"] for each in body.get("options") or []}
    made = Definition(code, body["field_name"], body["field_type"], True, body.get("description"), options)
    company.definitions[kind][code] = made
    return one(made.wire(), schema.FieldOut)


def change_field(call: Call) -> Answer:
    """Give a custom field another name or description."""
    _need_admin(call)
    held = _custom(call)
    held.name = call.body.get("field_name") or held.name
    held.description = call.body.get("description", held.description)
    return one(held.wire(), schema.FieldOut)


def delete_field(call: Call) -> Answer:
    """Delete a custom field and, with it, its values."""
    _need_admin(call)
    held = _custom(call)
    kind = OF_FIELDS[call.parts["fields"]]
    del call.company.definitions[kind][held.code]
    for record in call.company.records[kind].values():
        record.custom = {code: value for code, value in record.custom.items() if code != held.code}
        record.snapshots = [
            (at, known and {**known, "custom": {k: v for k, v in known["custom"].items() if k != held.code}})
            for at, known in record.snapshots
        ]
    return one(held.wire(), schema.FieldOut)


def add_options(call: Call) -> Answer:
    """Add choices, all or none; only the new ones are answered."""
    held = _custom(call)
    labels = [each["label"] for each in call.body]
    if held.type not in ("enum", "set") or not labels or set(labels) & set(held.options.values()):
        raise invalid("options: the field takes none, or has one of them")
    made = {call.company.next_id("options"): label for label in labels}
    held.options |= made
    rows = [row for row in held.option_rows() if row["id"] in made]
    return Answer(200, {"success": True, "data": rows}, schema.Option)


def delete_options(call: Call) -> Answer:
    """Delete choices, all or none; only they are answered."""
    held = _custom(call)
    ids = [each["id"] for each in call.body]
    if not ids or set(ids) - set(held.options):
        raise invalid("options: one of them does not exist")
    rows = [row for row in held.option_rows() if row["id"] in ids]
    held.options = {id: label for id, label in held.options.items() if id not in ids}
    return Answer(200, {"success": True, "data": rows}, schema.Option)


def list_pipelines(call: Call) -> Answer:
    """Read a page of pipelines."""
    return page([each for each in call.company.pipelines if not each["is_deleted"]], call, dict, schema.Pipeline)


def get_pipeline(call: Call) -> Answer:
    """Read one pipeline."""
    return one(_row(call.company.pipelines, call.id(), "Pipeline"), schema.Pipeline)


def list_stages(call: Call) -> Answer:
    """Read a page of stages, of one pipeline or of all."""
    of = call.number("pipeline_id")
    rows = [each for each in call.company.stages if of in (None, each["pipeline_id"]) and not each["is_deleted"]]
    return page(rows, call, dict, schema.Stage)


def get_stage(call: Call) -> Answer:
    """Read one stage."""
    return one(_row(call.company.stages, call.id(), "Stage"), schema.Stage)


def list_users(call: Call) -> Answer:
    """Read all users at once."""
    rows = [{**user, "is_you": user["id"] == call.by.user_id} for user in call.company.users]
    return Answer(200, {"success": True, "data": rows, "additional_data": None}, schema.User)


def get_user(call: Call) -> Answer:
    """Read one user, or who asks, with the company."""
    is_me = call.parts["id"] == "me"
    user = _row(call.company.users, call.by.user_id if is_me else call.id(), "User")
    switches = call.company.switches
    more = {
        "company_id": switches.company_id, "company_name": switches.name, "company_domain": switches.domain,
        "company_country": "DE",
    }  # fmt: skip
    return one({**user, "is_you": user["id"] == call.by.user_id, **(more if is_me else {})}, schema.User)


def list_types(call: Call) -> Answer:
    """Read the types of activities."""
    rows = [
        {"id": id, "name": key.capitalize(), "key_string": key, "icon_key": key, "active_flag": True, "order_nr": id,
         "is_custom_flag": False}
        for id, key in enumerate(ACTIVITY_TYPES, 1)
    ]  # fmt: skip
    return Answer(200, {"success": True, "data": rows}, schema.ActivityType)


def list_webhooks(call: Call) -> Answer:
    """Read all webhooks."""
    return Answer(200, {"success": True, "data": list(call.company.webhooks.values())}, schema.Webhook)


def create_webhook(call: Call) -> Answer:
    """Subscribe, up to forty times."""
    company, body = call.company, call.body
    if len(company.webhooks) >= company.switches.webhook_limit:
        raise ApiError(403, "Webhook limit reached", "ERR_WEBHOOK_LIMIT_REACHED")
    id = company.next_id("webhooks")
    company.webhooks[id] = {
        "id": id, "company_id": company.switches.company_id, "owner_id": call.by.user_id,
        "user_id": body.get("user_id") or call.by.user_id, "event_action": body["event_action"],
        "event_object": body["event_object"], "subscription_url": body["subscription_url"],
        "version": body.get("version", "2.0"), "is_active": 1, "add_time": company.clock().isoformat(),
        "type": "general", "name": body["name"], "http_auth_user": body.get("http_auth_user"),
    }  # fmt: skip
    return one(company.webhooks[id], schema.Webhook, 201)


def delete_webhook(call: Call) -> Answer:
    """Unsubscribe."""
    if call.company.webhooks.pop(call.id(), None) is None:
        raise not_found("Webhook")
    return Answer(200, {"success": True, "status": "ok"})


def _fields(call: Call) -> dict[str, Definition]:
    return call.company.definitions[OF_FIELDS[call.parts["fields"]]]


def _field(call: Call) -> Definition:
    if found := _fields(call).get(call.parts["code"]):
        return found
    raise not_found("Field")


def _custom(call: Call) -> Definition:
    found = _field(call)
    if not found.is_custom:
        raise ApiError(403, "Only custom fields can be changed", "ERR_FORBIDDEN")
    return found


def _need_admin(call: Call) -> None:
    if not call.company.user(call.by.user_id)["is_admin"]:
        raise ApiError(403, "You do not have permission to edit fields", "ERR_FORBIDDEN")


def _row(rows: list[dict[str, Any]], id: int, what: str) -> dict[str, Any]:
    found = next((each for each in rows if each["id"] == id), None)
    if found is None:
        raise not_found(what)
    return found
