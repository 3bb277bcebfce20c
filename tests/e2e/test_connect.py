"""`sidecar connect` and `disconnect` as a person uses them: codes, browsers, and what stands in the way."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.support.authorities import KEY, OTHER_KEY
from tests.support.ports import free_port
from tests.support.served import Sidecar, sidecar, until
from tests.twins.gmail import GmailTwin
from tests.twins.graph import GraphTwin

OFFICE = """
[tokens]
key_env = "TOKENS_KEY"
[channels.office]
type = "microsoft365_mail"
auth = "delegated"
mailbox = "{twin.mailbox}"
tenant = "{twin.tenant}"
client_id = "{twin.client_id}"
login_url = "{twin.url}"
graph_url = "{twin.url}"
max_wait_s = 0
"""
MAIL = """
[tokens]
key_env = "TOKENS_KEY"
[channels.mail]
type = "gmail"
mailbox = "{twin.mailbox}"
client_id = "{twin.authority.client_id}"
base_url = "{twin.url}"
accounts_url = "{twin.url}"
token_url = "{twin.url}"
certs_url = "{twin.url}"
max_wait_s = 0
[channels.drop]
type = "maildrop"
path = "."
"""


@contextmanager
def running(box: Sidecar, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a command that waits for a person."""
    command = [sys.executable, "-m", "sidecar", "--config", str(box.folder / "config.toml"), *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=dict(box.env), cwd=box.folder, text=True, stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_code_from_another_screen_lets_a_channel_in(tmp_path: Path) -> None:
    """A machine without a browser shows a page and a code, waits as the provider asks, and names the mailbox."""
    with GraphTwin() as twin:
        twin.authority.interval_s = 1
        box = sidecar(tmp_path, OFFICE.format(twin=twin), {"TOKENS_KEY": KEY})
        with running(box, "connect", "office", "--json") as process:
            assert process.stdout and process.stderr
            shown = json.loads(process.stdout.readline())
            until(lambda: any(device.asked for device in twin.authority.devices.values()), "the first question")
            twin.authority.types(shown["code"])
            out, trouble = process.communicate(timeout=60)
            assert process.returncode == 0, trouble
        assert json.loads(out)["account"].casefold() == twin.mailbox
        assert box.json("disconnect", "office") == {
            "channel": "office", "revoked": False, "forgotten": True, "problem": None,
        }  # fmt: skip


def test_a_browser_that_comes_back_lets_a_channel_in(tmp_path: Path) -> None:
    """With --listen nothing is pasted; and once the key is lost, connecting anew is all that it takes."""
    with GmailTwin() as twin:
        for key in (KEY, OTHER_KEY):
            box = sidecar(tmp_path, MAIL.format(twin=twin), {"TOKENS_KEY": key})
            assert _connected(box, twin)["account"] == twin.mailbox
        box = sidecar(tmp_path, MAIL.format(twin=twin), {"TOKENS_KEY": OTHER_KEY})
        assert not [f for f in box.json("check")["findings"] if f["part"] == "channel mail" and f["problem"]]


def test_a_person_at_a_terminal_is_told_what_to_do(tmp_path: Path) -> None:
    """What a person reads names the address and what happens next; a wrong paste is asked for again."""
    with GmailTwin() as twin:
        box = sidecar(tmp_path, MAIL.format(twin=twin), {"TOKENS_KEY": KEY})
        with running(box, "connect", "mail") as process:
            assert process.stdin and process.stdout and process.stderr
            lines: list[str] = []
            while "paste it here" not in "".join(lines):
                lines.append(process.stderr.readline())
                assert lines[-1], lines
            back = twin.authority.visit(next(line.strip() for line in lines if line.strip().startswith(twin.url)))
            out, told = process.communicate(f"what?\n{back}\n", timeout=60)
            assert process.returncode == 0, told
        assert out.strip() == f"mail is connected to {twin.mailbox}."
        assert "copy the whole address" in " ".join(lines) and "from the newest page" in told


def test_what_stands_in_the_way_is_said_before_anybody_is_sent_anywhere(tmp_path: Path) -> None:
    """A missing key, a channel that isn't there or needs nobody, and an empty input each end with what to do."""
    with GmailTwin() as twin:
        for config, name, expect, words in (
            (MAIL.replace("[tokens]", "").replace('key_env = "TOKENS_KEY"', ""), "mail", 2, "openssl rand -base64 32"),
            (MAIL, "nail", 1, "configured are mail, drop"),
            (MAIL, "drop", 1, "needs no consent"),
            (MAIL, "mail", 1, "nobody pasted an address"),
        ):
            box = sidecar(tmp_path, config.format(twin=twin), {"TOKENS_KEY": KEY})
            with running(box, "connect", name) as process:
                out, told = process.communicate("", timeout=60)
                assert process.returncode == expect, told
            assert words in told and not out
        assert twin.calls("token") == 0


def _connected(box: Sidecar, twin: GmailTwin) -> dict[str, Any]:
    """Connect with a browser that comes back to a port; return what the command says at its end."""
    with running(box, "connect", "mail", "--listen", str(free_port()), "--json") as process:
        assert process.stdout and process.stderr
        back = twin.authority.visit(json.loads(process.stdout.readline())["open"])
        until(lambda: _opens(back), "the browser to be heard")
        out, trouble = process.communicate(timeout=60)
        assert process.returncode == 0, trouble
    return json.loads(out)


def _opens(address: str) -> bool:
    try:
        return httpx2.get(address, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False
