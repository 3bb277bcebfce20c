"""`python -m tests.twins.meta`: WhatsApp, a page and a transcriber to try with, without an account.

It prints the settings that lead a sidecar to it, and then is the keyboard of everybody who writes: each line becomes a
signed webhook to the sidecar's door, or something that only the poll can find.
"""

import shlex
from datetime import UTC, datetime
from itertools import count
from typing import IO, Any

import httpx2

from tests.twins.meta import MetaTwin
from tests.twins.transcriptions import Transcriptions
from tests.twins.wire.faults import Status
from tests.twins.wire.keyboard import Keyboard, parser, printed

PAGE, NUMBER, WABA = "180005062406476", "106540352242922", "102290129340398"
SETTINGS = """META_APP_SECRET={secret} META_VERIFY_TOKEN=token-of-the-check META_TOKEN={token}
[channels.meta]
type = "meta"
secret_env = "META_APP_SECRET"
verify_token_env = "META_VERIFY_TOKEN"
token_env = "META_TOKEN"
pages = ["{page}"]
graph_url = "{url}"
every_s = 10
[transcriber]
type = "openai"
base_url = "{ears}"
model = "whisper-1"
"""


class MetaKeyboard(Keyboard):
    """A telephone number has its country code and no plus sign; a person on the page has a number of its own."""

    def __init__(self, twin: MetaTwin, ears: Transcriptions, door: str, stdout: IO[str] | None = None) -> None:
        super().__init__(twin, stdout)
        self._ears, self._door, self._numbers = ears, door, count(1)

    def do_text(self, line: str) -> None:
        """Somebody writes on WhatsApp: text 447700900123 WORDS."""
        number, _, words = line.partition(" ")
        self._whatsapp(number, {"type": "text", "text": {"body": words}})

    def do_voice(self, line: str) -> None:
        """Somebody speaks on WhatsApp: voice 447700900123 WORDS."""
        number, _, words = line.partition(" ")
        media, raw = f"{7700 + next(self._numbers)}", b"OggS" + words.encode()
        self._ears.ears.said[raw] = [(f" {words}", 0.01, -0.2)]
        audio = {"id": media, "mime_type": "audio/ogg; codecs=opus", "sha256": self.twin.keep(media, raw, "audio/ogg")}
        self._whatsapp(number, {"type": "audio", "audio": {**audio, "voice": True}})

    def do_revoke(self, line: str) -> None:
        """Somebody takes a message back: revoke 447700900123 WAMID."""
        number, id = shlex.split(line)
        self._whatsapp(number, {"type": "revoke", "revoke": {"original_message_id": id}})

    def do_page(self, line: str) -> None:
        """Somebody writes to the page, and no webhook tells of it: page 1630934236957797 WORDS."""
        person, _, words = line.partition(" ")
        self.twin.say(PAGE, person, f"m_{next(self._numbers)}", words, datetime.now(UTC))

    def do_lose(self, line: str) -> None:
        """Let a file be gone: lose MEDIA."""
        del self.twin.files[line.strip()]

    def do_deaf(self, line: str) -> None:
        """The transcriber answers every request so until `hear`: deaf STATUS."""
        self._ears.fault(Status(int(line), {}), times=None)

    def do_hear(self, line: str) -> None:
        """The transcriber hears again: hear."""
        self._ears.heal()

    def _whatsapp(self, number: str, content: dict[str, Any]) -> None:
        id, stamp = f"wamid.{next(self._numbers)}", str(int(datetime.now(UTC).timestamp()))
        value = {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "15550783881", "phone_number_id": NUMBER},
            "contacts": [{"profile": {"name": f"Somebody {number[-4:]}"}, "wa_id": number}],
            "messages": [{"from": number, "id": id, "timestamp": stamp, **content}],
        }
        entry = {"id": WABA, "changes": [{"value": value, "field": "messages"}]}
        raw, signature = self.twin.webhook({"object": "whatsapp_business_account", "entry": [entry]})
        headers = {"content-type": "application/json", "x-hub-signature-256": signature}
        try:
            answer = httpx2.post(self._door, content=raw, headers=headers, timeout=10.0, trust_env=False)
        except httpx2.HTTPError as error:
            self.say(f"{id}: nobody took it ({type(error).__name__})")
            return
        self.say(f"{id}: {answer.status_code} {answer.text[:80]}")


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    made = parser("meta", "WhatsApp, a page and a transcriber", 4227)
    made.add_argument("--door", default="http://127.0.0.1:8080/hooks/meta", help="the sidecar's address for webhooks")
    given = made.parse_args(arguments)
    ears_port = given.port + 1 if given.port else 0
    with MetaTwin(port=given.port) as twin, Transcriptions(port=ears_port) as ears:
        twin.pages[PAGE] = ""
        told = SETTINGS.format(secret=twin.secret, token=twin.token, page=PAGE, url=twin.url, ears=ears.base_url)
        MetaKeyboard(twin, ears, given.door).cmdloop(printed(told))


if __name__ == "__main__":
    main()
