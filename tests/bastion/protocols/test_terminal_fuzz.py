"""The line gate under any bytes, cut anywhere: it never raises, loses nothing, and lets no end of line by undecided."""

from hypothesis import example, given
from hypothesis import strategies as st

from bastion.model import Stream
from bastion.protocols.base import Data, Event, Line
from bastion.protocols.terminal import TerminalCodec
from bastion.protocols.watch import Window

KEYS = (
    b"touch m",
    b"\r",
    b"\n",
    b"\x0f",
    b"\x03",
    b"\x04",
    b"\x1b",
    b"\x1b[A",
    b"\x1b[200~",
    b"\x1b[201~",
    b"\t",
    b"\x15",
)
SHOWN = (b"\x1b[?2004h$ ", b"\x1b[?2004l", b"\x1b[?1049h", b"\x1b[?1049l", b"\r\n", b"\xc3", b"\x1bP", b"\x08 \x08")
PIECES = st.sampled_from(KEYS + SHOWN)
BYTES = st.lists(PIECES | st.binary(max_size=12), max_size=12).map(b"".join)
BOTH_WAYS = st.lists(st.tuples(st.sampled_from([Stream.STDIN, Stream.STDOUT]), BYTES), max_size=12)
NO_PASTE = BYTES.filter(lambda data: b"\x1b[200~" not in data)


class Driver:
    """Answers a codec, and keeps what came of it."""

    def __init__(self, *, allowed: bool, wary: bool) -> None:
        self.codec = TerminalCodec(Window(40, 10), wary=wary)
        self.allowed = allowed
        self.lines: list[Line] = []
        self.passed = b""
        self.shown = b""

    def feed(self, stream: Stream, data: bytes) -> None:
        """Give bytes, and let all pauses pass."""
        self._take(self.codec.feed(stream, data))
        for _ in range(1000):
            if self.codec.drained:
                return
            self._take(self.codec.quiet())
        raise AssertionError("it never comes to an end")

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Line):
                self.lines.append(event)
                self._take(self.codec.decided(allowed=self.allowed, more=False))
            elif isinstance(event, Data) and event.stream is Stream.STDIN:
                self.passed += event.raw
            elif isinstance(event, Data):
                self.shown += event.raw


@example(  # an accent comes onto the prompt's last letter
    traffic=[
        (Stream.STDOUT, b"touch m"),
        (Stream.STDIN, b"\x1b[A"),
        (Stream.STDOUT, b"\xdf\xbd"),
        (Stream.STDIN, b"\r"),
    ],
    wary=False,
)
@given(BOTH_WAYS, st.booleans())
def test_what_is_allowed_goes_on_byte_for_byte(traffic: list[tuple[Stream, bytes]], wary: bool) -> None:
    driver = Driver(allowed=True, wary=wary)
    for stream, data in traffic:
        driver.feed(stream, data)
    assert driver.passed == b"".join(data for stream, data in traffic if stream is Stream.STDIN)
    assert driver.shown == b"".join(data for stream, data in traffic if stream is Stream.STDOUT)


@given(BOTH_WAYS, st.booleans())
def test_no_line_that_is_not_allowed_is_run(traffic: list[tuple[Stream, bytes]], wary: bool) -> None:
    driver = Driver(allowed=False, wary=wary)
    for stream, data in traffic:
        driver.feed(stream, data)
    typed = b"".join(data for stream, data in traffic if stream is Stream.STDIN)
    asked = sum(line.raw.count(end) for line in driver.lines for end in (b"\r", b"\n", b"\x0f"))
    ends = sum(typed.count(end) for end in (b"\r", b"\n", b"\x0f"))
    went = sum(driver.passed.count(end) for end in (b"\r", b"\n", b"\x0f"))
    assert went <= ends - asked


@given(NO_PASTE, st.data(), st.booleans())
def test_keys_cut_anywhere_make_the_same_lines(typed: bytes, data: st.DataObject, wary: bool) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(typed)), max_size=6)))
    whole, cut = Driver(allowed=True, wary=wary), Driver(allowed=True, wary=wary)
    whole.feed(Stream.STDIN, typed)
    for start, end in zip([0, *cuts], [*cuts, len(typed)], strict=True):
        cut.feed(Stream.STDIN, typed[start:end])
    assert [(line.raw, line.typed) for line in cut.lines] == [(line.raw, line.typed) for line in whole.lines]
    assert cut.passed == whole.passed
