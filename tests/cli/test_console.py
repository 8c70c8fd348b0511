"""The output rules: the same rows on a terminal, in a pipe and as JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.command import parse_duration
from cli.console import Column, Console, as_json_text, as_text, length, render, safe, size
from tests.cli.world import MemoryTerminal

COLUMNS = (Column("ID"), Column("LEFT", right=True), Column("COMMAND", grow=True))
ROWS = [["a1", "9m05s", "systemctl stop " + "x" * 100], ["b2", "3s", "[red]rm[/red]"]]


def test_a_table_on_a_terminal_fits_its_width() -> None:
    for columns in (24, 40, 80, 200):
        terminal = MemoryTerminal(tty=True, columns=columns)
        Console(terminal).table(COLUMNS, ROWS, empty="none")
        lines = terminal.out.split("\r\n")
        assert max(map(len, lines)) <= columns
        assert lines[0].split() == ["ID", "LEFT", "COMMAND"]
    assert "…" not in terminal.out
    assert "[red]rm[/red]" in terminal.out


def test_a_table_at_80_columns_looks_so() -> None:
    terminal = MemoryTerminal(tty=True)
    Console(terminal).table(COLUMNS, ROWS, empty="none")
    head, line, first, second, rest = terminal.out.split("\r\n")
    assert head.rstrip() == "ID   LEFT  COMMAND"
    assert set(line.strip()) == {"─"}
    assert first.startswith("a1  9m05s  systemctl stop xxxx")
    assert first.endswith("…")
    assert second.rstrip() == "b2     3s  [red]rm[/red]"
    assert rest == ""


def test_a_table_in_a_pipe_is_plain_and_whole() -> None:
    terminal = MemoryTerminal()
    Console(terminal).table(COLUMNS, ROWS, empty="none")
    assert terminal.out.splitlines()[1] == "a1  9m05s  systemctl stop " + "x" * 100
    assert terminal.out.isascii()


def test_no_rows() -> None:
    terminal, pipe = MemoryTerminal(tty=True), MemoryTerminal()
    Console(terminal).table(COLUMNS, [], empty="nothing waits")
    Console(pipe).table(COLUMNS, [], empty="nothing waits")
    assert terminal.out == "nothing waits\r\n"
    assert pipe.out == "ID  LEFT  COMMAND\n"


def test_colours_only_where_they_are_welcome() -> None:
    for terminal in (MemoryTerminal(tty=True, color=True), MemoryTerminal(tty=True), MemoryTerminal()):
        Console(terminal).table((Column("STATE"),), [["denied"]], empty="")
        assert ("\x1b[" in terminal.out) is terminal.color


@given(st.text(max_size=50), st.booleans())
def test_no_text_can_act_on_a_terminal(text: str, tty: bool) -> None:
    terminal = MemoryTerminal(tty=tty)
    console = Console(terminal)
    console.table(COLUMNS, [[text, text, text]], empty="")
    console.fields([("name", text)])
    console.line(text)
    console.json({"text": text})
    console.error(text)
    shown = (terminal.out + terminal.err).replace("\r\n", "\n" if tty else "\r\n")
    assert not any((character < " " and character != "\n") or "\x7f" <= character <= "\x9f" for character in shown)
    assert all(line.startswith("bastion: ") for line in terminal.err.split("\n")[:-1])


def test_an_error_of_many_lines_has_the_prefix_on_each() -> None:
    terminal = MemoryTerminal()
    Console(terminal).error("one\ntwo")
    assert terminal.err == "bastion: one\nbastion: two\n"


def test_bytes_that_are_no_text() -> None:
    assert safe(as_text(b"a\xff")) == r"a\udcff"
    assert as_json_text(b"a\xff") == r"a\xff"


def test_render_does_not_wrap_in_a_pipe() -> None:
    assert render(MemoryTerminal(), ["x" * 300]) == "x" * 300 + "\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0.4, "0s"), (59, "59s"), (61, "1m01s"), (3600, "1h00m"), (90061, "1d01h")],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert length(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (10**15, "1000.0 TB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800), ("1m1s", 61)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", "m", "1x", "0s", "-1m", "1m1m", "1.5h", "\u0661m", "9999999s", "1m 1s", "inf"]
)
def test_what_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None
