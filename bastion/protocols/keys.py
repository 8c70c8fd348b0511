"""What a terminal's client sends, read as keys: which bytes may have a line run, and what the others do to the line.

Escape sequences and characters may be cut anywhere; nothing is held back here to complete one. Every byte that some
shell may take as "run this" is a stop, also where most would not: Enter (CR, LF, keypad), Ctrl-O, Ctrl-D on a line of
the terminal driver's, bash's Ctrl-X Ctrl-E and Ctrl-X e, Alt-#, zsh's Alt-A and Alt-Z, vi mode's v, # and @ after ESC,
and keys that expand the line, Tab among them in zsh, where that may run a substitution.
Keys bound otherwise by a user's own start-up files can't be known here.
"""

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from bastion.protocols.edit import LineBuffer

PASTE_END = b"\x1b[201~"
_BURST_LINES = 20
_BURST_MAX = 32 * 1024

Edit = Callable[[LineBuffer], None]

_RUN = re.compile(rb"[^\x00-\x1f\x7f]+")
_PASTED = re.compile(rb"[^\x1b\r\n\x0f]+")
_PARAMETERS = frozenset(range(0x20, 0x40))
_SEQUENCE_MAX = 64
_REPRINT = 0x12
_ENDS = b"\r\n\x0f"
_LITERAL_STOPS = _ENDS + b"\x04"
# Behind ESC: zsh's accept-and-hold (a A) and execute-last-named-cmd (z), bash's insert-comment; CR and its like
_META_STOPS = _ENDS + b"aAz#"
_VI_STOPS = b"v#@"
# Keys that have a shell run part of the line, or a command of its own: zsh's which-command and run-help, bash's
# shell-expand-line behind ESC; bash's and zsh's expansions, and reading the init file again, behind Ctrl-X
_META_RUNS = b"?hH\x05"
_PREFIX_RUNS = b"\x12*gG?"
_QUIET_CSI = frozenset({b"I", b"O"})  # focus in, focus out
# Enter in the protocols that report keys by number: kitty's CSI u, xterm's modifyOtherKeys
_ENTER_CSI = re.compile(rb"(?:13|10|57414)(?:[;:][0-9;:]*)?u|27;[0-9]+;(?:13|10)~")


class _State(Enum):
    GROUND = auto()
    ESCAPE = auto()
    CSI = auto()
    SS3 = auto()
    LITERAL = auto()  # behind Ctrl-V: the next byte goes into the line, in most shells
    PREFIX = auto()  # behind Ctrl-X
    PASTE = auto()


class Stop(Enum):
    """Why `Keys.take` went no further."""

    ACCEPT = auto()  # the next byte may run the line
    ODD = auto()  # so it may, by a key that also does other things
    PASTE = auto()  # a bracketed paste begins with the next byte


@dataclass(frozen=True, slots=True)
class Setting:
    """What the output tells about the other side.

    `editor`: a line editor is active. `wary`: stop at keys that only some set-ups run lines with. `whole_pastes`: stop
    at the beginning of a paste, whose line ends otherwise stop only where no editor is active. `substitutes`: the line
    may hold what runs when it is expanded.
    """

    editor: bool
    wary: bool
    whole_pastes: bool
    substitutes: bool = False


