"""Interpreters of other languages: which words are code, and when code is plainly harmless.

Foreign code is a doubt, with three exceptions that are read far enough to be sure: `awk` without `system`, pipes and
files, `sed` without `e` and `w`, and Python that only computes and prints (a short list of names is allowed).
"""

import ast
import re
from dataclasses import dataclass

from bastion.policy import calls
from bastion.policy.context import IO, NOTHING, Call, Context, Handler, InputKind
from bastion.policy.redirections import piped_input
from bastion.policy.shells import child_state
from bastion.policy.understanding import Reason, Word, literal


@dataclass(frozen=True, slots=True)
class _Language:
    """An interpreter's command line: letters that give code, those with a value, and long options with a value."""

    code: str
    values: str = ""
    long_code: tuple[str, ...] = ()
    long_values: tuple[str, ...] = ()
    module: str = ""


_LANGUAGES = {
    "python": _Language("c", "mWX", module="m", long_values=("--check-hash-based-pycs",)),
    "pypy": _Language("c", "mWX", module="m"),
    "perl": _Language("eE", "IMmFixClD0"),
    "ruby": _Language("e", "IrCEKTWx"),
    "node": _Language("ep", "rC", ("--eval", "--print"), ("--require", "--import", "--loader")),
    "nodejs": _Language("ep", "rC", ("--eval", "--print"), ("--require", "--import", "--loader")),
    "deno": _Language(""),
    "bun": _Language("ep", "", ("--eval", "--print")),
    "php": _Language("rBRE", "cdFftSzg", ("--run",)),
    "lua": _Language("e", "l"),
    "luajit": _Language("e", "l"),
    "tclsh": _Language(""),
    "wish": _Language(""),
    "expect": _Language("c", "f"),
    "Rscript": _Language("e"),
    "R": _Language("e", "f"),
    "julia": _Language("eE", "Lp"),
    "ghc": _Language("e"),
    "irb": _Language(""),
    "ipython": _Language("c", "", ("--command",)),
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
}  # fmt: skip
for _name in ("gawk", "gdb", "emacs", "dc", "m4", "ghc", "deno"):
    del _LANGUAGES[_name]

_PYTHON_MODULES = {
    "json": {"load", "loads", "dump", "dumps", "tool"}, "sys": {"stdin", "argv", "stdout", "stderr", "exit", "version", "version_info", "platform", "path", "maxsize", "executable", "byteorder"},
    "math": None, "datetime": None, "time": {"time", "strftime", "localtime", "gmtime", "monotonic"}, "re": {"findall", "search", "match", "sub", "split", "compile", "escape"},
    "base64": None, "hashlib": None, "secrets": None, "uuid": None, "string": None, "random": None, "statistics": None, "decimal": None, "itertools": None, "collections": {"Counter", "defaultdict", "OrderedDict"},
    "platform": {"python_version", "platform", "system", "machine", "node", "release"}, "ipaddress": None, "urllib.parse": {"quote", "unquote", "urlencode", "urlparse", "quote_plus"}, "textwrap": None, "calendar": None,
}  # fmt: skip
_PYTHON_NAMES = frozenset(
    {
        "print",
        "len",
        "range",
        "sorted",
        "sum",
        "min",
        "max",
        "int",
        "str",
        "float",
        "list",
        "dict",
        "set",
        "tuple",
        "abs",
        "round",
    }
    | {
        "enumerate",
        "zip",
        "map",
        "filter",
        "any",
        "all",
        "bool",
        "repr",
        "ord",
        "chr",
        "hex",
        "bin",
        "reversed",
        "isinstance",
        "bytes",
        "divmod",
        "pow",
        "format",
        "sorted",
        "True",
        "False",
        "None",
        "Exception",
        "KeyError",
        "ValueError",
    }
)
_PYTHON_METHODS = frozenset(
    {
        "read",
        "readline",
        "readlines",
        "strip",
        "split",
        "splitlines",
        "join",
        "get",
        "items",
        "keys",
        "values",
        "append",
        "format",
        "upper",
        "lower",
        "startswith",
        "endswith",
        "replace",
        "encode",
        "decode",
        "hexdigest",
        "digest",
        "strftime",
        "isoformat",
        "now",
        "utcnow",
        "today",
        "total_seconds",
        "group",
        "groups",
        "count",
        "index",
        "find",
        "sort",
        "pop",
        "extend",
        "add",
        "write",
        "lstrip",
        "rstrip",
        "zfill",
        "update",
        "most_common",
        "hex",
        "timestamp",
        "fromtimestamp",
        "isdigit",
        "title",
        "setdefault",
        "insert",
        "rjust",
        "ljust",
        "year",
        "month",
        "day",
        "buffer",
    }
)


