"""`echo`, `printf` and `pwd`: the text they print, so that pipes and substitutions can be followed."""

import re
from collections.abc import Sequence

from bastion import quoting
from bastion.policy import arithmetic, assignments
from bastion.policy.context import Call, Context, Handler
from bastion.policy.fields import merge
from bastion.policy.state import number, unknown
from bastion.policy.understanding import Hole, Part, Reason, Unknown, Word, literal

_NAME = re.compile(r"[A-Za-z_]\w*\Z")


def _print(call: Call, *words: Word) -> None:
    for word in words:
        call.io.stdout.write(word, call.index)


def _echo(run: Context, call: Call) -> None:
    del run
    words = call.arguments
    escapes = newline = False
    plain = True
    while words and (text := words[0].text) is not None and re.fullmatch(r"-[neE]+", text) and plain:
        escapes = escapes or "e" in text
        newline = newline or "n" in text
        words = words[1:]
    if words and words[0].text is None and (not words[0].parts or not isinstance(words[0].parts[0], str)):
        escapes = True
    parts: list[Part] = []
    for index, word in enumerate(words):
        parts.extend([" "] if index else [])
        parts.extend(word.parts)
        if word.many:
            parts.append(Unknown(Hole.ANY, "…", word.origins))
    if escapes or call.state.dialect == "posix":
        parts = [_escapes(part) if isinstance(part, str) else part for part in parts]
    if not newline:
        parts.append("\n")
    _print(call, Word(merge(parts)))


def _escapes(text: str) -> str:
    """Return text as `echo -e` and `printf %b` print it."""
    text = text.split(r"\c", 1)[0]
    return quoting.ansi_c(re.sub(r"\\0([0-7]{1,3})", r"\\\1", text))


def _printf(run: Context, call: Call) -> None:
    words = call.arguments
    if len(words) > 1 and words[0].text == "-v":
        name = words[1].text
        if name is None or not _NAME.match(name):
            run.doubt(Reason.ARITHMETIC, f"printf -v {words[1].shown}")
            call.state.forget_variables()
        else:
            assignments.set_value(run, name, _formatted(words[2:]) or unknown("$" + name), call.state)
            assignments.check(run, name, call.state)
        return
    if words and words[0].text == "--":
        words = words[1:]
    printed = _formatted(words)
    if printed is None:
        call.io.stdout.write_unknown(call.index)
    else:
        _print(call, printed)


def _formatted(words: Sequence[Word]) -> Word | None:
    """Return what printf prints, where it uses no more than %s, %b, %c, %d and %%."""
    template = words[0].text if words else None
    if template is None or any(word.many for word in words):
        return None
    pieces = re.findall(r"%%|%[sbdic]|%|\\[0-7]{1,3}|\\[xuU][0-9A-Fa-f]{1,8}|\\.|[^%\\]+", template, re.DOTALL)
    if "%" in pieces or r"\c" in pieces:
        return None
    values = list(words[1:])
    parts: list[Part] = []
    while True:
        for piece in pieces:
            if piece == "%%":
                parts.append("%")
            elif piece[0] == "%":
                parts.extend(_conversion(piece, values.pop(0) if values else Word()))
            else:
                parts.append(quoting.ansi_c(piece) if piece[0] == "\\" else piece)
        if not values or not any(piece[0] == "%" and piece != "%%" for piece in pieces):
            return Word(merge(parts))


def _conversion(piece: str, value: Word) -> Sequence[Part]:
    if piece == "%b":
        return [_escapes(part) if isinstance(part, str) else part for part in value.parts]
    if piece in {"%d", "%i"}:
        text = value.text
        return [text] if text and arithmetic.parse_int(text) is not None else number(value.shown).parts
    if piece == "%c":
        return [value.text[:1]] if value.text else unknown(value.shown).parts
    return value.parts


def _pwd(run: Context, call: Call) -> None:
    del run
    if len(call.state.cwd) == 1 and call.state.failed_cwd is None:
        _print(call, call.state.cwd[0], literal("\n"))
    else:
        call.io.stdout.write_unknown(call.index)


HANDLERS: dict[str, Handler] = {"echo": _echo, "printf": _printf, "pwd": _pwd}
