"""What is asked of Meta's Graph API: files, who gets the token, whose turn a refusal is, talk that webhooks lost."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.meta import MetaChannel, MetaOptions
from adapters.channels.meta.contents import BY_ID
from sidecar.capture import capture
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.model import Activity, Attachment, Role
from sidecar.ports import Captured
from tests.contract.channel import INSTALLED, Secrets, all_captured, context, delivered, parsed
from tests.contract.meta_pages import INSTAGRAM, PAGE, RECENT, PagesHarness
from tests.support.activities import MINT
from tests.support.facts import SetClock
from tests.twins.meta import MetaTwin
from tests.twins.wire.faults import Drop, Status

FIXTURES = Path(__file__).parent.parent / "fixtures" / "meta"
VOICE = b"OggS" * 300
PERSON = "1630934236957797"


@pytest.fixture
def twin() -> Iterator[MetaTwin]:
    """A Graph API with one voice note."""
    with MetaTwin() as made:
        made.keep("7700", VOICE, "audio/ogg; codecs=opus")
        yield made


@pytest.fixture
def pages(twin: MetaTwin, tmp_path: Path) -> PagesHarness:
    """A page and its Instagram account."""
    return PagesHarness(twin, tmp_path)


def asking(twin: MetaTwin, **options: Any) -> MetaChannel:
    """Return a channel that asks the twin and doesn't wait."""
    given: dict[str, Any] = {
        "secret_env": "SECRET", "token_env": "TOKEN", "graph_url": twin.url, "calls_per_s": 1000, "max_wait_s": 0,
        **options,
    }  # fmt: skip
    reader = Secrets(SECRET=twin.secret, TOKEN=twin.token, WRONG="another-token", ODD="with space")
    return MetaChannel("meta", MetaOptions(**given), context(Path(), reader))


def file(ref: str = BY_ID + "7700") -> Attachment:
    """Return a voice note's name."""
    return Attachment(ref, "voice", "audio/ogg", "note.ogg")


def test_a_file_is_had_by_its_id(twin: MetaTwin) -> None:
    """Its address is asked for, and its bytes come whole, with the type that the API tells; both with the token."""
    media = asking(twin).media(file())
    assert (media.raw, media.content_type, media.name) == (VOICE, "audio/ogg; codecs=opus", "note.ogg")
    assert [entry.path for entry in twin.log.entries] == ["/v23.0/7700", "/files/7700?hash=x"]
    assert {entry.body for entry in twin.log.entries} == {f"Bearer {twin.token}".encode()}


def test_an_id_leads_to_no_other_object(twin: MetaTwin) -> None:
    """An id that looks like a path or a query is one word of a path; seen to fail with the id unquoted."""
    for ref in ("7700?fields=access_token", "../7700", "7700/../7700", "7700#x"):
        with pytest.raises(PermanentError):
            asking(twin).media(file(BY_ID + ref))
    assert not twin.log.counts["files"]


@pytest.mark.parametrize(
    "ref",
    [
        "https://evil.example.org/v.ogg",
        "http://cdn.fbsbx.com/v.ogg",
        "https://cdn.fbsbx.com.evil.example.org/v.ogg",
        "https://cdn.fbsbx.com@evil.example.org/v.ogg",
        "https://127.0.0.1/v.ogg",
        "file:/etc/hostname",
        "",
    ],
)
def test_an_address_of_a_message_leads_to_meta_alone(twin: MetaTwin, ref: str) -> None:
    """T4: whatever a message names, no other host is asked."""
    with pytest.raises(PermanentError):
        asking(twin).media(file(ref))


