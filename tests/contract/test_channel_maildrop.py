"""The watched folder under the contract, moving what it has read and keeping it in place."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.maildrop import MaildropChannel, MaildropOptions
from sidecar.errors import ConfigError
from sidecar.ports import Captured
from tests.contract.channel import CANARY, NOW, PollContract, all_captured, context, delivered, last_cursor, parsed

FIXTURES = Path(__file__).parent.parent / "fixtures" / "maildrop"
MAX_BYTES = 50_000


@dataclass
class FolderHarness:
    """A folder of its own, into which the test drops files that look a minute old."""

    base: Path
    keep: bool
    fixtures: Path = FIXTURES
    parked: frozenset[str] = frozenset({"composed_silent.vtt", "composed_contacts.csv"})
    secrets: tuple[str, ...] = ()
    batch_size: int = 3
    files: int = 0
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.base / "drop"
        self.folder.mkdir()

    @property
    def channel(self) -> MaildropChannel:
        """The folder's channel."""
        return self.reopen()

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> MaildropChannel:
        """Make the channel anew."""
        return self.made(clock)

    def made(self, clock: Callable[[], datetime] = lambda: NOW, **options: Any) -> MaildropChannel:
        """Make a channel with some options changed."""
        settings = {"path": "drop", "keep": self.keep, "batch_size": self.batch_size, "max_file_bytes": MAX_BYTES}
        settings |= {"transcripts": True}
        return MaildropChannel("drop", MaildropOptions(**{**settings, **options}), context(self.base, clock=clock))

    def drop(self, name: str, raw: bytes, age_s: float = 60.0) -> Path:
        """Drop a file, as of so many seconds before now."""
        path = self.folder / name
        path.write_bytes(raw)
        age(path, age_s)
        return path

    def mail(self, text: str = "How much would forty chairs be?") -> bytes:
        """Return a mail that no other mail repeats."""
        self.files += 1
        head = f"From: ann@example.org\r\nDate: Thu, 19 Nov 2026 09:00:00 +0000\r\nMessage-ID: <{self.files}@x.test>"
        return f"{head}\r\n\r\n{text}\r\n".encode() + b"caf\xe9 \r\n"

    def put(self) -> bytes:
        """Drop a new mail."""
        raw = self.mail()
        self.drop(f"{self.files:03}.eml", raw, 600 - self.files)
        return raw

    def put_old(self) -> bytes:
        """Drop a mail whose file is months old: in a folder that is no history."""
        raw = self.mail()
        self.drop(f"{self.files:03}.eml", raw, 90 * 86_400)
        return raw

    def put_oversized(self) -> None:
        """Drop a mail that is larger than the limit."""
        self.drop("large.eml", self.mail("x" * MAX_BYTES), 900)

    def receive(self) -> Captured:
        """Drop a mail and poll it."""
        self.put()
        return all_captured(self.channel.poll(None))[-1]

    def broken(self) -> Captured:
        """Drop a transcript that is none."""
        self.drop("broken.vtt", f"{CANARY}\n\n{CANARY}".encode())
        return all_captured(self.channel.poll(None))[-1]

    def from_fixture(self, path: Path) -> Captured:
        """Drop a recorded file, with what tells about it, into an empty folder and poll it."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        for part in (path, path.with_suffix(".meta.toml")):
            if part.exists():
                self.drop(part.name, part.read_bytes())
        return all_captured(self.channel.poll(None))[-1]

    def unreachable(self) -> None:
        """Return nothing: a folder that isn't there is the operator's error."""

    def refused(self) -> MaildropChannel:
        """Return a channel for a folder that isn't there."""
        return self.made(path="elsewhere")

    def names(self, folder: str = ".") -> list[str]:
        """Return the names of the files in the folder, or in a subfolder."""
        place = self.folder / folder
        return sorted(path.name for path in place.iterdir() if not path.is_dir()) if place.is_dir() else []


def age(path: Path, seconds: float) -> None:
    """Set a file's time to so many seconds before now."""
    at = (NOW - timedelta(seconds=seconds)).timestamp()
    os.utime(path, (at, at), follow_symlinks=False)


