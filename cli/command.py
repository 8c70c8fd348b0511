"""What every command is made of: where it may run, what it is called with, and help that shows an example.

Commands are click commands whose callbacks are coroutine functions: click parses, `cli.run` awaits. Nothing here
prints, and nothing keeps state between two command lines, so that the server can run many at once.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import click

from bastion.control.services import Control
from bastion.control.terminal import Terminal
from bastion.errors import ConfigError
from cli.client import forward
from cli.console import Console
from cli.local import LocalContext

Status = int | None


class Place(Enum):
    """Where a command runs."""

    LOCAL = "local"  # on the machine where it is typed: files, keys, the server itself
    CONTROL = "control"  # on the bastion, whoever types it where


class HelpRequested(Exception):
    """`--help` was given: carries the text, since click itself would print it on the process's own output."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class ServerContext:
    """A command line that runs inside the bastion, on behalf of the identity in `control`."""

    control: Control
    terminal: Terminal

    @property
    def console(self) -> Console:
        """Return a console that draws on the caller's terminal."""
        return Console(self.terminal)


class _HelpMixin(click.Command):
    """Raises `HelpRequested` where click would print."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return `--help`, `-h`."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _raise_help
        return option


def _raise_help(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        raise HelpRequested(ctx.get_help())


class Command(_HelpMixin):
    """One command. `place` says where it runs; `example` ends its help."""

    def __init__(self, *args: Any, place: Place = Place.CONTROL, example: str = "", **attrs: Any) -> None:
        attrs["epilog"] = f"\b\nExample:\n  {example}"
        super().__init__(*args, **attrs)
        self.place = place
        self.example = example

    def invoke(self, ctx: click.Context) -> Any:
        """Return the coroutine that runs the command: here, or on the bastion for a control command typed elsewhere."""
        if self.place is Place.CONTROL and isinstance(ctx.obj, LocalContext):
            return forward(ctx.obj)
        return super().invoke(ctx)


class Group(_HelpMixin, click.Group):
    """Commands under one noun."""

    command_class = Command


class Elsewhere(_HelpMixin):
    """Stands for a local command in the tree of the server: takes any arguments and refuses."""

    def __init__(self, name: str) -> None:
        arguments = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
        settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
        super().__init__(name, params=[arguments], callback=self._refuse, hidden=True, context_settings=settings)
        self.add_help_option = False

    def _refuse(self, **_arguments: Any) -> None:
        raise ConfigError(f"{self.name} runs on your own machine: type `bastion {self.name}` there")


class Duration(click.ParamType[float]):
    """A length of time such as `90s`, `10m`, `1h` or `1h30m`; seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds; a bare number is refused, as nobody can tell what it means."""
        if isinstance(value, int | float):
            return float(value)
        seconds = parse_duration(str(value))
        if seconds is None:
            self.fail(f"{value!r} is not a length of time such as 90s, 10m or 1h30m", param, ctx)
        return seconds


def parse_duration(text: str) -> float | None:
    """Return the seconds of a text such as `1h30m`, or None where it isn't one or is zero."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    total, digits = 0, ""
    for letter in text:
        if letter.isascii() and letter.isdigit() and len(digits) < 6:
            digits += letter
        elif letter in units and digits:
            total += int(digits) * units.pop(letter)
            digits = ""
        else:
            return None
    return float(total) if total and not digits else None


def json_option(function: Callable[..., Awaitable[Status]]) -> Callable[..., Awaitable[Status]]:
    """Add `--json`; the callback gets `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)


def limit_option(default: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--limit N`."""
    return click.option(
        "--limit", type=click.IntRange(1, 100_000), default=default, show_default=True, help="At most this many."
    )


def config_option(function: Callable[..., Awaitable[Status]]) -> Callable[..., Awaitable[Status]]:
    """Add `-c FILE`; the callback gets `config`."""
    path = click.Path(path_type=Path)
    option = click.option(
        "-c",
        "--config",
        metavar="FILE",
        type=path,
        default=Path("bastion.toml"),
        show_default=True,
        help="Configuration.",
    )
    return option(function)
