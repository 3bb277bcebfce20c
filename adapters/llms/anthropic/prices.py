"""Anthropic's list prices, which ship with the adapter, and an operator's own file, which wins over them."""

from importlib.resources import files
from pathlib import Path

from adapters import files as given
from adapters.formats import prices


class Prices(prices.Prices):
    """The built-in prices by model id, under those of an operator's file."""

    def __init__(self, override: Path | None = None) -> None:
        lists = [(files("adapters.llms.anthropic") / "prices.toml").read_text(encoding="utf-8")]
        if override:
            lists.append(given.read(override, "the file of prices", prices.SETTING, prices.MAX_FILE_BYTES))
        super().__init__(*lists)
