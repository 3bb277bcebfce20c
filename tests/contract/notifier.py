"""The promises of the Notifier port, numbered: every adapter inherits them in a few lines.

A test class gives a fixture `desk`: a notifier, and the real server on a socket that takes what it sends. Seeds in the
docstrings are the bugs under which a test was seen to fail.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import pytest

from sidecar.errors import ConfigError, SidecarError, TemporaryError
from sidecar.model import Notice
from sidecar.ports import Notifier

NOW = datetime(2026, 11, 23, 9, 7, tzinfo=UTC)
SECRET = "canary-of-the-secret"
NOTICE = Notice(
    id="ops_4f2a",
    rule="paused",
    subject="ledger",
    state="begun",
    summary="the ledger is paused: the CRM refuses the key (401)",
    remedy="Give it a new key – then `sidecar resume ledger`.",
    since=NOW,
    at=NOW,
)


@dataclass(frozen=True)
class Heard:
    """What arrived: an id that repetitions share, and the words."""

    id: str
    words: str


class Desk(Protocol):
    """A notifier and its server"""

    notifier: Notifier

    @property
    def heard(self) -> list[Heard]:
        """What arrived."""

    def fails(self, how: str) -> None:
        """Fail from now on: busy, refused, login, silent, or gone."""


class NotifierContract:
    """What every notifier promises."""

    def test_n1_a_notice_says_all_that_it_has_to_say(self, desk: Desk) -> None:
        """N1: what is wrong, and what to do, arrive whole; seen to fail without the remedy."""
        desk.notifier.tell(NOTICE)
        [heard] = desk.heard
        assert NOTICE.summary in heard.words
        assert NOTICE.remedy in heard.words

    def test_n2_a_repetition_is_known_by_its_id(self, desk: Desk) -> None:
        """N2: who hears a notice twice can tell, and another notice is another one; seen to fail with a random id."""
        desk.notifier.tell(NOTICE)
        desk.notifier.tell(replace(NOTICE, at=datetime(2026, 11, 23, 9, 8, tzinfo=UTC)))
        desk.notifier.tell(replace(NOTICE, id="ops_other"))
        first, again, other = desk.heard
        assert first.id == again.id != other.id

    @pytest.mark.parametrize("how", ["busy", "silent", "gone"])
    def test_n3_an_outage_is_temporary(self, desk: Desk, how: str) -> None:
        """N3: a server that is busy, says nothing or isn't there may be asked again; seen to fail without time-out."""
        desk.fails(how)
        with pytest.raises(TemporaryError):
            desk.notifier.tell(NOTICE)

    @pytest.mark.parametrize("how", ["refused", "login"])
    def test_n4_a_refusal_is_the_operators_to_mend(self, desk: Desk, how: str) -> None:
        """N4: a wrong address, login or recipient names the setting; seen to fail with every status temporary."""
        desk.fails(how)
        with pytest.raises(ConfigError, match=r"^ops\.") as caught:
            desk.notifier.tell(NOTICE)
        assert caught.value.setting

    @pytest.mark.parametrize("how", ["busy", "silent", "gone", "refused", "login"])
    def test_n5_no_error_tells_a_secret(self, desk: Desk, how: str) -> None:
        """N5: errors stand in logs: no secret, nothing that a server said; seen to fail with either."""
        desk.fails(how)
        with pytest.raises(SidecarError) as caught:
            desk.notifier.tell(NOTICE)
        told = _chain(caught.value)
        assert SECRET not in told
        assert "canary-of-the-server" not in told

    def test_n6_a_look_sends_nothing(self, desk: Desk) -> None:
        """N6: `check` finds nothing wrong with what works, and nobody is told; seen to fail with a notice sent."""
        assert list(desk.notifier.check()) == []
        assert desk.heard == []


def _chain(error: BaseException) -> str:
    """An error as a traceback would show it, with what it came from."""
    shown: list[str] = []
    found: BaseException | None = error
    while found is not None:
        shown.append(repr(found))
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return "\n".join(shown)
