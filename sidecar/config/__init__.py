"""One TOML file and the environment become Settings, or a list of everything that is wrong with them.

A sidecar that starts with a misread setting writes wrong things into somebody's CRM, so nothing is guessed: an unknown
key, a missing secret, a stage without a place in the CRM refuses to start. All problems are reported at once, each with
its dotted key and what would be right, and no value is ever repeated, because it might be a secret.

It may not know a vendor's key (`validate_options` lets `app` ask the adapter), open a connection, or import a stage.
The trade-off: some mistakes, such as a mailbox that doesn't exist, are found by `sidecar check` and not here.

`sections` names every setting, `sources` reads them, `checks` compares them, `problems` says what is wrong, `settings`
makes the stages' nouns of them, `secret` reads what is not written in a config.
"""

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from sidecar.config.checks import Given, check
from sidecar.config.hours import Hours
from sidecar.config.packs import packs
from sidecar.config.problems import Problem, as_error, misspelt, place, problems_of, validate_options
from sidecar.config.secret import read_secret
from sidecar.config.sections import WebSection
from sidecar.config.settings import Settings, free_mail
from sidecar.config.sources import FILE_VARIABLE, PREFIX, Defaults, Environment, File, Keys, default_tables
from sidecar.errors import ConfigError

__all__ = [
    "Hours",
    "Problem",
    "Settings",
    "examine",
    "free_mail",
    "load",
    "read_secret",
    "validate_options",
    "web_section",
]

DEFAULT_FILE = "config.toml"
MAX_FILE_BYTES = 1_048_576
MAX_PASSES = 5


def load(path: Path | None, env: Mapping[str, str], *, secrets: bool = True) -> Settings:
    """Return the settings of a config file under an environment; `ConfigError` names all that is wrong, a line each.

    Without a path, SIDECAR_CONFIG names the file; without that, it is `config.toml` here, which may be absent. Without
    `secrets` nobody asks whether they are there: whoever needs one finds out.
    """
    settings, problems = examine(path, env, secrets=secrets)
    if problems or settings is None:
        raise as_error(problems)
    return settings


def examine(
    path: Path | None, env: Mapping[str, str], *, secrets: bool = True
) -> tuple[Settings | None, list[Problem]]:
    """Return the settings without what is wrong in them, where that leaves any, and all that is wrong.

    Only for looking further: nothing may be started on settings that have problems.
    """
    file = _file(path, env)
    written = _read(file) if file else {}
    base = (file.parent if file else Path()).resolve()
    named = _named_secrets(written, env)
    known = {name: value for name, value in env.items() if name.upper().startswith(PREFIX) and name not in named}
    settings, problems = _build(file, {name: value for name, value in known.items() if name.upper() != FILE_VARIABLE})
    problems += _unknown_names(known)
    if settings:
        settings._env, settings._base, settings._file = env, base, file
        broken = frozenset(problem.key.split(".")[0] for problem in problems)
        problems += check(Given(settings, written, env, base), broken, secrets=secrets)
    return settings, sorted({_with_variable(problem, env) for problem in problems})


def web_section(path: Path | None, env: Mapping[str, str]) -> WebSection:
    """Return where a server of this config listens, and read nothing else of it."""

    class Web(BaseSettings):
        web: WebSection

    file = _file(path, env)
    written = _read(file).get("web", {}) if file else {}
    given = Environment(Web, env)().get("web", {})
    try:
        return WebSection.model_validate({**written, **given})
    except (ValidationError, TypeError):
        raise ConfigError("can't be read; `sidecar check` says why", setting="web") from None


def _file(path: Path | None, env: Mapping[str, str]) -> Path | None:
    if path is not None or env.get(FILE_VARIABLE):
        file = path or Path(env[FILE_VARIABLE])
        if not file.is_file():
            raise ConfigError(f"there is no such config file: {file}", setting=None if path else FILE_VARIABLE)
        return file
    default = Path(DEFAULT_FILE)
    return default if default.is_file() else None


