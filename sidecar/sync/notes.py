"""The rolling note of a conversation: what is believed, each with the words that it came from.

One note per conversation, rewritten in place, so that a timeline isn't flooded. Plain text, made to be read in five
seconds: what it is about, a line for each belief with its quote, what is to be done. It ends with the line by which a
person, and any program, can tell a note of ours from theirs.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sidecar.model import Conversation, Evidence, Policy, Standing
from sidecar.sync.desired import NoteDraft
from sidecar.sync.wording import AI_LINE, Wording, label, plain, quoted

MAX_LINES = 14
MAX_SUMMARY_CHARS = 1500


def notes(
    standing: Standing,
    wording: Wording,
    threads: Mapping[str, str],
    policy: Policy,
    now: datetime,
    *,
    wait: bool = True,
) -> tuple[NoteDraft, ...]:
    """Draft the notes of a party's conversations.

    `threads` say which conversation each quoted activity belongs to. Without `wait` a conversation counts as settled at
    once.
    """
    if not policy.notes.enabled:
        return ()
    drafts = []
    for conversation in standing.conversations:
        if conversation.channel in policy.notes.skip_channels:
            continue
        body, because = _body(conversation, standing, wording, threads)
        if because:
            quiet = now - conversation.last_at >= timedelta(seconds=policy.notes.settle_s)
            at = conversation.last_at
            drafts.append(NoteDraft(conversation.thread, conversation.channel, body, at, because, quiet or not wait))
    return tuple(drafts)


def _body(
    conversation: Conversation, standing: Standing, wording: Wording, threads: Mapping[str, str]
) -> tuple[str, tuple[str, ...]]:
    engagement = standing.engagement
    lines: list[str] = []
    because: list[str] = []
    for name, held in sorted(engagement.fields.items()):
        here = _here(wording.quotes.get(held.decision, ()), conversation, threads)
        if here and held.value is not None:
            lines.append(f"- {label(name)}: {plain(held.value)}. {quoted(here)}")
            because.append(held.decision)
    for step in engagement.steps:
        here = _here(wording.quotes.get(step.decision, ()), conversation, threads)
        if here:
            due = f", due {plain(step.due or step.due_text)}" if step.due or step.due_text else ""
            what = f"{_TODO.get(step.status, step.status)} ({plain(step.who)}{due}): {plain(step.what)}"
            lines.append(f"- {what}. {quoted(here)}")
            because.append(step.decision)
    if not because:
        return "", ()
    first, last = f"{conversation.first_at:%Y-%m-%d}", f"{conversation.last_at:%Y-%m-%d}"
    days = first if first == last else f"{first} to {last}"
    noun = "activity" if conversation.count == 1 else "activities"
    head = f"{conversation.channel}, {days}, {conversation.count} {noun}"
    summary = engagement.fields.get("summary")
    told = [plain(summary.value, MAX_SUMMARY_CHARS)] if summary and summary.value else []
    link = wording.link("")
    last_lines = [f"Why: {link}"] if link else []
    return "\n".join([head, *told, *lines[:MAX_LINES], *last_lines, AI_LINE]), tuple(dict.fromkeys(because))


_TODO = {"open": "To do", "done": "Done", "dropped": "Not to be done"}


def _here(evidence: tuple[Evidence, ...], conversation: Conversation, threads: Mapping[str, str]) -> Evidence | None:
    return next((e for e in evidence if threads.get(e.activity) == conversation.thread), None)
