"""Bulk data through a command's stdout and stdin: `python -m tests.bench.bench_bulk`."""

import os
import random

from tests.bastion.masking.texts import sparse
from tests.bench.stage import (
    DIRECT,
    DIRECT_MASKED,
    JUMP,
    JUMP_MASKED,
    MEGABYTE,
    PLAIN,
    WAYS,
    Row,
    Stage,
    alone,
    in_turns,
    payload,
    timed,
)

TITLE = "Bulk data, MB/s"
BARS = {JUMP: 1.0, DIRECT: 1.2}
LINE = b"2026-11-22T20:49:00Z host-17 app[4711]: request 0123456789abcdef took 12.5 ms, status 200\n"
MASKED_BAR = 0.6  # of the same way unmasked, on logs with few values
MASKED_PART = 8  # masking is slower, and its bars are elsewhere: an eighth of the data is enough to see it


def measure(stage: Stage, quick: bool) -> list[Row]:
    """Measure text and random bytes, both ways."""
    size = (64 if quick else 256) * MEGABYTE
    rows = []
    for kind, block in (("text", LINE * 10_000), ("binary", os.urandom(MEGABYTE))):
        whole = payload(stage.scratch / kind, size, block)
        part = payload(stage.scratch / f"{kind}-part", size // MASKED_PART, block)
        for direction in ("download", "upload"):

            def rate(way: str, direction: str = direction, files: tuple[object, object] = (whole, part)) -> float:
                file = stage.scratch / str(files[way not in PLAIN])
                up = direction == "upload"
                command = stage.ways[way].ssh("cat >/dev/null" if up else f"cat {file}")
                return file.stat().st_size / MEGABYTE / timed(command, file if up else None)

            rows.append(Row(f"{direction} {kind}", in_turns(WAYS, 1 if quick else 3, rate), more=True, bars=BARS))
    return [*rows, _masked(stage, size // 2, 1 if quick else 5)]


def _masked(stage: Stage, size: int, rounds: int) -> Row:
    """Measure what masking leaves of the speed of a relay."""
    file = payload(stage.scratch / "sparse", size, sparse(random.Random(1), 4 * MEGABYTE))
    ways = (JUMP, DIRECT, JUMP_MASKED, DIRECT_MASKED)
    seconds = in_turns(ways, rounds, lambda way: timed(stage.ways[way].ssh(f"cat {file}")))
    ratios = {
        JUMP_MASKED: seconds[JUMP] / seconds[JUMP_MASKED],
        DIRECT_MASKED: seconds[DIRECT] / seconds[DIRECT_MASKED],
    }
    bars = dict.fromkeys(ratios, MASKED_BAR)
    return Row("sparse logs, masked / not", ratios, more=True, bars=bars, absolute=True)


if __name__ == "__main__":
    alone(TITLE, measure, __doc__)
