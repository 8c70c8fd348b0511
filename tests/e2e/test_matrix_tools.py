"""Through the bastion = direct, for tools that run over ssh: copying, git, multiplexing, forwards, Ansible, editors."""

import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.e2e.ways import Way, Ways, master
from tests.lab.client import Done
from tests.lab.process import accepts, free_port, wait_until
from tests.lab.sockets import Service, ask, count, echo, read_exactly, socks

NOISE = random.Random(4).randbytes(3_000_000).replace(b"@", b"A")
OLD = 1_000_000_000  # seconds since 1970; what is copied with its time keeps this one
CHANNELS = 100


def fill(folder: Path) -> None:
    """Make files of all kinds in a folder, the same each time."""
    contents = {
        "noise": NOISE,
        "text": b"one\ntwo\n" * 1000,
        "empty": b"",
        "two words": b"x\n",
        "zażółć": "zażółć\n".encode(),
        "sub/deep/file": b"deep\n",
        "sub/run": b"#!/bin/sh\necho run\n",
    }
    for name, content in contents.items():
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
    (folder / "tree" / "sub" / "run").chmod(0o755)
    (folder / "tree" / "link").symlink_to("sub/run")
    for path in [*folder.rglob("*"), folder / "tree"]:
        if path.is_dir():
            path.chmod(0o755)
        os.utime(path, (OLD, OLD), follow_symlinks=False)


def here(way: Way) -> None:
    """Make files at the client's side, and room on the target's."""
    fill(way.here)


def there(way: Way) -> None:
    """Make files on the target."""
    fill(way.there)


def many(folder: Path) -> None:
    """Make some hundred small files."""
    for number in range(400):
        path = folder / "many" / str(number % 10) / f"file-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d\n" % number * (number % 50))
        path.chmod(0o644)
        os.utime(path, (OLD, OLD))
    for path in (folder / "many", *(folder / "many" / str(number) for number in range(10))):
        path.chmod(0o755)
        os.utime(path, (OLD, OLD))


def many_here(way: Way) -> None:
    """Make them at the client's side."""
    many(way.here)


def many_there(way: Way) -> None:
    """Make them on the target."""
    many(way.there)


def chain(*done: Done) -> Done:
    """Put the outcomes of several runs together."""
    parts = [(b"%d\n" % one.status + one.out, one.err) for one in done]
    return Done(done[-1].status, b"".join(out for out, _ in parts), b"".join(err for _, err in parts))


def times(folder: Path) -> bytes:
    """Return when the files below a folder were changed."""
    return b"".join(f"{path.name} {path.lstat().st_mtime:.0f}\n".encode() for path in sorted(folder.rglob("*")))


# Copying: what lies there before, and a command. `{f}` is the configuration, `{ssh}` the whole command, `{t}` the
# folder on the target.
Tool = tuple[Callable[[Way], None], str]
COPIES: dict[str, Tool] = {
    "scp-up": (here, "scp -F {f} tree/noise box:{t}/copy"),
    "scp-down": (there, "scp -F {f} box:{t}/tree/noise copy"),
    "scp-up-tree": (here, "scp -F {f} -r -p tree box:{t}/"),
    "scp-down-tree": (there, "scp -F {f} -r -p box:{t}/tree ."),
    "scp-down-glob": (there, "scp -F {f} box:{t}/tree/t* ."),
    "scp-missing": (there, "scp -F {f} box:{t}/nothing ."),
    "scp-no-folder": (here, "scp -F {f} tree/text box:{t}/no/such/folder"),
    "scp-legacy-up": (here, "scp -O -F {f} tree/noise box:{t}/copy"),
    "scp-legacy-down": (there, "scp -O -F {f} box:{t}/tree/noise copy"),
    "scp-legacy-up-tree": (here, "scp -O -F {f} -r -p tree box:{t}/"),
    "scp-legacy-down-tree": (there, "scp -O -F {f} -r -p box:{t}/tree ."),
    "scp-legacy-missing": (there, "scp -O -F {f} box:{t}/nothing ."),
    "scp-between": (there, "scp -3 -F {f} box:{t}/tree/noise rekey:{t}/copy"),
    "scp-between-trees": (there, "scp -3 -r -p -F {f} box:{t}/tree rekey:{t}/copy"),
    "scp-legacy-between": (there, "scp -3 -O -F {f} box:{t}/tree/noise rekey:{t}/copy"),
    "rsync-many-up": (many_here, "rsync -ai -e '{ssh}' many box:{t}/"),
    "rsync-many-down": (many_there, "rsync -ai -e '{ssh}' box:{t}/many ."),
    "rsync-up": (here, "rsync -ai -e '{ssh}' tree box:{t}/"),
    "rsync-down": (there, "rsync -ai -e '{ssh}' box:{t}/tree ."),
    "rsync-checksum": (here, "rsync -aic -z -e '{ssh}' tree/ box:{t}/copy"),
    "rsync-missing": (there, "rsync -a -e '{ssh}' box:{t}/nothing ."),
    "rsync-list": (there, "rsync -r -e '{ssh}' box:{t}/tree/"),
    "tar-up": (here, "tar cf - tree | {ssh} box 'tar xf - -C {t}'"),
    "tar-down": (there, "{ssh} box 'tar czf - -C {t} tree' | tar xzf -"),
    "dd": (here, "dd if=tree/noise bs=64k status=none | {ssh} box 'dd of={t}/copy bs=64k status=none'"),
    "sort-remote-join-local": (there, "{ssh} box 'cat {t}/tree/text' | sort | uniq -c"),
}