class FolderContract(PollContract):
    """What a watched folder promises in both modes."""

    def test_a_file_that_is_being_written_waits(self, harness: FolderHarness) -> None:
        """A file counts once nobody has written to it for settle_s; seen to fail without the wait."""
        harness.drop("call.txt", b"Ann: hello", age_s=1)
        harness.drop("later.txt", b"Ann: hello", age_s=-1)
        assert not all_captured(harness.channel.poll(None))
        age(harness.folder / "call.txt", 2.5)
        assert [c.headers["name"] for c in all_captured(harness.channel.poll(None))] == ["call.txt"]

    def test_an_empty_file_is_one_that_was_just_begun(self, harness: FolderHarness) -> None:
        """Its writer may wait long for its turn; seen to fail by being moved aside without its words."""
        harness.drop("call.txt", b"", age_s=30)
        assert not all_captured(harness.channel.poll(None))
        age(harness.folder / "call.txt", 61)
        assert [c.headers["name"] for c in all_captured(harness.channel.poll(None))] == ["call.txt"]

    def test_a_file_from_the_future_is_not_held_back_for_good(self, harness: FolderHarness) -> None:
        """A machine with a wrong clock may drop files, too."""
        harness.drop("call.txt", b"Ann: hello", age_s=-86_400)
        (captured,) = all_captured(harness.channel.poll(None))
        assert parsed(harness.channel, captured)[0].at == NOW

    def test_unfinished_and_hidden_files_are_not_files_yet(self, harness: FolderHarness) -> None:
        """What a copying tool calls its half-written file is left alone."""
        for name in (".call.vtt.x7", "call.vtt.part", "call.vtt.TMP", "call.vtt.filepart", "call.vtt~"):
            harness.drop(name, b"WEBVTT")
        (harness.folder / "older").mkdir()
        assert not all_captured(harness.channel.poll(None))

    @pytest.mark.parametrize("name", ["photo.png", "README", "call.vtt.gz", "mail.EML.exe", "x" * 200 + ".y"])
    def test_an_unknown_kind_is_a_delivery_with_a_fault(self, harness: FolderHarness, name: str) -> None:
        """Nothing is skipped in silence, and nothing unread is stored; seen to fail with `continue`."""
        harness.drop(name, b"\x89PNG")
        (captured,) = all_captured(harness.channel.poll(None))
        assert captured.fault is not None
        assert ".eml, .mbox, .vtt, .srt, .txt" in captured.fault
        assert captured.raw == b""
        assert captured.headers["name"] == name

    def test_links_and_pipes_are_never_opened(self, harness: FolderHarness) -> None:
        """A link out of the folder reads nothing, and a pipe blocks nobody; seen to fail by opening what is listed."""
        secret = harness.base / "secret.txt"
        secret.write_text(f"Ann: {CANARY}")
        (harness.folder / "link.txt").symlink_to(secret)
        age(harness.folder / "link.txt", 60)
        os.mkfifo(harness.folder / "pipe.txt")
        age(harness.folder / "pipe.txt", 60)
        found = all_captured(harness.channel.poll(None))
        assert [captured.fault is not None for captured in found] == [True, True]
        assert not any(CANARY.encode() in captured.raw for captured in found)
        assert secret.exists()

    def test_names_are_data(self, harness: FolderHarness) -> None:
        """A name of any bytes is carried as text, and never as a path."""
        names = [b"caf\xe9.txt", "\u202egnp.txt".encode(), b"a;rm -rf $HOME.txt", b"new\nline.txt", b"%s.txt"]
        for number, name in enumerate(names):
            harness.drop(os.fsdecode(name), f"Ann: hello {number}".encode())
        found = all_captured(harness.made(batch_size=10).poll(None))
        assert len(found) == len(names)
        assert {captured.headers["name"].encode().isascii() for captured in found} == {True, False}
        assert not all_captured(harness.channel.poll(last_cursor(harness.made(batch_size=10).poll(None))))

    def test_a_mailbox_is_a_delivery_for_each_mail(self, harness: FolderHarness) -> None:
        """Mails of an mbox come one by one, and are the same mails as those that came as files."""
        mails = [harness.mail() for _ in range(4)]
        harness.drop("all.mbox", b"".join(b"From a Thu Nov 19 09:00:00 2026\n" + mail + b"\r\n" for mail in mails), 30)
        harness.drop("first.eml", mails[0], 60)
        found = all_captured(harness.channel.poll(None))
        assert [captured.raw for captured in found] == [mails[0], *mails]
        assert delivered(harness.channel, found[0]).id == delivered(harness.channel, found[1]).id

    def test_a_large_mail_in_a_mailbox_doesnt_hold_the_others_back(self, harness: FolderHarness) -> None:
        """One mail that is too large is parked by itself."""
        mails = [harness.mail(), harness.mail("x" * MAX_BYTES), harness.mail()]
        harness.drop("all.mbox", b"".join(b"From a Thu Nov 19 09:00:00 2026\n" + mail + b"\r\n" for mail in mails))
        found = all_captured(harness.channel.poll(None))
        assert [captured.fault is None for captured in found] == [True, False, True]

    @pytest.mark.parametrize(
        "meta",
        [
            b"agnet = 'Bob'",
            b"customer",
            b"\xff",
            b"agent = 7",
            b"x = [" + b"[" * 5000,
            b"subject = '" + b"x" * 501 + b"'",
        ],
    )
    def test_a_wrong_meta_file_is_said_not_ignored(self, harness: FolderHarness, meta: bytes) -> None:
        """A misspelt declaration parks the transcript, because it would turn our words into a customer's."""
        harness.drop("call.txt", b"Bob: I'll send the offer.")
        harness.drop("call.meta.toml", meta)
        (captured,) = all_captured(harness.channel.poll(None))
        assert captured.fault is not None
        assert "meta file" in captured.fault

    def test_the_same_words_told_about_otherwise_are_another_delivery(self, harness: FolderHarness) -> None:
        """A transcript that is dropped again with its people declared isn't taken for the one without."""
        words = b"Ann: hello"
        harness.drop("call.txt", words)
        (bare,) = all_captured(harness.channel.poll(None))
        harness.drop("call.txt", words, 50)
        harness.drop("call.meta.toml", b'customer = "Ann <ann@example.org>"', 50)
        (told,) = all_captured(harness.channel.poll(None))
        assert told.raw == bare.raw
        assert delivered(harness.channel, told).id != delivered(harness.channel, bare).id
        assert parsed(harness.channel, told)[0].id != parsed(harness.channel, bare)[0].id

    def test_a_transcript_waits_for_what_tells_about_it(self, harness: FolderHarness) -> None:
        """A meta file that is still being written holds its transcript back."""
        harness.drop("call.txt", b"Ann: hello")
        harness.drop("call.meta.toml", b"cust", age_s=0.5)
        assert not all_captured(harness.channel.poll(None))

    def test_check_tells_of_a_meta_file_without_a_transcript(self, harness: FolderHarness) -> None:
        """A declaration that nothing reads is told to the operator, without its name, which may be a customer's."""
        harness.drop("ann.meta.toml", b"")
        harness.drop("call.txt", b"Ann: hello")
        (line,) = harness.channel.check()
        assert "1 *.meta.toml" in line and "ann" not in line

    @pytest.mark.parametrize(
        ("name", "said"), [("call.pdf", ".pdf files"), ("letter to.quillfeather", "this name's kind")]
    )
    def test_a_refusal_shows_no_name(self, harness: FolderHarness, name: str, said: str) -> None:
        """A reason lands in logs, and what stands behind a full stop may be a name; seen to fail with any suffix."""
        harness.drop(name, b"x")
        (captured,) = all_captured(harness.channel.poll(None))
        assert said in (captured.fault or "") and "quill" not in (captured.fault or "")


