"""Recognises output that hides what it carries: archives, encryption, and encodings that masking can't see through.

It changes nothing and decides nothing: it holds back what looks like it until it was looked into, and tells what it
saw; a rule says whether that is stopped or asked about. Seen are compressed and encrypted files by their magic, where
an output or a line begins, and runs of base64 or hexadecimal digits over any number of lines. What can be unpacked or
decoded counts only where a value is in it, so that keys, digests and archives of programs pass; what can't be, always.
Addresses of common domains, IBANs and cards are seen in lines written backwards too (`rev`, see `backwards`), and all
that bytes in columns say (`xxd`, `hexdump`, `od`, see `dumps`).
Not seen: anything else that turns text into other text (`tr`, `base32`, `uuencode`, custom code), `base64` in lines
shorter than 40 characters, and the parts of a value that came before the rest of it was seen.
"""

import re
from dataclasses import dataclass
from functools import cache

import re2

from bastion.masking.backwards import LINE, Backwards
from bastion.masking.backwards import MARKS as BACKWARDS
from bastion.masking.dumps import MARKS as DUMPS
from bastion.masking.dumps import Dumps
from bastion.masking.echo import Echo
from bastion.masking.engine import ENGINES, Engine, Trigger
from bastion.masking.finder import Finder
from bastion.masking.inside import MAGIC, InsideError, Unpacked, Values, can_unpack, magic_of
from bastion.masking.runs import (
    LETTERS,
    RUN,
    SIGNS,
    WORD,
    find_runs,
    from_base64,
    from_hex,
    is_hex,
    may_go_on,
    run_end,
    telling,
)

_HOLD = {False: 16, True: 48}  # from how many on the end of a text is held back; on a terminal typed words are shorter
_LONGEST = 16384  # of a run that is held back at once
_TAIL = 64  # of what went out, to tell where a line begins
_MAGICS = rb"(?:" + b"|".join(b"".join(b"\\x%02x" % byte for byte in magic) for magic, _ in MAGIC) + rb")"
_HEADS = frozenset(magic[:length] for magic, _ in MAGIC for length in range(1, len(magic)))


def _compiled(pattern: bytes) -> "re.Pattern[bytes]":
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    compiled: re.Pattern[bytes] = re2.compile(pattern, options)
    return compiled


_ANY_MAGIC = _compiled(rb"(?:\A|\n)" + _MAGICS)
_HAS_RUN, _HAS_MAGIC, _HAS_BACKWARDS = range(3)
_HAS_DUMP = range(_HAS_BACKWARDS + len(BACKWARDS), _HAS_BACKWARDS + len(BACKWARDS) + len(DUMPS))


@cache
def _glances(engine: str) -> Engine:
    """Return what tells, in one pass, of what there is none in a text: then it needn't be looked for."""
    patterns = (WORD + rb"{%d}" % RUN, _MAGICS, *BACKWARDS, *DUMPS)
    return ENGINES[engine]([Trigger(pattern, once=True) for pattern in patterns])


@dataclass(frozen=True, slots=True)
class Disguise:
    """What was recognised: the name of its form, and how many values it was seen to hold where it could be decoded."""

    form: str
    values: int = 0


