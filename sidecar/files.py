"""Files of results: there whole or not at all, and for their owner's eyes.

What a command writes beside its answer (a report, where it is to go on) may hold what customers said, and may be cut
off by a power cut or a full disk. So it is written beside its place and moved there in one step.
"""

import os
import threading
from pathlib import Path

from sidecar.errors import ConfigError


def write(path: Path, text: str) -> None:
    """Write a text file that is there whole or not at all, readable by its owner."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(f"{path} can't be written ({error.strerror})") from None
