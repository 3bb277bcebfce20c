"""One mail of which an IMAP server can't even say how large it is holds no other back; see `test_imap_withheld`."""

from pathlib import Path

from sidecar.model import Delivery, WorkKind
from tests.unit.test_channel_imap import scripted
from tests.unit.test_imap_withheld import Box


class Unsized(Box):
    """A mailbox that hangs up when it is asked for the size and the date of some mails."""

    def __init__(self, folder: Path, *unsized: int) -> None:
        super().__init__(folder, "Old")
        self.refused, self.unsized = set(), {("Old", uid) for uid in unsized}

    def undated(self) -> set[str]:
        """Return the keys of the mails that came without the date of their arrival."""
        found = (fact for fact in self.house.facts("delivery") if isinstance(fact, Delivery))
        return {fact.key for fact in found if "internaldate" not in fact.headers}

    def _fetch(self, command: str) -> list[bytes]:
        wanted = {(self.selected, int(uid)) for uid in command.split()[2].split(",")}
        return [] if "INTERNALDATE" in command and wanted & self.unsized else super()._fetch(command)


def test_a_mail_whose_facts_can_t_be_had_holds_no_other_back(tmp_path: Path) -> None:
    """After some polls nothing more is asked about it, and all come; seen to fail by holding its folder for ever."""
    box = Unsized(tmp_path, 2)
    with scripted(box.answers()) as port, box.opened(port).house:
        box.poll(3)
        assert [row.work.kind for row in box.left()] == [WorkKind.POLL]
        box.poll()
        assert box.read() == {"Old:7:1", "Old:7:2", "Old:7:3"}
        assert box.undated() == {"Old:7:2"}
        assert not box.left()
        assert not box.withheld()


def test_a_server_that_hangs_up_at_every_question_is_an_outage(tmp_path: Path) -> None:
    """However often, all come at its end, with the dates of their arrival; seen to fail without a look at another."""
    box = Unsized(tmp_path, 1, 2, 3)
    box.hangs_up = set(box.unsized)
    with scripted(box.answers()) as port, box.opened(port).house:
        box.poll(4)
        assert [row.work.kind for row in box.left()] == [WorkKind.POLL]
        box.unsized, box.hangs_up = set(), set()
        box.poll(2)
        assert box.read() == {"Old:7:1", "Old:7:2", "Old:7:3"}
        assert not box.undated()
        assert not box.left()
