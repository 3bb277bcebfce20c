"""`make torture`: the long form of the proof that nothing is lost; one JSON line a part, and 1 as exit code for a loss.

The tests run the same parts shorter, on every change. A part that can't run here says so in its line, and in its
`skipped` why.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.torture.power_cut import can_trace, cut, live

LIVES: tuple[tuple[str, ...], ...] = ((), ("often_checkpointed",))
"""A life as the product lives, and one in which SQLite checkpoints often."""
SEEDED: tuple[tuple[str, ...], ...] = (("synchronous_normal",), ("often_checkpointed", "synchronous_off"))


def power_cut(often: float) -> bool:
    """Cut the power of healthy lives, in which nothing may be lost, and of spoilt ones, in which something must."""
    if why_not := can_trace():
        return _say(part="power_cut", skipped=why_not)
    is_well = True
    for seed, prepared in enumerate(LIVES * max(1, round(often)), 1):
        found = _cut(prepared, seed, round(1_000 * min(1.0, often)))
        is_well &= _say(found["lost"] == found["corrupt"] == 0, part="power_cut", seeds=prepared, **found)
    for prepared in SEEDED:
        found = _cut(prepared, 1, 200)
        is_well &= _say(found["lost"] + found["corrupt"] > 0, part="power_cut", seeds=prepared, **found)
    return is_well


def _cut(seeds: tuple[str, ...], seed: int, cuts: int) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        found = cut(live(Path(folder), *seeds, events=240, seed=seed), cuts, Path(folder) / "cut", seed)
    return {
        "cuts": found.cuts, "acked": found.acked, "losing": found.losing, "lost": found.lost, "corrupt": found.corrupt,
        "damage": found.damage[:3],
    }  # fmt: skip


def _say(is_as_it_should_be: bool = True, **figures: Any) -> bool:
    print(json.dumps({**figures, "as_it_should_be": is_as_it_should_be}), flush=True)  # noqa: T201  its result
    return is_as_it_should_be


PARTS: Mapping[str, Callable[[float], bool]] = {"power_cut": power_cut}


def main() -> None:
    """Run the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--often", type=float, default=1.0, help="how much of everything, 1 is some ten minutes")
    given = parser.parse_args()
    results = [PARTS[name](given.often) for name in given.parts or PARTS]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
