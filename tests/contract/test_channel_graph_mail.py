"""Mail of Microsoft 365 under the contract, against a twin on a socket that Microsoft's own examples judge."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.graph.mail import MailChannel
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.model import Role
from sidecar.ports import Captured
from tests.contract.channel import (
    INSTALLED,
    NOW,
    PollContract,
    WebhookContract,
    all_captured,
    last_cursor,
    parsed,
)
from tests.contract.graph_mailboxes import RECENT, MailHarness, graph, mail
from tests.twins.graph.rounds import SHAPES
from tests.twins.wire.faults import Status

INVITATION = """BEGIN:VCALENDAR\r
METHOD:REQUEST\r
BEGIN:VEVENT\r
UID:{uid}\r
DTSTAMP:20261121T090000Z\r
DTSTART:20261130T090000Z\r
DTEND:20261130T100000Z\r
ORGANIZER:mailto:bob@example.org\r
ATTENDEE:mailto:ann@ours.test\r
END:VEVENT\r
END:VCALENDAR\r
"""


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[MailHarness]:
    """Return a mailbox that waits for its mail."""
    with graph() as (twin, clock):
        yield MailHarness(twin, tmp_path, clock)


class TestMailChannel(WebhookContract, PollContract):
    """The mail of a mailbox keeps every promise of a channel that asks, and of one that is called."""


def keys(found: list[Captured]) -> Counter[str]:
    """Count what was captured by its key."""
    return Counter(str(captured.key) for captured in found)


def walked(channel: MailChannel, cursor: Any = None) -> tuple[list[Captured], Any]:
    """Poll to the end; return what came, and the last cursor as a database gives it back."""
    found: list[Captured] = []
    for batch in channel.poll(cursor):
        found += batch.captured
        cursor = json.loads(json.dumps(batch.cursor))
    return found, cursor


def test_rounds_as_untidy_as_they_come_lose_nothing(harness: MailHarness) -> None:
    """Empty pages, items twice, out of order, opened mails: each mail comes once. Seed: the first empty page an end."""
    raws = [harness.put() for _ in range(120)]
    found, cursor = walked(harness.made(batch_size=50))
    assert sorted(c.raw for c in found) == sorted(raws)
    for id in list(harness.twin.messages)[:5]:
        harness.twin.reads(id)
    late = [harness.put() for _ in range(7)]
    found, cursor = walked(harness.channel, cursor)
    assert sorted(c.raw for c in found) == sorted(late)
    assert walked(harness.channel, cursor)[0] == []


@pytest.mark.parametrize("shape", SHAPES)
def test_a_dead_token_loses_and_doubles_nothing(harness: MailHarness, shape: str) -> None:
    """In each of its shapes a dead token begins anew, under the same keys. Seed: only 410 known."""
    old = [harness.put() for _ in range(4)]
    first, cursor = walked(harness.channel)
    new = [harness.put() for _ in range(3)]
    harness.twin.rounds.expire(shape)
    again, cursor = walked(harness.channel, cursor)
    assert {c.raw for c in again} == {*old, *new}
    assert len(keys(first) | keys(again)) == 7
    assert walked(harness.channel, cursor)[0] == []


@pytest.mark.parametrize("shape", SHAPES)
def test_a_token_that_dies_within_a_round_begins_it_anew(harness: MailHarness, shape: str) -> None:
    """A page whose token died while we were away costs a repetition and no mail. Seed: the link kept."""
    raws = [harness.put() for _ in range(110)]
    batches = iter(harness.channel.poll(None))
    left = [next(batches) for _ in range(36)]
    harness.twin.rounds.expire(shape)
    rest, _ = walked(harness.channel, json.loads(json.dumps(left[-1].cursor)))
    found = [c for batch in left for c in batch.captured] + rest
    assert {c.raw for c in found} == set(raws)
    assert len(keys(found)) == 110


def test_tokens_that_die_at_once_dont_keep_a_poll_for_ever(harness: MailHarness) -> None:
    """A folder that begins anew without end is a matter of time."""
    harness.put()
    harness.twin.fault(Status(410, {"error": {"code": "resyncRequired"}}), path="delta", times=None)
    with pytest.raises(TemporaryError):
        walked(harness.channel)


def test_a_mail_that_is_filed_stays_the_same_mail(harness: MailHarness) -> None:
    """Ids that don't change make one delivery of a mail in two folders. Seed: the preference left out."""
    channel = harness.made(folders=["inbox", "archive"])
    id = harness.twin.receives(mail(1), RECENT)
    first, cursor = walked(channel)
    harness.twin.files(id, "archive")
    again, _ = walked(channel, cursor)
    assert keys(first) | keys(again) == Counter({f"message:{id}": 1})


