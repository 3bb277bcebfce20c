"""Reads one prompt file: front matter, rules, and what it says of each field.

A file has TOML front matter between two lines of `+++`, then sections under `## ` headings. A section `## field: NAME`
is about one field; all others are rules, and together they are the prompt's `text`. Whatever is wrong is said with its
line, because whoever edits a prompt is no programmer.
"""

import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from hashlib import sha256
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from sidecar.model import Prompt, PromptField
from sidecar.prompts.fields import Section, Told, fault, meant, of_section

__all__ = ["MAX_CHARS", "canonical", "fault", "parse"]

MAX_CHARS = 24_000
REQUIRED = ("Rules", "Evidence", "Steps", "Summary")
REQUIRED_FIELD = "stage"
_FENCE = "+++"
_LINE = re.compile(r"\(at line (\d+)")


def parse(text: str, source: str, fields: Collection[str] | None = None, needed: Collection[str] = ()) -> Prompt:
    """Read a prompt file's text; `ConfigError` names `source` and the line of what is wrong.

    `fields` are the configured ones, disabled ones included; `needed` those of them that must have criteria here,
    as far as the prompt serves them. The hash covers the text in its canonical form: line ends and trailing white
    space are nobody's edit.
    """
    text = canonical(text)
    if len(text) > MAX_CHARS:
        line = text.count("\n", 0, MAX_CHARS) + 1
        raise fault(source, line, f"a prompt has {MAX_CHARS} characters at most, this one {len(text)}")
    front, serves, first = _front_matter(text, source)
    sections = list(_sections(text, first))
    rules = [section for section in sections if not section.heading.startswith("field")]
    last = text.count("\n")
    _check(rules, last, source)
    told = [*_overrides(front, text), *(of_section(s, source) for s in sections if s.heading.startswith("field"))]
    _check_fields(told, serves, fields, source)
    _check_criteria(told, serves, needed, last, source)
    return Prompt(
        name=front.name,
        text="\n\n".join(section.whole for section in rules).strip(),
        fields=tuple(field for field, _ in told),
        sha256=sha256(text.encode()).hexdigest(),
        language=front.language,
        version=front.version,
        source=text,
        model=front.model,
        effort=front.effort,
        serves=tuple(name for name, _ in serves),
    )


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
    model: str = Field(default="", pattern=r"^[\w.:/@-]{0,120}$")
    effort: str = Field(default="", pattern=r"^[a-z_]{0,20}$")
    fields: dict[str, _Criteria] = Field(default_factory=dict)


class _Served(NamedTuple):
    """A field that the front matter lists, and the line."""

    name: str
    line: int


def _front_matter(text: str, source: str) -> tuple[_Front, Sequence[_Served], int]:
    lines = text.split("\n")
    if lines[0] != _FENCE or _FENCE not in lines[1:]:
        raise fault(source, 1, f"a prompt begins with front matter: TOML between two lines of {_FENCE}")
    end = lines.index(_FENCE, 1)
    try:
        data = tomllib.loads("\n".join(lines[1:end]))
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        said = str(error)[: found.start()].strip() if found else str(error)
        raise fault(source, int(found[1]) + 1 if found else end + 1, f"front matter: {said}") from None
    listed = data.pop("fields") if isinstance(data.get("fields"), list) else None
    try:
        front = _Front.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
        detail = next((d for d in details if d["type"] == "extra_forbidden"), details[0])
        keys = [str(part) for part in detail["loc"]]
        raise fault(source, _line_of(lines[:end], keys[-1]), f"front matter: {_said(detail, keys)}") from None
    return front, _served(listed, lines[:end], source), end + 1


def _said(detail: ErrorDetails, keys: list[str]) -> str:
    """Say what is wrong with a key of the front matter; a misspelt one is more telling than the one that it misses."""
    if detail["type"] != "extra_forbidden":
        return f"{'.'.join(keys)}: {detail['msg'].removeprefix('Input ')}"
    model = _Front if len(keys) == 1 else _Criteria
    return f"there is no key {keys[-1]!r}{meant(keys[-1], model.model_fields)}"