class DisguiseWatch:
    """Watches one stream. What is held is bounded: a run up to 16 KiB, the beginning of a magic, or, where no person
    types, a line of up to 256 bytes that may hold a value backwards.

    `seen` is set once something was recognised; nothing more goes out then, up to `pass_all`.
    """

    def __init__(self, finder: Finder, *, terminal: bool) -> None:
        self._finder = finder
        self._glances = _glances(finder.engine.name)
        self._least = _HOLD[terminal]
        self._echo = Echo(terminal=terminal)
        self._held = b""
        self._before = b""  # what went out last
        self._begun = False
        self._anew = False  # what follows is as at the beginning
        self._unpacked: Unpacked | None = None
        self._run: _Run | None = None
        self._terminal = terminal
        self._backwards = Backwards(finder)
        self._dumps = Dumps(finder)
        self._passing = False
        self.seen: Disguise | None = None

    @property
    def held(self) -> int:
        """How many bytes are held back."""
        return len(self._held)

    @property
    def finding(self) -> str:
        """What was recognised, for people; empty for nothing."""
        if self.seen is None or self._passing:
            return ""
        values = f" with {self.seen.values} values in it" if self.seen.values > 1 else " with a value in it"
        return f"the output is {self.seen.form}{values if self.seen.values else ''}, which can't be masked"

    def typed(self, data: bytes) -> None:
        """Note what the client just sent, so that its echo needn't wait."""
        self._echo.typed(data)

    def feed(self, data: bytes) -> bytes:
        """Take bytes in and return what may go on."""
        if self._passing:
            return data
        if not self._echo.waits:
            self._held += data
            return self._look(hold=True)
        if self._held:
            self._echo.forget()
            return self.feed(data)
        echoed, _ = self._echo.take(data)
        self._held = data[:echoed]
        out = self._look(hold=False)
        self._held += data[echoed:]
        return out + self._look(hold=True)

    def idle(self) -> bytes:
        """Nothing came for a while: return what is held, unless something was recognised."""
        return self._look(hold=False)

    def end(self) -> bytes:
        """Return the rest."""
        out = self._look(hold=False)
        if self.seen is None and self._run is not None:
            self.seen, _ = self._run.feed(b"", over=True)
        if self.seen is None and (values := self._backwards.end()):
            self.seen = Disguise("reversed", values)
        if self.seen is None and (values := self._dumps.end()):
            self.seen = Disguise("a dump", values)
        return out

    def pass_all(self) -> bytes:
        """Look no more, and return what is held."""
        self._passing = True
        held, self._held = self._held, b""
        return held

    def _look(self, *, hold: bool) -> bytes:
        out = []
        while self._held and self.seen is None:
            if self._unpacked is not None:
                size = self._unpack()
            elif self._run is not None:
                size = self._go_on(hold=hold)
            else:
                size = self._plain(hold=hold)
            if not size:
                break
            out.append(self._release(size))
            if self._anew:
                self._begun, self._anew, self._before = False, False, b""
        return b"".join(out)

    def _release(self, size: int) -> bytes:
        out, self._held = (self._held[:size], self._held[size:]) if size < len(self._held) else (self._held, b"")
        self._before = out[-_TAIL:] if size >= _TAIL else (self._before + out)[-_TAIL:]
        self._begun = True
        return out

    def _plain(self, *, hold: bool) -> int:
        """Return how much of the held text is ordinary; what begins behind it is looked into next."""
        text, word = self._held, self._word()
        whole = word + text
        there = {index for index, _ in self._glances.find((self._backwards.line or word) + text)}
        runs = find_runs(whole) if _HAS_RUN in there else []
        begin = len(text)
        if runs and may_go_on(whole, runs[-1][1]):
            begin = max(0, runs[-1][0] - len(word))
        magic = self._magic(text[: begin + _TAIL]) if _HAS_MAGIC in there else None
        if magic == 0:
            return self._open(magic_of(text))
        if begin == 0:
            self._run = _Run(self._finder, word if runs[-1][0] < len(word) else b"")
            return self._go_on(hold=hold)
        size = begin if magic is None else min(magic, begin)
        if hold and size == len(text):
            size -= self._undecided(whole)
            line = size if self._terminal else self._before_line(text[:size])
            if not runs or runs[-1][1] <= len(word) + line:  # a run is looked into whole
                size = line
        self._check(whole, [run for run in runs if run[1] <= len(word) + size])
        marks = range(_HAS_BACKWARDS, _HAS_BACKWARDS + self._backwards.marks)
        marked, dumped = not there.isdisjoint(marks), not there.isdisjoint(_HAS_DUMP)
        return size if self._is_clear(text[:size], marked=marked, dumped=dumped) else 0

    def _is_clear(self, text: bytes, *, marked: bool, dumped: bool) -> bool:
        """Return whether nothing was recognised, in lines read otherwise either; see `Backwards.feed`, `Dumps.feed`."""
        values = self._backwards.feed(text, marked=marked)
        if values and self.seen is None:
            self.seen = Disguise("reversed", values)
        values = self._dumps.feed(text, marked=dumped)
        if values and self.seen is None:
            self.seen = Disguise("a dump", values)
        return self.seen is None

    def _word(self) -> bytes:
        """Return the end of what went out, where it may belong to a run that goes on now."""
        if self._held[0] not in SIGNS:
            return b""
        before = self._before.rstrip(b"=") if self._held[:1] == b"=" else self._before
        return self._before[len(before.rstrip(LETTERS)) :]

    def _magic(self, text: bytes) -> int | None:
        """Return where a magic begins at the beginning of the output or of a line."""
        if not self._begun:
            found = _ANY_MAGIC.search(text)
            return None if found is None else found.end() - len(found[0].removeprefix(b"\n"))
        found = _ANY_MAGIC.search((b"\n" if self._before.endswith(b"\n") else b" ") + text)
        return None if found is None else found.end() - 1 - len(found[0].removeprefix(b"\n"))

    def _undecided(self, text: bytes) -> int:
        """Return how many bytes at the end of the held text may be the beginning of something."""
        word = len(text) - len(text.rstrip(SIGNS)) if text[-1] in SIGNS else 0
        word = min(word, len(self._held)) if word >= self._least else 0
        line = self._held[self._held.rfind(b"\n") + 1 :]
        starts = b"\n" in self._held or not self._begun or self._before.endswith(b"\n")
        return max(word, len(line) if starts and line in _HEADS else 0)

    def _check(self, text: bytes, runs: list[tuple[int, int]]) -> None:
        """Look into runs that are whole."""
        texts = []
        for said, form in telling(text, runs):
            if inside := magic_of(said):
                self.seen = Disguise(f"{form} of {inside}")
            else:
                texts.append((said, form))
        if texts and (values := self._count(b"\n".join(said for said, _ in texts))):
            self.seen = Disguise(texts[0][1], values)

    def _count(self, text: bytes) -> int:
        return len(self._finder.find_all(text))

    def _before_line(self, text: bytes) -> int:
        """Return how much of the text may go out: a last line that may hold a value backwards waits for its end."""
        begin = text.rfind(b"\n") + 1
        length = len(text) - begin + (0 if begin else len(self._backwards.line))
        return begin if length <= LINE and self._backwards.may_begin(text, begin) else len(text)

    def _open(self, form: str) -> int:
        if not can_unpack(form):
            self.seen = Disguise(form)
            return 0
        self._unpacked = Unpacked(self._finder, form)
        return self._unpack()

    def _unpack(self) -> int:
        assert self._unpacked is not None
        form = self._unpacked.form
        try:
            values = self._unpacked.feed(self._held)
        except InsideError:
            self.seen = Disguise(form)
            return 0
        if values:
            self.seen = Disguise(form, values)
            return 0
        rest, size = self._unpacked.rest, len(self._held)
        if rest is not None:
            self._unpacked, self._anew = None, True
            size -= len(rest)
        return size

    def _go_on(self, *, hold: bool) -> int:
        """Return how much of the run that begins the held text is decided."""
        assert self._run is not None
        size, over = run_end(self._held)
        self.seen, decided = self._run.feed(self._held[:size], over=over)
        if self.seen is not None:
            return 0
        if over:
            self._run = None
            if not size:
                return self._plain(hold=hold)
        else:
            size = decided if hold else self._run.release(len(self._held))
        return size if self._is_clear(self._held[:size], marked=True, dumped=False) else 0