class TestMaildropThatMoves(FolderContract):
    """A watched folder whose files are moved aside once they are durable."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> FolderHarness:
        """Return an empty folder."""
        return FolderHarness(tmp_path, keep=False)

    def test_files_move_when_they_are_durable_and_not_before(self, harness: FolderHarness) -> None:
        """done/ holds what is in the journal, refused/ what can't be; seen to fail with the move before the commit."""
        harness.drop("call.txt", b"Ann: hello")
        harness.drop("call.meta.toml", b'customer = "Ann"')
        harness.drop("photo.png", b"\x89PNG")
        (batch,) = list(harness.channel.poll(None))
        assert harness.names() == ["call.meta.toml", "call.txt", "photo.png"]
        batch.committed()
        assert (harness.names(), harness.names("done"), harness.names("refused")) == (
            [],
            ["call.meta.toml", "call.txt"],
            ["photo.png"],
        )

    def test_a_name_that_was_there_before_is_not_overwritten(self, harness: FolderHarness) -> None:
        """Every file that was read stays readable."""
        for text in (b"Ann: one", b"Ann: two", b"Ann: three"):
            harness.drop("call.txt", text)
            all_captured(harness.channel.poll(None))
        assert harness.names("done") == ["call.txt", "call~2.txt", "call~3.txt"]

    def test_a_file_that_changed_meanwhile_is_read_again(self, harness: FolderHarness) -> None:
        """What was written between the reading and the commit isn't moved away unread."""
        harness.drop("call.txt", b"Ann: hello")
        (batch,) = list(harness.channel.poll(None))
        harness.drop("call.txt", b"Ann: hello again", age_s=30)
        batch.committed()
        assert [captured.raw for captured in all_captured(harness.channel.poll(None))] == [b"Ann: hello again"]

    def test_a_mailbox_moves_with_its_last_mail(self, harness: FolderHarness) -> None:
        """An mbox that is only partly durable stays; seen to fail with the move after its first batch."""
        mails = [harness.mail() for _ in range(5)]
        harness.drop("all.mbox", b"".join(b"From a Thu Nov 19 09:00:00 2026\n" + mail + b"\r\n" for mail in mails))
        first, second = list(harness.channel.poll(None))
        first.committed()
        assert harness.names() == ["all.mbox"]
        second.committed()
        assert harness.names("done") == ["all.mbox"]

    def test_transcripts_that_share_a_meta_file_all_get_it(self, harness: FolderHarness) -> None:
        """What tells about two transcripts stays until both have been read."""
        harness.drop("call.meta.toml", b'customer = "Ann"')
        for number, suffix in enumerate(("srt", "txt", "vtt", "vtt.part")):
            harness.drop(f"call.{suffix}", b"Ann: hello", 60 - number)
        found = all_captured(harness.made(batch_size=1).poll(None))
        assert ["meta" in captured.headers for captured in found] == [True, True, True]
        assert "call.meta.toml" in harness.names("done")

    def test_a_link_for_a_subfolder_takes_no_files(self, harness: FolderHarness) -> None:
        """done/ that leads elsewhere moves nothing there; seen to fail by renaming to a path."""
        (harness.base / "elsewhere").mkdir()
        (harness.folder / "done").symlink_to(harness.base / "elsewhere")
        age(harness.folder / "done", 60)
        harness.drop("call.txt", b"Ann: hello")
        batches = list(harness.channel.poll(None))
        with pytest.raises(ConfigError, match="done"):
            batches[0].committed()
        assert not list((harness.base / "elsewhere").iterdir())


