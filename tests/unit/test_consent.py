"""How a person lets a channel in: by a code on another screen, or by a browser that comes back to us."""

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from adapters.http.consent import OAuthConsent
from adapters.http.oauth import Grant, google, microsoft
from sidecar.errors import ConfigError, PermanentError
from sidecar.journal import Journal
from sidecar.ports import Tokens, unobserved
from tests.support.authorities import AuthorityTwin, vault
from tests.support.facts import SetClock
from tests.support.ports import free_port
from tests.twins.authority import Authority
from tests.twins.wire.faults import Status
from tests.unit.test_oauth import TIMEOUTS

SCOPES = ("https://mail.test/auth/read",)
PORT = 8765


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands still until it is moved."""
    return SetClock()


@pytest.fixture
def twin(clock: SetClock) -> Iterator[AuthorityTwin]:
    """An authority, at whose page the mailbox's owner sits."""
    with AuthorityTwin(Authority(clock=clock)) as twin:
        yield twin


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[Tokens]:
    """Where tokens are kept: a real journal."""
    with Journal.open("sqlite:///book.db", base=tmp_path) as journal:
        yield vault(journal, tmp_path)


def attempt(twin: AuthorityTwin, tokens: Tokens, clock: SetClock, *, by_code: bool = False) -> OAuthConsent:
    """Return an attempt for the channel `mail`, which is to read sales@northwind.test."""
    provider = microsoft(SCOPES, login_url=twin.url) if by_code else google(SCOPES, twin.url, twin.url)
    authority = twin.authority
    grant = Grant("mail", provider, authority.client_id, authority.client_secret, tokens, clock, TIMEOUTS, unobserved)

    def whose(access: str) -> str:
        if (account := authority.opens(access)) != "sales@northwind.test":
            raise ConfigError(f"this is the mailbox of {account}")
        return account

    return OAuthConsent(grant, clock, whose)


