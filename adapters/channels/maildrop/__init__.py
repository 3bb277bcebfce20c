"""A watched folder: mails, mailboxes, calendars and call transcripts that somebody, or some tool, drops as files.

The way in for everything that has no API: exports, scanners, telephone systems that write files. A file is read once
nobody has written to it for `settle_s`, and after its deliveries are durable it is moved to `done/`; one that can't be
taken at all (unknown kind, too large, a link) is a delivery with a fault, and goes to `refused/`, so that nothing
is skipped in silence. With `keep = true` nothing is moved, and the cursor remembers which files have been read.

An .mbox yields a delivery for each mail. It is moved when its last one is durable, so a crash in the middle repeats it,
which the deliveries' hashes make harmless. A `From` line in a file proves nothing, so no mail here is authenticated;
who speaks in a transcript is told by its header or a `.meta.toml` beside it (see `meta` and `calls`). Transcripts are
left where they are, unread, until `transcripts` says that they may be read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from adapters.channels.maildrop.calls import call_activity
from adapters.channels.maildrop.folder import FILES_MAX, META_SUFFIX, Dropped, open_folder
from adapters.channels.maildrop.reading import CALENDAR, TRANSCRIPTS, Item, Limits, meta_of, read_file
from adapters.formats.calendar_activity import entry_activities, mail_activities
from adapters.formats.mime import MAIL_BYTES_MAX, parse_mail
from sidecar.errors import ConfigError, PermanentError, SidecarError, UnsupportedFeature
from sidecar.model import Activity, Delivery
from sidecar.ports import (
    Captured,
    ChannelCapabilities,
    Context,
    Extent,
    HookRequest,
    KnownKeys,
    PollBatch,
    nothing_known,
)

DONE, REFUSED = "done", "refused"
BATCH_BYTES = 32 * 1024 * 1024
KEPT_MAX = 2_000

Kept = dict[str, list[int]]


class MaildropOptions(BaseModel):
    """Settings of one watched folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    path: str = Field(min_length=1, description="The folder; a relative path begins at the config file's folder")
    every_s: float = Field(10.0, ge=1, le=86_400, description="Seconds from one look to the next")
    settle_s: float = Field(2.0, ge=0, le=3_600, description="Seconds without a write until a file counts as whole")
    transcripts: bool = Field(
        False, description="Whether what is said in calls may be read and kept; off until you know that it may"
    )
    keep: bool = Field(False, description="Leave files where they are instead of moving them to done/")
    trusted_speakers: bool = Field(False, description="Whether a speaker's name is proof that a declared agent spoke")
    batch_size: int = Field(50, ge=1, le=500, description="Deliveries that are made durable together")
    max_file_bytes: int = Field(MAIL_BYTES_MAX, ge=1_000, le=MAIL_BYTES_MAX)
    max_mbox_bytes: int = Field(100 * 1024 * 1024, ge=1_000, le=1024 * 1024 * 1024)


@dataclass
class _Gathered:
    """Deliveries until a batch is full, and the files that end among them: as (file, where it goes)."""

    captured: list[Captured] = field(default_factory=list)
    size_bytes: int = 0
    ended: list[tuple[Dropped, str]] = field(default_factory=list)

    def takes(self, item: Item, batch_size: int) -> bool:
        """Say whether there is room for one more."""
        fits = len(self.captured) < batch_size and self.size_bytes + len(item.captured.raw) <= BATCH_BYTES
        return fits or not self.captured

    def add(self, item: Item, file: Dropped) -> None:
        """Take one more in."""
        self.captured.append(item.captured)
        self.size_bytes += len(item.captured.raw)
        if item.is_last:
            self.ended.append((file, REFUSED if item.is_refused else DONE))


