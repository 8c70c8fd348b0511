"""How the C library keeps memory that was freed: a little longer, since bulk data asks for it again at once.

By default glibc gives each block of 128 KiB and more back to the kernel when it is freed, and gets it anew page by page
for the next packet, which takes longer than to encrypt it. Other libraries keep their ways.
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3)
KEPT = 8 * 1024 * 1024  # bytes that may stay free at the heap's end
LARGE = 1024 * 1024  # bytes of a block that is given back at once


def keep_freed_blocks() -> None:
    """Tell the C library, where it is glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, KEPT)
        mallopt(_MMAP_THRESHOLD, LARGE)
