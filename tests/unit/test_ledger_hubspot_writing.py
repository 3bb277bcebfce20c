"""What HubSpot's adapter does with its writes: each row told truly, nothing sent twice, keys kept unique somehow."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.crms.hubspot import HubSpotLedger
from sidecar.errors import ConfigError, PermanentError, RecordGone, TemporaryError, UnknownOutcome
from sidecar.model import Link, Record
from sidecar.ports import Create, Failed, Update, Written
from tests.support.portals import HubSpotHarness, portal
from tests.support.served import until
from tests.twins.hubspot import BlackHole, Drop, Late, Required, Status, html

KEY = "contact-0123456789abcdef0123456789abcdef"
LATE_S = 60.0


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubSpotHarness]:
    """A provisioned portal."""
    with portal(tmp_path, options={"max_wait_s": 0.0}) as made:
        yield made


def _hasty(hub: HubSpotHarness) -> HubSpotLedger:
    """A ledger that waits a second for an answer; the others wait for what is slow on a busy machine."""
    hub.options = {"read_timeout_s": 1.0}
    return hub.reopen()


def _create(key: str = KEY, **fields: Any) -> Create:
    return Create("contact", key, {"email": f"{key[-8:]}@x.test", **fields})


def _record(result: Written | Failed) -> Record:
    assert isinstance(result, Written), result
    return result.record


def _error(result: Written | Failed) -> Exception:
    assert isinstance(result, Failed)
    return result.error


def test_a_lost_answer_is_found_by_its_key(hub: HubSpotHarness) -> None:
    """A creation whose answer is lost is unknown, and a look finds it; seen to fail with a retry of the write."""
    hub.twin.fault(Drop(), path="batch/create")
    assert isinstance(_error(hub.ledger.write([_create()])[0]), UnknownOutcome)
    (found,) = hub.ledger.find_by_key("contact", [KEY]).values()
    assert _record(hub.ledger.write([_create()])[0]).ref == found.ref
    assert len(hub.twin.all("contact")) == 1


def test_work_that_is_done_late_is_found_after_the_settle_time(hub: HubSpotHarness) -> None:
    """A look too early finds nothing, one after it the record; seen to fail with a second creation by then."""
    hub.twin.fault(Late(LATE_S), path="batch/create")
    assert isinstance(_error(_hasty(hub).write([_create()])[0]), UnknownOutcome)
    assert hub.ledger.find_by_key("contact", [KEY]) == {}
    until(hub.twin.hasten, "the late work")
    assert set(hub.ledger.find_by_key("contact", [KEY])) == {KEY}
    assert hub.ledger.capabilities.settle_s > LATE_S


def test_no_write_follows_one_of_unknown_outcome(hub: HubSpotHarness) -> None:
    """While HubSpot is out, each further batch would wait as long in vain; seen to fail with all batches sent."""
    hub.twin.fault(BlackHole(), path="batch/create", times=None)
    hasty = _hasty(hub)
    results = hasty.write([_create(f"contact-{n:032x}") for n in range(150)])
    errors = [_error(result) for result in results]
    assert {type(error) for error in errors[:100]} == {UnknownOutcome}
    assert {type(error) for error in errors[100:]} == {TemporaryError}
    assert hasty.calls["batch_create"] == 1


def test_an_update_that_can_t_be_read_back_is_unknown(hub: HubSpotHarness) -> None:
    """A write is confirmed only by what the CRM holds; seen to fail with the answer taken for the record."""
    made = _record(hub.ledger.write([_create()])[0])
    hub.twin.fault(html(502), path="batch/read", times=None)
    result = hub.ledger.write([Update("contact", made.ref, {"ai_score": 5})])[0]
    assert isinstance(_error(result), UnknownOutcome)
    hub.twin.heal()
    assert hub.ledger.read("contact", [made.ref])[made.ref].fields["ai_score"] == 5  # type: ignore[union-attr]


def test_an_update_is_told_with_what_a_person_wrote_meanwhile(hub: HubSpotHarness) -> None:
    """The record of a write is the whole record as it stands; seen to fail with the answer's few properties."""
    made = _record(hub.ledger.write([_create(name="Ann Lee")])[0])
    hub.twin.before(lambda: hub.twin.person_edits("contact", made.ref, {"phone": "123"}), path="batch/update")
    told = _record(hub.ledger.write([Update("contact", made.ref, {"ai_score": 5})])[0])
    assert (told.fields["ai_score"], told.fields["phone"], told.fields["name"]) == (5, "123", "Ann Lee")


