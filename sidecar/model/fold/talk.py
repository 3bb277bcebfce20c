"""Who spoke last, and the last question that nobody has answered: found in the words while they are folded in.

A question is what ends in a question mark, in any script that has one; that is all that can be told without a model,
and it can be quoted. It is answered when the other side says anything later: whether that was an answer is for people.
"""

import re
from collections import deque
from dataclasses import replace

from sidecar.model.facts import Activity
from sidecar.model.standing import Question, Standing
from sidecar.model.things import Evidence, Role, Said

MAX_CHARS = 300
MAX_MARKS = 50
_SIDES = (Role.CUSTOMER, Role.AGENT)
_MARK = re.compile(r"[\uff1f\u061f]|[?\u037e](?=[\s?!\"'\u201d\u00bb)\]]|$)")
"""A question mark; a Latin one within a word, as in an address, is none."""
_END = re.compile(r"[.!?](?=\s)|[\n\u3002\uff1f\u061f]")
"""Where the sentence before ends."""


def talked(standing: Standing, activity: Activity) -> Standing:
    """Return the standing with what an activity asks, and without the question that it answers."""
    asked = standing.asked
    if asked is not None and activity.kind in ("edit", "deletion") and activity.relates_to == asked.message:
        asked = None
    if activity.kind == "deletion":
        return replace(standing, asked=asked)
    if asked is not None and activity.at < (asked.evidence.at or activity.at):
        return standing  # what comes late was said before
    is_late = standing.last_activity_at is not None and activity.at < standing.last_activity_at
    spoke = standing.spoke_last
    for said in activity.said:
        if said.role in _SIDES:
            spoke = spoke if is_late else said.role.value
            if asked is not None and asked.evidence.role is not said.role:
                asked = None
            found = None if _is_answered(standing, activity, said) else _asks(activity, said)
            asked = Question(found, activity.external_id) if found else asked
    return replace(standing, asked=asked, spoke_last=spoke)


def _is_answered(standing: Standing, activity: Activity, said: Said) -> bool:
    """Say whether the other side has spoken since: what comes late may have been answered long ago."""
    theirs = standing.last_agent_at if said.role is Role.CUSTOMER else standing.last_customer_at
    return theirs is not None and theirs > activity.at


def _asks(activity: Activity, said: Said) -> Evidence | None:
    found = None
    for mark in deque(_MARK.finditer(activity.text, said.start, said.end), MAX_MARKS):
        first = max(said.start, mark.start() - MAX_CHARS)
        before = [end.end() for end in _END.finditer(activity.text, first, mark.start())]
        words = activity.text[before[-1] if before else first : mark.end()]
        if any(letter.isalpha() for letter in words):
            found = mark.end() - len(words.lstrip()), mark.end()
    if found is None:
        return None
    start, end = found
    return Evidence(activity.id, start, end, activity.text[start:end], said.role, said.authenticated, activity.at)
