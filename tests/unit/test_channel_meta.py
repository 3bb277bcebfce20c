"""What Meta tells of WhatsApp, Messenger and Instagram, read into activities: whose words, under which id."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.channels.meta import MetaChannel, MetaOptions
from adapters.channels.meta.drafts import MAX_SKEW
from sidecar.config import load
from sidecar.errors import PermanentError
from sidecar.model import Activity, Identifier, Role
from sidecar.ports import Captured
from tests.contract.channel import NOW, Secrets, context, delivered, parsed

FIXTURES = Path(__file__).parent.parent / "fixtures" / "meta"
SECRETS = {
    "META_APP_SECRET": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "META_VERIFY_TOKEN": "kD93-hw0Lq_7sVnTz2",
    "META_TOKEN": "EAAB-of-a-system-user",
}
PAGE, PERSON = "180005062406476", "1630934236957797"
ANN = Identifier("phone", "+447700900123")


def made(*bot_apps: str) -> MetaChannel:
    """Return the channel of an app."""
    options = MetaOptions(secret_env="META_SECRET", bot_apps=bot_apps)
    return MetaChannel("meta", options, context(Path(), Secrets(META_SECRET="s" * 32)))


def read(name: str, *bot_apps: str) -> Sequence[Activity]:
    """Return the activities of a fixture."""
    return body((FIXTURES / name).read_bytes(), *bot_apps)


def body(raw: bytes, *bot_apps: str) -> Sequence[Activity]:
    """Return the activities of a body."""
    return parsed(made(*bot_apps), Captured("meta", raw))


def said(activity: Activity) -> str:
    """Return what somebody said in an activity."""
    return "".join(activity.text[span.start : span.end] for span in activity.said)


def whose(activity: Activity) -> set[Identifier]:
    """Return the identifiers of the customer's side."""
    return {identifier for person in activity.participants if not person.own for identifier in person.identifiers}


def test_every_type_of_message_is_read_or_named() -> None:
    """Each type shows what the customer said apart from our own line about it, and no message is lost."""
    found = read("whatsapp_cloud/composed_every_type.json")
    assert [(said(a), a.text) for a in found if a.kind == "message"] == [
        ("Is Thursday free?", "Is Thursday free?"),
        ("Our room", "Our room\n[image]"),
        ("", "[voice note]"),
        ("", "[video]"),
        ("Signed", "Signed\n[document: offer ] signed.pdf]"),
        ("", "[sticker]"),
        ("", "[location: Town Hall, 1 High Street, 51.5 -0.12]"),
        ("", "[contact: Bob Day, +44 7700 900456]"),
        ("Yes, please", "Yes, please"),
        ("Thursday 10:00", "Thursday 10:00"),
        ("people: 12\ncity: Leeds", "people: 12\ncity: Leeds\n[form]"),
        ("Confirm", "Confirm"),
        ("👍", "👍\n[reaction to a message]"),
        ("For the office", "For the office\n[order: 2 x sku-1]"),
        ("", "[message that WhatsApp doesn't pass on]"),
        ("", "[message of a kind that can't be read: hologram]"),
    ]
    assert [a.attributes["event"] for a in found if a.kind == "status"] == ["reaction_removed", "system"]
    assert found[0].attributes["reply_to"] == "wamid.ASKED"
    assert found[0].attributes["referral"] == "https://fb.me/ad1"
    assert found[1].attributes["media_id"] == "1479537139650973"
    assert found[12].relates_to == "wamid.ASKED"
    assert all(whose(a) == {ANN, Identifier("bsuid", "GB.77001")} for a in found if a.kind == "message")
    assert {a.actor.name for a in found if a.kind == "message"} == {"Ann Lee"}


