"""Chatwoot under the contract of those that are called and of those that ask, against a twin on a socket."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.chatwoot import ChatwootChannel
from sidecar.errors import ConfigError, PermanentError, TemporaryError, Unanswered, Withheld
from sidecar.model import Identifier, Role
from sidecar.ports import Captured
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    PollContract,
    Secrets,
    WebhookContract,
    all_captured,
    context,
    delivered,
    door,
    last_cursor,
    parsed,
)
from tests.contract.chatwoot_accounts import FIRST, FIXTURES, RECENT, ChatwootHarness
from tests.twins.chatwoot import ChatwootTwin
from tests.twins.wire.faults import Before, Status


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ChatwootHarness]:
    """Return an account that waits for its customers."""
    with ChatwootTwin() as twin:
        yield ChatwootHarness(twin, tmp_path)


class TestChatwootChannel(WebhookContract, PollContract):
    """Chatwoot keeps every promise of a channel that is called, and of one that asks."""

    def test_a_name_that_is_a_kind_of_identifier_is_refused(self, harness: ChatwootHarness) -> None:
        """A channel called `email` would mix its contacts' ids up with addresses, so it isn't made."""
        secrets = Secrets(SECRET=FIRST, TOKEN=harness.twin.token)
        for name in ("email", "phone", "domain"):
            with pytest.raises(ConfigError):
                ChatwootChannel(name, harness.channel.options, context(harness.base, secrets))


def test_a_message_by_webhook_and_by_poll_is_one_activity(harness: ChatwootHarness) -> None:
    """Whichever way a message comes first, it is one activity with the same words. Seed: the bytes' hash in it."""
    one = harness.twin.says(harness.conversation, "Is it in stock?", RECENT)
    two = harness.twin.answers(harness.conversation, "Yes, three left.", RECENT + timedelta(seconds=5))
    told = [harness.channel.verify(harness.request(harness.twin.webhook(message))) for message in (one, two)]
    by_hook = [parsed(harness.channel, captured)[0] for captured in told]
    by_poll = [parsed(harness.channel, captured)[0] for captured in all_captured(harness.channel.poll(None))]
    assert [a.id for a in by_hook] == [a.id for a in by_poll]
    assert [(a.text, a.said, a.actor, a.thread, a.at) for a in by_hook] == [
        (a.text, a.said, a.actor, a.thread, a.at) for a in by_poll
    ]


def test_a_deletion_by_webhook_and_by_poll_is_one_activity(harness: ChatwootHarness) -> None:
    """What was taken back within the overlap is found by the poll, as the same fact, without Chatwoot's sentence."""
    message = harness.twin.says(harness.conversation, "Call me on 07700 900123", RECENT)
    cursor = last_cursor(harness.channel.poll(None))
    harness.twin.deletes(message)
    (found,) = all_captured(harness.channel.poll(cursor))
    (by_poll,) = parsed(harness.channel, found)
    hook = harness.request(harness.twin.webhook(message, "message_updated"))
    (by_hook,) = parsed(harness.channel, harness.channel.verify(hook))
    assert by_poll.id == by_hook.id
    assert (by_poll.kind, by_poll.relates_to, by_poll.text) == ("deletion", str(message), "")


def test_who_spoke_is_read_from_the_direction_and_the_sender(harness: ChatwootHarness) -> None:
    """A contact is the customer, a person in Chatwoot our side's word, a bot or a template neither."""
    expected = {
        "message_created_incoming": (Role.CUSTOMER, False),
        "message_created_outgoing_agent": (Role.AGENT, True),
        "message_created_outgoing_bot": (Role.BOT, False),
        "message_created_template": (Role.BOT, False),
    }
    for name, who in expected.items():
        activity = harness.fixture(name)
        assert (activity.actor.role, activity.actor.authenticated) == who, name
        assert [(said.role, said.authenticated) for said in activity.said] == [who], name


