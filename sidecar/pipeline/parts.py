"""What the steps of the pipeline share: the journal, the adapters, and what admins configured.

What may be written can be moved while the process runs, so that is asked for at each run and never kept.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from secrets import token_hex

from sidecar.journal import Journal
from sidecar.links import Links
from sidecar.model import Own, Policy, Prompt, Relevance, Rungs, WorkKey
from sidecar.model.means import Budget, Hard
from sidecar.ports import LLM, Channel, Clock, Ledger, Transcriber


@dataclass(slots=True)
class Parts:
    """The parts of a running sidecar; `wake` hints an engine after a commit, `wait` is false for `--no-wait` runs.

    `room` is asked before so many changes are journaled; `resolved` is told what became of an activity of a channel.
    `arrived` is told how many seconds news of an appointment took to the CRM, by the kind of activity. `links` makes
    the links to the explain page, and `transcriber` hears voice notes, where there is one.
    """

    journal: Journal
    channels: Mapping[str, Channel]
    llm: LLM
    ledger: Ledger | None
    policy: Policy
    own: Own
    relevance: Relevance
    prompts: Mapping[str, Prompt]
    clock: Clock
    quiet_s: float = 60.0
    max_wait_s: float = 900.0
    budget: Budget = field(default_factory=Budget)
    hard: Hard = field(default_factory=Hard)
    wait: bool = True
    dry_run: bool = False
    nonce: Callable[[], str] = field(default=lambda: token_hex(16))
    rungs: Callable[[], Rungs] = field(default=Rungs)
    wake: Callable[[Sequence[WorkKey]], None] = field(default=lambda keys: None)
    room: Callable[[int], AbstractContextManager[None]] = field(default=lambda changes: nullcontext())
    resolved: Callable[[str, str], None] = field(default=lambda channel, outcome: None)
    arrived: Callable[[str, float], None] = field(default=lambda kind, seconds: None)
    links: Links | None = None
    transcriber: Transcriber | None = None

    def policy_now(self) -> Policy:
        """Return the policy as far as it is in force at this moment."""
        return replace(self.policy, rungs=self.rungs())
