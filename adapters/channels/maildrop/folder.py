"""A watched folder, read with suspicion: names are data, links are not followed, and half-written files wait.

Whoever can drop a file may also swap it for a link or go on writing it. So each file is opened relative to the open
folder, without following links and without blocking, and it counts only if it is the same file before and after it
was read. It is settled once its time lies `settle_s` away, on either side, lest a wrong clock hold it back for good.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from sidecar.errors import ConfigError, TemporaryError

FILES_MAX = 10_000
CHUNK_BYTES = 1 << 20
EMPTY_S = 60.0
META_SUFFIX = ".meta.toml"
UNFINISHED = (".part", ".tmp", ".partial", ".filepart", ".crdownload", "~")


class Unreadable(Exception):
    """A file that is there and can't be taken; the text says why, for whoever dropped it."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file as it was listed; `name` is as the file system gave it, perhaps no valid text."""

    name: str
    size_bytes: int
    mtime_ns: int
    inode: int
    is_plain: bool

    @property
    def shown(self) -> str:
        """The name as text that can be stored."""
        return os.fsencode(self.name).decode("utf-8", "backslashreplace")

    @property
    def suffix(self) -> str:
        """The suffix in lower case, with its dot."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def stamp(self) -> tuple[int, int]:
        """What changes when the file does."""
        return self.size_bytes, self.mtime_ns

    def is_settled(self, now: datetime, settle_s: float) -> bool:
        """Say whether nobody has written to it for so long; whoever begins an empty file is going to."""
        quiet_s = settle_s if self.size_bytes or not self.is_plain else max(settle_s, EMPTY_S)
        return abs(now.timestamp() - self.mtime_ns / 1e9) >= quiet_s


@contextmanager
def open_folder(path: Path, setting: str) -> Iterator["Folder"]:
    """Open the folder; `ConfigError` on `setting` when it isn't there or may not be read."""
    with _named(path, setting):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Folder(handle, path, setting)
    finally:
        os.close(handle)


class Folder:
    """An open folder."""

    def __init__(self, handle: int, path: Path, setting: str) -> None:
        self._handle = handle
        self._path = path
        self._setting = setting

    def dropped(self) -> Sequence[Dropped]:
        """List what was dropped, oldest first; subfolders, dot-files and unfinished files are not."""
        found: list[Dropped] = []
        with _named(self._path, self._setting), os.scandir(self._handle) as entries:
            for entry in entries:
                if len(found) == FILES_MAX:
                    break  # the rest comes when these have been moved away
                if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # taken away since it was listed
                if not stat.S_ISDIR(status.st_mode):
                    found.append(_dropped(entry.name, status))
        return sorted(found, key=lambda file: (file.mtime_ns, file.name))

    def read(self, file: Dropped, size_max: int) -> bytes | None:
        """Return a file's bytes; None when it is gone or has changed since it was listed. Raises Unreadable."""
        if not file.is_plain:
            raise Unreadable("no plain file: links, pipes and devices are not read")
        if file.size_bytes > size_max:
            raise Unreadable(f"file of {file.size_bytes} bytes; at most {size_max} are read")
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            handle = os.open(file.name, flags, dir_fd=self._handle)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreadable(f"can't be opened: {type(error).__name__}") from None
        with os.fdopen(handle, "rb") as opened:
            if _dropped(file.name, os.fstat(handle)) != file:
                return None
            data = opened.read(size_max + 1)
            return data if _dropped(file.name, os.fstat(handle)) == file and len(data) == file.size_bytes else None

    def move(self, file: Dropped, into: str) -> None:
        """Move a file into a subfolder, under another name if its own is taken; one that has changed stays."""
        with _named(self._path, self._setting):
            try:
                if _dropped(file.name, os.stat(file.name, dir_fd=self._handle, follow_symlinks=False)) != file:
                    return
            except FileNotFoundError:
                return
            try:
                os.mkdir(into, dir_fd=self._handle)
            except FileExistsError:
                pass  # from the last time; that it is a folder, and no link to one, the next line makes sure
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                target = os.open(into, flags, dir_fd=self._handle)
            except NotADirectoryError:
                raise ConfigError(f"{into} in {self._path} must be a plain folder", setting=self._setting) from None
            try:
                name = self._free_name(target, file.name)
                os.rename(file.name, name, src_dir_fd=self._handle, dst_dir_fd=target)
            finally:
                os.close(target)

    def try_to_write(self) -> None:
        """Raise `ConfigError` unless files can be moved within the folder."""
        if not os.access(self._path, os.W_OK | os.X_OK):
            raise ConfigError(f"files can't be moved within {self._path}; or set keep = true", setting=self._setting)

    def _free_name(self, target: int, name: str) -> str:
        path = PurePosixPath(name)
        for number in range(1, FILES_MAX):
            free = name if number == 1 else f"{path.stem}~{number}{path.suffix}"
            try:
                os.stat(free, dir_fd=target, follow_symlinks=False)
            except FileNotFoundError:
                return free
        raise ConfigError("the folder of read files is full of one name; empty it", setting=self._setting)


def _dropped(name: str, status: os.stat_result) -> Dropped:
    return Dropped(name, status.st_size, status.st_mtime_ns, status.st_ino, stat.S_ISREG(status.st_mode))


@contextmanager
def _named(path: Path, setting: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"there is no folder {path}", setting=setting) from None
    except PermissionError:
        raise ConfigError(f"{path} may not be read, or its files not be moved", setting=setting) from None
    except OSError as error:
        raise TemporaryError(f"{path} can't be read just now: {type(error).__name__}") from None