def test_what_lies_in_sent_items_is_our_word_and_no_from_line_is(harness: MailHarness) -> None:
    """Only the sent folder authenticates; who writes our name into From is not us. Seed: always sent."""
    ours, forged = mail(1, sender="Ann <ann@ours.test>"), mail(2, sender="Ann <ann@ours.test>")
    harness.twin.sends(ours, RECENT)
    harness.twin.receives(forged, RECENT)
    found = {c.raw: parsed(harness.channel, c)[0].actor for c in walked(harness.channel)[0]}
    assert (found[ours].role, found[ours].authenticated) == (Role.AGENT, True)
    assert (found[forged].role, found[forged].authenticated) == (Role.AGENT, False)


def test_drafts_and_junk_are_not_read(harness: MailHarness) -> None:
    """What nobody has sent yet, and what is junk, comes in nowhere; nobody can have it read by a setting."""
    harness.twin.receives(mail(1), RECENT, "drafts", isDraft=True)
    harness.twin.receives(mail(2), RECENT, "junkemail")
    harness.twin.receives(mail(3), RECENT, "inbox", isDraft=True)
    assert walked(harness.channel)[0] == []
    for name in ("Drafts", "junkemail", "Deleted Items"):
        with pytest.raises(ValueError, match="never read"):
            harness.made(folders=[name])


def test_what_was_deleted_meanwhile_is_passed_over(harness: MailHarness) -> None:
    """A mail that vanishes between list and fetch costs nothing, and a removal is no news."""
    harness.put()
    kept, cursor = walked(harness.channel)
    assert len(kept) == 1
    gone = harness.twin.receives(mail(50), RECENT)
    harness.twin.before(lambda: harness.twin.deletes(gone), path=r"\$value")
    left = harness.put()
    assert [c.raw for c in walked(harness.channel, cursor)[0]] == [left]


def test_a_partial_item_is_asked_for(harness: MailHarness) -> None:
    """An item that tells only that a mail was opened leads to that mail, under its own key."""
    id = harness.twin.receives(mail(1), RECENT)
    row = {"@odata.type": "#microsoft.graph.message", "id": id, "isRead": True}
    page = {"value": [row], "@odata.deltaLink": f"{harness.twin.url}/v1.0/x?$deltatoken=y"}
    harness.twin.fault(Status(200, page), path="inbox.*delta")
    assert keys(walked(harness.channel)[0]) == Counter({f"message:{id}": 1})


def test_count_history_and_poll_give_the_same_keys(harness: MailHarness) -> None:
    """A mail has one key, whichever way it is fetched; a count reaches over the installation."""
    old = harness.put_old()
    new = [harness.put() for _ in range(5)]
    polled = keys(walked(harness.channel)[0])
    history = all_captured(harness.channel.backfill(NOW - timedelta(days=90), None))
    assert [c.raw for c in history] == [old]
    batches = list(harness.channel.census(NOW - timedelta(days=90)))
    assert {c.raw for b in batches for c in b.captured} == {old, *new}
    assert keys([c for b in batches for c in b.captured]) == polled + keys(history)
    assert all(batch.cursor == {} for batch in batches)


def test_history_in_many_pages_goes_on_where_it_was_left(harness: MailHarness) -> None:
    """A backfill over pages can be left, and its extent counts what it will read."""
    raws = [harness.put_old() for _ in range(130)]
    since = NOW - timedelta(days=90)
    extent = harness.channel.extent(since)
    assert (extent.items, extent.size_bytes) == (130, sum(map(len, raws)))
    batches = iter(harness.channel.backfill(since, None))
    left = [next(batches) for _ in range(35)]
    rest = all_captured(harness.channel.backfill(since, json.loads(json.dumps(left[-1].cursor))))
    assert sorted([c.raw for b in left for c in b.captured] + [c.raw for c in rest]) == sorted(raws)


def test_an_invitation_in_a_mail_becomes_a_meeting(harness: MailHarness) -> None:
    """A mail's MIME is read as every other mail is: with the invitation in it, under its own UID."""
    uid = "040000008200E00074C5B7101A82E00800000000D3D70B8A6A17D701000000000000000010000000" + "74665914A06C3F49" * 2
    head = mail(1, more="Content-Type: text/calendar; method=REQUEST\r\n").partition(b"\r\n\r\n")[0]
    raw = head + b"\r\n\r\n" + INVITATION.format(uid=uid).encode()
    harness.twin.receives(raw, RECENT)
    (captured,) = walked(harness.channel)[0]
    found, meeting = parsed(harness.channel, captured)
    assert (found.kind, found.external_id, found.thread) == ("mail", "m1@example.org", "m1@example.org")
    assert (meeting.kind, meeting.external_id, meeting.attributes["status"]) == ("meeting", uid, "proposed")


