"""Questions of many readers, handed in together: the n-th question of every party is one batch, at a batch's price.

Within a party each question rests on the answer before it, so a trial can't hand in all of them at once. Here every
reader waits with his question until all that are still reading wait with theirs; then one of them hands them in for all
and waits for the answers. What was handed in is noted in a file before anything else happens, so a trial that was cut
short collects what it has paid for. The trade-off is time: a round takes as long as the vendor's batch.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from sidecar.errors import SidecarError, TemporaryError
from sidecar.files import write
from sidecar.infer.batched import MAX_WAIT_S, Tickets, ask_batched
from sidecar.infer.question import digest
from sidecar.ports import LLM, Answer, Question, batches

S = TypeVar("S")
T = TypeVar("T")
LOOK_S = 5.0


@dataclass(eq=False, slots=True)
class _Asked:
    llm: LLM
    key: str
    question: Question
    answer: Answer | Exception | None = None


@dataclass(slots=True)
class _State:
    members: int
    waiting: list[_Asked] = field(default_factory=list)
    is_busy: bool = False


class Rounds:
    """One trial's rounds; each of its `members` asks by a model from `over`, and `leave`s when it has read all."""

    def __init__(
        self,
        members: int,
        file: Path | None,
        *,
        sleep: Callable[[float], object],
        max_wait_s: float = MAX_WAIT_S,
        told: Callable[[int, int], None] | None = None,
    ) -> None:
        self._turn = threading.Condition()
        self._state = _State(members)
        self._file, self._sleep, self._max_wait_s, self._told = file, sleep, max_wait_s, told
        self._tickets: dict[str, dict[str, list[str]]] = _read(file)

    def over(self, llm: LLM, *, anew: str = "") -> LLM:
        """Return the model as a member asks it; `anew` names another try at the same questions."""
        return _Member(self, llm, anew)

    def leave(self) -> None:
        """Count one member less; nobody waits for it any more."""
        with self._turn:
            self._state.members -= 1
            self._turn.notify_all()

    def ask(self, llm: LLM, question: Question, anew: str) -> Answer:
        """Wait until everybody asks, and return the answer; raises what became of this question."""
        words = "\x00".join((digest(question, llm.name, llm.model), llm.effort, anew))
        asked = _Asked(llm, sha256(words.encode()).hexdigest(), question)
        with self._turn:
            self._state.waiting.append(asked)
            self._turn.notify_all()
            while asked.answer is None:
                self._turn.wait_for(lambda: asked.answer is not None or self._is_time(), LOOK_S)
                if self._is_time():
                    self._make()
        if isinstance(asked.answer, Answer):
            return asked.answer
        raise asked.answer

    def _is_time(self) -> bool:
        state = self._state
        return not state.is_busy and bool(state.waiting) and len(state.waiting) >= state.members

    def _make(self) -> None:
        """Hand in what waits; the lock is held, but not while the vendor is spoken to."""
        state = self._state
        made, state.waiting, state.is_busy = state.waiting, [], True
        self._turn.release()
        try:
            for model in dict.fromkeys((a.llm.name, a.llm.model, a.llm.effort) for a in made):
                self._hand_in("/".join(model), [a for a in made if (a.llm.name, a.llm.model, a.llm.effort) == model])
        except Exception as error:  # a full disk, a defect: nobody may wait for an answer that never comes
            for asked in made:
                asked.answer = asked.answer or error
        finally:
            self._turn.acquire()
            state.is_busy = False
            self._turn.notify_all()

    def _hand_in(self, model: str, made: Sequence[_Asked]) -> None:
        by_key: dict[str, list[_Asked]] = {}
        for asked in made:
            by_key.setdefault(asked.key, []).append(asked)
        questions = {key: alike[0].question for key, alike in by_key.items()}

        def keep(tickets: Tickets) -> None:
            self._tickets[model] = {ticket: list(keys) for ticket, keys in tickets.items()}
            if self._file is not None:
                write(self._file, json.dumps(self._tickets))

        held = self._tickets.get(model, {})
        found: dict[str, Answer | SidecarError] = {}
        try:
            answers = ask_batched(
                batches(made[0].llm), questions, held, keep,
                sleep=self._sleep, max_wait_s=self._max_wait_s, progress=self._told,
            )  # fmt: skip
            found.update(answers)
        except SidecarError as error:
            found = {key: found.get(key, error) for key in questions}
        for key, alike in by_key.items():
            for asked in alike:
                asked.answer = found.get(key) or TemporaryError("no batch held this question")


def in_turn(
    do: Callable[[S], T], things: Sequence[S], threads: int, leave: Callable[[], object], told: Callable[[int], object]
) -> list[tuple[S, T]]:
    """Do something with each of some things, in threads that `leave` when there is nothing left; results in order.

    The first error ends it, once those that are under way have ended; `told` hears how many are done.
    """
    done: dict[int, T] = {}
    errors: list[BaseException] = []
    left = iter(enumerate(things))
    turn = threading.Lock()

    def run() -> None:
        try:
            while not errors:
                with turn:
                    mine = next(left, None)
                if mine is None:
                    return
                done[mine[0]] = do(mine[1])
                told(len(done))
        except BaseException as error:
            errors.append(error)
        finally:
            leave()

    running = [threading.Thread(target=run, name=f"reader-{i}", daemon=True) for i in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]
    return [(thing, done[number]) for number, thing in enumerate(things)]


class _Member:
    def __init__(self, rounds: Rounds, llm: LLM, anew: str) -> None:
        self._rounds, self._llm, self._anew = rounds, llm, anew
        self.name, self.model, self.effort, self.capabilities = llm.name, llm.model, llm.effort, llm.capabilities

    @property
    def stronger(self) -> LLM | None:
        return _Member(self._rounds, self._llm.stronger, self._anew) if self._llm.stronger else None

    def like(self, model: str, effort: str = "") -> LLM:
        return _Member(self._rounds, self._llm.like(model, effort), self._anew)

    def infer(self, question: Question) -> Answer:
        return self._rounds.ask(self._llm, question, self._anew)

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        return self._llm.estimate_usd(input_chars, calls)

    def check(self) -> Sequence[str]:
        return self._llm.check()


def _read(file: Path | None) -> dict[str, dict[str, list[str]]]:
    """Return the tickets that an earlier run left; a damaged file is none, and costs what it named."""
    try:
        data = json.loads(file.read_text(encoding="utf-8")) if file and file.is_file() else {}
    except ValueError:
        return {}
    return data if isinstance(data, Mapping) else {}  # type: ignore[return-value]  # our own file, written whole
