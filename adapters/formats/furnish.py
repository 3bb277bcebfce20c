"""What a field that is there lacks of what is wanted of it, and whether it may be given it. Pure.

Options are added to fields of ours alone: a list that people made is theirs, in each CRM. The trade-off: who wants to
write a value that such a list doesn't have is told before anything is made, and adds it by hand.
"""

from sidecar.errors import ConfigError
from sidecar.ports import FieldSpec


def lacked(kind: str, held: FieldSpec, wanted: FieldSpec) -> tuple[str, ...]:
    """Return the options to add to a field that is there; `ConfigError` where it isn't ours to change."""
    missing = tuple(option for option in dict.fromkeys(wanted.options) if option not in held.options)
    if missing and not held.ours:
        raise ConfigError(f"{kind}.{wanted.name} is not ours to change: it lacks {', '.join(missing)}")
    return missing