def test_an_admin_s_rule_parks_its_row_by_name(hub: HubSpotHarness) -> None:
    """A required property of the account's is named, and neighbours stand; seen to fail with the batch given up."""
    hub.twin.portal.rules.append(Required("contacts", "hs_lead_status"))
    made = hub.ledger.write([_create(), _create("contact-" + "f" * 32)])
    for result in made:
        error = _error(result)
        assert type(error) is PermanentError
        assert "hs_lead_status" in str(error)
        assert "x.test" not in str(error)


def test_rules_are_not_enforced_in_the_numbered_version(tmp_path: Path) -> None:
    """The fallback that the documents promise works; seen to fail with the dated path for `v3`."""
    with portal(tmp_path, options={"version": "v3"}) as hub:
        hub.twin.portal.rules.append(Required("contacts", "hs_lead_status"))
        _record(hub.ledger.write([_create()])[0])


def test_a_batch_that_is_refused_as_a_whole_is_halved(hub: HubSpotHarness) -> None:
    """One bad row doesn't keep the others out, even where HubSpot doesn't say which; seen to fail without halving."""
    refusal = Status(400, {"status": "error", "category": "VALIDATION_ERROR", "message": "Invalid input JSON"})
    hub.twin.fault(refusal, path="batch/create", times=3)
    results = hub.ledger.write([_create(f"contact-{n:032x}") for n in range(4)])
    assert [type(result) for result in results] == [Failed, Written, Written, Written]
    assert isinstance(_error(results[0]), PermanentError)
    assert len(hub.twin.all("contact")) == 3


def test_the_halving_of_a_batch_ends(hub: HubSpotHarness) -> None:
    """A batch that HubSpot never takes costs a bounded number of calls; seen to fail without the bound."""
    refusal = Status(400, {"status": "error", "category": "VALIDATION_ERROR", "message": "Invalid input JSON"})
    hub.twin.fault(refusal, path="batch/create", times=None)
    results = hub.ledger.write([_create(f"contact-{n:032x}") for n in range(100)])
    assert {type(_error(result)) for result in results} == {PermanentError}
    assert hub.ledger.calls["batch_create"] <= 40


def test_a_taken_address_names_its_holder(hub: HubSpotHarness) -> None:
    """Also a second address of somebody else's is taken; seen to fail with the vendor's message alone."""
    holder = hub.twin.person_creates("contact", {"email": "ann@x.test"})
    hub.twin.adds_address(holder, "ann@home.test")
    result = hub.ledger.write([Create("contact", KEY, {"email": "ann@home.test"})])[0]
    assert type(_error(result)) is PermanentError
    assert holder in str(_error(result))
    assert "home.test" not in str(_error(result))


def test_one_record_twice_in_a_batch_is_written_in_turn(hub: HubSpotHarness) -> None:
    """HubSpot refuses a batch that names a record twice, so the later write follows; seen to fail with one batch."""
    made = _record(hub.ledger.write([_create()])[0])
    results = hub.ledger.write([Update("contact", made.ref, {"ai_score": n}) for n in (1, 2)])
    assert [type(result) for result in results] == [Written, Written]
    assert hub.twin.value("contact", made.ref, "ai_score") == "2"
    assert hub.ledger.calls["batch_update"] == 2


def test_a_write_into_a_merged_record_is_no_confirmation(tmp_path: Path) -> None:
    """Should HubSpot follow an old id by itself, the core still learns of the merge; seen to fail without the ids."""
    with portal(tmp_path, merged_ids_resolve=True) as hub:
        ann, bob = (_record(r) for r in hub.ledger.write([_create(), _create("contact-" + "e" * 32)]))
        survivor = hub.person_merges("contact", ann.ref, bob.ref)
        followed = {"id": survivor, "properties": {}, "objectWriteTraceId": "row-0", "archived": False}
        hub.twin.fault(Status(200, {"status": "COMPLETE", "results": [followed]}), path="batch/update")
        error = _error(hub.ledger.write([Update("contact", bob.ref, {"ai_score": 5})])[0])
        assert isinstance(error, RecordGone)
        assert error.moved_to == survivor


