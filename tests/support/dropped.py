"""Files for a watched folder, laid down as a program should that drops them there: written beside, then renamed.

A file that is written where it is to lie stands there empty until its writer gets its turn, and may be read so.
"""

import os
from datetime import datetime
from pathlib import Path


def drop(file: Path, content: str | bytes, at: datetime | None = None) -> None:
    """Lay a file down whole, as one of a time if that is given."""
    beside = file.with_name(f".{file.name}")
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    if at:
        os.utime(beside, (at.timestamp(), at.timestamp()))
    beside.rename(file)
