"""The approvers' screen as a plain object: what is drawn at which size, and what keys may do when."""

from dataclasses import replace
from datetime import timedelta

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.model import Kind
from bastion.store.base import ApprovalRow, ApprovalState
from cli.screen import Decide, Mode, Quit, Screen
from tests.cli.world import NOW, MemoryTerminal

ROW = ApprovalRow(
    id="aaaaaaaa",
    digest="0" * 64,
    state=ApprovalState.PENDING,
    rule="prod-change",
    requester="bob",
    issuer="corp",
    subject="sub-bob",
    kind=Kind.AGENT,
    target="web-1",
    login="deploy",
    channel="exec",
    command=b"systemctl stop nginx",
    reason="changes production",
    approvers=("sre",),
    approvals=1,
    created=NOW,
    expires=NOW + timedelta(minutes=10),
)
SECOND = replace(ROW, id="bbbbbbbb", command=b"kubectl delete pod x")
LONG = replace(ROW, id="cccccccc", command=b"echo " + b"x" * 5000 + b"; rm -rf /")


def shown(screen: Screen, columns: int = 80, rows: int = 24) -> list[str]:
    """Return what a real terminal of this size would show."""
    emulator = pyte.Screen(columns, rows)
    stream = pyte.Stream(emulator)
    terminal = MemoryTerminal(tty=True, columns=columns, rows=rows, color=True)
    stream.feed(screen.draw(terminal, NOW + timedelta(seconds=55)))
    return [line.rstrip() for line in emulator.display]


def opened(*rows: ApprovalRow) -> Screen:
    screen = Screen("alice")
    screen.update(rows)
    shown(screen)
    return screen


def test_the_screen_at_80_by_24() -> None:
    screen = opened(ROW, SECOND)
    lines = shown(screen)
    assert lines[0].startswith(" approvals: 2 waiting")
    assert lines[0].endswith("alice  20:49:55Z")
    assert lines[1] == ">   9m05s  bob (agent)  deploy@web-1  systemctl stop nginx"
    assert lines[2] == "    9m05s  bob (agent)  deploy@web-1  kubectl delete pod x"
    assert "systemctl stop nginx" in lines[14:]
    assert any(line.startswith("rule: prod-change") for line in lines)
    assert lines[23].startswith("up/down select   a approve   d deny")


def test_an_empty_screen_says_so() -> None:
    assert shown(Screen("alice"))[0].startswith(" approvals: nothing waits")


def test_selecting_and_approving() -> None:
    screen = opened(ROW, SECOND)
    assert screen.press("down") is None
    shown(screen)
    assert screen.press("a") == Decide("bbbbbbbb", approve=True)
    screen.press("k")
    shown(screen)
    assert screen.press("a") == Decide("aaaaaaaa", approve=True)


def test_denying_asks_for_a_reason() -> None:
    screen = opened(ROW)
    screen.press("d")
    for key in ["n", "x", "backspace", "o", "t", " ", "n", "o", "w", "q"]:
        assert screen.press(key) is None
    assert shown(screen)[22].startswith("why not? not nowq")
    assert screen.press("enter") == Decide("aaaaaaaa", approve=False, reason="not nowq")
    assert screen.mode is Mode.LIST


def test_the_details_stay_while_a_reason_is_typed() -> None:
    screen = opened(ROW, SECOND)
    screen.press("enter")
    screen.press("d")
    assert shown(screen)[1] == "systemctl stop nginx"
    screen.press("escape")
    assert screen.mode is Mode.DETAILS


def test_the_command_is_seen_on_a_narrow_screen() -> None:
    screen = opened(replace(ROW, requester="somebody-with-a-very-long-name@example.com", target="t" * 60))
    assert "systemctl" in shown(screen, 50, 12)[1]


def test_escape_takes_a_denial_back() -> None:
    screen = opened(ROW)
    screen.press("d")
    screen.press("x")
    assert screen.press("escape") is None
    assert screen.mode is Mode.LIST


@pytest.mark.parametrize("key", ["q", "ctrl-c", "ctrl-d"])
def test_leaving(key: str) -> None:
    assert opened(ROW).press(key) == Quit()


def test_ctrl_c_leaves_even_while_a_reason_is_typed() -> None:
    screen = opened(ROW)
    screen.press("d")
    assert screen.press("ctrl-c") == Quit()


