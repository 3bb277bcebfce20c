"""What was proposed and turned down: a no, or no answer in time, leaves no belief but must leave a trace.

Whoever asks why a field doesn't say what the customer said finds here who decided that, when, and over which words.
Only a party's newest decisions are looked through, as for the field's past.
"""

from dataclasses import dataclass
from datetime import datetime

from sidecar.explain.past import AMONG, MAX_MERGED, SCANNED
from sidecar.journal import Journal
from sidecar.model import EXPIRED, Claim, Decision, Release, Standing, Value, Verdict

POLICY = "policy"
STEP = "step:"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A proposal that came to nothing: `by` is the person who said no, empty where nobody answered in time."""

    decision: str
    value: Value
    by: str
    at: datetime
    quote: str

    @property
    def line(self) -> str:
        """What happened, in words."""
        words = f' from "{self.quote}"' if self.quote else ""
        how = f"{self.by} turned it down" if self.by else "nobody answered in time, and it was dropped"
        return f"{self.value!r} was proposed{words}; {how} on {self.at:%Y-%m-%d %H:%M} UTC"


def refusal(journal: Journal, standing: Standing, name: str) -> Refusal | None:
    """Return the last proposal for a field, or for a step (`step:ID`), that came to nothing."""
    for party in (standing.party, *standing.absorbed[:MAX_MERGED]):
        for written in journal.lately(party, [Decision.KIND], SCANNED, AMONG)[0]:
            if isinstance(written.fact, Decision) and _is_it(written.fact, name):
                return _told(journal, written.fact, written.recorded_at)
    return None


def _is_it(decision: Decision, name: str) -> bool:
    slot = f"{STEP}{decision.step.id}" if decision.step else decision.field
    is_over = decision.by != POLICY or (decision.rule == EXPIRED and bool(decision.after))
    return slot == name and decision.verdict is Verdict.REJECT and is_over


def _told(journal: Journal, decision: Decision, written_at: datetime) -> Refusal:
    causes = journal.causes(decision.id)
    at = next((cause.at for cause in causes if isinstance(cause, Release)), written_at)
    quote = next((e.quote for claim in causes if isinstance(claim, Claim) for e in claim.evidence), "")
    value = decision.step.what if decision.step else decision.value
    return Refusal(decision.id, value, "" if decision.by == POLICY else decision.by, at, quote)
