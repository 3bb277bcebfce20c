"""Search, which is behind what was written, and what is related to a record, which isn't.

`email` and `phone` find parts of values in every field of that type. Source: zoho/crm-oas v8.0 module_search and
related_records, read 2026-11-22.
"""

import re
from collections.abc import Mapping
from typing import Any

from tests.twins.zoho import criteria, schema, values
from tests.twins.zoho.calls import Answer, Call
from tests.twins.zoho.errors import ApiError, wrong_param, wrong_path
from tests.twins.zoho.fields import Field
from tests.twins.zoho.org import Record
from tests.twins.zoho.records import page_of, wanted

ASKED, MOST = ("criteria", "email", "phone", "word"), 2000
WORDS = ("text", "email", "phone", "website", "textarea", "picklist")


def search(call: Call) -> Answer:
    """Find records by what the index knows of them; only the first of criteria, email, phone and word counts."""
    given = [name for name in ASKED if call.text(name)]
    if not given:
        raise ApiError(400, "EXPECTED_PARAM_MISSING", "one of the expected parameter is missing",
                       {"param_names": [*ASKED]})  # fmt: skip
    found = _found(call, given[0], call.text(given[0]))
    by = call.text("sort_by", "id")
    if by not in call.org.fields[call.module]:
        raise wrong_param("sort_by")
    order = call.text("sort_order", "desc")
    # sorted by the index, which knows numbers and texts apart
    found.sort(key=lambda each: (each[1].get(by) is not None, str(each[1].get(by))), reverse=order == "desc")
    size, number = call.number("per_page", 200, 200), call.number("page", 1)
    if number * size > MOST:
        raise ApiError(400, "LIMIT_REACHED", "You can only get the first 2000 records", {"limit": MOST})
    page = found[(number - 1) * size : number * size]
    if not page:
        return Answer(204)
    names = call.names("fields") or None
    info = {
        "per_page": size, "count": len(page), "page": number, "more_records": number * size < len(found),
        "sort_by": by, "sort_order": order,
    }  # fmt: skip
    data = [values.wire(call.org, _as_indexed(record, known), names) for record, known in page]
    return Answer(200, {"data": data, "info": info}, schema.SearchPage)


def related(call: Call) -> Answer:
    """Read a page of what is related to a record."""
    module, id, name = call.module, call.parts["id"], call.parts["related"]
    links = RELATED.get((module, name), RELATED.get(("*", name)))
    if links is None:
        raise wrong_path(2, "The related name given seems to be invalid")
    if call.org.live(module, id) is None:
        raise wrong_path(1, "The related id given seems to be invalid")
    of, lookups = links
    rows = [row for row in call.org.all(of) if any(row.values.get(lookup) == id for lookup in lookups)]
    since = call.since("if-modified-since")
    rows = [row for row in rows if since is None or row.modified_at > since]
    return page_of(call, rows, wanted(call))


RELATED: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("*", "Notes"): ("Notes", ("Parent_Id",)),
    ("*", "Tasks"): ("Tasks", ("Who_Id", "What_Id")),
    ("*", "Events"): ("Events", ("Who_Id", "What_Id")),
    ("Contacts", "Deals"): ("Deals", ("Contact_Name",)),
    ("Accounts", "Deals"): ("Deals", ("Account_Name",)),
    ("Accounts", "Contacts"): ("Contacts", ("Account_Name",)),
}
"""Module and related list -> the module of what is in it, and the lookups that put it there."""


def _found(call: Call, by: str, text: str) -> list[tuple[Record, Mapping[str, Any]]]:
    fits = criteria.parsed(call.org, call.module, text) if by == "criteria" else _holding(call, by, text)
    known = [(record, call.org.indexed(record)) for record in call.org.records[call.module].values()]
    return [(record, held) for record, held in known if held is not None and fits(held)]


def _holding(call: Call, by: str, text: str) -> criteria.Fits:
    if (by == "word" and len(text) < 2) or (by == "phone" and not re.fullmatch(r"[+]?[0-9\s\-().]{3,50}", text)):
        raise wrong_param(by, "PATTERN_NOT_MATCHED", "Please check whether the input values are correct")
    fields = [each for each in call.org.fields[call.module].values() if _asked(each, by)]
    sought = _digits(text) if by == "phone" else text.casefold()

    def fits(held: Mapping[str, Any]) -> bool:
        texts = [str(held[each.api_name]) for each in fields if held.get(each.api_name)]
        return any(sought in (_digits(each) if by == "phone" else each.casefold()) for each in texts)

    return fits


def _asked(field: Field, by: str) -> bool:
    return field.data_type in WORDS if by == "word" else field.data_type == by


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _as_indexed(record: Record, known: Mapping[str, Any]) -> Record:
    """Return a record as it was when the index learned of it."""
    return Record(
        record.module, record.id, record.created_at, known["Modified_Time"], record.created_by, known["Modified_By"],
        dict(known), is_locked=record.is_locked, is_waiting=record.is_waiting, converted=record.converted,
    )  # fmt: skip
