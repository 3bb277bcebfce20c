"""Replay: another prompt, model or policy reads stored words, says what would differ, and changes nothing."""

import json
from dataclasses import replace
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from justhtml import JustHTML

from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.model import SEVERAL, Author, AuthorKind, FieldClass, FieldPolicy, Policy, Prompt
from sidecar.model.means import Hard
from sidecar.ports import Answer, LLMCapabilities, Question
from sidecar.replay import Report, Side, Wanted, as_data, estimate, faults, from_data, replay, with_prompt
from sidecar.replay.page import html, summary
from sidecar.replay.sides import Cell, compare
from tests.support.houses import House, buys, op, says
from tests.support.openings import Open

PAID = LLMCapabilities(structured_outputs=True)
NOW_RULES = (
    buys(),
    says("ready", op("stage", "qualified", "ready")),
    says("about 900", op("budget", "900 euros", "about 900")),
)
NEW_RULES = (
    buys(),
    says("ready", op("stage", "qualified", "ready")),
    says("about 900", op("budget", "about 900", "about 900")),
    says("ugh", op("sentiment", "negative", "ugh")),
)
HOSTILE = "</td><script>alert(1)</script> \u202eevil"


@pytest.fixture
def open_house(open_house: Open) -> Open:
    """Opens houses whose model is a paid one as far as anybody can tell."""

    def make(*rules: dict[str, Any], **more: Any) -> House:
        house = open_house(*rules, **more)
        house.llm.capabilities = PAID
        return house

    return make


class Scripted:
    """Another model over a house's own: it counts its calls, and each costs a dollar."""

    def __init__(self, house: House, *rules: dict[str, Any], model: str = "other-1") -> None:
        held = house.llm.llm
        house.script(*rules)
        self._llm, house.llm.llm = house.llm.llm, held
        self.name, self.model, self.effort, self.capabilities = "scripted", model, "", PAID
        self.stronger: Scripted | None = None
        self.asked = 0
        self.fails_after: int | None = None
        self.words = ""

    def like(self, model: str, effort: str = "") -> "Scripted":
        """The same."""
        return self

    def infer(self, question: Question) -> Answer:
        """Answer by its script; `words` are said beside."""
        if self.fails_after is not None and self.asked >= self.fails_after:
            raise TemporaryError("the vendor is away")
        self.asked += 1
        answer = self._llm.infer(question)
        said = json.loads(answer.text)
        if self.words:
            said["summary"] = self.words
        return replace(answer, text=json.dumps(said), model=self.model, cost_usd=1.0)

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """A dollar a call."""
        return float(calls)

    def check(self) -> list[str]:
        """All is well."""
        return []


def wanted(house: House, llm: Any = None, *, prompt: Prompt | None = None, **more: Any) -> Wanted:
    """Compare what is in force with another model, or another prompt."""
    was = Side(house.app.prompts, house.app.policy, house.llm)
    new = replace(was, llm=llm) if llm else was
    new = with_prompt(new, prompt) if prompt else new
    return Wanted(was, new, house.app.settings.own(), **{"noise": 0, **more})


def run(house: House, trial: Wanted) -> Report:
    """Replay now."""
    return replay(house.journal, trial, house.clock())


def edited(house: House) -> Prompt:
    """The prompt in force, with a rule more."""
    held = house.app.prompts["relationship"]
    return replace(held, text=held.text + "\nBe brief.", sha256="e" * 64)


def crm(report: Report) -> dict[str, tuple[Any, Any]]:
    """The CRM's values that would differ, as (in force, on trial)."""
    rows = (d for d in report.differences if d.kind == "crm" and d.record.startswith("contact."))
    return {d.record: tuple(cells[0].value if cells else None for cells in (d.was, d.new)) for d in rows}  # type: ignore[misc]


def lived(open_house: Open) -> House:
    """A house in which Ann said a few things."""
    house = open_house(*NOW_RULES)
    for text in ("I want to buy", "we are ready", "it may be about 900", "ugh, so slow"):
        house.hear(text)
    return house


def puts_right(house: House, **fields: str) -> None:
    """A rep edits Ann's contact, and we hear of it."""
    house.app.worker.poll_all([])
    house.work()
    (contact,) = house.records("contact")
    house.clock.move(60)
    author = Author(AuthorKind.PERSON, "rep", "Rep")
    house.app.ledger.edit("contact", contact.ref, fields, author=author)  # type: ignore[attr-defined]
    house.clock.move(60)
    house.app.worker.poll_all([])
    house.work()


