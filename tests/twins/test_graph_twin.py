"""The twin of Graph is judged by Microsoft's own examples: its answers have their names, and their kinds of values."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.channel import NOW
from tests.contract.graph_mailboxes import FIRST, HOOK, SOON, graph, mail
from tests.twins.graph import GraphTwin

PAIRS = Path(__file__).parent.parent / "fixtures" / "msgraph" / "samples" / "published_pairs.json"
SAMPLES: Mapping[str, Any] = {pair["name"]: pair for pair in json.loads(PAIRS.read_bytes())}
IMMUTABLE = 'IdType="ImmutableId"'
SPAN = "startDateTime=2026-11-22T00:00:00Z&endDateTime=2026-12-31T00:00:00Z"
CHOSEN = "subject,body,bodyPreview,organizer,attendees,start,end,location"
ONLY_THERE = {
    "event_selected": {"calendar@odata.associationLink", "$ref", "calendar@odata.navigationLink"},
    "mailFolders": {"@odata.type", "isSupported", "filterQuery"},  # of a search folder
    "message": {
        "@odata.type", "meetingMessageType", "type", "isOutOfDate", "isAllDay", "isDelegated", "responseRequested",
        "allowNewTimeProposals", "meetingRequestType", "startDateTime", "endDateTime", "location", "recurrence",
        "previousLocation", "previousStartDateTime", "previousEndDateTime",
    },
}  # fmt: skip
"""Names of an example that belong to a kind of thing that the twin doesn't hold."""


@pytest.fixture
def twin() -> Iterator[GraphTwin]:
    """Return a mailbox with something of everything."""
    with graph() as (twin, _):
        twin.receives(mail(1), NOW)
        twin.makes_folder("Leads")
        guests = [{"type": "required", "status": {"response": "none", "time": "0001-01-01T00:00:00Z"},
                   "emailAddress": {"name": "Bob", "address": "bob@example.org"}}]  # fmt: skip
        rooms = [{"displayName": "Hall", "locationType": "default", "uniqueId": "", "uniqueIdType": "unknown"}]
        twin.plans(SOON, subject="Offer", attendees=guests, locations=rooms)
        yield twin


def asked(twin: GraphTwin, method: str, path: str, body: Any = None) -> httpx2.Response:
    """Ask the twin as an app would."""
    form = {"grant_type": "client_credentials", "client_id": twin.client_id, "client_secret": twin.client_secret}
    with httpx2.Client(trust_env=False, timeout=20) as client:
        token = client.post(f"{twin.url}/{twin.tenant}/oauth2/v2.0/token", data={**form, "scope": "x/.default"}).json()
        headers = {"Authorization": f"Bearer {token['access_token']}", "Prefer": IMMUTABLE}
        return client.request(method, f"{twin.url}/v1.0/{path}", headers=headers, json=body)


def lacking(sample: Any, told: Any, path: str = "") -> list[str]:
    """Return where an answer lacks a name of the example's, or has another kind of value."""
    if sample is None or told is None:
        return []
    if isinstance(sample, dict):
        if not isinstance(told, dict):
            return [f"{path}: no object"]
        missing = [f"{path}/{name}" for name in sample if name not in told]
        return missing + [
            w for name in sample if name in told for w in lacking(sample[name], told[name], f"{path}/{name}")
        ]
    if isinstance(sample, list):
        if not isinstance(told, list):
            return [f"{path}: no list"]
        return lacking(sample[0], told[0], f"{path}[]") if sample and told else []
    same = isinstance(told, bool) == isinstance(sample, bool) and isinstance(told, type(sample))
    return [] if same else [f"{path}: {type(told).__name__} and not {type(sample).__name__}"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("mailFolders", "me/mailFolders"),
        ("mailFolder", "me/mailFolders/inbox"),
        ("childFolders", "me/mailFolders/{folder}/childFolders"),
        ("folder_messages", "me/mailFolders/inbox/messages"),
        ("messages_delta", "me/mailFolders/inbox/messages/delta"),
        ("message", "me/messages/{message}"),
        ("events", "me/events"),
        ("events_selected", "me/events?$select={chosen},locations"),
        ("event_selected", "me/events/{event}?$select={chosen},hideAttendees"),
        ("event_selected_locations", "me/events/{event}"),
        ("event_made", "me/events/{event}"),
        ("calendarView", "me/calendarView?{span}"),
        ("calendar_calendarView", "me/calendarView?{span}"),
        ("calendarView_delta", "me/calendarView/delta?{span}"),
    ],
)  # fmt: skip
def test_each_answer_has_the_names_of_the_published_one(twin: GraphTwin, name: str, path: str) -> None:
    """An answer of the twin's lacks no name that Microsoft's example has, and no value is of another kind."""
    ids = {"folder": twin.folder_id("inbox"), "message": next(iter(twin.messages)), "event": next(iter(twin.events))}
    answer = asked(twin, "GET", path.format(**ids, span=SPAN, chosen=CHOSEN))
    sample = SAMPLES[name]["response"]
    assert answer.status_code == sample["statusCode"]
    wrong = [
        where
        for where in lacking(sample["body"], answer.json())
        if where.split("/")[-1] not in ONLY_THERE.get(name, ())
    ]
    assert not wrong


