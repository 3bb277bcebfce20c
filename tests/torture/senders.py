"""Senders as they are in the world: they sign, post, wait, and come again until they hear a 2xx; some come twice.

Each remembers what it was told. What was acknowledged must be in the book whatever happens to the server, and since a
sender never gives up, everything that it was given to send is acknowledged in the end.
"""

import base64
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import standardwebhooks

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes....").decode()
PATIENCE_S = 90.0
TIMEOUT_S = 30.0
AGAIN_S = 0.02
REPEATED = 0.05


@dataclass(frozen=True)
class Event:
    """One thing to send: its id for the receiver, and its body."""

    key: str
    body: str


def message(key: str, who: str, text: str, at: datetime) -> Event:
    """A customer's chat message."""
    data = {
        "message_id": key, "conversation_id": f"chat-{who}", "direction": "inbound", "text": text,
        "sender": {"email": f"{who}@x.test", "name": who.capitalize()}, "sent_at": at.isoformat(),
    }  # fmt: skip
    return Event(key, json.dumps({"type": "message.created", "timestamp": at.isoformat(), "data": data}))


@dataclass
class Sender:
    """One connection's owner, who sends conversations, each event until it is acknowledged, in order.

    `answered` lists, for each connection by its own port, what was acknowledged on it, in order.
    """

    port: int
    conversations: Sequence[Sequence[Event]]
    seed: int
    pace_s: float = 0.0
    acked: list[str] = field(default_factory=list)
    answered: dict[int, list[str]] = field(default_factory=dict)
    heard: Counter[str] = field(default_factory=Counter)
    finishing: threading.Event = field(default_factory=threading.Event)
    _connection: http.client.HTTPConnection | None = None
    _own_port: int = 0

    def run(self) -> None:
        """Send everything, a duplicate now and then; when asked to finish, no further conversation is begun."""
        random = Random(self.seed)
        for conversation in self.conversations:
            if self.finishing.is_set():
                break
            for event in conversation:
                self._until_acked(event)
                if random.random() < REPEATED:
                    self._until_acked(event)
                self.finishing.wait(random.uniform(0, 2 * self.pace_s))
        self._hang_up()

    def _until_acked(self, event: Event) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self._post(event):
            assert time.monotonic() < deadline, f"{event.key} was not acknowledged in {PATIENCE_S:.0f} s: {self.heard}"
            time.sleep(AGAIN_S)

    def _post(self, event: Event) -> bool:
        try:
            connection = self._connected()
            connection.request("POST", "/hooks/web", event.body.encode(), _signed(event))
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self.heard[type(error).__name__] += 1
            self._hang_up()
            return False
        self.heard[str(response.status)] += 1
        if response.status != 202:
            return False
        self.acked.append(event.key)
        self.answered.setdefault(self._own_port, []).append(event.key)
        return True

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
            self._connection.connect()
            self._own_port = self._connection.sock.getsockname()[1]
        return self._connection

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Crowd:
    """Several senders at once."""

    def __init__(
        self, port: int, said: Sequence[Sequence[Event]], senders: int, *, pace_s: float = 0.0, seed: int = 1
    ) -> None:
        self.senders = [Sender(port, said[n::senders], seed + n, pace_s) for n in range(senders)]
        self._errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(sender,), daemon=True) for sender in self.senders]

    def start(self) -> "Crowd":
        """Begin to send."""
        for thread in self._threads:
            thread.start()
        return self

    def join(self) -> None:
        """Wait until everything that was begun is acknowledged."""
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), f"a sender is still waiting: {self.heard}"
        if self._errors:
            raise self._errors[0]

    def finish(self) -> None:
        """Begin no further conversation."""
        for sender in self.senders:
            sender.finishing.set()

    @property
    def acked(self) -> set[str]:
        """The ids that were acknowledged."""
        return {key for sender in self.senders for key in list(sender.acked)}

    @property
    def heard(self) -> Counter[str]:
        """What was answered, by status or failure."""
        return sum((sender.heard for sender in self.senders), Counter[str]())

    def answered(self) -> dict[int, list[str]]:
        """What was acknowledged on each connection, by the sender's port, in order."""
        joined: dict[int, list[str]] = {}
        for sender in self.senders:
            for port, keys in sender.answered.items():
                joined.setdefault(port, []).extend(keys)
        return joined

    def _run(self, sender: Sender) -> None:
        try:
            sender.run()
        except BaseException as error:
            self._errors.append(error)


def _signed(event: Event) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": event.key,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(SECRET).sign(event.key, now, event.body),
    }
