"""`make torture`: the long form of the proof that nothing is lost; one JSON line a part, and 1 as exit code for a loss.

The tests run the same parts shorter, on every change. A part with planted bugs is as it should be when each is noticed.
A part that can't run on a machine says in its line why.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.support.crms import CRMS as VENDORS
from tests.support.crms import crm_class
from tests.torture.accounts import Account
from tests.torture.far_crm import FarCrm, Moods
from tests.torture.kills import ALL_AT_ONCE, ENV, POINT_S, Crm, Office, far, kill_at_points, kill_at_random, passed
from tests.torture.launcher import Mother
from tests.torture.postgres import Postgres, postgres, trouble
from tests.torture.power_cut import can_trace, cut, live
from tests.torture.vendor_crm import vendor

LIVES: tuple[tuple[str, ...], ...] = ((), ("often_checkpointed",))
"""A life as the product lives, and one in which SQLite checkpoints often."""
SPOILT: tuple[tuple[str, ...], ...] = (("synchronous_normal",), ("often_checkpointed", "synchronous_off"))
SHARE, LATE_S, SETTLE_S, LAG_S = 0.05, 0.5, 2.0, 0.5
SLOW_SETTLE_S = 5.0
"""Without keys nothing but the settle time keeps a late create from being one too many: a busy machine needs room."""
PACE_S, IDLE_S = 0.3, 600.0
PLANTED = {
    "ack_before_commit": ("lost", "before commit delivery"),
    "done_before_send": ("missing", "before write create contact"),
    "create_without_key": ("duplicates", "after write create task"),
    "two_transactions": ("missing", "before commit due end party done"),
    "no_settle_time": ("duplicates", ""),
}
CRMS = (*VENDORS, "hubspot without keys", "far", "far without keys")


def power_cut(much: float) -> bool:
    """Cut the power of healthy lives, in which nothing may be lost, and of spoilt ones, in which something must."""
    if why_not := can_trace():
        return _say(part="power_cut", skipped=why_not)
    is_well = True
    for seed, prepared in enumerate(LIVES * max(1, round(2 * much)), 1):
        found = _cut(prepared, seed, round(1_000 * min(1.0, much)))
        is_well &= _say(found["lost"] == found["corrupt"] == 0, part="power_cut", seeds=prepared, **found)
    for prepared in SPOILT:
        found = _cut(prepared, 1, 200)
        is_well &= _say(found["lost"] + found["corrupt"] > 0, part="power_cut", seeds=prepared, **found)
    return is_well


def random_kills(much: float) -> bool:
    """Kill servers at random instants: on SQLite with each CRM, and on PostgreSQL."""
    is_well = True
    for crm in CRMS:
        is_well &= _kills("random_kills", crm, round(100 * much))
    with postgres() as database:
        is_well &= _kills("random_kills", "hubspot", round(50 * much), database)
    return is_well


def point_kills(much: float) -> bool:
    """Kill servers at every named point: on SQLite with each CRM, and on PostgreSQL."""
    is_well = True
    for crm in CRMS:
        is_well &= _points(crm, much)
    with postgres() as database:
        is_well &= _points("hubspot", much, database)
    return is_well


def planted_bugs(much: float) -> bool:
    """Plant one bug after another, on the CRM elsewhere and on each vendor's, and see each under its own counter."""
    is_well = _planted("no_settle_time", "far without keys", Moods(late_s=IDLE_S, next={"create task": "late"}))
    for crm in ("far", *VENDORS):
        for seed in [seed for seed, (_, dies_at) in PLANTED.items() if dies_at]:
            is_well &= _planted(seed, crm, Moods())
    return is_well


def postgres_chaos(much: float) -> bool:
    """End PostgreSQL under a running server; with commits that are not flushed something must be lost."""
    is_well = True
    with postgres() as database:
        for seeds in ((), ("synchronous_commit_off",)):
            with _office("far", Moods(), *seeds, database=database) as office:
                office.crowd(20_000, 6, pace_s=0.1, lines=ALL_AT_ONCE)
                trouble(office, database, max(2, round(6 * much)))
                account = office.settle()
            fine = account.lost > 0 if seeds else account.is_clean
            is_well &= _tell(fine, office, account, part="postgres_chaos", seeds=seeds)
    return is_well


