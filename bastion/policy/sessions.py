"""Programs that run commands later or elsewhere on this host: `at`, `crontab`, `tmux`, `screen`, `parallel`."""

import re

from bastion.policy import calls
from bastion.policy.context import IO, NOTHING, Call, Context, Handler, InputKind
from bastion.policy.fields import merge
from bastion.policy.state import unknown
from bastion.policy.understanding import Part, Reason, Word, literal


def _at(run: Context, call: Call) -> None:
    words = [word.text or "" for word in call.arguments]
    if any(re.fullmatch(r"-[lcrdV]+|-f.*", word) for word in words):
        if any(word.startswith("-f") for word in words):
            run.doubt(Reason.SCRIPT_FILE, f"{call.name} reads commands from a file")
        call.io.stdout.write_unknown(call.index)
        return
    _later(run, call)


def _later(run: Context, call: Call) -> None:
    """Follow commands given on the standard input to be run later."""
    stdin = call.io.stdin
    if stdin.kind is InputKind.CHANNEL:
        run.doubt(Reason.INTERPRETER_STDIN, f"{call.name} reads commands from the channel")
    elif stdin.kind is InputKind.FILE:
        run.doubt(Reason.SCRIPT_FILE, f"{call.name} reads commands from a file")
    elif stdin.text is not None:
        calls.own_shell(run, call, stdin.text, what=call.name)
    elif stdin.kind is InputKind.PIPE:
        run.doubt(run.code_reason(stdin.origins, Reason.EVAL), f"commands for {call.name}")


_CRON_LINE = re.compile(r"\s*(?:@\w+|(?:\S+\s+){4}\S+)\s+(.*)")


def _crontab(run: Context, call: Call) -> None:
    words = [word.text or "" for word in call.arguments]
    if any(re.fullmatch(r"-[lerixuV]+", word) for word in words) and "-e" not in words:
        call.io.stdout.write_unknown(call.index)
        return
    text = call.io.stdin.text.text if call.io.stdin.text is not None else None
    if "-" in words and text is not None and call.io.stdin.kind is InputKind.KNOWN:
        for line in text.splitlines():
            match = _CRON_LINE.match(line)
            if match and not line.lstrip().startswith("#"):
                calls.code_words(run, call, [literal(match[1])])
        return
    reason = Reason.INTERPRETER_STDIN if "-e" in words else Reason.SCRIPT_FILE
    run.doubt(reason, f"{call.name} takes jobs that are not known")


_TMUX_RUNS = frozenset(
    {"new-session", "new", "new-window", "neww", "split-window", "splitw", "respawn-pane", "respawnp", "respawn-window"}
    | {"respawnw", "run-shell", "run", "if-shell", "if", "pipe-pane", "pipep", "display-popup", "popup"}
)


