"""Questions about CRM records: two contacts that both fit, several open deals. They are asked, never guessed at.

A question is an Alert of its own rule, so that it stands in the inbox and on the owner's list, and is closed by itself
when a look at the CRM, or a person's word, answers it.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sidecar.model import Alert, Mint, OpenAlert, Standing

QUESTION = "question"
RANK = 60.0
"""Above an early silence: until it is answered, nothing is written."""


def asked(standing: Standing, questions: Sequence[str], cause: str, mint: Mint, now: datetime) -> tuple[Alert, ...]:
    """Return the alerts that open new questions and close answered ones; none when nothing changed."""
    if not cause:
        return ()
    wanted = {sha256(text.encode()).hexdigest()[:16]: text for text in questions}
    stand = {alert.about.partition("@")[0]: alert for alert in standing.alerts if alert.rule == QUESTION}
    closed = [
        _alert(standing, a.about, a.reason, cause, now, closes=a) for key, a in stand.items() if key not in wanted
    ]
    opened = [_alert(standing, f"{key}@{cause}", text, cause, now) for key, text in wanted.items() if key not in stand]
    return tuple(mint(alert) for alert in (*closed, *opened))


def _alert(
    standing: Standing, about: str, reason: str, cause: str, now: datetime, *, closes: OpenAlert | None = None
) -> Alert:
    return Alert(
        because=tuple(dict.fromkeys((*((closes.id,) if closes else ()), cause))),
        party=standing.party,
        rule=QUESTION,
        subject=standing.party,
        about=about,
        state="closed" if closes else "open",
        engagement=standing.engagement.number,
        rank=RANK,
        reason=reason,
        at=now,
    )
