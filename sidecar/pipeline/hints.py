"""Webhooks of the CRM: they say where to look, and nothing more.

A hint makes the sync of a party due, exactly as the poll for people's edits does, only sooner. It is no fact: what the
CRM holds is read afresh, so a hint may be lost or repeated, and none is kept. The door's thread only verifies it; whose
records they are is looked up in a thread of its own, and more than so many waiting hints are sent away.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from sidecar.errors import RejectedInput, TemporaryError
from sidecar.journal import Entry, Touch
from sidecar.model import WorkKey, WorkKind
from sidecar.pipeline.parts import Parts
from sidecar.ports import HookRequest

MAX_WAITING = 200
RETRY_S = 30.0


class Hints:
    """What takes in the CRM's webhooks."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self._lookups = ThreadPoolExecutor(1, thread_name_prefix="hints")

    def receive(self, request: HookRequest) -> Future[int]:
        """Verify a request; the future is done when the syncs it hints at are due, and says how many they are.

        `RejectedInput` for what the CRM didn't sign, or where none is taken; `TemporaryError` for one too many.
        """
        ledger = self._parts.ledger
        if ledger is None or not ledger.capabilities.hints:
            raise RejectedInput("this CRM's webhooks aren't taken", status=404)
        refs = ledger.hinted(request)
        if not self._waiting.acquire(blocking=False):
            raise TemporaryError("too many hints are waiting", retry_after_s=RETRY_S)
        future = self._lookups.submit(self._take, refs)
        future.add_done_callback(lambda _: self._waiting.release())
        return future

    def _take(self, refs: Sequence[tuple[str, str]]) -> int:
        keys = touched(self._parts, refs)
        if keys:
            self._parts.journal.commit(Entry(touches=tuple(Touch(key) for key in keys)))
            self._parts.wake(keys)
        return len(keys)


def touched(parts: Parts, refs: Sequence[tuple[str, str]]) -> list[WorkKey]:
    """Return the syncs of the parties that these records of the CRM belong to."""
    if parts.ledger is None or not refs:
        return []
    account = parts.ledger.account()
    parties = {parts.journal.linked_party(account, kind, ref) for kind, ref in refs}
    return [WorkKey(WorkKind.SYNC, party) for party in sorted(p for p in parties if p)]
