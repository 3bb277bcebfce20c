"""Shadow: what reads stored words for a trial reads and believes what the running sidecar did."""

from dataclasses import replace

from sidecar.model import Activity, Decision, Inference, Match, Standing
from sidecar.pipeline.shadow import Reader, Shadow
from tests.support.houses import House, buys, op, says
from tests.support.openings import Open

SCRIPT = (
    buys(),
    says("angry", op("sentiment", "angry", "angry"), op("risks", "angry about the invoice", "angry")),
    says("call me", steps=[{"what": "call Ann", "who": "us", "evidence": [{"quote": "call me"}]}]),
    says("We need it", op("stage", "qualified", "We need it")),
)


def shadow_of(house: House) -> Shadow:
    """A shadow over the house's own prompt, policy, model and mint, with nothing read yet."""
    app = house.app
    reader = Reader(app.prompts["relationship"], app.policy, app.settings.own(), app.llm, app.journal.mint)
    return Shadow(reader, Standing(house.standing().party))


def as_captured(house: House) -> list[tuple[Match, Activity]]:
    """Ann's activities in the order in which they came."""
    matches = [fact for fact in house.facts("match") if isinstance(fact, Match)]
    found = house.journal.get_many(match.activity for match in matches)
    return [(match, activity) for match in matches if isinstance(activity := found[match.activity], Activity)]


def live(house: House) -> tuple[list[str], list[str]]:
    """The requests and the decisions that the book holds."""
    inferences = [f.request_sha256 for f in house.facts("inference") if isinstance(f, Inference)]
    return inferences, [f.id for f in house.facts("decision") if isinstance(f, Decision)]


def test_it_asks_and_decides_what_the_sidecar_did(open_house: Open) -> None:
    """The same words, one after another, past whole and rolling readings; seen to fail with no earlier words shown."""
    house = open_house(*SCRIPT)
    words = ("I want to buy.", "We need it soon", "I am angry", "please call me", "nothing", "yes", "no", "hm")
    for i in range(30):
        house.hear(f"{words[i % len(words)]} ({i})")
    shadow = shadow_of(house)
    done = []
    for match, activity in as_captured(house):
        shadow.hear(match, activity)
        done += shadow.read()
    requests, decisions = live(house)
    assert [reread.inference.request_sha256 for reread in done] == requests
    assert [decision.id for reread in done for decision in reread.decisions] == decisions
    assert shadow.standing.engagements == house.standing().engagements
    assert not all(reread.reading.whole for reread in done)


def test_what_was_edited_or_deleted_is_read_as_the_sidecar_read_it(open_house: Open) -> None:
    """Beliefs lose their words here too; seen to fail with nothing withdrawn."""
    house = open_house(*SCRIPT)
    first = house.hear("I want to buy.")
    second = house.hear("please call me")
    third = house.hear("I am angry")
    house.clock.move(60)
    house.edit(first, "I want to look.")
    house.work()
    house.clock.move(60)
    house.delete(second)
    house.delete(third)
    house.work()
    shadow = shadow_of(house)
    captured = as_captured(house)
    for match, activity in captured[:4]:
        shadow.hear(match, activity)
        shadow.read()
    for match, activity in captured[4:]:
        shadow.hear(match, activity)
    shadow.read()
    assert shadow.standing.engagements == house.standing().engagements
    assert {"intent", "sentiment"}.isdisjoint(house.fields()) or house.fields().get("intent") is None


def test_another_prompt_reads_the_same_words_otherwise_and_keeps_nothing(open_house: Open) -> None:
    """A trial changes neither book nor CRM: it has no journal to write to."""
    house = open_house(*SCRIPT)
    house.hear("I want to buy.")
    before, records = house.journal.counts(), [record.version for record in house.records("contact")]
    shadow = shadow_of(house)
    other = replace(shadow.reader.prompt, text=shadow.reader.prompt.text + "\nBe brief.", sha256="0" * 64)
    shadow.reader = replace(shadow.reader, prompt=other)
    for match, activity in as_captured(house):
        shadow.hear(match, activity)
    (reread,) = shadow.read()
    assert reread.inference.request_sha256 not in live(house)[0]
    assert reread.inference.prompt_sha256 == "0" * 64
    assert house.journal.counts() == before
    assert [record.version for record in house.records("contact")] == records


def test_an_unusable_answer_decides_nothing_and_is_said(open_house: Open) -> None:
    """A refusal is an outcome of the trial; seen to fail with a verdict on every answer."""
    house = open_house(*SCRIPT)
    house.hear("I want to buy.")
    house.script({"match": "buy", "stop": "refusal"})
    shadow = shadow_of(house)
    for match, activity in as_captured(house):
        shadow.hear(match, activity)
    (reread,) = shadow.read()
    assert not reread.is_usable
    assert reread.inference.stop == "refusal"
    assert not reread.decisions
    assert not shadow.standing.engagement.fields
    assert shadow.read() == []
