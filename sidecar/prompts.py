"""Prompt files: Markdown that admins tune becomes a Prompt, or an error that names the file and the line.

What a prompt says decides what is read out of people's words, so a broken one refuses to load, and an edited one is
only a candidate until somebody adopts it: `live` keeps the adopted text in force beside the file on disk. Who remembers
what was adopted is the journal's business; this module only reads and compares.

A file has TOML front matter between two lines of `+++`, then sections under `## ` headings. A section `## field: NAME`
tells what counts (`### Counts`) and what doesn't (`### Does not count`) for one field; all others are rules, and
together they are the prompt's `text`. Criteria were chosen over examples: they are shorter, and can be argued with.
"""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from sidecar.errors import ConfigError
from sidecar.model import Prompt, PromptField

MAX_CHARS = 24_000
MAX_FILES = 100
REQUIRED = ("Rules", "Evidence", "Steps", "Summary")
REQUIRED_FIELD = "stage"
_FENCE = "+++"
_FIELD = re.compile(r"field:\s*([a-z][a-z0-9_]*)")
_COUNTS, _DOES_NOT = "Counts", "Does not count"
_LINE = re.compile(r"\(at line (\d+)")


def load(folder: Path, fields: Collection[str] | None = None) -> Mapping[str, Prompt]:
    """Return the prompts of a folder by name; `fields` are the configured ones, disabled ones included."""
    if not folder.is_dir():
        raise ConfigError(f"there is no such folder of prompts: {folder}")
    files = sorted(folder.glob("*.md"))
    if not files or len(files) > MAX_FILES:
        raise ConfigError(f"{folder} holds {len(files)} prompts (*.md); 1 to {MAX_FILES} are expected")
    prompts = {}
    for file in files:
        source = f"{folder.name}/{file.name}"
        prompt = parse(_read(file, source), source, fields)
        if prompt.name != file.stem:
            raise _fault(source, 1, f"its name is the file's: write name = {file.stem!r}, or rename the file")
        prompts[prompt.name] = prompt
    return prompts


def folder(base: Path) -> Path:
    """Return where prompts are: beside the config file, else those that come along."""
    packaged = Path(__file__).parent / "_prompts"
    beside = (base / "prompts", packaged, Path(__file__).parent.parent / "prompts")
    return next((place for place in beside if place.is_dir()), packaged)


def parse(text: str, source: str, fields: Collection[str] | None = None) -> Prompt:
    """Read a prompt file's text; `ConfigError` names `source` and the line of what is wrong.

    The hash covers the text in its canonical form: line ends and trailing white space are nobody's edit.
    """
    text = canonical(text)
    if len(text) > MAX_CHARS:
        line = text.count("\n", 0, MAX_CHARS) + 1
        raise _fault(source, line, f"a prompt has {MAX_CHARS} characters at most, this one {len(text)}")
    front, first = _front_matter(text, source)
    sections = list(_sections(text, first))
    rules = [section for section in sections if not section.heading.startswith("field")]
    _check(rules, text.count("\n"), source)
    told = [*_overrides(front, text), *(_field(s, source) for s in sections if s.heading.startswith("field"))]
    _check_fields(told, fields, text.count("\n"), source)
    return Prompt(
        name=front.name,
        text="\n\n".join(section.whole for section in rules).strip(),
        fields=tuple(field for field, _ in told),
        sha256=sha256(text.encode()).hexdigest(),
        language=front.language,
        version=front.version,
        source=text,
    )


def live(
    on_disk: Mapping[str, Prompt], adopted: Mapping[str, tuple[str, str]]
) -> tuple[Mapping[str, Prompt], Mapping[str, Prompt]]:
    """Return the prompts in force and the candidates, given the adopted ones as name -> (sha256, source).

    A prompt that was never adopted before is in force at once, for somebody has to be the first; the caller then stores
    it as adopted. An adopted prompt stays in force while its file is edited or gone.
    """
    in_force = {name: prompt for name, prompt in on_disk.items() if name not in adopted}
    candidates = {}
    for name, (sha, source) in adopted.items():
        prompt = parse(source, f"adopted prompt {name}")
        if prompt.sha256 != sha or prompt.name != name:
            raise ConfigError(f"the adopted prompt {name} is not the text that was adopted; adopt it anew")
        in_force[name] = prompt
        if name in on_disk and on_disk[name].sha256 != sha:
            candidates[name] = on_disk[name]
    return in_force, candidates


