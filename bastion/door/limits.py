"""How many may stand at the door unproven at once: in all, from one address, and with a person in a browser.

A plain object without a clock; the door tells it who comes and who goes. Callers are told apart by `throttle.source`.
"""

from collections import Counter

MAX_UNPROVEN = 256
MAX_UNPROVEN_ADDRESS = 64
MAX_AT_BROWSER = 256
MAX_AT_BROWSER_ADDRESS = 32


class DoorLimits:
    """Counts connections that have not proven who they are."""

    def __init__(self) -> None:
        self._unproven: Counter[str] = Counter()
        self._at_browser: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        """Whether there is no room for anybody."""
        return self._unproven.total() >= MAX_UNPROVEN

    def has_room(self, address: str) -> bool:
        """Return whether one more from this address may come in."""
        return not self.full and self._unproven[address] < MAX_UNPROVEN_ADDRESS

    def admit(self, address: str) -> None:
        """Count a connection in."""
        self._unproven[address] += 1

    def leave(self, address: str) -> None:
        """Count a connection out: it is proven, or gone."""
        _take(self._unproven, address)

    def to_browser(self, address: str) -> bool:
        """Count a login that waits for a person in; False where there are too many, of this address or in all."""
        if self._at_browser.total() >= MAX_AT_BROWSER or self._at_browser[address] >= MAX_AT_BROWSER_ADDRESS:
            return False
        self._at_browser[address] += 1
        return True

    def from_browser(self, address: str) -> None:
        """Count such a login out."""
        _take(self._at_browser, address)


def _take(counter: Counter[str], address: str) -> None:
    counter[address] -= 1
    if counter[address] <= 0:
        del counter[address]