def test_a_customer_without_a_number_is_known_by_user_id() -> None:
    """A message without a telephone number has its sender all the same; seen to fail with `from` required."""
    (activity,) = read("whatsapp_cloud/composed_bsuid_only_no_phone.json")
    both = {Identifier("bsuid", "US.13491208655302741918"), Identifier("bsuid", "US.ENT.11815799212886844830")}
    assert whose(activity) == both
    assert (activity.actor.name, activity.actor.role) == ("Kerry F.", Role.CUSTOMER)
    assert activity.thread == "106540352242922:US.13491208655302741918"
    assert activity.at.isoformat() == "2026-11-18T11:06:40+00:00"


def test_one_request_tells_of_many_numbers() -> None:
    """Each message goes by its own number, and a receipt beside them names nobody."""
    one, two, receipt = read("whatsapp_cloud/composed_mixed_batch_two_numbers.json")
    assert [said(a) for a in (one, two)] == ["one ü 😀 a/b", "two"]
    assert (one.attributes["account"], receipt.attributes["account"]) == ("106540352242922", "106540352242923")
    assert (receipt.kind, receipt.participants, receipt.relates_to, receipt.text) == ("status", (), None, "")


def test_a_group_is_one_thread_and_its_writers_are_themselves() -> None:
    """In a group the thread is the group's and the person is the writer."""
    (activity,) = read("whatsapp_cloud/composed_group_message.json")
    assert activity.thread == "106540352242922:Y2FwaV9ncm91cDox"
    assert activity.attributes["group"] == "Y2FwaV9ncm91cDox"
    assert whose(activity) == {Identifier("phone", "+16505551234"), Identifier("bsuid", "US.1")}


def test_an_edit_and_a_deletion_point_at_the_first_message() -> None:
    """Both have ids of their own and name the message that they change."""
    first, edit, deletion = read("whatsapp_cloud/composed_edit_and_revoke.json")
    assert (edit.kind, edit.relates_to, said(edit)) == ("edit", first.external_id, "We are 14 people")
    assert (deletion.kind, deletion.relates_to, deletion.text) == ("deletion", first.external_id, "")
    (edited,) = read("messenger/composed_message_edit.json")
    assert (edited.kind, edited.relates_to, edited.version) == ("edit", "m_AAA1", "1")
    (unsent,) = read("instagram/composed_unsent_is_deleted.json")
    (sent,) = read("instagram/composed_text.json")
    assert (unsent.kind, unsent.relates_to) == ("deletion", sent.external_id)


def test_what_our_people_sent_is_our_sides_word() -> None:
    """An echo is an agent's, authenticated by Meta's signature, and is written to the customer."""
    sent, edit, deletion = read("whatsapp_cloud/composed_business_app_echo.json")
    assert [a.kind for a in (sent, edit, deletion)] == ["message", "edit", "deletion"]
    for activity in (sent, edit, deletion):
        assert (activity.actor.role, activity.actor.authenticated) == (Role.AGENT, True)
        assert {p.part for p in activity.participants if not p.own} == {"to"}
        assert whose(activity) == {ANN}
    (inbox,) = read("messenger/composed_echo_page_inbox.json")
    assert (inbox.actor.role, inbox.actor.authenticated) == (Role.AGENT, True)
    assert whose(inbox) == {Identifier("psid", f"{PAGE}:{PERSON}")}
    (hers,) = read("messenger/composed_text.json")
    assert inbox.thread == hers.thread


def test_an_app_named_as_a_bots_is_never_our_sides_word() -> None:
    """What a bot wrote carries no authority; seen to fail with every echo as an agent's."""
    (agent,) = read("messenger/composed_echo_own_app.json")
    (bot,) = read("messenger/composed_echo_own_app.json", "1517776481860111")
    assert (agent.actor.role, bot.actor.role) == (Role.AGENT, Role.BOT)
    assert not bot.actor.authenticated
    assert not bot.said[0].authenticated


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("messenger/composed_read.json", "read"),
        ("messenger/composed_delivery_no_mids.json", "delivery"),
        ("messenger/composed_handover_pass.json", "pass_thread_control"),
        ("messenger/composed_feed_comment.json", "feed"),
        ("messenger/composed_reaction_removed.json", "reaction_removed"),
        ("composed_other_object.json", "object"),
    ],
)
def test_what_is_no_talk_is_kept_and_names_nobody(name: str, event: str) -> None:
    """Receipts, handovers and kinds of another day are counted, and neither say anything nor follow anybody."""
    (activity,) = read(name)
    assert (activity.kind, activity.attributes["event"]) == ("status", event)
    assert (activity.participants, activity.text, activity.said, activity.relates_to) == ((), "", (), None)


