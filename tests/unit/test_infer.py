"""Infer: an answer becomes claims that are worth what their words and their speakers are worth, or nothing at all."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.config import load
from sidecar.errors import PermanentError
from sidecar.infer import Inferred, infer, reads_whole
from sidecar.infer.question import canary
from sidecar.infer.wire import wrong_in
from sidecar.model import (
    Activity,
    Actor,
    Claim,
    Engagement,
    Inference,
    Match,
    Outcome,
    Own,
    Role,
    Said,
    Standing,
    Step,
)
from sidecar.ports import Answer, LLMCapabilities, Question
from sidecar.prompts import parse
from tests.support.activities import MINT, NOON, activity

POLICY = load(None, {}).policy()
PROMPT = parse(Path("prompts/relationship.md").read_text(), "prompts/relationship.md")


class Says:
    """A model that gives one answer."""

    name, model, effort = "scripted", "m-1", ""
    stronger = None

    def __init__(self, text: str, stop: str = "end", cap: float = 1.0) -> None:
        self.text, self.stop = text, stop
        self.capabilities = LLMCapabilities(confidence_cap=cap)

    def like(self, model: str, effort: str = "") -> "Says":
        """It is the only one."""
        return self

    def infer(self, question: Question) -> Answer:
        """Give it."""
        return Answer(self.text, self.model, self.stop, input_tokens=7, cost_usd=0.5)

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """It costs nothing."""
        return 0.0

    def check(self) -> Sequence[str]:
        """Nothing is wrong."""
        return ()


def wire(*ops: dict[str, Any], steps: Sequence[dict[str, Any]] = (), summary: str = "") -> str:
    """An answer as it comes over the wire."""
    return json.dumps({"ops": ops, "steps": steps, "summary": summary, "needs_full_reread": False})


def op(value: str, *quotes: str, field: str = "risks", alias: str = "a1", **more: Any) -> dict[str, Any]:
    """One statement with its quotes."""
    evidence = [{"activity": alias, "quote": quote} for quote in quotes]
    return {"evidence": evidence, "field": field, "op": "set", "value": value, "certainty": "stated", **more}


def step(named: str, *quotes: str, **more: Any) -> dict[str, Any]:
    """One statement about a next step."""
    evidence = [{"activity": "a1", "quote": quote} for quote in quotes]
    held = {"op": "open", "id": "", "who": "us", "what": named, "due_text": "", "due_date": ""}
    return {"evidence": evidence, **held, **more}


def matched(item: Activity) -> tuple[Match, Activity]:
    """An activity with its match."""
    match = Match(because=(item.id,), party="party-1", activity=item.id, outcome=Outcome.PARTY, rule="test")
    return MINT(match), item


def run(
    model: Says,
    *new: Activity,
    earlier: Sequence[Activity] = (),
    standing: Standing = Standing("party-1"),  # noqa: B008  frozen
    whole: bool = False,
) -> Inferred:
    """Infer from some activities."""
    return infer([matched(a) for a in new], earlier, standing, PROMPT, POLICY, Own(), model, MINT, whole=whole)


def claim(item: Activity, said: dict[str, Any], **more: Any) -> Claim:
    """The one claim that an answer about an activity leads to."""
    (found,) = run(Says(wire(said), **more), item).claims
    return found


HELLO = activity(text="The price is a problem, call me on Thursday.")


def test_a_quote_is_stored_with_its_place_in_the_text() -> None:
    """Anybody can check evidence without this code; seen to fail with the quote kept as the model wrote it."""
    found = claim(HELLO, op("price", "the PRICE is"))
    (evidence,) = found.evidence
    assert HELLO.text[evidence.start : evidence.end] == evidence.quote == "The price is"
    assert found.verified and not found.problem
    assert found.because[0].startswith("inference-")


@pytest.mark.parametrize(
    "said",
    [op("price", "the price is fine"), op("price", "price is"), op("price")],
    ids=["never said", "said in another activity", "no quote"],
)
def test_what_nobody_said_stays_in_the_book_and_moves_nothing(said: dict[str, Any]) -> None:
    """An unverified claim is kept, marked and nearly worthless; seen to fail with each claim taken as verified."""
    item = HELLO if said["evidence"] != op("x", "price is")["evidence"] else activity(text="Another one.")
    found = claim(item, said)
    assert not found.verified
    assert found.confidence <= 0.4


def test_each_quote_of_a_claim_must_be_found() -> None:
    """One true quote doesn't carry a false one; seen to fail with any() in place of all."""
    found = claim(HELLO, op("price", "price is a problem", "we will not buy"))
    assert not found.verified
    assert found.problem == "a quote is not in what was said"


