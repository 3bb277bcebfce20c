"""The CRM and the model, with each call counted and timed on its way through.

The adapters know nothing of it, and nobody who uses them: what is wrapped answers as before, with everything of its own
that goes beyond the port. Only the calls of the pipeline are counted; what a command asks for is somebody looking.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, cast

from sidecar.app.tally import Tally
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.ports import LLM, Answer, Ledger, Question

OPERATIONS = frozenset(
    {
        "account", "schema", "pipelines", "owners", "find", "find_by_key", "linked", "read", "history", "write",
        "walk", "changed", "hinted", "provision", "deprovision", "automations", "check",
    }
)  # fmt: skip
_STATUSES = ((TemporaryError, "temporary"), (ConfigError, "config"), (PermanentError, "permanent"))


def observed_ledger(ledger: Ledger, tally: Tally) -> Ledger:
    """Return the CRM with its calls counted by operation and by how they ended."""
    return cast(Ledger, _Ledger(ledger, tally))


def observed_llm(llm: LLM, tally: Tally) -> LLM:
    """Return the model with its answers, tokens and costs counted."""
    return cast(LLM, _LLM(llm, tally))


def status_of(error: BaseException | None) -> str:
    """Return how a call ended, by who must act."""
    if error is None:
        return "ok"
    return next((status for cls, status in _STATUSES if isinstance(error, cls)), "defect")


class _Ledger:
    def __init__(self, ledger: Ledger, tally: Tally) -> None:
        self._ledger, self._tally = ledger, tally

    def __getattr__(self, name: str) -> Any:
        held = getattr(self._ledger, name)
        return self._counted(name, held) if name in OPERATIONS else held

    def _counted(self, operation: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            begun, failure = perf_counter(), None
            try:
                return call(*args, **kwargs)
            except Exception as error:
                failure = error
                raise
            finally:
                self._tally.add("ledger_calls", operation, status_of(failure))
                self._tally.time("ledger", operation, seconds=perf_counter() - begun)

        return counted


class _LLM:
    def __init__(self, llm: LLM, tally: Tally) -> None:
        self._llm, self._tally = llm, tally

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    @property
    def stronger(self) -> LLM | None:
        return observed_llm(self._llm.stronger, self._tally) if self._llm.stronger else None

    def like(self, model: str, effort: str = "") -> LLM:
        return observed_llm(self._llm.like(model, effort), self._tally)

    def infer(self, question: Question) -> Answer:
        begun = perf_counter()
        try:
            answer = self._llm.infer(question)
        except Exception as error:
            self._tally.add("inferences", self._llm.model, status_of(error))
            self._tally.time("inference", self._llm.model, seconds=perf_counter() - begun)
            raise
        self._tally.add("inferences", answer.model, answer.stop)
        self._tally.time("inference", answer.model, seconds=perf_counter() - begun)
        self._tally.add("cost_usd", answer.model, amount=answer.cost_usd)
        for kind in ("input", "output", "cache_read", "cache_write"):
            self._tally.add("tokens", answer.model, kind, amount=getattr(answer, f"{kind}_tokens"))
        return answer
