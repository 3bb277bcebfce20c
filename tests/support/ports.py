"""Ports for servers that have to be told theirs, and for addresses at which nobody may listen.

A server that can say where it listens should be given port 0. Where the number must be known before, the system's own
free choice is no good: until the server is there, and each time that it is down, the system may give the same port to
whoever asks for any. So these lie below those that it gives away.
"""

import secrets
import socket

LOWEST, HIGHEST = 16_384, 32_000
TRIES = 100
_given: set[int] = set()


def free_port() -> int:
    """Return a port on which nobody listens, each only once in a process."""
    for _ in range(TRIES):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise AssertionError(f"no port between {LOWEST} and {HIGHEST} is free")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
