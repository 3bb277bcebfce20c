"""What people put right is counted as it happened, and a field that slips goes down by itself."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.ladder import FIELD
from sidecar.app.slips import SELF, WINDOWS
from sidecar.journal import Entry
from sidecar.model import Author, AuthorKind, Hold, Inference, Mode, Posting, Reading
from sidecar.pipeline.reviews import KINDS, answers, interval, reviews
from tests.support.houses import House, op, says
from tests.support.offices import CONFIG, Office
from tests.support.rehearsals import climb, move, rehearsal

RULES = [says("buy", op("intent", "buy", "buy"), op("sentiment", "positive", "gladly"))]
UNSURE = "\n[fields.sentiment]\nthreshold = 0.99\n"
RITA = Author(AuthorKind.PERSON, "rita", "Rita")
WORKFLOW = Author(AuthorKind.AUTOMATION, "w1", "A workflow")
LIMIT = {"SIDECAR_QUALITY__LAST_N": "5", "SIDECAR_QUALITY__MAX_RATE": "0.4"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house whose CRM is its own."""
    with House(tmp_path, "sqlite:///j.db", *RULES, env=LIMIT).start() as opened:
        yield opened


@pytest.fixture
def rehearsed(tmp_path: Path) -> Iterator[House]:
    """A house on somebody else's CRM, in auto; a field goes down by three corrections of five reviewed values."""
    with rehearsal(tmp_path, *RULES, **LIMIT) as opened:
        climb(opened, Mode.AUTO)
        yield opened


def edit(house: House, who: str, author: Author = RITA, **fields: Any) -> None:
    """Somebody edits a customer's contact, and the sidecar notices; a minute passes before and after."""
    house.clock.move(60)
    (record,) = [r for r in house.records("contact") if r.fields["email"] == f"{who}@x.test"]
    crm: Any = house.app.ledger
    crm.edit("contact", record.ref, fields, author=author)
    house.clock.move(60)
    house.app.ladder.make_due(wait_s=0)
    house.work()


def judged(house: House) -> dict[str, bool]:
    """The last word on the newest reviewed value of each field, as whether it was corrected."""
    found = reviews(house.journal, list(house.journal.written(KINDS)), house.app.policy)
    return {review.field: review.corrected for review in sorted(found, key=lambda r: r.posted_at)}


def slip(house: House, *people: str) -> None:
    """Customers write, and a person puts right what was made of each."""
    for who in people:
        house.hear("I want to buy, gladly", who)
        edit(house, who, ai_intent="complain")


def test_a_correction_reviews_the_record_and_only_its_own_field_is_wrong(house: House) -> None:
    """Who corrects one value has left the others as they are; seen to fail with corrections alone counted."""
    house.hear("I want to buy, gladly")
    edit(house, "ann", ai_intent="complain")
    found = judged(house)
    assert found["intent"] is True
    assert found["sentiment"] is False
    assert {"email", "name", "score"} <= found.keys()


def test_what_nobody_looked_at_is_not_reviewed(house: House) -> None:
    """Silence is no approval, nor is another customer's edit; seen to fail with silence, or any record, counted."""
    house.hear("I want to buy, gladly")
    house.hear("I want to buy, gladly", "ben")
    assert judged(house) == {}
    edit(house, "ben", ai_intent="complain")
    kept = {r.change for r in reviews(house.journal, list(house.journal.written(KINDS)), house.app.policy)}
    parties = {fact.party for fact in house.journal.get_many(kept).values()}
    assert parties == {house.standing("ben").party}


def test_an_automations_edit_is_no_ones_review(house: House) -> None:
    """A workflow that writes is external; seen to fail with any author taken for a person."""
    house.hear("I want to buy, gladly")
    edit(house, "ann", WORKFLOW, ai_intent="complain")
    assert judged(house) == {}


def test_who_puts_our_value_back_has_the_last_word(house: House) -> None:
    """A correction that was taken back is none; seen to fail with the first word kept."""
    house.hear("I want to buy, gladly")
    edit(house, "ann", ai_intent="complain")
    edit(house, "ann", ai_intent="buy")
    assert judged(house)["intent"] is False


