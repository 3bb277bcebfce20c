"""How a meeting stands, said in its title, for a CRM that has no other place for it. Pure.

`Cancelled: Visit` and `No-show: Visit` are what a rep would type, and what a calendar shows. The words are put before
a title and taken off again, so that the title stays whose it is: a rep's own title keeps its words, and one that a rep
marks so by hand counts as marked.
"""

from collections.abc import Mapping

MARKS: Mapping[str, str] = {"cancelled": "Cancelled: ", "no_show": "No-show: "}


def status_in(title: str) -> str:
    """Return how a title says that the meeting stands; empty where it doesn't say."""
    return next((status for status, mark in MARKS.items() if title.casefold().startswith(mark.casefold())), "")


def bare(title: str) -> str:
    """Return a title without what it says of how the meeting stands."""
    return title[len(MARKS[status]) :] if (status := status_in(title)) else title


def marked(title: str, status: str, max_chars: int) -> str:
    """Return a title that says how the meeting stands; one that is too long for that loses its end."""
    mark = MARKS.get(status, "")
    room = max_chars - len(mark)
    words = bare(title)
    return mark + (words if len(words) <= room else words[: room - 1] + "…")
