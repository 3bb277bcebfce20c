"""Reviewing in the CRM itself: what a rep sets in a field there is heard within one poll, on every CRM alike.

Each story is told once and runs on the reference CRM and on the twins of vendors. People act on the CRM's own
screens; nothing is said by command.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.crms.local import LocalLedger
from sidecar.links import Links
from sidecar.model import Author, AuthorKind, Correction, Decision, Record, Release, Value
from sidecar.pipeline.reviews import answers
from sidecar.pipeline.rollback import batch, rollback
from sidecar.verify import verify
from tests.support.crms import CRMS, Crm, crm_class
from tests.support.facts import SetClock
from tests.support.houses import House, op, says

ROBOT = Author(AuthorKind.AUTOMATION, "flow-7", "Weekly clean-up")
CALL = {"what": "call Ann", "who": "us", "evidence": [{"quote": "please call me"}]}
RULES = [
    says("ready", op("stage", "qualified", "ready"), op("intent", "buy", "ready")),
    says("both", op("stage", "closed_won", "signed"), op("budget", "some 900", "900", certainty="weakly_implied")),
    says("signed", op("stage", "closed_won", "signed")),
    says("perhaps", op("budget", "some 900", "900", certainty="weakly_implied")),
    says("cheap", op("budget", "900 euros", "900 euros"), op("urgency", "high", "cheap")),
    says("please call me", steps=[CALL]),
]


EVERYWHERE = pytest.mark.parametrize("desk", ["local", *sorted(CRMS)], indirect=True)
"""What is told on every CRM; all else on the reference and on two vendors, which differ the most."""


class Desk:
    """A house on one of the CRMs, and a rep who works in it."""

    def __init__(self, house: House, screens: LocalLedger | Crm) -> None:
        self.house, self.screens = house, screens

    def hear(self, text: str) -> None:
        """Ann writes, and all that follows is done."""
        self.house.hear(text)

    def sets(self, kind: str, author: Author | None = None, **fields: Value) -> None:
        """Somebody sets fields of the one record of a kind, a minute later."""
        self.house.clock.move(60)
        by = {"author": author} if author else {}
        self.screens.edit(kind, self.record(kind).ref, fields, **by)

    def one_poll(self) -> None:
        """Look at the CRM once, a minute later, and do what follows."""
        self.house.clock.move(60)
        self.house.app.worker.poll_all([])
        self.house.work()

    def record(self, kind: str) -> Record:
        """The one record of a kind, as its people see it."""
        (found,) = self.screens.show(kind)
        return found

    def value(self, kind: str, name: str) -> Value:
        """One value of it, nothing where it is empty."""
        return self.record(kind).fields.get(name) or None

    def corrections(self) -> list[Correction]:
        """What people put right, as the book has it."""
        return [fact for fact in self.house.facts(Correction.KIND) if isinstance(fact, Correction)]

    def said(self, action: str) -> list[Release]:
        """What people said, as the book has it."""
        return [r for r in self.house.facts("release") if isinstance(r, Release) and r.action == action]


@pytest.fixture(params=["local", "hubspot", "pipedrive"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A house on one of the CRMs, everything switched on, and Ann's deal in it."""
    clock = SetClock()
    with ExitStack() as stack:
        given: dict[str, Any] = {}
        vendor: Crm | None = None
        if request.param != "local":
            vendor = stack.enter_context(crm_class(request.param)(clock))
            vendor.unlimit()
            section = vendor.section(vendor.unpaced, settle_s=0, search_lag_s=0)
            given = {"crm": section, "after": vendor.route(), "env": vendor.env}
        house = stack.enter_context(House(tmp_path, "sqlite:///journal.db", *RULES, clock=clock, **given))
        if vendor:
            vendor.switch_on(house.app)
        house.start()
        made = Desk(house, vendor or cast(LocalLedger, house.app.ledger))
        made.one_poll()
        made.hear("I am ready to buy")
        yield made
        assert not house.parked()
        assert not list(verify(house.journal, house.app.channels)), "the book is not what it says"
        kept = house.standing()
        house.journal.rebuild()
        assert house.standing() == kept, "what people said by fields is not all in the book"


