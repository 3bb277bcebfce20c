"""Makes and takes away what is ours in an org: fields, the permission to use them, and lists for people.

A field that nobody was allowed to see is invisible even to whoever made it, so fields come with a permission set, which
is given to the integration user; who else may see them is the admin's to say. Fields of tasks and events are made on
Activity. None is ever turned into another type, options are added and never taken, and what a person made isn't
touched. What the API may not do here is told with what an admin has to do instead.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from adapters.crms.salesforce.faults import Refusal, problems_in
from adapters.crms.salesforce.lists import Lists
from adapters.crms.salesforce.org import Org
from adapters.crms.salesforce.soql import among, like, quoted, select
from adapters.crms.salesforce.vendor import (
    ACTIVITIES,
    AT,
    BATCH,
    HISTORIES,
    KEY,
    KEY_CHARS,
    LEAD_TIE,
    NO,
    OBJECTS,
    OUTCOME,
    OUTCOMES,
    PERMISSION_LABEL,
    PERMISSION_SET,
    YES,
    Row,
    chunks,
    held,
)
from adapters.formats.furnish import lacked
from sidecar.errors import ConfigError
from sidecar.ports import FieldSpec, View

ACTIVITY = "Activity"
FIELDS, TOOLING = "tooling/sobjects/CustomField", "tooling/query"
NAME = re.compile(r"ai_[a-z0-9]+(?:_[a-z0-9]+)*")
MAX_NAME, MAX_LABEL, TEXT_CHARS, LONG_CHARS = 40, 40, 255, 131_072
PRECISION, SCALE = 18, 6
WORDS = "Written by the AI sidecar from conversations. What a person enters here stands."


@dataclass(frozen=True, slots=True)
class Made:
    """A field that should be there: where, its name, its metadata."""

    table: str
    name: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do, and how it is told."""

    line: str
    do: Callable[[], object]


