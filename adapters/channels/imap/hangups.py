"""Tells a mail at which its server hangs up from a server that is away, by how often it is the same mail.

A connection that breaks off says nothing of why. So where it broke is kept: the mails that were being fetched are
fetched one by one by the next poll, and one at which it broke in so many polls in a row is asked for no more here. It
is left out by name if another mail can be had then; else it is an outage, as before. What can't be connected to or
listed counts nothing, for no mail was being fetched. Where it broke when it was asked for the size and the arrival of
mails is kept apart, and of one at which it did so in a row nothing of that is known: it is fetched all the same.

The trade-off: this is kept by the process and not by the book, so a start begins to count anew.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sidecar.errors import Unanswered

IN_A_ROW = 3
KEPT = 200


@dataclass(frozen=True, slots=True)
class _Span:
    """Mails that were fetched together: of which folder, in which generation of UIDs, from one UID to another."""

    folder: str
    uidvalidity: int
    first: int
    last: int

    def holds(self, folder: str, uidvalidity: int, uid: int) -> bool:
        return (self.folder, self.uidvalidity) == (folder, uidvalidity) and self.first <= uid <= self.last


class HangUps:
    """Where a mailbox's server hung up, and how often in a row."""

    def __init__(self) -> None:
        self._times: dict[_Span, int] = {}

    def is_suspect(self, folder: str, uidvalidity: int, uid: int) -> bool:
        """Say whether a mail is to be fetched alone."""
        return any(span.holds(folder, uidvalidity, uid) for span in list(self._times))

    def is_given_up(self, folder: str, uidvalidity: int, uid: int) -> bool:
        """Say whether a mail is asked for no more."""
        return self._times.get(_Span(folder, uidvalidity, uid, uid), 0) >= IN_A_ROW

    def forgive(self, folder: str, uidvalidity: int, uid: int) -> None:
        """Take in that a mail came after all, and with it the last of those that it was fetched with."""
        for span in [span for span in list(self._times) if span.last == uid]:
            if span.holds(folder, uidvalidity, uid):
                self._times.pop(span, None)

    @contextmanager
    def noted(self, folder: str, uidvalidity: int, uids: Sequence[int]) -> Iterator[None]:
        """Note if the server hangs up while some mails are fetched, in the order of their UIDs."""
        try:
            yield
        except Unanswered:
            if uids:
                span = _Span(folder, uidvalidity, uids[0], uids[-1])
                self._times[span] = self._times.pop(span, 0) + 1
                for oldest in list(self._times)[:-KEPT]:
                    self._times.pop(oldest, None)
            raise
        if uids:
            self.forgive(folder, uidvalidity, uids[-1])
