"""Parses one command line and runs it: the only place where errors become lines and exit statuses.

Used by the laptop's `bastion` and by the server alike. click parses and hands back a coroutine; everything click would
print itself (help, usage) is caught here and goes to the caller's terminal. No traceback ever reaches a user: a defect
is logged under a reference and named by it.
"""

import inspect
import logging
import secrets
from collections.abc import Sequence
from typing import Any

import click

from bastion.control.terminal import Terminal
from bastion.errors import BastionError, NotFoundError
from cli.command import Group, HelpRequested
from cli.console import Console
from recorder.errors import RecordingError, RecordingMissingError

log = logging.getLogger(__name__)

USAGE = 2


async def run(tree: Group, arguments: Sequence[str], context: Any, terminal: Terminal, *, details: str) -> int:
    """Run one command line and return its exit status; nothing but cancellation leaves this function.

    `details` says where to read more of an internal error.
    """
    console = Console(terminal)
    try:
        status = await _perform(tree, arguments, context, console)
    except BastionError as error:
        console.error(str(error))
        status = error.exit_status
    except RecordingError as error:
        console.error(str(error))
        status = NotFoundError.exit_status if isinstance(error, RecordingMissingError) else BastionError.exit_status
    except Exception:
        reference = secrets.token_hex(4)
        log.exception("command failed, ref %s", reference)
        console.error(f"internal error; {details} (ref {reference})")
        status = 1
    await console.drain()
    return status


async def _perform(tree: Group, arguments: Sequence[str], context: Any, console: Console) -> int:
    try:
        result = tree.main(
            args=list(arguments),
            prog_name="bastion",
            standalone_mode=False,
            obj=context,
            terminal_width=min(console.terminal.columns, 100),
            color=False,
        )
        if inspect.isawaitable(result):
            result = await result
    except HelpRequested as asked:
        console.text(asked.text)
        return 0
    except click.exceptions.NoArgsIsHelpError as error:
        console.usage(error.format_message())
        return USAGE
    except click.UsageError as error:
        _usage(error, console)
        return USAGE
    return int(result or 0)


def _usage(error: click.UsageError, console: Console) -> None:
    if error.ctx is not None:
        console.usage(error.ctx.get_usage())
    message = error.format_message().rstrip(".").replace(".\n", "\n")
    path = error.ctx.command_path if error.ctx is not None else "bastion"
    console.error(f"{message[:1].lower()}{message[1:]}; see `{path} --help`".replace("\n", " "))