def _tmux(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = list(call.arguments)
    for word in words:
        if "#(" in word.shown:
            run.doubt(Reason.WRAPPER, f"tmux {word.shown}")
    while words and (words[0].text or "").startswith("-"):
        if (words[0].text or "")[:2] == "-f":
            run.doubt(Reason.SCRIPT_FILE, f"tmux {words[0].shown}")
        words = words[2:] if (words[0].text or "")[-1] in "LSfTc" else words[1:]
    verb = words[0].text if words else None
    rest = words[1:]
    if not words or verb in {"attach", "attach-session", "a"}:
        run.doubt(Reason.INTERPRETER_STDIN, "tmux opens a session that is not read")
    elif verb in {"send-keys", "send"}:
        keys = _operands(rest, "tNX")
        names = {"Enter": "\n", "C-m": "\n", "C-j": "\n", "Space": " "}
        typed = [literal(names[word.text]) if word.text in names else word for word in keys]
        code = Word(merge(part for word in typed for part in word.parts), any(word.many for word in typed))
        calls.own_shell(run, call, code, what="tmux send-keys")
    elif verb in _TMUX_RUNS:
        operands = _operands(rest, "ctxynesFTEldwh")
        if operands:
            calls.code_words(run, call, operands)
    elif verb is None or verb in {"source-file", "source", "set-hook", "bind-key", "bind"}:
        run.doubt(Reason.WRAPPER, f"tmux {words[0].shown}")


def _operands(words: list[Word], valued: str) -> list[Word]:
    """Return the words behind options, whose letters in `valued` take a word."""
    rest = list(words)
    while rest and (text := rest[0].text or "").startswith("-") and len(text) > 1:
        rest = rest[1:]
        if text == "--":
            break
        if text[-1] in valued and not text.startswith("--") and rest:
            rest = rest[1:]
    return rest


def _screen(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = call.arguments
    texts = [word.text or "" for word in words]
    if "-X" in texts:
        rest = words[texts.index("-X") + 1 :]
        if rest and rest[0].text in {"stuff", "exec", "screen"}:
            typed = [literal(re.sub(r"\\n|\\r|\^M|\r", "\n", word.text)) if word.text else word for word in rest[1:]]
            calls.code_words(run, call, typed)
        elif rest and rest[0].text in {"eval", "source", "readbuf", "bind"}:
            run.doubt(Reason.WRAPPER, f"screen -X {rest[0].shown}")
        return
    if "-c" in texts:
        run.doubt(Reason.SCRIPT_FILE, f"screen {' '.join(texts)}")
    if any(re.fullmatch(r"-(?:ls|list|wipe|v|h)", text) for text in texts):
        return
    rest = _operands(words, "cehpsStT")
    if rest:
        calls.start(run, call, rest, io=IO(NOTHING, call.io.stdout))
    else:
        run.doubt(Reason.INTERPRETER_STDIN, "screen opens a session that is not read")


def _parallel(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = call.arguments
    place = 0
    while place < len(words) and (text := words[place].text or "").startswith("-") and text != "-":
        place += (
            2
            if re.fullmatch(
                r"-[jPnNaILSC]|--(?:id|st|semaphoretimeout|jobs|max-procs|max-args|arg-file|colsep|sshlogin|joblog|results|delay|timeout|retries|workdir|halt|delimiter|env|tmpdir|load|memfree|nice)",
                text,
            )
            else 1
        )
    if place >= len(words) or words[place].text is None or words[place].text in {":::", "::::"}:
        run.doubt(run.code_reason(call.io.stdin.origins, Reason.EVAL), "parallel runs commands from its input")
        return
    end = next((index for index, word in enumerate(words) if word.text in {":::", "::::", ":::+"}), len(words))
    inner = [_filled(word) for word in words[place:end]]
    if not any("{" in word.shown for word in words[place:end]):
        inner.append(unknown("{}"))
    if len(inner) == 1 or any(word.text is not None and re.search(r"[;|&$`()<> ]", word.text) for word in inner):
        calls.code_words(run, call, inner)
    else:
        calls.start(run, call, inner, io=IO(NOTHING, call.io.stdout))


def _filled(word: Word) -> Word:
    """Return a word with parallel's replacement strings as holes."""
    parts: list[Part] = []
    for part in word.parts:
        if isinstance(part, str):
            pieces = re.split(r"(\{[^{}\s]*\})", part)
            parts += [unknown(piece).parts[0] if place % 2 else piece for place, piece in enumerate(pieces)]
        else:
            parts.append(part)
    return Word(merge(parts), word.many)


def _forwarded(run: Context, call: Call) -> None:
    """`entr`, `tini`-like programs: every word behind the options is a command."""
    call.io.stdout.write_unknown(call.index)
    rest = _operands(call.arguments, "")
    if rest:
        calls.start(run, call, rest, io=IO(NOTHING, call.io.stdout))


_HANDLERS: dict[str, Handler] = {
    "at": _at,
    "batch": _later,
    "crontab": _crontab,
    "tmux": _tmux,
    "screen": _screen,
    "parallel": _parallel,
    "sem": _parallel,
    "byobu": _tmux,
    "firejail": _forwarded,
    "entr": _forwarded,
}


def handler(name: str) -> Handler | None:
    """Return what follows the program of this name, else None."""
    return _HANDLERS.get(name)
