"""What people do at a shell, key by key, with the lines that the shell runs for it.

A step is one packet of keys; after each, everything comes to rest before the next is sent. `lines` are written by hand,
and proved by what they make: `touch x` leaves the file x, which `made` names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.lab.shells import SHELLS

BASH, ZSH, DASH = "bash", "zsh", "dash"
EDITORS = (BASH, ZSH)
ALL = tuple(SHELLS)
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
PASTE, END = "\x1b[200~", "\x1b[201~"


@dataclass(frozen=True)
class Resize:
    """A step: the window changes."""

    columns: int
    rows: int = 24


@dataclass(frozen=True)
class Situation:
    """See the module's text."""

    name: str
    steps: tuple[str | bytes | Resize, ...]
    lines: tuple[str, ...]
    made: frozenset[str]
    shells: tuple[str, ...] = ALL
    size: tuple[int, int] = (80, 24)
    env: Mapping[str, str] = field(default_factory=dict)


def case(
    name: str,
    steps: Sequence[str | bytes | Resize],
    lines: Sequence[str],
    made: str,
    shells: tuple[str, ...] = ALL,
    size: tuple[int, int] = (80, 24),
    **env: str,
) -> Situation:
    """Return a situation; `made` are names with slashes between."""
    return Situation(name, tuple(steps), tuple(lines), frozenset(made.split("/") if made else ()), shells, size, env)


TYPED = [
    case("plain", ["touch a", "\r"], ["touch a"], "a"),
    case("key by key", [*"touch a", "\r"], ["touch a"], "a"),
    case("one packet", ["touch a\r"], ["touch a"], "a"),
    case("empty lines", ["\r", "\r", "touch a\r"], ["touch a"], "a"),
    case("by LF", ["touch a", "\n"], ["touch a"], "a"),
    case("two lines in a packet", ["touch a\rtouch b\r"], ["touch a", "touch b"], "a/b"),
    case("CR LF", ["touch a\r\n"], ["touch a"], "a"),
    case("backspace", ["touch ab", "\x7f", "c", "\r"], ["touch ac"], "ac"),
    case("backspace over all", ["rm x", "\x7f\x7f\x7f\x7f\x7f", "touch a", "\r"], ["touch a"], "a"),
    case("Ctrl-H", ["touch ab", "\x08", "\r"], ["touch a"], "a", EDITORS),
    case("Ctrl-W", ["touch nono", "\x17", "a", "\r"], ["touch a"], "a"),
    case("Ctrl-U", ["rm -rf x", "\x15", "touch a", "\r"], ["touch a"], "a"),
    case("Ctrl-U in the middle", ["rm touch a", "\x01\x06\x06\x06", "\x15", "\r"], ["touch a"], "a", (BASH,)),
    case("Ctrl-K", ["touch a b", "\x02\x02", "\x0b", "\r"], ["touch a"], "a", EDITORS),
    case("kill and yank", ["touch a", "\x15", "\x19", "\r"], ["touch a"], "a", EDITORS),
    case("kill, type, yank", ["a", "\x15", "touch ", "\x19", "\r"], ["touch a"], "a", EDITORS),
    case("transpose", ["tuoch a", LEFT * 5, "\x14", "\r"], ["touch a"], "a", EDITORS),
    case("insert in front", ["a b", "\x01", "touch ", "\r"], ["touch a b"], "a/b", EDITORS),
    case("arrows", ["toch a", LEFT * 4, "u", "\r"], ["touch a"], "a", EDITORS),
    case("Home and End", ["ouch ", "\x1b[H", "t", "\x1b[F", "a", "\r"], ["touch a"], "a", (BASH,)),
    case("Alt-B, Alt-D", ["touch rm a", "\x1bb\x1bb", "\x1bd", "\r"], ["touch  a"], "a", EDITORS),
    case("delete key", ["ttouch a", "\x01", "\x1b[3~", "\r"], ["touch a"], "a", (BASH,)),
    case("undo", ["touch a", "\x17", "\x1f", "\r"], ["touch a"], "a", (BASH,)),
    case("Ctrl-D in the middle", ["xtouch a", "\x01", "\x04", "\r"], ["touch a"], "a", EDITORS),
    case("Ctrl-C on a line", ["rm -rf x", "\x03", "touch a", "\r"], ["touch a"], "a"),
    case("Ctrl-L", ["touch", "\x0c", " a", "\r"], ["touch a"], "a", EDITORS),
    case("Ctrl-V", ["touch 'a", "\x16\x09", "b'", "\r"], ["touch 'a\tb'"], "a\tb", EDITORS),
    case("wide characters", ["touch 表格", "\r"], ["touch 表格"], "表格"),
    case("wide, erased", ["touch 表格", "\x7f", "a", "\r"], ["touch 表a"], "表a", EDITORS),
    case("accents", ["touch é\u00fc", "\r"], ["touch éü"], "éü"),
    case("character cut in two", [b"touch \xc3", b"\xa9", "\r"], ["touch é"], "é"),
    case("trailing blanks", ["touch a  ", "\r"], ["touch a"], "a"),
    case("blanks in quotes", ["touch 'a  b' c", "\r"], ["touch 'a  b' c"], "a  b/c"),
]

