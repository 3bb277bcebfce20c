"""The prompts in force, as every process of a journal has them: what somebody adopts elsewhere counts here at once.

A mapping, because that is all that the pipeline asks for. Each look costs one small query, which is nothing beside the
call that follows it.
"""

from collections.abc import Iterator, Mapping

from sidecar.journal import Entry, Journal
from sidecar.model import Prompt
from sidecar.prompts import parse

ADOPTED = "prompt:"


class InForce(Mapping[str, Prompt]):
    """Prompts by name, each as it was last adopted in this journal."""

    def __init__(self, journal: Journal, prompts: Mapping[str, Prompt]) -> None:
        self._journal = journal
        self._held = dict(prompts)

    def __getitem__(self, name: str) -> Prompt:
        held = self._held[name]
        sha256 = self._journal.meta(ADOPTED + name)
        text = self._journal.text(sha256) if sha256 and sha256 != held.sha256 else None
        if text is not None:
            held = self._held[name] = parse(text, f"adopted prompt {name}")
        return held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def adopted(journal: Journal, names: Mapping[str, Prompt]) -> dict[str, tuple[str, str]]:
    """Return the adopted prompts among some names, as hash and text."""
    found = {}
    for name in names:
        sha256 = journal.meta(ADOPTED + name)
        text = journal.text(sha256) if sha256 else None
        if sha256 and text is not None:
            found[name] = (sha256, text)
    return found


def adopt(journal: Journal, prompt: Prompt) -> None:
    """Put a prompt in force from now on, in every process of this journal."""
    journal.commit(Entry(meta={ADOPTED + prompt.name: prompt.sha256}, texts={prompt.sha256: prompt.source}))
