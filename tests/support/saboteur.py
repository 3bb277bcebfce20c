"""Runs the `sidecar` command with defects put in from outside: errors that quote what a customer wrote, everywhere.

A message whose text holds `sabotage:WORD` sets one off, so that a test can ask for each over the door. The product
knows nothing of this; what it must do is to let none of these texts out.
"""

import asyncio
import gc
import logging
import os
import re
import threading
import warnings
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

AT_START = "SABOTAGE_AT_START"


class _Form(BaseModel):
    """A model with pydantic's default settings, whose error texts repeat what was given."""

    number: int


class _Spiteful:
    def __init__(self, text: str) -> None:
        self._text = text

    def __del__(self) -> None:
        raise ValueError(self._text)


def _value(text: str) -> None:
    raise ValueError(text)


def _caused(text: str) -> None:
    try:
        KINDS[text]
    except KeyError as error:
        raise RuntimeError(text) from error


def _validation(text: str) -> None:
    _Form.model_validate({"number": text})


def _thread(text: str) -> None:
    thread = threading.Thread(target=_value, args=(text,), name=text)
    thread.start()
    thread.join()


def _unraisable(text: str) -> None:
    _Spiteful(text)
    gc.collect()


def _task(text: str) -> None:
    async def fails() -> None:
        raise ValueError(text)

    async def forgets() -> None:
        task = asyncio.ensure_future(fails())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()

    asyncio.run(forgets())


def _library(text: str) -> None:
    logging.getLogger("some.library").warning(f"can't read {text}")  # as many libraries do
    logging.getLogger("some.library").error("can't read %s", text)
    logging.getLogger("httpx2").info("HTTP Request: GET /?token=%s", text)
    logging.getLogger("some.library").error("failed", exc_info=ValueError(text), extra={"said": text})


def _warning(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=2)


KINDS: dict[str, Callable[[str], None]] = {
    "value": _value, "caused": _caused, "validation": _validation, "thread": _thread, "unraisable": _unraisable,
    "task": _task, "library": _library, "warning": _warning,
}  # fmt: skip


def _sabotage() -> None:
    from adapters.channels.webhook import WebhookChannel
    from sidecar.app import App

    parse, receive, ready = WebhookChannel.parse, App.receive, App.ready

    def parsing(channel: Any, delivery: Any) -> Any:
        text = delivery.raw.decode()
        if found := re.search(r"sabotage:(\w+)", text):
            KINDS[found[1]](text)
        return parse(channel, delivery)

    def receiving(app: Any, channel: str, request: Any) -> Any:
        if b"sabotage_door" in request.body:
            raise ValueError(f"{request.headers} {request.body.decode()}")
        return receive(app, channel, request)

    def readying(app: Any) -> None:
        if text := os.environ.get(AT_START):
            raise ValueError(text)
        ready(app)

    for owner, name, call in (
        (WebhookChannel, "parse", parsing),
        (App, "receive", receiving),
        (App, "ready", readying),
    ):
        setattr(owner, name, call)


if __name__ == "__main__":
    from sidecar.__main__ import main

    _sabotage()
    main()
