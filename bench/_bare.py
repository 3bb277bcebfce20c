"""The smallest server that takes signed webhooks and keeps them: what the sidecar's door is measured beside.

uvicorn as the sidecar runs it, the signature, one INSERT per request into one table, SQLite flushed in full, and 202
when that is durable. No limits, no facts, no causes, no work, no dedupe beyond the primary key. It comes in two ways:
`group` commits what has come in meanwhile together, in a thread of its own, as the sidecar does; `each` commits each
request by itself, in the loop, as most webhook receivers do.

Usage: python -m bench._bare group|each FOLDER    (prints its port; ends with its input, and prints what it holds)
"""

import asyncio
import base64
import hmac
import json
import logging
import socket
import sqlite3
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

import uvicorn

from bench._load import ENV

CREATE = "CREATE TABLE delivery (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"
INSERT = "INSERT OR IGNORE INTO delivery VALUES (?, ?)"
SECRET = base64.b64decode(ENV["BENCH_SECRET"])
BODY = b'{"status":"accepted"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


def main() -> None:
    """Serve until standard input ends, then print what is stored."""
    way, folder = sys.argv[1], Path(sys.argv[2])
    book = Group(folder) if way == "group" else Each(folder)
    listening = socket.create_server(("127.0.0.1", 0), backlog=2_048)
    config = uvicorn.Config(
        Bare(book), loop="uvloop", http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        log_level=logging.CRITICAL, server_header=False, interface="asgi3",
    )  # fmt: skip
    server = uvicorn.Server(config)
    threading.Thread(target=_stop_at_the_end_of_input, args=(server,), daemon=True).start()
    print(listening.getsockname()[1], flush=True)
    server.run(sockets=[listening])
    print(json.dumps({"stored": book.stored(), "synchronous": book.synchronous()}))


class Each:
    """Commits each request by itself."""

    def __init__(self, folder: Path) -> None:
        self.connection = sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", CREATE):
            self.connection.execute(statement)

    async def keep(self, name: str, body: bytes) -> None:
        """Return when the row is durable."""
        self.connection.execute(INSERT, (name, body))

    def stored(self) -> list[str]:
        """Return the ids of all rows."""
        return [name for (name,) in self.connection.execute("SELECT id FROM delivery")]

    def synchronous(self) -> int:
        """Return what SQLite says of its flushing: 2 is FULL."""
        return int(self.connection.execute("PRAGMA synchronous").fetchone()[0])


class Group(Each):
    """Commits together what came in while the last commit ran."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.queue: deque[tuple[str, bytes, asyncio.Future[None]]] = deque()
        self.news = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    async def keep(self, name: str, body: bytes) -> None:
        """Return when the row is durable."""
        future = asyncio.get_running_loop().create_future()
        self.queue.append((name, body, future))
        self.news.set()
        await future

    def _run(self) -> None:
        while self.news.wait():
            self.news.clear()
            rows = [self.queue.popleft() for _ in range(len(self.queue))]
            if not rows:
                continue
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.executemany(INSERT, [row[:2] for row in rows])
            self.connection.execute("COMMIT")
            futures = [row[2] for row in rows]
            futures[0].get_loop().call_soon_threadsafe(_tell, futures)


class Bare:
    """The app."""

    def __init__(self, book: Each) -> None:
        self.book = book

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = dict(scope["headers"])
        name = headers[b"webhook-id"]
        digest = hmac.digest(SECRET, b"%s.%s.%s" % (name, headers[b"webhook-timestamp"], body), "sha256")
        is_signed = hmac.compare_digest(b"v1," + base64.b64encode(digest), headers[b"webhook-signature"])
        if is_signed:
            await self.book.keep(name.decode(), body)
        await send({"type": "http.response.start", "status": 202 if is_signed else 401, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})


def _tell(futures: "list[asyncio.Future[None]]") -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def _stop_at_the_end_of_input(server: uvicorn.Server) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
