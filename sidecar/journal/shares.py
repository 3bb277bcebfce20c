"""Adds an inference up, and heard audio: the rows by which its price is counted, one for each name to find it under.

A sender is charged the part of a call that its words were of what was read, so that whoever writes little beside
somebody who writes much doesn't pay for that. What is rounded off is less than a call's last token.
"""

from typing import Any

from sidecar.journal.tables import as_key
from sidecar.model import Delivery, Inference
from sidecar.model.means import AUDIO_MS, AUDIO_NANO_USD, HEARD_BY

QUARTER_US = 15 * 60 * 1_000_000
_NANO = 1_000_000_000


def shares(inference: Inference, party: str, recorded_at: int) -> list[dict[str, Any]]:
    """Return the rows to add for one inference of a (living) party."""
    numbers = {
        "nano_usd": round(inference.cost_usd * _NANO),
        "input_tokens": inference.input_tokens,
        "output_tokens": inference.output_tokens,
        "cache_read_tokens": inference.cache_read_tokens,
        "cache_write_tokens": inference.cache_write_tokens,
    }
    counted = {"calls": 1, "escalations": int(bool(inference.escalated_from))}
    quarter = {"quarter": recorded_at - recorded_at % QUARTER_US}
    names = {
        "model": inference.model,
        "prompt": f"{inference.prompt}@{inference.prompt_sha256[:12]}",
        "channel": inference.channel,
        "route": inference.route,
        "party": party,
    }
    rows = [{"dimension": "total", "name": "", **quarter, **counted, **numbers}]
    for dimension, name in names.items():
        if name:
            rows.append({"dimension": dimension, "name": as_key(name), **quarter, **counted, **numbers})
    wrote = sum(inference.senders.values())
    for sender, chars in sorted(inference.senders.items()):
        part = {name: number * chars // wrote for name, number in numbers.items()}
        rows.append({"dimension": "sender", "name": as_key(sender), **quarter, **counted, **part})
    return rows


def heard_row(delivery: Delivery, recorded_at: int) -> dict[str, Any]:
    """Return the row to add for audio that was heard."""
    told = delivery.headers
    return {
        "model": as_key(told.get(HEARD_BY, "")),
        "quarter": recorded_at - recorded_at % QUARTER_US,
        "files": 1,
        "audio_ms": int(told[AUDIO_MS]),
        "nano_usd": int(told.get(AUDIO_NANO_USD, "0")),
    }
