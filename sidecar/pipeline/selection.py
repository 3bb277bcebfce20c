"""What a run reads: which of a party's activities a model is shown, and whether that is the whole history.

It asks only for a party's past, which is the journal's, or that of a reading that nobody keeps (`shadow`): so what is
tried out on stored words reads them as a running sidecar would.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sidecar.infer import EARLIER, MAX_WHOLE_CHARS, WHOLE_ACTIVITIES, WHOLE_CHARS
from sidecar.infer.question import questions_about
from sidecar.model import Activity, Fact, Inference, Match, Standing

MAX_NEWS_CHARS = 100_000
MAX_WHOLE = 300
MAX_FORCED = 2
"""How often a history that must be read whole, and has no answer, is tried before it has doubled."""
_AT_ONCE = ("booking_", "meeting", "edit", "deletion")
_IDLE = frozenset(("held_as_planned", "removed"))
"""How a calendar's entry stands when nobody waits for it to be read: its time has passed, or it only went."""
MIN_REPEATED_CHARS = 200
"""A short word may mean something else when it comes again ("yes"); so many characters don't."""
END = "end"
_CHANGES = ("edit", "deletion")
_SENT = "sent:"
"""Before the version of a mail that was read in a sent folder: the trusted copy of the same mail read elsewhere."""

Matched = tuple[Match, Activity]


def is_at_once(activity: Activity) -> bool:
    """Say whether an activity is read at once, however lively the conversation is: a booking, a meeting, an edit."""
    return activity.kind.startswith(_AT_ONCE) and activity.attributes.get("status") not in _IDLE


def is_appointment(activity: Activity) -> bool:
    """Say whether an activity is news of a booking or a meeting, which the CRM shows natively."""
    return activity.kind.startswith(("booking_", "meeting")) and is_at_once(activity)


class Past(Protocol):
    """Where a party's former activities are."""

    def timeline(self, party: str, limit: int, before: datetime | None = None) -> list[Matched]:
        """Return a party's activities, newest first, those before a time."""

    def effects(self, fact_id: str, kind: str | None = None) -> list[Fact]:
        """Return the facts (of a kind) that follow from a fact."""

    def versions(self, channel: str, account: str, external_id: str, limit: int = 200) -> list[Activity]:
        """Return an activity and those that relate to it (edits, a deletion), oldest first."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run reads: the activities to infer from, those before them, and whether that is the whole history.

    `overtaken` were edited, deleted or said again since: nobody reads them any more; they count as read. An activity
    that needs several questions is read alone, the `part`-th of its `parts` in one run. Where the whole was `given_up`,
    it had no answer when it was tried. `news` are the activities that had not been read before; None means all.
    """

    new: Sequence[Matched]
    earlier: Sequence[Activity]
    whole: bool
    overtaken: Sequence[Matched] = ()
    part: int = 1
    parts: int = 1
    given_up: bool = False
    news: frozenset[str] | None = None

    @property
    def is_last(self) -> bool:
        """Say whether nothing of its activities is left to be read."""
        return self.part == self.parts

    @property
    def is_alone(self) -> bool:
        """Say whether one activity is all that the question is about."""
        return len(self.new) == 1 and not self.earlier


def select(past: Past, standing: Standing, pending: Sequence[Matched], *, whole: bool, anyhow: bool = False) -> Reading:
    """Choose what a run reads: a short or doubled history whole, else the news after the last few words.

    A whole reading that has no room for all the news waits until these have been read; one that had no answer is given
    up, unless it is to be made `anyhow`.
    """
    news = frozenset(activity.id for _, activity in pending)
    many = {activity.id: n for _, activity in pending if (n := questions_about(activity)) > 1}
    given_up = False
    if whole and not many:
        history = list(reversed(past.timeline(standing.party, MAX_WHOLE)))
        kept = _newest(_current(history), MAX_WHOLE_CHARS)
        late = overtaken(history)
        given_up = bool(pending) and not anyhow and _is_hopeless(past, standing, kept, late)
        if not given_up and _is_due(standing, kept, news) and news <= {activity.id for _, activity in (*kept, *late)}:
            return Reading(kept, (), True, late, news=news)
    late = [p for p in pending if _is_overtaken(past, p[1])] if standing.needs_whole else overtaken(pending)
    gone = {activity.id for _, activity in late}
    new = _oldest([p for p in _current(pending) if p[1].id not in gone], MAX_NEWS_CHARS)
    before = past.timeline(standing.party, EARLIER, before=min(a.at for _, a in pending))
    earlier = [a for _, a in reversed(before) if a.id not in news and not _is_overtaken(past, a)]
    if new and new[0][1].id in many:
        parts = many[new[0][1].id]
        part = min(parts, _parts_read(past, new[0][0]) + 1)
        return Reading(new[:1], earlier, False, late, part, parts, news=news)
    until = next((i for i, (_, activity) in enumerate(new) if activity.id in many), len(new))
    return Reading(new[:until], earlier, False, late, given_up=given_up, news=news)


def whole_instead(past: Past, standing: Standing, pending: Sequence[Matched]) -> Reading | None:
    """Return the whole history for a model that doubts the state; None when it was read just now, or can't be.

    That it had no answer is no reason: a replay knows only of answers, and must choose as the run that it follows did.
    """
    if standing.activities - standing.activities_at_whole <= EARLIER:
        return None
    whole = select(past, replace(standing, needs_whole=True), pending, whole=True, anyhow=True)
    return whole if whole.whole else None


