"""Graph's notices at the door, and the subscriptions behind them: made, renewed, lost, and never in a poll's way."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.graph.mail import MailChannel
from adapters.channels.graph.subscriptions import read_time
from adapters.http.oauth import Grant
from sidecar.errors import ConfigError, PermanentError, RejectedInput
from sidecar.ports import Context, Greeting, HookRequest
from tests.contract.channel import INSTALLED, NOW, OWN, Secrets, all_captured, door
from tests.contract.graph_mailboxes import FIRST, HOOK, OTHER, SECOND, CalendarHarness, MailHarness, graph, told
from tests.twins.graph import GraphTwin
from tests.twins.wire.faults import Status

HOUR = 3_600.0


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[MailHarness]:
    """Return a mailbox whose channel has a public address."""
    with graph() as (twin, clock):
        yield MailHarness(twin, tmp_path, clock)


def polled(channel: Any, cursor: Any = None) -> Any:
    """Poll to the end and return the last cursor, as a database gives it back."""
    for batch in channel.poll(cursor):
        cursor = json.loads(json.dumps(batch.cursor))
    return cursor


def asked(harness: MailHarness, method: str) -> int:
    """Count the calls about subscriptions."""
    return harness.twin.calls(f"{method} subscriptions")


def hooked(harness: MailHarness, **options: Any) -> MailChannel:
    """Return the channel with its public address, of one folder."""
    return harness.made(notification_url=HOOK, sent_folders=[], **options)


def test_a_validation_token_is_told_back_as_it_was_meant(harness: MailHarness) -> None:
    """Graph hears its own token, decoded, as plain text; nobody else hears anything of his own by a GET."""
    token = "Validation: Testing client application reachability for subscription Request-Id: a b+c/d=é"
    request = HookRequest({}, b"", {"validationToken": token})
    assert harness.channel.greet(request) == Greeting(token, "text/plain; charset=utf-8")
    assert harness.channel.greet(HookRequest({}, harness.body())) is None
    wrong = [HookRequest({}, b"", {"validationToken": text}) for text in ("", "a\nb", "a\0", "x" * 5_000)]
    for refused in (HookRequest({}, b"", {"validationToken": token}, "GET"), *wrong):
        with pytest.raises(RejectedInput) as caught:
            harness.channel.greet(refused)
        assert caught.value.status == 403


def test_without_a_secret_no_notice_is_taken(harness: MailHarness) -> None:
    """A channel that only polls has no door: whatever comes is refused. Seed: no secret, nothing compared."""
    channel = harness.made(client_state_env=None)
    for body in (harness.body(), json.dumps({"value": [{"clientState": ""}]}).encode(), b'{"value":[]}'):
        assert door(channel, HookRequest({}, body)) == 401


def test_a_first_poll_subscribes_each_folder(harness: MailHarness) -> None:
    """What Graph is asked for: our address twice, new mails of that folder, the secret; what it grants is kept."""
    channel = harness.made(notification_url=HOOK)
    cursor = polled(channel)
    held = list(harness.twin.subscriptions.values())
    assert [row["resource"] for row in held] == [
        f"users/ann@ours.test/mailFolders('{harness.twin.folder_id(name)}')/messages" for name in ("sentitems", "inbox")
    ]
    for row in held:
        assert (row["notificationUrl"], row["lifecycleNotificationUrl"]) == (HOOK, HOOK)
        assert (row["clientState"], row["changeType"]) == (FIRST, "created")
    ends = {at.isoformat().replace("+00:00", "Z") for at in channel.subscriptions(cursor).values()}
    assert ends == {row["expirationDateTime"] for row in held}
    assert set(channel.subscriptions(cursor)) == {"inbox", "sentitems"}
    assert FIRST not in json.dumps(cursor)


def test_a_calendar_subscribes_to_all_that_happens_to_events(harness: MailHarness) -> None:
    """A calendar's subscription hears of new, changed and deleted events."""
    calendar = CalendarHarness(harness.twin, harness.base, harness.clock)
    cursor = polled(calendar.made(notification_url=HOOK))
    (row,) = harness.twin.subscriptions.values()
    assert (row["resource"], row["changeType"]) == ("users/ann@ours.test/events", "created,updated,deleted")
    assert list(calendar.channel.subscriptions(cursor)) == ["calendar"]