def test_options_of_an_admin_work_at_once(hub: HubSpotHarness) -> None:
    """An option added in HubSpot is taken without a restart; seen to fail with the schema remembered for good."""
    made = _record(hub.ledger.write([_create()])[0])
    late = Update("contact", made.ref, {"ai_stage": "won"})
    assert isinstance(_error(hub.ledger.write([late])[0]), PermanentError)
    hub.advance(60)
    other = hub.reopen()
    other.provision({"contact": [_wider()]}, False)
    assert _record(hub.ledger.write([late])[0]).fields["ai_stage"] == "won"


def _wider() -> Any:
    from dataclasses import replace

    from tests.support.harnesses import PROPERTIES

    return replace(PROPERTIES[1], options=("enquired", "booked", "won"))


def test_what_was_taken_away_in_hubspot_is_the_operators(hub: HubSpotHarness) -> None:
    """A property that an admin archived is named, though it is remembered; seen to fail with a reviewer asked."""
    made = _record(hub.ledger.write([_create()])[0])
    hub.reopen().deprovision({"contact": [_wider()]}, False)
    error = _error(hub.ledger.write([Update("contact", made.ref, {"ai_stage": "booked"})])[0])
    assert isinstance(error, ConfigError)
    assert "contact.ai_stage" in str(error)


def test_a_native_property_is_called_by_our_name(hub: HubSpotHarness) -> None:
    """One thing has one name, and HubSpot's leads to ours; seen to fail with both taken."""
    error = _error(hub.ledger.write([_create(firstname="Ann")])[0])
    assert isinstance(error, ConfigError)
    assert "called 'name'" in str(error)


def test_what_nobody_can_write_is_told(hub: HubSpotHarness) -> None:
    """A property that HubSpot computes is refused here; seen to fail with it sent."""
    deal = _record(hub.ledger.write([Create("deal", "deal-" + "0" * 32, hub.sample("deal"))])[0])
    error = _error(hub.ledger.write([Update("deal", deal.ref, {"closed": True})])[0])
    assert isinstance(error, ConfigError)
    assert "deal.closed" in str(error)


@pytest.mark.parametrize("allowed", ["plain", "none"])
@pytest.mark.parametrize("kind", ["note", "task", "meeting"])
def test_a_key_makes_one_record_where_hubspot_keeps_none_unique(tmp_path: Path, allowed: str, kind: str) -> None:
    """Without unique properties search finds what was made, by another process too; seen to fail with no mark."""
    with portal(tmp_path, activity_properties=allowed) as hub:
        key = f"{kind}-0123456789abcdef0123456789abcdef"
        made = _record(hub.ledger.write([Create(kind, key, hub.sample(kind))])[0])
        again = _record(hub.ledger.write([Create(kind, key, hub.sample(kind))])[0])
        hub.advance(hub.ledger.capabilities.search_lag_s)
        other = hub.reopen()
        found = other.find_by_key(kind, [key, "never"])
        assert {k: r.ref for k, r in found.items()} == {key: made.ref}
        assert _record(other.write([Create(kind, key, hub.sample(kind))])[0]).ref == made.ref == again.ref
        assert len(hub.twin.all(kind)) == 1


def test_a_mark_outlives_a_new_text(tmp_path: Path) -> None:
    """A rewritten note is still found by its key, and shows no mark to the core; seen to fail without the guard."""
    with portal(tmp_path, activity_properties="none") as hub:
        key = "note-0123456789abcdef0123456789abcdef"
        made = _record(hub.ledger.write([Create("note", key, hub.sample("note"))])[0])
        told = _record(hub.ledger.write([Update("note", made.ref, {"body": "now <this>"})])[0])
        assert told.fields["body"] == "now <this>"
        hub.advance(60)
        assert {r.ref for r in hub.reopen().find_by_key("note", [key]).values()} == {made.ref}


