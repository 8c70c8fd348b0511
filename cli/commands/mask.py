"""`bastion mask …`: what masking finds, and why, without a server. Values themselves are not printed."""

import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import click
from rich.text import Text

from bastion.config.file import load
from bastion.config.schema import STYLES as MASKING_STYLES
from bastion.config.schema import MaskingConfig
from bastion.errors import BastionError, ConfigError
from bastion.instances import find
from bastion.masking.choice import in_force
from bastion.masking.finder import Finder, Found
from bastion.masking.masker import DETECTORS, MaskingPolicy
from bastion.masking.rows import Row
from bastion.masking.stream import StreamMasker
from bastion.masking.styles import Style, style_for
from bastion.masking.visible import Before, view
from cli.command import Group, Place, json_option
from cli.console import Column, Console, as_json_text, as_text, safe
from cli.local import LocalContext

F = TypeVar("F", bound=Callable[..., Awaitable[int | None]])

_LARGEST = 64 * 1024 * 1024  # bytes of a file that is tried out
_ANY_KEY = bytes(32)  # pseudonyms of a trial are not those of a server


@click.group("mask", cls=Group)
def command() -> None:
    """Try out what is masked."""


def _choice_options(function: F) -> F:
    """Add what says which masking is meant."""
    config = click.Path(path_type=Path)
    function = click.option("--target", default="", help="As on this target of the configuration.")(function)
    function = click.option("--detectors", default="", metavar="A,B", help="These alone, commas between.")(function)
    return click.option("-c", "--config", metavar="FILE", type=config, help="As this configuration says.")(function)


@command.command("test", place=Place.LOCAL, example="bastion mask test -c bastion.toml customers.csv")
@_choice_options
@click.option("--style", type=click.Choice(MASKING_STYLES), help="How values are replaced.")
@json_option
@click.argument("file", metavar="[FILE]", type=click.Path(path_type=Path), default=Path("-"))
@click.pass_obj
async def test(
    context: LocalContext,
    config: Path | None,
    detectors: str,
    target: str,
    style: str | None,
    as_json: bool,
    file: Path,
) -> None:
    """Show a file, or standard input, as it would be seen, and say what was masked and why."""
    chosen = _chosen(context, config, target, detectors)
    if style is not None:
        chosen = replace(chosen, style=style)
    data = _read(file)
    policy = MaskingPolicy(chosen, _ANY_KEY)
    console = Console(context.terminal)
    masker = policy.masker(interactive=False)
    if masker is None or policy.finder is None:
        raise ConfigError("nothing would be masked: no detectors are chosen")
    values = _values(policy.finder, style_for(chosen.style, _ANY_KEY), data)
    if as_json:
        console.json(
            {
                "masked": dict(Counter(value.kind for value in values)),
                "values": [value.as_data() for value in values],
                "text": as_json_text(masker.feed(data) + masker.end()),
            }
        )
        return
    _draw(console, _seen(policy.finder, style_for(chosen.style, _ANY_KEY), data), values)


@command.command("detectors", place=Place.LOCAL, example="bastion mask detectors")
@_choice_options
@json_option
@click.pass_obj
async def detectors(context: LocalContext, config: Path | None, detectors: str, target: str, as_json: bool) -> None:
    """List what can be found, with samples; the values stand between < and >."""
    chosen = _chosen(context, config, target, detectors)
    finder = MaskingPolicy(chosen, _ANY_KEY).finder
    rows = finder.rows if finder is not None else ()
    console = Console(context.terminal)
    if as_json:
        console.json([_row_as_data(row) for row in rows])
        return
    columns = [Column("type"), Column("name"), Column("where", grow=True), Column("sample", grow=True)]
    lines = [(row.kind, row.name, row.context or "anywhere", row.samples[0] if row.samples else "") for row in rows]
    console.table(columns, lines, empty="nothing is looked for")


def _row_as_data(row: Row) -> dict[str, object]:
    return {
        "type": row.kind,
        "name": row.name,
        "context": row.context,
        "custom": row.kind not in DETECTORS,
        "samples": list(row.samples),
        "near_misses": list(row.near_misses),
    }


