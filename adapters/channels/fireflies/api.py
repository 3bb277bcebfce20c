"""The questions that are asked of Fireflies' GraphQL API: which meetings there were, and one of them with its words.

Reading alone. A GraphQL answer of status 200 may hold errors, each with a code that says who must act; their messages
may repeat what was asked, so only the code is told. The list is asked for up to a fixed time, so that meetings which
come in while pages are turned don't move them.

Source: docs.fireflies.ai (queries `transcripts` and `transcript`, `Transcript`, `Sentence`, "Error codes"), read
2026-11: 50 meetings a page by `limit` and `skip`; 50 calls a day, or 60 a minute from the Business plan on.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapters.http.asking import Api, Ask
from adapters.http.patience import Again
from sidecar.errors import ConfigError, PermanentError, TemporaryError, Unanswered
from sidecar.ports import Clock

if TYPE_CHECKING:
    from adapters.http.pooled import Reply

PAGE, MAX_PAGES = 50, 2_000
ABOUT = (
    "id title date duration privacy host_email organizer_email participants "
    "user { name email } meeting_attendees { displayName email name }"
)
LISTED = (
    "query Listed($fromDate: DateTime, $toDate: DateTime, $limit: Int, $skip: Int) "
    f"{{ transcripts(fromDate: $fromDate, toDate: $toDate, limit: $limit, skip: $skip) {{ {ABOUT} }} }}"
)
WHOLE = (
    "query Whole($id: String!) { transcript(id: $id) "
    f"{{ {ABOUT} sentences {{ index speaker_id speaker_name text start_time }} }} }}"
)
_OPERATOR = frozenset({"auth_failed", "forbidden", "paid_required", "not_in_team", "account_cancelled"})
_STATUSES = (400, 401, 402, 403, 404, 429)


class Fireflies:
    """Asks one account of Fireflies."""

    def __init__(self, api: Api, base_url: str, credential: str, clock: Clock) -> None:
        self._api, self._url, self._credential, self._clock = api, f"{base_url}/graphql", credential, clock

    def listed(self, since: int, until: int) -> Iterator[dict[str, Any]]:
        """Yield the meetings that began between two times, in seconds, each with who was in it and no word."""
        span = {"fromDate": _iso(since), "toDate": _iso(until)}
        for page in range(MAX_PAGES):
            told, _ = self._asked("transcripts", LISTED, span | {"limit": PAGE, "skip": page * PAGE})
            found = told.get("transcripts")
            if not isinstance(found, list) or not all(_is_meeting(row) for row in found):
                raise Again("Fireflies' answer holds no list of meetings")
            yield from (row for row in found if since <= began(row) < until)
            if len(found) < PAGE:
                return
        raise TemporaryError("Fireflies lists more meetings than can be read at once", retry_after_s=3600.0)

    def whole(self, meeting: str) -> tuple[dict[str, Any], bytes] | None:
        """Return a meeting with its words, and the answer's bytes as they came; None where it is gone."""
        told, raw = self._asked("transcript", WHOLE, {"id": meeting})
        found = told.get("transcript")
        if found is not None and (not isinstance(found, dict) or found.get("id") != meeting):
            raise Again("Fireflies' answer is about another meeting")
        return (found, raw) if found is not None else None

    def _asked(self, operation: str, query: str, variables: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        body = {"query": query, "variables": variables}
        reply = self._api.ask(Ask(operation, self._url, "POST", body=body, may_lack=_STATUSES))
        codes = _codes(reply)
        if "object_not_found" in codes and operation == "transcript":
            return {}, b""
        if codes or reply.status >= 400:
            raise self._refusal(reply, operation, codes)
        data = reply.data.get("data") if isinstance(reply.data, dict) else None
        if not isinstance(data, dict):
            raise Again(f"Fireflies' answer to {operation} is none of GraphQL's")
        return data, reply.raw

    def _refusal(self, reply: "Reply", operation: str, codes: list[str]) -> Exception:
        code = next((code for code in codes if code.isascii() and code.isidentifier()), "")[:60]
        told = f"Fireflies answered {reply.status} {code}".rstrip() + f" to {operation}"
        if "too_many_requests" in codes or reply.status == 429:
            return Unanswered(told, retry_after_s=_retry_s(reply, self._clock()))
        if _OPERATOR.intersection(codes) or reply.status in (401, 402, 403):
            return ConfigError(
                f"{told}: is the API key right, and the plan one that may ask?", setting=self._credential
            )
        return PermanentError(told)


def began(meeting: dict[str, Any]) -> int:
    """Return when a meeting began, in seconds: the API tells milliseconds."""
    return int(meeting["date"] // 1000)


def _is_meeting(row: Any) -> bool:
    told = row.get("date") if isinstance(row, dict) else None
    return isinstance(told, int | float) and not isinstance(told, bool) and isinstance(row.get("id"), str)


def _codes(reply: "Reply") -> list[str]:
    errors = reply.data.get("errors") if isinstance(reply.data, dict) else None
    found = []
    for error in errors if isinstance(errors, list) else []:
        told = error.get("code") if isinstance(error, dict) else None
        found.append(told if isinstance(told, str) else "error")
    return found


def _retry_s(reply: "Reply", now: datetime) -> float:
    """How long to wait: Fireflies tells a time in milliseconds since 1970 within the error, as a rule."""
    try:
        told = float(reply.data["errors"][0]["extensions"]["metadata"]["retryAfter"])
    except (KeyError, IndexError, TypeError, ValueError):
        return 900.0
    seconds = told / 1000 - now.timestamp() if told > 10**11 else told
    return min(max(seconds, 1.0), 86_400.0)


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
