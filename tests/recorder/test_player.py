import pytest
from hypothesis import given
from hypothesis import strategies as st

import recorder.player
from recorder.asciicast import Header
from recorder.player import Player, Step
from recorder.sanitise import RESET
from tests.recorder.made import Made, make

LEAVE = recorder.player._LEAVE.encode()
# One line a second, for 20 seconds.
LINES: Made = [(float(n), "o", b"<%d>" % n) for n in range(1, 21)]


class Viewer:
    """Drives a player with a clock of its own."""

    def __init__(self, player: Player, now: float = 1000.0) -> None:
        self.now, self.player = now, player
        self.drawn = b""  # since the last keys
        self.history = b""
        self.times: list[float] = []
        self.step = self._note(player.start(now))

    def _note(self, step: Step) -> Step:
        self.drawn += step.output
        self.history += step.output
        self.times.append(self.now - 1000)
        assert (step.wake_at is None) or step.wake_at >= self.now
        return step

    def watch(self, seconds: float = 1e9) -> "Viewer":
        end = self.now + seconds
        while not self.step.done and self.step.wake_at is not None and self.step.wake_at <= end:
            self.now = self.step.wake_at
            self.step = self._note(self.player.wake(self.now))
        self.now = end
        return self

    def type(self, keys: bytes) -> "Viewer":
        self.drawn = b""
        self.step = self._note(self.player.key(keys, self.now))
        while self.step.wake_at == self.now:
            self.step = self._note(self.player.wake(self.now))
        return self


def lines(first: int, last: int) -> bytes:
    return b"".join(b"<%d>" % n for n in range(first, last + 1))


def test_a_whole_replay_at_its_own_pace() -> None:
    viewer = Viewer(Player(make(LINES))).watch()
    assert viewer.drawn == RESET.encode() + lines(1, 20) + LEAVE
    assert viewer.times == [0, *range(1, 21)]
    assert viewer.step == Step(viewer.step.output, None, True, "playing 0:20 / 0:20 at 1x")


@pytest.mark.parametrize(
    ("speed", "idle_limit", "times"),
    [(2.0, None, [0, 0.5, 3, 3.05]), (1.0, 2.0, [0, 1, 3, 3.1]), (2.0, 2.0, [0, 0.5, 1.5, 1.55])],
)
def test_speed_and_idle_limit(speed: float, idle_limit: float | None, times: list[float]) -> None:
    made = make([(1.0, "o", b"a"), (6.0, "o", b"b"), (6.1, "o", b"c")])
    viewer = Viewer(Player(made, speed=speed, idle_limit=idle_limit)).watch()
    assert viewer.times == pytest.approx(times)


def test_a_late_driver_catches_up_in_one_step() -> None:
    player = Player(make(LINES))
    player.start(0.0)
    step = player.wake(7.5)
    assert step.output == lines(1, 7)
    assert step.wake_at == 8.0


def test_pause() -> None:
    viewer = Viewer(Player(make(LINES))).watch(3.5).type(b" ")
    assert viewer.step == Step(b"", None, False, "paused 0:03 / 0:20 at 1x")
    viewer.watch(100).type(b" ")
    assert viewer.step.wake_at == pytest.approx(viewer.now + 0.5)
    assert viewer.watch(0.6).drawn == b"<4>"


@pytest.mark.parametrize("right", [b"\x1b[C", b"\x1bOC"])
def test_forwards(right: bytes) -> None:
    viewer = Viewer(Player(make(LINES))).watch(3.5).type(right)
    assert viewer.drawn == lines(4, 8)
    assert viewer.watch(1.0).drawn == lines(4, 9)


@pytest.mark.parametrize("left", [b"\x1b[D", b"\x1bOD"])
def test_backwards_draws_from_the_start(left: bytes) -> None:
    viewer = Viewer(Player(make(LINES))).watch(8.5).type(left)
    assert viewer.drawn == RESET.encode() + lines(1, 3)
    assert viewer.watch(1.0).drawn == RESET.encode() + lines(1, 4)
    assert viewer.type(left * 9).drawn == RESET.encode()
    assert viewer.step.status == "playing 0:00 / 0:20 at 1x"


@pytest.mark.parametrize(("key", "last"), [(b"0", 0), (b"1", 2), (b"5", 10), (b"9", 18)])
def test_tenths(key: bytes, last: int) -> None:
    viewer = Viewer(Player(make(LINES))).watch(19.5).type(key)
    assert viewer.drawn == RESET.encode() + lines(1, last)
    assert viewer.step.status == f"playing 0:{last:02} / 0:20 at 1x"


def test_jumping_while_paused_stays_paused() -> None:
    viewer = Viewer(Player(make(LINES))).watch(2.5).type(b" ").type(b"5")
    assert viewer.drawn == lines(3, 10)
    assert viewer.step == Step(lines(3, 10), None, False, "paused 0:10 / 0:20 at 1x")
    assert viewer.type(b"\x1b[C\x1b[C\x1b[C").step.done is False  # at the end, and still paused
    assert viewer.type(b" ").step.done


def test_forwards_beyond_the_end_ends() -> None:
    viewer = Viewer(Player(make(LINES))).watch(18.5).type(b"\x1b[C")
    assert viewer.drawn == lines(19, 20) + LEAVE
    assert viewer.step.done


