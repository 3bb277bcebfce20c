"""Reads secrets: from the environment, or from a file that not everybody can read; nothing here keeps or repeats one.

A config names where a secret is (`*_env`, `*_file`) and never holds it, so that it can be shown, copied and versioned.
The environment wins over the file, as it does for every setting.
"""

import re
import stat
from collections.abc import Mapping
from pathlib import Path

from sidecar.errors import ConfigError

MAX_SECRET_BYTES = 65_536
_PLAINLY_A_NAME = re.compile(r"(?=.{3,64}$)[A-Z][A-Z0-9]{0,20}(_[A-Z0-9]{1,20})+")
"""Shapes like HUBSPOT_TOKEN, which can be shown; anything else might be a secret, written in the wrong place."""


def read_secret(name: str | None, file: str | None, env: Mapping[str, str], base: Path) -> str:
    """Return the secret in the environment variable, else in the file; `ConfigError` when there is none."""
    if name and env.get(name, "").strip():
        return env[name].strip()
    if file:
        return _read(base / file, base)
    if name:
        raise ConfigError(f"the environment variable {_shown(name)} is not set; set it, or name a file instead")
    raise ConfigError("a secret is missing: name an environment variable or a file that holds it")


def _shown(name: str) -> str:
    return name if _PLAINLY_A_NAME.fullmatch(name) else "that is named there"


def _read(path: Path, base: Path) -> str:
    try:
        with path.open("rb") as opened:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError("the secret's file is not a regular file")
            if status.st_mode & stat.S_IROTH:
                raise ConfigError("the secret's file can be read by everybody; take that away with chmod o-r")
            raw = opened.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        problem = error.strerror or "it can't be opened"
        raise ConfigError(f"the secret's file can't be read ({problem}); its path counts from {base}") from None
    if len(raw) > MAX_SECRET_BYTES:
        raise ConfigError(f"the secret's file is larger than {MAX_SECRET_BYTES} bytes")
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        raise ConfigError("the secret's file is not UTF-8 text") from None
    if not text:
        raise ConfigError("the secret's file is empty")
    return text
