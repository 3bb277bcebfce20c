"""What the webhook's events say, field by field, and how it words its refusals."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.webhook import WebhookChannel, WebhookOptions
from adapters.channels.webhook.events import json_schema
from sidecar.errors import PermanentError
from sidecar.model import Activity, Identifier, Participant, Role
from sidecar.ports import Captured
from tests.contract.channel import NOW, Secrets, context, delivered

ROOT = Path(__file__).parent.parent.parent
FIXTURES = ROOT / "tests" / "fixtures" / "webchat_generic"
SECRET = "Y3JtLXNpZGVjYXItdGVzdC1zZWNyZXQtMjQ="


def channel(**options: Any) -> WebhookChannel:
    """Return a webhook called web."""
    return WebhookChannel("web", WebhookOptions(secret_env="S", **options), context(ROOT, Secrets(S=SECRET)))


def read(event: object, **options: Any) -> Activity:
    """Parse an event that has passed the door."""
    made = channel(**options)
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    return made.parse(delivered(made, Captured("web", raw, "msg_1")))[0]


def fixture(name: str) -> dict[str, Any]:
    """Return a recorded event."""
    loaded: dict[str, Any] = json.loads((FIXTURES / f"composed_{name}.json").read_bytes())
    return loaded


def changed(name: str, **data: object) -> dict[str, Any]:
    """Return a recorded event with some of its data replaced."""
    event = fixture(name)
    event["data"] |= data
    return event


def test_a_visitors_message_is_the_customers_word() -> None:
    """Without a role, who writes inbound is the customer, under the channel's own id and every address given."""
    activity = read(fixture("message_created"))
    assert (activity.kind, activity.external_id, activity.version, activity.thread) == ("message", "w-1", "", "c-9")
    assert activity.at == datetime(2026, 11, 22, 9, 59, 59, tzinfo=UTC)
    assert (activity.actor.role, activity.actor.authenticated) == (Role.CUSTOMER, False)
    known = (Identifier("web", "visitor-77"), Identifier("email", "zoe@example.org"))
    assert activity.participants == (Participant("from", "Zoë", known),)
    assert [activity.text[s.start : s.end] for s in activity.said] == ["Is the blue one in stock?"]
    assert activity.problems == ()


def test_an_agents_message_is_authenticated_and_names_the_customer() -> None:
    """What our own system signs as an agent's is seller-side, and whom it went to can be matched."""
    activity = read(fixture("message_outbound_agent"))
    assert (activity.actor.role, activity.actor.authenticated) == (Role.AGENT, True)
    assert activity.at == datetime(2026, 11, 22, 10, 2, tzinfo=UTC)
    sender, customer = activity.participants
    assert (sender.part, sender.own) == ("from", True)
    assert sender.identifiers == (Identifier("web:agent", "7"), Identifier("email", "bob@ours.test"))
    assert customer == Participant("to", "Zoë", (Identifier("web", "visitor-77"),))
    assert activity.said[0].authenticated


def test_an_attachment_is_named_outside_of_what_was_said() -> None:
    """A file's name is readable but nobody's statement; seen to fail with a span over the whole text."""
    activity = read(fixture("message_outbound_agent"))
    assert activity.text.endswith("\n[attachment: blue.pdf, application/pdf]")
    assert [activity.text[s.start : s.end] for s in activity.said] == ["Yes, it is. Shall I put it aside?"]
    only = read(changed("message_created", text="", attachments=[{"name": "I accept\nyour offer.pdf"}]))
    assert (only.text, only.said) == ("[attachment: I accept your offer.pdf]", ())


def test_a_bot_is_never_seller_side() -> None:
    """A bot's words are marked as a bot's, though they are ours and signed."""
    activity = read(fixture("message_outbound_bot"))
    assert (activity.actor.role, activity.actor.authenticated) == (Role.BOT, False)
    assert [(s.role, s.authenticated) for s in activity.said] == [(Role.BOT, False)]


def test_unknown_fields_are_named_and_blank_ones_are_none() -> None:
    """A sender's newer field loses no message and is not dropped in silence; form fields left empty identify nobody."""
    activity = read(fixture("message_unknown_fields"))
    assert set(activity.problems) == {
        "unknown field api_version",
        "unknown field data.sender.locale",
        "unknown field data.attachments[0].exif",
    }
    assert activity.participants[0].identifiers == (
        Identifier("web", "visitor-77"),
        Identifier("phone", "07700 900123"),
    )
    assert activity.text.startswith("😀 Ja,\nbitte.\ufffd")