def test_what_a_person_wrote_before_we_posted_reviews_nothing(house: House) -> None:
    """A merge brings old edits to light, which saw nothing of ours; seen to fail with times not compared."""
    house.hear("I want to buy, gladly")
    posted = [fact for fact in house.facts("posting") if isinstance(fact, Posting) and fact.kind == "contact"]
    values = {posting.field: posting.value for posting in posted}
    first = posted[0]
    for minutes, reviewed in ((-90, 0), (90, len(posted))):
        hold = Hold(author=RITA, value="+44", at=first.at + timedelta(minutes=minutes))
        seen = Reading(
            because=(first.id,), party=first.party, ledger=first.ledger, kind="contact", key=first.key, ref=first.ref,
            values_sha256=str(minutes), values=values, holds={"phone": hold}, at=house.clock(),
        )  # fmt: skip
        house.journal.commit(Entry(facts=(house.journal.mint(seen),)))
        assert len(reviews(house.journal, list(house.journal.written(KINDS)), house.app.policy)) == reviewed


def test_each_value_names_prompt_and_model(house: House) -> None:
    """A rate is a prompt version's and a model's; what rules read has neither; seen to fail with one for all."""
    house.hear("I want to buy, gladly")
    edit(house, "ann", ai_intent="complain")
    found = reviews(house.journal, list(house.journal.written(KINDS)), house.app.policy)
    origins = {review.field: review.origin for review in found}
    assert origins["intent"].prompt == "relationship"
    assert origins["intent"].prompt_sha256 == house.app.prompts["relationship"].sha256
    (read,) = {fact.version for fact in house.facts("inference") if isinstance(fact, Inference)}
    assert origins["intent"].version == read != "", "what people corrected is told apart by all that was asked"
    assert origins["intent"].model == house.llm.model
    assert (origins["email"].prompt, origins["email"].model) == ("", "rules")


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (3, 20, 0.0524, 0.3604), (50, 100, 0.4038, 0.5962)],
)
def test_the_interval_is_wilsons(count: int, of: int, low: float, high: float) -> None:
    """The published figures of the score interval; seen to fail with the normal approximation."""
    assert interval(count, of) == pytest.approx((low, high), abs=5e-5)


# Going down -----------------------------------------------------------------------------------------------------------


def test_drift_takes_a_field_down_within_n_edits_and_only_that_field(rehearsed: House) -> None:
    """Three corrections in a window of five are more than its 0.4, two are not; seen to fail with one more or less."""
    house, slips = rehearsed, rehearsed.app.slips
    slip(house, "ann", "ben")
    slips.look()
    assert house.app.rungs().fields == {}
    slip(house, "cay")
    slips.look()
    assert house.app.rungs().fields == {"intent": Mode.SUGGEST}
    made = house.app.ladder.held()[FIELD + "intent"]
    assert (made.by, made.to) == (SELF, Mode.SUGGEST)
    assert "corrected 3 of its last 3 reviewed values" in made.reason
    (told,) = [c for c in house.app.conditions.now() if c.rule == "quality"]
    assert (told.subject, told.is_fault) == ("field:intent", False)
    assert any("check --go-live --field intent" in note for note in house.app.notes())
    slips.look()
    assert len([m for m in house.app.ladder.moves() if m["by"] == SELF]) == 1, "it is said once"


def test_values_that_stood_keep_a_field_up(rehearsed: House) -> None:
    """Old corrections leave the window with each value that was left; seen to fail with all of time counted."""
    house = rehearsed
    slip(house, "ann", "ben")
    for who in ("cay", "dan", "eve", "fay"):
        house.hear("I want to buy, gladly", who)
        edit(house, who, ai_sentiment="neutral")
        house.app.slips.look()
    slip(house, "gil")
    house.app.slips.look()
    assert "intent" not in house.app.rungs().fields
    assert house.app.rungs().fields == {"sentiment": Mode.SUGGEST}


def test_only_a_person_takes_a_field_up_and_it_begins_anew(rehearsed: House) -> None:
    """What was posted before the promotion counts no more; seen to fail with the old window kept."""
    house = rehearsed
    slip(house, "ann", "ben", "cay")
    house.app.slips.look()
    move(house.app.ladder, house, FIELD + "intent", None)
    house.app.slips.look()
    assert house.app.rungs().fields == {}
    assert [c for c in house.app.conditions.now() if c.rule == "quality"] == []
    slip(house, "dan", "eve")
    house.app.slips.look()
    assert house.app.rungs().fields == {}
    slip(house, "fay")
    house.app.slips.look()
    assert house.app.rungs().fields == {"intent": Mode.SUGGEST}


