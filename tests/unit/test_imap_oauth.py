"""A mailbox that takes tokens: let in by a person, by an app or by a service account, against a real server."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.imap import ImapChannel, ImapOptions
from sidecar.errors import ConfigError
from sidecar.journal import Journal
from sidecar.ports import Tokens
from tests.contract.channel import NOW, Secrets, all_captured, context
from tests.contract.imap_servers import PASSWORD, mail_devel
from tests.support.authorities import AuthorityTwin, vault
from tests.support.facts import SetClock
from tests.support.xoauth2 import Xoauth2, xoauth2_before
from tests.twins.authority import Authority

USER = "sales@northwind.test"
MAIL = b"From: ann@x.test\r\nTo: sales@northwind.test\r\nMessage-ID: <m1@x.test>\r\n\r\nHello\r\n"


@dataclass
class Office:
    """A mailbox behind a front, an authority whose tokens it takes, and where ours are kept."""

    twin: AuthorityTwin
    front: Xoauth2
    tokens: Tokens
    clock: SetClock
    base: Path

    def channel(self, secrets: Secrets | None = None, **options: Any) -> ImapChannel:
        """Return the channel, which is Microsoft's unless the options say else."""
        given = {
            "host": "127.0.0.1", "port": self.front.port, "tls": False, "username": USER, "sent_folders": [],
            "oauth": "microsoft", "client_id": self.twin.authority.client_id, "login_url": self.twin.url,
        }  # fmt: skip
        known = context(self.base, secrets or Secrets(), self.clock)
        return ImapChannel("mail", ImapOptions.model_validate(given | options), replace(known, tokens=self.tokens))

    def connected(self) -> ImapChannel:
        """Return the channel once a person has let it in."""
        channel = self.channel()
        consent = channel.consent()
        self.twin.authority.types(consent.invite(None).code)
        assert consent.take() == USER
        return channel


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Run all of it, with one mail in the mailbox."""
    clock = SetClock(NOW)
    authority = Authority(account=USER, clock=clock, rotates=True)
    with (
        mail_devel() as server,
        AuthorityTwin(authority) as twin,
        xoauth2_before(server.port, authority.opens) as front,
        Journal.open("sqlite:///book.db", base=tmp_path) as journal,
    ):
        server.append(USER, "INBOX", MAIL, NOW)
        yield Office(twin, front, vault(journal, tmp_path), clock, tmp_path)


def test_a_person_lets_the_mailbox_in_and_it_stays_open(office: Office) -> None:
    """A code that was typed opens it; a token that ends is renewed, and one that was taken back before its time too."""
    channel = office.connected()
    assert [captured.raw for captured in all_captured(channel.poll(None))] == [MAIL]
    office.clock.move(7200)
    assert all_captured(office.channel().poll(None)), "an hour later, in another process"
    office.twin.authority.ends(office.front.tried[-1][1])
    tried = len(office.front.tried)
    assert all_captured(office.channel().poll(None))
    assert len(office.front.tried) == tried + 2, "refused once, let in with the next"


def test_a_mailbox_that_was_closed_to_us_says_how_to_open_it(office: Office) -> None:
    """When the access was taken back, the error names the command and no token."""
    channel = office.connected()
    all_captured(channel.poll(None))
    office.twin.authority.withdraw()
    office.clock.move(7200)
    with pytest.raises(ConfigError, match="sidecar connect mail") as caught:
        all_captured(channel.poll(None))
    assert not any(token in str(caught.value) for _, token in office.front.tried)
    assert any("sidecar connect mail" in line for line in channel.check())


def test_another_persons_consent_opens_nothing(office: Office) -> None:
    """Whoever consents for another mailbox is told so, and nothing is kept."""
    office.twin.authority.account = "someone@northwind.test"
    consent = office.channel().consent()
    office.twin.authority.types(consent.invite(None).code)
    with pytest.raises(ConfigError, match="mailbox that was let in"):
        consent.take()
    assert office.tokens.load("mail") is None


def test_an_app_and_a_service_account_need_nobody(office: Office) -> None:
    """An administrator's word is enough, and then there is nothing to connect."""
    authority = office.twin.authority
    app = office.channel(Secrets(APP=authority.client_secret), app=True, client_secret_env="APP", tenant="northwind")
    assert [captured.raw for captured in all_captured(app.poll(None))] == [MAIL]
    key, authority.public_key = _keys()
    authority.service_email, authority.delegated = "sidecar@northwind.test", frozenset({USER})
    told = json.dumps({"client_email": authority.service_email, "private_key_id": "k1", "private_key": key})
    account = office.channel(
        Secrets(KEY=told), oauth="google", client_id="", service_account_env="KEY", token_url=office.twin.url
    )
    assert [captured.raw for captured in all_captured(account.poll(None))] == [MAIL]
    for channel in (app, account):
        with pytest.raises(ConfigError, match="nobody need let it in"):
            channel.consent()


def test_one_way_in_is_named(office: Office) -> None:
    """A password and a token together, or neither, is a mistake that is named."""
    for options in ({"password_env": "P"}, {"oauth": None}):
        with pytest.raises(ConfigError, match="not both"):
            office.channel(Secrets(P=PASSWORD), **options)
    with pytest.raises(ConfigError, match="client_id") as caught:
        office.channel(client_id="")
    assert caught.value.setting == "channels.mail.client_id"


def _keys() -> tuple[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