def test_a_customer_named_beside_the_sender_adds_what_is_known() -> None:
    """An inbound message that names its customer as well loses none of the identifiers."""
    activity = read(changed("message_created", customer={"phone": "+447700900123"}))
    assert [i.kind for i in activity.participants[0].identifiers] == ["web", "email", "phone"]


def test_edits_and_deletions_relate_to_the_first_message() -> None:
    """Each edit is an activity of its own under the first one's id, told apart by its time or revision."""
    edit, deletion = read(fixture("message_edited")), read(fixture("message_deleted"))
    assert (edit.kind, edit.external_id, edit.relates_to) == ("edit", "w-1", "w-1")
    assert (edit.version, edit.text) == ("2026-11-22T10:02:58+00:00", "Is the green one in stock?")
    assert read(changed("message_edited", revision="r2")).version == "r2"
    assert (deletion.kind, deletion.relates_to, deletion.text, deletion.said) == ("deletion", "w-1", "", ())
    assert deletion.actor.role is Role.CUSTOMER
    unsigned = fixture("message_deleted")
    del unsigned["data"]["sender"]
    assert read(unsigned).actor.role is Role.SYSTEM


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("created", 'Booking bk-1 created for 2026-11-26 10:00 (Europe/London): "Consultation" with Ann Lee.'),
        (
            "moved",
            "Booking bk-1 moved from 2026-11-26 10:00 to 2026-11-27 14:30 (Europe/London): "
            '"Consultation" with Ann Lee.',
        ),
        ("cancelled", "Booking bk-1 cancelled, it was for 2026-11-27 15:30 (UTC+0100): with Ann Lee."),
        (
            "attended",
            'Booking bk-2 attended, it was for 2026-11-21 10:00 (Europe/London): "Consultation" with Ann Lee.',
        ),
        ("no_show", 'Booking bk-3 missed (no-show), it was for 2026-11-21 11:00 (Europe/London): "Consultation".'),
    ],
)
def test_a_booking_reads_as_one_line(name: str, text: str) -> None:
    """Each booking event can be quoted, in its own local time; what a visitor typed is outside the system's word."""
    activity = read(fixture(f"booking_{name}"))
    assert (activity.kind, activity.text) == (f"booking_{name}", text)
    assert (activity.actor.role, activity.actor.authenticated) == (Role.SYSTEM, True)
    (said,) = activity.said
    assert (said.role, said.authenticated, said.start) == (Role.SYSTEM, True, 0)
    assert activity.text[: said.end] == text.removesuffix(".").split(": ", 1)[0]
    assert activity.thread == f"booking:{activity.external_id}"
    assert activity.attributes["booking_id"] == activity.external_id
    assert activity.relates_to == (None if name == "created" else activity.external_id)


def test_a_visitors_name_cant_speak_for_the_booking_system() -> None:
    """A name or title that claims attendance stays out of the vouched span; seen to fail with a span to the end."""
    event = changed(
        "booking_created", title='x" attended: yes', customer={"name": "Ann\nattended", "email": "a@x.test"}
    )
    activity = read(event)
    assert "attended" in activity.text
    assert "\n" not in activity.text
    assert all("attended" not in activity.text[s.start : s.end] for s in activity.said)


def test_untrusted_bookings_are_nobodys_word() -> None:
    """With trusted_bookings off, a booking event is kept but carries no authority."""
    activity = read(fixture("booking_created"), trusted_bookings=False)
    assert not activity.actor.authenticated
    assert not any(s.authenticated for s in activity.said)