def test_a_signed_address_is_asked_without_the_token(twin: MetaTwin) -> None:
    """What a platform's message names by its address is asked for with nothing of ours."""
    with pytest.raises(PermanentError):
        asking(twin).media(file(f"{twin.url}/files/7700"))
    assert [entry.body for entry in twin.log.entries] == [b""]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": {"code": 100, "error_subcode": 33}}, PermanentError),
        (404, {}, PermanentError),
        (410, {}, PermanentError),
        (400, {"error": {"code": 190}}, ConfigError),
        (401, {}, ConfigError),
        (403, {"error": {"code": 10}}, ConfigError),
        (400, {"error": {"code": 200}}, ConfigError),
        (302, {}, ConfigError),
        (400, {"error": {"code": 4}}, TemporaryError),
        (400, {"error": {"code": 80007}}, TemporaryError),
        (400, {"error": {"code": 999, "is_transient": True}}, TemporaryError),
        (429, {}, TemporaryError),
        (500, {"error": {"code": 1}}, TemporaryError),
        (503, "<html>", TemporaryError),
        (200, {"url": None}, TemporaryError),
        (200, "no json", TemporaryError),
    ],
)
def test_a_refusal_says_who_must_act(twin: MetaTwin, status: int, body: Any, error: type[Exception]) -> None:
    """By Meta's code, else by the status: gone, the operator's, or time's; and without a word of Meta's."""
    if isinstance(body, dict) and "error" in body:
        body["error"]["message"] = "canary-of-meta"
    twin.fault(Status(status, body), times=None)
    with pytest.raises(error) as caught:
        asking(twin).media(file())
    assert "canary" not in str(caught.value) and twin.token not in str(caught.value)
    if error is ConfigError:
        assert "channels.meta." in str(caught.value)


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (Status(404), PermanentError),
        (Status(410), PermanentError),
        (Status(403), PermanentError),
        (Status(401), ConfigError),
        (Status(429, {}, {"Retry-After": "30"}), TemporaryError),
        (Status(503), TemporaryError),
        (Drop(), TemporaryError),
    ],
)
def test_a_file_that_doesn_t_come_is_gone_or_late(twin: MetaTwin, action: Any, error: type[Exception]) -> None:
    """The address of a file that has ended says so; an outage is waited out."""
    twin.fault(action, path="/files/", times=None)
    with pytest.raises(error) as caught:
        asking(twin).media(file())
    if isinstance(caught.value, TemporaryError) and isinstance(action, Status) and action.status == 429:
        assert caught.value.retry_after_s == 30


def test_a_file_has_a_bound(twin: MetaTwin) -> None:
    """A file larger than may be fetched is refused, by the length that is told or while it comes."""
    with pytest.raises(PermanentError, match="larger than 1000 bytes"):
        asking(twin, max_media_bytes=1_000).media(file())


def test_a_token_is_asked_for_where_it_is_needed(twin: MetaTwin, tmp_path: Path) -> None:
    """Without a token WhatsApp's files can't be had, which is the operator's; pages aren't taken at all."""
    with pytest.raises(ConfigError, match=r"channels\.meta\.token_env"):
        asking(twin, token_env=None).media(file())
    with pytest.raises(ConfigError, match=r"channels\.meta\.token_env"):
        asking(twin, token_env=None, pages=[PAGE])
    with pytest.raises(ConfigError):
        asking(twin, token_env="ODD")


def test_files_are_named_with_their_hash_and_their_end() -> None:
    """WhatsApp's hash comes in base64 and is told in hex; an id is good for seven days; Messenger names an address."""
    raw = (FIXTURES / "whatsapp_cloud" / "composed_every_type.json").read_bytes()
    found = {a.attributes["kind"]: a for a in _read(raw) if a.attachments}
    assert {kind: a.attachments[0].kind for kind, a in found.items()} == {
        "image": "image", "audio": "voice", "video": "video", "document": "document", "sticker": "image",
    }  # fmt: skip
    for activity in found.values():
        (named,) = activity.attachments
        assert named.ref.startswith(BY_ID)
        assert named.expires_at == activity.at + timedelta(days=7)
        assert named.sha256 == "" or len(bytes.fromhex(named.sha256)) == 32
    (spoken,) = _read((FIXTURES / "messenger" / "composed_attachment_audio.json").read_bytes())
    assert spoken.attachments == (Attachment("https://cdn.fbsbx.com/v/voice.mp4?oh=x&oe=y", "audio"),)


