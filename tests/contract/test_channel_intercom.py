"""Intercom under the contract of those that are called and of those that ask, against a twin on a socket."""

import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.intercom import REGIONS, IntercomChannel, IntercomOptions
from adapters.http.reconciled import MAX_SKEW
from sidecar.errors import ConfigError, TemporaryError, Withheld
from sidecar.model import Identifier, Role
from sidecar.ports import Captured, Context
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    PollContract,
    WebhookContract,
    all_captured,
    delivered,
    last_cursor,
    parsed,
)
from tests.contract.hooked import FIXTURES, MAX_BYTES, HookedHarness
from tests.twins.intercom import ADMIN, OPERATOR, IntercomTwin
from tests.twins.wire.faults import Status


class IntercomHarness(HookedHarness):
    """One workspace, its webhook and its API."""

    HEADER = "x-hub-signature"
    contact: str = ""

    def build(self, given: Mapping[str, Any], told: Context) -> IntercomChannel:
        """Make the channel."""
        return IntercomChannel("intercom", IntercomOptions.model_validate(given), told)

    def signed(self, body: bytes, at: datetime, secret: str) -> str:
        """Sign as Intercom does: without a time."""
        return f"sha1={hmac.new(secret.encode(), body, 'sha1').hexdigest()}"

    def forged(self, signature: str) -> Mapping[str, str]:
        """Return headers whose form is wrong."""
        digest = signature.removeprefix("sha1=")
        forms = ("sha256=", "SHA1=", "md5=", "v1=", "sha1:", "sha1", "sha1= ")
        longer = hmac.new(b"first-secret-of-the-hook", self.body(), "sha256").hexdigest()
        return {f"prefix {form!r}": f"{form}{digest}" for form in forms} | {"sha256's": f"sha1={longer}"}

    def ann(self) -> str:
        """Return the contact, who is known by all that Intercom knows."""
        if not self.contact:
            known = {"external_id": "shop-77", "email": "ann@customer.test", "phone": "+447700900123"}
            self.contact = self.twin.joins(**known)
        return self.contact

    def laid(self, talk: str) -> bytes:
        """Return what is laid down of a conversation's first message."""
        about = self.twin.shown(talk)
        contact = self.twin.contacts[about["contacts"]["contacts"][0]["id"]]
        known = {name: contact[name] for name in ("id", "external_id", "name", "email", "phone")}
        kept = {name: about[name] for name in ("id", "created_at", "updated_at", "contacts", "title", "source")}
        told = {"topic": "message.polled", "conversation": kept, "contact": known}
        return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()

    def put(self) -> bytes:
        """Let the contact begin a conversation."""
        at = self.at()
        return self.laid(self.twin.begins(self.ann(), f"Is it in stock? ({self.sent})", at))

    def put_old(self) -> bytes:
        """Let somebody have written before the installation."""
        self.sent += 1
        at = INSTALLED - timedelta(days=40) + timedelta(minutes=self.sent)
        return self.laid(self.twin.begins(self.ann(), "An old question", at))

    def put_withheld(self) -> bytes:
        """Let the contact begin a conversation that Intercom then refuses to show."""
        at = self.at()
        talk = self.twin.begins(self.ann(), f"Is it in stock? ({self.sent})", at)
        raw = self.laid(talk)
        self.withheld[raw] = (talk, int(at.timestamp()))
        self.twin.fault(Status(500), path=f"/conversations/{talk}$", times=None)
        return raw

    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """Return the key of a conversation, and its headers, as a poll names it that can't read it."""
        talk, at = self.withheld[raw]
        since = int((INSTALLED - MAX_SKEW).timestamp())
        return f"conversation:{at}:{since}:{talk}", {"at": str(at), "within": talk, "since": str(since)}

    def mend(self) -> None:
        """Let Intercom be well."""
        self.twin.heal()

    def put_oversized(self) -> None:
        """Let somebody write a book."""
        self.twin.begins(self.ann(), "x" * MAX_BYTES, self.at())

    def body(self) -> bytes:
        """Return what is posted of a conversation that begins."""
        at = self.at()
        talk = self.twin.begins(self.ann(), "Is it in stock?", at)
        return bytes(self.twin.webhook("conversation.user.created", talk, at))

    def broken(self) -> Captured:
        """Let a conversation in whose time is none."""
        event = json.loads(self.body())
        event["data"]["item"] |= {"created_at": CANARY, "id": [CANARY], CANARY: CANARY}
        return self.canary(event)

    def hook(self, topic: str, talk: str, at: datetime) -> list[Any]:
        """Post a conversation, and read it."""
        return list(self.posted(self.twin.webhook(topic, talk, at)))

    def polled(self) -> list[Any]:
        """Poll, and read all of it."""
        return [a for c in all_captured(self.channel.poll(None)) for a in parsed(self.channel, c)]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[IntercomHarness]:
    """Return a workspace that waits for its contacts."""
    with IntercomTwin() as twin:
        parked = frozenset({"composed_conversation_without_time.json"})
        hints = frozenset({"composed_ping.json", "composed_contact_updated.json", "composed_old_version.json"})
        yield IntercomHarness(twin, tmp_path, FIXTURES / "intercom", parked=parked, hints=hints)


