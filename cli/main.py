"""The program `bastion`, as typed in a shell. The one module of the CLI that reads arguments and environment."""

import asyncio
import importlib.util
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
SERVER = "serve"


def main() -> None:
    """Run one command line and end the process with its status."""
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            status = runner.run(_main(sys.argv[1:]))
    except (KeyboardInterrupt, asyncio.CancelledError):
        status = INTERRUPTED
    except BrokenPipeError:
        status = 1
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; the interpreter must not complain about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop: for the server uvloop, where this machine has a build of it; other commands load less."""
    if SERVER not in sys.argv[1:] or importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    return loop


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
