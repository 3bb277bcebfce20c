"""The conversation around some words: what was said, by whom, with the quotes marked where they stand.

A short conversation is shown whole. Of a long one only the neighbourhood of each quote is, and of a long text only
what surrounds its quotes; what is left out is said where it was, because a reader who judges a quote by its context
must know whether all of the context is there. Offsets are code points of the immutable text, so the marks can't slip.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

from sidecar.journal import Journal
from sidecar.model import Activity, Evidence, Role, Standing

WHOLE = 60
"""Activities up to which everything is shown."""
AROUND = 3
MAX_SPOTS = 15
"""Places of a long conversation that are shown."""
MAX_TEXT_CHARS = 4_000
HEAD_CHARS = 400
NEAR_CHARS = 500
MAX_MARKS = 60


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote, numbered as on the page; `activity` is None when its text is not in the book any more."""

    number: int
    evidence: Evidence
    activity: Activity | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text: said in this activity or not (a quoted reply, a signature), quoted, or left out.

    Of what was left out `text` is empty and `left_out` counts the characters.
    """

    text: str = ""
    is_said: bool = True
    number: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One activity as it is shown; `follows` is false where activities before it were left out."""

    activity: Activity
    pieces: tuple[Piece, ...]
    follows: bool = True


@dataclass(frozen=True, slots=True)
class Talk:
    """The turns, oldest first; `whole` says that no activity of their conversations is missing."""

    turns: tuple[Turn, ...]
    quotes: tuple[Quote, ...]
    whole: bool
    activities: int


def talk(
    journal: Journal,
    standing: Standing,
    evidence: Iterable[Evidence],
    behind: Iterable[str] = (),
    *,
    all_threads: bool = False,
) -> Talk:
    """Return the conversations that are quoted, and no others of the party but with `all_threads`.

    `behind` are activities whose conversations are shown where nothing is quoted, as for what is computed.
    """
    kept = list(dict.fromkeys(evidence))[:MAX_MARKS]
    facts = journal.get_many({e.activity for e in kept})
    kept.sort(key=lambda e: (_at(facts.get(e.activity)), e.activity, e.start))
    quotes = tuple(Quote(n, e, _activity(facts.get(e.activity))) for n, e in enumerate(kept, 1))
    spots = {q.activity.id: q.activity for q in quotes if q.activity}
    if not quotes:
        found = journal.get_many(list(dict.fromkeys(behind))[:MAX_MARKS]).values()
        spots = {fact.id: fact for fact in found if isinstance(fact, Activity)}
    runs, whole = _runs(journal, standing, list(spots.values()), all_threads=all_threads)
    turns = (
        _turn(activity, quotes, follows=n > 0 or at == 0)
        for at, run in enumerate(runs)
        for n, activity in enumerate(run)
    )
    return Talk(tuple(turns), quotes, whole, standing.activities)


def _turn(activity: Activity, quotes: Sequence[Quote], *, follows: bool) -> Turn:
    return Turn(activity, pieces(activity, [q for q in quotes if q.evidence.activity == activity.id]), follows)


def pieces(activity: Activity, quotes: Sequence[Quote]) -> tuple[Piece, ...]:
    """Cut an activity's text where what is said, or quoted, begins and ends."""
    text = activity.text
    marks = [(q.evidence.start, q.evidence.end, q.number) for q in quotes if _is_there(text, q.evidence)]
    said = sorted((s.start, s.end) for s in activity.said) or [(0, len(text))]
    shown = _shown(len(text), marks)
    ends = (i for start, end in shown for i in (start, end))
    cuts = (i for start, end, *_ in (*said, *marks) for i in (start, end) if _within(i, shown))
    edges = sorted({0, len(text), *ends, *cuts})
    return tuple(_joined(_stretches(text, edges, marks, said, shown)))


def _at(fact: object) -> str:
    return fact.at.isoformat() if isinstance(fact, Activity) else ""


def _activity(fact: object) -> Activity | None:
    return fact if isinstance(fact, Activity) else None


