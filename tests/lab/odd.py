"""Ssh targets other than a plain sshd: dropbear, tinysshd, an sshd that speaks as old devices do, one on IPv6.

dropbear and tinysshd take no certificates and read keys from the account's home alone, so they are shown another home
(libnss-wrapper): nothing is written to anybody's own.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.lab.process import LabError, Server, accepts, free_port
from tests.lab.sshd import Account, keygen

WRAPPER = "libnss_wrapper.so"  # found by the dynamic linker


def tool(name: str) -> str:
    """Return where a program of the system lies."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise LabError(f"no {name} on this machine; run make setup")
    return found


def hosts(folder: Path, names: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program for which these names have these addresses."""
    table = folder / "hosts"
    table.write_text("".join(f"{address} {name}\n" for name, address in names.items()), encoding="utf-8")
    return {"LD_PRELOAD": WRAPPER, "NSS_WRAPPER_HOSTS": str(table)}


class Home:
    """A home with an authorized key, and the environment in which it is the account's. `key` is the private key.

    It lies where no folder on the way is open to everybody, as /tmp is: tinysshd insists on that.
    """

    def __init__(self, folder: Path, account: Account) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="bastion-lab-", dir="/run" if os.geteuid() == 0 else Path.home()))
        ssh = self.path / ".ssh"
        ssh.mkdir()
        self.key = folder / "odd_key"
        (ssh / "authorized_keys").write_text(keygen(self.key, "bastion") + "\n", encoding="utf-8")
        entry = pwd.getpwnam(account.name)
        for path in (self.path, ssh, ssh / "authorized_keys"):
            os.chown(path, entry.pw_uid, entry.pw_gid)
            path.chmod(0o600 if path.is_file() else 0o700)
        users = folder / "passwd"
        rows = [
            f"{entry.pw_name}:*:{entry.pw_uid}:{entry.pw_gid}::{self.path}:/bin/bash",
            "root:x:0:0:root:/root:/bin/sh",
        ]
        users.write_text("\n".join(rows) + "\n", encoding="utf-8")
        groups = folder / "group"
        groups.write_text(f"root:x:0:\n{entry.pw_name}:x:{entry.pw_gid}:\ntty:x:5:\n", encoding="utf-8")
        self.env = {"LD_PRELOAD": WRAPPER, "NSS_WRAPPER_PASSWD": str(users), "NSS_WRAPPER_GROUP": str(groups)}

    def remove(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path)


def dropbear(folder: Path, home: Home) -> tuple[Server, int, str]:
    """Start a dropbear; return it with its port and its host key's line."""
    key, port = folder / "dropbear_key", free_port()
    made = _output([tool("dropbearkey"), "-t", "ed25519", "-f", str(key)])
    line = next(line for line in made.splitlines() if line.startswith("ssh-ed25519 "))
    command = ["dropbear", "-F", "-E", "-m", "-s", "-p", f"127.0.0.1:{port}", "-r", str(key), "-P", str(folder / "pid")]
    server = Server("dropbear", [tool(command[0]), *command[1:]], folder / "dropbear.log", cwd=folder, env=home.env)
    server.wait_for(f"port {port}", lambda: accepts(port))
    return server, port, " ".join(line.split()[:2])


def tinysshd(folder: Path, home: Home) -> tuple[Server, int, str]:
    """Start a tinysshd, one process a connection, without the sftp subsystem."""
    keys, port = folder / "tinyssh_keys", free_port()
    _output([tool("tinysshd-makekey"), "-q", str(keys)])
    printed = _output([tool("tinysshd-printkey"), str(keys)])
    line = next(line for line in printed.splitlines() if line.startswith("ssh-ed25519 "))
    listen = f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork"
    command = [tool("socat"), listen, f"EXEC:{tool('tinysshd')} -v {keys}"]
    server = Server("tinysshd", command, folder / "tinysshd.log", cwd=folder, env=home.env)
    server.wait_for(f"port {port}", lambda: accepts(port))
    return server, port, " ".join(line.split()[:2])


def _output(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
