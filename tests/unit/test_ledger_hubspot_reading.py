"""What HubSpot's adapter reads: who wrote what, who is found, what is gone, and what it costs."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import PermanentError, StaleVersion, TemporaryError
from sidecar.model import AuthorKind, Gone, Identifier, Link, Record
from sidecar.pipeline.together import Together
from sidecar.ports import Create, Update, Written
from tests.support.portals import HubSpotHarness, portal
from tests.twins.hubspot import Source

KEY = "contact-0123456789abcdef0123456789abcdef"
US, PERSON, AUTOMATION, UNKNOWN = AuthorKind.US, AuthorKind.PERSON, AuthorKind.AUTOMATION, AuthorKind.UNKNOWN


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubSpotHarness]:
    """A provisioned portal."""
    with portal(tmp_path) as made:
        yield made


def _made(hub: HubSpotHarness, kind: str = "contact", key: str = KEY, **fields: object) -> Record:
    (result,) = hub.ledger.write([Create(kind, key, fields or hub.sample(kind))])  # type: ignore[arg-type]
    assert isinstance(result, Written), result
    return result.record


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (Source("CRM_UI", "userId:7", None, 7), PERSON),
        (Source("CRM_UI_BULK_ACTION", "userId:7"), PERSON),
        (Source("MOBILE_IOS", "userId:7"), PERSON),
        (Source("INTEGRATION", "another-app", "Another app"), AUTOMATION),
        (Source("AUTOMATION_PLATFORM", "flow:1"), AUTOMATION),
        (Source("CALCULATED", None), AUTOMATION),
        (Source("IMPORT", "55", "contacts.csv"), UNKNOWN),
        (Source("FORM", "9c1e"), UNKNOWN),
        (Source("MERGE_OBJECTS", "12", None, 7), UNKNOWN),
        (Source("SOMETHING_NEW", "x"), UNKNOWN),
    ],
)
def test_each_source_is_somebody_s(hub: HubSpotHarness, source: Source, kind: AuthorKind) -> None:
    """Only a person's entry counts as one, and no other app's as ours; seen to fail with all integrations US."""
    made = _made(hub, ai_summary="ours")
    hub.twin.edits("contact", made.ref, {"ai_summary": "theirs"}, source)
    edits = hub.ledger.history("contact", [made.ref], ["ai_summary"])[made.ref]
    assert [(e.value, e.author.kind) for e in edits] == [("ours", US), ("theirs", kind)]


def test_our_own_hand_is_known_in_another_process(hub: HubSpotHarness) -> None:
    """A fresh process knows its writes by the key that only we write; seen to fail with the first write needed."""
    made = _made(hub, ai_summary="ours")
    fresh = hub.reopen()
    assert [e.author.kind for e in fresh.history("contact", [made.ref], ["ai_summary"])[made.ref]] == [US]


def test_our_own_hand_is_found_by_any_record_that_we_made(hub: HubSpotHarness) -> None:
    """Also in the history of a record that others made; seen to fail without the search for one of ours."""
    _made(hub)
    theirs = hub.twin.person_creates("contact", {"email": "their@x.test"})
    hub.ledger.write([Update("contact", theirs, {"ai_summary": "ours"})])
    hub.advance(60)
    fresh = hub.reopen()
    assert [e.author.kind for e in fresh.history("contact", [theirs], ["ai_summary"])[theirs]] == [US]


def test_an_unknown_app_is_nobody(hub: HubSpotHarness) -> None:
    """Before we know who we are, no app's write is called ours, or a person's; seen to fail with US as the default."""
    theirs = hub.twin.person_creates("contact", {"email": "their@x.test"})
    hub.twin.edits("contact", theirs, {"ai_summary": "app's"}, Source("INTEGRATION", "another-app"))
    edits = hub.reopen().history("contact", [theirs], ["ai_summary"])[theirs]
    assert [e.author.kind for e in edits] == [UNKNOWN]


def test_an_app_without_an_id_is_known_by_its_label(tmp_path: Path) -> None:
    """Should a service key have no id in the history, its label stands for it; seen to fail with ids alone."""
    with portal(tmp_path, source_id=None) as hub:
        made = _made(hub, ai_summary="ours")
        hub.twin.edits("contact", made.ref, {"ai_summary": "theirs"}, Source("INTEGRATION", None, "Another app"))
        edits = hub.ledger.history("contact", [made.ref], ["ai_summary"])[made.ref]
        assert [e.author.kind for e in edits] == [US, AUTOMATION]


def test_a_wrong_app_id_is_told(tmp_path: Path) -> None:
    """An operator learns which id our writes are under; seen to fail with the given one believed."""
    with portal(tmp_path, options={"app_id": "123"}) as hub:
        _made(hub)
        (line,) = hub.ledger.check()
        assert "crm.app_id" in line
        assert "990011" in line


def test_a_name_has_one_history(hub: HubSpotHarness) -> None:
    """First and last name, written together or apart, are edits of one name; seen to fail with an edit for each."""
    made = _made(hub, email="ann@x.test", name="Ann Lee")
    hub.advance(60)
    hub.twin.person_edits("contact", made.ref, {"lastname": "Li"})
    hub.advance(60)
    hub.twin.person_edits("contact", made.ref, {"firstname": "Anna", "lastname": "Lee"})
    edits = hub.ledger.history("contact", [made.ref], ["name"])[made.ref]
    assert [(e.value, e.author.kind) for e in edits] == [("Ann Lee", US), ("Ann Li", PERSON), ("Anna Lee", PERSON)]


def test_a_value_written_again_is_no_edit(tmp_path: Path) -> None:
    """Where HubSpot notes repeats, they say nothing; seen to fail with each entry told."""
    with portal(tmp_path, repeats_kept=True) as hub:
        made = _made(hub, ai_summary="ours")
        hub.twin.person_edits("contact", made.ref, {"ai_summary": "ours"})
        assert len(hub.ledger.history("contact", [made.ref], ["ai_summary"])[made.ref]) == 1


@pytest.mark.parametrize(
    "typed", ["+44 20 7946 0123", "020 7946 0123", "(020) 7946-0123", "+442079460123", "442079460123"]
)
def test_a_number_is_found_however_it_was_typed(hub: HubSpotHarness, typed: str) -> None:
    """What people type is compared by the number that it means; seen to fail with texts compared."""
    ann = hub.twin.person_creates("contact", {"email": "ann@x.test", "phone": typed})
    bob = hub.twin.person_creates("contact", {"email": "bob@x.test", "mobilephone": typed})
    hub.twin.person_creates("contact", {"email": "eve@x.test", "phone": "+49 20 7946 0123"})
    hub.advance(60)
    asked = Identifier("phone", "+442079460123")
    assert [r.ref for r in hub.ledger.find("contact", [asked])[asked]] == [ann, bob]


def test_a_second_address_finds_its_record(hub: HubSpotHarness) -> None:
    """Also by an address that isn't the first one; seen to fail without the second property."""
    ann = hub.twin.person_creates("contact", {"email": "ann@x.test"})
    hub.twin.adds_address(ann, "ann@home.test")
    hub.twin.person_creates("contact", {"email": "home.test@x.test"})
    hub.advance(60)
    second, nobody = Identifier("email", "Ann@Home.test"), Identifier("email", "n@x.test")
    found = hub.ledger.find("contact", [second, nobody])
    assert {i: [r.ref for r in bearers] for i, bearers in found.items()} == {second: [ann], nobody: []}


