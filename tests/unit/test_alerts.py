"""Alerts: what went silent or is overdue is raised once, listed for its owner each day, and goes with its reason."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from sidecar.journal import Entry, Touch
from sidecar.model import Alert, Record, WorkKey, WorkKind
from tests.support.houses import House, op, says
from tests.support.openings import Open

QUALIFIED = says("ready", op("stage", "qualified", "ready"))
DAY_S = 86_400.0


def look(house: House, days: float = 0.0) -> None:
    """Let days pass, then do what the schedule does each minute."""
    house.clock.move(days * DAY_S)
    house.app.worker.poll_all([])
    house.work()


def alerts(house: House, state: str = "") -> list[Alert]:
    """The alerts of the book."""
    found = [fact for fact in house.facts("alert") if isinstance(fact, Alert)]
    return [alert for alert in found if not state or alert.state == state]


def lists(house: House) -> list[Record]:
    """The owners' lists in the CRM, oldest first."""
    found = [r for r in house.records("task") if "need a look" in str(r.fields["title"])]
    return sorted(found, key=lambda r: int(r.ref.rpartition("-")[2]))


def the_list(house: House) -> Record:
    """The one list there is."""
    (found,) = lists(house)
    return found


def test_silence_is_raised_once_and_listed_once(open_house: Open) -> None:
    """However often time is looked at; seen to fail with open ones raised anew by the minute."""
    house = open_house(QUALIFIED)
    house.hear("I am ready")
    look(house, 4)
    assert not alerts(house), "four days are no silence yet"
    look(house, 4)
    for _ in range(3):
        watch = WorkKey(WorkKind.WATCH, house.standing().party)
        house.journal.commit(Entry(touches=(Touch(watch),)))
        look(house, 0.01)
    (alert,) = alerts(house)
    assert (alert.rule, alert.state, alert.party) == ("silent", "open", house.standing().party)
    assert the_list(house).fields["status"] == "open"
    assert "Ann: silent in qualified" in str(the_list(house).fields["body"])


def test_a_step_of_ours_is_overdue_when_its_day_is_over(open_house: Open) -> None:
    """What we promised is an exception the day after; seen to fail with the day itself."""
    step = {"what": "send the offer", "who": "us", "due_date": "2026-03-03", "evidence": [{"quote": "offer"}]}
    house = open_house(says("offer", steps=[step]))
    house.hear("Please send an offer")
    look(house, 1)
    assert not alerts(house)
    look(house, 1)
    assert [alert.rule for alert in alerts(house)] == ["overdue"]
    assert "Ann: overdue" in str(the_list(house).fields["body"])


def test_an_answer_ends_the_silence_and_closes_the_list(open_house: Open) -> None:
    """What stands on a list is true; seen to fail with lists that only grow."""
    house = open_house(QUALIFIED)
    house.hear("I am ready")
    look(house, 8)
    house.hear("Here I am")
    look(house)
    assert [alert.state for alert in alerts(house)] == ["open", "closed"]
    assert the_list(house).fields["status"] == "done"
    assert not house.standing().alerts


def test_a_list_that_a_person_has_done_is_done_for_the_day(open_house: Open) -> None:
    """Their word stands, and tomorrow is another day; seen to fail with the task opened again."""
    house = open_house(QUALIFIED)
    house.hear("I am ready")
    look(house, 8)
    house.app.ledger.edit("task", the_list(house).ref, {"status": "done"})  # type: ignore[attr-defined]  # local
    for _ in range(3):
        look(house, 0.05)
        assert the_list(house).fields["status"] == "done"
    look(house, 1)
    assert [r.fields["status"] for r in lists(house)] == ["done", "open"]


def test_a_list_that_a_person_has_deleted_does_not_come_back_that_day(open_house: Open) -> None:
    """Deleting is a word too; seen to fail with a key for each look."""
    house = open_house(QUALIFIED)
    house.hear("I am ready")
    look(house, 8)
    house.app.ledger.delete("task", the_list(house).ref)  # type: ignore[attr-defined]  # local
    for _ in range(3):
        look(house, 0.05)
    assert not lists(house)
    look(house, 1)
    assert the_list(house).fields["status"] == "open"


def test_each_day_has_a_list_of_its_own_with_what_still_stands(open_house: Open) -> None:
    """Yesterday's list closes itself; seen to fail with the desk looked at only when an alert changes."""
    house = open_house(QUALIFIED)
    house.hear("I am ready")
    look(house, 8)
    for day in (1, 2):
        look(house, 0.01)  # the CRM tells of our own writes once
        assert house.work() == 0
        look(house, 1)
        assert [r.fields["status"] for r in lists(house)] == [*["done"] * day, "open"]
    assert [str(r.fields["due"]) for r in lists(house)] == ["2026-03-10", "2026-03-11", "2026-03-12"]
    assert len(alerts(house)) == 1


def test_a_day_begins_at_our_own_midnight(open_house: Open) -> None:
    """A list is made for the day as its owner has it; seen to fail with UTC's."""
    house = open_house(QUALIFIED, timezone="America/New_York")
    house.hear("I am ready")
    look(house, 8)
    first = the_list(house).fields["due"]
    house.clock.at = house.clock.at.replace(hour=3, minute=0) + timedelta(days=1)
    look(house)
    assert the_list(house).fields["due"] == first, "it is still yesterday evening in New York"
    house.clock.move(2 * 3600)
    look(house)
    assert len(lists(house)) == 2


