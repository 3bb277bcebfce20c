"""Sync: the three-way agreement between what is believed, what we posted, and what the CRM holds now.

`desired` says what we would like, `whose` whose each value in the CRM is, `observe` what a look at a record says,
`plan` what may be written, `post` writes it and reads it back. All but the last are pure; only `post` touches a ledger,
and only with Changes that are journaled.
"""

from sidecar.sync.desired import (
    NOTED_TODAY,
    DesiredField,
    DesiredRecord,
    NoteDraft,
    contact_key,
    deal_key,
    desired,
    made_on,
)
from sidecar.sync.notes import MARKER, notes
from sidecar.sync.observe import Observed, Viewpoint, absent, observe
from sidecar.sync.plan import EVERYTHING, Look, Plan, RecordPlan, Refused, plan, rung_for
from sidecar.sync.post import Posted, links, post
from sidecar.sync.whose import ours, same

__all__ = [
    "EVERYTHING",
    "MARKER",
    "NOTED_TODAY",
    "DesiredField",
    "DesiredRecord",
    "Look",
    "NoteDraft",
    "Observed",
    "Plan",
    "Posted",
    "RecordPlan",
    "Refused",
    "Viewpoint",
    "absent",
    "contact_key",
    "deal_key",
    "desired",
    "links",
    "made_on",
    "notes",
    "observe",
    "ours",
    "plan",
    "post",
    "rung_for",
    "same",
]
