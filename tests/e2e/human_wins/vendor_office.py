"""The same office with a vendor's CRM: the twin's screens for its people, and faults that strike on the wire.

Everything that stands in the CRM, and who wrote it, is read from the twin's own state and put into our words, so that
the adapter under test is no witness in its own cause. Times are told to the second, and the clock only ever rests on
whole ones.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import ClassVar

import pytest

from sidecar.app import App
from sidecar.model import AuthorKind, Edit, Value
from sidecar.ports import Create, Failed, Update, Written
from tests.e2e.human_wins.office import CONFIG, Office, Rival
from tests.e2e.human_wins.ownership import MEANS
from tests.support.crms import Crm, crm_class
from tests.support.crms.crm import moment
from tests.twins.wire.faults import Drop, Reset
from tests.twins.wire.passing import Logged

SEARCH_LAG_S = 20.0


@dataclass
class VendorOffice(Office):
    """One sidecar on a vendor's CRM of its own."""

    vendor: ClassVar[str] = ""
    dropped: list[tuple[datetime, Logged]] = field(default_factory=list)

    def __post_init__(self) -> None:
        ticks = count()
        self.theirs = crm_class(self.vendor)(
            self.clock, ticks=lambda: float(next(ticks)), search_lag_s=SEARCH_LAG_S
        ).__enter__()
        self.theirs.unlimit()
        self.secrets = {**self.secrets, **self.theirs.env}
        super().__post_init__()

    def config(self) -> str:
        """Return the config of a sidecar whose CRM is the twin."""
        section = self.theirs.section(self.theirs.unpaced, settle_s=self.settle_s, search_lag_s=SEARCH_LAG_S)
        return CONFIG.format(crm=section, route=self.theirs.route())

    def prepare(self, app: App) -> None:
        """Make the properties and switch everything on, as an operator does once."""
        self.theirs.switch_on(app)

    def close(self) -> None:
        """Close what is open; what the twin itself did wrong is an error."""
        super().close()
        self.theirs.__exit__(None)

    @property
    def crm(self) -> Crm:
        """The CRM, with the screens that its people have."""
        return self.theirs

    @property
    def required(self) -> frozenset[tuple[str, str]]:
        """The properties that nobody can empty."""
        return self.theirs.required

    @property
    def tells_merges(self) -> bool:
        """Whether the CRM says into what a record was merged."""
        return self.theirs.tells_merges

    def told(self, kind: str, name: str, value: Value) -> Value:
        """Return a value of the ledger's in the machine's words."""
        return self.theirs.ours(kind, name, value)

    def moment(self, at: datetime) -> datetime:
        """Return a time as the machine tells it."""
        return moment(at)

    def wait(self, seconds: float = 60.0) -> datetime:
        """Let time pass, to a whole second; writes that are late arrive meanwhile."""
        until = self.clock() + timedelta(seconds=seconds)
        until = moment(until) + timedelta(seconds=math.ceil(until.microsecond / 1e6))
        while self.dropped and self.dropped[0][0] <= until:
            at, entry = self.dropped.pop(0)
            self.clock.at = max(at, self.clock())
            self._land(entry)
        self.clock.at = until
        return until

    def settle(self) -> None:
        """Let search catch up, so that the feed names what people did, before everything comes to rest."""
        for _ in range(2):
            self.wait(SEARCH_LAG_S + 1)
            super().settle()
            while self.dropped:
                self.wait()

    def history(self, kind: str, ref: str, name: str) -> Sequence[Edit]:
        """Return the edits of one property, oldest first."""
        return self.theirs.edits(kind, ref, name)

    # What goes wrong --------------------------------------------------------------------------------------------------

    @contextmanager
    def racing(self, act: Rival) -> Iterator[None]:
        """Let people act once just before the CRM applies our write."""
        with pytest.MonkeyPatch.context() as patch:
            write, current, raced = self.app.ledger.write, list[Create | Update](), False

            def known_write(writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
                current[:] = [self._in_our_words(each) for each in writes]
                return write(writes)

            def strike() -> None:
                nonlocal raced
                changed = None if raced else act(current)
                if changed:
                    raced = True
                    self.overruns.append((*changed, self.clock()))

            patch.setattr(self.app.ledger, "write", known_write)
            rule = self.theirs.twin.before(strike, *self.theirs.changes, times=None)
            try:
                yield
            finally:
                self.theirs.twin.faults.rules.remove(rule)

    @contextmanager
    def losing_answers(self, what: str) -> Iterator[None]:
        """Let the connection break at the next write: before it was done, after, or while it is still on its way."""
        twin = self.theirs.twin
        seen = len(twin.log.entries)
        rule = twin.fault(Drop() if what == "done" else Reset(), *self.theirs.writes)
        try:
            yield
        finally:
            twin.faults.rules.remove(rule)
        if what == "late":
            at = self.clock() + timedelta(seconds=self.settle_s / 2)
            self.dropped += [(at, entry) for entry in twin.requests[seen:] if entry.fault == "Reset"]

    def _in_our_words(self, write: Create | Update) -> Create | Update:
        return replace(write, fields={n: self.told(write.kind, n, value) for n, value in write.fields.items()})

    def _land(self, late: Logged) -> None:
        """Do a write long after it was sent, and remember over whose values it ran."""
        before = self._last_edits()
        self.theirs.again(late)
        for place, edit in self._last_edits().items():
            held = before.get(place)
            if held and held.author.kind is not AuthorKind.US and held.value != edit.value:
                self.overruns.append((*place, self.clock()))

    def _last_edits(self) -> dict[tuple[str, str, str], Edit]:
        last = {}
        for kind, name in MEANS:
            for record in self.records(kind):
                if edits := self.history(kind, record.ref, name):
                    last[kind, record.ref, name] = edits[-1]
        return last


def office_on(vendor: str) -> type[VendorOffice]:
    """Return the class of an office whose CRM is a vendor's."""
    return type(f"{vendor.capitalize()}Office", (VendorOffice,), {"vendor": vendor})
