"""What a provider is to the day: hands for what people do there, what it posts of it, and what is true in the end.

A provider keeps its own account of what happened (`truth`), told by what was done there and never by what we captured.
It may post (webhooks, with a signature made when it is sent), be asked (by our polls), or both.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from string import Formatter

from sidecar.app import App
from sidecar.model import Activity
from tests.day.people import Person

Told = tuple[str, str]
"""An activity as both sides name it: its id at the provider, and its kind."""


@dataclass
class Push:
    """A webhook that the provider wants to be rid of: `signed(now)` are its headers; `tries` is how often it tries."""

    channel: str
    body: bytes
    signed: Callable[[datetime], Mapping[str, str]]
    tries: int = 100
    query: str = ""


@dataclass
class Provider:
    """One provider, behind one configured channel. Subclasses say what can happen there by `acts`."""

    name: str
    channel: str = ""
    """The channel in the config; providers of one channel share its section, which the first of them writes."""
    config: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    polled: bool = False
    is_lossy: bool = False
    """Whether a webhook that isn't taken at once is never sent again: what only a poll can mend."""
    is_state: bool = False
    """Whether it only tells how things stand, so that how often it was asked says how much we saw."""
    truth: Counter[Told] = field(default_factory=Counter)
    stands: dict[str, tuple[str, datetime | None]] = field(default_factory=dict)
    """How each meeting stands in the end, and for when it is where that still matters, by its id."""
    fleeting: set[Told] = field(default_factory=set)
    """What the provider holds no more, so that whoever lost its webhook can't know of it."""
    owed: list[Push] = field(default_factory=list)
    whose: dict[str, frozenset[str]] = field(default_factory=dict)
    """By which identifiers a customer's activity names its customer, by the activity's id."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.channel = self.channel or self.name

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """What people can do here, by a word: who, with which words, when."""
        raise NotImplementedError

    def outage(self, *, is_away: bool) -> None:
        """Go away, or come back."""

    def connect(self, app: App) -> None:
        """Be the person who lets the channel in, where one must."""

    def known(self, activity: Activity) -> str:
        """Return by which id `truth` knows what was captured."""
        return activity.external_id

    def happened(self, external_id: str, kind: str, *names: str) -> None:
        """Take down what happened, and by which identifiers it names its customer."""
        self.truth[external_id, kind] += 1
        if names:
            self.whose[external_id] = frozenset(names)


def by_settings(settings: str, **values: str) -> tuple[str, Mapping[str, str]]:
    """Return a channel's section of the config, and the secrets, out of what a twin's keyboard prints."""
    lines = [line for line in settings.format(**values).splitlines() if line]
    secrets = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_0-9]+=", line))
    table = re.split(r"(?m)^\[channels\.\w+\]$", "\n".join(lines))[1]
    return re.sub(r"(?m)^every_s = .*\n?", "", table.partition("\n[")[0]).strip(), secrets


def of_twin(settings: str, twin: object, **values: str) -> tuple[str, Mapping[str, str]]:
    """Return the same, with what isn't given taken from the twin's attributes of these names."""
    names = [name for _, name, _, _ in Formatter().parse(settings) if name]
    return by_settings(settings, **{name: values.get(name) or getattr(twin, name) for name in names})
