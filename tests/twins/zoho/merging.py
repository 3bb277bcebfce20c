"""Merging by a job of the vendor's: the losers are gone for good, and nothing of theirs says where to.

What pointed at a loser points at the master after; of values, those of the loser count that the request names.
Source: zoho/crm-oas v8.0 find_and_merge, read 2026-11-22.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tests.twins.zoho import schema
from tests.twins.zoho.calls import Answer, Call
from tests.twins.zoho.errors import ApiError, wrong_path
from tests.twins.zoho.fields import MODULES
from tests.twins.zoho.org import Author, Entry, Org, Record

MERGED = ("Leads", "Contacts", "Accounts", "Deals")
LOOKUPS = ("Account_Name", "Contact_Name", "Who_Id", "What_Id", "Parent_Id")


def start(call: Call) -> Answer:
    """Merge up to two records into the one in the path, at once or as a job."""
    master = _master(call)
    jobs = call.body.get("merge") if isinstance(call.body, dict) else None
    if not isinstance(jobs, list) or len(jobs) != 1 or not isinstance(jobs[0], dict):
        raise ApiError(400, "INVALID_DATA", "invalid data")
    losers = jobs[0].get("data") or []
    if not 1 <= len(losers) <= 2:
        details = {"api_name": "data", "json_path": "$.merge[0].data", "maximum_length": 2}
        raise ApiError(400, "INVALID_DATA", "one or two child record ids can be merged", details, "merge")
    names: dict[str, list[str]] = {}
    for place, loser in enumerate(losers):
        path = {"api_name": "id", "json_path": f"$.merge[0].data[{place}].id"}
        id = loser.get("id")
        if id == master.id or id in names:
            raise ApiError(400, "DUPLICATE_DATA", "Valid record ids need to be given for merging", path, "merge")
        if not isinstance(id, str) or call.org.live(call.module, id) is None:
            raise ApiError(400, "MANDATORY_NOT_FOUND", "required id not found", path, "merge")
        names[id] = [each["api_name"] for each in loser.get("_fields") or []]
    delay_s = call.org.switches.merge_delay_s
    job = {
        "module": call.module, "master": master.id, "losers": names, "by": call.by, "status": "SCHEDULED",
        "due": call.org.clock() + timedelta(seconds=delay_s),
    }  # fmt: skip
    id = call.org.next_id()
    call.org.jobs[id] = job
    settle(call.org)
    done = {"code": "SUCCESS", "details": {"id": master.id}, "message": "The records has been merged successfully"}
    later = {"code": "SCHEDULED", "details": {"job_id": id},
             "message": "The records have been scheduled in a scheduler"}  # fmt: skip
    return Answer(201, {"merge": [{**(later if delay_s else done), "status": "success"}]}, schema.Merges)


def status(call: Call) -> Answer:
    """Tell how a job fares."""
    _master(call)
    job = call.org.jobs.get(call.text("job_id"))
    if job is None:
        raise ApiError(400, "INVALID_DATA", "invalid data", {"param_name": "job_id"})
    return Answer(200, {"merge": [{"job_id": call.text("job_id"), "status": job["status"]}]})


def settle(org: Org) -> None:
    """Do what is due of the jobs."""
    for job in org.jobs.values():
        if job["status"] == "SCHEDULED" and org.clock() >= job["due"]:
            master = org.live(job["module"], job["master"])
            losers = [found for id in job["losers"] if (found := org.live(job["module"], id))]
            job["status"] = "completed" if master and losers else "failed"
            if master and losers:
                taken = {name: each.values.get(name) for each in losers for name in job["losers"][each.id]}
                merged(org, master, losers, taken, job["by"])


def merged(org: Org, master: Record, losers: Sequence[Record], taken: dict[str, Any], by: Author) -> None:
    """Merge records: the master takes these values and all that pointed at the losers."""
    org.commit(master, taken, by, fires=False)
    gone = {loser.id for loser in losers}
    for loser in losers:
        other = (loser.module, loser.id, loser.name)
        source = Author(by.user_id, "findandmerge")
        master.entries.append(Entry(org.next_id(), org.now(), "find_and_merge_duplicate", source, other=other))
        org.delete(loser, None)
    for record in [each for module in MODULES for each in org.all(module)]:
        moved = {name: master.id for name in LOOKUPS if record.values.get(name) in gone}
        if moved:
            record.values = {**record.values, **moved}
            org.snapshot(record)


def _master(call: Call) -> Record:
    record = call.org.live(call.module, call.parts["id"])
    if call.module not in MERGED:
        raise wrong_path(0, "the module name given seems to be invalid", "INVALID_MODULE")
    if record is None:
        raise wrong_path(1, "Master record id is not available")
    return record
