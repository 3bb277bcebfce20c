"""Where the access token may be kept between processes: a file that only its owner can read, if the operator names one.

Zoho gives ten access tokens in ten minutes, and each command of an operator, and each start of a server, needs one; so
whoever runs many of them lets them share it. The file holds nothing but what ends within the hour. One that others
could have written or read, that is another client's, or that can't be read is as good as none: a token is asked for.
"""

import json
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from adapters.http.options import safe

MAX_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Access:
    """A token, where it may be sent, and until when it holds."""

    token: str = field(repr=False)
    api: str
    until: datetime


class Shelf:
    """One file, or none."""

    def __init__(self, path: Path | None, mark: str) -> None:
        self._path, self._mark = path, mark

    def taken(self) -> Access | None:
        """Return the token that is kept, if it is ours."""
        if self._path is None:
            return None
        try:
            with self._path.open("rb") as file:
                told = os.fstat(file.fileno())
                if told.st_uid != os.getuid() or stat.S_IMODE(told.st_mode) & 0o077:
                    return None
                found = json.loads(file.read(MAX_BYTES))
            until = datetime.fromisoformat(found["until"])
            if found["mark"] != self._mark or until.tzinfo is None:
                return None
            return Access(str(found["token"]), safe(str(found["api"])), until)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def put(self, access: Access) -> None:
        """Keep a token; a folder that can't be written to keeps none."""
        if self._path is None:
            return
        text = json.dumps({**asdict(access), "until": access.until.isoformat(), "mark": self._mark})
        with suppress(OSError):
            made, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)  # readable by us alone
            try:
                with os.fdopen(made, "w") as file:
                    file.write(text)
                Path(name).replace(self._path)
            except OSError:
                Path(name).unlink(missing_ok=True)