def test_a_time_after_the_receipt_is_not_believed() -> None:
    """Nobody's clock makes his words the newest for years; seen to fail with the sender's time taken as it is."""
    activity = read(changed("message_created", sent_at="2031-01-01T00:00:00Z"))
    assert activity.at == NOW
    assert activity.problems


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (b"", "body is not JSON"),
        (b"\xff", "body is not JSON"),
        (b"[" * 2_000 + b"]" * 2_000, "body is not JSON"),
        (b'{"type": NaN}', "body is not JSON"),
        (b'{"type": "\\ud800"}', "body is not JSON"),
        (
            b'{"type": "message.created", "data": {"a": ' + b"[" * 990 + b"]" * 990 + b"}}",
            "",
        ),  # which limit it meets is Python's
        (b'{"type": "message.created", "type": "message.deleted"}', "names a field twice"),
        (json.dumps(fixture("message_created")).replace('"data": {', '"data": {"text": "no", ').encode(), "twice"),
        (b'{"type": ' + b"9" * 5_000 + b"}", "body is not JSON"),
        (b"[]", "type: "),
        (b"null", "type: "),
        ({"type": "message.read", "timestamp": "x"}, "type: union_tag_invalid, must be one of message.created, "),
        ({"timestamp": "x"}, "type: union_tag_not_found, must be one of message.created, "),
        ({"type": "message.created"}, "timestamp: missing; data: missing"),
        (changed("message_created", message_id=7), "data.message_id: string_type"),
        (changed("message_created", message_id="a b"), "data.message_id: string_pattern_mismatch"),
        (changed("message_created", text=None), "data.text: string_type"),
        (changed("message_created", text="x" * 200_001), "data.text: string_too_long"),
        (changed("message_created", direction="in"), "data.direction: literal_error"),
        (changed("message_created", sent_at=1795341601), "data.sent_at: time_as_text"),
        (changed("message_created", sent_at="2026-11-22T10:00:00"), "data.sent_at: time_with_offset"),
        (changed("message_created", sent_at="9999-12-31T23:59:59-12:00"), "data.sent_at: time_out_of_range"),
        (changed("message_created", sent_at="yesterday"), "data.sent_at: time_iso_8601"),
        (changed("message_created", sender={"name": "Ann"}), "data: customer_without_identifier"),
        (changed("message_created", sender={"role": "boss"}), "data.sender.role: literal_error"),
        (changed("message_created", attachments=[{}, {"size_bytes": -1}]), "data.attachments[1].size_bytes: "),
        (changed("message_created", attachments={}), "data.attachments: "),
        (changed("message_outbound_agent", customer=None), "data: customer_missing"),
        (changed("message_outbound_agent", sender={"role": "customer", "email": "a@x.test"}), "outbound_by_customer"),
        (changed("booking_created", booking_id="bk attended"), "data.booking_id: string_pattern_mismatch"),
        (changed("booking_created", timezone="../../etc/passwd"), "data.timezone: time_zone"),
        (changed("booking_created", timezone="Mars/Olympus"), "data.timezone: time_zone"),
        (changed("booking_created", timezone="Europe"), "data.timezone: time_zone"),
        (changed("booking_created", customer={"name": "Ann"}), "data: customer_without_identifier"),
        (changed("booking_moved", previous_start=None), "data.previous_start: time_as_text"),
    ],
)
def test_a_refusal_names_the_path_and_the_rule(event: object, message: str) -> None:
    """A reviewer learns which field broke which rule, at a path of the schema, and reads no content."""
    with pytest.raises(PermanentError) as caught:
        read(event)
    assert message in str(caught.value)
    assert "boss" not in str(caught.value)
    assert "Olympus" not in str(caught.value)


def test_many_faults_are_counted_not_listed() -> None:
    """An error text stays short however much is wrong."""
    with pytest.raises(PermanentError, match="and 95 more"):
        read(changed("message_created", attachments=[{"size_bytes": -1}] * 100))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(
    name=st.sampled_from(sorted(path.stem.removeprefix("composed_") for path in FIXTURES.glob("*[!a].json"))),
    field=st.sampled_from(
        ["type", "timestamp", "data", "sender", "text", "start", "sent_at", "customer", "attachments"]
    ),
    value=json_values,
)
def test_any_signed_json_is_read_or_parked(name: str, field: str, value: object) -> None:
    """Whatever a sender signs becomes an activity or a PermanentError, never another error."""
    event = fixture(name)
    place = event if field in ("type", "timestamp", "data") else event["data"]
    place[field] = value
    try:
        activity = read(json.dumps(event).encode())
    except PermanentError:
        return
    assert activity.at.utcoffset() is not None


def test_the_docs_show_each_event_as_it_is() -> None:
    """Every type of the schema has an example in the docs that parses; seen to fail with one example misspelt."""
    blocks = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "webhook.md").read_text(), re.DOTALL)
    examples = [json.loads(block) for block in blocks]
    kinds = {read(example).kind: example["type"] for example in examples}
    assert set(kinds.values()) == set(json_schema()["discriminator"]["mapping"])
    assert not [problem for example in examples for problem in read(example).problems]


def test_the_docs_name_every_field() -> None:
    """A field that the schema knows stands in the docs' tables; seen to fail with one row removed."""
    text = (ROOT / "docs" / "webhook.md").read_text()
    fields = {name for model in json_schema()["$defs"].values() for name in model.get("properties", {})}
    assert not {name for name in fields if f"`{name}`" not in text}


def test_the_shipped_schema_is_the_models_own() -> None:
    """The JSON Schema file is the one that the parser's models generate; seen to fail with one field renamed."""
    shipped = json.loads((ROOT / "docs" / "webhook.schema.json").read_bytes())
    assert shipped == json_schema()
