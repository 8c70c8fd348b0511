"""Ordinary work is hardly ever held: at most 2 % of the ordinary commands are opaque or flagged by a shipped rule."""

from bastion.config.schema import Address, Credential, Target
from bastion.model import Action, ChannelKind, Identity, Kind, utcnow
from bastion.policy import pack
from bastion.policy.rules import CommandContext, RuleSet
from bastion.reading import CommandReader
from tests.bastion.policy.corpus import FOLDER

LIMIT = 0.02


def _context() -> CommandContext:
    identity = Identity("alice", "corp", "1", ("eng",), Kind.HUMAN, 1, utcnow())
    target = Target("web-1", "ssh", Address("127.0.0.1", 22), Credential("certificate"))
    return CommandContext(identity, target, "deploy", ChannelKind.EXEC)


async def test_ordinary_commands_are_let_through(reader: CommandReader) -> None:
    lines = [line for line in (FOLDER / "ordinary.txt").read_text().splitlines() if line and line[:2] != "##"]
    rules = RuleSet([pack.rule(name, approvers=("sre",)) for name in pack.names()])
    held: list[str] = []
    for line in lines:
        text = line.replace("⏎", "\n").encode()
        understanding = await reader.understand(text)
        verdict = rules.decide(_context(), understanding, text, Action.ALLOW)
        if understanding.opaque or verdict.action is not Action.ALLOW:
            held.append(f"{line} ({verdict.rule or understanding.opaque[0].reason})")
    assert len(lines) >= 500
    assert len(held) <= LIMIT * len(lines), "\n".join(held)
