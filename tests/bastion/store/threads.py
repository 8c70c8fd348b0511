"""Threads that start together."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def at_once(count: int, call: Callable[[int], object]) -> list[object]:
    """Call it in so many threads that start together, and return what came back."""
    gate = threading.Barrier(count)

    def run(number: int) -> object:
        gate.wait()
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
