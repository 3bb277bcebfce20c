"""What Salesforce itself puts into a record, so that an audit doesn't take it for typed.

A record's history begins with its making, by one user, and doesn't say which of its values that user chose. What an org
fills in unasked is known from how it describes its fields, and from its stages, which move an opportunity's probability
and forecast along. A value that is no other than that is the org's; one that could be either, such as an owner whom a
rule may have assigned, is nobody's that can be told. Any other value, and any later edit, is its user's. It is for
counting alone: whose word stands is asked of the history itself.
"""

from collections.abc import Iterator, Mapping, Sequence

from adapters.crms.salesforce import natives
from adapters.crms.salesforce.history import UNKEPT
from adapters.crms.salesforce.org import Org, Property
from adapters.crms.salesforce.vendor import CREATED, CREATED_BY, OPPORTUNITY, Row, held, moment
from sidecar.model import AuthorKind, Edit, Source, Value

SOURCES = {
    AuthorKind.PERSON: Source.PERSON, AuthorKind.US: Source.US, AuthorKind.AUTOMATION: Source.AUTOMATION,
    AuthorKind.UNKNOWN: Source.UNKNOWN,
}  # fmt: skip
STAGE, STAGED = "StageName", {"Probability": "DefaultProbability", "ForecastCategoryName": "ForecastCategoryName"}
"""An opportunity's stage, and what moves with it: by its field, and by the stage's own that it takes its value from."""
_OWN = frozenset(("RecordTypeId", "CurrencyIsoCode"))
"""Whose default is its maker's own, as his profile and his locale have it."""


class Defaults:
    """Tells the org's own values of the records of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def needed(self, kind: str, names: Sequence[str]) -> list[str]:
        """Return the properties whose edits must be known to tell those of others."""
        stage = self._stage(kind)
        is_staged = any(name in STAGED for name in names)
        return [stage] if is_staged and stage and stage not in names else []

    def told(self, kind: str, row: Row, edits: Sequence[Edit]) -> Iterator[tuple[Edit, Source]]:
        """Yield the edits of a record, each with its source."""
        ref, born = held(row, "Id"), moment(held(row, CREATED))
        known = self._org.catalogue(kind, ref).properties
        stages = [edit for edit in edits if edit.field == self._stage(kind)]
        begun: set[str] = set()
        for edit in edits:
            source, held_by = SOURCES[edit.author.kind], known[edit.field]
            is_first = edit.field not in begun
            begun.add(edit.field)
            if edit.value is None:
                pass
            elif edit.value == UNKEPT and is_first and edit.at == born:
                source = Source.UNKNOWN  # nor is it told whether there was any text at all
            elif is_first and self._is_filled_in(kind, held_by, edit.value, row):
                source = Source.DEFAULT
            elif source is not Source.UNKNOWN and STAGED.keys() & held_by.columns.keys():
                source = self._moved(held_by, edit, stages, source)
            elif source is not Source.UNKNOWN and is_first and edit.at == born:
                source = self._made(kind, held_by, edit.value, row, source)
            yield edit, source

    def _stage(self, kind: str) -> str:
        """Return our name of the field that moves others; empty for a kind that has none."""
        return self._org.catalogue(kind).names.get(STAGE, "") if kind == "deal" else ""

    def _is_filled_in(self, kind: str, held_by: Property, value: Value, row: Row) -> bool:
        """Say whether a value is what its field is filled with, for everybody alike."""
        if "RecordTypeId" in held_by.columns:
            return value == natives.DEFAULT  # the one pipeline of an org that has no record types
        said, name = self._said(kind, held_by, row), next(iter(held_by.columns))
        default = None if _OWN & held_by.columns.keys() or _is_formula(said) else _default(said)
        return default is not None and held_by.from_vendor({name: default}) == value

    def _made(self, kind: str, held_by: Property, value: Value, row: Row, maker: Source) -> Source:
        """Say whose a value is that a record was made with, and that its field isn't filled with for everybody."""
        if "OwnerId" in held_by.columns:
            return Source.DEFAULT if value == held(row, CREATED_BY) else Source.UNKNOWN
        said = self._said(kind, held_by, row)
        is_untold = _is_formula(said) or (said.get("defaultedOnCreate") and _default(said) is None)
        return Source.UNKNOWN if is_untold or _OWN & held_by.columns.keys() else maker

    def _said(self, kind: str, held_by: Property, row: Row) -> Row:
        """Return how a field is described; nothing for a property that is several, of which none is filled in."""
        names = list(held_by.columns)
        described = self._org.catalogue(kind, held(row, "Id")).described
        return described[names[0]] if len(names) == 1 else {}

    def _moved(self, held_by: Property, edit: Edit, stages: Sequence[Edit], writer: Source) -> Source:
        """Say whose a value is that moves with the stage: a stage's own, written when the stage was, is the org's."""
        (name,) = held_by.columns
        own = self._own_of_stages(held_by, name)
        if not stages or not self._is_tracked(edit, stages):
            return Source.UNKNOWN if edit.value in own.values() else writer
        before = [each for each in stages if each.at <= edit.at]
        if not before or before[-1].at != edit.at:
            return writer
        return Source.DEFAULT if own.get(str(before[-1].value)) == edit.value else writer

    def _is_tracked(self, edit: Edit, stages: Sequence[Edit]) -> bool:
        """Say whether it is known when the stage moved: from its history, or since nothing has moved at all."""
        return STAGE in self._org.tracked(OPPORTUNITY) or stages[0].author.kind is not AuthorKind.UNKNOWN

    def _own_of_stages(self, held_by: Property, name: str) -> Mapping[str, Value]:
        return {
            held(stage, "ApiName"): held_by.from_vendor({name: stage.get(STAGED[name])}) for stage in self._org.stages()
        }


def _is_formula(said: Row) -> bool:
    return said.get("defaultValueFormula") is not None


def _default(said: Row) -> object:
    """Return what a field is filled with, as its describe tells; a box is unticked unless it says otherwise."""
    if said.get("defaultValue") is not None:
        return said["defaultValue"]
    if said.get("type") == "boolean":
        return False
    options = said.get("picklistValues") or ()
    return next((each.get("value") for each in options if each.get("defaultValue")), None)
