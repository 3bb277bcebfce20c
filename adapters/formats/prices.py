"""What a call of a model costs, from dated lists of prices; a model without one is reckoned at the dearest one known.

Too dear rather than free: a daily budget must not be blind to a model that is newer than its list. Whoever asks can
learn whether a price is known, so that the operator is told.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sidecar.errors import ConfigError

MAX_FILE_BYTES = 100_000
MAX_AGE_DAYS = 90
"""A price that nobody has looked at for longer may have changed: vendors change theirs about twice a year."""
SETTING = "llm.prices"
_SNAPSHOT = re.compile(r"-20\d{6}$")
_MILLION = 1_000_000


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    above_prompt_tokens: int = Field(0, ge=0)
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_read: float = Field(ge=0)
    cache_write: float = Field(ge=0)


class _List(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: date
    models: Mapping[str, Sequence[_Row]] = Field(min_length=1)


class Prices:
    """Prices by model id, from lists in TOML of which the later win; `-2026..` snapshots cost what their model does."""

    def __init__(self, *lists: str) -> None:
        parsed = [_parsed(text) for text in lists]
        self._models = {model: rows for each in parsed for model, rows in each.models.items()}
        self._as_of = {model: each.as_of for each in parsed for model in each.models}
        self._dearest = max((row for rows in self._models.values() for row in rows), key=lambda r: r.output)

    def knows(self, model: str) -> bool:
        """Say whether the model has a price of its own."""
        return bool(self._rows(model))

    def aged(self, model: str, today: date) -> Sequence[str]:
        """Say that a model's price is so old that it may have changed, a line to read; nothing for a newer one."""
        as_of = self._as_of.get(model) or self._as_of.get(_SNAPSHOT.sub("", model))
        if as_of is None or (today - as_of).days <= MAX_AGE_DAYS:
            return ()
        days = (today - as_of).days
        return (f"{SETTING}: the price of {model} is {days} days old ({as_of}); look it up, and name a newer file",)

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


def _parsed(text: str) -> _List:
    try:
        parsed = _List.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the file of prices is not TOML: {error}", setting=SETTING) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"the file of prices is wrong at {where}: {first['msg']}", setting=SETTING) from None
    if not all(parsed.models.values()):
        raise ConfigError("the file of prices has a model without a row", setting=SETTING)
    return parsed
