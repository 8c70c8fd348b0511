"""A hooked shell: at its prompt keys go on, what it asks is decided, and without it lines are held strictly."""

from hypothesis import given
from hypothesis import strategies as st

from bastion.model import Stream
from bastion.protocols.base import Boot, Data, Event, Hook, HookState, Line, Pause, Place
from bastion.protocols.hooked import BLIND, HookedCodec
from bastion.protocols.terminal import QUEUE_MAX, TerminalCodec
from bastion.protocols.watch import Window

TOKEN = "5f0c"
EDITOR_ON, EDITOR_OFF = b"\x1b[?2004h", b"\x1b[?2004l\r"
PASTE, END = b"\x1b[200~", b"\x1b[201~"


def said(body: str) -> bytes:
    """Return a message of the shell."""
    return f"\x1b]5379;{TOKEN};{body}\x1b\\".encode()


PROMPT = said("prompt;bash 5.2") + EDITOR_ON + b"$ "
YES, NO = f"{TOKEN};7;y\x1e".encode(), f"{TOKEN};7;n\x1e".encode()


def codec() -> HookedCodec:
    """Return one of which nothing is known yet."""
    return HookedCodec(TerminalCodec(Window(80, 24), wary=True), TOKEN)


def at_prompt() -> HookedCodec:
    """Return one whose shell has shown its prompt."""
    hooked = codec()
    hooked.feed(Stream.STDOUT, PROMPT)
    return hooked


def asked(text: str, *, kind: str = "line", keys: bytes = b"ls\r") -> tuple[HookedCodec, Line]:
    """Return one whose shell has just asked about a text."""
    hooked = at_prompt()
    hooked.feed(Stream.STDIN, keys)
    events = hooked.feed(Stream.STDOUT, b"ls\r\n" + EDITOR_OFF + said(f"{kind};7;'{text}';''"))
    (line,) = lines(events)
    return hooked, line


def sent(events: list[Event], stream: Stream = Stream.STDIN) -> bytes:
    """Return what goes on in a direction."""
    return b"".join(event.raw for event in events if isinstance(event, Data) and event.stream is stream)


def lines(events: list[Event]) -> list[Line]:
    """Return the lines that wait."""
    return [event for event in events if isinstance(event, Line)]


def paused(hooked: HookedCodec, times: int) -> list[Event]:
    """Let so many pauses pass."""
    return [event for _ in range(times) for event in hooked.quiet()]


def test_it_boots_a_shell_with_its_token() -> None:
    (boot,) = codec().start()
    assert isinstance(boot, Boot)
    assert boot.command.startswith(b"exec /bin/sh -c ")


def test_without_a_hook_lines_are_held_and_that_is_said_once() -> None:
    hooked = codec()
    hooked.feed(Stream.STDOUT, EDITOR_ON + b"$ ")
    hooked.feed(Stream.STDIN, b"ls")
    events = [*hooked.feed(Stream.STDIN, b"\r"), *hooked.feed(Stream.STDOUT, b"ls"), *paused(hooked, 4)]
    assert sent(events) == b""
    assert [event for event in events if isinstance(event, Hook)] == [Hook(HookState.ABSENT, "")]
    assert [line.screen for line in lines(events)] == ["ls"]


def test_the_hook_is_told_once_and_its_messages_are_not_shown() -> None:
    hooked = codec()
    events = [*hooked.feed(Stream.STDOUT, b"motd\r\n" + PROMPT), *hooked.feed(Stream.STDOUT, PROMPT)]
    assert [event for event in events if isinstance(event, Hook)] == [Hook(HookState.IN_PLACE, "bash 5.2")]
    assert sent(events, Stream.STDOUT) == b"motd\r\n" + (EDITOR_ON + b"$ ") * 2


def test_keys_at_the_prompt_go_on_at_once_and_what_follows_a_line_waits() -> None:
    hooked = at_prompt()
    events = hooked.feed(Stream.STDIN, b"ls\x12\x1b[A\t\rnext\r")
    assert sent(events) == b"ls\x12\x1b[A\t\r"
    assert not lines(events)
    assert not hooked.drained
    assert sent(hooked.feed(Stream.STDOUT, b"\r\n" + PROMPT)) == b"next\r"


def test_an_allowed_line_runs_and_what_was_typed_ahead_follows() -> None:
    hooked, line = asked("ls -l", keys=b"ls\rmore")
    assert (line.place, line.screen, line.others, line.doubts) == (Place.HOOK, "ls -l", (), ())
    assert sent(hooked.decided(allowed=True, more=False)) == YES
    hooked.feed(Stream.STDOUT, said("ahead;7;$'early\\r'"))
    assert sent(hooked.feed(Stream.STDOUT, b"output\r\n" + PROMPT)) == b"early\r"
    assert sent(hooked.feed(Stream.STDOUT, PROMPT)) == b"more"


def test_what_is_typed_while_the_line_runs_is_for_a_program_and_read() -> None:
    hooked, _ = asked("cat")
    hooked.decided(allowed=True, more=False)
    hooked.feed(Stream.STDOUT, said("ahead;7;''"))
    assert sent(hooked.feed(Stream.STDIN, b"rm x")) == b"rm x"
    held = [*hooked.feed(Stream.STDIN, b"\r"), *paused(hooked, 4)]
    assert sent(held) == b""
    assert [line.place for line in lines(held)] == [Place.PROGRAM]


def test_a_refused_line_is_answered_no_and_ctrl_c_drops_what_was_typed_before_it() -> None:
    hooked, _ = asked("rm x")
    hooked.feed(Stream.STDIN, b"junk\x03ls")
    assert hooked.interrupted()
    assert sent(hooked.decided(allowed=False, more=False)) == NO
    assert sent(hooked.feed(Stream.STDOUT, said("ahead;7;''"))) == b""
    assert sent(hooked.feed(Stream.STDOUT, b"\r\n" + PROMPT)) == b"ls"


