"""A front before a real HTTP server, so that some of what it is asked can be answered with an error."""

import threading
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.twins.wire.passing import Log, Reply, Request
from tests.twins.wire.telling import TellingGateway
from tests.twins.wire.twin import Twin

PASSED = ("authorization", "depth", "content-type")
ANSWER_S = 30.0


class Front(Twin):
    """Passes on what is asked of a server, but for what a fault strikes: `with Front(address) as front: ...`."""

    def __init__(self, address: str) -> None:
        self.address, self.lock, log = address, threading.RLock(), Log()
        super().__init__(TellingGateway(self, log), log, 0, 0)

    def named(self, request: Request) -> str:
        """Return the method that is asked for."""
        return request.method

    def respond(self, request: Request) -> Reply:
        """Ask the server, and answer what it answers."""
        sent = {name: request.headers[name] for name in PASSED if name in request.headers}
        connection = HTTPConnection(urlsplit(self.address).netloc, timeout=ANSWER_S)
        try:
            connection.request(request.method, urlsplit(request.target).path, request.body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(), {"Content-Type": answer.headers.get("content-type", "")})
        finally:
            connection.close()
