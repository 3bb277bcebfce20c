"""The webhook notifier under the contract, with a real HTTP server and the Standard Webhooks package as the judge."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from adapters.notifiers.webhook import WebhookNotifier, WebhookOptions
from sidecar.errors import ConfigError, TemporaryError
from sidecar.model import Own
from sidecar.ports import Context
from tests.contract.notifier import NOTICE, NOW, SECRET, Heard, NotifierContract
from tests.support.receivers import Receiver, receiving

SIGNING = "whsec_" + base64.b64encode(b"a signing secret of 32 bytes ...").decode()
STATUSES = {"busy": 503, "refused": 410, "login": 401}


class HttpDesk(Receiver):
    """A server that takes notices on a path that is a secret, and the notifier that posts there."""

    def __init__(self) -> None:
        super().__init__(SECRET)
        self.observed: list[tuple[str, int | None]] = []
        self.notifier = self.made(url_env="URL", secret_env="SIGNING", timeout_s=30)

    @property
    def heard(self) -> list[Heard]:
        """What arrived."""
        return [Heard(headers["webhook-id"], json.loads(body)["text"]) for headers, body in self.requests]

    def made(self, **options: object) -> WebhookNotifier:
        """Return a notifier with other options."""
        secrets = {"URL": self.url, "SIGNING": SIGNING, "SHORT": "whsec_c2hvcnQ=", "NONE": "not base64!"}
        context = Context(
            clock=lambda: datetime.now(UTC),
            own=Own(),
            base=Path(),
            secret=lambda env, file: secrets[env or ""],
            observe=lambda operation, status, seconds: self.observed.append((operation, status)),
        )
        return WebhookNotifier("webhook", WebhookOptions.model_validate(options), context)

    def fails(self, how: str) -> None:
        """Answer with a status, not at all, or go."""
        if how == "gone":
            self.close()
        elif how == "silent":
            self.is_silent = True
            self.notifier = self.made(url_env="URL", secret_env="SIGNING", timeout_s=0.5)
        else:
            self.answer = (STATUSES[how], {})


@pytest.fixture
def desk() -> Iterator[HttpDesk]:
    """A desk that takes notices."""
    desk = HttpDesk()
    yield desk
    desk.close()


class TestWebhookNotifier(NotifierContract):
    """`WebhookNotifier` keeps the promises of the port."""


def test_a_notice_is_signed_as_others_check_it(desk: HttpDesk) -> None:
    """A receiver that knows only the standard can trust a notice; seen to fail with the body signed alone."""
    desk.notifier.tell(NOTICE)
    [(headers, body)] = desk.requests
    told = Webhook(SIGNING).verify(body, headers)
    assert told["type"] == "ops.begun"
    assert told["data"] == {
        "rule": "paused",
        "subject": "ledger",
        "state": "begun",
        "summary": NOTICE.summary,
        "remedy": NOTICE.remedy,
        "since": NOW.isoformat(),
    }
    assert desk.observed == [("notice", 204)]


def test_an_address_alone_is_enough(desk: HttpDesk) -> None:
    """Chat systems know no signatures, and their address is the secret: then none is sent."""
    desk.made(url_env="URL").tell(NOTICE)
    assert "webhook-signature" not in desk.requests[0][0]


def test_no_redirect_is_followed(desk: HttpDesk) -> None:
    """A signed notice goes where somebody wrote, and nowhere else; seen to fail with redirects followed."""
    with receiving() as other:
        desk.answer = (307, {"location": other.url})
        with pytest.raises(ConfigError, match="307"):
            desk.notifier.tell(NOTICE)
        assert other.requests == []


@pytest.mark.parametrize(
    ("said", "seconds"), [("30", 30.0), ("nonsense", None), ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0)]
)
def test_who_is_asked_to_wait_waits(desk: HttpDesk, said: str, seconds: float | None) -> None:
    """Retry-After is heeded in both of its forms, and nonsense is nothing; seen to fail with seconds alone."""
    desk.answer = (429, {"retry-after": said})
    with pytest.raises(TemporaryError) as caught:
        desk.notifier.tell(NOTICE)
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "url_env"),
        ({"url": "https://ops.test/x", "url_env": "URL"}, "url_env"),
        ({"url": "http://ops.test/x"}, "https"),
        ({"url": "https://ops.test/a\x00b"}, "https"),
        ({"url": "ops.test"}, "https"),
        ({"url": "http://[::1"}, "https"),
        ({"url": "https://ops.test/x", "secret_env": "SHORT"}, "24 to 64 bytes"),
        ({"url": "https://ops.test/x", "secret_env": "NONE"}, "base64"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(desk: HttpDesk, options: dict[str, str], words: str) -> None:
    """A notifier that would fail when it is needed doesn't start, and says why; seen to fail without the checks."""
    with pytest.raises(ConfigError, match=words) as caught:
        desk.made(**options)
    assert "ops.test" not in str(caught.value)