class Provision:
    """Furnishes one org."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._lists = Lists(org)

    def provision(self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View]) -> list[str]:
        """Make what is missing; `ConfigError` before anything is made where a field is of another type, or theirs."""
        self._org.forget()
        for kind, specs in wanted.items():
            self._check(kind, specs)
        there = self._there()
        steps = [step for kind, specs in wanted.items() for spec in specs for step in self._field(kind, spec, there)]
        steps += self._histories(wanted, there)
        steps += [step for fields in self._internal() for step in self._internal_field(fields, there)]
        fields = [*self._all(wanted, there), *(made for fields in self._internal() for made in fields)]
        steps += self._permissions(fields, there)
        steps += [Step(self._lists.line(view), partial(self._lists.make, view)) for view in self._lists.missing(views)]
        return self._done(steps, dry_run)

    def deprovision(self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View]) -> list[str]:
        """Take lists and fields away with what they hold; with the last field also keys and the permission set."""
        self._org.forget()
        there = self._there()
        steps = [Step(f"remove the list view {view.name!r}", partial(self._lists.remove, view))
                 for view in self._lists.present(views)]  # fmt: skip
        going = {
            (table, f"{spec.name}__c")
            for kind, specs in wanted.items()
            for spec in specs
            if NAME.fullmatch(spec.name)
            for table in self._tables(kind)
        }
        ours = {key for key in there if NAME.fullmatch(key[1].removesuffix("__c"))}
        taken = sorted(going & ours)
        names = dict.fromkeys(name for _, name in taken)
        for name in names:
            tables = [table for table, each in taken if each == name]
            steps.append(Step(f"remove the field {name.removesuffix('__c')} of {', '.join(tables)}",
                              partial(self._drop, [there[(table, name)] for table in tables])))  # fmt: skip
        if any(wanted.values()) and not ours - going:  # also where an earlier run got no further than the last field
            internal = [(made.table, made.name) for fields in self._internal() for made in fields]
            refs = [there[key] for key in internal if key in there]
            if refs or self._permission_sets():
                steps.append(Step("remove the keys and the permission set AI_Sidecar", partial(self._drop_all, refs)))
        return self._done(steps, dry_run)

    # Fields ---------------------------------------------------------------------------------------------------------

    def _check(self, kind: str, specs: Sequence[FieldSpec]) -> None:
        if specs and OBJECTS[kind] in ACTIVITIES:
            raise ConfigError(f"{kind}: fields are made for contact, company and deal alone; choose another target")
        for spec in specs:
            for table in self._tables(kind):
                held_by = self._org.catalogue(kind, self._sample(table)).properties.get(spec.name)
                if held_by is not None and held_by.spec.type != _told(spec):
                    raise ConfigError(
                        f"{kind}.{spec.name} exists in {table} as {held_by.spec.type}, and {spec.type} is wanted"
                    )
                if held_by is None and (not NAME.fullmatch(spec.name) or len(spec.name) > MAX_NAME):
                    raise ConfigError(f"{kind}.{spec.name}: a field that is made here is named ai_..., in lower case")

    def _tables(self, kind: str) -> tuple[str, ...]:
        """Return where the fields of a kind are made."""
        if kind == "contact":
            return self._org.people
        return (ACTIVITY,) if OBJECTS[kind] in ACTIVITIES else (OBJECTS[kind],)

    @staticmethod
    def _sample(table: str) -> str:
        return {"Lead": "00Q", "Contact": "003"}.get(table, "")

    def _there(self) -> dict[tuple[str, str], str]:
        """Return the ids of the fields of ours, seen or not, by table and name."""
        tables = list(dict.fromkeys(table for kind in OBJECTS for table in self._tables(kind)))
        ours = like("DeveloperName", "ai_", begins=True)
        soql = select(("Id", "DeveloperName", "TableEnumOrId"), "CustomField", among("TableEnumOrId", tables), ours)
        try:
            told = self._org.wire.get("provision", TOOLING, {"q": soql})
        except (Refusal, ConfigError) as error:
            raise ConfigError(
                f"the integration user may not read what fields there are ({error}): "
                "give it Customize Application and View Setup while provisioning, or see docs/salesforce.md"
            ) from None
        return {(held(row, "TableEnumOrId"), f"{held(row, 'DeveloperName')}__c"): held(row, "Id")
                for row in told.get("records", ())}  # fmt: skip

    def _field(self, kind: str, spec: FieldSpec, there: Mapping[tuple[str, str], str]) -> Iterator[Step]:
        tables = self._tables(kind)
        described = {
            table: self._org.catalogue(kind, self._sample(table)).properties.get(spec.name) for table in tables
        }
        spelled = _spelled(there)
        missing = [t for t in tables if described[t] is None and (t, f"{spec.name}__c") not in spelled]
        if missing:
            made = [Made(table, f"{spec.name}__c", _metadata(spec)) for table in missing]
            line = f"make {kind} field {spec.name} ({spec.type}) in {', '.join(missing)}"
            yield Step(line, partial(self._make_all, made))
        refs = {there[(table, next(iter(held_by.columns)))]: options for table, held_by in described.items()
                if held_by is not None and (options := lacked(kind, held_by.spec, spec))}  # fmt: skip
        if refs:
            added = ", ".join(dict.fromkeys(option for options in refs.values() for option in options))
            yield Step(f"add {added} to {kind} field {spec.name}", partial(self._widen, refs))

    def _histories(
        self, wanted: Mapping[str, Sequence[FieldSpec]], there: Mapping[tuple[str, str], str]
    ) -> Iterator[Step]:
        """Keep the history of fields that are there without, the first first: an admin turns an object's on later.

        Whether it is on for an object, no call tells, so it is taken to be off where that of no field is kept. Of a
        field that we may not see nobody tells whether its history is kept: it is looked at once it is granted.
        """
        made = self._all(wanted, there)
        for table in dict.fromkeys(each.table for each in made if each.table in HISTORIES):
            tracked, mine = self._org.tracked(table), [each.name for each in made if each.table == table]
            seen = self._org.described(table)
            lacking = [name for name in mine if name in seen and name not in tracked]
            room = self._org.room(table) - sum((table, name) not in there for name in mine)
            if self._org.options.history and tracked and lacking[: max(0, room)]:
                names = lacking[:room]
                line = f"keep the history of {', '.join(names)} in {table}"
                yield Step(line, partial(self._keep_histories, [there[(table, name)] for name in names]))

    def _keep_histories(self, refs: Sequence[str]) -> None:
        for ref in refs:
            metadata = self._org.wire.get("provision", f"{FIELDS}/{ref}")["Metadata"]
            body = {"Metadata": {**metadata, "trackHistory": True}}
            try:
                self._org.wire.send("provision", "PATCH", f"{FIELDS}/{ref}", body)
            except Refusal as refusal:
                raise ConfigError(f"the history of a field can't be kept ({refusal}): an admin turns it on") from None

    def _internal(self) -> list[list[Made]]:
        """Return the fields that nobody asked for, those that are told together in one list."""
        key = {"type": "Text", "length": KEY_CHARS, "unique": True, "externalId": True, "caseSensitive": False}
        tables = [*self._org.people, "Account", "Opportunity", ACTIVITY]
        about = "By this the AI sidecar knows the records that it made. Never edit it."
        keys = [Made(t, KEY, {**key, "label": "AI sidecar key", "description": about}) for t in tables]
        at = {"type": "DateTime", "label": "AI sidecar time", "description": "When a conversation was."}
        outcome = {"label": "AI sidecar outcome", "description": "How a meeting went.", **_choices(OUTCOMES)}
        fields = [keys, [Made(ACTIVITY, AT, at)], [Made(ACTIVITY, OUTCOME, outcome)]]
        if "Lead" in self._org.people:
            tie = {"type": "Text", "length": 18, "externalId": True, "label": "AI sidecar lead"}
            fields.append([Made("Opportunity", LEAD_TIE, {**tie, "description": "The lead that it came from."})])
        return fields

    def _internal_field(self, fields: Sequence[Made], there: Mapping[tuple[str, str], str]) -> Iterator[Step]:
        missing = [made for made in fields if (made.table, made.name) not in there]
        if missing:
            line = f"make the field {missing[0].name} in {', '.join(made.table for made in missing)}"
            yield Step(line, partial(self._make_all, missing))

    def _all(self, wanted: Mapping[str, Sequence[FieldSpec]], there: Mapping[tuple[str, str], str]) -> list[Made]:
        """Return the fields of ours as they are spelled there, or will be."""
        specs = [(kind, spec) for kind, each in wanted.items() for spec in each if NAME.fullmatch(spec.name)]
        asked = [(table, f"{spec.name}__c") for kind, spec in specs for table in self._tables(kind)]
        spelled = _spelled(there)
        return [Made(table, spelled.get((table, name), name), {}) for table, name in asked]

    def _make_all(self, fields: Iterable[Made]) -> None:
        for made in fields:
            self._make(made)

    def _make(self, made: Made) -> None:
        """Make a field: with its history kept where people may write it, and as an external id, if that may be.

        An org keeps the history of so many fields of an object, and no API tells of how many more it would: it refuses.
        """
        is_peoples = made.table in HISTORIES and NAME.fullmatch(made.name.removesuffix("__c"))
        attempts = [{**made.metadata, "trackHistory": True}] if is_peoples else []
        attempts += [dict(made.metadata)]
        if made.table == ACTIVITY and made.metadata.get("externalId"):
            plain = {name: value for name, value in made.metadata.items() if name not in ("externalId", "unique")}
            attempts += [plain]
        told: Refusal | None = None
        for metadata in attempts:
            try:
                body = {"FullName": f"{made.table}.{made.name}", "Metadata": metadata}
                self._org.wire.send("provision", "POST", FIELDS, body)
                return
            except Refusal as refusal:
                if "DUPLICATE_DEVELOPER_NAME" in refusal.codes:
                    return  # it is there, which is what was wanted
                told = refusal
        raise ConfigError(f"{made.table}.{made.name} can't be made ({told}): an admin makes it, see docs/salesforce.md")

    def _widen(self, refs: Mapping[str, Sequence[str]]) -> None:
        for ref, options in refs.items():
            told = self._org.wire.get("provision", f"{FIELDS}/{ref}")
            metadata = dict(told["Metadata"])
            values = metadata.get("valueSet") or {}
            if "valueSetDefinition" not in values:
                raise ConfigError(f"{told.get('FullName', 'a field')} takes its options from elsewhere: add them there")
            known = list(values["valueSetDefinition"]["value"])
            added = [_option(option) for option in options]
            defined = {**values["valueSetDefinition"], "value": [*known, *added]}
            metadata["valueSet"] = {**values, "valueSetDefinition": defined}
            self._org.wire.send("provision", "PATCH", f"{FIELDS}/{ref}", {"Metadata": metadata})

    def _drop(self, refs: Sequence[str]) -> None:
        for ref in refs:
            try:
                self._org.wire.send("remove", "DELETE", f"{FIELDS}/{ref}")
            except Refusal as refusal:
                if not refusal.is_missing:
                    raise ConfigError(f"a field can't be removed ({refusal}): is it used somewhere?") from None

    def _drop_all(self, refs: Sequence[str]) -> None:
        self._drop(refs)
        for held_by in self._permission_sets():
            given = self._org.wire.query(
                select(["Id"], "PermissionSetAssignment", f"PermissionSetId = {quoted(held_by)}")
            )
            for row in given:
                self._org.wire.send("remove", "DELETE", f"sobjects/PermissionSetAssignment/{held(row, 'Id')}")
            self._org.wire.send("remove", "DELETE", f"sobjects/PermissionSet/{held_by}")

    # Permissions ----------------------------------------------------------------------------------------------------

    def _permissions(self, fields: Sequence[Made], there: Mapping[tuple[str, str], str]) -> list[Step]:
        wanted = [f"{table}.{made.name}" for made in fields for table in _seen_in(made.table)]
        hidden = [
            name
            for made in fields
            if (made.table, made.name) in there
            for table in _seen_in(made.table)
            if not self._org.described(table).get(made.name, {}).get("updateable")
            for name in [f"{table}.{made.name}"]
        ]
        is_new = any((made.table, made.name) not in there for made in fields)
        sets = self._permission_sets()
        steps = []
        if not sets:
            steps.append(Step(f"make the permission set {PERMISSION_SET} and give it to the integration user",
                              partial(self._grant, wanted)))  # fmt: skip
        elif hidden:
            steps.append(
                Step(f"let the integration user write {', '.join(sorted(hidden))}", partial(self._grant, wanted))
            )
        elif is_new:
            steps.append(Step("let the integration user write the new fields", partial(self._grant, wanted)))
        return steps

    def _permission_sets(self) -> list[str]:
        rows = self._org.wire.query(select(["Id"], "PermissionSet", f"Name = {quoted(PERMISSION_SET)}", limit=1))
        return [held(row, "Id") for row in rows]

    def _grant(self, fields: Sequence[str]) -> None:
        sets = self._permission_sets()
        if not sets:
            about = {"Name": PERMISSION_SET, "Label": PERMISSION_LABEL, "Description": WORDS}
            self._insert([{"attributes": {"type": "PermissionSet"}, **about}])
            sets = self._permission_sets()
        granted = self._org.wire.query(
            select(("Id", "Field", "PermissionsEdit"), "FieldPermissions", f"ParentId = {quoted(sets[0])}")
        )
        known = {held(row, "Field") for row in granted if row.get("PermissionsEdit")}
        self._insert([
            {"attributes": {"type": "FieldPermissions"}, "ParentId": sets[0], "SobjectType": field.partition(".")[0],
             "Field": field, "PermissionsRead": True, "PermissionsEdit": True}
            for field in dict.fromkeys(fields) if field not in known
        ])  # fmt: skip
        us = f"AssigneeId = {quoted(self._org.us())}"
        if not self._org.wire.query(
            select(["Id"], "PermissionSetAssignment", f"PermissionSetId = {quoted(sets[0])}", us)
        ):
            given = {"PermissionSetId": sets[0], "AssigneeId": self._org.us()}
            self._insert([{"attributes": {"type": "PermissionSetAssignment"}, **given}])

    def _insert(self, records: Sequence[Row]) -> None:
        for part in chunks(records, BATCH):
            body = {"allOrNone": False, "records": list(part)}
            told = self._org.wire.send("provision", "POST", "composite/sobjects", body)
            failed = [each for each in told or () if not each.get("success")]
            codes = {problem.code for each in failed for problem in problems_in(each.get("errors"))}
            if codes - {"DUPLICATE_VALUE", "DUPLICATE_DEVELOPER_NAME"}:
                raise ConfigError(
                    f"the permission set {PERMISSION_SET} can't be furnished ({', '.join(sorted(codes))}): an admin "
                    "gives the integration user read and edit on the AI fields, see docs/salesforce.md"
                )

    def _done(self, steps: Sequence[Step], dry_run: bool) -> list[str]:
        if not dry_run:
            for step in steps:
                step.do()
            self._org.forget()
        return [step.line for step in steps]


def _spelled(there: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Return how fields are spelled, by their names in small letters: an admin may have made one in capitals."""
    return {(table, name.casefold()): name for table, name in there}


