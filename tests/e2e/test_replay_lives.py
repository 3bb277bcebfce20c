"""Replay is faithful: whatever was lived, reading it again by what is in force differs from the book in nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.ports import LLM
from sidecar.replay import Report, Side, Wanted, replay
from tests.e2e.lives import Life
from tests.support.houses import Listened

STEPS = 18


class Paid(Listened):
    """A model that costs something as far as anybody can tell, so that the book's own readings count."""

    def __init__(self, llm: LLM) -> None:
        super().__init__(llm)
        self.capabilities = replace(llm.capabilities, offline=False)

    @property
    def stronger(self) -> LLM | None:
        """The other one's, as dear."""
        return Paid(self.llm.stronger) if self.llm.stronger else None


def again(life: Life) -> Report:
    """Replay a life by the very policy, prompts and model that it was lived with, under another name."""
    app = life.app
    llm = Paid(app.llm)
    was = Side(app.prompts, app.policy, llm, app.settings.hard())
    new = replace(was, policy=replace(was.policy, sha256="x" * 64))
    return replay(app.journal, Wanted(was, new, app.settings.own()), life.clock())


@pytest.mark.parametrize("number", range(12))
def test_what_was_lived_reads_the_same_again(number: int, tmp_path: Path) -> None:
    """Edits, approvals, silences, refusals, doubts and second questions in any order leave no difference.

    Seen to fail without the words that were overtaken, and with the clock's looks left out.
    """
    life = Life(tmp_path)
    try:
        life.live(number, STEPS, rejoins=number % 3 == 0)
        report = again(life)
        assert report.differences == []
        assert (report.failed, report.former) == ({}, 0)
        assert report.asked == 0 or report.rejoined, "what the book answered is not asked again"
        assert report.readings or report.rejoined
    finally:
        life.close()
