"""Late ties: a note, task or meeting that was posted before its engagement had a deal is tied to it then, once. Pure.

What is made is tied as it is made, so only a deal that came later is missing, and it is asked for where a sync looks
anyway: at the records that a party would like to have now, never at all that it ever had. A tie that was asked for is
never asked for again, so a rep who takes it away, or ties the record to another deal, has the last word.
"""

from sidecar.model import RecordSync, Standing
from sidecar.sync.desired import DesiredRecord


def untied(record: DesiredRecord, standing: Standing) -> str:
    """Return the ref of the deal that a posted record is to be tied to yet; empty for none."""
    held = standing.records.get(record.key)
    if held is None or not held.ref or held.gone:
        return ""
    ends = (standing.records.get(key) for key in record.links)
    deals = (d for d in ends if d and d.kind == "deal" and d.ref and not d.gone and d.engagement == held.engagement)
    return next((str(deal.ref) for deal in deals if _came_before(held, deal)), "")


def _came_before(record: RecordSync, deal: RecordSync) -> bool:
    """Say whether a record was made without its deal; where nobody noted that, by when both were meant to be made."""
    if record.tied is not None:
        return not record.tied
    return bool(record.made_at and deal.made_at and record.made_at < deal.made_at)
