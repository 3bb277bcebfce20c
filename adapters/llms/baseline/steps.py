"""Reads next steps: what somebody promised, was asked for, has done, and appointments, each with who owes it and when.

A step that is known keeps its id when it is promised again in other words, and one that was ended stays ended. New
turns are played over the steps that stand; a history that is read whole is played from its beginning, and its outcome
compared with them. Either way only what differs at the end is told.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.llms.baseline.reading import Evidence, Reading
from adapters.llms.baseline.slots import accepted, confirmed
from adapters.llms.baseline.text import Sentence, fold
from adapters.llms.baseline.words import languages
from sidecar.model import CALENDARS, Role, Step, Turn

MAX_STEPS = 12
MAX_WHAT_WORDS = 15
MAX_WHAT_CHARS = 160
APPOINTMENT = "appointment"
_SAME_ACTION = {"reply": "call"}
_STATUS = {"open": "open", "done": "done", "dropped": "drop"}
_CALLED_OFF = frozenset({"cancelled", "canceled", "declined", "occurrence_cancelled"})
_COMMON_LETTERS = 5
_IGNORED = frozenset({"today", "tomorrow", "please", "heute", "morgen", "bitte", "manana", "demain", "ihnen", "you"})


@dataclass(slots=True)
class _Draft:
    who: str
    action: str
    topic: frozenset[str]
    what: str
    due: str = ""
    due_text: str = ""
    status: str = "open"
    evidence: list[Evidence] = field(default_factory=list)
    known: Step | None = None


def steps(reading: Reading) -> list[dict[str, Any]]:
    """Return what the new turns change about the next steps, in the form of the wire schema."""
    known = [_known(step) for step in reading.question.standing.engagement.steps]
    is_whole = not reading.question.earlier
    drafts = [] if is_whole else known
    seen: set[int] = set()
    for sentence in (s for s in reading.sentences if s.is_new):
        if sentence.turn.kind.startswith("booking_") or sentence.turn.kind == "meeting":
            if sentence.number not in seen:
                seen.add(sentence.number)
                _event(reading, sentence, drafts)
        elif sentence.role in (Role.CUSTOMER, Role.AGENT):
            _spoken(reading, sentence, drafts)
    if is_whole:
        _recognise(drafts, known)
    return [_wire(draft) for draft in drafts if _differs(draft)][:MAX_STEPS]


def _known(step: Step) -> _Draft:
    folded = fold(step.what)
    if folded.startswith(APPOINTMENT):
        action = APPOINTMENT
    else:
        action = next((a for a in (words.action(folded) for words in languages().values()) if a), "")
    status = step.status if step.status in _STATUS else "done"
    who = step.who if step.who in ("us", "customer") else "us"
    return _Draft(who, _alike(action), _topic(folded), step.what, step.due or "", step.due_text, status, known=step)


def _alike(action: str) -> str:
    return _SAME_ACTION.get(action, action)


def _topic(folded: str) -> frozenset[str]:
    """What a step is about: beginnings of its longer words, without the verbs that every step has."""
    every = languages().values()
    plain = " ".join(folded.split())
    for words in every:
        for name in ("send", "call", "reply", "meet", "check", "sign", "pay"):
            plain = words.patterns[f"actions.{name}"].sub(" ", plain)
    known = {w for words in every for w in words.stopwords} | _IGNORED
    return frozenset(w[:_COMMON_LETTERS] for w in re.findall(r"[^\W\d_]{4,}", plain) if w not in known)


def _recognise(drafts: Sequence[_Draft], known: list[_Draft]) -> None:
    """Give the steps of a whole history the ids under which they are known already."""
    for draft in drafts:
        same = [k for k in known if k.action == APPOINTMENT and k.due == draft.due]
        if draft.action != APPOINTMENT:
            same = [k for k in known if _is_same(k, draft.who, draft.action, draft.topic)]
            same.sort(key=lambda k: (k.what != draft.what, k.status != draft.status))
        if same:
            draft.known = same[0].known
            known.remove(same[0])
    for draft in drafts:
        moved = [k for k in known if k.action == APPOINTMENT and k.status == "open"]
        if draft.action == APPOINTMENT and draft.known is None and moved:
            draft.known = moved[0].known
            known.remove(moved[0])


def _event(reading: Reading, sentence: Sentence, drafts: list[_Draft]) -> None:
    turn = sentence.turn
    open_ones = [d for d in drafts if d.action == APPOINTMENT and d.status == "open"]
    times = _times(turn, reading) if turn.kind == "meeting" else set[str]()
    if times and turn.attributes.get("status", "").casefold() in _CALLED_OFF:
        for draft in _of(times, open_ones):
            _end(draft, "dropped", sentence, 0)
        return
    if turn.kind in ("booking_created", "booking_moved", "meeting") and turn.attributes.get("start"):
        due = _local(turn.attributes["start"], reading)
        if due and turn.attributes.get("status", "").casefold() not in _CALLED_OFF:
            before = turn.attributes.get("previous_start", "")
            same = _of({due, *times}, open_ones)
            moved = (_at(before, reading, open_ones) or open_ones) if turn.kind == "booking_moved" else same
            title = " ".join(turn.attributes.get("title", "").split())[:60]
            _appoint(drafts, moved, f"{title} on" if title else "on", due, "", [Evidence(sentence)])
        return
    status = {"booking_attended": "done", "booking_cancelled": "dropped", "booking_no_show": "dropped"}.get(turn.kind)
    meant = _at(turn.attributes.get("start", ""), reading, open_ones) or open_ones[:1] * (len(open_ones) == 1)
    for draft in meant if status else ():
        _end(draft, status or "done", sentence, 0)


def _at(start: str, reading: Reading, open_ones: Sequence[_Draft]) -> list[_Draft]:
    """The appointments of a time that an event names: of two, one that is called off says nothing of the other."""
    due = _local(start, reading)
    return [draft for draft in open_ones if draft.due == due]


def _of(times: Collection[str], open_ones: Sequence[_Draft]) -> list[_Draft]:
    """The appointments of some times, else those of their days: such were agreed without an hour."""
    days = {time[:10] for time in times}
    return [d for d in open_ones if d.due in times] or [d for d in open_ones if d.due in days]


def _times(turn: Turn, reading: Reading) -> set[str]:
    """When a meeting is, and when it was to be by what was told before: a calendar doesn't say what it has replaced.

    Whoever calls it off needn't say when it was; the standing knows, also where the words of before aren't shown.
    """
    told = [turn]
    for other in (*reading.question.earlier, *reading.question.new):
        if other.alias == turn.alias:
            break
        if other.kind == turn.kind and turn.attributes.get("uid") and _which(other) == _which(turn):
            told.append(other)
    starts = {t.attributes.get("start") or t.attributes.get("proposed_start") or "" for t in told}
    name = CALENDARS + "#".join(part for part in _which(turn) if part)
    starts |= {m.start.isoformat() for m in reading.question.standing.meetings if name in (m.id, *m.others)}
    return {_local(start, reading) for start in starts} - {""}


def _which(turn: Turn) -> tuple[str | None, str | None]:
    """Which meeting a turn is about: a single day of a series is one of its own."""
    return turn.attributes.get("uid"), turn.attributes.get("occurrence")


def _local(text: str, reading: Reading) -> str:
    """A start as the channel gives it (ISO, with or without offset) as local minutes, or empty."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return ""
    local = at.astimezone(reading.zone) if at.tzinfo else at.replace(tzinfo=UTC).astimezone(reading.zone)
    return local.strftime("%Y-%m-%dT%H:%M")