def test_lists_are_ranked_and_capped_and_say_what_they_leave_off(open_house: Open) -> None:
    """An owner gets what matters most; seen to fail with all of them in the order of the book."""
    house = open_house(
        QUALIFIED, says("urgent", op("stage", "qualified", "urgent"), op("urgency", "high", "urgent")),
        more="watch.alerts_per_owner = 2",
    )  # fmt: skip
    for name in ("ann", "bob"):
        house.hear("I am ready", name)
    house.hear("I am urgent", "cat")
    look(house, 8)
    assert len(alerts(house)) == 3
    assert the_list(house).fields["title"] == "3 relationships need a look"
    body = str(the_list(house).fields["body"]).splitlines()
    assert body[0].startswith("1. Cat: ") and len(body) == 4
    assert body[2].startswith("and 1 more")


def test_a_muted_customer_is_on_nobodys_list(open_house: Open) -> None:
    """Who was switched off in the CRM stays in the inbox alone; seen to fail with all that are alarming listed."""
    house = open_house(QUALIFIED)
    for name in ("ann", "bob"):
        house.hear("I am ready", name)
    look(house)
    ledger: Any = house.app.ledger
    ann = next(record for record in house.records("contact") if record.fields["name"] == "Ann")
    ledger.edit("contact", ann.ref, {"ai_mode": "off"})
    look(house)
    look(house, 8)
    assert len(alerts(house)) == 2
    body = str(the_list(house).fields["body"])
    assert "Bob: silent" in body and "Ann" not in body


ROUTES = """
[[route]]
name = "chat"
match = { channel = ["web"] }
owner = "o1"
[[route]]
name = "mail"
match = { channel = ["drop"] }
owner = "o2"
"""


def test_each_owner_has_a_list_of_their_own(open_house: Open, tmp_path: Path) -> None:
    """Nobody gets another's exceptions; seen to fail with one list for all."""
    house = open_house(QUALIFIED, after=ROUTES + '[crm.owners]\no1 = "eve@ours.test"\no2 = "bob@ours.test"\n')
    house.hear("I am ready", "ann")
    house.mail("Zoe <zoe@x.test>", "I am ready")
    house.poll()
    look(house, 8)
    told = {r.fields["owner"]: r.fields["body"] for r in lists(house)}
    assert set(told) == {"o1", "o2"}
    assert "Ann" in str(told["o1"]) and "Zoe" not in str(told["o1"])
    assert "Zoe" in str(told["o2"])


def test_who_was_quiet_before_we_came_is_left_alone(open_house: Open) -> None:
    """History that is read later floods nobody; seen to fail with the time of installation ignored."""
    house = open_house(QUALIFIED)
    long_ago = (house.clock() - timedelta(days=30)).isoformat()
    house.say("I am ready", sent_at=long_ago)
    house.work()
    assert house.fields()["stage"] == "qualified"
    look(house, 20)
    assert not alerts(house) and not lists(house)


def test_time_is_asked_only_about_those_whom_it_could_change(open_house: Open) -> None:
    """A quiet party costs nothing until its day comes; seen to fail with each party looked at each minute."""
    house = open_house(QUALIFIED)
    house.hear("I am ready", "ann")
    house.hear("Hello", "bob")
    assert not house.journal.watch_due(house.clock() + timedelta(days=4), 100)
    assert house.journal.watch_due(house.clock() + timedelta(days=8), 100) == [house.standing("ann").party]
    look(house, 8)
    look(house, 3)  # when silence has cooled it, too
    assert house.standing("ann").party not in house.journal.watch_due(house.clock() + timedelta(days=400), 100)


def test_a_list_writes_nothing_in_shadow(open_house: Open) -> None:
    """The ladder holds for lists as for records; seen to fail with tasks written in any mode."""
    house = open_house(QUALIFIED, env={"SIDECAR_POLICY__MODE": "shadow"})
    house.hear("I am ready")
    look(house, 8)
    assert len(alerts(house)) == 1
    assert not house.records("task") and not house.parked()


def test_a_list_says_why_it_is_there(open_house: Open) -> None:
    """Each of its changes follows from the alerts; seen to fail with a change that names no alert."""
    house = open_house(QUALIFIED)
    house.hear("I am ready")
    look(house, 8)
    (alert,) = alerts(house)
    changes = [c for c in house.facts("change") if c.party == "desk:"]
    assert changes and all(alert.id in change.because for change in changes)


def test_what_is_computed_follows_what_a_person_did_in_the_crm(open_house: Open) -> None:
    """A task that a rep has done is no next step any more; seen to fail with values computed by inferences alone."""
    step = {"what": "send the offer", "who": "us", "evidence": [{"quote": "offer"}]}
    house = open_house(says("offer", steps=[step]))
    look(house)  # from here on the CRM's own changes are followed
    house.hear("Please send an offer")
    assert house.records("contact")[0].fields["ai_next_step"] == "us: send the offer"
    (task,) = house.records("task")
    house.app.ledger.edit("task", task.ref, {"status": "done"})  # type: ignore[attr-defined]  # local
    look(house, 0.01)
    assert not house.records("contact")[0].fields.get("ai_next_step")
    look(house, 0.01)
    assert house.work() == 0
