"""Answers that were paid for once are given again to the same question, and to no other."""

from dataclasses import replace
from pathlib import Path

from sidecar.model import Inference
from sidecar.pipeline.answers import Answers, Book, Remembering
from sidecar.ports import LLM, Answer, LLMCapabilities, Question
from tests.contract.llm import question, turn
from tests.support.houses import House, buys

PAID = LLMCapabilities(structured_outputs=True)


class Priced:
    """A model that says which of its answers this is, at a dollar each."""

    name, model, effort, capabilities = "priced", "priced-1", "", PAID

    def __init__(self) -> None:
        self.count = 0

    @property
    def stronger(self) -> LLM | None:
        """Another one."""
        other = Priced()
        other.model = "priced-2"
        return other

    def like(self, model: str, effort: str = "") -> LLM:
        """Another one."""
        other = Priced()
        other.model, other.effort = model or self.model, effort
        return other

    def infer(self, question: Question) -> Answer:
        """Answer with a number."""
        self.count += 1
        return Answer(f"{self.model} {self.count}", self.model, "end", input_tokens=10, output_tokens=1, cost_usd=1.0)

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """A dollar a call."""
        return float(calls)

    def check(self) -> list[str]:
        """All is well."""
        return []


def test_an_answer_is_paid_for_once_and_outlives_the_process(tmp_path: Path) -> None:
    """A trial that was cut short goes on for nothing; seen to fail with answers kept in memory alone."""
    asked, file = question(turn("hello")), tmp_path / "answers.jsonl"
    first = Remembering(Priced(), Answers(file))
    assert first.infer(asked).cost_usd == 1.0
    with file.open("a") as out:
        out.write('{"key": "torn')
    second = Remembering(Priced(), Answers(file))
    again = second.infer(asked)
    assert (again.text, again.cost_usd) == ("priced-1 1", 0.0)
    assert (second.spent.asked, second.spent.reused) == (0, 1)
    assert file.stat().st_mode & 0o077 == 0


def test_another_question_model_or_effort_is_another_answer() -> None:
    """What could change the answer is asked anew; seen to fail with the model left out of the key."""
    answers = Answers()
    llm = Remembering(Priced(), answers)
    texts = {
        llm.infer(question(turn("hello"))).text,
        llm.infer(question(turn("hello"), system="other")).text,
        llm.infer(question(turn("hello"), user="other")).text,
        llm.like("priced-3").infer(question(turn("hello"))).text,
        str(llm.stronger and llm.stronger.infer(question(turn("hello"))).text),
    }
    assert len(texts) == 5
    llm.like("", "high").infer(question(turn("hello")))
    assert (llm.spent.asked, llm.spent.reused, llm.spent.usd) == (6, 0, 6.0)


def test_another_try_is_another_answer() -> None:
    """The noise of a model is measured by asking it twice; seen to fail with one key for both."""
    answers, model = Answers(), Priced()
    assert Remembering(model, answers).infer(question()).text == "priced-1 1"
    assert Remembering(model, answers, anew="again").infer(question()).text == "priced-1 2"
    assert Remembering(model, answers, anew="again").infer(question()).text == "priced-1 2"


def test_what_the_book_holds_is_not_asked_again(tmp_path: Path) -> None:
    """Replaying what nothing has changed costs nothing; seen to fail with a book that compares the words alone."""
    with House(tmp_path, "sqlite:///journal.db", buys()).start() as house:
        house.hear("I want to buy.")
        house.hear("Really buy.")
        inferences = [fact for fact in house.facts("inference") if isinstance(fact, Inference)]
        asked = house.llm.questions
        house.llm.capabilities = PAID
        llm = Remembering(house.llm, Answers(), Book(inferences))
        for said, inference in zip(list(asked), inferences, strict=True):
            assert llm.infer(said).text == inference.answer
        assert (llm.spent.asked, llm.spent.reused) == (0, 2)
        llm.infer(replace(asked[0], max_tokens=7))
        llm.like("")
        assert llm.spent.asked == 1
        house.llm.model = "another"
        Remembering(house.llm, Answers(), Book(inferences)).infer(asked[1])
        assert len(asked) == 4
        house.llm.effort = "high"
        Remembering(house.llm, Answers(), Book(inferences)).infer(asked[1])
        assert len(asked) == 5
