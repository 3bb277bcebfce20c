"""What reading a conversation costs as it grows: incrementally as built, against reading all of it again each time.

The real walk on a real book: each message arrives alone and is inferred at once, the dearest way to talk. In between
stands the model: the embedded baseline answers, so that the state has a real size, and each question is priced as if
it had gone to the model that is the default of the Anthropic adapter, at 2.7 characters a token. Beside it the same
question is built about the whole history, however long, and priced with the same answer, which a whole history would
make longer. No question leaves this machine, and no vendor's count of tokens was asked for, so take the proportions,
not the cents.

`cold` pays for the system text each time, `warm` reads it from the vendor's cache. `second_half` is the mean of the
messages of a thread's second half, the re-reading of a doubled history included: that is what must not grow.
`tail` is the mean of its last tenth, in which a doubled history may or may not fall.
Conversations: `chat` (short messages), `mail` (long ones), and `unruly`, a chat in which one message in ten arrives
late, one in twenty is edited afterwards, and a person edits the CRM after one in twenty.

Usage: python -m bench.inference_cost [--messages 1000]
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import mean
from typing import Any

from adapters.crms.local import LocalLedger
from adapters.llms.anthropic import CHARS_PER_TOKEN, AnthropicOptions
from adapters.llms.anthropic.prices import Prices
from bench._office import Office, office
from sidecar.infer.question import ask
from sidecar.model import Activity
from sidecar.ports import LLM, Answer, Question

MODEL = str(AnthropicOptions.model_fields["model"].default)
THREADS = (5, 10, 20, 50, 100, 1_000)
SENTENCES = (
    "Do you have a room for six people on Thursday afternoon?",
    "We are quite flexible, as long as there is daylight and somewhere to get lunch.",
    "Our budget is {n} EUR for the afternoon, coffee included.",
    "I had a look at the photographs on your site and the blue room seems right for us.",
    "My colleague would rather have the red one, but she will not be there.",
    "This is urgent, our board wants an answer today.",
    "Could you also tell me whether there is a projector, and who sets it up?",
    "Thanks, that sounds great!",
    "Honestly I am a little disappointed that nobody called me about number {n}.",
    "Two of us come by train and arrive at ten past nine, the others drive.",
    "What about parking for {n} cars?",
    "I will send you the list of guests by Friday.",
)


@dataclass(slots=True)
class Spent:
    """What questions would have cost: input tokens, and dollars without and with a warm cache."""

    tokens: int = 0
    output_tokens: int = 0
    cold_usd: float = 0.0
    warm_usd: float = 0.0
    calls: int = 0

    def add(self, question: Question, answer: Answer, prices: Prices) -> None:
        """Add one question and its answer."""
        system, user, said = (
            round(len(text) / CHARS_PER_TOKEN) for text in (question.system, question.user, answer.text)
        )
        self.calls += 1
        self.tokens += system + user
        self.output_tokens += said
        self.cold_usd += prices.cost_usd(MODEL, input_tokens=system + user, output_tokens=said)
        self.warm_usd += prices.cost_usd(MODEL, input_tokens=user, output_tokens=said, cache_read_tokens=system)


@dataclass
class Overheard:
    """An LLM that answers as another does and books what its questions would have cost."""

    llm: LLM
    prices: Prices = field(default_factory=Prices)
    spent: Spent = field(default_factory=Spent)
    last: tuple[Question, Answer] | None = None

    def __post_init__(self) -> None:
        self.name, self.model, self.capabilities = self.llm.name, self.llm.model, self.llm.capabilities
        self.effort = self.llm.effort

    @property
    def stronger(self) -> LLM | None:
        """Nobody: one model is priced."""
        return None

    def like(self, model: str, effort: str = "") -> LLM:
        """Return the other's."""
        return self.llm.like(model, effort)

    def infer(self, question: Question) -> Answer:
        """Answer as the other does."""
        answer = self.llm.infer(question)
        self.spent.add(question, answer, self.prices)
        self.last = question, answer
        return answer

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Estimate as the other does."""
        return self.llm.estimate_usd(input_chars, calls)

    def check(self) -> Sequence[str]:
        """Check as the other does."""
        return self.llm.check()


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=max(THREADS), help="of the longest thread")
    options = parser.parse_args()
    threads = [length for length in THREADS if length < options.messages] + [options.messages]
    result: dict[str, Any] = {
        "bench": "inference_cost",
        "model_priced": MODEL,
        "chars_per_token": CHARS_PER_TOKEN,
        "chat": converse(threads, sentences=(1, 3)),
        "mail": converse([length for length in threads if length <= 50], sentences=(25, 35)),
        "unruly": converse([min(100, threads[-1])], sentences=(1, 3), unruly=True),
    }
    print(json.dumps(result))


def converse(threads: Sequence[int], *, sentences: tuple[int, int], unruly: bool = False) -> list[dict[str, Any]]:
    """Hold one conversation, and say at each length what it has cost and what its last messages did."""
    random = Random(7)
    found = []
    with office() as here:
        heard = Overheard(here.app.llm)
        here.app.llm = heard
        again = Spent()
        built: list[Spent] = []
        every: list[Spent] = []
        chars = 0
        for number in range(1, max(threads) + 1):
            chars += say(here, number, random, sentences, unruly=unruly)
            heard.spent, heard.last, again = Spent(), None, Spent()
            here.work()
            reread(here, heard, again)
            built.append(heard.spent)
            every.append(again)
            if number in threads:
                found.append(figures(here, built, every, chars))
        assert here.parked() == 0 and here.app.journal.counts()["pending"] == 0
    return found


def say(here: Office, number: int, random: Random, sentences: tuple[int, int], *, unruly: bool) -> int:
    """Let the customer, or now and then our side, say a few sentences; returns how many characters that were."""
    text = " ".join(
        random.choice(SENTENCES).format(n=random.randint(2, 900)) for _ in range(random.randint(*sentences))
    )
    late = unruly and number % 10 == 5
    here.say(text, "ann", ours=number % 4 == 3, minutes=20, late_minutes=30 if late else 0)
    if unruly and number % 20 == 0:
        here.edit(f"{text} Sorry, a typing error.", "ann")
    if unruly and number % 20 == 10:
        contact = here.app.journal.inbox(1)[0].record("contact")
        assert contact and contact.ref and isinstance(here.app.ledger, LocalLedger)
        here.app.ledger.edit("contact", contact.ref, {"ai_urgency": ("low", "high")[number // 20 % 2]})
        here.app.worker.poll_all([])
    return len(text)


def reread(here: Office, heard: Overheard, again: Spent) -> None:
    """Price the last question as it would be about everything that was ever said."""
    assert heard.last is not None, "each message is read"
    (asked, answer), app = heard.last, here.app
    timeline = app.journal.timeline(asked.standing.party, 10_000)
    activities: list[Activity] = [activity for _, activity in reversed(timeline)]
    prompt = app.prompts["relationship"]
    question = ask(activities, (), asked.standing, prompt, app.policy, app.settings.own(), app.journal.mint)
    again.add(question, answer, heard.prices)


def figures(here: Office, built: Sequence[Spent], every: Sequence[Spent], chars: int) -> dict[str, Any]:
    """Return what a thread has cost so far, a message."""
    messages = len(built)
    inferences = list(here.app.journal.facts(["inference"]))
    return {
        "messages": messages,
        "new_tokens_per_message": round(chars / CHARS_PER_TOKEN / messages),
        "whole_readings": sum(bool(getattr(fact, "whole", False)) for fact in inferences),
        "calls": sum(spent.calls for spent in built),
        "incremental": shown(built),
        "rereading": shown(every),
        "rereading_costs_times": round(sum(s.cold_usd for s in every) / sum(s.cold_usd for s in built), 2),
    }


def shown(spent: Sequence[Spent]) -> dict[str, Any]:
    """Means per message, of the whole thread and of its second half; dollars are per 1,000 messages."""
    late = spent[len(spent) // 2 :]
    return {
        "input_tokens": round(mean(s.tokens for s in spent)),
        "output_tokens": round(mean(s.output_tokens for s in spent)),
        "cold_usd_per_1000": round(mean(s.cold_usd for s in spent) * 1_000, 3),
        "warm_usd_per_1000": round(mean(s.warm_usd for s in spent) * 1_000, 3),
        "tail_input_tokens": round(mean(s.tokens for s in spent[-max(1, len(spent) // 10) :])),
        "second_half_input_tokens": round(mean(s.tokens for s in late)),
        "second_half_cold_usd_per_1000": round(mean(s.cold_usd for s in late) * 1_000, 3),
        "second_half_warm_usd_per_1000": round(mean(s.warm_usd for s in late) * 1_000, 3),
    }


if __name__ == "__main__":
    main()
