"""Runs both listeners in threads of their own until it is told to stop, then lets each request finish.

Two threads with a loop each, so that an operator gets an answer while the door is flooded. uvicorn's way of ending the
process when a port is taken becomes a `ConfigError`, and its own log is silenced: it logs in sentences and, on errors,
with whatever a traceback holds. What happens is said by our own events.
"""

import logging
import resource
import threading
from collections.abc import Callable

import structlog
import uvicorn
from starlette.types import ASGIApp

from sidecar.errors import ConfigError
from sidecar.web.admin import build_admin
from sidecar.web.connection import Answered, Connection
from sidecar.web.door import Door
from sidecar.web.limits import Limits
from sidecar.web.public import build_public

START_S = 30.0
WATCH_S = 0.2
OTHER_FILES = 300  # of the journal, the pollers and the private listener
_log = structlog.get_logger(__name__)


def serve_http(
    door: Door,
    host: str,
    port: int,
    admin_host: str,
    admin_port: int,
    stop: threading.Event,
    *,
    limits: Limits | None = None,
    listening: Callable[[int, int], None] | None = None,
) -> None:
    """Serve until `stop` is set, and return when every request is answered or the grace is over.

    `listening` is called once with both ports, which differ from the given ones where those are 0. `ConfigError` when
    an address can't be listened on.
    """
    limits = limits or Limits()
    _allow_open_files(limits.connections + limits.spare_connections + OTHER_FILES)
    public = _Listener("web", build_public(door, limits), host, port, limits, door.answered)
    admin = _Listener("web.admin", build_admin(door), admin_host, admin_port, limits)
    try:
        for listener in (admin, public):
            listener.start()
        _log.info("http_listening", host=host, port=public.port, admin_host=admin_host, admin_port=admin.port)
        if listening is not None:
            listening(public.port, admin.port)
        while not stop.wait(WATCH_S):
            for listener in (admin, public):
                listener.raise_if_ended()
    finally:
        for listener in (public, admin):  # operators may look until the last request is answered
            listener.stop()
        _log.info("http_stopped")


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: object = None) -> None:
        await super().startup()
        self.listens.set()


class _Listener:
    """One server in one thread."""

    def __init__(
        self, name: str, app: ASGIApp, host: str, port: int, limits: Limits, answered: Answered | None = None
    ) -> None:
        self._setting = "web.port" if name == "web" else "web.admin_port"
        self._host, self._wanted_port = host, port
        self._grace_s = limits.stop_grace_s
        self._error: BaseException | None = None
        self._server = _Server(_config(app, host, port, limits, Connection.under(limits, answered)))
        self._thread = threading.Thread(target=self._run, name=f"http-{name}", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    def start(self) -> None:
        """Return when the port is listened on."""
        self._thread.start()
        waited = 0.0
        while not self._server.listens.wait(WATCH_S):
            self.raise_if_ended()
            waited += WATCH_S
            if waited > START_S:
                raise ConfigError("the listener did not start in time", setting=self._setting)

    def stop(self) -> None:
        """Take no more connections, let requests finish, and end the thread."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(self._grace_s + 2.0)

    def raise_if_ended(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._thread.is_alive():
            return
        if isinstance(self._error, SystemExit):  # uvicorn's way to say that it can't listen
            address = f"{self._host}:{self._wanted_port}"
            raise ConfigError(f"can't listen on {address}: taken, forbidden or not ours", setting=self._setting)
        raise RuntimeError(f"the listener of {self._setting} ended by itself") from self._error

    def _run(self) -> None:
        try:
            self._server.run()
        except BaseException as error:  # SystemExit too; it is looked at by the thread that waits
            self._error = error


def _allow_open_files(wanted: int) -> None:
    """Raise the soft limit of open files, lest many connections keep the journal from opening its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed < wanted:
        _log.warning("open_files_limited", allowed=allowed, wanted=wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _config(app: ASGIApp, host: str, port: int, limits: Limits, protocol: type[Connection]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level=logging.CRITICAL + 1,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        workers=1,
        timeout_keep_alive=limits.keep_alive_s,
        timeout_graceful_shutdown=limits.stop_grace_s,
    )
