"""Tuning a prompt by its page: an admin who has read nothing else edits, compares, adopts and goes back."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.houses import op, says
from tests.support.offices import Office

PAGE = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^\| `(sidecar [^`]*)` \|", PAGE, re.MULTILINE)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office into which one mail came."""
    office = Office(tmp_path).furnish([says("bicycle", op("intent", "buy", "bicycle"))])
    office.mail("Ann Lee <ann@x.test>", "I want to buy a bicycle.")
    return office


def _shell(office: Office, lines: str) -> str:
    """Do what a block of the page says, our commands and those that put a file in its place; return what they print."""
    told = ""
    for line in lines.strip().splitlines():
        command, _, file = line.partition(" > ")
        name, *words = shlex.split(command)
        if name == "sidecar":
            told = office.told(*words)
            if file:
                (office.base / file).write_text(told)
        elif name == "mkdir":
            (office.base / words[0]).mkdir()
        else:
            assert name == "mv"
            (office.base / words[0]).rename(office.base / words[1] / words[0])
    return told


def test_the_page_on_prompts_is_true(office: Office) -> None:
    """Its commands run as they are written there, and its field with the example is one; seen to fail with a typo."""
    (_, begin), (_, field), (_, config), (_, provision), (_, own) = BLOCKS
    _shell(office, begin)
    file = office.base / "prompts" / "relationship.md"
    office.run()
    former = office.data("prompts", "show", "relationship")
    assert file.read_text() == former["source"]
    file.write_text(re.sub(r"## field: budget\n.*", lambda _: field, former["source"], flags=re.DOTALL))
    office.config.write_text(office.config.read_text() + config)
    assert "contact.ai_need" in _shell(office, provision)
    office.config.write_text(office.config.read_text() + own)
    assert "contact.ai_pets" in office.told("provision")
    said = {command: office.told(*shlex.split(_of(command, former["sha256"]))[1:]) for command in COMMANDS}
    assert len(said) == 6
    assert "candidate" in said["sidecar prompts list"]
    assert "+We can do" not in said["sidecar prompts diff relationship"]
    assert "+text: We can do 400 EUR a month, but not more." in said["sidecar prompts diff relationship"]
    assert said["sidecar prompts show relationship --sha 1a2b3c"] == former["source"]
    assert office.data("prompts", "show", "relationship")["sha256"] == former["sha256"], "the last step goes back"
    assert "## field: need" in office.told("prompts", "packs", "bant")


def _of(command: str, sha256: str) -> str:
    return command.replace("1a2b3c", sha256[:6])