@pytest.mark.parametrize("name", COPIES)
def test_copy(ways: Ways, name: str) -> None:
    prepare, command = COPIES[name]

    def row(way: Way) -> Done:
        prepare(way)
        done = way.run(["sh", "-c", command.format(f=way.config, ssh=way.shell, t=way.there)])
        kept = times(way.here) + times(way.there) if " -p " in command or "-ai" in command else b""
        return chain(done, Done(0, kept, b""))

    ways.compare(row)


def test_rsync_again(ways: Ways) -> None:
    """A second run sends what changed, and removes what is gone."""

    def row(way: Way) -> Done:
        fill(way.here)
        rsync = ["rsync", "-ai", "--delete", "-e", way.shell, "tree/", f"box:{way.there}/tree"]
        first = way.run(rsync)
        (way.here / "tree" / "text").unlink()
        (way.here / "tree" / "noise").write_bytes(NOISE[:1_000_000] + b"changed" + NOISE[1_000_000:])
        os.utime(way.here / "tree" / "noise", (OLD + 5, OLD + 5))
        return chain(first, way.run(rsync), way.run(rsync))

    ways.compare(row)


SFTP = """\
pwd
lpwd
mkdir d
put tree/noise d/noise
put -p tree/text d/text
put -r tree d/tree
ls -1 d
rename d/noise d/renamed
chmod 640 d/renamed
ln -s renamed d/symbolic
ln d/text d/hard
get d/renamed back
get -r d/tree back-tree
-get d/nothing
-rm d/nothing
-rmdir d
-mkdir d
-cd nowhere
rm d/text
ls -1 d
!echo local
"""


def test_sftp(ways: Ways) -> None:
    def row(way: Way) -> Done:
        fill(way.here)
        return way.run(["sftp", "-F", str(way.config), "-b", "-", f"box:{way.there}"], SFTP.encode())

    ways.compare(row)


def test_sftp_stops_at_a_failure(ways: Ways) -> None:
    def row(way: Way) -> Done:
        return way.run(["sftp", "-F", str(way.config), "-b", "-", f"box:{way.there}"], b"get nothing\nmkdir not-made\n")

    ways.compare(row)


def test_sftp_resumes(ways: Ways) -> None:
    def row(way: Way) -> Done:
        fill(way.here)
        (way.there / "copy").write_bytes(NOISE[:1_000_000])
        (way.there / "copy").chmod(0o666)
        (way.here / "copy").write_bytes(NOISE[:2_000_000])
        batch = b"reput tree/noise copy\nreget copy copy\n"
        return way.run(["sftp", "-F", str(way.config), "-b", "-", f"box:{way.there}"], batch)

    ways.compare(row)


def git(way: Way, *arguments: str) -> Done:
    """Run git with fixed names and times, so that equal commits have equal hashes."""
    who = [
        f"GIT_{role}_{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME=a", "EMAIL=a", f"DATE={OLD} +0000")
    ]
    options = ["-c", f"core.sshCommand={way.shell}", "-c", "init.defaultBranch=main", "-c", "protocol.version=2"]
    return way.run(["env", *who, "git", *options, *arguments])


