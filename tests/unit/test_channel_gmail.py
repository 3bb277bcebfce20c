"""The Gmail channel beyond its contract: a history that is forgotten, drafts, labels, watches, and refusals.

Facts: Google's discovery document of gmail v1 (revision 20261005), which also judges what the twin is asked.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.channels.gmail import GmailChannel
from adapters.channels.imap import ImapChannel
from sidecar.errors import ConfigError, TemporaryError
from sidecar.model import Activity, Role
from sidecar.ports import Captured
from tests.contract.channel import INSTALLED, NOW, Secrets, all_captured, context, delivered, last_cursor, parsed
from tests.contract.gmail_mailboxes import MAILBOX, PUSHES, RECENT, UNWELL, GmailHarness
from tests.twins.gmail import GmailTwin
from tests.twins.wire.faults import Status

FAR = 2**53


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[GmailHarness]:
    """Return a mailbox that waits for its customers."""
    with GmailTwin(MAILBOX, lambda: NOW) as twin:
        yield GmailHarness(twin, tmp_path, batch_size=50)


def keys(found: list[Captured]) -> list[str]:
    """Return the delivery keys, in order."""
    return [str(captured.key) for captured in found]


def one(channel: GmailChannel, cursor: Mapping[str, Any] | None = None) -> Activity:
    """Return the only mail that a poll brings, as an activity."""
    (captured,) = all_captured(channel.poll(cursor))
    (activity,) = parsed(channel, captured)
    return activity


def raws(harness: GmailHarness, id: str) -> int:
    """Return how often the words of a mail were asked for."""
    return sum(f"/messages/{id}?format=raw" in request.path for request in harness.twin.requests)


# The first sync, and history ------------------------------------------------------------------------------------------


def test_what_arrives_during_the_first_crawl_comes_in(harness: GmailHarness) -> None:
    """The history id is read before mails are listed. Seen to fail with the id of the last page's history."""
    for _ in range(105):
        harness.put()
    late: list[str] = []
    listing = r"/messages\?.*pageToken"
    harness.twin.before(lambda: late.append(harness.twin.arrives(harness.mail(), NOW)), path=listing)
    found = keys(all_captured(harness.channel.poll(None)))
    assert f"mail:{late[0]}" in found
    assert len(found) == len(set(found)) == 106


def test_what_let_us_into_another_mailbox_reads_none(harness: GmailHarness) -> None:
    """Gmail gives whoever asks the mailbox of their token; where that is another than the one meant, nothing is read.

    The error, which is logged, names neither. Seen to fail without the question whose it is.
    """
    harness.put()
    with pytest.raises(ConfigError, match=r"mail\.mailbox: .*another mailbox.*sidecar connect mail") as caught:
        all_captured(harness.made(mailbox="support@ours.test").poll(None))
    assert "@" not in str(caught.value)


def test_a_mail_that_is_refused_keeps_no_history_from_being_measured(harness: GmailHarness) -> None:
    """A backfill begins with its extent, and leaves such a mail out by name; seen to fail with its error raised."""
    harness.put_old()
    first = min(harness.twin.mails)
    harness.put_old()
    harness.twin.fault(UNWELL, path=f"messages/{first}", times=None)
    assert harness.channel.extent(INSTALLED - timedelta(days=60)).items == 1
    harness.twin.fault(UNWELL, path="messages/", times=None)
    with pytest.raises(TemporaryError):
        harness.channel.extent(INSTALLED - timedelta(days=60))


def test_a_history_of_many_pages_is_read_to_its_end(harness: GmailHarness) -> None:
    """All pages are followed, and each record counts once, whatever `messages` repeats."""
    cursor = last_cursor(harness.channel.poll(None))
    for _ in range(230):
        harness.put()
    found = keys(all_captured(harness.channel.poll(cursor)))
    assert len(found) == len(set(found)) == 230


