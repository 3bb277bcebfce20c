"""The version of an inference: one hash of all that can change what a model answers, but for what it is asked about.

A prompt's hash alone says too little: another model, another list of values, another stage, and the same file answers
otherwise. So figures, corrections and replays are told apart by this. What it covers is what is really sent: the system
text as it is rendered, so that a change of the rendering counts as well, without the secret word, which is the book's.
The time zone is covered too, for by it "Thursday at 10" is read. What a question is about is a party's words with their
state and the clock: these stand in the question itself, which each inference keeps.
"""

import json
from collections.abc import Sequence
from hashlib import sha256

from sidecar.infer.question import MAX_TOKENS, system
from sidecar.infer.wire import SCHEMA
from sidecar.model import FieldPolicy, Prompt, StagePolicy
from sidecar.ports import LLM


def version(prompt: Prompt, fields: Sequence[FieldPolicy], stages: Sequence[StagePolicy], llm: LLM, zone: str) -> str:
    """Return the hash of prompt file, fields that are asked for, stages, wire, model, effort and time `zone`.

    An adapter whose own rules answer names them in its model.
    """
    parts = {
        "prompt": prompt.sha256,
        "system": system(prompt, fields, stages, stages[0].name if stages else "", ""),
        "grounding": [[field.name, field.type, field.max_chars] for field in fields],
        "schema": SCHEMA,
        "max_tokens": MAX_TOKENS,
        "adapter": llm.name,
        "model": llm.model,
        "effort": llm.effort,
        "timezone": zone,
    }
    return sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