def run_language(run: Context, call: Call) -> None:
    """Follow an interpreter: its code, a script, or what it reads."""
    call.io.stdout.write_unknown(call.index)
    language = _LANGUAGES.get(call.name) or _LANGUAGES[re.sub(r"[-\d.]+\Z", "", call.name)]
    words = call.arguments
    place = 0
    while place < len(words):
        word = words[place]
        head = word.parts[0] if word.parts else ""
        if not isinstance(head, str) or not head.startswith("-") or head == "-":
            break
        if _quiet(head):
            return
        code = _code(language, word, words[place + 1 : place + 2])
        if code is not None:
            _foreign(run, call, code)
            return
        if language.module and head.startswith("-" + language.module) and not head.startswith("--"):
            _module(run, call, [literal(head[2:]), *words[place + 1 :]] if head[2:] else words[place + 1 :])
            return
        place += 2 if head in language.long_values or (len(head) == 2 and head[1] in language.values) else 1
    _script(run, call, words[place:])


def _quiet(head: str) -> bool:
    return head in {"-V", "-v", "--version", "--help", "-h", "-VV", "-i?"} or head.startswith(("--version", "--help"))


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
    base = re.sub(r"[-\d.]+\Z", "", call.name)
    text = code.text
    if text is not None and base in {"python", "pypy"} and python_is_harmless(text):
        return
    shown = code.shown if len(code.shown) <= 60 else code.shown[:59] + "…"
    run.doubt(run.code_reason(code.origins, Reason.FOREIGN_CODE), f"{call.name}: {shown}")


def python_is_harmless(text: str) -> bool:
    """Whether Python code surely only computes and prints: every name and attribute in it is on a list."""
    if len(text) > 4096:
        return False
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    modules: set[str] = set()
    names = set(_PYTHON_NAMES)
    return all(_harmless_node(node, modules, names) for node in _in_order(tree))


def _in_order(tree: ast.AST) -> list[ast.AST]:
    """Return all nodes: imports first, then what binds names, then the rest."""
    nodes = list(ast.walk(tree))
    rank = {ast.Import: 0, ast.ImportFrom: 0}
    return sorted(nodes, key=lambda node: rank.get(type(node), 2 if not _binds(node) else 1))


