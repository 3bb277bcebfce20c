"""From what a request says to what a record holds: every property checked before any is written.

All problems of a row are told at once, as HubSpot does. Order: the property exists, may be written, takes the value;
then what holds between properties (a stage of its pipeline, a life cycle that only goes forward), what is required,
what an admin's rules ask (only where the API version enforces them), and last what nobody else may have.
"""

from collections.abc import Mapping

from tests.twins.hubspot.definitions import ACTIVITIES, LIFECYCLE, OBJECTS, Definition
from tests.twins.hubspot.errors import ApiError, Problem, invalid_properties
from tests.twins.hubspot.portal import Portal, Record, Source
from tests.twins.hubspot.values import Refused, canonical

Values = dict[str, str | None]


def create(portal: Portal, object_type: str, properties: Mapping[str, str], source: Source, *, ruled: bool) -> Record:
    """Make a record from a request's properties, or refuse all of them."""
    values = checked(portal, object_type, properties, None, ruled=ruled)
    return portal.add(object_type, _with_computed(portal, object_type, values, {}), source)


def update(portal: Portal, record: Record, properties: Mapping[str, str], source: Source, *, ruled: bool) -> None:
    """Change a record by a request's properties, or refuse all of them."""
    values = checked(portal, record.type, properties, record, ruled=ruled)
    portal.commit(record, _with_computed(portal, record.type, values, record.values), source)


def checked(
    portal: Portal, object_type: str, properties: Mapping[str, str], record: Record | None, *, ruled: bool
) -> Values:
    """Return the values to store; raise the 400 or 409 that tells everything that is wrong."""
    values, problems = _read(portal, object_type, properties)
    if object_type == "deals":
        problems += _check_stage(portal, values, record)
    if "lifecyclestage" in values:
        _keep_forward(values, record)
    merged: Values = {**(record.values if record else {}), **values}
    if object_type in ACTIVITIES and not merged.get("hs_timestamp"):
        problems.append(Problem("REQUIRED_FIELD", "hs_timestamp is required", "hs_timestamp"))
    if ruled:
        problems += [
            found for rule in portal.rules for found in rule.problems(object_type, merged, values, record is None)
        ]
    if problems:
        raise invalid_properties(problems, portal.switches.portal_id)
    _check_unique(portal, object_type, values, record)
    return values


def _read(portal: Portal, object_type: str, properties: Mapping[str, str]) -> tuple[Values, list[Problem]]:
    values: Values = {}
    problems: list[Problem] = []
    for name, raw in properties.items():
        definition = portal.definition(object_type, name)
        if definition is None:
            problems.append(Problem("PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist', name))
        elif definition.read_only:
            words = f'"{name}" is a read only property; its value cannot be set'
            problems.append(Problem("READ_ONLY_VALUE", words, name))
        else:
            try:
                values[name] = canonical(definition, raw)
                _check_choice(portal, definition, values[name])
            except Refused as refused:
                problems.append(refused.problem(name))
    return values, problems


def _check_choice(portal: Portal, definition: Definition, value: str | None) -> None:
    """Check what is chosen from the portal's own lists."""
    if value is None or definition.custom:
        return
    allowed: set[str] | None = None
    if definition.name == "hubspot_owner_id":
        allowed = {owner["id"] for owner in portal.owners if not owner["archived"]}
    elif definition.name == "pipeline":
        allowed = {pipeline["id"] for pipeline in portal.pipelines}
    if allowed is not None and value not in allowed:
        raise Refused("INVALID_OPTION", f"{value} was not one of the allowed options: {sorted(allowed)}")


def _check_stage(portal: Portal, values: Values, record: Record | None) -> list[Problem]:
    if record is None:
        values.setdefault("pipeline", portal.pipelines[0]["id"])
    merged = {**(record.values if record else {}), **values}
    stage, pipeline = merged.get("dealstage"), merged.get("pipeline")
    allowed = [each["id"] for held in portal.pipelines if held["id"] == pipeline for each in held["stages"]]
    if not stage or stage in allowed or not {"dealstage", "pipeline"} & values.keys():
        return []
    words = f"{stage} was not one of the allowed options of pipeline {pipeline}: {sorted(allowed)}"
    return [Problem("INVALID_OPTION", words, "dealstage")]


def _keep_forward(values: Values, record: Record | None) -> None:
    """Drop a step back in the life cycle without a word, as HubSpot does, unless it was cleared first."""
    held, wanted = record.values.get("lifecyclestage") if record else None, values["lifecyclestage"]
    if held in LIFECYCLE and wanted in LIFECYCLE and LIFECYCLE.index(str(wanted)) < LIFECYCLE.index(str(held)):
        del values["lifecyclestage"]


def _check_unique(portal: Portal, object_type: str, values: Values, record: Record | None) -> None:
    for name, value in portal.unique_values(object_type, values):
        holder = portal.holder(object_type, name, value)
        if not holder or (record and holder == record.id):
            continue
        label = OBJECTS[object_type][1]
        if name == "email":
            raise ApiError(409, "CONFLICT", f"{label} already exists. Existing ID: {holder}")
        words = (
            f"Cannot set PropertyValueCoordinates{{portalId={portal.switches.portal_id}, "
            f"objectTypeId={OBJECTS[object_type][0]}, propertyName={name}, value={values[name]}}} on "
            f"{record.id if record else 'a new object'}. {holder} already has that value. Existing ID: {holder}"
        )
        if portal.switches.unique_conflict == 409:
            raise ApiError(409, "CONFLICT", words)
        raise invalid_properties([Problem("CONFLICTING_UNIQUE_VALUE", words, name)], portal.switches.portal_id)


def _with_computed(portal: Portal, object_type: str, values: Values, held: Mapping[str, str]) -> Values:
    """Add what HubSpot computes from what was written."""
    computed: Values = {}
    if object_type == "contacts":
        for name, of in (("phone_number", "phone"), ("mobile_number", "mobilephone")):
            if of in values:
                computed[f"hs_searchable_calculated_{name}"] = _searchable(values[of])
    if object_type == "deals":
        merged = {**held, **values}
        stages = [each for pipeline in portal.pipelines for each in pipeline["stages"]]
        stage = next((each for each in stages if each["id"] == merged.get("dealstage")), None)
        is_closed = bool(stage and stage["metadata"]["isClosed"] == "true")
        is_won = bool(stage and is_closed and stage["metadata"]["probability"] == "1.0")
        computed |= {"hs_is_closed": str(is_closed).lower(), "hs_is_closed_won": str(is_won).lower()}
    return {**values, **computed}


def _searchable(phone: str | None) -> str | None:
    """Return the national digits of a number that tells its country, else all its digits."""
    import phonenumbers  # heavy, and only needed here

    if not phone:
        return None
    try:
        return str(phonenumbers.parse(phone, None).national_number)
    except phonenumbers.NumberParseException:
        return "".join(char for char in phone if char.isdigit()) or None
