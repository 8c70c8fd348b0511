"""awk and sed: read far enough to tell the plain programs, which only print, from those that run or write something."""

import re
from collections.abc import Callable, Sequence

from bastion.policy import options
from bastion.policy.context import Call, Context, Handler
from bastion.policy.understanding import Reason, Word

_CLASS = r"\[\^?(?:\[:[a-z]+:\]|[^\[\]\\/\n\"])+\]"
_AWK_TOKEN = re.compile(
    rf"""(?P<string>"(?:\\.|[^"\\\n])*")|(?P<comment>\#[^\n]*)"""
    rf"""|(?P<regex>(?:(?<=[~(,!&|{{}};\n])|\A)\s*/(?:\\.|{_CLASS}|[^/\[\\\n])+/)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<or>\|\|)|(?P<compare>>=)|(?P<bad>[|@"\\]|>>)|(?P<more>>)|(?P<slash>/)|(?P<other>.)""",
    re.DOTALL,
)
_AWK_BAD = frozenset({"system", "getline"})


def awk_is_harmless(program: str) -> bool:
    """Whether an awk program surely starts nothing and writes no file.

    A slash may divide or start a regular expression, and only awk's grammar tells which: where both could be and it
    would matter, the answer is no.
    """
    tokens = [(str(match.lastgroup), match[0]) for match in _AWK_TOKEN.finditer(program)]
    slashes = [text for kind, text in tokens if kind == "slash"]
    if slashes and (len(slashes) > 1 or any("/" in text for kind, text in tokens if kind in {"string", "comment"})):
        return False
    printing, depth = False, 0
    for kind, text in tokens:
        if kind == "bad" or (kind == "word" and text in _AWK_BAD) or (kind == "more" and printing and depth <= 0):
            return False
        if kind == "word" and text in {"print", "printf"}:
            printing, depth = True, 0
        elif text in {";", "}", "\n"}:
            printing = False
        depth += (text == "(") - (text == ")")
    return True


_AWK_OPTIONS = """
    bcCgIkMnNOPrsStv:F:f:E:i:l:e:W:hV assign= field-separator= file= exec= include= load= source= help version posix
    traditional characters-as-bytes non-decimal-data re-interval sandbox use-lc-numeric csv bignum optimize
"""


def _awk(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    read = options.read(_AWK_OPTIONS, call.arguments)
    if read.unsure is not None or read.has("W"):
        run.doubt(Reason.FOREIGN_CODE, f"{call.name} with {(read.unsure or call.arguments[0]).shown}")
        return
    for file in read.values("f", "file", "E", "exec", "i", "include", "l", "load"):
        run.doubt(Reason.SCRIPT_FILE, f"{call.name} runs {file.shown}")
    programs = read.values("e", "source")
    if not programs and not read.has("f", "file", "E", "exec", "h", "help", "V", "version"):
        programs = read.rest[:1]
    _check(run, call, programs, awk_is_harmless)


def _check(run: Context, call: Call, programs: Sequence[Word], is_harmless: Callable[[str], bool]) -> None:
    for program in programs:
        text = program.text
        if text is None or not is_harmless(text):
            run.doubt(Reason.FOREIGN_CODE, f"{call.name} {program.shown}")


# In a bracket only what reads the same everywhere: no slash, no backslash, no bracket but [:class:]
_BRACKET = r"\[\^?(?:\[:[a-z]+:\]|[\w\s.*^$(){}<>\"'&?,;=+@%~!-])+\]"
_ADDRESS = rf"(?:\d+(?:~\d+)?|\$|/(?:\\.|{_BRACKET}|[^/\[\\\n])*/I?)"
_SUBSTITUTION = (
    rf"[sy](?P<d>[/|#,@!:%])(?:\\.|(?!(?:(?!\]).)*(?P=d)(?:(?!\]).)*\]){_BRACKET}|(?!(?P=d))[^\[\\\n])*(?P=d)"
    r"(?:\\.|(?!(?P=d))[^\\\n])*(?P=d)[gpiIm\d]*"
)
_SED_PLAIN = re.compile(
    rf"\s*(?:{_ADDRESS}(?:\s*,\s*(?:[+~]\d+|{_ADDRESS}))?\s*)?!?\s*"
    rf"(?:\{{|(?:{_SUBSTITUTION}|[pdDgGhHnNPxzlq=}}F]\d*|[aic](?:\\\n|\\?\s*)[^\n]*|[btT:]\s*\w*)?"
    r"\s*(?:;|\n|(?=\})|\Z))",
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


_SED_OPTIONS = """
    nrEsuzi;e:f:l: quiet silent debug expression= file= follow-symlinks in-place=? line-length= null-data posix
    regexp-extended separate sandbox unbuffered help version zero-terminated
"""


def _sed(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    read = options.read(_SED_OPTIONS, call.arguments, permute=True)
    if read.unsure is not None:
        run.doubt(Reason.FOREIGN_CODE, f"{call.name} with {read.unsure.shown}")
        return
    for file in read.values("f", "file"):
        run.doubt(Reason.SCRIPT_FILE, f"{call.name} runs {file.shown}")
    scripts = read.values("e", "expression")
    if not scripts and not read.has("f", "file"):
        scripts = read.rest[:1]
    _check(run, call, scripts, sed_is_harmless)


_HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk", "original-awk"), _awk),
    **dict.fromkeys(("sed", "gsed"), _sed),
}


def handler(name: str) -> Handler | None:
    """Return what follows the program of this name, else None."""
    return _HANDLERS.get(name)
