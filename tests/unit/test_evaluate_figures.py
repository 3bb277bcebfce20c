"""Figures and chance: what is counted by hand comes out, and luck is called luck."""

import random
from collections.abc import Mapping
from itertools import pairwise
from math import comb, isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.evaluate.chance import differences, intervals, mcnemar, percentile
from sidecar.evaluate.figures import Key, bins, classes, figures, is_better, matrix, total

# Ten conversations, labelled (down) and believed (across), by hand:
#              booked  lost  unknown
#   booked        3      1       0      wanted 4
#   lost          1      2       1      wanted 4
#   unknown       1      0       1      wanted 2
#   said          5      3       2
BY_HAND = {("booked", "booked"): 3, ("booked", "lost"): 1, ("lost", "booked"): 1, ("lost", "lost"): 2,
           ("lost", "unknown"): 1, ("unknown", "booked"): 1, ("unknown", "unknown"): 1}  # fmt: skip


def row(wanted: str, said: str) -> dict[Key, float]:
    """The counts of one conversation whose one field `f` was labelled and believed so."""
    right = wanted == said
    counts: dict[Key, float] = {
        ("field", "f", "n"): 1, ("field", "f", "right"): right, ("field", "f", "tp"): right and said != "unknown",
        ("field", "f", "said"): said != "unknown", ("field", "f", "wanted"): wanted != "unknown",
        ("matrix", "f", wanted, said): 1,
    }  # fmt: skip
    for key, number in ((wanted, "wanted"), (said, "said")):
        counts["class", "f", key, number] = counts.get(("class", "f", key, number), 0) + 1
    counts["class", "f", wanted, "tp"] = right
    if wanted == "unknown":
        counts["field", "f", "unknown"] = 1
        counts["field", "f", "overfilled"] = said != "unknown"
    return counts


ROWS = [row(wanted, said) for (wanted, said), times in BY_HAND.items() for _ in range(times)]


def test_figures_are_those_that_were_worked_out_by_hand() -> None:
    """Unknown is a class, and what nobody said is filled or left; seen to fail with unknown left out of the mean."""
    found = figures(total(ROWS))
    assert found["field.f.accuracy"] == 6 / 10
    assert found["field.f.precision"] == 5 / 8  # booked or lost were said eight times, five times rightly
    assert found["field.f.recall"] == 5 / 8
    assert found["field.f.overfilled"] == 1 / 2
    booked, lost, unknown = 2 * 3 / (5 + 4), 2 * 2 / (3 + 4), 2 * 1 / (2 + 2)
    assert isclose(found["field.f.macro_f1"], (booked + lost + unknown) / 3)
    told = classes(total(ROWS), "f")
    assert (told["booked"]["precision"], told["booked"]["recall"]) == (3 / 5, 3 / 4)
    assert matrix(total(ROWS), "f") == BY_HAND


def test_what_nobody_counted_has_no_figure() -> None:
    """Nought of nought is nothing, and no nought that a gate would take for a verdict."""
    assert figures({}) == {}
    assert "steps.recall" not in figures({("steps", "said"): 2, ("steps", "tp"): 0})


def test_calibration_is_what_a_hand_makes_of_two_bins() -> None:
    """Four values at 0.9 of which two are right, and one at 0.35 that is; 0.4 and 0.65 off, weighed by size."""
    counts: Mapping[Key, float] = {
        ("bin", "9", "n"): 4, ("bin", "9", "sure"): 3.6, ("bin", "9", "right"): 2,
        ("bin", "3", "n"): 1, ("bin", "3", "sure"): 0.35, ("bin", "3", "right"): 1,
        ("calibration", "n"): 5, ("calibration", "squared"): 2 * 0.01 + 2 * 0.81 + 0.65**2,
    }  # fmt: skip
    found = figures(counts)
    assert isclose(found["calibration.ece"], (4 * 0.4 + 1 * 0.65) / 5)
    assert isclose(found["calibration.brier"], (0.02 + 1.62 + 0.4225) / 5)
    assert bins(counts)[9] == (4, 0.9, 0.5)


LABELS = st.sampled_from(["booked", "lost", "unknown"])


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
def test_figures_agree_with_another_way_of_counting(pairs: list[tuple[str, str]]) -> None:
    """Sums of rows say what counting the pairs at once says; seen to fail with a class's wanted counted as said."""
    found = figures(total(row(*pair) for pair in pairs))
    assert isclose(found["field.f.accuracy"], sum(w == s for w, s in pairs) / len(pairs))
    f1 = []
    for value in {w for w, _ in pairs}:
        right = sum(w == s == value for w, s in pairs)
        precision = right / max(1, sum(s == value for _, s in pairs))
        recall = right / sum(w == value for w, _ in pairs)
        f1.append(2 * precision * recall / (precision + recall) if right else 0.0)
    assert isclose(found["field.f.macro_f1"], sum(f1) / len(f1), abs_tol=1e-12)


