"""What follows from the facts, kept beside them: who owns an identifier, what is pending, where each party stands.

Written in the transaction of the facts, for facts that are really new, in their order; `rebuild` throws everything
away and folds the book again, and a test compares. So a projection may hold nothing that the facts don't say (but
`watch_at`, which is a reminder and is carried over), and no query of a run has to read history.

Two rules are enforced here because only here they can be: an identifier has one live owner, and so has a CRM record.
A fact that would break them fails its whole entry with a `TemporaryError`, so that the stage looks again and finds
the owner. A Match that a person's word has overtaken counts nowhere.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.errors import PermanentError
from sidecar.journal import tables as t
from sidecar.journal.codec import BODY, decode, decode_standing, encode_standing
from sidecar.journal.entry import IdentifierTaken, RecordTaken
from sidecar.journal.shares import heard_row, shares
from sidecar.journal.traffic import Traffic
from sidecar.journal.upserts import add, keep, replace
from sidecar.model import (
    Activity,
    Alert,
    Delivery,
    Fact,
    Inference,
    Match,
    Outcome,
    Posting,
    Reading,
    Release,
    Standing,
    absorb,
    advance,
)
from sidecar.model.means import AUDIO_MS

_WAITING = frozenset({Outcome.AMBIGUOUS, Outcome.UNKNOWN, Outcome.OUTBOUND_ONLY})
_MOVED_ON_MERGE = (t.identifier, t.match_index, t.record_link, t.alert_open)


class Projections:
    """The projections within one transaction: standings are read once and written once, by `save`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._standings: dict[str, Standing] = {}
        self._updated: dict[str, int] = {}
        self._live: dict[str, str] = {}
        self._activities: dict[str, Activity] = {}
        self._seen: dict[tuple[str, str], tuple[int, int]] = {}
        self._traffic = Traffic(connection)

    def fold(self, fact: Fact, recorded_at: int) -> None:
        """Take in one new fact."""
        counts = True
        match fact:
            case Delivery():
                self._delivered(fact, recorded_at)
            case Activity():
                self._happened(fact)
                self._traffic.said(fact, recorded_at)
            case Match():
                counts = self._matched(fact)
            case Inference():
                self._inferred(fact, recorded_at)
            case Reading():
                self._read(fact)
            case Posting():
                self._link(fact.party, fact.ledger, fact.kind, fact.ref)
            case Alert():
                self._alerted(fact)
        if fact.party is not None and counts:
            self._stand(fact, fact.party, recorded_at)

    def save(self) -> None:
        """Write what was gathered."""
        seen = [
            {"channel": channel, "account": account, "deliveries": count, "last_at": last}
            for (channel, account), (count, last) in sorted(self._seen.items())
        ]
        add(self._connection, t.channel_seen, seen, latest="last_at")
        self._traffic.save()
        standings = [_standing_row(self._standings[party], at) for party, at in sorted(self._updated.items())]
        replace(self._connection, t.standing, standings)
        self._seen.clear()
        self._updated.clear()

    # One fact ---------------------------------------------------------------------------------------------------------

    def _delivered(self, delivery: Delivery, recorded_at: int) -> None:
        channel = t.as_key(delivery.channel), t.as_key(delivery.account)
        count, last = self._seen.get(channel, (0, 0))
        self._seen[channel] = count + 1, max(last, t.to_us(delivery.received_at))
        self._traffic.came(delivery)
        if AUDIO_MS in delivery.headers:
            add(self._connection, t.heard, [heard_row(delivery, recorded_at)])

    def _happened(self, activity: Activity) -> None:
        self._activities[activity.id] = activity
        row = {
            "activity_id": activity.id,
            "channel": t.as_key(activity.channel),
            "account": t.as_key(activity.account),
            "external_id": t.as_key(activity.external_id),
            "kind": t.as_key(activity.kind),
            "version": t.as_key(activity.version),
            "at": t.to_us(activity.at),
            "thread": t.as_key(activity.thread),
            "relates_to": t.as_key(activity.relates_to) if activity.relates_to is not None else None,
        }
        self._connection.execute(sa.insert(t.activity_index), row)

    def _matched(self, match: Match) -> bool:
        if (match.outcome is Outcome.PARTY) != (match.party is not None):
            raise PermanentError("a match names a party exactly when its outcome is party")
        at = self._execute(
            sa.select(t.activity_index.c.at).where(t.activity_index.c.activity_id == match.activity)
        ).scalar()
        if at is None:  # its activity was erased, so there is nothing left that could belong to anybody
            return False
        mine = t.match_index.c.activity_id == match.activity
        others = self._execute(sa.select(t.match_index).where(mine)).all()
        if not match.after and any(other.after or (other.party and not match.party) for other in others):
            return False  # a person's word stands, and a doubt that comes late takes nothing away
        for other in others:
            adds = other.after == match.after and other.outcome == match.outcome == Outcome.PARTY
            if not adds:
                self._execute(sa.delete(t.match_index).where(t.match_index.c.match_id == other.match_id))
        row = {
            "match_id": match.id,
            "activity_id": match.activity,
            "at": at,
            "outcome": match.outcome,
            "after": match.after,
            "party": self.live(match.party) if match.party is not None else None,
            "pending": match.outcome is Outcome.PARTY,
        }
        self._execute(sa.insert(t.match_index).values(row))
        self._wait(match)
        for link in match.links if match.party is not None else ():
            self._own(match, link.kind, link.value)
        return True

    def _wait(self, match: Match) -> None:
        self._execute(sa.delete(t.waiting).where(t.waiting.c.activity_id == match.activity))
        if match.outcome in _WAITING:
            for kind, value in sorted({(i.kind, i.value) for i in match.identifiers}):
                row = {"kind": t.as_key(kind), "value": t.as_key(value), "activity_id": match.activity}
                self._execute(sa.insert(t.waiting).values(row))

    def _own(self, match: Match, kind: str, value: str) -> None:
        named = t.identifier.c.kind == t.as_key(kind), t.identifier.c.value == t.as_key(value)
        held = self._execute(sa.select(t.identifier.c.party).where(*named)).scalar()
        party = self.live(str(match.party))
        if held is None:
            self._execute(sa.insert(t.identifier).values(kind=kind, value=value, party=party))
        elif held != party and match.after:
            # A person said whose this activity is: what identifies its sender goes with it.
            self._execute(sa.update(t.identifier).where(*named).values(party=party))
        elif held != party:
            raise IdentifierTaken(f"an identifier of {match.id} belongs to {held} already")

    def _inferred(self, inference: Inference, recorded_at: int) -> None:
        is_read = inference.part == inference.parts or inference.stop != "end"  # one that can't be read waits by itself
        for ids in _chunks(inference.because if is_read else ()):
            read = t.match_index.c.match_id.in_(ids), t.match_index.c.pending.is_(True)
            self._execute(sa.update(t.match_index).where(*read).values(pending=False))
        if inference.party is not None:
            add(self._connection, t.spent, shares(inference, self.live(inference.party), recorded_at))

    def _read(self, reading: Reading) -> None:
        if reading.party is None:
            return
        if reading.linked_by and not reading.gone:
            held = self._link(reading.party, reading.ledger, reading.kind, reading.ref)
            if held != self.live(reading.party):
                raise RecordTaken(f"a {reading.kind} of {reading.ledger} belongs to {held} already")
        if reading.moved_to is not None:
            self._link(reading.party, reading.ledger, reading.kind, reading.moved_to)

    def _link(self, party: str | None, ledger: str, kind: str, ref: str) -> str | None:
        """Tie a CRM record to its party unless it has one, and return whose it is."""
        if party is None or not ref:
            return None
        link = t.record_link
        row = {"ledger": ledger, "kind": kind, "ref": t.as_key(ref), "party": self.live(party)}
        keep(self._connection, link, [row])
        named = link.c.ledger == ledger, link.c.kind == kind, link.c.ref == ref
        owner: str | None = self._execute(sa.select(link.c.party).where(*named)).scalar()
        return owner

    def _alerted(self, alert: Alert) -> None:
        opened = t.alert_open
        same = opened.c.rule == alert.rule, opened.c.subject == alert.subject, opened.c.about == alert.about
        self._execute(sa.delete(opened).where(*same))
        if alert.state == "open":
            row = {
                "id": alert.id,
                "rule": t.as_key(alert.rule),
                "subject": t.as_key(alert.subject),
                "about": t.as_key(alert.about),
                "party": self.live(alert.party) if alert.party is not None else None,
                "rank": alert.rank,
                "at": t.to_us(alert.at),
            }
            self._execute(sa.insert(opened).values(row))

    # Parties ----------------------------------------------------------------------------------------------------------

    def _stand(self, fact: Fact, named: str, recorded_at: int) -> None:
        party = self.live(t.as_key(named))
        if isinstance(fact, Release) and fact.other is not None:
            self._concern_other(fact, party, self.live(t.as_key(fact.other)), recorded_at)
        activity = self._activity(fact.activity) if isinstance(fact, Match) else None
        self._put(advance(self._standing(party), fact, activity), recorded_at)

    def _concern_other(self, release: Release, party: str, other: str, recorded_at: int) -> None:
        """A release about two parties: a merge ends the other one, else the other one only hears of it."""
        if other == party:
            return
        if release.action != "merge":
            heard = dataclasses.replace(release, other=other)
            self._put(advance(self._standing(other), heard, None), recorded_at)
            return
        self._put(absorb(self._standing(party), self._standing(other), release.id), recorded_at)
        merged = sa.update(t.party).values(merged_into=party)
        self._execute(merged.where(sa.or_(t.party.c.id == other, t.party.c.merged_into == other)))
        for table in _MOVED_ON_MERGE:
            self._execute(sa.update(table).where(table.c.party == other).values(party=party))
        self._execute(sa.delete(t.standing).where(t.standing.c.party == other))
        self._updated.pop(other, None)
        self._standings.pop(other, None)
        self._live = {named: party if to == other else to for named, to in self._live.items()}

    def live(self, party: str) -> str:
        """Return the party that a party was merged into, or itself; a party first heard of is made."""
        if party not in self._live:
            row = self._execute(sa.select(t.party).where(t.party.c.id == party)).first()
            if row is None:
                self._execute(sa.insert(t.party).values(id=t.as_key(party)))
            self._live[party] = row.merged_into or party if row else party
        return self._live[party]

    def _standing(self, party: str) -> Standing:
        if party not in self._standings:
            doc = self._execute(sa.select(t.standing.c.doc).where(t.standing.c.party == party)).scalar()
            self._standings[party] = Standing(party=party) if doc is None else decode_standing(doc)
        return self._standings[party]

    def _put(self, standing: Standing, recorded_at: int) -> None:
        self._standings[standing.party] = standing
        self._updated[standing.party] = recorded_at

    def _activity(self, activity_id: str) -> Activity | None:
        if activity_id not in self._activities:
            body = t.payload.c.fact_id == activity_id, t.payload.c.part == BODY
            held = self._execute(sa.select(t.payload.c.body).where(*body)).scalar()
            found = decode(Activity.KIND, held) if held is not None else None
            if not isinstance(found, Activity):
                return None
            self._activities[activity_id] = found
        return self._activities[activity_id]

    def _execute(self, statement: Any) -> Any:
        return self._connection.execute(statement)