def test_a_mail_is_handed_out_as_text(twin: GraphTwin) -> None:
    """`$value` is the mail's own bytes, as plain text."""
    answer = asked(twin, "GET", f"me/messages/{next(iter(twin.messages))}/$value")
    sample = SAMPLES["message_value"]["response"]
    assert answer.headers["content-type"].startswith(sample["headers"][0]["value"])
    assert answer.content == mail(1)


def test_subscriptions_have_the_published_shape_from_their_making_to_their_end(twin: GraphTwin) -> None:
    """Made, listed, read, renewed and ended: status and names are those of the examples."""
    until = (NOW + timedelta(days=30)).isoformat()
    urls = {"notificationUrl": HOOK, "lifecycleNotificationUrl": HOOK, "resource": "me/messages"}
    body = {**urls, "changeType": "created", "expirationDateTime": until, "clientState": FIRST}
    made = asked(twin, "POST", "subscriptions", body)
    path = f"subscriptions/{made.json()['id']}"
    answers = {
        "subscription_made": made,
        "subscriptions": asked(twin, "GET", "subscriptions"),
        "subscription": asked(twin, "GET", path),
        "subscription_renewed": asked(twin, "PATCH", path, {"expirationDateTime": until}),
        "subscription_deleted": asked(twin, "DELETE", path),
    }
    for name, answer in answers.items():
        sample = SAMPLES[name]["response"]
        assert answer.status_code == sample["statusCode"], name
        assert not lacking(sample.get("body"), answer.json() if answer.content else None), name
    assert made.json()["expirationDateTime"] == (NOW + timedelta(minutes=10_080)).isoformat().replace("+00:00", "Z")
    assert asked(twin, "GET", path).status_code == 404


def test_the_judge_sees_what_is_wrong() -> None:
    """A name that is missing, another kind of value, and a list that is none are each found."""
    sample = {"a": 1, "b": [{"c": "x"}], "d": True}
    told: dict[str, Any] = {"a": "1", "b": [{}], "d": 1}
    assert lacking(sample, told) == ["/a: str and not int", "/b[]/c", "/d: int and not bool"]
    assert lacking(sample, {"b": {}}) == ["/a", "/d", "/b: no list"]
    assert lacking(sample, []) == [": no object"]


def test_a_call_that_asks_for_no_immutable_ids_is_a_defect() -> None:
    """The twin raises at its end when any call left the preference out, and keeps more than four apart."""
    with pytest.raises(AssertionError, match="immutable"), graph() as (twin, _):
        form = {"grant_type": "client_credentials", "client_id": twin.client_id, "client_secret": twin.client_secret}
        with httpx2.Client(trust_env=False) as client:
            told = client.post(f"{twin.url}/{twin.tenant}/oauth2/v2.0/token", data={**form, "scope": "x"}).json()
            client.get(f"{twin.url}/v1.0/me/events", headers={"Authorization": f"Bearer {told['access_token']}"})


def test_who_has_no_token_or_anothers_is_refused(twin: GraphTwin) -> None:
    """No token is a 401, another mailbox's person a 403, another mailbox a 404."""
    with httpx2.Client(trust_env=False) as client:
        assert client.get(f"{twin.url}/v1.0/me/events").status_code == 401
    assert asked(twin, "GET", "users/bob@ours.test/events").status_code == 404
    twin.authority.account = "eve@ours.test"
    assert asked(twin, "GET", "me/events").status_code == 403
