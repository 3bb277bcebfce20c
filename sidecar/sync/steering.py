"""What people steer us by in their CRM: a record's AI mode, and the list of what in it stays as it is. Pure.

Both are properties of contacts and deals that we make empty, read, and never write. Whoever filled them, a person or
an automation of theirs: what stands there counts, since that is what a rep sees. A mode can only lower what the ladder
allows. On a contact it is about the customer, and holds for everything of theirs; on a deal for the deal and, as they
are tied to it, the notes and tasks.
"""

from collections.abc import Mapping
from dataclasses import replace

from sidecar.model import OFF, FieldSync, Hold, Mode, Policy, RecordSync, Standing, lowest
from sidecar.sync.desired import DesiredRecord

MUTED = "a person switched the AI off here"
MAX_PINS = 50
_ALONE = ("contact", "deal")
"""The kinds that have a word of their own; everything else is tied to them."""


def steered(wanted: tuple[DesiredRecord, ...], standing: Standing, policy: Policy) -> tuple[DesiredRecord, ...]:
    """Return the records with their modes lowered to what people allow, and muted where they allow none."""
    words = {record.kind: _word(standing.records.get(record.key), policy) for record in wanted if record.kind in _ALONE}
    return tuple(_lowered(record, _over(record, words)) for record in wanted)


def is_muted(standing: Standing, policy: Policy) -> bool:
    """Say whether a person switched the AI off for a whole customer."""
    return _word(standing.record("contact"), policy) == OFF


def pins(text: object, names: Mapping[str, str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the properties that a list of names pins, and what in it is no name; `names` are fields by property.

    A name is a field of ours, with all that stands for it, or a property: `Stage, AI budget` or `stage; ai_budget`.
    """
    found: set[str] = set()
    strange: list[str] = []
    for word in _words(text):
        bare = word.removeprefix("ai_")
        exact = {name for name in names if name == word} if word != bare else set()
        held = exact or {name for name, field in names.items() if bare in (field, name, name.removeprefix("ai_"))}
        found |= held
        strange += [] if held else [word]
    return frozenset(found), tuple(strange)


def held_in(record: RecordSync | None, name: str) -> Hold | None:
    """Return what somebody left in a property of a record."""
    return record.fields.get(name, FieldSync()).hold if record else None


def _word(record: RecordSync | None, policy: Policy) -> str:
    """Return what a record's mode property says; nothing where it is empty, or says what we don't know."""
    hold = held_in(record, policy.mode_property) if record and not record.gone else None
    word = str(hold.value or "").strip().casefold() if hold else ""
    return word if word in (OFF, *Mode) else ""


def _over(record: DesiredRecord, words: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words that hold for a record: the contact's for all, a deal's for what is tied to it."""
    kinds = ("contact",) if record.kind == "contact" else _ALONE
    return tuple(words[kind] for kind in kinds if words.get(kind))


def _lowered(record: DesiredRecord, words: tuple[str, ...]) -> DesiredRecord:
    if OFF in words:
        return replace(record, muted=MUTED)
    bound = lowest(Mode.AUTO, *(Mode(word) for word in words))
    if bound is Mode.AUTO:
        return record
    fields = {name: replace(field, mode=lowest(field.mode, bound)) for name, field in record.fields.items()}
    return replace(record, fields=fields, mode=lowest(record.mode, bound))


def _words(text: object) -> list[str]:
    parts = str(text or "").casefold().replace(";", ",").replace("\n", ",").split(",")
    words = ["_".join(part.replace("-", " ").split()) for part in parts]
    return [word for word in words if word][:MAX_PINS]
