"""Access tokens: had when needed, shared between processes, and never shown."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.http.calls import Timeouts
from adapters.http.oauth import ClientCredentials, Grant, ServiceAccount, Token, google, microsoft
from sidecar.app.vault import Vault
from sidecar.errors import ConfigError, TemporaryError
from sidecar.journal import Journal
from sidecar.ports import Tokens, unobserved
from tests.support.authorities import AuthorityTwin, vault
from tests.support.facts import SetClock
from tests.twins.authority import Authority
from tests.twins.wire.faults import Status

TIMEOUTS = Timeouts(20.0, 20.0, 60.0)
SCOPES = ("mail.read",)


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands still until it is moved."""
    return SetClock()


@pytest.fixture
def twin(clock: SetClock) -> Iterator[AuthorityTwin]:
    """An authority that rotates its refresh tokens."""
    with AuthorityTwin(Authority(rotates=True, clock=clock)) as twin:
        yield twin


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[Tokens]:
    """Where tokens are kept: a real journal."""
    with Journal.open("sqlite:///book.db", base=tmp_path) as journal:
        yield vault(journal, tmp_path)


def grant(twin: AuthorityTwin, tokens: Tokens, clock: SetClock, **changed: Any) -> Grant:
    """Return access for the channel `mail`."""
    authority = twin.authority
    given = {"client_id": authority.client_id, "client_secret": authority.client_secret, **changed}
    provider = microsoft(SCOPES, login_url=twin.url)
    return Grant("mail", provider, given["client_id"], given["client_secret"], tokens, clock, TIMEOUTS, unobserved)


def consented(twin: AuthorityTwin, one: Grant, clock: SetClock) -> None:
    """Let somebody have consented, long ago."""
    one.keep(Token("old-access", clock() - timedelta(hours=1), twin.authority.grants("mail.read"), SCOPES))


def test_a_token_is_had_once_and_given_out_until_its_last_minute(
    twin: AuthorityTwin, tokens: Tokens, clock: SetClock
) -> None:
    """Calls share one access token; it is renewed when less than a minute of it is left."""
    one = grant(twin, tokens, clock)
    consented(twin, one, clock)
    first = one.access_token()
    clock.move(3539)
    assert one.access_token() == first
    clock.move(2)
    second = one.access_token()
    assert second != first
    assert twin.authority.opens(second) == twin.authority.account
    assert twin.calls("token") == 2


