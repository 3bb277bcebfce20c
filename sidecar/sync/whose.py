"""Whose is each value of a CRM record: ours, a person's, an automation's, the past's?

Pure. A property is ours while it holds our last posted value, a value of our own unconfirmed Change, or nothing where
we never posted. Everything else is somebody's hold. The CRM's own history, where there is one, is the better witness:
it names the author, tells our own half-finished write from a person who typed the same, and shows an edit that our
write ran over. Without it a hold is respected all the same, and never counted as a correction. An answer in the review
field is a word about other values: it corrects nothing, and is no belief.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sidecar.model import (
    ANSWERS,
    REVIEW,
    Author,
    AuthorKind,
    Edit,
    FieldClass,
    FieldSync,
    Hold,
    Record,
    RecordSync,
    Route,
    StagePolicy,
    Value,
)
from sidecar.sync.desired import DesiredRecord


@dataclass(slots=True)
class Whose:
    """What was found out, by property.

    `holds` are new, `freed` were given back by restoring our value, `confirmed` are Changes that arrived, with the
    value as it stands in the CRM; `corrected` are values of ours that a person changed, by our value.
    """

    holds: dict[str, Hold] = field(default_factory=dict)
    freed: dict[str, Hold] = field(default_factory=dict)
    confirmed: dict[str, tuple[str, Value]] = field(default_factory=dict)
    corrected: dict[str, Value] = field(default_factory=dict)


def whose(
    found: Record,
    sync: RecordSync,
    wanted: DesiredRecord,
    edits: Sequence[Edit],
    route: Route,
    stages: Mapping[str, StagePolicy],
    now: datetime,
    *,
    is_moved: bool = False,
) -> Whose:
    """Judge each property that we wrote or would like to write; `stages` are the policy's.

    A record that `is_moved` is another one than we wrote to: ours was merged into it, or a lead became it. What it
    doesn't hold was left behind on the way, and emptied by nobody.
    """
    verdict = Whose()
    for name in properties(sync, wanted):
        held = sync.fields.get(name, FieldSync())
        own = [e for e in edits if e.field == name]
        judge = _Property(name, found, held, own, wanted, route, stages, now)
        if is_moved and judge.is_left_behind():
            verdict.holds[name] = judge.nobodys()
        else:
            judge.judge(verdict)
    return verdict


def properties(sync: RecordSync, wanted: DesiredRecord) -> list[str]:
    """Return the names of the properties that concern us."""
    return sorted({*sync.fields, *wanted.fields, *wanted.names, *wanted.of_people})


def same(a: Value, b: Value) -> bool:
    """Compare two values as a CRM would show them: numbers by value, texts without outer space, nothing as nothing."""
    if a in (None, "") or b in (None, ""):
        return a in (None, "") and b in (None, "")
    if isinstance(a, bool) or isinstance(b, bool):
        return str(a).casefold() == str(b).casefold()
    if isinstance(a, int | float) or isinstance(b, int | float):
        try:
            return float(a) == float(b)
        except ValueError:
            return False
    return a.replace("\r\n", "\n").strip() == b.replace("\r\n", "\n").strip()


def ours(sync: FieldSync, current: Value) -> bool:
    """Say whether what stands in the CRM is, as far as comparing can tell, ours to overwrite."""
    if sync.hold is not None:
        return sync.hold.author.kind is AuthorKind.US
    if sync.was_posted and same(current, sync.posted):
        return True
    if any(same(current, value) for value in sync.pending.values()):
        return True
    return not sync.was_posted and same(current, None)


class _Property:
    """One property: its value, what we know of it, and what the CRM's history says."""

    def __init__(
        self,
        name: str,
        found: Record,
        held: FieldSync,
        own: Sequence[Edit],
        wanted: DesiredRecord,
        route: Route,
        stages: Mapping[str, StagePolicy],
        now: datetime,
    ) -> None:
        self._name, self._wanted, self._route, self._stages = name, wanted, route, stages
        self._current, self._held, self._own = found.fields.get(name), held, own
        self._seen_at = found.updated_at or now
        # An edit may have come between the read and the look at the history: then the history says nothing of it.
        self._last = own[-1] if own and same(own[-1].value, self._current) else None
        if self._last and self._last.guessed and any(same(self._current, value) for value in held.pending.values()):
            self._last = None  # nobody's name is on it, and it is what we were about to write
        self._known = _known_edits(own, held)

    def is_left_behind(self) -> bool:
        """Say whether a value of ours didn't come along to the record that ours became."""
        held = self._held
        is_ours = held.was_posted and not held.hold and not held.pending and not same(held.posted, None)
        return is_ours and same(self._current, None) and not self._own

    def nobodys(self) -> Hold:
        """Return what is nobody's word: ours to write again, and no baseline of anything."""
        return Hold(author=Author(AuthorKind.US), value=None, at=self._seen_at, unsettled=tuple(self._held.pending))

    def judge(self, verdict: Whose) -> None:
        name, before = self._name, self._held
        confirmed = self._confirmed()
        if confirmed:
            verdict.confirmed[name] = confirmed
            self._held = _after_posting(before, before.pending[confirmed[0]], confirmed[1])
        run_over = self._run_over(before, confirmed[0]) if confirmed else None
        if run_over:
            verdict.holds[name] = replace(run_over, overrun=True, unsettled=())
            is_persons = run_over.author.kind is AuthorKind.PERSON and not self._is_answer(run_over.value)
            if run_over != before.hold and before.was_posted and is_persons:
                verdict.corrected[name] = before.posted
        elif self._is_ours():
            if self._held.hold and not self._held.hold.overrun:
                verdict.freed[name] = self._hold(self._last)
        else:
            self._respect(verdict)

    def _confirmed(self) -> tuple[str, Value] | None:
        """Return the Change of ours that arrived, and the value that it left."""
        changes = [*self._held.pending.items()][::-1]
        if not changes:
            return None
        if self._last is None:
            return next(((c, self._current) for c, value in changes if same(value, self._current)), None)
        wrote = next((e for e in reversed(self._own[self._known :]) if e.author.kind is AuthorKind.US), None)
        if wrote is None:
            return None
        found = next(((c, wrote.value) for c, value in changes if same(value, wrote.value)), None)
        return found or ((changes[0][0], wrote.value) if self._is_reformatted(wrote) else None)

    def _is_reformatted(self, wrote: Edit) -> bool:
        """Say whether what stands is what the CRM made of our newest Change: no older value, and nobody's put back."""
        held = self._held
        older = [*([held.posted] if held.was_posted else []), *([held.hold.value] if held.hold else [])]
        return wrote is self._last and not any(same(wrote.value, value) for value in older)

    def _run_over(self, before: FieldSync, change: str) -> Hold | None:
        """Return somebody's value that our write ran over: one that it knew nothing of."""
        if self._last is None or self._last.author.kind is not AuthorKind.US:
            return None
        if before.hold and change in before.hold.unsettled:
            return None if same(before.hold.value, self._last.value) else before.hold
        relied_on = [before.posted, self._last.value] if before.was_posted else [self._last.value]
        if before.hold or not before.was_posted:
            relied_on.append(before.hold.value if before.hold else None)
        edit = self._own[-2] if len(self._own) - 1 > self._known else self._last
        is_theirs = edit.author.kind is not AuthorKind.US and not any(same(edit.value, value) for value in relied_on)
        return self._hold(edit) if is_theirs else None

    def _is_ours(self) -> bool:
        held, current = self._held, self._current
        if held.was_posted and same(current, held.posted):
            return True
        if self._last is None and any(same(current, value) for value in held.pending.values()):
            return True
        return not held.was_posted and held.hold is None and same(current, None)

    def _respect(self, verdict: Whose) -> None:
        """Take down somebody's value, unless it is known already; our own, of another time, is nobody's hold."""
        known, hold = self._held.hold, self._hold(self._last)
        if known and same(known.value, hold.value):
            is_news = self._last is not None and hold.author.kind is not AuthorKind.US and hold.at > known.at
            if not is_news:
                return
        verdict.holds[self._name] = hold
        is_persons = hold.author.kind is AuthorKind.PERSON and not self._is_answer(hold.value)
        if self._held.was_posted and is_persons and self._we_wrote_before():
            verdict.corrected[self._name] = self._held.posted

    def _we_wrote_before(self) -> bool:
        """A record that ours was merged into holds values that a person left long before: no corrections of ours."""
        return any(e.author.kind is AuthorKind.US for e in self._own)

    def _is_answer(self, value: Value) -> bool:
        return _meaning(self._name, self._wanted) == REVIEW and value in ANSWERS

    def _hold(self, edit: Edit | None) -> Hold:
        author = edit.author if edit else Author(AuthorKind.UNKNOWN)
        value = edit.value if edit else self._current
        is_belief = author.kind is not AuthorKind.US and not self._is_answer(value)
        name = _meaning(self._name, self._wanted) if is_belief else ""
        means = _in_our_words(name, self._name, value, self._route)
        stage = self._stages.get(str(means)) if name == "stage" else None
        return Hold(
            author=author,
            value=value,
            at=edit.at if edit else self._seen_at,
            first=not self._held.was_posted,
            name=name,
            means=means,
            to=stage.to if stage else (),
            ends=bool(stage and stage.terminal),
            unsettled=tuple(self._held.pending),
        )


