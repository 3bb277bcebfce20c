"""The intake under two workers: what one delivery leaves open, another that comes at the same moment may answer."""

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.gcalendar.push import token
from sidecar.app import App
from sidecar.journal import Entry, Receipt
from sidecar.model import Activity, Match, Outcome, WorkKey, WorkKind
from sidecar.pipeline import Pipeline
from sidecar.ports import Captured, HookRequest, PollBatch

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRET = base64.b64encode(b"s" * 32).decode()
CONFIG = """
own.domains = ["ours.test"]
channels.web = { type = "webhook", secret_env = "WEB_SECRET" }
"""
HINTED = f"""{CONFIG}
channels.cal = {{ type = "gcalendar", calendar = "ann@ours.test", client_id = "x", push_secret_env = "PUSH" }}
"""
ASKS = {
    "message_id": "m-1", "conversation_id": "c-1", "direction": "inbound", "sent_at": "2026-11-23T11:00:00Z",
    "sender": {"email": "ann@x.test", "name": "Ann Lee"}, "text": "Is it in stock?",
}  # fmt: skip
ANSWERS = {
    "message_id": "m-2", "conversation_id": "c-2", "direction": "outbound", "sent_at": "2026-11-23T11:05:00Z",
    "sender": {"email": "bob@ours.test"}, "customer": {"email": "ann@x.test"}, "text": "It is.",
}  # fmt: skip


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """An app with one webhook channel."""
    (tmp_path / "config.toml").write_text(CONFIG)
    with App.from_file(tmp_path / "config.toml", {"WEB_SECRET": SECRET}) as opened:
        opened.clock = lambda: NOON
        yield opened


@pytest.mark.parametrize("first, second", [(ASKS, ANSWERS), (ANSWERS, ASKS)], ids=["asks first", "answers first"])
def test_what_two_deliveries_leave_each_other_is_found(app: App, first: dict[str, Any], second: dict[str, Any]) -> None:
    """Our answer finds its party though both are resolved at once; seen to fail with the second look taken out."""
    deliveries = [_receive(app.pipeline, data) for data in (first, second)]
    for delivery in deliveries:
        _run(app, WorkKey(WorkKind.PARSE, delivery))
    one, other = (WorkKey(WorkKind.RESOLVE, delivery) for delivery in deliveries)
    _before_the_next_match(app, lambda: _run(app, other))
    _run(app, one)
    for _ in range(3):
        for key in app.journal.due(10, [WorkKind.RESOLVE]):
            _run(app, key)
    assert not app.journal.due(10, [WorkKind.RESOLVE])
    outcomes = {_outcome(app, activity) for activity in app.journal.facts(kinds=("activity",))}
    assert outcomes == {Outcome.PARTY}


def test_what_relates_to_something_that_comes_later_finds_its_party(app: App) -> None:
    """A deletion that overtakes its message is the party's in the end; seen to fail with orphans left alone."""
    gone = {"message_id": "m-1", "conversation_id": "c-1", "deleted_at": "2026-11-23T11:01:00Z"}
    first = _receive(app.pipeline, gone, "message.deleted")
    _run(app, WorkKey(WorkKind.PARSE, first))
    _run(app, WorkKey(WorkKind.RESOLVE, first))
    (deletion,) = app.journal.facts(kinds=("activity",))
    assert _outcome(app, deletion) is not Outcome.PARTY
    second = _receive(app.pipeline, ASKS)
    _run(app, WorkKey(WorkKind.PARSE, second))
    _run(app, WorkKey(WorkKind.RESOLVE, second))
    for key in app.journal.due(10, [WorkKind.RESOLVE]):
        _run(app, key)
    assert not app.journal.due(10, [WorkKind.RESOLVE])
    assert {_outcome(app, activity) for activity in app.journal.facts(kinds=("activity",))} == {Outcome.PARTY}


def test_a_mere_hint_is_nothing_unread(tmp_path: Path) -> None:
    """A push that says only that there is news was understood; what brings nothing else counts as unread.

    Seen to fail while each push counted, so that a calendar with pushes looked as if nobody could read it.
    """
    secret, id, name = "a-secret-of-the-pushes", "channel-1", "x-goog-"
    (tmp_path / "config.toml").write_text(HINTED)
    headers = {"channel-id": id, "channel-token": token(secret.encode(), id), "resource-state": "exists"}
    with App.from_file(tmp_path / "config.toml", {"PUSH": secret, "WEB_SECRET": SECRET}) as app:
        app.clock = lambda: NOON
        for number in ("1", "2"):
            told = {f"{name}{key}": value for key, value in {**headers, "message-number": number}.items()}
            (delivery,) = app.pipeline.receive("cal", HookRequest(told, b"")).result(30).new
            _run(app, WorkKey(WorkKind.PARSE, delivery))
        since, focus = app.journal.now() - timedelta(days=1), b'{"id": "f1", "eventType": "focusTime"}'
        assert app.journal.unread("cal", since) == 0
        app.pipeline.intake.keep("cal", PollBatch((Captured("ann@ours.test", focus, "event:f1:1"),), {}), None)
        for key in app.journal.due(10, [WorkKind.PARSE]):
            _run(app, key)
        assert app.journal.unread("cal", since) == 1


def _receive(pipeline: Pipeline, data: dict[str, Any], kind: str = "message.created") -> str:
    """Post an event and return its delivery."""
    import standardwebhooks

    name = f"{kind.replace('.', '-')}:{data['message_id']}"
    body = json.dumps({"type": kind, "timestamp": "2026-11-23T11:00:00Z", "data": data})
    signature = standardwebhooks.Webhook(SECRET).sign(name, NOON, body)
    headers = {
        "webhook-id": name, "webhook-timestamp": str(int(NOON.timestamp())),
        "webhook-signature": signature,
    }  # fmt: skip
    (delivery,) = pipeline.receive("web", HookRequest(headers, body.encode())).result(30).new
    return delivery


def _run(app: App, key: WorkKey) -> None:
    (lease,) = app.journal.claim([key], 60.0)
    app.pipeline.run(lease)


def _before_the_next_match(app: App, do: Callable[[], None]) -> None:
    """Do something at the worst moment: after a match was made and before it is committed."""
    append, waits = app.journal.append, [do]

    def appending(entry: Entry) -> Future[Receipt]:
        if waits and any(isinstance(fact, Match) for fact in entry.facts):
            waits.pop()()
        return append(entry)

    app.journal.append = appending  # type: ignore[method-assign]


def _outcome(app: App, activity: object) -> Outcome:
    assert isinstance(activity, Activity)
    matches = [match for match in app.journal.effects(activity.id, "match") if isinstance(match, Match)]
    return matches[-1].outcome
