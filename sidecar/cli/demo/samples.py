"""The sample conversations, raw: what each looks like on the day on which the demo runs.

Samples hold places for times, so that "five days ago" is five days ago whenever somebody looks and silence is really
silence. Rendering fills those places and nothing else; what comes out is what is delivered, byte for byte. A mail gets
the line ends that it has on the wire.

    {{day-5 18:20}}                  an ISO time with offset, so many days from today
    {{day-5 18:20 | mail}}           the same as a mail's Date
    {{day-5 18:20 | %d/%m/%Y}}       the same in figures
    {{day+2 | weekday de}}           the name of the day
    {{now}}                          the moment of rendering
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from email.utils import format_datetime
from pathlib import Path

from sidecar.errors import ConfigError

MAX_FILES = 200
MAX_FILE_BYTES = 100_000
_PLACE = re.compile(
    r"\{\{(?:(?P<now>now)|day(?P<days>[+-]\d{1,3})(?: (?P<clock>\d\d:\d\d))?)(?: \| (?P<form>[^}]{1,40}))?\}\}"
)
_WEEKDAYS = {
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One delivery as it would arrive: the channel that it comes by, a file's name or an event's id, its raw bytes."""

    channel: str
    name: str
    at: datetime
    raw: bytes


def samples(folder: Path, now: datetime) -> list[Sample]:
    """Return all samples of a folder (one subfolder a channel) in the order of their times; `now` is local."""
    found = [sample for path in _files(folder) for sample in _read(path, now)]
    return sorted(found, key=lambda sample: (sample.at, sample.name))


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.glob("*/*") if path.suffix in (".eml", ".json", ".vtt"))
    if not files or len(files) > MAX_FILES:
        raise ConfigError(
            f"no sample conversations in {folder}: run the demo where the repository is, or name --folder"
        )
    return files


def _read(path: Path, now: datetime) -> Iterator[Sample]:
    raw = path.read_bytes()
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} is no sample: it is larger than {MAX_FILE_BYTES} bytes")
    channel, text = path.parent.name, raw.decode()
    if path.suffix == ".json":
        for i, event in enumerate(json.loads(text), 1):
            body = json.dumps(event, ensure_ascii=False)
            yield Sample(channel, f"{path.stem}-{i}", _first_time(body, now), rendered(body, now).encode())
        return
    text = rendered(text, now) if path.suffix != ".eml" else rendered(text, now).replace("\n", "\r\n")
    yield Sample(channel, path.name, _first_time(raw.decode(), now), text.encode())


def _first_time(text: str, now: datetime) -> datetime:
    """When a sample arrives: the first time of day in it, which in each kind of sample is its own."""
    places = _PLACE.finditer(text)
    return next((_at(place, now) for place in places if place["now"] or place["clock"]), now)


def rendered(text: str, now: datetime) -> str:
    """Return a sample's text with its places filled."""
    return _PLACE.sub(lambda place: _filled(place, now), text)


def _at(place: re.Match[str], now: datetime) -> datetime:
    if place["now"]:
        return now
    day = now.date() + timedelta(days=int(place["days"]))
    return datetime.combine(day, time.fromisoformat(place["clock"] or "12:00"), now.tzinfo)


def _filled(place: re.Match[str], now: datetime) -> str:
    at, form = _at(place, now), place["form"] or ""
    if form.startswith("weekday "):
        return _WEEKDAYS[form.removeprefix("weekday ")][at.weekday()]
    if form == "mail":
        return format_datetime(at)
    return at.strftime(form) if form else at.isoformat()