def test_a_long_history_of_little_is_told_page_by_page(harness: GmailHarness) -> None:
    """Whoever holds the poll's lease hears from it after each page, though none of it counts; and can go on there."""
    cursor = last_cursor(harness.channel.poll(None)) or {}
    for _ in range(230):
        harness.twin.arrives(harness.mail(), RECENT, ("SPAM",))
    cursors = [batch.cursor for batch in harness.channel.poll(cursor)]
    assert len(cursors) == 3
    assert [int(one["history"]) for one in cursors] == sorted(int(one["history"]) for one in cursors)
    assert int(cursors[0]["history"]) > int(cursor["history"])
    looked = harness.twin.calls("get")
    assert not list(harness.channel.poll(cursors[-1]))
    assert harness.twin.calls("get") == looked, "what doesn't count is looked at once"


def test_a_history_that_was_forgotten_loses_nothing_and_fetches_only_what_is_new(harness: GmailHarness) -> None:
    """After a 404 all mails are looked at, and only those fetched to which something happened since."""
    for _ in range(5):
        harness.put()
    cursor = last_cursor(harness.channel.poll(None))
    fetched = harness.twin.calls("get")
    new = [harness.twin.arrives(harness.mail(), NOW - timedelta(minutes=n)) for n in (3, 2)]
    harness.twin.forgets()
    harness.put_old()
    found = all_captured(harness.channel.poll(cursor))
    assert sorted(keys(found)) == sorted(f"mail:{id}" for id in new)
    assert harness.twin.calls("get") == fetched + 7 + 2  # seven looked at, two fetched
    after = last_cursor(harness.channel.poll(cursor))
    assert not all_captured(harness.reopen().poll(after))


def test_a_resync_that_was_left_in_the_middle_goes_on(harness: GmailHarness) -> None:
    """A crash within a resync costs a repetition under the same ids at most, from any batch's cursor."""
    cursor = last_cursor(harness.channel.poll(None))
    ids = [harness.twin.arrives(harness.mail(), NOW - timedelta(minutes=n)) for n in range(1, 8)]
    harness.twin.forgets()
    seen: list[Captured] = []
    for _ in range(40):
        batch = next(iter(harness.made(batch_size=2).poll(cursor)), None)
        if batch is None:
            break
        seen += batch.captured
        cursor = json.loads(json.dumps(batch.cursor))
    assert sorted(keys(seen)) == sorted(f"mail:{id}" for id in ids)


def test_an_id_that_the_mailbox_never_had_makes_nothing_known(harness: GmailHarness) -> None:
    """A cursor of another mailbox, or of one that was made anew, hides no mail."""
    ids = [harness.twin.arrives(harness.mail(), RECENT) for _ in range(3)]
    found = all_captured(harness.channel.poll({"history": str(FAR), "crawl": None, "watch": None}))
    assert sorted(keys(found)) == sorted(f"mail:{id}" for id in ids)


def test_the_history_id_never_moves_back(harness: GmailHarness) -> None:
    """An answer with an older id, which Gmail's replicas give at times, leaves the cursor where it is."""
    harness.put()
    cursor = last_cursor(harness.channel.poll(None)) or {}
    harness.twin.fault(Status(200, {"historyId": "5"}), path="/history", times=1)
    assert (last_cursor(harness.channel.poll(cursor)) or cursor)["history"] == cursor["history"]


@pytest.mark.parametrize(
    "cursor",
    [
        {},
        {"history": 5},
        {"history": "x"},
        {"history": None, "crawl": 7},
        {"crawl": {"page": "t"}},
        {"history": "987", "crawl": {"page": 1}, "watch": {"expires_at": 5}},
        {"history": "987", "crawl": {"page": "no such page", "done": "", "known": "x"}, "watch": "y"},
    ],
)
def test_a_cursor_that_cant_be_read_loses_nothing(harness: GmailHarness, cursor: dict) -> None:
    """Whatever stands in a cursor, the mails since the installation come in."""
    ids = [harness.twin.arrives(harness.mail(), RECENT) for _ in range(3)]
    harness.twin.fault(Status(400, {"error": {"code": 400}}), path="pageToken=no", times=None)
    assert {*keys(all_captured(harness.channel.poll(cursor)))} == {f"mail:{id}" for id in ids}


