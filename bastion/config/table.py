"""Walks the tables of bastion.toml: hands out values by key, remembers what was asked for, collects what is wrong.

Findings never stop the walk, so that one start shows all of them. What was built from a table with findings holds
defaults in their place, and `bastion.config.file` throws it away. Knows no key of the file.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from bastion.config.values import BadValueError, noun, quoted, suggestion

T = TypeVar("T")
Reader = Callable[[object], T]


class Findings:
    """What is wrong with a file: errors and warnings, one line each, with the file's name and the key's path."""

    def __init__(self, file: str) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self._file = file

    def error(self, path: str, finding: str) -> None:
        """Add a finding that makes the file unusable."""
        self.errors.append(f"{self._file}: {path}: {finding}")

    def warn(self, path: str, finding: str) -> None:
        """Add a finding that should be seen, but stops nothing."""
        self.warnings.append(f"{self._file}: {path}: {finding}")


def join(path: str, key: str) -> str:
    """Return the path of a key inside a table, quoted as TOML asks: `targets.web-1`, `targets."web 1"`."""
    shown = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else quoted(key)
    return f"{path}.{shown}" if path else shown


class Table:
    """One table being read. Every key the program knows is asked for, then `finish` reports the others."""

    __slots__ = ("_asked", "_findings", "_values", "is_sound", "path")

    def __init__(self, findings: Findings, path: str, value: object) -> None:
        self._findings = findings
        self._asked: list[str] = []
        self._values: dict[str, object] = {}
        self.path = path
        self.is_sound = isinstance(value, dict)  # until something is found in it
        if isinstance(value, dict):
            self._values = value
        else:
            findings.error(path, f"must be a table, not {noun(value)}")
            self._findings = Findings("")  # what else could be said of it would only follow from this

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def is_empty(self, key: str) -> bool:
        """Return whether the key is missing, or holds an empty list."""
        return self._values.get(key, []) == []

    def error(self, key: str, finding: str) -> None:
        """Report a finding at a key of this table."""
        self._error(join(self.path, key), finding)

    def fail(self, finding: str) -> None:
        """Report a finding at the table itself."""
        self._error(self.path, finding)

    def warn(self, key: str, finding: str) -> None:
        """Report a warning at a key of this table."""
        self._findings.warn(join(self.path, key), finding)

    def take(self, key: str, read: Reader[T], default: T) -> T:
        """Return the value as its reader makes it; the default where there is none, or where it is wrong."""
        self._asked.append(key)
        if key not in self._values:
            return default
        try:
            return read(self._values[key])
        except BadValueError as error:
            self.error(key, str(error))
            return default

    def need(self, key: str, read: Reader[T], fallback: T, hint: str) -> T:
        """Return the value like `take`; a missing one is a finding that ends with the hint."""
        if key not in self._values:
            self.error(key, f"is missing; {hint}")
        return self.take(key, read, fallback)

    def several(self, key: str, read: Reader[T], default: tuple[T, ...] = ()) -> tuple[T, ...]:
        """Return a list as its items' reader makes it, without the items that are wrong."""
        self._asked.append(key)
        if key not in self._values:
            return default
        values = self._values[key]
        if not isinstance(values, list):
            self.error(key, f"must be a list in brackets, not {noun(values)}")
            return default
        return self._items(key, values, read)

    def some(self, key: str, read: Reader[T], hint: str) -> tuple[T, ...]:
        """Return a list like `several`; a missing or empty one is a finding that ends with the hint."""
        if self.is_empty(key):
            self.error(key, f"is missing or empty; {hint}")
        return self.several(key, read)

    def one_or_more(self, key: str, read: Reader[T]) -> tuple[T, ...]:
        """Return a list, or a single value as a list of one."""
        if isinstance(self._values.get(key), list):
            return self.several(key, read)
        return tuple(value for value in [self.take(key, read, None)] if value is not None)

    def table(self, key: str) -> "Table":
        """Return the table at the key, an empty one where there is none."""
        self._asked.append(key)
        return Table(self._findings, join(self.path, key), self._values.get(key, {}))

    def tables(self, key: str, read_name: Reader[str]) -> dict[str, "Table"]:
        """Return the tables inside the table at the key, by name: `[targets.NAME]`. Names are checked by the reader."""
        return self.table(key)._inner(read_name)  # noqa: SLF001 - a table of this same class

    def array(self, key: str) -> list["Table"]:
        """Return the tables of an array: `[[rules]]`."""
        self._asked.append(key)
        values = self._values.get(key, [])
        if not isinstance(values, list):
            self.error(key, f"must be an array of tables: write [[{key}]], not [{key}]")
            return []
        return [Table(self._findings, f"{join(self.path, key)}[{index}]", value) for index, value in enumerate(values)]

    def forbid(self, key: str, finding: str) -> None:
        """Report a known key that must not stand in this table."""
        self._asked.append(key)
        if key in self._values:
            self.error(key, finding)

    def finish(self) -> None:
        """Report every key that nothing asked for."""
        for key in [key for key in self._values if key not in self._asked]:
            hint = suggestion(key, self._asked) or f"; known here: {', '.join(dict.fromkeys(self._asked))}"
            self.error(key, f"is not a known key{hint}")

    def _error(self, path: str, finding: str) -> None:
        self.is_sound = False
        self._findings.error(path, finding)

    def _inner(self, read_name: Reader[str]) -> dict[str, "Table"]:
        for name in self._values:
            try:
                read_name(name)
            except BadValueError as error:
                self.error(name, str(error))
        return {name: Table(self._findings, join(self.path, name), value) for name, value in self._values.items()}

    def _items(self, key: str, values: list[object], read: Reader[T]) -> tuple[T, ...]:
        items = []
        for index, value in enumerate(values):
            try:
                items.append(read(value))
            except BadValueError as error:
                self._error(f"{join(self.path, key)}[{index}]", str(error))
        return tuple(items)