def _runs(
    journal: Journal, standing: Standing, spots: Sequence[Activity], *, all_threads: bool
) -> tuple[list[list[Activity]], bool]:
    """Return runs of neighbours, oldest first, and whether they are everything."""
    latest = [activity for _, activity in journal.timeline(standing.party, WHOLE + 1)]
    threads = {_thread(activity) for activity in spots}
    unique = {a.id: a for a in reversed(latest) if all_threads or _thread(a) in threads}
    if len(latest) <= WHOLE:
        return ([list(unique.values())] if unique else []), True
    if all_threads and not spots:
        return [list(unique.values())[-2 * AROUND :]], False
    runs: list[list[Activity]] = []
    for spot in sorted(spots, key=lambda a: (a.at, a.id))[-MAX_SPOTS:]:
        _add(runs, journal.around(standing.party, spot, AROUND, AROUND))
    return runs, False


def _thread(activity: Activity) -> tuple[str, str, str]:
    return activity.channel, activity.account, activity.thread


def _add(runs: list[list[Activity]], near: list[Activity]) -> None:
    """Join neighbours to the run that they overlap, if any."""
    for run in runs:
        known = {activity.id for activity in run}
        if any(activity.id in known for activity in near):
            run.extend(activity for activity in near if activity.id not in known)
            run.sort(key=lambda a: (a.at, a.id))
            return
    runs.append(near)


def _is_there(text: str, evidence: Evidence) -> bool:
    return 0 <= evidence.start < evidence.end <= len(text) and text[evidence.start : evidence.end] == evidence.quote


def _shown(length: int, marks: Sequence[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Return the ranges of a text that are shown: all of it, or its beginning and what is near the marks."""
    if length <= MAX_TEXT_CHARS:
        return [(0, length)]
    ranges = [(0, HEAD_CHARS)]
    for start, end, _ in sorted(marks):
        end = min(end, start + MAX_TEXT_CHARS)
        first, last = ranges[-1]
        begin = max(start - NEAR_CHARS, 0)
        if begin <= last:
            ranges[-1] = (first, max(last, min(end + NEAR_CHARS, length)))
        else:
            ranges.append((begin, min(end + NEAR_CHARS, length)))
    return ranges


def _stretches(
    text: str,
    edges: Sequence[int],
    marks: Sequence[tuple[int, int, int]],
    said: Sequence[tuple[int, int]],
    shown: Sequence[tuple[int, int]],
) -> Iterator[Piece]:
    for start, end in pairwise(edges):
        if not _within(start, shown):
            yield Piece(left_out=end - start)
            continue
        number = next((n for first, last, n in marks if first <= start < last), 0)
        yield Piece(text[start:end], _within(start, said), number)


def _within(at: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Say whether a place is in one of the spans, which are in order: a transcript may have thousands."""
    before = bisect_right(spans, at, key=itemgetter(0))
    return before > 0 and at < spans[before - 1][1]


def _joined(stretches: Iterable[Piece]) -> Iterator[Piece]:
    """Join neighbours that differ in nothing but their place."""
    held: Piece | None = None
    for piece in stretches:
        if held and _alike(held, piece):
            held = Piece(held.text + piece.text, piece.is_said, piece.number, held.left_out + piece.left_out)
            continue
        if held:
            yield held
        held = piece
    if held:
        yield held


def _alike(one: Piece, other: Piece) -> bool:
    if one.left_out or other.left_out:
        return bool(one.left_out and other.left_out)
    return (one.is_said, one.number) == (other.is_said, other.number)


def evidence_of(details: Iterable[Mapping[str, object]]) -> Iterator[Evidence]:
    """Return the evidence that claims of a chain tell in their details."""
    for detail in details:
        quotes = detail.get("evidence")
        for quote in quotes if isinstance(quotes, list) else ():
            yield Evidence(quote["activity"], quote["start"], quote["end"], quote["quote"], Role(quote["role"]))