def test_a_subscription_is_renewed_at_half_of_the_life_that_it_was_granted(harness: MailHarness) -> None:
    """Graph may grant less than was asked for; half of what it granted counts. Seed: half of what was asked for."""
    short = NOW + timedelta(hours=10)
    harness.twin.fault(Status(201, {"id": "s1", "expirationDateTime": short.isoformat()}), "POST", "subscriptions")
    cursor = polled(hooked(harness))
    harness.twin.subscriptions["s1"] = {"expirationDateTime": short.isoformat(), "clientState": FIRST}
    harness.clock.move(4.9 * HOUR)
    cursor = polled(hooked(harness), cursor)
    assert asked(harness, "PATCH") == 0
    harness.clock.move(0.2 * HOUR)
    cursor = polled(hooked(harness), cursor)
    assert asked(harness, "PATCH") == 1
    assert hooked(harness).subscriptions(cursor)["inbox"] == harness.clock() + timedelta(minutes=4_230)
    polled(hooked(harness), cursor)
    assert (asked(harness, "PATCH"), asked(harness, "POST")) == (1, 1)


def test_a_subscription_that_vanished_is_made_again(harness: MailHarness) -> None:
    """Graph may drop one without a word: within the hour that is seen; an ended one is made anew at once."""
    cursor = polled(hooked(harness))
    harness.twin.drops(next(iter(harness.twin.subscriptions)))
    cursor = polled(hooked(harness), cursor)
    assert not harness.twin.subscriptions
    harness.clock.move(HOUR + 1)
    cursor = polled(hooked(harness), cursor)
    assert len(harness.twin.subscriptions) == 1
    harness.clock.move(200 * HOUR)
    polled(hooked(harness), cursor)
    assert asked(harness, "POST") == 3


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed"])
def test_what_graph_says_of_a_subscription_is_acted_on_by_the_next_poll(harness: MailHarness, event: str) -> None:
    """Lifecycle notices are hints, and make the next poll renew, or make anew. Seed: events not read."""
    channel = hooked(harness)
    cursor = polled(channel)
    (id,) = harness.twin.subscriptions
    body = harness.twin.lifecycle(id, event)
    if event == "subscriptionRemoved":
        harness.twin.drops(id)
    captured = channel.verify(HookRequest({}, body))
    assert captured.raw == body
    polled(channel, cursor)
    assert (asked(harness, "PATCH"), asked(harness, "POST")) == (1, 2 if event == "subscriptionRemoved" else 1)
    assert len(harness.twin.subscriptions) == 1


def test_a_strangers_lifecycle_notice_is_refused(harness: MailHarness) -> None:
    """Nobody without the secret makes us ask Graph for anything. Seed: the event read before the secret."""
    channel = hooked(harness)
    cursor = polled(channel)
    body = json.dumps({"value": [{"clientState": OTHER, "lifecycleEvent": "subscriptionRemoved"}]}).encode()
    assert door(channel, HookRequest({}, body)) == 401
    polled(channel, cursor)
    assert asked(harness, "PATCH") == 0


def test_what_graph_refuses_stops_no_poll(harness: MailHarness) -> None:
    """Mails come in though Graph can't reach us; the subscription shows as ended, and is tried again later."""
    raw = harness.put()
    harness.twin.shakes = lambda url: False  # type: ignore[method-assign]
    channel = hooked(harness)
    batches = list(channel.poll(None))
    assert [c.raw for batch in batches for c in batch.captured] == [raw]
    cursor = json.loads(json.dumps(batches[-1].cursor))
    assert channel.subscriptions(cursor) == {"inbox": NOW}
    cursor = polled(hooked(harness), cursor)
    assert asked(harness, "POST") == 1
    harness.twin.shakes = lambda url: url == HOOK  # type: ignore[method-assign]
    harness.clock.move(HOUR)
    cursor = polled(hooked(harness), cursor)
    assert hooked(harness).subscriptions(cursor)["inbox"] > harness.clock()


def test_a_new_secret_has_subscriptions_of_its_own(harness: MailHarness) -> None:
    """Once another secret stands first, what was made with the old one is replaced, for it can't be changed."""
    cursor = polled(hooked(harness))
    cursor = polled(hooked(harness, secrets=(SECOND, FIRST)), cursor)
    assert [row["clientState"] for row in harness.twin.subscriptions.values()] == [SECOND]
    assert polled(hooked(harness, secrets=(SECOND,)), cursor) is not None
    assert asked(harness, "POST") == 2


def test_a_folder_that_was_remade_is_subscribed_to(harness: MailHarness) -> None:
    """A folder of another id has a subscription of its own, and the old one is ended. Seed: the mark without it."""
    old = harness.twin.makes_folder("Leads")
    channel = hooked(harness, folders=["Inbox/Leads"])
    cursor = polled(channel)
    harness.twin.bins_folder(old)
    new = harness.twin.makes_folder("Leads")
    polled(channel, cursor)
    assert [row["resource"] for row in harness.twin.subscriptions.values()] == [
        f"users/ann@ours.test/mailFolders('{new}')/messages"
    ]


