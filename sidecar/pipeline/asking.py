"""Who is asked: the configured model first, the stronger one about the hard cases, and each of them once.

A small model reads nearly everything as well as a large one at a twentieth of its price; where it says itself that
something can't be right, or where most depends on the answer, the stronger one reads the same words. What makes a case
hard is what the policy would make of the answer, so it is found by deciding for trial: a message that the policy would
reject anyhow costs nobody a second call. Each call that nothing is believed from is handed to the caller before the
next one is made, so that it is booked with its price whatever becomes of the rest. An answer that was cut off is asked
for once more with twice the room; and whoever doubts the state is shown the whole history before anybody stronger is.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from sidecar.decide import decide
from sidecar.errors import ConfigError
from sidecar.infer import Inferred, infer
from sidecar.infer.question import MAX_TOKENS, asked
from sidecar.infer.version import version
from sidecar.model import Claim, Decision, Inference, Mint, Own, Policy, Prompt, Standing, Verdict
from sidecar.model.means import CONFLICT, REASONS, TERMINAL, TRANSITION, TRUNCATED, UNVERIFIED, Hard
from sidecar.pipeline.selection import Reading
from sidecar.ports import LLM

DOUBT = "doubt"
"""Why an answer is passed over for a reading of the whole history."""
MORE_ROOM = 2

PassOn = Callable[[Inferred], Inference]
"""Books a call that nothing is believed from before the next one is made, and returns what was booked."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks one model, and at need the stronger one, about readings."""

    llm: LLM
    policy: Policy
    own: Own
    mint: Mint
    hard: Hard = field(default_factory=Hard)

    def ask(
        self,
        reading: Reading,
        standing: Standing,
        prompt: Prompt,
        pass_on: PassOn,
        whole: Callable[[], Reading | None] = lambda: None,
    ) -> tuple[Reading, Inferred]:
        """Return what was read in the end and what came of it.

        `whole` gives the whole history, or None where that has been read, or can't be.
        """
        llm = self.named_by(prompt)
        inferred, max_tokens = self._roomy(llm, reading, standing, prompt, pass_on)
        if inferred.usable and not reading.whole and self._is_doubtful(inferred, standing):
            instead = whole()
            if instead is not None:
                pass_on(_passed(inferred, reading, DOUBT))
                reading = instead
                inferred, max_tokens = self._roomy(llm, reading, standing, prompt, pass_on)
        reason = self.why_hard(inferred, standing, reading.news)
        stronger = llm.stronger if reason and not llm.capabilities.is_baseline else None
        if stronger is None:
            return reading, inferred
        first = pass_on(_passed(inferred, reading, reason))
        second = self._asked(stronger, reading, standing, prompt, max_tokens)
        return reading, replace(second, inference=replace(second.inference, escalated_from=first.id))

    def why_hard(self, inferred: Inferred, standing: Standing, news: Collection[str] | None = None) -> str:
        """Return why an answer is one for the stronger model, an empty text when it isn't."""
        if not inferred.usable:
            stop = inferred.inference.stop
            return stop if stop in self.hard.reasons else ""
        found = {self._why(claim, decision, standing) for claim, decision in self._decided(inferred, standing, news)}
        return next((reason for reason in REASONS if reason in found and reason in self.hard.reasons), "")

    def named_by(self, prompt: Prompt) -> LLM:
        """The model that a prompt asks for; where how much to think can't be chosen, its word for that says nothing."""
        effort = prompt.effort if self.llm.capabilities.efforts else ""
        if not prompt.model and not effort:
            return self.llm
        try:
            return self.llm.like(prompt.model, effort)
        except ConfigError as error:
            raise ConfigError(f"the prompt {prompt.name} can't be asked: {error}") from None

    def versions(self, prompt: Prompt) -> tuple[str, ...]:
        """Name what an inference may be made by: the model that is asked first, and the stronger one."""
        first = self.named_by(prompt)
        fields, stages = asked(prompt, self.policy), tuple(self.policy.stages.values())
        models = (first, first.stronger) if first.stronger else (first,)
        return tuple(version(prompt, fields, stages, llm, self.own.timezone) for llm in models)

    def _roomy(
        self, llm: LLM, reading: Reading, standing: Standing, prompt: Prompt, pass_on: PassOn
    ) -> tuple[Inferred, int]:
        """Ask, and once more with more room when the answer was cut off; return the answer and the room it had."""
        inferred = self._asked(llm, reading, standing, prompt, MAX_TOKENS)
        if inferred.inference.stop != TRUNCATED:
            return inferred, MAX_TOKENS
        pass_on(_passed(inferred, reading, TRUNCATED))
        return self._asked(llm, reading, standing, prompt, MORE_ROOM * MAX_TOKENS), MORE_ROOM * MAX_TOKENS

    def _asked(self, llm: LLM, reading: Reading, standing: Standing, prompt: Prompt, max_tokens: int) -> Inferred:
        return infer(
            reading.new,
            reading.earlier,
            standing,
            prompt,
            self.policy,
            self.own,
            llm,
            self.mint,
            whole=reading.whole,
            max_tokens=max_tokens,
            part=reading.part,
            parts=reading.parts,
        )

    def _is_doubtful(self, inferred: Inferred, standing: Standing) -> bool:
        if inferred.needs_whole:
            return True
        return any(self._why(c, d, standing) == CONFLICT for c, d in self._decided(inferred, standing))

    def _decided(
        self, inferred: Inferred, standing: Standing, news: Collection[str] | None = None
    ) -> list[tuple[Claim, Decision]]:
        """What the policy would make of each claim of the model's; nothing of it is kept."""
        baseline = self.llm.capabilities.is_baseline
        made = inferred.claims, inferred.inference, standing, self.policy, self.mint
        decided = decide(*made, baseline=baseline, news=news)
        claims = {claim.id: claim for claim in inferred.claims}
        return [(claims[d.claim], d) for d in decided.decisions if d.claim in claims]

    def _why(self, claim: Claim, decision: Decision, standing: Standing) -> str:
        if decision.verdict is Verdict.HOLD and decision.op == "conflict":
            return CONFLICT
        if decision.verdict is Verdict.REJECT:
            return UNVERIFIED if decision.rule == "unverified" and claim.field in self.hard.key_fields else ""
        if claim.field != "stage" or decision.rule == "same_stage":
            return ""
        stage = self.policy.stages.get(str(decision.value))
        if stage is not None and stage.terminal and decision.value != standing.engagement.stage:
            return TERMINAL
        return TRANSITION if decision.rule == "transition" and decision.verdict is Verdict.SUGGEST else ""


def _passed(inferred: Inferred, reading: Reading, why: str) -> Inferred:
    """A call that is made again in another way: it follows from activities that are still to be read."""
    activities = tuple(activity.id for _, activity in reading.new)
    return replace(inferred, inference=replace(inferred.inference, because=activities, whole=False, passed_on=why))
