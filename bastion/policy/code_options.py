"""Programs with options that hold shell code or load a file of code: a table, and following them.

It is the open end of this analysis: an option in no table that runs a command is not seen.
"""

import re

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
    "nano": ("-s", "--speller"),
    "pico": ("-s", "--speller"),
    "bat": ("--pager",),
    "batcat": ("--pager",),
    "rg": ("--pre", "--hostname-bin"),
    "ag": ("--pager",),
    "ack": ("--pager",),
    "rpm": ("--pipe",),
    "dpkg": ("--pre-invoke", "--post-invoke", "--status-logger"),
    "aria2c": (
        *("--on-download-complete", "--on-download-start", "--on-download-stop", "--on-download-error"),
        *("--on-download-pause", "--on-bt-download-complete"),
    ),
    "yt-dlp": ("--exec", "--exec-before-download", "--netrc-cmd"),
    "gpg": ("--photo-viewer", "--agent-program", "--dirmngr-program", "--keyboxd-program"),
    "iptables": ("--modprobe",),
    "ip6tables": ("--modprobe",),
    "iptables-restore": ("-M", "--modprobe"),
    "helm": ("--post-renderer",),
    "mail": ("--exec",),
    "mailx": ("--exec",),
    "go": ("-exec", "-toolexec", "-vettool"),
    "cpio": ("--rsh-command",),
    "sops": ("--command",),
}
_LIBRARIES = {
    "ssh-keygen": ("-D",),
    "ssh-add": ("-s",),
    "openssl": ("-engine", "-provider-path", "-provider"),
    "curl": ("-K", "--config"),
    **dict.fromkeys(("gcc", "g++", "cc", "c++", "clang"), ("-wrapper", "-fplugin", "-specs")),
    "tshark": ("-X",),
    "modprobe": ("-C", "--config"),
    "man": ("-C", "--config-file"),
    "mutt": ("-e", "-F"),
}
# Options whose value holds code only where it says so
_TELLING = {
    **dict.fromkeys(
        ("apt", "apt-get", "aptitude"),
        (("-o", "--option"), re.compile(r"(?i).*(?:invoke|::run\b|dir::bin|dpkg::path)")),
    ),
    **dict.fromkeys(("rpm", "rpmbuild"), (("-E", "--eval", "-D", "--define"), re.compile(r".*%(?:\(|\{lua|\{load)"))),
    "nmap": (("--script",), re.compile(r".*(?:/|\.nse)")),
    "wget": (("-e", "--execute"), re.compile(r"(?i).*askpass")),
    "cargo": (("--config",), re.compile(r".*(?:rustc|runner|linker|alias|/|\.toml)")),
    "systemd-run": (("-p", "--property"), re.compile(r"Exec|RootImage|BindPaths")),
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
    given, equals, value = head.partition("=")
    if given != name:
        return None
    return Word(merge((value, *word.parts[1:]))) if equals else Word()


def _with_options(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    tell(run, call)
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


def tell(run: Context, call: Call) -> None:
    """Note a doubt where an option's value is one of those that hold code."""
    names, pattern = _TELLING.get(call.name, ((), None))
    for value in option_values(call, names):
        if value.text is None or (pattern is not None and pattern.match(value.text)):
            run.doubt(Reason.WRAPPER, f"{call.name} with {value.shown}")


def _make(run: Context, call: Call) -> None:
    """`make`: code in its words. What a makefile says is not followed, unless it is a part of the text."""
    _with_options(run, call)
    for value in option_values(call, ("-E",)):
        calls.own_shell(run, call, value, reason=Reason.WRAPPER, what=call.name)
    for value in option_values(call, ("-f", "--file", "--makefile")):
        if value.shown in {"-", "/dev/stdin"} or value.shown.startswith(("<(", "/dev/fd/")):
            run.doubt(Reason.FOREIGN_CODE, f"{call.name} reads {value.shown}")
    for word in call.arguments:
        if word.shown.startswith(("SHELL=", "SHELL:=", ".SHELLFLAGS=")):
            run.doubt(Reason.REBINDING, f"{call.name} {word.shown}")


def handler(name: str) -> Handler | None:
    """Return what follows the program of this name, else None."""
    if name in {"make", "gmake"}:
        return _make
    return _with_options if name in _CODE_OPTIONS or name in _LIBRARIES or name in _TELLING else None