def test_a_channel_that_only_polls_forgets_its_subscriptions(harness: MailHarness) -> None:
    """Without an address nothing is renewed, and nothing shows as about to end."""
    cursor = polled(harness.channel, polled(hooked(harness)))
    assert harness.channel.subscriptions(cursor) == {}
    assert harness.channel.subscriptions({"subscriptions": [1]}) == {}
    assert harness.channel.subscriptions(None) == {}


class KeptTokens:
    """Keeps tokens in memory, as a sealed store would."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def load(self, name: str) -> Any:
        """Return what was saved."""
        return self.held.get(name)

    def save(self, name: str, value: Any, expected: Any) -> bool:
        """Save, unless somebody else did."""
        is_same = bool(self.held.get(name) == expected)
        if is_same:
            self.held[name] = value
        return is_same


def delegated(harness: MailHarness, tokens: KeptTokens, **options: Any) -> MailChannel:
    """Return the channel for a person's consent."""
    given = told(harness, {"auth": "delegated", **options}, "max_message_bytes")
    reader = Secrets(STATE=FIRST, APP=harness.twin.client_secret)
    context = Context(harness.clock, OWN, harness.base, reader, INSTALLED, tokens=tokens)
    return MailChannel("office", MailChannel.Options(**given), context)


def test_a_person_lets_the_channel_in_by_a_code(harness: MailHarness) -> None:
    """A code typed on another screen is enough; then mails come in, and each refresh keeps the newest token."""
    tokens = KeptTokens()
    raw = harness.put()
    with pytest.raises(ConfigError, match="sidecar connect office"):
        all_captured(delegated(harness, tokens).poll(None))
    consent = delegated(harness, tokens, client_secret_env=None).consent()
    invitation = consent.invite(None)
    assert consent.take() is None
    harness.twin.authority.types(invitation.code)
    assert consent.take() == "ann@ours.test"
    channel = delegated(harness, tokens, client_secret_env=None)
    assert isinstance(channel.grant, Grant)
    assert set(channel.grant.provider.scopes) == {"offline_access", f"{harness.twin.url}/Mail.Read"}
    assert [c.raw for c in all_captured(channel.poll(None))] == [raw]
    harness.clock.move(2 * HOUR)
    assert [c.raw for c in all_captured(delegated(harness, tokens, client_secret_env=None).poll(None))] == [raw]
    harness.twin.authority.withdraw()
    harness.clock.move(2 * HOUR)
    with pytest.raises(ConfigError, match="sidecar connect office"):
        all_captured(delegated(harness, tokens).poll(None))


def test_somebody_elses_consent_is_refused(harness: MailHarness) -> None:
    """Who signs in as another than the config names lets nobody in; an app needs no consent at all."""
    tokens = KeptTokens()
    harness.twin.authority.account = "eve@ours.test"
    consent = delegated(harness, tokens).consent()
    harness.twin.authority.types(consent.invite(None).code)
    with pytest.raises(ConfigError, match="mailbox"):
        consent.take()
    assert not tokens.held
    with pytest.raises(ConfigError, match="delegated"):
        harness.channel.consent()


def test_a_door_with_another_encoding_or_too_much_is_shut(harness: MailHarness) -> None:
    """What would have to be unpacked, or is larger than any notice, isn't read."""
    body = harness.body()
    assert door(harness.channel, HookRequest({"content-encoding": "gzip"}, body)) == 415
    assert door(harness.made(max_body_bytes=1_000), HookRequest({}, body + b" " * 1_000)) == 413


def test_graphs_times_are_read_in_each_of_its_spellings() -> None:
    """Seven digits of a second, none, or no zone at all: aware UTC; what is no time is none."""
    expected = datetime.fromisoformat("2016-11-20T18:23:45+00:00")
    for text in (
        "2016-11-20T18:23:45.0000000Z",
        "2016-11-20T18:23:45Z",
        "2016-11-20T18:23:45",
        "2016-11-20T19:23:45+01:00",
    ):
        assert read_time(text) == expected
    for wrong in (None, 7, "", "soon", "0001-01-01T00:00:00+14:00", "x" * 50):
        assert read_time(wrong) is None


def test_the_twin_shakes_hands_with_the_real_door_alone(harness: MailHarness) -> None:
    """The twin's own handshake finds nobody at a closed port. Seed: True where nobody answers."""
    assert not GraphTwin.shakes(harness.twin, "http://127.0.0.1:9/hooks/office")
    with pytest.raises(PermanentError):
        harness.channel._api.change("subscribe", "POST", "subscriptions", {"notificationUrl": "x"})