def decisions(facts: Sequence[object], by: str) -> list[Decision]:
    """Somebody's decisions."""
    return [d for d in facts if isinstance(d, Decision) and d.by == by]


@EVERYWHERE
def test_a_rep_accepts_all_that_the_record_shows(desk: Desk) -> None:
    """One choice applies what waits, by that person, because of what was read; then the field says ok again."""
    desk.hear("both: we signed, and have 900")
    assert desk.value("deal", "ai_review") == "needs_review"
    shown = str(desk.value("deal", "ai_suggestions"))
    assert "Stage: closed_won" in shown and "Customer: “signed”" in shown and "Budget: some 900" in shown
    desk.sets("deal", ai_review="accept_all")
    desk.one_poll()
    assert (desk.value("deal", "ai_review"), desk.value("deal", "ai_suggestions")) == ("ok", None)
    assert desk.value("contact", "ai_review") == "ok"
    assert (desk.value("deal", "ai_stage"), desk.value("deal", "ai_budget")) == ("closed_won", "some 900")
    approved = desk.said("approve")
    assert {release.field for release in approved} == {"stage", "budget"}
    causes = [desk.house.journal.causes(release.id) for release in approved]
    assert all({cause.KIND for cause in found} == {"decision", "reading"} for found in causes)
    assert not desk.corrections(), "an answer corrects nothing"
    counted = answers(desk.house.journal, list(desk.house.journal.written(("release",))))
    assert [(answer.field, answer.approved) for answer in counted] == [("budget", True), ("stage", True)]


def test_a_rollback_shows_no_answer_and_no_suggestion_of_before(desk: Desk) -> None:
    """What a rep answered stays answered in the field, so that the next answer is a change; seen to fail without it."""
    desk.hear("both: we signed, and have 900")
    desk.sets("deal", ai_review="accept_all")
    since = desk.house.clock()
    desk.one_poll()
    parts = desk.house.app.pipeline.parts
    rows = [row for some in rollback(parts, batch(parts.journal, since=since), "rita", dry_run=False) for row in some]
    assert {row.field for row in rows if row.left} >= {"ai_review", "ai_suggestions", "ai_budget"}
    assert (desk.value("deal", "ai_review"), desk.value("deal", "ai_suggestions")) == ("ok", None)


def test_what_explains_a_suggestion_is_a_link_in_it(desk: Desk) -> None:
    """Suggestion, note and task lead to the page that explains them; a second sync of the same rewrites none of it."""
    links = Links("https://sidecar.test", ["k" * 32])
    desk.house.app.pipeline.parts.links = links
    desk.hear("we signed, please call me")
    desk.hear("please call me")
    standing = desk.house.standing()
    url = links.url(standing.party, "stage", desk.house.clock())
    assert url in str(desk.value("deal", "ai_suggestions"))
    assert links.read(url.removeprefix("https://sidecar.test"), desk.house.clock()).field == "stage"
    for kind in ("note", "task"):
        ref = desk.record(kind).ref
        record = desk.house.app.ledger.read(kind, [ref])[ref]
        assert isinstance(record, Record) and "https://sidecar.test/explain/" in str(record.fields["body"]), kind
    changes = len(desk.house.facts("change"))
    desk.house.clock.move(86_400)
    desk.one_poll()
    assert len(desk.house.facts("change")) == changes


@pytest.mark.parametrize("desk", ["local"], indirect=True)
def test_links_about_old_words_hold_from_when_they_are_made(desk: Desk) -> None:
    """A conversation of last year that is read in today leads somewhere; seen to fail with its own time."""
    links = Links("https://sidecar.test", ["k" * 32])
    desk.house.app.pipeline.parts.links = links
    for text in ("we signed", "please call me"):
        desk.house.say(text, thread="old", sent_at="2025-01-07T10:00:00+00:00")
        desk.house.work()
    bodies = [record.fields["body"] for kind in ("note", "task") for record in desk.screens.show(kind)]
    found = [word for body in bodies for word in str(body).split() if word.startswith("https://sidecar.test/")]
    shown = [links.read(url.removeprefix("https://sidecar.test"), desk.house.clock()) for url in found]
    assert {linked.field[:5] for linked in shown} == {"", "step:"}  # a suggestion from old words is over at once


