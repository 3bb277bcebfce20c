"""Names: what agrees, what doesn't, and what is no name at all; they are never enough to join two parties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.resolve.names import MAX_CHARS, Agreement, best_name, compare


@pytest.mark.parametrize(
    ("left", "right", "agreement"),
    [
        ("Ann Lee", "ann  LEE", Agreement.SAME),
        ("Lee, Ann", "Ann Lee", Agreement.SAME),
        ("Dr. Zoë Müller", "Zoe Muller", Agreement.SAME),
        ("Frau Doña Inés Gil", "Inés Gil", Agreement.SAME),
        ("山田 太郎", "太郎 山田", Agreement.SAME),
        ("Ann", "Ann Lee", Agreement.COMPATIBLE),
        ("A. Lee", "Ann Lee", Agreement.COMPATIBLE),
        ("Ann Lee", "Ann B. Lee", Agreement.COMPATIBLE),
        ("Bob Lee", "Ann Lee", Agreement.DIFFERENT),
        ("Ann Fox", "Ann Lee", Agreement.DIFFERENT),
        ("Ann Lee", "", Agreement.UNCLEAR),
        ("ann@x.test", "Ann Lee", Agreement.UNCLEAR),
        ("+44 7700 900123", "Ann Lee", Agreement.UNCLEAR),
    ],
)
def test_names_agree_as_people_would_say(left: str, right: str, agreement: Agreement) -> None:
    """Order, case, accents and titles don't part two spellings of a name; another first name does."""
    assert compare(left, right) is agreement
    assert compare(right, left) is agreement


@given(st.text(max_size=20), st.text(max_size=20))
def test_comparing_has_no_direction(left: str, right: str) -> None:
    """Who is compared with whom changes nothing, and whoever has a name has their own."""
    assert compare(left, right) is compare(right, left)
    assert compare(left, left) in (Agreement.SAME, Agreement.UNCLEAR)


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (("Ann", "Ann Lee", "ann@x.test"), "Ann Lee"),
        (('"Ann Lee"', ""), "Ann Lee"),
        (("Ann\u202e Lee",), "Ann Lee"),
        (("ann@x.test", "+44 7700 900123"), ""),
        ((), ""),
    ],
)
def test_the_fullest_name_is_shown(names: tuple[str, ...], best: str) -> None:
    """Of several names the fullest is kept, clean of quotes and invisible marks; an address is no name."""
    assert best_name(names) == best
    assert best_name(reversed(names)) == best


def test_a_name_has_a_bound() -> None:
    """A name field with a novel in it fits a CRM's name property."""
    assert len(best_name(["Ann " * 1000])) <= MAX_CHARS