def _served(listed: list[Any] | None, lines: list[str], source: str) -> Sequence[_Served]:
    if listed is None:
        return ()
    at = _line_of(lines, "fields")
    if not listed or not all(isinstance(name, str) for name in listed):
        raise fault(source, at, "front matter: fields: list the names of the fields that this prompt serves")
    served = [_Served(name, next((i for i, line in enumerate(lines, 1) if f'"{name}"' in line), at)) for name in listed]
    if twice := next((s for i, s in enumerate(served) if s.name in listed[:i]), None):
        raise fault(source, twice.line, f"front matter: fields: {twice.name} is listed twice")
    return served


def _line_of(lines: list[str], key: str) -> int:
    found = re.compile(rf"\s*(\[.*\b)?{re.escape(key)}\b")
    return next((i for i, line in enumerate(lines, 1) if found.match(line)), 1)


def _sections(text: str, first: int) -> Iterator[Section]:
    heading, start = "", first + 1
    held: list[str] = []
    for number, line in enumerate(text.split("\n")[first:], first + 1):
        if line.startswith("## "):
            yield Section(heading, tuple(held), start)
            heading, start, held = line[3:].strip(), number, []
        else:
            held.append(line)
    yield Section(heading, tuple(held), start)


def _check(sections: list[Section], last: int, source: str) -> None:
    seen: dict[str, int] = {}
    for section in sections:
        if section.heading.casefold().startswith("field"):
            raise fault(source, section.line, "write the heading of a field as: ## field: NAME")
        kind, colon, name = section.heading.partition(":")
        if colon and get_close_matches(kind.strip().casefold(), ("field",)):
            raise fault(source, section.line, f"did you mean ## field: {name.strip()}?")
        if section.heading in seen:
            raise fault(source, section.line, f"this section stands in line {seen[section.heading]} already")
        seen[section.heading] = section.line
    for required in REQUIRED:
        found = [section for section in sections if section.heading == required]
        if not found:
            raise fault(source, last, f"the section ## {required} is missing")
        if not "".join(found[0].lines).strip():
            raise fault(source, found[0].line, f"the section ## {required} is empty")


def _overrides(front: _Front, text: str) -> Iterator[Told]:
    lines = text.split("\n")
    for name, told in front.fields.items():
        yield PromptField(name, told.criteria.strip(), told.not_criteria.strip()), _line_of(lines, name)


def _check_fields(told: list[Told], serves: Sequence[_Served], fields: Collection[str] | None, source: str) -> None:
    seen: dict[str, int] = {}
    served = {name for name, _ in serves}
    for field, line in told:
        if field.name in seen:
            raise fault(source, line, f"the criteria of {field.name} stand in line {seen[field.name]} already")
        seen[field.name] = line
    named = [*serves, *((field.name, line) for field, line in told)]
    for name, line in named:
        if fields is not None and name not in fields:
            raise fault(source, line, f"there is no field {name!r}{meant(name, fields)}")
        if served and name not in served:
            raise fault(
                source, line, f"{name} is none of the fields that the front matter lists; list it, or take this out"
            )


def _check_criteria(
    told: list[Told], serves: Sequence[_Served], needed: Collection[str], last: int, source: str
) -> None:
    """See that nothing is asked for of which nobody has said what counts."""
    has = {field.name for field, _ in told}
    lines = dict(serves)
    for name in (REQUIRED_FIELD, *sorted(set(needed) - {REQUIRED_FIELD})):
        is_served = not serves or name in lines
        if is_served and name not in has and (name in needed or name == REQUIRED_FIELD):
            raise fault(source, lines.get(name, last), f"the criteria of {name} are missing: write ## field: {name}")
