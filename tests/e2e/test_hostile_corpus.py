"""Two copies of one house, of which one hears 254 hostile messages and has a model that serves the attacker.

Both have the same key, so that whatever the hostile words may not touch is the same in both, byte for byte.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path

import pytest

from sidecar.infer.addresses import addresses, written
from sidecar.model import Activity, Inference
from sidecar.ports import Answer, Question
from tests.support.houses import House, buys, op, says
from tests.support.lies import corpus, named, obedient, own_lies, send, shown

EVES = [f"eve{number}" for number in range(8)]
OTHERS = ("bob", "cat", "dan")
LIES = [*own_lies(), *corpus()]
RULES = (
    buys("want to buy"),
    says("need support", op("intent", "support", "need support")),
    says("4,000", op("budget", "4,000", "4,000")),
    says("was angry", op("sentiment", "angry", "was angry")),
    says("send me the offer", steps=[{"what": "send the offer", "evidence": [{"quote": "send me the offer"}]}]),
    says("^Booking .* created for", op("stage", "booked", "created for")),
)


class Both:
    """A house without hostile words and its copy with them; `spied` is what the models were asked about the others."""

    def __init__(self, folder: Path) -> None:
        first = folder / "without"
        first.mkdir()
        house = House(first, "sqlite:///journal.db", *RULES).start()
        _beginning(house)
        now = house.clock()
        house.app.close()
        shutil.copytree(first, folder / "with")
        self.without, self.hostile = House.reopened(first), House.reopened(folder / "with")
        for house in (self.without, self.hostile):
            house.clock.at = now
            house._numbers = count(1_000)

    def close(self) -> None:
        """Close both."""
        self.without.app.close()
        self.hostile.app.close()


def _beginning(house: House) -> None:
    """Everybody is known before the first lie is told, and the attackers are as far as a customer can be."""
    house.hear("I want to buy", "bob", id="b1")
    house.hear("We need support", "cat", id="c1")
    house.hear("Please send me the offer, we can pay 4,000", "dan", id="d1")
    for eve in EVES:
        house.hear("We can pay 4,000 and I want to buy", eve, id=f"{eve}-1")
        customer = {"email": f"{eve}@x.test", "name": eve.capitalize()}
        house.post("booking.created", {"booking_id": f"b-{eve}", "start": "2026-03-09T10:00:00Z", "customer": customer})
    house.work()
    assert {house.fields(eve)["stage"] for eve in EVES} == {"booked"}


def _go_on(house: House) -> None:
    """What the others do, the same in both houses."""
    house.hear("And I want to buy more. I was angry.", "bob", id="b2")
    house.hear("We need support again. Please send me the offer", "cat", id="c2")
    house.answer("Of course", "dan")
    house.work()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Both houses after all that happened in them."""
    both = Both(tmp_path_factory.mktemp("houses"))
    stolen = both.hostile.activity("b1").id
    attackers = {both.hostile.standing(eve).party for eve in EVES}

    def serve(answer: Answer) -> Answer:
        question = both.hostile.llm.questions[-1]
        return obedient(question, answer, stolen) if question.standing.party in attackers else answer

    both.hostile.llm.reworded = serve
    both.hostile._numbers = count(50_000)
    for number, lie in enumerate(LIES):
        both.hostile.clock.move(1)
        both.without.clock.move(1)
        send(both.hostile, lie, EVES[number % len(EVES)])
        if number % 64 == 63 or number == len(LIES) - 1:
            both.hostile.poll()
    both.hostile._numbers = count(2_000)
    both.without._numbers = count(2_000)
    for house in (both.without, both.hostile):
        _go_on(house)
    yield both
    both.close()


def _asked(house: House, who: str) -> list[Question]:
    party = house.standing(who).party
    return [question for question in house.llm.questions if question.standing.party == party]


def _facts(house: House, who: str) -> list[str]:
    """The book's facts of a party, each as JSON, with our keys in the place of the CRM's numbers."""
    standing = house.standing(who)
    refs = {record.ref: record.key for record in standing.records.values() if record.ref}
    mine = [fact for fact in house.facts() if getattr(fact, "party", None) == standing.party]
    return sorted(named(json.dumps(asdict(fact), default=str, sort_keys=True), refs.items()) for fact in mine)


