"""Logs: one JSON object a line on standard error, with event names for machines, ids and counts.

A server logs from `info` on; a command is quiet, because what it has to say it prints. SIDECAR_LOG (debug, info,
warning, error, off) overrides both. An exception is logged as its type and the places that it passed, without its text,
which may quote what a customer wrote; what libraries log comes through from `warning` on, by its template alone.
"""

import logging
import os
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from sidecar.cli.session import LOG_VARIABLE
from sidecar.errors import ConfigError

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL,  # nothing is logged as critical
}
FRAMES = 8


def configure(default: str = "off") -> None:
    """Send logs to standard error at the level of SIDECAR_LOG, else at `default`; `ConfigError` for no such level."""
    name = os.environ.get(LOG_VARIABLE, "").strip().lower() or default
    if name not in LEVELS:
        raise ConfigError(f"there is no such level; known are {', '.join(LEVELS)}", setting=LOG_VARIABLE)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _places,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[name]),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [held for held in root.handlers if not isinstance(held, _Forwarded)] + [_Forwarded()]
    root.setLevel(max(LEVELS[name], logging.WARNING))


def _to_stderr(*_: Any) -> Any:
    return structlog.PrintLogger(sys.stderr)


def _places(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put an exception's type and places where its text would stand."""
    raised = event.pop("exc_info", None)
    error = sys.exc_info()[1] if raised is True else raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
        event["error"] = type(error).__name__
        event["trace"] = [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
    return event


class _Forwarded(logging.Handler):
    """Passes on what a library logs: its name and its template, never the arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        level = "error" if record.levelno >= logging.ERROR else "warning"
        getattr(log, level)("library", logger=record.name, said=str(record.msg)[:200], exc_info=record.exc_info)
