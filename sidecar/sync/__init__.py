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
from sidecar.sync.lasting import lasting
from sidecar.sync.meetings import meeting_key, meetings, stated
from sidecar.sync.notes import notes
from sidecar.sync.observe import Observed, Viewpoint, absent, observe
from sidecar.sync.plan import EVERYTHING, Look, Plan, RecordPlan, Refused, plan, rung_for
from sidecar.sync.post import Posted, links, post
from sidecar.sync.steering import held_in, is_muted, pins, steered
from sidecar.sync.ties import untied
from sidecar.sync.whose import ours, same
from sidecar.sync.wording import AI_LINE, MARKER, Wording, plain

__all__ = [
    "AI_LINE",
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
    "Wording",
    "absent",
    "contact_key",
    "deal_key",
    "desired",
    "held_in",
    "is_muted",
    "lasting",
    "links",
    "made_on",
    "meeting_key",
    "meetings",
    "notes",
    "observe",
    "ours",
    "pins",
    "plain",
    "plan",
    "post",
    "rung_for",
    "same",
    "stated",
    "steered",
    "untied",
]
