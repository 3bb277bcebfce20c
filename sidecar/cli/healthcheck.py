"""Asks the private listener of the server that runs by this config: for a container's HEALTHCHECK, and for people.

It reads nothing but where the listener is, opens no journal and loads no adapter, because it runs every few seconds.
Whoever starts containers anew when they are unhealthy asks whether the process is alive: what makes it unready (a full
disk, say) is not mended by a restart. `--ready` asks for that, and says it in words.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated

import typer

from sidecar.cli.render import emit, show, tell
from sidecar.cli.session import FAILED, AsJson, environment, example, session
from sidecar.errors import ConfigError

TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 1_048_576
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  where we knock, if it listens there


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    app.command("healthcheck", epilog=example("sidecar healthcheck", "sidecar healthcheck --ready"))(_healthcheck)


def _healthcheck(
    ctx: typer.Context,
    ready: Annotated[bool, typer.Option("--ready", help="Ask whether it may take webhooks; say why not.")] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.1, max=60, help="Seconds to wait for the answer.")
    ] = TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Ask a running server whether it is alive; ends with 0 when it is, and with 1 when it isn't."""
    from sidecar.config import web_section

    web = web_section(session(ctx).config, environment())
    if not web.admin_port:
        raise ConfigError("is 0, so nobody can know which port it took; write one", setting="web.admin_port")
    host = _EVERYWHERE.get(web.admin_host, web.admin_host)
    status, body = asyncio.run(_asked(host, web.admin_port, "/readyz" if ready else "/healthz", timeout_s))
    if as_json:
        emit({"ok": status == 200, **body})
    else:
        if status:
            show(str(body.get("status", status)))
        for line in (*_lines(body, "problems"), *_lines(body, "notes")):
            show(f"- {line}")
        if not status:
            tell(f"sidecar: nothing answers on {host}:{web.admin_port}; is `sidecar serve` running by this config?")
    if status != 200:
        raise typer.Exit(FAILED)


def _lines(body: Mapping[str, object], name: str) -> list[str]:
    held = body.get(name)
    return [str(line) for line in held] if isinstance(held, list) else []


async def _asked(host: str, port: int, path: str, timeout_s: float) -> tuple[int, dict[str, object]]:
    """Return the status and the JSON of an answer; 0 when there is none, or none that is ours."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
                answer = await reader.read(MAX_ANSWER_BYTES)
                while not reader.at_eof() and len(answer) < MAX_ANSWER_BYTES:
                    answer += await reader.read(MAX_ANSWER_BYTES)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return 0, {}
    head, _, body = answer.partition(b"\r\n\r\n")
    try:
        told = json.loads(body)
        return int(head.split(b" ", 2)[1]), told if isinstance(told, dict) else {}
    except (ValueError, IndexError):
        return 0, {}
