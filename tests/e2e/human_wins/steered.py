"""The same machine, whose people also steer by fields: they mute a customer, list what stays, accept and reject.

What a field says must have the same effect as the command, whatever else goes on: a muted customer's records stay as
they are and catch up afterwards, what is listed stays, what is accepted is believed as that person's word.
"""

from typing import ClassVar

import hypothesis.strategies as st
from hypothesis.stateful import rule

from sidecar.model import Value
from tests.e2e.human_wins.machine import HumanWins, afterwards, inferred, numbers, places
from tests.e2e.human_wins.office import Office
from tests.e2e.human_wins.ownership import IDENTITY, MEANS, Event, Property
from tests.e2e.human_wins.vendor_office import office_on

KINDS = ("contact", "deal", "note", "task")


class Steered(HumanWins):
    """People who use what is theirs in the AI's own fields."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: set[Property] = set()

    @rule(place=inferred, n=numbers)
    def mutes(self, place: Property, n: int) -> None:
        """A person switches the AI off, somebody writes, and the person switches it on again."""
        self._settle()
        record = self._record("contact")
        if record is None:
            return
        self.touched.add(("contact", "ai_mode"))
        self.office.edit("contact", record.ref, "ai_mode", "off")
        before = self._all()
        self._bring_news(place, n)
        self.office.settle()
        assert self._all() == before, "something was written to a muted customer"
        self.office.wait()
        self.office.edit("contact", record.ref, "ai_mode", None)
        self._settle()

    @rule(place=places, then=afterwards)
    def lists(self, place: Property, then: str) -> None:
        """A person puts a field on the list of what stays."""
        record = self._settled_record(place)
        # The name of the CRM's own stage is that of our field, and so stands for both.
        meant = {place, ("deal", "ai_stage")} if place == ("deal", "stage") else {place}
        said = meant - self.listed  # what stands there says nothing new, also where a command has released it since
        if record is None or meant & self.owned.fresh or not said:
            return
        self.listed |= said
        self._write_list(place[0], record.ref)
        for each in said:
            self.owned.pinned[each] = record.fields.get(each[1])
        self._then(then)

    @rule(n=numbers, then=afterwards)
    def unlists(self, n: int, then: str) -> None:
        """A person empties the list: what was on it is ours to write again."""
        self._settle()
        kinds = sorted({place[0] for place in self.listed})
        kind = kinds[n % len(kinds)] if kinds else ""
        meant = {place for place in self.listed if place[0] == kind}
        record = self._settled_record(next(iter(meant))) if meant else None
        nameless = any(p in IDENTITY and self.owned.belief(MEANS[p]).value is None for p in meant)
        if record is None or nameless or meant & self.owned.fresh:
            return
        self.listed -= meant
        self._write_list(kind, record.ref)
        for place in meant:
            self.owned.pinned.pop(place, None)
            if self.owned.holds.pop(place, None):
                self.owned.bases[place] = (self.office.clock(), record.fields.get(place[1]))
        self._then(then)

    @rule(kind=st.sampled_from(("contact", "deal")), accepts=st.booleans())
    def answers(self, kind: str, accepts: bool) -> None:
        """A person accepts, or rejects, what the record shows: that a customer says that they attended, for one."""
        self._say("stage", "attended", "customer", "")
        self._settle()
        standing, record = self.office.standing(), self._record(kind)
        waiting = dict(standing.engagement.suggestions) if standing else {}
        if record is None or not waiting or record.fields.get("ai_review") != "needs_review":
            return
        assert set(waiting) == {"stage"}, "the model is sure of everything else"
        now = self.office.wait()
        self.touched.add((kind, "ai_review"))
        self.office.edit(kind, record.ref, "ai_review", "accept_all" if accepts else "reject_all")
        if accepts:
            self.owned.events.setdefault("stage", []).append(Event(now, waiting["stage"].value, "crm"))
            for place in [p for p in self.owned.holds if MEANS[p] == "stage" and p not in self.owned.pinned]:
                held = self._record(place[0])
                del self.owned.holds[place]
                self.owned.bases[place] = (now, held.fields.get(place[1]) if held else None)
        self._settle()
        after = self._record(kind)
        assert after is None or after.fields.get("ai_review") == "ok", "the answer stands in the field for ever"

    def _write_list(self, kind: str, ref: str) -> None:
        self.touched.add((kind, "ai_pin"))
        names = sorted(name for of, name in self.listed if of == kind)
        self.office.edit(kind, ref, "ai_pin", ", ".join(names) or None)

    def _all(self) -> dict[tuple[str, str], dict[str, Value]]:
        return {(kind, r.ref): dict(r.fields) for kind in KINDS for r in self.office.records(kind)}


for _tried in (
    "dies", "answers_get_lost", "arrives_late", "merges", "deletes_contact", "deletes", "agrees", "goes_back",
    "restores", "edits_note", "finishes_task", "owes",
):  # fmt: skip
    setattr(Steered, _tried, None)  # the whole machine tries these, and the new moves are to come often


class SteeredHasty(Steered):
    """Steered on a CRM without conditional writes."""

    conditional = False
    settle_s = 30.0


class SteeredHubSpot(SteeredHasty):
    """Steered on HubSpot's twin."""

    furnish: ClassVar[type[Office]] = office_on("hubspot")