def _seen_in(table: str) -> tuple[str, ...]:
    return tuple(sorted(ACTIVITIES)) if table == ACTIVITY else (table,)


def _told(spec: FieldSpec) -> str:
    """Return the type as which a field of this specification reads back."""
    return "long_text" if spec.type == "text" and (spec.max_chars or TEXT_CHARS) > TEXT_CHARS else spec.type


def _metadata(spec: FieldSpec) -> dict[str, Any]:
    label = (spec.label or "AI " + spec.name.removeprefix("ai_").replace("_", " "))[:MAX_LABEL]
    about = {"label": label, "description": WORDS, "inlineHelpText": (spec.help or WORDS)[:510]}
    if _told(spec) == "long_text":
        # Salesforce counts a line end, and whatever is beyond the first 65,536 characters of Unicode, twice.
        length = min(LONG_CHARS, max(256, 2 * (spec.max_chars or 32_000)))
        return {**about, "type": "LongTextArea", "length": length, "visibleLines": 4}
    if spec.type == "text":
        return {**about, "type": "Text", "length": spec.max_chars or TEXT_CHARS}
    if spec.type == "number":
        return {**about, "type": "Number", "precision": PRECISION, "scale": SCALE}
    if spec.type in ("enum", "bool"):
        return {**about, **_choices(spec.options if spec.type == "enum" else (YES, NO))}
    if spec.type not in ("date", "datetime"):
        raise ConfigError(f"{spec.name}: no such type as {spec.type!r}")
    return {**about, "type": "Date" if spec.type == "date" else "DateTime"}


def _choices(options: Sequence[str]) -> dict[str, Any]:
    if not options:
        raise ConfigError("an enum needs options")
    defined = {"sorted": False, "value": [_option(option) for option in options]}
    return {"type": "Picklist", "valueSet": {"restricted": True, "valueSetDefinition": defined}}


def _option(option: str) -> dict[str, Any]:
    return {"fullName": option, "label": option.replace("_", " ").capitalize(), "default": False}
