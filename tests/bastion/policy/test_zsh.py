"""What only zsh knows: it changes what keys, names and prompts run, and is a doubt to whoever can't know the shell."""

import pytest

from bastion.policy.understanding import Reason
from bastion.reading import CommandReader


@pytest.mark.parametrize(
    ("line", "doubted"),
    [
        ("bindkey -s '^G' 'touch x\\n'", True),
        ("bindkey '^G' widget", True),
        ("zle -N widget", True),
        ("autoload -Uz compinit", True),
        ("zmodload zsh/system", True),
        ("add-zsh-hook preexec f", True),
        ("bindkey", False),
        ("sudo bindkey x", False),
    ],
)
async def test_rebinding(reader: CommandReader, line: str, doubted: bool) -> None:
    understanding = await reader.understand(line.encode())
    assert any(item.reason is Reason.REBINDING for item in understanding.opaque) is doubted
