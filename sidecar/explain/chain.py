"""The chain: from a value in the CRM back to the raw words that it came from, in one walk over `because`.

Of an inference's many inputs only those are followed that the claim quotes; everything else is one `sidecar activities`
away. What was erased is named where it stood, because a chain that silently misses a link can't be trusted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sidecar.errors import PermanentError
from sidecar.explain.refused import STEP, Refusal, refusal
from sidecar.journal import Journal
from sidecar.model import (
    Activity,
    Change,
    Claim,
    Decision,
    Delivery,
    Evidence,
    Fact,
    FieldSync,
    Inference,
    Match,
    Policy,
    Posting,
    Reading,
    RecordSync,
    Release,
    Standing,
    Value,
)

MAX_NODES = 200
ERASED = "erased"
_ORDER = ("posting", "change", "decision", "claim", "inference", "match", "activity", "delivery", "reading", "release")


@dataclass(frozen=True, slots=True)
class Node:
    """One fact of the chain: what it is, in a line, with the details that a person or a program may want."""

    kind: str
    id: str
    line: str
    detail: dict[str, Any] = field(default_factory=dict)
    because: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """A value, where it stands, and the chain behind it; `note` says why there is none.

    `refused` is the last proposal that came to nothing; its causes end the chain.
    """

    party: str
    record: str
    field: str
    value: Value
    chain: tuple[Node, ...]
    note: str = ""
    refused: Refusal | None = None


def explain(journal: Journal, account: str, policy: Policy, record: str, field_name: str) -> Explanation:
    """Explain a field of a CRM record (`contact:17`, or its bare ref) or of a party (its id)."""
    standing, sync = find(journal, account, record)
    if sync is None:
        return of_belief(journal, standing, record, field_name)
    name = fields_by_property(policy).get((sync.kind, field_name), field_name)
    found = sync.fields.get(field_name)
    if found is None:
        return of_belief(journal, standing, record, name)
    return _with_refused(journal, standing, of_property(journal, standing, sync, field_name, found), name)


def fields_by_property(policy: Policy) -> Mapping[tuple[str, str], str]:
    """Return the field of ours behind each property of the CRM, by kind of record and property."""
    names = {(t.kind, t.property): field.name for field in policy.fields.values() for t in field.targets}
    return {**names, ("deal", "stage"): "stage"}


def nodes(chain: tuple[Node, ...]) -> Iterator[Node]:
    """Yield every node of a chain, causes after effects."""
    for node in chain:
        yield node
        yield from nodes(node.because)


def find(journal: Journal, account: str, record: str) -> tuple[Standing, RecordSync | None]:
    """Return where the party stands that a record belongs to, or that has this id, and what we know of the record."""
    kind, _, ref = record.rpartition(":")
    for candidate in [kind] if kind else ["contact", "deal", "company", "note", "task", "meeting"]:
        party = journal.linked_party(account, candidate, ref)
        standing = journal.standing(party) if party else None
        if standing:
            synced = (r for r in standing.records.values() if r.kind == candidate and r.ref == ref)
            return standing, next(synced, None)
    standing = journal.standing(record)
    if standing is None:
        raise PermanentError(f"no party and no record of the CRM is called {record!r}; `sidecar inbox` names both")
    return standing, None


def of_property(journal: Journal, standing: Standing, sync: RecordSync, name: str, found: FieldSync) -> Explanation:
    """Explain what a property of the CRM holds, as far as we know it."""
    record = f"{sync.kind}:{sync.ref}"
    if found.hold:
        author = found.hold.author
        who = author.name or author.ref or author.kind.value
        note = f"{who} wrote it in the CRM on {found.hold.at:%Y-%m-%d %H:%M}; ours was {found.posted!r}"
        reading = journal.get(sync.reading)
        chain = walk(journal, reading) if reading else ()
        return Explanation(standing.party, record, name, found.hold.value, chain, note)
    posting = next((p for p in journal.effects(found.change, "posting")), None) if found.change else None
    chain = walk(journal, posting) if posting else ()
    return Explanation(standing.party, record, name, found.posted, chain, "" if chain else "we never posted it")


def of_belief(journal: Journal, standing: Standing, record: str, name: str) -> Explanation:
    """Explain what is believed of a party, waits for a person or was turned down by one.

    It is a field, or a next step as `step:` and its id.
    """
    found = _of_step(journal, standing, record, name) if name.startswith(STEP) else None
    found = _with_refused(journal, standing, found or _of_field(journal, standing, record, name), name)
    if found.chain or found.refused:
        return found
    if name.startswith(STEP):
        raise PermanentError("no such step is known of this party")
    known = sorted({f for e in standing.engagements for f in (*e.fields, *e.suggestions)})
    properties = sorted({p for r in standing.records.values() for p in r.fields})
    raise PermanentError(
        f"nothing is known of {name!r}; fields: {', '.join(known)}; properties: {', '.join(properties)}"
    )


def _with_refused(journal: Journal, standing: Standing, told: Explanation, name: str) -> Explanation:
    """Add what was proposed last and came to nothing, with its causes."""
    refused = refusal(journal, standing, name)
    decision = journal.get(refused.decision) if refused else None
    if not decision or any(node.id == decision.id for node in nodes(told.chain)):
        return told
    return replace(told, chain=(*told.chain, *walk(journal, decision)), refused=refused)


def _of_field(journal: Journal, standing: Standing, record: str, name: str) -> Explanation:
    """Explain what is believed, and what waits; without a chain where there is neither."""
    for engagement in reversed(standing.engagements):
        held = engagement.fields.get(name)
        waiting = engagement.suggestions.get(name)
        ids = [found.decision for found in (held, waiting) if found]
        if ids:
            facts = [fact for fact in (journal.get(i) for i in dict.fromkeys(ids)) if fact]
            value = held.value if held else waiting.value if waiting else None
            note = f"{waiting.value!r} waits for a person: {waiting.reason}" if waiting else ""
            chain = tuple(node for fact in facts for node in walk(journal, fact))
            return Explanation(standing.party, record, name, value, chain, note)
    return Explanation(standing.party, record, name, None, ())


def _of_step(journal: Journal, standing: Standing, record: str, name: str) -> Explanation | None:
    for engagement in reversed(standing.engagements):
        for step in engagement.steps:
            fact = journal.get(step.decision) if step.id == name.removeprefix(STEP) else None
            if fact:
                return Explanation(standing.party, record, name, step.what, walk(journal, fact), f"it is {step.status}")
    return None


def walk(journal: Journal, start: Fact) -> tuple[Node, ...]:
    """Return the chain behind a fact."""
    return (_node(journal, start, frozenset(), set()),)


def _node(journal: Journal, fact: Fact, quoted: frozenset[str], told: set[str]) -> Node:
    """Return a fact with its causes; one that was told with its causes already is only named."""
    if isinstance(fact, Claim) and fact.evidence:
        quoted = frozenset(e.activity for e in fact.evidence)
    if fact.id in told or (isinstance(fact, Reading) and told):  # what a write relied on has the write's own causes
        return Node(fact.KIND, fact.id, *_told(fact))
    told.add(fact.id)
    causes = [c for c in journal.causes(fact.id) if not (isinstance(c, Match) and quoted and c.activity not in quoted)]
    causes.sort(key=lambda c: (_ORDER.index(c.KIND) if c.KIND in _ORDER else len(_ORDER), c.id))
    below: list[Node] = []
    for left, cause in zip(range(len(causes), 0, -1), causes, strict=True):
        if len(told) >= MAX_NODES:
            below.append(Node("more", "", f"{left} more; `sidecar export --party` has them all", {"count": left}))
            break
        below.append(_node(journal, cause, quoted, told))
    for id, kind in journal.erased_causes(fact.id)[: max(MAX_NODES - len(told), 0)]:
        told.add(id)
        below.append(Node(ERASED, id, f"this {kind} was erased from the book; only its place in the chain is left"))
    return Node(fact.KIND, fact.id, *_told(fact), tuple(below))


def _told(fact: Fact) -> tuple[str, dict[str, Any]]:
    if isinstance(fact, Posting):
        line = f"{fact.kind} {fact.ref}: {fact.field} = {fact.value!r}, read back on {fact.at:%Y-%m-%d %H:%M} UTC"
        return line, {
            "record": f"{fact.kind}:{fact.ref}", "field": fact.field, "value": fact.value, "at": fact.at.isoformat(),
        }  # fmt: skip
    if isinstance(fact, Change):
        return f"{fact.field}: {fact.old!r} to {fact.new!r}", {
            "field": fact.field, "old": fact.old, "new": fact.new, "at": fact.at.isoformat(),
        }  # fmt: skip
    if isinstance(fact, Decision):
        return f"{fact.verdict.value} by rule {fact.rule}: {fact.reason}", {
            "verdict": fact.verdict.value, "rule": fact.rule, "reason": fact.reason, "by": fact.by,
            "policy_sha256": fact.policy,
        }  # fmt: skip
    if isinstance(fact, Claim):
        return _claim(fact)
    if isinstance(fact, Inference):
        asked_by = f"prompt {fact.prompt} {fact.prompt_sha256[:12]}, version {fact.version[:12] or 'unknown'}"
        line = f"{fact.engine} ({fact.model}), {asked_by}, ${fact.cost_usd:.4f}"
        return line, {
            "engine": fact.engine, "model": fact.model, "prompt": fact.prompt, "prompt_sha256": fact.prompt_sha256,
            "version": fact.version, "cost_usd": fact.cost_usd, "request_id": fact.request_id,
            "input_tokens": fact.input_tokens, "output_tokens": fact.output_tokens, "duration_ms": fact.duration_ms,
        }  # fmt: skip
    return _source(fact)


def _source(fact: Fact) -> tuple[str, dict[str, Any]]:
    if isinstance(fact, Match):
        return f"belongs to {fact.party} by rule {fact.rule}", {"rule": fact.rule}
    if isinstance(fact, Activity):
        who = fact.actor.name or fact.actor.role.value
        line = f"{fact.kind} on {fact.channel} by {who} ({fact.actor.how}), {fact.at:%Y-%m-%d %H:%M} UTC"
        return line, {
            "channel": fact.channel, "at": fact.at.isoformat(), "role": fact.actor.role.value, "kind": fact.kind,
            "who": fact.actor.name, "how": fact.actor.how,
        }  # fmt: skip
    if isinstance(fact, Delivery):
        line = f"{fact.channel} {fact.key[:60]}, sha256 {fact.sha256[:12]}, {fact.received_at:%Y-%m-%d %H:%M} UTC"
        return line, {
            "channel": fact.channel, "key": fact.key, "sha256": fact.sha256, "at": fact.received_at.isoformat(),
        }  # fmt: skip
    if isinstance(fact, Release):
        line = f"{fact.action} by {fact.by}, {fact.at:%Y-%m-%d %H:%M} UTC{': ' + fact.reason if fact.reason else ''}"
        return line, {"action": fact.action, "by": fact.by, "reason": fact.reason, "at": fact.at.isoformat()}
    if isinstance(fact, Reading):
        return f"the CRM's {fact.kind} {fact.ref} as read on {fact.at:%Y-%m-%d %H:%M} UTC", {
            "ref": fact.ref, "record": f"{fact.kind}:{fact.ref}", "at": fact.at.isoformat(),
        }  # fmt: skip
    return fact.KIND, {}


def _claim(claim: Claim) -> tuple[str, dict[str, Any]]:
    quotes = [_quote(e) for e in claim.evidence]
    said = "; ".join(f'"{q["quote"]}"' for q in quotes) or claim.formula
    line = f"{claim.field} {claim.op} {claim.value!r} ({claim.certainty.value}, {claim.confidence}): {said}"
    return line, {
        "field": claim.field, "value": claim.value, "certainty": claim.certainty.value,
        "confidence": claim.confidence, "verified": claim.verified, "formula": claim.formula, "evidence": quotes,
    }  # fmt: skip


def _quote(evidence: Evidence) -> dict[str, Any]:
    return {
        "activity": evidence.activity, "start": evidence.start, "end": evidence.end, "quote": evidence.quote,
        "role": evidence.role.value,
    }  # fmt: skip