def test_a_private_note_stays_private(harness: ChatwootHarness) -> None:
    """No word of a note, or of Chatwoot's own lines, gets into the talk; seen to fail with `private` not looked at."""
    for name in ("message_created_private_note", "message_created_activity"):
        activity = harness.fixture(name)
        assert (activity.kind, activity.text, activity.said, activity.participants) == ("status", "", (), ())
        assert activity.thread != harness.fixture("message_created_incoming").thread
        payload = json.loads((FIXTURES / f"composed_{name}.json").read_bytes())
        assert payload["content"] not in repr(activity)


def test_an_edit_is_told_from_a_receipt(harness: ChatwootHarness) -> None:
    """What a contact wrote anew relates to the first; a receipt of ours is the same message; seen to fail as edits."""
    first, edit = harness.fixture("message_created_incoming"), harness.fixture("message_updated_incoming_edited")
    assert (edit.kind, edit.relates_to, edit.text) == ("edit", first.external_id, "Hello, are the blue ones in stock?")
    sent, receipt = (
        harness.fixture("message_created_outgoing_agent"),
        harness.fixture("message_updated_outgoing_receipt"),
    )
    assert receipt.id == sent.id


def test_a_visitor_is_known_by_all_that_chatwoot_knows(harness: ChatwootHarness) -> None:
    """The contact's number, address, own name and visitor id are told; a file is named and no address of it kept."""
    activity = harness.fixture("message_created_webwidget_attachment")
    assert set(activity.participants[0].identifiers) == {
        Identifier("chat", "contact:5530"),
        Identifier("chat", "identifier:shop-77"),
        Identifier("chat", "visitor:0b6c1c5e-8d7f-4f0e-9c63-1d2c39d0f7aa"),
        Identifier("email", "ann@example.org"),
    }
    assert (activity.text, activity.said) == ("[attachment: kitchen plan.png, image]", ())
    phone = Identifier("phone", "+5581998765432")
    assert phone in harness.fixture("message_created_incoming").actor.identifiers


def test_only_the_chosen_inboxes_count(harness: ChatwootHarness) -> None:
    """An inbox that another channel reads is left out on both ways; seen to fail in the poll without the filter."""
    only = harness.made(inboxes=[12])
    assert not parsed(only, harness.receive())
    assert not all_captured(only.poll(None))
    harness.twin.says(harness.twin.begins(inbox=12), "Hello", RECENT)
    assert len(all_captured(only.poll(None))) == 1


def test_events_without_words_are_kept_and_make_no_talk(harness: ChatwootHarness) -> None:
    """A conversation's status is a status; what nobody here knows is one too, named if its name is a word."""
    activity = harness.fixture("conversation_status_changed")
    assert (activity.kind, activity.attributes["status"], activity.external_id) == (
        "status",
        "resolved",
        "conversation:42",
    )
    assert not activity.participants
    told = {"contact_updated": "contact_updated", "an_event_of_next_year": "an_event_of_next_year", CANARY: "?"}
    for event, shown in told.items():
        request = harness.request(json.dumps({"event": event, "id": 1, "content": CANARY}).encode())
        (noted,) = parsed(harness.channel, harness.channel.verify(request))
        assert (noted.kind, noted.text, noted.participants, noted.attributes) == ("status", "", (), {"event": shown})
        assert CANARY not in repr(noted)


def test_what_matters_little_costs_no_message(harness: ChatwootHarness) -> None:
    """Odd shapes beside the words, as old servers and forks write them, don't park what a customer said."""
    good = json.loads(harness.body())
    conversation = {**good["conversation"], "updated_at": "2026-11-22T10:00:00Z", "additional_attributes": None}
    odd: list[dict[str, Any]] = [
        {"attachments": None, "changed_attributes": {"content": []}},
        {"attachments": [{"file_type": 7, "data_url": "https://x.test/" + "a" * 5_000}]},
        {"attachments": [{"data_url": "http://[broken/"}], "content_attributes": ""},
        {"conversation": {**conversation, "meta": None}, "sender": {**good["sender"], "name": ["x"], "email": 7}},
    ]
    for fields in odd:
        captured = harness.channel.verify(harness.request(json.dumps(good | fields).encode()))
        (activity,) = parsed(harness.channel, captured)
        assert activity.text.startswith(good["content"])
    deleted = good | {"event": "message_updated", "content_attributes": '{"deleted": true}'}
    (activity,) = parsed(harness.channel, harness.channel.verify(harness.request(json.dumps(deleted).encode())))
    assert (activity.kind, activity.text) == ("deletion", "")


