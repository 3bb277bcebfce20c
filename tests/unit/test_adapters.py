"""The tables of adapters say what exists, and nothing else can be loaded."""

import pytest

import adapters
from adapters.channels.webhook import WebhookChannel
from sidecar.errors import ConfigError


def test_a_name_leads_to_its_class() -> None:
    """A type in the config is looked up in its port's table."""
    assert adapters.load(adapters.CHANNELS, "webhook") is WebhookChannel


@pytest.mark.parametrize("name", ["", "imapp", "os:system", "adapters.channels.webhook:WebhookChannel", "x" * 500])
def test_an_unknown_name_is_the_operators_error(name: str) -> None:
    """Nothing outside of the table is imported, and the error names what there is, and the setting."""
    with pytest.raises(ConfigError, match=r"channels\.mail\.type: .*known are .*imap, .*maildrop, .*webhook") as caught:
        adapters.load(adapters.CHANNELS, name, "channels.mail.type")
    assert not name or name not in str(caught.value), "it may be a secret in the wrong place"