def test_words_outside_of_what_was_said_are_no_evidence() -> None:
    """A quoted reply is somebody else's word; seen to fail with the whole text searched."""
    mail = activity(text="Yes.\n> We have signed the contract.", kind="mail")
    mail = replace(mail, said=(Said(0, 4, Role.CUSTOMER),))
    assert not claim(mail, op("closed_won", "We have signed", field="stage")).verified


@pytest.mark.parametrize(
    "role, authenticated, worth",
    [
        (Role.CUSTOMER, False, 0.9), (Role.AGENT, True, 0.9), (Role.AGENT, False, 0.63), (Role.BOT, False, 0.54),
        (Role.SYSTEM, True, 0.9),
    ],
)  # fmt: skip
def test_a_word_is_worth_what_its_speaker_is_worth(role: Role, authenticated: bool, worth: float) -> None:
    """A bot's word and a name on a mail weigh less; seen to fail with one weight for all."""
    text = "It is signed."
    item = replace(HELLO, text=text, said=(Said(0, len(text), role, authenticated),))
    found = claim(item, op("won", text))
    assert found.confidence == pytest.approx(worth)
    assert (found.role, found.authenticated) == (role, authenticated)


def test_a_claim_is_its_least_trusted_speakers() -> None:
    """Our own word beside a bot's makes the bot's no better; seen to fail with the most trusted speaker taken."""
    text = "It is signed.It is booked."
    spans = (Said(0, 13, Role.AGENT, authenticated=True), Said(13, 26, Role.BOT))
    found = claim(replace(HELLO, text=text, said=spans), op("won", "It is signed", "It is booked"))
    assert found.role is Role.BOT


def test_no_claim_is_worth_more_than_its_model() -> None:
    """An adapter's cap holds however sure the words are; seen to fail with the cap left out."""
    assert claim(HELLO, op("price", "price"), cap=0.5).confidence == 0.5


