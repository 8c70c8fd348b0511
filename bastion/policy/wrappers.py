"""Programs that run another program given as words: `sudo`, `env`, `timeout`, `nohup` and their like.

One line a program in `_TABLE`: its options (see `options`), how many operands stand before the command, whether
`NAME=value` words may stand there, and options whose value is shell code. An option that is not in the table is a
doubt, because a wrong guess of which word is the command would hide it.
"""

import re
from dataclasses import dataclass

from bastion.policy import assignments, calls, options
from bastion.policy.context import IO, Call, Context, Handler, Input, InputKind
from bastion.policy.fields import merge
from bastion.policy.state import State, Variable
from bastion.policy.understanding import Reason, Word, literal

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Wrapper:
    """How a program takes the command it runs."""

    options: str
    operands: int = 0
    assigns: bool = False
    shell: bool = False  # joins the words and gives them to a shell
    quiet: frozenset[str] = frozenset()  # options with which nothing is run
    code: frozenset[str] = frozenset()  # options whose value is shell code
    stdin: bool = True  # hands its standard input on
    directory: frozenset[str] = frozenset()  # options that set the working directory


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TABLE = {
    "sudo": Wrapper(
        "ABbEHKklNnPSsVvieg:h:p:U:u:C:c:r:t:T:D:R: askpass background bell preserve-env=? edit set-home help remove-timestamp"
        " reset-timestamp list no-update non-interactive preserve-groups stdin shell version validate login group= host="
        " prompt= other-user= user= close-from= role= type= command-timeout= chdir= chroot=",
        assigns=True, quiet=_names("K k l V v e list version validate edit remove-timestamp help"),
        directory=_names("D chdir"),
    ),
    "doas": Wrapper("Lnsa:C:u:", quiet=_names("L C")),
    "pkexec": Wrapper(" version help disable-internal-agent keep-cwd user="),
    "nohup": Wrapper(" help version"),
    "nice": Wrapper("n:0123456789 adjustment= help version"),
    "ionice": Wrapper("tc:n:p:P:u: ignore class= classdata= pid= pgid= uid= help version", quiet=_names("p pid")),
    "chrt": Wrapper("abdfimoprvT:P:D:R all-tasks batch deadline fifo idle max other pid rr reset-on-fork verbose sched-runtime= sched-period= sched-deadline=", operands=1, quiet=_names("p m pid max")),
    "taskset": Wrapper("apc all-tasks pid cpu-list help version", operands=1, quiet=_names("p pid")),
    "timeout": Wrapper("fpvk:s: foreground preserve-status verbose kill-after= signal= help version", operands=1),
    "setsid": Wrapper("cfw ctty fork wait help version"),
    "stdbuf": Wrapper("i:o:e: input= output= error= help version"),
    "time": Wrapper("apvqVf:o: append portability verbose quiet format= output= help version"),
    "chroot": Wrapper(" groups= userspec= skip-chdir help version", operands=1),
    "unshare": Wrapper("imnpuUCTfrcR:w:S:G: mount=? uts=? ipc=? net=? pid=? user=? cgroup=? time=? fork map-root-user map-current-user map-auto mount-proc=? kill-child=? keep-caps propagation= setgroups= root= wd= setuid= setgid= map-user= map-group= help version"),
    "nsenter": Wrapper("amuinpCUTFrwWcZt:S:G: all target= mount=? uts=? ipc=? net=? pid=? cgroup=? user=? time=? setuid= setgid= preserve-credentials root=? wd=? wdns= no-fork follow-context join-cgroup keep-caps env user-parent help version"),
    "capsh": Wrapper("", quiet=_names("")),
    "setpriv": Wrapper(" ambient-caps= inh-caps= bounding-set= securebits= ruid= euid= rgid= egid= reuid= regid= clear-groups keep-groups init-groups groups= no-new-privs nnp selinux-label= apparmor-profile= pdeathsig= reset-env dump list-caps help version", quiet=_names("dump list-caps d")),
    "prlimit": Wrapper("o:p: pid= output= noheadings raw verbose core=? data=? nice=? fsize=? sigpending=? memlock=? rss=? nofile=? msgqueue=? rtprio=? stack=? cpu=? nproc=? as=? locks=? rttime=? help version", quiet=_names("p pid")),
    "flock": Wrapper("eFnosuxc:E:w: exclusive no-fork nonblock nb close shared unlock verbose timeout= wait= conflict-exit-code= command= help version", operands=1, code=_names("c command")),
    "strace": Wrapper("CcdfFhikqrtTvVwxyYzZDnNa:b:e:E:I:o:O:p:P:s:S:u:U:X: follow-forks summary-only summary output= attach= trace= help version", quiet=_names("p attach")),
    "ltrace": Wrapper("bcCfhilLrStTVa:A:D:e:F:n:o:p:s:u:w:x:", quiet=_names("p")),
    "catchsegv": Wrapper(""),
    "valgrind": Wrapper("qv quiet verbose tool= leak-check= error-exitcode= log-file= track-origins= show-leak-kinds= suppressions= num-callers="),
    "watch": Wrapper("bcdetgpxwn:q: beep color differences=? errexit no-title chgexit precise exec no-rerun no-wrap no-linewrap interval= equexit= help version", shell=True, stdin=False),
    "script": Wrapper("aefqc:o:O:I:B:T:m:E:t append return flush quiet force command= echo= log-in= log-out= log-io= log-timing= output-limit= logging-format= timing=? help version", code=_names("c command"), operands=99),
    "unbuffer": Wrapper("p"),
    "xvfb-run": Wrapper("aceflns:p:w:n: auto-servernum error-file= auth-file= listen-tcp server-num= xauth-protocol= server-args= wait= help"),
    "dbus-run-session": Wrapper(" config-file= dbus-daemon= help version"),
    "dbus-launch": Wrapper(" exit-with-session sh-syntax csh-syntax"),
    "fakeroot": Wrapper("hvi:s:b:l:u unknown-is-real lib= faked= help version"),
    "proot": Wrapper("0r:b:w:q:v:"),
    "faketime": Wrapper("mfp:", operands=1),
    "cgexec": Wrapper("g: sticky"),
    "numactl": Wrapper("alsHi:N:m:C:p:", quiet=_names("s H")),
    "runuser": Wrapper("", operands=0),
    "setarch": Wrapper("vRBFILSTXZ34 verbose addr-no-randomize 3gb 4gb 32bit", operands=0),
    "linux32": Wrapper("R"),
    "linux64": Wrapper("R"),
    "choom": Wrapper("p:n: pid= adjust=", quiet=_names("p pid")),
    "systemd-inhibit": Wrapper(" what= who= why= mode= list no-pager no-legend help version", quiet=_names("list")),
    "systemd-cat": Wrapper("t:p:h identifier= priority= stderr-priority= level-prefix= namespace= help version"),
    "systemd-run": Wrapper("GPqtdSrHM:u:p:E:C: scope user system uid= gid= nice= unit= property= description= slice= slice-inherit expand-environment= no-block remain-after-exit wait collect pty pipe quiet shell on-active= on-boot= on-startup= on-unit-active= on-unit-inactive= on-calendar= on-clock-change on-timezone-change path-property= socket-property= timer-property= service-type= send-sighup setenv= working-directory= same-dir machine= host= no-ask-password json= ignore-failure background= help version"),
    "firejail": Wrapper(""),
    "bwrap": Wrapper(""),
    "exec": Wrapper(""),
    "chpst": Wrapper("vP012u:U:b:e:/:n:l:L:m:d:o:p:f:c:r:t:"),
    "softlimit": Wrapper("a:c:d:f:l:m:o:p:r:s:t:"),
    "setuidgid": Wrapper("", operands=1),
    "gosu": Wrapper("", operands=1),
    "su-exec": Wrapper("", operands=1),
    "tini": Wrapper("vgshp:e: version"),
    "dumb-init": Wrapper("crvh single-child rewrite= verbose help version"),
    "caffeinate": Wrapper("disumt:w:"),
    "sg": Wrapper("", operands=1),
    "torsocks": Wrapper("iqdu:p:a:P:"),
    "torify": Wrapper(""),
    "proxychains": Wrapper("qf:"),
    "proxychains4": Wrapper("qf:"),
    "busybox": Wrapper(" list list-full install help", quiet=_names("list list-full install help")),
    "toybox": Wrapper(" help version", quiet=_names("help version")),
    "direnv": Wrapper("", operands=2),
    "dotenv": Wrapper("f:e:q:"),
    "hyperfine": Wrapper("iN"),
    "perf": Wrapper(""),
    "gdb": Wrapper(""),
}  # fmt: skip
for _name in ("capsh", "firejail", "bwrap", "hyperfine", "perf", "gdb", "runuser", "exec", "sg", "direnv", "setarch"):
    del _TABLE[_name]


