"""The few questions that are asked of Google's calendar API, with their bounds, and refusals named for who must act.

Parameters are the same for every page and for a sync token's whole life, as Google demands. `singleEvents` is false: a
series comes once, with its rules, and its changed days by themselves, as every other calendar here tells them; true
would bring hundreds of days that nobody touched, and no rule. `showDeleted` is true, so that what was cancelled comes
with its details. A refusal by 403 may be a limit of calls, which is for time to mend.

Source: discovery document of calendar v3, revision 20261030, and "Handle API errors", as known 2026-11.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from adapters.http.asking import Api, Ask, Manners
from adapters.http.calls import Timeouts, number
from adapters.http.oauth import Access
from adapters.http.patience import Again
from sidecar.errors import ConfigError, Unanswered
from sidecar.ports import Observe

SCOPES = ("https://www.googleapis.com/auth/calendar.events.readonly",)
PARAMETERS = {"singleEvents": "false", "showDeleted": "true"}
_GONE = frozenset({404, 410})
_LIMITS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "calendarUsageLimitsExceeded"})


class Calendar:
    """Asks about one calendar."""

    def __init__(
        self,
        base_url: str,
        calendar: str,
        access: Access,
        timeouts: Timeouts,
        max_wait_s: float,
        calls_per_s: float,
        setting: str,
        observe: Observe,
    ) -> None:
        self._base, self._setting, self._access = f"{base_url}/calendar/v3", setting, access
        self._calendar = f"{self._base}/calendars/{quote(calendar, safe='')}/events"
        self._token = ""
        remedy = "is the account that let the channel in allowed to see this calendar, and the API enabled?"
        manners = Manners("Google", 1, 1.0 / calls_per_s, max_wait_s, timeouts, setting, remedy)
        self._api = Api(manners, self._headers, observe, refused=self._refused)

    def page(self, sync_token: str, page_token: str, size: int) -> dict[str, Any] | None:
        """Return a page of events; None when the token it continues from isn't taken any more."""
        query = {**PARAMETERS, "maxResults": str(size)}
        query |= {"syncToken": sync_token} if sync_token else {}
        query |= {"pageToken": page_token} if page_token else {}
        may_lack = (400, 403, 404, 410) if sync_token or page_token else (403, 404)
        reply = self._api.ask(Ask("events", self._calendar, query=query, may_lack=may_lack))
        if reply.status in (400, 410):
            return None
        if reply.status == 404:
            unknown = "Google knows no such calendar, or doesn't show it to the account that let the channel in"
            raise ConfigError(unknown, setting=f"{self._setting}.calendar")
        told = self._told(reply, "events")
        items = told.get("items", [])
        if not isinstance(items, list) or not all(isinstance(item, dict) and item.get("id") for item in items):
            raise Again("Google's answer holds no list of events")
        if not (told.get("nextPageToken") or told.get("nextSyncToken")):
            raise Again("Google's list of events breaks off")
        return told

    def event(self, id: str) -> dict[str, Any] | None:
        """Return one event, a cancelled one too; None when it is gone."""
        url = f"{self._calendar}/{quote(id, safe='')}"
        reply = self._api.ask(Ask("event", url, may_lack=(403, *_GONE)))
        return None if reply.status in _GONE else self._told(reply, "event")

    def watch(self, channel: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for pushes; `ConfigError` where Google refuses the address."""
        reply = self._api.ask(
            Ask("watch", f"{self._calendar}/watch", "POST", body=dict(channel), may_lack=(400, 401, 403))
        )
        if reply.status in (400, 401):
            told = f"Google answered {reply.status} to watch: is push_url public, https, and its certificate valid?"
            raise ConfigError(told, setting=f"{self._setting}.push_url")
        return self._told(reply, "watch")

    def stop(self, id: str, resource: str) -> None:
        """Ask for no more pushes on a channel; one that is over already is fine."""
        body = {"id": id, "resourceId": resource}
        self._api.ask(Ask("stop", f"{self._base}/channels/stop", "POST", body=body, may_lack=(400, 403, *_GONE)))

    def _told(self, reply: Any, operation: str) -> dict[str, Any]:
        if reply.status == 403:
            reasons = _reasons(reply.data)
            if reasons & _LIMITS:
                wait_s = number(reply.headers, "retry-after")
                raise Unanswered("Google's limit of calls is used up for now", retry_after_s=wait_s or 60.0)
            told = f"Google answered 403 to {operation}: may the account see this calendar, and is the API enabled?"
            raise ConfigError(told, setting=f"{self._setting}.calendar")
        if not isinstance(reply.data, dict):
            raise Again(f"Google's answer to {operation} can't be read")
        return dict(reply.data)

    def _headers(self) -> Mapping[str, str]:
        self._token = self._access.access_token()
        return {"authorization": f"Bearer {self._token}"}

    def _refused(self) -> bool:
        self._access.refused(self._token)
        return True


def _reasons(data: Any) -> set[str]:
    told = data.get("error") if isinstance(data, dict) else None
    errors = told.get("errors") if isinstance(told, dict) else None
    found = [error.get("reason") for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return {reason for reason in found if isinstance(reason, str)}
