"""Ordinary programs that hand known text on (`cat`, `tee`, `base64`), or run commands given in an option.

The second kind is a table: which options of which program hold shell code, a command's words, or a file of code. It
is the open end of this analysis: an option in no table that runs a command is not seen.
"""

import base64
import binascii
import re
from dataclasses import replace

from bastion.policy import calls
from bastion.policy.context import IO, NOTHING, Call, Context, Handler, InputKind
from bastion.policy.fields import merge
from bastion.policy.shells import child_state
from bastion.policy.state import unknown
from bastion.policy.understanding import Reason, Word, literal


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


# Options whose value is shell code; a trailing `=` marks those written attached or behind `=`
_CODE_OPTIONS = {
    "tar": ("-I", "--use-compress-program", "--to-command", "--info-script", "--new-volume-script", "-F", "--rsh-command", "--rmt-command"),
    "bsdtar": ("--use-compress-program",),
    "rsync": ("-e", "--rsh", "--rsync-path", "-M--rsync-path"),
    "man": ("-P", "--pager", "-H", "--html"),
    "scp": ("-S", "-D"),
    "sftp": ("-S", "-D"),
    "sshfs": ("ssh_command",),
    "tcpdump": ("-z",),
    "zip": ("-TT", "--unzip-command"),
    "git-grep": ("-O",),
    "split": ("--filter",),
    "sort": ("--compress-program",),
    "ncat": ("-e", "-c", "--exec", "--sh-exec", "--lua-exec"),
    "nc": ("-e", "-c"),
    "netcat": ("-e", "-c"),
    "expect": (),
    "crash": (),
    "entr": (),
    "ansible": ("-a", "--args"),
    "dpkg-query": (),
    "ssh-keygen": (),
    "make": ("--eval",),
    "gmake": ("--eval",),
    "fzf": ("--preview", "--bind"),
    "wget": ("--use-askpass",),
    "openvpn": ("--up", "--down"),
    "pidstat": ("-e",),
    "logsave": (),
    "at": (),
}  # fmt: skip
_LIBRARIES = {
    "ssh-keygen": ("-D",),
    "ssh-add": ("-s",),
    "openssl": ("-engine", "-provider-path"),
    "curl": ("-K", "--config"),
}


def _option_values(call: Call, names: tuple[str, ...]) -> list[Word]:
    """Return the values of options, attached (`-Ivalue`, `--name=value`, shortened) or in the next word."""
    found: list[Word] = []
    words = call.arguments
    for place, word in enumerate(words):
        head = word.parts[0] if word.parts else ""
        if not isinstance(head, str) or not head.startswith("-"):
            continue
        for name in names:
            value = _attached(word, head, name)
            if value is not None:
                found.append(value if value.parts else words[place + 1] if place + 1 < len(words) else literal(""))
    return found


def _attached(word: Word, head: str, name: str) -> Word | None:
    """Return what a word holds of an option's value: empty where it is the next word, None where it is another option."""
    if name.startswith("--"):
        given, equals, value = head.partition("=")
        if len(given) > 3 and name.startswith(given):
            return Word(merge((value, *word.parts[1:]))) if equals else Word()
        return None
    if len(name) == 2 and not head.startswith("--") and name[1] in head[1:]:
        rest = head[head.index(name[1], 1) + 1 :]
        return Word(merge((rest, *word.parts[1:])))
    return Word() if head == name else None


