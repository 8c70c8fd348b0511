"""Freed memory is kept, so that large blocks come back without the kernel; what lasts is collected once."""

import resource
import subprocess
import sys

PROGRAM = """
import resource
from bastion.heap import keep_freed_blocks
keep_freed_blocks()
[bytes(200_000) for _ in range(5)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200):
    [bytes(200_000) for _ in range(5)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_large_blocks_are_not_fetched_anew_each_time() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 1000 * 200_000 // resource.getpagesize() // 10


LASTING = """
import gc
from bastion.heap import set_aside
before = [[] for _ in range(100_000)]
set_aside()
later = [[] for _ in range(1000)]
print(len(gc.get_objects()), gc.get_freeze_count())
"""


def test_the_collector_looks_no_more_at_what_there_was_at_the_start() -> None:
    done = subprocess.run([sys.executable, "-c", LASTING], check=True, capture_output=True, text=True)
    looked_at, aside = map(int, done.stdout.split())
    assert 1000 <= looked_at < 20_000
    assert aside > 100_000