def test_a_rep_rejects_all_and_nothing_moves(desk: Desk) -> None:
    """No means no, and what was said once is not asked again."""
    desk.hear("we signed")
    desk.sets("contact", ai_review="reject_all")
    desk.one_poll()
    assert (desk.value("contact", "ai_review"), desk.value("contact", "ai_suggestions")) == ("ok", None)
    assert desk.value("deal", "ai_stage") == "qualified"
    assert [release.field for release in desk.said("reject")] == ["stage"]
    assert not desk.house.standing().engagement.suggestions


def test_what_came_after_the_answer_is_not_answered(desk: Desk) -> None:
    """A person means what they saw; seen to fail with all that waits at the time of the look."""
    desk.hear("we signed")
    desk.sets("deal", ai_review="accept_all")
    desk.house.clock.move(60)
    desk.house.say("perhaps 900")
    desk.house.work()
    assert [release.field for release in desk.said("approve")] == ["stage"]
    assert set(desk.house.standing().engagement.suggestions) == {"budget"}
    desk.one_poll()
    assert desk.value("deal", "ai_review") == "needs_review"


def test_an_automation_answers_nothing_and_somebody_is_told(desk: Desk) -> None:
    """Only a person's word approves; seen to fail with the author left out."""
    desk.hear("we signed")
    desk.sets("deal", ROBOT, ai_review="accept_all")
    desk.one_poll()
    assert desk.value("deal", "ai_stage") == "qualified"
    assert not desk.said("approve") and not desk.said("release")
    (alert,) = desk.house.standing().alerts
    assert "not by a person" in alert.reason
    desk.sets("deal", ai_review="reject_all")
    desk.one_poll()
    assert not desk.house.standing().alerts
    assert [release.field for release in desk.said("reject")] == ["stage"]


@EVERYWHERE
def test_off_mutes_a_customer_and_capturing_goes_on(desk: Desk) -> None:
    """Nothing is written to a muted customer, neither tasks nor notes, and nothing is forgotten meanwhile."""
    desk.sets("contact", ai_mode="off")
    desk.one_poll()
    before = {kind: desk.screens.show(kind) for kind in ("contact", "deal", "note", "task")}
    desk.hear("It must be cheap, 900 euros")
    desk.hear("please call me")
    assert {kind: desk.screens.show(kind) for kind in before} == before
    assert desk.house.fields()["budget"] == "900 euros"
    desk.sets("contact", ai_mode=None)
    desk.one_poll()
    assert desk.value("contact", "ai_budget") == "900 euros"
    assert desk.record("task").fields["title"] == "call Ann"


def test_a_mode_holds_a_record_on_its_rung_and_is_never_written(desk: Desk) -> None:
    """Suggest keeps the CRM's own stage from moving, and what a person chose in the field is never written over."""
    desk.sets("deal", ai_mode="suggest")
    desk.one_poll()
    stage = desk.value("deal", "stage")
    desk.hear("we signed")
    desk.sets("deal", ai_review="accept_all")
    desk.one_poll()
    assert (desk.value("deal", "ai_stage"), desk.value("deal", "stage")) == ("closed_won", stage)
    desk.sets("deal", ai_mode="auto")
    desk.one_poll()
    assert desk.value("deal", "stage") != stage
    assert desk.value("deal", "ai_mode") == "auto"
    assert not [c for c in desk.house.facts("change") if getattr(c, "field", "") in ("ai_mode", "ai_pin")]


@EVERYWHERE
def test_a_pinned_field_stays_as_it_is_until_it_is_taken_off_the_list(desk: Desk) -> None:
    """A name on the list keeps a field, its removal gives it back, and a name that is none is told."""
    desk.sets("contact", ai_pin="Budget, bugdet")
    desk.one_poll()
    (alert,) = desk.house.standing().alerts
    assert "'bugdet'" in alert.reason
    desk.hear("It must be cheap, 900 euros")
    assert (desk.value("contact", "ai_budget"), desk.value("contact", "ai_urgency")) == (None, "high")
    assert desk.value("deal", "ai_budget") == "900 euros", "a list is of its own record"
    desk.sets("contact", ai_pin=None)
    desk.one_poll()
    assert desk.value("contact", "ai_budget") == "900 euros"
    assert not desk.house.standing().alerts
    assert [(r.action, r.field) for r in (*desk.said("pin"), *desk.said("release"))] == [
        ("pin", "ai_budget"), ("release", "ai_budget"),
    ]  # fmt: skip