def test_finding_costs_little(hub: HubSpotHarness) -> None:
    """A hundred parties' addresses and numbers take one reading and few searches; seen to fail with one each."""
    for n in range(3):
        hub.twin.person_creates("contact", {"email": f"a{n}@x.test", "phone": f"+44207946{n:04d}"})
    hub.advance(60)
    hub.ledger.schema("contact")
    asked = [
        i for n in range(100) for i in (Identifier("email", f"a{n}@x.test"), Identifier("phone", f"+44207946{n:04d}"))
    ]
    before = hub.twin.calls("contacts.search")
    found = hub.ledger.find("contact", asked)
    assert sum(len(bearers) for bearers in found.values()) == 6
    # 97 second addresses, five a search, and four properties that hold numbers, in bodies of 3,000 characters.
    assert hub.twin.calls("contacts.search") - before <= 20 + 16
    assert hub.twin.calls("contacts.batch_read") <= 6


def test_a_merge_never_passes_for_a_deletion(hub: HubSpotHarness) -> None:
    """Until search knows the survivor, a vanished record is neither; seen to fail with `Gone` at once."""
    ann, bob = _made(hub), _made(hub, key="contact-" + "f" * 32)
    survivor = hub.twin.person_merges("contact", ann.ref, bob.ref)
    with pytest.raises(StaleVersion) as caught:  # of this record alone: others that are read with it don't wait
        hub.ledger.read("contact", [bob.ref])
    assert caught.value.retry_after_s is not None
    hub.advance(caught.value.retry_after_s)
    assert hub.ledger.read("contact", [bob.ref]) == {bob.ref: Gone("contact", bob.ref, survivor)}


def test_what_was_deleted_for_good_is_gone_in_the_end(hub: HubSpotHarness) -> None:
    """A record that left no trace is gone once a merge would have been found; seen to fail with waiting for ever."""
    made = _made(hub)
    hub.twin.portal.records["contacts"].pop(made.ref)
    with pytest.raises(TemporaryError):
        hub.ledger.read("contact", [made.ref])
    hub.advance(hub.ledger.capabilities.search_lag_s)
    assert hub.ledger.read("contact", [made.ref]) == {made.ref: Gone("contact", made.ref)}


