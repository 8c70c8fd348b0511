"""Finds text in recordings.

Plain search ignores case; regular expressions run in RE2, which takes time linear in the text whatever the pattern, and
have no backreferences and look-around. Looked through are the lines of the transcript, and the command of the header.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import re2

from recorder.errors import RecordingError
from recorder.reader import Recording
from recorder.transcript import transcript

PATTERN_MAX = 1000  # characters
_MEMORY = 8 << 20  # of a compiled pattern


@dataclass(frozen=True, slots=True)
class Found:
    """A line that matches, and when it began, in seconds since the start; the command of the header comes at 0."""

    time: float
    line: str


def search(recording: Recording, pattern: str, *, regex: bool = False) -> Iterator[Found]:
    """Yield the lines that match, in order; raises RecordingError where the pattern cannot be used."""
    matches = _matcher(pattern, regex=regex)
    for line in recording.header.command.splitlines():
        if matches(line):
            yield Found(0.0, line)
    for shown in transcript(recording):
        if matches(shown.text):
            yield Found(shown.time, shown.text)


def _matcher(pattern: str, *, regex: bool) -> Callable[[str], bool]:
    if not pattern or len(pattern) > PATTERN_MAX:
        raise RecordingError(f"a search text has 1 to {PATTERN_MAX} characters")
    if not regex:
        wanted = pattern.casefold()
        return lambda line: wanted in line.casefold()
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise RecordingError(f"the regular expression cannot be used: {error.args[0].decode()}") from error
    except UnicodeEncodeError as error:
        raise RecordingError("the regular expression cannot be used: it is no Unicode text") from error
    return lambda line: compiled.search(line) is not None
