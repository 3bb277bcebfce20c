"""`python -m tests.twins.twilio`: the twin as a server of its own, to try the Twilio path without an account.

It prints the settings that lead a sidecar to it, and then is the telephones of everybody else: who texts, rings and
says something in a call. With `--door` each of them is posted to a sidecar's door at once, signed, as Twilio would.
"""

import shlex
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import httpx2

from tests.twins.twilio import TwilioTwin
from tests.twins.wire.keyboard import Keyboard, parser, printed

SETTINGS = """TWILIO_TOKEN={token}
[channels.twilio]
type = "twilio"
account_sid = "{account}"
public_url = "{door}"
auth_token_env = "TWILIO_TOKEN"
base_url = "{url}"
intelligence_url = "{url}"
transcripts = true
every_s = 5
rest_s = 5
"""
DOOR = "http://127.0.0.1:8080/hooks/twilio"


class TwilioKeyboard(Keyboard):
    """Addresses are +44..., whatsapp:+44..., client:name; what is said in a call is CHANNEL:WORDS, a turn each."""

    def __init__(self, twin: TwilioTwin, door: str = "", stdout: IO[str] | None = None) -> None:
        super().__init__(twin, stdout)
        self.door = door

    def do_text(self, line: str) -> None:
        """Somebody sends a message: text FROM TO WORDS."""
        sender, target, *words = shlex.split(line)
        self.tell(self.twin.texts(sender, target, " ".join(words), datetime.now(UTC)))

    def do_send(self, line: str) -> None:
        """Our account sends one, which the poll alone tells: send FROM TO WORDS."""
        sender, target, *words = shlex.split(line)
        self.say(self.twin.sends(sender, target, " ".join(words), datetime.now(UTC)))

    def do_ring(self, line: str) -> None:
        """Somebody called, and it ended: ring FROM TO [SECONDS]."""
        caller, called, *lasts = shlex.split(line)
        lasts_s = int(lasts[0]) if lasts else 73
        began = datetime.now(UTC) - timedelta(seconds=lasts_s)
        self.tell(self.twin.rings(caller, called, began, lasts_s))

    def do_hear(self, line: str) -> None:
        """Words of a call while it lasts: hear CALL NUMBER inbound|outbound WORDS."""
        call, number, side, *words = shlex.split(line)
        track = f"{side}_track"
        self.post(self.twin.live(call, int(number), " ".join(words), datetime.now(UTC), Track=track))

    def do_transcribe(self, line: str) -> None:
        """A call was recorded and written down: transcribe CALL "1:Can I come?" "2:Of course."."""
        call, *turns = shlex.split(line)
        said = [(int(channel), words) for channel, _, words in (turn.partition(":") for turn in turns)]
        transcript = self.twin.transcribes(self.twin.records(call), said, datetime.now(UTC))
        self.say(transcript)
        self.post(self.twin.hint(transcript))

    def do_empty(self, line: str) -> None:
        """A message's words are taken away: empty MESSAGE."""
        self.twin.empties(line.strip())

    def do_delete(self, line: str) -> None:
        """A message is deleted: delete MESSAGE."""
        self.twin.deletes(line.strip())

    def do_show(self, line: str) -> None:
        """What is there: show messages, calls, recordings or transcripts."""
        twin, what = self.twin, line.strip()
        held = {"messages": twin.messages, "calls": twin.calls_made}
        held |= {"recordings": twin.recordings, "transcripts": twin.transcripts}
        for sid, row in held[what].items():
            self.say(f"{sid} {row.get('status')} {row.get('from', '')} {row.get('body', '')}".rstrip())

    def tell(self, sid: str) -> None:
        """Say the sid of what happened, and post it."""
        self.say(sid)
        self.post(self.twin.webhook(sid))

    def post(self, body: bytes) -> None:
        """Post a webhook to the door, if there is one, and say what it answered."""
        if not self.door:
            return
        url, headers = self.twin.signed(self.door, body)
        try:
            with httpx2.Client(trust_env=False) as client:
                self.say(f"posted: {client.post(url, content=body, headers=headers, timeout=20).status_code}")
        except httpx2.HTTPError as error:
            self.say(f"not posted: {type(error).__name__}")


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    made = parser("twilio", "An account", 4290)
    made.add_argument("--door", default="", help=f"where a sidecar takes its webhooks, such as {DOOR}")
    given = made.parse_args(arguments)
    with TwilioTwin(port=given.port) as twin:
        told: dict[str, Any] = {"token": twin.token, "account": twin.account, "url": twin.url}
        TwilioKeyboard(twin, given.door).cmdloop(printed(SETTINGS.format(door=given.door or DOOR, **told)))


if __name__ == "__main__":
    main()
