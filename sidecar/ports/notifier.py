"""The port of notifiers: what tells those who operate the sidecar."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from sidecar.model import Notice


@runtime_checkable
class Notifier(Protocol):
    """Brings notices to those who operate the sidecar."""

    name: str

    def tell(self, notice: Notice) -> None:
        """Hand one notice over; time-outs and outages are `TemporaryError`, a refusal is a `ConfigError`."""

    def check(self) -> Sequence[str]:
        """Say what is wrong, with the remedy, without sending anything; nothing when all is well."""
