"""Editors that take commands as words or on the standard input: `vim -c ':!cmd'`, `ed`, `ex`.

What is typed into an editor on a terminal is not seen here.
"""

import re

from bastion.policy import calls
from bastion.policy.context import Call, Context, Handler, InputKind
from bastion.policy.understanding import Reason, Word, literal

_NO_FILE = frozenset({"NONE", "NORC", "DEFAULTS"})
_QUIT = r"(?:w?q[a!]*|wq?!?|x)"
_HARMLESS = re.compile(
    rf"\s*:?(?:{_QUIT}|noh\w*|\d+|\$|set? [\w=! ]+|normal \w+|[%\d,.$]*s/[^|\n]*|[%\d,.$]*d|/[^|]*)?"
    rf"(?:\s*\|\s*{_QUIT})?\s*"
)


def _vim(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = call.arguments
    for place, word in enumerate(words):
        text = word.text or word.shown
        value = words[place + 1] if place + 1 < len(words) else literal("")
        if text in {"-c", "--cmd"} or text.startswith("+"):
            command = value if text in {"-c", "--cmd"} else literal(text[1:])
            _ex(run, call, command)
        elif text in {"-S", "-u", "-U", "" if call.name == "ex" else "-s"} and value.text not in _NO_FILE:
            run.doubt(Reason.SCRIPT_FILE, f"{call.name} {text} {value.shown}")
    if call.name == "ex" and call.io.stdin.kind is not InputKind.NOTHING:
        _ex_input(run, call)


def _ex(run: Context, call: Call, command: Word) -> None:
    """Follow an editor's command: `:!cmd` is shell code, plain ones are harmless, others are not known."""
    text = command.text
    match = re.match(r"\s*:?\s*(?:silent!?\s+)?(?:%|\d+|\.|\$)?!\s*(.*)", text or "", re.DOTALL)
    if match:
        calls.own_shell(run, call, literal(match[1]), what=call.name)
    elif text is None or not _HARMLESS.fullmatch(text):
        run.doubt(Reason.FOREIGN_CODE, f"{call.name} {command.shown}")


def _ex_input(run: Context, call: Call) -> None:
    text = call.io.stdin.text.text if call.io.stdin.text is not None else None
    if text is None or call.io.stdin.kind is InputKind.FILE:
        reason = Reason.INTERPRETER_STDIN if call.io.stdin.kind is InputKind.CHANNEL else Reason.FOREIGN_CODE
        run.doubt(reason, f"{call.name} reads commands")
        return
    for line in text.splitlines():
        match = re.match(r"\s*(?:[%\d,.$]*[rwe]?\s*)!\s*(.+)", line)
        if match:
            calls.own_shell(run, call, literal(match[1]), what=call.name)


def _ed(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    _ex_input(run, call)


_HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("vim", "vi", "nvim", "view", "ex", "gvim", "rvim", "vimdiff"), _vim),
    **dict.fromkeys(("ed", "red"), _ed),
}


def handler(name: str) -> Handler | None:
    """Return what follows the editor of this name, else None."""
    return _HANDLERS.get(name)
