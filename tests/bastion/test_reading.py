"""The reader around the parsers: never an exception, never nothing, bounded, remembered, and right piece by piece."""

import asyncio
import stat
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bastion import reading
from bastion.policy import analysis
from bastion.policy.understanding import Reason, Understanding
from bastion.reading import CommandReader
from tests.lab.process import wait_until


def reasons(understanding: Understanding) -> set[Reason]:
    return {item.reason for item in understanding.opaque}


def program(tmp_path: Path, script: str) -> str:
    path = tmp_path / "shfmt"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
async def reader() -> object:
    reader = CommandReader()
    yield reader
    await reader.close()


@pytest.mark.parametrize(
    "script",
    [
        "exit 2",
        "kill -9 $$",
        "cat >/dev/null; echo '{'",
        "echo '[]'",
        "cat >/dev/null; exit 0",
        "echo oops >&2; exit 1",
    ],
)
async def test_a_parser_that_fails_is_opaque(tmp_path: Path, script: str) -> None:
    broken = CommandReader(program(tmp_path, script))
    understanding = await broken.understand(b"ls")
    await broken.close()
    assert reasons(understanding) == {Reason.UNREADABLE}


def children() -> set[psutil.Process]:
    """Return the processes that this one started and that still are."""
    return set(psutil.Process().children())


async def test_a_parser_that_prints_without_end_is_ended(tmp_path: Path) -> None:
    """Though nobody reads what is left of its output."""
    before = children()
    endless = CommandReader(program(tmp_path, "exec cat /dev/zero"))
    for number in range(10):
        async with asyncio.timeout(20):
            assert reasons(await endless.understand(b"ls %d" % number)) == {Reason.TOO_LARGE}
    async with asyncio.timeout(20):
        await endless.close()
    assert children() <= before


async def test_parsers_wait_for_the_next_texts(reader: CommandReader) -> None:
    before = children()
    await reader.understand(b"ls")
    await asyncio.to_thread(wait_until, "the spares", lambda: len(children() - before) == reading.SPARES)


async def test_a_parser_that_is_missing_is_opaque(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = CommandReader("/nowhere/shfmt")
    assert reasons(await gone.understand(b"ls")) == {Reason.UNREADABLE}
    await gone.close()
    monkeypatch.setattr(reading, "find_shfmt", lambda: None)
    none = CommandReader()
    assert reasons(await none.understand(b"ls")) == {Reason.UNREADABLE}
    await none.close()


async def test_a_parser_that_hangs_is_opaque(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "TIMEOUT", 0.2)
    slow = CommandReader(program(tmp_path, "exec sleep 60"))
    assert reasons(await slow.understand(b"ls")) == {Reason.UNREADABLE}
    await slow.close()


async def test_a_defect_of_the_analysis_is_opaque(reader: CommandReader, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(analysis, "analyse", broken)
    understanding = await reader.understand(b"ls secret")
    assert reasons(understanding) == {Reason.UNREADABLE}
    assert "secret" not in understanding.opaque[0].detail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"ls \xff", Reason.CONTROL_CHARACTERS),
        (b"ls \r\n", Reason.CONTROL_CHARACTERS),
        (b"ls \x1b[2J", Reason.CONTROL_CHARACTERS),
        (b"ls \x00", Reason.CONTROL_CHARACTERS),
        ("ls \x85".encode(), Reason.CONTROL_CHARACTERS),
        ("ls \uf8ff".encode(), Reason.CONTROL_CHARACTERS),
        (b"x" * 1_000_000, Reason.TOO_LARGE),
        (b"(" * 5_000, Reason.SYNTAX),
        (b"$(" * 300 + b"ls" + b")" * 300, Reason.TOO_LARGE),
        (b"eval " * 40 + b"ls", Reason.TOO_LARGE),
        (b"bash -c " * 2 + b"ls", Reason.INTERPRETER_STDIN),
        (b"echo {1..99999}", Reason.TOO_LARGE),
        (b"for i in {1..9}{1..9}{1..9}; do for j in $(ls); do $j; done; done", Reason.TOO_LARGE),
        (b"f() { f; f; }; f", Reason.TOO_LARGE),
        (b"ls", None),
    ],
    ids=range(15),
)
async def test_what_is_not_read(reader: CommandReader, text: bytes, reason: Reason | None) -> None:
    found = reasons(await reader.understand(text))
    assert (reason in found) if reason is not None else not found


