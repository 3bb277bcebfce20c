"""The app of the public listener: the door for webhooks, and the pages that sealed links lead to.

Two apps and one comparison between them, because a framework's routing would cost more than the door itself.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from sidecar.web.door import Door
from sidecar.web.hooks import Hooks
from sidecar.web.limits import Limits
from sidecar.web.pages import Pages, is_page


def build_public(door: Door, limits: Limits | None = None) -> ASGIApp:
    """Return the app of the public listener."""
    return _Public(door, limits or Limits())


class _Public:
    def __init__(self, door: Door, limits: Limits) -> None:
        self._hooks, self._pages = Hooks(door, limits), Pages(door, limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await (self._pages if is_page(scope) else self._hooks)(scope, receive, send)
