"""Bytes from a terminal in raw mode become keys. Pure; it knows the few keys that our screens use.

A key is its character ("a", "ö"), or a name: "up", "down", "left", "right", "home", "end", "page up", "page down",
"enter", "escape", "backspace", "tab", "ctrl-c" and so on for other control characters.
"""

import codecs

_SEQUENCES = {
    "A": "up",
    "B": "down",
    "C": "right",
    "D": "left",
    "H": "home",
    "F": "end",
    "1~": "home",
    "4~": "end",
    "5~": "page up",
    "6~": "page down",
}
_CONTROLS = {"\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace", "\t": "tab"}
_LONGEST = 16  # characters of an escape sequence; longer ones are no keys


class KeyReader:
    """Cuts input into keys. Sequences may arrive in pieces; an escape alone is known by what doesn't follow."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""

    def feed(self, data: bytes) -> list[str]:
        """Return the keys that are complete now."""
        keys: list[str] = []
        for character in self._decoder.decode(data):
            keys += self._take(character)
        return keys

    def timeout(self) -> list[str]:
        """Say that nothing more came for a moment: an escape that was kept back is the key of that name."""
        pending, self._pending = self._pending, ""
        return ["escape"] if pending == "\x1b" else []

    @property
    def waiting(self) -> bool:
        """Whether the next bytes, or their absence, decide about a key."""
        return bool(self._pending)

    def _take(self, character: str) -> list[str]:
        if not self._pending:
            if character == "\x1b":
                self._pending = character
                return []
            return [_plain(character)]
        self._pending += character
        if self._pending in {"\x1b[", "\x1bO"}:
            return []
        if self._pending == "\x1b\x1b":
            self._pending = "\x1b"
            return ["escape"]
        if self._pending[1] not in "[O":  # Alt and a key: the key counts
            self._pending = ""
            return [_plain(character)]
        if "@" <= character <= "~" or len(self._pending) > _LONGEST:
            name = _SEQUENCES.get(self._pending[2:])
            self._pending = ""
            return [name] if name else []
        return []


def _plain(character: str) -> str:
    if character in _CONTROLS:
        return _CONTROLS[character]
    if character < " ":
        return f"ctrl-{chr(ord(character) + 96)}"
    return character
