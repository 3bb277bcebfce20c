"""Folders that look like a whole machine to whoever runs in them, made of mounts that end with the process.

Stands in for a container engine where there is none. This machine's own system and its Python play the base image:
they lie below, as the lower layer of an overlay, so that what a step writes is kept apart and this machine is never
touched. Needs Linux, `unshare`, and the right to make mounts; `reason_against` says what is missing.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

LINKS = ("bin", "lib", "lib32", "lib64", "sbin")
DEVICES = ("null", "zero", "full", "random", "urandom")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENTER = 'cd "$0" && exec "$@"'
STEP_S = 300


def unshared() -> Sequence[str]:
    """Return the command that begins a namespace of mounts; without root it brings users of its own."""
    return ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-rm", "--map-auto")


@cache
def reason_against() -> str:
    """Say why no box can be made here; empty when one can."""
    if sys.platform != "linux" or not all(shutil.which(tool) for tool in ("unshare", "setpriv", "chroot")):
        return "needs Linux with unshare, setpriv and chroot"
    tried = subprocess.run(
        [*unshared(), "sh", "-ec", "mount -t tmpfs none /mnt; setpriv --reuid 12345 --regid 0 --clear-groups true"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return f"namespaces are not allowed here: {tried.stderr.strip()}" if tried.returncode else ""


def base_folders() -> Sequence[Path]:
    """Return the folders of this machine that play the base image: its system, and the Python that runs this."""
    tops = [Path("/") / name for name in LINKS]
    folders = [Path("/usr"), Path("/etc"), *(top for top in tops if top.is_dir() and not top.is_symlink())]
    prefix = Path(sys.base_prefix).resolve()
    return folders if any(prefix.is_relative_to(folder) for folder in folders) else [*folders, prefix]


@dataclass
class Box:
    """One file system: `tree` holds what was put there, `layers` what was written over this machine's folders."""

    folder: Path
    under: Sequence[Path] = field(default_factory=base_folders)

    def __post_init__(self) -> None:
        for part in ("tree", "layers", "work", "mount"):
            (self.folder / part).mkdir(parents=True)
        for name in LINKS:
            host = Path("/") / name
            if host.is_symlink():
                (self.tree / name).symlink_to(host.readlink())
        for name in ("dev/shm", "proc", "tmp", "root"):
            (self.tree / name).mkdir(parents=True)
        (self.tree / "tmp").chmod(0o1777)
        for device in DEVICES:
            (self.tree / "dev" / device).touch()
        for number, lower in enumerate(self.under):
            (self.folder / "layers" / str(number)).mkdir()
            (self.folder / "work" / str(number)).mkdir()
            self.at(str(lower)).mkdir(parents=True, exist_ok=True)
        self._name_python()

    @property
    def tree(self) -> Path:
        """The folder that becomes the root."""
        return self.folder / "tree"

    def at(self, path: str) -> Path:
        """Return where a path of the box lies outside; not for what lies in a layer."""
        return self.tree / path.lstrip("/")

    def command(
        self,
        inner: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        binds: Mapping[str, Path],
        *,
        read_only: bool,
        watched: Sequence[str] = (),
    ) -> Sequence[str]:
        """Return the command that runs `inner` in the box, `watched` by another command that stays outside.

        `binds` are files and folders of outside by their path in the box, read-only with `:ro` behind it.
        """
        mount = shlex.quote(str(self.folder / "mount"))
        lines = [f"mount --bind {shlex.quote(str(self.tree))} {mount}"]
        for number, lower in enumerate(self.under):
            upper, work = (self.folder / part / str(number) for part in ("layers", "work"))
            layers = f"lowerdir={upper}:{lower}" if read_only else f"lowerdir={lower},upperdir={upper},workdir={work}"
            lines.append(f"mount -t overlay overlay -o {shlex.quote(layers)} {mount}{lower}")
        lines += [f"mount --bind /dev/{device} {mount}/dev/{device}" for device in DEVICES]
        lines += [f"mount -t tmpfs none {mount}/dev/shm", f"mount --rbind /proc {mount}/proc"]
        if read_only:
            lines.append(f"mount -o remount,bind,ro {mount}")
        for inside, outside in binds.items():
            path, _, mode = inside.partition(":")
            lines.append(f"mount --bind {shlex.quote(str(outside))} {mount}{path}")
            if mode == "ro":
                lines.append(f"mount -o remount,bind,ro {mount}{path}")
        whole = ["env", "-i", *(f"{name}={value}" for name, value in env.items()), *inner]
        lines.append(f"exec {_quoted(watched)} chroot {mount} sh -c {shlex.quote(ENTER)} {_quoted([cwd, *whole])}")
        return [*unshared(), "sh", "-euc", "\n".join(lines)]

    def state(self) -> Mapping[str, tuple[int, int, int]]:
        """Return what lies in the box, each with its size and times, to see whether anything was written."""
        found = {}
        for top in (self.tree, self.folder / "layers"):
            for path in (top, *top.rglob("*")):
                status = path.lstat()
                found[str(path.relative_to(self.folder))] = (status.st_size, status.st_mtime_ns, status.st_mode)
        return found

    def _name_python(self) -> None:
        """Give this machine's Python the name by which the base image calls its own."""
        prefix = Path(sys.base_prefix)
        if not (prefix / "bin" / "python").exists():
            number = next(i for i, lower in enumerate(self.under) if prefix.is_relative_to(lower))
            place = self.folder / "layers" / str(number) / prefix.relative_to(self.under[number]) / "bin"
            place.mkdir(parents=True)
            (place / "python").symlink_to(f"python{sys.version_info[0]}.{sys.version_info[1]}")


def base_env() -> dict[str, str]:
    """Return the environment of a base image."""
    return {"PATH": f"{sys.base_prefix}/bin:{PATH}", "HOME": "/root", "LANG": "C.UTF-8"}


def index_env() -> dict[str, str]:
    """Return what this machine needs to reach its package index: no part of any image."""
    wanted = ("PIP_", "SSL_CERT", "REQUESTS_CA")
    return {n: v for n, v in os.environ.items() if n.startswith(wanted) or n.lower().endswith("_proxy")}


def _quoted(words: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))