def test_the_same_answers_differ_in_nothing(open_house: Open) -> None:
    """An edit that changes no answer shows no difference; seen to fail with the standing of before not rebuilt."""
    house = lived(open_house)
    report = run(house, wanted(house, prompt=edited(house)))
    assert (report.parties, report.readings, report.differences) == (1, 4, [])
    assert report.asked == 4, "another prompt is another question"


def test_what_would_differ_is_shown_with_its_words_and_nothing_is_kept(open_house: Open) -> None:
    """Claims and CRM values side by side, and neither book nor CRM moves; seen to fail with the book's own answers."""
    house = lived(open_house)
    before, records = house.journal.counts(), house.records("contact")
    report = run(house, wanted(house, Scripted(house, *NEW_RULES)))
    assert {k: v for k, v in crm(report).items() if k in ("contact.ai_budget", "contact.ai_sentiment")} == {
        "contact.ai_budget": ("900 euros", "about 900"),
        "contact.ai_sentiment": (None, "negative"),
    }
    (mood,) = (d for d in report.differences if d.kind == "claim" and d.field == "sentiment")
    assert (mood.was, mood.new[0].value, mood.new[0].quotes) == ((), "negative", ("ugh",))
    by_field = {row.name: row for row in report.fields}
    assert by_field["budget"].worded == 2, "the last reading was of the whole history, so it says it again"
    assert (by_field["sentiment"].changed, by_field["stage"].changed) == (1, 0)
    assert (house.journal.counts(), house.records("contact")) == (before, records)


def test_what_the_book_answered_is_not_asked_again(open_house: Open) -> None:
    """Another policy rules on the answers that were paid for; seen to fail without the book's answers."""
    house = lived(open_house)
    asked = len(house.llm.questions)
    budget = replace(house.app.policy.fields["budget"], threshold=0.95)
    policy = replace(house.app.policy, fields={**house.app.policy.fields, "budget": budget}, sha256="p" * 64)
    trial = wanted(house)
    report = run(house, replace(trial, new=replace(trial.new, policy=policy)))
    assert crm(report)["contact.ai_budget"] == ("900 euros", None)
    verdict = next(d for d in report.differences if d.kind == "decision")
    assert (verdict.field, verdict.was[0].verdict, verdict.new[0].verdict) == ("budget", "apply", "suggest")
    # What the last question shows of the state is another thing now, so that one is asked.
    assert (report.reused, report.asked, len(house.llm.questions)) == (3, 1, asked + 1)


def test_a_replay_that_was_cut_short_pays_for_nothing_twice(open_house: Open, tmp_path: Path) -> None:
    """The same comparison goes on where it was; seen to fail with answers kept in memory."""
    house = lived(open_house)
    other = Scripted(house, *NEW_RULES)
    trial = wanted(house, other, folder=tmp_path)
    other.fails_after = 2
    with pytest.raises(TemporaryError):
        run(house, trial)
    other.fails_after = None
    report = run(house, trial)
    assert other.asked == 4
    assert (report.asked, report.reused, report.usd) == (2, 2, 2.0)


def test_a_replay_ends_where_its_money_does(open_house: Open, tmp_path: Path) -> None:
    """No question is asked beyond the bound, and the same command goes on; seen to fail with the bound left unread."""
    house = lived(open_house)
    other = Scripted(house, *NEW_RULES)
    trial = wanted(house, other, folder=tmp_path, max_usd=2.0, threads=1)
    with pytest.raises(ConfigError, match=r"\$2 are spent, and what was answered is kept"):
        run(house, trial)
    assert other.asked == 2
    report = run(house, trial)
    assert (report.asked, report.reused, report.usd) == (2, 2, 2.0)
    assert run(house, replace(trial, max_usd=0.0)).reused == 4, "what was paid for needs no money"


