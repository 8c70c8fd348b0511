"""Whether a side is read: only while nobody who takes what comes from it has enough."""

from collections.abc import Callable


class Valve:
    """Opens and closes one source. `turn` is told at each word whether to read it."""

    def __init__(self, turn: Callable[[bool], None]) -> None:
        self._turn = turn
        self._enough: set[str] = set()

    def read(self, whose: str, reading: bool) -> None:
        """Note whether `whose` side can take more."""
        (self._enough.discard if reading else self._enough.add)(whose)
        self._turn(not self._enough)