def test_poll_and_webhook_tell_one_fact(pages: PagesHarness) -> None:
    """A message that both name has one id, on Messenger and on Instagram; seen to fail with the page's id for both."""
    at = RECENT.replace(microsecond=0)
    for platform, side in (("messenger", PAGE), ("instagram", INSTAGRAM)):
        pages.twin.say(PAGE, PERSON, f"m_{platform}", "Is Thursday free?", at, platform=platform)
        event = {"sender": {"id": PERSON}, "recipient": {"id": side}, "timestamp": int(at.timestamp() * 1000)}
        entry = {"id": side, "time": 1, "messaging": [{**event, "message": {"mid": f"m_{platform}", "text": "Is it?"}}]}
        told = {"object": "page" if platform == "messenger" else "instagram", "entry": [entry]}
        (hooked,) = parsed(pages.channel, Captured("meta", json.dumps(told).encode()))
        polled = {a.id: a for a in _polled(pages)}
        assert hooked.id in polled
        again = polled[hooked.id]
        assert (again.thread, again.at, again.actor.identifiers) == (hooked.thread, hooked.at, hooked.actor.identifiers)


def test_our_side_is_a_person_only_where_no_bot_is_named(pages: PagesHarness) -> None:
    """What the page wrote can't be told from a bot's by the API, so with bots it is nobody who can be believed."""
    pages.twin.say(PAGE, PERSON, "m_1", "It is.", RECENT, by_us=True)
    (ours,) = _polled(pages)
    assert (ours.actor.role, ours.actor.authenticated) == (Role.AGENT, True)
    (ours,) = _polled(pages, bot_apps=["15174"])
    assert (ours.actor.role, ours.actor.authenticated) == (Role.AGENT, False)
    assert [person.part for person in ours.participants if person.own] == ["from"]


def test_what_was_said_before_the_installation_is_left_out(pages: PagesHarness) -> None:
    """A conversation that goes on brings its newest messages, of which the old ones wait for nobody."""
    pages.twin.say(PAGE, PERSON, "m_old", "An old question", INSTALLED - timedelta(days=3))
    pages.twin.say(PAGE, PERSON, "m_new", "A new one", RECENT)
    assert [a.external_id for a in _polled(pages)] == ["m_new"]


def test_all_conversations_are_walked(pages: PagesHarness) -> None:
    """More conversations than one answer holds are all read; one that is gone meanwhile holds up no other."""
    for _ in range(60):
        pages.put()
    assert len(_polled(pages, batch_size=20)) == 60
    gone = next(id for id, (_, platform, _) in pages.twin.conversations.items() if platform == "messenger")
    pages.twin.fault(Status(400, {"error": {"code": 100, "error_subcode": 33}}), path=rf"/{gone}\?", times=None)
    assert len(_polled(pages)) == 59


def test_the_token_in_an_answer_is_not_kept(pages: PagesHarness) -> None:
    """Meta repeats the token in the address of older messages; it lies in no delivery. Seen to fail at first."""
    for n in range(25):
        pages.twin.say(PAGE, PERSON, f"m_{n}", f"Message {n}", RECENT + timedelta(seconds=n))
    (answer,) = [pages.twin.told(id) for id in pages.twin.conversations]
    assert f"token-of-page-{PAGE}".encode() in answer
    (captured,) = all_captured(pages.channel.poll(None))
    assert b"token-of-page" not in captured.raw
    assert b"access_token=&after=x" in captured.raw, "all else is as it came"
    assert len(parsed(pages.channel, captured)) == 20


