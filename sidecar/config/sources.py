"""Where settings come from, first wins: the environment, the config file, packs, the defaults of stages and fields.

They are pydantic-settings' own sources, narrowed: the environment is the one that `load` was given rather than the
process's, and each source can leave out keys that were found wrong, so that one run finds what is wrong elsewhere too.
When the environment gives a section another `type`, the file's keys of that section belong to a sibling adapter: they
are left out, and named in `ignored`, so that one variable is enough to run a production config against the local CRM.
The three ways to name the journal's URL replace each other likewise.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, TomlConfigSettingsSource

from sidecar.config.packs import packs
from sidecar.config.sections import AdapterSection, ChannelSection, CrmSection, LlmSection, TranscriberSection

PREFIX = "SIDECAR_"
FILE_VARIABLE = "SIDECAR_CONFIG"
_JOURNAL_URLS = ("url", "url_env", "url_file")
_ADAPTERS: Mapping[str, type[AdapterSection]] = {
    "crm": CrmSection,
    "llm": LlmSection,
    "transcriber": TranscriberSection,
}

Keys = tuple[str, ...]


class Environment(EnvSettingsSource):
    """`SIDECAR_CRM__TYPE=local` is `crm.type`; lists are JSON or have commas; empty counts as not set."""

    def __init__(self, settings: type[BaseSettings], env: Mapping[str, str], without: Iterable[Keys] = ()) -> None:
        self._given = env
        self._without = tuple(without)
        super().__init__(settings, case_sensitive=False, env_prefix=PREFIX, env_nested_delimiter="__")

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._given.items() if value != ""}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        return _decoded(value)

    def __call__(self) -> dict[str, Any]:
        return pruned(_decoded(super().__call__()), self._without)


class File(TomlConfigSettingsSource):
    """The TOML file, without the keys of an adapter that the environment replaced."""

    def __init__(self, settings: type[BaseSettings], path: Path | None, without: Iterable[Keys] = ()) -> None:
        self.ignored: tuple[str, ...] = ()
        self._without = tuple(without)
        super().__init__(settings, toml_file=path)

    def __call__(self) -> dict[str, Any]:
        data = deepcopy(super().__call__())
        ignored = list(_of_siblings(data, self.current_state))
        self.ignored = tuple(".".join(path) for path in ignored)
        return pruned(data, (*ignored, *self._without))


class Defaults(InitSettingsSource):
    """The stages and fields of `defaults.toml`; of the stages only those that the config's own order still names."""

    def __init__(self, settings: type[BaseSettings]) -> None:
        super().__init__(settings, init_kwargs=default_tables())

    def __call__(self) -> dict[str, Any]:
        data = deepcopy(super().__call__())
        data["fields"] |= _packed(self.current_state.get("prompts"))
        stages = self.current_state.get("stages")
        order = stages.get("order") if isinstance(stages, dict) else None
        if isinstance(order, str):
            order = [name.strip() for name in order.split(",")]
        if isinstance(order, list | tuple):
            _keep_stages(data["stages"], [name for name in order if isinstance(name, str)])
        return data


def _packed(prompts: Any) -> dict[str, Any]:
    """Return the fields of the packs that the environment or the file takes up; `checks` names those that aren't."""
    named = prompts.get("packs") if isinstance(prompts, dict) else None
    named = [name.strip() for name in named.split(",")] if isinstance(named, str) else named
    known = packs()
    taken = [name for name in named if isinstance(name, str)] if isinstance(named, list | tuple) else []
    return {key: deepcopy(dict(t)) for name in taken if name in known for key, t in known[name].fields.items()}


def default_tables() -> dict[str, Any]:
    """Return the default stages and fields, as a config would write them."""
    return tomllib.loads((Path(__file__).parent / "defaults.toml").read_text(encoding="utf-8"))


def pruned(data: dict[str, Any], without: Iterable[Keys]) -> dict[str, Any]:
    """Return the data without the keys at these paths."""
    for path in without:
        table: Any = data
        for key in path[:-1]:
            table = table.get(key) if isinstance(table, dict) else None
        if path and isinstance(table, dict):
            table.pop(path[-1], None)
    return data


def _decoded(value: Any) -> Any:
    """Read lists and tables that were written as JSON; anything else stays as it is, for the models to judge."""
    if isinstance(value, dict):
        return {key: _decoded(inner) for key, inner in value.items()}
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _of_siblings(file: Mapping[str, Any], env: Mapping[str, Any]) -> Iterator[Keys]:
    journal, url = file.get("journal"), env.get("journal")
    if isinstance(journal, dict) and isinstance(url, dict) and set(_JOURNAL_URLS) & set(url):
        yield from (("journal", key) for key in _JOURNAL_URLS if key in journal)
    for section, model in _ADAPTERS.items():
        yield from _replaced((section,), model, file.get(section), env.get(section))
    channels, others = file.get("channels"), env.get("channels")
    if isinstance(channels, dict) and isinstance(others, dict):
        for name, table in channels.items():
            yield from _replaced(("channels", name), ChannelSection, table, others.get(name))


def _replaced(path: Keys, model: type[AdapterSection], file: Any, env: Any) -> Iterator[Keys]:
    if not isinstance(file, dict) or not isinstance(env, dict) or "type" not in env:
        return
    field = model.model_fields["type"]
    before = file.get("type", env["type"] if field.is_required() else field.default)
    if env["type"] != before:
        yield from ((*path, key) for key in file if key not in model.model_fields)


def _keep_stages(stages: dict[str, Any], order: Sequence[str]) -> None:
    for name in [name for name in stages if name != "order" and name not in order]:
        del stages[name]
    for name in [name for name in stages if name != "order"]:
        stages[name]["to"] = [to for to in stages[name].get("to", []) if to in order]