def test_a_restart_forgets_nothing_and_counts_nothing_twice(rehearsed: House) -> None:
    """The windows are the journal's, and a damaged one is read anew; seen to fail with damage let out."""
    house = rehearsed
    slip(house, "ann", "ben")
    house.app.slips.look()
    house.restart()
    house.app.slips.look()
    assert house.app.slips.scores()["intent"].corrected == 2
    kept = house.journal.meta(WINDOWS)
    house.journal.set_meta(WINDOWS, "{damaged")
    house.app.slips.look()
    assert house.journal.meta(WINDOWS) == kept


def test_on_our_own_crm_it_is_told_and_nothing_moves(house: House) -> None:
    """The local CRM has no ladder; the operators hear of it all the same; seen to fail with the gate left out."""
    slip(house, "ann", "ben", "cay")
    house.app.slips.look()
    assert house.journal.metas("rung:") == {}
    (told,) = [c for c in house.app.conditions.now() if c.rule == "quality"]
    assert "pause field:intent" in told.remedy


def test_a_limit_of_zero_is_never(tmp_path: Path) -> None:
    """Who wants no such brake has none; seen to fail with zero taken for a limit."""
    with rehearsal(tmp_path, *RULES, SIDECAR_QUALITY__MAX_RATE="0") as house:
        climb(house, Mode.AUTO)
        slip(house, "ann")
        house.app.slips.look()
        assert house.journal.meta(WINDOWS) is None
        assert house.app.rungs().fields == {}


# The command ----------------------------------------------------------------------------------------------------------


def test_the_command_shows_rates_periods_and_answers_to_suggestions(tmp_path: Path) -> None:
    """Figures add up, a period leaves out what lies outside it, and suggestions are in no rate."""
    sure = {"field": "intent", "value": "buy", "evidence": [{"quote": "buy"}]}
    unsure = {"field": "sentiment", "value": "angry", "evidence": [{"quote": "now"}]}
    answer = {"ops": [sure, unsure], "steps": [], "summary": "Ann buys.", "needs_full_reread": False}
    office = Office(tmp_path).furnish([{"match": ".", "answer": answer}], CONFIG + UNSURE)
    office.mail("ann@x.test", "I want to buy now")
    office.told("run", "--until-idle", "--no-wait")
    office.told("run", "--until-idle", "--no-wait")
    (contact,) = office.data("ledger", "show", "contact")["records"]
    office.told("ledger", "edit", "contact", contact["ref"], "ai_intent=complain")
    office.told("run", "--until-idle", "--no-wait")
    office.told("party", "reject", "ann@x.test", "sentiment")
    report = office.data("quality")
    rows = {row["field"]: row for row in report["rows"]}
    assert (rows["intent"]["reviewed"], rows["intent"]["corrections"], rows["intent"]["rate"]) == (1, 1, 1.0)
    assert (rows["summary"]["reviewed"], rows["summary"]["corrections"]) == (1, 0)
    assert (rows["sentiment"]["reviewed"], rows["sentiment"]["suggestions_rejected"]) == (0, 1)
    assert sum(row["corrections"] for row in report["rows"]) == 1
    assert office.data("quality", "--until", "2020-01-01")["rows"] == []
    assert [r["field"] for r in office.data("quality", "--field", "intent")["rows"]] == ["intent"]
    told = office.sidecar("quality", env={"COLUMNS": "80"}).stdout
    assert all(len(line.rstrip()) <= 80 for line in told.splitlines()), "whole words at eighty columns"
    for words in ("intent", "summary", "none reviewed", "1 of 1, 100%", "95%: 21% to 100%", "1 rejected", "scripted-1"):
        assert words in told, words
    assert office.sidecar("quality", "--field", "mood").exit_code == 1


def test_an_approved_suggestion_is_a_persons_value(tmp_path: Path) -> None:
    """What a person chose is not ours to be judged; seen to fail with every Decision taken for the policy's."""
    with House(tmp_path, "sqlite:///j.db", *RULES, after=UNSURE).start() as house:
        house.hear("I want to buy, gladly")
        house.app.pipeline.people.review(house.standing().party, "sentiment", "rita", approve=True)
        house.work()
        edit(house, "ann", ai_intent="complain")
        assert judged(house)["intent"] is True
        assert house.records("contact")[0].fields["ai_sentiment"] == "positive"
        assert "sentiment" not in judged(house)
        (answer,) = answers(house.journal, list(house.journal.written(("release",))))
        assert (answer.field, answer.approved, answer.origin.model) == ("sentiment", True, house.llm.model)
