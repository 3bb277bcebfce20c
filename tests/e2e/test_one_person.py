"""One person on six channels is one party, joined by what they share alone; a person joins the rest, and parts it.

Mails, a call and a calendar are dropped, the chat and Meta's two channels post to the door; people use the commands.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sidecar.cli import app as command_line
from sidecar.journal import tables as t
from sidecar.model import Activity, Match
from tests.contract.test_channel_caldav import ics
from tests.e2e.test_meta import CHANNEL, ENV, PAGE, served, signed, whatsapp, written
from tests.support.books import rows_of
from tests.support.facts import SetClock
from tests.support.houses import SECRET, House, op, says

PSID = "1630934236957797"
RULES = [
    says("angry", op("sentiment", "angry", "angry")),
    says("12 people", op("intent", "buy", "12 people")),
]
HERS = {
    "email:ann@x.test",
    "phone:+447700900123",
    "bsuid:GB.77001",
    "web:visitor-1",
}


class Town:
    """A sidecar with every door open, and the commands of those who look after it."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/j.db"
        clock = SetClock(datetime.now(UTC))
        self.house = House(folder, "sqlite:///j.db", *RULES, after=CHANNEL, env=ENV, clock=clock).start()

    def command(self, *arguments: str) -> Any:
        """Run a command on the town's book, and return its JSON."""
        line = ["--config", str(self.house.folder / "config.toml"), *arguments, "--json"]
        env = {**ENV, "WEB_SECRET": SECRET, "SIDECAR_LOG": "off", "NO_COLOR": "1"}
        result = CliRunner().invoke(command_line, line, env=env)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def goes_on(self) -> None:
        """Do all that is due; then a minute passes."""
        self.house.poll()
        self.house.clock.move(60)

    def party_of(self, id: str) -> str:
        """Return the party that a message belongs to."""
        return self.house.journal.party_of(self.house.activity(id).id) or ""

    def messenger(self, port: int, mid: str, text: str) -> None:
        """Somebody writes on Messenger, who has nothing but an id of that page."""
        at_ms = int(self.house.clock().timestamp()) * 1000
        message = {"mid": mid, "text": text}
        event = {"sender": {"id": PSID}, "recipient": {"id": PAGE}, "timestamp": at_ms, "message": message}
        body = {"object": "page", "entry": [{"id": PAGE, "time": at_ms, "messaging": [event]}]}
        assert signed(port, json.dumps(body).encode()).status in (200, 202)

    def writes_everywhere(self, port: int) -> None:
        """Ann mails, chats, writes on WhatsApp, calls, is invited, and writes on Messenger."""
        house = self.house
        house.mail("Ann Lee <ann@x.test>", "We want a training day for 12 people")
        self.goes_on()
        visitor = {"external_id": "visitor-1", "email": "ann@x.test", "phone": "+44 7700 900123", "name": "Ann"}
        house.say("Hello, it's me", id="chat-1", sender=visitor)
        self.goes_on()
        house.say("And again", id="chat-2", sender={"external_id": "visitor-1"})
        self.goes_on()
        contact = {"profile": {"name": "Ann Lee"}, "wa_id": "447700900123", "user_id": "GB.77001"}
        both = {"from": "447700900123", "from_user_id": "GB.77001"}
        first = written(house, "wamid.1", "A picture will follow", **both)
        assert signed(port, whatsapp(house, contacts=[contact], messages=[first])).status in (200, 202)
        self.goes_on()
        later = written(house, "wamid.2", "Here it is", from_user_id="GB.77001")
        assert signed(port, whatsapp(house, messages=[later])).status in (200, 202)
        self.goes_on()
        told = f'date = {house.clock():%Y-%m-%dT%H:%M:%S}+00:00\ncustomer = "Ann Lee, +44 7700 900123"\n'
        (house.folder / "drop" / "call.meta.toml").write_text(
            told + 'agent = ["Bob <bob@ours.test>"]\ncall-id = "c1"\n'
        )
        words = "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n<v Ann Lee>Is Thursday free?</v>\n"
        (house.folder / "drop" / "call.vtt").write_text(words)
        self.goes_on()
        event = ics("meeting-1", house.clock() + timedelta(days=3)).replace(b"ann@example.org", b"ann@x.test")
        (house.folder / "drop" / "meeting.ics").write_bytes(event)
        self.goes_on()
        self.messenger(port, "m_1", "I am angry")
        self.goes_on()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Open a town."""
    town = Town(tmp_path)
    with town.house:
        yield town


def test_six_channels_are_one_party_and_a_person_joins_and_parts_the_rest(town: Town) -> None:
    """Shared identifiers join, nothing else does; merge and split are a person's word, and no fact of before changes.

    Seen to fail with a split that leaves the Messenger id behind.
    """
    house = town.house
    with served(house) as port:
        town.writes_everywhere(port)
        ann, other = house.standing().party, town.party_of("m_1")
        parties = {m.party for m in house.facts("match") if isinstance(m, Match) and m.party}
        assert parties == {ann, other}
        assert {str(i) for i in house.standing().identifiers} == HERS
        channels = {(a.channel, a.kind) for _, a in house.journal.timeline(ann, 100)}
        kinds = {("drop", "mail"), ("web", "message"), ("meta", "message"), ("drop", "transcript"), ("drop", "meeting")}
        assert channels == kinds
        assert len({a.id for _, a in house.journal.timeline(ann, 100)}) == 7
        known = {row["identifier"]: row for row in town.command("party", "show", ann)["known_by"]}
        assert known["bsuid:GB.77001"]["activity"] == house.activity("wamid.1").id
        assert known["web:visitor-1"]["activity"] == house.activity("chat-1").id
        assert known["email:ann@x.test"]["channel"] == "drop"

        before, asked = rows_of(town.url, t.BOOK), len(house.llm.heard)
        assert town.command("party", "merge", ann, other)["party"] == ann
        town.goes_on()
        assert house.fields()["sentiment"] == "angry"
        assert {"I am angry", "Here it is"} <= set(house.llm.heard[-1])
        town.messenger(port, "m_2", "Still here")
        town.goes_on()
        assert town.party_of("m_2") == ann
        assert town.command("party", "show", ann)["merged"] == [other]

        joined = len(house.llm.heard)
        assert joined > asked
        new = town.command("party", "split", ann, other)["party"]
        town.goes_on()
        assert (town.party_of("m_1"), town.party_of("m_2")) == (new, new)
        assert {str(i) for i in house.standing().identifiers} == HERS
        assert "sentiment" not in house.fields()
        parted = house.journal.standing(new)
        assert parted is not None and parted.engagement.fields["sentiment"].value == "angry"
        assert [str(i) for i in parted.identifiers] == [f"psid:{PAGE}:{PSID}"]
        again = house.llm.heard[joined:]
        assert ["I am angry", "Still here"] in again
        assert any("Here it is" in texts and "I am angry" not in texts for texts in again), "both are read again"
        town.messenger(port, "m_3", "And a last word")
        town.goes_on()
        assert town.party_of("m_3") == new

        after = rows_of(town.url, t.BOOK)
        for table, rows in before.items():
            assert set(rows) <= set(after[table]), f"{table}: nothing of the past is rewritten"
        assert not house.parked()
        assert not [a for a in house.facts("activity") if isinstance(a, Activity) and a.problems]
