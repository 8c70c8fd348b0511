"""A PostgreSQL of the target's account, which it reaches through a socket in its own folder; nobody else does."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence

from tests.lab.process import LabError, Server
from tests.lab.sshd import Account

USER = "app"


class Postgres:
    """One server with empty databases. `socket` is what `psql -h` is given."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.socket = account.scratch / "pg"
        self.socket.mkdir()
        shutil.chown(self.socket, account.name)
        data = self.socket / "data"
        self._run([_program("initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-N", "-E", "UTF8", "--locale=C"])
        options = ["-k", str(self.socket), "-c", "listen_addresses=", "-c", "fsync=off"]
        command = [*self._as_account(), _program("postgres"), "-D", str(data), *options]
        self.server = Server("postgres", command, account.scratch.parent / "postgres.log", cwd=self.socket)
        self.server.wait_for("its socket", lambda: self.sql("select 1", check=False))

    def sql(self, text: str, *, check: bool = True) -> bool:
        """Run statements; raise LabError when one fails, or return False without `check`."""
        command = ["psql", "-h", str(self.socket), "-U", USER, "-v", "ON_ERROR_STOP=1", "-qc", text, "postgres"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if check and done.returncode:
            raise LabError(f"psql: {done.stderr.strip()}")
        return not done.returncode

    def stop(self) -> None:
        """Stop it, and leave nothing in the folder."""
        self.server.stop()
        shutil.rmtree(self.socket, ignore_errors=True)

    def _as_account(self) -> list[str]:
        """Return what a command is run behind: the server refuses to be root's."""
        if os.geteuid() != 0:
            return []
        group = pwd.getpwnam(self._account.name).pw_gid
        return ["setpriv", f"--reuid={self._account.name}", f"--regid={group}", "--clear-groups", "--"]

    def _run(self, command: Sequence[str]) -> None:
        whole = [*self._as_account(), *command]
        done = subprocess.run(whole, check=False, capture_output=True, text=True, cwd=self.socket)
        if done.returncode:
            raise LabError(f"{command[0]}: {done.stderr.strip()}")


def _program(name: str) -> str:
    """Return where a program of the server lies, which on Debian is on nobody's PATH."""
    found = shutil.which(name)
    if found is None and shutil.which("dpkg-query"):
        asked = subprocess.run(["dpkg-query", "--search", f"*/bin/{name}"], check=False, capture_output=True, text=True)
        paths = [line.partition(": ")[2] for line in asked.stdout.splitlines() if line.startswith("postgresql-")]
        found = next(iter(sorted(paths, reverse=True)), None)
    if found is None:
        raise LabError(f"no {name} on this machine; run make setup")
    return found
