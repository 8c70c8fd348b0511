r"""What a hooked shell and the bastion tell each other through the terminal.

The shell's messages are private OSC sequences (ECMA-48): `ESC ] 5379 ; token ; kind ; fields ESC \`, where texts are
quoted as shells quote. The answer to a question is `token ; challenge ; y` or `n` and RS: the challenge is new for each
question, so that nothing typed ahead can pass for an answer.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from bastion.quoting import ansi_c

MESSAGE_MAX = 1024 * 1024
"""Bytes of a message; the hook itself keeps texts far below."""

_START = b"\x1b]5379;"
_END = b"\x1b\\"
_QUOTED = re.compile(r"\$'((?:[^'\\]|\\.)*)'|'([^']*)'|\\(.)|([A-Za-z0-9_./:=@%^,+-]+)", re.DOTALL)
_FIELD = re.compile(rf"(?:{_QUOTED.pattern})*", re.DOTALL)


class Kind(StrEnum):
    """What a message is about."""

    PROMPT = "prompt"  # the shell is at its prompt, the hook in place: the shell's name and version
    LINE = "line"  # asks: the text read, and the same with aliases put in or defined
    COMMAND = "command"  # asks: a simple command that the line did not show
    BLIND = "blind"  # asks: a line whose text the shell does not know
    AHEAD = "ahead"  # an answer was read; what was typed ahead of it


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `challenge` is empty where nothing is asked. A text that can't be read is None."""

    kind: Kind
    challenge: str
    texts: tuple[str | None, ...]


class MessageReader:
    """Finds the messages of one shell in its output; `feed` gives output and messages in order, in any split."""

    def __init__(self, token: str) -> None:
        self._start = _START + token.encode() + b";"
        self._kept = b""

    def feed(self, data: bytes) -> list[bytes | Message]:
        """Take output. The beginning of a message is kept until it is whole: it shows nothing on a terminal."""
        data, self._kept = self._kept + data, b""
        found: list[bytes | Message] = []
        place = 0
        while (start := data.find(self._start, place)) >= 0:
            end = data.find(_END, start)
            if end < 0:
                if len(data) - start < MESSAGE_MAX:
                    self._kept = data[start:]
                    return [*found, data[place:start]] if start > place else found
                break
            if start > place:
                found.append(data[place:start])
            message = _read(data[start + len(self._start) : end])
            place = end + len(_END)
            found += [message] if message is not None else []
        rest = data[place:]
        size = self._beginning(rest)
        self._kept = rest[len(rest) - size :]
        return [*found, rest[: len(rest) - size]] if len(rest) > size else found

    def end(self) -> bytes:
        """Return what was kept: no message any more."""
        kept, self._kept = self._kept, b""
        return kept

    def _beginning(self, data: bytes) -> int:
        """Return how many bytes at the end may be the beginning of a message."""
        place = data.rfind(b"\x1b", max(len(data) - len(self._start), 0))
        return len(data) - place if place >= 0 and self._start.startswith(data[place:]) else 0


def answer(token: str, challenge: str, *, yes: bool) -> bytes:
    """Word the answer to a question."""
    return f"{token};{challenge};{'y' if yes else 'n'}\x1e".encode()


def _read(body: bytes) -> Message | None:
    kind, _, rest = body.decode("utf-8", "surrogateescape").partition(";")
    if kind not in set(Kind):
        return None
    if kind == Kind.PROMPT:
        return Message(Kind.PROMPT, "", (rest,))
    challenge, _, rest = rest.partition(";")
    if not challenge.isdecimal():
        return None
    return Message(Kind(kind), challenge, tuple(_texts(rest)))


def _texts(rest: str) -> list[str | None]:
    texts: list[str | None] = []
    while rest:
        field = _FIELD.match(rest)
        end = field.end() if field is not None else 0
        if end < len(rest) and rest[end] != ";":
            return [*texts, None]
        texts.append("".join(_unquoted(word) for word in _QUOTED.finditer(rest[:end])))
        rest = rest[end + 1 :]
    return texts


def _unquoted(word: re.Match[str]) -> str:
    ansi, single, escaped, bare = word.groups()
    return ansi_c(ansi) if ansi is not None else single or escaped or bare or ""
