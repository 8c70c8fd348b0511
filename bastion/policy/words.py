"""Expansion of words as the shell does it: braces, tilde, parameters, substitutions, splitting, patterns, quotes.

`fields` gives the words that an argument list gets, `single` the one word where nothing is split (assignments, case
words, redirections' here-strings). What is not known becomes a hole; code inside substitutions is run on the way.
"""

import re
from collections.abc import Iterator, Sequence

from bastion import quoting
from bastion.policy import arithmetic, braces, parameters
from bastion.policy.context import IO, MAX_TEXT, Context, Input, InputKind, Output
from bastion.policy.fields import Piece, assemble, join_pieces, merge
from bastion.policy.state import HOME, State, number, unknown
from bastion.policy.tree import Node
from bastion.policy.understanding import Hole, Reason, Unknown, Word, literal

MAX_PARTS = 16  # parts of a partly known output that are kept apart

_PATTERNS = frozenset({"dotglob", "globstar", "nullglob", "extglob", "nocaseglob", "globasciiranges"})
_ASSIGNED_TILDE = re.compile(r"[A-Za-z_]\w*=(?=~)")

# Programs whose output is a number and nothing else, with the option that makes it so ("" for none)
_NUMBER_PRINTERS = {"wc": "", "nproc": "", "grep": "c", "id": "u", "expr": "", "date": "+%s", "seq": "", "pgrep": "c"}


def fields(run: Context, words: Sequence[Node], state: State, io: IO) -> list[Word]:
    """Return the words that an argument list gets after every expansion."""
    result: list[Word] = []
    for word in words:
        run.step()
        for parts in _braced(run, word.get("Parts", []), state):
            if parts is None:
                result.append(Word(unknown("{…}").parts, many=True))
                continue
            made = assemble(_pieces(run, parts, state, io), state.separators)
            result.extend(made if _PATTERNS.isdisjoint(state.options) else map(_widened, made))
    return result


def _widened(word: Word) -> Word:
    """Return a word whose file name patterns may match hidden files, several levels or nothing (`shopt`)."""
    parts = [
        Unknown(Hole.ANY, part.shown) if isinstance(part, Unknown) and part.hole in {Hole.STAR, Hole.ONE} else part
        for part in word.parts
    ]
    return Word(tuple(parts), word.many or tuple(parts) != word.parts)


def single(run: Context, word: Node | None, state: State, io: IO, *, assignment: bool = False) -> Word:
    """Return the one word that a word makes where neither splitting nor file name patterns apply."""
    parts = (word or {}).get("Parts", [])
    return join_pieces(_pieces(run, parts, state, io, assignment=assignment))


def pattern(run: Context, word: Node | None, state: State, io: IO) -> Word:
    """Return a word whose unquoted pattern characters are holes, as `case` and `[[ == ]]` read it."""
    pieces = [piece._replace(split=False) for piece in _pieces(run, (word or {}).get("Parts", []), state, io)]
    words = assemble(pieces, "")
    return words[0] if words else Word()


def document(run: Context, redirection: Node, state: State, io: IO) -> Word:
    """Return the text of a here-document."""
    delimiter = redirection.get("Word", {}).get("Parts", [])
    quoted = any(part["Type"] != "Lit" or "\\" in part.get("Value", "") for part in delimiter)
    body = redirection.get("Hdoc", {}).get("Parts", [])
    strip = redirection["Op"] == "<<-"
    pieces: list[Piece] = []
    start_of_line = True
    for part in body:
        if part["Type"] == "Lit":
            text = part.get("Value", "")
            if strip:
                lines = text.split("\n")
                text = "\n".join(
                    line.lstrip("\t") if index or start_of_line else line for index, line in enumerate(lines)
                )
            pieces.append(Piece(text if quoted else quoting.document(text), quoted=True))
            start_of_line = False
        else:
            pieces.extend(_quoted(run, part, state, io))
            start_of_line = False
    return join_pieces(pieces)


