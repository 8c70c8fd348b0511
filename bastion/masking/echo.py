"""Tells the echo of what the client just typed from everything else a stream carries.

Bytes that come back as they were typed, in order, tell who typed them nothing, so they needn't be held back. At the
first byte that differs the rest of what was typed is forgotten: what comes then is the target's own. Line editors
(zsh) may go back and write the last character again before they add one; that still counts.
"""

_LIMIT = 4096
_KEY = 4  # bytes a key sends: one character of UTF-8, or a short sequence
_BACK = 0x08


class Echo:
    """What was typed and has not come back yet. Without a terminal data is sent too: only single keys count there."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal
        self._typed = b""
        self._last = b""  # a character that came back, if nothing else came since

    @property
    def waits(self) -> bool:
        """Whether anything that comes now may be an echo, or must be known as none."""
        return bool(self._typed or self._last)

    def typed(self, data: bytes) -> None:
        """Note what the client just sent."""
        if self._terminal:
            self._typed = (self._typed + data[-_LIMIT:])[-_LIMIT:]
        else:
            self._typed = data if len(data) <= _KEY else b""

    def take(self, data: bytes) -> tuple[int, bytes]:
        """Return how many bytes at the beginning of what comes are an echo, and what of it was typed just now."""
        typed, last = self._typed, self._last
        place = count = 0
        while place < len(data) and count < len(typed):
            if data[place] == typed[count]:
                last = data[place : place + 1]
                place += 1
                count += 1
            elif last and data[place] == _BACK and data[place + 1 : place + 2] == last:
                place += 2
            else:
                break
        whole = place == len(data)
        self._typed = typed[count:] if whole else b""
        self._last = last if whole and b" " <= last <= b"~" else b""
        return place, typed[:count]

    def forget(self) -> None:
        """Nothing that comes from here on is an echo of what was typed so far."""
        self._typed = self._last = b""
