"""Recorders of calls into the book by the real command: a webhook hints, the poll reads, nothing comes in unasked."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.served import Sidecar, sidecar, until
from tests.twins.aircall import AircallTwin
from tests.twins.aircall.__main__ import SETTINGS as AIRCALL
from tests.twins.dialpad import DialpadTwin
from tests.twins.dialpad.__main__ import SETTINGS as DIALPAD
from tests.twins.fireflies import FirefliesTwin
from tests.twins.fireflies.__main__ import SETTINGS as FIREFLIES
from tests.twins.gong import GongTwin
from tests.twins.gong.__main__ import SETTINGS as GONG
from tests.twins.zoom import ZoomTwin
from tests.twins.zoom.__main__ import SETTINGS as ZOOM

HOUSE = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[journal]
url = "sqlite:///journal.db"
[own]
domains = ["ours.test"]
[inference]
quiet_s = 0
[crm]
type = "local"
path = "crm.db"
"""
TALK = (("Ann Lee", "Our budget is 4000 pounds. Can I come on Thursday?"), ("Rita Ray", "Thursday at ten is fine."))


def house(folder: Path, twin: Any, settings: str, **changed: str) -> tuple[Sidecar, str]:
    """Return a sidecar by the settings that a twin prints, and the name of its channel."""
    lines = settings.format(**{name: getattr(twin, name, "") for name in re.findall(r"\{(\w+)\}", settings)})
    secrets = dict(line.split("=", 1) for line in lines.splitlines() if re.match(r"[A-Z_]+=", line))
    table = "\n".join(line for line in lines.splitlines() if not re.match(r"[A-Z_]+=", line))
    for name, value in changed.items():
        table = re.sub(rf"(?m)^{name} = .*\n?", "", table) + f"\n{name} = {value}"
    found = re.search(r"\[channels\.(\w+)\]", table)
    assert found
    return sidecar(folder, f"{HOUSE}{table}\nmax_wait_s = 0\n", secrets), found[1]


def book(box: Sidecar) -> Mapping[str, list[dict[str, Any]]]:
    """Return the facts by their kind, as the export has them."""
    facts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in box.run("export").splitlines():
        row = json.loads(line)
        facts[row["kind"]].append(row["body"])
    return facts


def post(box: Sidecar, channel: str, twin: Any, body: bytes, spoilt: bytes = b"") -> httpx2.Response:
    """Post a body as the vendor does, perhaps with bytes behind it that nobody signed."""
    return send(box, channel, body + spoilt, twin.signed(body, datetime.now(UTC)))


def send(box: Sidecar, channel: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
    """Post bytes with a head to a channel's door."""
    with httpx2.Client(trust_env=False, timeout=20) as client:
        return client.post(f"http://127.0.0.1:{box.port}/hooks/{channel}", content=body, headers=dict(headers))


RECORDERS = [(ZoomTwin, ZOOM), (FirefliesTwin, FIREFLIES)]


@pytest.mark.parametrize(("make", "settings"), RECORDERS, ids=["zoom", "fireflies"])
def test_a_hint_brings_a_call_with_its_words_once(tmp_path: Path, make: type[Any], settings: str) -> None:
    """Between polls an hour apart a webhook makes the words come in at once, and a second one nothing
    more; a forged one is refused; the customer's words become claims about one party."""
    with make() as twin:
        box, channel = house(tmp_path, twin, settings, every_s="3600")
        with box.serve():
            until(lambda: twin.calls() > 0, "the first poll")
            meeting = twin.meets(datetime.now(UTC) - timedelta(minutes=2), TALK)
            body = twin.webhook(meeting, datetime.now(UTC))
            assert post(box, channel, twin, body, b" ").status_code == 401
            assert post(box, channel, twin, body).status_code == 202
            until(lambda: twin.calls("download", "transcript") > 0, "the words to be asked for")
            assert post(box, channel, twin, body + b"\n").status_code == 202
        box.run("run", "--until-idle")
        facts = book(box)
        (transcript,) = facts["activity"]
        assert (transcript["kind"], transcript["external_id"]) == ("transcript", meeting)
        parties = {match["party"] for match in facts["match"]}
        assert len(parties) == 1 and None not in parties
        assert any("4000" in json.dumps(claim) for claim in facts["claim"])


def test_without_consent_no_word_comes_near_the_book(tmp_path: Path) -> None:
    """While transcripts is off, what is said is in no table, no file and no log; that there was a call is."""
    with ZoomTwin() as twin:
        box, channel = house(tmp_path, twin, ZOOM, transcripts="false", every_s="3600")
        meeting = twin.meets(datetime.now(UTC) - timedelta(minutes=2), TALK)
        with box.serve():
            until(lambda: twin.calls() > 0, "the first poll")
            assert post(box, channel, twin, twin.webhook(meeting, datetime.now(UTC))).status_code == 200
            until(lambda: twin.calls("participants") > 0, "who was there to be asked for")
        box.run("run", "--until-idle")
        (call,) = book(box)["activity"]
        assert (call["kind"], call["external_id"]) == ("call", meeting)
        kept = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()) if path.is_file())
        assert b"4000 pounds" not in kept and b"download.token" not in kept
        assert "4000 pounds" not in json.dumps(box.log)


