"""Room for many to run together, or for one alone: whoever may have killed the process before meets nobody."""

import threading

ALONE_WAIT_S = 120.0
"""After so long nobody is waited for any more: as long as a lease, so what still ran has lost its own."""


class Room:
    """Lets many run together, or one alone."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._together = 0
        self._alone = False

    def together(self) -> "_Pass":
        """Run beside others."""
        return _Pass(self, alone=False)

    def alone(self) -> "_Pass":
        """Run when nobody else does."""
        return _Pass(self, alone=True)

    def enter(self, *, alone: bool) -> None:
        """Wait for room and take it."""
        with self._condition:
            self._condition.wait_for(lambda: not self._alone and not (alone and self._together), ALONE_WAIT_S)
            if alone:
                self._alone = True
            else:
                self._together += 1

    def leave(self, *, alone: bool) -> None:
        """Give it back."""
        with self._condition:
            if alone:
                self._alone = False
            else:
                self._together -= 1
            self._condition.notify_all()


class _Pass:
    """One stay in a room: `with room.alone(): ...`."""

    def __init__(self, room: Room, *, alone: bool) -> None:
        self._room, self._is_alone = room, alone

    def __enter__(self) -> None:
        self._room.enter(alone=self._is_alone)

    def __exit__(self, *_: object) -> None:
        self._room.leave(alone=self._is_alone)
