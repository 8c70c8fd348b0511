"""A person or a program at their own machine: a key, stock OpenSSH with a configuration, and the `bastion` command.

Nothing of the caller's own ssh set-up is used: no agent, no ~/.ssh. Host keys are always checked against one
`@cert-authority` line; nothing may ask a question (BatchMode) unless a test says so.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pexpect

from tests.lab.bastion import Bastion, program
from tests.lab.process import LabError
from tests.lab.sshd import keygen

SSH_CONFIG = """\
Host bastion
    HostName 127.0.0.1
    Port {port}
Host *
    User {login}
    IdentityFile {key}
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {known_hosts}
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
        self.config = folder / "ssh_config"
        self._write(self.config, login, batch="yes")
        self.asking = folder / "ssh_config_asking"
        self._write(self.asking, login, batch="no")

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
        done = self.cli("login", "--token-file", "-", input=token.encode())
        if done.status:
            raise LabError(f"bastion login for {self.name} ended with {done.status}: {done.errors}")

    def cli(self, *arguments: str, input: bytes = b"", timeout: float = 60) -> Done:  # noqa: A002 - as subprocess has it
        """Run `bastion COMMAND …` against this bastion with this key."""
        return self.run([program("bastion"), *arguments], input=input, timeout=timeout)

    def cli_settings(self) -> dict[str, str]:
        """Return the environment that tells `bastion` its server, key and known hosts."""
        return {
            "BASTION_SERVER": f"127.0.0.1:{self.bastion.port}",
            "BASTION_IDENTITY": str(self.key),
            "BASTION_KNOWN_HOSTS": str(self.known_hosts),
        }

    def ssh_command(self, *arguments: str, asking: bool = False) -> list[str]:
        """Return the command line of stock ssh with this client's configuration."""
        return ["ssh", "-F", str(self.asking if asking else self.config), *arguments]

    def ssh(self, *arguments: str, input: bytes = b"", timeout: float = 60, asking: bool = False) -> Done:  # noqa: A002
        """Run stock ssh to its end."""
        return self.run(self.ssh_command(*arguments, asking=asking), input=input, timeout=timeout)

    def jump(self, target: str, *command: str, input: bytes = b"", timeout: float = 60) -> Done:  # noqa: A002
        """Run a command on a target by `ssh -J bastion`."""
        return self.ssh("-J", "bastion", target, *command, input=input, timeout=timeout)

    def run(self, command: Sequence[str], *, input: bytes = b"", timeout: float = 60) -> Done:  # noqa: A002
        """Run any program in this client's environment."""
        env = self.env | self.cli_settings()
        done = subprocess.run(command, check=False, input=input, capture_output=True, env=env, timeout=timeout)
        return Done(done.returncode, done.stdout, done.stderr)

    def popen(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Start any program in this client's environment, with pipes."""
        pipe = subprocess.PIPE
        env = self.env | self.cli_settings()
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=env)

    def terminal(self, command: Sequence[str], rows: int = 24, columns: int = 80) -> "pexpect.spawn[str]":
        """Start any program on a terminal of this size."""
        env = self.env | self.cli_settings()
        return pexpect.spawn(
            command[0], list(command[1:]), env=env, dimensions=(rows, columns), encoding="utf-8", timeout=30
        )
