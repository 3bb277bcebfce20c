"""What may still be spent today: by all, on one party, for one sender's words. What is over waits, and is never lost.

A budget is asked before each call and charged by the book when the inference is written, so a run passes it by one call
at most, and calls that run at the same time by one each. A sender whose share is spent waits alone: what others wrote
in the same conversation is read without it. Rules on this machine cost nothing and are never held back.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sidecar.errors import BudgetSpent
from sidecar.infer.senders import sender_of
from sidecar.journal.costs import PARTY, SENDER, TOTAL, Spent
from sidecar.pipeline.parts import Parts
from sidecar.pipeline.selection import Matched


class Purse:
    """Asks the book whether a party's news may be read now."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def affordable(self, party: str, pending: Sequence[Matched]) -> Sequence[Matched]:
        """Return the news that may be read today; `BudgetSpent` until tomorrow when there is none."""
        parts = self._parts
        if parts.llm.capabilities.offline:
            return pending
        now = parts.clock().astimezone(ZoneInfo(parts.own.timezone))
        budget = parts.budget
        for dimension, name, (usd, tokens), setting in (
            (TOTAL, "", budget.all, ""),
            (PARTY, party, budget.party, "party_"),
        ):
            spent = self._spent(dimension, [name], now.date())[name]
            if over := _over(spent, usd, tokens, setting):
                raise BudgetSpent(f"{over}; this waits until tomorrow", retry_after_s=until_tomorrow(now))
        return self._of_senders(pending, now)

    def hold(self, party: str, news: Sequence[Matched], asked: Sequence[Matched]) -> None:
        """Raise `BudgetSpent` when a call about some of a run's news may not be paid any more.

        It holds until tomorrow, or for no time where what others said can be read without it.
        """
        left = {match.id for match, _ in self.affordable(party, news)}
        if not left >= {match.id for match, _ in asked}:
            raise BudgetSpent("a sender's share is spent; what others said is read without it", retry_after_s=0.0)

    def _of_senders(self, pending: Sequence[Matched], now: datetime) -> Sequence[Matched]:
        usd, tokens = self._parts.budget.sender
        wrote = {activity.id: sender_of(activity, self._parts.journal.mint) for _, activity in pending}
        names = {sender for sender in wrote.values() if sender}
        spent = self._spent(SENDER, names, now.date()) if names and (usd or tokens) else {}
        over = {name: why for name, held in spent.items() if (why := _over(held, usd, tokens, "sender_"))}
        left = [(match, activity) for match, activity in pending if wrote[activity.id] not in over]
        if pending and not left:
            why = next(iter(over.values()))
            raise BudgetSpent(f"{why}; this waits until tomorrow", retry_after_s=until_tomorrow(now))
        return left

    def _spent(self, dimension: str, names: Sequence[str] | set[str], day: date) -> Mapping[str, Spent]:
        return self._parts.journal.spent(dimension, names, day, self._parts.own.timezone)


def _over(spent: Spent, usd: float, tokens: int, setting: str) -> str:
    """Return which bound was reached, an empty text for none; 0 is no bound."""
    if usd and spent.usd >= usd:
        return f"llm.{setting}daily_usd = {usd:g} is spent"
    if tokens and spent.tokens >= tokens:
        return f"llm.{setting}daily_tokens = {tokens} are used"
    return ""


def until_tomorrow(now: datetime) -> float:
    """Return how many seconds a day, as a time's own zone has it, still has."""
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight.astimezone(UTC) - now.astimezone(UTC)).total_seconds() + 1.0  # a day isn't always 24 hours
