"""The HTML export's player, run by node: its terminal alone, and the whole page over a document that is a stand-in."""

import json
import subprocess
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.asciicast import Header
from recorder.export import export
from recorder.sanitise import RESET, Sanitiser
from recorder.screen import TerminalScreen
from tests.recorder.made import make

PLAYER = (files("recorder.page") / "player.js").read_text("utf-8")

SHOW = """
const cases = JSON.parse(require("fs").readFileSync(0, "utf-8"));
console.log(JSON.stringify(cases.map(([columns, rows, pieces]) => {
  const terminal = new Terminal(columns, rows);
  for (const piece of pieces) typeof piece === "string" ? terminal.write(piece) : terminal.resize(...piece);
  for (const row of terminal.rows) if (row.length !== terminal.columns) throw new Error("row of " + row.length);
  if (terminal.rows.length !== terminal.height) throw new Error("screen of " + terminal.rows.length);
  return { text: terminal.text(), cursor: [terminal.x, terminal.y],
    styles: terminal.rows[0].map((cell) => cell[1]) };
})));
"""

# As much of a browser as the player uses.
DOCUMENT = """
const fs = require("fs");
const input = JSON.parse(fs.readFileSync(0, "utf-8"));
let frames = [], now = 0;
function element() {
  return { listeners: {}, style: {}, children: [], textContent: "", value: "",
    append(text) { this.children.push(text); },
    replaceChildren(...all) { this.children = all; },
    addEventListener(name, f) { this.listeners[name] = f; } };
}
const parts = { events: { textContent: input.events } };
for (const id of ["bar", "play", "screen", "speed", "time"]) parts[id] = element();
parts.speed.value = "1";
globalThis.document = { listeners: {}, body: {}, getElementById: (id) => parts[id], createElement: element,
  createTextNode: (text) => ({ children: [text] }), addEventListener(name, f) { this.listeners[name] = f; } };
globalThis.performance = { now: () => now };
globalThis.requestAnimationFrame = (f) => frames.push(f);
"""
DRIVE = """
function report() {
  const text = parts.screen.children.map((node) => node.children.join("")).join("");
  return { text: text.split("\\n").map((line) => line.trimEnd()).slice(0, -1), time: parts.time.textContent,
    play: parts.play.textContent, bar: parts.bar.value, max: parts.bar.max,
    styles: parts.screen.children.filter((node) => node.style && Object.keys(node.style).length)
      .map((node) => node.style) };
}
const seen = [report()];
for (const [what, value] of input.steps) {
  if (what === "click") parts.play.listeners.click();
  if (what === "speed") parts.speed.value = value;
  if (what === "bar") { parts.bar.value = value; parts.bar.listeners.input(); }
  if (what === "key") document.listeners.keydown({ key: value, target: document.body, preventDefault() {} });
  if (what === "pass") { now += value * 1000; const due = frames; frames = []; due.forEach((f) => f(now)); }
  seen.push(report());
}
console.log(JSON.stringify(seen));
"""


