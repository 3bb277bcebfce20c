"""`serve`: the web edge, the workers and the schedule in one process, until it is told to stop.

The first SIGTERM or SIGINT ends it gracefully: no new requests, what runs may finish within limits.stop_grace_s. A
second one ends it at once, which loses nothing, because everything that is due is in the book.
"""

import gc
import signal
import threading
from importlib import metadata
from typing import TYPE_CHECKING, Any

import structlog
import typer

from sidecar.cli.secluded import seclude
from sidecar.cli.session import example, session
from sidecar.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.app import App

STOP_SLACK_S = 5.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = structlog.get_logger(__name__)


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    app.command("serve", epilog=example("sidecar --config config.toml serve"))(_serve)


def _serve(ctx: typer.Context) -> None:
    """Serve webhooks, poll channels and keep the CRM up to date, until SIGTERM or Ctrl-C; logs JSON."""
    seclude()
    stop = threading.Event()
    _stop_on_signal(stop)
    with session(ctx).open(secrets=True) as app:
        app.opening.begin()
        serve(app, stop)


def serve(app: "App", stop: threading.Event, listening: Any = None) -> None:
    """Serve an app, ready or opening, until `stop` is set; `listening` is called once with the web and admin ports."""
    parts = app.pipeline.parts  # made here, before the threads that share it
    section = app.settings.crm
    _log.info(
        "starting",
        version=metadata.version("crm-sidecar"),
        channels=sorted(parts.channels),
        crm=section.type,
        mode=app.policy.mode.value,
        climbed=app.rungs().ledger.value,
        llm=parts.llm.model,
        dry_run=app.dry_run,
    )
    web = _Web(app, stop, listening)
    web.start()
    try:
        app.serve(stop)
    finally:
        stop.set()
        web.join(app.settings.limits.stop_grace_s + STOP_SLACK_S)
        _log.info("stopped")
    if web.error is not None:
        raise web.error


def _spare_what_stays() -> None:
    """Keep the garbage collector from what lives as long as the process.

    To look through the code of all libraries again stopped every thread for 60 ms, once in 2,000 webhooks.
    """
    gc.collect()
    gc.freeze()


class _Web(threading.Thread):
    """The web edge in a thread, which takes the process with it when it fails."""

    def __init__(self, app: "App", stop: threading.Event, listening: Any) -> None:
        super().__init__(name="web", daemon=True)
        self._app, self._stop_event, self._listening = app, stop, listening
        self.error: Exception | None = None

    def run(self) -> None:
        from sidecar.web import Limits, serve_http

        _spare_what_stays()
        web, limits = self._app.settings.web, self._app.settings.limits
        bounds = Limits(
            connections=limits.connections,
            header_bytes=limits.header_bytes,
            header_timeout_s=limits.header_timeout_s,
            body_timeout_s=limits.body_timeout_s,
            keep_alive_s=limits.keep_alive_s,
            stop_grace_s=max(1, round(limits.stop_grace_s)),
        )
        try:
            serve_http(
                self._app, web.host, web.port, web.admin_host, web.admin_port, self._stop_event,
                limits=bounds, listening=self._listening,
            )  # fmt: skip
        except Exception as error:
            expected = isinstance(error, SidecarError)
            _log.error("web_failed", error=type(error).__name__, reason=str(error) if expected else "")
            self.error = error
        finally:
            self._stop_event.set()


def _stop_on_signal(stop: threading.Event) -> None:
    def on_signal(*_: object) -> None:
        stop.set()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    for number in _SIGNALS:
        signal.signal(number, on_signal)
