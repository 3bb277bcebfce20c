"""What the platform itself writes into a record: names, outcomes of stages, ends of events, what closes a task."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.twins.salesforce.schema import SObject

if TYPE_CHECKING:
    from tests.twins.salesforce.org import Org

PARTS = ("Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude", "GeocodeAccuracy")
FORECASTS = {"Best Case": "BestCase", "Commit": "Forecast"}
WIRE = "%Y-%m-%dT%H:%M:%S.000+0000"


def derived(org: "Org", of: SObject, old: Mapping[str, Any], held: dict[str, Any], said: set[str]) -> dict[str, Any]:
    """Return values with what follows from them; `said` are the fields that the write names."""
    if {"LastName", "FirstName", "Name"} <= held.keys():
        held["Name"] = " ".join(part for part in (held["FirstName"], held["LastName"]) if part)
    for each in of.fields.values():
        if each.type == "address":
            held[each.name] = _address(held, each.name.removesuffix("Address"))
    special = {"Opportunity": _opportunity, "Task": _task, "Event": _event}.get(of.name)
    if special:
        special(org, old, held, said)
    return held


def _address(held: Mapping[str, Any], prefix: str) -> dict[str, Any] | None:
    parts = {part[0].lower() + part[1:]: held.get(f"{prefix}{part}") for part in PARTS}
    return parts if any(value is not None for value in parts.values()) else None


def _opportunity(org: "Org", old: Mapping[str, Any], held: dict[str, Any], said: set[str]) -> None:
    moved = old.get("StageName") != held["StageName"]
    stage = next(
        (each.values for each in org.every("OpportunityStage") if each.values["ApiName"] == held["StageName"]), None
    )
    if moved:
        held["IsClosed"] = bool(stage and stage["IsClosed"])
        held["IsWon"] = bool(stage and stage["IsWon"])
        held["ForecastCategoryName"] = stage["ForecastCategoryName"] if stage else "Pipeline"
        if "Probability" not in said:
            held["Probability"] = stage["DefaultProbability"] if stage else 0
        if old:
            held["LastStageChangeDate"] = org.stamp()
    name = held["ForecastCategoryName"]
    held["ForecastCategory"] = FORECASTS.get(name, name)
    amount, chance = held["Amount"], held["Probability"]
    held["ExpectedRevenue"] = None if amount is None or chance is None else amount * chance / 100
    close = held["CloseDate"]
    held["FiscalYear"], held["FiscalQuarter"] = int(close[:4]), (int(close[5:7]) + 2) // 3
    held["Fiscal"] = f"{held['FiscalYear']} {held['FiscalQuarter']}"


def _task(org: "Org", old: Mapping[str, Any], held: dict[str, Any], said: set[str]) -> None:
    held["IsClosed"] = held["Status"] == "Completed"
    held["IsHighPriority"] = held["Priority"] == "High"
    if not held["IsClosed"]:
        held["CompletedDateTime"] = None
    elif not old.get("IsClosed"):
        held["CompletedDateTime"] = org.stamp()
    held["TaskSubtype"] = held["TaskSubtype"] or "Task"
    held["AccountId"] = _account(org, held)


def _event(org: "Org", old: Mapping[str, Any], held: dict[str, Any], said: set[str]) -> None:
    if "ActivityDateTime" in said and "StartDateTime" not in said:
        held["StartDateTime"] = held["ActivityDateTime"]
    start = held["ActivityDateTime"] = held["StartDateTime"]
    if start:
        begins = datetime.strptime(start, WIRE).replace(tzinfo=UTC)
        if held["EndDateTime"] and ("EndDateTime" in said or held["DurationInMinutes"] is None):
            ends = datetime.strptime(held["EndDateTime"], WIRE).replace(tzinfo=UTC)
            held["DurationInMinutes"] = int((ends - begins).total_seconds() // 60)
        else:
            ends = begins + timedelta(minutes=held["DurationInMinutes"] or 0)
        held["EndDateTime"] = ends.strftime(WIRE)
        held["ActivityDate"], held["EndDate"] = start[:10], held["EndDateTime"][:10]
    held["EventSubtype"] = held["EventSubtype"] or "Event"
    held["AccountId"] = _account(org, held)


def _account(org: "Org", held: Mapping[str, Any]) -> str | None:
    """Return the account of an activity: what it is about decides, and whom it is with only where that can't."""
    what, who = held["WhatId"], held["WhoId"]
    if what and what.startswith("001"):
        return str(what)
    parent = org.live("Opportunity", what) if what else None
    parent = parent or (org.live("Contact", who) if who else None)
    account = parent.values["AccountId"] if parent else None
    return str(account) if account else None
