"""The sections of what is believed: a table for each field, and the points that the score is made of.

Which fields there are is the admin's to say: these know what any field may be, and `checks` whether they fit together.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from sidecar.config.sections import Roles, Section, Share, Words, words
from sidecar.model import FieldClass, Mode, Role

RECORDS = ("contact", "company", "deal")
"""The kinds of record whose properties a field may fill."""


def _target(text: str) -> str:
    record, _, name = text.partition(".")
    if record not in RECORDS or not re.fullmatch(r"[^\s.]+", name):
        known = ", ".join(RECORDS)
        raise ValueError(f"write a record and one of its properties, such as contact.ai_budget; records are {known}")
    return text


Goal = Annotated[str, AfterValidator(_target)]
Points = Annotated[float, Field(ge=-100, le=100)]


class FieldSection(Section):
    """One field: what it is, who may say it, how sure it must be, and where it goes."""

    cls: FieldClass = Field(alias="class")
    type: Literal["text", "long_text", "enum", "enums", "number", "date", "datetime", "bool"] = "text"
    values: Words = ()
    criteria: str = Field(default="", max_length=4_000)
    not_criteria: str = Field(default="", max_length=4_000)
    grounding: Literal["quoted", "computed"] = "quoted"
    asserted_by: Roles = tuple(Role)
    threshold: Share = 0.5
    mode: Mode | None = None
    targets: tuple[Goal, ...] = ()
    native: bool = False
    max_chars: int = Field(default=500, ge=1, le=65_536)
    enabled: bool = True

    _targets = field_validator("targets", mode="before")(staticmethod(words))


class ScoreSection(Section):
    """What the score is made of: points for the whole way through the stages, and a table of points for each field."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Points]]

    stage: Annotated[float, Field(ge=0, le=100)] = 70.0

    @property
    def tables(self) -> Mapping[str, Mapping[str, float]]:
        """The points by field and value."""
        return dict(self.__pydantic_extra__)
