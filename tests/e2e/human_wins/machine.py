"""The state machine: customers write, people and automations edit, merge and delete, processes die, answers get lost.

Whatever comes in whatever order, once everything is settled each property must hold what `ownership` expects. The
safety half says that no person's word is lost; its liveness twin, that a property which nobody touched is never locked.
Hypothesis chooses the order, shrinks what fails, and is the same on each run.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from adapters.crms.local import PERSON
from sidecar.model import AuthorKind, Claim, Correction, Match, Posting, Reading, Record, Value
from sidecar.ports import Create, Update
from tests.e2e.human_wins.office import POINTS, ROBOT, Office
from tests.e2e.human_wins.ownership import IDENTITY, MEANS, MOVES, NEVER, Ownership, Property
from tests.e2e.human_wins.vendor_office import office_on
from tests.support.crms import CRMS

VALUES: dict[str, tuple[str, ...]] = {
    "intent": ("buy", "book", "support", "inform"),
    "sentiment": ("positive", "neutral", "angry"),
    "stage": tuple(MOVES),
    "name": ("Ann", "Anna", "Mrs Lee"),
}
PLACES = tuple(MEANS)
MAX_TASKS = 3
MAX_DEATHS = 3

places = st.sampled_from(PLACES)
inferred = st.sampled_from([place for place in PLACES if place not in IDENTITY])
numbers = st.integers(0, 3)
afterwards = st.sampled_from(("nothing", "infer", "sync", "settle"))


class HumanWins(RuleBasedStateMachine):
    """People and a sidecar at one CRM; subclasses say what the CRM can do."""

    conditional: ClassVar[bool] = True
    settle_s: ClassVar[float] = 0.0
    furnish: ClassVar[type[Office]] = Office

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.office = self.furnish(Path(self._folder.name), self.conditional, self.settle_s)
        self.owned = Ownership()
        self.contact: str | None = None
        self.former: set[str] = set()
        """Refs of records that are in our contact now; where a merge makes a third record, its history is theirs."""
        self.theirs: set[str] = set()
        """Refs of contacts that are a person's own, and into which ours went where no CRM says so."""
        self.deleted: set[tuple[str, str]] = set()
        self.touched: set[Property] = set()
        self.logged: set[tuple[str, str, str, datetime]] = set()
        self.notes: dict[str, Value] = {}
        self.done_tasks: set[str] = set()
        self.tasks = 0
        self.deaths = 0

    def teardown(self) -> None:
        """End settled, and with a book that adds up to the same again."""
        try:
            self._settle()
            journal = self.office.app.journal
            standing = self.office.standing()
            journal.rebuild()
            assert self.office.standing() == standing, "a rebuilt standing differs from the one that was kept"
        finally:
            self.office.close()
            self._folder.cleanup()

    # What customers and agents say ------------------------------------------------------------------------------------

    @initialize(stage=st.sampled_from(("enquired", "qualified")), name=st.sampled_from(("", "Ann")))
    def begin(self, stage: str, name: str) -> None:
        """A customer writes for the first time."""
        self._say("stage", stage, "customer", name)
        self._settle()

    @rule(n=numbers, name=st.sampled_from(("", "Ann", "Bo")), then=afterwards)
    def wants(self, n: int, name: str, then: str) -> None:
        """A customer says what they want."""
        self._say("intent", VALUES["intent"][n], "customer", name)
        self._then(then)

    @rule(n=st.integers(0, 2), then=afterwards)
    def feels(self, n: int, then: str) -> None:
        """A customer shows how they feel."""
        self._say("sentiment", VALUES["sentiment"][n], "customer", "")
        self._then(then)

    @rule(n=numbers, role=st.sampled_from(("customer", "agent")), then=afterwards)
    def moves(self, n: int, role: str, then: str) -> None:
        """Somebody says that the relationship is at a stage, allowed or not."""
        self._say("stage", VALUES["stage"][n], role, "")
        self._then(then)

    @rule(what=st.sampled_from(("intent", "sentiment")), n=st.integers(0, 2), minutes=st.integers(1, 9))
    def arrives_late(self, what: str, n: int, minutes: int) -> None:
        """A message arrives long after it was written: it is evidence of then, not of now."""
        now = self.office.wait()
        # No two are of one moment: which of those is the later one can't be told.
        at = now - timedelta(minutes=minutes, seconds=30, milliseconds=self.office.said)
        self.office.say({what: VALUES[what][n]}, at=at)
        self.owned.said(what, VALUES[what][n], at, "customer")

    @precondition(lambda self: self.tasks < MAX_TASKS)
    @rule(then=afterwards)
    def owes(self, then: str) -> None:
        """An agent promises to do something."""
        self.office.wait()
        self.tasks += 1
        step = {"what": f"Call number {self.tasks}", "who": "us"}
        self.office.say(role="agent", steps=[step])
        self._then(then)

    # What the sidecar does --------------------------------------------------------------------------------------------

    @rule()
    def infer(self) -> None:
        """What came in is read."""
        self.office.wait()
        self.office.infer()

    @rule()
    def sync(self) -> None:
        """The CRM is looked at and posted to."""
        self.office.wait()
        self.office.sync()

    @rule()
    def settle(self) -> None:
        """Everything comes to rest."""
        self._settle()

    @rule(point=st.sampled_from(POINTS), place=inferred, n=numbers, races=st.booleans(), then=afterwards)
    def dies(self, point: str, place: Property, n: int, races: bool, then: str) -> None:
        """The process dies in the middle of a sync, maybe while a person edits, and another takes over."""
        if self.deaths >= MAX_DEATHS:  # work over which processes die again and again is parked, and rightly so
            self._settle()
        self.deaths += 1
        self._bring_news(place, n)
        with self.office.dying(point):
            if races:
                with self.office.racing(self._rival(place, n)):
                    self.office.sync()
            else:
                self.office.sync()
        self._then(then)

    @rule(place=inferred, n=numbers, then=afterwards)
    def edits_meanwhile(self, place: Property, n: int, then: str) -> None:
        """A person edits between our read and our write."""
        self._bring_news(place, n)
        with self.office.racing(self._rival(place, n)):
            self.office.sync()
        self._then(then)

    @rule(what=st.sampled_from(("lost", "done", "late")), place=inferred, n=numbers, edits=st.booleans())
    def answers_get_lost(self, what: str, place: Property, n: int, edits: bool) -> None:
        """The CRM's answer to a write gets lost: it was made, or wasn't, or comes later, maybe over a person's edit."""
        self._bring_news(place, n)
        if what == "late" and not self.settle_s:
            what = "done"
        with self.office.losing_answers(what):
            self.office.sync()
        self._find_contact()
        if edits:
            self.office.wait(3)
            self._edit(place, VALUES[MEANS[place]][n % len(VALUES[MEANS[place]])])
            self.office.sync()

    # What people and automations do -----------------------------------------------------------------------------------

    @rule(place=places, n=numbers, is_robot=st.booleans(), then=afterwards)
    def edits(self, place: Property, n: int, is_robot: bool, then: str) -> None:
        """Somebody sets a property to a value of theirs."""
        self.office.wait()
        values = VALUES[MEANS[place]]
        self._edit(place, values[n % len(values)], ROBOT if is_robot else PERSON)
        self._then(then)

    @rule(place=places, then=afterwards)
    def clears(self, place: Property, then: str) -> None:
        """A person empties a property."""
        self.office.wait()
        self._edit(place, None)
        self._then(then)

    @rule(place=places, then=afterwards)
    def agrees(self, place: Property, then: str) -> None:
        """A person types by hand what we are about to write."""
        self.office.wait()
        self._edit(place, self.owned.expected(place))
        self._then(then)

    @rule(place=places, n=numbers, then=afterwards)
    def goes_back(self, place: Property, n: int, then: str) -> None:
        """A person sets a property to one of our older values."""
        self.office.wait()
        record = self._record(place[0])
        if record is not None:
            edits = self.office.history(*place[:1], record.ref, place[1])
            older = [e.value for e in edits if e.author.kind is AuthorKind.US]
            if older:
                self._edit(place, older[n % len(older)])
        self._then(then)

    @rule(place=places, n=numbers, then=afterwards, first=afterwards)
    def restores(self, place: Property, n: int, then: str, first: str) -> None:
        """A person gives a property back by restoring our last value, once we have seen what they had made of it."""
        if place not in self.owned.holds:
            self.edits(place, n, False, "settle")
        self._then(first)
        self.office.wait()
        ours = self._ours(place)
        if place in self.owned.holds and ours is not NEVER:
            self._edit(place, ours)
        self._then(then)

    @rule(place=places, then=afterwards)
    def pins(self, place: Property, then: str) -> None:
        """A person orders a property to be left alone."""
        record = self._settled_record(place)
        if record is not None:
            standing = self.office.standing()
            assert standing is not None
            self.office.app.pipeline.people.pin(standing.party, place[0], place[1], "rep-1", pinned=True)
            self.owned.pinned[place] = record.fields.get(place[1])
        self._then(then)

    @rule(place=places, then=afterwards)
    def releases(self, place: Property, then: str) -> None:
        """A person gives a property back by command."""
        record = self._settled_record(place)
        is_ours_to_fill = place not in IDENTITY or self.owned.belief(MEANS[place]).value is not None
        if record is not None and is_ours_to_fill:
            standing = self.office.standing()
            assert standing is not None
            self.office.app.pipeline.people.pin(standing.party, place[0], place[1], "rep-1", pinned=False)
            self.owned.pinned.pop(place, None)
            if self.owned.holds.pop(place, None):
                self.owned.bases[place] = (self.office.clock(), record.fields.get(place[1]))
        self._then(then)

    @precondition(lambda self: self.contact is not None)
    @rule(ours_wins=st.booleans(), name=st.sampled_from((None, "Bea")), n=st.integers(-1, 3), then=afterwards)
    def merges(self, ours_wins: bool, name: str | None, n: int, then: str) -> None:
        """A person merges our contact with one that they made by hand."""
        if not ours_wins and not self.office.tells_merges:
            self._let_be_seen("contact")
        now = self.office.wait()
        values: dict[str, Value] = {"name": name, "ai_intent": VALUES["intent"][n] if n >= 0 else None}
        own = {key: value for key, value in values.items() if value and value != self._ours(("contact", key))}
        other = self.office.crm.create_by_person("contact", own)
        mine = self._record("contact")
        assert mine is not None
        self._let_go()  # the other record's history won't tell of what we wrote into this one
        before = {place: self._ours(place) for place in PLACES}
        merged_at = self.office.wait()
        winner, loser = (mine, other) if ours_wins else (other, mine)
        merged = self.office.crm.merge("contact", winner.ref, loser.ref)
        if not ours_wins and not self.office.tells_merges:  # nobody can tell it from a deletion
            self.deleted.add(("contact", ""))
            self.theirs.add(merged.ref)
            self.contact = None
            self._then(then)
            return
        self.contact = merged.ref
        self.former |= {mine.ref, other.ref}
        for place in (p for p in PLACES if p[0] == "contact"):
            held, value = mine.fields.get(place[1]), merged.fields.get(place[1])
            if not ours_wins and place[1] in own:
                self._wrote(place, merged.ref, own[place[1]], now)
            elif (value != held or self._moves_along(place, ours_wins)) and (value or place in self.owned.fresh):
                self._wrote(place, merged.ref, value, merged_at)
            if not ours_wins:
                self.owned.bases[place] = (merged_at, before[place])
        self._then(then)

    @precondition(lambda self: self.contact is not None)
    @rule(then=afterwards)
    def deletes_contact(self, then: str) -> None:
        """A person deletes the contact."""
        self._let_be_seen("contact")
        if self.contact is None:
            return
        self.office.crm.delete("contact", self.contact)
        self.deleted.add(("contact", ""))
        self.contact = None
        self._then(then)

    @rule(kind=st.sampled_from(("deal", "note", "task")), then=afterwards)
    def deletes(self, kind: str, then: str) -> None:
        """A person deletes a record that we made."""
        self._let_be_seen(kind)
        found = self.office.records(kind)
        if found:
            self.office.crm.delete(kind, found[0].ref)
            self.deleted.add((kind, str(found[0].fields.get("title", ""))))
        self._then(then)

    @rule(then=afterwards)
    def finishes_task(self, then: str) -> None:
        """A person ticks a task off."""
        self.office.wait()
        for task in self.office.records("task")[:1]:
            if task.fields.get("status") == "open":
                self._log("task", task.ref, "status")
                self.office.edit("task", task.ref, "status", "done")
                self.done_tasks.add(task.ref)
        self._then(then)

    @rule(then=afterwards)
    def edits_note(self, then: str) -> None:
        """A person writes into our note."""
        self.office.wait()
        for note in self.office.records("note")[:1]:
            body = f"They called {self.office.clock():%H:%M}.\n{note.fields.get('body')}"
            self._log("note", note.ref, "body")
            self.office.edit("note", note.ref, "body", body)
            self.notes[note.ref] = body
        self._then(then)

    # ------------------------------------------------------------------------------------------------------------------

    def _say(self, what: str, value: str, role: str, name: str) -> None:
        now = self.office.wait()
        self.office.say({what: value}, role=role, name=name)
        self.owned.said(what, value, now, role)
        if name:
            self.owned.named(name, now)

    def _bring_news(self, place: Property, n: int) -> None:
        """Let somebody say what moves a property, so that there is something to write, and read it."""
        name = MEANS[place]
        believed = self.owned.belief(name).value
        news = [value for value in VALUES[name] if value != believed]
        if name == "stage":
            news = [value for value in news if value in MOVES[str(believed or "enquired")]]
        self._say(name, news[n % len(news)], "agent" if name == "stage" else "customer", "")
        self.office.infer()
        self.office.wait()

    def _then(self, what: str) -> None:
        if what == "infer":
            self.office.infer()
        elif what == "sync":
            self.office.sync()
        elif what == "settle":
            self._settle()
        self._find_contact()

    def _moves_along(self, place: Property, ours_wins: bool) -> bool:
        """Say whether somebody's value goes over into the other record, where the merging person wrote it."""
        return not ours_wins and place in self.owned.holds

    def _let_be_seen(self, kind: str) -> None:
        """Settle what nobody could find out once the record is deleted: the last edits in it."""
        self.office.wait()
        if any(place[0] == kind for place in self.owned.fresh):
            self._settle()

    def _find_contact(self) -> None:
        """Learn our contact's ref once it has been made."""
        if self.contact is None and ("contact", "") not in self.deleted:
            self.contact = next((record.ref for record in self.office.records("contact")), None)

    def _now(self, ref: str) -> str:
        """Return the ref under which a record is found after what was merged."""
        return self.contact or "" if ref in self.former else ref

    def _record(self, kind: str) -> Record | None:
        found = self.office.records(kind)
        return next((r for r in found if kind != "contact" or r.ref == self.contact), None)

    def _let_go(self) -> None:
        """Let go of the holds over which newer words made us write."""
        for place in PLACES:
            record = self._record(place[0])
            if record is not None:
                self.owned.overtaken(place, self.office.history(place[0], record.ref, place[1]), self._overruns(place))

    def _settled_record(self, place: Property) -> Record | None:
        self.office.wait()
        return None if place in self.owned.fresh else self._record(place[0])

    def _ours(self, place: Property) -> Any:
        record = self._record(place[0])
        if record is None:
            return NEVER
        return self.owned.ours(place, self.office.history(place[0], record.ref, place[1]), self._overruns(place))

    def _overruns(self, place: Property) -> list[datetime]:
        return [at for kind, _, name, at in self.office.overruns if (kind, name) == place]

    def _edit(self, place: Property, value: Value, author: Any = PERSON) -> None:
        """Set a property by hand, unless nobody could tell: back to ours before anybody has looked."""
        record = self._record(place[0])
        if record is None or (value is None and place in self.office.required):
            return
        ours = self._ours(place)
        is_ours = ours is not NEVER and value == ours
        if place in self.owned.fresh and (is_ours or (ours is NEVER and value is None)):
            return
        changes = record.fields.get(place[1]) != value
        self.office.edit(place[0], record.ref, place[1], value, author)
        if changes:
            self._wrote(place, record.ref, value, self.office.clock(), is_ours=is_ours)

    def _wrote(self, place: Property, ref: str, value: Value, at: datetime, *, is_ours: bool = False) -> None:
        self.logged.add((place[0], ref, place[1], at))
        self.touched.add(place)
        self.owned.wrote(place, value, at, is_ours=is_ours)

    def _log(self, kind: str, ref: str, name: str) -> None:
        self.logged.add((kind, ref, name, self.office.clock()))
        self.touched.add((kind, name))

    def _rival(self, place: Property, n: int) -> Callable[[Sequence[Create | Update]], tuple[str, str, str] | None]:
        """A person who edits a property just before we write it, to a value that is neither ours nor theirs yet."""

        def act(writes: Sequence[Create | Update]) -> tuple[str, str, str] | None:
            for write in writes:
                if not isinstance(write, Update) or write.kind != place[0] or place[1] not in write.fields:
                    continue
                record = self._record(place[0])
                if record is None or record.ref != write.ref:
                    return None
                is_full = place in IDENTITY or place in self.office.required
                values = [*VALUES[MEANS[place]], *([] if is_full else [None])]
                taken = (record.fields.get(place[1]), write.fields[place[1]], self._ours(place))
                free = [value for value in values if value not in taken]
                if not free:
                    return None
                value = free[n % len(free)]
                self.office.edit(place[0], record.ref, place[1], value)
                self._wrote(place, record.ref, value, self.office.clock())
                return place[0], record.ref, place[1]
            return None

        return act

    # What must hold ---------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        self.office.wait()
        self.office.settle()
        self._find_contact()
        self._let_go()
        for check in (
            self._each_value_is_its_owners,
            self._a_deal_is_made,
            self._nothing_comes_back,
            self._nothing_is_there_twice,
            self._what_nobody_touched_is_free,
            self._each_correction_is_an_edit,
            self._each_value_has_a_cause,
        ):
            check()
        for place in PLACES:
            self.owned.settled(place)
        self.deaths = 0

    def _each_value_is_its_owners(self) -> None:
        wrong = {}
        for place in PLACES:
            record = self._record(place[0])
            if place == ("deal", "stage") and self.owned.expected(place) is None:
                continue  # a deal is always in some stage: to believe none empties nothing
            if record is not None and record.fields.get(place[1]) != self.owned.expected(place):
                wrong[place] = (record.fields.get(place[1]), self.owned.expected(place))
        assert not wrong, f"(what stands, what must stand): {wrong}"
        for note in self.office.records("note"):
            if note.ref in self.notes:
                assert note.fields["body"] == self.notes[note.ref], "a person's words in a note were written over"
        for task in self.office.records("task"):
            if task.ref in self.done_tasks:
                assert task.fields["status"] == "done", "a task that a person ticked off is open again"

    def _a_deal_is_made(self) -> None:
        stage = self.owned.belief("stage").value
        is_far = stage in ("qualified", "booked", "attended")
        if is_far and self.contact is not None and not any(kind == "deal" for kind, _ in self.deleted):
            assert self.office.records("deal"), f"no deal, though it is {stage}"

    def _nothing_comes_back(self) -> None:
        for kind, title in self.deleted:
            there = [r for r in self.office.records(kind) if r.ref not in self.theirs]
            back = [r for r in there if str(r.fields.get("title", "")) == title]
            assert not back, f"a {kind} that a person deleted came back"

    def _nothing_is_there_twice(self) -> None:
        for kind in ("contact", "deal", "note"):
            assert len(self.office.records(kind)) <= 1, f"two records of the kind {kind}"
        titles = Counter(task.fields.get("title") for task in self.office.records("task"))
        assert not titles or max(titles.values()) == 1, "two tasks for one step"

    def _what_nobody_touched_is_free(self) -> None:
        standing = self.office.standing()
        assert standing is not None
        for record in standing.records.values():
            for name, held in record.fields.items():
                if held.hold and held.hold.author.kind is not AuthorKind.US and not record.gone:
                    assert (record.kind, name) in self.touched, f"{record.kind}.{name} is locked: {held.hold}"

    def _each_correction_is_an_edit(self) -> None:
        found = [f for f in self.office.app.journal.facts(kinds=["correction"]) if isinstance(f, Correction)]
        keys = [(f.kind, self._now(f.ref), f.field, self.office.moment(f.at)) for f in found]
        assert len(set(keys)) == len(keys), "an edit was counted twice"
        assert all(f.author.kind is AuthorKind.PERSON for f in found)
        logged = {(kind, self._now(ref), name, at) for kind, ref, name, at in self.logged}
        assert set(keys) <= logged, "a correction that nobody made"
        for place in self.owned.holds:
            record = self._record(place[0])
            edits = self.office.history(place[0], record.ref, place[1]) if record else ()
            authors = [edit.author.kind for edit in edits]
            if record and authors[-1:] == [AuthorKind.PERSON] and AuthorKind.US in authors:
                key = (place[0], record.ref, place[1], edits[-1].at)
                assert key in keys, f"a person's edit of {place} was not counted as a correction"

    def _each_value_has_a_cause(self) -> None:
        postings: dict[tuple[str, str, str], Posting] = {}
        for fact in self.office.app.journal.facts(kinds=["posting"]):
            if isinstance(fact, Posting):
                postings[fact.kind, self._now(fact.ref), fact.field] = fact
        for place in PLACES:
            record = self._record(place[0])
            edits = self.office.history(place[0], record.ref, place[1]) if record else ()
            if record and edits and edits[-1].author.kind is AuthorKind.US:
                posting = postings.get((place[0], record.ref, place[1]))
                assert posting is not None, f"nothing was journaled for {place}"
                assert self.office.told(*place, posting.value) == edits[-1].value, f"{place} holds what was not posted"
                assert self._is_founded(posting), f"nothing explains {place}"

    def _is_founded(self, posting: Posting) -> bool:
        """Walk `because` down to a verified quote, a formula, what a channel said of a person, or a person's edit."""
        journal, seen, ahead = self.office.app.journal, set(), [posting.id]
        while ahead:
            for cause in journal.causes(ahead.pop()):
                if isinstance(cause, Claim) and (cause.verified or cause.formula):
                    return True
                if isinstance(cause, Match) or (isinstance(cause, Reading) and (cause.holds or cause.freed)):
                    return True
                if cause.id not in seen:
                    seen.add(cause.id)
                    ahead.append(cause.id)
        return False


class CarefulCrm(HumanWins):
    """A CRM that can refuse a write over a newer version."""


class HastyCrm(HumanWins):
    """A CRM without conditional writes, where a lost answer may mean a write that is still on its way."""

    conditional = False
    settle_s = 30.0


class VendorCrm(HumanWins):
    """A vendor's CRM behind its adapter: no conditional write, a search that lags, merges in the vendor's way."""

    conditional = False
    settle_s = 30.0


VENDORS: Mapping[str, type[HumanWins]] = {
    name: type(f"{name.capitalize()}Crm", (VendorCrm,), {"furnish": office_on(name)}) for name in CRMS
}
"""The machine of each vendor's CRM."""
