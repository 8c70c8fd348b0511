"""Replays a recording on a terminal: a state machine without I/O.

Whoever drives it calls `start` once, `key` with what the viewer types, and `wake` when the time of the last step's
`wake_at` has come. Each returns a `Step`: draw its `output`, wait until `wake_at` (None: until a key comes), stop once
it is `done`. Times are seconds of one monotonic clock. The terminal should be raw; what is drawn is sanitised, and
the last step leaves the terminal as a shell expects it.

Keys: space pauses, left and right jump 5 s, + and - change the speed, 0 to 9 jump to tenths, `.` shows the next event,
q and Ctrl-C end. Going back draws from the start again. Calls read the recording and so may block for a short time; a
step draws at most about `STEP_MAX` bytes, and while jumping over much output several steps come without delay.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from recorder.asciicast import Code, Event
from recorder.reader import Recording
from recorder.sanitise import RESET, Sanitiser
from recorder.tail import Tail
from recorder.timing import Clock

STEP_MAX = 256 << 10
JUMP_MAX = 8 << 20  # bytes read in one step while jumping
HELD_MAX = 4 << 20  # characters drawn after a jump; what scrolled away before is left out
SEEK = 5.0
_EVENT_COST = 64  # what an event counts for besides its bytes, so that empty ones can't keep a step busy

# Leaves the alternate screen and every mode, and the cursor below what was drawn.
_LEAVE = "\x1b7\x1b[r\x1b8\x1b[?1049l\x1b[?5;45l\x1b[?7;25h\x1b[4;20l\x1b(B\x0f\x1b[m\x1b[ q\r\n"
_KEYS = re.compile(rb"\x1b[\[O][0-9;]{0,16}[@-~]|\x1b(?![\[O])|[^\x1b]|\x1b.", re.DOTALL)
_BEGINNING = re.compile(rb"\x1b([\[O][0-9;]{0,16})?\Z")


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: draw `output`, then call `wake` at `wake_at`, unless it is `done`.

    `status` is one line about where the replay stands, such as "playing 0:12 / 3:40 at 2x", and
    ends with ", cut off" where the recording was never closed.
    """

    output: bytes
    wake_at: float | None
    done: bool
    status: str


class Player:
    """One replay. `speed` is the pace, `idle_limit` the longest wait in seconds of the recording."""

    def __init__(self, recording: Recording, *, speed: float = 1.0, idle_limit: float | None = None) -> None:
        self._recording = recording
        self._duration, self._ended = recording.duration, recording.ended
        self._raw_lines = not recording.header.term
        self._clock = Clock(0.0, speed=speed, idle_limit=idle_limit)
        self._typed = b""
        self._done = False
        self._target: float | None = None
        self._held = Tail(HELD_MAX)
        self._rewind()

    def start(self, now: float) -> Step:
        """Begin; the first step clears the terminal."""
        self._clock.jump(0.0, now)
        return self._advance(now, RESET)

    def wake(self, now: float) -> Step:
        """Go on: draw what is due."""
        return self._advance(now)

    def key(self, data: bytes, now: float) -> Step:
        """Obey the keys that were typed; sequences of arrow keys may come in pieces."""
        typed = self._typed + data
        beginning = _BEGINNING.search(typed)
        self._typed = beginning.group() if beginning else b""
        keys = _KEYS.findall(typed[: len(typed) - len(self._typed)])
        return self._advance(now, "".join([self._obey(key, now) for key in keys]))

    def _obey(self, key: bytes, now: float) -> str:
        """Do what one key says, and return what is to be drawn at once."""
        clock = self._clock
        match key:
            case b"q" | b"\x03":
                self._done = True
            case b" ":
                clock.pause(not clock.paused, now, self._following)
            case b"+" | b"=":
                clock.change_speed(2.0, now, self._following)
            case b"-" | b"_":
                clock.change_speed(0.5, now, self._following)
            case b".":
                return self._single(now)
            case b"\x1b[C" | b"\x1bOC":
                self._seek(self._position(now) + SEEK, now)
            case b"\x1b[D" | b"\x1bOD":
                self._seek(self._position(now) - SEEK, now)
            case _ if key.isdigit():
                self._seek(self._duration * int(key) / 10, now)
        return ""

    @property
    def _following(self) -> float:
        return self._next.time if self._next else self._duration

    def _position(self, now: float) -> float:
        return self._clock.position(now, self._following) if self._target is None else self._target

    def _rewind(self) -> None:
        self._events: Iterator[Event] = self._recording.events()
        self._sanitisers = {Code.OUTPUT: Sanitiser(), Code.ERROR: Sanitiser()}
        self._next = next(self._events, None)

    def _seek(self, time: float, now: float) -> None:
        time = min(max(time, 0.0), self._duration)
        if time < self._position(now):
            self._rewind()
            self._held = Tail(HELD_MAX, RESET)
        self._target = time
        self._clock.jump(time, now)

    def _single(self, now: float) -> str:
        """Pause, and show the next event that draws something."""
        self._clock.pause(True, now, self._following)
        if self._target is not None:
            return ""
        text = ""
        while self._next and not text:
            self._clock.jump(self._next.time, now)
            text = self._take()
        return text

    def _take(self) -> str:
        """Take the next event and return what it draws."""
        event, self._next = self._next, next(self._events, None)
        sanitiser = self._sanitisers.get(event.code) if event else None
        if event is None or sanitiser is None:
            return ""
        text = sanitiser.feed(event.data)
        return text.replace("\n", "\r\n") if self._raw_lines else text

    def _advance(self, now: float, output: str = "") -> Step:
        if self._target is not None and not self._done:
            output += self._jump(self._target, now)
        if self._target is None and not self._clock.paused and not self._done:
            output += self._due(now)
            self._done = self._next is None
        if self._done:
            output += _LEAVE
        wake_at = None
        if self._target is not None:
            wake_at = now
        elif self._next and not self._clock.paused:
            wake_at = max(self._clock.due(self._next.time), now)
        return Step(output.encode(), None if self._done else wake_at, self._done, self._status(now))

    def _due(self, now: float) -> str:
        """Return what is due, up to about `STEP_MAX`."""
        parts: list[str] = []
        size = 0
        while self._next and size < STEP_MAX and self._clock.due(self._next.time) <= now:
            self._clock.reach(self._next.time)
            parts.append(self._take())
            size += len(parts[-1]) + _EVENT_COST
        return "".join(parts)

    def _jump(self, target: float, now: float) -> str:
        """Read on towards the target; return what is to be drawn once it is reached."""
        budget = JUMP_MAX
        while self._next and self._next.time <= target:
            if budget <= 0:
                return ""
            budget -= len(self._next.data) + _EVENT_COST
            self._held.add(self._take())
        self._target = None
        self._clock.jump(target, now)
        held, self._held = self._held, Tail(HELD_MAX)
        return held.text()

    def _status(self, now: float) -> str:
        state = "paused" if self._clock.paused else "playing"
        times = f"{_minutes(self._position(now))} / {_minutes(self._duration)}"
        return f"{state} {times} at {self._clock.speed:g}x{'' if self._ended else ', cut off'}"


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
