"""One vendor's CRM as tests have it: how a sidecar reaches it, what its people see and do, and where its writes pass.

A vendor's class says what its twin calls things and turns its state into our words; all else stands here. Whoever tests
the sidecar names fields, stages and record kinds as the sidecar's own records do.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from adapters.crms.local import PERSON
from sidecar.app import App
from sidecar.app.ladder import Move
from sidecar.app.readiness import wanted_properties
from sidecar.model import Author, AuthorKind, Edit, Mode, Record, Value
from tests.twins.wire.passing import Logged

Clock = Callable[[], datetime]
Settings = Mapping[str, str | int | float | bool]
NOBODY = "?"
"""What somebody is called of whom nothing is known, where a CRM keeps nobody without a name."""
HASTY: Settings = {
    "every_s": 1, "connect_timeout_s": 2, "read_timeout_s": 1, "call_timeout_s": 2, "max_wait_s": 3,
}  # fmt: skip
"""What a sidecar is given that serves in real time and is to give up soon; a vendor's own pace comes on top."""


def real_time() -> datetime:
    """Return the time, for those who bring no clock."""
    return datetime.now(UTC)


class Crm(ABC):
    """A vendor's CRM on a twin of its own: a context manager.

    `stages` are the sidecar's stages and the vendor's ids of them; `required` names what can't be empty there, and
    `made_up` what holds something though nobody knows it, as the vendor's page in docs/ says; `tells_merges` says
    whether a merged record tells into which one, `conditional` whether a write can name the version that it relies on.
    `changes` and `writes` are the method and path, as regular expressions, of the calls that change records, and of
    those that make them too; `person` is what its history calls somebody at its screens. `unpaced` are settings under
    which nobody waits for real time, `hasty` those of a sidecar that serves in real time and is to give up soon.
    """

    name: ClassVar[str]
    pipeline: ClassVar[str]
    stages: ClassVar[Mapping[str, str]]
    required: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        (("deal", "stage"), ("deal", "name"), ("contact", "name"))
    )
    made_up: ClassVar[frozenset[tuple[str, str]]] = frozenset((("contact", "name"),))
    tells_merges: ClassVar[bool] = True
    conditional: ClassVar[bool] = False
    changes: ClassVar[tuple[str, str]]
    writes: ClassVar[tuple[str, str]]
    unpaced: ClassVar[Settings] = {}
    hasty: ClassVar[Settings] = {}
    person: ClassVar[str]
    twin: Any

    def __init__(
        self,
        clock: Clock = real_time,
        ticks: Callable[[], float] = time.monotonic,
        *,
        search_lag_s: float = 0.0,
        **switches: Any,
    ) -> None:
        """Make the twin, which listens once this is entered."""
        self.clock = clock
        self.twin = self.made(ticks, search_lag_s, switches)

    @abstractmethod
    def made(self, ticks: Callable[[], float], search_lag_s: float, switches: Mapping[str, Any]) -> Any:
        """Return the vendor's twin under this clock."""

    def __enter__(self) -> Self:
        self.twin.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.twin.stop(check=kind is None)

    # How a sidecar reaches it -----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def env(self) -> Mapping[str, str]:
        """The secrets of the config, by their variables."""

    def section(self, settings: Settings, **more: str | float | bool) -> str:
        """Return what stands in `[crm]`."""
        given = {"type": self.name, "base_url": self.twin.url, **settings, **more}
        return "\n".join(f"{name} = {_toml(value)}" for name, value in given.items())

    def route(self, name: str = "default", owner: str = "") -> str:
        """Return the one route of a config."""
        stages = "\n".join(f'{ours} = "{theirs}"' for ours, theirs in self.stages.items())
        owned = f'owner = "{owner}"\n' if owner else ""
        return f'[[route]]\nname = "{name}"\npipeline = "{self.pipeline}"\n{owned}[route.stages]\n{stages}\n'

    def switch_on(self, app: App) -> None:
        """Make what is missing in the CRM and let everything be written, as an operator does once."""
        app.ledger.provision(wanted_properties(app.policy, app.ledger.capabilities.kinds), False)
        app.bind()
        app.ladder.move([Move("ledger", Mode.AUTO, "the test", app.clock())])

    def ours(self, kind: str, name: str, value: Value) -> Value:
        """Return a value of a ledger's record in the test's words: a stage under the sidecar's name of it."""
        names = {theirs: mine for mine, theirs in self.stages.items()}
        return names.get(str(value), value) if (kind, name) == ("deal", "stage") else value

    def calls(self) -> int:
        """Return how many calls of the API were made."""
        return int(self.twin.log.counts.total())

    @abstractmethod
    def unlimit(self) -> None:
        """Let the twin refuse nobody for asking too often: its seconds are real, and the test's are not."""

    # What its people see and do ---------------------------------------------------------------------------------------

    @abstractmethod
    def show(self, kind: str) -> list[Record]:
        """Return the live records of a kind."""

    @abstractmethod
    def edits(self, kind: str, ref: str, name: str) -> list[Edit]:
        """Return the edits of one property, oldest first."""

    def edit(self, kind: str, ref: str, fields: Mapping[str, Value], author: Author = PERSON) -> None:
        """Type values in, or let an automation write them; None clears."""
        hand = self.twin.person_edits if author.kind is AuthorKind.PERSON else self.twin.automation_edits
        hand(kind, ref, self.sent(kind, fields))

    @abstractmethod
    def sent(self, kind: str, fields: Mapping[str, Value]) -> Mapping[str, Any]:
        """Return values as the vendor's screens send them."""

    @abstractmethod
    def create_by_person(self, kind: str, fields: Mapping[str, Value]) -> Record:
        """Type a new record in."""

    def merge(self, kind: str, winner: str, loser: str) -> Record:
        """Merge two records by hand; return what is left."""
        return self.seen(kind, self.twin.person_merges(kind, winner, loser))

    def delete(self, kind: str, ref: str) -> None:
        """Delete a record by hand."""
        self.twin.person_deletes(kind, ref)

    @abstractmethod
    def linked(self, contact: str, kind: str) -> list[Record]:
        """Return the live records of a kind that belong to a contact."""

    def seen(self, kind: str, ref: str) -> Record:
        """Return a live record."""
        return next(record for record in self.show(kind) if record.ref == ref)

    # What passes on the wire ------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def auth(self) -> Mapping[str, str]:
        """The headers by which a call is ours."""

    def again(self, entry: Logged) -> None:
        """Do a logged call now: one that was on its way for long."""
        headers = {**self.auth, "Content-Type": "application/json"}
        late = Request(self.twin.url + entry.path, entry.body or None, headers, method=entry.method)  # noqa: S310
        with suppress(HTTPError):  # what it was about may be gone by now
            urlopen(late, timeout=10).close()  # noqa: S310  the twin's own address


def moment(at: datetime) -> datetime:
    """Return a time to the second, as all vendors tell it."""
    return at.replace(microsecond=0)


def _toml(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
