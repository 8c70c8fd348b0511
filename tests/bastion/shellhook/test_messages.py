"""Messages of a hooked shell: found in any split of the output, read as the shell meant them, bounded."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.shellhook.messages import MESSAGE_MAX, Kind, Message, MessageReader, answer

TOKEN = "5f0c"
ASKS = b"\x1b]5379;5f0c;line;77;'echo a; b';''\x1b\\"


def joined(found: list[bytes | Message]) -> list[bytes | Message]:
    """Put neighbouring output together."""
    parts: list[bytes | Message] = []
    for one in found:
        if isinstance(one, bytes) and parts and isinstance(parts[-1], bytes):
            parts[-1] += one
        else:
            parts.append(one)
    return parts


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"prompt;bash 5.2.15(1)-release", Message(Kind.PROMPT, "", ("bash 5.2.15(1)-release",))),
        (b"line;77;'ls';''", Message(Kind.LINE, "77", ("ls", ""))),
        (b"line;77;'a;b'\\''c';$'d\\ne'", Message(Kind.LINE, "77", ("a;b'c", "d\ne"))),
        (b"command;77;ls;", Message(Kind.COMMAND, "77", ("ls",))),
        (b"ahead;77;$'echo \\303\\244\\r'", Message(Kind.AHEAD, "77", ("echo ä\r",))),
        (b"blind;77;'';''", Message(Kind.BLIND, "77", ("", ""))),
        (b"line;77;$'\\377'", Message(Kind.LINE, "77", ("\udcff",))),
        (b"line;77;'never ended", Message(Kind.LINE, "77", (None,))),
        (b'line;77;"other quotes"', Message(Kind.LINE, "77", (None,))),
    ],
)
def test_a_message_is_read(body: bytes, message: Message) -> None:
    found = MessageReader(TOKEN).feed(b"before\x1b]5379;5f0c;" + body + b"\x1b\\after")
    assert found == [b"before", message, b"after"]


@pytest.mark.parametrize("body", [b"other;77;'ls'", b"line;x;'ls'", b"line", b""])
def test_what_is_no_message_is_dropped(body: bytes) -> None:
    assert MessageReader(TOKEN).feed(b"a\x1b]5379;5f0c;" + body + b"\x1b\\b") == [b"a", b"b"]


@pytest.mark.parametrize("token", [b"", b"5f0", b"5f0d", b"5f0cc"])
def test_another_token_makes_it_plain_output(token: bytes) -> None:
    output = b"\x1b]5379;" + token + b";prompt;bash\x1b\\"
    assert joined(MessageReader(TOKEN).feed(output)) == [output]


@given(
    st.lists(st.sampled_from([ASKS, b"text", b"\x1b", b"\x1b]", b"\x1b]5379;", b"\x1b[0m", b"\n", b"\x1b\\"])),
    st.data(),
)
def test_any_split_gives_the_same(parts: list[bytes], data: st.DataObject) -> None:
    output = b"".join(parts)
    whole = MessageReader(TOKEN)
    expected = joined([*whole.feed(output), *([end] if (end := whole.end()) else [])])
    cut = MessageReader(TOKEN)
    found: list[bytes | Message] = []
    while output:
        size = data.draw(st.integers(1, len(output)))
        found += cut.feed(output[:size])
        output = output[size:]
    end = cut.end()
    assert joined([*found, *([end] if end else [])]) == expected


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
def test_what_bash_quotes_is_read_back(text: str) -> None:
    quoted = subprocess.run(
        ["bash", "-c", 'printf %s "${1@Q}"', "bash", text], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    ).stdout
    (message,) = MessageReader(TOKEN).feed(b"\x1b]5379;5f0c;line;77;" + quoted + b"\x1b\\")
    assert message == Message(Kind.LINE, "77", (text,))


def test_a_message_that_never_ends_is_output_in_the_end() -> None:
    reader = MessageReader(TOKEN)
    piece = b"x" * 65536
    got = reader.feed(ASKS[:-4])
    for _ in range(MESSAGE_MAX // len(piece) + 1):
        got += reader.feed(piece)
    assert b"".join(one for one in got if isinstance(one, bytes)).startswith(ASKS[:-4])


def test_the_answer_names_the_question() -> None:
    assert answer(TOKEN, "77", yes=True) == b"5f0c;77;y\x1e"
    assert answer(TOKEN, "77", yes=False) == b"5f0c;77;n\x1e"