def test_hard_cases_are_estimated_by_their_share_of_the_book(open_house: Open, tmp_path: Path) -> None:
    """The stronger model's calls are the dearer ones; seen to fail with none of them in the estimate."""
    won = says("signed", op("stage", "closed_won", "signed"))
    (tmp_path / "two.json").write_text(json.dumps([won]))
    env = {"SIDECAR_LLM__MODELS": '{"two": "two.json"}', "SIDECAR_LLM__STRONGER_MODEL": "two"}
    house = open_house(buys(), won, env=env)
    house.hear("I want to buy")
    house.hear("we have signed")
    other = Scripted(house, buys())
    trial = wanted(house, other)
    assert estimate(house.journal, trial).usd == 2.0
    other.stronger = Scripted(house, won, model="other-2")
    assert estimate(house.journal, trial).usd == 3.0
    assert estimate(house.journal, replace(trial, new=replace(trial.new, hard=Hard(())))).usd == 2.0


def test_chance_is_told_beside_the_change(open_house: Open) -> None:
    """What differs from itself proves nothing; seen to fail with the noise counted among the differences."""
    house = lived(open_house)
    moods = count()

    def moody(answer: Answer) -> Answer:
        said = json.loads(answer.text)
        if "ugh" in house.llm.heard[-1][-1]:
            quote = {"activity": house.llm.questions[-1].new[-1].alias, "quote": "ugh"}
            mood = ("negative", "angry")[next(moods) % 2]
            extra = {"op": "set", "field": "sentiment", "value": mood, "certainty": "stated", "evidence": [quote]}
            said["ops"].append(extra)
        return replace(answer, text=json.dumps(said))

    house.llm.reworded = moody
    house.hear("ugh again")
    report = run(house, wanted(house, prompt=edited(house), noise=5))
    mood = next(row for row in report.fields if row.name == "sentiment")
    assert mood.noise_changed >= 1
    assert mood.noise_changed <= mood.noise_spoken
    assert next(row for row in report.fields if row.name == "stage").noise_changed == 0
    assert "differs from itself" in summary(report)


def test_what_a_person_holds_stays_and_judges_both_sides(open_house: Open) -> None:
    """A correction counts for who agrees with it; seen to fail with what people did left out of the trial."""
    house = lived(open_house)
    puts_right(house, ai_budget="about 900")
    report = run(house, wanted(house, Scripted(house, *NEW_RULES)))
    budget = next(row for row in report.fields if row.name == "budget")
    assert (budget.judged, budget.agreed_was, budget.agreed_new) == (1, 0, 1)
    assert "contact.ai_budget" not in crm(report), "a person's value stands on both sides"
    assert "contact.ai_sentiment" in crm(report)


def test_a_persons_value_judges_what_was_believed_before_it(open_house: Open) -> None:
    """Both sides were wrong, and both are told so; seen to fail with the person's own value taken for the trial's."""
    house = lived(open_house)
    puts_right(house, ai_budget="no limit")
    report = run(house, wanted(house, Scripted(house, *NEW_RULES)))
    budget = next(row for row in report.fields if row.name == "budget")
    assert (budget.judged, budget.agreed_was, budget.agreed_new) == (1, 0, 0)


def test_only_what_was_said_since_a_day_is_read_again(open_house: Open) -> None:
    """What was believed before stands as it was; seen to fail with the whole history read again."""
    house = open_house(*NOW_RULES)
    house.hear("it may be about 900")
    house.clock.move(86_400)
    since = house.clock()
    house.hear("ugh, so slow")
    other = Scripted(house, *NEW_RULES)
    trial = wanted(house, other, since=since)
    assert estimate(house.journal, trial).readings == 1
    report = run(house, trial)
    assert (report.readings, other.asked) == (1, 1)
    assert crm(report)["contact.ai_sentiment"] == (None, "negative")


def test_merged_parties_are_read_as_one(open_house: Open) -> None:
    """Their words are read in the order of time, and the report says so."""
    house = open_house(*NOW_RULES)
    house.hear("it may be about 900", who="ann")
    house.hear("ugh, so slow", who="bob")
    house.app.pipeline.people.merge(house.standing("ann").party, house.standing("bob").party, by="me")
    house.work()
    report = run(house, wanted(house, Scripted(house, *NEW_RULES)))
    assert (report.parties, report.rejoined, report.failed) == (1, 1, {})
    assert crm(report)["contact.ai_sentiment"] == (None, "negative")


def test_the_estimate_is_no_less_than_the_bill(open_house: Open) -> None:
    """Who pays hears before what it costs at most; seen to fail with the noise left out."""
    house = lived(open_house)
    other = Scripted(house, *NEW_RULES)
    trial = wanted(house, other, noise=1)
    much = estimate(house.journal, trial)
    assert (much.parties, much.readings, much.noise_readings) == (1, 4, 4)
    assert much.usd >= run(house, trial).usd


