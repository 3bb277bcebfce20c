"""What a figure needs beside it: how fast this disk flushes, what others took of the machine, and every repetition.

A trial during which others used more than a tenth of the machine says little about the code, so it is dropped and run
again, within a bound; how many were dropped, and what they had said, is printed too. Where the machine doesn't tell
what others do, nothing is dropped and `others` is null.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

CORES = os.cpu_count() or 1
MOST_OTHERS = 0.1
TRIES_PER_REPEAT = 2

Trial = Mapping[str, float | None]


def repeated(trial: Callable[[], Trial], repeats: int) -> dict[str, Any]:
    """Run a trial until so many were left alone, at most twice as often; returns medians and every value."""
    kept: list[Trial] = []
    dropped: list[Trial] = []
    while len(kept) < repeats and len(kept) + len(dropped) < repeats * TRIES_PER_REPEAT:
        done = trial()
        is_alone = (done.get("others") or 0.0) <= MOST_OTHERS
        (kept if is_alone else dropped).append(done)
    names = list((kept or dropped)[0])
    shown = {name: {"median": _median(kept, name), "all": [done[name] for done in kept]} for name in names}
    return {**shown, "repeats": len(kept), "dropped": len(dropped), "dropped_trials": dropped}


def flushes_per_s(folder: Path, seconds: float = 0.3) -> int:
    """Measure how often this disk flushes a small write; every figure of a durable journal hangs on it."""
    flushed, end = 0, time.perf_counter() + seconds
    with (folder / "flush").open("wb", buffering=0) as file:
        while time.perf_counter() < end:
            file.write(b"x" * 4_096)
            os.fdatasync(file.fileno())
            flushed += 1
    return round(flushed / seconds)


@dataclass
class Spent:
    """What a block took, what the processes in question computed meanwhile, and others' share of the machine."""

    took_s: float = 0.0
    cpu_s: float = 0.0
    others: float | None = None


@contextmanager
def alone(*pids: int) -> Iterator[Spent]:
    """Measure a block, and what these processes, or else this one, computed meanwhile."""
    spent = Spent()
    busy_s, family_s, own_s, begun = busy_cpu_s(), sum(os.times()[:4]), time.process_time(), time.perf_counter()
    before_s = sum(map(cpu_s_of, pids))
    yield spent
    took_s, own_s = time.perf_counter() - begun, time.process_time() - own_s
    theirs_s = sum(map(cpu_s_of, pids)) - before_s
    spent.took_s, spent.cpu_s = took_s, theirs_s if pids else own_s
    family_s = sum(os.times()[:4]) - family_s  # and of children that have ended
    others_s = max(0.0, busy_cpu_s() - busy_s - family_s - theirs_s)
    spent.others = round(others_s / (took_s * CORES), 2) if busy_s else None


def busy_cpu_s() -> float:
    """Return the seconds that all processors have worked since the machine started; 0 where that can't be known."""
    try:
        user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    except OSError:
        return 0.0
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def cpu_s_of(pid: int) -> float:
    """Return the seconds that a process has computed, in all its threads; 0 where that can't be known."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    user, system = said.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> tuple[float, float]:
    """Return what a process holds in memory and what it held at most, in megabytes; zeros where that can't be known."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    held = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS:", "VmHWM:"))}
    return round(int(held["VmRSS"]) / 1_024, 1), round(int(held["VmHWM"]) / 1_024, 1)


def percentile_ms(sorted_s: Sequence[float], share: float) -> float:
    """Return a percentile of sorted seconds in milliseconds."""
    return round(sorted_s[min(len(sorted_s) - 1, int(len(sorted_s) * share / 100))] * 1_000, 2) if sorted_s else 0.0


def _median(trials: Sequence[Trial], name: str) -> float | None:
    values = [value for done in trials if (value := done[name]) is not None]
    return round(median(values), 3) if values else None
