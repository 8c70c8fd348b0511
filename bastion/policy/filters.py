"""Programs that hand text on, so that what is known going in is known coming out: `cat`, `tee`, `base64`, `which`."""

import base64
import binascii
import re

from bastion.policy.context import Call, Context, Handler, InputKind
from bastion.policy.fields import merge
from bastion.policy.understanding import Hole, Part, Unknown, Word, literal


def _cat(run: Context, call: Call) -> None:
    words = call.arguments
    stdin = call.io.stdin
    if all(word.text == "-" for word in words) and stdin.text is not None:
        call.io.stdout.write(stdin.text, call.index)
        return
    piped = [
        run.piped.get(word.parts[0]) for word in words if len(word.parts) == 1 and not isinstance(word.parts[0], str)
    ]
    if len(piped) == len(words) == 1 and piped[0] is not None and piped[0].text is not None:
        call.io.stdout.write(piped[0].text, call.index)
        return
    call.io.stdout.write_unknown(call.index)


def _tee(run: Context, call: Call) -> None:
    del run
    if call.io.stdin.text is not None:
        call.io.stdout.write(call.io.stdin.text, call.index)
    else:
        call.io.stdout.write_unknown(call.index)


def _base64(run: Context, call: Call) -> None:
    del run
    words = [word.text for word in call.arguments]
    given = call.io.stdin.text.text if call.io.stdin.text is not None else None
    decoded = None
    if given is not None and call.io.stdin.kind is InputKind.KNOWN and words in (["-d"], ["--decode"], ["-D"], ["-di"]):
        try:
            decoded = base64.b64decode(re.sub(r"\s", "", given), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            decoded = None
    if decoded is None:
        call.io.stdout.write_unknown(call.index)
    else:
        call.io.stdout.write(literal(decoded), call.index)


def _which(run: Context, call: Call) -> None:
    del run
    words = [word.text for word in call.arguments]
    if len(words) == 1 and words[0] is not None and not words[0].startswith("-"):
        call.io.stdout.write(literal(words[0] + "\n"), call.index)
    else:
        call.io.stdout.write_unknown(call.index)


_DATE = {
    **dict.fromkeys("YmdHMSsjNyCuwVUGgI", ("",)),  # one number
    "F": ("-", "-"),
    "T": (":", ":"),
    "R": (":",),
    "D": ("/", "/"),
}


def _date(run: Context, call: Call) -> None:
    """The time of now in a format: numbers and what stands between them. With any other option it is not known."""
    del run
    words = [word.text for word in call.arguments if word.text not in {"-u", "--utc"}]
    form = words[0] if len(words) == 1 and words[0] is not None and words[0].startswith("+") else ""
    parts: list[Part] = []
    for plain, letter in re.findall(r"([^%]+)|%(.?)", form[1:], re.DOTALL):
        if plain:
            parts.append(plain)
        elif letter in _DATE:
            for between in ("", *_DATE[letter]) if _DATE[letter] != ("",) else ("",):
                if between or not (parts and isinstance(parts[-1], Unknown)):  # digits behind digits are one number
                    parts += [between, Unknown(Hole.NUMBER, f"%{letter}", frozenset({call.index}))]
        else:
            form = ""
    if form:
        call.io.stdout.write(Word(merge((*parts, "\n"))), call.index)
    else:
        call.io.stdout.write_unknown(call.index)


_HANDLERS: dict[str, Handler] = {"date": _date, "cat": _cat, "tee": _tee, "base64": _base64, "which": _which}


def handler(name: str) -> Handler | None:
    """Return what follows the program of this name, else None."""
    return _HANDLERS.get(name)
