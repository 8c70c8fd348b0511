"""JSON objects from strangers: strict, bounded, and never raising anything but ValueError.

A name that stands twice, NaN and Infinity are refused, since two readers could understand them differently.
"""

import json
from typing import Any, NoReturn


def parse_object(data: bytes | str) -> dict[str, Any]:
    """Read one JSON object in UTF-8, or raise ValueError. The caller bounds the length."""
    try:
        text = data.decode() if isinstance(data, bytes) else data
        found = json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("the JSON is not an object")  # noqa: TRY004 (a wrong text, not a wrong call)
    return found


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one JSON object")
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
