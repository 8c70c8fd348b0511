"""Stands between a stock sftp client and a stock sftp server, and writes down what passes.

Used as `sftp -D "python3 capture.py OUT.jsonl /usr/lib/openssh/sftp-server"`: one line for each read, `["client", hex]`
or `["target", hex]`, in the order they came. Made once; the captures beside this file are kept.
"""

import json
import os
import select
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Pass bytes both ways until both ends are gone."""
    out, *server = sys.argv[1:]
    process = subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    ways = {0: ("client", process.stdin.fileno()), process.stdout.fileno(): ("target", 1)}
    with Path(out).open("w", encoding="ascii") as file:
        while ways:
            for source in select.select(list(ways), [], [])[0]:
                name, goal = ways[source]
                data = os.read(source, 65536)
                if not data:
                    del ways[source]
                    if name == "client":
                        process.stdin.close()
                    continue
                file.write(json.dumps([name, data.hex()]) + "\n")
                view = memoryview(data)
                while view:
                    view = view[os.write(goal, view) :]


if __name__ == "__main__":
    main()
