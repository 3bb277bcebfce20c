"""Questions of many parties are handed in together, and what was handed in is paid for once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from sidecar.app.batched import read_in_rounds
from sidecar.errors import PermanentError, SidecarError, TemporaryError
from sidecar.evaluate import Kept, Purse, evaluate, members
from sidecar.evaluate import Side as Measuring
from sidecar.evaluate.dataset import load
from sidecar.model import Inference
from sidecar.pipeline.rounds import Rounds, in_turn
from sidecar.ports import Answer, BatchProgress, LLMCapabilities, Question
from sidecar.replay import Side, Wanted, replay
from tests.contract.llm import question, turn
from tests.support.houses import House, buys, op, says
from tests.support.labeller import Labeller

TOGETHER = LLMCapabilities(structured_outputs=True, batch=True)


class Vendor:
    """A vendor's desk for batches, which outlives whoever handed in; a model answers what is asked there."""

    max_questions = 100

    def __init__(self, answers: Callable[[Question], Answer]) -> None:
        self.answers = answers
        self.handed_in: dict[str, Mapping[str, Question]] = {}
        self.is_slow = False
        self.name, self.model, self.effort, self.capabilities = "vendor", "vendor-1", "", TOGETHER
        self.stronger = None

    def like(self, model: str, effort: str = "") -> "Vendor":
        """The same desk."""
        return self

    def infer(self, question: Question) -> Answer:
        """Nobody may ask it directly."""
        raise AssertionError("a question was asked by itself")

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """A dollar a call."""
        return float(calls)

    def check(self) -> list[str]:
        """All is well."""
        return []

    def batches(self) -> "Vendor":
        """The desk."""
        return self

    def submit(self, questions: Mapping[str, Question]) -> str:
        """Take questions in."""
        ticket = f"batch-{len(self.handed_in)}"
        self.handed_in[ticket] = dict(questions)
        return ticket

    def progress(self, ticket: str) -> BatchProgress:
        """Say how far a batch is."""
        total = len(self.handed_in[ticket])
        return BatchProgress(not self.is_slow, total, 0 if self.is_slow else total)

    def collect(self, ticket: str) -> Iterator[tuple[str, Answer | SidecarError]]:
        """Give the answers, the last first."""
        for key, asked in reversed(list(self.handed_in[ticket].items())):
            try:
                yield key, replace(self.answers(asked), cost_usd=0.5)
            except SidecarError as error:
                yield key, error

    def cancel(self, ticket: str) -> None:
        """Never mind."""


def echo(asked: Question) -> Answer:
    """Answer with the newest words; one is refused for good."""
    if "poison" in asked.new[-1].text:
        raise PermanentError("the vendor refuses this one")
    return Answer(asked.new[-1].text, "vendor-1", "end")


def asks(vendor: Vendor, *texts: list[str], file: Path | None = None, max_wait_s: float = 60.0) -> list[list[str]]:
    """Let members ask their questions, each after the answer before; returns what each of them heard."""
    rounds = Rounds(len(texts), file, sleep=lambda s: None, max_wait_s=max_wait_s)

    def member(mine: list[str]) -> list[str]:
        heard = []
        for text in mine:
            try:
                heard.append(rounds.over(vendor).infer(question(turn(text), user=text)).text)
            except PermanentError as error:
                heard.append(f"error: {error}")
        return heard

    done = in_turn(member, list(texts), len(texts), rounds.leave, lambda done: None)
    return [heard for _, heard in done]


def test_the_nth_question_of_everybody_is_one_batch() -> None:
    """Three members with three, two and one questions make three batches; seen to fail with a batch each."""
    vendor = Vendor(echo)
    heard = asks(vendor, ["a1", "a2", "a3"], ["b1", "b2"], ["c1"])
    assert heard == [["a1", "a2", "a3"], ["b1", "b2"], ["c1"]]
    assert [len(batch) for batch in vendor.handed_in.values()] == [3, 2, 1]


def test_what_is_refused_concerns_whoever_asked_it() -> None:
    """Everybody else's answers come; seen to fail with one error for all."""
    heard = asks(Vendor(echo), ["a1", "poison", "a3"], ["b1", "b2", "b3"])
    assert heard == [["a1", "error: the vendor refuses this one", "a3"], ["b1", "b2", "b3"]]


def test_what_was_handed_in_is_collected_by_the_next_run(tmp_path: Path) -> None:
    """Patience ends, the tickets hold, and nothing is handed in twice; seen to fail with tickets kept in memory."""
    vendor, file = Vendor(echo), tmp_path / "tickets.json"
    vendor.is_slow = True
    with pytest.raises(TemporaryError, match="run this again later"):
        asks(vendor, ["a1"], ["b1"], file=file, max_wait_s=0.0)
    vendor.is_slow = False
    assert asks(vendor, ["a1"], ["b1"], file=file) == [["a1"], ["b1"]]
    assert len(vendor.handed_in) == 1


def test_the_first_error_ends_all_and_hangs_nobody() -> None:
    """Who fails leaves, so nobody waits for it; seen to fail with no leave upon an error."""
    rounds = Rounds(2, None, sleep=lambda s: None)

    def member(text: str) -> str:
        if text == "bad":
            raise ZeroDivisionError
        return rounds.over(Vendor(echo)).infer(question(turn(text), user=text)).text

    with pytest.raises(ZeroDivisionError):
        in_turn(member, ["good", "bad"], 2, rounds.leave, lambda done: None)


