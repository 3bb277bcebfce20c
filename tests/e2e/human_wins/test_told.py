"""What the machine's search found on a vendor's CRM, or might seldom find, each told step by step."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sidecar.model import Correction
from sidecar.ports import Create, Update
from tests.e2e.human_wins.vendor_office import VendorOffice, office_on
from tests.support.crms import CRMS


@pytest.fixture(params=sorted(CRMS))
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VendorOffice]:
    """A sidecar on a vendor's CRM, in which one customer is known."""
    opened = office_on(request.param)(tmp_path, conditional=False, settle_s=30.0)
    opened.say({"intent": "buy", "sentiment": "positive"})
    opened.settle()
    yield opened
    opened.close()


def corrected(office: VendorOffice) -> list[str]:
    """The properties that people put right, in order."""
    facts = office.app.journal.facts(kinds=["correction"])
    return [fact.field for fact in facts if isinstance(fact, Correction)]


def test_what_a_person_empties_just_before_our_write_is_put_back(office: VendorOffice) -> None:
    """Nothing is a person's word where a value of theirs stood before, though we never wrote there ourselves.

    Seen to fail with an empty property taken for one that nobody had filled, whatever had stood in it.
    """

    def rival(writes: Sequence[Create | Update]) -> tuple[str, str, str] | None:
        for write in writes:
            if isinstance(write, Update) and "ai_urgency" in write.fields:
                office.edit("contact", write.ref, "ai_urgency", None)
                return "contact", write.ref, "ai_urgency"
        return None

    (contact,) = office.records("contact")
    office.wait()
    office.edit("contact", contact.ref, "ai_urgency", "low")
    office.settle()
    office.wait()
    office.say({"urgency": "high"})
    with office.racing(rival):
        office.settle()
    (contact,) = office.records("contact")
    assert contact.fields.get("ai_urgency") is None


def test_an_edit_beside_our_write_is_taken_in(office: VendorOffice) -> None:
    """What a person writes into another property, just before we write, is seen: the feed takes it for our echo.

    Seen to fail with only those edits taken in over which we wrote.
    """
    typed: list[str] = []

    def rival(writes: Sequence[Create | Update]) -> tuple[str, str, str] | None:
        for write in writes:
            if isinstance(write, Update) and "ai_intent" in write.fields and not typed:
                typed.append(write.ref)  # once: a write that relies on a version would be refused for ever
                office.edit("contact", write.ref, "ai_sentiment", "angry")
        return None

    office.wait()
    office.say({"intent": "book"})
    with office.racing(rival):
        office.settle()
    (contact,) = office.records("contact")
    assert (contact.fields["ai_intent"], contact.fields["ai_sentiment"]) == ("book", "angry")
    assert corrected(office) == ["ai_sentiment"]
    standing = office.standing()
    assert standing is not None
    assert standing.engagement.fields["sentiment"].value == "angry"
