"""Values: what a field may hold, as its type holds it, and how a field that holds several takes one more.

A closed list of several (risks) is one text, its values in the order of the config and joined by `; `, because that is
what every CRM can keep. One claim adds to it or takes away, so that each of its values rests on words of its own; what
a person put there in other words stays.
"""

from datetime import date

from sidecar.model import SEVERAL, FieldPolicy, Value

JOINT = "; "


def canonical(value: Value, field: FieldPolicy) -> Value:
    """Return the value as the field's type holds it, or None when it doesn't fit."""
    if value is None:
        return None
    text = str(value).strip()
    if field.type == SEVERAL:
        found = [_listed(item, field) for item in items(text)]
        return None if None in found else joined([item for item in found if item], field) or None
    if field.values:
        return _listed(text, field)
    if field.type == "number":
        return _number(text)
    if field.type == "bool":
        return {"true": True, "yes": True, "false": False, "no": False}.get(text.casefold())
    if field.type == "date":
        return day(text)
    if field.type == "text":
        text = " ".join(text.split())  # a second line would look like a field of its own
    return text[: field.max_chars] or None


def taken_in(op: str, value: Value, held: Value, field: FieldPolicy) -> Value:
    """Return what a field holds once a claim is believed: its value, or of several those that stood and it together.

    `value` is canonical; a `clear` takes the values that it names, and all of them where it names none.
    """
    if field.type != SEVERAL:
        return None if op == "clear" else value
    stood, said = items(held), items(value)
    if op == "clear":
        return joined([item for item in stood if item not in said], field) or None if said else None
    return joined([*stood, *(item for item in said if item not in stood)], field) or None


def items(value: Value) -> list[str]:
    """Return the values of a list of several."""
    return [item.strip() for item in str(value or "").split(JOINT.strip()) if item.strip()]


def joined(values: list[str], field: FieldPolicy) -> str:
    """Return several values as one text, in the order of the config, each once, what is in no list at the end."""
    known = [value for value in field.values if value in values]
    return JOINT.join([*known, *dict.fromkeys(value for value in values if value not in known)])


def day(text: str) -> str | None:
    """Return the day that an ISO date or time begins with, or None."""
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        return None


def _listed(text: str, field: FieldPolicy) -> str | None:
    wanted = {text.casefold(), text.casefold().replace(" ", "_")}
    return next((value for value in field.values if value.casefold() in wanted), None)


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(" ", ""))
    except ValueError:
        return None
    return number if number == number and abs(number) < 1e15 else None
