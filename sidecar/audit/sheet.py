"""The counts for spreadsheets: one line for each field and owner, nothing summed, so that sums can be checked.

Field labels and addresses come from the CRM, where others write them, so no cell may be taken for a formula.
"""

import csv
import io

from sidecar.audit.figures import SOURCES, Words
from sidecar.audit.state import Count, State
from sidecar.markup.sheets import safe


def csv_text(state: State, words: Words) -> str:
    """Return the sheet, with a head line."""
    out = io.StringIO()
    sheet = csv.writer(out)
    measures = [f"{what}_{source}" for what in ("values", "edits", "standing") for source in SOURCES]
    sheet.writerow(["kind", "field", "label", "ai_owned", "owner", "team", *measures])
    for kind, by_field in state.cells.items():
        for name, by_owner in by_field.items():
            known = state.fields[kind][name]
            for owner, counts in by_owner.items():
                held = [counts.get(source, Count()) for source in SOURCES]
                texts = (kind, name, known.label, str(known.ours).lower(), words.owner(owner), words.team(owner))
                figures = (*(c.values for c in held), *(c.days for c in held), *(c.standing for c in held))
                sheet.writerow([*map(safe, texts), *figures])
    return out.getvalue()
