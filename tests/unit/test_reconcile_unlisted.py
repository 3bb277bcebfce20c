"""Where a provider has no list of what it tells, nobody says that anything is missing there, or whole.

The provider is a twin of Meta on a real socket: pages can be asked for, WhatsApp can't.
"""

import hmac
from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.app.reconcile import reconcile
from sidecar.errors import UnsupportedFeature
from sidecar.ports import HookRequest
from tests.contract.meta_pages import PAGE
from tests.contract.test_channel_meta import envelope, text
from tests.support.facts import NOON
from tests.support.houses import House, buys
from tests.twins.meta import MetaTwin
from tests.unit.test_reconcile import figures

SINCE = NOON - timedelta(days=1)

META = """
[channels.meta]
type = "meta"
secret_env = "META_SECRET"
token_env = "META_TOKEN"
graph_url = "{url}"
pages = {pages}
calls_per_s = 1000
max_wait_s = 0
"""


def talks(folder: Path, twin: MetaTwin, *pages: str) -> House:
    """Return a house that WhatsApp and, where any is named, pages write to; on each somebody has said something."""
    env = {"META_SECRET": twin.secret, "META_TOKEN": twin.token}
    house = House(folder, "sqlite:///j.db", buys(), after=META.format(url=twin.url, pages=list(pages)), env=env).start()
    house.clock.move(60)
    message = {**text("wamid.1", "By WhatsApp"), "timestamp": str(int(house.clock().timestamp()))}
    body = envelope(message)
    digest = hmac.digest(twin.secret.encode(), body, "sha256").hex()
    headers = {"content-type": "application/json", "x-hub-signature-256": f"sha256={digest}"}
    house.app.receive("meta", HookRequest(headers, body)).result(30)
    return house


def test_what_stands_in_no_list_is_no_finding(tmp_path: Path) -> None:
    """WhatsApp beside a page is counted apart; in the book alone is what could have been there. Seed: all alone."""
    with MetaTwin() as twin:
        twin.pages[PAGE] = ""
        with talks(tmp_path, twin, PAGE) as house:
            twin.say(PAGE, "1630934236957797", "m_1", "By the page", house.clock())
            house.app.worker.poll_all(["meta"])
            house.work()
            found = reconcile(house.app, "meta", SINCE, fetch=True)
            assert (figures(found), found.unlisted, found.left) == ((1, 0, 0, 0), 1, 0)
            twin.conversations.clear()
            found = reconcile(house.app, "meta", SINCE, fetch=True)
            assert (figures(found), found.unlisted) == ((0, 0, 0, 1), 1)


def test_a_provider_that_has_no_list_is_not_compared(tmp_path: Path) -> None:
    """Nobody can say whether WhatsApp's is whole, and nobody does. Seed: all of it in the book alone."""
    with MetaTwin() as twin, talks(tmp_path, twin) as house:
        house.resolve()
        with pytest.raises(UnsupportedFeature, match="no list to compare with"):
            reconcile(house.app, "meta", SINCE, fetch=True)
