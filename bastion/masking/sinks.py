"""How far a secret goes on that was found by its head: what follows is swallowed, and nothing of it is held back."""

import re

_ALL = bytes(range(0x100))


class RunSink:
    """Swallows bytes of one class."""

    uniform = True

    def __init__(self, class_: bytes) -> None:
        self._run = re.compile(class_ + rb"*")
        self.firsts = b"".join(re.findall(class_, _ALL))

    def swallow(self, text: bytes, start: int, stop: int, state: int) -> tuple[int, int]:
        """See `Sink.swallow`."""
        end = self._run.match(text, start, stop)
        assert end is not None
        return end.end(), state if end.end() == stop else -1


class KeySink:
    """Swallows a private key up to its END line. `state` counts dashes: 0 to 4 before that line, 5 to 9 in it."""

    uniform = False
    firsts = _ALL
    _run = re.compile(rb"[A-Za-z0-9+/=\s:,.\\]*")

    def swallow(self, text: bytes, start: int, stop: int, state: int) -> tuple[int, int]:
        """See `Sink.swallow`."""
        position = start
        while position < stop:
            if text[position] == 0x2D:
                position += 1
                state += 1
                if state == 10:
                    return position, -1
                continue
            run = self._run.match(text, position, stop)
            assert run is not None
            if run.end() == position:
                return position, -1
            position = run.end()
            state = 0 if state < 5 else 5
        return position, state


class LinesSink:
    """Swallows lines of base64 up to the first short one, as PuTTY writes them; `state` is how much of a line is read.

    The head that was found is a part of the first line, so of that one less is counted.
    """

    uniform = False
    firsts = _ALL
    _full = 60
    _run = re.compile(rb"[A-Za-z0-9+/=]*")

    def swallow(self, text: bytes, start: int, stop: int, state: int) -> tuple[int, int]:
        """See `Sink.swallow`."""
        position = start
        while position < stop:
            if text[position] in b"\r\n":
                if 0 < state < self._full:
                    return position, -1
                state = 0
                position += 1
                continue
            run = self._run.match(text, position, stop)
            assert run is not None
            if run.end() == position:
                return position, -1
            state += run.end() - position
            position = run.end()
        return position, state
