"""The reports that were kept, by id and by what they tried: who adopts a prompt can name what it was seen to do."""

import json
from pathlib import Path

from sidecar.errors import PermanentError
from sidecar.replay.report import Report, from_data

FOLDER, REPORT, PAGE = "data/replays", "report.json", "report.html"
MAX_BYTES = 64 * 1024 * 1024


def kept(folder: Path, report_id: str) -> Report:
    """Return a report by its id; `PermanentError` for one that isn't there."""
    file = folder / report_id / REPORT
    if not report_id.isalnum() or not file.is_file():
        raise PermanentError(f"there is no report {report_id!r} in {folder}: sidecar replay makes them")
    if file.stat().st_size > MAX_BYTES:
        raise PermanentError(f"{file} is larger than any report")
    try:
        return from_data(json.loads(file.read_text(encoding="utf-8")))
    except ValueError:
        raise PermanentError(f"{file} is no report: replay it again") from None


def latest(folder: Path, name: str, sha256: str) -> Report | None:
    """Return the newest report that tried this very text of a prompt; None where there is none."""
    found = []
    for file in sorted(folder.glob(f"*/{REPORT}")):
        try:
            report = kept(folder, file.parent.name)
        except PermanentError:
            continue  # another version's, or damaged: it proves nothing
        if tried(report, name, sha256):
            found.append(report)
    return max(found, key=lambda report: report.at, default=None)


def tried(report: Report, name: str, sha256: str) -> bool:
    """Say whether a report is about this very text of a prompt, and about another than what was in force."""
    return report.new.prompts.get(name) == sha256 != report.was.prompts.get(name)