def run_wrapper(run: Context, call: Call) -> None:
    """Follow the command a wrapper starts."""
    wrapper = _TABLE[call.name]
    read = options.read(wrapper.options, call.arguments)
    if read.unsure is not None:
        run.doubt(Reason.WRAPPER, f"{call.name} with the option {read.unsure.shown}")
        call.io.stdout.write_unknown(call.index)
        _guess(run, call, read.rest)
        return
    if any(read.has(name) for name in wrapper.quiet | {"help", "version"}):
        call.io.stdout.write_unknown(call.index)
        return
    state = call.state.copy()
    for value in read.values(*wrapper.directory):
        state.cwd = (value,)
    coded = read.values(*wrapper.code)
    for value in coded:
        calls.code(run, call, value, state=state, io=call.io, what=f"{call.name} -c")
    words = read.rest
    if any(word.many for word in words[: wrapper.operands + 1]):
        run.doubt(Reason.UNKNOWN_COMMAND, f"{call.name} {words[0].shown} runs a program that is not known")
        call.io.stdout.write_unknown(call.index)
        return
    words = words[wrapper.operands :]
    if wrapper.assigns:
        words = take_assignments(run, call, words, state)
    if not words:
        call.io.stdout.write_unknown(call.index)
        if call.name in {"sudo", "doas", "chroot", "unshare", "nsenter", "setsid"} and not coded:
            default_shell(run, call)
        return
    io = call.io if wrapper.stdin else IO(Input(InputKind.NOTHING), call.io.stdout)
    if wrapper.shell and not read.has("x", "exec"):
        text = join_words(words)
        calls.code(run, call, text, state=state, io=io, what=call.name)
    else:
        calls.start(run, call, words, state=state, io=io)