def test_fields_that_are_no_talk_are_kept_each_by_its_name() -> None:
    """Templates, alerts of the account, history and a field that doesn't exist yet are one status each."""
    found = read("whatsapp_cloud/composed_fields_that_are_no_talk.json")
    assert [a.attributes["event"] for a in found] == [
        "message_template_status_update",
        "account_alerts",
        "history",
        "a_field_of_next_year",
    ]
    assert len({a.id for a in found}) == 4


def test_receipts_of_a_group_are_told_apart() -> None:
    """One message has a receipt per state and person, and a failure keeps its code."""
    failed, opened = read("whatsapp_cloud/composed_status_failed_in_group.json")
    assert failed.external_id == opened.external_id
    assert failed.id != opened.id
    assert (failed.attributes["event"], failed.attributes["errors"]) == ("failed", "131026")


def test_standby_is_the_same_message_as_messaging() -> None:
    """A message that another app answers has the id that it would have here; seen to fail with the list in the id."""
    (standby,) = read("messenger/composed_standby_message.json")
    (plain,) = read("messenger/composed_text.json")
    assert standby.attributes["standby"] == "true"
    assert (standby.id, said(standby)) == (plain.id, said(plain))


def test_taps_replies_reactions_and_files_are_read() -> None:
    """What was tapped counts as said; what stands behind it, and what was answered, are attributes."""
    (tap,) = read("messenger/composed_postback.json")
    assert (said(tap), tap.attributes["choice"], tap.external_id) == ("Get started", "GET_STARTED", "m_PB1")
    (quick,) = read("messenger/composed_quick_reply.json")
    assert (said(quick), quick.attributes["choice"]) == ("Yes", "YES_PAYLOAD")
    (reply,) = read("messenger/composed_reply_to.json")
    assert reply.attributes["reply_to"] == "m_AAA1"
    (love,) = read("messenger/composed_reaction.json")
    assert (said(love), love.relates_to) == ("❤️", "m_EC1")
    (voice,) = read("messenger/composed_attachment_audio.json")
    assert (voice.text, voice.said) == ("[audio]", ())
    (closed,) = read("instagram/composed_unsupported.json")
    assert closed.text == "[share]\n[message that the platform doesn't pass on]"


def test_the_same_person_on_two_pages_isnt_assumed() -> None:
    """An id of one page says nothing about another page's; seen to fail with the bare id."""
    one, two = read("messenger/composed_two_pages.json")
    assert whose(one) != whose(two)
    assert one.thread != two.thread


def test_what_comes_again_in_other_company_is_the_same() -> None:
    """Meta sends again in other batches: ids depend on the message alone; seen to fail with the request hashed in."""
    whole = read("whatsapp_cloud/composed_every_type.json")
    again: list[Activity] = []
    for place in reversed(range(len(whole))):
        request = json.loads((FIXTURES / "whatsapp_cloud/composed_every_type.json").read_bytes())
        value = request["entry"][0]["changes"][0]["value"]
        value["messages"] = [value["messages"][place]]
        again += body(json.dumps(request).encode())
    assert {a.id for a in again} == {a.id for a in whole}