async def test_answers_are_remembered_by_exact_bytes(reader: CommandReader, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await reader.understand(b"ls -l")
    assert await reader.understand(b"ls -l") is first
    assert await reader.understand(b"ls  -l") is not first
    assert (await reader.understand(b"ls", "fish")) != (await reader.understand(b"ls", "bash"))
    monkeypatch.setattr(reading, "CACHED", 3)
    for number in range(10):
        await reader.understand(b"ls %d" % number)
    assert await reader.understand(b"ls -l") is not first


async def test_failures_are_not_remembered(tmp_path: Path) -> None:
    shaky = CommandReader(program(tmp_path, "exit 2"), spares=0)
    assert reasons(await shaky.understand(b"ls"))
    program(tmp_path, f'exec {reading.find_shfmt()} "$@"')
    assert not reasons(await shaky.understand(b"ls"))
    await shaky.close()


async def test_many_at_once(reader: CommandReader) -> None:
    lines = [b"sh -c 'rm file%d'" % number for number in range(40)]
    found = await asyncio.gather(*(reader.understand(line) for line in lines))
    assert [item.commands[1].shown for item in found] == [["rm", f"file{number}"] for number in range(40)]


async def test_known_input_is_read_as_commands(reader: CommandReader) -> None:
    assert reasons(await reader.understand(b"bash -s")) == {Reason.INTERPRETER_STDIN}
    understanding = await reader.understand(b"bash -s x", stdin=b"rm $1\nls\n")
    assert not understanding.opaque
    assert [command.shown for command in understanding.commands] == [["bash", "-s", "x"], ["rm", "x"], ["ls"]]


async def pieces(reader: CommandReader, chunks: list[bytes]) -> list[tuple[bytes, list[list[str]], set[Reason]]]:
    script = reader.script()
    found = [piece for chunk in chunks for piece in await script.feed(chunk)] + await script.end()
    return [(text, [c.shown for c in understood.commands], reasons(understood)) for text, understood in found]


async def test_a_script_is_cut_where_the_shell_would_run_it(reader: CommandReader) -> None:
    chunks = [
        b"a=rm\nif true; th",
        b"en\n $a x\nfi\ncat <<E\none\n",
        b"two\nE\nf() { rm y; }\n",
        b"f\necho 'q\nr'",
        b"\nls",
    ]
    assert await pieces(reader, chunks) == [
        (b"a=rm\n", [], set()),
        (b"if true; then\n $a x\nfi\n", [["true"], ["rm", "x"]], set()),
        (b"cat <<E\none\ntwo\nE\nf() { rm y; }\n", [["cat"]], set()),
        (b"f\n", [["rm", "y"]], set()),
        (b"echo 'q\nr'\n", [["echo", "q\nr"]], set()),
        (b"ls", [["ls"]], set()),
    ]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_cuts_of_the_network_do_not_matter(reader: CommandReader, size: int) -> None:
    text = b"ls\nfor i in a b; do\n  rm $i\ndone\ncat <<E | sh\nps\nE\n"
    found = await pieces(reader, [text[place : place + size] for place in range(0, len(text), size)])
    assert b"".join(piece for piece, _, _ in found) == text
    run = [command for _, commands, _ in found for command in commands]
    assert run == [["ls"], ["rm", "a"], ["rm", "b"], ["cat"], ["sh"], ["ps"]]
    assert not any(why for _, _, why in found)


async def test_a_script_that_does_not_parse_ends_opaque(reader: CommandReader) -> None:
    assert await pieces(reader, [b"ls\n", b"if x\n", b"rm y\n"]) == [
        (b"ls\n", [["ls"]], set()),
        (b"if x\nrm y\n", [], {Reason.SYNTAX}),
    ]


async def test_a_script_too_large_is_opaque_in_bounded_memory(reader: CommandReader) -> None:
    script = reader.script()
    line = b"echo " + b"x" * 1000 + b"\n"
    for number in range(100):
        found = await script.feed(line)
        last = found[-1][1] if found else None
        if number > 70:
            assert last is not None
            assert reasons(last) == {Reason.TOO_LARGE}
    assert len(script._pending) + len(script._done) < reading.MAX_SCRIPT


@pytest.mark.parametrize(
    ("dialect", "text", "commands", "why"),
    [
        ("dash", b"echo $'a\\'; rm x #'", [["echo", "$a\\"], ["rm", "x"]], set()),
        ("bash", b"echo $'a\\'; rm x #'", [["echo", "a'; rm x #"]], set()),
        ("sh", b"echo $'a\\'; rm x #'", [["echo", "a'; rm x #"], ["echo", "$a\\"], ["rm", "x"]], set()),
        ("dash", b"rm {a,b}", [["rm", "{a,b}"]], set()),
        ("sh", b"rm {a,b}", [["rm", "a", "b"], ["rm", "{a,b}"]], set()),
        ("sh", b"ls -l", [["ls", "-l"]], set()),
        ("zsh", b"ls -l", [["ls", "-l"]], set()),
        ("zsh", b"=rm x", [["=rm", "x"]], {Reason.DIALECT}),
        ("zsh", b"ls *(e:'rm x':)", [["ls", "*(e:'rm x':)"]], {Reason.DIALECT, Reason.DISAGREEMENT}),
        ("fish", b"ls", [], {Reason.DIALECT}),
        ("", b"ls", [], {Reason.DIALECT}),
    ],
)
async def test_dialects(
    reader: CommandReader, dialect: str, text: bytes, commands: list[list[str]], why: set[Reason]
) -> None:
    understanding = await reader.understand(text, dialect)
    assert [command.shown for command in understanding.commands] == commands
    assert reasons(understanding) == why


FRAGMENTS = [
    *("abx01 \t\n;|&()<>{}[]$`'\"\\*?~!#=-+,./:@%^é"),
    *("$(", "${", "$((", "<<E\n", "\nE\n", "if ", "then ", "fi", "for i in ", "do ", "done", "case x in ", "esac"),
    *("f() ", "sh -c ", "eval ", "sudo ", "xargs ", "echo ", "rm ", "$x"),
]
SHELL = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=SHELL)
def test_whatever_is_typed_there_is_an_answer(text: str) -> None:
    async def read() -> Understanding:
        reader = CommandReader(spares=0)
        try:
            return await reader.understand(text.encode())
        finally:
            await reader.close()

    understanding = asyncio.run(read())
    assert Reason.UNREADABLE not in reasons(understanding)
    assert understanding.text == text or understanding.opaque


