"""How the demo shows what it does: numbered steps, commands as anybody could type them, their output, and a check.

On a terminal with colours, elsewhere plain. A step whose check fails ends the story with `StoryError`.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.lab.client import Client, Done

ESCAPES = re.compile(r"\x1b\].*?(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]+[0-~]|\x1b[0-~]|[\r\x07]")


class StoryError(Exception):
    """A step did not do what it says."""


class Stage:
    """Prints the story. `root` is where its commands can be typed: paths below it are shown relative to it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._console = Console(highlight=False, soft_wrap=True)
        self._step = 0

    def step(self, text: str) -> None:
        """Begin the next step with its one line of explanation."""
        self._step += 1
        self._console.print(Text(f"\n{self._step}. {text}", style="bold cyan"))

    def note(self, text: str) -> None:
        """Print a line of explanation below a step."""
        self._console.print(Text(f"   {self.short(text)}", style="dim"))

    def line(self, comment: str, command: str) -> None:
        """Print a command to try, under what it is for."""
        self._console.print(Text(f"\n   # {comment}", style="dim"))
        self._console.print(Text(f"   {command}", style="bold"))

    def title(self, text: str) -> None:
        """Print a heading."""
        self._console.print(Text(f"\n{text}", style="bold green"))

    def failure(self, text: str) -> None:
        """Print why the demo ends."""
        self._console.print(Text(f"\ndemo: {text}", style="bold red"))

    def command(self, command: str) -> None:
        """Show a command line."""
        self._console.print(Text(f"   $ {self.short(command)}", style="bold"))

    def output(self, text: str, style: str = "") -> None:
        """Show what a command printed, indented, without what would move the cursor."""
        for line in ESCAPES.sub("", self.short(text)).rstrip("\n").split("\n"):
            self._console.print(Text(f"     {line}", style=style))

    def short(self, text: str) -> str:
        """Return the text with paths below the root made relative."""
        return text.replace(f"{self._root}/", "")

    def show(self, done: Done) -> None:
        """Show how a command ended."""
        if done.out:
            self.output(done.out.decode(errors="replace"))
        if done.err:
            self.output(done.errors, style="yellow")
        if done.status:
            self.output(f"(exit status {done.status})", style="dim")

    def run(self, client: Client, command: "Typed", check: Callable[[Done], bool], stdin: bytes = b"") -> Done:
        """Show a command, run it as this client, show its output, and check it."""
        self.command(command.text)
        done = client.run(command.arguments, stdin=stdin)
        self.show(done)
        self.check(check(done), f"{command.text!r} did not do what this step says")
        return done

    def check(self, good: bool, what: str) -> None:
        """End the story unless it is as it should be."""
        if not good:
            raise StoryError(self.short(what))


class Typed:
    """A command line in two forms: as it is run, and as somebody would type it."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, redirect: str = ""
    ) -> None:
        self.arguments = list(arguments)
        words = [f"{name}={shlex.quote(value)}" for name, value in (environment or {}).items()]
        self.text = " ".join([*words, *(shlex.quote(word) for word in arguments)]) + redirect


def ssh(client: Client, *arguments: str, redirect: str = "") -> Typed:
    """Stock ssh with a client's configuration, as for a person."""
    return Typed(client.ssh_command(*arguments, asking=True), redirect=redirect)


def cli(client: Client, program: str, *arguments: str) -> Typed:
    """The `bastion` command, configured by client.toml in the client's home."""
    return Typed([program, *arguments], {"HOME": str(client.folder)})