def _binds(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


_PYTHON_NODES = (
    ast.Module, ast.Expr, ast.Call, ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.List, ast.Tuple,
    ast.Dict, ast.Set, ast.Subscript, ast.Slice, ast.JoinedStr, ast.FormattedValue, ast.ListComp, ast.GeneratorExp, ast.DictComp,
    ast.SetComp, ast.comprehension, ast.Assign, ast.AugAssign, ast.For, ast.While, ast.If, ast.Starred, ast.keyword, ast.Load, ast.Store,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.Pass, ast.Break, ast.Continue, ast.Lambda, ast.arguments, ast.Try, ast.ExceptHandler, ast.Assert, ast.Raise,
)  # fmt: skip


def _harmless_node(node: ast.AST, modules: set[str], names: set[str]) -> bool:
    if isinstance(node, ast.Import):
        modules.update(alias.name for alias in node.names)
        return all(alias.name in _PYTHON_MODULES and alias.asname is None for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        allowed = _PYTHON_MODULES.get(node.module or "", set())
        names.update(alias.asname or alias.name for alias in node.names)
        return node.module in _PYTHON_MODULES and all(
            not alias.name.startswith("_") and (allowed is None or alias.name in allowed) for alias in node.names
        )
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            names.add(node.id)
            return not node.id.startswith("_") and node.id not in modules
        return node.id in names or node.id in modules or node.id in {name.split(".")[0] for name in modules}
    if isinstance(node, ast.arg):
        names.add(node.arg)
        return True
    if isinstance(node, ast.Attribute):
        return _harmless_attribute(node, modules)
    return isinstance(node, _PYTHON_NODES)


def _harmless_attribute(node: ast.Attribute, modules: set[str]) -> bool:
    base = ast.unparse(node.value)
    if base in modules:
        allowed = _PYTHON_MODULES[base]
        return (
            not node.attr.startswith("_")
            and (allowed is None or node.attr in allowed)
            and isinstance(node.ctx, ast.Load)
        )
    if any(name.startswith(f"{base}.{node.attr}") for name in modules):
        return True
    return node.attr in _PYTHON_METHODS and isinstance(node.ctx, ast.Load)


_AWK_TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*")|(?P<comment>\#[^\n]*)|(?P<regex>(?<=[~(,!&|{;\n])\s*/(?:\\.|\[[^\]]*\]|[^/\\\n])+/|\A\s*/(?:\\.|[^/\\\n])+/)"""
    r"""|(?P<word>[A-Za-z_@]\w*)|(?P<or>\|\|)|(?P<bad>[|])|(?P<append>>>)|(?P<compare>>=)|(?P<more>>)|(?P<other>.)""",
    re.DOTALL,
)
_AWK_BAD = frozenset({"system", "getline", "close", "fflush", "@load", "@include", "ENVIRON", "PROCINFO"}) - {
    "ENVIRON",
    "PROCINFO",
    "close",
    "fflush",
}


def awk_is_harmless(program: str) -> bool:
    """Whether an awk program surely starts nothing and writes no file."""
    printing = depth = 0
    for match in _AWK_TOKEN.finditer(program):
        kind, text = match.lastgroup, match[0]
        if kind == "bad" or kind == "append" or (kind == "word" and text in _AWK_BAD) or text.startswith("@"):
            return False
        if kind == "word":
            printing = 1 if text in {"print", "printf"} else printing
            depth = 0 if text in {"print", "printf"} else depth
        elif text in {";", "}", "\n"}:
            printing = 0
        elif text == "(":
            depth += 1
        elif text == ")":
            depth -= 1
        elif kind == "more" and printing and depth <= 0:
            return False
    return True


def _awk(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = call.arguments
    programs: list[Word] = []
    place = 0
    while place < len(words):
        text = words[place].text
        if text is None or not text.startswith("-") or text == "-":
            break
        place += 1
        if text == "--":
            break
        if text in {"--version", "--help", "-V", "-h"}:
            return
        option = text[1] if not text.startswith("--") else text.split("=", 1)[0]
        if option in {"f", "E", "i", "l", "--file", "--exec", "--include", "--load"}:
            run.doubt(Reason.SCRIPT_FILE, f"{call.name} {text}")
            return
        if option in {"e", "--source"}:
            programs.append(
                literal(text[2:])
                if len(text) > 2 and not text.startswith("--")
                else (words[place : place + 1] or [literal("")])[0]
            )
        place += 1 if text in {"-F", "-v", "-e", "--source", "--assign", "--field-separator", "-W"} else 0
    if not programs:
        programs = words[place : place + 1]
    for program in programs:
        text = program.text
        if text is None or not awk_is_harmless(text):
            run.doubt(Reason.FOREIGN_CODE, f"{call.name} {program.shown}")


_SED_PLAIN = re.compile(
    r"\s*(?:(?:\d+|\$|/(?:\\.|\[[^\]]*\]|[^/\\\n])*/I?|\\(?P<q>[^\s\w])(?:\\.|(?!(?P=q)).)*(?P=q)I?)(?:~\d+)?(?:\s*,\s*(?:[+~]?\d+|\$|/(?:\\.|\[[^\]]*\]|[^/\\\n])*/I?))?\s*)?!?\s*"
    r"(?:(?P<sub>[sy])(?P<d>[^\s\w])(?:\\.|\[[^\]\n]*\]|(?!(?P=d)).)*(?P=d)(?:\\.|(?!(?P=d)).)*(?P=d)[gpiIm\d]*"
    r"|[pdDgGhHnNPxzlq=}F]\d*|[{]|[aic](?:\\\n|\\?\s*)[^\n]*|[btT:]\s*\w*)?\s*(?:;|\n|(?=\})|\Z)",
    re.DOTALL,
)


def sed_is_harmless(script: str) -> bool:
    """Whether a sed script surely runs nothing and writes no file: it is made of plain commands only."""
    place = 0
    for _ in range(200):
        if place >= len(script):
            return True
        match = _SED_PLAIN.match(script, place)
        opened = script[place:].lstrip()[:1]
        if match is None or match.end() == place:
            if opened in {"{", "}"}:
                place = script.index(opened, place) + 1
                continue
            return False
        place = match.end()
    return False


def _sed(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = call.arguments
    scripts: list[Word] = []
    operands: list[Word] = []
    place = 0
    while place < len(words):
        word = words[place]
        text = word.text
        place += 1
        if text is not None and (text in {"-e", "--expression"} or re.fullmatch(r"-[nrEsuz]*e", text)):
            scripts += words[place : place + 1]
            place += 1
        elif text is not None and re.match(r"(?:-[nrEsuz]*f|--file)", text):
            run.doubt(Reason.SCRIPT_FILE, f"sed {text}")
            return
        elif text is not None and text.startswith("--expression="):
            scripts.append(literal(text.partition("=")[2]))
        elif text is None or not text.startswith("-") or text == "-":
            operands.append(word)
    for script in scripts or operands[:1]:
        text = script.text
        if text is None and not script.many:
            _partly_known_sed(run, script)
        elif text is None or not sed_is_harmless(text):
            run.doubt(Reason.FOREIGN_CODE, f"sed {script.shown}")


def _partly_known_sed(run: Context, script: Word) -> None:
    run.doubt(Reason.FOREIGN_CODE, f"sed {script.shown}")


_EDITORS = frozenset({"vim", "vi", "nvim", "view", "ex", "gvim", "rvim", "vimdiff"})


def _vim(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = call.arguments
    for place, word in enumerate(words):
        text = word.text or word.shown
        value = words[place + 1] if place + 1 < len(words) else literal("")
        if text in {"-c", "--cmd"} or text.startswith("+"):
            command = value if text in {"-c", "--cmd"} else literal(text[1:])
            _ex(run, call, command)
        elif text in {"-S", "-s", "-u", "-U"} and value.text not in {"NONE", "NORC", "DEFAULTS"}:
            if text != "-s" or call.name != "ex":
                run.doubt(Reason.SCRIPT_FILE, f"{call.name} {text} {value.shown}")
    if call.name in {"ex"} and call.io.stdin.kind is not InputKind.NOTHING:
        _ex_input(run, call)


def _ex(run: Context, call: Call, command: Word) -> None:
    """Follow an editor's command: `:!cmd` is shell code, plain ones are harmless, others are not known."""
    text = command.text
    match = re.match(r"\s*:?\s*(?:silent!?\s+)?(?:%|\d+|\.|\$)?!\s*(.*)", text or "", re.DOTALL)
    if match:
        calls.code(run, call, literal(match[1]), state=child_state(call.state, "bash"), io=IO(NOTHING), what=call.name)
    elif text is None or not re.fullmatch(
        r"\s*:?(?:(?:w?q[a!]*|wq?!?|x|noh\w*|\d+|\$|set? [\w=! ]+|normal [\w]+|[%\d,.$]*s/[^|\n]*|[%\d,.$]*d|/[^|]*))?(?:\s*\|\s*(?:w?q[a!]*|x))?\s*",
        text,
    ):
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
            state = child_state(call.state, "bash")
            calls.code(run, call, literal(match[1]), state=state, io=IO(NOTHING), what=call.name)


def _ed(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    _ex_input(run, call)


def handler(name: str) -> Handler | None:
    """Return what follows the interpreter of this name, else None."""
    if name in {"awk", "gawk", "mawk", "nawk", "original-awk"}:
        return _awk
    if name in {"sed", "gsed"}:
        return _sed
    if name in _EDITORS:
        return _vim
    if name in {"ed", "red"}:
        return _ed
    return run_language if name in _LANGUAGES else None
