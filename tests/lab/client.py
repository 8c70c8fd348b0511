"""A person or a program at their own machine: a key, stock OpenSSH with a configuration, and the `bastion` command.

Nothing of the caller's own ssh set-up is used: no agent, no ~/.ssh. Host keys are always checked against one
`@cert-authority` line; nothing may ask a question (BatchMode) unless a test says so.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect

from tests.lab.bastion import Bastion, program
from tests.lab.process import LabError, wait_until
from tests.lab.sshd import keygen

SSH_CONFIG = """\
Host bastion
    HostName 127.0.0.1
    Port {port}
Host *
    User {login}
    IdentityFile "{key}"
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile "{known_hosts}"
    GlobalKnownHostsFile none
    StrictHostKeyChecking yes
    UpdateHostKeys no
    BatchMode {batch}
    ConnectTimeout 20
    LogLevel INFO
"""


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended: its exit status (negative for a signal) and what it wrote."""

    status: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Return stdout as text."""
        return self.out.decode()

    @property
    def errors(self) -> str:
        """Return stderr as text."""
        return self.err.decode(errors="replace")

    @property
    def said(self) -> list[str]:
        """Return the lines on stderr that the bastion wrote."""
        return [line.rstrip("\r") for line in self.errors.splitlines() if line.startswith("bastion: ")]


class Client:
    """One caller. `folder` becomes their home; `login` is the user name ssh gives unless told otherwise."""

    def __init__(self, folder: Path, bastion: Bastion, name: str, login: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.bastion = bastion
        self.name = name
        self.key = folder / "id_ed25519"
        keygen(self.key, name)
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"@cert-authority * {bastion.host_ca}\n", encoding="utf-8")
        self.config = folder / "ssh_config_batch"
        self._write(self.config, login, batch="yes")
        self.asking = folder / "ssh_config"
        self._write(self.asking, login, batch="no")
        settings = folder / ".config" / "bastion" / "client.toml"
        settings.parent.mkdir(parents=True, exist_ok=True)
        lines = {"server": f"127.0.0.1:{bastion.port}", "identity": str(self.key), "known_hosts": str(self.known_hosts)}
        settings.write_text(
            "".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items()), encoding="utf-8"
        )

    def _write(self, path: Path, login: str, *, batch: str) -> None:
        text = SSH_CONFIG.format(
            port=self.bastion.port, login=login, key=self.key, known_hosts=self.known_hosts, batch=batch
        )
        path.write_text(text, encoding="utf-8")

    @property
    def certificate(self) -> Path:
        """Return where its certificate lies."""
        return self.key.with_name(self.key.name + "-cert.pub")

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of everything it runs: its own home, no agent, no proxies."""
        keep = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        return {**keep, "HOME": str(self.folder), "LANG": "C.UTF-8", "TERM": "xterm-256color", "LOGNAME": self.name}

    def sign_in(self, token: str) -> None:
        """Obtain a certificate for a token by `bastion login --token-file -`; raise LabError when refused."""
        done = self.cli("login", "--token-file", "-", stdin=token.encode())
        if done.status:
            raise LabError(f"bastion login for {self.name} ended with {done.status}: {done.errors}")

    def cli_command(self, *arguments: str) -> list[str]:
        """Return the command line of `bastion COMMAND …` against this bastion with this key."""
        server = f"127.0.0.1:{self.bastion.port}"
        where = ["--server", server, "--identity", str(self.key), "--known-hosts", str(self.known_hosts)]
        return [program("bastion"), *where, *arguments]

    def cli(self, *arguments: str, stdin: bytes = b"", timeout: float = 60) -> Done:
        """Run `bastion COMMAND …` to its end."""
        return self.run(self.cli_command(*arguments), stdin=stdin, timeout=timeout)

    def json(self, *arguments: str) -> Any:
        """Run `bastion COMMAND … --json` and return what it printed; raise LabError when it failed."""
        done = self.cli(*arguments, "--json")
        if done.status:
            raise LabError(f"bastion {' '.join(arguments)} ended with {done.status}: {done.errors}")
        return json.loads(done.out)

    def ssh_command(self, *arguments: str, asking: bool = False) -> list[str]:
        """Return the command line of stock ssh with this client's configuration."""
        return ["ssh", "-F", str(self.asking if asking else self.config), *arguments]

    def ssh(self, *arguments: str, stdin: bytes = b"", timeout: float = 60, asking: bool = False) -> Done:
        """Run stock ssh to its end."""
        return self.run(self.ssh_command(*arguments, asking=asking), stdin=stdin, timeout=timeout)

    def jump(self, target: str, *command: str, stdin: bytes = b"", timeout: float = 60) -> Done:
        """Run a command on a target by `ssh -J bastion`."""
        return self.ssh("-J", "bastion", target, *command, stdin=stdin, timeout=timeout)

    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout: float = 60) -> Done:
        """Run any program in this client's environment."""
        done = subprocess.run(command, check=False, input=stdin, capture_output=True, env=self.env, timeout=timeout)
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, command: Sequence[str]) -> "Running":
        """Start any program in this client's environment and go on."""
        return Running(command, self.env, self.folder)

    def terminal(self, command: Sequence[str], rows: int = 24, columns: int = 80) -> "pexpect.spawn[str]":
        """Start any program on a terminal of this size."""
        return pexpect.spawn(
            command[0], list(command[1:]), env=self.env, dimensions=(rows, columns), encoding="utf-8", timeout=30
        )


class Running:
    """A program that goes on while the test does something else. Its output goes to files, so it never blocks."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        with (
            tempfile.NamedTemporaryFile("wb", dir=folder, delete=False) as out,
            tempfile.NamedTemporaryFile("wb", dir=folder, delete=False) as err,
        ):
            self._files = [Path(out.name), Path(err.name)]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=err, env=env)

    def wait_for(self, pattern: str, timeout: float = 30) -> re.Match[str]:
        """Wait until a line of stdout or stderr matches, and return the match."""

        def look() -> re.Match[str] | None:
            written = "\n".join(path.read_text(errors="replace") for path in self._files)
            found = re.search(pattern, written, re.MULTILINE)
            if found is None and self.process.poll() is not None:
                raise LabError(f"ended with {self.process.returncode} before {pattern!r}: {written[-2000:]}")
            return found

        return wait_until(repr(pattern), look, timeout)

    def write(self, data: bytes) -> None:
        """Write to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def finish(self, timeout: float = 60) -> Done:
        """Close its standard input, wait for its end, and return how it ended."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            status = self.process.wait(timeout)
        finally:
            self.process.kill()
        out, err = (path.read_bytes() for path in self._files)
        return Done(status, out, err)