def _braced(run: Context, parts: Sequence[Node], state: State) -> Iterator[list[Node] | None]:
    if state.dialect == "posix" or not any("{" in part.get("Value", "") for part in parts if part["Type"] == "Lit"):
        yield list(parts)
        return
    expanded = braces.expand(braces.tokens(parts))
    if expanded is None:
        run.doubt(Reason.TOO_LARGE, "a brace expansion with too many words")
        yield None
        return
    for tokens in expanded:
        yield braces.parts(tokens)


def _pieces(run: Context, parts: Sequence[Node], state: State, io: IO, *, assignment: bool = False) -> list[Piece]:
    pieces: list[Piece] = []
    for index, part in enumerate(parts):
        if part["Type"] == "Lit":
            value = part.get("Value", "")
            if index == 0 and value.startswith("~"):
                value = _tilde(value, pieces, state, alone=len(parts) == 1)
            elif index == 0 and (head := _ASSIGNED_TILDE.match(value)) and state.dialect == "bash":
                pieces.append(Piece(head[0], quoted=True))
                value = _tilde(value[head.end() :], pieces, state, alone=len(parts) == 1)
            elif assignment and ":~" in value:
                head, value = value.split(":~", 1)
                pieces.append(Piece(head + ":", quoted=True))
                value = _tilde("~" + value, pieces, state, alone=True)
            pieces.extend(Piece(text, quoted) for text, quoted in quoting.bare(value))
        else:
            pieces.extend(_unquoted(run, part, state, io))
    return pieces


def _tilde(value: str, pieces: list[Piece], state: State, *, alone: bool) -> str:
    """Expand a tilde at the start of `value`; return the rest of the text."""
    end = len(value)
    for stop in ("/", ":"):
        end = min(end, value.find(stop) if stop in value else end)
    name = value[1:end]
    if "\\" in name or (end == len(value) and not alone):
        return value  # quoted in part: stands for itself
    if not name:
        home = state.lookup("HOME", "~")
        pieces.extend(Piece(part, quoted=True) for part in (home or HOME).parts)
    elif name == "+" and len(state.cwd) == 1:
        pieces.extend(Piece(part, quoted=True) for part in state.cwd[0].parts)
    elif name == "root":
        pieces.append(Piece("/root", quoted=True))
    else:
        pieces.append(Piece(Unknown(Hole.ANY, "~" + name), quoted=True))
    return value[end:]


def _unquoted(run: Context, part: Node, state: State, io: IO) -> list[Piece]:
    """Return the pieces of a part that stands outside double quotes."""
    kind = part["Type"]
    if kind == "SglQuoted":
        value = part.get("Value", "")
        return [Piece(quoting.ansi_c(value) if part.get("Dollar") else value, quoted=True)]
    if kind == "DblQuoted":
        if part.get("Dollar"):
            run.doubt(Reason.UNSUPPORTED, 'text translated by $"..."')
        inner = part.get("Parts", [])
        if not inner:
            return [Piece("", quoted=True)]
        pieces: list[Piece] = []
        for item in inner:
            pieces.extend(_quoted(run, item, state, io))
        return pieces
    if kind == "ExtGlob":
        text = part.get("Pattern", {}).get("Value", "")
        if any(char in text for char in "$`"):
            run.doubt(Reason.UNSUPPORTED, f"expansion in a pattern {part['Source']}")
        return [Piece(Unknown(Hole.ANY if "/" in text else Hole.STAR, part["Source"]), quoted=False)]
    if kind == "ParamExp":
        return parameters.expand(run, part, state, io, quoted=False)
    word = _substitution(run, part, state, io)
    split = kind != "ProcSubst"
    return [Piece(item, quoted=not split, split=split) for item in word.parts]


def _quoted(run: Context, part: Node, state: State, io: IO) -> list[Piece]:
    """Return the pieces of a part that stands inside double quotes."""
    kind = part["Type"]
    if kind == "Lit":
        return [Piece(quoting.double(part.get("Value", "")), quoted=True)]
    if kind == "ParamExp":
        return parameters.expand(run, part, state, io, quoted=True)
    word = _substitution(run, part, state, io)
    return [Piece("", quoted=True), *(Piece(item, quoted=True) for item in word.parts)]


