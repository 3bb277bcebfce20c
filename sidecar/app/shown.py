"""The explain page of this installation: a link, the book, and the config's names of fields become HTML.

It asks neither the CRM nor a model, so that a page opens while both are away, and costs neither's quota.
"""

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sidecar.app.ladder import ACCOUNT
from sidecar.errors import PermanentError, RejectedInput
from sidecar.links import Linked

if TYPE_CHECKING:
    from sidecar.app import App


def shown(app: "App", linked: Linked) -> str:
    """Return the page behind a link; `RejectedInput` with 404 when the book doesn't know it, or no more."""
    from sidecar.explain import html, view

    links, zone = app.links, ZoneInfo(app.settings.own_section.timezone)
    try:
        found = view(app.journal, app.journal.meta(ACCOUNT) or "", app.policy, linked, zone)
    except PermanentError:
        raise RejectedInput("nothing is known of what this link names", status=404) from None
    return html(found, lambda field: links.within(linked, found.party, field) if links else "")
