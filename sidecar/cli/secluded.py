"""Keeps a process's memory from its neighbours: no core dump of it, and no look into it by others of the same user.

A server holds every secret, and the words of all customers that it is reading. On Linux a process may say that it isn't
to be dumped; then its environment and memory belong to root, whoever it runs as. Elsewhere there is no such word, so
this does nothing there: it is a second lock behind file permissions, never the only one. The trade-off: `py-spy` and
debuggers need root.
"""

import sys

_PR_SET_DUMPABLE = 4


def seclude() -> None:
    """Say so, where that can be said."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
