"""One record by its id or external id: read, made, changed, upserted, deleted, under conditional headers.

Source: Salesforce REST API guide, "Conditional Request Headers", read 2026-11: `If-Unmodified-Since` and its like know
whole seconds of `LastModifiedDate`, and an invalid one is a 400; ETags exist for accounts only; deletes know neither.
"""

import base64
import hashlib
import json
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from tests.twins.salesforce import ids, writing
from tests.twins.salesforce.calls import Answer, Call
from tests.twins.salesforce.errors import ApiError, Condition, not_found
from tests.twins.salesforce.org import Record
from tests.twins.salesforce.querying import attributes, wire
from tests.twins.salesforce.schema import Field


def create(call: Call) -> Answer:
    """Make a record."""
    record = writing.create(call.saving, call.of, call.body)
    return Answer(201, saved(record), {"Location": attributes(call.version, record)["url"]})


def get(call: Call) -> Answer:
    """Read a record, whole or some fields."""
    record = _live(call)
    modified = (
        datetime.fromisoformat(record.values["LastModifiedDate"]) if "LastModifiedDate" in record.values else None
    )
    since = call.conditional("if-modified-since")
    if since and modified and (at := http_date(since, strict=False)) and modified <= at:
        raise Condition(304)
    _check_conditions(call, record)
    headers = {"ETag": etag(record)} if record.sobject == "Account" else {}
    if modified:
        headers["Last-Modified"] = format_datetime(modified.astimezone(UTC), usegmt=True)
    return Answer(200, whole(call, record, call.names("fields")), headers)


def change(call: Call) -> Answer:
    """Write into a record."""
    record = writing.target(call.org, call.of.name, call.parts["id"]) if ids.parsed(call.parts["id"]) else _live(call)
    _check_conditions(call, record)
    writing.change(call.saving, record, call.body)
    return Answer(204)


def delete(call: Call) -> Answer:
    """Put a record into the recycle bin; conditional headers don't count."""
    writing.remove(call.saving, writing.target(call.org, call.of.name, call.parts["id"]))
    return Answer(204)


def get_by_key(call: Call) -> Answer:
    """Read the record with an external id; several are a 300 that lists them."""
    of, key = call.of, writing.external_id(call.access, call.of, call.parts["key"])
    found = call.org.by_value(of.name, key, call.parts["value"])
    if not found:
        raise not_found()
    if len(found) > 1:
        return Answer(300, [attributes(call.version, each)["url"] for each in found])
    return Answer(200, whole(call, found[0], call.names("fields")))


def upsert(call: Call) -> Answer:
    """Make or change the record with an external id; several are a 300 that lists them, and nothing is written."""
    of, key = call.of, writing.external_id(call.access, call.of, call.parts["key"])
    if any(name.lower() == key.name.lower() for name in call.body):
        raise ApiError("INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.")
    found = call.org.by_value(of.name, key, call.parts["value"])
    if len(found) > 1:
        return Answer(300, [attributes(call.version, each)["url"] for each in found])
    if not found and call.text("updateOnly").lower() == "true":
        raise not_found()
    record, is_new = writing.upsert(call.saving, of, key, call.parts["value"], call.body)
    return Answer(201 if is_new else 200, saved(record) | {"created": is_new})


def saved(record: Record) -> dict[str, object]:
    """Return what is told of a record that was written."""
    return {"id": record.id, "success": True, "errors": []}


def whole(call: Call, record: Record, names: list[str]) -> dict[str, object]:
    """Return a record as the API tells it, some fields of it or all that its user sees."""
    of = call.org.sobjects[record.sobject]
    fields: list[Field] = [call.access.field(of, name) for name in names] if names else call.access.fields(of)
    if names and not any(each.name == "Id" for each in fields):
        fields.append(of.fields["Id"])
    told = {each.name: wire(each, record.values.get(each.name)) for each in fields}
    return {"attributes": attributes(call.version, record), **told}


def etag(record: Record) -> str:
    """Return the strong validator of an account."""
    digest = hashlib.sha256(json.dumps(record.values, sort_keys=True, default=str).encode()).digest()
    return f'"{base64.b64encode(digest).decode()}--gzip"'


def _live(call: Call) -> Record:
    id = ids.parsed(call.parts["id"])
    found = call.org.live(call.of.name, id) if id else None
    if found is None:
        raise not_found("Provided external ID field does not exist or is not accessible: " + call.parts["id"]
                        if id is None else "The requested resource does not exist")  # fmt: skip
    return found


def _check_conditions(call: Call, record: Record) -> None:
    """Raise the 412 where a condition doesn't hold."""
    since = call.conditional("if-unmodified-since")
    if since and "LastModifiedDate" in record.values:
        at = http_date(since, strict=True)
        if at and datetime.fromisoformat(record.values["LastModifiedDate"]) > at:
            raise Condition(412)
    tags = call.conditional("if-match")
    if tags and record.sobject == "Account":
        wanted = [tag.strip() for tag in tags.split(",")]
        if not all(tag.startswith('"') and tag.endswith('"') for tag in wanted):
            raise ApiError("INVALID_HEADER_VALUE", "invalid value for header If-Match")
        if etag(record) not in wanted:
            raise Condition(412)


def http_date(text: str, *, strict: bool) -> datetime | None:
    """Return the time in a conditional header; what is none is a 400, or None where it may be ignored."""
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        if strict:
            raise ApiError("INVALID_HEADER_VALUE", "invalid value for header If-Unmodified-Since") from None
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