def rebuild(connection: Connection, batch: int = 500) -> int:
    """Throw the projections away and fold the whole book again; return how many facts were read."""
    reminders = connection.execute(
        sa.select(t.standing.c.party, t.standing.c.watch_at).where(t.standing.c.watch_at.is_not(None))
    ).all()
    for table in t.PROJECTIONS:
        connection.execute(sa.delete(table))
    read, after = 0, 0
    body = t.payload.c.fact_id == t.fact.c.id, t.payload.c.part == BODY
    facts = sa.select(t.fact, t.payload.c.body).join(t.payload, sa.and_(*body)).order_by(t.fact.c.seq).limit(batch)
    while rows := connection.execute(facts.where(t.fact.c.seq > after)).all():
        folding = Projections(connection)
        for row in rows:
            folding.fold(decode(row.kind, row.body), row.recorded_at)
        folding.save()
        read, after = read + len(rows), rows[-1].seq
    for party, watch_at in reminders:
        connection.execute(sa.update(t.standing).where(t.standing.c.party == party).values(watch_at=watch_at))
    return read


def _standing_row(standing: Standing, updated_at: int) -> dict[str, Any]:
    engagement = standing.engagement
    urgency, score = engagement.fields.get("urgency"), engagement.fields.get("score")
    number = score.value if score else None
    return {
        "party": standing.party,
        "doc": encode_standing(standing),
        "name_folded": t.as_text(standing.name.casefold()),
        "stage": t.as_text(engagement.stage),
        "review": any(e.suggestions for e in standing.engagements),
        "urgency": t.as_text(str(urgency.value)) if urgency and urgency.value is not None else "",
        "score": float(number) if isinstance(number, int | float) else None,
        "last_activity_at": t.to_us(standing.last_activity_at) if standing.last_activity_at else None,
        "updated_at": updated_at,
    }


def _chunks(ids: Iterable[str], size: int = 400) -> Iterable[list[str]]:
    held = sorted(set(ids))
    return (held[i : i + size] for i in range(0, len(held), size))
