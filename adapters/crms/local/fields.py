"""What the local CRM's properties are and what they may hold. Pure: no file, no clock.

A value is either kept exactly as given (times apart, which are kept as the same instant in UTC) or refused with the
property's name. Nothing is cut, rounded, trimmed or guessed: who writes must be able to trust what reads back. Errors
name properties and limits and never quote the value, which may be a customer's words.
"""

import json
import re
from collections.abc import Mapping, Sequence

from adapters.formats.canonical import TYPES, checked
from adapters.formats.furnish import lacked
from adapters.formats.phones import dialled
from sidecar.errors import ConfigError, PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec, Pipeline

KINDS = ("contact", "company", "deal", "note", "task", "meeting")
_TIMES = tuple(FieldSpec(name, "datetime", name.capitalize()) for name in ("start", "end"))
_OUTCOME = FieldSpec("status", "enum", "Status", options=("scheduled", "attended", "cancelled", "no_show"))
TEXT_CHARS = 255
LONG_TEXT_CHARS = 65_536

IDENTIFYING: Mapping[str, Mapping[str, str]] = {
    "contact": {"email": "email", "phone": "phone"},
    "company": {"domain": "domain", "phone": "phone"},
}
"""Which identifiers find a record of a kind, and the property that holds each."""


def native(pipelines: Sequence[Pipeline], owners: Mapping[str, str]) -> dict[str, dict[str, FieldSpec]]:
    """Return the properties that every local CRM has, by kind and name."""
    owner = FieldSpec("owner", "enum", "Owner", options=tuple(owners))
    stages = tuple(dict.fromkeys(stage for p in pipelines for stage, _ in p.stages))
    specs = {
        "contact": (
            _text("name", "Name"),
            _text("email", "E-mail", 254),
            _text("phone", "Phone", 64),
            _text("company", "Company"),
            owner,
            FieldSpec("do_not_contact", "bool", "Do not contact"),
        ),
        "company": (_text("name", "Name"), _text("domain", "Domain", 253), _text("phone", "Phone", 64), owner),
        "deal": (
            _text("name", "Name"),
            FieldSpec("pipeline", "enum", "Pipeline", options=tuple(p.ref for p in pipelines)),
            FieldSpec("stage", "enum", "Stage", options=stages),
            FieldSpec("amount", "number", "Amount"),
            _text("currency", "Currency", 3),
            FieldSpec("close_date", "date", "Close date"),
            owner,
        ),
        "note": (_long("body", "Body"), FieldSpec("at", "datetime", "Time")),
        "task": (
            _text("title", "Title"),
            _long("body", "Body"),
            FieldSpec("due", "date", "Due"),
            FieldSpec("status", "enum", "Status", options=("open", "done")),
            owner,
            FieldSpec("priority", "enum", "Priority", options=("low", "normal", "high")),
        ),
        "meeting": (_text("title", "Title"), _long("body", "Body"), *_TIMES, _OUTCOME, owner),
    }
    return {kind: {spec.name: spec for spec in of_kind} for kind, of_kind in specs.items()}


def canonical(kind: str, spec: FieldSpec, value: Value) -> Value:
    """Return the value as it is kept, None for an empty one; `PermanentError` for what the property can't hold."""
    if value is None or value == "":
        return None
    return checked(f"{kind}.{spec.name}", spec, value)


def check_pipeline(pipelines: Sequence[Pipeline], fields: Mapping[str, Value]) -> None:
    """Refuse a deal whose stage is not one of its pipeline's."""
    pipeline = next((p for p in pipelines if p.ref == fields.get("pipeline")), None)
    if pipeline is None:
        raise PermanentError("deal.pipeline: a deal is always in one of the pipelines")
    stage = fields.get("stage")
    if stage is not None and stage not in {ref for ref, _ in pipeline.stages}:
        raise PermanentError(f"deal.stage: not a stage of the pipeline {pipeline.ref!r}")


def search_value(what: str, value: str, region: str) -> str:
    """Return the form in which an identifier is searched for: how people type a phone number must not matter."""
    return dialled(value, region) if what == "phone" else value.strip().casefold()


def custom(kind: str, spec: FieldSpec) -> FieldSpec:
    """Return an AI-owned property as it would be made, its limits filled in; `ConfigError` for one that can't be."""
    name = f"{kind}.{spec.name}"
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", spec.name):
        raise ConfigError(f"{name}: a property's name is of a-z, 0-9 and _, begins with a letter, at most 63 long")
    if spec.type not in TYPES:
        raise ConfigError(f"{name}: no such type as {spec.type!r}; there are {', '.join(TYPES)}")
    if spec.type == "enum" and not spec.options:
        raise ConfigError(f"{name}: an enum needs options")
    limits = {"text": TEXT_CHARS, "long_text": LONG_TEXT_CHARS}
    max_chars = (spec.max_chars or limits[spec.type]) if spec.type in limits else None
    options = tuple(dict.fromkeys(spec.options)) if spec.type == "enum" else ()
    label = spec.label or "AI " + spec.name.removeprefix("ai_").replace("_", " ")
    return FieldSpec(spec.name, spec.type, label, options, max_chars, ours=True)


def reconciled(kind: str, held: FieldSpec | None, wanted: FieldSpec) -> tuple[FieldSpec, str]:
    """Return the property as it must become and a line that says what that takes, empty when it takes nothing."""
    name = f"{kind}.{wanted.name}"
    if held is None:
        made = custom(kind, wanted)
        return made, f"create {name} ({made.type}{': ' + ', '.join(made.options) if made.options else ''})"
    if held.type != wanted.type:
        raise ConfigError(f"{name} exists as {held.type}, and {wanted.type} is wanted: choose another name for it")
    missing = lacked(kind, held, wanted)
    max_chars = held.max_chars
    if held.ours and max_chars is not None and wanted.max_chars is not None:
        max_chars = max(max_chars, wanted.max_chars)
    if not missing and max_chars == held.max_chars:
        return held, ""
    line = f"add {', '.join(missing)} to {name}" if missing else f"widen {name} to {max_chars} characters"
    return FieldSpec(held.name, held.type, held.label, held.options + missing, max_chars, ours=True), line


def dump(fields: Mapping[str, Value]) -> str:
    """Return fields as the text in which they are stored."""
    return json.dumps(fields, sort_keys=True)


def _text(name: str, label: str, max_chars: int = TEXT_CHARS) -> FieldSpec:
    return FieldSpec(name, "text", label, max_chars=max_chars)


def _long(name: str, label: str) -> FieldSpec:
    return FieldSpec(name, "long_text", label, max_chars=LONG_TEXT_CHARS)
