"""How a labelled conversation is written down: one TOML file each, for people, or JSON Lines, for programs.

TOML was chosen because people write and review these files: texts of several lines stand as they are, and comments may
say why a label is what it is. A quote is written `3: the words`, the third activity's. Times are local to the
conversation and may begin with the day of the week, which is checked, because that is how a wrong date is found. This
module knows the form alone; what must be true beyond it is for `dataset` to check.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sidecar.errors import ConfigError
from sidecar.evaluate.cases import SPLITS
from sidecar.model import Role

MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_FILES = 10_000
MAX_ACTIVITIES = 1_000
SUFFIXES = (".toml", ".jsonl")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Found:
    """One conversation's data, and the place that an error is to name: `line` of a text's `keys`, else the first."""

    data: Mapping[str, Any]
    file: str
    first: int
    text: str = ""

    def place(self, keys: Sequence[str | int]) -> str:
        """Return `file:line: keys` of a fault."""
        line = _line(self.text, keys) if self.text else self.first
        shown = "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
        return f"{self.file}:{line}" + (f": {shown}" if shown else "")


def read(path: Path) -> Iterator[Found]:
    """Yield the conversations of a file, or of a folder's *.toml and *.jsonl files in order of their names.

    `ConfigError` names the file, and the line where it is neither TOML nor JSON.
    """
    for file in _files(path):
        try:
            if file.stat().st_size > MAX_FILE_BYTES:
                raise ConfigError(f"{file.name}: a file has {MAX_FILE_BYTES} bytes at most")
            text = file.read_bytes().decode()
        except OSError as error:
            raise ConfigError(f"{file} can't be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{file.name}: it is not UTF-8") from None
        yield from _lines(file.name, text) if file.suffix == ".jsonl" else [_toml(file.name, text)]


def _files(path: Path) -> Sequence[Path]:
    if not path.exists():
        raise ConfigError(f"there is no such file or folder: {path}")
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not files or len(files) > MAX_FILES or files[0].suffix not in SUFFIXES:
        raise ConfigError(f"{path} holds no labelled conversations: 1 to {MAX_FILES} files *.toml or *.jsonl")
    return files


def _toml(file: str, text: str) -> Found:
    try:
        return Found(tomllib.loads(text), file, 1, text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from None


def _lines(file: str, text: str) -> Iterator[Found]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            raise ConfigError(f"{file}:{number}: not JSON") from None
        if not isinstance(data, dict):
            raise ConfigError(f"{file}:{number}: a line is one JSON object")
        yield Found(data, file, number)


def _line(text: str, keys: Sequence[str | int]) -> int:
    """Find where a key stands in a TOML text: at the nth `[[table]]`, or `[table]`, then at the key below it."""
    lines, at = text.split("\n"), 0
    for place, key in enumerate(keys):
        if isinstance(key, int):
            continue
        nth = keys[place + 1] if place + 1 < len(keys) else 0
        heads = [n for n, line in enumerate(lines) if re.match(rf"\[\[?(?:\w+\.)?{re.escape(key)}\]", line)]
        below = [n for n, line in enumerate(lines) if n >= at and re.match(rf"{re.escape(key)}\s*=", line)]
        if heads and isinstance(nth, int) and nth < len(heads):
            at = heads[nth]
        elif below:
            at = below[0]
    return at + 1


def _without_day(value: object) -> object:
    """Take the day of the week off a written day or time, and refuse a wrong one."""
    if not isinstance(value, str):
        return value
    named = re.fullmatch(r"([A-Za-z]{3}) (\d{4}-\d\d-\d\d)(.*)", value)
    if named is None:
        return value
    day = _DAYS[date.fromisoformat(named[2]).weekday()]
    if named[1].casefold() != day:
        raise ValueError(f"{named[2]} is a {day.capitalize()}, not a {named[1]}")
    return named[2] + named[3]


def _no_day(value: object) -> object:
    return None if value == "" else _without_day(value)


def _one_or_many(value: object) -> object:
    return value if isinstance(value, list) else [value]


At = Annotated[datetime, BeforeValidator(_without_day)]
Due = Annotated[date | None, BeforeValidator(_no_day)]
Words = Annotated[list[str], BeforeValidator(_one_or_many)]
Dues = Annotated[list[Due], BeforeValidator(_one_or_many)]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class WrittenActivity(_Written):
    """One activity: `text` is what was said, `below` what else stood there (quoted mail, signature, a booking's title).

    Lines of a mail that begin with ">" are quoted, too. A transcript's lines are `Name: words`; `speakers` (here or of
    the whole conversation) say who is whom. `authenticated` is true for our side and systems unless it is denied.
    """

    at: At
    by: Role
    text: str = ""
    below: str = ""
    who: str = ""
    subject: str = ""
    channel: str = ""
    kind: str = ""
    thread: str = "1"
    authenticated: bool | None = None
    late: bool = False
    about: int | None = Field(default=None, ge=1)
    automated: str | None = None
    speakers: dict[str, Role] = Field(default_factory=dict)
    attributes: dict[str, str] = Field(default_factory=dict)


class WrittenLabel(_Written):
    """A field's value, or `any_of` several, best first; where "unknown" is among them, no quotes are needed."""

    value: str = ""
    any_of: list[str] = Field(default_factory=list)
    quotes: list[str] = Field(default_factory=list)


class WrittenMove(_Written):
    """One move of the stage."""

    stage: str
    quote: str


class WrittenStep(_Written):
    """A step that is open at the end; a group of words is written with bars: "send|mail"."""

    who: Words
    what: list[str] = Field(min_length=1)
    due: Dues = Field(default=[None], min_length=1)
    due_text: str = ""
    quotes: list[str] = Field(min_length=1)
    optional: bool = False


class WrittenCase(_Written):
    """A whole conversation; one that is `partial` is labelled only as far as people spoke of it."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)
    split: Literal[SPLITS]  # type: ignore[valid-type]
    languages: Words = Field(min_length=1)
    timezone: str
    business: str = ""
    channel: str = ""
    kind: str = "message"
    tags: list[str] = Field(default_factory=list)
    speakers: dict[str, Role] = Field(default_factory=dict)
    partial: bool = False
    checked_at: At | None = None
    without: list[int] = Field(default_factory=list)
    activities: list[WrittenActivity] = Field(min_length=1, max_length=MAX_ACTIVITIES)
    path: list[WrittenMove] = Field(default_factory=list)
    labels: dict[str, WrittenLabel]
    steps: list[WrittenStep] = Field(default_factory=list)
    never: dict[str, list[str]] = Field(default_factory=dict)