def test_a_mail_that_is_gone_when_it_is_fetched_is_passed_over(harness: GmailHarness) -> None:
    """Somebody deletes faster than we read: its neighbour comes in, and then the deletion."""
    gone, stays = (harness.twin.arrives(harness.mail(), RECENT) for _ in range(2))
    harness.twin.before(lambda: harness.twin.deletes(gone), path=f"/messages/{gone}.*raw")
    found = keys(all_captured(harness.channel.poll(None)))
    assert f"mail:{stays}" in found and f"mail:{gone}" not in found
    assert f"deleted:{gone}" in found


HANDS = st.lists(
    st.sampled_from(
        ["arrives", "sends", "drafts", "sends draft", "spam", "unspam", "reads", "deletes", "forgets", "poll"]
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hands=HANDS, breaks=st.lists(st.booleans(), min_size=60, max_size=60))
def test_whatever_hands_do_all_mails_come_in_and_none_that_may_not(
    harness: GmailHarness, hands: list[str], breaks: list[bool]
) -> None:
    """Any order of people's deeds, forgotten histories and crashes ends with every mail that counts, by its one id."""
    twin, seen, cursor = harness.twin, dict[str, str](), dict[str, Any]()
    twin.mails.clear()
    crashes = iter(breaks)
    for hand in [*hands, "poll", "end"]:
        if hand in ("poll", "end"):
            for batch in harness.made(batch_size=2).poll(cursor or None):
                for captured in batch.captured:
                    seen[str(captured.key)] = delivered(harness.channel, captured).id
                if hand == "poll" and next(crashes, False):
                    break
                cursor = json.loads(json.dumps(batch.cursor))
        else:
            _do(harness, hand)
    live = {f"mail:{m.id}" for m in twin.mails.values() if not m.labels & {"DRAFT", "SPAM"}}
    assert live <= set(seen)
    assert not {f"mail:{m.id}" for m in twin.mails.values() if "DRAFT" in m.labels} & set(seen)
    assert len(set(seen.values())) == len(seen)


def _do(harness: GmailHarness, hand: str) -> None:
    twin = harness.twin
    some = {
        "sends draft": [m.id for m in twin.mails.values() if "DRAFT" in m.labels],
        "unspam": [m.id for m in twin.mails.values() if "SPAM" in m.labels],
        "reads": [m.id for m in twin.mails.values() if "UNREAD" in m.labels],
        "deletes": list(twin.mails),
    }.get(hand, [""])
    if hand in ("arrives", "sends", "drafts"):
        getattr(twin, hand)(harness.mail(), RECENT)
    elif hand == "spam":
        twin.arrives(harness.mail(), RECENT, ("SPAM",))
    elif hand == "forgets":
        twin.forgets()
    elif some and hand == "sends draft":
        twin.sends_draft(some[-1])
    elif some and hand == "unspam":
        twin.relabels(some[-1], add=("INBOX",), remove=("SPAM",))
    elif some and hand == "reads":
        twin.relabels(some[-1], remove=("UNREAD",))
    elif some:
        twin.deletes(some[-1])


# What counts, and whose word it is ------------------------------------------------------------------------------------


def test_a_draft_is_never_read_and_comes_in_once_it_is_sent(harness: GmailHarness) -> None:
    """Nobody sent a draft, so its words aren't asked for, nor are its many deletions told."""
    cursor = last_cursor(harness.channel.poll(None))
    first = harness.twin.drafts(harness.mail(), RECENT)
    harness.twin.deletes(first)
    draft = harness.twin.drafts(harness.mail(), RECENT)
    sent = harness.twin.sends_draft(draft)
    assert keys(all_captured(harness.channel.poll(cursor))) == [f"mail:{sent}"]
    assert raws(harness, first) == raws(harness, draft) == 0


def test_a_draft_that_keeps_its_id_when_it_is_sent_comes_in(harness: GmailHarness) -> None:
    """Where a message only loses the label DRAFT, that is enough."""
    draft = harness.twin.drafts(harness.mail(), RECENT)
    cursor = last_cursor(harness.channel.poll(None))
    harness.twin.relabels(draft, add=("SENT",), remove=("DRAFT",))
    assert keys(all_captured(harness.channel.poll(cursor))) == [f"mail:{draft}"]


def test_the_words_of_spam_are_asked_for_only_once_it_is_none(harness: GmailHarness) -> None:
    """What somebody takes out of spam comes in, and nothing of it before."""
    spam = harness.twin.arrives(harness.mail(), RECENT, ("SPAM",))
    cursor = last_cursor(harness.channel.poll(None))
    assert raws(harness, spam) == 0
    harness.twin.relabels(spam, add=("INBOX",), remove=("SPAM",))
    assert keys(all_captured(harness.channel.poll(cursor))) == [f"mail:{spam}"]


def test_a_mail_in_the_trash_is_read_and_not_deleted(harness: GmailHarness) -> None:
    """Who clears his inbox faster than we poll hides no customer; only what is gone for good is a deletion."""
    trashed = harness.twin.arrives(harness.mail(), RECENT, ("TRASH",))
    cursor = last_cursor(harness.channel.poll(None))
    assert raws(harness, trashed) == 1
    other = harness.twin.arrives(harness.mail(), RECENT)
    harness.twin.relabels(other, add=("TRASH",), remove=("INBOX",))
    assert keys(all_captured(harness.channel.poll(cursor))) == [f"mail:{other}"]


def test_a_deletion_names_the_mail_that_it_is_about(harness: GmailHarness) -> None:
    """A mail that is deleted for good is left aside: the deletion relates to it by the id that both have."""
    id = harness.twin.arrives(harness.mail(), RECENT)
    mail = one(harness.channel)
    cursor = last_cursor(harness.channel.poll(None))
    harness.twin.deletes(id)
    deletion = one(harness.channel, cursor)
    assert (deletion.kind, deletion.relates_to, deletion.text) == ("deletion", mail.external_id, "")
    assert not all_captured(harness.made(deletions=False).poll(cursor))


def test_labels_say_what_counts(harness: GmailHarness) -> None:
    """Only mails with a wanted label are read, those that get it later too, by the name that people see."""
    label = harness.twin.labels("Customers/New")
    plain = harness.twin.arrives(harness.mail(), RECENT)
    wanted = harness.twin.arrives(harness.mail(), RECENT, ("INBOX", label))
    channel = harness.made(include_labels=("customers/new",))
    assert keys(all_captured(channel.poll(None))) == [f"mail:{wanted}"]
    cursor = last_cursor(channel.poll(None))
    harness.twin.relabels(plain, add=(label,))
    assert keys(all_captured(channel.poll(cursor))) == [f"mail:{plain}"]
    with pytest.raises(ConfigError, match="Custommers"):
        all_captured(harness.made(exclude_labels=("Custommers",)).poll(None))


def test_reading_or_starring_a_mail_fetches_nothing(harness: GmailHarness) -> None:
    """Of all changes of labels only those count by which a mail begins to count."""
    id = harness.twin.arrives(harness.mail(), RECENT)
    cursor = last_cursor(harness.channel.poll(None))
    before = harness.twin.calls("get")
    harness.twin.relabels(id, add=("STARRED",), remove=("UNREAD",))
    assert not all_captured(harness.channel.poll(cursor))
    assert harness.twin.calls("get") == before


def test_only_what_gmail_labels_sent_is_our_sides_word(harness: GmailHarness) -> None:
    """SENT is put on by Gmail alone; a From line that names us is anybody's. A mail to oneself is sent, once."""
    forged = harness.mail(From=f"Sales <{MAILBOX}>", To="bob@customer.test")
    harness.twin.arrives(forged, RECENT)
    assert (a := one(harness.channel)).actor.role is Role.AGENT and not a.actor.authenticated
    harness.twin.mails.clear()
    harness.twin.sends(harness.mail(From=f"Sales <{MAILBOX}>", To=MAILBOX), RECENT, to_oneself=True)
    sent = one(harness.channel)
    assert sent.actor.role is Role.AGENT and sent.actor.authenticated
    assert sent.attributes["direction"] == "outbound"


def test_the_time_is_gmails_where_a_date_lies_ahead_of_it(harness: GmailHarness) -> None:
    """`internalDate` says when a mail came, and nobody dates his words after everybody else's."""
    harness.twin.arrives(harness.mail(Date="Sat, 22 Nov 2036 09:30:00 +0000"), RECENT)
    assert one(harness.channel).at == RECENT


def test_a_mail_is_what_imap_makes_of_it(harness: GmailHarness, tmp_path: Path) -> None:
    """The same bytes become the same activity, but for the name that Gmail gives a mail."""
    raw = harness.mail(References="<root@ours.test>")
    id = harness.twin.arrives(raw, RECENT)
    channel = harness.channel
    (captured,) = all_captured(channel.poll(None))
    options = ImapChannel.Options(host="localhost", username="x", password_env="P")
    imap = ImapChannel("mail", options, context(tmp_path, Secrets(P="p")))
    headers = {"folder": "INBOX", "sent": "0", "internaldate": RECENT.isoformat()}
    (theirs,) = parsed(imap, Captured(captured.account, raw, "INBOX:1:1", headers))
    (ours,) = parsed(channel, captured)
    for name in ("text", "said", "subject", "thread", "participants", "actor", "at", "version", "kind", "attributes"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.external_id == id
    assert captured.raw == raw


# Watches --------------------------------------------------------------------------------------------------------------


def test_a_watch_is_renewed_at_half_its_life(harness: GmailHarness) -> None:
    """Gmail ends a watch after seven days; the poll renews it after three and a half, and says until when it holds."""
    at = [NOW]
    harness.twin.clock = harness.twin.authority.clock = lambda: at[0]
    channel = harness.made(clock=lambda: at[0], **PUSHES)
    cursor = last_cursor(channel.poll(None))
    cursor = last_cursor(channel.poll(cursor)) or cursor
    assert channel.subscriptions(cursor)["push"] == NOW + timedelta(days=7)
    at[0] = NOW + timedelta(days=3, hours=11)
    cursor = last_cursor(channel.poll(cursor)) or cursor
    assert len(harness.twin.watched) == 1
    at[0] = NOW + timedelta(days=3, hours=13)
    cursor = last_cursor(channel.poll(cursor)) or cursor
    assert len(harness.twin.watched) == 2
    assert channel.subscriptions(cursor)["push"] == at[0] + timedelta(days=7)


def test_a_watch_that_cant_be_set_stops_no_mail(harness: GmailHarness) -> None:
    """Without pushes the poll goes on, and `check` says what is wrong with the topic."""
    channel = harness.made(**{**PUSHES, "topic": "projects/northwind/topics/other"})
    cursor = last_cursor(channel.poll(None))
    harness.put()
    assert len(all_captured(channel.poll(cursor))) == 1
    assert channel.subscriptions(cursor) == {}
    (line,) = channel.check()
    assert "topic" in line


# Refusals -------------------------------------------------------------------------------------------------------------


def _google(code: int, reason: str) -> dict:
    return {"error": {"code": code, "message": "m", "errors": [{"reason": reason, "domain": "global"}]}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, _google(429, "rateLimitExceeded"), TemporaryError),
        (403, _google(403, "userRateLimitExceeded"), TemporaryError),
        (403, _google(403, "dailyLimitExceeded"), TemporaryError),
        (500, "<html>", TemporaryError),
        (503, _google(503, "backendError"), TemporaryError),
        (200, "<html>", TemporaryError),
        (200, {"history": [{"id": "../x"}], "historyId": "9"}, TemporaryError),
        (
            200,
            {"history": [{"id": "9", "messagesAdded": [{"message": {"id": "a/../b"}}]}], "historyId": "9"},
            TemporaryError,
        ),
        (403, _google(403, "accessNotConfigured"), ConfigError),
        (403, _google(403, "insufficientPermissions"), ConfigError),
        (401, _google(401, "authError"), ConfigError),
        (302, "", ConfigError),
    ],
)
def test_refusals_name_who_must_act(harness: GmailHarness, status: int, body: Any, expected: type[Exception]) -> None:
    """Limits and outages are for time to mend, rights for the operator; an answer that is none counts as an outage."""
    cursor = last_cursor(harness.channel.poll(None))
    harness.twin.fault(Status(status, body), path="/history", times=None)
    with pytest.raises(expected) as caught:
        all_captured(harness.made(max_wait_s=0).poll(cursor))
    assert not any(secret in str(caught.value) for secret in (*harness.secrets, "access-"))


