"""The README tells the truth: about the adapters, about the settings, about the commands, and where its links lead."""

import re
from pathlib import Path

import pytest

import adapters
from sidecar.config import load, validate_options
from tests.support.readme import README, kept, table

TEXT = README.read_text()
COMMAND = re.compile(r"(?:\.venv/bin/)?sidecar (?:--dry-run |--config \S+ )*([a-z]+).*")
SECRETS = {"MAIL_PASSWORD": "x", "WEB_SECRET": "whsec_" + "c" * 43 + "=", "ANTHROPIC_API_KEY": "x"}


def test_the_table_of_abilities_is_what_adapters_declare() -> None:
    """A changed declaration changes the README; `python -m tests.support.readme` writes it; seen to fail without."""
    assert kept(TEXT) == table()


def test_the_config_that_is_shown_is_valid(tmp_path: Path) -> None:
    """Whoever copies the example gets a config that loads, and options that its adapters take."""
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "config.toml").write_text(block)
    settings = load(tmp_path / "config.toml", SECRETS)
    for name, channel in settings.channels.items():
        cls = adapters.load(adapters.CHANNELS, channel.type)
        validate_options(cls.Options, f"channels.{name}", channel.options)
    model = adapters.load(adapters.LLMS, settings.llm.type)
    validate_options(model.Options, "llm", settings.llm.options)


def test_every_command_that_is_shown_exists() -> None:
    """No command is promised that the command line doesn't have."""
    import typer

    from sidecar.cli import app

    known = set(getattr(typer.main.get_command(app), "commands", {}))
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))
    shown = {found[1] for span in spans if (found := COMMAND.fullmatch(span))}
    assert shown - known == set()
    assert len(shown) > 10


@pytest.mark.parametrize("file", [README, README.parent / "CHANGELOG.md"], ids=lambda file: file.name)
def test_every_link_leads_somewhere(file: Path) -> None:
    """A relative link names a file that is there."""
    links = re.findall(r"\]\((?!https?://)([^)#]+)", file.read_text())
    assert [link for link in links if not (README.parent / link).exists()] == []