class Keys:
    """Reads one direction. `line` is what the keys make since the prompt, `whole` since a line was run last.

    They differ where somebody typed ahead: what a program did not read then is part of the line. `interrupted` is set
    at Ctrl-C, and is the caller's to clear. `redrawn` is set where keys may have had the editor draw its line anew.
    """

    def __init__(self) -> None:
        self.line = LineBuffer()
        self.whole = LineBuffer()
        self.interrupted = False
        self.redrawn = False
        self._state = _State.GROUND
        self._sequence = b""
        self._vi = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")

    @property
    def pasting(self) -> bool:
        """Whether a bracketed paste has begun and not ended."""
        return self._state is _State.PASTE

    def prompted(self) -> None:
        """Take that a prompt was shown: what was typed before may have been read by a program."""
        self.line.clear()
        self.redrawn = self._vi = False

    def plain(self, data: bytes) -> bool:
        """Read text that stops nowhere, whatever the setting, as most keys do; False, with nothing read, for others."""
        if self._state is not _State.GROUND or self._vi or _RUN.fullmatch(data) is None:
            return False
        self._text(data)
        return True

    def take(self, data: bytes, setting: Setting) -> tuple[int, Stop | None]:
        """Read up to a stop; return how many bytes may go on, and the stop, or None where all may."""
        place = 0
        while place < len(data):
            if self._state is _State.GROUND and (run := _RUN.match(data, place)):
                if self._vi and setting.wary and (found := _first(run.group(), _VI_STOPS)) is not None:
                    self._text(run.group()[:found])
                    return place + found, Stop.ODD
                self._text(run.group())
                place = run.end()
                continue
            if self._state is _State.PASTE and not self._sequence and (run := _PASTED.match(data, place)):
                self._text(run.group())
                place = run.end()
                continue
            stop = self._stop(data[place], setting)
            if stop is not None:
                return place, stop
            was = self._state
            if data[place] == _REPRINT and not setting.editor and was is _State.GROUND:
                self.redrawn = True  # the terminal's driver shows the line once more; for an editor, it is another key
            else:
                self._key(data[place])
            place += 1
            if was is not _State.PASTE and self._state is _State.PASTE and setting.whole_pastes:
                return place, Stop.PASTE
        return place, None

    def lose(self) -> None:
        """Take that what stands in the line is not known any more."""
        self._lose()

    def accepted(self) -> None:
        """Take that the line was run: a new one begins."""
        if self._state is not _State.PASTE:
            self._state = _State.GROUND
        self.whole.clear()
        self.prompted()

    def drop_paste(self) -> None:
        """Take that the paste which began does not go on."""
        self._state = _State.GROUND

    def _stop(self, byte: int, setting: Setting) -> Stop | None:
        state = self._state
        if state is _State.PASTE:
            return Stop.ACCEPT if byte in _ENDS and not (setting.editor and byte != 0x0F) else None
        if byte in _ENDS:
            return Stop.ACCEPT if state is _State.GROUND else Stop.ODD
        if state is _State.CSI:
            enter = _ENTER_CSI.fullmatch(self._sequence + bytes([byte]))
            return Stop.ODD if enter else None
        odd = (
            (state is _State.SS3 and byte == ord("M"))
            or (state is _State.PREFIX and byte in b"\x05e")
            or (state is _State.ESCAPE and byte in _META_STOPS)
            or (setting.wary and self._may_run(byte, setting))
            or (byte == 0x04 and not setting.editor and not self.whole.empty)
        )
        return Stop.ODD if odd else None

    def _may_run(self, byte: int, setting: Setting) -> bool:
        """Whether a key has some shells run something, if not the line."""
        if self._state is _State.ESCAPE:
            return byte in _VI_STOPS or byte in _META_RUNS
        if self._state is _State.PREFIX:
            return byte in _PREFIX_RUNS
        return self._state is _State.GROUND and byte == 0x09 and setting.substitutes

    def _text(self, data: bytes) -> None:
        if self._state is _State.GROUND and self._vi:
            self.line.lose()
        try:
            text = self._decoder.decode(data)
        except UnicodeDecodeError:
            self._decoder.reset()
            self._lose()
        else:
            self._edit(lambda line: line.insert(text))

    def _edit(self, edit: Edit) -> None:
        edit(self.line)
        edit(self.whole)

    def _lose(self) -> None:
        self._edit(LineBuffer.lose)

    def _key(self, byte: int) -> None:
        match self._state:
            case _State.GROUND:
                self._control(byte)
            case _State.ESCAPE:
                self._escape(byte)
            case _State.CSI | _State.SS3 | _State.PASTE:
                self._sequenced(byte)
            case _State.LITERAL:
                self._state = _State.GROUND
                if (byte < 0x20 and byte != 0x09) or byte == 0x7F:
                    self._lose()
                else:
                    self._text(bytes([byte]))
            case _State.PREFIX:
                self._state = _State.GROUND
                self.redrawn = True
                self._lose()

    def _control(self, byte: int) -> None:
        if (edit := _EDITS.get(byte)) is not None:
            self._edit(edit)
        elif byte == 0x03:
            self.accepted()
            self.interrupted = True
        elif byte == 0x1B:
            self._state = _State.ESCAPE
        elif byte in b"\x16\x11":
            self._state = _State.LITERAL
            self._edit(lambda line: line.move(0))
        elif byte == 0x18:
            self._state = _State.PREFIX
        elif byte in b"\x0c\x07\x1a\x1c":
            self.redrawn = self.redrawn or byte == 0x0C
            self._edit(lambda line: line.move(0))
        else:  # completion, history, search, undo and whatever else
            self.redrawn = True
            self._lose()

    def _escape(self, byte: int) -> None:
        if byte == ord("["):
            self._state, self._sequence = _State.CSI, b""
        elif byte == ord("O"):
            self._state, self._sequence = _State.SS3, b""
        elif byte != 0x1B:
            self._state, self._vi, self.redrawn = _State.GROUND, True, True
            self._lose()

    def _sequenced(self, byte: int) -> None:
        if self._state is _State.PASTE:
            self._pasted(byte)
            return
        self._sequence += bytes([byte])
        if self._state is _State.CSI and byte in _PARAMETERS and len(self._sequence) < _SEQUENCE_MAX:
            return
        state, self._state = self._state, _State.GROUND
        if self._sequence == b"200~" and state is _State.CSI:
            self._state, self._sequence = _State.PASTE, b""
            self._edit(lambda line: line.move(0))
        elif (edit := _SEQUENCES.get(self._sequence)) is not None:
            self._edit(edit)
        elif self._sequence not in _QUIET_CSI:
            self.redrawn = True
            self._lose()

    def _pasted(self, byte: int) -> None:
        """Follow the end mark of a paste; an ESC that begins none is part of the text, on which shells do not agree."""
        if byte in b"\r\n" and not self._sequence:
            self._edit(lambda line: line.insert("\n"))
            return
        self._sequence += bytes([byte])
        if self._sequence == PASTE_END:
            self._state = _State.GROUND
        elif not PASTE_END.startswith(self._sequence):
            self._lose()
        else:
            return
        self._sequence = b""