def _with_options(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    for value in _option_values(call, _CODE_OPTIONS.get(call.name, ())):
        state = child_state(call.state, "bash")
        calls.code(run, call, value, state=state, io=IO(NOTHING), reason=Reason.WRAPPER, what=call.name)
    for value in _option_values(call, _LIBRARIES.get(call.name, ())):
        run.doubt(Reason.FOREIGN_CODE, f"{call.name} loads {value.shown}")
    if call.name in {"tar", "bsdtar"}:
        for value in _option_values(call, ("--checkpoint-action",)):
            text = value.text
            if text is None or text.startswith("exec="):
                inner = Word(merge((value.shown.removeprefix("exec="),))) if text is not None else value
                calls.code(run, call, inner, state=child_state(call.state, "bash"), io=IO(NOTHING), what="tar")


def _code_words(run: Context, call: Call, words: list[Word]) -> None:
    """Follow words that a program joins and gives to a shell."""
    parts = [part for place, word in enumerate(words) for part in ((" ", *word.parts) if place else word.parts)]
    code = Word(merge(parts), any(word.many for word in words))
    calls.code(run, call, code, state=child_state(call.state, "bash"), io=IO(NOTHING), what=call.name)


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
        calls.code(run, call, stdin.text, state=child_state(call.state, "bash"), io=IO(NOTHING), what=call.name)
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
                _code_words(run, call, [literal(match[1])])
        return
    reason = Reason.INTERPRETER_STDIN if "-e" in words else Reason.SCRIPT_FILE
    run.doubt(reason, f"{call.name} takes jobs that are not known")


_TMUX_RUNS = frozenset(
    {"new-session", "new", "new-window", "neww", "split-window", "splitw", "respawn-pane", "respawnp", "respawn-window"}
    | {"respawnw", "run-shell", "run", "if-shell", "if", "pipe-pane", "pipep", "display-popup", "popup"}
)
_TMUX_VALUES = frozenset("ctxynesFLSfTEldwhbD")


def _tmux(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = list(call.arguments)
    while words and (words[0].text or "").startswith("-"):
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
        calls.code(run, call, code, state=child_state(call.state, "bash"), io=IO(NOTHING), what="tmux send-keys")
    elif verb in _TMUX_RUNS:
        operands = _operands(rest, "ctxynesFTEldwh")
        if operands:
            _code_words(run, call, operands)
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
            _code_words(run, call, typed)
        return
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
                r"-[jPnNaILSC]|--(?:jobs|max-procs|max-args|arg-file|colsep|sshlogin|joblog|results|delay|timeout|retries|workdir|halt|delimiter|env|tmpdir|load|memfree|nice)",
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
        _code_words(run, call, inner)
    else:
        calls.start(run, call, inner, io=IO(NOTHING, call.io.stdout))


def _filled(word: Word) -> Word:
    """Return a word with parallel's replacement strings as holes."""
    parts = []
    for part in word.parts:
        if isinstance(part, str):
            for piece in re.split(r"(\{[^{}\s]*\})", part):
                parts.append(unknown(piece).parts[0] if re.fullmatch(r"\{[^{}\s]*\}", piece) else piece)
        else:
            parts.append(part)
    return Word(merge(parts), word.many)


def _forwarded(run: Context, call: Call) -> None:
    """`entr`, `tini`-like programs: every word behind the options is a command."""
    call.io.stdout.write_unknown(call.index)
    rest = _operands(call.arguments, "")
    if rest:
        calls.start(run, call, rest, io=IO(replace(NOTHING), call.io.stdout))


_GIT_VALUES = frozenset(
    {"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env", "--super-prefix"}
)
_GIT_CODE = re.compile(
    r"(?:core\.(?:pager|editor|sshcommand|askpass|fsmonitor|gitproxy|hookspath|attributesfile)|sequence\.editor|pager\.\S+|alias\.\S+"
    r"|diff\.external|diff\.\S+\.(?:command|textconv)|merge\.\S+\.driver|filter\.\S+\.(?:clean|smudge|process)"
    r"|credential\.(?:\S+\.)?helper|gpg\.(?:\S+\.)?program|(?:diff|merge)tool\.\S+\.cmd|uploadpack\.packobjectshook|protocol\.ext\.allow"
    r"|trailer\.\S+\.(?:command|cmd)|include\.path|includeif\.\S+)\Z",
    re.IGNORECASE,
)
_GIT_EXEC = {
    "rebase": ("-x", "--exec"), "difftool": ("-x", "--extcmd"), "fetch": ("--upload-pack",), "clone": ("-u", "--upload-pack"),
    "pull": ("--upload-pack",), "push": ("--receive-pack", "--exec"), "ls-remote": ("--upload-pack", "--exec"), "grep": ("-O", "--open-files-in-pager"),
    "filter-branch": ("--tree-filter", "--index-filter", "--msg-filter", "--env-filter", "--commit-filter", "--tag-name-filter", "--parent-filter", "--setup"),
    "archive": ("--exec",), "send-email": ("--smtp-server", "--to-cmd", "--cc-cmd", "--sendmail-cmd"),
}  # fmt: skip


def _git(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = list(call.arguments)
    while words and (text := words[0].text or words[0].shown).startswith("-"):
        if text == "-c" and len(words) > 1:
            _git_setting(run, call, words[1])
        elif text.startswith(("--exec-path=", "--config-env=")) or text == "--config-env":
            run.doubt(Reason.REBINDING, f"git {text}")
        elif words[0].text is None:
            run.doubt(Reason.WRAPPER, f"git {text}")
        words = words[2:] if text in _GIT_VALUES else words[1:]
    if not words:
        return
    verb, rest = words[0].text, words[1:]
    if verb is None:
        run.doubt(Reason.WRAPPER, f"git {words[0].shown}")
        return
    _git_verb(run, call, verb, rest)


def _git_verb(run: Context, call: Call, verb: str, rest: list[Word]) -> None:
    texts = [word.text or "" for word in rest]
    if verb == "bisect" and texts[:1] == ["run"]:
        calls.start(run, call, rest[1:])
    elif verb == "submodule" and "foreach" in texts:
        words = [
            word for word in rest[texts.index("foreach") + 1 :] if word.text not in {"--recursive", "-q", "--quiet"}
        ]
        _code_words(run, call, words) if words else None
    elif verb == "config":
        names = [word for word in rest if not (word.text or "").startswith("-")]
        if len(names) > 1:
            _git_setting(run, call, Word(merge((*names[0].parts, "=", *names[1].parts)), names[1].many))
    inner = replace(call, argv=[literal(verb), *rest])
    for value in _option_values(inner, _GIT_EXEC.get(verb, ())):
        if value.parts:
            calls.code(run, call, value, state=child_state(call.state, "bash"), io=IO(NOTHING), what=f"git {verb}")
    if verb in {"clone", "fetch", "pull", "push", "ls-remote", "remote"}:
        for text in texts:
            if text.startswith("ext::"):
                calls.code(
                    run,
                    call,
                    literal(text[5:]),
                    state=child_state(call.state, "bash"),
                    io=IO(NOTHING),
                    what="git ext::",
                )


def _git_setting(run: Context, call: Call, word: Word) -> None:
    """Follow a setting that git runs as a command."""
    head = word.parts[0] if word.parts and isinstance(word.parts[0], str) else ""
    name, equals, value = head.partition("=")
    if not head or (not equals and word.text is None):
        run.doubt(Reason.WRAPPER, f"git -c {word.shown}")
    elif _GIT_CODE.match(name):
        code = Word(merge((value.removeprefix("!"), *word.parts[1:])))
        if name.lower().startswith("alias.") and not value.startswith("!"):
            return
        if name.lower() in {"core.hookspath", "core.attributesfile", "include.path"} or name.lower().startswith(
            "includeif"
        ):
            run.doubt(Reason.REBINDING, f"git {name}")
        elif code.parts and code.text not in {"true", "false", "never", "store", "cache"}:
            calls.code(run, call, code, state=child_state(call.state, "bash"), io=IO(NOTHING), what=f"git {name}")


_HANDLERS: dict[str, Handler] = {
    "cat": _cat, "tee": _tee, "base64": _base64, "which": _which, "at": _at, "batch": _later, "crontab": _crontab,
    "tmux": _tmux, "screen": _screen, "parallel": _parallel, "entr": _forwarded, "git": _git,
}  # fmt: skip


def handler(name: str) -> Handler | None:
    """Return what follows the program of this name, else None."""
    return _HANDLERS.get(name) or (_with_options if name in _CODE_OPTIONS or name in _LIBRARIES else None)
