"""A CRM elsewhere: the reference CRM in the test's process, behind a socket, so that it outlives every kill.

It does what CRMs far away do: it loses an answer after doing the work, says "too many" and does nothing, and does work
late, when its client has long given up. Without `keys` it makes a record each time that it is asked to, as many CRMs
do, and only finds it by our key again; a look too early then makes a duplicate. The client's half, `FarLedger`, is an
adapter like any other.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict

from adapters.crms.local import LocalLedger
from sidecar.errors import TemporaryError, UnknownOutcome
from sidecar.model import Identifier, Link, Own, Record
from sidecar.ports import (
    ChangedPage,
    Context,
    Create,
    Failed,
    FieldSpec,
    HookRequest,
    LedgerCapabilities,
    Update,
    View,
    Written,
)

RETRY_S = 0.05
ANSWER_S = 30.0
_KEY = b"far"


@dataclass
class Moods:
    """How likely each mishap of a write is; `late_s` is when work is done whose client was told nothing.

    `next` holds mishaps that are certain, one a write of its kind: {"create task": "late"}.
    """

    dropped: float = 0.0
    refused: float = 0.0
    late: float = 0.0
    late_s: float = 0.5
    next: dict[str, str] = field(default_factory=dict)


class FarCrm:
    """The CRM's half; `crm` is the reference CRM itself, to look into."""

    def __init__(self, folder: Path, *, settle_s: float, keys: bool = True, moods: Moods | None = None) -> None:
        context = Context(lambda: datetime.now(UTC), Own(), folder, lambda *_: "")
        self.crm = LocalLedger("far", LocalLedger.Options(path=Path("far.db"), conditional_write=False), context)
        self.capabilities = replace(self.crm.capabilities, settle_s=settle_s, unique_key=keys)
        self.moods = moods or Moods()
        self.mishaps: Counter[str] = Counter()
        self._keys, self._random = keys, Random(1)
        self._made: Counter[tuple[str, str]] = Counter()
        self._lock = threading.RLock()
        self._owed: dict[int, tuple[str, tuple[Any, ...]]] = {}
        self._listener = Listener(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.address[1]
        return port

    def __enter__(self) -> "FarCrm":
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()
        self._listener.close()

    def settle(self) -> None:
        """Do now what would be done late."""
        for number in list(self._owed):
            self._pay(number)

    def _listen(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                return  # it was closed
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with suppress(OSError, EOFError), connection:
            deliver_challenge(connection, _KEY)  # here, where a client that is killed meanwhile keeps nobody waiting
            answer_challenge(connection, _KEY)
            while True:
                verb, given = connection.recv()
                answer = self._answer(verb, given)
                if answer is None:
                    return  # without a word
                connection.send(answer)

    def _answer(self, verb: str, given: tuple[Any, ...]) -> tuple[bool, Any] | None:
        mishap = self._mishap(given[0]) if verb == "write" else ""
        if mishap == "refused":
            return False, TemporaryError("too many requests", retry_after_s=RETRY_S)
        if mishap == "late":
            self._owe(verb, given)
            return None
        done = self._do(verb, given)
        return None if mishap == "dropped" else done

    def _owe(self, verb: str, given: tuple[Any, ...]) -> None:
        with self._lock:
            number = self.mishaps.total()
            self._owed[number] = verb, given
        timer = threading.Timer(self.moods.late_s, self._pay, (number,))
        timer.daemon = True
        timer.start()

    def _pay(self, number: int) -> None:
        """Do what is owed, unless it was done meanwhile."""
        with self._lock:
            owed = self._owed.pop(number, None)
        if owed:
            self._do(*owed)

    def _mishap(self, writes: Sequence[Create | Update]) -> str:
        with self._lock:
            moods, names = self.moods, [f"{type(w).__name__.lower()} {w.kind}" for w in writes]
            dice = self._random.random()
            bounds = (("dropped", moods.dropped), ("refused", moods.refused), ("late", moods.late))
            chosen = next((moods.next.pop(name) for name in names if name in moods.next), "")
            for name, share in bounds:
                if not chosen and 0 <= dice < share:
                    chosen = name
                dice -= share
            self.mishaps[chosen or "none"] += 1
            return chosen

    def _do(self, verb: str, given: tuple[Any, ...]) -> tuple[bool, Any]:
        try:
            if verb == "capabilities":
                return True, self.capabilities
            if not self._keys and verb == "write":
                given = ([self._unkeyed(write) for write in given[0]],)
            if not self._keys and verb == "find_by_key":
                return True, self._found(*given)
            return True, getattr(self.crm, verb)(*given)
        except Exception as error:
            return False, error

    def _unkeyed(self, write: Create | Update) -> Create | Update:
        """Let each create make a record; the key is only written on it."""
        if isinstance(write, Update):
            return write
        with self._lock:
            self._made[write.kind, write.key] += 1
            return replace(write, key=f"{write.key}#{self._made[write.kind, write.key]}")

    def _found(self, kind: str, keys: Sequence[str]) -> Mapping[str, Record]:
        found: dict[str, Record] = {}
        for key in keys:
            names = [f"{key}#{number + 1}" for number in range(self._made[kind, key])]
            records = list(self.crm.find_by_key(kind, names).values()) if names else []
            found |= {key: records[0]} if records else {}
        return found


class FarOptions(BaseModel):
    """Where the CRM listens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: int


class FarLedger:
    """The client's half: one connection a thread, and an unknown outcome where a write's answer doesn't come."""

    Options = FarOptions

    def __init__(self, name: str, options: FarOptions, context: Context) -> None:
        self.name, self._port, self._mine = name, options.port, threading.local()
        self.capabilities: LedgerCapabilities = self._ask("capabilities")

    def account(self) -> str:
        """Return the CRM's account."""
        return str(self._ask("account"))

    def schema(self, kind: str) -> Mapping[str, FieldSpec]:
        """Return the properties of a kind."""
        return self._ask("schema", kind)

    def pipelines(self) -> Any:
        """Return the deal pipelines."""
        return self._ask("pipelines")

    def owners(self) -> Mapping[str, str]:
        """Return the owners."""
        return self._ask("owners")

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> Any:
        """Return who bears each identifier."""
        return self._ask("find", kind, identifiers)

    def find_by_key(self, kind: str, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return what was made under these keys."""
        return self._ask("find_by_key", kind, keys)

    def linked(self, kind: str, to: Sequence[Link]) -> Any:
        """Return what is associated."""
        return self._ask("linked", kind, to)

    def read(self, kind: str, refs: Sequence[str]) -> Any:
        """Read records."""
        return self._ask("read", kind, refs)

    def history(self, kind: str, refs: Sequence[str], fields: Sequence[str]) -> Any:
        """Return edits."""
        return self._ask("history", kind, refs, fields)

    def write(self, writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        """Write a batch; when no answer comes, nobody knows what came of any row."""
        try:
            return self._ask("write", list(writes))
        except UnknownOutcome as error:
            return [Failed(error) for _ in writes]

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return what changed."""
        return self._ask("changed", cursor)

    def hinted(self, request: HookRequest) -> Sequence[tuple[str, str]]:
        """Refuse, as the CRM behind it does."""
        return self._ask("hinted", request)

    def provision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Make missing properties."""
        return self._ask("provision", wanted, dry_run, list(views))

    def deprovision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Take them away."""
        return self._ask("deprovision", wanted, dry_run, list(views))

    def automations(self, properties: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """Name what would act."""
        return self._ask("automations", properties)

    def check(self) -> Sequence[str]:
        """Say what is wrong."""
        return self._ask("check")

    def _ask(self, verb: str, *given: Any) -> Any:
        connection = self._connected()
        try:
            connection.send((verb, given))
            if not connection.poll(ANSWER_S):
                raise EOFError
            fine, answer = connection.recv()
        except (OSError, EOFError) as error:
            self._mine.connection = None
            connection.close()
            raise UnknownOutcome("the CRM did not answer") from error
        if fine:
            return answer
        raise answer

    def _connected(self) -> Connection:
        if getattr(self._mine, "connection", None) is None:
            try:
                self._mine.connection = Client(("127.0.0.1", self._port), authkey=_KEY)
            except (OSError, EOFError) as error:
                raise TemporaryError("the CRM can't be reached", retry_after_s=RETRY_S) from error
        connection: Connection = self._mine.connection
        return connection


def until(true: Callable[[], Any], what: str, wait_s: float) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + wait_s
    while not true():
        assert time.monotonic() < deadline, f"waited {wait_s:.0f} s for {what}"
        time.sleep(0.02)
