"""Tells when a program takes over the terminal: it switches to the alternate screen (xterm's modes 47, 1047, 1049).

Full-screen programs send only what changes on the screen, so that what they show can't be masked for certain. Programs
that place the cursor without leaving the ordinary screen are not told from others.
"""

import re

_SWITCH = re.compile(rb"(?:\x1b\[|\x9b)\?(?:[0-9]+;)*(?:1049|1047|47)(?:;[0-9]+)*h")
_OPEN = re.compile(rb"(?:\x1b(?:\[(?:\?[0-9;]{0,40})?)?|\x9b(?:\?[0-9;]{0,40})?)\Z")


class ScreenWatch:
    """Watches the output of one terminal. Holds no more than one unfinished sequence."""

    def __init__(self) -> None:
        self._held = b""
        self._passing = False
        self._seen = False

    @property
    def held(self) -> int:
        """Bytes held back now."""
        return len(self._held)

    @property
    def finding(self) -> str:
        """What was recognised, for people; empty for nothing."""
        if not self._seen or self._passing:
            return ""
        return "full-screen programs can't be masked for certain; use cat, grep or sed instead, or TERM=dumb"

    def typed(self, data: bytes) -> None:
        """No echo is held back here."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes, return what may go on: nothing from the switch on."""
        if self._passing:
            return data
        data = self._held + data
        if self._seen:
            self._held = data
            return b""
        found = _SWITCH.search(data)
        self._seen = found is not None
        cut = found or _OPEN.search(data, max(0, len(data) - 48))
        place = len(data) if cut is None else cut.start()
        self._held = data[place:]
        return data[:place]

    def idle(self) -> bytes:
        """Return the unfinished sequence: it may be a key's, or never be finished."""
        return b"" if self._seen else self._take()

    def end(self) -> bytes:
        """Return the rest."""
        return self.idle()

    def pass_all(self) -> bytes:
        """Look no more, and return what is held."""
        self._passing = True
        return self._take()

    def _take(self) -> bytes:
        held, self._held = self._held, b""
        return held
