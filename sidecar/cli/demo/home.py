"""The demo's own folder: everything that it writes lies in there, and nothing else is ever deleted.

A run starts afresh, so it throws the last one away. It does so only where it finds the mark that it left itself, for a
folder called "data" may hold anything.
"""

import base64
import os
import secrets
import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from sidecar.errors import ConfigError, PermanentError

CONFIG = "config.toml"
MARK = ".made-by-sidecar-demo"
INSTALLED_DAYS_AGO = 30


def afresh(folder: Path, env: Mapping[str, str], now: datetime) -> Path:
    """Throw the last run away, make what a first start needs, and return the config; `now` is the demo's present."""
    from sidecar.app.beginnings import begin
    from sidecar.config import load
    from sidecar.journal import Journal

    config, data = folder / CONFIG, folder / "data"
    if not config.is_file():
        raise ConfigError(f"there is no {config}: run the demo where the repository is, or name --folder")
    _emptied(data)
    data.mkdir(mode=0o700, exist_ok=True)
    (data / MARK).write_text("Written by `sidecar demo`, which deletes this folder when it is run again.\n")
    for name in ("web", "booking"):
        _secret(data / f"{name}.secret")
    settings = load(config, env)
    for section in settings.channels.values():
        if path := section.options.get("path"):
            (settings.base / path).mkdir(mode=0o700, parents=True)
    # A channel is live from its first start, and whoever was quiet before it raises no alarm. So the demo's book is
    # opened once some weeks ago; else nobody in it could have fallen silent.
    long_ago = now - timedelta(days=INSTALLED_DAYS_AGO)
    with Journal.open(settings.journal_url(), base=settings.base, clock=lambda: long_ago) as journal:
        begin(journal, settings.channels)
    return config


def _emptied(data: Path) -> None:
    if data.is_symlink():
        raise PermanentError(f"{data} is a link to somewhere else; nothing was deleted. Remove it and try again")
    if not data.exists() or not any(data.iterdir()):
        return
    if not (data / MARK).is_file():
        raise PermanentError(f"{data} holds what this demo didn't write; nothing was deleted. Move it and try again")
    shutil.rmtree(data)


def _secret(path: Path) -> None:
    """Make a secret to sign webhooks with, readable by its owner alone."""
    text = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
