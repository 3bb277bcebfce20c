"""The port of transcribers: what turns speech into words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class TranscriberCapabilities:
    """What a transcriber takes: files of at most so many bytes, and of these content types, without parameters."""

    max_bytes: int
    content_types: frozenset[str]


@dataclass(frozen=True, slots=True)
class Segment:
    """Some words, and from when to when they were said, in seconds from the file's beginning."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a file: empty where nobody spoke. `model` is what heard it; the rest only where it was told."""

    text: str
    model: str
    language: str = ""
    duration_s: float | None = None
    segments: tuple[Segment, ...] = ()


@runtime_checkable
class Transcriber(Protocol):
    """Turns speech into words."""

    name: str
    model: str
    capabilities: TranscriberCapabilities

    def transcribe(self, raw: bytes, content_type: str) -> Transcript:
        """Return what is said in a file; `PermanentError` for one that it can't read, `TemporaryError` while away."""

    def check(self) -> Sequence[str]:
        """Try the connection; return what is wrong with the remedy, one line each; nothing when all is well."""
