"""Reads what follows from the facts: who owns what, what is pending, where parties stand, what is open.

These are the queries that runs start from, so each walks an index and none reads history. Parties that were merged away
are followed to the one that lives. Every list has a limit.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.journal import tables as t
from sidecar.journal.codec import decode_standing, decode_value
from sidecar.journal.database import Database
from sidecar.journal.entry import Pause
from sidecar.journal.reader import CHUNK, facts_of
from sidecar.model import Activity, Alert, Identifier, Match, Standing

Order = Literal["recent", "review", "urgency", "score"]
_URGENCIES = ("low", "normal", "high")

# What each run asks most is built once: building a statement takes longer than running it.
_STANDING = sa.select(t.standing.c.doc).where(t.standing.c.party == sa.bindparam("party"))
_MERGED_INTO = sa.select(t.party.c.merged_into).where(t.party.c.id == sa.bindparam("party"))


_IS_PARTY = ~t.standing.c.party.startswith("desk:")
"""An owner's desk has a standing too, and is nobody's relationship."""


class ShelfReader:
    """The reading half of the journal that knows projections."""

    _database: Database

    # Whose is it ------------------------------------------------------------------------------------------------------

    def known(self, identifiers: Iterable[Identifier]) -> dict[Identifier, str]:
        """Return the party of each identifier that has one."""
        found: dict[Identifier, str] = {}
        with self._database.read() as connection:
            for named in _named(t.identifier, identifiers):
                for row in connection.execute(sa.select(t.identifier).where(named)):
                    found[Identifier(row.kind, row.value)] = row.party
        return found

    def thread_parties(self, channel: str, account: str, thread: str) -> set[str]:
        """Return the parties to which activities of a thread belong."""
        index, match = t.activity_index, t.match_index
        here = index.c.channel == channel, index.c.account == account, index.c.thread == thread
        parties = sa.select(match.c.party).join(index, index.c.activity_id == match.c.activity_id).where(*here)
        with self._database.read() as connection:
            return set(connection.execute(parties.where(match.c.party.is_not(None)).distinct()).scalars())

    def party_of(self, activity_id: str) -> str | None:
        """Return the party that an activity belongs to (of several, the one matched first)."""
        match = t.match_index
        mine = sa.select(match.c.party).join(t.fact, t.fact.c.id == match.c.match_id)
        mine = mine.where(match.c.activity_id == activity_id, match.c.party.is_not(None)).order_by(t.fact.c.seq)
        with self._database.read() as connection:
            found: str | None = connection.execute(mine.limit(1)).scalar()
        return found

    def parties_of(self, activity_ids: Sequence[str]) -> tuple[str, ...]:
        """Return all parties that activities belong to, the one matched first before the others."""
        match = t.match_index
        theirs = sa.select(match.c.party).join(t.fact, t.fact.c.id == match.c.match_id).order_by(t.fact.c.seq)
        theirs = theirs.where(match.c.activity_id.in_(activity_ids), match.c.party.is_not(None))
        with self._database.read() as connection:
            return tuple(dict.fromkeys(connection.execute(theirs).scalars()))

    def linked_party(self, ledger: str, kind: str, ref: str) -> str | None:
        """Return the party that a CRM record belongs to."""
        link = t.record_link
        named = link.c.ledger == ledger, link.c.kind == kind, link.c.ref == ref
        with self._database.read() as connection:
            found: str | None = connection.execute(sa.select(link.c.party).where(*named)).scalar()
        return found

    def live_party(self, party: str) -> str:
        """Return the party that a party was merged into, or itself."""
        with self._database.read() as connection:
            return _live(connection, party)

    def waiting(self, identifiers: Iterable[Identifier], limit: int) -> list[str]:
        """Return activities without a party that bear one of the identifiers, and may find it now."""
        found: set[str] = set()
        with self._database.read() as connection:
            for named in _named(t.waiting, identifiers):
                held = sa.select(t.waiting.c.activity_id).where(named).limit(limit)
                found.update(connection.execute(held).scalars())
        return sorted(found)[:limit]

    def questions(self, limit: int) -> list[Match]:
        """Return the matches that ask a person whose an activity is, oldest activity first."""
        asked = sa.select(t.match_index.c.match_id).where(sa.text(t.QUESTION))
        asked = asked.order_by(t.match_index.c.at, t.match_index.c.activity_id).limit(limit)
        with self._database.read() as connection:
            ids = list(connection.execute(asked).scalars())
            facts = facts_of(connection, ids)
        return [match for i in ids if isinstance(match := facts.get(i), Match)]

    # What happened ----------------------------------------------------------------------------------------------------

    def pending(self, party: str, limit: int) -> list[tuple[Match, Activity]]:
        """Return the matched activities that no inference has read, oldest first."""
        match = t.match_index
        with self._database.read() as connection:
            mine = sa.select(match.c.match_id, match.c.activity_id).where(match.c.party == _live(connection, party))
            mine = mine.where(sa.text(t.PENDING)).order_by(match.c.at, match.c.activity_id).limit(limit)
            return _pairs(connection, mine)

    def timeline(self, party: str, limit: int, before: datetime | None = None) -> list[tuple[Match, Activity]]:
        """Return a party's activities, newest first, those before a time."""
        match = t.match_index
        with self._database.read() as connection:
            mine = sa.select(match.c.match_id, match.c.activity_id).where(match.c.party == _live(connection, party))
            if before is not None:
                mine = mine.where(match.c.at < t.to_us(before))
            return _pairs(connection, mine.order_by(match.c.at.desc(), match.c.activity_id.desc()).limit(limit))

    def around(self, party: str, activity: Activity, before: int, after: int) -> list[Activity]:
        """Return the activities next to one of a party's in the same conversation, itself included, oldest first."""
        match, index = t.match_index, t.activity_index
        place = sa.tuple_(match.c.at, match.c.activity_id)
        here = sa.tuple_(sa.literal(t.to_us(activity.at)), sa.literal(activity.id))
        thread = index.c.channel == activity.channel, index.c.account == activity.account
        with self._database.read() as connection:
            mine = sa.select(match.c.activity_id).join(index, index.c.activity_id == match.c.activity_id)
            mine = mine.where(match.c.party == _live(connection, party), *thread, index.c.thread == activity.thread)
            older = mine.where(place < here).order_by(match.c.at.desc(), match.c.activity_id.desc()).limit(before)
            newer = mine.where(place > here).order_by(match.c.at, match.c.activity_id).limit(after)
            ids = [i for page in (older, newer) for i in connection.execute(page).scalars()]
            facts = facts_of(connection, [activity.id, *ids])
        found = [fact for fact in facts.values() if isinstance(fact, Activity)]
        return sorted(found, key=lambda a: (a.at, a.id))

    def captured(self, limit: int, channel: str | None = None) -> list[Activity]:
        """Return the activities that were captured last (on a channel), whosever they are, the latest first."""
        mine = sa.select(t.fact.c.id).where(t.fact.c.kind == Activity.KIND)
        if channel is not None:
            index = t.activity_index
            mine = mine.join(index, index.c.activity_id == t.fact.c.id).where(index.c.channel == channel)
        with self._database.read() as connection:
            ids = list(connection.execute(mine.order_by(t.fact.c.seq.desc()).limit(limit)).scalars())
            facts = facts_of(connection, ids)
        return [activity for i in ids if isinstance(activity := facts.get(i), Activity)]

    def versions(self, channel: str, account: str, external_id: str, limit: int = 200) -> list[Activity]:
        """Return an activity and those that relate to it (edits, a deletion), oldest first.

        Two queries in one, each on its index: for an OR of the two, SQLite walks the whole channel.
        """
        index = t.activity_index
        here = sa.select(index.c.activity_id, index.c.at).where(index.c.channel == channel, index.c.account == account)
        named, related = here.where(index.c.external_id == external_id), here.where(index.c.relates_to == external_id)
        found = sa.union(named, related).order_by("at", "activity_id").limit(limit)
        with self._database.read() as connection:
            ids = list(connection.execute(found).scalars())
            facts = facts_of(connection, ids)
        return [activity for i in ids if isinstance(activity := facts.get(i), Activity)]

    def orphans(self, channel: str, account: str, external_id: str, limit: int) -> list[str]:
        """Return the activities that relate to one and belong to nobody yet."""
        index, match = t.activity_index, t.match_index
        here = index.c.channel == channel, index.c.account == account, index.c.relates_to == external_id
        owned = sa.exists().where(match.c.activity_id == index.c.activity_id, match.c.party.is_not(None))
        with self._database.read() as connection:
            return list(connection.execute(sa.select(index.c.activity_id).where(*here, ~owned).limit(limit)).scalars())

    # Where parties stand ----------------------------------------------------------------------------------------------

    def standing(self, party: str) -> Standing | None:
        """Return where a party stands; of one that was merged away, where the party stands that lives."""
        with self._database.read() as connection:
            doc = connection.execute(_STANDING, {"party": _live(connection, party)}).scalar()
        return None if doc is None else decode_standing(doc)

    def inbox(self, limit: int, order: Order = "recent") -> list[Standing]:
        """Return standings: the latest, those with open suggestions, the most urgent, or those that score highest."""
        table = t.standing
        found = sa.select(table.c.doc)
        if order == "review":
            found = found.where(sa.text(t.REVIEW))
        elif order == "urgency":
            rank = {name: number for number, name in enumerate(_URGENCIES, 1)}
            found = found.order_by(sa.case(rank, value=table.c.urgency, else_=0).desc())
        elif order == "score":
            found = found.order_by(table.c.score.desc().nulls_last())
        found = found.order_by(table.c.last_activity_at.desc().nulls_last(), table.c.party).limit(limit)
        with self._database.read() as connection:
            return [decode_standing(doc) for doc in connection.execute(found).scalars()]

    def parties(self, query: str = "", limit: int = 50) -> list[Standing]:
        """Return standings whose name or one of whose identifiers contains a text, the latest first."""
        table, text = t.standing, query.casefold().strip()
        found = sa.select(table.c.doc).order_by(table.c.last_activity_at.desc().nulls_last(), table.c.party)
        found = found.where(_IS_PARTY)
        if text:
            owns = sa.select(t.identifier.c.party).where(t.identifier.c.value.contains(text, autoescape=True))
            named = table.c.name_folded.contains(text, autoescape=True)
            found = found.where(sa.or_(named, table.c.party == query.strip(), table.c.party.in_(owns)))
        with self._database.read() as connection:
            return [decode_standing(doc) for doc in connection.execute(found.limit(limit)).scalars()]

    def standings_after(self, party: str, limit: int) -> list[Standing]:
        """Return standings in the order of their ids, those after one of them: to walk through all."""
        after = sa.select(t.standing.c.doc).where(t.standing.c.party > party)
        with self._database.read() as connection:
            docs = connection.execute(after.order_by(t.standing.c.party).limit(limit)).scalars()
            return [decode_standing(doc) for doc in docs]

    def watch_due(self, now: datetime, limit: int) -> list[str]:
        """Return the parties that must be looked at again by now."""
        due = sa.select(t.standing.c.party).where(t.standing.c.watch_at <= t.to_us(now))
        with self._database.read() as connection:
            return list(connection.execute(due.order_by(t.standing.c.watch_at).limit(limit)).scalars())

    def open_alerts(self, limit: int = 1000) -> list[Alert]:
        """Return the alerts that no later fact has closed, the highest rank first."""
        table = t.alert_open
        opened = sa.select(table.c.id).order_by(table.c.rank.desc(), table.c.at, table.c.id).limit(limit)
        with self._database.read() as connection:
            ids = list(connection.execute(opened).scalars())
            facts = facts_of(connection, ids)
        return [alert for i in ids if isinstance(alert := facts.get(i), Alert)]

    # How it runs ------------------------------------------------------------------------------------------------------

    def cursor(self, channel: str, name: str) -> Mapping[str, Any] | None:
        """Return where a channel has been read up to under a name."""
        named = t.cursor.c.channel == channel, t.cursor.c.name == name
        with self._database.read() as connection:
            value = connection.execute(sa.select(t.cursor.c.value).where(*named)).scalar()
        return None if value is None else decode_value(value)

    def last_seen(self) -> dict[str, datetime]:
        """Return when each channel last handed us something."""
        seen = sa.select(t.channel_seen.c.channel, sa.func.max(t.channel_seen.c.last_at).label("at"))
        with self._database.read() as connection:
            rows = connection.execute(seen.group_by(t.channel_seen.c.channel)).all()
        return {row.channel: t.from_us(row.at) for row in rows}

    def paused(self) -> dict[str, Pause]:
        """Return the brakes that are on, by scope."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(t.pause)).all()
        return {row.scope: Pause(row.scope, row.reason, t.from_us(row.since)) for row in rows}

    def meta(self, key: str) -> str | None:
        """Return a setting of this installation."""
        with self._database.read() as connection:
            found: str | None = connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == key)).scalar()
        return found

    def metas(self, prefix: str) -> dict[str, str]:
        """Return the settings of this installation whose keys begin alike."""
        alike = sa.select(t.meta).where(t.meta.c.key.startswith(prefix, autoescape=True))
        with self._database.read() as connection:
            return {row.key: row.value for row in connection.execute(alike)}

    def counts(self) -> dict[str, int]:
        """Return how much the book holds and what is open: facts, parties, pending, questions, alerts, watched."""
        tallies: dict[str, Any] = {
            "facts": sa.select(sa.func.coalesce(sa.func.max(t.fact.c.seq), 0)),
            "parties": sa.select(sa.func.count()).select_from(t.standing).where(_IS_PARTY),
            "pending": sa.select(sa.func.count()).select_from(t.match_index).where(sa.text(t.PENDING)),
            "questions": sa.select(sa.func.count()).select_from(t.match_index).where(sa.text(t.QUESTION)),
            "alerts": sa.select(sa.func.count()).select_from(t.alert_open),
        }
        with self._database.read() as connection:
            return {name: int(connection.execute(tally).scalar_one()) for name, tally in tallies.items()}


def _named(table: sa.Table, identifiers: Iterable[Identifier]) -> Iterator[sa.ColumnElement[bool]]:
    """Yield conditions for some identifiers at a time, by kind: SQLite finds no index for pairs in a list."""
    kinds: dict[str, set[str]] = {}
    for identifier in identifiers:
        kinds.setdefault(identifier.kind, set()).add(identifier.value)
    for kind, values in sorted(kinds.items()):
        wanted = sorted(values)
        for i in range(0, len(wanted), CHUNK):
            yield sa.and_(table.c.kind == kind, table.c.value.in_(wanted[i : i + CHUNK]))


def _live(connection: Connection, party: str) -> str:
    into: str | None = connection.execute(_MERGED_INTO, {"party": party}).scalar()
    return into or party


def _pairs(connection: Connection, ids: Any) -> list[tuple[Match, Activity]]:
    rows = connection.execute(ids).all()
    facts = facts_of(connection, {i for row in rows for i in (row.match_id, row.activity_id)})
    pairs = ((facts.get(row.match_id), facts.get(row.activity_id)) for row in rows)
    return [
        (match, activity) for match, activity in pairs if isinstance(match, Match) and isinstance(activity, Activity)
    ]
