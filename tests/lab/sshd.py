"""Real ssh targets: the stock OpenSSH server on a free loopback port, and accounts to log in to.

As root each lab makes an account of its own (no account is assumed to exist) and removes it at the end; as an
ordinary user the account is the caller's. Debian's own ssh service is never touched.
"""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.lab.process import LabError, Server, accepts, free_port

PREFIX = "blab"  # names of accounts made here: the prefix and the maker's process id
MARK = "made by the bastion lab"  # the comment of accounts made here


@dataclass(frozen=True, slots=True)
class Account:
    """A login on this machine. `scratch` is a folder it may write to, the only place where tests leave traces."""

    name: str
    scratch: Path
    made: bool

    def remove(self) -> None:
        """Remove the account, where it was made here."""
        if self.made:
            _remove(self.name)


def make_account(folder: Path, name: str = "") -> Account:
    """Make an account whose home lies in `folder`, when root; otherwise use ours.

    It is called `name` unless somebody else's account is called so, and else after this process.
    """
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    if os.geteuid() != 0:
        return Account(getpass.getuser(), scratch, made=False)
    _remove_leftovers()
    if not name or _taken(name):
        name = f"{PREFIX}{os.getpid()}"
    _remove(name)  # ours, left by a lab that was killed
    _run(["useradd", "--no-create-home", "--home-dir", str(scratch), "--shell", "/bin/bash", "--comment", MARK, name])
    _run(["usermod", "--password", "*", name])  # a fresh account is locked, which sshd without PAM refuses
    shutil.chown(scratch, name, name)
    return Account(name, scratch, made=True)


def _taken(name: str) -> bool:
    """Return whether an account of this name exists that isn't ours, or that another lab may be using now."""
    return any(
        entry.pw_name == name and (entry.pw_gecos != MARK or Path(entry.pw_dir).exists()) for entry in pwd.getpwall()
    )


def _remove(name: str) -> None:
    """Remove an account; sessions still ending may keep it busy, so it is forced."""
    subprocess.run(["userdel", "--force", name], check=False, capture_output=True)


def _remove_leftovers() -> None:
    """Remove accounts of labs that were killed before they could do it."""
    for entry in pwd.getpwall():
        owner = entry.pw_name.removeprefix(PREFIX)
        if entry.pw_name.startswith(PREFIX) and owner.isdigit() and not Path("/proc", owner).exists():
            _remove(entry.pw_name)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")


def sshd_path() -> str:
    """Return where the OpenSSH server lies; sshd insists on being started by its absolute path."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise LabError("no sshd on this machine; run make setup")
    return found


def keygen(path: Path, comment: str) -> str:
    """Create an Ed25519 key pair at `path` unless it is there, and return the public key's line without comment."""
    if not path.exists():
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return " ".join(path.with_name(path.name + ".pub").read_text(encoding="utf-8").split()[:2])


class SSHD:
    """One sshd. It believes certificates of `user_ca`, a public key file that may appear later, and nothing else.

    Of `options` that are given here too, those win.
    """

    def __init__(
        self, folder: Path, name: str, user_ca: Path, options: Sequence[str] = (), address: str = "127.0.0.1"
    ) -> None:
        self.name = name
        self._folder = folder
        self._user_ca = user_ca
        self._options = options
        self._address = address
        self.port = free_port()
        self.host_key = keygen(folder / f"{name}_host_key", name)
        self.server = self._start()

    def _start(self) -> Server:
        config = self._folder / f"{self.name}_sshd_config"
        lines = [
            *self._options,  # sshd takes the first of two
            f"Port {self.port}",
            f"ListenAddress {self._address}",
            f'HostKey "{self._folder / self.name}_host_key"',
            "PidFile none",
            f'TrustedUserCAKeys "{self._user_ca}"',
            "AuthorizedKeysFile none",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UsePAM no",
            "StrictModes no",
            "PermitTTY yes",
            "PrintMotd no",
            "PrintLastLog no",
            "AllowTcpForwarding yes",
            "MaxStartups 100",
            "AcceptEnv LANG LC_*",
            "Subsystem sftp internal-sftp",
            "LogLevel VERBOSE",  # names certificate, serial and CA of each login
        ]
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd separates privileges there
        command = [sshd_path(), "-D", "-e", "-f", str(config)]
        server = Server(f"sshd {self.name}", command, self._folder / f"{self.name}.log", cwd=self._folder)
        server.wait_for(f"port {self.port}", lambda: accepts(self.port, self._address))
        return server

    def log(self) -> str:
        """Return what it logged: each login with the certificate's id and serial."""
        return self.server.output()

    def stop(self) -> None:
        """Stop it and cut its connections, whose processes are sessions of their own."""
        children = _descendants(self.server.process.pid)
        self.server.stop()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _descendants(parent: int) -> list[int]:
    """Return the process ids of all processes started by one, at any depth, as Linux's /proc tells."""
    found = []
    for children in Path("/proc", str(parent), "task").glob("*/children"):
        for child in children.read_text(encoding="ascii").split():
            found += [int(child), *_descendants(int(child))]
    return found
