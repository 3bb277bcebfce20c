"""Folders into which mails and transcripts are dropped, and a door to which transcripts are posted as well.

A transcript is one activity whatever file it came in, so it is known here by the number of its call. An outage is a
folder that isn't there, as of a share whose server is down.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from itertools import count
from pathlib import Path

from standardwebhooks import Webhook

from sidecar.model import Activity
from tests.day.people import Person
from tests.day.provider import Provider, Push
from tests.day.providers.web import SECRET
from tests.support.dropped import drop

RITA = "Rita Ray <rita@ours.test>"


@dataclass(kw_only=True)
class Folder(Provider):
    """A folder; `files` are those that wait until it is there again."""

    path: Path
    polled: bool = True
    is_away: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.path.mkdir()

    def known(self, activity: Activity) -> str:
        """Return a transcript's call, a mail's id."""
        return activity.attributes.get("call_id") or activity.external_id

    def outage(self, *, is_away: bool) -> None:
        """Take the folder away, with what lies in it, or put it back."""
        away = self.path.with_name(f"{self.path.name}-away")
        if is_away:
            self.path.rename(away)
        elif self.is_away:
            away.rename(self.path)
        self.is_away = is_away

    def drop(self, name: str, content: bytes, at: datetime) -> None:
        """Drop a file; who drops has the folder even while we haven't."""
        folder = self.path.with_name(f"{self.path.name}-away") if self.is_away else self.path
        drop(folder / name, content, at)

    def vtt(self, call: str, person: Person, text: str, at: datetime) -> bytes:
        """Return a transcript that says itself who took part."""
        head = f"NOTE\ndate: {at.isoformat()}\ncustomer: {self.customer(person)}\nagent: {RITA}\ncall-id: {call}\n"
        first = f"00:00:01.000 --> 00:00:04.000\n<v {person.name}>{text}\n"
        second = "00:00:05.000 --> 00:00:08.000\n<v Rita Ray>Goodbye.\n"
        return "\n".join(("WEBVTT\n", head, first, second)).encode()

    def customer(self, person: Person) -> str:
        """Return a customer as the files declare them: every second by the number alone."""
        email = "" if person.number % 2 else f" <{person.email}>"
        return f"{person.name}{email}, {person.phone}"

    def names(self, person: Person) -> tuple[str, ...]:
        """Return by which identifiers the files know somebody."""
        phone = f"phone:{person.phone}"
        return (phone,) if person.number % 2 else (phone, f"email:{person.email}")


@dataclass(kw_only=True)
class Drop(Folder):
    """Mails and transcripts in one folder, some of them twice."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.config = f'type = "maildrop"\npath = "{self.path}"\ntranscripts = true'

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Drop a mail, a mailbox, a transcript."""
        return {"mail": self.mail, "box": self.box, "call": self.call}

    def mail(self, person: Person, text: str, at: datetime) -> None:
        """A customer's mail is dropped, for every third twice."""
        number, raw = self._mail(person, text, at)
        for name in ("", "-again")[: 2 if number % 3 == 0 else 1]:
            self.drop(f"mail-{number}{name}.eml", raw, at)

    def box(self, person: Person, text: str, at: datetime) -> None:
        """A mailbox with two mails of a customer is dropped, one of which lies beside it too."""
        mails = [self._mail(person, f"{text} {part}", at) for part in ("First.", "Second.")]
        number, raw = mails[0]
        self.drop(f"mail-{number}.eml", raw, at)
        stamp = f"From MAILER-DAEMON {at:%a %b %d %H:%M:%S %Y}\n".encode()
        self.drop(f"box-{number}.mbox", b"\n".join(stamp + mail for _, mail in mails) + b"\n", at)

    def call(self, person: Person, text: str, at: datetime) -> None:
        """A call's transcript is dropped."""
        id = f"{self.name}-{next(self.numbers)}"
        self.drop(f"{id}.vtt", self.vtt(id, person, text, at), at)
        self.happened(id, "transcript", *self.names(person))

    def _mail(self, person: Person, text: str, at: datetime) -> tuple[int, bytes]:
        number = next(self.numbers)
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = f"{person.name} <{person.email}>", "desk@ours.test", "Your offer"
        mail["Date"], mail["Message-ID"] = format_datetime(at), f"<{self.name}-{number}@mail.test>"
        mail.set_content(text)
        self.happened(f"{self.name}-{number}@mail.test", "mail", f"email:{person.email}")
        return number, mail.as_bytes()


@dataclass(kw_only=True)
class Uploads(Folder):
    """Transcripts that are posted, signed and until they are taken, or dropped, or both."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.config = f'type = "transcripts"\npath = "{self.path}"\nsecret_env = "DAY_UPLOADS"\ntranscripts = true'
        self.env = {"DAY_UPLOADS": SECRET}

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Post a transcript, drop one, do both."""
        return {"post": self.post, "lay": self.lay, "both": self.both}

    def post(self, person: Person, text: str, at: datetime) -> None:
        """A call's transcript is posted."""
        id = f"{self.name}-{next(self.numbers)}"
        self._post(id, person, text, at)
        self.happened(id, "transcript", *self.names(person))

    def lay(self, person: Person, text: str, at: datetime) -> None:
        """A call's transcript is dropped, and in a file beside it stands who took part."""
        id = f"{self.name}-{next(self.numbers)}"
        self._lay(id, person, text, at)
        self.happened(id, "transcript", *self.names(person))

    def both(self, person: Person, text: str, at: datetime) -> None:
        """A call's transcript is posted, and dropped in another shape."""
        id = f"{self.name}-{next(self.numbers)}"
        self._post(id, person, text, at)
        self._lay(id, person, text, at)
        self.happened(id, "transcript", *self.names(person))

    def _post(self, id: str, person: Person, text: str, at: datetime) -> None:
        body = self.vtt(id, person, text, at)

        def signed(now: datetime) -> Mapping[str, str]:
            told = {"webhook-id": id, "webhook-timestamp": str(int(now.timestamp())), "content-type": "text/vtt"}
            return {**told, "webhook-signature": Webhook(SECRET).sign(id, now, body.decode())}

        self.owed.append(Push(self.channel, body, signed))

    def _lay(self, id: str, person: Person, text: str, at: datetime) -> None:
        first = f"1\n00:00:01,000 --> 00:00:04,000\n{person.name}: {text}\n"
        second = "2\n00:00:05,000 --> 00:00:08,000\nRita Ray: Goodbye.\n"
        about = f'customer = "{self.customer(person)}"\nagent = "{RITA}"\ncall-id = "{id}"\ndate = {at.isoformat()}\n'
        self.drop(f"{id}.meta.toml", about.encode(), at)
        self.drop(f"{id}.srt", f"{first}\n{second}".encode(), at)
