"""What a person says by command: whose an activity is, which parties are one, what is approved, pinned or released.

A person's word is a fact like any other, a Release, and what follows from it names it as its cause. Nothing is edited:
a party that is merged or split keeps its past, and is read whole again.
"""

from collections.abc import Collection, Sequence

from sidecar.decide import by_person
from sidecar.errors import PermanentError
from sidecar.journal import Entry, Journal, Touch
from sidecar.model import (
    Activity,
    Claim,
    Decision,
    Fact,
    Identifier,
    Match,
    Record,
    Release,
    Standing,
    Suggestion,
    Value,
    Verdict,
    WorkKey,
    WorkKind,
)
from sidecar.pipeline.listening import to_hear
from sidecar.pipeline.parts import Parts
from sidecar.resolve import NEW, assigned
from sidecar.sync import deal_key

MAX_WAITING = 200
MAX_MERGED = 10_000


def claim_of(journal: Journal, suggestion: Suggestion) -> Claim | None:
    """Return the claim that a suggestion makes."""
    decision = journal.get(suggestion.decision)
    claim = journal.get(decision.claim) if isinstance(decision, Decision) else None
    return claim if isinstance(claim, Claim) else None


class People:
    """The commands of reviewers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._journal = parts.journal

    def assign(self, activity_id: str, to: str, by: str) -> str:
        """Give an activity to a party, or to a new one (`new`); returns the party."""
        activity = self._activity(activity_id)
        matches = [m for m in self._journal.effects(activity_id, "match") if isinstance(m, Match)]
        if not matches:
            raise PermanentError("that activity has not been resolved yet; try again in a moment")
        nonce = self._parts.nonce()
        party = self._journal.mint.id("party", nonce) if to == NEW else self._standing(to).party
        owners = list(self._owners(activity))
        if owners == [party]:
            raise PermanentError(f"activity {activity_id} is that party's already")
        losers = [owner for owner in owners if owner != party]
        releases = [
            self._release(
                "assign", by, f"{nonce}{n or ''}", party, (matches[-1].id,), activities=(activity_id,), other=loser
            )
            for n, loser in enumerate(losers or [None])
        ]
        self._match([activity], [matches[-1]], party, releases[0], is_new=to == NEW, also=releases[1:])
        for loser in losers:
            self._touch(loser)
        return party

    def split(self, party: str, activity_ids: Sequence[str], by: str) -> str:
        """Move activities of a party out to a new one; returns the new party. No address goes with them."""
        if not activity_ids:
            raise PermanentError("name the activities that are somebody else's")
        return self._split(self._standing(party), activity_ids, by)

    def unmerge(self, party: str, other: str, by: str) -> str:
        """Move what a merge brought to a party, and what came since in those conversations, out to a new one.

        The identifiers that were told there go with it; records in the CRM stay. Returns the new party.
        """
        standing = self._standing(party)
        if other not in standing.absorbed:
            raise PermanentError(f"{other} was not merged into {standing.party}")
        timeline = self._journal.timeline(standing.party, MAX_MERGED + 1)
        if len(timeline) > MAX_MERGED:
            raise PermanentError(f"the party has more than {MAX_MERGED} activities; name those that are to go")
        begun_by: dict[tuple[str, str, str], str] = {}
        for match, activity in reversed(timeline):
            begun_by.setdefault((activity.channel, activity.account, activity.thread), match.party or "")
        ids = [
            activity.id
            for match, activity in timeline
            if match.party == other or begun_by[activity.channel, activity.account, activity.thread] == other
        ]
        if not ids:
            raise PermanentError(f"{other} had no activities of its own; name those that are to go")
        return self._split(standing, ids, by, merged=other)

    def _split(self, standing: Standing, activity_ids: Sequence[str], by: str, merged: str = "") -> str:
        nonce = self._parts.nonce()
        activities = [self._activity(activity_id) for activity_id in activity_ids]
        matches = [self._own_match(activity, standing.party) for activity in activities]
        new = self._journal.mint.id("party", nonce)
        causes = tuple(m.id for m in matches)
        release = self._release(
            "split",
            by,
            nonce,
            new,
            causes,
            activities=tuple(a.id for a in activities),
            other=standing.party,
            key=merged,
        )
        goes = {known for known, match in standing.known_by.items() if match in causes} if merged else set()
        self._match(activities, matches, new, release, is_new=True, goes=goes)
        self._touch(standing.party)
        return new

    def merge(self, winner: str, loser: str, by: str) -> str:
        """Make two parties one; the other's history, identifiers and records go to the winner.

        What waited because it named both is matched again: whose it is, was answered with this.
        """
        into, other = self._standing(winner), self._standing(loser)
        if into.party == other.party:
            raise PermanentError("those are one party already")
        causes = tuple(dict.fromkeys((*self._introduced(into), *self._introduced(other))))
        release = self._release("merge", by, self._parts.nonce(), into.party, causes, other=other.party)
        touches = self._asked_again([*into.identifiers, *other.identifiers])
        self._journal.commit(Entry(facts=(release,), touches=touches))
        self._parts.wake([touch.work for touch in touches])
        self._touch(into.party)
        return into.party

    def review(self, party: str, field: str, by: str, *, approve: bool) -> None:
        """Approve or reject the suggestion on a field, a step (`step:ID`), or a record to be made (contact, deal)."""
        standing = self._standing(party)
        if field in ("contact", "deal"):
            self._allow(standing, field, by, approve=approve)
            return
        suggestion = standing.engagement.suggestions.get(field)
        if suggestion is None:
            waiting = ", ".join(sorted(standing.engagement.suggestions)) or "nothing"
            raise PermanentError(f"no suggestion waits on {field!r}; waiting: {waiting}")
        claim = claim_of(self._journal, suggestion)
        if claim is None:
            raise PermanentError("the claim behind that suggestion is not in the book")
        action = "approve" if approve else "reject"
        release = self._release(
            action, by, self._parts.nonce(), standing.party, (suggestion.decision,), field=field, value=suggestion.value
        )
        verdict = Verdict.APPLY if approve else Verdict.REJECT
        ruled = by_person(
            claim, standing, self._parts.policy, self._journal.mint, verdict=verdict, person=by, release=release
        )
        self._commit_and_sync(standing.party, release, ruled)

    def pin(self, party: str, kind: str, field: str, by: str, *, pinned: bool) -> None:
        """Order a CRM property to be left alone, or give it back to us."""
        standing = self._standing(party)
        action = "pin" if pinned else "release"
        release = self._release(
            action, by, self._parts.nonce(), standing.party, self._introduced(standing), kind=kind, field=field
        )
        self._commit_and_sync(standing.party, release)

    def tie(self, party: str, ref: str, by: str) -> None:
        """Tie the current engagement to an open deal of the CRM: the answer to which of several it is."""
        standing, ledger = self._standing(party), self._parts.ledger
        found = ledger.read("deal", [ref]).get(ref) if ledger else None
        if not isinstance(found, Record):
            raise PermanentError(f"there is no deal {ref!r} in the CRM")
        owner = self._journal.linked_party(ledger.account(), "deal", ref) if ledger else None
        if owner and owner != standing.party:
            raise PermanentError(f"deal {ref} belongs to {owner}; merge the parties if they are one")
        key = deal_key(standing.party, standing.engagement.number, self._journal.mint)
        release = self._release(
            "tie",
            by,
            self._parts.nonce(),
            standing.party,
            self._introduced(standing),
            kind="deal",
            field=key,
            value=ref,
        )
        self._commit_and_sync(standing.party, release)

    def _allow(self, standing: Standing, kind: str, by: str, *, approve: bool) -> None:
        if not approve:
            raise PermanentError(f"nothing is made unless it is approved; leave the {kind} as it is")
        release = self._release(
            "create", by, self._parts.nonce(), standing.party, self._introduced(standing), kind=kind
        )
        self._commit_and_sync(standing.party, release)

    def _match(
        self,
        activities: Sequence[Activity],
        questions: Sequence[Match],
        party: str,
        release: Release,
        *,
        is_new: bool,
        also: Sequence[Release] = (),
        goes: Collection[str] = (),
    ) -> None:
        mint, borne = self._journal.mint, self._journal.known([i for q in questions for i in q.identifiers])
        known = {identifier: party for identifier, party in borne.items() if str(identifier) not in goes}
        matches = [
            assigned(
                activity,
                party,
                release,
                question.identifiers,
                mint,
                known=known,
                name=question.name,
                route=question.route,
                new_party=is_new,
            )
            for activity, question in zip(activities, questions, strict=True)
        ]
        touches = self._asked_again([link for m in matches for link in m.links])
        touches.append(Touch(WorkKey(WorkKind.PARTY, party)))
        touches += [touch for activity in activities for touch in to_hear(self._parts, activity, matches)]
        self._journal.commit(Entry(facts=(release, *also, *matches), touches=touches))
        self._parts.wake([t.work for t in touches])

    def _asked_again(self, identifiers: Sequence[Identifier]) -> list[Touch]:
        """What is to be matched again because identifiers are somebody's now, or one party's where they were two's."""
        held = self._journal.waiting(identifiers, MAX_WAITING)
        again = {cause.id for activity_id in held for cause in self._journal.causes(activity_id)}
        return [Touch(WorkKey(WorkKind.RESOLVE, delivery)) for delivery in sorted(again)]

    def _release(
        self,
        action: str,
        by: str,
        nonce: str,
        party: str,
        because: tuple[str, ...],
        *,
        activities: tuple[str, ...] = (),
        other: str | None = None,
        kind: str = "",
        key: str = "",
        field: str = "",
        value: Value = None,
    ) -> Release:
        release = Release(
            because=because,
            party=party,
            nonce=nonce,
            action=action,
            by=by,
            field=field,
            kind=kind,
            key=key,
            value=value,
            activities=activities,
            other=other,
            at=self._parts.clock(),
        )
        return self._journal.mint(release)

    def _commit_and_sync(self, party: str, *facts: Fact) -> None:
        keys = [WorkKey(WorkKind.WATCH, party), WorkKey(WorkKind.SYNC, party)]
        self._journal.commit(Entry(facts=facts, touches=tuple(Touch(key) for key in keys)))
        self._parts.wake(keys)

    def _touch(self, party: str) -> None:
        keys = [WorkKey(WorkKind.PARTY, party), WorkKey(WorkKind.SYNC, party)]
        self._journal.commit(Entry(touches=tuple(Touch(key) for key in keys)))
        self._parts.wake(keys)

    def _standing(self, party: str) -> Standing:
        standing = self._journal.standing(party)
        if standing is None:
            raise PermanentError(f"there is no party {party!r}; `sidecar party list` names them")
        return standing

    def _activity(self, activity_id: str) -> Activity:
        activity = self._journal.get(activity_id)
        if not isinstance(activity, Activity):
            raise PermanentError(f"there is no activity {activity_id!r}; `sidecar activities` names them")
        return activity

    def _own_match(self, activity: Activity, party: str) -> Match:
        match = self._owners(activity).get(party)
        if match is None:
            raise PermanentError(f"activity {activity.id} is not that party's")
        return match

    def _owners(self, activity: Activity) -> dict[str, Match]:
        """The parties that an activity belongs to, merges followed; where people have spoken, the last word counts."""
        matches = [m for m in self._journal.effects(activity.id, "match") if isinstance(m, Match)]
        word = next((m.after for m in reversed(matches) if m.after), "")
        owned = [m for m in matches if m.party and m.after == word]
        return {self._journal.live_party(m.party or ""): m for m in owned}

    def _introduced(self, standing: Standing) -> tuple[str, ...]:
        """A Match that made the party known, as the cause of what a person says about it."""
        known = next(iter(standing.known_by.values()), "")
        newest = [] if known else self._journal.timeline(standing.party, 1)
        return (known,) if known else tuple(match.id for match, _ in newest)
