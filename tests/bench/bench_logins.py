"""Logins: how long one takes, what it costs, and what two workers carry. `python -m tests.bench.bench_logins`."""

import time
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.bench.stage import DIRECT, JUMP, WAYS, Row, Stage, alone, cpu, in_turns, timed
from tests.lab.bastion import Bastion
from tests.lab.client import Client

TITLE = "Logins"
COLD = 0.7  # of the time through a stock jump host
CPU_MILLISECONDS = 10.0
WORKERS = 1.7  # times the logins a second of one
AT_ONCE = 4


def measure(stage: Stage, quick: bool) -> list[Row]:
    """Measure the time of `ssh … true`, and the bastion's CPU time a nested login."""
    rounds = 4 if quick else 15
    cold = in_turns(WAYS, rounds, lambda way: timed(stage.ways[way].ssh("true")) * 1000)
    logins = rounds * 2
    before = cpu(stage.server)
    for _ in range(logins):
        timed(stage.ways[JUMP].ssh("true"))
    each = (cpu(stage.server) - before) / logins * 1000
    return [
        Row("ssh … true, cold, ms", cold, bars={JUMP: COLD, DIRECT: COLD}),
        Row("CPU a nested login, ms", {JUMP: each}, bars={JUMP: CPU_MILLISECONDS}, absolute=True),
        *_workers(stage, logins * AT_ONCE),
    ]


def _workers(stage: Stage, logins: int) -> list[Row]:
    """Compare two workers with one.

    Servers, target and clients share this machine, so that the rate is theirs together. What can be shown on few cores
    is the rate for each second of CPU time that the bastion takes: where it is the same for two workers, they carry
    twice as much as one on a machine that is large enough.
    """
    rates, costs = [], []
    for count in (1, 2):
        folder = stage.folder / f"workers-{count}"
        text = stage.config().replace("[store]", f"workers = {count}\n\n[store]")
        (folder / "hostkeys").parent.mkdir()
        (folder / "hostkeys").symlink_to(stage.bastion.folder / "hostkeys")
        bastion = Bastion(folder, text)
        try:
            client = Client(folder / "client", bastion, "alice", stage.login)
            client.sign_in(stage.people.token("alice"))
            command = client.ssh_command(f"{stage.login}%web-1@bastion", "true")
            timed(command)
            process = psutil.Process(bastion.server.process.pid)
            before, begin = cpu(process), time.perf_counter()
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda _, command=command: timed(command), range(logins)))
            rates.append(logins / (time.perf_counter() - begin))
            costs.append(logins / (cpu(process) - before))
        finally:
            bastion.stop()
    return [
        Row("logins a second, one worker", {DIRECT: rates[0]}, more=True, absolute=True),
        Row("logins a second, two workers", {DIRECT: rates[1]}, more=True, absolute=True),
        Row(
            "two workers x, where clients are no limit",
            {DIRECT: 2 * costs[1] / costs[0]},
            more=True,
            bars={DIRECT: WORKERS},
            absolute=True,
        ),
    ]


if __name__ == "__main__":
    alone(TITLE, measure, __doc__)
