"""What the org says of itself: versions, limits, its objects and their fields, what changed since, who asks."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.twins.salesforce import rows
from tests.twins.salesforce.calls import Answer, Call
from tests.twins.salesforce.errors import ApiError, Condition
from tests.twins.salesforce.org import Record, wire_time
from tests.twins.salesforce.querying import Query
from tests.twins.salesforce.schema import SObject
from tests.twins.salesforce.values import moment

UPDATED_DAYS, DELETED_DAYS = 30, 15
SEASONS = {0: "Winter", 1: "Spring", 2: "Summer"}


def versions(lowest: int, highest: int) -> list[dict[str, str]]:
    """Return the versions that are served; the 68th is Winter '27."""
    return [
        {"label": f"{SEASONS[(number - 68) % 3]} '{27 + (number - 68) // 3}", "url": f"/services/data/v{number}.0",
         "version": f"{number}.0"}
        for number in range(lowest, highest + 1)
    ]  # fmt: skip


def resources(call: Call) -> Answer:
    """Return what lies under a version."""
    names = ("sobjects", "query", "queryAll", "limits", "composite", "tooling", "ui-api")
    return Answer(200, {name: f"/services/data/v{call.version}/{name}" for name in names})


def limits(call: Call) -> Answer:
    """Return the limits; only those of calls are alive."""
    left = max(call.limits.daily - call.limits.used(), 0)
    return Answer(200, {"DailyApiRequests": {"Max": call.limits.daily, "Remaining": left}})


def everything(call: Call) -> Answer:
    """Return the objects that this user may see."""
    seen = [of for of in call.org.sobjects.values() if call.access.sobject(of.name)]
    return Answer(200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": [_head(call, of) for of in seen]})


def basics(call: Call) -> Answer:
    """Return an object without its fields, and its newest records."""
    return Answer(200, {"objectDescribe": _head(call, call.of), "recentItems": []})


def describe(call: Call) -> Answer:
    """Return an object with its record types and the fields that this user may see; 304 if nothing changed since."""
    of = call.of
    since = call.conditional("if-modified-since")
    if since and (at := rows.http_date(since, strict=False)) and call.org.schema_at <= at:
        raise Condition(304)
    fields = []
    for each in call.access.fields(of):
        may = call.access.writes(of, each)
        fields.append({**each.raw, "createable": each.createable and may, "updateable": each.updateable and may})
    types = [_record_type(each.values["Name"], each.id, each.values["DeveloperName"])
             for each in call.org.every("RecordType") if each.values["SobjectType"] == of.name]  # fmt: skip
    master = _record_type("Master", "012000000000000AAA", "Master")
    return Answer(200, {**_head(call, of), "fields": fields, "recordTypeInfos": [*types, master]})


def query(call: Call) -> Answer:
    """Run a query over what isn't deleted."""
    return _queried(call, everything=False)


def query_all(call: Call) -> Answer:
    """Run a query over what lies in the recycle bin, too."""
    return _queried(call, everything=True)


def more(call: Call) -> Answer:
    """Return a later page of a query."""
    return Answer(200, call.cursors.more(call.access.user, call.version, call.parts["locator"]))


def updated(call: Call) -> Answer:
    """Return the ids of records that changed within a span; its seconds don't count."""
    start, end = _span(call, UPDATED_DAYS)
    held = [each for each in call.org.every(call.of.name) if start <= _stamp(each) < end]
    return Answer(200, {"ids": [each.id for each in held], "latestDateCovered": wire_time(min(end, call.org.now()))})


def deleted(call: Call) -> Answer:
    """Return the records that were deleted within a span; its seconds don't count."""
    start, end = _span(call, DELETED_DAYS)
    gone = [(each, each.deleted_at) for each in call.org.records[call.of.name].values() if each.deleted_at]
    held = [{"id": each.id, "deletedDate": wire_time(at)} for each, at in gone if start <= at < end]
    earliest = call.org.now() - timedelta(days=DELETED_DAYS)
    return Answer(200, {
        "deletedRecords": held, "earliestDateAvailable": wire_time(earliest),
        "latestDateCovered": wire_time(min(end, call.org.now())),
    })  # fmt: skip


def user_info(call: Call) -> Answer:
    """Return who asks."""
    user = call.org.records["User"][call.access.user].values
    domain = call.org.switches.my_domain
    return Answer(200, {
        "sub": f"https://login.salesforce.com/id/{call.org.id}/{user['Id']}", "user_id": user["Id"],
        "organization_id": call.org.id, "preferred_username": user["Username"], "name": user["Name"],
        "email": user["Email"], "active": True, "user_type": "STANDARD", "urls": {"rest": f"https://{domain}/services/data/v{{version}}/"},
    })  # fmt: skip


def _queried(call: Call, *, everything: bool) -> Answer:
    text = call.text("q")
    if not text:
        raise ApiError("MALFORMED_QUERY", "A query string has to be specified")
    total, found = Query(call.org, call.access, text, everything=everything).run(call.version)
    size = call.org.switches.batch
    options = call.headers.get("sforce-query-options", "").replace(" ", "").lower()
    if options.startswith("batchsize="):
        size = min(max(int(options.partition("=")[2] or 0), 200), 2000)
    return Answer(200, call.cursors.first(call.access.user, call.version, total, found, size))


def _head(call: Call, of: SObject) -> dict[str, Any]:
    base = f"/services/data/v{call.version}/sobjects/{of.name}"
    may = not call.org.switches.read_only or call.access.unbounded
    flags = {flag: bool(of.raw[flag]) and may for flag in ("createable", "deletable", "updateable")}
    urls = {"describe": f"{base}/describe", "rowTemplate": base + "/{ID}", "sobject": base}
    return {**of.raw, **flags, "urls": urls}


def _record_type(name: str, id: str, developer_name: str) -> dict[str, Any]:
    master = developer_name == "Master"
    return {
        "active": True, "available": True, "defaultRecordTypeMapping": master, "developerName": developer_name,
        "master": master, "name": name, "recordTypeId": id, "urls": {},
    }  # fmt: skip


def _span(call: Call, days: int) -> tuple[datetime, datetime]:
    if not call.of.raw["replicateable"]:
        raise ApiError("INVALID_TYPE", f"sObject type '{call.of.name}' is not replicateable")
    start, end = moment(call.text("start")), moment(call.text("end"))
    if start is None or end is None:
        raise ApiError("INVALID_REPLICATION_DATE", "start and end must be times with their offset")
    start, end = (at.astimezone(UTC).replace(second=0, microsecond=0) for at in (start, end))
    if start >= end:
        raise ApiError("INVALID_REPLICATION_DATE", "endDate has to be at least one minute greater than startDate")
    if start < call.org.now() - timedelta(days=days):
        words = f"startDate before org limit of {days} days"
        raise ApiError("INVALID_REPLICATION_DATE", words)
    return start, end


def _stamp(record: Record) -> datetime:
    return datetime.fromisoformat(record.values["SystemModstamp"])
