"""Programs that start other programs in their own way: `env`, `find`, `xargs`, `ssh`, `su`, containers."""

import re
from dataclasses import replace

from bastion.policy import calls, finding, options, wrappers
from bastion.policy.context import IO, NOTHING, Call, Context, Handler
from bastion.policy.state import State, Variable, unknown
from bastion.policy.understanding import Reason, Word, literal

MAX_ITEMS = 16  # runs of xargs that are followed one by one

_ENV = """
    i0vu:C:S: ignore-environment null unset= chdir= split-string= debug block-signal=? default-signal=?
    ignore-signal=? list-signal-handling help version argv0= a:
"""
_XARGS = """
    0oprtxa:d:E:I:L:n:P:s:e;i;l; null open-tty interactive no-run-if-empty verbose exit arg-file= delimiter= eof=?
    max-lines=? max-args= max-procs= max-chars= replace=? process-slot-var= show-limits help version
"""
_SU = """
    flmpPTw:c:s:g:G: fast login preserve-environment pty command= session-command= shell= group= supp-group=
    whitelist-environment= no-pty help version
"""
_SSH = "46AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:P:p:Q:R:S:W:w:"


def _env(run: Context, call: Call) -> None:
    words = _dashed(call.arguments)
    state = call.state.copy()
    read = options.read(_ENV, words)
    if read.unsure is not None:
        _unsure(run, call, read.unsure)
        return
    split = read.values("S", "split-string")
    if split:
        text = split[0].text
        if text is None or "\\" in text or "$" in text:
            _unsure(run, call, split[0])
            return
        tree_words = [literal(part.strip("'\"")) for part in re.findall(r"'[^']*'|\"[^\"]*\"|[^\s'\"]+", text)]
        calls.start(run, call, [call.argv[0], *tree_words, *read.rest])
        return
    for value in read.values("C", "chdir"):
        state.cwd = (value,)
    if read.has("i", "ignore-environment"):
        state.variables = {name: Variable() for name in state.variables}
    _env_words(run, call, read.rest, state)


def _env_words(run: Context, call: Call, words: list[Word], state: State) -> None:
    rest = wrappers.take_assignments(run, words, state)
    if rest:
        calls.start(run, call, rest, state=state)
    else:
        call.io.stdout.write_unknown(call.index)


def _dashed(words: list[Word]) -> list[Word]:
    """Return words with a lone leading dash, an old spelling of -i, left out."""
    return words[1:] if words and words[0].text == "-" else words


def _unsure(run: Context, call: Call, word: Word) -> None:
    run.doubt(Reason.WRAPPER, f"{call.name} with {word.shown}")
    call.io.stdout.write_unknown(call.index)


def _xargs(run: Context, call: Call) -> None:
    read = options.read(_XARGS, call.arguments)
    if read.unsure is not None:
        _unsure(run, call, read.unsure)
        return
    words = read.rest or [literal("echo")]
    stdin = call.io.stdin
    marks = [value.text or "{}" for value in read.values("I", "i", "replace")]
    if read.has("I", "i", "replace"):
        words = [finding.substituted(word, marks[0] if marks else "{}", stdin) for word in words]
    elif stdin.text is not None and (text := stdin.text.text) is not None and len(text) < 4096 and "\\" not in text:
        if read.has("0", "null", "d", "delimiter") or "'" in text or '"' in text:
            words = [*words, Word(unknown("…", stdin.origins).parts, many=True)]
        else:
            _each_batch(run, call, words, text.split(), read)
            return
    else:
        printed = finding.printed(run, stdin) if read.has("0", "null") else []
        for word in printed or [unknown("…", stdin.origins)]:
            calls.start(run, call, [*words, replace(word, many=True)], io=IO(NOTHING, call.io.stdout))
        return
    calls.start(run, call, words, io=IO(NOTHING, call.io.stdout))


def _each_batch(run: Context, call: Call, words: list[Word], items: list[str], read: options.Options) -> None:
    """Start the command for known items, as many at a time as the options say."""
    counts = [value.text or "" for value in read.values("n", "max-args", "L", "max-lines")]
    size = int(counts[-1]) if counts and counts[-1].isdigit() else len(items)
    if read.has("L", "max-lines", "l", "P", "s") or size <= 0 or len(items) > MAX_ITEMS * size:
        calls.start(run, call, [*words, Word(unknown("…").parts, many=True)], io=IO(NOTHING, call.io.stdout))
        return
    for place in range(0, max(len(items), 1), size):
        batch = [literal(item) for item in items[place : place + size]]
        calls.start(run, call, [*words, *batch], io=IO(NOTHING, call.io.stdout))


