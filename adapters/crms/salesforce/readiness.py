"""What an operator must know before it goes live: is the session good, what may its user not do, what isn't kept.

Each lack is named with its remedy, and found by reading: what an object's describe says that the integration user may
do, whether our fields can be seen and written, whether their history is kept, and how many calls of the day are left.
"""

from collections.abc import Iterator

from adapters.crms.salesforce.org import HIDDEN, Org
from adapters.crms.salesforce.vendor import (
    ACTIVITIES,
    AT,
    HISTORIES,
    KEY,
    LEAD_TIE,
    MOST_TRACKED,
    OBJECTS,
    OPPORTUNITY,
    OUTCOME,
    PERMISSION_SET,
)
from sidecar.errors import SidecarError

LOW = 0.1


class Readiness:
    """Looks at one org with an operator's eyes."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def check(self) -> list[str]:
        """Say what is wrong with access, one line each with its remedy."""
        self._org.forget()
        try:
            self._org.id()
            lines = [*self._objects(), *self._stages(), *self._histories(), *self._used_up()]
        except SidecarError as error:
            return [str(error)]
        return list(dict.fromkeys(lines))

    def _objects(self) -> Iterator[str]:
        for sobject in dict.fromkeys((*self._org.people, *(o for k, o in OBJECTS.items() if k != "contact"))):
            described = self._org.described(sobject)
            if not described:
                yield f"the integration user may not see {sobject}: give it read, create and edit on the object"
                continue
            whole = self._org.described_object(sobject)
            lacking = [word for word, flag in (("create", "createable"), ("edit", "updateable")) if not whole.get(flag)]
            if lacking:
                yield f"the integration user lacks {' and '.join(lacking)} on {sobject}: give it in a permission set"
            missing = [name for name in self._needed(sobject) if not described.get(name, {}).get("updateable")]
            if missing:
                yield (
                    f"{sobject}.{', '.join(missing)} isn't there, or can't be written: `sidecar provision` makes it, "
                    f"and the permission set {PERMISSION_SET} lets the integration user write it"
                )

    def _needed(self, sobject: str) -> tuple[str, ...]:
        if sobject in ACTIVITIES:
            return (KEY, AT, OUTCOME)
        is_tied = sobject == OPPORTUNITY and "Lead" in self._org.people
        return (KEY, LEAD_TIE) if is_tied else (KEY,)

    def _stages(self) -> Iterator[str]:
        if not any(pipeline.stages for pipeline in self._org.pipelines()):
            yield "the org has no active opportunity stages that the integration user may see"

    def _histories(self) -> Iterator[str]:
        if not self._org.options.history:
            return
        for sobject in HISTORIES:
            seen = self._org.described(sobject)
            ours = [name for name in seen if name.casefold().startswith("ai_") and name.casefold() not in HIDDEN]
            ours = ours if sobject in (*self._org.people, OPPORTUNITY, "Account") else []
            tracked = self._org.tracked(sobject)
            missing = [name for name in ours if name not in tracked]
            room = self._org.room(sobject)
            which = f"all {len(ours)} AI fields" if len(ours) == len(missing) > 1 else ", ".join(missing)
            if missing and room > 0:
                yield (
                    f"the history of {which} of {sobject} isn't kept, so nobody can tell a person's edit "
                    f"from a machine's: turn field history tracking on for {_as_many(room, len(missing))}; "
                    "where it is on for another field of the object, `sidecar provision` does it"
                )

    def _used_up(self) -> Iterator[str]:
        left, reserve = self._org.wire.budget.left, self._org.options.reserve
        if left is not None and left < reserve / LOW:
            yield f"{left} API calls of the day are left to the whole org: raise crm.every_s, or buy more"


def _as_many(room: int, missing: int) -> str:
    return "it" if missing <= room else f"{room} of them, which is what fits into {MOST_TRACKED} fields of an object"