def test_speed_keys() -> None:
    viewer = Viewer(Player(make(LINES))).watch(2.0).type(b"+")
    assert viewer.step.status == "playing 0:02 / 0:20 at 2x"
    assert viewer.watch(1.0).drawn == lines(3, 4)
    assert viewer.type(b"---").step.status == "playing 0:04 / 0:20 at 0.25x"


def test_single_steps_pause_and_pass_over_what_draws_nothing() -> None:
    made = make([(1.0, "o", b"a"), (2.0, "i", b"typed"), (2.5, "m", b"mark"), (3.0, "o", b"\x1b[6n"), (9.0, "o", b"b")])
    viewer = Viewer(Player(made)).type(b".")
    assert (viewer.drawn, viewer.step.status) == (b"a", "paused 0:01 / 0:09 at 1x")
    viewer.type(b".")
    assert (viewer.drawn, viewer.step.status) == (b"b", "paused 0:09 / 0:09 at 1x")


@pytest.mark.parametrize("key", [b"q", b"\x03", b"xyz\x1b[5~q", b"\x1bq", b"\xff\x00q", b"\x1b[A\x1bOPq"])
def test_quit(key: bytes) -> None:
    step = Viewer(Player(make(LINES))).watch(3.5).type(key).step
    assert (step.output, step.wake_at, step.done) == (LEAVE, None, True)


@given(st.lists(st.integers(1, 3), min_size=3, max_size=3))
def test_arrow_keys_may_come_in_pieces(sizes: list[int]) -> None:
    viewer, keys = Viewer(Player(make(LINES))).watch(3.5), b"\x1b[C\x1bOC"
    drawn = b""
    for size in [*sizes, 99]:
        drawn += viewer.type(keys[:size]).drawn
        keys = keys[size:]
    assert drawn == lines(4, 13)


def test_what_talks_is_not_replayed_even_in_pieces_or_after_a_jump() -> None:
    made = make([(1.0, "o", b"a\x1b[6"), (2.0, "o", b"nb\x1b]52;c;"), (3.0, "o", b"ZXZpbA==\x07c\x1b[c")])
    viewer = Viewer(Player(made)).watch(2.5)
    assert viewer.drawn == RESET.encode() + b"ab"
    assert viewer.type(b"0").watch().drawn == RESET.encode() + b"abc" + LEAVE


def test_without_terminal_lines_return_and_stderr_is_shown() -> None:
    made = make([(1.0, "o", b"out\n"), (1.0, "e", b"err\n"), (1.0, "i", b"in\n")], header=Header())
    assert Viewer(Player(made)).watch().drawn == RESET.encode() + b"out\r\nerr\r\n" + LEAVE


def test_a_cut_off_recording_says_so() -> None:
    viewer = Viewer(Player(make(LINES, closed=False))).watch()
    assert viewer.step.done
    assert viewer.step.status == "playing 0:20 / 0:20 at 1x, cut off"


def test_an_empty_recording_ends_at_once() -> None:
    step = Player(make([])).start(5.0)
    assert (step.done, step.wake_at) == (True, None)


def test_hours() -> None:
    assert Viewer(Player(make([(3725.0, "o", b"x")]))).watch().step.status == "playing 1:02:05 / 1:02:05 at 1x"


def test_steps_and_jumps_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"STEP_MAX": 2000, "JUMP_MAX": 5000, "HELD_MAX": 6000}.items():
        monkeypatch.setattr(recorder.player, name, value)
    events: list[tuple[float, str, bytes]] = [(1.0, "o", b"\x1b[?25l\x1b[?1049h")]
    events += [(1.0, "o", b"%04d" % n * 100) for n in range(100)]
    events += [(2.0, "m", b"note")] * 1000
    output = b"".join(data for _, code, data in events if code == "o")
    assert Viewer(Player(make(events))).watch().drawn == RESET.encode() + output + LEAVE

    steps: list[Step] = []
    player = Player(make(events))
    player.start(0.0)
    step = player.key(b"9", 0.0)
    while step.wake_at == 0.0 and not step.output:
        steps.append(step)
        step = player.wake(0.0)
    assert len(steps) > 5
    assert len(step.output) < 8000
    assert step.output.startswith(b"\x1b[?25l\x1b[?1049h")  # modes outlive what was left out
    assert step.output.endswith(b"0099" * 100)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.sampled_from("oei"), st.binary(max_size=8)), max_size=12),
    st.lists(st.tuples(st.floats(0, 3), st.sampled_from([b" ", b".", b"+", b"-", b"5", b"0", b"\x1b[C", b"\x1b[D"]))),
)
def test_any_keys_lead_to_the_picture_that_undisturbed_watching_gives(
    gaps: list[tuple[float, str, bytes]], keys: list[tuple[float, bytes]]
) -> None:
    events, time = [], 0.0
    for gap, code, data in gaps:
        time += gap
        events.append((time, code, data))
    viewer = Viewer(Player(make(events)))
    for wait, key in keys:
        if not viewer.watch(wait).step.done:
            viewer.type(key)
    if viewer.player._clock.paused and not viewer.step.done:
        viewer.type(b" ")
    viewer.watch()
    assert viewer.step.done
    whole = Viewer(Player(make(events))).watch().history
    assert viewer.history.rpartition(RESET.encode())[2] == whole.rpartition(RESET.encode())[2]
