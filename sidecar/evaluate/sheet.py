"""Labels as a sheet, so that a team can label in a spreadsheet: out of a data set, and back into one.

A line is one value of one field of one conversation: what it is, or (`is not`) what it must never be believed to be.
Several lines with values for the same field are values that are all accepted, the best one first; what is quoted stands
beside the number of the activity in which it is said. The conversation itself is shown on its first line and isn't read
back. Each field that has no label has an empty line to fill. Steps and the way through the stages stay as they were;
where a stage's label changes, its way is left out.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.errors import ConfigError
from sidecar.evaluate.cases import UNKNOWN
from sidecar.evaluate.written import read
from sidecar.files import write
from sidecar.markup.sheets import safe, unmarked
from sidecar.model import Policy

COLUMNS = ("case", "split", "field", "says", "value", "activity", "quote", "conversation")
IS, IS_NOT = "is", "is not"
MAX_BYTES = 64_000_000
MAX_SHOWN = 20_000
"""Characters of a conversation that are shown: a cell holds 32,767 in the usual spreadsheets."""


@dataclass(slots=True)
class _Labels:
    """What a sheet says of one conversation."""

    values: dict[str, list[str]] = field(default_factory=dict)
    quotes: dict[str, list[str]] = field(default_factory=dict)
    never: dict[str, list[str]] = field(default_factory=dict)


def exported(dataset: Path, policy: Policy) -> str:
    """Return a data set's labels as CSV."""
    out = io.StringIO()
    sheet = csv.writer(out)
    sheet.writerow(COLUMNS)
    fields = [name for name, given in policy.fields.items() if given.grounding == "quoted"]
    for found in read(dataset):
        for at, row in enumerate(_rows(found.data, fields)):
            told = _conversation(found.data) if at == 0 else ""
            sheet.writerow([safe(cell) for cell in (*row, told)])
    return out.getvalue()


def imported(dataset: Path, sheet: str, out: Path) -> int:
    """Write a data set with the labels of a sheet in place of its own; return how many conversations it labels.

    `ConfigError` names the line of a sheet that can't be read; what the labels say is for `dataset.load` to check.
    """
    told = _read(sheet)
    lines, known = [], set()
    for found in read(dataset):
        name = str(found.data.get("id", ""))
        known.add(name)
        lines.append(json.dumps(_labelled(found.data, told.get(name)), ensure_ascii=False, default=str))
    unknown = sorted(set(told) - known)
    if unknown:
        raise ConfigError(f"the sheet labels {unknown[0]!r}, and {dataset.name} holds no such conversation")
    write(out, "\n".join(lines) + "\n")
    return len(told)


def _rows(data: Mapping[str, Any], fields: Sequence[str]) -> Iterator[tuple[str, ...]]:
    head = str(data["id"]), str(data.get("split", ""))
    labels: Mapping[str, Any] = data.get("labels", {})
    for name, label in labels.items():
        values = [*label.get("any_of", []), *([label["value"]] if label.get("value") else [])]
        quotes = list(label.get("quotes", []))
        for at in range(max(len(values), len(quotes))):
            activity, _, quote = quotes[at].partition(": ") if at < len(quotes) else ("", "", "")
            yield (*head, name, IS, values[at] if at < len(values) else "", activity, quote)
    for name, values in data.get("never", {}).items():
        for value in values:
            yield (*head, name, IS_NOT, value, "", "")
    for name in fields:
        if name not in labels:
            yield (*head, name, IS, "", "", "")


def _conversation(data: Mapping[str, Any]) -> str:
    lines = []
    for number, activity in enumerate(data.get("activities", []), 1):
        who = activity.get("who") or activity.get("by", "")
        lines.append(f"{number}. {activity.get('at', '')} {who}: {str(activity.get('text', '')).strip()}")
    text = "\n".join(lines)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def _read(sheet: str) -> dict[str, _Labels]:
    if len(sheet) > MAX_BYTES:
        raise ConfigError("the sheet is too large")
    rows = csv.DictReader(io.StringIO(sheet.removeprefix("\ufeff")))
    missing = [name for name in COLUMNS[:1] + COLUMNS[2:7] if name not in (rows.fieldnames or ())]
    if missing:
        raise ConfigError(f"the sheet has no column {missing[0]!r}; `sidecar label export` writes one that has")
    told: dict[str, _Labels] = {}
    for row in rows:
        cells = {name: unmarked(row[name] or "").strip() for name in COLUMNS[:7] if name in row}
        try:
            _take(told.setdefault(cells["case"], _Labels()), cells)
        except ValueError as error:
            raise ConfigError(f"line {rows.line_num} of the sheet: {error}") from None
    return told


def _take(labels: _Labels, cells: Mapping[str, str]) -> None:
    name, value, says = cells["field"], cells["value"], cells["says"].casefold() or IS
    if not cells["case"] or not name:
        raise ValueError("it names no conversation or no field")
    if says not in (IS, IS_NOT):
        raise ValueError(f"{cells['says']!r} is neither {IS!r} nor {IS_NOT!r}")
    if says == IS_NOT:
        if value:
            labels.never.setdefault(name, []).append(value)
        return
    if value:
        labels.values.setdefault(name, []).append(value)
    if cells["quote"]:
        if not cells["activity"].isdecimal():
            raise ValueError("a quote stands beside the number of its activity")
        labels.quotes.setdefault(name, []).append(f"{cells['activity']}: {cells['quote']}")


def _labelled(data: Mapping[str, Any], told: _Labels | None) -> dict[str, Any]:
    if told is None:
        return dict(data)
    labels = {name: _label(values, told.quotes.get(name, [])) for name, values in told.values.items()}
    made = {**data, "labels": labels, "never": told.never}
    is_moved = _best(labels.get("stage")) != _best(data.get("labels", {}).get("stage"))
    if is_moved:
        made["path"] = []
    is_quoted = {name for name, label in labels.items() if label["quotes"]} | ({"stage"} if made.get("path") else set())
    if is_moved or any(name not in is_quoted and _best(label) != UNKNOWN for name, label in labels.items()):
        made["partial"] = True
    return made


def _label(values: Sequence[str], quotes: Sequence[str]) -> dict[str, Any]:
    told: dict[str, Any] = {"value": values[0]} if len(values) == 1 else {"any_of": list(values)}
    return {**told, "quotes": list(quotes)}


def _best(label: Mapping[str, Any] | None) -> str:
    """Return the value that a label holds first; none where there is no label."""
    values = [*label.get("any_of", []), label.get("value", "")] if label else [""]
    return str(values[0])
