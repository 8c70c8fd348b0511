"""Masks the content of files: as a stream is masked, in place, and fast on what is no text.

Text is read as a terminal would show it, so that colours and UTF-16 hide nothing. A block that is not text (programs,
archives, disk images) is read byte for byte: values that stand in it in clear are found, values inside compressed or
encrypted data are not.
"""

from bastion.masking.stream import BLOCK, StreamMasker
from bastion.masking.visible import View

_MAGIC = (
    *(
        b"\x1f\x8b",
        b"PK\x03\x04",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"BZh",
        b"7z\xbc\xaf",
        b"\x04\x22\x4d\x18",
        b"%PDF",
    ),
    *(b"age-encryption.org/", b"Salted__", b"-----BEGIN AGE", b"-----BEGIN PGP MESSAGE"),
)
_CONTROL = bytes(set(range(1, 0x20)) - set(b"\b\t\n\f\r\x1b")) + b"\x7f"


class FileMasker(StreamMasker):
    """Masks one file from its first byte on, or from some byte in its middle."""

    _is_text = True

    def feed(self, data: bytes) -> bytes:
        """Take bytes in and return what may go out now."""
        out = []
        for begin in range(0, len(data), BLOCK):
            block = data[begin : begin + BLOCK]
            self._is_text = is_text(block)
            out.append(super().feed(block))
        return b"".join(out)

    def _look(self, *, final: bool) -> tuple[View, bytes]:
        if self._is_text:
            return super()._look(final=final)
        return View(self._raw, self._raw, len(self._raw)), self._context + self._raw


def is_text(data: bytes) -> bool:
    """Return whether bytes of a file look like text (UTF-8, an 8-bit charset, UTF-16) and like no known container."""
    if data.startswith(_MAGIC):
        return False
    zeros = sorted((data[::2].count(0), data[1::2].count(0)))
    # NUL stands in text only as one half of UTF-16's characters.
    if zeros[0] > 0 or 0 < zeros[1] * 4 < max(len(data) - 4, 8):
        return False
    return (len(data) - len(data.translate(None, _CONTROL))) * 50 <= len(data)
