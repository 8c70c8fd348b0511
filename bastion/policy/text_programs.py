"""awk and sed: read far enough to tell the plain programs, which only print, from those that run or write something."""

import re

from bastion.policy.context import Call, Context, Handler
from bastion.policy.understanding import Reason, Word, literal

_AWK_TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*")|(?P<comment>\#[^\n]*)|(?P<regex>(?<=[~(,!&|{};\n])\s*/(?:\\.|\[[^\]]*\]|[^/\\\n])+/|\A\s*/(?:\\.|[^/\\\n])+/)"""
    r"""|(?P<word>[A-Za-z_@]\w*)|(?P<or>\|\|)|(?P<bad>[|])|(?P<append>>>)|(?P<compare>>=)|(?P<more>>)|(?P<other>.)""",
    re.DOTALL,
)


_AWK_BAD = frozenset({"system", "getline"})


def awk_is_harmless(program: str) -> bool:
    """Whether an awk program surely starts nothing and writes no file."""
    printing = depth = 0
    for match in _AWK_TOKEN.finditer(program):
        kind, text = match.lastgroup, match[0]
        if kind in {"bad", "append"} or (kind == "word" and text in _AWK_BAD) or text.startswith("@"):
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


_SED_ADDRESS = r"(?:\d+|\$|/(?:\\.|\[[^\]]*\]|[^/\\\n])*/I?|\\(?P<%s>[^\s\w])(?:\\.|(?!(?P=%s)).)*(?P=%s)I?)(?:~\d+)?"
_SED_PLAIN = re.compile(
    rf"\s*(?:{_SED_ADDRESS % (('q',) * 3)}(?:\s*,\s*(?:[+~]?\d+|{_SED_ADDRESS % (('r',) * 3)}))?\s*)?!?\s*"
    r"(?:\{|(?:(?P<sub>[sy])(?P<d>[^\s\w])(?:\\.|\[[^\]\n]*\]|(?!(?P=d)).)*(?P=d)(?:\\.|(?!(?P=d)).)*(?P=d)[gpiIm\d]*"
    r"|[pdDgGhHnNPxzlq=}F]\d*|[aic](?:\\\n|\\?\s*)[^\n]*|[btT:]\s*\w*)?\s*(?:;|\n|(?=\})|\Z))",
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
        if text is None or not sed_is_harmless(text):
            run.doubt(Reason.FOREIGN_CODE, f"sed {script.shown}")


_HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk", "original-awk"), _awk),
    **dict.fromkeys(("sed", "gsed"), _sed),
}


def handler(name: str) -> Handler | None:
    """Return what follows the program of this name, else None."""
    return _HANDLERS.get(name)
