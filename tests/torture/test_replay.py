"""The replay itself: a trace is read as it happened, and the disk keeps what it must and no more than it may."""

from pathlib import Path
from random import Random

from tests.torture.disk import SECTOR, Disk
from tests.torture.trace import Answered, Flush, Name, Step, Write, read

BOOK = "/book/a"
TRACE = r"""
9 getpeername(5<{socket}>, {sa_family=AF_INET, sin_port=htons(999), sin_addr=inet_addr("127.0.0.1")}, [128 => 16]) = 0
7 openat(AT_FDCWD<{cwd}>, "{name}", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 4<{name}>
7 pwrite64(4<{name}>, "\x61\x62", 2, 0) = 2
7 fdatasync(4<{name}> <unfinished ...>
8 pwrite64(4<{name}>, "\x63", 1, 2 <unfinished ...>
9 write(5<{socket}>, "{answer}", 20) = 20
7 <... fdatasync resumed>) = 0
8 <... pwrite64 resumed>) = 1
7 unlink("{name}") = -1 ENOENT (No such file or directory)
"""


def kept(steps: list[Step], cuts: int = 200) -> set[bytes]:
    """Return all that was found in one file after so many cuts; None of it is an empty text."""
    disk, random = Disk(), Random(3)
    for step in steps:
        disk.take(step)
    return {disk.after_cut(random).get(BOOK, b"(gone)") for _ in range(cuts)}


def test_lines_that_overtake_each_other_are_put_together(tmp_path: Path) -> None:
    """A flush counts from its end and covers what had ended before it began; an answer counts from its beginning."""
    said = {"name": f"{tmp_path.resolve()}/a", "answer": "HTTP/1.1 202 Accepted", "cwd": "/", "socket": "socket:[77]"}
    text = TRACE
    for name, value in said.items():
        text = text.replace(f"{{{name}}}", "".join(f"\\x{byte:02x}" for byte in value.encode()))
    log = tmp_path / "trace"
    log.write_text(text)
    steps = read(log, tmp_path)
    assert [type(step) for step in steps] == [Name, Write, Write, Answered, Flush]
    first, second, flush = steps[1], steps[2], steps[4]
    assert isinstance(first, Write) and isinstance(second, Write) and isinstance(flush, Flush)
    assert first.ended < flush.began < second.ended
    assert steps[3] == Answered(999, "202")


def test_what_was_flushed_is_there_and_the_rest_may_be() -> None:
    """A flushed sector is in every image; one written since is in some, and never half of it."""
    old, new = b"o" * 2 * SECTOR, b"n" * 2 * SECTOR
    made: list[Step] = [Name(BOOK, "made", 0), Flush("/book", 1), Write(BOOK, 0, old, 2), Flush(BOOK, 3)]
    assert kept([*made]) == {old}
    halves = {old[:SECTOR] + old[:SECTOR], old[:SECTOR] + new[:SECTOR], new[:SECTOR] + old[:SECTOR], new}
    assert kept([*made, Write(BOOK, 0, new, 4)]) == halves


def test_a_flush_covers_only_what_had_ended_when_it_began() -> None:
    """A write that went on during a flush may be lost."""
    made: list[Step] = [Name(BOOK, "made", 0), Flush("/book", 1)]
    assert b"" in kept([*made, Write(BOOK, 0, b"x", 5), Flush(BOOK, 4)])


def test_a_name_is_safe_when_its_folder_is_flushed() -> None:
    """A file whose folder was not flushed may be gone, and one whose removal was not flushed may be back."""
    assert b"(gone)" in kept([Name(BOOK, "made", 0), Write(BOOK, 0, b"x", 1), Flush(BOOK, 2)])
    back: list[Step] = [
        Name(BOOK, "made", 0),
        Flush("/book", 1),
        Write(BOOK, 0, b"x", 2),
        Flush(BOOK, 3),
        Name(BOOK, "gone", 4),
    ]
    assert kept([*back]) == {b"x", b"(gone)"}