def _appoint(
    drafts: list[_Draft], moved: Sequence[_Draft], what: str, due: str, due_text: str, evidence: list[Evidence]
) -> None:
    text = f"Appointment: {what} {due.replace('T', ' ') or due_text}".replace(": on", " on")
    if moved:
        draft = moved[-1]
        if draft.due != due:
            draft.what, draft.due, draft.due_text, draft.evidence = text, due, due_text, evidence
        return
    if not any(d.action == APPOINTMENT and d.due == due for d in drafts):
        drafts.append(_Draft("us", APPOINTMENT, frozenset(), text, due, due_text, evidence=evidence))


def _spoken(reading: Reading, sentence: Sentence, drafts: list[_Draft]) -> None:
    words = reading.words(sentence)
    ours = "us" if sentence.role is Role.AGENT else "customer"
    theirs = "customer" if ours == "us" else "us"
    dropped = words.hit("steps.dropped", sentence)
    if dropped:
        for draft in _matching(drafts, theirs, words.action(sentence.folded), _topic(sentence.folded))[-1:]:
            _end(draft, "dropped", sentence, dropped.start())
        return
    if _appointment(reading, sentence, drafts):
        return
    request = words.hit("steps.request", sentence, conditional=True)
    if request and not _is_open(reading, sentence, request):
        _owe(reading, sentence, drafts, theirs, request.start())
        return
    if sentence.is_question:
        return
    if words.patterns["steps.done"].search(sentence.folded):
        done = words.hit("steps.done", sentence)
        for draft in _matching(drafts, ours, words.action(done[0]), _topic(sentence.folded))[-1:] if done else ():
            _end(draft, "done", sentence, done.start() if done else 0)
        return
    commit = words.hit("steps.commit", sentence)
    if commit is None and ours == "us":
        commit = words.hit("steps.ours", sentence)
    if commit and not words.hearsay.search(sentence.folded) and _looks_ahead(reading, sentence):
        _owe(reading, sentence, drafts, ours, commit.start())


