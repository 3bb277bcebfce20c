"""What Zoho itself puts into a record, so that an audit doesn't take it for typed.

What a record was made with is in no entry of its timeline, and so told as its maker's. Of that, an owner who is the
maker, an unticked box and a pipeline that is the layout's first choice are nobody's, and so is a deal's probability
that came with its stage, at any time. What may be either is nobody's that can be told: an owner whom a rule may have
assigned, a currency, the first of a list without an empty choice, and a probability where the stages' own aren't told.
Other values that a layout begins with are named by no call (field metadata, v8, read 2026-11), and stay their maker's.
It is for counting alone: whose word stands is asked of the timeline itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from adapters.crms.zoho.org import Org, Property
from adapters.crms.zoho.vendor import NONE, Row, held, moment, ref_in
from sidecar.model import Edit, Source, Value

PROBABILITY, STAGE = "Probability", "Stage"
_EITHER = frozenset(("Currency", "Exchange_Rate"))


class Defaults:
    """Tells the org's own values of the records of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def needed(self, kind: str, asked: Sequence[Property]) -> list[Property]:
        """Return the properties whose edits must be known to tell those of others."""
        stage = self._org.catalogue(kind).properties.get("stage")
        is_staged = any(PROBABILITY in one.names for one in asked)
        return [stage] if is_staged and stage and stage not in asked else []

    def told(self, kind: str, row: Row, edits: Sequence[tuple[Edit, Source]]) -> Iterator[tuple[Edit, Source]]:
        """Yield the edits of a record, each with its source."""
        known = self._org.catalogue(kind).properties
        born = moment(held(row, "Created_Time")) if row.get("Created_Time") else None
        moved = {edit.at: str(edit.value) for edit, _ in edits if edit.field == "stage"}
        begun: set[str] = set()
        for edit, told in edits:
            is_first = edit.field not in begun
            begun.add(edit.field)
            one, source = known[edit.field], told
            if told is not Source.UNKNOWN and edit.value is not None:
                if PROBABILITY in one.names:
                    source = self._moved(one, edit, moved, told)
                elif is_first and edit.at == born:
                    source = self._made(one, edit.value, row, told)
            yield edit, source

    def _made(self, one: Property, value: Value, row: Row, maker: Source) -> Source:
        """Say whose a value is that a record was made with."""
        names = one.names
        if "Owner" in names:
            return Source.DEFAULT if value == ref_in(row.get("Created_By")) else Source.UNKNOWN
        if "Pipeline" in names:
            is_default = any(place.ref == value and place.is_default for place in self._org.places())
            return Source.DEFAULT if is_default else maker
        if _EITHER & set(names):
            return Source.UNKNOWN
        definition = self._org.catalogue(one.kind).definitions.get(names[0]) if len(names) == 1 else None
        if definition is None:
            return maker
        if definition.type == "boolean":
            return maker if value is True else Source.DEFAULT
        labels = [label for _, label in definition.options]
        is_chosen_for = labels and labels[0] != NONE and one.from_vendor({definition.name: labels[0]}) == value
        return Source.UNKNOWN if is_chosen_for else maker

    def _moved(self, one: Property, edit: Edit, moved: Mapping[datetime, str], writer: Source) -> Source:
        """Say whose a probability is: one that came with a stage, and is that stage's own, is Zoho's."""
        if edit.at not in moved:
            return writer
        stage = self._org.catalogue(one.kind).definitions.get(STAGE)
        chance = dict(stage.chances).get(moved[edit.at]) if stage else None
        if chance is None:
            return Source.UNKNOWN
        return Source.DEFAULT if edit.value == chance else writer
