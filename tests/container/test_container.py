"""The image, built from the Dockerfile's own lines and run without rights: it works, and writes to its volume alone.

No container engine is needed: `boxes` makes the file systems out of mounts, with this machine as the base image. So
what is not shown here is Debian's slim base itself, its Python 3.13, and the engine's own reading of HEALTHCHECK and
VOLUME.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.container.boxes import reason_against
from tests.container.dockerfile import read
from tests.container.image import Image, StepFailed, build, running
from tests.container.traces import tracer, written
from tests.support.ports import free_port
from tests.support.served import SECRET, Sidecar, until

ROOT = Path(__file__).parents[2]
ANY_USER = "1234567:0"
STOP_S = 30
CONFIG = """
[web]
port = {port}
admin_port = {admin_port}
[own]
domains = ["acme.test"]
[channels.web]
type = "webhook"
secret_file = "secrets/web"
[channels.drop]
type = "maildrop"
path = "data/drop"
transcripts = true
every_s = 1
settle_s = 0.1
[crm]
type = "local"
[crm.create]
contact = "auto"
[inference]
quiet_s = 0.1
[policy]
mode = "auto"
"""
MAIL = b"""From: Bea <bea@customer.test>\r\nTo: desk@acme.test\r\nSubject: Hello\r\nMessage-ID: <1@customer.test>\r
Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nCan I come on Thursday?\r\n"""


def test_hadolint_has_nothing_to_say() -> None:
    """The Dockerfile keeps hadolint's rules, none of them switched off; seen to fail with ADD for COPY."""
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    assert hadolint, "hadolint is one of the development tools"
    command = [
        hadolint,
        "--no-color",
        "--failure-threshold",
        "style",
        "--disable-ignore-pragma",
        str(ROOT / "Dockerfile"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_base_is_pinned() -> None:
    """No build takes whatever is newest; hadolint can't see it behind the argument. Seen to fail with `python`."""
    (base,) = [i.text for i in read(ROOT / "Dockerfile") if i.word == "ARG"]
    assert re.fullmatch(r"PYTHON=python:3\.1[123]-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base)
    assert {i.text.split()[0] for i in read(ROOT / "Dockerfile") if i.word == "FROM"} == {"${PYTHON}"}


def test_no_secret_and_no_address_is_built_in() -> None:
    """What an image says in its history is public: no secret is an argument or a variable of it."""
    said = [i for i in read(ROOT / "Dockerfile") if i.word in ("ARG", "ENV")]
    assert said
    for instruction in said:
        assert not re.search(r"(?i)token|secret|passw|_key|index.url", instruction.text), instruction.text


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The last stage, built once; its steps fetch packages from the index that pip is set up for."""
    if reason := reason_against():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("image")
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, timeout=60, check=False
    )
    caches = Path(asked.stdout.strip()) if asked.returncode == 0 else folder / "pip-cache"
    try:
        return build(ROOT / "Dockerfile", ROOT, folder, caches)
    except StepFailed as error:
        if "CI" not in os.environ and re.search("Connection|Temporary failure|No matching distribution", str(error)):
            pytest.skip("the package index can't be reached from here")
        raise


def test_what_the_image_says_about_itself(image: Image) -> None:
    """It runs as nobody in particular, without a shell before it, and is asked for its health by itself."""
    assert re.fullmatch(r"[1-9]\d{3,}:0", image.user), "numeric, so that a platform can see that it isn't root"
    assert (list(image.entrypoint), list(image.cmd)) == (["sidecar"], ["serve"])
    assert list(image.health) == ["sidecar", "healthcheck"]
    assert (list(image.volumes), image.stop_signal) == (["/data"], "SIGTERM")
    assert image.labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_what_is_in_the_image(image: Image) -> None:
    """It holds what runs, and nothing else: no pip, no test of ours, nothing that its user could change; compiled."""
    files = [path for path in image.box.at("/opt/sidecar").rglob("*") if not path.is_symlink()]
    packages = image.box.at("/opt/sidecar").rglob("site-packages/*")  # some bring tests of their own along
    installed = {path.name for path in packages} | {path.name for path in files if path.is_file()}
    assert not installed & {"pip", "hatchling", "pytest", "hypothesis", "bench", "config.toml", "test_container.py"}
    changeable = [path for path in files if path.stat().st_mode & 0o022 or path.stat().st_uid != os.geteuid()]
    assert not changeable, changeable[:5]
    sources = [p for p in files if p.suffix == ".py" and p.parent.parent.name == "site-packages"]
    bare = [p for p in sources if not list((p.parent / "__pycache__").glob(f"{p.stem}.*.pyc"))]
    assert sources and not bare, bare[:5]
    assert not image.box.at("/src").exists() and not image.box.at("/opt/tools").exists()


@dataclass
class Container:
    """What an operator hands to an engine: the image, a volume, a config, a secret in a file, a user of any number."""

    image: Image
    outside: Path
    user: str
    door: Sidecar

    @property
    def log(self) -> Path:
        """Where the engine keeps what the container says."""
        return self.outside / "log"

    @property
    def binds(self) -> Mapping[str, Path]:
        """What is mounted."""
        config, secrets = self.outside / "config.toml", self.outside / "secrets"
        return {"/data": self.outside / "data", "/config.toml:ro": config, "/secrets:ro": secrets}

    def command(self, *words: str, watched: Sequence[str] = ()) -> Sequence[str]:
        """Return the command that runs words in the container."""
        return running(self.image, self.binds, words, user=self.user, watched=watched)

    def run(self, *words: str, watched: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*words, watched=watched), capture_output=True, text=True, timeout=120, check=False
        )

    @contextmanager
    def serve(self, watched: Sequence[str] = ()) -> Iterator["Served"]:
        """Run what the image runs by default until the block ends."""
        command = self.command(*self.image.entrypoint, *self.image.cmd, watched=watched)
        with self.log.open("w") as log:
            process = subprocess.Popen(command, stderr=log)
        served = Served(process)
        try:
            until(lambda: "http_listening" in self.log.read_text() or process.poll() is not None, "the door to open")
            assert process.poll() is None, self.log.read_text()
            yield served
        finally:
            if process.poll() is None:
                served.signal(signal.SIGKILL)
                process.wait(STOP_S)


@dataclass
class Served:
    """The process that an engine would signal: the program itself, not who watches it."""

    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The program's own number, not that of who watches it."""
        pid = self.process.pid
        while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            pid = int(children[0])
        return pid

    def environment_owner(self) -> int:
        """Say whom the kernel lets read the program's environment, where its secrets may be."""
        return Path(f"/proc/{self.pid}/environ").stat().st_uid

    def signal(self, number: int) -> None:
        """Send a signal to the program."""
        os.kill(self.pid, number)

    def stop(self) -> int:
        """Ask it to stop as an engine does, and return how it ended."""
        self.signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Container:
    """A container of the image under a user that nobody has heard of."""
    port, admin_port = free_port(), free_port()
    (tmp_path / "config.toml").write_text(CONFIG.format(port=port, admin_port=admin_port))
    (tmp_path / "config.toml").chmod(0o644)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "drop").mkdir()
    for folder in ("data", "data/drop"):
        (tmp_path / folder).chmod(image.box.at("/data").stat().st_mode & 0o777)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "web").write_text(SECRET)
    (tmp_path / "secrets" / "web").chmod(0o440)
    return Container(image, tmp_path, ANY_USER, Sidecar(tmp_path, {}, port))


def test_it_works_for_any_user_and_writes_to_its_volume_alone(container: Container, tmp_path: Path) -> None:
    """A day in small, from mail and webhook to the CRM: nothing is written outside of /data, nor is it tried.

    Seen to fail with an image whose bytecode is missing and may be written.
    """
    trace = tmp_path / "trace"
    assert "All is well" in container.run("sidecar", "check").stdout
    before = container.image.box.state()
    assert container.run(*container.image.health).returncode == 1, "nobody listens yet"
    with container.serve(tracer(trace)) as served:
        assert container.door.post("web", _message("ann"), "m1") == 202
        _drop(container, "bea.eml", MAIL)
        until(lambda: {"ann@customer.test", "bea@customer.test"} <= _contacts(container), "the CRM to know both", 120)
        assert served.environment_owner() == 0, "its neighbours can't read its environment, not even as its own user"
        healthy = container.run(*container.image.health)
        assert healthy.returncode == 0, healthy.stderr
        assert served.stop() == 0, container.log.read_text()[-2_000:]
    backup = container.run("sidecar", "backup", "/data/copy.db")
    assert backup.returncode == 0, backup.stderr
    assert "are what they say" in container.run("sidecar", "verify").stdout
    assert container.image.box.state() == before
    assert {"journal.db", "crm.db", "copy.db"} <= {path.name for path in (tmp_path / "data").iterdir()}
    assert not [line for line in container.log.read_text().splitlines() if json.loads(line).get("level") == "error"]
    if trace.exists():
        tried = written(trace.read_text().splitlines(), container.image.box.folder / "mount")
        assert tried, "the trace must have seen the volume written"
        assert _elsewhere(tried) == set()


def test_the_watch_would_see_a_write_elsewhere(container: Container, tmp_path: Path) -> None:
    """The trace names what is written outside of the volume, and the root can't be written at all."""
    trace = tmp_path / "trace"
    if not tracer(trace):
        pytest.skip("there is no strace here")
    script = "echo x >/data/y; mkdir /opt/z || echo x >/opt/sidecar/z || exit 9"
    assert container.run("sh", "-c", script, watched=tracer(trace)).returncode == 9
    tried = written(trace.read_text().splitlines(), container.image.box.folder / "mount")
    assert _elsewhere(tried) == {"/opt/z", "/opt/sidecar/z"}
    assert (tmp_path / "data" / "y").exists()


def test_it_starts_without_rights(container: Container) -> None:
    """No capability is left, none can be had, and an unknown user number has no name: nothing asks for one."""
    said = container.run("cat", "/proc/self/status").stdout
    held = dict(re.findall(r"^(Cap\w+|NoNewPrivs|Uid):\s+(.*)$", said, flags=re.MULTILINE))
    assert held["Uid"].split() == ["1234567"] * 4 and held["NoNewPrivs"] == "1"
    assert {int(held[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {0}
    assert container.run("sidecar", "--version").returncode == 0


def test_without_a_config_it_says_what_is_missing(container: Container) -> None:
    """An operator who forgot to mount the config reads its path, not a traceback."""
    (container.outside / "empty").mkdir()
    command = running(container.image, {"/data": container.outside / "empty"}, ["sidecar", "serve"], user=ANY_USER)
    container.image.box.at("/config.toml").unlink(missing_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "/config.toml" in done.stderr and "Traceback" not in done.stderr


def _elsewhere(places: set[str]) -> set[str]:
    return {place for place in places if place != "/data" and not place.startswith("/data/")}


def _message(who: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    sender = {"external_id": who, "name": who, "email": f"{who}@customer.test", "role": "customer"}
    data = {"message_id": who, "conversation_id": who, "direction": "inbound", "sender": sender, "text": "Can I come?",
            "sent_at": now, "attachments": []}  # fmt: skip
    return {"type": "message.created", "timestamp": now, "data": data}


def _drop(container: Container, name: str, raw: bytes) -> None:
    """Put a file where the container's user may move it on, as whoever shares the volume's group does."""
    folder = container.outside / "data" / "drop"
    (folder / f".{name}").write_bytes(raw)
    (folder / f".{name}").chmod(0o660)
    (folder / f".{name}").rename(folder / name)


def _contacts(container: Container) -> set[str]:
    shown = container.run("sidecar", "ledger", "show", "--json")
    assert shown.returncode == 0, shown.stderr
    return {r["fields"].get("email", "") for r in json.loads(shown.stdout)["records"] if r["kind"] == "contact"}
