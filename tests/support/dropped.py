"""Files for a watched folder, laid down as a program should that drops them there: written beside, then renamed.

A file that is written where it is to lie stands there empty until its writer gets its turn, and may be read so.
"""

from pathlib import Path


def drop(file: Path, content: str | bytes) -> None:
    """Lay a file down whole."""
    beside = file.with_name(f".{file.name}")
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    beside.rename(file)
