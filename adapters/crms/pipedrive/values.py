"""Values as Pipedrive keeps them, and as we do. Pure; what a field can't hold is refused by name.

`to_vendor` and `from_vendor` are a pair. Pipedrive has no field type for a time or for yes and no: a time is a text in
a field whose name ends in `(UTC)`, a flag is a list with the options Yes and No.
"""

from collections.abc import Mapping
from typing import Any

from adapters.formats.canonical import an_option, checked, whole
from sidecar.model import Value
from sidecar.ports import FieldSpec

YES, NO = "Yes", "No"


def to_vendor(what: str, spec: FieldSpec, value: Value, options: Mapping[str, Any]) -> Any:
    """Return what Pipedrive is sent; None clears. `options` are its ids by label."""
    if value is None or value == "":
        return None
    if spec.type == "enum":
        return options[an_option(what, value, options)]
    kept = checked(what, spec, value)
    return options[YES if kept else NO] if spec.type == "bool" else kept


def from_vendor(type_: str, value: Any, options: Mapping[str, Any]) -> Value:
    """Return what a field holds; what isn't of its type is returned as a text, and nobody's guess."""
    if value is None or value == "":
        return None
    if type_ in ("enum", "bool"):
        labels = {str(ref): label for label, ref in options.items()}
        label = labels.get(str(value), str(value))
        return {YES: True, NO: False}.get(label, label) if type_ == "bool" else label
    if type_ == "number":
        return _a_number(value)
    if type_ == "date":
        return str(value)[:10]
    return str(value)


def _a_number(value: Any) -> Value:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return whole(number)
