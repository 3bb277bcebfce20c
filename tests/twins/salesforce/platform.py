"""What the platform refuses of a record as a whole, whatever an admin says: owners, and what activities are about.

Known rather than read: a task or event of a lead is about nothing else, an event needs a begin and an end or a length
and ends after it begins, and who has left owns nothing new.
"""

from collections.abc import Mapping
from typing import Any

from tests.twins.salesforce.errors import ApiError
from tests.twins.salesforce.org import Org
from tests.twins.salesforce.schema import SObject


def check(org: Org, of: SObject, whole: Mapping[str, Any], said: set[str]) -> None:
    """Raise what the platform refuses of a record; `said` are the fields that the write names."""
    owner = org.records["User"].get(whole["OwnerId"]) if "OwnerId" in said else None
    if owner and not owner.values["IsActive"]:
        words = f"operation performed with inactive user [{owner.id}] as owner of {of.raw['label'].lower()}"
        raise ApiError("INACTIVE_OWNER_OR_USER", words, ["OwnerId"])
    if of.name in ("Task", "Event") and whole["WhatId"] and str(whole["WhoId"]).startswith("00Q"):
        words = "Related To ID: can't be specified together with a lead"
        raise ApiError("FIELD_INTEGRITY_EXCEPTION", words, ["WhatId"])
    if of.name == "Event" and "EndDateTime" in said and _ends_early(whole):
        raise ApiError("FIELD_INTEGRITY_EXCEPTION", "End Date Time: can't be before Start Date Time", ["EndDateTime"])


def missing_times(of: SObject, whole: Mapping[str, Any]) -> list[str]:
    """Return what an event lacks: when it begins, and how long it takes."""
    if of.name != "Event" or whole["IsAllDayEvent"]:
        return []
    begins = whole["StartDateTime"] or whole["ActivityDateTime"]
    ends = whole["EndDateTime"] or whole["DurationInMinutes"] is not None
    return ([] if ends else ["DurationInMinutes"]) + ([] if begins else ["ActivityDateTime"])


def _ends_early(whole: Mapping[str, Any]) -> bool:
    begins, ends = whole["StartDateTime"] or whole["ActivityDateTime"], whole["EndDateTime"]
    return bool(begins and ends and ends < begins)
