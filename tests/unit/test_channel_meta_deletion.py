"""Requests for deletion that come by way of Meta: verified before anything, answered with a link, left to a person."""

import hmac
import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.meta import MetaChannel, MetaOptions
from adapters.channels.meta.deletion import read_request
from sidecar.errors import PermanentError, RejectedInput
from sidecar.ports import HookRequest
from tests.contract.channel import CANARY, NOW, Secrets, context, delivered

FIRST, SECOND, OTHER = "1" * 32, "2" * 32, "3" * 32
FORM = {"content-type": "application/x-www-form-urlencoded"}
PUBLISHED = "vlXgu64BQGFSQrY0ZcJBZASMvYvTHu9GQ0YM9rjPSso.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsIjAiOiJwYXlsb2FkIn0"
"""Meta's own example, of the secret "secret"; its payload has no user."""


def made(*secrets: str, public_url: str | None = "https://crm.example.com") -> MetaChannel:
    """Return the channel of an app with these secrets."""
    options = MetaOptions(secret_env="SECRET", verify_token_env="TOKEN", public_url=public_url)
    reader = Secrets(SECRET=",".join(secrets or (FIRST, SECOND)), TOKEN="token-of-the-check")
    return MetaChannel("meta", options, context(Path(), reader))


def signed(told: Any, secret: str = FIRST, pad: str = "") -> str:
    """Return a signed request as Meta makes it: base64url without padding, signed over the encoded payload."""
    raw = told if isinstance(told, bytes) else json.dumps(told).encode()
    payload = urlsafe_b64encode(raw).decode().rstrip("=")
    signature = urlsafe_b64encode(hmac.digest(secret.encode(), payload.encode(), "sha256")).decode().rstrip("=")
    return f"{signature}{pad}.{payload}"


ASKED = {"algorithm": "HMAC-SHA256", "issued_at": 1_795_000_000, "user_id": "10218901234567890"}


def form(*requests: str) -> HookRequest:
    """Return a POST of a form."""
    return HookRequest(FORM, urlencode([("signed_request", each) for each in requests]).encode())


def test_meta_s_own_example_verifies() -> None:
    """A signature made outside this project is taken, up to its missing user; with another secret it is not."""
    body = urlencode({"signed_request": PUBLISHED}).encode()
    payload = PUBLISHED.partition(".")[2]
    digest = urlsafe_b64encode(hmac.digest(b"secret", payload.encode(), "sha256")).decode().rstrip("=")
    assert PUBLISHED.startswith(digest + ".")
    with pytest.raises(RejectedInput):
        read_request(body, [b"secret"])
    assert read_request(form(signed(ASKED, "secret")).body, [b"another", b"secret"]) == ASKED


@pytest.mark.parametrize("secret", [FIRST, SECOND])
def test_a_request_is_kept_and_answered_with_a_link_and_a_code(secret: str) -> None:
    """Whoever asked gets a code that leads to a page, while secrets change as well, and neither names anybody."""
    channel = made()
    captured = channel.verify(form(signed(ASKED, secret)))
    assert captured.answer is not None and captured.answer.content_type == "application/json"
    told = json.loads(captured.answer.text)
    assert set(told) == {"url", "confirmation_code"}
    assert told["confirmation_code"].isalnum()
    assert told["url"] == f"https://crm.example.com/hooks/meta?deletion={told['confirmation_code']}"
    query = {name: values[0] for name, values in parse_qs(urlsplit(told["url"]).query).items()}
    page = made(SECOND, FIRST).greet(HookRequest({}, b"", query, "GET"))
    assert page is not None and page.content_type == "text/html; charset=utf-8"
    assert f"{NOW:%Y-%m-%d}" in page.text and told["confirmation_code"] in page.text
    assert "10218901234567890" not in page.text + captured.answer.text


