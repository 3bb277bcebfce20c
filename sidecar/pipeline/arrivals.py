"""How long an appointment took from the door to the CRM, by the book's own times.

Measured once a written meeting, when its start or how it stands has been confirmed: from the receipt of the delivery
that said so until the confirmation is in the book. Parsing, resolving, reading and the CRM's own calls lie between, and
every wait but a person's: what came in before more was allowed to be written waited for that, and isn't measured. A
look-up of a few facts by their ids; nothing here is believed, or kept.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from sidecar.journal import Journal
from sidecar.model import Activity, Change, Delivery, Fact, Match, Posting
from sidecar.pipeline.parts import Parts

ALLOWED_AT = "allowed_at"
"""Since when so much may be written as now, where that ever changed."""
_TOLD = ("start", "status")


def arrived(parts: Parts, facts: Iterable[Fact]) -> None:
    """Tell of each meeting among confirmations that are in the book how long it took, by the kind of the news."""
    allowed = parts.journal.meta(ALLOWED_AT)
    since = datetime.fromisoformat(allowed) if allowed else None
    postings = [f for f in facts if isinstance(f, Posting) and f.kind == "meeting" and f.field in _TOLD]
    for key in dict.fromkeys(posting.key for posting in postings):
        changes = parts.journal.get_many([posting.change for posting in postings if posting.key == key])
        news = max(_news(parts.journal, changes.values()), key=lambda activity: activity.at, default=None)
        origin = next(iter(parts.journal.causes(news.id)), None) if news else None
        if news and isinstance(origin, Delivery) and (since is None or origin.received_at >= since):
            parts.arrived(news.kind, (parts.clock() - origin.received_at).total_seconds())


def _news(journal: Journal, changes: Iterable[Fact]) -> Iterator[Activity]:
    """Yield the activities that changes follow from."""
    causes = {cause for change in changes if isinstance(change, Change) for cause in change.because}
    matches = journal.get_many([cause for cause in causes if cause.startswith(Match.KIND + "-")]).values()
    yield from (
        activity
        for activity in journal.get_many([m.activity for m in matches if isinstance(m, Match)]).values()
        if isinstance(activity, Activity)
    )