def test_a_rotated_refresh_token_survives_a_restart(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """A refresh token that is good once is replaced in the journal, so the next process isn't locked out."""
    consented(twin, grant(twin, tokens, clock), clock)
    for _ in range(3):
        clock.move(7200)
        assert twin.authority.opens(grant(twin, tokens, clock).access_token())


def test_of_two_processes_the_loser_takes_what_the_winner_saved(
    twin: AuthorityTwin, tokens: Tokens, clock: SetClock
) -> None:
    """Whoever renews second, with a refresh token that is used up by then, loads what the first has saved."""
    one, other = grant(twin, tokens, clock), grant(twin, tokens, clock)
    consented(twin, one, clock)
    won: list[str] = []
    twin.before(lambda: won.append(other.access_token()), path="/token", times=1)
    assert one.access_token() == won[0]
    assert len(twin.authority.refreshes) == 1


def test_where_both_were_renewed_the_second_isnt_kept(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """Where the provider gives both a token, only one is kept, and both processes use that one."""
    twin.authority.keeps_old = True
    one, other = grant(twin, tokens, clock), grant(twin, tokens, clock)
    consented(twin, one, clock)
    won: list[str] = []
    twin.before(lambda: won.append(other.access_token()), path="/token", times=1)
    assert one.access_token() == won[0]
    assert twin.authority.given == 2


def test_a_token_that_an_api_refused_isnt_given_out_again(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """After a 401 the next token is a new one, also in a process that finds the refused one saved."""
    one = grant(twin, tokens, clock)
    consented(twin, one, clock)
    first = one.access_token()
    one.refused(first)
    second = one.access_token()
    assert second != first
    other = grant(twin, tokens, clock)
    other.refused(first)
    assert other.access_token() == second


def test_what_is_forgotten_is_used_no_longer(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """Whoever disconnects by one process ends the reading by another within a minute, where no provider does it.

    Seen to fail, for the rest of the token's hour, while a token in memory was never compared with what is kept.
    """
    one = grant(twin, tokens, clock)
    consented(twin, one, clock)
    held = one.access_token()
    assert isinstance(tokens, Vault) and tokens.forget("mail")
    assert one.access_token() == held
    clock.move(61)
    with pytest.raises(ConfigError, match="sidecar connect mail"):
        one.access_token()


def test_threads_renew_once(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """Many threads that find a token out of date cause one question."""
    one = grant(twin, tokens, clock)
    consented(twin, one, clock)
    seen: list[str] = []
    threads = [threading.Thread(target=lambda: seen.append(one.access_token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(seen) == 8 and len(set(seen)) == 1
    assert twin.calls("token") == 1


@pytest.mark.parametrize("how", ["withdrawn", "never", "client"])
def test_what_only_a_person_can_mend_names_the_command(
    twin: AuthorityTwin, tokens: Tokens, clock: SetClock, how: str
) -> None:
    """A refused or missing refresh token pauses this channel alone, and the error says what to type."""
    one = grant(twin, tokens, clock, **({"client_id": "somebody-else"} if how == "client" else {}))
    if how != "never":
        consented(twin, one, clock)
    if how == "withdrawn":
        twin.authority.withdraw()
    with pytest.raises(ConfigError) as caught:
        one.access_token()
    assert "sidecar connect mail" in str(caught.value)
    assert caught.value.setting == "channels.mail"
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_outage_of_the_token_endpoint_is_for_time_to_mend(
    twin: AuthorityTwin, tokens: Tokens, clock: SetClock, status: int
) -> None:
    """Nobody is asked to consent anew because a provider has an hour's trouble."""
    one = grant(twin, tokens, clock)
    consented(twin, one, clock)
    twin.fault(Status(status, {"error": "server_error"}, {"Retry-After": "120"}), path="/token", times=None)
    with pytest.raises(TemporaryError):
        one.access_token()
    twin.heal()
    assert twin.authority.opens(one.access_token())


def test_a_passing_word_of_oauths_is_tried_again(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """A 400 that says temporarily_unavailable is an outage, and no refusal."""
    one = grant(twin, tokens, clock)
    consented(twin, one, clock)
    twin.fault(Status(400, {"error": "temporarily_unavailable"}, {"Retry-After": "0"}), path="/token", times=1)
    assert twin.authority.opens(one.access_token())


@pytest.mark.parametrize("life", [10**15, 1e300, -5, None])
def test_a_life_out_of_all_bounds_is_bounded(
    twin: AuthorityTwin, tokens: Tokens, clock: SetClock, life: object
) -> None:
    """However long a token is said to hold, it is used, and renewed. Seen to fail with an overflow."""
    one = grant(twin, tokens, clock)
    consented(twin, one, clock)
    body = {"access_token": "odd", "token_type": "Bearer", "expires_in": life}
    twin.fault(Status(200, body), path="/token", times=1)
    assert one.access_token() == "odd"
    clock.move(25 * 3600)
    assert twin.authority.opens(one.access_token())


_NONSENSE: list[Any] = [
    "<html>", {"access_token": 7}, {"access_token": "ü"}, {}, {"expires_in": "soon"}, [],
    {"access_token": "a", "scope": 7}, {"access_token": "a", "expires_in": float("inf")},
    {"access_token": "a", "expires_in": [1]},
]  # fmt: skip


@pytest.mark.parametrize("body", _NONSENSE)
def test_an_answer_that_is_none_gives_no_token(twin: AuthorityTwin, tokens: Tokens, clock: SetClock, body: Any) -> None:
    """A proxy's page or nonsense is no token and no refusal, and never a crash: time mends it."""
    one = grant(twin, tokens, clock)
    consented(twin, one, clock)
    twin.fault(Status(200, body), path="/token", times=None)
    with pytest.raises(TemporaryError):
        one.access_token()


def test_no_secret_stands_where_it_can_be_read(twin: AuthorityTwin, tokens: Tokens, clock: SetClock) -> None:
    """Neither addresses nor representations hold a secret; only bodies do."""
    one = grant(twin, tokens, clock)
    consented(twin, one, clock)
    access = one.access_token()
    refresh = next(iter(twin.authority.refreshes))
    shown = [request.path for request in twin.requests] + [repr(one), repr(one.kept()), repr(one.provider)]
    for secret in (access, refresh, twin.authority.client_secret):
        assert not any(secret in text for text in shown)


def _key() -> tuple[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def test_a_service_account_signs_for_a_mailbox_that_it_may_act_for(twin: AuthorityTwin, clock: SetClock) -> None:
    """Domain-wide delegation needs no person; a mailbox beyond it is refused with who must allow what."""
    import json

    private, public = _key()
    email = "sidecar@northwind.iam.gserviceaccount.com"
    twin.authority.public_key, twin.authority.service_email = public, email
    twin.authority.delegated = frozenset({"sales@northwind.test"})
    file = json.dumps(
        {"type": "service_account", "client_email": email, "private_key_id": "k1", "private_key": private}
    )
    provider = google(SCOPES, token_host=twin.url)

    def acting(subject: str) -> ServiceAccount:
        return ServiceAccount("channels.mail", provider, file, subject, clock, TIMEOUTS, unobserved)

    assert twin.authority.opens(acting("sales@northwind.test").access_token()) == "sales@northwind.test"
    with pytest.raises(ConfigError, match="delegation"):
        acting("boss@northwind.test").access_token()
    with pytest.raises(ConfigError, match="JSON"):
        ServiceAccount("channels.mail", provider, "no key", "", clock, TIMEOUTS, unobserved)


def test_an_apps_own_secret_gives_tokens(twin: AuthorityTwin, clock: SetClock) -> None:
    """Client credentials need no person; a wrong secret says what to look at."""
    provider = microsoft(("https://graph.microsoft.com/.default",), "tenant-1", twin.url)

    def app(secret: str) -> ClientCredentials:
        return ClientCredentials(
            "channels.mail", provider, twin.authority.client_id, secret, clock, TIMEOUTS, unobserved
        )

    assert twin.authority.opens(app(twin.authority.client_secret).access_token())
    with pytest.raises(ConfigError, match="invalid_client"):
        app("wrong").access_token()