class MaildropChannel:
    """Polls one folder."""

    Options = MaildropOptions
    capabilities = ChannelCapabilities(poll=True, census=True)

    def __init__(self, name: str, options: MaildropOptions, context: Context) -> None:
        self.name = name
        self.options = options
        self._path = Path(context.base, options.path)
        self.source = options.path if options.keep else ""  # what is moved away needs no cursor
        self._own = context.own
        self._clock = context.clock
        self._limits = Limits(options.max_file_bytes, options.max_mbox_bytes)
        self._setting = f"channels.{name}.path"

    def verify(self, request: HookRequest) -> Captured:
        """Refuse: a folder calls nobody."""
        raise UnsupportedFeature("a folder takes no requests")

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what was dropped; the cursor is empty, or with `keep` `{"kept": {name: its stamp}}`."""
        with open_folder(self._path, self._setting) as folder:
            by_name = {file.name: file for file in folder.dropped()}
            kept = self._kept(cursor, by_name)
            gathered = _Gathered()
            for file in self._due(by_name, kept):
                for item in read_file(folder, file, meta_of(file, by_name), self.name, self._limits):
                    if not gathered.takes(item, self.options.batch_size):
                        yield self._batch(gathered, kept, by_name)
                        gathered = _Gathered()
                    gathered.add(item, file)
            if gathered.captured:
                yield self._batch(gathered, kept, by_name)

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a mail with its invitations, a transcript, or the events of a calendar."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        if delivery.headers.get("suffix") in TRANSCRIPTS:
            return (call_activity(delivery, self._own, self.options.trusted_speakers),)
        if delivery.headers.get("suffix") == CALENDAR:
            return entry_activities(delivery, self._own, "a calendar file that somebody dropped")
        mail = parse_mail(delivery.raw)
        return mail_activities(delivery, mail, self._own, delivery.received_at, in_sent_folder=False)

    def extent(self, since: datetime) -> Extent:
        """Refuse: what lies in the folder is read by polling."""
        raise UnsupportedFeature("a folder has no history of its own; drop older files into it")

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Refuse: what lies in the folder is read by polling."""
        raise UnsupportedFeature("a folder has no history of its own; drop older files into it")

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield what is in the files since then, read or not: those that lie there, in `done/` and in `refused/`."""
        for path in (self._path, self._path / DONE, self._path / REFUSED):
            if path == self._path or (path.is_dir() and not path.is_symlink()):
                yield from self._lying(path, since)

    def check(self) -> Sequence[str]:
        """See that the folder is there, that its files can be moved, and that each meta file has its transcript."""
        try:
            with open_folder(self._path, self._setting) as folder:
                by_name = {file.name: file for file in folder.dropped()}
                self._kept(None, by_name)
                if not self.options.keep:
                    folder.try_to_write()
        except SidecarError as error:
            return [f"{self.name}: {error}"]
        held = sum(1 for file in by_name.values() if not self.options.transcripts and file.suffix in TRANSCRIPTS)
        if held:
            wait = "transcript waits" if held == 1 else "transcripts wait"
            where = f"{held} {wait} in {self._path} unread"
            return [f"{self.name}: {where}; if what is said may be kept, transcripts = true"]
        told = {meta.name for file in by_name.values() if (meta := meta_of(file, by_name))}
        alone = sum(1 for file in by_name.values() if _is_meta(file) and file.name not in told)
        # Without the names: people are called in them.
        return [f"{self.name}: {alone} *{META_SUFFIX} in {self._path} have no transcript beside them"] if alone else []

    def _lying(self, path: Path, since: datetime) -> Iterator[PollBatch]:
        """What is in the files of one folder, in batches that move nothing and remember nothing."""
        with open_folder(path, self._setting) as folder:
            by_name = {file.name: file for file in folder.dropped()}
            if len(by_name) >= FILES_MAX:
                raise ConfigError(f"{FILES_MAX} or more files lie in {path}; move old ones away", setting=self._setting)
            gathered = _Gathered()
            for file in self._due(by_name, {}):
                if file.mtime_ns / 1e9 < since.timestamp():
                    continue
                for item in read_file(folder, file, meta_of(file, by_name), self.name, self._limits):
                    if not gathered.takes(item, self.options.batch_size):
                        yield PollBatch(tuple(gathered.captured), {})
                        gathered = _Gathered()
                    gathered.add(item, file)
            if gathered.captured:
                yield PollBatch(tuple(gathered.captured), {})

    def _due(self, by_name: Mapping[str, Dropped], kept: Kept) -> Iterator[Dropped]:
        """The files that are whole, told about in whole, and not yet read, oldest first."""
        now = self._clock()
        for file in by_name.values():
            meta = meta_of(file, by_name)
            settled = all(part.is_settled(now, self.options.settle_s) for part in (file, meta) if part)
            may_be_read = self.options.transcripts or file.suffix not in TRANSCRIPTS
            if settled and may_be_read and not _is_meta(file) and kept.get(file.shown) != _stamp(file, by_name):
                yield file

    def _kept(self, cursor: Mapping[str, Any] | None, by_name: Mapping[str, Dropped]) -> Kept:
        """What the cursor remembers of files that are still there; a cursor that can't be read remembers nothing."""
        if not self.options.keep:
            return {}
        if len(by_name) > KEPT_MAX:
            text = f"more than {KEPT_MAX} files lie there; with keep = true move old ones away by hand"
            raise ConfigError(text, setting=self._setting)
        kept = (cursor or {}).get("kept")
        there = {file.shown for file in by_name.values()}
        known = kept.items() if isinstance(kept, Mapping) else ()
        return {name: list(stamp) for name, stamp in known if name in there and isinstance(stamp, Sequence)}

    def _batch(self, gathered: _Gathered, kept: Kept, by_name: Mapping[str, Dropped]) -> PollBatch:
        captured = tuple(gathered.captured)
        if not self.options.keep:
            return PollBatch(captured, {}, self._mover(gathered.ended))
        kept.update({file.shown: _stamp(file, by_name) for file, _ in gathered.ended})
        return PollBatch(captured, {"kept": {name: list(stamp) for name, stamp in kept.items()}})

    def _mover(self, ended: Sequence[tuple[Dropped, str]]) -> Callable[[], None]:
        """What moves the files of a batch aside, and meta files that no transcript needs any more with them."""

        def move() -> None:
            with open_folder(self._path, self._setting) as folder:
                for file, into in ended:
                    folder.move(file, into)
                left = {file.name: file for file in folder.dropped()}
                needed = {meta.name for file in left.values() if (meta := meta_of(file, left))}
                for file, into in ended:
                    meta = meta_of(file, left)
                    if meta and meta.name not in needed:
                        folder.move(meta, into)

        return move


def _is_meta(file: Dropped) -> bool:
    return file.name.endswith(META_SUFFIX)


def _stamp(file: Dropped, by_name: Mapping[str, Dropped]) -> list[int]:
    """What changes when a file, or the file that tells about it, does."""
    meta = meta_of(file, by_name)
    return [file.size_bytes, file.mtime_ns, *((meta.size_bytes, meta.mtime_ns) if meta else ())]
