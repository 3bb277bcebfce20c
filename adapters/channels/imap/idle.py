"""Waits on a mailbox for its server's word that something is new, by IDLE (RFC 2177); what it is, the poll finds out.

A connection of its own, since a mailbox that idles can do nothing else. The server's word is a hint and no more: it may
come for a flag that somebody set, and a line that dropped in silence brings none, so the poll goes on beside it, and
each new connection hints once for what it may have missed. IDLE is begun anew before the 29 minutes after which servers
may hang up. The wait is cut into seconds, so that whoever wants it to end need not wait for a mail.
"""

import time
from collections.abc import Callable

from adapters.channels.imap.mailbox import Access, Mailbox, open_mailbox
from sidecar.errors import ConfigError, TemporaryError

ANEW_S = 25 * 60.0
SLICE_S = 1.0
NEWS = (b"EXISTS", b"RECENT")

IsOver = Callable[[], bool]
Hint = Callable[[], None]


def idle(
    access: Access, folder: str, is_over: IsOver, hint: Hint, monotonic: Callable[[], float] = time.monotonic
) -> None:
    """Hint at each word of news in a folder until it is over.

    `TemporaryError` when the line drops; `ConfigError` where the server knows no IDLE.
    """
    with open_mailbox(access) as mailbox:
        if not mailbox.can_idle():
            told = f"{access.host} knows no IDLE; leave idle = false, and the mailbox is polled as before"
            raise ConfigError(told, setting=f"{access.setting}.idle")
        mailbox.select(folder)
        hint()
        while not is_over():
            _once(mailbox, is_over, hint, monotonic)


def _once(mailbox: Mailbox, is_over: IsOver, hint: Hint, monotonic: Callable[[], float]) -> None:
    """Idle until there is news, or time to begin anew."""
    until = monotonic() + ANEW_S
    with mailbox.idling() as line:
        while not is_over() and monotonic() < until:
            words = line(SLICE_S)
            if any(word in NEWS for word in words):
                hint()
                return
            if b"BYE" in words:
                raise TemporaryError("the server ended the connection")
