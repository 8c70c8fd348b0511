"""Programs that run another one behind a verb (`npm exec`, `poetry run`), behind `--`, or behind an option (`fd -x`).

A verb in an unusual place, or an option that is not known, is a doubt. What a project's own files say is run
(`npm run`, `make`) is not followed.
"""

import re
from dataclasses import dataclass

from bastion.policy import calls, options
from bastion.policy.context import IO, NOTHING, Call, Context, Handler
from bastion.policy.understanding import Reason, Word, literal
from bastion.policy.wrapper_table import read_blocks


@dataclass(frozen=True, slots=True)
class _Runner:
    """How a program takes the command it runs behind one of `verbs`; `dashes`: always behind `--`."""

    verbs: frozenset[str]
    options: str
    operands: int = 0
    joins: bool = False
    dashes: bool = False
    code: frozenset[str] = frozenset()


# A line names a program and its verbs; then as in `wrapper_table`
_TEXT = """
npm exec,x code=c,call
    sqyc:w: call= package= workspace= workspaces include-workspace-root yes no prefix= registry= silent quiet
yarn exec,dlx
    qp: package= quiet
pnpm exec,dlx
    rcC:F: recursive parallel package= shell-mode filter= dir=
bun x
    p: bun package=
poetry run
    -
pipenv run
    -
pdm run
    sgp: site-packages global project=
rye run
    -
uv run
    vqnmp:sw: with= with-editable= with-requirements= extra= all-extras no-extra= dev no-dev group= no-group=
    only-group= all-groups isolated no-sync locked frozen active module script python= env-file= no-env-file package=
    no-project directory= project= offline no-cache cache-dir= index= default-index= quiet verbose exact no-editable
    all-packages
bundle exec
    - keep-file-descriptors gemfile=
gem exec
    vg: version= gem= conservative prerelease
composer exec
    nqv working-dir= list
conda run
    vn:p: name= prefix= no-capture-output live-stream cwd= dev verbose
mamba run
    vn:p:r:e:a:d name= prefix= root-prefix= cwd= env= attach= detach
micromamba run
    vn:p:r:e:a:d name= prefix= root-prefix= cwd= env= attach= detach
pyenv exec
    -
rbenv exec
    -
nodenv exec
    -
asdf exec
    -
nvm exec operands=1
    - silent lts=?
volta run
    - node= npm= yarn= pnpm= bundled-npm no-yarn no-pnpm
direnv exec operands=1
    -
mise exec,x dashes
    -
guix shell,environment dashes
    -
op run dashes
    -
doppler run dashes code=command
    p:c: command= project= config=
infisical run dashes code=command
    - command=
aws-vault exec dashes
    -
chamber exec dashes
    -
zellij run dashes
    -
etcdctl watch,exec-watch dashes
    -
ctr exec operands=1
    td detach exec-id= tty cwd= user= log-uri= fifo-dir=
runc exec,run operands=1
    tde:u:p:c:b: cwd= env= tty user= process= detach pid-file= cap= console-socket= preserve-fds= bundle=
crun exec operands=1
    tde:u:p:c: cwd= env= tty user= process= detach pid-file= cap= console-socket= preserve-fds=
apptainer exec operands=1
    ceiuwB:C:H:S:W: bind= contain cleanenv containall home= nv rocm writable writable-tmpfs overlay= pwd= env= workdir=
    scratch= no-home fakeroot userns pid ipc
singularity exec operands=1
    ceiuwB:C:H:S:W: bind= contain cleanenv containall home= nv rocm writable writable-tmpfs overlay= pwd= env= workdir=
    scratch= no-home fakeroot userns pid ipc
buildah run operands=1
    tu:v:e: user= volume= tty network= isolation= env= workingdir= mount= cap-add= cap-drop= add-history
perf record,stat,trace,mem,lock,kmem,c2c,sched
    aAdgiINnqRsSTvBbP:e:p:t:u:r:C:F:c:m:o:x:G:D:k:j:I:M: event= pid= tid= cpu= freq= count= output= call-graph= delay=
    all-cpus repeat= field-separator= no-inherit verbose quiet detailed timeout= interval-print= metrics= table
consul lock operands=1 joins
    n= name= timeout= child-exit-code monitor-retry= pass-stdin shell=
nomad exec operands=1
    e:i=t= job task= tty= stdin= escape= namespace= region=
"""


