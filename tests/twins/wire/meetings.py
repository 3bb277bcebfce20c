"""The keyboard of those who meet: each line on standard input is a meeting, its words, or a webhook of it."""

import shlex
from datetime import UTC, datetime, timedelta

import httpx2

from tests.twins.wire.keyboard import Keyboard


class MeetingKeyboard(Keyboard):
    """Words are written `Ann Lee: How much is it?`, each in quotes; times are now."""

    def do_meet(self, line: str) -> None:
        """A meeting was held and heard: meet TITLE "NAME: WORDS" ... (without words they aren't there yet)."""
        title, *talk = shlex.split(line)
        self.say(self.twin.meets(datetime.now(UTC) - timedelta(minutes=1), turns(talk) or None, title))

    def do_transcribe(self, line: str) -> None:
        """A meeting's words are there now: transcribe ID "NAME: WORDS" ..."""
        id, *talk = shlex.split(line)
        self.twin.transcribes(id, turns(talk))

    def do_hook(self, line: str) -> None:
        """Post what the vendor posts of a meeting: hook ID ADDRESS."""
        id, url = shlex.split(line)
        now = datetime.now(UTC)
        body = self.twin.webhook(id, now)
        with httpx2.Client(trust_env=False, timeout=30) as client:
            answer = client.post(url, content=body, headers=self.twin.signed(body, now))
        self.say(f"{answer.status_code} {answer.text[:200]}".strip())


def turns(talk: list[str]) -> list[tuple[str, str]]:
    """Return who said what."""
    return [(name.strip(), words.strip()) for name, _, words in (turn.partition(":") for turn in talk)]
