"""Reads secrets: from the environment, or from a file that not everybody can read; nothing here keeps or repeats one.

A config names where a secret is (`*_env`, `*_file`) and never holds it, so that it can be shown, copied and versioned.
The environment wins over the file, as it does for every setting. What stands there from an example or a template is no
secret, and is refused: everybody knows it.
"""

import re
import stat
from collections.abc import Mapping
from pathlib import Path

from sidecar.errors import ConfigError

MAX_SECRET_BYTES = 65_536
_PLAINLY_A_NAME = re.compile(r"(?=.{3,64}$)[A-Z][A-Z0-9]{0,20}(_[A-Z0-9]{1,20})+")
"""Shapes like HUBSPOT_TOKEN, which can be shown; anything else might be a secret, written in the wrong place."""


_PLACEHOLDER = re.compile(
    r"<[^>]*>|\$\{\w+\}|\$[A-Z_]{3,}|\{\{.*\}\}|.*\.\.\.|x{3,}|\*{3,}|(change|replace)[-_ ]?(me|this|it)"
    r"|(my|your)[-_ ].{0,40}(key|token|secret|password)([-_ ]here)?"
    r"|secret|password|passwort|token|api[-_ ]?key|todo|none|null|example|dummy|placeholder",
    re.IGNORECASE,
)


def read_secret(name: str | None, file: str | None, env: Mapping[str, str], base: Path) -> str:
    """Return the secret in the environment variable, else in the file; `ConfigError` when there is none."""
    if name and env.get(name, "").strip():
        return _real(env[name].strip(), f"the environment variable {_shown(name)}")
    if file:
        return _real(_read(base / file, base), "the secret's file")
    if name:
        raise ConfigError(f"the environment variable {_shown(name)} is not set; set it, or name a file instead")
    raise ConfigError("a secret is missing: name an environment variable or a file that holds it")


def _real(text: str, place: str) -> str:
    if _PLACEHOLDER.fullmatch(text):
        raise ConfigError(f"{place} holds an example or a placeholder; put the secret itself there")
    return text


def _shown(name: str) -> str:
    return name if _PLAINLY_A_NAME.fullmatch(name) else "that is named there"


def _read(path: Path, base: Path) -> str:
    try:
        with path.open("rb") as opened:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError("the secret's file is not a regular file")
            if status.st_mode & (stat.S_IROTH | stat.S_IWOTH):
                raise ConfigError(
                    "the secret's file can be read or changed by everybody; take that away with chmod o-rw"
                )
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
