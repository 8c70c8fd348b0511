"""The program `bastion`, as typed in a shell. The one module of the CLI that reads arguments and environment."""

import asyncio
import logging
import os
import sys
from pathlib import Path

from bastion.errors import BastionError
from cli.console import Console
from cli.local import LocalContext, LocalTerminal
from cli.run import run
from cli.settings import separate
from cli.tree import local_tree

INTERRUPTED = 130
DEBUG = "BASTION_DEBUG"


def main() -> None:
    """Run one command line and end the process with its status."""
    try:
        status = asyncio.run(_main(sys.argv[1:]))
    except (KeyboardInterrupt, asyncio.CancelledError):
        status = INTERRUPTED
    except BrokenPipeError:
        status = 1
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; the interpreter must not complain about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


async def _main(arguments: list[str]) -> int:
    terminal = LocalTerminal(os.environ)
    tree = local_tree()
    try:
        options, rest = separate(tree, arguments)
    except BastionError as error:
        Console(terminal).error(str(error))
        return error.exit_status
    context = LocalContext(terminal, tuple(rest), options, os.environ, Path.home())
    if not os.environ.get(DEBUG):
        logging.getLogger().addHandler(logging.NullHandler())  # a traceback is for those who ask for it
    return await run(tree, rest, context, terminal, details=f"run it again with {DEBUG}=1 to see the details")
