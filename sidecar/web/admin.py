"""What operators and their machines ask on the private listener: is the process alive, is it ready, how does it fare.

Alive means that this thread of the process answers, and nothing else: a sidecar that can't reach its CRM is not mended
by a restart. Ready means that it may be sent webhooks; what is paused or spent is said as a note, because the door goes
on taking what comes. The listener is private because the reasons name parts of the installation.
"""

from collections.abc import Callable, Mapping, Sequence

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sidecar.web.answers import WORDS
from sidecar.web.door import Door

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_log = structlog.get_logger(__name__)


def build_admin(door: Door) -> ASGIApp:
    """Return the app of the private listener."""

    async def healthz(_: Request) -> Response:
        return _answer({"status": "ok"})

    def readyz(_: Request) -> Response:  # not async, so that a look at the journal can't hold up `healthz`
        problems = _asked(door.problems)
        said = {"problems": problems, "notes": _asked(door.notes)}
        status = "not ready" if problems else "ready"
        told = {name: lines for name, lines in said.items() if lines}
        return _answer({"status": status, **told}, 503 if problems else 200)

    def metrics(_: Request) -> Response:
        try:
            return Response(door.metrics(), headers=_HEADERS, media_type=METRICS_TYPE)
        except Exception as error:
            _log.error("metrics_failed", error=type(error).__name__)
            return _answer({"error": WORDS[503]}, 503)

    looks = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
    routes = [Route(path, look, methods=["GET"]) for path, look in looks.items()]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refuse})
    app.router.redirect_slashes = False
    return app


def _asked(ask: Callable[[], Sequence[str]]) -> list[str]:
    try:
        return list(ask())
    except Exception as error:
        _log.error("readiness_unknown", error=type(error).__name__)
        return ["the readiness could not be found out; see the log"]


async def _refuse(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 503
    headers = error.headers if isinstance(error, HTTPException) else None
    return _answer({"error": WORDS.get(status, "this request is refused")}, status, headers)


def _answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(content, status, headers={**_HEADERS, **(headers or {})})