def test_folders_are_found_by_their_names(harness: MailHarness) -> None:
    """A folder that people made is named as they see it, within those that it lies in; one that isn't there is said."""
    harness.twin.makes_folder("Leads")
    raw = mail(1)
    harness.twin.receives(raw, RECENT, "Leads")
    assert [c.raw for c in walked(harness.made(folders=["inbox", "Inbox/Leads"]))[0]] == [raw]
    missing = harness.made(folders=["Inbox/O'Leary"])
    with pytest.raises(ConfigError, match="O'Leary"):
        walked(missing)
    assert missing.check()


@pytest.mark.parametrize("is_gone", [False, True], ids=["in the bin", "gone for good"])
def test_a_folder_that_was_remade_is_read_from_the_beginning(harness: MailHarness, *, is_gone: bool) -> None:
    """Who deletes a folder and makes one of that name has its mails read, though the old one still answers.

    Seen to fail with a folder's place kept by its name, and with its id looked up once.
    """
    old = harness.twin.makes_folder("Leads")
    channel = harness.made(folders=["Inbox/Leads", "inbox"])
    harness.twin.receives(mail(1), RECENT, old)
    _, cursor = walked(channel)
    harness.twin.bins_folder(old)
    if is_gone:
        harness.twin.empties_bin()
    meanwhile = harness.put()
    new = harness.twin.makes_folder("Leads")
    raws = [mail(number) for number in (51, 52)]
    for raw in raws:
        harness.twin.receives(raw, RECENT, new)
    found, cursor = walked(channel, cursor)
    assert {c.raw for c in found} == {meanwhile, *raws}
    assert walked(channel, cursor)[0] == []
    harness.twin.receives(mail(53), RECENT, new)
    assert [c.raw for c in walked(harness.made(folders=["Inbox/Leads", "inbox"]), cursor)[0]] == [mail(53)]


def test_an_older_version_s_place_is_read_on_from_where_it_is_of_this_folder(harness: MailHarness) -> None:
    """Without an id the link says whose it is, so that an update fetches no mail anew. Seed: counted as lost."""
    harness.put()
    _, cursor = walked(harness.channel)
    for place in cursor["folders"].values():
        del place["id"]
    raw = harness.put()
    found, read = walked(harness.made(), cursor)
    assert [c.raw for c in found] == [raw]
    assert read["folders"]["inbox"]["id"] == harness.twin.folder_id("inbox")
    other = cursor["folders"]["inbox"] | {"link": cursor["folders"]["sentitems"]["link"]}
    assert len(walked(harness.made(), {"folders": cursor["folders"] | {"inbox": other}})[0]) == 2


def test_a_folder_that_is_missing_keeps_no_other_from_being_read(harness: MailHarness) -> None:
    """Until a folder is remade or named anew that is said, after the others were read. Seed: said before."""
    made = harness.twin.makes_folder("Leads")
    channel = harness.made(folders=["Inbox/Leads", "inbox"])
    _, cursor = walked(channel)
    harness.twin.bins_folder(made)
    raw, found = harness.put(), list[Captured]()
    with pytest.raises(ConfigError, match="Leads"):
        for batch in channel.poll(cursor):
            found += batch.captured
    assert [c.raw for c in found] == [raw]


def test_a_limit_is_obeyed_and_an_outage_is_a_matter_of_time(harness: MailHarness) -> None:
    """429 says when to come again, and whoever polls is told so. Seed: Retry-After not read."""
    harness.put()
    for status, wait in ((429, "37"), (503, "37"), (504, "37"), (509, "37")):
        channel = harness.channel
        harness.twin.fault(Status(status, None, {"Retry-After": wait}), path="delta")
        with pytest.raises(TemporaryError) as caught:
            walked(channel)
        assert caught.value.retry_after_s == 37


def test_a_token_that_ended_early_is_renewed_once(harness: MailHarness) -> None:
    """A 401 in the middle of a poll leads to a new token and no error; a second one is the operator's."""
    harness.put()
    channel = harness.channel
    cursor = last_cursor(channel.poll(None))
    harness.twin.authority.accesses.clear()
    raw = harness.put()
    assert [c.raw for c in walked(channel, cursor)[0]] == [raw]
    harness.twin.fault(Status(401, {"error": {"code": "InvalidAuthenticationToken"}}), path="/users/", times=None)
    with pytest.raises(ConfigError):
        walked(channel, cursor)


