"""Somebody who copies files with the stock programs, and the roles and rules that their tests need."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lab.bastion import World
from tests.lab.client import Client, Done

ADDRESS = b"jane.doe@example.com"
HOW = ["sftp", "scp", "scp -O", "rsync"]
ROLES = """\
[roles.up]
groups = ["eng"]
targets = ["web-1"]
logins = ["{login}"]
channels = ["exec", "upload"]

[roles.down]
groups = ["agents"]
targets = ["web-1"]
logins = ["{login}"]
channels = ["exec", "download"]

[roles.command]
groups = ["guests"]
targets = ["web-1"]
logins = ["{login}"]
channels = ["exec"]

[roles.both]
groups = ["sre", "dpo"]
targets = ["web-1"]
logins = ["{login}"]
channels = ["exec", "sftp"]

[[rules]]
name = "secrets"
action = "deny"
paths = ["{scratch}/secret/**"]
reason = "stays where it is"

[[rules]]
name = "release"
action = "approve"
paths = ["{scratch}/release/**"]
transfer = ["upload"]
approvers = ["sre"]
timeout = "1m"
"""
_numbers = itertools.count(1)


class Copies:
    """Somebody who copies between a folder of their own and one on the target."""

    def __init__(self, client: Client, world: World, folder: str) -> None:
        self.client = client
        number = next(_numbers)
        self.there = world.scratch / (folder or f"copies-{number}")
        self.there.mkdir()
        self.there.chmod(0o777)
        self.here = client.folder / f"copies-{number}"
        self.here.mkdir()
        self.host = f"{world.login}@web-1"
        self.ssh = ["-F", str(client.config), "-J", "bastion"]

    def sftp(self, *commands: str) -> Done:
        return self.client.run(
            ["sftp", "-q", "-b", "-", *self.ssh, self.host], stdin="".join(f"{line}\n" for line in commands).encode()
        )

    def scp(self, *arguments: str, old: bool = False) -> Done:
        return self.client.run(["scp", "-q", *(["-O"] if old else []), *self.ssh, *arguments])

    def rsync(self, *arguments: str) -> Done:
        return self.client.run(["rsync", "-e", f"ssh {' '.join(self.ssh)}", *arguments])

    def put(self, how: str, name: str) -> Done:
        """Copy a file of ours to the same name over there."""
        here, there = str(self.here / name), str(self.there / name)
        if how == "sftp":
            return self.sftp(f"put {here} {there}")
        return self.rsync(here, f"{self.host}:{there}") if how == "rsync" else self._scp(how, here, f":{there}")

    def get(self, how: str, name: str) -> Done:
        """Copy a file from there to the same name here."""
        here, there = str(self.here / name), str(self.there / name)
        if how == "sftp":
            return self.sftp(f"get {there} {here}")
        return self.rsync(f"{self.host}:{there}", here) if how == "rsync" else self._scp(how, f":{there}", here)

    def _scp(self, how: str, source: str, goal: str) -> Done:
        names = [f"{self.host}{name}" if name.startswith(":") else name for name in (source, goal)]
        return self.scp(*names, old=how == "scp -O")

    def lay(self, name: str, content: bytes) -> Path:
        """Put a file on the target without the bastion."""
        path = self.there / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o666)
        path.parent.chmod(0o777)
        return path


Make = Callable[..., Copies]
Journal = Callable[[str, Path], list[dict[str, Any]]]


def guarded_config(world: World) -> str:
    """Return the world's configuration with the roles and rules above in the place of its own."""
    text = world.config()
    begin, end = text.index("[roles.engineer]"), text.index("[roles.approver]")
    rules, masking = text.index("[[rules]]"), text.index("[masking]")
    roles = ROLES.format(login=world.login, scratch=world.scratch)
    return text[:begin] + text[end:rules] + roles + text[masking:]
