"""git: subcommands, options and settings that run commands."""

import re
from dataclasses import replace

from bastion.policy import calls
from bastion.policy.code_options import option_values
from bastion.policy.context import Call, Context, Handler
from bastion.policy.fields import merge
from bastion.policy.understanding import Reason, Word, literal

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
    "rebase": ("-x", "--exec"),
    "difftool": ("-x", "--extcmd"),
    "fetch": ("--upload-pack",),
    "clone": ("-u", "--upload-pack"),
    "pull": ("--upload-pack",),
    "push": ("--receive-pack", "--exec"),
    "ls-remote": ("--upload-pack", "--exec"),
    "grep": ("-O", "--open-files-in-pager"),
    "filter-branch": (
        *("--tree-filter", "--index-filter", "--msg-filter", "--env-filter", "--commit-filter", "--tag-name-filter"),
        *("--parent-filter", "--setup"),
    ),
    "archive": ("--exec",),
    "send-email": ("--smtp-server", "--to-cmd", "--cc-cmd", "--sendmail-cmd"),
}


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
    elif verb in {"submodule", "submodule--helper"} and "foreach" in texts:
        words = [
            word for word in rest[texts.index("foreach") + 1 :] if word.text not in {"--recursive", "-q", "--quiet"}
        ]
        if words:
            calls.code_words(run, call, words)
    elif verb == "config":
        names = [word for word in rest if not (word.text or "").startswith("-")]
        if len(names) > 1:
            _git_setting(run, call, Word(merge((*names[0].parts, "=", *names[1].parts)), names[1].many))
    inner = replace(call, argv=[literal(verb), *rest])
    for value in option_values(inner, _GIT_EXEC.get(verb, ())):
        if value.parts:
            calls.own_shell(run, call, value, what=f"git {verb}")
    if verb in {"clone", "fetch", "pull", "push", "ls-remote", "remote"}:
        for text in texts:
            if text.startswith("ext::"):
                calls.own_shell(run, call, literal(text[5:]), what="git ext::")


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
            calls.own_shell(run, call, code, what=f"git {name}")


def handler(name: str) -> Handler | None:
    """Return what follows git, else None."""
    return _git if name == "git" else None
