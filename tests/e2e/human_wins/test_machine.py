"""A person wins over the sidecar, in every order of events, and what nobody touched stays the sidecar's."""

import pytest
from hypothesis import settings

from tests.e2e.human_wins.machine import CarefulCrm, HastyCrm, HumanWins
from tests.e2e.human_wins.search import holds

PART = 5
"""One example in so many of the profile's: each is a life of 25 steps, and takes two seconds."""


@pytest.mark.parametrize("machine", [CarefulCrm, HastyCrm])
def test_a_person_wins_and_nothing_else_is_locked(machine: type[HumanWins]) -> None:
    """No interleaving loses a person's word or locks what nobody touched; seen to fail with each planted bug."""
    holds(machine, settings().max_examples // PART)


def test_what_we_wrote_over_a_rep_is_ours_in_the_record_that_it_is_merged_into() -> None:
    """A merge that carries our value over holds nothing: the words that came before it still move the property.

    Seen to fail with a rep's value counted as theirs after newer words had made us write over it.
    """
    life = CarefulCrm()
    try:
        life.begin(stage="enquired", name="Ann")
        life.merges(n=2, name=None, ours_wins=False, then="sync")
        life.wants(n=0, name="Bo", then="infer")
        life.wants(n=1, name="", then="sync")
        life.merges(n=-1, name="Bea", ours_wins=False, then="infer")
        life.settle()
        (contact,) = life.office.records("contact")
        assert (contact.fields["ai_intent"], contact.fields["name"]) == ("book", "Bea")
    finally:
        life.teardown()
