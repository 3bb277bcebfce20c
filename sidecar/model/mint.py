"""How facts get their ids: HMACs under a key of this journal, of a fact's kind and its identity columns."""

import hmac
import json
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any, ClassVar, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What every fact has: its id (empty until minted), its causes, its party where it has one."""

    KIND: ClassVar[str] = ""
    IDENTITY: ClassVar[tuple[str, ...]] = ()

    id: str = ""
    because: tuple[str, ...] = ()
    party: str | None = None


F = TypeVar("F", bound=Fact)


class Mint:
    """Gives facts their ids: `mint(fact)` returns the fact with its id set, the same for the same identity columns."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, fact: F) -> F:
        return replace(fact, id=self.id(fact.KIND, *(getattr(fact, name) for name in fact.IDENTITY)))

    def id(self, kind: str, *columns: object) -> str:
        """Return `kind-` and 32 hex digits (128 bits) that only this journal's key can produce."""
        text = json.dumps([kind, *columns], sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=_plain)
        return f"{kind}-{hmac.digest(self._key, text.encode(), 'sha256').hex()[:32]}"


def _plain(value: object) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return sha256(value).hexdigest()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    raise TypeError(f"{type(value).__name__} can't be part of an id")