def _read_table() -> dict[str, _Runner]:
    table: dict[str, _Runner] = {}
    for name, (head, body) in read_blocks(_TEXT).items():
        named = dict(attribute.split("=", 1) for attribute in head[1:] if "=" in attribute)
        verbs, code = frozenset(head[0].split(",")), frozenset(named.get("code", "").split(","))
        operands = int(named.get("operands", "0"))
        table[name] = _Runner(verbs, body, operands, "joins" in head, "dashes" in head, code)
    return table


_TABLE = _read_table()


def _run_verb(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    runner = _TABLE[call.name]
    words = call.arguments
    if any("script-shell" in word.shown for word in words):  # what runs the scripts of a project
        run.doubt(Reason.REBINDING, f"{call.name} with another shell")
    place = _verb(words, runner.verbs)
    if place is None:
        if any(word.many or word.text is None for word in words[:1]):
            run.doubt(Reason.WRAPPER, f"{call.name} {words[0].shown}")
        return
    rest = words[place + 1 :]
    if runner.dashes:
        _behind_dashes(run, call, rest, runner)
        return
    read = options.read(runner.options, rest)
    while read.unsure is not None and re.match(r"--?[\w-]+=", read.unsure.shown):  # a value needs no guess there
        rest = [word for word in rest if word is not read.unsure]
        read = options.read(runner.options, rest)
    if read.unsure is not None:
        run.doubt(Reason.WRAPPER, f"{call.name} with the option {read.unsure.shown}")
        return
    for value in read.values(*runner.code):
        calls.own_shell(run, call, value, what=call.name)
    inner = read.rest[runner.operands :]
    if inner and inner[0].text == "--":
        inner = inner[1:]
    if call.name == "uv" and read.has("m", "module"):
        inner = [literal("python"), literal("-m"), *inner]
    if inner and (runner.joins or (call.name == "pnpm" and read.has("c", "shell-mode"))):
        calls.code_words(run, call, inner)
    elif inner:
        calls.start(run, call, inner)


def _verb(words: list[Word], verbs: frozenset[str]) -> int | None:
    """Return where the verb stands: behind options, each of which may take one word."""
    given = values = 0
    for place, word in enumerate(words):
        text = word.text or ""
        if text in verbs:
            return place
        if text.startswith("-"):
            given += 1
        else:
            values += 1
        if values > given and text not in {"alloc", "task", "tasks", "t", "c", "container"}:
            return None
    return None


def _behind_dashes(run: Context, call: Call, words: list[Word], runner: _Runner) -> None:
    texts = [word.text for word in words]
    if "--" in texts:
        calls.start(run, call, words[texts.index("--") + 1 :])
        return
    for place, word in enumerate(words):
        if runner.code and (text := word.shown).startswith("--command"):
            value = words[place + 1 : place + 2] if text == "--command" else [literal(text.partition("=")[2])]
            calls.code_words(run, call, value)
            return
    run.doubt(Reason.WRAPPER, f"{call.name} without --")


_AFTER = {
    **dict.fromkeys(("fd", "fdfind"), ("-x", "-X", "--exec", "--exec-batch")),
    **dict.fromkeys(("xterm", "urxvt", "rxvt", "konsole", "alacritty", "st"), ("-e", "--command")),
    **dict.fromkeys(("gnome-terminal", "xfce4-terminal", "lxc-attach", "kitty"), ("--", "-x", "-e")),
    "nix": ("-c", "--command"),
    "nix-shell": ("--run", "--command"),
    "capsh": ("--", "=="),
}


def _run_after(run: Context, call: Call) -> None:
    """Everything behind an option, up to a `;`, is a command."""
    call.io.stdout.write_unknown(call.index)
    texts = [word.text or word.shown for word in call.arguments]
    place = next((place for place, text in enumerate(texts) if text in _AFTER[call.name]), None)
    if place is None:
        attached = [text for text in texts if re.match(r"-[xX].|--(?:exec|exec-batch|command|run)=", text)]
        if attached:
            run.doubt(Reason.WRAPPER, f"{call.name} {attached[0]}")
        return
    end = texts.index(";", place) if ";" in texts[place:] else len(texts)
    inner = call.arguments[place + 1 : end]
    if call.name == "capsh":
        shell = next((text.partition("=")[2] for text in texts[:place] if text.startswith("--shell=")), "bash")
        calls.start(run, call, [literal(shell), *inner])
    elif len(inner) == 1:
        calls.code_words(run, call, inner)
    else:
        calls.start(run, call, inner)


def _set_group(run: Context, call: Call) -> None:
    """`sg GROUP -c CODE` and `newgrp`, which start a shell."""
    words = [word for word in call.arguments[1:] if word.text != "-c"]
    if call.name == "sg" and words:
        calls.code_words(run, call, words[:1])
    else:
        calls.start(run, call, [literal("sh")])


def _setarch(run: Context, call: Call) -> None:
    """`setarch [ARCH] [OPTIONS] CMD`."""
    call.io.stdout.write_unknown(call.index)
    words = call.arguments
    if words and not options.may_be_option(words[0]):
        words = words[1:]
    read = options.read("BFILRSTXZv3 verbose list show= uname-2.6 4gb 3gb addr-no-randomize help version", words)
    if read.unsure is not None:
        run.doubt(Reason.WRAPPER, f"{call.name} with {read.unsure.shown}")
    elif not read.has("list", "show", "help", "version"):
        calls.start(run, call, read.rest or [literal("sh")])


_TWO = frozenset(
    {"--bind", "--bind-try", "--dev-bind", "--dev-bind-try", "--ro-bind", "--ro-bind-try", "--symlink", "--setenv"}
    | {"--file", "--bind-data", "--ro-bind-data", "--chmod", "--overlay"}
)  # options of bwrap with two values


def _bubblewrap(run: Context, call: Call) -> None:
    call.io.stdout.write_unknown(call.index)
    words = call.arguments
    while words and (text := words[0].text) is not None and text.startswith("--"):
        single = text.startswith(("--unshare", "--share", "--new", "--die", "--as-pid", "--clearenv", "--disable"))
        words = words[3:] if text in _TWO else words[1:] if single or text == "--" else words[2:]
        if text == "--":
            break
    calls.start(run, call, words)


def _daemon(run: Context, call: Call) -> None:
    """`start-stop-daemon --start --exec PROGRAM -- ARGS`."""
    call.io.stdout.write_unknown(call.index)
    texts = [word.text or word.shown for word in call.arguments]
    rest = call.arguments[texts.index("--") + 1 :] if "--" in texts else []
    for place, text in enumerate(texts):
        name, equals, value = text.partition("=")
        if name in {"--exec", "--startas"} or re.fullmatch(r"-\w*[xa]", text):
            program = literal(value) if equals else (call.arguments[place + 1 : place + 2] or [literal("?")])[0]
            calls.start(run, call, [program, *rest], io=IO(NOTHING, call.io.stdout))


def _both(run: Context, call: Call) -> None:
    """`mispipe CODE CODE`: each word is code."""
    call.io.stdout.write_unknown(call.index)
    for word in call.arguments:
        calls.code_words(run, call, [word])


_HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(_TABLE, _run_verb),
    **dict.fromkeys(_AFTER, _run_after),
    "sg": _set_group,
    "newgrp": _set_group,
    "setarch": _setarch,
    "bwrap": _bubblewrap,
    "start-stop-daemon": _daemon,
    "mispipe": _both,
}


def handler(name: str) -> Handler | None:
    """Return what follows the program of this name, else None."""
    return _HANDLERS.get(name)