def test_a_replay_goes_by_rounds_and_finds_the_same(tmp_path: Path) -> None:
    """Half the price, the same report; seen to fail with a replay that asks one by one."""
    rules: tuple[dict[str, Any], ...] = (buys(), says("ready", op("stage", "qualified", "ready")))
    with House(tmp_path, "sqlite:///journal.db", *rules).start() as house:
        for who, count in (("ann", 3), ("bob", 2), ("cid", 1)):
            for _ in range(count):
                house.hear("I am ready to buy", who)
        vendor = Vendor(house.llm.llm.infer)
        was = Side(house.app.prompts, house.app.policy, house.llm)
        wanted = Wanted(was, replace(was, llm=vendor), house.app.settings.own(), noise=0, folder=tmp_path / "r")
        (tmp_path / "r").mkdir()
        report = replay(house.journal, replace(wanted, sleep=lambda s: None), house.clock())
        assert [len(batch) for batch in vendor.handed_in.values()] == [3, 2, 1]
        assert (report.parties, report.readings, report.asked, report.usd) == (3, 6, 6, 3.0)
        assert report.kinds.get("claim", 0) == 0
        again = replay(house.journal, replace(wanted, sleep=lambda s: None), house.clock())
        assert (again.asked, again.reused, len(vendor.handed_in)) == (0, 6, 3)


def test_a_defect_leaves_nobody_waiting() -> None:
    """Whoever waits in a round hears of what broke it; seen to hang with only the one who handed in told."""

    class Broken(Vendor):
        def submit(self, questions: Mapping[str, Question]) -> str:
            raise OSError("the disk is full")

    rounds = Rounds(2, None, sleep=lambda s: None)
    told: list[str] = []

    def ask(text: str) -> None:
        try:
            rounds.over(Broken(echo)).infer(question(turn(text)))
        except OSError as error:
            told.append(str(error))

    waiting = [Thread(target=ask, args=(text,), daemon=True) for text in ("one", "two")]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join(60)
    assert told == ["the disk is full", "the disk is full"]


def test_an_evaluation_goes_by_rounds_and_finds_the_same(tmp_path: Path) -> None:
    """What is measured doesn't depend on how it was asked; seen to fail with an evaluation that asks one by one."""
    with House(tmp_path, "sqlite:///journal.db").start() as house:
        policy = house.app.policy
        cases = load(Path(__file__).parents[1] / "gold", policy)[:6]
        vendor = Vendor(Labeller(cases).infer)
        side = Measuring("", house.app.prompts["relationship"], policy, house.app.settings.own(), vendor)
        rounds = Rounds(members(cases), None, sleep=lambda s: None)
        together = evaluate(side, cases, Kept(Purse(1_000.0), rounds=rounds))
        alone = evaluate(replace(side, llm=Labeller(cases)), cases, Kept(Purse(1_000.0)))
        assert [trial.once.fields for trial in together.trials] == [trial.once.fields for trial in alone.trials]
        assert max(len(batch) for batch in vendor.handed_in.values()) == len(cases)
        assert len(vendor.handed_in) < sum(len(batch) for batch in vendor.handed_in.values())


def test_old_mail_is_read_by_rounds(tmp_path: Path) -> None:
    """Three parties' first words are one batch, booked at its price; seen to fail with parties read one by one."""
    with House(tmp_path, "sqlite:///journal.db", buys()).start() as house:
        vendor = Vendor(house.llm.llm.infer)
        house.app.pipeline.parts.llm = vendor
        for who in ("ann", "bob", "cid"):
            house.clock.move(1)
            house.say("I want to buy", who)
        done: list[int] = []
        read_in_rounds(house.app, sleep=lambda s: None, told=done.append)
        assert [len(batch) for batch in vendor.handed_in.values()] == [3]
        inferences = [fact for fact in house.facts("inference") if isinstance(fact, Inference)]
        assert [inference.cost_usd for inference in inferences] == [0.5] * 3
        assert house.app.pipeline.parts.llm is vendor, "whatever comes later is asked as ever"
        assert house.journal.counts()["pending"] == 0 and done
        assert not house.parked()


def test_old_mail_that_was_handed_in_is_collected_later(tmp_path: Path) -> None:
    """Patience ends, the parties wait, and the next run pays for nothing twice; seen to fail with other tickets."""
    with House(tmp_path, "sqlite:///journal.db", buys()).start() as house:
        (tmp_path / "data").mkdir()
        vendor = Vendor(house.llm.llm.infer)
        vendor.is_slow = True
        house.app.pipeline.parts.llm = vendor
        house.say("I want to buy", "ann")
        read_in_rounds(house.app, sleep=lambda s: None, max_wait_s=0.0, told=lambda done: None)
        assert house.journal.counts()["pending"] == 1
        vendor.is_slow = False
        house.clock.move(3_600)
        read_in_rounds(house.app, sleep=lambda s: None, told=lambda done: None)
        assert (house.journal.counts()["pending"], len(vendor.handed_in)) == (0, 1)


def test_a_round_is_all_that_passes_the_day_s_budget(tmp_path: Path) -> None:
    """What is handed in is paid for, and nothing is asked after it; seen to fail with the purse asked once a run."""
    rules, env = ({"match": "long", "stop": "truncated"}, buys()), {"SIDECAR_LLM__DAILY_USD": "0.4"}
    with House(tmp_path, "sqlite:///journal.db", *rules, env=env).start() as house:
        vendor = Vendor(house.llm.llm.infer)
        house.app.pipeline.parts.llm = vendor
        for who, text in (("ann", "a long story"), ("bob", "I want to buy")):
            house.clock.move(1)
            house.say(text, who)
        read_in_rounds(house.app, sleep=lambda s: None, told=lambda done: None)
        assert [len(batch) for batch in vendor.handed_in.values()] == [2]
        assert house.fields("bob")["intent"] == "buy"
        (row,) = house.journal.work("waiting")
        assert row.waits_for == "llm.daily_usd = 0.4 is spent; this waits until tomorrow"