@pytest.mark.parametrize("who", OTHERS)
def test_everybody_elses_are_the_same_byte_for_byte(both: Both, who: str) -> None:
    """Facts, records, notes, tasks and questions of other parties don't know of the hostile words.

    Seen to fail with a boundary in which all questions so far are counted.
    """
    assert shown(both.hostile, who) == shown(both.without, who)
    assert _facts(both.hostile, who) == _facts(both.without, who)
    here, there = _asked(both.hostile, who), _asked(both.without, who)
    assert [(q.system, q.user) for q in here] == [(q.system, q.user) for q in there]
    assert here, "they were read again after the lies"


def test_no_lie_of_either_corpus_wins_or_attends_anything(both: Both) -> None:
    """254 messages, each obeyed in full: no stage that needs our side's word, in no belief and in no record.

    Seen to fail with stages that need anybody's word.
    """
    assert len(LIES) == 254 and len(own_lies()) >= 60
    house = both.hostile
    texts = {turn.text for eve in EVES for question in _asked(house, eve) for turn in question.new}
    assert len(texts) > 200, "the lies were read"
    assert {house.fields(eve)["stage"] for eve in EVES} == {"booked"}
    assert {str(deal.fields["stage"]) for deal in house.records("deal")} <= {"booked", "qualified"}
    assert not house.parked() and {found.stop for eve in EVES for found in _inferences(house, eve)} == {"end"}


def test_what_wasn_t_named_in_the_lies_is_as_it_was(both: Both) -> None:
    """A party's own other fields stay, whatever its hostile words order; the identity is nobody's to say.

    Seen to fail with quotes that may be anybody's.
    """
    for eve in EVES:
        here, there = both.hostile.fields(eve), both.without.fields(eve)
        assert here["budget"] == there["budget"] == "4,000"
        assert set(here) <= set(both.hostile.app.policy.fields)
        assert here["score"] != 100 and here["review"] != "accept_all"
        assert "sentiment" not in here, "its evidence was another's"
        standing = both.hostile.standing(eve)
        assert [str(known) for known in standing.identifiers] == [f"email:{eve}@x.test"]


def test_nobody_is_made_tied_or_merged_by_words(both: Both) -> None:
    """There are as many people as wrote, and each record belongs to one of them."""
    assert len(both.hostile.records("contact")) == len(EVES) + len(OTHERS)
    refs = [r.ref for who in (*EVES, *OTHERS) for r in both.hostile.standing(who).records.values() if r.ref]
    assert len(refs) == len(set(refs))
    assert {record.ref for record in both.hostile.app.ledger.show()} <= set(refs)  # type: ignore[attr-defined]


def test_no_record_holds_a_link_or_a_sign_that_nobody_wrote(both: Both) -> None:
    """Fields, notes, tasks and titles: each address is in the party's own raw words, and all that is there is seen.

    Seen to fail with claims whose addresses nobody looks at.
    """
    house, looked_at = both.hostile, 0
    for eve in EVES:
        standing = house.standing(eve)
        words = [activity for _, activity in house.journal.timeline(standing.party, 1_000)]
        known = {
            one for activity in words for one in written(f"{_names(activity)}\n{activity.subject}\n{activity.text}")
        }
        refs = {record.ref for record in standing.records.values()}
        for record in house.app.ledger.show():  # type: ignore[attr-defined]  # the local ledger
            for name, value in record.fields.items() if record.ref in refs else ():
                looked_at += 1
                assert addresses(str(value)) <= known | {f"{eve}@x.test", "x.test"}, (record.kind, name, value)
                assert not re.search(
                    "[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", str(value)
                )
    assert looked_at > 200


def _names(activity: Activity) -> str:
    return "\n".join([activity.actor.name, *(part.name for part in activity.participants), *_speakers(activity)])


def _speakers(activity: Activity) -> list[str]:
    return [said.who for said in activity.said]


def _inferences(house: House, who: str) -> list[Inference]:
    party = house.standing(who).party
    return [fact for fact in house.facts("inference") if isinstance(fact, Inference) and fact.party == party]


def test_each_way_in_was_used(both: Both) -> None:
    """Names, subjects, pages, files, invitations and calls arrived as what they are; none was dropped unread."""
    external = {fact.external_id for fact in both.hostile.facts("activity") if isinstance(fact, Activity)}
    chats = {lie.id for lie in LIES if lie.via in ("chat", "name")}
    mails = {f"{lie.id}@x.test" for lie in LIES if lie.via in ("mail", "html", "subject", "attachment", "invite")}
    assert chats | mails <= external
    calls = [lie for lie in LIES if lie.via == "call"]
    assert sum(f.kind == "transcript" for f in both.hostile.facts("activity") if isinstance(f, Activity)) == len(calls)