def test_reading_costs_one_call_for_a_hundred(hub: HubSpotHarness) -> None:
    """Records are read in batches, a single deal with what it is tied to in one call; seen to fail with one each."""
    refs = [hub.twin.person_creates("contact", {"email": f"a{n}@x.test"}) for n in range(101)]
    hub.ledger.read("contact", refs[:1])
    before = hub.twin.calls()
    assert len(hub.ledger.read("contact", refs)) == 101
    assert hub.twin.calls() - before == 2
    deal = _made(hub, "deal", "deal-" + "0" * 32)
    hub.twin.person_associates("deal", deal.ref, "contact", refs[0])
    before = hub.twin.calls()
    (found,) = hub.ledger.read("deal", [deal.ref]).values()
    assert isinstance(found, Record)
    assert found.links == (Link("contact", refs[0]),)
    assert hub.twin.calls() - before == 1


def test_histories_are_read_fifty_at_a_time(hub: HubSpotHarness) -> None:
    """HubSpot refuses more than fifty; seen to fail with the size of other batches."""
    refs = [hub.twin.person_creates("contact", {"email": f"a{n}@x.test", "phone": "1"}) for n in range(101)]
    assert len(hub.ledger.history("contact", refs, ["phone"])) == 101
    assert hub.ledger.calls["history"] in (3, 4)


def test_many_deals_are_found_by_their_contacts(hub: HubSpotHarness) -> None:
    """Several parties' deals are found in few calls, each with its own; seen to fail with one call a contact."""
    contacts = [hub.twin.person_creates("contact", {"email": f"a{n}@x.test"}) for n in range(30)]
    deals = {}
    for n, contact in enumerate(contacts[:20]):
        deals[contact] = _made(hub, "deal", f"deal-{n:032x}").ref
        hub.twin.person_associates("deal", deals[contact], "contact", contact)
    before = hub.twin.calls()
    found = hub.ledger.linked("deal", [Link("contact", contact) for contact in contacts])
    assert hub.twin.calls() - before <= 6
    assert {link.ref: [r.ref for r in bearers] for link, bearers in found.items()} == {
        contact: [deals[contact]] if contact in deals else [] for contact in contacts
    }


def test_a_formatted_note_reads_as_its_text(hub: HubSpotHarness) -> None:
    """What a rep formats in HubSpot is read as they see it; seen to fail with the HTML passed on."""
    note = _made(hub, "note", "note-" + "0" * 32)
    hub.twin.person_edits(
        "note", note.ref, {"hs_note_body": "<div><p>Called <b>Ann</b></p><p>&lt;tomorrow&gt;</p></div>"}
    )
    (found,) = hub.ledger.read("note", [note.ref]).values()
    assert isinstance(found, Record)
    assert found.fields["body"] == "Called Ann\n<tomorrow>"


def test_a_task_in_progress_is_open(hub: HubSpotHarness) -> None:
    """A status that we have no word for is no change of ours to make; seen to fail with the vendor's word."""
    task = _made(hub, "task", "task-" + "0" * 32)
    hub.twin.person_edits("task", task.ref, {"hs_task_status": "IN_PROGRESS"})
    (found,) = hub.ledger.read("task", [task.ref]).values()
    assert isinstance(found, Record)
    assert found.fields["status"] == "open"


def test_too_many_bearers_are_told(hub: HubSpotHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is left out in silence when a search reaches its end; seen to fail with the first pages alone."""
    monkeypatch.setattr("adapters.crms.hubspot.search.SEARCH_PAGE", 2)
    monkeypatch.setattr("adapters.crms.hubspot.search.SEARCH_REACH", 4)
    for n in range(5):
        hub.twin.person_creates("contact", {"email": f"a{n}@x.test", "phone": "+442079460123"})
    hub.advance(60)
    with pytest.raises(PermanentError, match="more than 4"):
        hub.ledger.find("contact", [Identifier("phone", "+442079460123")])


def test_too_many_associations_concern_their_record_alone(hub: HubSpotHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who shared the call gets theirs, and nothing is asked again for ever; seen to fail with a `TemporaryError`."""
    monkeypatch.setattr("adapters.crms.hubspot.records.MAX_LINK_PAGES", 2)
    monkeypatch.setattr("tests.twins.hubspot.associations.PAGE", 1)
    contacts = [hub.twin.person_creates("contact", {"email": f"a{n}@x.test"}) for n in range(4)]
    deals = [_made(hub, "deal", f"deal-{n:032x}").ref for n in range(6)]
    for n, deal in enumerate(deals):
        hub.twin.person_associates("deal", deal, "contact", contacts[max(0, n - 2)])
    other = Link("contact", hub.twin.person_creates("contact", {"email": "b@x.test"}))
    together = Together(hub.ledger, len(contacts))
    found: dict[str, Any] = {}

    def ask(contact: str) -> None:
        member, link = together.member(), Link("contact", contact)
        try:
            found[contact] = [record.ref for record in member.linked("deal", [link, other])[link]]
        except PermanentError as error:
            found[contact] = error
        finally:
            together.leave()

    threads = [threading.Thread(target=ask, args=(contact,)) for contact in contacts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert f"contact {contacts[0]} has more than 2 pages" in str(found.pop(contacts[0]))
    assert found == {contact: [deal] for contact, deal in zip(contacts[1:], deals[3:], strict=True)}