def _guess(run: Context, call: Call, words: list[Word]) -> None:
    """Note what may be the command of a wrapper whose options are not understood."""
    for place, word in enumerate(words):
        text = word.text
        if text is not None and not text.startswith("-") and re.fullmatch(r"[\w./+-]+", text):
            run.emit(words[place:], call.state, call.io.stdin, parent=call.index)


def default_shell(run: Context, call: Call) -> None:
    """Follow a program that starts a shell when it gets no command."""
    calls.start(run, call, [literal("sh")])


def join_words(words: list[Word]) -> Word:
    """Return words joined by blanks, as `watch`, `ssh` and `eval` do."""
    parts = [part for place, word in enumerate(words) for part in ((" ", *word.parts) if place else word.parts)]
    return Word(merge(parts), any(word.many for word in words))


def take_assignments(run: Context, call: Call, words: list[Word], state: State) -> list[Word]:
    """Perform `NAME=value` words before a command; return the rest."""
    place = 0
    while place < len(words):
        word = words[place]
        first = word.parts[0] if word.parts else None
        match = _ASSIGNMENT.match(first) if isinstance(first, str) and not word.many else None
        if match is None:
            break
        value = Word((*((match[2],) if match[2] else ()), *word.parts[1:]))
        state.variables[match[1]] = Variable(value=value, exported=True)
        assignments.check(run, match[1], state)
        place += 1
    return words[place:]


def handler(name: str) -> Handler | None:
    """Return what follows the wrapper of this name, else None."""
    return run_wrapper if name in _TABLE else None
