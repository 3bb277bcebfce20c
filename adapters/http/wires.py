"""Clients of httpx2 whose calls have one end, from the look-up of a name to the last byte of an answer.

The library takes no wire of one's own by any public way; so it is put into the client's pools, those for the proxies of
the environment included. If a later version keeps them elsewhere, the tests with a server that drips see it.

This module imports httpx2 at its top, so whoever needs it imports it late. Source: httpx2 and httpcore2 2.16, read and
run 2026-11.
"""

import socket
import ssl
from collections.abc import Iterable
from typing import Any, TypeVar

import httpx2
from httpcore2 import ConnectError, ConnectTimeout, NetworkStream, SyncBackend
from httpcore2._backends.sync import SyncStream

from adapters.http.deadline import connected, trusting

C = TypeVar("C", bound=httpx2.Client)


def bound(client: C) -> C:
    """Make each connection of a client end with the call that it is used for (`deadline.within`), and return it."""
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _Wires()
    return client


class _Wires(SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # nobody here sets one
        socket_options: Iterable[Any] | None = None,
    ) -> NetworkStream:
        try:
            sock = connected(host, port, timeout)
        except TimeoutError as error:
            raise ConnectTimeout(str(error)) from error
        except OSError as error:
            raise ConnectError(str(error)) from error
        for option in (*(socket_options or ()), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)):
            sock.setsockopt(*option)
        return _Wire(sock)


class _Wire(SyncStream):
    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        return super().start_tls(trusting(ssl_context), server_hostname, timeout)
