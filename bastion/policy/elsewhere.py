"""Programs that run commands elsewhere in ways of their own: network namespaces, `lxc`, `crictl`, `socat`, `gcloud`.

Where a program of this kind is used in a form that is not known here, that is a doubt.
"""

import re

from bastion.policy import calls, code_options
from bastion.policy.context import IO, NOTHING, Call, Context, Handler, InputKind
from bastion.policy.fields import merge
from bastion.policy.understanding import Reason, Word, literal


def _ip(run: Context, call: Call) -> None:
    """`ip netns exec NAME CMD` and `ip vrf exec NAME CMD`; every other form runs nothing."""
    call.io.stdout.write_unknown(call.index)
    if any(re.fullmatch(r"-b(?:a(?:t(?:c(?:h)?)?)?)?", word.text or "") for word in call.arguments):
        run.doubt(Reason.SCRIPT_FILE, f"{call.name} -batch")
    words = [word for word in call.arguments if not (word.text or "").startswith("-")]
    if len(words) > 1 and words[0].text is not None and "netns".startswith(words[0].text) | (words[0].text == "vrf"):
        if (words[1].text or "exec") == "exec":
            calls.start(run, call, call.arguments[call.arguments.index(words[1]) + 2 :])
    elif any(word.has_any for word in words[:2]):
        run.doubt(Reason.WRAPPER, f"{call.name} {words[0].shown}")


def _behind_dashes(run: Context, call: Call) -> None:
    """`lxc exec NAME -- CMD`, `incus exec`: the command stands behind `--`."""
    call.io.stdout.write_unknown(call.index)
    texts = [word.text for word in call.arguments]
    if "exec" in texts or "shell" in texts:
        if "--" in texts:
            calls.start(run, call, call.arguments[texts.index("--") + 1 :])
        else:
            run.doubt(Reason.WRAPPER, f"{call.name} without --")


_CRI_VALUES = frozenset({"-r", "--runtime-endpoint", "-i", "--image-endpoint", "-t", "--timeout", "-c", "--config"})