def _su(run: Context, call: Call) -> None:
    words = _dashed(call.arguments)
    spec = _SU + " user=" if call.name == "runuser" else _SU
    read = options.read("u:" + spec.strip() if call.name == "runuser" else spec, words, permute=call.name == "su")
    if read.unsure is not None:
        _unsure(run, call, read.unsure)
        return
    code = read.values("c", "command", "session-command")
    rest = [word for word in read.rest if word.text != "-"]
    shell = (read.values("s", "shell") or [literal("sh")])[0]
    if call.name == "runuser" and read.has("u", "user"):
        calls.start(run, call, rest)
    elif code:
        calls.start(run, call, [shell, literal("-c"), code[-1]])
    elif len(rest) > 1:
        calls.start(run, call, [shell, *rest[1:]])
    else:
        calls.start(run, call, [shell])


def _ssh(run: Context, call: Call) -> None:
    # autossh has one more option, a port
    ports = call.name == "autossh" and bool(call.arguments) and call.arguments[0].text == "-M"
    words = call.arguments[2:] if ports else call.arguments
    read = options.read(_SSH, words)
    if read.unsure is not None:
        _unsure(run, call, read.unsure)
        return
    _ssh_options(run, call, read)
    rest = read.rest
    again = options.read(_SSH, rest[1:])  # options may stand behind the host as well
    if again.unsure is None and rest:
        _ssh_options(run, call, again)
        rest = [rest[0], *again.rest]
    if read.has("V", "G", "Q", "O", "N", "W", "s") or again.has("N", "G", "O", "s"):
        call.io.stdout.write_unknown(call.index)
    elif len(rest) > 1:
        code = calls.joined(rest[1:])
        remote = State()
        calls.code(run, call, code, state=remote, io=call.io, what="ssh")
    elif rest:
        from bastion.policy.shells import run_input  # noqa: PLC0415

        run_input(run, call, call.io.stdin, State())


def _ssh_options(run: Context, call: Call, read: options.Options) -> None:
    for value in read.values("I"):
        run.doubt(Reason.FOREIGN_CODE, f"ssh loads {value.shown}")
    for value in read.values("F"):
        if not re.match(r"(?:~/\.ssh|/etc/ssh)/[\w.-]+\Z|none\Z|/dev/null\Z", value.shown):
            run.doubt(Reason.SCRIPT_FILE, f"ssh -F {value.shown}")
    for value in read.values("o"):
        text = value.text
        match = re.match(
            r"\s*(proxycommand|localcommand|knownhostscommand|match\s+exec)\s*[= ]\s*(.*)", (text or "").lower()
        )
        if text is None or re.match(r"\s*(?:pkcs11provider|securitykeyprovider|include)\s*[= ]", text.lower()):
            run.doubt(Reason.WRAPPER, f"ssh -o {value.shown}")
        elif match and match[2] != "none":
            code = re.split(r"[= ]", text.strip(), maxsplit=1)[1].strip()
            calls.own_shell(run, call, literal(code), what="ssh -o")


_DOCKER_GLOBAL = """
    Dvc:H:l: config= context= debug host= log-level= tls tlscacert= tlscert= tlskey= tlsverify version help
"""
_DOCKER_RUN = """
    diPqtTa:c:e:h:l:m:p:u:v:w: add-host= annotation= attach= blkio-weight= blkio-weight-device= cap-add= cap-drop=
    cgroup-parent= cgroupns= cidfile= cpu-count= cpu-percent= cpu-period= cpu-quota= cpu-rt-period= cpu-rt-runtime=
    cpu-shares= cpus= cpuset-cpus= cpuset-mems= detach detach-keys= device= device-cgroup-rule= device-read-bps=
    device-read-iops= device-write-bps= device-write-iops= disable-content-trust=? dns= dns-opt= dns-option=
    dns-search= domainname= entrypoint= env= env-file= expose= gpus= group-add= health-cmd= health-interval=
    health-retries= health-start-period= health-timeout= hostname= init=? interactive ip= ip6= ipc= isolation=
    kernel-memory= label= label-file= link= link-local-ip= log-driver= log-opt= mac-address= memory=
    memory-reservation= memory-swap= memory-swappiness= mount= name= network= net= network-alias= no-healthcheck
    no-TTY T oom-kill-disable=? oom-score-adj= pid= pids-limit= platform= privileged=? publish= publish-all pull=
    quiet read-only=? restart= rm=? runtime= security-opt= shm-size= sig-proxy=? stop-signal= stop-timeout=
    storage-opt= sysctl= tmpfs= tty=? ulimit= user= userns= uts= volume= volume-driver= volumes-from= workdir=
    replace no-deps service-ports use-aliases build remove-orphans index= help userns= systemd= pod= tz=
"""
_COMPOSE_GLOBAL = """
    f:p: file= project-name= profile= env-file= project-directory= ansi= compatibility dry-run parallel= progress=
    all-resources verbose help version
"""
_CONTAINERS = frozenset({"docker", "podman", "nerdctl"})