def test_what_is_said_in_the_second_of_a_poll_is_not_lost(pages: PagesHarness) -> None:
    """Two messages of one second, one before and one after a poll, both come; later nothing is read again for it.

    Seen to fail with a conversation taken for read as soon as it was.
    """
    at = RECENT.replace(microsecond=0)
    pages.twin.say(PAGE, PERSON, "m_1", "One", at)
    read: list[str] = []
    cursor, keys = None, list[str | None]()
    clock = SetClock(at)
    channel = pages.reopen(clock)
    for seconds in (1, 600, 1_200):
        clock.at = at + timedelta(seconds=seconds)
        for batch in channel.poll(cursor):
            read += [a.external_id for captured in batch.captured for a in parsed(channel, captured)]
            keys += [captured.key for captured in batch.captured]
            cursor = batch.cursor
        pages.twin.say(PAGE, PERSON, "m_2", "Two", at) if seconds == 1 else None
    assert sorted(set(read)) == ["m_1", "m_2"]
    assert len(keys) == len(set(keys)) == 2


def test_a_list_without_an_end_is_said(pages: PagesHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond the bound isn't left out in silence, with a cursor behind it; seen to fail at first."""
    monkeypatch.setattr("adapters.channels.meta.pages.MAX_CALLS", 3)
    row = {"id": "t_1", "updated_time": RECENT.strftime("%Y-%m-%dT%H:%M:%S+0000")}
    endless = {"data": [row], "paging": {"cursors": {"after": "x"}, "next": "https://graph.facebook.com/next"}}
    pages.twin.fault(Status(200, endless), path="/conversations", times=None)
    with pytest.raises(PermanentError, match="too many to walk"):
        list(pages.channel.poll(None))
    assert pages.twin.log.counts["conversations"] == 3


def test_a_page_that_the_token_may_not_act_for_is_said(pages: PagesHarness) -> None:
    """An answer without a page's token is somebody's to mend, and the check says it first."""
    pages.twin.fault(Status(200, {"id": PAGE}), path=rf"/{PAGE}\?", times=None)
    (line,) = pages.channel.check()
    assert f"channels.meta.pages: the token's user may not act for page {PAGE}" in line
    assert not asking(pages.twin).check()


def test_a_page_that_is_not_there_is_named_with_what_to_do(pages: PagesHarness) -> None:
    """A mistyped page is the operator's to mend: the check and the pause say which, and where it stands."""
    pages.twin.fault(Status(400, {"error": {"code": 100, "error_subcode": 33}}), path=rf"/{PAGE}\?", times=None)
    (line,) = pages.channel.check()
    assert f"channels.meta.pages: page {PAGE} isn't there" in line
    with pytest.raises(ConfigError):
        _polled(pages)


def test_one_bad_message_holds_up_no_other(pages: PagesHarness) -> None:
    """A message without a sender is named as a problem beside those that can be read."""
    row = {"id": "m_1", "created_time": "2026-11-22T09:00:00+0000", "from": {"id": PERSON}, "message": "Hello"}
    raw = json.dumps({"messages": {"data": [row, {"id": "m_2", "message": "canary"}]}}).encode()
    (found,) = parsed(pages.channel, pages._answer(raw))
    assert found.problems == ("message[1]: missing",)


def _polled(pages: PagesHarness, **options: Any) -> list[Activity]:
    channel = pages.reopen(**options)
    return [activity for captured in all_captured(channel.poll(None)) for activity in parsed(channel, captured)]


def _read(raw: bytes) -> tuple[Activity, ...]:
    channel = MetaChannel("meta", MetaOptions(secret_env="SECRET"), context(Path(), Secrets(SECRET="s" * 32)))
    return parsed(channel, Captured("meta", raw))


class TestHistory:
    """What an onboarded WhatsApp Business app said before: counted, and read only where that is wanted."""

    def channel(self, *, history: bool) -> MetaChannel:
        """Return a channel that wants an app's history, or not."""
        options = MetaOptions(secret_env="SECRET", history=history)
        return MetaChannel("meta", options, context(Path(), Secrets(SECRET="s" * 32)))

    def request(self, *messages: dict[str, Any], **more: Any) -> bytes:
        """Return a chunk with one thread."""
        metadata = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
        chunk = {
            "metadata": {"phase": 1, "chunk_order": 1, "progress": 55},
            "threads": [{"id": "447700900123", "messages": list(messages)}],
        }
        value = {"messaging_product": "whatsapp", "metadata": metadata, "history": [chunk], **more}
        entry = {"id": "102290129340398", "changes": [{"value": value, "field": "history"}]}
        return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()

    def message(self, id: str, sender: str = "447700900123", **content: Any) -> dict[str, Any]:
        """Return a message as the history tells it."""
        said = content or {"type": "text", "text": {"body": f"words of {id}"}}
        return {"from": sender, "id": id, "timestamp": "1792300000", "history_context": {"status": "READ"}, **said}

    def test_it_is_counted_unless_it_is_wanted(self) -> None:
        """Older history is read when somebody asked for it; until then a chunk is one status."""
        (found,) = parsed(self.channel(history=False), Captured("meta", self.request(self.message("wamid.1"))))
        assert (found.kind, found.attributes["event"], found.participants) == ("status", "history", ())

    def test_both_sides_are_told_apart(self) -> None:
        """What comes from our number is ours, to the customer whose thread it is."""
        raw = self.request(self.message("wamid.1"), self.message("wamid.2", sender="15550783881"))
        theirs, ours = parsed(self.channel(history=True), Captured("meta", raw))
        assert (theirs.actor.role, ours.actor.role, ours.actor.authenticated) == (Role.CUSTOMER, Role.AGENT, True)
        assert theirs.thread == ours.thread == "106540352242922:447700900123"
        assert ours.participants[1].identifiers == theirs.actor.identifiers
        assert theirs.external_id == "wamid.1"
        assert theirs.at == datetime.fromtimestamp(1792300000, UTC)

    def test_thousands_of_messages_are_one_request(self) -> None:
        """A chunk of five thousand messages is read and not parked; seen to fail with a bound of a thousand."""
        channel = self.channel(history=True)
        raw = self.request(*(self.message(f"wamid.{n}") for n in range(5_000)))
        assert len(raw) < 3_000_000
        found = capture(delivered(channel, Captured("meta", raw)), channel, MINT)
        assert len({activity.id for activity in found}) == 5_000

    def test_a_placeholder_gives_way_to_its_file(self) -> None:
        """A file's message comes first without it and later with it, under one id: both are kept."""
        placeholder = self.message("wamid.1", type="media_placeholder")
        named = self.message("wamid.1", type="image", image={"id": "7700", "caption": "Our room"})
        channel = self.channel(history=True)
        (first,) = parsed(channel, Captured("meta", self.request(placeholder)))
        (second,) = parsed(channel, Captured("meta", self.request(named)))
        assert (first.kind, second.kind, second.attachments[0].ref) == ("status", "message", BY_ID + "7700")
        assert first.id != second.id

    def test_a_file_of_long_ago_can_be_had_as_long_as_any(self) -> None:
        """Its id is as young as the request that names it, so one outage doesn't lose it; seen to fail at first."""
        raw = self.request(self.message("wamid.1", type="audio", audio={"id": "7700", "voice": True}))
        channel = self.channel(history=True)
        delivery = delivered(channel, Captured("meta", raw))
        (found,) = capture(delivery, channel, MINT)
        assert found.attachments[0].expires_at == delivery.received_at + timedelta(days=7)

    def test_a_history_that_was_not_shared_is_counted(self) -> None:
        """That somebody declined to share it is kept by its code's own status, and is no talk."""
        declined = [{"errors": [{"code": 2593109, "title": "declined"}]}]
        (found,) = parsed(self.channel(history=True), Captured("meta", self.request(history=declined)))
        assert (found.kind, found.attributes["event"]) == ("status", "history_error")
