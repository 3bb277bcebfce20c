"""What an admin of the portal asks of every record: enforced on API writes since version 2026-09, never in v3."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.twins.hubspot.errors import Problem

Held = Mapping[str, str | None]


@dataclass(frozen=True)
class Required:
    """A property must be filled when a record is made, and can't be cleared."""

    object_type: str
    name: str

    def problems(self, object_type: str, merged: Held, written: Held, is_new: bool) -> list[Problem]:
        """Return what is wrong with a write under this rule."""
        if object_type != self.object_type or merged.get(self.name) or not (is_new or self.name in written):
            return []
        return [Problem("REQUIRED_FIELD", f"{self.name} is required", self.name)]


@dataclass(frozen=True)
class RequiredIf:
    """A property must be filled once another has one of these values (an amount before a deal is won)."""

    object_type: str
    name: str
    when: str
    values: frozenset[str]

    def problems(self, object_type: str, merged: Held, written: Held, is_new: bool) -> list[Problem]:
        """Return what is wrong with a write under this rule."""
        touched = is_new or self.name in written or self.when in written
        if object_type != self.object_type or not touched or merged.get(self.when) not in self.values:
            return []
        if merged.get(self.name):
            return []
        words = f"{self.name} is required when {self.when} is {merged.get(self.when)}"
        return [Problem("REQUIRED_FIELD", words, self.name)]


@dataclass(frozen=True)
class Pattern:
    """A property's value must match a regular expression."""

    object_type: str
    name: str
    regex: str

    def problems(self, object_type: str, merged: Held, written: Held, is_new: bool) -> list[Problem]:
        """Return what is wrong with a write under this rule."""
        value = written.get(self.name)
        if object_type != self.object_type or value is None or re.fullmatch(self.regex, value):
            return []
        return [Problem("INVALID_FORMAT", f"{self.name} does not have the format that is asked for", self.name)]
