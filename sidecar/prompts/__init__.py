"""Prompts: Markdown that admins tune becomes Prompts, or an error that names the file and the line.

What a prompt says decides what is read out of people's words, so a broken one refuses to load, and an edited one is
only a candidate until somebody adopts it: `live` keeps the adopted text in force beside the file on disk. Who remembers
what was adopted is the journal's business; here it is only read and compared. `reading` knows what a file looks like,
`fields` what stands in it about one field.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from sidecar.errors import ConfigError
from sidecar.model import Prompt
from sidecar.prompts.reading import MAX_CHARS, canonical, fault, parse

__all__ = ["MAX_CHARS", "MAX_FILES", "canonical", "examine", "folder", "live", "load", "parse"]

MAX_FILES = 100


def load(folder: Path, fields: Collection[str] | None = None, needed: Collection[str] = ()) -> Mapping[str, Prompt]:
    """Return the prompts of a folder by name; `fields` and `needed` as for `parse`."""
    prompts, broken = examine(folder, fields, needed)
    for error in broken.values():
        raise error
    return prompts


def examine(
    folder: Path, fields: Collection[str] | None = None, needed: Collection[str] = ()
) -> tuple[Mapping[str, Prompt], Mapping[str, ConfigError]]:
    """Return the prompts of a folder, and what is wrong with each of its files that is broken, by the file's name."""
    if not folder.is_dir():
        raise ConfigError(f"there is no such folder of prompts: {folder}")
    files = sorted(folder.glob("*.md"))
    if not files or len(files) > MAX_FILES:
        raise ConfigError(f"{folder} holds {len(files)} prompts (*.md); 1 to {MAX_FILES} are expected")
    prompts: dict[str, Prompt] = {}
    broken: dict[str, ConfigError] = {}
    for file in files:
        try:
            prompts[file.stem] = _load(file, f"{folder.name}/{file.name}", fields, needed)
        except ConfigError as error:
            broken[file.stem] = error
    return prompts, broken


def folder(base: Path) -> Path:
    """Return where prompts are: beside the config file, else those that come along."""
    packaged = Path(__file__).parents[1] / "_prompts"
    beside = (base / "prompts", packaged, Path(__file__).parents[2] / "prompts")
    return next((place for place in beside if place.is_dir()), packaged)


def live(
    on_disk: Mapping[str, Prompt], adopted: Mapping[str, tuple[str, str]]
) -> tuple[Mapping[str, Prompt], Mapping[str, Prompt]]:
    """Return the prompts in force and the candidates, given the adopted ones as name -> (sha256, source).

    A prompt that was never adopted before is in force at once, for somebody has to be the first; the caller then stores
    it as adopted. An adopted prompt stays in force while its file is edited, broken or gone.
    """
    in_force = {name: prompt for name, prompt in on_disk.items() if name not in adopted}
    candidates = {}
    for name, (sha, source) in adopted.items():
        prompt = parse(source, f"adopted prompt {name}")
        if prompt.sha256 != sha or prompt.name != name:
            raise ConfigError(f"the adopted prompt {name} is not the text that was adopted; adopt it anew")
        in_force[name] = prompt
        if name in on_disk and on_disk[name].sha256 != sha:
            candidates[name] = on_disk[name]
    return in_force, candidates


def _load(file: Path, source: str, fields: Collection[str] | None, needed: Collection[str]) -> Prompt:
    prompt = parse(_read(file, source), source, fields, needed)
    if prompt.name != file.stem:
        raise fault(source, 1, f"its name is the file's: write name = {file.stem!r}, or rename the file")
    return prompt


def _read(file: Path, source: str) -> str:
    try:
        if file.stat().st_size > 4 * MAX_CHARS:
            raise fault(source, 1, f"a prompt has {MAX_CHARS} characters at most")
        return file.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{source} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise fault(source, file.read_bytes()[: error.start].count(b"\n") + 1, "this is not UTF-8 text") from None