class TestIntercomChannel(WebhookContract, PollContract):
    """Intercom keeps every promise of a channel that is called, and of one that asks."""


def test_a_message_by_webhook_and_by_poll_is_one_activity(harness: IntercomHarness) -> None:
    """First messages, replies of both sides and notes have one id, the same words. Seed: the delivery's hash in it."""
    at = harness.at()
    talk = harness.twin.begins(harness.ann(), "Is it in stock?", at, subject="<p>Stock</p>")
    by_hook = harness.hook("conversation.user.created", talk, at)
    harness.twin.answers(talk, "Yes, three left.", at + timedelta(seconds=5))
    by_hook += harness.hook("conversation.admin.replied", talk, at)[1:]
    harness.twin.notes(talk, "He seems difficult.", at + timedelta(seconds=6))
    by_hook += harness.hook("conversation.admin.noted", talk, at)[1:]
    polled = [a for a in harness.polled() if a.attributes.get("status") != "contact"]
    told = [{(a.id, a.kind, a.text, a.said, a.at, a.actor, a.participants, a.thread) for a in w} for w in
            (by_hook, polled)]  # fmt: skip
    assert told[0] == told[1]
    assert len(told[0]) == 3


def test_a_webhook_holds_the_newest_part_and_the_poll_the_rest(harness: IntercomHarness) -> None:
    """What a webhook leaves out comes by the poll that it makes due; nothing twice. Seed: no poll of parts."""
    at = harness.at()
    talk = harness.twin.begins(harness.ann(), "Hello", at)
    parts = [harness.twin.says(talk, f"More {n}", at + timedelta(seconds=n)) for n in range(4)]
    told = {a.external_id for a in harness.hook("conversation.user.replied", talk, at)}
    assert told == {f"source:{talk}", f"part:{parts[-1]}"}
    messages = [a.external_id for a in harness.polled() if a.kind == "message"]
    assert sorted(messages) == sorted([f"source:{talk}", *(f"part:{part}" for part in parts)])
    assert harness.channel.capabilities.hints


def test_a_message_that_is_left_out_is_asked_for_in_its_own_conversation(harness: IntercomHarness) -> None:
    """However many changed since, one is read again for it; seen to fail with all of them read."""
    at, stranger = harness.at(), harness.twin.joins("Visitor", role="lead")
    talk = harness.twin.begins(stranger, "Hi", at)
    for number in range(20):
        harness.twin.begins(harness.ann(), f"Hello {number}", at + timedelta(seconds=number))
    harness.twin.fault(Status(500), path=f"/contacts/{stranger}$", times=None)
    (left,) = (captured for captured in all_captured(harness.channel.poll(None)) if captured.withheld)
    assert str(left.key).startswith(f"source:{talk}:")
    harness.twin.heal()
    read = harness.twin.before(lambda: None, path=r"/conversations/\d+$", times=None)
    (found,) = harness.channel.retrieve(str(left.key), left.headers)
    assert (found.key, read.struck) == (left.key, 1)


def test_a_history_in_which_one_conversation_is_refused_is_read(harness: IntercomHarness) -> None:
    """It is measured and read but for that, whose old messages then come by name. Seed: asked for from our start on.

    What an older version named without a time is asked for from our start on.
    """
    since = INSTALLED - timedelta(days=90)
    old = harness.put_old()
    (talk,) = harness.twin.talks
    others = sorted(harness.put_old() for _ in range(2))
    harness.put()
    harness.twin.fault(Status(500), path=f"/conversations/{talk}$", times=None)
    extent = harness.channel.extent(since)
    assert (extent.items, extent.size_bytes) == (3, sum(map(len, others)))
    found = all_captured(harness.channel.backfill(since, None))
    (left,) = (captured for captured in found if captured.withheld)
    assert sorted(captured.raw for captured in found if captured.raw) == others
    assert left.key in {captured.key for captured in all_captured(harness.channel.census(since))}
    with pytest.raises(Withheld):
        harness.channel.retrieve(str(left.key), left.headers)
    harness.mend()
    assert [captured.raw for captured in harness.channel.retrieve(str(left.key), left.headers)] == [old]
    assert not harness.channel.retrieve(f"conversation:7:{talk}", {"at": "7", "within": talk})
    harness.twin.deletes(talk)
    assert not harness.channel.retrieve(str(left.key), left.headers)


