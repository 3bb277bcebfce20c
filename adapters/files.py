"""Reads the files that options name: text, bounded, and with an error that says which setting to mend."""

from pathlib import Path

from sidecar.errors import ConfigError


def read(path: Path, what: str, setting: str, max_bytes: int) -> str:
    """Return a file's text; `what` ("the file of prices") opens the `ConfigError` for any that can't be read."""
    try:
        with path.open("rb") as opened:
            raw = opened.read(max_bytes + 1)
        if len(raw) > max_bytes:
            raise ConfigError(f"{what} is over {max_bytes} bytes", setting=setting)
        return raw.decode()
    except OSError as error:
        raise ConfigError(f"{what} can't be read ({error.strerror})", setting=setting) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{what} is not UTF-8 text", setting=setting) from None