def test_a_limit_says_when_to_come_again(harness: GmailHarness) -> None:
    """Retry-After is obeyed: within a call where that is short, else by the next poll."""
    cursor = last_cursor(harness.channel.poll(None))
    harness.put()
    harness.twin.fault(Status(429, _google(429, "x"), {"Retry-After": "0"}), path="/history", times=1)
    assert len(all_captured(harness.channel.poll(cursor))) == 1
    harness.twin.fault(Status(429, _google(429, "x"), {"Retry-After": "600"}), path="/history", times=1)
    with pytest.raises(TemporaryError) as caught:
        all_captured(harness.channel.poll(cursor))
    assert caught.value.retry_after_s == 600


def test_a_token_that_ends_early_is_renewed_within_the_poll(harness: GmailHarness) -> None:
    """One 401 costs a renewal and no mail."""
    channel = harness.channel
    cursor = last_cursor(channel.poll(None))
    harness.twin.authority.accesses.clear()
    harness.put()
    assert len(all_captured(channel.poll(cursor))) == 1


def test_another_mailbox_is_named_by_check(harness: GmailHarness) -> None:
    """Tokens of somebody else's mailbox read nothing, and check says whose they are."""
    harness.twin.authority.account = "boss@ours.test"
    harness.let_in(harness.twin.access())
    (line,) = harness.channel.check()
    assert "boss@ours.test" in line


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"client_id": ""}, "client_id"),
        ({"service_account_env": "SECRET"}, "client_id"),
        ({"client_id": "", "service_account_env": "SECRET"}, "service_account_env"),
        ({"topic": "gmail"}, "topic"),
        ({"topic": PUSHES["topic"]}, "push_audience"),
        ({"push_email": PUSHES["push_email"]}, "topic"),
    ],
)
def test_options_that_dont_fit_together_refuse_to_start(harness: GmailHarness, changed: dict, key: str) -> None:
    """Half a set-up is named by the key that is missing or wrong."""
    with pytest.raises(ConfigError) as caught:
        harness.made(**changed)
    assert caught.value.setting == f"channels.mail.{key}"


def test_an_extent_of_many_mails_is_taken_from_the_oldest(harness: GmailHarness) -> None:
    """What a backfill would read is counted by a list and a sample, in a few calls."""
    for _ in range(230):
        harness.put_old()
    harness.twin.drafts(harness.mail(), INSTALLED - timedelta(days=39))
    extent = harness.channel.extent(INSTALLED - timedelta(days=60))
    assert 229 <= extent.items <= 231
    assert extent.oldest is not None and extent.oldest < INSTALLED - timedelta(days=39)
    assert harness.twin.calls("get") == 200
