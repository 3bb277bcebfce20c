"""Asking by the batch: each question once, nothing paid for twice, and no wait without an end."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import SidecarError, TemporaryError
from sidecar.infer.batched import MAX_FAILED_LOOKS, Tickets, ask_batched
from sidecar.ports import Answer, Batches, Question, batches
from tests.contract.llm import ANSWER, question
from tests.contract.test_llm_anthropic import KEY, anthropic
from tests.twins.message_batches import MessageBatches
from tests.twins.wire.faults import Status

QUESTIONS = {key: question() for key in ("ann", "bob", "eve")}


class StoppedError(Exception):
    """The process ends here."""


class Run:
    """A caller that keeps its tickets, and waits on a clock of its own; `naps` runs at each wait."""

    def __init__(self, offered: Batches) -> None:
        self.offered = offered
        self.tickets: Tickets = {}
        self.waits: list[float] = []
        self.looks: list[tuple[int, int]] = []
        self.naps: Callable[[], object] = lambda: None

    def ask(
        self, questions: Mapping[str, Question] = QUESTIONS, **options: Any
    ) -> Iterator[tuple[str, Answer | SidecarError]]:
        """Ask, with what was kept."""
        return ask_batched(
            self.offered,
            questions,
            self.tickets,
            self._keep,
            sleep=self._sleep,
            progress=lambda decided, total: self.looks.append((decided, total)),
            **options,
        )

    def _keep(self, tickets: Tickets) -> None:
        self.tickets = json.loads(json.dumps(tickets))

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.naps()


@pytest.fixture
def twin() -> Iterator[MessageBatches]:
    """An account that answers in the wire schema."""
    with MessageBatches(KEY) as made:
        made.office.text = json.dumps(ANSWER)
        yield made


@pytest.fixture
def run(twin: MessageBatches, tmp_path: Path) -> Run:
    """A run over the real adapter."""
    made = Run(batches(anthropic(tmp_path, twin.url, max_retries=0)))
    made.naps = twin.end
    return made


def test_each_question_is_answered_once(run: Run, twin: MessageBatches) -> None:
    """All are handed in together, waited for, and told apart; nothing is kept that is done."""
    found = list(run.ask())
    assert sorted(key for key, _ in found) == ["ann", "bob", "eve"]
    assert all(isinstance(answer, Answer) for _, answer in found)
    assert run.tickets == {}
    assert run.looks == [(0, 3), (3, 3)]
    assert len(twin.office.batches) == 1


def test_many_are_handed_in_by_the_batch(run: Run, twin: MessageBatches) -> None:
    """No batch is larger than the adapter takes."""
    run.offered.max_questions = 2
    assert len(list(run.ask())) == 3
    assert [len(batch["requests"]) for batch in twin.office.batches.values()] == [2, 1]
    assert run.looks[-1] == (3, 3)


def test_nothing_is_asked_for_nothing(run: Run, twin: MessageBatches) -> None:
    """Without questions there is no batch."""
    assert list(run.ask({})) == []
    assert twin.requests == []


def test_a_run_that_died_collects_what_it_paid_for(run: Run, twin: MessageBatches) -> None:
    """The tickets are kept before the first wait; seen to fail with them kept after it."""

    def dies() -> None:
        raise StoppedError

    run.naps = dies
    with pytest.raises(StoppedError):
        list(run.ask())
    run.naps = twin.end
    assert len(list(run.ask())) == 3
    assert len(twin.office.batches) == 1


def test_a_run_that_died_while_reading_reads_again(run: Run, twin: MessageBatches) -> None:
    """An answer that nobody took yet is still there; seen to fail with a ticket dropped at its first answer."""
    half = run.ask()
    next(half)
    del half
    assert len(list(run.ask())) == 3
    assert len(twin.office.batches) == 1


def test_only_what_is_new_is_handed_in(run: Run, twin: MessageBatches) -> None:
    """A run that grew asks for the rest, and an answer that nobody wants any more is passed over."""
    first = run.ask({"ann": question(), "old": question()}, max_wait_s=0)
    with pytest.raises(TemporaryError):
        next(first)
    assert sorted(key for key, _ in run.ask()) == ["ann", "bob", "eve"]
    assert [[each["custom_id"] for each in batch["requests"]] for batch in twin.office.batches.values()] == [
        ["ann", "old"],
        ["bob", "eve"],
    ]


def test_patience_ends_and_the_tickets_hold(run: Run, twin: MessageBatches) -> None:
    """Waits grow to a minute and add up to the bound, and whoever comes back later has lost nothing."""
    run.naps = lambda: None
    with pytest.raises(TemporaryError, match="later"):
        list(run.ask(max_wait_s=600))
    assert sum(run.waits) == 600
    assert run.waits[:5] == [5, 10, 20, 40, 60]
    assert max(run.waits) == 60
    twin.end()
    assert len(list(run.ask())) == 3


def test_a_few_looks_may_fail(run: Run, twin: MessageBatches) -> None:
    """A stumbling vendor doesn't end a run that waits for hours."""
    twin.fault(Status(503, "no"), method="GET", times=MAX_FAILED_LOOKS - 1)
    assert len(list(run.ask())) == 3


def test_looks_that_always_fail_end_the_run(run: Run, twin: MessageBatches) -> None:
    """And it says why, with the tickets kept."""
    twin.fault(Status(503, "no"), method="GET", times=None)
    with pytest.raises(TemporaryError, match="503"):
        list(run.ask())
    assert len(run.waits) == MAX_FAILED_LOOKS - 1
    assert list(run.tickets) == ["msgbatch_1"]


def test_a_question_that_its_batch_does_not_know_is_told(run: Run) -> None:
    """No question is lost without a word."""
    run.tickets = {run.offered.submit({"ann": question()}): ["ann", "bob", "eve"]}
    found = dict(run.ask())
    assert isinstance(found["ann"], Answer)
    assert isinstance(found["bob"], TemporaryError)
    assert isinstance(found["eve"], TemporaryError)