def _chosen(context: LocalContext, config: Path | None, target: str, detectors: str) -> MaskingConfig:
    """Return what is masked: everything, or what a configuration says."""
    chosen = MaskingConfig(detectors=DETECTORS)
    if target and config is None:
        raise ConfigError("--target names one of a configuration; give it with -c bastion.toml")
    if config is not None:
        loaded = load(config, context.environment)
        place = find(loaded, target) if target else None
        if target and place is None:
            raise ConfigError(f"{config}: there is no target {safe(target)}")
        chosen = loaded.masking if place is None else in_force(loaded, place, ())
    if detectors:
        names = tuple(name.strip() for name in detectors.split(",") if name.strip())
        known = (*DETECTORS, *(custom.name for custom in chosen.custom))
        for name in names:
            if name not in known:
                raise ConfigError(f"there is no detector {safe(name)}; there are {', '.join(known)}")
        custom = tuple(custom for custom in chosen.custom if custom.name in names)
        chosen = replace(chosen, detectors=names, custom=custom)
    return chosen


def _read(path: Path) -> bytes:
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with path.open("rb") as file:
                data = file.read(_LARGEST + 1)
    except OSError as error:
        raise BastionError(f"{path} cannot be read: {(error.strerror or 'error').lower()}") from None
    if len(data) > _LARGEST:
        raise BastionError(f"{path} is larger than {_LARGEST // 1024 // 1024} mib; try a part of it")
    return data


_BY_PLACE = "what its field or column is called"


@dataclass(frozen=True, slots=True)
class _Value:
    """One value: where it stands (from 1, in characters as they are seen), and what it is."""

    line: int
    column: int
    length: int
    kind: str
    replacement: str
    why: str

    def as_data(self) -> dict[str, object]:
        return {
            "type": self.kind,
            "line": self.line,
            "column": self.column,
            "length": self.length,
            "replacement": self.replacement,
            "why": self.why,
        }


def _values(finder: Finder, style: Style, data: bytes) -> list[_Value]:
    """Return the values, those that overlap as one, as masking does."""
    text = view(data, Before(), final=True).text
    by_form = set(finder.find(text, 0, len(text)))
    merged: list[tuple[int, int, Row, str]] = []
    for found in finder.find_all(text):
        start, end, row = found[0], _end(finder, text, found), finder.rows[found[2]]
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]), *merged[-1][2:])
        else:
            why = f"{row.name}, {row.context or 'by its form'}" if found in by_form else _BY_PLACE
            merged.append((start, end, row, why))
    values, line, before = [], 1, 0
    for start, end, row, why in merged:
        line += text.count(b"\n", before, start)
        before = start
        begin = text.rfind(b"\n", 0, start) + 1
        column = len(text[begin:start].decode("utf-8", "replace")) + 1
        replacement = as_text(style.replace(row.kind, text[start:end]))
        values.append(_Value(line, column, end - start, row.kind, replacement, why))
    return values


def _end(finder: Finder, text: bytes, found: Found) -> int:
    _, end, row = found
    sink = finder.rows[row].sink
    return end if sink is None else max(end, sink.swallow(text, end, len(text), 0)[0])


class _Marked:
    """A style between marks that stand in no text, so that what was replaced can be coloured."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self.keeps_length = False

    def replace(self, kind: str, value: bytes) -> bytes:
        """Return the replacement with its marks."""
        return b"\xfe" + self._style.replace(kind, value) + b"\xff"


def _seen(finder: Finder, style: Style, data: bytes) -> list[Text]:
    """Return the lines as they would be seen, replacements in colour."""
    masker = StreamMasker(finder, _Marked(style), interactive=False)
    plain = data.replace(b"\xfe", b"?").replace(b"\xff", b"?")
    masked = masker.feed(plain) + masker.end()
    lines = []
    for line in masked.removesuffix(b"\n").split(b"\n"):
        shown = Text()
        for index, part in enumerate(line.replace(b"\xff", b"\xfe").split(b"\xfe")):
            shown.append(safe(as_text(part.rstrip(b"\r"))), style="bold green" if index % 2 else "")
        lines.append(shown)
    return lines


def _draw(console: Console, lines: list[Text], values: list[_Value]) -> None:
    for line in lines:
        console.draw(line) if console.terminal.is_tty else console.text(line.plain)
    columns = [Column("line", right=True), Column("column", right=True), Column("type"), Column("why", grow=True)]
    rows = [(str(value.line), str(value.column), value.kind, value.why) for value in values]
    console.text("")
    console.table(columns, rows, empty="nothing is masked")
