"""Whose cursor it is: a channel whose settings name another source than before isn't read on from where that one ended.

Cursors hang on the channel's name, and what one means is the source's own: read on with another mailbox's, a mailbox
would look as if it had been read up to there. So the book keeps beside a channel's cursors whose they are, and what
names another source is refused until a person has chosen; the other channels go on. A book from before this was kept
has cursors of nobody: they become those of whatever the next poll reads.

What a source is says the adapter, from its settings alone: where only a key tells whose account it opens, another
account's key at the same provider isn't noticed. Sources may be people's addresses, so a poll, whose reasons are logged
and sent to operators, names none; whoever looks (`sidecar check`) is told both.
"""

from collections.abc import Mapping
from typing import Any

from sidecar.errors import ConfigError
from sidecar.journal import Journal
from sidecar.ports import Channel

SOURCE = "source:"
"""Under this and a channel's name stands what its cursors are of."""


def place_of(journal: Journal, channel: Channel) -> Mapping[str, Any] | None:
    """Return up to where a channel has been polled; `ConfigError`, without names, where that was another source."""
    if _former(journal, channel):
        raise another(channel)
    cursor = journal.cursor(channel.name, "poll")
    held = journal.meta(SOURCE + channel.name)
    if cursor is not None and channel.source and not held:
        journal.swap_meta(SOURCE + channel.name, held, channel.source)
    return cursor


def another(channel: Channel) -> ConfigError:
    """Return the refusal, without names, of a channel that names another source than was read under its name."""
    told = f"it names another source than was read under its name; `sidecar check` says which. {_choice(channel)}"
    return ConfigError(told, setting=f"channels.{channel.name}")


def see_source(journal: Journal, channel: Channel) -> None:
    """Refuse a channel that names another source than was read under its name: `ConfigError` with both."""
    if former := _former(journal, channel):
        told = f"it names {channel.source}, and {former} was read under its name. {_choice(channel)}"
        raise ConfigError(told, setting=f"channels.{channel.name}")


def _former(journal: Journal, channel: Channel) -> str:
    """Return the source that was read before, where it is another; a channel without cursors has none."""
    held = journal.meta(SOURCE + channel.name) or ""
    return held if channel.source and held != channel.source else ""


def _choice(channel: Channel) -> str:
    moved = f"sidecar channels --moved {channel.name}"
    return f"Give the new one a channel with a name of its own; or, if it is the same one and has moved: {moved}"