@pytest.mark.parametrize(
    ("text", "commands", "reason"),
    [
        (b"rm x\n(", [["rm", "x"]], Reason.SYNTAX),
        (b"ls\nrm x\nif y", [["ls"], ["rm", "x"]], Reason.SYNTAX),
        (b"rm x <<E", [["rm", "x"]], Reason.SYNTAX),
        (b"rm x <<A <<'B'\nz\n", [["rm", "x"]], Reason.SYNTAX),
        (b"((echo a); rm x)", [["echo", "a"], ["rm", "x"]], Reason.SYNTAX),
        (b"((echo a); rm x)\n(", [["echo", "a"], ["rm", "x"]], Reason.SYNTAX),
        (b"sh -c $'rm x\n('", [["sh", "-c", "rm x\n("], ["rm", "x"]], Reason.SYNTAX),
        (b"rm x &&", [], Reason.SYNTAX),
        (b"rm x #\x01", [["rm", "x"]], Reason.CONTROL_CHARACTERS),
        (b"rm x\r\nls", [["rm", "x\ufffd"], ["ls"]], Reason.CONTROL_CHARACTERS),
        (b"rm \xff y", [["rm", "\ufffd", "y"]], Reason.CONTROL_CHARACTERS),
    ],
    ids=range(11),
)
async def test_what_a_shell_runs_of_a_text_with_errors(
    reader: CommandReader, text: bytes, commands: list[list[str]], reason: Reason
) -> None:
    """It runs what it has read before it sees an error, and takes odd bytes for characters."""
    understanding = await reader.understand(text, thorough=True)
    assert [command.shown for command in understanding.commands] == commands
    assert reasons(understanding) == {reason}
    assert understanding.unread is None


async def test_a_tree_that_is_too_large_is_not_loaded(reader: CommandReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_TREE", 10_000)
    understanding = await reader.understand(b"ls\n" * 200)
    assert reasons(understanding) == {Reason.TOO_LARGE}
    assert understanding.unread is not None
    assert (await reader.understand(b"ls")).opaque == ()