RECALLED = [
    case("up", ["touch a\r", UP, "b", "\r"], ["touch a", "touch ab"], "a/ab", EDITORS),
    case(
        "up and up and down",
        ["touch a\r", "touch b\r", UP, UP, DOWN, "c", "\r"],
        ["touch a", "touch b", "touch bc"],
        "a/b/bc",
        EDITORS,
    ),
    case("Ctrl-P", ["touch a\r", "\x10", "b\r"], ["touch a", "touch ab"], "a/ab", EDITORS),
    case("up in keypad mode", ["touch a\r", "\x1bOA", "b\r"], ["touch a", "touch ab"], "a/ab", EDITORS),
    case("Ctrl-R", ["touch a b\r", "\x12", "ouch", "\r"], ["touch a b", "touch a b"], "a/b", EDITORS),
    case(
        "Ctrl-R, then edited",
        ["touch a\r", "\x12", "ouch", "\x05", "b", "\r"],
        ["touch a", "touch ab"],
        "a/ab",
        EDITORS,
    ),
    case(
        "Ctrl-R given up", ["touch a\r", "\x12", "ou", "\x07", "touch c", "\r"], ["touch a", "touch c"], "a/c", EDITORS
    ),
    case(
        "Ctrl-O",
        ["touch a\r", "touch b\r", UP, UP, "\x0f", "c\r"],
        ["touch a", "touch b", "touch a", "touch bc"],
        "a/b/bc",
        (BASH,),
    ),
    case("last argument", ["touch a\r", "touch b", "\x1b.", "\r"], ["touch a", "touch ba"], "a/ba", EDITORS),
    case(
        "completion", ["touch abcdef\r", "touch abc", "\t", "\r"], ["touch abcdef", "touch abcdef"], "abcdef", EDITORS
    ),
    case(
        "completion, more typed",
        ["touch abcdef\r", "touch abc", "\t", "x", "\r"],
        ["touch abcdef", "touch abcdef x"],
        "abcdef/x",
        (BASH,),
    ),
    case(
        "completion with a list",
        ["touch abc1 abc2\r", "touch ab", "\t", "\t", "3", "\r"],
        ["touch abc1 abc2", "touch abc3"],
        "abc1/abc2/abc3",
        (BASH,),
    ),
    case(
        "completion with a menu",
        ["touch abc1 abc2\r", "touch ab", "\t", "\t", "\t", "x", "\r"],
        ["touch abc1 abc2", "touch abc1x"],
        "abc1/abc2/abc1x",
        (ZSH,),
    ),
    case("vi mode", ["set -o vi\r", "touch ab", "\x1b", "x", "\r"], ["set -o vi", "touch a"], "a", (BASH,)),
    case("vi mode, insert", ["set -o vi\r", "ouch a", "\x1b", "0", "it", "\r"], ["set -o vi", "touch a"], "a", (BASH,)),
    case("vi mode in zsh", ["bindkey -v\r", "touch ab", "\x1b", "x", "\r"], ["bindkey -v", "touch a"], "a", (ZSH,)),
    case(
        "vi mode, up",
        ["set -o vi\r", "touch a\r", "\x1b", "k", "Ab", "\r"],
        ["set -o vi", "touch a", "touch ab"],
        "a/ab",
        (BASH,),
    ),
]

