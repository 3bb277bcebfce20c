"""A small stand-in for Anthropic's Message Batches API, over a real socket.

A batch lies there until the test lets it end; then each question has the fate that the test gave to its key, and the
results come in another order than the questions. Anthropic's own SDK judges it: what its types don't take, of a request
or of an answer, is a defect, and the twin raises when it is closed. Source of what can't be seen in the types:
platform.claude.com, batch processing, read 2026-11.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse
from anthropic.types.messages.batch_create_params import Request as Handed
from pydantic import TypeAdapter, ValidationError

from tests.twins.wire.passing import Log, Logged, Reply, Request
from tests.twins.wire.twin import Twin

HANDED: TypeAdapter[Any] = TypeAdapter(Handed)
BATCHES = "/v1/messages/batches"
SUCCEEDED, EXPIRED, CANCELED = "succeeded", "expired", "canceled"


class _RefusalError(Exception):
    def __init__(self, status: int, kind: str) -> None:
        self.status, self.kind = status, kind


class Office:
    """Takes batches; `fates` are by key: succeeded, expired, canceled, or the type of an error."""

    def __init__(self, key: str, log: Log) -> None:
        self.key, self.log, self.defects = key, log, list[str]()
        self.text, self.stop = "{}", "end_turn"
        self.fates: dict[str, str] = {}
        self.batches: dict[str, dict[str, Any]] = {}

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        try:
            reply = self._done(request)
        except _RefusalError as refused:
            error = {"type": refused.kind, "message": "no"}
            reply = self.reply(refused.status, {"type": "error", "error": error, "request_id": "req_1"})
        self.note(request, reply, self.operation(request), answered=answered, fault=fault)
        return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        status = reply.status if reply else None
        self.log.add(Logged(request.method, request.target, operation, 1, status, 0, 0, b"", answered, fault))

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        last = request.target.rpartition("/")[2]
        return last if last in ("cancel", "results") else "create" if request.method == "POST" else "retrieve"

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of text or JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        return Reply(status, text.encode(), {"Content-Type": "application/json", **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is."""
        return body

    def _done(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise _RefusalError(401, "authentication_error")
        if (request.method, request.target) == ("POST", BATCHES):
            return self.reply(200, self._created(json.loads(request.body)))
        found = re.fullmatch(rf"{BATCHES}/(\w+)(/cancel|/results)?", request.target)
        if not found or found[1] not in self.batches:
            raise _RefusalError(404, "not_found_error")
        batch = self.batches[found[1]]
        if found[2] == "/cancel":
            batch["canceled"] = batch["canceled"] or not batch["ended"]
        if found[2] == "/results":
            if not batch["ended"]:
                raise _RefusalError(404, "not_found_error")
            return self.reply(200, "\n".join(self._results(batch)) + "\n", {"Content-Type": "application/x-jsonl"})
        return self.reply(200, self._shown(found[1]))

    def _created(self, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            handed = [HANDED.validate_python(each) for each in body["requests"]]
        except ValidationError as error:
            self.defects.append(f"Anthropic's SDK knows no such request: {error}")
            raise _RefusalError(400, "invalid_request_error") from None
        keys = [each["custom_id"] for each in handed]
        if len(set(keys)) < len(keys) or not all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key) for key in keys):
            raise _RefusalError(400, "invalid_request_error")
        ticket = f"msgbatch_{len(self.batches) + 1}"
        self.batches[ticket] = {"requests": body["requests"], "ended": False, "canceled": False, "archived_at": None}
        return self._shown(ticket)

    def _shown(self, ticket: str) -> dict[str, Any]:
        batch = self.batches[ticket]
        counts = dict.fromkeys(("processing", SUCCEEDED, "errored", CANCELED, EXPIRED), 0)
        for handed in batch["requests"]:
            fate = self._fate(batch, handed) if batch["ended"] else "processing"
            counts[fate if fate in counts else "errored"] += 1
        at = "2026-11-23T09:00:00Z"
        shown = {
            "id": ticket, "type": "message_batch", "request_counts": counts, "created_at": at,
            "archived_at": batch["archived_at"],
            "processing_status": "ended" if batch["ended"] else "canceling" if batch["canceled"] else "in_progress",
            "expires_at": "2026-11-24T09:00:00Z", "ended_at": at if batch["ended"] else None,
            "cancel_initiated_at": at if batch["canceled"] else None,
            # Somewhere else on purpose: whoever follows it carries the key there.
            "results_url": f"http://192.0.2.1/{ticket}/results" if batch["ended"] else None,
        }  # fmt: skip
        self._judge(MessageBatch, shown)
        return shown

    def _results(self, batch: Mapping[str, Any]) -> list[str]:
        lines: list[str] = []
        for handed in reversed(batch["requests"]):
            fate = self._fate(batch, handed)
            result: dict[str, Any] = {"type": fate}
            if fate == SUCCEEDED:
                result["message"] = self._message(handed["params"]["model"], len(lines))
            elif fate not in (EXPIRED, CANCELED):
                told = {"type": fate, "message": f"no: {handed['params']['messages']}"}
                result = {"type": "errored", "error": {"type": "error", "error": told, "request_id": "req_1"}}
            line = {"custom_id": handed["custom_id"], "result": result}
            self._judge(MessageBatchIndividualResponse, line)
            lines.append(json.dumps(line))
        return lines

    def _fate(self, batch: Mapping[str, Any], handed: Mapping[str, Any]) -> str:
        return self.fates.get(handed["custom_id"], CANCELED if batch["canceled"] else SUCCEEDED)

    def _message(self, model: str, number: int) -> dict[str, Any]:
        return {
            "id": f"msg_{number}", "type": "message", "role": "assistant", "model": model, "stop_reason": self.stop,
            "stop_sequence": None, "content": [{"type": "text", "text": self.text}],
            "usage": {"input_tokens": 1000, "output_tokens": 100},
        }  # fmt: skip

    def _judge(self, model: Any, body: Mapping[str, Any]) -> None:
        try:
            model.model_validate_json(json.dumps(body), strict=True)
        except ValidationError as error:
            self.defects.append(f"Anthropic's SDK takes no such answer: {error}")


class MessageBatches(Twin):
    """The batches of an account on a loopback socket: `with MessageBatches("key") as twin: ... twin.url ...`."""

    def __init__(self, key: str) -> None:
        log = Log()
        self.office = Office(key, log)
        super().__init__(self.office, log, 1, 0)

    def end(self) -> None:
        """Let every batch end."""
        for batch in self.office.batches.values():
            batch["ended"] = True
