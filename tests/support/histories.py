"""Accounts with a past: records of mixed authorship on a vendor's twin, and who wrote each value of them.

What is expected is noted as it is written, from what the hands do and what the vendor's pages say of it, never from
what an adapter reads. Kinds, fields and sources are the audit's; every hundredth record is made by the sidecar itself.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sidecar.model import Source, Value
from sidecar.ports import Create, Update
from tests.support.harnesses import VendorHarness
from tests.support.orgs import SalesforceHarness
from tests.support.pipedrives import PipedriveHarness
from tests.support.zoho_orgs import ZohoHarness
from tests.twins.pipedrive import company as pipedrive
from tests.twins.pipedrive import hands
from tests.twins.salesforce.catalogue import STAGES
from tests.twins.zoho.org import Author

PERSON, IMPORT, INTEGRATION, AUTOMATION = Source.PERSON, Source.IMPORT, Source.INTEGRATION, Source.AUTOMATION
US, DEFAULT, UNKNOWN = Source.US, Source.DEFAULT, Source.UNKNOWN
OURS = 100
TRACKED = {
    "contact": ("Name", "Email", "Phone", "OwnerId", "Title"),
    "company": ("Name", "Phone", "OwnerId"),
    "deal": ("Name", "StageName", "Amount", "CloseDate", "OwnerId", "Probability", "ForecastCategoryName"),
}


@dataclass
class Past:
    """What was written: values by (kind, field, source), and records by kind."""

    dice: Random = field(default_factory=lambda: Random(45))
    values: Counter[tuple[str, str, Source]] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)

    def wrote(self, kind: str, **by: Source) -> None:
        """Note one value of each field."""
        self.values.update((kind, name, source) for name, source in by.items())

    def made(self, kind: str, **by: Source) -> None:
        """Note a record, and a value of each field."""
        self.records[kind] += 1
        self.wrote(kind, **by)


def of_ours(here: VendorHarness, past: Past, number: int, owner: Source) -> None:
    """Let the sidecar make a contact, for whom it names the first of the owners, and write its summary."""
    sample = here.sample("contact")
    (made,) = here.ledger.write([Create("contact", f"past-{number}", sample)])
    here.advance(2)
    ref = made.record.ref  # type: ignore[union-attr]
    here.ledger.write([Update("contact", ref, {"ai_summary": "Wants a roof"})])
    past.made("contact", name=US, email=US, phone=US, owner=owner, ai_summary=US)


def salesforce(here: SalesforceHarness, records: int) -> Past:
    """Fill an org: people, a flow, another program under a user of its own."""
    past = Past()
    for kind, names in TRACKED.items():
        here.twin.tracks(kind, *names)
    for number in range(records):
        here.advance(60)
        if number % OURS == 7:
            of_ours(here, past, number, DEFAULT)
            past.wrote("contact", ai_summary=UNKNOWN)  # of a long text it isn't told whether it was empty once
        else:
            past.dice.choice((_salesforce_contact, _salesforce_contact, _salesforce_deal, _salesforce_rest))(
                here, past, number
            )
    return past


def _salesforce_contact(here: SalesforceHarness, past: Past, number: int) -> None:
    """A contact that somebody or a program made; then its phone, title and owner change."""
    twin = here.twin
    by, source = past.dice.choice(((twin.ann, PERSON), (twin.bob, PERSON), (twin.tool, AUTOMATION)))
    row = {"FirstName": "Ann", "LastName": f"N{number}", "Email": f"n{number}@x.test", "Department": "Roofs"}
    ref = twin.person_creates("contact", row, by)
    past.made("contact", name=source, email=source, owner=DEFAULT)
    is_changed = False
    for then, changes, whose in (
        (twin.robot, {"Phone": f"+44 20 7946 {number:05d}"}, {"phone": AUTOMATION}),
        (twin.bob, {"Title": "Owner"}, {"Title": PERSON}),
        (twin.ann, {"OwnerId": twin.bob if by == twin.ann else twin.ann}, {"owner": PERSON}),
    ):
        if past.dice.random() < 0.4:
            here.advance(60)
            twin.person_edits("contact", ref, changes, then)
            past.wrote("contact", **whose)
            is_changed = True
    past.wrote("contact", Department=UNKNOWN if is_changed else source)


def _salesforce_deal(here: SalesforceHarness, past: Past, number: int) -> None:
    """A deal that somebody made; it moves, with what goes along with a stage, and somebody knows the odds better."""
    twin, at = here.twin, 0
    row = {"Name": f"Roof {number}", "StageName": STAGES[0][0], "CloseDate": "2026-12-01", "Amount": 100 + number}
    ref = twin.person_creates("deal", row, twin.ann)
    past.made("deal", name=PERSON, stage=PERSON, close_date=PERSON, amount=PERSON, owner=DEFAULT, IsPrivate=DEFAULT)
    past.wrote("deal", pipeline=DEFAULT, Probability=DEFAULT, ForecastCategoryName=DEFAULT)
    odds = STAGES[0][1]
    for _ in range(past.dice.randrange(4)):
        here.advance(60)
        before, at = at, past.dice.choice([n for n in range(len(STAGES)) if n != at])
        by, source = past.dice.choice(((twin.bob, PERSON), (twin.robot, AUTOMATION)))
        twin.person_edits("deal", ref, {"StageName": STAGES[at][0]}, by)
        past.wrote("deal", stage=source, **({"Probability": DEFAULT} if odds != STAGES[at][1] else {}))
        past.wrote("deal", **({"ForecastCategoryName": DEFAULT} if STAGES[before][2] != STAGES[at][2] else {}))
        odds = STAGES[at][1]
    if past.dice.random() < 0.3:
        here.advance(60)
        twin.person_edits("deal", ref, {"Probability": 33}, twin.bob)
        past.wrote("deal", Probability=PERSON)


def _salesforce_rest(here: SalesforceHarness, past: Past, number: int) -> None:
    """A company, and a task that the robot made: of activities there is no history, but this one nobody has changed."""
    twin = here.twin
    twin.person_creates("company", {"Name": f"Roofs {number}", "Phone": "+44 20 7946 0000"}, twin.bob)
    past.made("company", name=PERSON, phone=PERSON, owner=DEFAULT, IsPartner=DEFAULT, IsCustomerPortal=DEFAULT)
    twin.person_creates("task", {"Subject": "Call", "Status": "Not Started", "Priority": "High"}, twin.robot)
    past.made("task", title=AUTOMATION, priority=AUTOMATION, owner=DEFAULT, status=DEFAULT, IsReminderSet=DEFAULT)


def zoho(here: ZohoHarness, records: int) -> Past:
    """Fill an org: people in the browser and on phones, an import, a program, a workflow."""
    past = Past()
    here.twin.adds_field("contact", "Roof area", "integer")
    for number in range(records):
        here.advance(60)
        if number % OURS == 7:
            of_ours(here, past, number, UNKNOWN)
            past.wrote("contact", email_opt_out=DEFAULT)
        else:
            past.dice.choice((_zoho_contact, _zoho_contact, _zoho_deal))(here, past, number)
    return past


def _zoho_contact(here: ZohoHarness, past: Past, number: int) -> None:
    """A contact with standard fields, an unticked box and a custom field; a workflow and people go on."""
    twin = here.twin
    users = [user["id"] for user in twin.org.users]
    way, source = past.dice.choice((
        ("crm_ui", PERSON), ("crm_mobile", PERSON), ("import", IMPORT), ("bulkapi", INTEGRATION),
    ))  # fmt: skip
    by = Author(users[0], way)
    row = {"First_Name": "Ann", "Last_Name": f"N{number}", "Email": f"n{number}@x.test", "Department": "Roofs",
           "Email_Opt_Out": number % 10 == 0, "Lead_Source": "Chat", "Roof_area": number}  # fmt: skip
    ref = twin.person_creates("contact", row, by)
    past.made("contact", name=source, email=source, department=source, lead_source=source, roof_area=source)
    past.wrote("contact", owner=DEFAULT, email_opt_out=source if number % 10 == 0 else DEFAULT)
    for then, changes, whose in (
        (Author(users[0], "workflow", ("Nightly", users[0])), {"Mobile": "+44 20 7946 0001"}, {"mobile": AUTOMATION}),
        (twin.person(2), {"Department": "Gutters"}, {"department": PERSON}),
        (twin.person(2), {"Owner": {"id": users[1]}}, {"owner": PERSON}),
    ):
        if past.dice.random() < 0.4:
            here.advance(60)
            twin.person_edits("contact", ref, changes, then)
            past.wrote("contact", **whose)


def _zoho_deal(here: ZohoHarness, past: Past, number: int) -> None:
    """A deal in the first stage or another, which is moved; a probability goes along, whose own may be told or not."""
    twin, stages = here.twin, ("Qualification", "Needs Analysis", "Closed Won")
    at = past.dice.randrange(2)
    row = {"Deal_Name": f"Roof {number}", "Stage": stages[at], "Amount": 100, "Closing_Date": "2026-12-01"}
    ref = twin.person_creates("deal", row)
    past.made("deal", name=PERSON, amount=PERSON, close_date=PERSON, owner=DEFAULT, pipeline=DEFAULT)
    along = DEFAULT if twin.switches.tells_probabilities else UNKNOWN
    past.wrote("deal", stage=UNKNOWN if at == 0 else PERSON, probability=along)
    if past.dice.random() < 0.5:
        here.advance(60)
        twin.person_edits("deal", ref, {"Stage": stages[2]}, twin.person(2))
        past.wrote("deal", stage=PERSON, probability=along)


def pipedrive_(here: PipedriveHarness, records: int) -> Past:
    """Fill a company: people in the browser and on phones, another program."""
    past = Past()
    for number in range(records):
        here.advance(60)
        if number % OURS == 7:
            of_ours(here, past, number, US)
        else:
            past.dice.choice((_pipedrive_contact, _pipedrive_deal))(here, past, number)
    return past


def _pipedrive_contact(here: PipedriveHarness, past: Past, number: int) -> None:
    """A contact: who made it is told by nothing, who changed it is."""
    twin = here.twin
    ref = twin.person_creates("contact", {"name": f"Ann {number}", "emails": [_address(f"n{number}@x.test")]})
    past.made("contact", name=UNKNOWN, email=UNKNOWN, owner=UNKNOWN)
    for by, source in ((hands.MOBILE, PERSON), (hands.AUTOMATION, INTEGRATION)):
        if past.dice.random() < 0.5:
            here.advance(60)
            twin.edits("contact", ref, {"name": f"Ann {source} {number}"}, by)
            past.wrote("contact", name=source)


def _pipedrive_deal(here: PipedriveHarness, past: Past, number: int) -> None:
    """A deal that was typed, or that a program made, and that is moved and given away."""
    twin = here.twin
    by, source = past.dice.choice(((hands.person(), PERSON), (hands.AUTOMATION, INTEGRATION)))
    ref = twin.person_creates("deal", {"title": f"Roof {number}", "value": 100.0}, by)
    either = UNKNOWN if source is PERSON else source
    past.made("deal", name=source, amount=source, owner=DEFAULT, pipeline=either, stage=either, currency=either)
    if past.dice.random() < 0.5:
        here.advance(60)
        twin.edits(
            "deal", ref, {"stage_id": 2, "owner_id": 2 if by.user_id == 1 else 1}, pipedrive.Author(1, "app", "")
        )
        past.wrote("deal", stage=PERSON, owner=PERSON)


def _address(value: str) -> Mapping[str, Value]:
    return {"value": value, "primary": True}


PASTS: Mapping[str, Callable[[Any, int], Past]] = {"salesforce": salesforce, "zoho": zoho, "pipedrive": pipedrive_}
