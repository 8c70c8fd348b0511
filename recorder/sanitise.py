"""Makes recorded output fit to be shown again on somebody's terminal, and texts fit to be shown on one line.

What a program once sent to the user's terminal is not what may be sent to an auditor's: queries would be answered
into the auditor's shell, OSC 52 would fill the clipboard, mouse and focus modes would make the terminal talk. So
`Sanitiser` lets through text, the harmless control characters, and a list of sequences that draw: colours, cursor
moves, erasing, scrolling, the alternate screen. Everything else is dropped: OSC, DCS, APC, PM and SOS strings whole,
their C1 forms, unknown sequences, and what a terminal could take for the beginning of one.

The result does not depend on how the input is cut. At most `SEQUENCE_MAX` characters are kept back. A string that is
never ended is dropped up to the end of its line only, so that no program can hide what follows from an auditor. No
claim is made that what is left looks the same: that would take a whole terminal.
"""

import codecs
import re
import unicodedata
from enum import Enum
from functools import lru_cache

SEQUENCE_MAX = 256

# What goes through as it is: text, the controls BS HT LF VT FF CR SO SI (of the others, ENQ would be answered, and BEL
# is a nuisance), and the commonest of the sequences that `_kept` keeps, because one match is faster than many.
# Not possessive (`*+`): Python before 3.11.5 then lets more through than the pattern says. Nothing has to match behind
# it, so it never goes back either.
_SAFE = re.compile(r"(?:[^\x00-\x07\x10-\x1f\x7f-\x9f]+|\x1b\[(?:[0-9]{0,4};){0,8}[0-9]{0,4}[@A-HKLMPXdfm])*")
_CSI = re.compile(r"(?:\x1b\[|\x9b)([0-?]*)([ -/]*)([@-~])")
_CSI_BEGINNING = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*\Z")
_CSI_BODY = re.compile(r"[0-?]*[ -/]*")
_ESCAPE = re.compile(r"\x1b([ -/]*)([0-~])")
_ESCAPE_BEGINNING = re.compile(r"\x1b[ -/]*\Z")
_ESCAPE_BODY = re.compile(r"[ -/]*")
# Introducers of strings: DCS SOS OSC PM APC, and ESC k, the title of screen and tmux.
_STRING_ESCAPES = frozenset("PX]^_k")
_STRING_CONTROLS = frozenset("\x90\x98\x9d\x9e\x9f")
# A string ends at BEL, CAN, SUB or ST, at an ESC (which begins ST, or aborts), and here also at the end of a line.
_STRING_END = re.compile("[\x07\n\r\x18\x1a\x1b\x9c]")

_ESCAPES_KEPT = frozenset(["7", "8", "D", "E", "H", "M", "#8"] + [group + table for group in "()*+" for table in "0AB"])
# Finals of CSI sequences without prefix and intermediates. Not among them: c (DA), n (DSR), t (windows),
# x (DECREQTPARM), i (printing), q (lamps), p and y.
_FINALS = frozenset("@ABCDEFGHIJKLMPSTXZ`abdefgmr")
# Modes that draw: IRM LNM; DECSCNM DECOM DECAWM, cursor blinking and shown, reverse wrap, alternate screen.
_MODES = frozenset({"4", "20"})
_PRIVATE_MODES = frozenset({"5", "6", "7", "12", "25", "45", "47", "1047", "1048", "1049"})
_HUGE = re.compile("[0-9]{5,}")

# Clears a terminal and brings it to a known state, by sequences that draw only. Programs' own full reset (ESC c) is
# replaced with it, since that one would also wipe what the auditor's terminal has scrolled away.
RESET = "\x1b[?1049l\x1b[?5;6;45l\x1b[?7;25h\x1b[4;20l\x1b[r\x1b(B\x0f\x1b[m\x1b[ q\x1b[2J\x1b[H"


class _State(Enum):
    GROUND = "ground"
    STRING = "string"
    CSI = "csi"  # within a sequence that is too long
    ESCAPE = "escape"