@pytest.mark.parametrize("status", [400, 500])
def test_a_mail_that_graph_cant_hand_out_stops_no_other(harness: MailHarness, status: int) -> None:
    """An encrypted mail has 500 for ever: it is parked with what is told of it, once, and its neighbours come in.

    Seen to fail, with the poll stuck at it, while its code wasn't read.
    """
    before = harness.put()
    stuck = harness.twin.receives(mail(7, "Sealed"), RECENT + timedelta(seconds=2))
    after = harness.put()
    told = {"error": {"code": "ErrorMimeContentConversionFailed", "message": "MIME content conversion failed."}}
    harness.twin.fault(Status(status, told), path=f"{stuck.rstrip('=')}.*value", times=None)
    found, cursor = walked(harness.channel)
    assert {c.raw for c in found if not c.fault} == {before, after}
    (parked,) = [c for c in found if c.fault]
    assert parked.key == f"message:{stuck}" and "can't hand it out" in str(parked.fault)
    assert json.loads(parked.raw)["subject"]
    assert walked(harness.channel, cursor)[0] == []


def test_a_history_whose_place_is_forgotten_begins_anew(harness: MailHarness) -> None:
    """A backfill that goes on at a page that Graph knows no longer reads all again; a first page is for time to mend.

    Seen to fail, as a defect of ours, with a dead token known to rounds alone.
    """
    raws = [harness.put_old() for _ in range(3)]
    dead, since = Status(410, {"error": {"code": "resyncRequired"}}), INSTALLED - timedelta(days=60)
    link = f"{harness.twin.url}/v1.0/users/{harness.twin.mailbox}/mailFolders/x/messages?$skiptoken=1"
    harness.twin.fault(dead, path="skiptoken")
    left = {"folders": {"inbox": {"id": harness.twin.folder_id("inbox"), "link": link, "done": ["x"]}}}
    assert {c.raw for c in all_captured(harness.channel.backfill(since, left))} == set(raws)
    for ask in (harness.channel.census, harness.channel.extent):
        harness.twin.fault(dead, path="messages")
        with pytest.raises(TemporaryError):
            list(ask(since) or ())


def test_no_mail_falls_between_history_and_polls(harness: MailHarness) -> None:
    """A mail of the very second of the installation is the poll's or the backfill's. Seen to fail with it neither's."""
    channel = harness.made(installed=INSTALLED.replace(microsecond=500_000))
    raw = mail(5)
    harness.twin.receives(raw, INSTALLED.replace(microsecond=0) - timedelta(minutes=5))
    found = all_captured(channel.poll(None)) + all_captured(channel.backfill(INSTALLED - timedelta(days=60), None))
    assert [c.raw for c in found] == [raw]


def test_a_page_on_another_host_is_not_asked(harness: MailHarness) -> None:
    """Our token goes nowhere that an answer names. Seed: the link followed as it stands."""
    for link in ("https://graph.evil.test/v1.0/x", harness.twin.url.replace("127.0.0.1", "127.0.0.2") + "/v1.0/x"):
        harness.twin.fault(Status(200, {"value": [], "@odata.nextLink": link}), path="delta")
        with pytest.raises(PermanentError, match="another host"):
            walked(harness.channel)


@pytest.mark.parametrize("body", ["<html>Please log in</html>", {"value": None}, {"value": [{"subject": "no id"}]}, []])
def test_a_page_of_somebody_else_is_no_empty_folder(harness: MailHarness, body: Any) -> None:
    """What is no page of a list is an outage, not the end of a round. Seed: `or []`."""
    harness.put()
    harness.twin.fault(Status(200, body), path="delta")
    with pytest.raises(TemporaryError):
        walked(harness.channel)


def test_a_cursor_that_cant_be_read_is_a_lost_one(harness: MailHarness) -> None:
    """Whatever has become of a cursor, mails are read again rather than missed."""
    raw = harness.put()
    for cursor in ({"folders": 1}, {"folders": {"inbox": {"link": 7}}}, {"a": 1}, {"folders": {"inbox": None}}):
        assert [c.raw for c in walked(harness.channel, cursor)[0]] == [raw], cursor


def test_settings_that_cant_work_refuse_to_start(harness: MailHarness) -> None:
    """A weak or missing secret, an address that Graph can't call: errors that show nothing."""
    cases: list[dict[str, Any]] = [
        {"secrets": ("short",)},
        {"secrets": ("ключ" * 8,)},
        {"secrets": ("x" * 129,)},
        {"client_secret_env": None},
        {"notification_url": "https://sidecar.ours.test/hooks/office", "client_state_env": None},
    ]
    for case in cases:
        with pytest.raises(ConfigError, match=r"channels\.office"):
            harness.made(**case)
    for url in ("http://sidecar.ours.test/hooks/x", "https://u:p@x.test/", "hooks/x", "https://x.test/?a=1"):
        with pytest.raises(ValueError, match="https"):
            harness.made(notification_url=url)