def _read(file: Path) -> dict[str, Any]:
    try:
        raw = file.read_bytes() if file.stat().st_size <= MAX_FILE_BYTES else b""
        if not raw and file.stat().st_size:
            raise ConfigError(f"{file} is larger than {MAX_FILE_BYTES} bytes")
        return tomllib.loads(raw.decode())
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None


def _build(file: Path | None, env: Mapping[str, str]) -> tuple[Settings | None, list[Problem]]:
    """Build the settings; keys that are wrong are left out and tried without, so that the rest can be checked."""
    problems: list[Problem] = []
    without: set[Keys] = set()
    for _ in range(MAX_PASSES):
        source = _Sources(file, env, without)
        try:
            settings = source.settings()
        except ValidationError as error:
            problems += map(_of_new_field, problems_of(error, Settings))
            fresh = {_wrong(detail["loc"]) for detail in error.errors(include_input=False, include_url=False)}
            if fresh <= without:
                break
            without |= fresh
        else:
            settings._ignored = source.ignored
            return settings, problems
    return None, problems


class _Sources:
    """The sources of one attempt, which pydantic-settings merges: environment over file over defaults."""

    def __init__(self, file: Path | None, env: Mapping[str, str], without: set[Keys]) -> None:
        self._file, self._env, self._without = file, env, without
        self.ignored: tuple[str, ...] = ()

    def settings(self) -> Settings:
        read: list[File] = []

        class Sourced(Settings):
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,
                file_secret_settings: PydanticBaseSettingsSource,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                read.append(File(settings_cls, self._file, self._without))
                return Environment(settings_cls, self._env, self._without), read[0], Defaults(settings_cls)

        settings = Sourced()
        self.ignored = read[0].ignored
        return settings


def _wrong(loc: tuple[str | int, ...]) -> Keys:
    """Return the path to leave out: what exists of an error's place up to the first list, and an unknown key itself."""
    known, _, rest = place(Settings, loc)
    keys: list[str] = []
    for part in (*known, *rest[:1]):
        if isinstance(part, int):
            break
        keys.append(part)
    return tuple(keys)


def _named_secrets(written: Mapping[str, Any], env: Mapping[str, str]) -> set[str]:
    """Return the environment variables that settings name as secrets, which may begin like settings themselves."""
    in_env = {value for name, value in env.items() if name.startswith(PREFIX) and name.endswith("_ENV")}
    return {value for key, value in _leaves(written) if key.endswith("_env")} | in_env


def _leaves(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        elif isinstance(value, str):
            yield key, value


def _unknown_names(names: Mapping[str, str]) -> list[Problem]:
    """Find environment variables that look like settings and are none: a misspelt one would be overlooked for ever."""
    known = [field.alias or name for name, field in Settings.model_fields.items()]
    sections = {name: name[len(PREFIX) :].lower().split("__")[0] for name in names if name.upper() != FILE_VARIABLE}
    return [Problem(name, misspelt(word, known, "section")) for name, word in sections.items() if word not in known]


def _of_new_field(problem: Problem) -> Problem:
    """Say which field was probably meant, where one that nobody knows isn't told whole."""
    section, _, rest = problem.key.partition(".")
    name, _, key = rest.rpartition(".")
    if (section, key, problem.text) != ("fields", "class", "is required"):
        return problem
    if pack := next((pack.name for pack in packs().values() if name in pack.fields), ""):
        return Problem(problem.key, f'is required; or take up the pack that has this field: prompts.packs = ["{pack}"]')
    near = get_close_matches(name, default_tables()["fields"], n=1)
    return Problem(problem.key, f"is required of a new field; did you mean fields.{near[0]}?") if near else problem


def _with_variable(problem: Problem, env: Mapping[str, str]) -> Problem:
    name = PREFIX + problem.key.upper().replace(".", "__")
    return Problem(problem.key, f"{problem.text} (set by {name})") if env.get(name) else problem