class Sanitiser:
    """Filters one stream of output bytes; give it every chunk in order."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self._state = _State.GROUND

    def feed(self, data: bytes) -> str:
        """Return what of the bytes may be shown. What is not UTF-8 becomes U+FFFD."""
        return self.feed_text(self._decoder.decode(data))

    def feed_text(self, text: str) -> str:
        """Return what of the text may be shown."""
        if self._pending:
            text, self._pending = self._pending + text, ""
        parts: list[str] = []
        position, size = 0, len(text)
        while position < size:
            if self._state is _State.GROUND:
                if (safe := _SAFE.match(text, position)) and safe.end() > position:
                    parts.append(safe.group())
                    position = safe.end()
                else:
                    position = self._control(text, position, parts)
            elif self._state is _State.STRING:
                position = self._string(text, position)
            else:
                position = self._overlong(text, position)
        return "".join(parts)

    def _control(self, text: str, position: int, parts: list[str]) -> int:
        """Handle the control character at `position`; return where to go on."""
        char = text[position]
        if char in _STRING_CONTROLS:
            self._state = _State.STRING
        elif char == "\x9b":
            return self._csi(text, position, parts)
        elif char == "\x1b":
            if text.startswith("[", position + 1):
                return self._csi(text, position, parts)
            return self._escape(text, position, parts)
        return position + 1

    def _csi(self, text: str, position: int, parts: list[str]) -> int:
        if match := _CSI.match(text, position):
            if match.end() - position <= SEQUENCE_MAX:
                parts.append(_kept(*match.groups()))
            return match.end()
        if _CSI_BEGINNING.match(text, position):
            return self._keep_back(text, position, _State.CSI)
        # A character that no sequence holds ends it; what was read of it is dropped.
        begun = position + (2 if text[position] == "\x1b" else 1)
        body = _CSI_BODY.match(text, begun)
        return body.end() if body else begun

    def _escape(self, text: str, position: int, parts: list[str]) -> int:
        if match := _ESCAPE.match(text, position):
            between, final = match.groups()
            if not between and final in _STRING_ESCAPES:
                self._state = _State.STRING
            elif match.group() == "\x1bc":
                parts.append(RESET)
            elif between + final in _ESCAPES_KEPT:
                parts.append(match.group())
            return match.end()
        if _ESCAPE_BEGINNING.match(text, position):
            return self._keep_back(text, position, _State.ESCAPE)
        body = _ESCAPE_BODY.match(text, position + 1)
        return body.end() if body else position + 1

    def _keep_back(self, text: str, position: int, state: _State) -> int:
        if len(text) - position > SEQUENCE_MAX:
            self._state = state
        else:
            self._pending = text[position:]
        return len(text)

    def _string(self, text: str, position: int) -> int:
        end = _STRING_END.search(text, position)
        if end is None:
            return len(text)
        self._state = _State.GROUND
        return end.start() if end.group() in "\n\r\x1b" else end.end()

    def _overlong(self, text: str, position: int) -> int:
        """Drop the rest of a sequence that is longer than any real one."""
        pattern = _CSI_BODY if self._state is _State.CSI else _ESCAPE_BODY
        body = pattern.match(text, position)
        end = body.end() if body else position
        if end == len(text):
            return end
        first = "@" if self._state is _State.CSI else "0"
        self._state = _State.GROUND
        return end + 1 if first <= text[end] <= "~" else end


@lru_cache(maxsize=4096)
def _kept(params: str, between: str, final: str) -> str:
    """Return the CSI sequence to show for one that was read whole; empty where it is dropped."""
    if between:
        return f"\x1b[{params} q" if (between, final) == (" ", "q") and params in frozenset("0123456") | {""} else ""
    prefix, numbers = ("?", params[1:]) if params.startswith("?") else ("", params)
    if numbers.strip("0123456789;:") or (":" in numbers and final != "m"):
        return ""
    if final in "hl":
        known = _PRIVATE_MODES if prefix else _MODES
        modes = [mode for number in numbers.split(";") if (mode := number.lstrip("0")) in known]
        return f"\x1b[{prefix}{';'.join(modes)}{final}" if modes else ""
    if prefix:
        return f"\x1b[?{numbers}{final}" if final in "JK" and numbers in {"", "0", "1", "2"} else ""
    if final in "su":
        return f"\x1b[{final}" if not numbers else ""  # with numbers they are left margins and keyboard reports
    if (final == "T" and ";" in numbers) or (final == "J" and numbers.strip("0") == "3"):
        return ""  # mouse tracking; erasing what was scrolled away
    return f"\x1b[{_HUGE.sub('9999', numbers)}{final}" if final in _FINALS else ""


# Besides whole categories (controls, format characters such as bidi and zero width, surrogates, private and unassigned
# ones, separators), characters that show nothing or look like a space: fillers, joiners, variation selectors.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_HIDDEN = frozenset(
    map(chr, [0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164, 0xFFA0])
) | frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """Return a text for one line of a terminal in which nothing hides.

    Control, bidi, zero-width and other invisible characters become \\n, \\r, \\t, \\xHH, \\uHHHH or \\UHHHHHHHH. A
    backslash is doubled where it would read as the beginning of one of these, so that two texts never look the same.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    shown: list[str] = []
    following = ""
    for char in reversed(text):
        if char == "\\":
            shown.append("\\\\" if following in set("\\nrtxuU") or _is_hidden(following) else "\\")
        else:
            shown.append(_escaped(char) if _is_hidden(char) else char)
        following = char
    return "".join(reversed(shown))


def _is_hidden(char: str) -> bool:
    if not char or char == " ":
        return False
    return unicodedata.category(char) in _HIDDEN_CATEGORIES or char in _HIDDEN


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return _SHORT.get(char, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
