"""Through the bastion = direct: the same commands and tools, straight to an sshd and through the bastion both ways.

Compared byte for byte are stdout, stderr, the exit status and the files left behind. Once without masking, and once
with it on data that holds nothing to mask. The tools are in `test_matrix_tools.py`.
"""

import hashlib
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.e2e.ways import Steps, Way, Ways, master
from tests.lab.client import Done

# No @ in it: by chance bytes may look like an address.
NOISE = random.Random(3).randbytes(10_000_000).replace(b"@", b"A")
EVERY_BYTE = bytes(range(256)) * 3 + b"\r\n\0\xff\xfe~.\n~.\r\n~?"
LINES = b"".join(b"line %d\n" % number for number in range(5000))

COMMANDS: dict[str, str | bytes] = {
    "true": "true",
    "exit-1": "exit 1",
    "exit-42": "exit 42",
    "exit-126": "exit 126",
    "exit-255": "exit 255",
    "exit-256": "exit 256",
    "exit-minus-1": "exit -1",
    "not-found": "no-such-program --option",
    "not-executable": "/etc/passwd",
    "syntax-error": "if then fi (",
    "killed-by-term": "kill -TERM $$",
    "killed-by-kill": "echo before; kill -KILL $$; echo after",
    "killed-by-usr1": "kill -USR1 $$",
    "killed-by-pipe": "kill -PIPE $$",
    "child-killed": "{ sh -c 'kill -SEGV $$'; } 2>/dev/null; echo $?",
    "timeout": "timeout 0.2 sleep 10",
    "no-newline": "printf 'no newline'",
    "only-stderr": "echo wrong >&2; exit 3",
    "streams": "for i in $(seq 300); do echo out $i; echo err $i >&2; done; exit 7",
    "stderr-megabyte": "head -c 1000000 /dev/zero | tr '\\0' e >&2; echo done",
    "long-line": "head -c 3000000 /dev/zero | tr '\\0' x",
    "nuls": "head -c 100000 /dev/zero",
    "fifty-megabytes": "head -c 50000000 /dev/zero | tr '\\0' '\\377'",
    "many-lines": "seq 200000",
    "every-escape": "printf '\\033[31mred\\033[0m\\007\\b\\r\\t\\v\\f\\033]0;title\\007\\033P1$r\\033\\\\'",
    "utf8": "printf '%s\\n' 'zażółć 日本語 🙂' 'e\u0301' '\u202e'",
    "latin1-command": "printf '%s' 'caf\xe9 \xff'".encode("latin-1"),
    "latin1-name": "cd $HOME/matrix && touch 'caf\xe9' && ls | od -c".encode("latin-1"),
    "utf8-name": "cd $HOME/matrix && echo x >'日本 語' && cat *語 && ls",
    "newline-in-command": "echo one\necho two\n\necho three",
    "crlf-in-command": "echo one\r\necho two",
    "here-document": "cat <<'END'\n$HOME `id` \\\n  two\nEND\necho after",
    "here-string": 'cat <<<"a  b" ',
    "quotes": """printf '<%s>' 'a  b' "c'd" \\" '"' $'t\\tb' a\\ b "" ''""",
    "quotes-nested": """sh -c 'sh -c "printf \\"%s|\\" \\"a b\\" \\\\\\$HOME '"'"'q'"'"'"'""",
    "specials": "printf '%s\\n' '!' '#' '$' '&' ';' '|' '<' '>' '(' ')' '{' '}' '*' '?' '[' ']' '~' '%' '\\'",
    "substitutions": "x=3; echo $((x * 7)) ${x:-no} `echo back` $(echo front) ${y-unset}",
    "comment": "echo a # echo b",
    "pipes": "seq 1000 | sort -r | head -n 3 | tr 1 x; echo ${PIPESTATUS[*]}",
    "redirections": "cd $HOME/matrix; echo a >f; echo b >>f; cat <f >g 2>&1; ls; cat g",
    "files": "cd $HOME/matrix; mkdir -p a/b; ln -s a l; echo x >a/b/c; chmod 640 a/b/c; find . | sort",
    "exec": "exec cat",
    "exec-descriptor": "exec 3>&1; echo three >&3; exec 3>&-; echo four",
    "background": "(sleep 0.3; echo late) & echo now",
    "background-silent": "(sleep 0.3; echo late >$HOME/matrix/late) >/dev/null 2>&1 </dev/null & wait; echo now",
    "left-behind": "nohup sleep 0.5 >/dev/null 2>&1 </dev/null & echo gone",
    "subshells": "(exit 3); echo $?; { exit 4; }",
    "umask": "umask; cd $HOME/matrix; umask 077; echo x >private",
    "environment": "env | grep -v -e ^SSH_ -e ^_= -e ^PWD= | sort",
    "who": "id -un; pwd; echo $0 $- $SHELL $TERM",
    "no-terminal": "tty; stty -a; test -t 0 || echo none",
    "big-command": f"printf '%s' '{'x' * 100_000}' | wc -c",
    "big-script": "".join(f"echo {number}\n" for number in range(1900)),
    "python": 'python3 -c \'import sys; sys.stdout.write("out"); sys.stderr.write("err"); sys.exit(9)\'',
    "read-nothing": "cat; echo $?",
    "stdout-closed": "exec >&-; echo hidden; echo shown >&2",
    "both-closed": "exec >&- 2>&-; exit 6",
    "empty": "",
    "blank": "   ",
    "slow": "for i in 1 2 3; do echo $i; sleep 0.1; done",
}