def test_two_contacts_of_one_conversation_stay_two(harness: ChatwootHarness) -> None:
    """Who writes in a group has his own identifiers, and none of whom the conversation is with. Seed: always merged."""
    other = {"id": 9, "name": "Bob", "email": None, "phone_number": "+447700900123", "identifier": None}
    good = json.loads(harness.body()) | {"sender": {**other, "type": "contact"}}
    good["conversation"]["meta"]["sender"]["email"] = "mariana@customer.test"
    (activity,) = parsed(harness.channel, harness.channel.verify(harness.request(json.dumps(good).encode())))
    expected = {Identifier("chat", "contact:9"), Identifier("phone", "+447700900123")}
    assert set(activity.participants[0].identifiers) == set(activity.actor.identifiers) == expected


def test_long_lists_are_paged_to_the_floor_and_no_further(harness: ChatwootHarness) -> None:
    """Sixty conversations, one of them of fifty messages, come in whole; seen to fail with the first page alone."""
    for number in range(60):
        harness.twin.says(harness.twin.begins(), f"Question {number}", RECENT + timedelta(seconds=number))
    for number in range(50):
        harness.twin.says(harness.conversation, f"More {number}", RECENT + timedelta(seconds=60 + number))
    harness.put_old()
    found = all_captured(harness.made(batch_size=40).poll(None))
    assert len({captured.key for captured in found}) == len(found) == 110


def test_a_conversation_that_jumps_while_pages_are_turned_is_found(harness: ChatwootHarness) -> None:
    """What moves from the second page to the front between two calls isn't missed; seen to fail with one round."""
    rows = [harness.twin.begins() for _ in range(30)]
    for number, row in enumerate(rows):
        harness.twin.says(row, "First", RECENT + timedelta(seconds=number))
    jumping = rows[0]
    later = RECENT + timedelta(seconds=90)
    harness.twin.fault(Before(lambda: harness.twin.says(jumping, "Second", later)), path=r"page=2(&|$)")
    found = all_captured(harness.channel.poll(None))
    texts = [json.loads(captured.raw)["content"] for captured in found]
    assert (texts.count("First"), texts.count("Second")) == (30, 1)


def test_a_poll_that_was_left_loses_nothing_that_came_meanwhile(harness: ChatwootHarness) -> None:
    """What is written to a part already read, before a broken poll goes on, comes with the next. Seed: no goal."""
    second = harness.twin.begins()
    for number in range(7):
        harness.twin.says(second if number > 2 else harness.conversation, f"Old {number}", RECENT)
    batches = iter(harness.channel.poll(None))
    left = [next(batches), next(batches)]
    later = RECENT + timedelta(hours=2)
    harness.twin.says(harness.conversation, "Meanwhile", later - timedelta(minutes=61))
    harness.twin.says(second, "Last", later)
    rest = harness.channel.poll(json.loads(json.dumps(left[-1].cursor)))
    cursor, texts = None, [json.loads(c.raw)["content"] for batch in left for c in batch.captured]
    for batch in rest:
        cursor = batch.cursor
        texts += [json.loads(c.raw)["content"] for c in batch.captured]
    texts += [json.loads(c.raw)["content"] for c in all_captured(harness.channel.poll(cursor))]
    assert {f"Old {n}" for n in range(7)} | {"Meanwhile", "Last"} == set(texts)


def test_a_cursor_that_cant_be_read_is_a_lost_one(harness: ChatwootHarness) -> None:
    """Whatever has become of a cursor, messages are read again rather than missed."""
    raw = harness.put()
    for cursor in ({"until": "x"}, {"until": 1, "recent": None}, {"until": None, "recent": [], "at": [1]}, {"a": 1}):
        assert [captured.raw for captured in all_captured(harness.channel.poll(cursor))] == [raw], cursor