class TestMaildropThatKeeps(FolderContract):
    """A watched folder whose files stay where they are."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> FolderHarness:
        """Return an empty folder."""
        return FolderHarness(tmp_path, keep=True)

    def test_a_file_is_read_again_when_it_or_its_meta_file_changes(self, harness: FolderHarness) -> None:
        """The cursor tells a file from its next version, and forgets what is gone."""
        harness.drop("call.txt", b"Ann: hello")
        cursor = last_cursor(harness.channel.poll(None))
        harness.drop("call.meta.toml", b'customer = "Ann"', 50)
        assert len(all_captured(harness.channel.poll(cursor))) == 1
        cursor = last_cursor(harness.channel.poll(cursor))
        assert not all_captured(harness.channel.poll(cursor))
        harness.drop("call.txt", b"Ann: goodbye", 40)
        assert len(all_captured(harness.channel.poll(cursor))) == 1
        (harness.folder / "call.txt").unlink()
        harness.put()
        assert list((last_cursor(harness.channel.poll(cursor)) or {})["kept"]) == ["001.eml"]

    def test_more_than_the_cursor_can_hold_is_said(self, harness: FolderHarness) -> None:
        """A folder that grows for ever is the operator's to empty, before a cursor grows for ever."""
        for number in range(2_001):
            (harness.folder / f"{number}.txt").touch()
        with pytest.raises(ConfigError, match="keep"):
            all_captured(harness.channel.poll(None))
        assert harness.channel.check()


def test_a_census_counts_what_was_moved_aside(tmp_path: Path) -> None:
    """What was read lies in done/ and is still counted, under the same ids, by whoever doesn't look at links."""
    harness = FolderHarness(tmp_path, keep=False)
    put = [harness.put() for _ in range(4)]
    read = [delivered(harness.channel, captured).id for captured in all_captured(harness.channel.poll(None))]
    harness.drop("strange.xyz", b"?")
    read += [delivered(harness.channel, captured).id for captured in all_captured(harness.channel.poll(None))]
    put.append(harness.put())
    since = NOW - timedelta(days=1)
    found = [c for batch in harness.channel.census(since) for c in batch.captured]
    assert set(put) == {c.raw for c in found if c.raw}
    assert set(read) < {delivered(harness.channel, c).id for c in found}
    assert len(found) == len(read) + 1
    shutil.rmtree(harness.folder / "refused")
    (harness.folder / "refused").symlink_to(harness.folder / "done")
    again = [c.raw for batch in harness.channel.census(since) for c in batch.captured]
    assert sorted(raw for raw in again if raw) == sorted(put)
