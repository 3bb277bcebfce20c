"""The wire: the one schema in which every model answers, whatever fields an admin configures.

It is constant, has no union and no optional property, and names fields as plain strings: a schema that changed with
the config would recompile the vendor's grammar and drop its prompt cache each time, and one nullable object per field
passes the vendor's limits (24 optionals, 16 unions; Anthropic's structured outputs page, read 2026-11). Lengths are
bounded here because an unbounded free field can loop until the token limit.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from sidecar.ground import legible

MAX_OPS = 40
MAX_STEPS = 12


_Legible = Annotated[str, AfterValidator(legible)]
"""What goes on to a CRM, where nobody could see what hides in it; a quote is taken as it comes, and looked for."""

_Line = Annotated[str, AfterValidator(lambda text: " ".join(legible(text).split()))]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


class Quote(_Wire):
    """A verbatim quote of one activity, named by its alias."""

    activity: str = Field(max_length=20)
    quote: str = Field(max_length=600)


class Op(_Wire):
    """One statement about one field."""

    evidence: list[Quote] = Field(max_length=6)
    field: str = Field(max_length=60)
    op: Literal["set", "clear", "conflict"]
    value: _Legible = Field(max_length=2000)
    certainty: Literal["stated", "strongly_implied", "weakly_implied"]

    @field_validator("op", "certainty", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.strip().casefold() if isinstance(value, str) else value


class StepOp(_Wire):
    """One statement about a next step: a new one has an empty id."""

    evidence: list[Quote] = Field(max_length=6)
    op: Literal["open", "done", "drop"]
    id: str = Field(max_length=80)
    who: _Line = Field(max_length=80)
    what: _Line = Field(max_length=300)
    due_text: _Line = Field(max_length=120)
    due_date: _Line = Field(max_length=40)

    @field_validator("op", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.strip().casefold() if isinstance(value, str) else value


class Wire(_Wire):
    """A whole answer."""

    ops: list[Op] = Field(max_length=MAX_OPS)
    steps: list[StepOp] = Field(max_length=MAX_STEPS)
    summary: _Legible = Field(max_length=4000)
    needs_full_reread: bool


def read(text: str) -> Wire | None:
    """Read an answer; None when it is not what the schema asks for."""
    try:
        return Wire.model_validate_json(text)
    except ValidationError:
        return None


def wrong_in(text: str) -> str:
    """Say where an answer isn't what the schema asks for, and what would be right; none of its own words are in it.

    Of `{"ops": [{"op": "sett", ...`: `ops[0].op: should be 'set', 'clear' or 'conflict'`.
    """
    try:
        Wire.model_validate_json(text)
    except ValidationError as error:
        first, *others = error.errors(include_input=False, include_url=False)
        return _fault(first["type"], first["loc"], first["msg"]) + (f" (and {len(others)} more)" if others else "")
    return ""


def _fault(kind: str, loc: tuple[str | int, ...], message: str) -> str:
    if kind == "extra_forbidden":  # the last key is a word of the answer's
        loc, message = loc[:-1], "has a key that the schema lacks"
    elif kind == "missing":
        message = "is missing"
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    said = message.removeprefix("Input ").removeprefix("Invalid JSON: ")
    said = f"no JSON, {said}" if kind == "json_invalid" else said
    return f"{place}: {said}" if place else said


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _words(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_EVIDENCE = {
    "type": "array",
    "description": "1 to 3 quotes that carry the statement",
    "items": _object(
        activity=_text("alias of the activity, such as a3"),
        quote=_text("verbatim words of that activity, 25 at most, copied letter by letter"),
    ),
}

SCHEMA: dict[str, Any] = _object(
    ops={
        "type": "array",
        "description": "one item per statement; nothing for what is unknown or unchanged",
        "items": _object(
            evidence=_EVIDENCE,
            field=_text("name of the field"),
            op=_words("set", "clear", "conflict"),
            value=_text("the value; empty for clear"),
            certainty=_words("stated", "strongly_implied", "weakly_implied"),
        ),
    },
    steps={
        "type": "array",
        "description": "next steps that were agreed, done or dropped",
        "items": _object(
            evidence=_EVIDENCE,
            op=_words("open", "done", "drop"),
            id=_text("id of the step in the state, empty for a new one"),
            who=_text("who owes it: us, customer, or a name"),
            what=_text("what is owed, 15 words at most"),
            due_text=_text("the words that say when, or empty"),
            due_date=_text("that as YYYY-MM-DD or YYYY-MM-DDTHH:MM, or empty"),
        ),
    },
    summary=_text("the relationship as it stands, 120 words at most"),
    needs_full_reread={"type": "boolean", "description": "true when the state seems wrong"},
)
"""The JSON schema of an answer: evidence stands before value, so that a model looks before it says."""