@pytest.mark.parametrize(
    ("status", "error"), [(429, TemporaryError), (502, TemporaryError), (403, ConfigError), (302, ConfigError)]
)
def test_refusals_of_the_api_name_who_must_act(harness: ChatwootHarness, status: int, error: type[Exception]) -> None:
    """A limit or an outage is for time, a refusal or another address for the operator; none is taken for an end."""
    harness.put()
    harness.twin.fault(Status(status, {"error": CANARY}), path="messages")
    with pytest.raises(error) as caught:
        all_captured(harness.channel.poll(None))
    assert CANARY not in str(caught.value)


def test_a_page_of_somebody_else_is_no_empty_list(harness: ChatwootHarness) -> None:
    """A login page that answers 200 is an outage, not a Chatwoot without conversations; seen to fail with `or []`."""
    harness.put()
    harness.twin.fault(Status(200, "<html>Please log in</html>"), path="conversations")
    with pytest.raises(TemporaryError):
        all_captured(harness.channel.poll(None))


def test_a_message_without_a_time_is_not_passed_over(harness: ChatwootHarness) -> None:
    """A message whose time can't be read ends the poll with an error. Seed: no look at the times of rows."""
    row = {"id": 90_001, "content": "Hello", "created_at": "yesterday"}
    harness.put()
    harness.twin.fault(Status(200, {"payload": [row]}), path="messages")
    with pytest.raises(TemporaryError):
        all_captured(harness.channel.poll(None))


def test_no_signed_body_breaks_the_reader(harness: ChatwootHarness) -> None:
    """Whatever stands in a message's fields, it is read or parked, and its words are nobody else's."""
    channel = harness.channel
    good = json.loads(harness.body())
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))
    names = st.sampled_from([*sorted(good), "attachments", "changed_attributes", "contact"])

    @given(st.dictionaries(names, values, min_size=1, max_size=4))
    def forge(fields: dict[str, Any]) -> None:
        raw = json.dumps(good | fields).encode()
        try:
            activities = channel.parse(delivered(channel, Captured(channel.account, raw)))
        except PermanentError:
            return
        for activity in activities:
            assert activity.actor.authenticated == (activity.actor.role is Role.AGENT)
            assert all(activity.text[said.start : said.end] for said in activity.said)

    forge()


def test_settings_that_cant_work_refuse_to_start(harness: ChatwootHarness) -> None:
    """A missing secret or token, a weak one, and a token that no header can hold, are errors that show nothing."""
    cases: list[dict[str, Any]] = [
        {"secret_env": None},
        {"token_env": None},
        {"secrets": ("short",)},
        {"token": "line\nend"},
        {"token": "ключ"},
    ]
    for case in cases:
        with pytest.raises(ConfigError, match=re.escape("channels.chat.")) as caught:
            harness.made(**case)
        assert "short" not in str(caught.value)
    assert door(harness.channel, harness.request(harness.body())) is None


def test_a_census_gives_the_ids_of_webhooks_and_what_was_changed_later(harness: ChatwootHarness) -> None:
    """What a webhook told is found again as the same, and a deletion long after the overlap is found at all."""
    one = harness.twin.says(harness.conversation, "Is it in stock?", RECENT)
    two = harness.twin.says(harness.conversation, "Call me on 07700 900123", RECENT + timedelta(seconds=1))
    by_hook = [parsed(harness.channel, harness.channel.verify(harness.request(harness.twin.webhook(one))))[0]]
    harness.twin.deletes(two)
    hook = harness.request(harness.twin.webhook(two, "message_updated"))
    by_hook += parsed(harness.channel, harness.channel.verify(hook))
    found = [a for batch in harness.channel.census(RECENT) for c in batch.captured for a in parsed(harness.channel, c)]
    assert [a.id for a in found] == [a.id for a in by_hook]
    assert found[1].kind == "deletion"


