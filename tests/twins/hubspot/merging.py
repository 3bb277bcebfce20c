"""Merging two records: the primary's values win, what it lacks comes from the other, and the survivor is a third one.

Source: HubSpot's merge guide, 2026: the surviving record gets a new id unless the account is in the beta that keeps
the primary's; `hs_merged_object_ids` lists the ids that are no more; those answer 404, with no archived flag.
"""

from tests.twins.hubspot import associations
from tests.twins.hubspot.definitions import ACTIVITIES, CREATED, MODIFIED
from tests.twins.hubspot.errors import invalid
from tests.twins.hubspot.portal import Portal, Record, Source

SYSTEM = frozenset({"hs_object_id", "hs_merged_object_ids", "hs_additional_emails"})


def merge(portal: Portal, object_type: str, winner_id: str, loser_id: str, by: Source) -> Record:
    """Merge the loser into the winner and return the survivor."""
    if object_type in ACTIVITIES:
        raise invalid(f"Merging is not supported for {object_type}")
    if winner_id == loser_id:
        raise invalid("A record can't be merged with itself")
    winner, loser = portal.need(object_type, winner_id), portal.need(object_type, loser_id)
    for record in (winner, loser):
        portal.unindex(record)
    values = _values(winner, loser)
    gone = [loser]
    survivor = winner
    if not portal.switches.keeps_primary_id:
        gone = [winner, loser]
        survivor = _reborn(portal, winner)
    ids = [*_listed(winner), *_listed(loser), *(record.id for record in gone)]
    values["hs_merged_object_ids"] = ";".join(dict.fromkeys(ids))
    for record in gone:
        associations.move(portal, object_type, record.id, survivor.id)
        portal.records[object_type].pop(record.id)
        portal.merged[object_type][record.id] = survivor.id
    for old, new in portal.merged[object_type].items():
        portal.merged[object_type][old] = portal.merged[object_type].get(new, new)
    portal.index(survivor)
    label = f"merged by {by.id or by.type}"
    portal.commit(survivor, values, Source("MERGE_OBJECTS", survivor.id, label, by.user_id))
    return survivor


def _values(winner: Record, loser: Record) -> dict[str, str | None]:
    """Return what the merge itself writes into the survivor."""
    untouched = {*SYSTEM, CREATED[winner.type], MODIFIED[winner.type]}
    values: dict[str, str | None] = {
        name: value for name, value in loser.values.items() if name not in untouched and name not in winner.values
    }
    if winner.type == "contacts":
        addresses = [_split(record, name) for record in (winner, loser) for name in ("hs_additional_emails",)]
        others = [*addresses[0], *addresses[1]]
        if loser.values.get("email") and winner.values.get("email"):
            others.append(loser.values["email"])
        if others:
            values["hs_additional_emails"] = ";".join(dict.fromkeys(others))
    return values


def _reborn(portal: Portal, winner: Record) -> Record:
    """Return the winner under a new id, its history with it."""
    id = portal.new_id()
    survivor = Record(
        winner.type, id, winner.created_at, winner.updated_at, {**winner.values, "hs_object_id": id},
        {name: list(entries) for name, entries in winner.history.items()},
    )  # fmt: skip
    portal.records[winner.type][id] = survivor
    return survivor


def _listed(record: Record) -> list[str]:
    return _split(record, "hs_merged_object_ids")


def _split(record: Record, name: str) -> list[str]:
    return [part for part in record.values.get(name, "").split(";") if part]
