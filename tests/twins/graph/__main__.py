"""`python -m tests.twins.graph`: the twin as a server of its own, to try Microsoft 365 without a tenant.

It prints the settings that lead a sidecar to it, and then is the keyboard of everybody else: who writes to the mailbox,
who answers from it, who plans and moves meetings, and Microsoft, which tells of all that or loses a token.
"""

import shlex
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from tests.twins.graph import GraphTwin
from tests.twins.graph.rounds import SHAPES
from tests.twins.wire.faults import Status
from tests.twins.wire.keyboard import Keyboard, parser, printed
from tests.twins.wire.twin import real_time

SETTINGS = """M365_SECRET={secret}
M365_STATE=a-secret-of-your-own-choice
[channels.office]
type = "microsoft365_mail"
mailbox = "{mailbox}"
tenant = "{tenant}"
client_id = "{client_id}"
client_secret_env = "M365_SECRET"
login_url = "{url}"
graph_url = "{url}"
notification_url = "http://127.0.0.1:8080/hooks/office"
client_state_env = "M365_STATE"
[channels.agenda]
type = "microsoft365_calendar"
mailbox = "{mailbox}"
tenant = "{tenant}"
client_id = "{client_id}"
client_secret_env = "M365_SECRET"
login_url = "{url}"
graph_url = "{url}"
"""


class GraphKeyboard(Keyboard):
    """Everybody who isn't the sidecar."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (*Keyboard.refusals, StopIteration)

    def do_mail(self, line: str) -> None:
        """Somebody writes to the mailbox: mail ADDRESS "SUBJECT" "WORDS"."""
        sender, subject, words = shlex.split(line)
        self._lies("inbox", sender, self.twin.mailbox, subject, words)

    def do_send(self, line: str) -> None:
        """Our person answers: send ADDRESS "SUBJECT" "WORDS"."""
        recipient, subject, words = shlex.split(line)
        self._lies("sentitems", self.twin.mailbox, recipient, subject, words)

    def do_meet(self, line: str) -> None:
        """Our person plans an hour with a guest: meet ADDRESS "SUBJECT" 2026-12-01T10:00."""
        guest, subject, start = shlex.split(line)
        people = [{"type": "required", "status": {"response": "none"}, "emailAddress": {"name": "", "address": guest}}]
        self.say(self.twin.plans(_at(start), subject=subject, attendees=people))

    def do_move(self, line: str) -> None:
        """A meeting is moved: move ID 2026-12-02T10:00."""
        id, start = shlex.split(line)
        self.twin.changes_event(id, _at(start))

    def do_answer(self, line: str) -> None:
        """The guest of a meeting answers: answer ID accepted|declined|tentativelyAccepted."""
        id, response = shlex.split(line)
        people = [{**guest, "status": {"response": response}} for guest in self.twin.events[id]["attendees"]]
        self.twin.changes_event(id, attendees=people)

    def do_cancel(self, line: str) -> None:
        """The organizer calls a meeting off: cancel ID."""
        self.twin.changes_event(line.strip(), isCancelled=True)

    def do_delete(self, line: str) -> None:
        """A meeting is deleted from the calendar: delete ID."""
        self.twin.removes(line.strip())

    def do_file(self, line: str) -> None:
        """A mail is moved: file ID FOLDER."""
        id, folder = shlex.split(line)
        self.twin.files(id, folder)

    def do_show(self, line: str) -> None:
        """What there is: show mails, show events or show subscriptions."""
        held = {"mails": self.twin.messages, "events": self.twin.events, "subscriptions": self.twin.subscriptions}
        for id, row in held[line.strip() or "mails"].items():
            self.say(f"{id} {row.get('subject', row.get('resource'))}")

    def do_tell(self, line: str) -> None:
        """Microsoft tells each subscriber that there is news, and shows the answer: tell."""
        for id in list(self.twin.subscriptions):
            self.say(self.twin.tells(id))

    def do_lifecycle(self, line: str) -> None:
        """Microsoft tells of subscriptions themselves: lifecycle missed|reauthorizationRequired|subscriptionRemoved."""
        for id in list(self.twin.subscriptions):
            body = self.twin.lifecycle(id, line.strip())
            self.say(self.twin.tells(id, body))

    def do_expire(self, line: str) -> None:
        """All tokens of rounds die: expire gone|syncStateNotFound|resyncRequired."""
        self.twin.rounds.expire(line.strip() or SHAPES[0])

    def do_type(self, line: str) -> None:
        """A person types the code that `sidecar connect` shows: type CODE."""
        self.twin.authority.types(line.strip())

    def failure(self, status: int) -> Status:
        """Return a refusal in Graph's shape."""
        return Status(status, {"error": {"code": "UnknownError", "message": "The twin fails."}}, {"Retry-After": "2"})

    def _lies(self, folder: str, sender: str, recipient: str, subject: str, words: str) -> None:
        now = real_time()
        number = len(self.twin.mime) + 1
        head = f"From: {sender}\nTo: {recipient}\nSubject: {subject}\nMessage-ID: <{number}.{now:%H%M%S}@graph.twin>\n"
        mime = f"{head}Date: {now:%a, %d %b %Y %H:%M:%S} +0000\n\n{words}\n"
        self.say(self.twin.receives(mime.replace("\n", "\r\n").encode(), now - timedelta(seconds=1), folder))


def _at(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    read = parser("graph", "A mailbox of Microsoft 365", 8365)
    read.add_argument("--mailbox", default="ann@ours.test", help="whose mailbox it is")
    given = read.parse_args(arguments)
    with GraphTwin(given.mailbox, port=given.port) as twin:
        told = {"mailbox": twin.mailbox, "tenant": twin.tenant, "client_id": twin.client_id, "url": twin.url}
        GraphKeyboard(twin).cmdloop(printed(SETTINGS.format(secret=twin.client_secret, **told)))


if __name__ == "__main__":
    main()
