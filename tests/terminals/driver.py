"""What people and dodgers type at a shell without an editor of its own, where the terminal's driver edits the line.

As `situations`, for dash alone: erase, kill, literal-next, flush and signals as the kernel does them, and as `stty`
changes them.
"""

from tests.terminals.situations import DASH, END, PASTE, case

ONLY = (DASH,)
LONG = "touch a #" + "x" * 2000

DRIVER = [
    case("literal tab", ["touch 'a", "\x16\x09", "b'", "\r"], ["touch 'a\tb'"], "a\tb", ONLY),
    case("literal kill", ["touch 'a", "\x16\x15", "b'", "\r"], ["touch 'a\x15b'"], "a\x15b", ONLY),
    case("literal interrupt", ["touch 'a", "\x16\x03", "b'", "\r"], ["touch 'a\x03b'"], "a\x03b", ONLY),
    case("literal erase", ["touch 'a", "\x16\x7f", "'", "\r"], ["touch 'a\x7f'"], "a\x7f", ONLY),
    case("literal literal", ["touch 'a", "\x16\x16", "'", "\r"], ["touch 'a\x16'"], "a\x16", ONLY),
    case("word erase stops at a dot", ["touch no.no", "\x17", "a", "\r"], ["touch no.a"], "no.a", ONLY),
    case("word erase over blanks", ["touch rm   ", "\x17", "a", "\r"], ["touch a"], "a", ONLY),
    case("kill and again", ["rm x", "\x15", "rm y", "\x15", "touch a\r"], ["touch a"], "a", ONLY),
    case("stop and start", ["touch ", "\x13", "a", "\x11", "b", "\r"], ["touch ab"], "ab", ONLY),
    case("suspend drops the line", ["rm x", "\x1a", "touch a", "\r"], ["touch a"], "a", ONLY),
    case("quit drops the line", ["rm x", "\x1c", "touch a", "\r"], ["touch a"], "a", ONLY),
    case("arrows are text", ["touch 'a", "\x1b[D", "b'", "\r"], ["touch 'a\x1b[Db'"], "a\x1b[Db", ONLY),
    case("marks of a paste are text", [f"{PASTE}touch a{END}", "\r"], ["\x1b[200~touch a\x1b[201~"], "", ONLY),
    case("type-ahead, edited", ["sleep 0.3\r" + "touch ab\x7f\r"], ["sleep 0.3", "touch a"], "a", ONLY),
    case("long line", [LONG, "\r"], [LONG], "a", ONLY),
    case("another erase key", ["stty erase '#'\r", "touch ab#", "\r"], ["stty erase '#'", "touch a"], "a", ONLY),
    case("another kill key", ["stty kill @\r", "rm x@touch a", "\r"], ["stty kill @", "touch a"], "a", ONLY),
    case("CR is no end", ["stty -icrnl\r", "touch a\n"], ["stty -icrnl", "touch a"], "a", ONLY),
    case("no canonical mode", ["stty -icanon\r", "touch a", "\r"], ["stty -icanon", "touch a"], "a", ONLY),
    case("reprint", ["touch a", "\x12", "b", "\r"], ["touch ab"], "ab", ONLY),
    case("vi mode that is none", ["set -o vi\r", "touch ab", "\x7f", "\r"], ["set -o vi", "touch a"], "a", ONLY),
]

# Ctrl-D gives the shell what was typed so far, without an end of line, and Ctrl-V an end of line that is none:
# the gate decides each half on its own.
FLUSHED = [
    case("literal CR", ["touch 'a", "\x16\r", "b'", "\r"], ["touch 'a\rb'"], "a\rb", ONLY),
    case("literal LF", ["true", "\x16\n", "touch b", "\r"], ["true\ntouch b"], "b", ONLY),
    case("flushed half", ["touch ", "\x04", "a", "\r"], ["touch ", "a"], "a", ONLY),
    case("no erase over a flush", ["touch x", "\x04", "\x7f\x7f", "a", "\r"], ["touch x", "a"], "xa", ONLY),
    case("no kill over a flush", ["touch x", "\x04", "no", "\x15", "a", "\r"], ["touch x", "a"], "xa", ONLY),
    case("flush in a word", ["tou", "\x04", "ch a", "\r"], ["tou", "ch a"], "a", ONLY),
]

# People asked about these are not shown the whole line: they are held, but a yes is a yes to what was not seen.
UNSEEN = [
    case("no echo", ["stty -echo\r", "touch a", "\r"], ["stty -echo", "touch a"], "a", ONLY),
]