def test_a_report_outlives_the_process_and_is_judged(open_house: Open) -> None:
    """It reads back as it was, and says by what the trial is worse; seen to fail with the ended ones not counted."""
    house = lived(open_house)
    lost = (*NEW_RULES, says("slow", op("stage", "closed_lost", "so slow"), op("risks", "x", "nobody said")))
    lost[-1]["unfaithful"] = True
    report = run(house, wanted(house, Scripted(house, *lost)))
    again = from_data(json.loads(json.dumps(as_data(report))))
    assert again == report
    assert report.ended == [house.standing().party]
    told = " ".join(faults(again, 0.02))
    assert "would be over" in told
    assert "nobody said" in told
    assert not faults(run(house, wanted(house, prompt=edited(house))), 0.02)
    with pytest.raises(PermanentError, match="replay it again"):
        from_data({"id": "x"})


def test_the_page_is_valid_and_obeys_nothing(open_house: Open) -> None:
    """Words from outside are text; judged by a parser of another make."""
    house = lived(open_house)
    house.hear("about 900 " + HOSTILE)
    other = Scripted(house, says("about 900", op("budget", HOSTILE, "about 900")))
    page = html(run(house, wanted(house, other)))
    JustHTML(page, strict=True)
    assert "<script" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_what_code_computed_says_by_what_formula(open_house: Open) -> None:
    """Whoever sees that a score differs sees why; seen to fail with the formula left out."""
    house = lived(open_house)
    house.hear("about 900")
    report = run(house, wanted(house, Scripted(house, says("about 900", op("stage", "booked", "about 900")))))
    (score, *_) = (difference for difference in report.differences if difference.field == "score")
    (reason,) = (cell.reason for cell in score.new)
    assert reason and reason in unescape(html(report))


def test_a_party_that_cannot_be_read_is_named(open_house: Open) -> None:
    """One party's fault costs nobody else's reading; seen to fail with the error let through."""
    house = lived(open_house)
    house.hear("I want to buy", who="bob")
    other = Scripted(house, {"match": "900", "error": "permanent"}, buys())
    report = run(house, wanted(house, other))
    assert list(report.failed) == [house.standing("ann").party]
    assert report.parties == 1


def test_a_long_call_is_read_in_the_same_pieces(open_house: Open) -> None:
    """Each part is read as that part; seen to fail with every part read as the first."""
    house = open_house(*NOW_RULES)
    house.hear("it may be about 900. " + "They talked on about this and that. " * 5_000 + "And now we are ready.")
    assert house.fields()["stage"] == "qualified"
    report = run(house, wanted(house, prompt=edited(house)))
    assert report.readings > 1
    assert (report.differences, report.former) == ([], 0)


def test_what_a_former_version_read_is_told_apart(open_house: Open) -> None:
    """A book that another version wrote proves nothing about this edit, unless what is in force reads, too.

    Seen to fail with the book's own readings taken for those of what is in force.
    """
    house = lived(open_house)
    now = edited(house)
    other = replace(now, text=now.text + "\nAnd kind.", sha256="f" * 64)
    house.script(*NEW_RULES)
    trial = wanted(house, prompt=now)
    trial = replace(trial, was=trial.new, new=with_prompt(trial.new, other))
    report = run(house, trial)
    assert report.former == report.readings == 4
    assert "contact.ai_sentiment" in crm(report)
    assert "--both" in summary(report)
    both = run(house, replace(trial, both=True))
    assert (both.former, both.differences) == (0, [])
    assert estimate(house.journal, replace(trial, both=True)).noise_readings == 4


def test_values_of_one_list_have_no_order() -> None:
    """The same risks in another order are the same; seen to fail with claims compared as they came."""
    risks = FieldPolicy("risks", FieldClass.OBSERVATION, SEVERAL, ("price", "timing"))
    policy = Policy({"risks": risks}, {})
    cells = [Cell(value, "set", "apply", "policy", "", (), 0.9) for value in ("price", "timing")]
    assert list(compare({"risks": tuple(cells)}, {"risks": tuple(reversed(cells))}, policy)) == []
    assert [row[0] for row in compare({"risks": tuple(cells)}, {"risks": tuple(cells[:1])}, policy)] == ["risks"]
