"""Logs: one JSON object a line on standard error, with event names for machines, ids and counts.

A server logs from `info` on; a command is quiet, because what it has to say it prints. SIDECAR_LOG (debug, info,
warning, error, off) overrides both. An exception is logged as its type and the places that it passed, without its text,
which may quote what a customer wrote; what libraries log comes through from `warning` on, by its place, and by its
words where those stand literally in the library's code. Python's own last words (of a thread that died, of an error in
a destructor, warnings) quote error texts too, so in our processes `guard` has them said like this.
"""

import inspect
import logging
import os
import sys
import threading
import traceback
from collections.abc import MutableMapping, Sequence
from typing import Any

import structlog

from sidecar.cli.render import tell
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
SAID_CHARS = 200


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


def guard() -> None:
    """Keep Python itself from printing error texts, in a process that is ours alone."""
    logging.captureWarnings(True)
    threading.excepthook = lambda died: _last_words("thread_died", died.exc_value)
    sys.unraisablehook = lambda failed: _last_words("cleanup_failed", failed.exc_value)


def places(error: BaseException) -> Sequence[str]:
    """Return the places that an exception passed, the innermost last, each as file, line and function."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames]


def _last_words(event: str, error: BaseException | None) -> None:
    """Log it where logs are on; else say it in a line, so that no error vanishes."""
    log = structlog.get_logger()
    if error is None or isinstance(error, SystemExit):
        return
    if log.is_enabled_for(logging.ERROR):
        log.error(event, exc_info=error)
    else:
        tell(f"sidecar: a defect of ours: {event}: {type(error).__name__} at {', '.join(places(error)[-1:])}")


def _to_stderr(*_: Any) -> Any:
    return structlog.PrintLogger(sys.stderr)


def _places(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put an exception's type and places where its text would stand."""
    raised = event.pop("exc_info", None)
    error = sys.exc_info()[1] if raised is True else raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["trace"] = places(error)
    return event


class _Forwarded(logging.Handler):
    """Passes on what a library logs: its name, the place, and its words where the code holds them literally.

    Arguments are left out, and so is a text that was put together: it may quote anything.
    """

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        level = "error" if record.levelno >= logging.ERROR else "warning"
        where = f"{record.pathname.rsplit('/', 2)[-1]}:{record.lineno} {record.funcName}"
        said = str(record.msg)[:SAID_CHARS] if _is_literal(record) else ""
        getattr(log, level)("library", logger=record.name, where=where, said=said, exc_info=record.exc_info)


def _is_literal(record: logging.LogRecord) -> bool:
    """Say whether the code that logs holds the text as a constant; it is among those who call us."""
    frame = inspect.currentframe()
    while frame and (frame.f_code.co_filename, frame.f_code.co_name) != (record.pathname, record.funcName):
        frame = frame.f_back
    return frame is not None and record.msg in frame.f_code.co_consts