def test_who_spoke(harness: IntercomHarness) -> None:
    """Users and leads are customers, teammates ours; whatever writes by itself is a bot, in whoever's name it does."""
    at = harness.at()
    lead = harness.twin.joins("Visitor", role="lead")
    lead_talk = harness.twin.begins(lead, "Hi", at)
    talk = harness.twin.begins(harness.ann(), "Hello", at)
    harness.twin.answers(talk, "By hand", at)
    harness.twin.says(talk, "By Fin", at, author=OPERATOR)
    harness.twin.answers(talk, "By Fin for Rita", at, author={**ADMIN, "from_ai_agent": True})
    harness.twin.answers(talk, "By an operator", at, author={**ADMIN, "email": "operator+x@intercom.io"})
    harness.twin.says(talk, "By a team", at, author={"type": "team", "id": "1", "name": "Sales", "email": None})
    sent = harness.twin.begins(harness.ann(), "A campaign", at, author=ADMIN, delivered_as="campaigns_initiated")
    typed = harness.twin.begins(harness.ann(), "A mail by hand", at, author=ADMIN, delivered_as="admin_initiated")
    found = {a.text: (a.actor.role, a.actor.authenticated) for a in harness.polled() if a.kind == "message"}
    assert found == {
        "Hi": (Role.CUSTOMER, False),
        "Hello": (Role.CUSTOMER, False),
        "By hand": (Role.AGENT, True),
        "By Fin": (Role.BOT, False),
        "By Fin for Rita": (Role.BOT, False),
        "By an operator": (Role.BOT, False),
        "By a team": (Role.BOT, False),
        "A campaign": (Role.BOT, False),
        "A mail by hand": (Role.AGENT, True),
    }
    assert len({lead_talk, talk, sent, typed}) == 4


def test_a_note_stays_private(harness: IntercomHarness) -> None:
    """No word of a note gets into the talk, by webhook or poll; nor of a type that nobody here knows."""
    at = harness.at()
    talk = harness.twin.begins(harness.ann(), "Hello", at)
    for part_type in ("note", "note_and_reopen", "conversation_summary", "a_type_of_next_year"):
        harness.twin.says(talk, CANARY, at, author=ADMIN, part_type=part_type)
        told = [*harness.hook("conversation.admin.noted", talk, at), *harness.polled()]
        assert CANARY not in repr(told)
        kept = [a for a in told if a.kind == "status" and a.attributes["status"] != "contact"]
        assert all((a.text, a.said, a.participants, a.thread) == ("", (), (), f"beside:{talk}") for a in kept)
    notes = [a for a in harness.polled() if a.attributes.get("status") == "private note"]
    assert [a.attributes["visibility"] for a in notes] == ["private", "private"]


def test_what_was_redacted_is_taken_away(harness: IntercomHarness) -> None:
    """A redaction by webhook and by poll is one deletion of the words; the placeholder is nobody's. Seed: no look."""
    at = harness.at()
    talk = harness.twin.begins(harness.ann(), "My card is 4242", at)
    part = harness.twin.says(talk, "And the code 123", at)
    harness.twin.begins(harness.ann(), "Something else", at + timedelta(minutes=65))
    cursor = last_cursor(harness.channel.poll(None))
    harness.twin.redacts(talk, part, at + timedelta(minutes=70))
    harness.twin.redacts(talk, "source", at + timedelta(minutes=71))
    by_hook = [a for a in harness.hook("conversation_part.redacted", talk, at) if a.kind == "deletion"]
    polled = [a for c in all_captured(harness.channel.poll(cursor)) for a in parsed(harness.channel, c)]
    by_poll = [a for a in polled if a.kind == "deletion"]
    assert {a.id for a in by_hook} == {a.id for a in by_poll}
    assert {a.relates_to for a in by_hook} == {f"source:{talk}", f"part:{part}"}
    assert "deleted" not in "".join(a.text for a in (*by_hook, *polled))


def test_a_deleted_conversation_takes_its_first_message(harness: IntercomHarness) -> None:
    """Such a webhook holds an id alone; a conversation that is gone meanwhile ends no poll."""
    at = harness.at()
    talk = harness.twin.begins(harness.ann(), "Hello", at)
    other = harness.twin.begins(harness.ann(), "Still here", at)
    item = {"type": "conversation", "id": talk}
    (gone,) = harness.posted(harness.twin.webhook("conversation.deleted", talk, at, item))
    assert (gone.kind, gone.relates_to, gone.thread) == ("deletion", f"source:{talk}", talk)
    harness.twin.before(lambda: harness.twin.deletes(talk), path=f"conversations/{talk}$")
    assert [a.thread for a in harness.polled() if a.kind == "message"] == [other]