def _docker(run: Context, call: Call) -> None:
    read = options.read(_DOCKER_GLOBAL, call.arguments)
    words = read.rest
    verb = words[0].text if words else None
    if read.unsure is not None or (words and verb is None):
        _unsure(run, call, read.unsure or words[0])
        return
    if verb == "container" and len(words) > 1:
        words, verb = words[1:], words[1].text
    if verb == "compose":
        compose = options.read(_COMPOSE_GLOBAL, words[1:])
        _container(run, call, compose.rest, compose.unsure)
    else:
        _container(run, call, words, None)


def _compose(run: Context, call: Call) -> None:
    compose = options.read(_COMPOSE_GLOBAL, call.arguments)
    _container(run, call, compose.rest, compose.unsure)


def _container(run: Context, call: Call, words: list[Word], unsure: Word | None) -> None:
    """Follow `exec` and `run` of a container program."""
    verb = words[0].text if words else None
    call.io.stdout.write_unknown(call.index)
    if unsure is not None or (words and verb is None):
        _unsure(run, call, unsure or words[0])
        return
    if verb == "unshare":
        calls.start(run, call, words[1:])
    if verb not in {"exec", "run", "create"}:
        return
    read = options.read(_DOCKER_RUN, words[1:])
    if read.unsure is not None:
        _unsure(run, call, read.unsure)
        return
    inner = read.rest[1:]
    if verb != "exec" and (entry := read.values("entrypoint")) and entry[-1].text != "":
        inner = [*_entry(call, entry[-1]), *inner]
    if not inner:
        return
    state = State(cwd=tuple(read.values("w", "workdir")[-1:]) or (unknown("?"),))
    stdin = call.io.stdin if read.has("i", "interactive") or "compose" in call.name else NOTHING
    calls.start(run, call, inner, state=state, io=IO(stdin, call.io.stdout))


def _entry(call: Call, word: Word) -> list[Word]:
    """Return the words of an entry point: compose splits it, `docker run` does not."""
    text = word.text
    composed = "compose" in call.name or any(word.text == "compose" for word in call.arguments)
    return [literal(part) for part in text.split()] if composed and text else [word]


_KUBECTL_GLOBAL = """
    n:s:v:l:f:o:h as= as-group= as-uid= cache-dir= certificate-authority= client-certificate= client-key= cluster=
    context= disable-compression insecure-skip-tls-verify=? kubeconfig= log-flush-frequency= match-server-version
    namespace= password= profile= profile-output= request-timeout= server= tls-server-name= token= user= username=
    v= vmodule= warnings-as-errors help
"""
_KUBECTL_EXEC = """
    itqn:c:f:s:v: container= filename= stdin=? tty=? quiet pod-running-timeout= namespace= context= kubeconfig=
    cluster= user= request-timeout= token= server= as= as-group= insecure-skip-tls-verify=?
"""


def _kubectl(run: Context, call: Call) -> None:
    read = options.read(_KUBECTL_GLOBAL, call.arguments)
    words = read.rest
    call.io.stdout.write_unknown(call.index)
    if read.unsure is not None or (words and words[0].text is None):
        _unsure(run, call, read.unsure or words[0])
        return
    if words and (words[0].text == "attach" or (words[0].text == "debug" and "--" not in [w.text for w in words])):
        run.doubt(Reason.INTERPRETER_STDIN, f"{call.name} {words[0].text} may open a shell")
    if not words or words[0].text not in {"exec", "run", "debug", "create", "rsh"}:
        return
    dashes = next((place for place, word in enumerate(words) if word.text == "--"), None)
    before = words[1:dashes]
    if dashes is not None:
        inner = words[dashes + 1 :]
    elif words[0].text in {"exec", "rsh"}:
        read = options.read(_KUBECTL_EXEC, before)
        if read.unsure is not None:
            _unsure(run, call, read.unsure)
        inner = read.rest[1:]
    else:
        inner = []
    if inner:
        interactive = any(re.match(r"-\w*i|--stdin", word.text or "") for word in before)
        stdin = call.io.stdin if interactive else NOTHING
        calls.start(run, call, inner, state=State(cwd=(unknown("?"),)), io=IO(stdin, call.io.stdout))


_HANDLERS: dict[str, Handler] = {
    "env": _env, "xargs": _xargs, "find": finding.run_find, "su": _su, "runuser": _su, "ssh": _ssh, "slogin": _ssh,
    "autossh": _ssh,
    "docker": _docker, "podman": _docker, "nerdctl": _docker, "docker-compose": _compose, "podman-compose": _compose,
    "kubectl": _kubectl, "oc": _kubectl, "k": _kubectl, "microk8s.kubectl": _kubectl,
}  # fmt: skip


def handler(name: str) -> Handler | None:
    """Return what follows the program of this name, else None."""
    return _HANDLERS.get(name)
