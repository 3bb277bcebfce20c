"""What rows of a list are laid down, so that one which can't be had holds no other back.

Most rows are whole as the list tells them. Some need more: a message its files' list, a leg its call, a transcript its
sentences, and a message that is missing from its list a look by its sid. Where that is refused for one while another
comes, it is laid down as withheld, by its key. Whether another comes, the walk says. Pure but for what it is handed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from adapters.formats.withheld import Sieve
from sidecar.ports import Captured


@dataclass(frozen=True, slots=True)
class News:
    """What isn't laid down yet of one sid: at hand, or to be fetched; `mark` is remembered once it is laid down."""

    sid: str
    key: str
    mark: str
    at: datetime
    at_hand: tuple[Captured, ...] = ()
    fetch: Callable[[], Captured | None] | None = None


def sifted(
    account: str, news: Iterable[News], another: Callable[[Collection[str]], bool]
) -> Iterator[tuple[News, tuple[Captured, ...]]]:
    """Yield each piece of news once it is settled, with what is laid down of it; what is held is yielded by nobody."""
    sieve, tried = Sieve(another), dict[str, News]()
    for one in chain(news, (None,)):
        if one is None:
            brought = sieve.settled()
        elif one.fetch is None:
            yield one, one.at_hand
            continue
        else:
            tried[one.key] = one
            brought = sieve.tried(one.fetch, Captured(account, b"", one.key))
        for captured in brought:
            yield tried.pop(str(captured.key)), (captured,)