def canonical(text: str) -> str:
    """Return the text with plain line ends, no trailing white space, and one line end at its end."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


class _Criteria(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    criteria: str = Field(min_length=1)
    not_criteria: str = ""


class _Front(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$")
    version: str = Field(min_length=1, max_length=60)
    language: str = Field(default="en", pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$")
    fields: dict[str, _Criteria] = Field(default_factory=dict)


class _Section(NamedTuple):
    """What stands under one `## ` heading, and before the first (whose heading is empty)."""

    heading: str
    lines: tuple[str, ...]
    line: int

    @property
    def whole(self) -> str:
        head = [f"## {self.heading}"] if self.heading else []
        return "\n".join([*head, *self.lines]).strip()


_Told = tuple[PromptField, int]


def _read(file: Path, source: str) -> str:
    try:
        if file.stat().st_size > 4 * MAX_CHARS:
            raise _fault(source, 1, f"a prompt has {MAX_CHARS} characters at most")
        return file.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{source} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise _fault(source, file.read_bytes()[: error.start].count(b"\n") + 1, "this is not UTF-8 text") from None


def _front_matter(text: str, source: str) -> tuple[_Front, int]:
    lines = text.split("\n")
    if lines[0] != _FENCE or _FENCE not in lines[1:]:
        raise _fault(source, 1, f"a prompt begins with front matter: TOML between two lines of {_FENCE}")
    end = lines.index(_FENCE, 1)
    try:
        return _Front.model_validate(tomllib.loads("\n".join(lines[1:end]))), end + 1
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        raise _fault(source, int(found[1]) + 1 if found else end + 1, f"front matter: {error}") from None
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
        detail = next((d for d in details if d["type"] == "extra_forbidden"), details[0])
        keys = [str(part) for part in detail["loc"]]
        raise _fault(source, _line_of(lines[:end], keys[-1]), f"front matter: {_said(detail, keys)}") from None


def _said(detail: ErrorDetails, keys: list[str]) -> str:
    """Say what is wrong with a key of the front matter; a misspelt one is more telling than the one that it misses."""
    if detail["type"] != "extra_forbidden":
        return f"{'.'.join(keys)}: {detail['msg'].removeprefix('Input ')}"
    model = _Front if len(keys) == 1 else _Criteria
    return f"there is no key {keys[-1]!r}{_meant(keys[-1], model.model_fields)}"


def _line_of(lines: list[str], key: str) -> int:
    found = re.compile(rf"\s*(\[.*\b)?{re.escape(key)}\b")
    return next((i for i, line in enumerate(lines, 1) if found.match(line)), 1)


def _sections(text: str, first: int) -> Iterator[_Section]:
    heading, start = "", first + 1
    held: list[str] = []
    for number, line in enumerate(text.split("\n")[first:], first + 1):
        if line.startswith("## "):
            yield _Section(heading, tuple(held), start)
            heading, start, held = line[3:].strip(), number, []
        else:
            held.append(line)
    yield _Section(heading, tuple(held), start)


def _check(sections: list[_Section], last: int, source: str) -> None:
    seen: dict[str, int] = {}
    for section in sections:
        if section.heading.casefold().startswith("field"):
            raise _fault(source, section.line, "write the heading of a field as: ## field: NAME")
        if section.heading in seen:
            raise _fault(source, section.line, f"this section stands in line {seen[section.heading]} already")
        seen[section.heading] = section.line
    for required in REQUIRED:
        found = [section for section in sections if section.heading == required]
        if not found:
            raise _fault(source, last, f"the section ## {required} is missing")
        if not "".join(found[0].lines).strip():
            raise _fault(source, found[0].line, f"the section ## {required} is empty")


def _overrides(front: _Front, text: str) -> Iterator[_Told]:
    lines = text.split("\n")
    for name, told in front.fields.items():
        yield PromptField(name, told.criteria.strip(), told.not_criteria.strip()), _line_of(lines, name)


def _field(section: _Section, source: str) -> _Told:
    named = _FIELD.fullmatch(section.heading)
    if not named:
        raise _fault(source, section.line, "write the heading of a field as: ## field: NAME")
    parts: dict[str, list[str]] = {_COUNTS: [], _DOES_NOT: []}
    part = _COUNTS
    for number, line in enumerate(section.lines, section.line + 1):
        if line.startswith("### "):
            part = line[4:].strip()
            if part not in parts:
                raise _fault(source, number, f"under a field stand only ### {_COUNTS} and ### {_DOES_NOT}")
        elif line.startswith("# "):
            raise _fault(source, number, "a heading of this rank belongs before the first section")
        else:
            parts[part].append(line)
    counts, does_not = ("\n".join(parts[name]).strip() for name in (_COUNTS, _DOES_NOT))
    if not counts:
        raise _fault(source, section.line, f"nothing is said under ### {_COUNTS}")
    return PromptField(named[1], counts, does_not), section.line


def _check_fields(told: list[_Told], fields: Collection[str] | None, last: int, source: str) -> None:
    seen: dict[str, int] = {}
    for field, line in told:
        if field.name in seen:
            raise _fault(source, line, f"the criteria of {field.name} stand in line {seen[field.name]} already")
        seen[field.name] = line
        if fields is not None and field.name not in fields:
            raise _fault(source, line, f"there is no field {field.name!r}{_meant(field.name, fields)}")
    if REQUIRED_FIELD not in seen:
        raise _fault(source, last, f"the criteria of {REQUIRED_FIELD} are missing: write ## field: {REQUIRED_FIELD}")


def _meant(word: str, known: Collection[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"


def _fault(source: str, line: int, text: str) -> ConfigError:
    return ConfigError(text, setting=f"{source}:{line}")
