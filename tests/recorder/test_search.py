import time

import pytest

from recorder.asciicast import Header
from recorder.errors import RecordingError
from recorder.search import PATTERN_MAX, Found, search
from tests.recorder.made import make

MADE = make(
    [
        (1.0, "o", b"$ c\x1b[31mat\x1b[0m /etc/pas"),
        (2.0, "o", b"swd\r\nroot:x:0:0\r\n"),
        (3.0, "e", "Błąd: ŻÓŁĆ\n".encode()),
        (4.0, "o", b"progress 10%\rprogress 99%\r\nlast line"),
    ],
    header=Header(term="xterm", command="bash -l\nsecond line"),
)


@pytest.mark.parametrize(
    ("pattern", "regex", "found"),
    [
        ("cat /etc/passwd", False, [Found(1.0, "$ cat /etc/passwd")]),
        ("ROOT", False, [Found(2.0, "root:x:0:0")]),
        ("żółć", False, [Found(3.0, "Błąd: ŻÓŁĆ")]),
        ("10%", False, []),
        ("99%", False, [Found(4.0, "progress 99%")]),
        ("last", False, [Found(4.0, "last line")]),
        ("line", False, [Found(0.0, "second line"), Found(4.0, "last line")]),
        ("r..t", False, []),
        ("r..t", True, [Found(2.0, "root:x:0:0")]),
        (r"^\$ CAT\b", True, [Found(1.0, "$ cat /etc/passwd")]),
        ("(?-i)ROOT", True, []),
        ("nowhere", False, []),
    ],
)
def test_search(pattern: str, regex: bool, found: list[Found]) -> None:
    assert list(search(MADE, pattern, regex=regex)) == found


@pytest.mark.parametrize("pattern", ["(", "[a", "(?=x)", r"(a)\1", "a{1000}{1000}", "\ud800"])
def test_patterns_that_cannot_be_used(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RecordingError, match="the regular expression cannot be used: "):
        list(search(MADE, pattern, regex=True))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("pattern", ["", "x" * (PATTERN_MAX + 1)])
@pytest.mark.parametrize("regex", [True, False])
def test_patterns_of_the_wrong_length(pattern: str, regex: bool) -> None:
    with pytest.raises(RecordingError, match=f"a search text has 1 to {PATTERN_MAX} characters"):
        list(search(MADE, pattern, regex=regex))


def test_time_is_linear_whatever_the_pattern() -> None:
    made = make([(1.0, "o", b"a" * 50_000 + b"!\r\n")])
    started = time.process_time()
    assert list(search(made, "(a*)*(a|aa)*b$", regex=True)) == []
    assert time.process_time() - started < 20  # backtracking would take for ever