@pytest.mark.parametrize(
    "value",
    [
        "see https://evil.test/?q=secret", "![x](http://evil.test/a.png)", "at www.evil.test", "ftp://evil.test/x",
        "evil.test/collect?q=secret", "mailto:thief@evil.test", "javascript:alert(1)", "HTTPS://EVIL.TEST/x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["value", "what", "who", "due_text", "summary"])
def test_no_address_is_written_that_nobody_wrote(value: str, place: str) -> None:
    """A link that a model makes up leads out of the house; seen to fail with the value alone looked at."""
    if place == "value":
        answer = wire(op(value, "price"))
    elif place == "summary":
        answer = wire(summary=value)
    else:
        answer = wire(steps=[step("call", "call me", **{place: value})])
    (found,) = run(Says(answer), HELLO).claims
    assert found.problem == "it holds an address that nobody wrote"


@pytest.mark.parametrize("link", ["https://x.test/offer", "www.x.test", "x.test/offer"])
def test_an_address_that_somebody_wrote_may_be_repeated(link: str) -> None:
    """The full stop after a link is no part of it, and case is nobody's; seen to fail with the dot taken in."""
    item = activity(text=f"See {link}. It is dear.")
    found = claim(item, op(f"dear: {link.upper()}", "It is dear"))
    assert not found.problem


def test_ordinary_words_are_no_address() -> None:
    """Numbers, abbreviations and fractions are not taken for links; seen to fail with any dot between letters."""
    found = claim(HELLO, op("e.g. 4.5k/month and/or 24/7, Mr.Lee at 10.30 a.m./p.m. (approx.)", "price"))
    assert not found.problem


@pytest.mark.parametrize("escape", [False, True], ids=["plain", "escaped"])
def test_an_answer_that_repeats_the_secret_word_is_worth_nothing(escape: bool) -> None:
    """A model that leaks its instructions obeys somebody else; seen to fail with the raw text alone searched."""
    answer = wire(op("the word is CANARY", "price"), op("price", "a problem"))
    secret = canary(PROMPT, MINT)
    spelt = "".join(f"\\u{ord(c):04x}" for c in secret) if escape else secret
    claims = run(Says(answer.replace("CANARY", spelt)), HELLO).claims
    assert {c.problem for c in claims} == {"the answer repeated the system text's secret word"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Dear Ann", "no JSON, expected value at line 1 column 1"),
        ("[]", "should be an object"),
        (wire(op("Ann", "price", op="sett")), "ops[0].op: should be 'set', 'clear' or 'conflict'"),
        (wire(op("Ann", "price", Ann="Lee")), "ops[0]: has a key that the schema lacks"),
        (wire(op("Ann" * 999, "price")), "ops[0].value: String should have at most 2000 characters"),
        ('{"ops": [], "summary": "Ann"}', "steps: is missing (and 1 more)"),
        (wire(), ""),
    ],
)
def test_what_is_wrong_in_an_answer_is_said_without_its_words(text: str, why: str) -> None:
    """The place in the schema and what would be right, so that an admin needs no guess, and no customer is quoted."""
    assert wrong_in(text) == why


@pytest.mark.parametrize(
    "text, stop, named",
    [
        ("", "refusal", "refusal"), ('{"ops": [', "truncated", "truncated"), ("no JSON", "end", "invalid"),
        ('{"ops": []}', "end", "invalid"), (wire() + "x", "end", "invalid"),
        (wire(op("x" * 2001, "price")), "end", "invalid"), (wire(op("x", "price", op="win")), "end", "invalid"),
        (wire(op("x", "price", extra="y")), "end", "invalid"),
    ],
)  # fmt: skip
def test_what_is_no_answer_yields_nothing_and_is_kept(text: str, stop: str, named: str) -> None:
    """Refused, cut off or malformed: the call is booked with its cost and its reason, and claims nothing."""
    inferred = run(Says(text, stop), HELLO, whole=True)
    assert (inferred.usable, inferred.claims) == (False, ())
    assert (inferred.inference.stop, inferred.inference.cost_usd) == (named, 0.5)
    assert not inferred.inference.whole, "nothing was read, so the history wasn't read whole either"


def test_an_answer_is_not_the_refusal_that_came_before_it() -> None:
    """The same question, refused and later answered, is two facts; seen to fail with one id for both."""
    refused = run(Says("", "refusal"), HELLO).inference
    answered = run(Says(wire()), HELLO).inference
    assert refused.id != answered.id
    assert run(Says("", "refusal"), HELLO).inference.id == refused.id


def test_the_same_answer_again_is_the_same_facts() -> None:
    """A run that died leaves no second inference; seen to fail with a number drawn for each request."""
    answer = wire(op("price", "price"), steps=[step("call Ann", "call me")], summary="Ann asks.")
    first, again = run(Says(answer), HELLO), run(Says(answer), HELLO)
    assert first == again
    assert [c.position for c in first.claims] == [0, 1, 2]


def test_the_inference_names_what_it_read() -> None:
    """Each alias of the answer leads to one activity; seen to fail with the earlier ones left out."""
    before = activity(text="Hello there", external_id="x0")
    inferred = run(Says(wire(op("hello", "Hello there"))), HELLO, earlier=[before])
    assert inferred.inference.request["aliases"] == {"a1": before.id, "a2": HELLO.id}
    assert inferred.inference.because == (matched(HELLO)[0].id,)
    assert inferred.claims[0].evidence[0].activity == before.id


def test_an_alias_that_was_not_given_proves_nothing() -> None:
    """A model can't quote an activity that it did not see; seen to fail with any activity searched."""
    assert not claim(HELLO, op("price", "price", alias="a2")).verified
    assert claim(HELLO, op("price", "price", alias="[a1]")).verified


KNOWN = Standing("party-1", engagements=(Engagement(steps=(Step("step-1", "call Ann", "us"),)),))


def test_a_step_keeps_its_id_when_it_is_reworded() -> None:
    """The task in the CRM stays one task; seen to fail with a new id for each wording."""
    answer = wire(steps=[step("ring Ann", "call me", id="step-1"), step("send the offer", "price", id="step-9")])
    one, other = run(Says(answer), HELLO, standing=KNOWN).claims
    assert one.step is not None and other.step is not None
    assert one.step.id == "step-1"
    assert other.step.id not in ("step-1", "step-9"), "an id that nobody gave is not the model's to make up"


def test_only_a_step_that_is_known_can_end() -> None:
    """What was never owed can't be done; seen to fail without the check."""
    answer = wire(steps=[step("ring Ann", "call me", id="step-1", op="done"), step("pay", "price", id="x", op="drop")])
    one, other = run(Says(answer), HELLO, standing=KNOWN).claims
    assert one.step is not None and one.step.status == "done" and not one.problem
    assert other.problem == "it ends a step that is not open"


def test_nothing_new_is_no_question() -> None:
    """A model is never asked about nothing."""
    with pytest.raises(PermanentError, match="no new activity"):
        run(Says(wire()))


@pytest.mark.parametrize(
    "standing, whole",
    [
        (Standing("p", activities=12, activities_at_whole=12), True),
        (Standing("p", activities=13, activities_at_whole=12), False),
        (Standing("p", activities=23, activities_at_whole=12), False),
        (Standing("p", activities=24, activities_at_whole=12), True),
        (Standing("p", activities=30, activities_at_whole=24, needs_whole=True), True),
        (Standing("p", activities=500), True),
    ],
)
def test_the_whole_history_is_read_while_short_and_each_time_it_has_doubled(standing: Standing, whole: bool) -> None:
    """The sum of what is read stays linear; seen to fail with a whole reading each time."""
    assert reads_whole(standing) is whole


def test_a_booking_s_canonical_line_can_be_quoted_and_a_chat_without_spans_can_t() -> None:
    """Only what has no speakers is the system's own word as a whole; seen to fail with any text taken so."""
    line = "Booking b1 attended, it was for 2026-11-26 10:00."
    actor = Actor(Role.SYSTEM, "signed", authenticated=True)
    event = replace(activity(text=line, kind="meeting"), actor=actor, said=())
    mail = replace(activity(text=line, kind="mail"), said=())
    make: Callable[[Activity], Claim] = lambda item: claim(item, op("attended", "Booking b1 attended", field="stage"))  # noqa: E731
    assert (make(event).role, make(event).authenticated) == (Role.SYSTEM, True)
    assert not make(mail).verified


def test_a_claims_time_is_its_newest_evidences() -> None:
    """Later words win by their own time, not by the run's; seen to fail with the run's time."""
    old = replace(activity(text="I want to buy", external_id="x0"), at=NOON.replace(hour=8))
    found = run(Says(wire(op("buy", "want to buy"))), HELLO, earlier=[MINT(old)]).claims[0]
    assert found.at == NOON.replace(hour=8)
    assert isinstance(run(Says(wire()), HELLO).inference, Inference)


def test_of_several_values_the_named_one_is_cleared() -> None:
    """A `clear` of a list keeps what it clears, of any other field it has no value; seen to fail with none kept."""
    cleared = {"op": "clear"}
    assert claim(HELLO, op("price above budget", "price is a problem", **cleared)).value == "price above budget"
    assert claim(HELLO, op("", "price is a problem", **cleared)).value is None
    assert claim(HELLO, op("4000", "price is a problem", field="budget", **cleared)).value is None


def test_what_a_prompt_doesn_t_ask_for_is_believed_of_no_answer() -> None:
    """A model that answers more than it was asked had no criteria for it; seen to fail with the claim left as it is."""
    prompt = replace(PROMPT, serves=("stage",))
    said = Says(wire(op("price", "price is a problem")))
    (found,) = infer([matched(HELLO)], (), Standing("party-1"), prompt, POLICY, Own(), said, MINT).claims
    assert found.problem == "the prompt relationship doesn't ask for risks"
    assert not claim(HELLO, op("price", "price is a problem")).problem