def test_commands_that_the_line_did_not_show_and_unknown_ones_are_asked_about() -> None:
    _, command = asked("touch x", kind="command")
    assert (command.screen, command.others) == (None, ("touch x",))
    _, blind = asked("", kind="blind")
    assert (blind.screen, blind.others, blind.doubts) == (None, (), (BLIND,))


def test_aliases_stand_in_front_of_the_line_or_in_it() -> None:
    hooked = at_prompt()
    hooked.feed(Stream.STDIN, b"ll\r")
    (line,) = lines(hooked.feed(Stream.STDOUT, said("line;7;'ll';'alias -- ll='\\''ls'\\'''$'\\n'")))
    assert line.others == ("alias -- ll='ls'\nll",)
    hooked = at_prompt()
    hooked.feed(Stream.STDIN, b"ll\r")
    (line,) = lines(hooked.feed(Stream.STDOUT, said("line;7;$'ll';$'ls'")))
    assert line.others == ("ls",)


def test_a_shell_that_takes_a_line_and_does_not_ask_is_not_trusted_any_more() -> None:
    hooked = at_prompt()
    hooked.feed(Stream.STDIN, b"ls\rrm x\r")
    events = [*hooked.feed(Stream.STDOUT, b"ls\r\n" + EDITOR_OFF), *paused(hooked, 8)]
    assert [event for event in events if isinstance(event, Hook)] == [Hook(HookState.SILENT, "bash 5.2")]
    assert sent(events) == b"rm x"
    assert [line.typed for line in lines(paused(hooked, 4))] == ["rm x"]


def test_further_lines_of_a_command_follow_as_the_editor_comes_back() -> None:
    hooked = at_prompt()
    assert sent(hooked.feed(Stream.STDIN, b"for i in 1; do\rls\r")) == b"for i in 1; do\r"
    assert sent(hooked.feed(Stream.STDOUT, b"\r\n" + EDITOR_OFF + EDITOR_ON + b"> ")) == b"ls\r"


def test_enter_that_only_ends_a_menu_leaves_the_prompt() -> None:
    hooked = at_prompt()
    hooked.feed(Stream.STDIN, b"\t\r")
    assert not lines(hooked.quiet())
    assert sent(hooked.feed(Stream.STDIN, b"x\r")) == b"x\r"


@given(st.lists(st.integers(1, 30), max_size=6))
def test_a_paste_goes_on_as_a_whole_however_it_is_cut(cuts: list[int]) -> None:
    hooked = at_prompt()
    keys = b"echo a\recho b\r" + END + b"\r"
    got = sent(hooked.feed(Stream.STDIN, b"a" + PASTE))
    for size in [*cuts, len(keys)]:
        got += sent(hooked.feed(Stream.STDIN, keys[:size])) if keys[:size] else b""
        keys = keys[size:]
    assert got == b"a" + PASTE + b"echo a\recho b\r" + END + b"\r"


def test_input_is_bounded_while_a_line_is_asked_about() -> None:
    hooked, _ = asked("rm x")
    hooked.feed(Stream.STDIN, b"x" * QUEUE_MAX)
    assert hooked.full
    hooked.decided(allowed=False, more=False)
    hooked.feed(Stream.STDOUT, said("ahead;7;''") + PROMPT)
    assert not hooked.full


def test_a_held_line_that_the_prompt_overtakes_is_the_shells() -> None:
    hooked, _ = asked("sleep 1")
    hooked.decided(allowed=True, more=False)
    hooked.feed(Stream.STDOUT, said("ahead;7;''"))
    hooked.feed(Stream.STDIN, b"ls")
    assert sent(hooked.feed(Stream.STDIN, b"\r")) == b""
    assert sent(hooked.feed(Stream.STDOUT, PROMPT)) == b"\r"


def test_a_question_waits_for_a_line_that_is_decided_already() -> None:
    hooked, _ = asked("sleep 1")
    hooked.decided(allowed=True, more=False)
    hooked.feed(Stream.STDOUT, said("ahead;7;''"))
    hooked.feed(Stream.STDIN, b"ls\r")
    assert lines(paused(hooked, 4))
    assert not lines(hooked.feed(Stream.STDOUT, said("command;7;'touch x';''")))
    events = hooked.decided(allowed=True, more=False)
    assert [line.others for line in lines(events)] == [("touch x",)]


@given(st.data())
def test_any_split_of_the_output_gives_the_same(data: st.DataObject) -> None:
    output = b"a\x1b[0m" + PROMPT + b"x" + said("blind;7;'';''") + b"\x1b]0;title\x07" + said("ahead;7;''") + b"end"
    whole = codec().feed(Stream.STDOUT, output)
    cut = codec()
    events: list[Event] = []
    while output:
        size = data.draw(st.integers(1, len(output)))
        events += cut.feed(Stream.STDOUT, output[:size])
        output = output[size:]
    assert sent(events, Stream.STDOUT) == sent(whole, Stream.STDOUT)
    assert [event for event in events if not isinstance(event, Data | Pause)] == [
        event for event in whole if not isinstance(event, Data | Pause)
    ]


def test_what_the_bastion_says_stands_on_a_row_of_its_own() -> None:
    hooked, _ = asked("rm x")
    assert hooked.message("held") == (Stream.STDOUT, b"held\r\n")
    hooked.feed(Stream.STDOUT, b"no line end")
    assert hooked.message("held") == (Stream.STDOUT, b"\r\nheld\r\n")
