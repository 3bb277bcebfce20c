"""Twilio's signatures and addresses: our reading judged by Twilio's own validator."""

import string
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from adapters.channels.twilio.addresses import bare, identifiers, is_desk
from adapters.channels.twilio.signature import verify
from sidecar.errors import RejectedInput
from sidecar.model import Identifier

TOKEN = "a-token-that-both-sides-know"
URL = "https://sidecar.example.com/hooks/twilio"
TEXTS = st.text(max_size=30)
FORMS = st.lists(st.tuples(st.text(min_size=1, max_size=12), TEXTS), max_size=12)


class Several(dict[str, list[str]]):
    """A form with repeated names, as web frameworks hand it to Twilio's validator."""

    def getall(self, name: str) -> list[str]:
        """Return every value of a name."""
        return self[name]


def accepts(
    body: bytes, signature: str, url: str = URL, raw_query: str = "", token: str = TOKEN, **headers: str
) -> bool:
    """Say whether a request is taken; anything but a refusal for the signature is a defect."""
    try:
        verify(
            {"x-twilio-signature": signature, **headers},
            body,
            raw_query,
            url,
            [b"another-token-in-rotation", token.encode()],
        )
    except RejectedInput as refused:
        assert refused.status == 401
        return False
    return True


def form(pairs: list[tuple[str, str]]) -> tuple[bytes, Several]:
    """Return a form as it is sent, and as the validator sees it."""
    params = Several()
    for name, value in pairs:
        params.setdefault(name, []).append(value)
    return urlencode(pairs).encode(), params


@given(FORMS)
def test_what_twilios_validator_signs_is_taken(pairs: list[tuple[str, str]]) -> None:
    """Blank, repeated, unknown and foreign parameters are signed as Twilio signs them."""
    body, params = form(pairs)
    signature = RequestValidator(TOKEN).compute_signature(URL, params)
    assert accepts(body, signature)
    assert RequestValidator(TOKEN).validate(URL, params, signature)


