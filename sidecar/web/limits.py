"""The bounds of the HTTP edge, in one place, because each protects the memory or the patience that another assumes.

The defaults fit senders of webhooks, who post a few kilobytes at once and wait 3 to 30 seconds for an answer.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a stranger may ask of the process, and for how long.

    A body has `body_timeout_s`, and a second more for each `body_rate` bytes that have come, but never more than
    `body_most_s`. Together, bodies that are not yet durable hold at most `held_bytes`. Who is refused before all was
    read gets `linger_s` to finish sending, because a connection that is closed at once loses the answer. At most
    `pipelined` requests of one connection wait for the answer to an earlier one, and who takes no answer for
    `answer_timeout_s` is cut off. `pages` are built at the same time, and so many with those that wait for it.
    """

    connections: int = 800
    spare_connections: int = 100
    headers: int = 100
    header_bytes: int = 65_536
    header_timeout_s: float = 5.0
    body_timeout_s: float = 15.0
    body_rate: int = 1_000
    body_most_s: float = 60.0
    held_bytes: int = 134_217_728
    ack_timeout_s: float = 10.0
    keep_alive_s: int = 30
    pipelined: int = 32
    answer_timeout_s: float = 10.0
    linger_s: float = 2.0
    linger_bytes: int = 16_777_216
    stop_grace_s: int = 8
    pages: int = 2
    pages_waiting: int = 16
    page_timeout_s: float = 10.0
