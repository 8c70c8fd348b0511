"""The clock of a replay: which moment of a recording is shown at which moment of the viewer's time.

Pure arithmetic over seconds of both times: no events, no I/O, and the present is an argument.
"""

SPEED_MIN = 1 / 16
SPEED_MAX = 64.0


class Clock:
    """Maps a recording's time to the viewer's.

    `speed` is how many seconds of the recording pass in one of the viewer's; `idle_limit` the longest wait for an
    event in seconds of the recording, None for as long as it took.
    """

    def __init__(self, now: float, *, speed: float = 1.0, idle_limit: float | None = None) -> None:
        self.speed = min(max(speed, SPEED_MIN), SPEED_MAX)
        self.paused = False
        self._idle_limit = idle_limit
        self._anchor = 0.0  # the recording's time that was shown...
        self._since = now  # ...at this moment of the viewer's

    def position(self, now: float, following: float) -> float:
        """Return the recording's time shown now, where the next event comes at `following`."""
        if self.paused:
            return min(self._anchor, following)
        return min(self._anchor + max(now - self._since, 0.0) * self.speed, following)

    def due(self, time: float) -> float:
        """Return when the viewer shall see the next event, which has this time; meaningless while paused."""
        wait = max(time - self._anchor, 0.0)
        if self._idle_limit is not None:
            wait = min(wait, self._idle_limit)
        return self._since + wait / self.speed

    def reach(self, time: float) -> None:
        """Note that the event of this time is shown, when it was due; so lateness doesn't add up."""
        self._since = self.due(time)
        self._anchor = max(self._anchor, time)

    def jump(self, time: float, now: float) -> None:
        """Show another time of the recording from now on."""
        self._anchor, self._since = time, now

    def pause(self, paused: bool, now: float, following: float) -> None:
        """Stop the clock, or let it go on from where it stood."""
        self.jump(self.position(now, following), now)
        self.paused = paused

    def change_speed(self, factor: float, now: float, following: float) -> None:
        """Multiply the speed, within `SPEED_MIN` and `SPEED_MAX`, from now on."""
        self.jump(self.position(now, following), now)
        self.speed = min(max(self.speed * factor, SPEED_MIN), SPEED_MAX)
