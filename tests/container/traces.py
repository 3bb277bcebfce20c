"""Reads what a program asked of the file system from a trace of its system calls: which places it tried to write to."""

import posixpath
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

CALLS = (
    "open", "openat", "openat2", "creat", "mkdir", "mkdirat", "mknod", "mknodat", "rename", "renameat", "renameat2",
    "unlink", "unlinkat", "rmdir", "link", "linkat", "symlink", "symlinkat", "truncate", "chmod", "fchmodat",
    "fchmodat2", "chown", "lchown", "fchownat", "utimensat", "setxattr", "lsetxattr",
)  # fmt: skip
_CALL = re.compile(r"^\d+\s+(\w+)\((.*)")
_OPENS = {"open", "openat", "openat2", "creat"}
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")
_PLACE = re.compile(r'(?:AT_FDCWD(?:<(?P<cwd>[^>]*)>)?, |\d+<(?P<folder>[^>]*)>, )?"(?P<path>(?:[^"\\]|\\.)*)"')
_IDLE = ("/dev/null", "/dev/tty")


def tracer(file: Path) -> Sequence[str]:
    """Return the command before a command that writes such a trace; empty where there is no strace.

    The `?` lets it pass over calls that this architecture, or this strace, doesn't have.
    """
    if not shutil.which("strace"):
        return ()
    calls = ",".join(f"?{call}" for call in CALLS)
    options = ("-f", "--seccomp-bpf", "-qq", "-y", "-s", "4096", "-e", f"trace={calls}", "-e", "signal=none")
    return ("strace", *options, "-o", str(file))


def written(lines: Sequence[str], root: Path) -> set[str]:
    """Return the places that were to be written, tried in vain or not, as paths under `root`, the traced one's root."""
    return {place for line in lines for place in _places(line, str(root)) if place not in _IDLE}


def _places(line: str, root: str) -> Iterator[str]:
    found = _CALL.match(line)
    if not found or found[1] not in CALLS:
        return
    if found[1] in _OPENS and found[1] != "creat" and not _WRITES.search(found[2]):
        return
    places = list(_PLACE.finditer(found[2]))
    if found[1] in ("symlink", "symlinkat"):
        places = places[1:]  # what a link says is no place
    for place in places:
        folder = (place["cwd"] or place["folder"] or "").removeprefix(root) or "/"
        yield posixpath.normpath(posixpath.join(folder, place["path"]))
