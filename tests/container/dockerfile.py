"""Reads a Dockerfile into instructions, as far as ours goes; anything that it doesn't know is an error, never skipped.

A step that is overlooked would be a step that no test has run. So the grammar is small (comments, continued lines,
flags, the JSON form, `$NAME`) and strict: here-documents, other escapes and ONBUILD raise.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WORDS = {
    "ARG", "FROM", "LABEL", "ENV", "RUN", "COPY", "WORKDIR", "VOLUME", "EXPOSE", "USER", "STOPSIGNAL", "HEALTHCHECK",
    "ENTRYPOINT", "CMD",
}  # fmt: skip
_FLAG = re.compile(r"--([a-z-]+)=(\S+)\s+")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word, its flags, and the rest of the line as it was written."""

    word: str
    text: str
    flags: Mapping[str, str] = field(default_factory=dict)

    def words(self) -> Sequence[str]:
        """Return the rest as words: the JSON form's, else as a shell would part them."""
        return exec_form(self.text) if self.text.startswith("[") else shlex.split(self.text)


def read(path: Path) -> Sequence[Instruction]:
    """Return a Dockerfile's instructions in order."""
    return [_instruction(line) for line in _logical_lines(path.read_text(encoding="utf-8"))]


def exec_form(text: str) -> Sequence[str]:
    """Return the words of the JSON form, which is run without a shell."""
    words = json.loads(text)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"not the exec form: {text}")
    return words


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in their places; one that isn't there is an error."""
    return _VARIABLE.sub(lambda found: variables[found[1] or found[2]], text)


def _logical_lines(text: str) -> Sequence[str]:
    lines, open_line = [], ""
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not line.strip():
            continue
        open_line += line.rstrip()
        if open_line.endswith("\\"):
            open_line = open_line[:-1]
            continue
        lines.append(open_line)
        open_line = ""
    if open_line:
        raise ValueError("the last line is continued")
    return lines


def _instruction(line: str) -> Instruction:
    word, _, rest = line.partition(" ")
    if word not in WORDS:
        raise ValueError(f"this reader doesn't know {word}")
    rest, flags = rest.strip(), {}
    while found := _FLAG.match(rest):
        if found[1] in flags:
            raise ValueError(f"--{found[1]} is given twice")
        flags[found[1]] = found[2]
        rest = rest[found.end() :]
    if "<<" in rest:
        raise ValueError("this reader doesn't know here-documents")
    return Instruction(word, rest, flags)