def test_a_code_that_was_typed_lets_us_in(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """Until the code is typed nothing is given; then the account is named and its tokens are kept."""
    consent = attempt(twin, tokens, clock, by_code=True)
    invitation = consent.invite(None)
    assert consent.by_code and invitation.address.startswith("https://") and invitation.code
    assert consent.take() is None
    assert tokens.load("mail") is None
    twin.authority.types(invitation.code)
    assert consent.take() == "sales@northwind.test"
    assert twin.authority.opens(str((tokens.load("mail") or {})["access"])) == "sales@northwind.test"


@pytest.mark.parametrize(
    "page", ["javascript:alert(1)", "http://login.test/device", "ftp://login.test/device", "https://", ""]
)
def test_nobody_is_sent_to_what_is_no_page(twin: AuthorityTwin, tokens: Tokens, clock: SetClock, page: str) -> None:
    """Whatever answers in an authority's place, a person is shown a page of https alone. Seen to fail with any text."""
    consent = attempt(twin, tokens, clock, by_code=True)
    told = {"device_code": "d", "user_code": "ABC", "verification_uri": page, "expires_in": 900}
    twin.fault(Status(200, told), path="devicecode")
    with pytest.raises(ConfigError):
        consent.invite(None)


def test_an_authority_that_is_asked_too_often_is_asked_less(
    twin: AuthorityTwin, tokens: Tokens, clock: SetClock
) -> None:
    """`slow_down` makes each further wait five seconds longer."""
    consent = attempt(twin, tokens, clock, by_code=True)
    invitation = consent.invite(None)
    before = consent.wait_s
    (device,) = twin.authority.devices.values()
    device.answer = "slow_down"
    assert consent.take() is None
    assert consent.wait_s == before + 5
    twin.authority.types(invitation.code)
    assert consent.take() == "sales@northwind.test"


@pytest.mark.parametrize("how", ["no", "authorization_declined", "expired_token", "late"])
def test_a_code_that_comes_to_nothing_says_why(twin: AuthorityTwin, tokens: Tokens, clock: SetClock, how: str) -> None:
    """A no and a code that ran out end the attempt, and keep nothing."""
    consent = attempt(twin, tokens, clock, by_code=True)
    invitation = consent.invite(None)
    if how == "no":
        twin.authority.types(invitation.code, says="no")
    elif how == "late":
        clock.move(901)
    else:
        next(iter(twin.authority.devices.values())).answer = how
    with pytest.raises(PermanentError):
        consent.take()
    assert tokens.load("mail") is None


def test_a_browsers_address_lets_us_in_with_a_verifier_that_stays_here(
    twin: AuthorityTwin, tokens: Tokens, clock: SetClock
) -> None:
    """The address that the browser shows is enough, pasted with what is around it; the verifier stands in none."""
    consent = attempt(twin, tokens, clock)
    invitation = consent.invite(PORT)
    back = twin.authority.visit(invitation.address)
    assert back.startswith(invitation.redirect)
    query = parse_qs(urlsplit(invitation.address).query)
    assert query["code_challenge_method"] == ["S256"] and query["access_type"] == ["offline"]
    assert consent.take(f"  {back}\n") == "sales@northwind.test"
    (asked,) = [request.body.decode() for request in twin.requests if request.operation == "token"]
    verifier = parse_qs(asked)["code_verifier"][0]
    assert len(verifier) >= 43
    assert verifier not in invitation.address + back


@pytest.mark.parametrize(
    "told",
    [
        "",
        "nonsense",
        "http://127.0.0.1:8765/",
        "http://[::1",
        "x" * 9_000,
        "?code=1&state=%00",
        "//?state=&code=",
        "\x00",
    ],
)
def test_what_is_no_answer_is_refused(twin: AuthorityTwin, tokens: Tokens, clock: SetClock, told: str) -> None:
    """Whatever is pasted, nothing is asked of the authority without the state of this attempt."""
    consent = attempt(twin, tokens, clock)
    consent.invite(PORT)
    with pytest.raises(PermanentError, match="copy all of it"):
        consent.take(told)
    assert twin.calls("token") == 0


def test_an_address_of_another_attempt_is_refused(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """A code that somebody else was given can't be smuggled in: its state is not ours."""
    consent, trap = attempt(twin, tokens, clock), attempt(twin, tokens, clock)
    consent.invite(PORT)
    back = twin.authority.visit(trap.invite(PORT).address)
    with pytest.raises(PermanentError, match="copy all of it"):
        consent.take(back)
    assert twin.calls("token") == 0


def test_a_no_at_the_page_is_a_no(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """Somebody who refuses isn't asked again."""
    consent = attempt(twin, tokens, clock)
    back = twin.authority.visit(consent.invite(PORT).address, says="no")
    with pytest.raises(PermanentError, match="said no"):
        consent.take(back)


def test_another_mailbox_is_refused_and_not_kept(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """Whoever is logged in as somebody else doesn't let us into the wrong mailbox, and gets his access back."""
    consent = attempt(twin, tokens, clock)
    twin.authority.account = "boss@northwind.test"
    back = twin.authority.visit(consent.invite(PORT).address)
    with pytest.raises(ConfigError, match="boss@northwind"):
        consent.take(back)
    assert tokens.load("mail") is None
    assert not twin.authority.refreshes


def test_a_box_that_was_not_ticked_is_named(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """Google lets people take single scopes away; a channel that would then read nothing isn't connected."""
    consent = attempt(twin, tokens, clock)
    twin.authority.unticked = SCOPES[0]
    back = twin.authority.visit(consent.invite(PORT).address)
    twin.authority.codes[parse_qs(urlsplit(back).query)["code"][0]].scope = "openid"
    with pytest.raises(ConfigError, match="auth/read"):
        consent.take(back)
    assert tokens.load("mail") is None


def test_an_address_is_good_once(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """A code that was used gives nothing more."""
    consent = attempt(twin, tokens, clock)
    back = twin.authority.visit(consent.invite(PORT).address)
    consent.take(back)
    with pytest.raises(ConfigError, match="invalid_grant"):
        consent.take(back)


def test_a_browser_that_comes_back_is_waited_for(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """On a port of this machine only the browser of this attempt ends the wait; others are answered with 404."""
    consent, trap = attempt(twin, tokens, clock), attempt(twin, tokens, clock)
    port = free_port()
    ours, theirs = (twin.authority.visit(one.invite(port).address) for one in (consent, trap))
    base = f"http://127.0.0.1:{port}"
    seen: list[int] = []

    def browser() -> None:
        with httpx2.Client(trust_env=False, transport=httpx2.HTTPTransport(retries=20)) as client:
            seen.extend(
                client.get(url).status_code for url in (f"{base}/favicon.ico", theirs, f"{base}/?state=%C3%A4", ours)
            )

    thread = threading.Thread(target=browser)
    thread.start()
    address = consent.listen(20.0)
    thread.join(20)
    assert seen == [404, 404, 404, 200]
    assert consent.take(address) == "sales@northwind.test"


def test_a_port_that_is_taken_is_said(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """Somebody else's port is no place to wait at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        consent = attempt(twin, tokens, clock)
        consent.invite(taken.getsockname()[1])
        with pytest.raises(PermanentError, match="can't be opened"):
            consent.listen(1.0)


def test_nobody_waits_for_ever(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """A wait ends by itself, and an attempt after half an hour."""
    consent = attempt(twin, tokens, clock)
    back = twin.authority.visit(consent.invite(free_port()).address)
    with pytest.raises(PermanentError, match="in time"):
        consent.listen(0.01)
    clock.move(timedelta(minutes=31).total_seconds())
    with pytest.raises(PermanentError, match="in time"):
        consent.take(back)


def test_access_is_taken_back_at_the_provider(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """Where a provider can be told, what we forget is worth nothing there either."""
    consent = attempt(twin, tokens, clock)
    consent.take(twin.authority.visit(consent.invite(PORT).address))
    assert consent.end()
    assert not twin.authority.refreshes and not twin.authority.accesses