def _known_edits(own: Sequence[Edit], held: FieldSync) -> int:
    """Return how many of a property's edits were taken in already."""
    hold = held.hold
    if hold:
        places = [i for i, e in enumerate(own) if e.at == hold.at and same(e.value, hold.value)]
        return places[-1] + 1 if places else sum(e.at < hold.at for e in own)
    return sum(e.at < held.freed_at for e in own) if held.freed_at else 0


def _after_posting(held: FieldSync, wrote: Value, value: Value) -> FieldSync:
    """What is known of a property once a Change of it is confirmed (as the fold will have it)."""
    if held.hold is not None and same(held.hold.value, wrote):
        return replace(held, pending={}, hold=replace(held.hold, overrun=False))
    return replace(held, posted=value, wrote=wrote, was_posted=True, pending={}, hold=None)


def _meaning(name: str, wanted: DesiredRecord) -> str:
    """The field of ours that a property stands for; none for identity, whose holds are no baseline."""
    wish = wanted.fields.get(name)
    if wish:
        return "" if wish.cls is FieldClass.IDENTITY else wish.name
    return wanted.names.get(name, "")


def _in_our_words(meaning: str, name: str, value: Value, route: Route) -> Value:
    if meaning == "stage" and name == "stage":
        return next((ours_ for ours_, theirs in route.stages.items() if same(theirs, value)), value)
    return value
