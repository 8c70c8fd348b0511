"""When masking fails: the channel ends, or its stream goes on whole, is recorded no more, and that is journalled."""

import pytest

from bastion.inspectors.mask import Masking
from bastion.model import Stream


class Breaking:
    """Holds the last byte, and breaks at an exclamation mark."""

    def __init__(self) -> None:
        self._last = b""
        self.counts: dict[str, int] = {"email": 1}

    @property
    def held(self) -> int:
        return len(self._last)

    def feed(self, data: bytes) -> bytes:
        if b"!" in data:
            raise RuntimeError("broken")
        data = self._last + data
        self._last = data[-1:]
        return data[:-1]

    def step(self, data: bytes) -> bytes:
        return self.feed(data)

    @property
    def behind(self) -> bool:
        return False

    def idle(self) -> bytes:
        return b""

    def end(self) -> bytes:
        return self._last

    def typed(self, data: bytes) -> None:
        pass


def test_a_failure_is_raised() -> None:
    masking = Masking({Stream.STDOUT: Breaking()}, terminal=False)
    assert masking.feed(Stream.STDOUT, b"abc", 0) == (b"ab", b"ab")
    with pytest.raises(RuntimeError):
        masking.feed(Stream.STDOUT, b"!", 0)


@pytest.mark.parametrize("clear", [False, True])
def test_where_a_target_says_so_the_stream_goes_on_whole_and_unrecorded(clear: bool) -> None:
    masking = Masking({Stream.STDOUT: Breaking()}, terminal=False, clear=clear, lenient=True)
    saved, going = masking.feed(Stream.STDOUT, b"abc", 0)
    for data in (b"de!", b"fg"):
        more_saved, more_going = masking.feed(Stream.STDOUT, data, 0)
        assert more_saved == b""
        going += more_going
    assert (saved, going) == (b"ab", b"abcde!fg")
    assert masking.end(Stream.STDOUT) == (b"", b"")
    (failure,) = masking.take_failures()
    assert "RuntimeError" in failure
    assert masking.take_failures() == []
    assert masking.counts() == {"email": 1}
