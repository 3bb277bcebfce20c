"""Reads what reading has cost: for budgets, which ask before each call, and for people, who ask what it was for.

Every inference was added up when it was written, by each of the dimensions below and quarter of an hour, which is the
finest that a day of any time zone needs. So no sum reads an inference, and a budget's walks the one day's rows of its
own name. Senders stand here under hashes of the journal's own, as in the inferences.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from sidecar.journal import tables as t
from sidecar.journal.database import Database

TOTAL, MODEL, PROMPT, CHANNEL, ROUTE, PARTY, SENDER = "total", "model", "prompt", "channel", "route", "party", "sender"
DIMENSIONS = (TOTAL, MODEL, PROMPT, CHANNEL, ROUTE, PARTY, SENDER)
NUMBERS = tuple(c.name for c in t.spent.columns if c.name not in ("dimension", "name", "quarter"))
MAX_QUARTERS = 400_000
_NANO = 1_000_000_000
_SUMS = tuple(sa.func.coalesce(sa.func.sum(t.spent.c[name]), 0).label(name) for name in NUMBERS)
_TOKENS = t.spent.c.input_tokens + t.spent.c.output_tokens + t.spent.c.cache_read_tokens + t.spent.c.cache_write_tokens


@dataclass(frozen=True, slots=True)
class Spent:
    """What some calls took; `input_tokens` are those that no cache held or took."""

    calls: int = 0
    escalations: int = 0
    nano_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def usd(self) -> float:
        """The money, in US dollars."""
        return self.nano_usd / _NANO

    @property
    def tokens(self) -> int:
        """All tokens, however they were paid for."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def plus(self, other: "Spent") -> "Spent":
        """Return both together."""
        return Spent(*(getattr(self, name) + getattr(other, name) for name in NUMBERS))


@dataclass(frozen=True, slots=True)
class Heard:
    """How much audio was heard, and what that cost."""

    files: int = 0
    audio_ms: int = 0
    nano_usd: int = 0

    @property
    def minutes(self) -> float:
        """The length, in minutes."""
        return self.audio_ms / 60_000

    @property
    def usd(self) -> float:
        """The money, in US dollars."""
        return self.nano_usd / _NANO


class CostReader:
    """The reading half of the journal that knows costs."""

    _database: Database

    def spent_usd(self, day: date, timezone: str = "UTC") -> float:
        """Return what inferences cost on a day as a time zone has it."""
        return self.spent(TOTAL, [""], day, timezone)[""].usd

    def spent(self, dimension: str, names: Collection[str], day: date, timezone: str = "UTC") -> Mapping[str, Spent]:
        """Return what each of some names of a dimension took on a day."""
        named = t.spent.c.dimension == dimension, t.spent.c.name.in_(sorted(names)), *_within(day, day, timezone)
        with self._database.read() as connection:
            rows = connection.execute(sa.select(t.spent.c.name, *_SUMS).where(*named).group_by(t.spent.c.name)).all()
        found = {row.name: Spent(*(int(number) for number in row[1:])) for row in rows}
        return {name: found.get(name, Spent()) for name in names}

    def costs(self, dimension: str, since: date, until: date, timezone: str = "UTC") -> list[tuple[date, str, Spent]]:
        """Return what each name of a dimension took on each day, both days included, in order of days and names."""
        zone, days = ZoneInfo(timezone), dict[tuple[date, str], Spent]()
        numbers = (t.spent.c[name] for name in NUMBERS)
        within = sa.select(t.spent.c.quarter, t.spent.c.name, *numbers).where(
            t.spent.c.dimension == dimension, *_within(since, until, timezone)
        )
        with self._database.read() as connection:
            for row in connection.execute(within.limit(MAX_QUARTERS)):
                key = t.from_us(row.quarter).astimezone(zone).date(), row.name
                days[key] = days.get(key, Spent()).plus(Spent(*row[2:]))
        return [(day, name, spent) for (day, name), spent in sorted(days.items(), key=lambda item: item[0])]

    def heard(self, since: date, until: date, timezone: str = "UTC") -> Heard:
        """Return how much audio was heard on some days, both included."""
        sums = (sa.func.coalesce(sa.func.sum(t.heard.c[name]), 0) for name in ("files", "audio_ms", "nano_usd"))
        with self._database.read() as connection:
            row = connection.execute(sa.select(*sums).where(*_within(since, until, timezone, t.heard))).one()
        return Heard(*(int(number) for number in row))

    def overspent(self, dimension: str, day: date, timezone: str, usd: float, tokens: int, most: int) -> int:
        """Count the names of a dimension that took so much money, or so many tokens, on a day; 0 is no bound."""
        bounds = [sa.func.sum(t.spent.c.nano_usd) >= round(usd * _NANO)] if usd else []
        bounds += [sa.func.sum(_TOKENS) >= tokens] if tokens else []
        if not bounds:
            return 0
        within = sa.select(t.spent.c.name).where(t.spent.c.dimension == dimension, *_within(day, day, timezone))
        with self._database.read() as connection:
            return len(connection.execute(within.group_by(t.spent.c.name).having(sa.or_(*bounds)).limit(most)).all())


def _within(
    since: date, until: date, timezone: str, table: sa.Table = t.spent
) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    zone, after = ZoneInfo(timezone), until + timedelta(days=1)
    begin, end = (datetime(d.year, d.month, d.day, tzinfo=zone) for d in (since, after))
    return table.c.quarter >= t.to_us(begin), table.c.quarter < t.to_us(end)