def node(script: str, given: Any) -> Any:
    done = subprocess.run(["node", "-e", script], input=json.dumps(given).encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def show(*pieces: str | list[int], columns: int = 10, rows: int = 3) -> dict[str, Any]:
    (shown,) = node(PLAYER + SHOW, [[columns, rows, pieces]])
    assert isinstance(shown, dict)
    return shown


TABLE: list[tuple[str, list[str]]] = [
    ("one\r\ntwo", ["one", "two", ""]),
    ("1\r\n2\r\n3\r\n4", ["2", "3", "4"]),
    ("0123456789ab", ["0123456789", "ab", ""]),
    ("\x1b[?7l0123456789ab", ["012345678b", "", ""]),
    ("0123456789\rx", ["x123456789", "", ""]),
    ("\x1b[2;3Hx\x1b[1;1Hy", ["y", "  x", ""]),
    ("a\x1b[B\bb\x1b[A\x1b[3Cc\x1b[2Dd", ["a  dc", "b", ""]),
    ("abc\x1b[2Gx\x1b[3dy", ["axc", "", "  y"]),
    ("abcdef\x1b[3G\x1b[K", ["ab", "", ""]),
    ("abcdef\x1b[3G\x1b[1K", ["   def", "", ""]),
    ("abcdef\x1b[2K", ["", "", ""]),
    ("a\r\nb\r\nc\x1b[2;1H\x1b[J", ["a", "", ""]),
    ("a\r\nb\r\nc\x1b[2;1H\x1b[1J", ["", "", "c"]),
    ("a\r\nb\x1b[2J", ["", "", ""]),
    ("abcdef\x1b[3G\x1b[2P", ["abef", "", ""]),
    ("abcdef\x1b[3G\x1b[2@", ["ab  cdef", "", ""]),
    ("abcdef\x1b[3G\x1b[2X", ["ab  ef", "", ""]),
    ("abc\x1b[4h\x1b[1GX\x1b[4lY", ["XYbc", "", ""]),
    ("a\r\nb\r\nc\x1b[1;1H\x1b[L", ["", "a", "b"]),
    ("a\r\nb\r\nc\x1b[1;1H\x1b[M", ["b", "c", ""]),
    ("a\r\nb\r\nc\x1b[S", ["b", "c", ""]),
    ("a\r\nb\r\nc\x1b[T", ["", "a", "b"]),
    ("a\r\nb\r\nc\x1b[1;2r\x1b[2;1H\nd", ["b", "d", "c"]),
    ("a\r\nb\r\nc\x1b[H\x1bM", ["", "a", "b"]),
    ("-\x1b[4b", ["-----", "", ""]),
    ("a\tb", ["a       b", "", ""]),
    ("x\x1b7yz\x1b8!", ["x!z", "", ""]),
    ("main\x1b[?1049h\x1b[Halt", ["alt", "", ""]),
    ("main\x1b[?1049h\x1b[Halt\x1b[?1049l!", ["main!", "", ""]),
    ("\x1b(0lqk\x1b(Bq", ["┌─┐q", "", ""]),
    ("日本\x1b[1;5Hx", ["日本x", "", ""]),
    ("12345678日本", ["12345678日", "本", ""]),
    ("123456789日", ["123456789", "日", ""]),
    ("0123456789\x1b[K", ["012345678", "", ""]),
    ("0123456789\x1b[P", ["012345678", "", ""]),
    ("0123456789\bx", ["01234567x9", "", ""]),
    ("0123456789\x1b[mx", ["0123456789", "x", ""]),
    ("e\u0301x", ["e\u0301x", "", ""]),
    ("\x1b#8", ["EEEEEEEEEE"] * 3),
    ("junk\x1b#8" + RESET + "x", ["x", "", ""]),
    ("\x1b[2;3r\x1b[?6h\x1b[1;1Hx", ["", "x", ""]),
]


def test_the_terminal_shows() -> None:
    shown = node(PLAYER + SHOW, [[10, 3, [text]] for text, _ in TABLE])
    for (text, lines), got in zip(TABLE, shown, strict=True):
        assert got["text"] == lines, repr(text)


@pytest.mark.parametrize(
    ("colours", "style"),
    [
        ("1", "bold"),
        ("31", "f:1"),
        ("97;104", "f:15 b:12"),
        ("38;5;200", "f:200"),
        ("38;2;1;2;255", "f:#0102ff"),
        ("48:2::16:32:48", "b:#102030"),
        ("58;5;1;4", "underline"),
        ("1;3;4;7;9", "bold italic underline reverse strike"),
        ("1;31;22;39", ""),
        ("1;31;0", ""),
        ("", ""),
        ("38;5", ""),
        ("38;2;1", ""),
    ],
)
def test_colours(colours: str, style: str) -> None:
    assert show(f"\x1b[{colours}mx")["styles"][0] == style


def test_new_sizes() -> None:
    assert show("one\r\ntwo", [5, 2])["text"] == ["one", "two"]
    assert show("1\r\n2\r\n3", [10, 2]) | {"styles": 0} == {"text": ["2", "3"], "cursor": [1, 1], "styles": 0}
    assert show("one\x1b[?1049halt", [20, 5], "\x1b[?1049l", [20, 1])["text"] == ["one"]


# Sequences on which pyte and the player's terminal agree by design; colours are seen apart. pyte moves a cursor that is
# outside the scrolling region into it, which no terminal does, so regions come without the moves that lead outside. And
# it forgets that a cursor in the last column still stands on it, so the terminal is wide enough for none to come there;
# TABLE has the cases of the edge.
WIDE = 500
DRAWING = [
    "abc",
    "日",
    "x" * 13,
    "\r",
    "\n",
    "\b",
    "\t",
    "\x1b[K",
    "\x1b[1K",
    "\x1b[2K",
    "\x1b[J",
    "\x1b[2J",
    "\x1b[3C",
]
DRAWING += ["\x1b[2D", "\x1b[5G", "\x1b[2;4H", "\x1b[2P", "\x1b[2@", "\x1b[2X", "\x1b[L", "\x1b[M", "\x1bM", "\x1bD"]
MOVES = ["\x1b[A", "\x1b[2B", "\x1b[9;9H", "\x1b[H", "\x1b[?1049h\x1b[H", "\x1b[?1049l\x1b[H", "\x1b[31m", "\x1b[m"]
REGIONS = ["\x1b[2;3r\x1b[2H", "\x1b[2;4r\x1b[3H"]
AGREED = st.one_of(
    st.lists(st.sampled_from(DRAWING + MOVES), max_size=15).map("".join),
    st.lists(st.sampled_from(DRAWING + REGIONS), max_size=15).map("".join).map("\x1b[2;3r\x1b[2H".__add__),
)


@settings(max_examples=20)
@given(st.lists(AGREED, min_size=20, max_size=20))
def test_the_terminal_agrees_with_pyte(texts: list[str]) -> None:
    shown = node(PLAYER + SHOW, [[WIDE, 4, [text]] for text in texts])
    for text, got in zip(texts, shown, strict=True):
        screen = TerminalScreen(WIDE, 4)
        screen.feed(text.encode())
        assert (repr(text), got["text"]) == (repr(text), screen.lines())


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 5), st.lists(st.binary(max_size=30)), st.integers(1, 9))))
def test_nothing_breaks_the_terminal(cases: list[tuple[int, int, list[bytes], int]]) -> None:
    made = []
    for columns, rows, pieces, other in cases:
        sanitiser = Sanitiser()
        texts = [sanitiser.feed(b"\x1b[" + piece) for piece in pieces]
        made.append([columns, rows, [*texts, [other, other], *texts]])
    node(PLAYER + SHOW, made)


