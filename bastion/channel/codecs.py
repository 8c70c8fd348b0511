"""Which codec reads a session channel: by what it is for, and by whether any rule has a say in it."""

import secrets

from bastion.channel.lines import gates
from bastion.channel.requests import ChannelRequest, Terminal
from bastion.channel.services import Ruling
from bastion.errors import AccessDenied
from bastion.model import Action, ChannelKind, Grant, ShellGate
from bastion.policy.rules import CommandContext
from bastion.protocols.base import Codec
from bastion.protocols.exec import ExecCodec
from bastion.protocols.hooked import HookedCodec
from bastion.protocols.shell import ShellCodec
from bastion.protocols.terminal import TerminalCodec
from bastion.protocols.watch import Window

# Opcodes of terminal modes, and the value that switches a key off (RFC 4254 section 8)
_VINTR = 1
_VKILL = 4
_NO_KEY = 255


def codec_for(ruling: Ruling, grant: Grant, request: ChannelRequest) -> Codec:
    """Return the codec that reads such a channel. Without rules for it, nothing of a shell is read or held."""
    if request.kind not in (ChannelKind.EXEC, ChannelKind.SHELL):
        raise AccessDenied(f"the bastion does not relay {request.kind} channels")
    context = CommandContext(grant.identity, ruling.target(grant.target), grant.login, request.kind)
    gated = grant.default is not Action.ALLOW or ruling.rules.applies(context)
    command = request.command if request.kind is ChannelKind.EXEC else None
    if gated and request.terminal is not None:
        wary = gates(grant) is not ShellGate.MISTAKES
        codec = TerminalCodec(_window(request.terminal), wary=wary, command=command)
        hooked = command is None and gates(grant) is ShellGate.HOOK
        return HookedCodec(codec, secrets.token_hex(16)) if hooked else codec
    terminal = request.terminal is not None
    if command is not None:
        return ExecCodec(command, terminal=terminal)
    return ExecCodec(b"", terminal=terminal) if gated else ShellCodec(terminal=terminal)


def _window(terminal: Terminal) -> Window:
    keys = {opcode: bytes([value]) for opcode, value in terminal.modes if value < _NO_KEY}
    return Window(terminal.columns, terminal.rows, keys.get(_VINTR, b"\x03"), keys.get(_VKILL, b"\x15"))
