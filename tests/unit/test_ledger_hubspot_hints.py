"""HubSpot's webhooks: what is let in, and which records it names. The vendor's SDK signs them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hubspot.utils.signature import Signature

from adapters.crms.hubspot import HubSpotOptions
from adapters.crms.hubspot.hints import Hints
from sidecar.errors import ConfigError, RejectedInput, UnsupportedFeature
from sidecar.model import Own
from sidecar.ports import Context, HookRequest

URL = "https://crm.acme.test/hooks/ledger"
SECRET, OLD = "the-apps-client-secret", "the-secret-before"
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def hints(base: Path, secret: str = SECRET, **options: Any) -> Hints:
    """The door of an account whose app has this secret."""
    given = {"hook_url": URL, "hook_secret_env": "HUBSPOT_APP_SECRET", **options}
    made = HubSpotOptions.model_validate(given)
    return Hints(made, Context(lambda: NOW, Own(), base, lambda env, file: secret))


def signed(events: Any, *, secret: str = SECRET, at: datetime = NOW, url: str = URL) -> HookRequest:
    """A request as HubSpot sends it."""
    body = events if isinstance(events, str) else json.dumps(events)
    stamp = str(int(at.timestamp() * 1000))
    signature = Signature.get_signature(secret, body, "v3", url, "POST", stamp)
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": stamp}
    return HookRequest(headers, body.encode())


def event(what: str = "contact.propertyChange", **fields: Any) -> dict[str, Any]:
    """One event, in the shape that HubSpot's page on webhooks shows."""
    return {
        "objectId": 1246965, "propertyName": "lifecyclestage", "propertyValue": "subscriber",
        "changeSource": "CRM_UI", "sourceId": "userId:6", "eventId": 3816279340, "subscriptionId": 25, "portalId": 33,
        "appId": 1160452, "occurredAt": 1462216307945, "subscriptionType": what, "attemptNumber": 0, **fields,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "refs"),
    [
        (event(), [("contact", "1246965")]),
        (event("deal.propertyChange", changeSource="MOBILE_IOS"), [("deal", "1246965")]),
        (event("object.propertyChange", objectTypeId="0-27"), [("task", "1246965")]),
        (event("object.deletion", objectTypeId="0-46", changeSource=None), [("note", "1246965")]),
        (event("contact.merge", newObjectId=9, primaryObjectId=1246965, mergedObjectIds=[7, 8]),
         [("contact", ref) for ref in ("1246965", "9", "7", "8")]),
        (event("company.restore"), [("company", "1246965")]),
        (event(changeSource="INTEGRATION"), []),
        (event(changeSource="IMPORT"), []),
        (event(changeSource="AUTOMATION_PLATFORM"), []),
        (event("contact.creation"), []),
        (event("contact.associationChange"), []),
        (event("conversation.newMessage"), []),
        (event("object.propertyChange", objectTypeId="2-1234"), []),
        (event(portalId=34), []),
        (event(objectId="1/../2"), []),
        ({}, []),
    ],
)  # fmt: skip
def test_what_people_touch_is_named(tmp_path: Path, sent: dict[str, Any], refs: list[tuple[str, str]]) -> None:
    """A person's edit, a deletion, a merge: the records; seen to fail with every source, and with every portal."""
    assert list(hints(tmp_path).named(signed([sent]), "33")) == refs


def test_events_of_one_request_are_named_once(tmp_path: Path) -> None:
    """Ten properties of a record in a row are one hint; seen to fail with each event named."""
    assert list(hints(tmp_path).named(signed([event(), event(propertyName="email"), event(objectId=2)]), "33")) == [
        ("contact", "1246965"),
        ("contact", "2"),
    ]


def test_an_account_nobody_asked_for_yet_keeps_no_hint_out(tmp_path: Path) -> None:
    """Before the first call nobody knows the portal; a hint too many costs a look."""
    assert list(hints(tmp_path).named(signed([event()]), "")) == [("contact", "1246965")]


def tampered(request: HookRequest, **headers: str) -> HookRequest:
    """The same request with other headers."""
    return HookRequest({**request.headers, **headers}, request.body)


@pytest.mark.parametrize(
    "request_",
    [
        HookRequest({}, b"[]"),
        signed([event()], secret="somebody-else's"),
        signed([event()], url="https://crm.acme.test/hooks/other"),
        signed([event()], at=NOW - timedelta(minutes=5, seconds=1)),
        signed([event()], at=NOW + timedelta(minutes=5, seconds=1)),
        HookRequest(signed([event()]).headers, b"[]"),
        tampered(signed([event()]), **{"x-hubspot-request-timestamp": "now"}),
        tampered(signed([event()]), **{"x-hubspot-request-timestamp": "9" * 400}),
        tampered(signed([event()]), **{"x-hubspot-request-timestamp": "٣"}),
        tampered(signed([event()]), **{"x-hubspot-signature-v3": "\x00ü"}),
        tampered(signed([event()]), **{"x-hubspot-signature-v3": ""}),
    ],
    ids=["bare", "secret", "address", "old", "early", "body", "words", "long", "digits", "garbage", "empty"],
)
def test_what_hubspot_did_not_sign_is_refused(tmp_path: Path, request_: HookRequest) -> None:
    """One bit off is 401; seen to fail without the check of the time, and without that of the signature."""
    with pytest.raises(RejectedInput) as refused:
        hints(tmp_path).named(request_, "33")
    assert refused.value.status == 401


@pytest.mark.parametrize("body", ["", "{}", "[1]", '[{"mergedObjectIds": 5}]', "[" * 5_000, "null"])
def test_signed_nonsense_is_refused(tmp_path: Path, body: str) -> None:
    """Signed and no list of events: the sender's fault, told as such, and no crash."""
    with pytest.raises(RejectedInput) as refused:
        hints(tmp_path).named(signed(body), "33")
    assert refused.value.status == 400


def test_an_old_and_a_new_secret_overlap(tmp_path: Path) -> None:
    """While a secret is exchanged both are good; seen to fail with the first alone."""
    both = hints(tmp_path, f"{SECRET}, {OLD}")
    assert both.named(signed([event()]), "33") == both.named(signed([event()], secret=OLD), "33")


def test_without_an_address_there_is_no_door(tmp_path: Path) -> None:
    """Not configured is unsupported; an address without a secret, or one that can't be signed, refuses to start."""
    closed = hints(tmp_path, hook_url="")
    assert not closed.is_open
    with pytest.raises(UnsupportedFeature):
        closed.named(signed([event()]), "33")
    with pytest.raises(ConfigError):
        hints(tmp_path, " ")
    for url in ("http://crm.acme.test/hooks/ledger", "https://crm.acme.test/hooks/ledger?a=1", "crm.acme.test"):
        with pytest.raises(ValueError, match="https address"):
            HubSpotOptions.model_validate({"hook_url": url})