COLD = ("true", "empty", "killed", "exit-255", "big", "latin1", "background", "left-behind")


@pytest.fixture(scope="module")
def masters(ways: Ways) -> Iterator[dict[str, list[str]]]:
    """One open connection each way: most commands share it, as tools do, which saves their logins."""
    with ExitStack() as stack:
        yield {way.name: stack.enter_context(master(way)) for way in (ways.direct, *ways.others)}


@pytest.mark.parametrize("name", COMMANDS)
def test_command(ways: Ways, masters: dict[str, list[str]], name: str) -> None:
    command = COMMANDS[name]
    shared = {} if name.startswith(COLD) else masters
    files = b"matrix" in os.fsencode(command)
    ways.compare(lambda way: way.run([*way.ssh(*shared.get(way.name, []), "box"), command]), files=files)


INPUTS: dict[str, tuple[str, bytes]] = {
    "nothing": ("wc -c; echo done", b""),
    "one-byte": ("wc -c", b"x"),
    "a-line": ('read -r x; echo "<$x>"; cat', b"first\nrest"),
    "64-kib": ("sha256sum", NOISE[:65536]),
    "64-kib-and-one": ("cat", NOISE[:65537]),
    "ten-megabytes-up": ("sha256sum", NOISE),
    "ten-megabytes-both-ways": ("cat", NOISE),
    "to-stderr": ("cat >&2", NOISE[:300_000]),
    "to-both": ("tee /dev/stderr", NOISE[:300_000]),
    "every-byte": ("cat", EVERY_BYTE),
    "to-a-file": ("cat >$HOME/matrix/file; wc -c <$HOME/matrix/file", NOISE[:1_000_000]),
    "read-in-part": ("head -c 10; sleep 0.1", b"0123456789" * 300_000),
    "read-not-at-all": ("echo no; exit 3", NOISE[:1_000_000]),
    "stdout-ends-first": ("exec >&- 2>&-; cat >$HOME/matrix/file", NOISE[:500_000]),
    "stdin-closed-by-target": ("exec <&-; sleep 0.2; echo out", b"x" * 100_000),
    "sorted": ("sort -r | md5sum", LINES),
    "script": ("sh -s one two", b'echo "$1 $2"; exit 5\n'),
    "script-python": ("python3 -", b"import sys\nprint('hello')\nsys.exit(4)\n"),
    "shell": ("", b"echo one\ncd /\npwd\nexit 6\n"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_input(ways: Ways, name: str) -> None:
    command, stdin = INPUTS[name]
    words = ["-T", "box", *([command] if command else [])]
    ways.compare(lambda way: way.run(way.ssh(*words), stdin), files="matrix" in command)


VARIABLES = "LC_ALL=C LANG=xx LC_X='a b' FOO=1 LD_PRELOAD=/x"
ODD_VARIABLES = "LC_A='$(id)' LC_B='a=b' LC_C=ż"
OPTIONS: dict[str, tuple[list[str], bytes]] = {
    "several-words": (["box", "printf", "'%s|'", "a  b", "'c  d'"], b""),
    "after-dashes": (["box", "--", "echo", "-n", "x"], b""),
    "no-input": (["-n", "box", "cat; echo done"], b"not sent"),
    "compressed": (["-C", "box", "cat"], NOISE[:1_000_000]),
    "keepalives": (["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1", "box", "sleep 3.3; echo alive"], b""),
    "environment": (["-o", f"SetEnv={VARIABLES}", "box", "env | grep -e ^L -e FOO | sort"], b""),
    "environment-odd": (["-o", f"SetEnv={ODD_VARIABLES}", "box", 'printf "%s|" "$LC_A" "$LC_B" "$LC_C"'], b""),
    "quiet": (["-q", "box", "echo x; exit 3"], b""),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_option(ways: Ways, name: str) -> None:
    words, stdin = OPTIONS[name]
    ways.compare(lambda way: way.run(way.ssh(*words), stdin), files=False)


def test_cve_2026_35414_rekeying_on_both_legs_through_a_hundred_megabytes(ways: Ways) -> None:
    """Client and target each want new keys after a megabyte (RFC 4253 section 9); a hundred go up and come back."""
    data = LINES * 2100
    assert len(data) > 100_000_000

    def row(way: Way) -> Done:
        done = way.run(way.ssh("-v", "rekey", "cat"), data, timeout=110)
        agreed = done.err.count(b"SSH2_MSG_NEWKEYS received")
        assert way.name == "direct" or agreed > 50, done.errors[-2000:]
        return Done(done.status, hashlib.sha256(done.out).digest(), b"%d" % len(done.out))

    ways.compare(row, files=False, masked=False)


def test_only_a_forward(ways: Ways) -> None:
    """`ssh -N` stays until it is told to go, and says nothing."""

    def row(way: Way) -> Done:
        running = way.client.start([*way.ssh("-N", "box")])
        running.process.terminate()
        return running.finish()

    ways.compare(row)


@dataclass(frozen=True, slots=True)
class Screen:
    """What happens on a terminal: a command, and what is typed once something shows."""

    command: str
    steps: Steps = ()
    size: tuple[int, int] = (24, 80)
    modes: str = "sane"


PROMPT = r"[$#] "
ON_RESIZE = "trap 'stty size; exit' WINCH; echo go; while :; do sleep 0.05; done"
SCREENS = {
    "modes": Screen("stty -a"),
    "modes-changed": Screen("stty -a", modes="-ixon -echoe erase ^H intr ^X eof ^B"),
    "modes-raw": Screen("stty -a", modes="raw -echo"),
    "size": Screen("stty size; tput cols; tput lines", size=(50, 132)),
    "size-zero": Screen("stty size", size=(0, 0)),
    "size-huge": Screen("stty size", size=(500, 1000)),
    "term": Screen("echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo all"),
    "status": Screen("exit 43"),
    "signal": Screen("kill -TERM $$"),
    "both-streams": Screen("echo out; echo err >&2"),
    "bytes": Screen("printf '\\303\\251\\377\\033[1mx\\033[0m\\r\\n'"),
    "much": Screen("seq 30000"),
    "typed": Screen("stty -echo; echo go; read x; echo got $x", [("go", "hélló\r".encode())]),
    "interrupt": Screen("trap 'echo caught; exit 5' INT; echo go; sleep 60 & wait", [("go", b"\x03")]),
    "end-of-input": Screen("stty -echo; echo go; cat; echo over", [("go", b"line\r\x04")]),
    "keys": Screen("stty raw -echo; echo go; head -c 8 | od -c; stty sane", [("go", b"\x1b[A\x01\x7f\t\x03z")]),
    "resize": Screen(ON_RESIZE, [("go", lambda child: child.setwinsize(33, 111))]),
    "resize-to-zero": Screen(ON_RESIZE, [("go", lambda child: child.setwinsize(0, 0))]),
    "break": Screen("stty -echo; echo go; read x; read x; echo got $x", [("go", b"\r~Bend\r")]),
    "shell": Screen("", [(PROMPT, b"echo on''e\r"), (f"one\r\n.*{PROMPT}", b"false\r"), (PROMPT, b"exit 7\r")]),
}


@pytest.mark.parametrize("name", SCREENS)
def test_terminal(ways: Ways, name: str) -> None:
    screen = SCREENS[name]
    words = ["-q", "-tt", "box", *([screen.command] if screen.command else [])]
    ways.compare(lambda way: way.on_terminal(way.ssh(*words), screen.steps, screen.size, screen.modes), files=False)


def test_terminal_without_one_here(ways: Ways) -> None:
    ways.compare(lambda way: way.run(way.ssh("-q", "-tt", "box", "stty -a; stty size; echo $TERM")), files=False)
