"""Programs with options that hold shell code or load a file of code: a table, and following them.

It is the open end of this analysis: an option in no table that runs a command is not seen.
"""

from bastion.policy import calls
from bastion.policy.context import Call, Context, Handler
from bastion.policy.fields import merge
from bastion.policy.understanding import Reason, Word, literal

# Options whose value is shell code; a trailing `=` marks those written attached or behind `=`
_CODE_OPTIONS: dict[str, tuple[str, ...]] = {
    "tar": (
        *("-I", "--use-compress-program", "--to-command", "-F", "--info-script", "--new-volume-script"),
        *("--rsh-command", "--rmt-command"),
    ),
    "bsdtar": ("--use-compress-program",),
    "rsync": ("-e", "--rsh", "--rsync-path"),
    "man": ("-P", "--pager", "-H", "--html"),
    "tcpdump": ("-z",),
    "zip": ("-TT", "--unzip-command"),
    "split": ("--filter",),
    "sort": ("--compress-program",),
    "ncat": ("-e", "-c", "--exec", "--sh-exec", "--lua-exec"),
    "nc": ("-e", "-c"),
    "netcat": ("-e", "-c"),
    "ansible": ("-a", "--args"),
    "make": ("--eval",),
    "gmake": ("--eval",),
    "fzf": ("--preview",),
    "wget": ("--use-askpass",),
    "openvpn": ("--up", "--down"),
    "pidstat": ("-e",),
}
_LIBRARIES = {
    "ssh-keygen": ("-D",),
    "ssh-add": ("-s",),
    "openssl": ("-engine", "-provider-path"),
    "curl": ("-K", "--config"),
}


def option_values(call: Call, names: tuple[str, ...]) -> list[Word]:
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
    """Return an option's value from its word: empty where it is the next word, None for another option."""
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
    for value in option_values(call, _CODE_OPTIONS.get(call.name, ())):
        calls.own_shell(run, call, value, reason=Reason.WRAPPER, what=call.name)
    for value in option_values(call, _LIBRARIES.get(call.name, ())):
        run.doubt(Reason.FOREIGN_CODE, f"{call.name} loads {value.shown}")
    if call.name in {"tar", "bsdtar"}:
        for value in option_values(call, ("--checkpoint-action",)):
            text = value.text
            if text is None or text.startswith("exec="):
                inner = Word(merge((value.shown.removeprefix("exec="),))) if text is not None else value
                calls.own_shell(run, call, inner, what="tar")


def handler(name: str) -> Handler | None:
    """Return what follows the program of this name, else None."""
    return _with_options if name in _CODE_OPTIONS or name in _LIBRARIES else None