WIDE = "touch " + "x" * 60
LAYOUTS = [
    case(
        "wrapped",
        ["touch aaaaaaaaaaaaaaaaaaaaaaa b", "\r"],
        ["touch aaaaaaaaaaaaaaaaaaaaaaa b"],
        "aaaaaaaaaaaaaaaaaaaaaaa/b",
        size=(20, 24),
    ),
    case("at the edge", ["touch 123456789012", "\r"], ["touch 123456789012"], "123456789012", size=(20, 24)),
    case("one before the edge", ["touch 12345678901", "\r"], ["touch 12345678901"], "12345678901", size=(20, 24)),
    case("one past the edge", ["touch 1234567890123", "\r"], ["touch 1234567890123"], "1234567890123", size=(20, 24)),
    case("wide at the edge", ["touch 1234567890表 b", "\r"], ["touch 1234567890表 b"], "1234567890表/b", size=(19, 24)),
    case("wide on the edge", ["touch 12345678901表", "\r"], ["touch 12345678901表"], "12345678901表", size=(20, 24)),
    case(
        "wrapped, edited in front",
        ["b" * 30, "\x01", "touch ", "\r"],
        ["touch " + "b" * 30],
        "b" * 30,
        EDITORS,
        (20, 24),
    ),
    case(
        "wrapped, recalled",
        [WIDE + "\r", UP, "y", "\r"],
        [WIDE, WIDE + "y"],
        f"{'x' * 60}/{'x' * 60}y",
        EDITORS,
        (30, 24),
    ),
    case("few rows", [f"touch {'x' * 90}", "\r"], [f"touch {'x' * 90}"], "x" * 90, size=(20, 4)),
    case("at the bottom", ["\r"] * 8 + [f"touch {'x' * 50}", "\r"], [f"touch {'x' * 50}"], "x" * 50, size=(20, 6)),
    case("no size", ["touch a", "\r"], ["touch a"], "a", size=(0, 0)),
    case(
        "resized",
        ["touch aaaaaaaaaaaaaaaaaaaaaaaaaa", Resize(20), "b", "\r"],
        ["touch aaaaaaaaaaaaaaaaaaaaaaaaaab"],
        "aaaaaaaaaaaaaaaaaaaaaaaaaab",
        EDITORS,
        (60, 24),
    ),
    case("coloured prompt", ["touch a", "\r"], ["touch a"], "a", (BASH,), PS1=r"\[\e[1;32m\]me@host\[\e[0m\]:\w\$ "),
    case("prompt of two lines", ["touch a", "\x7f", "b", "\r"], ["touch b"], "b", (BASH,), PS1="at: \\w\n> "),
    case("no prompt", ["touch a", "\r"], ["touch a"], "a", PS1=""),
    case("right prompt", ["touch a", "\r", "touch b\r"], ["touch a", "touch b"], "a/b", (ZSH,), RPROMPT="%T [right]"),
    case(
        "prompt with the time",
        ["touch a\r", "touch b\r", UP, "c", "\r"],
        ["touch a", "touch b", "touch bc"],
        "a/b/bc",
        (BASH,),
        PS1=r"\t \#> ",
    ),
    case("prompt like a line", ["touch a", "\r"], ["touch a"], "a", PS1="$ rm -rf / # "),
    case("title in the prompt", ["touch a", "\r"], ["touch a"], "a", (BASH,), PS1=r"\[\e]0;title $ \w\a\]$ "),
    case("wide prompt", ["touch a", "\r"], ["touch a"], "a", EDITORS, PS1="表> "),
    case(
        "no bracketed paste",
        ["bind 'set enable-bracketed-paste off'\r", "touch a", "\r"],
        ["bind 'set enable-bracketed-paste off'", "touch a"],
        "a",
        (BASH,),
    ),
    case(
        "horizontal scrolling",
        ["bind 'set horizontal-scroll-mode on'\r", f"touch {'x' * 100}", "\r"],
        ["bind 'set horizontal-scroll-mode on'", f"touch {'x' * 100}"],
        "x" * 100,
        (BASH,),
    ),
]

SEVERAL = [
    case("backslash", ["touch \\\r", "a\r"], ["touch \\", "a"], "a"),
    case("open quote", ["touch 'a\r", "b' c\r"], ["touch 'a", "b' c"], "a\nb/c"),
    case("here-document", ["cat > f <<E\r", "rm -rf /\r", "E\r"], ["cat > f <<E", "rm -rf /", "E"], "f"),
    case("here-string", ["cat > f <<< 'rm x'\r"], ["cat > f <<< 'rm x'"], "f", EDITORS),
    case("for", ["for i in a b\r", "do\r", "touch $i\r", "done\r"], ["for i in a b", "do", "touch $i", "done"], "a/b"),
    case("if", ["if true; then\r", "touch a\r", "fi\r"], ["if true; then", "touch a", "fi"], "a"),
    case("while", ["while [ ! -e a ]\r", "do touch a\r", "done\r"], ["while [ ! -e a ]", "do touch a", "done"], "a"),
    case("function", ["f() {\r", "touch $1\r", "}\r", "f a\r"], ["f() {", "touch $1", "}", "f a"], "a"),
    case("pipe at the end", ["echo a |\r", "xargs touch\r"], ["echo a |", "xargs touch"], "a"),
    case("given up by Ctrl-C", ["touch 'a\r", "\x03", "touch b\r"], ["touch 'a", "touch b"], "b"),
    case("own PS2", ["touch \\\r", "a\r"], ["touch \\", "a"], "a", (BASH, DASH), PS2="... more: "),
    case("paste of one line", [f"{PASTE}touch a{END}", "\r"], ["touch a"], "a", EDITORS),
    case("paste into a line", ["touch ", f"{PASTE}a b{END}", " c", "\r"], ["touch a b c"], "a/b/c", EDITORS),
    case("paste of lines", [f"{PASTE}touch a\rtouch b{END}", "\r"], ["touch a\ntouch b"], "a/b", EDITORS),
    case("paste with LF", [f"{PASTE}touch a\ntouch b{END}", "\r"], ["touch a\ntouch b"], "a/b", EDITORS),
    case("paste without marks", ["touch a\rtouch b\rtouch c\r"], ["touch a", "touch b", "touch c"], "a/b/c"),
    case("paste cut in packets", [(PASTE + "touch a")[:4], "0~touch a\x1b[2", "01~", "\r"], ["touch a"], "a", EDITORS),
]

