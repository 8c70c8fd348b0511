"""What memory costs while the server runs: two habits that suit other programs better.

By default glibc gives each block of 128 KiB and more back to the kernel when it is freed, and gets it anew page by page
for the next packet, which takes longer than to encrypt it. Here it is kept a little longer, since bulk data asks for it
again at once. Other C libraries keep their ways.

Python's collector looks at every object there is from time to time, and all sessions stand still meanwhile. What is
made at the start, over 100 000 objects, lives as long as the process: it is looked at once, and then no more. A reload
of the configuration drops a few of them, which is once so much as a configuration takes.
"""

import ctypes
import gc

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3)
KEPT = 8 * 1024 * 1024  # bytes that may stay free at the heap's end
LARGE = 1024 * 1024  # bytes of a block that is given back at once


def keep_freed_blocks() -> None:
    """Tell the C library, where it is glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, KEPT)
        mallopt(_MMAP_THRESHOLD, LARGE)


def set_aside() -> None:
    """Keep everything that exists now out of the collector's later rounds."""
    gc.collect()
    gc.freeze()
