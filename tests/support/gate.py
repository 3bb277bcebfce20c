"""A gate before a real server: while it is shut, whoever comes is turned away, as from a machine that is down."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 65_536


class Gate:
    """Passes TCP connections on to a port of this machine, while it is open."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._is_open = True
        self._passing: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def shut(self, *, is_shut: bool) -> None:
        """Shut the gate, or open it again."""
        self._is_open = not is_shut

    def cut(self) -> None:
        """End each connection that is open, as a router does that was switched off and on."""
        for client in tuple(self._passing):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def listen(self) -> None:
        """Let in whoever comes, until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._is_open:
                    threading.Thread(target=self._pass, args=(client,), daemon=True).start()
                else:
                    client.close()

    def close(self) -> None:
        """Listen no more, and wake whoever waits for the next to come."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._target), 10) as server:
            server.settimeout(None)
            self._passing.add(client)
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()
            self._passing.discard(client)


@contextmanager
def gate(target: int) -> Iterator[Gate]:
    """Set a gate before a port."""
    made = Gate(target)
    listener = threading.Thread(target=made.listen, name="gate", daemon=True)
    listener.start()
    try:
        yield made
    finally:
        made.close()
        listener.join(10)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    for side in (source, sink):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