PARTS: Mapping[str, Callable[[float], bool]] = {
    part.__name__: part for part in (power_cut, random_kills, point_kills, planted_bugs, postgres_chaos)
}


def main() -> None:
    """Run the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--much", type=float, default=1.0, help="how much of everything; 1 is about half an hour")
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    results = [PARTS[name](given.much) for name in given.parts or PARTS]
    sys.exit(0 if all(results) else 1)


def _cut(seeds: Sequence[str], seed: int, cuts: int) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        found = cut(live(Path(folder), *seeds, events=240, seed=seed), cuts, Path(folder) / "cut", seed)
    return {**asdict(found), "damage": found.damage[:3]}


def _kills(part: str, crm: str, kills: int, database: Postgres | None = None) -> bool:
    with _office(crm, Moods(SHARE, SHARE, SHARE, LATE_S), database=database) as office:
        office.crowd(20_000, 4, pace_s=PACE_S)
        kill_at_random(office, max(5, kills), lives_s=(0.2, 2.0))
        account = office.settle()
    return _tell(account.is_clean, office, account, part=part, crm=crm, database=_kind(database))


def _points(crm: str, much: float, database: Postgres | None = None) -> bool:
    """Die at every point that earlier servers have passed, also those that only the deaths brought about."""
    with _office(crm, Moods(SHARE, SHARE, SHARE, LATE_S), database=database) as office:
        office.crowd(8, 2)
        office.work()
        office.crowd(20_000, 2, pace_s=3 * PACE_S)
        tried: set[str] = set()
        unreached: list[str] = []
        for _ in range(2):
            wanted = [point for point in passed(office) if point not in tried][:: max(1, round(1 / much))]
            unreached += kill_at_points(office, wanted, POINT_S)
            tried.update(wanted)
        account = office.settle()
    figures = {"crm": crm, "database": _kind(database), "points": len(tried), "unreached": unreached}
    return _tell(account.is_clean, office, account, part="point_kills", **figures)


def _planted(seed: str, crm: str, moods: Moods) -> bool:
    counter, dies_at = PLANTED[seed]
    with _office(crm, moods, seed) as office:
        office.crowd(4, 2, lines=ALL_AT_ONCE)
        if dies_at:
            kill_at_points(office, [dies_at])
        else:
            office.work()
        account = office.settle()
    is_noticed = getattr(account, counter) > 0
    return _tell(is_noticed, office, account, part="planted_bugs", crm=crm, seed=seed, by=counter)


@contextmanager
def _office(crm: str, moods: Moods, *seeds: str, database: Postgres | None = None) -> Iterator[Office]:
    with tempfile.TemporaryDirectory() as name, Mother(ENV) as mother, _crm(crm, Path(name), moods) as held:
        url = database.new_database(f"book_{time.monotonic_ns()}") if database else "sqlite:///journal.db"
        yield Office(Path(name), mother, held, seeds, url, idle_s=IDLE_S)


@contextmanager
def _crm(name: str, folder: Path, moods: Moods) -> Iterator[Crm]:
    with_keys = not name.endswith("without keys")
    settle_s = SETTLE_S if with_keys else SLOW_SETTLE_S
    if name.startswith("far"):
        with FarCrm(folder, settle_s=settle_s, keys=with_keys, moods=moods) as crm:
            yield far(crm)
        return
    switches: dict[str, Any] = {} if with_keys else {"activity_properties": "none"}
    with crm_class(name.removesuffix(" without keys"))(search_lag_s=LAG_S, **switches) as theirs:
        yield vendor(theirs, moods, settle_s=settle_s, lag_s=LAG_S)


def _tell(is_as_it_should_be: bool, office: Office, account: Account, **figures: Any) -> bool:
    counts = {**asdict(account), "tales": account.tales[:3]}
    return _say(is_as_it_should_be, **figures, kills=office.kills, forgiven=office.forgiven, **counts)


def _say(is_as_it_should_be: bool = True, **figures: Any) -> bool:
    print(json.dumps({**figures, "as_it_should_be": is_as_it_should_be}), flush=True)  # noqa: T201  its result
    return is_as_it_should_be


def _kind(database: Postgres | None) -> str:
    return "postgresql" if database else "sqlite"


if __name__ == "__main__":
    main()
