"""Text from outside as it may stand in a cell of a sheet.

A spreadsheet runs a cell that begins like a formula, so such a cell is led by an apostrophe, as spreadsheets themselves
mark a text. `unmarked` takes it away again, so that a sheet which was written here reads back as it was.
"""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|")


def safe(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula, also one that is hidden behind blanks."""
    return f"'{text}" if _is_formula(text) else text


def unmarked(cell: str) -> str:
    """Return what a cell said before `safe`, letter for letter; any other apostrophe is its own."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell[1:]) else cell


def _is_formula(text: str) -> bool:
    """Say so also of one that is led by an apostrophe of its own, which would be lost on the way back."""
    text = text.lstrip("'")
    return text.lstrip(" \u00a0\ufeff").startswith(_FORMULA) or text.startswith(_FORMULA)
