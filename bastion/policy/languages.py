"""Interpreters of other languages: which words are code, and which name a script.

Foreign code is a doubt, except Python that surely only computes and prints (see `python_code`).
"""

from dataclasses import dataclass

from bastion.policy.context import Call, Context, Handler, InputKind
from bastion.policy.python_code import python_is_harmless
from bastion.policy.redirections import piped_input
from bastion.policy.understanding import Reason, Word, literal


@dataclass(frozen=True, slots=True)
class _Language:
    """An interpreter's command line: letters that give code, those with a value, and long options with a value.

    `module` is the letter that runs a module, `interactive` those that go on reading commands.
    """

    code: str
    values: str = ""
    long_code: tuple[str, ...] = ()
    long_values: tuple[str, ...] = ()
    module: str = ""
    interactive: str = ""


_LANGUAGES = {
    "python": _Language("c", "mWX", module="m", interactive="i", long_values=("--check-hash-based-pycs",)),
    "pypy": _Language("c", "mWX", module="m", interactive="i"),
    "perl": _Language("eE", "IMmFixClD0"),
    "ruby": _Language("e", "IrCEKTWx"),
    "node": _Language("ep", "rC", ("--eval", "--print"), ("--require", "--import", "--loader"), interactive="i"),
    "nodejs": _Language("ep", "rC", ("--eval", "--print"), ("--require", "--import", "--loader"), interactive="i"),
    "deno": _Language(""),
    "bun": _Language("ep", "", ("--eval", "--print")),
    "php": _Language("rBRE", "cdFftSzg", ("--run",), interactive="a"),
    "lua": _Language("e", "l", interactive="i"),
    "luajit": _Language("e", "l", interactive="i"),
    "tclsh": _Language(""),
    "wish": _Language(""),
    "expect": _Language("c", "f"),
    "Rscript": _Language("e"),
    "R": _Language("e", "f"),
    "julia": _Language("eE", "Lp"),
    "ghc": _Language("e"),
    "irb": _Language(""),
    "mongo": _Language("", "up", ("--eval",), ("--host", "--port", "--username", "--password")),
    "mongosh": _Language("", "up", ("--eval",), ("--host", "--port", "--username", "--password")),
    "ipython": _Language("c", "", ("--command",), interactive="i"),
    "groovy": _Language("e"),
    "scala": _Language("e"),
    "jjs": _Language(""),
    "jrunscript": _Language("e", "lf"),
    "gawk": _Language(""),
    "gdb": _Language("", "xp", ("--eval-command", "--command", "-ex", "-x")),
    "emacs": _Language("", "", ("--eval", "--load", "-l", "-f")),
    "osascript": _Language("e"),
    "dc": _Language("e"),
    "guile": _Language("c"),
    "sbcl": _Language("", "", ("--eval", "--load")),
    "m4": _Language(""),
    "octave": _Language("", "", ("--eval",)),
    "gnuplot": _Language("e"),
    "jshell": _Language(""),
    "slsh": _Language("e"),
    "ginsh": _Language(""),
}  # fmt: skip


def run_language(run: Context, call: Call) -> None:
    """Follow an interpreter: its code, a script, or what it reads."""
    call.io.stdout.write_unknown(call.index)
    language = _LANGUAGES[call.name]
    words = call.arguments
    place = 0
    while place < len(words):
        word = words[place]
        head = word.parts[0] if word.parts else ""
        if not isinstance(head, str) or not head.startswith("-") or head == "-":
            break
        if len(words) == 1 and head in _QUIET:
            return
        if not head.startswith("--") and set(head[1:]) & set(language.interactive):
            run.doubt(Reason.INTERPRETER_STDIN, f"{call.name} {head}")
        code = _code(language, word, words[place + 1 : place + 2])
        if code is not None:
            _foreign(run, call, code)
            return
        if language.module and head.startswith("-" + language.module) and not head.startswith("--"):
            _module(run, call, [literal(head[2:]), *words[place + 1 :]] if head[2:] else words[place + 1 :])
            return
        place += 2 if head in language.long_values or (len(head) == 2 and head[1] in language.values) else 1
    _script(run, call, words[place:])


_QUIET = frozenset({"-V", "-v", "--version", "--help", "-h", "-VV"})  # options that run nothing, alone


def _code(language: _Language, word: Word, following: list[Word]) -> Word | None:
    head = str(word.parts[0])
    if head.startswith("--"):
        name, equals, value = head.partition("=")
        if name not in language.long_code:
            return None
        return Word((value, *word.parts[1:])) if equals else (following or [literal("")])[0]
    for index, char in enumerate(head[1:], start=1):
        if char in language.code:
            rest = Word(((head[index + 1 :],) if head[index + 1 :] else ()) + word.parts[1:])
            return rest if rest.parts else (following or [literal("")])[0]
        if char in language.values:
            return None
    return None


def _module(run: Context, call: Call, words: list[Word]) -> None:
    """`python -m`: modules that are programs, and a few that run another file."""
    name = words[0].text if words else None
    if name is None:
        run.doubt(Reason.UNKNOWN_COMMAND, f"{call.name} -m with a module that is not known")
    elif name in {"code", "pdb", "cProfile", "profile", "trace", "timeit", "runpy", "IPython", "asyncio"}:
        run.doubt(Reason.FOREIGN_CODE, f"{call.name} -m {name}")


def _script(run: Context, call: Call, words: list[Word]) -> None:
    stdin = call.io.stdin
    if words and words[0].text not in {"-", "/dev/stdin", "/dev/fd/0"}:
        piped = piped_input(run, words[0])
        if piped is None:
            run.doubt(run.code_reason(words[0].origins, Reason.SCRIPT_FILE), f"{call.name} {words[0].shown}")
            return
        stdin = piped
    if stdin.kind is InputKind.CHANNEL:
        run.doubt(Reason.INTERPRETER_STDIN, f"{call.name} reads code from the channel")
    elif stdin.kind is InputKind.FILE:
        run.doubt(Reason.SCRIPT_FILE, f"{call.name} reads code from a file")
    elif stdin.text is not None and stdin.text.text is not None:
        _foreign(run, call, stdin.text)
    elif stdin.kind is not InputKind.NOTHING:
        run.doubt(run.code_reason(stdin.origins, Reason.FOREIGN_CODE), f"code piped into {call.name}")


def _foreign(run: Context, call: Call, code: Word) -> None:
    text = code.text
    if text is not None and call.name in {"python", "pypy"} and python_is_harmless(text):
        return
    shown = code.shown if len(code.shown) <= 60 else code.shown[:59] + "…"
    run.doubt(run.code_reason(code.origins, Reason.FOREIGN_CODE), f"{call.name}: {shown}")


def handler(name: str) -> Handler | None:
    """Return what follows the interpreter of this name, else None."""
    return run_language if name in _LANGUAGES else None
