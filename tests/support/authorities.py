"""An authority alone on a socket, and tokens kept in a real journal: what tests of OAuth stand on."""

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from sidecar.app.vault import Vault
from sidecar.config import load
from sidecar.journal import Journal
from tests.twins.authority import Authority
from tests.twins.wire.passing import Log, Logged, Reply, Request
from tests.twins.wire.twin import Twin

KEY = b64encode(sha256(b"a key of the tests' tokens").digest()).decode()
OTHER_KEY = b64encode(sha256(b"another key of the tests' tokens").digest()).decode()


class AuthorityTwin(Twin):
    """An authority with nothing behind it."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        log = Log()
        super().__init__(_Gateway(authority, log), log, 0, 0)


class _Gateway:
    def __init__(self, authority: Authority, log: Log) -> None:
        self.authority, self.log, self.defects = authority, log, list[str]()

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        reply = self.authority.reply(request) or Reply(404, b"{}")
        self.note(request, reply, self.operation(request), answered=answered, fault=fault)
        return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        status, size_bytes = (reply.status, len(reply.body)) if reply else (None, 0)
        told = (request.method, request.target, operation, 1, status, len(request.body), size_bytes, request.body)
        self.log.add(Logged(*told, answered, fault))

    def operation(self, request: Request) -> str:
        return self.authority.operation(request)

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        return Reply(status, body.encode() if isinstance(body, str) else json.dumps(body).encode(), dict(headers or {}))

    def dressed(self, body: Any) -> Any:
        return body


def vault(journal: Journal, base: Path, *keys: str) -> Vault:
    """Return where tokens are kept in a journal, sealed with these keys."""
    file = base / "tokens.toml"
    file.write_text('[tokens]\nkey_env = "TOKENS_KEY"\n')
    return Vault(load(file, {"TOKENS_KEY": ",".join(keys or (KEY,))}), journal)