def test_the_selection_never_moves_by_itself() -> None:
    screen = opened(ROW, SECOND)
    screen.update([SECOND])  # somebody else decided the selected one just now
    shown(screen)
    assert screen.press("a") is None
    assert screen.press("d") is None
    screen.press("down")
    shown(screen)
    assert screen.press("a") == Decide("bbbbbbbb", approve=True)


def test_a_request_that_goes_away_while_a_reason_is_typed() -> None:
    screen = opened(ROW, SECOND)
    screen.press("d")
    screen.press("x")
    screen.update([SECOND])
    assert screen.mode is Mode.LIST
    assert screen.status == "aaaaaaaa is not pending any more"
    assert screen.press("enter") is None


def test_new_requests_are_told() -> None:
    screen = Screen("alice")
    assert screen.update([ROW])
    assert not screen.update([ROW])
    assert screen.update([ROW, SECOND])
    assert not screen.update([SECOND])


def test_a_command_that_does_not_fit_must_be_read_first() -> None:
    screen = opened(LONG)
    assert screen.press("a") is None
    assert screen.mode is Mode.DETAILS
    assert "read it" in screen.status
    lines = shown(screen)
    assert lines[1].startswith("echo xxxx")
    assert "more lines" in "\n".join(lines)
    for _ in range(20):
        screen.press("page down")
        lines = shown(screen)
    assert not any("more lines" in line for line in lines)
    assert screen.press("a") == Decide("cccccccc", approve=True)


def test_the_end_of_a_long_command_can_be_seen() -> None:
    screen = opened(LONG)
    screen.press("enter")
    seen = ""
    for _ in range(200):
        seen += "".join(shown(screen)[1:22])
        screen.press("down")
    assert "; rm -rf /" in seen


def test_details_show_everything_and_scroll_back() -> None:
    screen = opened(ROW)
    screen.press("enter")
    lines = shown(screen)
    assert lines[1] == "systemctl stop nginx"
    for name in ("state:", "target:", "asked by:", "rule:", "reason:", "approvers:", "expires:"):
        assert any(line.startswith(name) for line in lines)
    screen.press("down")
    assert shown(screen)[1] == "systemctl stop nginx"  # all of it fits: nothing to scroll
    screen.press("escape")
    assert screen.mode is Mode.LIST


def test_nothing_in_a_command_can_act_on_the_terminal() -> None:
    evil = replace(ROW, command=b"\x1b[2J\x1b[H\r\nbastion\x9b\xe2\x80\xae\x07", requester="m\x1b[31mallory")
    frame = opened(evil).draw(MemoryTerminal(tty=True), NOW)
    for harmful in ("\x1b[2J", "\x1b[31m", "\u202e", "\x07", "\x9b"):
        assert harmful not in frame
    assert r"\x1b[2J\x1b[H\r\nbastion" in frame


MANY = tuple(replace(ROW, id=f"id{number:06}", command=b"x" * (7 * number)) for number in range(60))


@given(st.integers(15, 200), st.integers(3, 60), st.integers(0, 60), st.lists(st.sampled_from(
    ["up", "down", "page down", "enter", "escape", "d", "x", "\u6f22", "a"]), max_size=12))  # fmt: skip
def test_every_size_is_filled_exactly(columns: int, rows: int, count: int, keys: list[str]) -> None:
    screen = Screen("alice@example.com")
    screen.update(MANY[:count])
    terminal = MemoryTerminal(tty=True, columns=columns, rows=rows)
    for key in ["", *keys]:
        screen.press(key)
        frame = screen.draw(terminal, NOW)
        assert frame.count("\r\n") == rows - 1
        emulator = pyte.Screen(columns, rows + 1)  # one line more: nothing may spill into it
        pyte.Stream(emulator).feed(frame)
        assert emulator.display[0].startswith(" approvals:")
        assert not emulator.display[rows].strip()


@pytest.mark.parametrize(("columns", "rows"), [(0, 0), (1, 1), (5, 2), (2**32 - 1, 2**32 - 1)])
def test_sizes_that_no_terminal_has(columns: int, rows: int) -> None:
    screen = opened(*MANY)
    for key in ("enter", "escape", "d"):
        screen.press(key)
        assert len(screen.draw(MemoryTerminal(tty=True, columns=columns, rows=rows), NOW)) < 500 * 200 * 2


@given(st.lists(st.sampled_from(["up", "down", "j", "k", "enter", "escape"]), max_size=30))
def test_the_selected_row_is_always_in_sight(keys: list[str]) -> None:
    screen = opened(*MANY)
    for key in keys:
        screen.press(key)
    screen.press("escape")
    assert sum(line.startswith(">") for line in shown(screen)) == 1