def test_git(ways: Ways) -> None:
    def row(way: Way) -> Done:
        fill(way.here)
        url = f"ssh://box{way.there}/repo.git"
        made = way.run(way.ssh("box", f"git init -q --bare -b main {way.there}/repo.git"))
        tree = ["-C", "tree"]
        outcome = chain(
            made,
            git(way, *tree, "init", "-q"),
            git(way, *tree, "add", "."),
            git(way, *tree, "commit", "-q", "-m", "first"),
            git(way, *tree, "push", "-q", url, "main", "main:other"),
            git(way, "ls-remote", url),
            git(way, "clone", "-q", url, "clone"),
            git(way, "-C", "clone", "commit", "-q", "--allow-empty", "-m", "second"),
            git(way, "-C", "clone", "push", "-q", "origin", "main"),
            git(way, "clone", "-q", "--depth", "1", url, "shallow"),
            git(way, *tree, "fetch", "-q", url, "main"),
            git(way, *tree, "log", "--format=%H %s", "FETCH_HEAD"),
            git(way, "-C", "shallow", "log", "--format=%H %s"),
            git(way, "push", "-q", f"ssh://box{way.there}/nothing.git", "main"),
        )
        for folder in ("tree", "clone", "shallow"):  # what git keeps for itself holds times
            shutil.rmtree(way.here / folder / ".git")
        shutil.rmtree(way.there / "repo.git")
        return outcome

    ways.compare(row, masked=False)


def test_hundred_channels_at_once(ways: Ways) -> None:
    """The target takes 10 a connection (MaxSessions); nobody behind the bastion has to know."""

    def row(way: Way) -> Done:
        with master(way) as control:
            ssh = way.ssh("-q", *control, "box")
            running = [way.client.start([*ssh, f"cat; exit {number % 7}"]) for number in range(CHANNELS)]
            for number, one in enumerate(running):
                one.write(b"%d\n" % number * 100)
            return chain(*(one.finish() for one in running))

    ways.compare(row, masked=False)


def test_one_connection_again_and_again(ways: Ways) -> None:
    def row(way: Way) -> Done:
        with master(way) as control:
            ssh = way.ssh(*control, "box")
            one_by_one = [way.run([*ssh, f"echo {number}; exit {number}"]) for number in range(20)]
            copied = way.run(["scp", "-F", str(way.config), *control, "box:/etc/os-release", "copy"])
            return chain(*one_by_one, copied, way.run([*ssh, "kill -TERM $$"]))

    ways.compare(row)


def test_only_a_forward(ways: Ways) -> None:
    """`ssh -N -L` opens no session, carries what comes, and says nothing."""

    def row(way: Way) -> Done:
        port = free_port()
        with Service(count) as service:
            running = way.client.start(way.ssh("-N", "-L", f"127.0.0.1:{port}:127.0.0.1:{service.port}", "box"))
            wait_until("the forward", lambda: accepts(port))
            answers = [ask(port, NOISE[:size]) for size in (0, 1, 65536, len(NOISE))]
            running.process.terminate()
            return chain(Done(0, b"\n".join(answers), b""), running.finish())

    ways.compare(row, files=False)


def test_back_from_the_target(ways: Ways) -> None:
    """`ssh -R`: a program on the target reaches the client."""

    def row(way: Way) -> Done:
        port = free_port()
        reach = f"exec 3<>/dev/tcp/127.0.0.1/{port}; echo ping >&3; head -n 1 <&3"
        with Service(echo) as service:
            return way.run(way.ssh("-R", f"127.0.0.1:{port}:127.0.0.1:{service.port}", "box", f"bash -c '{reach}'"))

    ways.compare(row, files=False)


