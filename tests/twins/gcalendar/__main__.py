"""`python -m tests.twins.gcalendar`: the twin as a server of its own, to rehearse with before there is an account.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it.
"""

import shlex
from datetime import datetime, timedelta

from tests.support.authorities import KEY
from tests.twins.gcalendar import GoogleCalendarTwin
from tests.twins.wire.keyboard import Keyboard, parser, printed

CALENDAR = "sales@northwind.test"
SETTINGS = """TOKENS_KEY={key}
DIARY_CLIENT_SECRET={secret}
[tokens]
key_env = "TOKENS_KEY"
[channels.diary]
type = "gcalendar"
calendar = "{calendar}"
client_id = "{client}"
client_secret_env = "DIARY_CLIENT_SECRET"
base_url = "{url}"
accounts_url = "{url}"
token_url = "{url}"
every_s = 5
"""


class CalendarKeyboard(Keyboard):
    """Events are named by the ids that are printed when they are planned."""

    twin: GoogleCalendarTwin

    def do_consent(self, line: str) -> None:
        """Be the browser of the calendar's owner, who says yes: consent ADDRESS. Prints where it is sent to."""
        self.say(self.twin.authority.visit(line.strip()))

    def do_plan(self, line: str) -> None:
        """The owner plans a meeting in so many days with a guest: plan DAYS GUEST TITLE."""
        days, guest, title = shlex.split(line)
        at = (self.twin.clock() + timedelta(days=float(days))).replace(minute=0, second=0, microsecond=0)
        me = {"email": self.twin.calendar, "self": True, "organizer": True, "responseStatus": "accepted"}
        guests = [me, {"email": guest, "responseStatus": "needsAction"}]
        self.say(self.twin.puts(at, summary=title, attendees=guests))

    def do_answer(self, line: str) -> None:
        """The guests answer: answer ID accepted (or declined, tentative)."""
        id, answer = shlex.split(line)
        guests = self.twin.told(id)["attendees"]
        self.twin.edits(id, attendees=[g if g.get("self") else {**g, "responseStatus": answer} for g in guests])

    def do_move(self, line: str) -> None:
        """The owner moves a meeting by so many hours: move ID HOURS."""
        id, hours = shlex.split(line)
        told, by = self.twin.told(id), timedelta(hours=float(hours))
        moved = {n: {**told[n], "dateTime": _later(told[n]["dateTime"], by)} for n in ("start", "end")}
        self.twin.edits(id, sequence=told["sequence"] + 1, **moved)

    def do_cancel(self, line: str) -> None:
        """The owner calls a meeting off: cancel ID."""
        self.twin.deletes(line.strip())

    def do_forgets(self, line: str) -> None:
        """Google forgets the sync tokens that it gave: forgets."""
        self.twin.forgets()

    def do_withdraws(self, line: str) -> None:
        """The owner takes the access back: withdraws."""
        self.twin.authority.withdraw()


def _later(text: str, by: timedelta) -> str:
    return (datetime.fromisoformat(text) + by).isoformat()


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    given = parser("gcalendar", "A Google calendar", 4226).parse_args(arguments)
    with GoogleCalendarTwin(CALENDAR, port=given.port) as twin:
        authority = twin.authority
        told = {"key": KEY, "secret": authority.client_secret, "client": authority.client_id}
        CalendarKeyboard(twin).cmdloop(printed(SETTINGS.format(url=twin.url, calendar=CALENDAR, **told)))


if __name__ == "__main__":
    main()