def test_a_note_is_tied_as_hubspot_has_it(hub: HubSpotHarness) -> None:
    """Associations are made with the record, in one call; seen to fail with the ids of the other direction."""
    ann = _record(hub.ledger.write([_create()])[0])
    deal = _record(
        hub.ledger.write([Create("deal", "deal-" + "0" * 32, hub.sample("deal"), (Link("contact", ann.ref),))])[0]
    )
    links = (Link("contact", ann.ref), Link("deal", deal.ref))
    hub.ledger.schema("note")
    before = hub.twin.calls()
    note = _record(hub.ledger.write([Create("note", "note-" + "0" * 32, hub.sample("note"), links)])[0])
    assert hub.twin.calls() - before == 1
    assert hub.twin.linked("note", note.ref, "contact") == [ann.ref]
    assert hub.twin.linked("note", note.ref, "deal") == [deal.ref]


def test_what_hubspot_ties_to_nothing_is_refused(hub: HubSpotHarness) -> None:
    """An association that HubSpot has no type for is told, not left out; seen to fail with it skipped."""
    error = _error(hub.ledger.write([Create("note", "note-1", hub.sample("note"), (Link("task", "1"),))])[0])
    assert isinstance(error, PermanentError)
    assert "ties no note to a task" in str(error)


def _tasks_and_a_deal(hub: HubSpotHarness, count: int) -> tuple[list[Update], str]:
    """Tasks that are there, each as it is to be tied to a deal."""
    deal = _record(hub.ledger.write([Create("deal", "deal-" + "0" * 32, hub.sample("deal"))])[0]).ref
    tasks = hub.ledger.write([Create("task", f"task-{n:032x}", hub.sample("task")) for n in range(count)])
    return [Update("task", _record(task).ref, {}, links=(Link("deal", deal),)) for task in tasks], deal


@pytest.mark.parametrize(("times", "ends", "calls"), [(3, 3, 7), (None, 0, 7)])
def test_a_tie_that_hubspot_refuses_leaves_the_others(
    hub: HubSpotHarness, times: int | None, ends: int, calls: int
) -> None:
    """A batch of associations that is refused as a whole is halved, within a bound; seen to fail as all of them."""
    updates, deal = _tasks_and_a_deal(hub, 4)
    refusal = Status(400, {"status": "error", "category": "VALIDATION_ERROR", "message": "Invalid input JSON"})
    hub.twin.fault(refusal, path="associate/default", times=times)
    results = hub.ledger.write(updates)
    assert [isinstance(result, Written) for result in results] == [False] + [ends == 3] * 3
    assert len(hub.twin.linked("deal", deal, "task")) == ends
    assert hub.ledger.calls["associate"] <= calls


def test_a_tie_that_an_answer_leaves_out_is_unknown_and_made_once(hub: HubSpotHarness) -> None:
    """Nobody knows whether it was made, so it is asked for again; seen to fail with it taken for made."""
    updates, deal = _tasks_and_a_deal(hub, 1)
    hub.twin.fault(Status(200, {"status": "COMPLETE", "results": []}), path="associate/default")
    assert isinstance(_error(hub.ledger.write(updates)[0]), UnknownOutcome)
    for _ in range(2):
        assert _record(hub.ledger.write(updates)[0]).links == (Link("deal", deal),)
    assert hub.twin.linked("deal", deal, "task") == [updates[0].ref]
    assert hub.ledger.calls["associate"] == 2


def test_a_stage_is_held_to_the_deal_s_own_pipeline(hub: HubSpotHarness) -> None:
    """A stage of another pipeline would lose the deal from view; seen to fail without the guard's reading."""
    first, *others = hub.ledger.pipelines()
    deal = _record(hub.ledger.write([Create("deal", "deal-" + "0" * 32, hub.sample("deal"))])[0])
    foreign = next(stage for p in others for stage, _ in p.stages if stage not in dict(first.stages))
    error = _error(hub.ledger.write([Update("deal", deal.ref, {"stage": foreign})])[0])
    assert "deal.stage" in str(error)
    assert hub.twin.value("deal", deal.ref, "dealstage") == first.stages[0][0]


def test_threads_share_one_ledger(hub: HubSpotHarness) -> None:
    """Several parties' syncs write at once; seen to fail with the remembered catalogue unlocked."""
    from concurrent.futures import ThreadPoolExecutor

    fresh = hub.reopen()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: fresh.write([_create(f"contact-{n:032x}")])[0], range(24)))
    assert len({_record(result).ref for result in results}) == 24
    hub.now += timedelta(seconds=60)
    assert len(fresh.find_by_key("contact", [f"contact-{n:032x}" for n in range(24)])) == 24
