"""Pools of urllib3 whose calls have one end, and what their answers come to: read whole, within a size.

The vendors' clients that stand on urllib3, or on `requests`, are given these. What is too long in an answer before its
body ends has bounds of its own: the standard library's lines and headers, and here the lengths that chunks announce,
which urllib3's own reading of chunks has no bound for. This module imports urllib3 at its top, so whoever needs it
imports it late. Source: urllib3 2.8, read and run 2026-11.
"""

import socket
import ssl
from functools import partial
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from adapters.http.calls import whole
from adapters.http.deadline import connected, trusting

CHUNK_BYTES = 64 * 1024


class HeldPools(urllib3.PoolManager):
    """Connections that end with the call that they are used for (`deadline.within`)."""

    def __init__(self, trusted: ssl.SSLContext, **options: Any) -> None:
        super().__init__(ssl_context=trusting(trusted), **options)
        self.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


def body_of(answer: Any) -> bytes:
    """Return the whole decoded body of an answer of urllib3 that isn't read yet; `CutOffError` when it is too large."""
    return whole(iter(partial(answer.read1, CHUNK_BYTES, decode_content=True), b""))


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        try:
            sock = connected(self._dns_host, self.port, self.timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, str(error)) from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        return sock


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
