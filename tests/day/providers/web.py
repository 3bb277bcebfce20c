"""A web chat and a booking tool that post by Standard Webhooks, and try again until they are heard."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from standardwebhooks import Webhook

from tests.day.people import Person
from tests.day.provider import Provider, Push

SECRET = "whsec_" + base64.b64encode(b"the day's own secret of 32 bytes").decode()


@dataclass
class WebChat(Provider):
    """Visitors with an id of the chat's own, who gave their address, and who book by a form that asks for a number."""

    config: str = 'type = "webhook"\nsecret_env = "DAY_WEB_SECRET"\ntrusted_bookings = true'
    env: Mapping[str, str] = field(default_factory=lambda: {"DAY_WEB_SECRET": SECRET})
    said: dict[int, list[str]] = field(default_factory=dict)
    booked: dict[int, dict[str, Any]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Say, answer, edit, delete, book, move, cancel."""
        return {
            "say": self.say, "answer": self.answer, "edit": self.edit, "delete": self.delete,
            "book": self.book, "move": self.move, "cancel": self.cancel,
        }  # fmt: skip

    def say(self, person: Person, text: str, at: datetime) -> None:
        """A visitor writes."""
        id = f"chat-{next(self.numbers)}"
        self.said.setdefault(person.number, []).append(id)
        self._message("message.created", person, id, {"text": text, "sent_at": at.isoformat()}, at)
        self.happened(id, "message", *self._names(person))

    def answer(self, person: Person, text: str, at: datetime) -> None:
        """One of our people writes."""
        id = f"chat-{next(self.numbers)}"
        data = {
            "message_id": id, "conversation_id": f"visit-{person.number}", "direction": "outbound", "text": text,
            "sender": {"email": "bob@ours.test"}, "customer": self._person(person), "sent_at": at.isoformat(),
        }  # fmt: skip
        self._post("message.created", data, at)
        self.happened(id, "message")

    def edit(self, person: Person, text: str, at: datetime) -> None:
        """A visitor changes what they wrote last."""
        if said := self.said.get(person.number):
            self._message("message.edited", person, said[-1], {"text": text, "edited_at": at.isoformat()}, at)
            self.happened(said[-1], "edit")

    def delete(self, person: Person, text: str, at: datetime) -> None:
        """A visitor takes back what they wrote last."""
        if said := self.said.get(person.number):
            data = {
                "message_id": said[-1], "conversation_id": f"visit-{person.number}", "deleted_at": at.isoformat(),
                "sender": self._person(person),
            }  # fmt: skip
            self._post("message.deleted", data, at)
            self.happened(said.pop(), "deletion")

    def book(self, person: Person, text: str, at: datetime) -> None:
        """A customer books, by a form that asks for address and number."""
        if person.number not in self.booked:
            start = at + timedelta(days=3)
            customer = {"name": person.name, "email": person.email, "phone": person.phone}
            id = f"bk-{next(self.numbers)}"
            booking: dict[str, Any] = {"booking_id": id, "customer": customer, "start": start.isoformat()}
            booking |= {"timezone": "Europe/London", "title": "Visit"}
            self.booked[person.number] = booking
            self._post("booking.created", booking, at)
            self.happened(id, "booking_created", f"email:{person.email}", f"phone:{person.phone}")

    def move(self, person: Person, text: str, at: datetime) -> None:
        """A customer moves what they booked."""
        if booking := self.booked.get(person.number):
            before = booking["start"]
            booking["start"] = (datetime.fromisoformat(before) + timedelta(days=1)).isoformat()
            self._post("booking.moved", {**booking, "previous_start": before}, at)
            self.happened(booking["booking_id"], "booking_moved")

    def cancel(self, person: Person, text: str, at: datetime) -> None:
        """A customer cancels for good."""
        if booking := self.booked.pop(person.number, None):
            self._post("booking.cancelled", booking, at)
            self.happened(booking["booking_id"], "booking_cancelled")

    def _message(self, event: str, person: Person, id: str, more: Mapping[str, Any], at: datetime) -> None:
        data = {"message_id": id, "conversation_id": f"visit-{person.number}", "direction": "inbound", **more}
        self._post(event, {**data, "sender": self._person(person)}, at)

    def _post(self, event: str, data: Mapping[str, Any], at: datetime) -> None:
        body = json.dumps({"type": event, "timestamp": at.isoformat(), "data": data})
        key = f"day-{next(self.numbers)}"

        def signed(now: datetime) -> Mapping[str, str]:
            stamp = str(int(now.timestamp()))
            signature = Webhook(SECRET).sign(key, now, body)
            return {"webhook-id": key, "webhook-timestamp": stamp, "webhook-signature": signature}

        self.owed.append(Push(self.channel, body.encode(), signed))

    def _person(self, person: Person) -> dict[str, str]:
        return {"external_id": f"visitor-{person.number}", "name": person.name, "email": person.email}

    def _names(self, person: Person) -> tuple[str, ...]:
        return f"{self.channel}:visitor-{person.number}", f"email:{person.email}"
