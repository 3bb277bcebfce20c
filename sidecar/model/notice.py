"""What those who operate the sidecar are told: an exception of the installation, never of a customer.

Unlike an `Alert` it is no fact of the book: it says how the sidecar fares, and holds no personal data, because it
leaves by mail and webhook.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to the operators: what is wrong and since when, and what to do about it.

    `id` stays the same when it is sent again. `state` is begun, still, ended, or test; `subject` names the part that it
    is about, such as `ledger` or `channel:mail`.
    """

    id: str
    rule: str
    subject: str
    state: str
    summary: str
    remedy: str
    since: datetime
    at: datetime

    @property
    def headline(self) -> str:
        """The notice in a line."""
        said = {"still": "still: ", "ended": "over: ", "test": "test: "}.get(self.state, "")
        return f"CRM sidecar: {said}{self.summary}"
