"""What a call costs, from a dated file of list prices; a model without a price is reckoned at the dearest one known.

Too dear rather than free: the daily budget must not be blind to a model that is newer than the file. `check` says that
the price is missing, and a file of the operator's own can give it.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sidecar.errors import ConfigError

MAX_FILE_BYTES = 100_000
_SNAPSHOT = re.compile(r"-20\d{6}$")
_MILLION = 1_000_000


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    above_prompt_tokens: int = Field(0, ge=0)
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_read: float = Field(ge=0)
    cache_write: float = Field(ge=0)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: date
    models: Mapping[str, Sequence[_Row]]


class Prices:
    """Prices by model id; `2026-..` snapshots of a model cost what the model does."""

    def __init__(self, override: Path | None = None) -> None:
        own = _parsed((files("adapters.llms.anthropic") / "prices.toml").read_text(encoding="utf-8"))
        theirs = _parsed(_read(override)).models if override else {}
        self._models = {**own.models, **theirs}
        self._dearest = max((row for rows in self._models.values() for row in rows), key=lambda r: r.output)

    def knows(self, model: str) -> bool:
        """Say whether the model has a price of its own."""
        return bool(self._rows(model))

    def cost_usd(
        self,
        model: str,
        *,
        input_tokens: int,
        output_tokens: int,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
    ) -> float:
        """Return what one request cost; `input_tokens` are those that were neither read from nor written to a cache."""
        prompt = input_tokens + cache_read_tokens + cache_write_tokens
        rows = [row for row in self._rows(model) if prompt > row.above_prompt_tokens or not row.above_prompt_tokens]
        row = max(rows, key=lambda r: r.above_prompt_tokens, default=self._dearest)
        total = input_tokens * row.input + output_tokens * row.output
        total += cache_read_tokens * row.cache_read + cache_write_tokens * row.cache_write
        return total / _MILLION

    def _rows(self, model: str) -> Sequence[_Row]:
        return self._models.get(model) or self._models.get(_SNAPSHOT.sub("", model)) or ()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise ConfigError(f"the file of prices is over {MAX_FILE_BYTES} bytes", setting="llm.prices")
        return raw.decode()
    except OSError as error:
        raise ConfigError(f"the file of prices can't be read ({error.strerror})", setting="llm.prices") from None
    except UnicodeDecodeError:
        raise ConfigError("the file of prices is not UTF-8 text", setting="llm.prices") from None


def _parsed(text: str) -> _File:
    try:
        return _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the file of prices is not TOML: {error}", setting="llm.prices") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"the file of prices is wrong at {where}: {first['msg']}", setting="llm.prices") from None
