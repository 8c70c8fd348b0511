r"""Quote removal: backslashes in bare, double-quoted and here-document text, and `$'...'`.

Only the escapes are read here; which text is quoted how is the parser's finding.
"""

import re

_BARE = re.compile(r"\\(\n|.)", re.DOTALL)
_DOUBLE = re.compile(r'\\([$`"\\\n])')
_DOCUMENT = re.compile(r"\\([$`\\\n])")
_ANSI = re.compile(
    r"\\(?:([abeEfnrtv\\'\"?])|([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|c(.))",
    re.DOTALL,
)
_CONTROL = dict(
    zip("abeEfnrtv\\'\"?", ("\a", "\b", "\x1b", "\x1b", "\f", "\n", "\r", "\t", "\v", "\\", "'", '"', "?"), strict=True)
)


def _unescape(match: re.Match[str]) -> str:
    return "" if match[1] == "\n" else match[1]


def double(text: str) -> str:
    """Return double-quoted text without its escapes."""
    return _DOUBLE.sub(_unescape, text) if "\\" in text else text


def document(text: str) -> str:
    """Return the text of an unquoted here-document without its escapes."""
    return _DOCUMENT.sub(_unescape, text) if "\\" in text else text


def bare(text: str) -> list[tuple[str, bool]]:
    """Return unquoted text as pieces, each with whether it was quoted by a backslash."""
    if "\\" not in text:
        return [(text, False)] if text else []
    pieces: list[tuple[str, bool]] = []
    last = 0
    for match in _BARE.finditer(text):
        if match.start() > last:
            pieces.append((text[last : match.start()], False))
        if match[1] != "\n":
            pieces.append((match[1], True))
        last = match.end()
    if last < len(text):
        pieces.append((text[last:], False))
    return pieces


def ansi_c(text: str) -> str:
    r"""Return the text of `$'...'`; a NUL ends it, as in bash."""
    data = b""
    last = 0
    for match in _ANSI.finditer(text):
        data += text[last : match.start()].encode("utf-8", "surrogateescape") + _ansi_escape(match)
        last = match.end()
    data += text[last:].encode("utf-8", "surrogateescape")
    return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _ansi_escape(match: re.Match[str]) -> bytes:
    simple, octal, hexadecimal, short, long, control = match.groups()
    if simple is not None:
        return _CONTROL[simple].encode()
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)])
    if control is not None:
        return bytes([ord(control.upper()) & 0x1F]) if ord(control) < 128 else match[0].encode()
    code = int(short or long, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return match[0].encode()
    return chr(code).encode()