@given(FORMS, st.integers(0, 400), st.integers(1, 255))
def test_what_was_changed_is_taken_only_where_twilio_takes_it(
    pairs: list[tuple[str, str]], place: int, bits: int
) -> None:
    """A changed byte is refused, unless it spells the same parameters, of which Twilio's validator is the judge."""
    body, params = form(pairs)
    signature = RequestValidator(TOKEN).compute_signature(URL, params)
    place %= max(len(body), 1)
    changed = body[:place] + bytes([(body + b"x")[place] ^ bits]) + body[place + 1 :]
    try:
        _, read = form(parse_qsl(changed.decode(), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        assert not accepts(changed, signature)
        return
    assert accepts(changed, signature) == RequestValidator(TOKEN).validate(URL, read, signature)


@given(st.binary(max_size=200), st.sampled_from(["", "a=1", "a=1&b=%20"]))
def test_a_body_of_bytes_is_signed_by_its_hash(body: bytes, own: str) -> None:
    """What is no form is taken by its hash in the address, behind the configured query, and no other body with it."""
    text = body.decode("latin-1")
    url = URL + (f"?{own}" if own else "")
    hashed = f"bodySHA256={RequestValidator(TOKEN).compute_hash(text)}"
    query = f"{own}&{hashed}" if own else hashed
    signature = RequestValidator(TOKEN).compute_signature(f"{URL}?{query}", {})
    assert accepts(text.encode(), signature, url, query)
    assert RequestValidator(TOKEN).validate(f"{URL}?{query}", text, signature)
    assert not accepts(text.encode() + b" ", signature, url, query)
    assert not accepts(text.encode(), signature, url)


@given(st.text(max_size=60) | st.text(string.printable, max_size=60), st.binary(max_size=60))
def test_no_header_or_body_is_more_than_a_refusal(header: str, body: bytes) -> None:
    """Whatever stands in header and body, the answer is 401; Twilio's validator would raise for some."""
    for query in ("", "bodySHA256=", f"bodySHA256={'0' * 64}", header):
        assert not accepts(body, header, raw_query=query)
    settings = {"x-twilio-webhooks-signature-settings": header}
    assert not accepts(body, "AAAA", **settings)


def test_the_published_example_is_taken() -> None:
    """The example of Twilio's documentation has the signature that is printed there, and so has its SDK's test.

    Source: "Webhooks security" and twilio-python's tests/unit/test_request_validator.py, read 2026-11-23.
    """
    told: Mapping[str, str] = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    signature = RequestValidator("12345").compute_signature(url, dict(told))
    assert signature == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    body = urlencode(told).encode()
    assert accepts(body, signature, url, "foo=1&bar=2", "12345")
    assert not accepts(body, signature, url, "foo=1&bar=3", "12345")
    assert not accepts(body, signature, url, "", "12345")
    assert not accepts(body, signature, url.replace("https", "http"), "foo=1&bar=2", "12345")


def test_the_published_example_of_json_is_taken() -> None:
    """The SDK's own example of a body of JSON has the hash and signature that its test prints."""
    body = b'{"property": "value", "boolean": true}'
    query = "foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert accepts(body, "a9nBmqA0ju/hNViExpshrM61xv4=", url, query, "12345")
    assert not accepts(body.replace(b"true", b"True"), "a9nBmqA0ju/hNViExpshrM61xv4=", url, query, "12345")


def test_a_shared_key_signs_by_sha256() -> None:
    """The newer signature is taken with the algorithm that its header names, and an unknown one never."""
    body, params = form([("A", "1"), ("B", "")])
    signature = RequestValidator(TOKEN).compute_signature(URL, params, "HMAC_SHA256")
    assert accepts(body, signature, **{"x-twilio-webhooks-signature-settings": "key=k_1,algorithm=HMAC_SHA256"})
    assert not accepts(body, signature)
    assert not accepts(body, signature, **{"x-twilio-webhooks-signature-settings": "key=k_1,algorithm=HMAC_MD5"})


def test_parameters_cant_move_into_the_address() -> None:
    """What is signed as parameters isn't taken as a query, though the signed text is the same."""
    url = f"{URL}?t=1"
    signature = RequestValidator(TOKEN).compute_signature(url, {"A": "1", "B": "2"})
    assert accepts(b"A=1&B=2", signature, url, "t=1")
    assert not accepts(b"B=2", signature, url, "t=1A1")
    assert not accepts(b"B=2", signature, URL, "t=1A1")


@pytest.mark.parametrize(
    ("address", "identifier"),
    [
        ("+447700900123", Identifier("phone", "+447700900123")),
        ("whatsapp:+447700900123", Identifier("phone", "+447700900123")),
        ("rcs:+447700900123", Identifier("phone", "+447700900123")),
        ("whatsapp:GB.77001", Identifier("bsuid", "GB.77001")),
        ("whatsapp:US.ENT.11815799212886844830", Identifier("bsuid", "US.ENT.11815799212886844830")),
        ("sip:+447700900123@pbx.example.com", Identifier("phone1", "sip:+447700900123@pbx.example.com")),
        ("client:Ann_Lee", Identifier("phone1", "client:ann_lee")),
        ("ACME", Identifier("phone1", "acme")),
        ("", None),
        ("RESTRICTED", None),
        ("+86282452253", None),
        ("x" * 400, None),
    ],
)
def test_an_address_names_whom_it_can(address: str, identifier: Identifier | None) -> None:
    """Numbers and user ids are everybody's kinds, other addresses the channel's own, and hidden callers nobody."""
    assert identifiers("phone1", address) == ((identifier,) if identifier else ())


def test_desks_and_bare_addresses() -> None:
    """A browser's or SIP desk's address is known by its beginning; a user id keeps its letters."""
    assert [is_desk(a) for a in ("client:ann", "SIP:ann@x.test", "sim:DE1", "+447700900123", "")] == [True] * 3 + [
        False
    ] * 2
    assert [bare(a) for a in ("whatsapp:+44", "WA", "whatsapp:GB.aB")] == ["+44", "wa", "GB.aB"]