def test_a_request_waits_for_a_person_by_name() -> None:
    """What nobody but a person can do is parked with what to do, and without whom it is about."""
    channel = made()
    captured = channel.verify(form(signed(ASKED)))
    with pytest.raises(PermanentError, match=r"deleted.*docs/meta\.md") as caught:
        channel.parse(delivered(channel, captured))
    assert "10218901234567890" not in str(caught.value)
    assert captured.raw == form(signed(ASKED)).body


@pytest.mark.parametrize(
    "request_",
    [
        form(),
        form(""),
        form("."),
        form(signed(ASKED, OTHER)),
        form(signed(ASKED), signed(ASKED)),
        form(signed(ASKED) + "x"),
        form(signed(ASKED).partition(".")[2]),
        form("." + signed(ASKED).partition(".")[2]),
        form(signed({**ASKED, "algorithm": "none"})),
        form(signed({**ASKED, "algorithm": "HMAC-SHA1"})),
        form(signed({key: value for key, value in ASKED.items() if key != "algorithm"})),
        form(signed({key: value for key, value in ASKED.items() if key != "user_id"})),
        form(signed([1])),
        form(signed(b"no json, though signed")),
        form("ключ.ключ"),
        form("x" * 30_000),
        HookRequest(FORM, b"\xff\xfe"),
        HookRequest(FORM, b""),
        HookRequest(FORM, json.dumps(ASKED).encode()),
        HookRequest(FORM, b"&".join([b"signed_request=1"] * 500)),
    ],
)
def test_what_meta_didnt_sign_is_no_request(request_: HookRequest) -> None:
    """T1: unsigned, altered, doubled and algorithm-less requests are 401 and keep nothing."""
    with pytest.raises(RejectedInput) as caught:
        made().verify(request_)
    assert caught.value.status == 401


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: urlencode({"signed_request": text}).encode()))
def test_no_form_raises_anything_else(body: bytes) -> None:
    """T3: whatever stands in a form, it is 401 and never an error of ours."""
    with pytest.raises(RejectedInput) as caught:
        made().verify(HookRequest(FORM, body))
    assert caught.value.status == 401


def test_padding_is_taken_as_well() -> None:
    """A signature comes without its padding, and one that has it means the same."""
    assert read_request(form(signed(ASKED, pad="=")).body, [FIRST.encode()]) == ASKED


def test_a_form_can_t_pass_for_a_webhook() -> None:
    """A body that Meta signed as a webhook isn't read as a form by another content type, nor the other way round."""
    body = form(signed(ASKED)).body
    digest = "sha256=" + hmac.digest(FIRST.encode(), body, "sha256").hex()
    captured = made().verify(HookRequest({"content-type": "application/json", "x-hub-signature-256": digest}, body))
    assert "deletion" not in captured.headers


@pytest.mark.parametrize("code", ["", "1", "0" * 48, "f" * 48, "<script>", "0" * 47 + "\n", CANARY])
def test_no_page_is_shown_for_a_code_that_we_didn_t_give_out(code: str) -> None:
    """A guessed code is a 404, and what was asked is not echoed."""
    with pytest.raises(RejectedInput) as caught:
        made().greet(HookRequest({}, b"", {"deletion": code}, "GET"))
    assert caught.value.status == 404
    assert code == "" or len(code) < 3 or code not in str(caught.value)


def test_without_an_address_of_ours_none_is_taken() -> None:
    """A request that couldn't be answered with a link is refused, so that the form isn't thought to work."""
    with pytest.raises(RejectedInput) as caught:
        made(public_url=None).verify(form(signed(ASKED)))
    assert caught.value.status == 404


def test_two_requests_have_two_codes() -> None:
    """Codes of requests that come in the same second are not the same."""
    codes = {
        json.loads(answer.text)["confirmation_code"]
        for user in range(20)
        if (answer := made().verify(form(signed({**ASKED, "user_id": str(user)}))).answer)
    }
    assert len(codes) == 20
    assert len({code[:8] for code in codes}) == 1
