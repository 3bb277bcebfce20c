"""Who writes to us that day: invented people, each by the ways that they use, and by what each way knows them.

Somebody who is known by an e-mail address on one way and by a number on another is one party only where something
names both. So the expected parties aren't the people: they are what identifiers alone can join, which `together` says.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

FIRST = (
    "Ana",
    "Bela",
    "Carl",
    "Dora",
    "Emil",
    "Fay",
    "Gus",
    "Hana",
    "Ines",
    "Jon",
    "Kira",
    "Leo",
    "Mia",
    "Noor",
    "Ole",
)
LAST = ("Abel", "Brandt", "Costa", "Diaz", "Egger", "Fontaine", "Gruber", "Haas", "Ivanova", "Jensen", "Keller", "Lund")


@dataclass(frozen=True)
class Person:
    """One customer; `ways` are the names of the channels that they use."""

    number: int
    name: str
    email: str
    phone: str
    ways: tuple[str, ...]


def crowd(rng: random.Random, size: int, ways: Sequence[str], most: int = 6) -> list[Person]:
    """Return people who use one to six of the ways each."""
    people = []
    for number in range(size):
        name = f"{rng.choice(FIRST)} {rng.choice(LAST)}-{_own(number)}"  # nobody is called like anybody else
        mine = tuple(rng.sample(list(ways), rng.randint(1, min(most, len(ways)))))
        people.append(Person(number, name, f"p{number}@customer{number}.test", f"+4477009{number:05}", mine))
    return people


def _own(number: int) -> str:
    letters = ""
    for _ in range(3):
        number, letter = divmod(number, 26)
        letters += chr(ord("a") + letter)
    return letters.capitalize()


def together(known: Iterable[frozenset[str]]) -> Mapping[str, int]:
    """Return the number of the party for each identifier: those that something names together are one party's."""
    leader: dict[str, str] = {}

    def find(one: str) -> str:
        leader.setdefault(one, one)
        while leader[one] != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    for names in known:
        first, *others = sorted(names)
        for other in others:
            leader[find(other)] = find(first)
        find(first)
    groups: dict[str, list[str]] = defaultdict(list)
    for one in leader:
        groups[find(one)].append(one)
    return {one: number for number, group in enumerate(groups.values()) for one in group}
