"""Deciding on commands that a shell without a terminal reads from its input: as a whole where it ends, else in pieces.

`with_input` says what a command and its whole input would run; `ScriptGate` decides on the complete statements of an
input that goes on, each before the shell gets it. What earlier statements set counts for later ones.
"""

import hashlib
from dataclasses import replace

from bastion.channel.lines import LineGate, LineJudge, Ruled
from bastion.channel.requests import ChannelRequest
from bastion.channel.services import Services
from bastion.model import Action, ChannelKind, Grant, Verdict
from bastion.policy.rules import CommandContext
from bastion.policy.understanding import Reason, Understanding
from bastion.protocols.base import Line
from bastion.reading import CommandReader

DIALECT = "sh"
"""What a shell's input is read as: what bash and dash would make of it, both where they differ."""

PROBE = b"bastion-probe"
"""An input that is tried to see what would be made of it. No program is called so."""


class ScriptGate:
    """Decides the statements of one channel, with the rules in force when the channel began."""

    def __init__(self, services: Services, grant: Grant, request: ChannelRequest) -> None:
        self._script = services.reader.script(DIALECT)
        self._rules = services.ruling.rules
        self._default = grant.default
        target = services.ruling.target(grant.target)
        self._context = CommandContext(grant.identity, target, grant.login, request.kind)

    async def judge(self, line: Line) -> Ruled:
        """Take more of the script, nothing at its end; return the complete statements, with what the rules say."""
        pieces = await (self._script.feed(line.raw) if line.raw else self._script.end())
        verdicts = [self._rules.decide(self._context, found, raw, self._default) for raw, found in pieces]
        worst = max(verdicts, key=lambda one: _ORDER.index(one.action), default=Verdict(Action.ALLOW))
        return Ruled(worst, b"".join(raw for raw, _ in pieces), more=False, reading=None, understanding=None)

    def passed(self, line: Line, ruled: Ruled) -> None:
        """Do nothing: the script was read with what went before it."""


_ORDER = (Action.ALLOW, Action.APPROVE, Action.DENY)


def line_judge(services: Services, grant: Grant, request: ChannelRequest) -> LineJudge:
    """Return what decides the lines of a channel: of what is typed, or of a script."""
    return (LineGate if request.terminal is not None else ScriptGate)(services, grant, request)


def without_input(understanding: Understanding) -> Understanding:
    """Return what a command would run besides what it reads from its input."""
    kept = tuple(item for item in understanding.opaque if item.reason is not Reason.INTERPRETER_STDIN)
    return replace(understanding, opaque=kept)


async def with_input(reader: CommandReader, request: ChannelRequest, script: bytes) -> Understanding:
    """Return what the command, or the login shell, would run with all of its input."""
    if request.kind is ChannelKind.SHELL:
        return await reader.understand(script, DIALECT, thorough=True)
    return await reader.understand(request.command, stdin=script, thorough=True)


async def is_shell(reader: CommandReader, request: ChannelRequest) -> bool:
    """Whether what reads the input runs each line of it as a command, so that it can be read statement by statement."""
    if request.kind is ChannelKind.SHELL:
        return True
    probed = await with_input(reader, request, PROBE)
    ran = any(command.shown == [PROBE.decode()] for command in probed.commands)
    return ran and not any(item.reason is Reason.INTERPRETER_STDIN for item in probed.opaque)


def as_one_text(request: ChannelRequest, script: bytes) -> bytes:
    """Return a command with its input as one text: for people to read, and to bind what they decide to."""
    if request.kind is ChannelKind.SHELL:
        return script
    end = f"INPUT-{hashlib.sha256(script).hexdigest()[:8]}".encode()
    return b"%s <<'%s'\n%s%s%s" % (request.command, end, script, b"" if script.endswith(b"\n") else b"\n", end)
