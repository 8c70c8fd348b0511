from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.asciicast import LINE_MAX, Code, Encoder, Event, Header, encode_header
from recorder.errors import RecordingError, RecordingMissingError
from recorder.reader import Recording

HEADER = encode_header(Header())


def recording(content: bytes, *, tolerant: bool = False) -> Recording:
    return Recording(lambda: BytesIO(content), "one.cast", tolerant=tolerant)


def lines(count: int, *, end: bool = True) -> bytes:
    encoder = Encoder()
    made = [line for n in range(count) for line in encoder.stream(Code.OUTPUT, b"%d\r\n" % n, n / 10)]
    return b"".join([*made, *(encoder.end("0", count / 10) if end else [])])


@given(st.data())
def test_a_file_cut_anywhere_is_readable(data: st.DataObject) -> None:
    content = HEADER + lines(10)
    cut = data.draw(st.integers(len(HEADER), len(content) - 2))
    events = list(recording(content[:cut]).events())
    whole = list(recording(content).events())
    assert events[:-1] == whole[: len(events) - 1]
    assert len(events) - 1 >= content[len(HEADER) : cut].count(b"\n")
    assert events[-1].data == b"cut off"
    assert recording(content[:cut]).duration == events[-1].time
    assert not recording(content[:cut]).ended


def test_a_torn_last_line_may_be_whole_but_for_its_newline() -> None:
    made = recording((HEADER + lines(3))[:-1])
    assert made.ended
    assert [event.code for event in made.events()] == ["o", "o", "o", "m"]


def test_zeros_after_a_power_cut_are_a_torn_line() -> None:
    made = recording(HEADER + lines(3, end=False) + b"\x00" * 5000)
    assert [event.data for event in made.events()] == [b"0\r\n", b"1\r\n", b"2\r\n", b"cut off"]
    assert made.duration == 0.2


@pytest.mark.parametrize("bad", [b"garbage\n", b"\n", b'[0.1, "o", 5]\n', b"\xff\xfe\n", b"x" * (LINE_MAX + 9) + b"\n"])
def test_a_corrupt_line_is_named_or_left_out(bad: bytes) -> None:
    first, rest = lines(1, end=False), lines(3)
    content = HEADER + first + bad + rest
    with pytest.raises(RecordingError, match=r"^one\.cast line 3: the line .*; the file was damaged or changed$"):
        list(recording(content).events())
    made = recording(content, tolerant=True)
    assert [event.data for event in made.events()] == [b"0\r\n", b"0\r\n", b"1\r\n", b"2\r\n", b"exit 0"]
    assert made.corrupt == 1
    assert list(made.events())
    assert made.corrupt == 1  # counted anew by each reading


def test_an_endless_line_is_read_in_bounded_pieces() -> None:
    class Endless(BytesIO):
        asked = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size == LINE_MAX
            self.asked += 1
            if self.asked == 1:
                return HEADER
            return b"x" * LINE_MAX if self.asked < 100 else b""

    events = list(Recording(Endless, "endless").events())
    assert [event.data for event in events] == [b"cut off"]


def test_time_never_goes_back_whatever_the_file_says() -> None:
    content = HEADER + b'[2.0, "o", "a"]\n[1.0, "o", "b"]\n[3, "o", "c"]\n[0.0, "m", "exit"]\n'
    times = [event.time for event in recording(content).events()]
    assert times == [2, 2, 3, 3]
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_what_comes_after_the_end_makes_it_no_end() -> None:
    made = recording(HEADER + lines(1) + b'[9.0, "o", "more"]\n')
    assert not made.ended
    assert list(made.events())[-1] == Event(9.0, Code.MARKER, b"cut off")


def test_an_empty_recording() -> None:
    made = recording(HEADER)
    assert list(made.events()) == [Event(0.0, Code.MARKER, b"cut off")]
    assert (made.ended, made.duration) == (False, 0.0)


@pytest.mark.parametrize("size", [0, 1, 65_530, 65_536, 65_540, 200_000, 3_000_000])
def test_the_ending_is_found_behind_lines_of_any_size(size: int) -> None:
    encoder = Encoder()
    content = HEADER + b"".join(encoder.stream(Code.OUTPUT, b"\x1b" * size + b".", 7.5))
    assert recording(content).duration == 7.5
    assert not recording(content).ended
    content += b"".join(encoder.end("SIGKILL", 8.0))
    made = recording(content + b'[9.0, "o", "torn')
    assert made.duration == 8.0
    assert made.ending.exit_status == "SIGKILL"


@pytest.mark.parametrize("content", [b"", b"\n", HEADER[:-20], b"\x7fELF", b'{"version": 1}\n', b"x" * LINE_MAX * 2])
def test_other_files_are_refused_with_their_name(content: bytes) -> None:
    for use in (lambda made: list(made.events()), lambda made: made.header, lambda made: made.duration):
        with pytest.raises(RecordingError, match=r"^one\.cast line 1: the .*line is no "):
            use(recording(content))


def test_a_missing_file_and_an_unreadable_one(tmp_path: Path) -> None:
    with pytest.raises(RecordingMissingError, match=r"there is no recording .*/none.cast"):
        list(Recording.open(tmp_path / "none.cast").events())
    with pytest.raises(RecordingError, match=r"cannot read the recording .*: is a directory"):
        list(Recording.open(tmp_path).events())


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_readings_are_independent_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "one.cast"
    path.write_bytes(HEADER + lines(3))
    before = open_descriptors()
    made = Recording.open(path)
    first, second = made.events(), made.events()
    next(first)
    next(first)
    assert next(second).data == b"0\r\n"
    assert next(first).data == b"2\r\n"
    first.close()  # type: ignore[attr-defined]  # a generator behind its protocol
    assert len(list(second)) == 3
    assert open_descriptors() == before


def test_following_gives_whole_events_as_they_are_written(tmp_path: Path) -> None:
    content = HEADER + lines(3)
    path = tmp_path / "one.cast"
    path.write_bytes(HEADER)
    following = Recording.open(path).follow()
    assert next(following) is None
    seen: list[Event] = []
    with path.open("ab") as file:
        for byte in content[len(HEADER) :]:
            file.write(bytes([byte]))
            file.flush()
            while (event := next(following, None)) is not None:
                seen.append(event)
    assert seen == list(recording(content).events())
    assert next(following, "the end") == "the end"


def test_following_passes_over_what_is_no_event() -> None:
    damaged = HEADER + b"[1, nonsense\n" + b"x" * (2 * LINE_MAX) + b"\n" + lines(1)
    assert [event.data for event in recording(damaged).follow() if event is not None] == [b"0\r\n", b"exit 0"]
