"""Freed memory is kept, so that large blocks come back without the kernel."""

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