def _substitution(run: Context, part: Node, state: State, io: IO) -> Word:
    kind = part["Type"]
    if kind == "CmdSubst":
        return command_substitution(run, part, state, io)
    if kind == "ArithmExp":
        value = arithmetic.evaluate(run, part.get("X"), state, io)
        return literal(str(value)) if value is not None else number(part["Source"])
    if kind == "ProcSubst":
        return _process_substitution(run, part, state, io)
    run.doubt(Reason.UNSUPPORTED, f"a word part of kind {kind}")
    return unknown("?")


def command_substitution(run: Context, part: Node, state: State, io: IO) -> Word:
    """Run `$(...)` and return its output: known text, a number, or unknown."""
    if part.get("ReplyVar"):
        run.doubt(Reason.UNSUPPORTED, "a ${|...} substitution")
    inner = state.copy()
    output = Output()
    run.enter()
    run.statements(run, part.get("Stmts", []), inner, IO(io.stdin, output))
    run.leave()
    if part.get("TempFile"):  # ${ ...; } runs in this very shell
        state.become(inner)
    return _captured(run, output, part["Source"])


def _captured(run: Context, output: Output, shown: str) -> Word:
    """Return what a command substitution holds, trailing newlines removed."""
    word = output.as_word()
    text = word.text
    if text is not None:
        return literal(text.rstrip("\n").replace("\0", "")) if len(text) <= MAX_TEXT else unknown(shown)
    origins = frozenset(output.origins) | word.origins
    if len(output.origins) == 1 and len(word.parts) == 1 and _prints_number(run, next(iter(origins))):
        return number(shown)
    if len(output.origins) == 1 and len(word.parts) == 1 and _prints_numbers(run, next(iter(origins))):
        return Word((Unknown(Hole.NUMBERS, shown),))
    if len(word.parts) > MAX_PARTS:
        return unknown(shown, origins)
    parts = [
        part if isinstance(part, str) else Unknown(part.hole, shown if part.shown == "…" else part.shown, origins)
        for part in word.parts
    ]
    if isinstance(parts[-1], str):
        parts[-1] = parts[-1].rstrip("\n")
    return Word(merge(parts))


def _prints_numbers(run: Context, index: int) -> bool:
    """Whether a command prints process numbers, any number of them."""
    argv = [word.text for word in run.records[index].command.argv]
    name = (argv[0] or "").rsplit("/", 1)[-1]
    listing = any(str(option).startswith(("-l", "-a", "--list")) for option in argv[1:])
    return (name in {"pgrep", "pidof"} and not listing and None not in argv) or (name == "lsof" and "-t" in argv)


def _prints_number(run: Context, index: int) -> bool:
    argv = [word.text for word in run.records[index].command.argv]
    name, options = (argv[0] or "").rsplit("/", 1)[-1], argv[1:]
    wanted = _NUMBER_PRINTERS.get(name)
    if wanted is None or None in options:
        return False
    if name == "wc":
        return not any(not str(option).startswith("-") for option in options)
    if name == "date":
        return options == ["+%s"]
    if name == "pgrep":
        return any(str(option).startswith("-c") for option in options)
    return not wanted or any(
        str(o).startswith("-") and wanted in str(o) and not str(o).startswith("--") for o in options
    )


def _process_substitution(run: Context, part: Node, state: State, io: IO) -> Word:
    inner = state.copy()
    shown = part["Source"]
    if part["Op"] == "<(":
        output = Output()
        run.enter()
        run.statements(run, part.get("Stmts", []), inner, IO(io.stdin, output))
        run.leave()
        name = Unknown(Hole.PIPE, shown, frozenset(output.origins))
        run.piped[name] = output.as_input()
        return Word((name,))
    first = len(run.records)
    run.enter()
    run.statements(run, part.get("Stmts", []), inner, IO(Input(InputKind.PIPE), io.stdout))
    run.leave()
    run.readers.update(range(first, len(run.records)))
    return Word((Unknown(Hole.PIPE, shown),))
