"""Infer: new activities, what is believed so far, a prompt and an LLM become an Inference and its grounded Claims.

The model only asserts. Code finds each quote in what was said (`ground`), works out who said it and how much that is
worth, and keeps every claim: one whose quote can't be found stays in the book, marked, and moves nothing. Nothing here
decides what is written; that is `decide`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from sidecar.errors import PermanentError
from sidecar.ground import find
from sidecar.infer import wire
from sidecar.infer.addresses import addresses, written
from sidecar.infer.question import MAX_TOKENS, again, ask, canary, digest
from sidecar.infer.senders import senders
from sidecar.infer.version import version
from sidecar.model import (
    SEVERAL,
    Activity,
    Certainty,
    Claim,
    Evidence,
    Inference,
    Match,
    Mint,
    Own,
    Policy,
    Prompt,
    Role,
    Said,
    Standing,
    Step,
)
from sidecar.ports import LLM, Answer, Question

WHOLE_ACTIVITIES = 12
WHOLE_CHARS = 11_000
MAX_WHOLE_CHARS = 100_000
EARLIER = 3

_CERTAINTY = {Certainty.STATED: 0.9, Certainty.STRONGLY_IMPLIED: 0.75, Certainty.WEAKLY_IMPLIED: 0.5}
_UNVERIFIED_CAP = 0.4
_SPEAKER = {Role.CUSTOMER: 1.0, Role.SYSTEM: 1.0, Role.AGENT: 1.0, Role.BOT: 0.6}
_UNAUTHENTICATED_AGENT = 0.7


@dataclass(frozen=True, slots=True)
class Inferred:
    """One run's outcome; `usable` is false when the model refused, was cut off, or answered something else.

    `system` is the text whose hash the inference's request names; it is stored once per hash.
    """

    inference: Inference
    claims: tuple[Claim, ...]
    usable: bool
    needs_whole: bool
    system: str


def reads_whole(standing: Standing) -> bool:
    """Say whether the whole history is due for reading, rather than state and news.

    Short histories always (rolling state loses more than it saves below about ten messages); then each time that the
    history has doubled, so that the work stays linear; and after late, edited, deleted or re-assigned activities.
    """
    return (
        standing.needs_whole
        or standing.activities <= WHOLE_ACTIVITIES
        or standing.activities >= 2 * max(1, standing.activities_at_whole)
    )


def infer(
    new: Sequence[tuple[Match, Activity]],
    earlier: Sequence[Activity],
    standing: Standing,
    prompt: Prompt,
    policy: Policy,
    own: Own,
    llm: LLM,
    mint: Mint,
    *,
    whole: bool = False,
    max_tokens: int = MAX_TOKENS,
    part: int = 1,
    parts: int = 1,
) -> Inferred:
    """Ask the LLM about some new activities (in order of time) and ground what it claims.

    Of one that needs several questions (`parts`), this is the `part`-th.
    """
    if not new:
        raise PermanentError("nothing to infer from: no new activity was given")
    activities = [activity for _, activity in new]
    question = ask(activities, earlier, standing, prompt, policy, own, mint, max_tokens, part, parts)
    answer = llm.infer(question)
    inference = _inference(question, answer, llm, prompt, standing, mint, [match.id for match, _ in new], whole)
    inference = replace(
        _again(inference, standing, mint) if whole and standing.needs_whole else inference,
        channel=activities[-1].channel,
        route=standing.route_in(policy).name,
        senders=senders(activities, mint),
        part=part,
        parts=parts,
    )
    read = wire.read(answer.text) if answer.stop == "end" else None
    if read is None:
        return Inferred(_unusable(inference, answer, activities, mint), (), False, False, question.system)
    # The parsed answer too: escapes hide a word in JSON.
    leaked = any(canary(prompt, mint) in text for text in (answer.text, read.model_dump_json()))
    claims = _Grounding(inference, {a.id: a for a in (*earlier, *activities)}, question, llm, mint, prompt, leaked)
    return Inferred(inference, claims.all(read), True, read.needs_full_reread, question.system)


def _inference(
    question: Question,
    answer: Answer,
    llm: LLM,
    prompt: Prompt,
    standing: Standing,
    mint: Mint,
    because: Sequence[str],
    whole: bool,
) -> Inference:
    return mint(
        Inference(
            because=tuple(because),
            party=standing.party,
            request_sha256=digest(question, llm.name, llm.model, because, llm.effort),
            engagement=standing.engagement.number,
            engine=llm.name,
            model=answer.model,
            prompt=prompt.name,
            prompt_sha256=prompt.sha256,
            version=version(prompt, question.fields, question.stages, llm, question.timezone),
            request=_request(question, llm.effort),
            answer=answer.text,
            stop=answer.stop,
            whole=whole,
            newest_at=question.now,
            request_id=answer.request_id,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            cache_read_tokens=answer.cache_read_tokens,
            cache_write_tokens=answer.cache_write_tokens,
            cost_usd=answer.cost_usd,
            duration_ms=answer.duration_ms,
        )
    )


def _request(question: Question, effort: str) -> dict[str, object]:
    return {
        "system_sha256": sha256(question.system.encode()).hexdigest(),
        "user": question.user,
        "max_tokens": question.max_tokens,
        "aliases": {turn.alias: turn.activity for turn in (*question.earlier, *question.new)},
        **({"effort": effort} if effort else {}),
    }


def _again(inference: Inference, standing: Standing, mint: Mint) -> Inference:
    """Tell a reading that had to be made again from the one before, though the same words may be all that is left.

    As the same fact it would count for nothing, and the history would be due for reading for ever.
    """
    request = {**inference.request, "again": standing.last_inference}
    return mint(replace(inference, request=request, request_sha256=again(inference.request_sha256, request["again"])))


def _unusable(inference: Inference, answer: Answer, activities: Sequence[Activity], mint: Mint) -> Inference:
    """Book a call whose answer says nothing: its reason is part of its identity, so that a later answer is a new fact.

    It follows from the activities and not from their matches, for these are still to be read.
    """
    stop = "invalid" if answer.stop == "end" else answer.stop
    request = sha256(f"{inference.request_sha256}\x00{stop}".encode()).hexdigest()
    because = tuple(activity.id for activity in activities)
    return mint(replace(inference, because=because, request_sha256=request, stop=stop, whole=False))


class _Grounding:
    """Turns one answer into claims: finds quotes, weighs speakers, numbers the claims as they stood in the answer."""

    def __init__(
        self,
        inference: Inference,
        activities: Mapping[str, Activity],
        question: Question,
        llm: LLM,
        mint: Mint,
        prompt: Prompt,
        leaked: bool,
    ) -> None:
        self._inference = inference
        self._by_alias = {turn.alias: activities[turn.activity] for turn in (*question.earlier, *question.new)}
        self._cap = llm.capabilities.confidence_cap
        self._mint = mint
        self._prompt = prompt
        self._several = {given.name for given in question.fields if given.type == SEVERAL}
        self._leaked = leaked
        self._written = {known for a in activities.values() for known in written(f"{a.subject}\n{a.text}")}
        self._known_steps = {step.id for step in question.standing.engagement.steps}

    def all(self, read: wire.Wire) -> tuple[Claim, ...]:
        claims = [self._field(i, op) for i, op in enumerate(read.ops)]
        claims += [self._step(len(claims) + i, op) for i, op in enumerate(read.steps)]
        if read.summary:
            claims.append(self._summary(len(claims), read.summary))
        return tuple(self._mint(claim) for claim in claims)

    def _field(self, position: int, op: wire.Op) -> Claim:
        name = op.field.casefold()
        value = op.value or None
        if op.op == "clear" and name not in self._several:
            value = None
        claim = self._claim(position, name, op.op, value, Certainty(op.certainty), op.evidence)
        if not self._prompt.serving(name):
            claim = replace(claim, problem=claim.problem or f"the prompt {self._prompt.name} doesn't ask for {name}")
        return claim

    def _step(self, position: int, op: wire.StepOp) -> Claim:
        known = op.id if op.id in self._known_steps else ""
        step_id = known or self._mint.id("step", self._inference.request_sha256, position)[: len("step-") + 12]
        status = {"open": "open", "done": "done", "drop": "dropped"}[op.op]
        step = Step(step_id, op.what, op.who, op.due_text, op.due_date or None, status)
        texts = (op.what, op.who, op.due_text, op.due_date)
        claim = self._claim(position, "step", op.op, op.what, Certainty.STRONGLY_IMPLIED, op.evidence, texts=texts)
        if op.op != "open" and not known:
            claim = replace(claim, problem=claim.problem or "it ends a step that is not open")
        return replace(claim, step=step)

    def _summary(self, position: int, text: str) -> Claim:
        claim = self._claim(position, "summary", "set", text, Certainty.STRONGLY_IMPLIED, ())
        activities = ", ".join(sorted(a.id for a in self._by_alias.values()))
        worth = min(_CERTAINTY[claim.certainty], self._cap)
        return replace(claim, confidence=worth, formula=f"the model's summary of {activities}")

    def _claim(
        self,
        position: int,
        field: str,
        op: str,
        value: str | None,
        certainty: Certainty,
        quotes: Sequence[wire.Quote],
        *,
        texts: Sequence[str] = (),
    ) -> Claim:
        found = [self._evidence(quote) for quote in quotes]
        evidence = tuple(e for e in found if e is not None)
        verified = bool(found) and len(evidence) == len(found)
        spoken = [(e.role, e.authenticated) for e in evidence]
        role, authenticated = min(spoken, key=_trust) if spoken else (None, False)
        return Claim(
            because=(self._inference.id,),
            party=self._inference.party,
            inference=self._inference.id,
            position=position,
            engagement=self._inference.engagement,
            field=field,
            op=op,
            value=value,
            certainty=certainty,
            confidence=self._confidence(certainty, verified, role, authenticated),
            evidence=evidence,
            verified=verified,
            role=role,
            authenticated=authenticated,
            at=max((e.at for e in evidence if e.at), default=self._inference.newest_at),
            problem=self._problem(texts or (value or "",), found),
        )

    def _evidence(self, quote: wire.Quote) -> Evidence | None:
        activity = self._by_alias.get(quote.activity.strip().strip("[]"))
        place = find(quote.quote, activity.text, activity.said or _whole(activity)) if activity else None
        if activity is None or place is None:
            return None
        start, end, said = place
        return Evidence(activity.id, start, end, activity.text[start:end], said.role, said.authenticated, activity.at)

    def _confidence(self, certainty: Certainty, verified: bool, role: Role | None, authenticated: bool) -> float:
        worth = _CERTAINTY[certainty] * (_SPEAKER[role] if role else 1.0)
        if role is Role.AGENT and not authenticated:
            worth *= _UNAUTHENTICATED_AGENT
        return round(min(worth, self._cap if verified else min(self._cap, _UNVERIFIED_CAP)), 3)

    def _problem(self, texts: Sequence[str], found: Sequence[Evidence | None]) -> str:
        if self._leaked:
            return "the answer repeated the system text's secret word"
        if any(not addresses(text) <= self._written for text in texts):
            return "it holds an address that nobody wrote"
        if any(e is None for e in found):
            return "a quote is not in what was said"
        return ""


def _whole(activity: Activity) -> tuple[Said, ...]:
    """The subject's and the text's own span, for what has no parts (a booking's canonical line)."""
    if activity.kind in ("mail", "message", "transcript"):
        return ()
    return (Said(0, len(activity.text), activity.actor.role, activity.actor.authenticated, activity.actor.name),)


def _trust(speaker: tuple[Role, bool]) -> int:
    role, authenticated = speaker
    if authenticated and role in (Role.AGENT, Role.SYSTEM):
        return 3
    return {Role.CUSTOMER: 1, Role.BOT: 0}.get(role, 2)