@settings(max_examples=20)
@given(st.lists(st.tuples(LABELS, LABELS), min_size=2, max_size=12), st.integers(0, 5))
def test_an_interval_holds_its_figure_and_is_the_same_again(pairs: list[tuple[str, str]], seed: int) -> None:
    """The seed is all the luck there is; the bounds are in order, and of shares within 0 and 1."""
    rows = [row(*pair) for pair in pairs]
    once, again = intervals(rows, draws=60, seed=seed), intervals(rows, draws=60, seed=seed)
    assert once == again
    for held in once.values():
        assert 0 <= held.low <= held.high <= 1
        assert held.n == len(rows)


def test_an_interval_is_as_wide_as_the_binomial_says() -> None:
    """Sixty conversations leave about ten points either way: 1.96 times the root of p(1-p)/n, give or take two."""
    rows = [row("booked", "booked")] * 48 + [row("booked", "lost")] * 12
    held = intervals(rows)["field.f.accuracy"]
    half = 1.96 * (0.8 * 0.2 / 60) ** 0.5
    assert held.value == 0.8
    assert abs((held.high - held.low) / 2 - half) < 0.02
    few = intervals(rows[:12] + rows[-3:])["field.f.accuracy"]
    assert few.high - few.low > held.high - held.low


def test_all_or_nothing_is_no_certainty() -> None:
    """Ten of ten may be three in four, as Wilson has it, of those that count; seen to fail with the draws alone."""
    rows = [row("booked", "booked")] * 10 + [{("paid", "n"): 1, ("paid", "usd"): 0}] * 90
    found = intervals(rows)
    assert (round(found["field.f.accuracy"].low, 4), round(found["field.f.accuracy"].high, 4)) == (0.7225, 1.0)
    assert found["field.f.macro_f1"].low < 1.0
    assert (found["cost_usd"].low, found["cost_usd"].high) == (0.0, 0.0)
    one = intervals([row("booked", "booked")])["field.f.accuracy"]
    assert (round(one.low, 3), one.n) == (0.207, 1)
    none = intervals([row("booked", "lost")] * 10)["field.f.accuracy"]
    assert (none.value, none.low, round(none.high, 4)) == (0.0, 0.0, 0.2775)


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Of two hundred samples of a known rate, nine in ten intervals hold it at least."""
    dice, held = random.Random(7), 0
    for _ in range(200):
        rows = [row("booked", "booked" if dice.random() < 0.7 else "lost") for _ in range(50)]
        found = intervals(rows, draws=100, seed=dice.randrange(10**6))["field.f.accuracy"]
        held += found.low <= 0.7 <= found.high
    assert 180 <= held <= 200


def test_a_difference_on_the_same_conversations_is_told_from_luck() -> None:
    """Twelve of forty that only one side has right are no luck; one of forty is."""
    good = [row("booked", "booked")] * 40
    worse = [row("booked", "lost")] * 12 + [row("booked", "booked")] * 28
    found = differences(good, worse)["field.f.accuracy"]
    assert (found.first, found.second) == (1.0, 0.7)
    assert found.is_told_apart
    assert found.high < 0
    nearly = [row("booked", "lost"), *[row("booked", "booked")] * 39]
    assert not differences(good, nearly)["field.f.accuracy"].is_told_apart
    same = differences(good, good)["field.f.accuracy"]
    assert (same.by, same.p) == (0.0, 1.0)
    with pytest.raises(ValueError, match="same conversations"):
        differences(good, good[:3])


def test_mcnemar_is_the_sign_test_of_those_that_differ() -> None:
    """Known values of the exact test, and the binomial summed up another way."""
    assert mcnemar([(True, False)] * 10 + [(False, True)] * 2 + [(True, True)] * 50).p == pytest.approx(
        0.03857, abs=1e-5
    )
    assert mcnemar([(True, False)] * 6).p == pytest.approx(2 / 2**6)
    assert mcnemar([]).p == mcnemar([(True, True), (False, False)]).p == 1.0
    sides = mcnemar([(True, False)] * 3 + [(False, True)] * 8 + [(False, False)])
    assert (sides.first_only, sides.second_only, sides.both, sides.neither) == (3, 8, 0, 1)
    assert sides.p == pytest.approx(sum(comb(11, k) for k in (0, 1, 2, 3, 8, 9, 10, 11)) / 2**11)


def test_percentiles_are_nearest_ranks() -> None:
    """A percentile is a value that occurred."""
    values = [float(v) for v in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.025, 0.5, 0.95, 0.975, 1.0)] == [1, 3, 50, 95, 98, 100]
    assert percentile([], 0.5) is None
    assert all(a <= b for a, b in pairwise(percentile([3.0, 1.0], s / 10) or 0 for s in range(11)))


def test_less_of_a_fault_is_better() -> None:
    """A gate and a verdict know which way is up; seen to fail with false terminals taken for a merit."""
    assert is_better("stage.false_terminal", 0.2, 0.1)
    assert is_better("field.intent.overfilled", 0.2, 0.1)
    assert is_better("stage.accuracy", 0.1, 0.2)