def test_a_conversation_that_is_refused_keeps_no_other_back(harness: ChatwootHarness) -> None:
    """What lies behind it comes, and a poll that is left goes on behind either. Seed: the error raised."""
    first, others = harness.put_withheld(), [harness.put(), harness.put()]
    second = harness.twin.begins()
    others += [harness.laid(harness.twin.says(second, f"Hello {n}", RECENT)) for n in range(2)]
    batches = list(harness.made(batch_size=1).poll(None))
    key, _ = harness.name_of(first)
    told = [(captured.key if captured.withheld else captured.raw) for b in batches for captured in b.captured]
    assert told == [*others[:2], key, *others[2:]]
    for done, batch in enumerate(batches[: len(told)], 1):
        rest = all_captured(harness.channel.poll(json.loads(json.dumps(batch.cursor))))
        assert [(captured.key if captured.withheld else captured.raw) for captured in rest] == told[done:]


def test_a_conversation_that_moves_while_it_is_refused_is_named_anew(harness: ChatwootHarness) -> None:
    """So what was said after a person gave the first up isn't lost in silence. Seed: a key without the time."""
    first = harness.put_withheld()
    harness.put()
    cursor = last_cursor(harness.channel.poll(None))
    moved = RECENT + timedelta(minutes=9)
    later = harness.laid(harness.twin.says(harness.withheld[first][0], "Are you there?", moved))
    (left,) = all_captured(harness.channel.poll(cursor))
    assert left.withheld and left.headers["at"] == str(int(moved.timestamp()))
    harness.mend()
    assert [captured.raw for captured in harness.channel.retrieve(str(left.key), left.headers)] == [first, later]


def test_a_history_in_which_one_conversation_is_refused_is_read(harness: ChatwootHarness) -> None:
    """It is measured and read but for that, whose old messages then come by name. Seed: asked for from our start on."""
    since = INSTALLED - timedelta(days=90)
    old = harness.put_old()
    number = len(harness.twin.conversations) + 40
    others = sorted(harness.put_old() for _ in range(2))
    harness.twin.fault(Status(500), path=f"/conversations/{number}/messages", times=None)
    extent = harness.channel.extent(since)
    assert (extent.items, extent.size_bytes) == (3, sum(map(len, others)))
    found = all_captured(harness.channel.backfill(since, None))
    (left,) = (captured for captured in found if captured.withheld)
    assert sorted(captured.raw for captured in found if captured.raw) == others
    with pytest.raises(Withheld):
        harness.channel.retrieve(str(left.key), left.headers)
    harness.mend()
    assert [captured.raw for captured in harness.channel.retrieve(str(left.key), left.headers)] == [old]
    harness.twin.conversations.pop(number)
    assert not harness.channel.retrieve(str(left.key), left.headers)


def test_a_limit_of_calls_sets_no_conversation_aside(harness: ChatwootHarness) -> None:
    """It is for all of them, so it ends the poll where it stands; seen to fail with 429 as one thing's refusal."""
    harness.put_withheld()
    harness.put()
    harness.mend()
    harness.twin.fault(Status(429), path="/42/messages")
    with pytest.raises(Unanswered):
        all_captured(harness.channel.poll(None))
    assert len(all_captured(harness.channel.poll(None))) == 2


def test_only_a_conversation_that_counts_shows_that_any_can_be_had(harness: ChatwootHarness) -> None:
    """No word of an inbox that another channel reads is asked for to see whether all is refused. Seed: any inbox."""
    harness.put()
    number = harness.twin.begins(inbox=12)
    raw = harness.laid(harness.twin.says(number, "Hello", RECENT))
    harness.twin.fault(Status(500), path=f"/{number}/messages", times=None)
    only, asked = harness.made(inboxes=[12]), harness.twin.before(lambda: None, path="/41/messages", times=None)
    with pytest.raises(TemporaryError):
        all_captured(only.poll(None))
    assert not asked.struck
    harness.mend()
    assert [captured.raw for captured in all_captured(only.poll(None))] == [raw]