def test_what_a_person_writes_after_taking_a_field_off_the_list_is_theirs(desk: Desk) -> None:
    """One look shows both, and the later word stands; seen to fail with all given back that was taken off."""
    desk.sets("contact", ai_pin="name")
    desk.one_poll()
    desk.sets("contact", ai_pin=None)
    desk.sets("contact", name="Anna Lee")
    desk.one_poll()
    desk.hear("It must be cheap, 900 euros")
    assert desk.value("contact", "name") == "Anna Lee"


def test_a_suggestion_that_nobody_answers_is_over(desk: Desk) -> None:
    """No answer is no approval: it goes from the field after its days, with a decision that says so."""
    desk.hear("we signed")
    desk.house.clock.move(14 * 86_400)
    desk.one_poll()
    assert (desk.value("deal", "ai_review"), desk.value("deal", "ai_suggestions")) == ("ok", None)
    assert desk.value("deal", "ai_stage") == "qualified"
    over = [d for d in decisions(desk.house.facts("decision"), "policy") if d.rule == "expired"]
    assert [(d.field, d.value, d.verdict.value) for d in over] == [("stage", "closed_won", "reject")]


@EVERYWHERE
def test_a_task_that_is_ticked_off_is_done(desk: Desk) -> None:
    """What a rep has done is owed no longer, and isn't asked for again."""
    desk.hear("please call me")
    ref = desk.record("task").ref
    task = desk.house.app.ledger.read("task", [ref])[ref]
    assert isinstance(task, Record) and "Customer: “please call me”" in str(task.fields["body"])
    desk.sets("task", status="done")
    desk.one_poll()
    (step,) = desk.house.standing().engagement.steps
    assert step.status == "done"
    assert desk.house.fields()["next_step"] is None
    desk.hear("please call me")
    assert desk.value("task", "status") == "done"


def test_a_task_that_is_deleted_is_not_wanted(desk: Desk) -> None:
    """A deletion is a person's word: the step is dropped, and its task is not made again."""
    desk.hear("please call me")
    desk.house.clock.move(60)
    desk.screens.delete("task", desk.record("task").ref)
    desk.one_poll()
    (step,) = desk.house.standing().engagement.steps
    assert step.status == "dropped"
    desk.hear("please call me")
    assert not desk.screens.show("task")


@EVERYWHERE
def test_a_stage_that_is_moved_back_is_a_correction_and_the_baseline(desk: Desk) -> None:
    """Where a rep puts a deal is where it stands, until something newer is said."""
    desk.sets("deal", stage="enquired")
    desk.one_poll()
    (found,) = desk.corrections()
    assert (found.kind, found.field, found.author.kind) == ("deal", "stage", AuthorKind.PERSON)
    assert desk.house.fields()["stage"] == "enquired"
    assert desk.value("deal", "ai_stage") == "enquired"
    desk.hear("now I am ready")
    assert desk.house.fields()["stage"] == "qualified"


def test_a_field_of_the_crms_own_that_is_edited_is_a_correction_and_stands(desk: Desk) -> None:
    """A name that a person typed is theirs for good."""
    desk.sets("contact", name="Anna Lee")
    desk.one_poll()
    (found,) = desk.corrections()
    assert (found.field, found.ours, found.theirs) == ("name", "Ann", "Anna Lee")
    desk.hear("It must be cheap, 900 euros")
    assert desk.value("contact", "name") == "Anna Lee"


def test_an_ai_field_that_is_edited_is_a_correction(desk: Desk) -> None:
    """An edit of what AI wrote tells what it got wrong; an automation's tells nothing."""
    desk.sets("deal", ROBOT, ai_intent="support")
    desk.one_poll()
    assert not desk.corrections()
    desk.sets("deal", ai_intent="inform")
    desk.sets("contact", ai_intent="inform")
    desk.one_poll()
    assert {(c.kind, c.field, c.theirs) for c in desk.corrections()} >= {("contact", "ai_intent", "inform")}
    assert desk.house.fields()["intent"] == "inform"
