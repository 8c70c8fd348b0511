"""How long a verdict takes: for lines not seen before, for lines seen, and where no rule applies.

Prints p50 and p99 in milliseconds beside their limits; ends with 1 where one is missed. Run alone on the machine:
`python -m tests.bench.bench_policy`.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bastion.config.schema import Address, Credential, Target
from bastion.model import Action, ChannelKind, Identity, Kind, utcnow
from bastion.policy import pack
from bastion.policy.rules import CommandContext, RuleSet
from bastion.reading import CommandReader

CORPUS = Path(__file__).parents[1] / "corpus" / "commands" / "ordinary.txt"
UNSEEN = (10.0, 40.0)
SEEN = (0.2, 0.2)
PAUSE = 0.01  # between lines: people and agents do not type faster, and spare parsers start meanwhile


def lines() -> list[bytes]:
    """Return the ordinary commands, each under 1 KB."""
    texts = [line for line in CORPUS.read_text().splitlines() if line and line[:2] != "##"]
    return [line.replace("⏎", "\n").encode() for line in texts]


def context() -> CommandContext:
    """Return somebody who wants to run something somewhere."""
    identity = Identity("alice", "corp", "1", ("eng",), Kind.HUMAN, 1, utcnow())
    target = Target("web-1", "ssh", Address("127.0.0.1", 22), Credential("certificate"))
    return CommandContext(identity, target, "deploy", ChannelKind.EXEC)


async def measure(
    what: str, texts: Sequence[bytes], verdict: Callable[[bytes], Awaitable[None]], pause: float
) -> tuple[float, float]:
    """Return p50 and p99 of a verdict, in milliseconds."""
    taken = []
    for text in texts:
        started = time.perf_counter()
        await verdict(text)
        taken.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(pause)
    p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    print(f"{what:28} p50 {p50:7.3f} ms   p99 {p99:7.3f} ms   ({len(taken)} lines)")
    return p50, p99


async def main() -> int:
    """Measure and print; return the exit status."""
    reader = CommandReader()
    rules = RuleSet([pack.rule(name, approvers=("sre",)) for name in pack.names()])
    nothing = RuleSet([])
    who = context()

    async def verdict(text: bytes) -> None:
        rules.decide(who, await reader.understand(text), text, Action.ALLOW)

    async def without_rules(text: bytes) -> None:
        assert not nothing.needs_understanding(who, Action.ALLOW)

    for text in lines()[:20]:
        await verdict(text + b" # warm up")
        await asyncio.sleep(PAUSE)
    unseen = await measure("not seen before, all packs", lines(), verdict, PAUSE)
    seen = await measure("seen, all packs", lines(), verdict, 0)
    free = await measure("no rule applies", lines(), without_rules, 0)
    await reader.close()
    met = all(
        value <= limit
        for values, limits in ((unseen, UNSEEN), (seen, SEEN), (free, SEEN))
        for value, limit in zip(values, limits, strict=True)
    )
    print("within limits" if met else f"limits missed: {UNSEEN} unseen, {SEEN} seen")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
