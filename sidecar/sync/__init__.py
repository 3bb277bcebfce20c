"""Sync: the three-way agreement between what is believed, what we posted, and what the CRM holds now.

`desired` says what we would like, `observe` whose each value in the CRM is, `plan` what may be written, `post` writes
it and reads it back. The first three are pure; only `post` touches a ledger, and only with Changes that are journaled.
"""

from sidecar.sync.desired import DesiredField, DesiredRecord, NoteDraft, contact_key, deal_key, desired
from sidecar.sync.notes import MARKER, notes
from sidecar.sync.observe import Observed, observe, ours, same
from sidecar.sync.plan import Look, Plan, RecordPlan, Refused, plan
from sidecar.sync.post import Overrun, Posted, post

__all__ = [
    "MARKER",
    "DesiredField",
    "DesiredRecord",
    "Look",
    "NoteDraft",
    "Observed",
    "Overrun",
    "Plan",
    "Posted",
    "RecordPlan",
    "Refused",
    "contact_key",
    "deal_key",
    "desired",
    "notes",
    "observe",
    "ours",
    "plan",
    "post",
    "same",
]
