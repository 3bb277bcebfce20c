"""Errors, named for who must act next.

The class of an error decides what the worker does with it, so an adapter never has to know about retries, pauses or
parking: it says whose turn it is. Texts may name ids, sizes, settings and remedies; they never quote what a customer
wrote, because they end up in logs and tables.
"""


class SidecarError(Exception):
    """Base of every error that somebody outside the code can act upon."""


class RejectedInput(SidecarError):
    """The sender must act: a 4xx at the door, nothing stored."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class TemporaryError(SidecarError):
    """Time must pass: rescheduled with backoff, or after `retry_after_s` seconds when the other side named them."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unanswered(TemporaryError):
    """Nobody is answered just now, whatever is asked for: a limit of calls, or no connection."""


class Withheld(TemporaryError):
    """This one thing is refused, while another was handed out after that: no outage, and it may stay so."""


class StaleVersion(TemporaryError):
    """The record changed between our read and our write: read again and plan anew."""


class UnknownOutcome(TemporaryError):
    """A write may or may not have happened: look after the ledger's settle time, never send again blindly."""


class BudgetSpent(TemporaryError):
    """The day's model budget is spent: records wait until it is renewed."""


class ConfigError(SidecarError):
    """The operator must act: refuse to start, or pause the one adapter that it concerns.

    `setting` is the dotted key to change, when one key is to blame; the message says what would be right.
    """

    def __init__(self, message: str, *, setting: str | None = None) -> None:
        super().__init__(f"{setting}: {message}" if setting else message)
        self.setting = setting


class PermanentError(SidecarError):
    """A reviewer must act: the work is parked, named and listed; other parties go on."""


class UnsupportedFeature(PermanentError):
    """The adapter declares that it can't do this; nothing is dropped in silence."""


class RecordGone(PermanentError):
    """The CRM's record was deleted, or merged into `moved_to`."""

    def __init__(self, message: str, *, moved_to: str | None = None) -> None:
        super().__init__(message)
        self.moved_to = moved_to


class LeaseLost(SidecarError):
    """Another worker took this work over: stop at once and write nothing."""
