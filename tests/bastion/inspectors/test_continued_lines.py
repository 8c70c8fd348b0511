"""Which lines are taken for the beginning of a command: not those that some shell would run as they are."""

import pytest

from bastion.inspectors.lines import Lines
from bastion.reading import CommandReader


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [
        ("for f in a", True),
        ("if true", True),
        ("echo 'a", True),
        ("cat <<E", True),
        ("echo a |", True),
        ("echo \\", True),
        ("f() {", True),
        ("f() { echo ${x}", True),
        ("awk '{ print $1 }", True),
        ("echo a", False),
        ("f() { echo a; }", False),
        ("f() { echo a }", False),  # complete in zsh, and run there
        ("preexec() { touch x }; true", False),
        ("fi", False),
        ("echo )", False),
    ],
)
async def test_what_goes_on(text: str, goes_on: bool) -> None:
    reader = CommandReader(spares=0)
    try:
        understanding = await reader.understand(text.encode())
    finally:
        await reader.close()
    assert Lines(strict=True).continues(understanding) is goes_on