def has_no_answer(past: Past, standing: Standing) -> bool:
    """Say whether the whole history was tried as it is now, or often enough, and had no answer."""
    history = list(reversed(past.timeline(standing.party, MAX_WHOLE)))
    kept, gone = _newest(_current(history), MAX_WHOLE_CHARS), overtaken(history)
    tried = _tried(past, kept, gone)
    is_as_now = bool(tried) and max(tried) >= max(activity.at for _, activity in kept)
    return is_as_now or _is_hopeless(past, standing, kept, gone)


def overtaken(history: Sequence[Matched]) -> list[Matched]:
    """Return what was edited, deleted or said again later, of some activities in order of time."""
    kept = {activity.id for _, activity in _current(history)}
    return [(match, activity) for match, activity in history if activity.id not in kept]


def _parts_read(past: Past, match: Match) -> int:
    """Return how many parts of a long activity have been read, as the book has it."""
    read = [i for i in past.effects(match.id, Inference.KIND) if isinstance(i, Inference) and i.stop == END]
    return max((inference.part for inference in read if inference.parts > 1), default=0)


def _is_overtaken(past: Past, activity: Activity) -> bool:
    """Say whether an activity was edited or deleted later."""
    root = (activity.relates_to or "") if activity.kind == "edit" else activity.external_id
    versions = past.versions(activity.channel, activity.account, root)
    return any(v.kind in _CHANGES and (v.at, v.id) > (activity.at, activity.id) for v in versions if v != activity)


def _is_due(standing: Standing, history: Sequence[Matched], news: Collection[str]) -> bool:
    """Say whether a whole reading is worth its price: a short, new or doubled history, or one that must be read."""
    is_short = _chars(history) <= WHOLE_CHARS
    is_new = {activity.id for _, activity in history} <= set(news)
    has_doubled = 0 < 2 * standing.activities_at_whole <= standing.activities
    return standing.needs_whole or is_short or is_new or has_doubled


def _is_hopeless(past: Past, standing: Standing, history: Sequence[Matched], gone: Sequence[Matched]) -> bool:
    """Say whether the whole history had no answer since it last doubled: else each message pays for another try."""
    if standing.activities <= WHOLE_ACTIVITIES:
        return False
    tried = _tried(past, history, gone)
    if len(tried) < (MAX_FORCED if standing.needs_whole else 1):
        return False
    return 2 * sum(activity.at > max(tried) for _, activity in history) < standing.activities


def _tried(past: Past, history: Sequence[Matched], gone: Sequence[Matched]) -> set[datetime]:
    """Return the newest times of the readings from the beginning that had no answer.

    What was asked with words that are `gone` by now says nothing about the rest.
    """
    called = past.effects(history[0][1].id, Inference.KIND) if history else []
    unanswered = (fact for fact in called if isinstance(fact, Inference) and fact.stop != END)
    without = {activity.id for _, activity in gone}
    return {inference.newest_at for inference in unanswered if without.isdisjoint(inference.because)}


def _current(history: Sequence[Matched]) -> list[Matched]:
    """Drop what was deleted and put the newest version in an edited activity's place."""
    edits = {_root(a): (m, a) for m, a in history if a.kind == "edit"}
    deleted = {_root(a) for _, a in history if a.kind == "deletion"}
    there = {_root(a) for _, a in history if a.kind not in _CHANGES}
    sent = {(_root(a), a.version.removeprefix(_SENT)) for _, a in history if a.version.startswith(_SENT)}
    kept: list[Matched] = []
    for match, activity in history:
        root = _root(activity)
        if root in deleted and activity.kind != "deletion":
            continue
        if activity.kind in _CHANGES and root in there:
            continue
        if (root, activity.version) in sent:
            continue
        if activity.kind == "edit" and edits[root][1] != activity:
            continue
        kept.append(edits.get(root, (match, activity)) if activity.kind not in _CHANGES else (match, activity))
    return _without_repeats(kept) or [pair for pair in history if pair[1].kind == "deletion"][-1:]


def _without_repeats(kept: Sequence[Matched]) -> list[Matched]:
    """Drop what the same sender says again in the same many words within a day: the last time it was said stands."""
    last = {_wording(activity): activity.id for _, activity in kept}
    return [(m, a) for m, a in kept if len(a.text) < MIN_REPEATED_CHARS or last[_wording(a)] == a.id]


def _wording(activity: Activity) -> tuple[object, ...]:
    """Who said what on which day; our own side repeats itself for a reason."""
    if activity.actor.authenticated:
        return (activity.id,)
    who = activity.channel, activity.account, activity.actor.identifiers, activity.actor.name
    return (*who, activity.at.date(), activity.kind, activity.subject, activity.text)


def _root(activity: Activity) -> tuple[str, str, str]:
    """Names the activity that an edit or a deletion is about, for all of its versions alike."""
    about = activity.relates_to if activity.kind in _CHANGES else activity.external_id
    return activity.channel, activity.account, about or activity.external_id


def _chars(history: Sequence[Matched]) -> int:
    return sum(said.end - said.start for _, activity in history for said in activity.said)


def _newest(history: Sequence[Matched], max_chars: int) -> list[Matched]:
    kept: list[Matched] = []
    chars = 0
    for match, activity in reversed(history):
        chars += _chars([(match, activity)])
        if kept and chars > max_chars:
            break
        kept.append((match, activity))
    return kept[::-1]


def _oldest(pending: Sequence[Matched], max_chars: int) -> list[Matched]:
    kept: list[Matched] = []
    for pair in pending:
        if kept and _chars([*kept, pair]) > max_chars:
            break
        kept.append(pair)
    return kept