class _Run:
    """One run of encoded text: decodes it as it comes. `feed` is given what is held, from what was let out on.

    `begun` are its first characters, where they went out before it was known as one.
    """

    def __init__(self, finder: Finder, begun: bytes) -> None:
        self._values = Values(finder)
        self._signs = begun  # not decoded yet
        self._hex: bool | None = None
        self._taken = 0  # of what is held, already decoded
        self._read = 0  # signs decoded
        self._head = b""

    def feed(self, text: bytes, *, over: bool) -> tuple[Disguise | None, int]:
        """Take the run as far as it is there; return what it hides, and how much of it may go out."""
        self._signs += text[self._taken :].translate(None, b"\r\n")
        self._taken = max(self._taken, len(text))
        if self._hex is None:
            self._hex = is_hex(self._signs)
        elif self._hex and self._signs and not is_hex(self._signs):  # it was base64 that began like a digest
            self._hex = False
            self._signs = b"A" * (self._read % 4) + self._signs
        *padded, rest = [self._signs.translate(None, b"=")] if self._hex else self._signs.split(b"=")
        unit = 2 if self._hex else 4
        size = len(rest) if over else len(rest) // unit * unit
        said = from_hex(rest[:size]) if self._hex else from_base64(*padded, rest[:size])
        self._signs = rest[size:]
        self._read += size
        if len(self._head) < _TAIL:
            self._head += said[:_TAIL]
        inside = magic_of(self._head)
        values = self._values.feed(said)
        if over:
            values = self._values.end()
        form = "hex" if self._hex else "base64"
        if values or inside:
            return Disguise(f"{form} of {inside}" if inside else form, values), 0
        undecided = self._values.open
        keep = 2 * undecided + _TAIL if undecided else 0
        decided = min(len(text.rstrip(b"\r\n")), len(text) - min(keep, _LONGEST))  # a new line may be no part of it
        return None, self.release(max(0, decided))

    def release(self, size: int) -> int:
        """Note that this much of what is held is let out."""
        self._taken = max(0, self._taken - size)
        return size
