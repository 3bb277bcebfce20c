"""A disk whose power is cut: what was flushed is there, and of the rest whatever the disk happened to have written.

Sectors of 512 bytes are written or not, each by itself, in any order; a file that grew may have kept its old length or
any between. Names are made and taken away in order, and any number of the last changes may be lost until the folder is
flushed. What it doesn't model: sectors that are damaged rather than old, and a disk that lies about its flushes.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from random import Random

from tests.torture.trace import Answered, Flush, Name, Resize, Step, Write

SECTOR = 512


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Write | Resize] = field(default_factory=list)

    def flush(self, began: int) -> None:
        """Make durable what had ended when the flush began."""
        for change in self.pending:
            if change.ended <= began:
                _apply(self.durable, change)
        self.pending = [change for change in self.pending if change.ended > began]

    def now(self) -> bytes:
        """What programs read from it."""
        image = bytearray(self.durable)
        for change in self.pending:
            _apply(image, change)
        return bytes(image)

    def after_cut(self, share: float, random: Random) -> bytes:
        """What the disk holds of it; each sector is as new as it can be with a probability of `share`, else older."""
        image, kept = bytearray(self.durable), self._kept(share, random)
        for change in self.pending:
            if isinstance(change, Resize):
                if random.random() < share:
                    _apply(image, change)
                continue
            for start, part in _sectors(change):
                if kept[start // SECTOR] > 0:
                    kept[start // SECTOR] -= 1
                    _put(image, start, part)
        least = min(len(self.durable), len(image))
        if len(image) > least and random.random() < 0.25:
            del image[least + (random.randrange(len(image) - least) // SECTOR) * SECTOR :]
        return bytes(image)

    def _kept(self, share: float, random: Random) -> dict[int, int]:
        """How many of the changes of each sector came through: it is as some moment left it, never a mixture."""
        changes = Counter(start // SECTOR for c in self.pending if isinstance(c, Write) for start, _ in _sectors(c))
        return {at: many if random.random() < share else random.randrange(many) for at, many in changes.items()}


class Disk:
    """Takes a process's steps one by one; `after_cut` says what would be found if the power went now."""

    def __init__(self) -> None:
        self._now: dict[str, _File] = {}
        self._durable: dict[str, _File] = {}
        self._names: list[tuple[Name, _File | None]] = []

    def take(self, step: Step) -> None:
        """Do one step."""
        if isinstance(step, Name):
            self._name(step)
        elif isinstance(step, Flush):
            if step.path in self._now:
                self._now[step.path].flush(step.began)
            else:
                self._flush_names(step)
        elif not isinstance(step, Answered):
            self._now.setdefault(step.path, _File()).pending.append(step)

    def after_cut(self, random: Random) -> Mapping[str, bytes]:
        """Return the files by path, as they would be found; each call cuts the same instant anew."""
        share = random.choice((0.0, 1.0, 0.5, 0.9, 0.1, random.random()))
        names = dict(self._durable)
        for name, file in self._names[: random.randint(0, len(self._names))]:
            _rename(names, name, file)
        return {path: file.after_cut(share, random) for path, file in names.items()}

    def now(self) -> Mapping[str, bytes]:
        """Return the files by path as programs see them, flushed or not."""
        return {path: file.now() for path, file in self._now.items()}

    def _name(self, step: Name) -> None:
        if step.what == "made" and step.path in self._now:
            return  # it was opened, not made
        file = _File() if step.what == "made" else None
        _rename(self._now, step, file)
        self._names.append((step, file))

    def _flush_names(self, step: Flush) -> None:
        """Make the names in a folder durable; those in others wait."""
        left = []
        for name, file in self._names:
            if name.ended <= step.began and str(PurePosixPath(name.path).parent) == step.path:
                _rename(self._durable, name, file)
            else:
                left.append((name, file))
        self._names = left


def _rename(names: dict[str, _File], step: Name, file: _File | None) -> None:
    if file is None:
        names.pop(step.path, None)
    else:
        names[step.path] = file


def _apply(image: bytearray, change: Write | Resize) -> None:
    if isinstance(change, Write):
        _put(image, change.offset, change.data)
    elif change.size < len(image):
        del image[change.size :]
    else:
        image.extend(bytes(change.size - len(image)))


def _put(image: bytearray, start: int, data: bytes) -> None:
    if start > len(image):
        image.extend(bytes(start - len(image)))
    image[start : start + len(data)] = data


def _sectors(change: Write) -> list[tuple[int, bytes]]:
    """Cut a write where the disk's sectors end."""
    parts, start, end = [], change.offset, change.offset + len(change.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        parts.append((start, change.data[start - change.offset : stop - change.offset]))
        start = stop
    return parts
