"""All benches of ssh in one run, side by side with a stock sshd as jump host: `make bench`, `python -m tests.bench`.

Ends with 0 whether or not the bars are reached: how fast the machine is, is no property of the code.
"""

import argparse

from tests.bench import bench_bulk, bench_files, bench_idle, bench_logins
from tests.bench.stage import show, stage


def main() -> None:
    """Measure everything, and print each table as soon as it is complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data and fewer rounds: a first impression")
    quick = parser.parse_args().quick
    missed: list[str] = []
    with stage() as made:
        for bench in (bench_logins, bench_idle, bench_bulk, bench_files):
            rows = bench.measure(made, quick)
            show(bench.TITLE, rows)
            missed += [row.what for row in rows if not row.reached()]
    print("all bars reached" if not missed else f"not reached: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