def page(steps: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    events = [(1.0, "o", b"one \x1b[1;31;44mred\x1b[m"), (3.0, "o", b"\r\ntwo"), (10.0, "o", b"\r\nthree")]
    text = b"".join(export(make(events, header=Header(10, 3, term="xterm")), "html")).decode()
    data = text.partition('id="events">')[2].partition("</script>")[0]
    seen = node(DOCUMENT + PLAYER + DRIVE, {"events": data, "steps": steps})
    assert isinstance(seen, list)
    return seen


def test_the_page_plays_and_pauses() -> None:
    seen = page([("click", 0), ("pass", 1.5), ("pass", 2), ("click", 0), ("pass", 5), ("click", 0), ("pass", 99)])
    assert [(at["text"], at["time"], at["play"]) for at in seen] == [
        (["", "", ""], "0:00 / 0:10", "play"),
        (["", "", ""], "0:00 / 0:10", "pause"),
        (["one red", "", ""], "0:01 / 0:10", "pause"),
        (["one red", "two", ""], "0:03 / 0:10", "pause"),
        (["one red", "two", ""], "0:03 / 0:10", "play"),
        (["one red", "two", ""], "0:03 / 0:10", "play"),
        (["one red", "two", ""], "0:03 / 0:10", "pause"),
        (["one red", "two", "three"], "0:10 / 0:10", "play"),
    ]
    assert seen[0]["max"] == "10"
    assert {"color": "#cc3333", "backgroundColor": "#4477dd", "fontWeight": "bold"} in seen[2]["styles"]


def test_the_page_seeks_and_changes_speed() -> None:
    seen = page(
        [
            ("bar", "5"),
            ("bar", "2"),
            ("key", "ArrowRight"),
            ("key", "ArrowLeft"),
            ("speed", "4"),
            ("key", " "),
            ("pass", 1),
        ]
    )
    assert [(at["text"][:2], at["bar"]) for at in seen] == [
        (["", ""], "0"),
        (["one red", "two"], "5"),
        (["one red", ""], "2"),
        (["one red", "two"], "7"),
        (["one red", ""], "2"),
        (["one red", ""], "2"),
        (["one red", ""], "2"),
        (["one red", "two"], "6"),
    ]
