"""Reads the log of a system-call trace: what a process wrote, flushed, named, and answered, in the order it happened.

The tracer sees one stop at a time, so its lines are in order even for many threads; a call that others overtook is
split into a line where it began and one where it ended. A write counts from where it began (its bytes may be on the
disk from then on), a flush from where it ended (only then can anybody rely on it) and covers what had ended before it
began; an answer counts from where it began, which is before the sender can have heard it. Each choice is the harder
one for the process.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "getpeername,openat,pwrite64,write,writev,sendto,sendmsg,ftruncate,fallocate,fdatasync,fsync,unlink,unlinkat,"
    "rename,renameat,renameat2,msync,pwritev,pwritev2,copy_file_range,sendfile,link,linkat"
)
TRACER = (
    "strace", "-f", "--seccomp-bpf", "-y", "-xx", "-qq", "-s", "100000000",
    "-e", "signal=none", "-e", f"trace={CALLS}",
)  # fmt: skip
_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
_DONE = re.compile(r"(.*)\) += (-?\d+)(?:<.*>)?(?: .*)?$", re.DOTALL)
_FD = re.compile(r"-?\d+<((?:[^<>]|<[^<>]*>|->)*)>(?:\(deleted\))?")
_HEX = re.compile(r"\\x([0-9a-f]{2})")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_PEER = re.compile(r"\{sa_family=AF_INET, sin_port=htons\((\d+)\)")


@dataclass(frozen=True)
class Write:
    """Bytes that were given to a file from an offset on; `ended` is the line from which a flush covers them."""

    path: str
    offset: int
    data: bytes
    ended: int


@dataclass(frozen=True)
class Resize:
    """A file was cut or stretched to a size."""

    path: str
    size: int
    ended: int


@dataclass(frozen=True)
class Flush:
    """A file, or a folder's names, were made durable as they had been when this began."""

    path: str
    began: int


@dataclass(frozen=True)
class Name:
    """A name came into being, or went, or is another file's from now on (`source`)."""

    path: str
    what: str
    ended: int
    source: str = ""


@dataclass(frozen=True)
class Answered:
    """An answer began to go out on the connection to a port."""

    port: int
    status: str


Step = Write | Resize | Flush | Name | Answered


@dataclass
class _Call:
    name: str
    arguments: str
    began: int
    ended: int = 0
    result: int = -1


def read(log: Path, folder: Path) -> Sequence[Step]:
    """Return what happened to the files of a folder, and what was answered to whom, each where it counts."""
    placed: list[tuple[int, Step]] = []
    peers: dict[str, int] = {}
    for call in _calls(log):
        if call.result < 0:
            continue
        socket = _socket(call)
        if socket and call.name == "getpeername":
            if peer := _PEER.search(call.arguments):
                peers[socket] = int(peer[1])
        elif socket:
            data = _data(call.arguments) if socket in peers else b""
            if data.startswith(b"HTTP/1.1 "):
                placed.append((call.began, Answered(peers[socket], data[9:12].decode())))
        else:
            placed += _steps(call, str(folder.resolve()))
    return [step for _, step in sorted(placed, key=lambda pair: pair[0])]


def _calls(log: Path) -> Iterator[_Call]:
    """Join the lines of each call."""
    open_calls: dict[tuple[str, str], _Call] = {}
    with log.open() as lines:
        for number, line in enumerate(lines):
            match = _LINE.match(line.rstrip("\n"))
            if match is None:
                continue
            process, resumed, begun, rest = match.groups()
            if resumed:
                call = open_calls.pop((process, resumed), None)
                if call is None:
                    continue
                call.arguments += rest
            else:
                call = _Call(begun, rest, number)
                if rest.endswith("<unfinished ...>"):
                    call.arguments = rest.removesuffix("<unfinished ...>").rstrip()
                    open_calls[process, begun] = call
                    continue
            if done := _DONE.match(call.arguments):
                call.arguments, call.result, call.ended = done[1], int(done[2]), number
                yield call
    for call in open_calls.values():  # the process died in it: its bytes may have come through
        if call.name in ("pwrite64", "write"):
            call.result, call.ended = len(_data(call.arguments)), 2**62
            yield call


def _socket(call: _Call) -> str:
    """The name of the socket that a call is about, which holds its inode; empty for anything else."""
    match = _FD.match(call.arguments)
    name = _text(match[1]) if match else ""
    return name if name.startswith("socket:") else ""


def _steps(call: _Call, folder: str) -> Iterator[tuple[int, Step]]:
    name, arguments = call.name, call.arguments
    if name in ("openat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat"):
        yield from _named(call, folder)
        return
    match = _FD.match(arguments)
    path = _text(match[1]) if match else ""
    if not path.startswith(folder) or (match and match[0].endswith("(deleted)")):
        return
    if name == "pwrite64":
        offset = int(arguments.rsplit(",", 1)[1])
        yield call.began, Write(path, offset, _data(arguments)[: call.result], call.ended)
    elif name == "ftruncate":
        yield call.began, Resize(path, int(arguments.rsplit(",", 1)[1]), call.ended)
    elif name in ("fdatasync", "fsync"):
        yield call.ended, Flush(path, call.began)
    elif not _is_aside(path):
        raise AssertionError(f"the replay doesn't know what {name} does to {Path(path).name}")


def _named(call: _Call, folder: str) -> Iterator[tuple[int, Step]]:
    paths = [path for path in map(_text, _STRING.findall(call.arguments)) if path.startswith(folder)]
    if not paths:
        return
    if call.name == "openat":
        if "O_CREAT" in call.arguments:
            yield call.began, Name(paths[0], "made", call.ended)
        if "O_TRUNC" in call.arguments:
            yield call.began, Resize(paths[0], 0, call.ended)
    elif call.name in ("unlink", "unlinkat"):
        yield call.began, Name(paths[0], "gone", call.ended)
    elif not _is_aside(paths[-1]):
        raise AssertionError(f"the replay doesn't know what {call.name} does to {Path(paths[-1]).name}")


def _is_aside(path: str) -> bool:
    """Logs of the torture itself are appended with `write`, and no part of what is replayed."""
    return Path(path).suffix in (".log", ".pid")


def _text(escaped: str) -> str:
    return _HEX.sub(lambda match: chr(int(match[1], 16)), escaped)


def _data(arguments: str) -> bytes:
    return b"".join(bytes.fromhex(part.replace("\\x", "")) for part in _STRING.findall(arguments))