def _crictl(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = list(call.arguments)
    while words and (words[0].text or "").startswith("-"):
        words = words[2:] if words[0].text in _CRI_VALUES else words[1:]
    if words and words[0].text == "exec":
        words = words[1:]
        while words and (words[0].text or "").startswith("-"):
            words = words[2:] if words[0].text in {"--timeout", "-r"} else words[1:]
        calls.start(run, call, words[1:])


def _doubtful(run: Context, call: Call) -> None:
    """Programs that open a shell or run a command in a form that is not followed."""
    call.io.stdout.write_unknown(call.index)
    texts = [word.text or "?" for word in call.arguments]
    if {"shell", "run", "exec", "attach", "login", "?"} & set(texts):
        run.doubt(Reason.WRAPPER, f"{call.name} {' '.join(texts[:2])}")


_SOCAT = re.compile(r"(?:exec|system|shell):(.*)", re.IGNORECASE | re.DOTALL)


def _socat(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    for word in call.arguments:
        matches = [_SOCAT.match(address) for address in (word.text or "").split("!!")]  # two addresses, one each way
        for match in filter(None, matches):
            # options of the address stand behind commas
            calls.own_shell(run, call, literal(re.sub(r"\\(.)", r"\1", match[1].split(",", 1)[0])), what="socat")
        if word.text is None:
            run.doubt(Reason.WRAPPER, f"socat {word.shown}")


def _gcloud(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    texts = [word.text or "" for word in call.arguments]
    if "ssh" not in texts:
        return
    values = [
        Word(merge((str(word.parts[0]).partition("=")[2], *word.parts[1:])))
        for word in call.arguments
        if word.parts and isinstance(word.parts[0], str) and word.parts[0].startswith("--command=")
    ]
    values += call.arguments[texts.index("--command") + 1 :][:1] if "--command" in texts else []
    for value in values:
        calls.own_shell(run, call, value, what="gcloud ssh")
    if "--" in texts:
        calls.code_words(run, call, call.arguments[texts.index("--") + 1 :])
    elif not values:
        run.doubt(Reason.INTERPRETER_STDIN, "gcloud ssh opens a shell")


def _secure_copy(run: Context, call: Call) -> None:
    """`scp` and `sftp`: options of ssh that run commands."""
    call.io.stdout.write_unknown(call.index)
    words = call.arguments
    for place, word in enumerate(words):
        text = word.text or word.shown
        value = words[place + 1] if place + 1 < len(words) else literal("")
        if re.fullmatch(r"-\w*[SD]", text):
            calls.own_shell(run, call, value, what=call.name)
        option = value.shown if text == "-o" else text[2:] if text.startswith("-o") else ""
        if re.match(r"\s*(?:proxycommand|localcommand|knownhostscommand)\s*[= ]", option, re.IGNORECASE):
            calls.own_shell(run, call, literal(re.split(r"[= ]", option.strip(), maxsplit=1)[1]), what=call.name)
        elif text == "-b" and call.name == "sftp":
            run.doubt(Reason.SCRIPT_FILE, f"{call.name} -b {value.shown}")


def _pager(run: Context, call: Call) -> None:
    """`less +!cmd`: a command of the pager given as a word."""
    call.io.stdout.write_unknown(call.index)
    for word in call.arguments:
        text = word.text or word.shown
        if text.startswith("+") and "!" in text:
            calls.own_shell(run, call, literal(text.split("!", 1)[1]), what=call.name)
        elif text.startswith("+|"):
            calls.own_shell(run, call, literal(text[3:]), what=call.name)  # behind the name of a mark
        elif re.match(r"-k|--lesskey", text):
            run.doubt(Reason.FOREIGN_CODE, f"{call.name} {text}")


def _debugger(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = [word.text or word.shown for word in call.arguments]
    if words in (["--version"], ["--help"], ["-v"]):
        return
    reason = Reason.FOREIGN_CODE if {"-ex", "--ex", "-x", "--batch", "-batch", "--eval"} & set(words) else None
    run.doubt(reason or Reason.INTERPRETER_STDIN, f"{call.name} {' '.join(words)}")
    if "--args" in words:
        calls.start(run, call, call.arguments[words.index("--args") + 1 :], io=IO(NOTHING, call.io.stdout))


def _vagrant(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    codes = code_options.option_values(call, ("-c", "--command"))
    if "ssh" not in [word.text for word in call.arguments]:
        _doubtful(run, call)
    for code in codes:
        calls.own_shell(run, call, code, what="vagrant ssh")
    if not codes and "ssh" in [word.text for word in call.arguments]:
        run.doubt(Reason.INTERPRETER_STDIN, "vagrant ssh opens a shell")


# What runs commands on other machines in forms of its own, by the words that say so; "" is any
_REMOTE = {
    **dict.fromkeys(("salt", "salt-call", "salt-ssh", "knife", "mco", "fab", "plink", "dbclient"), frozenset({""})),
    "aws": frozenset({"send-command", "start-session", "execute-command", "start-automation-execution"}),
    "az": frozenset({"run-command", "invoke-action"}),
    **dict.fromkeys(("vboxmanage", "VBoxManage"), frozenset({"guestcontrol"})),
    "virsh": frozenset({"qemu-agent-command", "console", "lxc-enter-namespace"}),
    "puppet": frozenset({"-e", "--execute"}),
    "systemctl": frozenset({"set-environment", "import-environment"}),
    "login": frozenset({""}),
}


def _remote(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    texts = [word.text or "?" for word in call.arguments]
    said = _REMOTE[call.name]
    if "" in said or said & set(texts):
        run.doubt(Reason.WRAPPER, f"{call.name} {' '.join(texts[:3])}")


def _cmake(run: Context, call: Call) -> None:
    """`cmake -E env CMD`, `cmake -E time CMD`, `cmake -P SCRIPT`."""
    call.io.stdout.write_unknown(call.index)
    texts = [word.text or word.shown for word in call.arguments]
    if texts[:1] == ["-P"]:
        run.doubt(Reason.SCRIPT_FILE, f"cmake {' '.join(texts)}")
    elif texts[:2] == ["-E", "env"]:
        calls.start(run, call, [literal("env"), *call.arguments[2:]])
    elif texts[:2] == ["-E", "time"]:
        calls.start(run, call, call.arguments[2:])


def _client(run: Context, call: Call) -> None:
    """`ftp`, `telnet`, `lftp`, `smbclient`: their own commands, among them `!CMD`, as words or on the input."""
    call.io.stdout.write_unknown(call.index)
    given = code_options.option_values(call, ("-c", "-e") if call.name in {"lftp", "smbclient"} else ())
    for value in given:
        for part in re.split(r"[;\n]", value.text or value.shown):
            if match := re.match(r"\s*(?:!|shell\s)(.*)", part):
                calls.own_shell(run, call, literal(match[1].strip()), what=call.name)
    stdin = call.io.stdin
    if stdin.kind is InputKind.CHANNEL and not (given and call.name == "smbclient"):
        run.doubt(Reason.INTERPRETER_STDIN, f"{call.name} reads commands from the channel")
    elif stdin.text is not None and stdin.text.text is not None:
        for line in stdin.text.text.splitlines():
            if line.lstrip().startswith("!"):
                calls.own_shell(run, call, literal(line.lstrip()[1:]), what=call.name)
    elif stdin.kind is InputKind.PIPE:
        run.doubt(run.code_reason(stdin.origins, Reason.EVAL), f"commands for {call.name}")


_HANDLERS: dict[str, Handler] = {
    "ip": _ip,
    **dict.fromkeys(("lxc", "incus"), _behind_dashes),
    "crictl": _crictl,
    **dict.fromkeys(("machinectl", "multipass"), _doubtful),
    "vagrant": _vagrant,
    **dict.fromkeys(_REMOTE, _remote),
    "cmake": _cmake,
    **dict.fromkeys(("ftp", "telnet", "lftp", "smbclient", "ncftp"), _client),
    "socat": _socat,
    "gcloud": _gcloud,
    **dict.fromkeys(("scp", "sftp"), _secure_copy),
    **dict.fromkeys(("less", "more", "most", "pg"), _pager),
    **dict.fromkeys(("gdb", "lldb", "emacs", "dlv"), _debugger),
}


def handler(name: str) -> Handler | None:
    """Return what follows the program of this name, else None."""
    return _HANDLERS.get(name)