def test_a_full_batch_is_read_and_more_than_meta_sends_is_parked() -> None:
    """A thousand messages of a thousand people are one request, and ten thousand the most; seen to fail unbounded."""
    request = json.loads((FIXTURES / "whatsapp_cloud/composed_bsuid_only_no_phone.json").read_bytes())
    value = request["entry"][0]["changes"][0]["value"]
    (contact,), (message,) = value["contacts"], value["messages"]
    value["contacts"] = [{**contact, "user_id": f"US.{n}", "parent_user_id": f"US.ENT.{n}"} for n in range(1_000)]
    value["messages"] = [{**message, "from_user_id": f"US.{n}", "id": f"wamid.{n}"} for n in range(1_000)]
    assert len({next(iter(a.actor.identifiers)) for a in body(json.dumps(request).encode())}) == 1_000
    request["entry"] *= 11
    with pytest.raises(PermanentError, match="more than 10000 items"):
        body(json.dumps(request).encode())


def test_one_unreadable_item_holds_up_no_other() -> None:
    """What stands beside a bad message is read, and the bad one is a status with its rule and none of its content."""
    before, bad, after = read("whatsapp_cloud/composed_one_of_three_is_unreadable.json")
    assert [said(a) for a in (before, after)] == ["before", "after"]
    assert (bad.kind, bad.participants) == ("status", ())
    assert bad.problems == ("entry[0] messages: timestamp: int_parsing",)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"{", b"null", b'{"object":"page"}', b'{"object":1,"entry":[]}', b'{"object":"page","entry":{}}',
        b'{"object":"page","entry":[{}]}', b'{"object":"page","entry":[{"id":"1","messaging":{}}]}',
        b'{"object":"whatsapp_business_account","entry":[{"id":"1"}]}',
        b'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[1]}]}',
        b'{"object":"page","entry":[{"id":"1","messaging":[{"message":{"mid":"m","text":"no sender"}}]}]}',
        b'{"object":"x","entry":[{"id":"1","a":' + b"[" * 600 + b"]" * 600 + b"}]}",
        b'{"object":"page","entry":[' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_can_not_be_read_at_all_is_parked(raw: bytes) -> None:
    """A signed body that is no webhook of Meta's is parked for a person, never an error of ours."""
    with pytest.raises(PermanentError):
        body(raw)


def test_the_documented_config_is_valid(tmp_path: Path) -> None:
    """Whoever copies the block of the manual gets options that hold, and a door as wide as Meta's bodies."""
    (block,) = re.findall(r"```toml\n(.*?)```", (FIXTURES.parents[2] / "docs" / "meta.md").read_text(), re.DOTALL)
    (tmp_path / "config.toml").write_text(block)
    loaded = load(tmp_path / "config.toml", SECRETS)
    options = MetaOptions.model_validate(loaded.channels["meta"].options)
    assert loaded.limits.max_body_bytes >= options.max_body_bytes


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
ANYTHING = st.recursive(
    LEAVES,
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=8), some, max_size=3),
    max_leaves=8,
)


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: Mapping[Any, Any] = (
        dict(enumerate(node)) if isinstance(node, list) else node if isinstance(node, dict) else {}
    )
    return [path, *(place for key, value in inner.items() for place in _places(value, (*path, key)))]


SEEDS = [json.loads(path.read_bytes()) for path in sorted(FIXTURES.rglob("*.json")) if ".meta." not in path.name]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_stands_anywhere_is_read_noted_or_parked(data: st.DataObject) -> None:
    """Any value in any place of a payload ends in activities or a parked delivery, the same ones each time."""
    request = json.loads(json.dumps(data.draw(st.sampled_from(SEEDS))))
    path = data.draw(st.sampled_from(_places(request)[1:]))
    node = request
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = data.draw(ANYTHING)
    raw = json.dumps(request).encode()
    channel = made()
    delivery = delivered(channel, Captured("meta", raw))
    try:
        found = channel.parse(delivery)
    except PermanentError:
        return
    assert channel.parse(delivery) == found
    for activity in found:
        assert activity.at <= NOW + MAX_SKEW
        assert all(0 <= span.start < span.end <= len(activity.text) for span in activity.said)
        assert "\0" not in activity.text + activity.external_id + "".join(activity.attributes.values())
