"""`find`: the commands it starts, and the paths it may give them: its start point, and what lies below.

Where there is one start point, a path that is found is as well known as that and a single `-name` say.
"""

import re
from dataclasses import replace
from fnmatch import fnmatchcase

from bastion.policy import calls, options
from bastion.policy.context import IO, Call, Context, Input, InputKind
from bastion.policy.fields import merge
from bastion.policy.state import unknown
from bastion.policy.understanding import Hole, Reason, Unknown, Word, literal

_STARTERS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_LOGIC = frozenset({"-o", "-or", "!", "-not", ",", "("})


def run_find(run: Context, call: Call) -> None:
    """Follow the commands that `find` starts for what it finds."""
    words = call.arguments
    place = 0
    while place < len(words):
        text = words[place].text
        if text in _STARTERS:
            end = _end(words, place + 1)
            state = call.state.copy()
            if text.endswith("dir"):
                state.cwd = ()
            for path in _paths(words, place) if not text.endswith("dir") else [None]:
                inner = [_with_path(word, path) for word in words[place + 1 : end]]
                if words[end : end + 1] and words[end].text == "+":
                    inner[-1] = replace(inner[-1], many=True)
                calls.start(run, call, inner, state=state.copy(), io=IO(call.io.stdin, call.io.stdout))
            place = end
        elif text is None and options.may_be_option(words[place]) and _may_start(words, place):
            run.doubt(Reason.WRAPPER, f"find with {words[place].shown}")
        place += 1
    call.io.stdout.write_unknown(call.index)


def _end(words: list[Word], place: int) -> int:
    """Return where the `;` or `+` stands that ends a command."""
    while place < len(words):
        text = words[place].text
        if text == ";" or (text == "+" and words[place - 1].text == "{}"):
            break
        place += 1
    return place


def _may_start(words: list[Word], place: int) -> bool:
    """Whether a word that is not known may be an `-exec`: not a single start point, unless a `;` follows."""
    word = words[place]
    return word.has_any and (word.many or place > 0 or any(other.text in {";", "+"} for other in words))


def printed(run: Context, stdin: Input) -> list[Word]:
    """Return the words that `find START -print0` may hand to `xargs -0`; none where they are not known."""
    if len(stdin.origins) != 1:
        return []
    argv = list(run.records[next(iter(stdin.origins))].command.argv)
    texts = [word.text for word in argv]
    if texts[0] != "find" or texts[-1] != "-print0" or None in texts:
        return []
    return [path for path in _paths(argv[1:], len(argv) - 2) if path is not None]


def _paths(words: list[Word], place: int) -> list[Word | None]:
    """Return what the paths found may be at this place of the expression; None for one that may be any."""
    starts = _start_points(words)
    if len(starts) != 1 or starts[0].many:
        return [None]
    start, tests = starts[0], [word.text for word in words[:place]]
    simple = not _LOGIC & set(tests)
    name = _name(tests) if simple else None
    below: list[Word | None] = [_below(start, "")]
    if name is not None and not re.search(r"[*?\[\\]", name):  # exactly this name, here or further down
        below = [Word(merge((*start.parts, f"/{name}"))), _below(start, f"/{name}")]
    elif name is not None and name[:1] == "*" and re.fullmatch(r"[\w.-]*", name[1:]):
        below = [_below(start, name[1:])]
    return below if _never_itself(start, tests, name) else [start, *below]


def _below(start: Word, ending: str) -> Word:
    return Word(merge((*start.parts, "/", Unknown(Hole.BELOW, "…"), ending)))


def _name(tests: list[str | None]) -> str | None:
    """Return the pattern that the name of everything found matches."""
    if tests.count("-name") != 1 or tests[-1] == "-name":
        return None
    return tests[tests.index("-name") + 1]


def _never_itself(start: Word, tests: list[str | None], name: str | None) -> bool:
    """Whether the start point itself is surely not found."""
    depth = tests[tests.index("-mindepth") + 1 :][:1] if "-mindepth" in tests else []
    if depth and depth[0] is not None and re.fullmatch(r"0*[1-9]\d*", depth[0]):
        return True
    text = start.text
    if text is None:
        return False
    if text in {".", "/", ".."} and not _LOGIC & set(tests) and "-type" in tests:
        kind = tests[tests.index("-type") + 1 :][:1]
        if kind and kind[0] is not None and "d" not in kind[0]:
            return True  # a directory
    base = text.rstrip("/").rsplit("/", 1)[-1] or "/"
    return name is not None and not fnmatchcase(base, name)


def _start_points(words: list[Word]) -> list[Word]:
    starts = []
    texts = [word.text for word in words]
    if "-files0-from" in texts:
        return [unknown("…")]
    leading = 0  # options on links and for debugging come first
    while leading < len(texts) and re.fullmatch(r"-[HLP]|-O\d+|-D", texts[leading] or ""):
        leading += 2 if texts[leading] == "-D" else 1
    for word in words[leading:]:
        if options.may_be_option(word) or word.text in {"(", "!", ")"}:
            break
        starts.append(word)
    return starts or [literal(".")]


def _with_path(word: Word, path: Word | None) -> Word:
    """Return a word of a command with `{}` replaced by a path, the whole word only where that is known."""
    if path is not None and word.text == "{}":
        return path
    return substituted(word, "{}", Input(InputKind.PIPE))


def substituted(word: Word, mark: str, stdin: Input) -> Word:
    """Return a word with the mark replaced by a line that is not known."""
    parts = []
    for part in word.parts:
        if isinstance(part, str) and mark in part:
            for place, piece in enumerate(part.split(mark)):
                parts.extend([unknown(mark, stdin.origins).parts[0]] if place else [])
                parts.append(piece)
        else:
            parts.append(part)
    return Word(merge(parts), word.many)
