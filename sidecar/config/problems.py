"""What is wrong with a config, said so that it can be mended: the dotted key and what would be right.

Pydantic knows where and what; this turns it into one line per problem, with the nearest known key for a misspelt one.
A value is never repeated, because the wrong value in the right place may be a secret. The trade-off: an operator reads
the key and looks the value up.
"""

import types
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from sidecar.errors import ConfigError

MAX_LISTED = 20
_SECRET_SUFFIXES = ("_env", "_file")

Options = TypeVar("Options", bound=BaseModel)


class Problem(NamedTuple):
    """One thing to mend: the dotted key, and what would be right."""

    key: str
    text: str


def validate_options(model: type[Options], section: str, options: Mapping[str, Any]) -> Options:
    """Build an adapter's options from its section; `ConfigError` with each dotted key and what would be right."""
    unknown: list[Problem] = []
    if model.model_config.get("extra") != "allow":
        known = known_keys(model)
        unknown = [Problem(f"{section}.{key}", misspelt(key, known)) for key in options if key not in known]
    given = {key: value for key, value in options.items() if f"{section}.{key}" not in {p.key for p in unknown}}
    try:
        valid = model.model_validate(given)
    except ValidationError as error:
        raise as_error([*unknown, *problems_of(error, model, section)]) from None
    if unknown:
        raise as_error(unknown)
    return valid


def as_error(problems: Iterable[Problem]) -> ConfigError:
    """Return one error for all problems, a line each, whose `setting` is the first one's key."""
    first, *others = sorted(set(problems))
    lines = [first.text, *(f"{problem.key}: {problem.text}" for problem in others)]
    return ConfigError("\n".join(lines), setting=first.key)


def problems_of(error: ValidationError, model: type[BaseModel], section: str = "") -> list[Problem]:
    """Return what pydantic found, by dotted key; one problem for each key, whatever a union tried."""
    found: dict[str, Problem] = {}
    for detail in error.errors(include_input=False, include_url=False):
        known, parent, rest = place(model, detail["loc"])
        if detail["type"] == "extra_forbidden":
            problem = Problem(_dotted(section, [*known, *rest[:1]]), misspelt(str(rest[0]), known_keys(parent)))
        else:
            problem = Problem(_dotted(section, known), _said(detail["type"], detail["msg"]))
        found.setdefault(problem.key, problem)
    return list(found.values())


def place(model: type[BaseModel], loc: Sequence[str | int]) -> tuple[list[str | int], Any, Sequence[str | int]]:
    """Follow an error's place through the models: the keys that exist, what they lead to, and the rest.

    The rest is an unknown key, or a tag by which pydantic names the member of a union that it tried.
    """
    at: Any = model
    for i, part in enumerate(loc):
        below = _below(at, part)
        if below is None:
            return list(loc[:i]), at, loc[i:]
        at = below
    return list(loc), at, ()


def _below(at: Any, part: str | int) -> Any:
    for kind in _members(at):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, field in kind.model_fields.items():
                if part == (field.alias or name):
                    return field.annotation
            extra = kind.__annotations__.get("__pydantic_extra__")
            if get_args(extra):
                return get_args(extra)[-1]
        origin = get_origin(kind)
        if isinstance(part, int) and origin in (list, tuple):
            return (get_args(kind) or (Any,))[0]
        if isinstance(part, str) and origin in (dict, Mapping):
            return (get_args(kind) or (Any,))[-1]
    return None


def _members(annotation: Any) -> Iterable[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin is Union or origin is types.UnionType:
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def known_keys(annotation: Any) -> list[str]:
    """Return the keys that a model knows, as they are written in a config."""
    return [
        field.alias or name
        for kind in _members(annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        for name, field in kind.model_fields.items()
    ]


def misspelt(word: str, known: Sequence[str], what: str = "key") -> str:
    """Say that there is no such key (or stage, or channel), and which one was probably meant."""
    for suffix in _SECRET_SUFFIXES:
        if word + suffix in known:
            both = " or ".join(f"{word}{s}" for s in _SECRET_SUFFIXES if word + s in known)
            return f"a secret is never written here: name an environment variable or a file in {both}"
    near = get_close_matches(word, known, n=1)
    if near:
        return f"there is no such {what}; did you mean {near[0]!r}?"
    listed = ", ".join(known[:MAX_LISTED]) + (", ..." if len(known) > MAX_LISTED else "")
    return f"there is no such {what}; known are {listed}" if known else f"there is no such {what}"


def _dotted(section: str, keys: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in (section, *keys) if part != "")


def _said(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    return message.removeprefix("Input ")
