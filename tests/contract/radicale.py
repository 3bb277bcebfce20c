"""A real CalDAV server for tests: Radicale in a process of its own, with one user."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port

USER, PASSWORD = "rep", "long-password-5d1"
START_TRIES, TRY_S = 800, 0.05
CONFIG = """[server]
hosts = 127.0.0.1:{port}
[auth]
type = htpasswd
htpasswd_filename = {base}/users
htpasswd_encryption = plain
delay = 0
[storage]
filesystem_folder = {base}/collections
[logging]
level = error
"""


@contextmanager
def radicale(base: Path) -> Iterator[str]:
    """Run a Radicale with its files in a folder and give its address."""
    port = free_port()
    (base / "users").write_text(f"{USER}:{PASSWORD}\n")
    (base / "config").write_text(CONFIG.format(port=port, base=base))
    command = [sys.executable, "-m", "radicale", "--config", str(base / "config")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(40)


def _await(port: int) -> None:
    pause = threading.Event()
    for _ in range(START_TRIES):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(TRY_S)
    raise AssertionError("Radicale didn't come up")
