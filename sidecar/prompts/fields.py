"""Reads what a prompt file says of one field: what counts, what doesn't, and few examples that must be true.

A section tells what counts (`### Counts`) and what doesn't (`### Does not count`). Criteria were chosen over examples:
they are shorter, and can be argued with. An example (`### Example`) is held to the very rule that answers are held to:
its quote must be found in its text, or it would teach a model to make quotes up.
"""

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import NamedTuple

from sidecar.errors import ConfigError
from sidecar.ground import find
from sidecar.model import PromptExample, PromptField, Role, Said

MAX_EXAMPLES = 5
_FIELD = re.compile(r"field:\s*([a-z][a-z0-9_]*)")
_COUNTS, _DOES_NOT, _EXAMPLE = "Counts", "Does not count", "Example"
_KEYS = ("text", "quote", "value")
_KEY = re.compile(r"(text|quote|value):\s*(.*)")


class Section(NamedTuple):
    """What stands under one `## ` heading, and before the first (whose heading is empty)."""

    heading: str
    lines: tuple[str, ...]
    line: int

    @property
    def whole(self) -> str:
        """The section with its heading."""
        head = [f"## {self.heading}"] if self.heading else []
        return "\n".join([*head, *self.lines]).strip()


Told = tuple[PromptField, int]
"""What a file says of a field, and the line where that begins."""


def of_section(section: Section, source: str) -> Told:
    """Read a section `## field: NAME`."""
    named = _FIELD.fullmatch(section.heading)
    if not named:
        raise fault(source, section.line, "write the heading of a field as: ## field: NAME")
    parts = list(_parts(section, source))
    told = {name: "\n".join(lines).strip() for name, lines, _ in parts if name != _EXAMPLE}
    if not told.get(_COUNTS):
        raise fault(source, section.line, f"nothing is said under ### {_COUNTS}")
    examples = [_example(part, source) for part in parts if part[0] == _EXAMPLE]
    if len(examples) > MAX_EXAMPLES:
        raise fault(source, section.line, f"{MAX_EXAMPLES} examples at most: criteria say more in fewer words")
    return PromptField(named[1], told[_COUNTS], told.get(_DOES_NOT, ""), tuple(examples)), section.line


def meant(word: str, known: Collection[str]) -> str:
    """Say which word was probably meant, or which there are."""
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"


def fault(source: str, line: int, text: str) -> ConfigError:
    """Return the error that names a file and a line of it."""
    return ConfigError(text, setting=f"{source}:{line}")


_Part = tuple[str, list[str], int]


def _parts(section: Section, source: str) -> Iterator[_Part]:
    """Yield what stands under each `### ` heading, with its line; what stands before the first counts."""
    name, start = _COUNTS, section.line
    held: list[str] = []
    seen: set[str] = set()
    for number, line in enumerate(section.lines, section.line + 1):
        if line.startswith("### "):
            if seen or any(told.strip() for told in held):
                yield name, held, start
            name, start, held = line[4:].strip(), number, []
            if name not in (_COUNTS, _DOES_NOT, _EXAMPLE):
                said = f"### {_COUNTS}, ### {_DOES_NOT} and ### {_EXAMPLE}"
                raise fault(source, number, f"under a field stand only {said}")
            if name in seen and name != _EXAMPLE:
                raise fault(source, number, f"### {name} stands twice under this field")
            seen.add(name)
        elif line.startswith("# "):
            raise fault(source, number, "a heading of this rank belongs before the first section")
        else:
            held.append(line)
    yield name, held, start


def _example(part: _Part, source: str) -> PromptExample:
    _, lines, start = part
    told: dict[str, str] = {}
    at: dict[str, int] = {}
    key = ""
    for number, line in enumerate(lines, start + 1):
        found = _KEY.fullmatch(line)
        if found and found[1] not in told:
            key = found[1]
            told[key], at[key] = found[2], number
        elif key and line.strip():
            told[key] += "\n" + line
        elif line.strip():
            raise fault(source, number, f"an example has the lines {', '.join(f'{k}: ...' for k in _KEYS)}")
    for missing in (k for k in _KEYS if not told.get(k, "").strip()):
        raise fault(source, start, f"this example has no {missing}: write a line {missing}: ...")
    if find(told["quote"], told["text"], (Said(0, len(told["text"]), Role.CUSTOMER),)) is None:
        raise fault(source, at["quote"], "the quote of this example is not in its text; copy it letter by letter")
    return PromptExample(told["text"], told["quote"], told["value"])