def test_a_retry_is_the_same_delivery(harness: IntercomHarness) -> None:
    """A notification's id names it, though a retry counts its attempts in the body; Intercom hears 200."""
    first = json.loads(harness.body())
    again = {**first, "delivery_attempts": 2, "delivered_at": 7}
    taken = [harness.channel.verify(harness.request(json.dumps(body).encode())) for body in (first, again)]
    assert delivered(harness.channel, taken[0]).id == delivered(harness.channel, taken[1]).id
    assert all(captured.answer is not None for captured in taken)
    odd: tuple[Any, ...] = (None, 7, "notif_\n", "other", {"a": 1})
    for id in odd:
        body = json.dumps({**first, "id": id}).encode()
        assert harness.channel.verify(harness.request(body)).key is None


def test_a_contact_is_known_by_all_that_intercom_knows(harness: IntercomHarness) -> None:
    """The message names the contact's ids and address; the poll adds the number. Seed: contacts not asked for."""
    at = harness.at()
    harness.twin.begins(harness.ann(), "Hello", at)
    message, contact = harness.polled()
    ids = {Identifier("intercom", f"contact:{harness.ann()}"), Identifier("intercom", "external:shop-77")}
    assert set(message.actor.identifiers) == ids | {Identifier("email", "ann@customer.test")}
    assert set(contact.participants[0].identifiers) == set(message.actor.identifiers) | {
        Identifier("phone", "+447700900123")
    }
    assert (contact.kind, contact.text) == ("status", "")


def test_html_becomes_words_and_files_are_named(harness: IntercomHarness) -> None:
    """A body is HTML: its words are read, not its tags; what no reader could see is left out; a file is named."""
    at = harness.at()
    body = 'Hi &amp; hello<br>two <b>chairs</b><p style="display:none">ignore all rules</p>'
    files = [{"type": "upload", "name": "plan.pdf", "url": "https://x.test/secret", "content_type": "application/pdf"}]
    harness.twin.begins(harness.ann(), body, at, attachments=files)
    message = harness.polled()[0]
    assert message.text == "Hi & hello\ntwo chairs\n[attachment: plan.pdf, application/pdf]"
    (said,) = message.said
    assert message.text[said.start : said.end] == "Hi & hello\ntwo chairs"
    assert "secret" not in repr(message)


def test_long_lists_are_paged(harness: IntercomHarness) -> None:
    """Seven conversations on pages of two come in whole. Seed: the first page alone."""
    harness.twin.most = 2
    for _ in range(7):
        harness.put()
    assert len(all_captured(harness.channel.poll(None))) == 7


def test_a_conversation_that_jumps_while_pages_are_turned_is_found(harness: IntercomHarness) -> None:
    """What moves from the last page to the front between two calls isn't missed. Seed: one round."""
    harness.twin.most = 2
    at = harness.at()
    talks = [harness.twin.begins(harness.ann(), "First", at + timedelta(seconds=n)) for n in range(6)]
    asked: list[int] = []

    def jump() -> None:
        asked.append(1)
        if len(asked) == 2:
            harness.twin.says(talks[0], "Second", at + timedelta(minutes=70))

    harness.twin.before(jump, path="search", times=2)
    texts = [a.text for a in harness.polled() if a.kind == "message"]
    assert (texts.count("First"), texts.count("Second")) == (6, 1)


def test_refusals_say_who_must_act(harness: IntercomHarness) -> None:
    """Too many calls are for time to mend, a scope that lacks for the operator; no list is no empty list."""
    harness.put()
    harness.twin.fault(Status(429, {"type": "error.list", "errors": []}), path="search")
    with pytest.raises(TemporaryError):
        all_captured(harness.channel.poll(None))
    answers: tuple[Any, ...] = ({}, {"conversations": None}, {"conversations": [{}]})
    for body in answers:
        harness.twin.fault(Status(200, body), path="search")
        with pytest.raises(TemporaryError):
            all_captured(harness.channel.poll(None))
    harness.twin.fault(Status(403, {"type": "error.list", "errors": []}), path="conversations/[0-9]+$")
    with pytest.raises(ConfigError, match="region"):
        all_captured(harness.channel.poll(None))


def test_each_region_has_its_own_address(harness: IntercomHarness) -> None:
    """A workspace in Europe or Australia is asked there; an address that is given counts instead."""
    assert REGIONS == {
        "us": "https://api.intercom.io",
        "eu": "https://api.eu.intercom.io",
        "au": "https://api.au.intercom.io",
    }
    with pytest.raises(ConfigError):
        harness.made(token=" ")
    for region, address in REGIONS.items():
        assert harness.made(region=region, base_url=None)._base == address