AROUND = [
    case("type-ahead", ["sleep 0.3\r" + "touch a\r"], ["sleep 0.3", "touch a"], "a"),
    case("type-ahead for a program", ["read v; touch $v\r" + "a\r"], ["read v; touch $v", "a"], "a"),
    case("a program reads", ["read v; touch $v\r", "a\r"], ["read v; touch $v", "a"], "a"),
    case(
        "password",
        ["stty -echo; read v; stty echo; touch $v\r", "secret\r"],
        ["stty -echo; read v; stty echo; touch $v"],
        "secret",
    ),
    case(
        "output behind", ["(sleep 0.2; echo noise) &\r", "touch a", "\r"], ["(sleep 0.2; echo noise) &", "touch a"], "a"
    ),
    case("alias", ["alias t=touch\r", "t a\r"], ["alias t=touch", "t a"], "a"),
    case("variable", ["v=touch\r", "$v a\r"], ["v=touch", "$v a"], ""),
    case("Ctrl-Z and fg", ["sleep 30\r", "\x1a", "touch a\r", "kill %1\r"], ["sleep 30", "touch a", "kill %1"], "a"),
    case("Ctrl-C on a program", ["sleep 30\r", "\x03", "touch a\r"], ["sleep 30", "touch a"], "a"),
    case("Ctrl-D for a program", ["cat > f\r", "rm x\r", "\x04", "touch b\r"], ["cat > f", "rm x", "touch b"], "f/b"),
    case("exec of another shell", ["exec dash -i\r", "touch a\r"], ["exec dash -i", "touch a"], "a"),
    case(
        "shell in shell",
        ["bash --norc -i\r", "touch a\r", "exit\r", "touch b\r"],
        ["bash --norc -i", "touch a", "exit", "touch b"],
        "a/b",
    ),
    case(
        "python",
        ["python3 -q\r", "open('f','w').close()\r", "exit()\r", "touch b\r"],
        ["python3 -q", "open('f','w').close()", "exit()", "touch b"],
        "f/b",
    ),
    case(
        "sqlite",
        ["sqlite3 f\r", "create table t(x);\r", ".quit\r", "touch b\r"],
        ["sqlite3 f", "create table t(x);", ".quit", "touch b"],
        "f/b",
    ),
    case("less", ["echo x > f; less f\r", "q", "touch a\r"], ["echo x > f; less f", "touch a"], "f/a"),
    case(
        "vim", ["vim -u NONE -n f\r", "itext\x1b", ":w\r", ":q\r", "touch a\r"], ["vim -u NONE -n f", "touch a"], "f/a"
    ),
    case("faked alternate screen", ["printf '\\033[?1049h'\r", "touch a\r"], ["printf '\\033[?1049h'", "touch a"], "a"),
    case(
        "junk",
        ["printf '\\033]52;c;AAAA\\007\\033P$qm\\033\\\\'\r", "touch a\r"],
        ["printf '\\033]52;c;AAAA\\007\\033P$qm\\033\\\\'", "touch a"],
        "a",
    ),
    case(
        "fake zmodem",
        ["printf '**\\030B00000000000000\\r\\n'\r", "touch a\r"],
        ["printf '**\\030B00000000000000\\r\\n'", "touch a"],
        "a",
    ),
    case("no line end before the prompt", ["printf half\r", "touch a\r"], ["printf half", "touch a"], "a"),
    case("fake prompt", ["printf '$ rm x'\r", "touch a\r"], ["printf '$ rm x'", "touch a"], "a"),
    case("much output", ["seq 3000\r", "touch a\r"], ["seq 3000", "touch a"], "a"),
]

SITUATIONS = [*TYPED, *RECALLED, *LAYOUTS, *SEVERAL, *AROUND]
