"""The rolling note of a conversation: what is believed, each with the words that it came from.

One note per conversation, rewritten in place, so that a timeline isn't flooded. Plain text: an adapter escapes it for
its CRM. It ends with a short marker by which a person, and our own capture, can tell a note of ours from theirs.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sidecar.model import Conversation, Evidence, Policy, Standing
from sidecar.sync.desired import NoteDraft

MARKER = "[sidecar]"
MAX_QUOTE_CHARS = 240
MAX_LINES = 14


def notes(
    standing: Standing,
    quotes: Mapping[str, tuple[Evidence, ...]],
    threads: Mapping[str, str],
    policy: Policy,
    now: datetime,
    *,
    wait: bool = True,
) -> tuple[NoteDraft, ...]:
    """Draft the notes of a party's conversations.

    `quotes` are the evidence by decision, `threads` say which conversation each quoted activity belongs to. Without
    `wait` a conversation counts as settled at once.
    """
    if not policy.notes.enabled:
        return ()
    drafts = []
    for conversation in standing.conversations:
        if conversation.channel in policy.notes.skip_channels:
            continue
        body, because = _body(conversation, standing, quotes, threads)
        if because:
            quiet = now - conversation.last_at >= timedelta(seconds=policy.notes.settle_s)
            at = conversation.last_at
            drafts.append(NoteDraft(conversation.thread, conversation.channel, body, at, because, quiet or not wait))
    return tuple(drafts)


def _body(
    conversation: Conversation,
    standing: Standing,
    quotes: Mapping[str, tuple[Evidence, ...]],
    threads: Mapping[str, str],
) -> tuple[str, tuple[str, ...]]:
    engagement = standing.engagement
    lines: list[str] = []
    because: list[str] = []
    for name, held in sorted(engagement.fields.items()):
        here = _here(quotes.get(held.decision, ()), conversation, threads)
        if here and held.value is not None:
            lines.append(f'{name}: {held.value} - "{_short(here.quote)}" ({here.role.value})')
            because.append(held.decision)
    for step in engagement.steps:
        here = _here(quotes.get(step.decision, ()), conversation, threads)
        if here:
            due = f", due {step.due or step.due_text}" if step.due or step.due_text else ""
            lines.append(f'{step.status} step ({step.who}{due}): {step.what} - "{_short(here.quote)}"')
            because.append(step.decision)
    if not because:
        return "", ()
    first, last = f"{conversation.first_at:%Y-%m-%d}", f"{conversation.last_at:%Y-%m-%d}"
    days = first if first == last else f"{first} to {last}"
    noun = "activity" if conversation.count == 1 else "activities"
    head = f"{conversation.channel}, {days}, {conversation.count} {noun}, read by AI"
    summary = engagement.fields.get("summary")
    told = [str(summary.value)] if summary and summary.value else []
    return "\n".join([head, *told, *lines[:MAX_LINES], MARKER]), tuple(dict.fromkeys(because))


def _here(evidence: tuple[Evidence, ...], conversation: Conversation, threads: Mapping[str, str]) -> Evidence | None:
    return next((e for e in evidence if threads.get(e.activity) == conversation.thread), None)


def _short(quote: str) -> str:
    flat = " ".join(quote.split())
    return flat if len(flat) <= MAX_QUOTE_CHARS else flat[: MAX_QUOTE_CHARS - 1] + "…"
