"""Far halves of copying programs, recognised in what a command text would run."""

from collections.abc import AsyncIterator

import pytest

from bastion.model import TRANSFERS, ChannelKind
from bastion.policy.copying import Copy, copies, may_copy
from bastion.reading import CommandReader

UP, DOWN = frozenset({ChannelKind.UPLOAD}), frozenset({ChannelKind.DOWNLOAD})


@pytest.fixture
async def reader() -> AsyncIterator[CommandReader]:
    reader = CommandReader(spares=0)
    yield reader
    await reader.close()


async def found(reader: CommandReader, command: bytes) -> list[Copy]:
    assert may_copy(command)
    return copies(await reader.understand(command))


@pytest.mark.parametrize(
    ("command", "program", "ways", "paths", "tree"),
    [
        ("scp -t /a", "scp", UP, ("/a",), False),
        ("scp -f -- -a", "scp", DOWN, ("-a",), False),
        ("scp -v -r -p -d -t '/a b'", "scp", UP, ("/a b",), True),
        ("/usr/bin/scp -rf /a /b", "scp", DOWN, ("/a", "/b"), True),
        ("'scp' -f /etc/*.conf", "scp", DOWN, ("/etc/*.conf",), False),
        ("rsync --server -vlogDtpre.iLsfxCIvu . /a", "rsync", UP, ("/a",), True),
        ("rsync --server --sender -vlogDtpe.iLsfxCIvu . /a /b", "rsync", DOWN, ("/a", "/b"), False),
        ("rsync --server --sender -re.L . /a", "rsync", DOWN, ("/a",), True),
        ("rsync --server -e.L .", "rsync", UP, ("?",), True),
        ("/usr/lib/openssh/sftp-server", "sftp", TRANSFERS, (), False),
        ("git-upload-pack '/r.git'", "git", frozenset(), (), True),
        ("git-receive-pack '/r.git'", "git", frozenset(), (), True),
    ],
)
async def test_plain_copies(
    reader: CommandReader, command: str, program: str, ways: frozenset[ChannelKind], paths: tuple[str, ...], tree: bool
) -> None:
    (copy,) = await found(reader, command.encode())
    assert (copy.program, copy.ways, copy.shown, copy.tree, copy.plain) == (program, ways, paths, tree, True)


@pytest.mark.parametrize(
    ("command", "ways"),
    [
        ("s'c'p -t /a", [UP]),
        ("\\scp -f /a", [DOWN]),
        ("sudo scp -t /a", [UP]),
        ("cd /x && scp -f a", [DOWN]),
        ("sh -c 'scp -t /a'", [UP]),
        ("scp -f /a; scp -t /b", [DOWN, UP]),
        ("scp -f /a > /tmp/x", [DOWN]),
        ("rsync --server --daemon .", [TRANSFERS]),
        ("scp -t 'unclosed", [TRANSFERS]),
        (b"scp -t /\xff".decode("latin-1"), [TRANSFERS]),
        ("scp $(", [TRANSFERS]),
    ],
)
async def test_copies_that_are_hidden_or_unreadable(reader: CommandReader, command: str, ways: list[object]) -> None:
    result = await found(reader, command.encode("latin-1"))
    assert [copy.ways for copy in result] == ways
    assert not any(copy.plain for copy in result) or "\\" in command or "'" in command or "--daemon" in command


@pytest.mark.parametrize("command", ["scp /a host:/b", "rsync /a /b", "echo scp -t", "man sftp", "rsync -e ssh a b:c"])
async def test_what_copies_nothing_here(reader: CommandReader, command: str) -> None:
    assert await found(reader, command.encode()) == []


@pytest.mark.parametrize("command", [b"ls", b"cat /a", b"tar c /a", b"git status"])
def test_what_is_not_worth_reading(command: bytes) -> None:
    assert not may_copy(command)


@pytest.mark.parametrize(
    ("options", "packed"),
    [("-vlogDtprze.iLsfxCIvu", True), ("--compress", True), ("--zc=zstd", True), ("-vlogDtpre.iLzfxCIvu", False)],
)
async def test_compression(reader: CommandReader, options: str, packed: bool) -> None:
    (copy,) = await found(reader, f"rsync --server --sender {options} . /a".encode())
    assert copy.packed is packed
