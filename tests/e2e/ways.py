"""The ways to one sshd that the matrix compares: straight there with a certificate, and through the bastion.

Each way is an ssh configuration in which the host is called `box`, so that all tools get the same command line. Folders
on both sides have the same names for every way, and are empty before each use.
"""

import hashlib
import io
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pexpect

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client, Done
from tests.lab.process import wait_until
from tests.lab.sshd import SSHD, keygen

ROLES = """\
[targets.box]
protocol = "ssh"
address = "127.0.0.1:{port}"
host_key = "{host_key}"

[targets.rekey]
protocol = "ssh"
address = "127.0.0.1:{rekey_port}"
host_key = "{rekey_host_key}"

[roles.everything]
groups = ["eng", "dpo"]
targets = ["box", "rekey"]
logins = ["{login}"]
channels = ["shell", "exec", "sftp", "subsystem", "forward"]

[[rules]]
name = "wipe"
action = "deny"
commands = ["mkfs.* **"]

[masking]
unmasked_groups = ["dpo"]
"""
HOST = """\
Host {alias}
    HostName {name}
    Port {port}
    User {login}
"""
Steps = Sequence[tuple[str, bytes | Callable[["pexpect.spawn[bytes]"], object]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that can be seen of a run: how it ended, what it wrote, and which files are there now, on either side."""

    status: int
    out: bytes
    err: bytes
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the box. `here` and `there` are the folders of the client and of the target."""

    name: str
    client: Client
    config: Path
    here: Path
    there: Path

    def ssh(self, *arguments: str) -> list[str]:
        """Return a command line of ssh."""
        return ["ssh", "-F", str(self.config), *arguments]

    @property
    def shell(self) -> str:
        """Return ssh as one text, for tools that take it so."""
        return f"ssh -F {self.config}"

    def run(self, command: Sequence[str | bytes], stdin: bytes = b"", timeout: float = 60) -> Done:
        """Run any program in the folder `here` to its end."""
        done = subprocess.run(
            command,
            check=False,
            input=stdin,
            capture_output=True,
            env=self.client.env,
            cwd=self.here,
            timeout=timeout,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def on_terminal(self, command: Sequence[str], steps: Steps, size: tuple[int, int], modes: str) -> Done:
        """Run a program on a terminal with these modes, as stty names them. A step waits for a text, then types."""
        shown = io.BytesIO()
        setting = ["-c", f'stty {modes}; exec "$@"', "sh", *command]
        child = pexpect.spawn(
            "sh", setting, env=self.client.env, cwd=str(self.here), dimensions=size, timeout=60, logfile=None
        )
        child.logfile_read = shown
        for pattern, act in steps:
            child.expect(pattern)
            act(child) if callable(act) else child.send(act)
        child.expect(pexpect.EOF)
        child.close()
        return Done(
            child.exitstatus if child.exitstatus is not None else -(child.signalstatus or 0), shown.getvalue(), b""
        )


class Ways:
    """A bastion and an sshd of their own. `direct` goes to the sshd, the others through the bastion.

    The host `rekey` is the same directly; through the bastion both legs then agree on new keys after each megabyte.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self._folder = folder
        shutil.copytree(world.bastion.folder / "hostkeys", folder / "bastion" / "hostkeys")
        ca = folder / "bastion" / "hostkeys" / "target_ca.pub"
        self.sshd, self.rekey = SSHD(folder, "box", ca), SSHD(folder, "rekey", ca, ["RekeyLimit 1M"])
        places = {"port": self.sshd.port, "rekey_port": self.rekey.port}
        keys = {"host_key": self.sshd.host_key, "rekey_host_key": self.rekey.host_key}
        roles = ROLES.format(**places, **keys, login=world.login)
        head = world.config().partition("[targets.")[0]
        self.bastion = Bastion(folder / "bastion", head + roles)
        self._there = world.scratch / "matrix"
        self._login = world.login
        alice, carol = (Client(folder / name, self.bastion, name, world.login) for name in ("alice", "carol"))
        for client in (alice, carol):
            client.sign_in(world.people.token(client.name))
        self.direct = self._way("direct", carol, self._certificate(carol))
        jump = percent = ""
        for name, more in (("box", ""), ("rekey", "    RekeyLimit 1M\n")):
            jump += HOST.format(alias=name, name=name, port=22, login=world.login) + "    ProxyJump bastion\n" + more
            login = f"{world.login}%{name}"
            percent += HOST.format(alias=name, name="127.0.0.1", port=self.bastion.port, login=login) + more
        self.others = (
            self._way("jump", carol, jump),
            self._way("percent", carol, percent),
            self._way("masked", alice, jump),
        )
        self._empty()

    def _certificate(self, client: Client) -> str:
        """Return the configuration for going straight to the sshd, and make the certificate that this takes."""
        key = client.folder / "direct"
        keygen(key, "direct")
        ca = self._folder / "bastion" / "hostkeys" / "target_ca"
        sign = ["ssh-keygen", "-q", "-s", str(ca), "-I", "direct", "-n", self._login, "-V", "-5m:+1h", f"{key}.pub"]
        subprocess.run(sign, check=True)
        known = client.folder / "direct_known_hosts"
        known.write_text(f"[127.0.0.1]:{self.sshd.port} {self.sshd.host_key}\n", encoding="utf-8")
        host = HOST.format(alias="box rekey", name="127.0.0.1", port=self.sshd.port, login=self._login)
        return f'{host}    IdentityFile "{key}"\n    UserKnownHostsFile "{known}"\n'

    def _way(self, name: str, client: Client, host: str) -> Way:
        config = self._folder / f"{name}_config"
        config.write_text(host + client.config.read_text(encoding="utf-8"), encoding="utf-8")
        return Way(name, client, config, self._folder / "here", self._there)

    def compare(self, row: Callable[[Way], Done], *, files: bool = True, masked: bool = True) -> None:
        """Run a row every way and assert that nothing can be told apart.

        What leaves no `files` runs every way at once; what takes long may leave out the `masked` way.
        """
        ways = [self.direct, *(self.others if masked else self.others[:2])]
        with ThreadPoolExecutor(1 if files else len(ways)) as pool:
            expected, *outcomes = pool.map(lambda way: self._run(way, row, files=files), ways)
        for way, found in zip(ways[1:], outcomes, strict=True):
            for what in Outcome.__slots__:
                one, other = getattr(found, what), getattr(expected, what)
                assert one == other, (
                    f"{way.name}: {what} is {_differing(one, other)}, directly {_differing(other, one)};"
                    f" it said {found.err[-500:]!r}"
                )

    def _empty(self) -> None:
        for folder in (self.direct.here, self.direct.there):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            folder.chmod(0o777)

    def _run(self, way: Way, row: Callable[[Way], Done], *, files: bool) -> Outcome:
        if not files:
            done = row(way)
            return Outcome(done.status, done.out, done.err)
        self._empty()
        done = row(way)
        seen = {**_seen(way.here, "here"), **_seen(way.there, "there")}
        return Outcome(done.status, done.out, done.err, seen)

    def close(self) -> None:
        """Stop the servers."""
        self.bastion.stop()
        self.sshd.stop()
        self.rekey.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _differing(one: object, other: object) -> str:
    """Return one of two values, without most of what is the same at its beginning."""
    begin = 0
    if isinstance(one, bytes) and isinstance(other, bytes):
        begin = next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
        one = one[max(begin - 40, 0) : begin + 200]
    return repr(one)


def _seen(folder: Path, name: str) -> dict[str, str]:
    """Return what lies in a folder: kind, mode, and content or where a link leads."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            what = str(path.readlink())
        elif path.is_file():
            what = f"{status.st_size} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        else:
            what = ""
        key = str(path.relative_to(folder)).encode(errors="surrogateescape").decode("latin-1")
        found[f"{name}/{key}"] = f"{stat.filemode(status.st_mode)} {what}"
    return found


@contextmanager
def master(way: Way, *options: str) -> Iterator[list[str]]:
    """Keep one connection open; yield the options that make ssh use it."""
    control = ["-o", f"ControlPath={way.client.folder}/{way.name}-%C"]
    running = way.client.start([*way.ssh(), "-N", "-M", *control, *options, "box"])
    try:
        wait_until("the master", lambda: way.run([*way.ssh(), *control, "-O", "check", "box"]).status == 0)
        yield control
    finally:
        way.run([*way.ssh(), *control, "-O", "exit", "box"])
        running.finish()
