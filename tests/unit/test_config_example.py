"""The example config names every setting, at its true default, and works as it is."""

import importlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import adapters
from sidecar.config import Settings, load
from sidecar.config.fields import FieldSection
from sidecar.config.sections import AdapterSection, ChannelSection, RouteSection, StageSection

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
ENV = dict.fromkeys(re.findall(r'(?m)^#?\w+_env = "(\w+)"', TEXT), "x")
SECTIONS = {
    "channels": adapters.CHANNELS,
    "crm": adapters.LEDGERS,
    "llm": adapters.LLMS,
    "transcriber": adapters.TRANSCRIBERS,
}
LEGENDS = ("channels", "stages", "fields")
TYPES = [(section, kind) for section, table in SECTIONS.items() for kind in table]


def _uncommented(text: str = TEXT) -> str:
    """Take the `#` from every setting that is no alternative."""
    return re.sub(r"^#(?!or )(?=\S| {4}\")", "", text, flags=re.MULTILINE)


def _alternatives(text: str) -> str:
    """Take `#or ` from the alternatives, and drop everything else."""
    return "\n".join(re.findall(r"^#or (.*)$", text, flags=re.MULTILINE))


def _example(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, ENV)


def test_the_example_works_as_it_is(tmp_path: Path) -> None:
    """A newcomer who copies the file has a config that starts, with safe defaults."""
    settings = _example(tmp_path, TEXT)
    assert settings.policy().mode == "shadow"
    assert settings.crm.type == "local"


def test_the_example_says_the_true_defaults(tmp_path: Path) -> None:
    """Every commented setting stands at its default; seen to fail with one threshold changed."""
    example, default = _example(tmp_path, _uncommented()), load(tmp_path / "empty.toml", {})
    for name in set(Settings.model_fields) - {"own_section", "channels", "route", "crm", "ops"}:
        assert getattr(example, name).__class__ is getattr(default, name).__class__
        assert _dumped(getattr(example, name)) == _dumped(getattr(default, name)), name
    assert example.crm.model_dump(exclude=set(example.crm.options)) == default.crm.model_dump()
    ways = set(adapters.NOTIFIERS)
    assert example.ops.model_dump(exclude=ways) == default.ops.model_dump(exclude=ways)
    (route,) = example.route
    assert route.model_dump(exclude={"name", "pipeline", "stages", "mode"}) == RouteSection(name="default").model_dump(
        exclude={"name", "pipeline", "stages", "mode"}
    )
    assert (example.own_section.default_region, example.own_section.timezone) == ("GB", "UTC")


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")


def _dumped(value: Any) -> Any:
    return {k: v.model_dump() for k, v in value.items()} if isinstance(value, dict) else value.model_dump()


def test_the_example_names_every_setting() -> None:
    """Nobody has to read code to learn what can be set; seen to fail with one line of [limits] taken out."""
    missing = [f"{section}.{key}" for section, model in _sections() for key in _keys(model) if not _names(section, key)]
    assert not missing


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield each section of the core's, as it is headed in the file."""
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield field.alias or name, kind
    yield from (
        ("channels", ChannelSection),
        ("route", RouteSection),
        ("stages", StageSection),
        ("fields", FieldSection),
    )


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _names(section: str, key: str) -> bool:
    """Say whether the section's part of the file has the key, as a setting, a table or a line of its legend."""
    whole = re.escape(section)
    parts = re.findall(rf"(?ms)^#?\[+{whole}[.\]].*?(?=^#?\[+(?!{whole}[.\]])|\Z)", TEXT)
    setting = re.compile(rf"^(#|#or )?{key} = |^#?\[+{whole}\.{key}\]", re.MULTILINE)
    in_legend = section in LEGENDS and re.search(rf"^#   {key}\s{{2,}}\S", TEXT, re.MULTILINE)
    return bool(in_legend) or any(setting.search(part) for part in parts)


@pytest.mark.parametrize(("section", "kind"), TYPES)
def test_the_example_names_every_setting_of_an_adapter(section: str, kind: str) -> None:
    """Each adapter's own settings stand in the file, at their defaults; seen to fail with one key taken out."""
    module, _, name = SECTIONS[section][kind].partition(":")
    if not find_spec(module):
        pytest.skip(f"{module} is announced and not written yet")
    options: type[BaseModel] = getattr(importlib.import_module(module), name).Options
    shown = _shown(section, kind)
    core = ChannelSection if section == "channels" else _core(section)
    wrong = [key for key in _keys(options) if key not in shown and key not in core.model_fields]
    assert not wrong, f"{section} {kind} lacks {wrong}"
    unknown = [key for key in shown if key not in _keys(options) and key not in core.model_fields]
    assert not unknown, f"{section} {kind} has no {unknown}"
    checked = options.model_validate({key: value for key, value in shown.items() if key in options.model_fields})
    for key in set(shown) & set(options.model_fields):
        default = options.model_fields[key].get_default(call_default_factory=True)
        if default is not PydanticUndefined and default is not None:
            assert getattr(checked, key) == default, f"{section} {kind} {key}"


@pytest.mark.parametrize("kind", adapters.NOTIFIERS)
def test_the_example_names_every_setting_of_a_notifier(kind: str) -> None:
    """Each way to be told stands in the file, with its defaults; seen to fail with one key taken out."""
    module, _, name = adapters.NOTIFIERS[kind].partition(":")
    options: type[BaseModel] = getattr(importlib.import_module(module), name).Options
    (table,) = re.findall(rf"(?ms)^#\[ops\.{kind}\].*?(?=^#?\[|\Z)", TEXT)
    shown = tomllib.loads(_uncommented(table))["ops"][kind]
    others = tomllib.loads(_alternatives(table))
    assert set(_keys(options)) == set(shown) | set(others)
    checked = options.model_validate(shown)
    for key, field in options.model_fields.items():
        if field.default not in (PydanticUndefined, None):
            assert getattr(checked, key) == field.default, key


def _core(section: str) -> type[AdapterSection]:
    kind = Settings.model_fields[section].annotation
    assert isinstance(kind, type)
    assert issubclass(kind, AdapterSection)
    return kind


def _shown(section: str, kind: str) -> Mapping[str, Any]:
    """Return what the file shows of an adapter: the table of its type, and the alternatives in it."""
    for part in re.split(r"(?m)^(?=#?\[)", TEXT):
        if not re.match(rf"#?\[{section}[.\]]", part):
            continue
        _, *blocks = re.split(r'(?m)^(?=(?:#|#or )?type = ")', part)
        for block in blocks:
            if not re.match(rf'(#|#or )?type = "{kind}"', block):
                continue
            plain = tomllib.loads(_uncommented(block))
            return {**plain, **tomllib.loads(_alternatives(block))}
    raise AssertionError(f"no [{section}] of type {kind!r} is shown")
