"""Gmail under the contract of channels that ask, against a twin that Google's own description judges."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.channels.gmail import GmailChannel
from tests.contract.channel import INSTALLED, NOW, PollContract, all_captured, delivered
from tests.contract.gmail_mailboxes import MAILBOX, RECENT, GmailHarness
from tests.twins.gmail import GmailTwin


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[GmailHarness]:
    """Return a mailbox that waits for its customers."""
    with GmailTwin(MAILBOX, lambda: NOW) as twin:
        yield GmailHarness(twin, tmp_path)


class TestGmailChannel(PollContract):
    """Gmail keeps every promise of a channel that asks."""

    def test_the_census_has_the_keys_of_poll_and_backfill(self, harness: GmailHarness) -> None:
        """What is counted against the journal bears the same ids, so that nothing looks missing or comes twice."""
        for _ in range(harness.batch_size + 1):
            harness.put()
        harness.put_old()
        harness.twin.sends(harness.mail(), RECENT)
        channel: GmailChannel = harness.channel
        since = INSTALLED - timedelta(days=60)
        counted = list(channel.census(since))
        came = all_captured(channel.poll(None)) + all_captured(channel.backfill(since, None))
        assert all(batch.cursor == {} for batch in counted)
        assert {delivered(channel, c).id for b in counted for c in b.captured} == {
            delivered(channel, c).id for c in came
        }
        assert len(came) == 6
