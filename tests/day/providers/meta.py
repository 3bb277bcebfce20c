"""WhatsApp, Messenger and Instagram: Meta posts, tries again for days, and can't be asked.

WhatsApp names people by a user id of its own and mostly by their number; the other two by ids that mean nothing
elsewhere, so that who writes there stays a party of their own until somebody says whose they are.
"""

import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from tests.day.people import Person
from tests.day.provider import Provider, Push

SECRET, TOKEN = "9f4c2e7ab05d48c1b3e6", "verify-mQ7-lantern-92"
CONFIG = 'type = "meta"\nsecret_env = "DAY_META_SECRET"\nverify_token_env = "DAY_META_TOKEN"'
ENV = {"DAY_META_SECRET": SECRET, "DAY_META_TOKEN": TOKEN}
NUMBER, WABA, PAGE, ACCOUNT = "106540352242922", "102290129340398", "180005062406476", "17841405309211844"


@dataclass
class Meta(Provider):
    """What the three have in common: the signature, and ids of messages."""

    channel: str = "meta"
    config: str = CONFIG
    env: Mapping[str, str] = field(default_factory=lambda: ENV)
    said: dict[int, list[str]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def _post(self, platform: str, entry: Mapping[str, Any]) -> None:
        body = json.dumps({"object": platform, "entry": [entry]}).encode()
        digest = hmac.digest(SECRET.encode(), body, "sha256").hex()
        self.owed.append(Push(self.channel, body, lambda now: {"x-hub-signature-256": f"sha256={digest}"}))


@dataclass
class WhatsApp(Meta):
    """One number of ours on the Cloud API; every fifth customer hides their number."""

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Say, answer, edit, delete."""
        return {"say": self.say, "answer": self.answer, "edit": self.edit, "delete": self.delete}

    def say(self, person: Person, text: str, at: datetime) -> None:
        """A customer writes."""
        id = self._message(person, {"type": "text", "text": {"body": text}}, at)
        self.said.setdefault(person.number, []).append(id)
        self.happened(id, "message", *self._names(person))

    def answer(self, person: Person, text: str, at: datetime) -> None:
        """One of our people writes in the app on their telephone."""
        id, user = f"wamid.{self.name}.{next(self.numbers)}", f"GB.{person.number}"
        echo = {"id": id, "from": "15550783881", "to_user_id": user, "type": "text", "text": {"body": text}}
        echo["timestamp"] = str(int(at.timestamp()))
        self._value("smb_message_echoes", {"message_echoes": [echo]})
        self.happened(id, "message")

    def edit(self, person: Person, text: str, at: datetime) -> None:
        """A customer changes what they wrote last."""
        if said := self.said.get(person.number):
            message = {"type": "text", "text": {"body": text}}
            told = {"type": "edit", "edit": {"original_message_id": said[-1], "message": message}}
            self.happened(self._message(person, told, at), "edit", *self._names(person))

    def delete(self, person: Person, text: str, at: datetime) -> None:
        """A customer takes back what they wrote last."""
        if said := self.said.get(person.number):
            told = {"type": "revoke", "revoke": {"original_message_id": said.pop()}}
            self.happened(self._message(person, told, at), "deletion", *self._names(person))

    def _message(self, person: Person, content: Mapping[str, Any], at: datetime) -> str:
        id, user = f"wamid.{self.name}.{next(self.numbers)}", f"GB.{person.number}"
        contact: dict[str, Any] = {"profile": {"name": person.name}, "user_id": user}
        message = {"id": id, "timestamp": str(int(at.timestamp())), "from_user_id": user, **content}
        if not self._hides(person):
            contact["wa_id"] = message["from"] = person.phone.lstrip("+")
        self._value("messages", {"contacts": [contact], "messages": [message]})
        return id

    def _value(self, name: str, lists: Mapping[str, Any]) -> None:
        metadata = {"display_phone_number": "15550783881", "phone_number_id": NUMBER}
        value = {"messaging_product": "whatsapp", "metadata": metadata, **lists}
        self._post("whatsapp_business_account", {"id": WABA, "changes": [{"value": value, "field": name}]})

    def _hides(self, person: Person) -> bool:
        return person.number % 5 == 0

    def _names(self, person: Person) -> tuple[str, ...]:
        user = f"bsuid:GB.{person.number}"
        return (user,) if self._hides(person) else (user, f"phone:{person.phone}")


@dataclass
class Messenger(Meta):
    """A page of ours, or an account on Instagram."""

    platform: str = "page"

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Say, answer, and take back; the page's visitors edit too."""
        acts = {"say": self.say, "answer": self.answer, "delete": self.delete}
        return acts | {"edit": self.edit} if self.platform == "page" else acts

    def say(self, person: Person, text: str, at: datetime) -> None:
        """A customer writes."""
        id = f"m_{self.name}.{next(self.numbers)}"
        self.said.setdefault(person.number, []).append(id)
        self._event(person, {"message": {"mid": id, "text": text}}, at)
        self.happened(id, "message", self._id(person))

    def answer(self, person: Person, text: str, at: datetime) -> None:
        """One of our people writes in the page's inbox."""
        id = f"m_{self.name}.{next(self.numbers)}"
        self._event(person, {"message": {"mid": id, "text": text, "is_echo": True}}, at, is_ours=True)
        self.happened(id, "message")

    def edit(self, person: Person, text: str, at: datetime) -> None:
        """A customer changes what they wrote last, once."""
        if said := self.said.get(person.number):
            id = said.pop()
            self._event(person, {"message_edit": {"mid": id, "text": text, "num_edit": 1}}, at)
            self.happened(id, "edit")

    def delete(self, person: Person, text: str, at: datetime) -> None:
        """A customer takes back what they wrote last."""
        if said := self.said.get(person.number):
            id = said.pop()
            self._event(person, {"message": {"mid": id, "is_deleted": True}}, at)
            self.happened(id, "deletion")

    def _event(self, person: Person, told: Mapping[str, Any], at: datetime, *, is_ours: bool = False) -> None:
        side, them = {"id": self._side}, {"id": f"77{person.number}"}
        sender, recipient = (side, them) if is_ours else (them, side)
        stamp = int(at.timestamp() * 1000)
        event = {"sender": sender, "recipient": recipient, "timestamp": stamp, **told}
        self._post(self.platform, {"id": self._side, "time": stamp, "messaging": [event]})

    @property
    def _side(self) -> str:
        return PAGE if self.platform == "page" else ACCOUNT

    def _id(self, person: Person) -> str:
        return f"{self.name}:77{person.number}"
