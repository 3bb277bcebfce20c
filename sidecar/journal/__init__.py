"""The journal: our append-only book of every fact that was captured, inferred or decided, with its causes.

The only SQL of the core lives in this folder, and nothing above it knows which database the book is in. From the door
inwards: `book` (the Journal), `writer` and `page` (group commit), `projections`, `reader`, `shelves` and `gauges`
(queries), `work` and `owners` (what is due, and who does it), `database` and `schema` (SQLite or PostgreSQL),
`tables`, `codec`, `entry`; `backup`, `soundness` and `export` take it out and back. The book promises that what it
acknowledged is durable, that nothing in it changes, and that it can be read.
"""

from sidecar.journal.backup import Manifest, backup, restore
from sidecar.journal.book import Journal
from sidecar.journal.entry import (
    CursorSet,
    Entry,
    Finish,
    IdentifierTaken,
    JournalFailed,
    Overtaken,
    Pause,
    Receipt,
    RecordTaken,
    Touch,
    Written,
)
from sidecar.journal.export import export
from sidecar.journal.traffic import BEGUN

__all__ = [
    "BEGUN",
    "CursorSet",
    "Entry",
    "Finish",
    "IdentifierTaken",
    "Journal",
    "JournalFailed",
    "Manifest",
    "Overtaken",
    "Pause",
    "Receipt",
    "RecordTaken",
    "Touch",
    "Written",
    "backup",
    "export",
    "restore",
]
