"""Files: one large one by sftp and scp, thousands of small ones by rsync. `python -m tests.bench.bench_files`."""

import os
import shutil
import tempfile
from pathlib import Path

from tests.bench.stage import DIRECT, JUMP, MEGABYTE, PLAIN, WAYS, Row, Stage, alone, in_turns, payload, timed

TITLE = "Files, seconds"
BARS = {JUMP: 1.0, DIRECT: 1.0}  # of the time
SMALL = 5000


def measure(stage: Stage, quick: bool) -> list[Row]:
    """Measure a file of 512 MB each way by each tool, and a tree of small files."""
    size = (64 if quick else 512) * MEGABYTE
    large = payload(stage.scratch / "large", size, os.urandom(MEGABYTE))
    tree = stage.scratch / "tree"
    small = SMALL // 10 if quick else SMALL
    for number in range(small):
        file = tree / f"{number // 100:02}" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"%d\n" % number * 200)
    with tempfile.TemporaryDirectory(dir=stage.folder) as folder:
        bench = _Copies(stage, Path(folder), large, tree)
        large_ones = (
            ("sftp get", bench.sftp_get),
            ("sftp put", bench.sftp_put),
            ("scp get", bench.scp_get),
            ("scp put", bench.scp_put),
        )
        rows = [
            Row(f"{what} {size // MEGABYTE} MB", in_turns(PLAIN, 1 if quick else 2, run), bars=BARS)
            for what, run in large_ones
        ]
        for what, run in (("rsync down", bench.rsync_down), ("rsync up", bench.rsync_up)):
            rows.append(Row(f"{what} {small} files", in_turns(WAYS, 1 if quick else 3, run), bars=BARS))
    return rows


class _Copies:
    """Copies by the tools, each to a place that is empty before."""

    def __init__(self, stage: Stage, here: Path, large: Path, tree: Path) -> None:
        self._stage, self._here, self._large, self._tree = stage, here, large, tree
        self._there = stage.scratch / "there"
        self._batch = here / "batch"

    def sftp_get(self, way: str) -> float:
        return self._sftp(way, f"get {self._large} {self._here}/got")

    def sftp_put(self, way: str) -> float:
        return self._sftp(way, f"put {self._large} {self._there}")

    def scp_get(self, way: str) -> float:
        to = self._stage.ways[way]
        return timed(["scp", "-q", *to.options, f"{to.host}:{self._large}", f"{self._here}/got"])

    def scp_put(self, way: str) -> float:
        to = self._stage.ways[way]
        return timed(["scp", "-q", *to.options, str(self._large), f"{to.host}:{self._there}"])

    def rsync_down(self, way: str) -> float:
        to, got = self._stage.ways[way], self._here / "tree"
        shutil.rmtree(got, ignore_errors=True)
        return timed(["rsync", "-a", "-e", to.shell, f"{to.host}:{self._tree}/", f"{got}/"])

    def rsync_up(self, way: str) -> float:
        to = self._stage.ways[way]
        there = self._stage.scratch / "rsynced"
        timed(to.ssh(f"rm -rf {there}"))
        return timed(["rsync", "-a", "-e", to.shell, f"{self._tree}/", f"{to.host}:{there}/"])

    def _sftp(self, way: str, line: str) -> float:
        self._batch.write_text(f"{line}\n", encoding="utf-8")
        to = self._stage.ways[way]
        return timed(["sftp", "-q", "-b", str(self._batch), *to.options, to.host])


if __name__ == "__main__":
    alone(TITLE, measure, __doc__)