def _is_open(reading: Reading, sentence: Sentence, request: re.Match[str]) -> bool:
    """Whether a request asks for nothing that is owed: our invitation ("if you like, ..."), a wish for a slot."""
    words = reading.words(sentence)
    if sentence.role is Role.AGENT:
        before, after = sentence.folded[: request.start()], sentence.folded[request.end() :]
        return bool(words.conditionals.search(before) or words.conditionals.search(after))
    wants_slot = sentence.is_question and words.patterns["intent.book"].search(sentence.folded)
    return bool(wants_slot) and words.action(request[0]) not in ("call", "reply")


def _looks_ahead(reading: Reading, sentence: Sentence) -> bool:
    """Whether a verb in the present is meant for later: it says so, or names a moment that isn't over."""
    if reading.words(sentence).patterns["steps.promise"].search(sentence.folded):
        return True
    return any(not m.past for m in reading.dates(sentence)) or not any(m.past for m in reading.dates(sentence))


def _appointment(reading: Reading, sentence: Sentence, drafts: list[_Draft]) -> bool:
    """Take a confirmed slot, or the end of one, as an appointment; says whether the sentence was one."""
    words = reading.words(sentence)
    open_ones = [d for d in drafts if d.action == APPOINTMENT and d.status == "open"]
    gone = words.hit("signals.cancelled", sentence) or words.asserted("signals.no_show", sentence)
    if gone:
        for draft in open_ones:
            _end(draft, "dropped", sentence, gone.start())
        return bool(open_ones)
    if sentence.role is not Role.AGENT:
        taken = accepted(reading, sentence)
        if taken:
            _appoint(drafts, open_ones, "on", taken.due, taken.words, [Evidence(taken.where), Evidence(sentence)])
        return bool(taken)
    came = words.asserted("signals.attended", sentence)
    if came:
        for draft in open_ones:
            _end(draft, "done", sentence, came.start())
        return False
    booked = confirmed(reading, sentence)
    if booked and booked[1] and booked[1].due:
        slot, at = booked[1], booked[0].start()
        _appoint(drafts, open_ones, "on", slot.due, slot.words, [Evidence(sentence, at)])
    return bool(booked)


def _owe(reading: Reading, sentence: Sentence, drafts: list[_Draft], who: str, at: int) -> None:
    action, topic = _alike(reading.words(sentence).action(sentence.folded[at:])), _topic(sentence.folded[at:])
    due, due_text = _due(reading, sentence, at)
    known = _matching(drafts, who, action, topic)
    if known:
        draft = known[-1]
        draft.topic |= topic
        if due_text and due != draft.due:
            draft.due, draft.due_text, draft.evidence = due, due_text, [Evidence(sentence, at)]
        return
    drafts.append(_Draft(who, action, topic, _what(sentence, at), due, due_text, evidence=[Evidence(sentence, at)]))


def _due(reading: Reading, sentence: Sentence, at: int) -> tuple[str, str]:
    """When it is due: the first moment after the promise, else in the sentence; a bare time means the same day."""
    moments = [m for m in reading.dates(sentence) if not m.past]
    moment = next((m for m in moments if m.start >= at), moments[0] if moments else None)
    if moment is None:
        return "", ""
    text = sentence.text[moment.start : moment.end]
    if moment.only_clock:
        said_at = reading.said_at(sentence)
        later = bool(moment.clock and moment.clock > said_at.time())
        return (f"{said_at:%Y-%m-%d}T{moment.clock:%H:%M}" if later else ""), text
    return moment.due, text


def _what(sentence: Sentence, at: int) -> str:
    words = sentence.text[at:].split()
    return " ".join(words[:MAX_WHAT_WORDS])[:MAX_WHAT_CHARS].rstrip(" .,;:!?")


def _matching(drafts: Sequence[_Draft], who: str, action: str, topic: frozenset[str]) -> list[_Draft]:
    return [d for d in drafts if d.status == "open" and _is_same(d, who, _alike(action), topic)]


def _is_same(draft: _Draft, who: str, action: str, topic: frozenset[str]) -> bool:
    """Whether a step is the same person's, of the same action, and about the same or nothing in particular."""
    about = not topic or not draft.topic or topic & draft.topic
    return bool(draft.who == who and draft.action == action != APPOINTMENT and about)


def _end(draft: _Draft, status: str, sentence: Sentence, at: int) -> None:
    draft.status = status
    draft.evidence = [Evidence(sentence, at)]


def _differs(draft: _Draft) -> bool:
    if draft.known is None:
        return draft.status == "open"
    if draft.known.status != "open":
        return False
    return bool(draft.evidence) and (draft.status != draft.known.status or draft.due != (draft.known.due or ""))


def _wire(draft: _Draft) -> dict[str, Any]:
    return {
        "evidence": [e.wire() for e in draft.evidence[:2]],
        "op": _STATUS[draft.status],
        "id": draft.known.id if draft.known else "",
        "who": draft.known.who if draft.known else draft.who,
        "what": draft.what,
        "due_text": draft.due_text[:120],
        "due_date": draft.due,
    }