def test_editor(ways: Ways) -> None:
    """VS Code's pattern: a shell without terminal is fed and stays, connections come through a SOCKS proxy."""

    def row(way: Way) -> Done:
        proxy = free_port()
        with Service(echo) as service:
            shell = way.client.start(way.ssh("-T", "-D", f"127.0.0.1:{proxy}", "box", "bash"))
            shell.write(b"uname -s; echo ready-$((6 * 7))\n")
            shell.wait_for("^ready-42$")
            opened = [socks(proxy, "127.0.0.1", service.port) for _ in range(30)]
            answers = []
            for number, connection in enumerate(opened):
                connection.sendall(b"%d " % number * 1000)
            for number, connection in enumerate(opened):
                with connection:
                    answers.append(read_exactly(connection, len(b"%d " % number * 1000)))
            shell.write(b"cd /tmp; pwd; exit 9\n")
            return chain(Done(0, b"".join(answers), b""), shell.finish())

    ways.compare(row, files=False)


MODULE = b"import json, sys\nprint(json.dumps({'ping': 'pong', 'changed': False}))\n"
ANSIBLE = (
    *("-C", "-o", "ControlMaster=auto", "-o", "ControlPersist=60s", "-o", "KbdInteractiveAuthentication=no"),
    *("-o", "PreferredAuthentications=gssapi-with-mic,gssapi-keyex,hostbased,publickey"),
    *("-o", "PasswordAuthentication=no", "-o", "ConnectTimeout=10"),
)


def quoted(command: str) -> str:
    """Return a command as Ansible wraps it."""
    return f"/bin/sh -c '{command} && sleep 0'"


@pytest.mark.parametrize("transfer", ["pipelining", "sftp", "scp", "piped"])
def test_ansible(ways: Ways, transfer: str) -> None:
    """The commands that ansible-core runs for one module, in their order, for each way to bring the module."""

    def row(way: Way) -> Done:
        options = [*ANSIBLE, "-o", f'ControlPath="{way.client.folder}/a-{way.name}"']
        folder, name = f"{way.there}/.ansible/tmp/ansible-tmp-1-2", "AnsiballZ_ping.py"
        (way.here / name).write_bytes(MODULE)

        def ssh(command: str, *more: str, stdin: bytes = b"") -> Done:
            return way.run(way.ssh(*options, *more, "box", quoted(command)), stdin)

        def put() -> Done:
            goal = f"{folder}/{name}"
            if transfer == "piped":
                return way.run(way.ssh(*options, "box", f"dd of={goal} bs=65536 status=none"), MODULE)
            if transfer == "scp":
                return way.run(["scp", "-F", str(way.config), *options, name, f"[box]:{goal}"])
            sftp: Sequence[str] = ["sftp", "-F", str(way.config), "-b", "-", *options, "box"]
            return way.run(sftp, f"put {way.here}/{name} {goal}\n".encode())

        parents = f'mkdir -p "` echo {way.there}/.ansible/tmp `"&& mkdir "` echo {folder} `"'
        make = f'( umask 77 && {parents} && echo x="` echo {folder} `" )'
        if transfer == "pipelining":
            outcome = chain(ssh("echo ~"), ssh("python3", stdin=MODULE))
        else:
            outcome = chain(
                ssh("echo ~"),
                ssh(make),
                put(),
                ssh(f"chmod u+rwx {folder}/ {folder}/{name}"),
                ssh(f"python3 {folder}/{name}", "-tt", "-q"),  # ssh's own last words name the host
                ssh(f"rm -f -r {folder}/ > /dev/null 2>&1"),
            )
        way.run(way.ssh(*options, "-O", "exit", "box"))
        return outcome

    ways.compare(row)


def test_tmux(ways: Ways) -> None:
    """What is started in it goes on without the client, and is found again through another connection."""

    def row(way: Way) -> Done:
        socket = f"matrix-{way.name}"
        started = way.on_terminal(
            way.ssh("-q", "-tt", "box", f"tmux -L {socket} -f /dev/null new-session -s work sh"),
            [(r"\[work\]", b"echo in-tm''ux-$((6*7)); tty >/dev/null && echo on-a-''tty\r"), ("on-a-tty", b"\x02d")],
            (24, 80),
            "sane",
        )
        assert b"in-tmux-42" in started.out
        assert b"detached (from session work)" in started.out
        tmux = f"tmux -L {socket}"
        find = f"{tmux} capture-pane -p -t work | grep -c -e ^in-tmux-42 -e ^on-a-tty; {tmux} kill-server"
        return chain(Done(started.status, b"", b""), way.run(way.ssh("box", find)))

    ways.compare(row, files=False)
