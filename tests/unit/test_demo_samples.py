"""The demo's samples: the same conversations, dated from whatever day the demo is run on."""

import email
import json
from datetime import datetime
from email.policy import default
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sidecar.cli.demo.samples import rendered, samples
from sidecar.errors import ConfigError

BERLIN = ZoneInfo("Europe/Berlin")
DEMO = Path(__file__).parent.parent.parent / "demo"
SUNDAY = datetime(2026, 11, 22, 9, 30, tzinfo=BERLIN)


@pytest.mark.parametrize(
    "place, filled",
    [
        ("{{day-5 18:20}}", "2026-11-17T18:20:00+01:00"),
        ("{{day-40 18:20}}", "2026-10-13T18:20:00+02:00"),
        ("{{day-5 18:20 | mail}}", "Tue, 17 Nov 2026 18:20:00 +0100"),
        ("{{day-5 18:20 | %d/%m/%Y %H:%M}}", "17/11/2026 18:20"),
        ("{{day+2 | weekday de}}", "Dienstag"),
        ("{{now}}", "2026-11-22T09:30:00+01:00"),
        ("{{tomorrow}}", "{{tomorrow}}"),
    ],
)
def test_places_are_filled_from_the_day(place: str, filled: str) -> None:
    """A place becomes the local time that it means, summer time included; what is no place stays."""
    assert rendered(f"<{place}>", SUNDAY) == f"<{filled}>"


@pytest.mark.parametrize("day", [1, 8, 15, 22, 28])
def test_samples_are_whole_and_in_order_on_any_day(day: int) -> None:
    """No place is left unfilled, mails have the line ends and dates of the wire, and nothing lies in the future."""
    now = datetime(2027, 3, day, 7, 5, tzinfo=BERLIN)
    found = samples(DEMO / "conversations", now)
    assert [sample.at for sample in found] == sorted(sample.at for sample in found)
    for sample in found:
        assert b"{{" not in sample.raw, sample.name
        assert sample.at < now, sample.name
        if sample.channel == "mail":
            assert b"\n" not in sample.raw.replace(b"\r\n", b"")
            parsed = email.message_from_bytes(sample.raw, policy=default)
            assert parsed["Date"].datetime == sample.at
        if sample.channel in ("web", "booking"):
            assert datetime.fromisoformat(json.loads(sample.raw)["timestamp"]) == sample.at


def test_there_are_conversations_over_three_channels_and_three_languages() -> None:
    """The samples show what they promise: eight conversations and more, mails with quoted replies, calls, events."""
    found = samples(DEMO / "conversations", SUNDAY)
    assert {sample.channel for sample in found} == {"mail", "calls", "web", "booking"}
    assert len({sample.name.partition("-")[0].partition(".")[0] for sample in found}) >= 8
    assert sum(b"\r\n> " in sample.raw for sample in found) >= 3


def test_a_folder_without_samples_says_what_to_do(tmp_path: Path) -> None:
    """Whoever runs the demo elsewhere reads where to run it."""
    with pytest.raises(ConfigError, match="--folder"):
        samples(tmp_path, SUNDAY)
