"""The page on choosing a model is true: each config on it runs as written, against an endpoint as it describes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock
from typer.testing import CliRunner

from adapters.llms.anthropic.prices import Prices
from sidecar.cli import app
from tests.support.readme import README
from tests.twins.completions import Completions, Kind

PAGE = (README.parent / "docs" / "models.md").read_text()
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
CONFIGS = {head[1]: block for block in BLOCKS if (head := re.search(r'^model = "(.*)"$', block, re.MULTILINE))}
VLLM, OLLAMA, HOSTED = "Qwen/Qwen3-32B", "qwen3:8b", "small-1"
KEYS = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}


def checked(folder: Path, config: str, address: str) -> list[dict[str, Any]]:
    """Run `sidecar check` with a config whose endpoint is the one at an address, and return what it says of models.

    That a price is old is left out: it comes true by waiting.
    """
    (prices,) = (block for block in BLOCKS if block.startswith("as_of"))
    (folder / "prices.toml").write_text(prices)
    config, changed = re.subn(r'base_url = ".*"', f'base_url = "{address}"', config)
    (folder / "config.toml").write_text(config if changed else f'{config}base_url = "{address}"\n')
    told = CliRunner().invoke(app, ["--config", str(folder / "config.toml"), "check", "--json"], env=KEYS)
    findings: list[dict[str, Any]] = json.loads(told.stdout)["findings"]
    of_models = (finding for finding in findings if finding["part"] == "llm")
    return [finding for finding in of_models if not re.search(r"the price of \S+ is \d+ days old", finding["problem"])]


@pytest.mark.parametrize("name", [VLLM, OLLAMA, HOSTED])
def test_each_endpoint_that_is_shown_is_fine(name: str, tmp_path: Path) -> None:
    """Whoever copies a config has a model that answers; seen to fail with `free` left out of one."""
    kind = Kind(models=(VLLM, OLLAMA, HOSTED, "large-1"), key="k" if name == HOSTED else "")
    with Completions(kind) as twin:
        found = checked(tmp_path, CONFIGS[name], twin.base_url)
    assert [finding["problem"] for finding in found] == [""]


def test_ollamas_small_window_is_told_by_check(tmp_path: Path) -> None:
    """The trap that the page warns of is found before the first conversation, with what to set."""
    with Completions(models=(OLLAMA,), window=4096, too_long="halve") as twin:
        found = checked(tmp_path, CONFIGS[OLLAMA], twin.base_url)
    assert "OLLAMA_CONTEXT_LENGTH" in json.dumps([finding for finding in found if finding["problem"]])


def test_claude_is_fine_as_shown(llmock: LLMock, tmp_path: Path) -> None:
    """The shortest config is enough."""
    (config,) = (block for block in BLOCKS if 'type = "anthropic"' in block)
    found = checked(tmp_path, config, llmock.base_url("anthropic"))
    assert [finding["problem"] for finding in found] == [""]


def test_the_prices_on_the_page_are_those_that_are_reckoned_with() -> None:
    """Nobody plans with a price that the code doesn't use; seen to fail with one figure changed."""
    rows = re.findall(r"^\| `(claude-\S+)`(.*?) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for model, note, *figures in rows:
        prompt = 200_000 if "longer" in note else 50_000
        costs = [
            Prices().cost_usd(model, input_tokens=prompt, output_tokens=0) / prompt,
            Prices().cost_usd(model, input_tokens=prompt, output_tokens=10_000) / 10_000,
            Prices().cost_usd(model, input_tokens=0, output_tokens=0, cache_read_tokens=prompt) / prompt,
        ]
        costs[1] -= costs[0] * prompt / 10_000
        assert [cost * 1e6 for cost in costs] == pytest.approx([float(figure) for figure in figures])