_EDITS: Mapping[int, Edit] = {
    0x01: LineBuffer.home,
    0x02: lambda line: line.move(-1),
    0x04: LineBuffer.erase_forward,
    0x05: LineBuffer.end,
    0x06: lambda line: line.move(1),
    0x08: LineBuffer.erase_back,
    0x0B: LineBuffer.kill_end,
    0x14: LineBuffer.transpose,
    0x15: LineBuffer.kill_line,
    0x17: LineBuffer.kill_word,
    0x19: LineBuffer.yank,
    0x7F: LineBuffer.erase_back,
}

_SEQUENCES: Mapping[bytes, Edit] = {
    b"C": lambda line: line.move(1),
    b"D": lambda line: line.move(-1),
    b"F": LineBuffer.end,
    b"H": LineBuffer.home,
    b"1~": LineBuffer.home,
    b"3~": LineBuffer.erase_forward,
    b"4~": LineBuffer.end,
    b"7~": LineBuffer.home,
    b"8~": LineBuffer.end,
}


def _first(data: bytes, wanted: bytes) -> int | None:
    """Return where the first of the wanted bytes stands."""
    found = [place for byte in wanted if (place := data.find(byte)) >= 0]
    return min(found, default=None)


def burst(queue: bytearray) -> tuple[bytes, str]:
    """Return many lines that wait together at once, as bytes and as one text; nothing where they are few or odd."""
    chunk = bytes(queue[:_BURST_MAX])
    chunk = chunk[: max(chunk.rfind(b"\r"), chunk.rfind(b"\n")) + 1]
    text = chunk.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    plain = all(char.isprintable() or char in "\n\t" for char in text) and "\ufffd" not in text
    return (chunk, text.rstrip()) if plain and len(chunk.splitlines()) >= _BURST_LINES else (b"", "")
