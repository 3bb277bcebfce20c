"""A proxy of the environment that no call could go through is told at the start, and not in the midst of a call."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.llms.anthropic import AnthropicLLM, AnthropicOptions
from adapters.notifiers.webhook import WebhookNotifier, WebhookOptions
from sidecar.errors import ConfigError
from tests.contract.channel import Secrets, context

SECRETS = Secrets(ANTHROPIC_API_KEY="k1")
MADE: dict[str, Callable[[], object]] = {
    "ops.webhook": lambda: WebhookNotifier("it", WebhookOptions(url="https://x.test"), context(Path(), SECRETS)),
    "llm.base_url": lambda: AnthropicLLM("it", AnthropicOptions(), context(Path(), SECRETS)),
}
"""What goes through the environment's proxies, by the setting that its errors name."""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return an environment without proxies."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize("setting", MADE)
@pytest.mark.parametrize("name", ["ALL_PROXY", "https_proxy"])
def test_a_proxy_that_isn_t_spoken_is_the_operator_s(setting: str, name: str, environment: pytest.MonkeyPatch) -> None:
    """It is refused by its variable and not by its address, which may hold a password; seen to fail by being taken."""
    environment.setenv(name, "socks4://ann:secret@127.0.0.1:1080")
    with pytest.raises(ConfigError, match=f"{setting}: the environment's {name.lower()} names a proxy") as caught:
        MADE[setting]()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("setting", MADE)
@pytest.mark.parametrize(
    "proxies",
    [
        {"https_proxy": "http://127.0.0.1:1"},
        {"http_proxy": "127.0.0.1:1"},
        {"all_proxy": "socks4://x", "no_proxy": "*"},
    ],
)
def test_a_proxy_that_is_spoken_or_never_used_is_taken(
    setting: str, proxies: dict[str, str], environment: pytest.MonkeyPatch
) -> None:
    """What httpx2 goes through, or would leave alone, keeps nobody from starting."""
    for name, address in proxies.items():
        environment.setenv(name, address)
    assert MADE[setting]()


def test_socks_is_the_operator_s_where_its_package_is_missing(environment: pytest.MonkeyPatch) -> None:
    """What httpx2 would raise an ImportError for in the midst of a call is told before; seen to fail by being taken."""
    import httpx2

    environment.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    try:
        httpx2.Client().close()
    except ImportError:
        with pytest.raises(ConfigError, match="all_proxy"):
            MADE["ops.webhook"]()
    else:
        assert MADE["ops.webhook"]()
