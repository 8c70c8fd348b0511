"""The server's side of the CLI: one command line, typed as `ssh bastion …`, run on behalf of one identity.

`bastion.app` gets this function injected, so that `bastion/` never imports `cli/`.
"""

import shlex

from bastion.control.services import Control
from bastion.control.terminal import Terminal
from cli.command import ServerContext
from cli.console import Console
from cli.run import USAGE, run
from cli.tree import server_tree


async def run_command(line: str, control: Control, terminal: Terminal) -> int:
    """Run a command line for the caller in `control`, draw on `terminal` and return the exit status.

    An empty line and `help` show the help. Safe for any number of callers at once. Raises nothing but CancelledError.
    """
    try:
        arguments = shlex.split(line)
    except ValueError as error:
        Console(terminal).error(f"cannot read the command line: {str(error).lower()}; see `help`")
        await terminal.drain()
        return USAGE
    if not arguments or arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    context = ServerContext(control, terminal)
    return await run(server_tree(), arguments, context, terminal, details="the server's log has the details")
