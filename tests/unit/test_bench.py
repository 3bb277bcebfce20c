"""The benchmarks' own conscience: no figure without its books, and none from a machine that others used."""

from collections.abc import Iterator

import pytest
import uvloop

from bench._load import Load, Sender
from bench._machine import percentile_ms, repeated
from bench.webhook import Server, running


def test_a_server_that_keeps_what_it_acknowledged_has_its_figure() -> None:
    """Honest books are accepted, over a real socket and a real file; seen to fail with warm-up left out of the ids."""
    with running("bare, group commit") as (server, load):
        load.connections = 4
        assert uvloop.run(load.closed(0.2)) > 0
        assert uvloop.run(load.open(100, 0.2)) > 0
    assert load.statuses.keys() == {"202"}
    assert server.synchronous == "FULL"


def test_a_server_that_loses_what_it_acknowledged_has_none() -> None:
    """One acknowledged event that isn't stored ends the benchmark with an error; seen to fail without the check."""
    with pytest.raises(SystemExit, match="1 acknowledged events are missing, 0 more are stored"):
        _lose("lost")


def _lose(name: str) -> None:
    with running("bare, a commit each") as (_, load):
        uvloop.run(load.open(100, 0.1))
        load.acked.add(name)


@pytest.mark.parametrize("stored", [["a"], ["a", "b", "b"], ["a", "b", "c"], []])
def test_books_that_differ_in_any_way_are_refused(stored: list[str]) -> None:
    """Missing, doubled and unexpected rows are all wrong; seen to fail with sets compared alone."""
    with pytest.raises(SystemExit, match="refused"):
        Server("a server", 0, 0, 0).check({"stored": stored, "synchronous": 2}, {"a", "b"})


def test_an_answer_that_was_not_to_be_given_ends_the_benchmark() -> None:
    """A forged event that is taken, or a good one that isn't, makes every figure worthless; seen to fail without it."""
    load = Load(0, 1)
    sender = Sender(load)
    sender.name = "good"
    with pytest.raises(SystemExit, match="good was told 401"):
        sender.data_received(b"HTTP/1.1 401 Unauthorized\r\n\r\n{}")


def test_trials_that_others_disturbed_are_dropped_and_shown() -> None:
    """A figure names each repetition and each that was dropped; seen to fail with disturbed trials counted."""
    shares: Iterator[float | None] = iter([0.0, 0.5, 0.1, 0.9, None])
    figures = iter([10.0, 99.0, 30.0, 98.0, 20.0])
    found = repeated(lambda: {"rate": next(figures), "others": next(shares)}, 3)
    assert found["rate"] == {"median": 20.0, "all": [10.0, 30.0, 20.0]}
    assert (found["repeats"], found["dropped"]) == (3, 2)
    assert [trial["rate"] for trial in found["dropped_trials"]] == [99.0, 98.0]


def test_a_machine_that_is_never_left_alone_gives_no_figure() -> None:
    """After twice the trials it says so, instead of going on for ever; seen to fail without the bound."""
    found = repeated(lambda: {"rate": 1.0, "others": 0.9}, 2)
    assert (found["rate"]["median"], found["repeats"], found["dropped"]) == (None, 0, 4)


def test_percentiles_are_of_what_was_measured() -> None:
    """The slowest of all is the hundredth percentile, and nothing is made up between; seen to fail with rounding up."""
    times = [number / 1_000 for number in range(1, 101)]
    assert [percentile_ms(times, share) for share in (50, 99, 100)] == [51.0, 100.0, 100.0]
    assert percentile_ms([], 50) == 0.0
