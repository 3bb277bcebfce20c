"""How a meeting stands, in its title: said once, read back, and never at the cost of somebody's words."""

import pytest

from adapters.formats.meeting_titles import bare, marked, status_in


@pytest.mark.parametrize("status", ["cancelled", "no_show"])
def test_a_mark_is_read_back_and_taken_off_again(status: str) -> None:
    """What is put before a title comes off it whole, however often; seen to fail with a mark put before a mark."""
    told = marked(marked("Visit", status, 255), status, 255)
    assert (status_in(told), bare(told)) == (status, "Visit")
    assert marked(told, "scheduled", 255) == "Visit"


def test_what_a_rep_marks_by_hand_counts() -> None:
    """Small letters are as good, and a word that only begins alike says nothing."""
    assert status_in("cancelled: visit") == "cancelled"
    assert status_in("Cancelled trains and what they cost") == ""
    assert bare("Visit: cancelled") == "Visit: cancelled"


def test_a_title_that_has_no_room_loses_its_end_and_not_the_mark() -> None:
    """The mark is what has to be seen; seen to fail with a title beyond its limit."""
    told = marked("x" * 255, "cancelled", 255)
    assert len(told) == 255
    assert (status_in(told), told[-1]) == ("cancelled", "…")