def test_gong_is_asked_and_its_late_words_come_in(tmp_path: Path) -> None:
    """A call of which Gong has no words yet is a call first, and its transcript joins it when it is there."""
    with GongTwin() as twin:
        box, _ = house(tmp_path, twin, GONG, every_s="1")
        call = twin.meets(datetime.now(UTC) - timedelta(minutes=2), None)
        box.run("run", "--until-idle")
        twin.transcribes(call, TALK)
        box.run("run", "--until-idle")
        facts = book(box)
        kinds = [(activity["kind"], activity["external_id"]) for activity in facts["activity"]]
        assert sorted(kinds) == [("call", call), ("transcript", call)]
        assert len({match["party"] for match in facts["match"]}) == 1


@pytest.mark.parametrize(
    ("make", "settings"), [(AircallTwin, AIRCALL), (DialpadTwin, DIALPAD)], ids=["aircall", "dialpad"]
)
def test_a_telephones_call_comes_in_with_its_words(tmp_path: Path, make: type[Any], settings: str) -> None:
    """One run asks for a call and its words, and what the customer said becomes claims about one party."""
    with make() as twin:
        box, _ = house(tmp_path, twin, settings)
        call = twin.meets(datetime.now(UTC) - timedelta(minutes=2), TALK)
        box.run("run", "--until-idle")
        facts = book(box)
        assert [(a["kind"], a["external_id"]) for a in facts["activity"]] == [("transcript", call)]
        assert any("4000" in json.dumps(claim) for claim in facts["claim"])
        assert len({match["party"] for match in facts["match"]}) == 1


HINTED: list[tuple[type[Any], str, int, Callable[[bytes], bytes]]] = [
    (AircallTwin, AIRCALL, 200, lambda body: body.replace(b"webhook-token", b"webhook-tokem")),
    (DialpadTwin, DIALPAD, 202, lambda body: body[:-4] + b"AAAA"),
    (GongTwin, GONG, 202, lambda body: body + b" "),
]


@pytest.mark.parametrize(("make", "settings", "status", "forge"), HINTED, ids=["aircall", "dialpad", "gong"])
def test_a_vendors_word_brings_a_call_with_its_words_once(
    tmp_path: Path, make: type[Any], settings: str, status: int, forge: Callable[[bytes], bytes]
) -> None:
    """Between polls an hour apart a webhook makes the words come in at once, a repeated one nothing more, and a forged
    one is refused; no secret of a webhook is in the book or the log."""
    with make() as twin:
        box, channel = house(tmp_path, twin, settings, every_s="3600")
        with box.serve():
            until(lambda: twin.calls() > 0, "the first poll")
            call = twin.meets(datetime.now(UTC) - timedelta(minutes=2), TALK)
            body = twin.webhook(call, datetime.now(UTC))
            assert send(box, channel, forge(body), twin.signed(body, datetime.now(UTC))).status_code == 401
            assert post(box, channel, twin, body).status_code == status
            until(lambda: twin.calls("transcript", "transcription") > 0, "the words to be asked for")
            assert post(box, channel, twin, body).status_code == status
        box.run("run", "--until-idle")
        facts = book(box)
        (transcript,) = facts["activity"]
        assert (transcript["kind"], transcript["external_id"]) == ("transcript", call)
        assert len({match["party"] for match in facts["match"]}) == 1
        secret = getattr(twin, "hook_secret", "no secret: its key is public")
        kept = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()) if path.is_file())
        assert secret.encode() not in kept and secret not in json.dumps(box.log)


def test_when_aircall_takes_the_integration_away_the_operator_hears_it(tmp_path: Path) -> None:
    """The channel is paused by its name with what to do, though its key still works."""
    with AircallTwin() as twin:
        box, channel = house(tmp_path, twin, AIRCALL, every_s="3600")
        with box.serve():
            until(lambda: twin.calls() > 0, "the first poll")
            gone = twin.webhook("", datetime.now(UTC), "integration.deleted")
            assert post(box, channel, twin, gone).status_code == 200
            until(lambda: any(e.get("event") == "adapter_paused" for e in box.log), "the channel to pause")
            (paused,) = (e for e in list(box.log) if e.get("event") == "adapter_paused")
            assert paused["scope"] == "channel:aircall" and "taken away in Aircall" in paused["reason"]
