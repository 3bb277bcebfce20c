"""Packs: fields of one trade or method, ready to use: what they hold, what counts, who may say it, where it goes.

A pack is a TOML file of fields, as a config would write them; `packs = ["bant"]` under `[prompts]` takes it up. The
config wins over it key by key, and so does a prompt file that says of a field what counts: a pack is where one begins.
It brings no prompt of its own: rules of reading are the same in every trade, and two packs must go together.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Pack:
    """What a pack is for, and its fields as a config would write them."""

    name: str
    about: str
    fields: Mapping[str, Mapping[str, Any]]


@cache
def packs() -> Mapping[str, Pack]:
    """Return the packs that come along, by name."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("*.toml")):
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        found[file.stem] = Pack(file.stem, data["about"], data["fields"])
    return found
