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
from cli.command import Group, HelpRequested, ServerContext
from cli.console import Console, window
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
    except BrokenPipeError:
        return BastionError.exit_status  # nobody reads the output, or the error
    except Exception:
        reference = secrets.token_hex(4)
        log.exception("command failed, ref %s", reference)
        console.error(f"internal error; {details} (ref {reference})")
        status = 1
    await console.drain()
    return status


async def _perform(tree: Group, arguments: Sequence[str], context: Any, console: Console) -> int:
    try:
        # not `main`: that one looks at the environment, and may end the process
        width = min(window(console.terminal)[0], 100)
        with tree.make_context("bastion", list(arguments), obj=context, terminal_width=width, color=False) as parsed:
            result = tree.invoke(parsed)
        if inspect.isawaitable(result):
            result = await result
    except HelpRequested as asked:
        console.text(asked.text)
        return 0
    except click.exceptions.NoArgsIsHelpError as error:
        console.usage(error.format_message())
        return USAGE
    except click.UsageError as error:
        _usage(error, console, twice=isinstance(context, ServerContext))
        return USAGE
    return int(result or 0)


def _usage(error: click.UsageError, console: Console, *, twice: bool) -> None:
    if error.ctx is not None:
        console.usage(error.ctx.get_usage())
    message = error.format_message().rstrip(".").replace(".\n", "\n")
    if twice and "unexpected extra argument" in message:
        message += "; ssh takes one pair of quotes away, so write texts with spaces as \"'two words'\""
    path = error.ctx.command_path if error.ctx is not None else "bastion"
    console.error(f"{message[:1].lower()}{message[1:]}; see `{path} --help`".replace("\n", " "))
