"""A bastion of their own for the tests of forwards: an sshd that forwards everything, one that forwards nothing, and
roles that grant all, some or no kinds of forward. X11 programs are stand-ins, so that no X server need be installed.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client, Running
from tests.lab.process import wait_until
from tests.lab.sshd import SSHD

TARGETS = """\
[targets.web-1]
protocol = "ssh"
address = "127.0.0.1:{open}"
host_key = "{open_key}"

[targets.closed]
protocol = "ssh"
address = "127.0.0.1:{closed}"
host_key = "{closed_key}"

[roles.everything]
groups = ["eng"]
targets = ["web-1", "closed"]
logins = ["{login}"]
channels = ["shell", "exec", "forward", "agent", "x11"]
env = ["*"]

[roles.nothing]
groups = ["sre"]
targets = ["web-1", "closed"]
logins = ["{login}"]
channels = ["shell", "exec"]
control = ["approve", "replay", "audit", "kill", "revoke"]

[roles.asked]
groups = ["dpo"]
targets = ["web-1"]
logins = ["{login}"]
channels = ["shell", "exec", "forward"]
default = "approve"

[roles.local]
groups = ["agents"]
targets = ["web-1"]
logins = ["{login}"]
channels = ["exec", "local-forward"]

"""
OPEN = ["X11Forwarding yes", "AcceptEnv *", "AddressFamily inet"]
CLOSED = ["DisableForwarding yes"]
COOKIE = "00112233445566778899aabbccddeeff"  # of the display, known to the client's machine alone

# What sshd runs on the target: keeps the cookie that came with the request.
TARGET_XAUTH = """\
#!/bin/sh
cat >"{folder}/xauth-$PPID"
"""
# What ssh runs on the client: tells the display's real cookie.
CLIENT_XAUTH = f"""\
#!/bin/sh
echo "display MIT-MAGIC-COOKIE-1 {COOKIE}"
"""


class Site:
    """The bastion, its two targets, and its people."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.folder / f"forwards-{time.monotonic_ns()}"
        self.folder.mkdir()
        self._people: dict[str, Client] = {}
        self._tools()
        ca = world.bastion.folder / "hostkeys" / "target_ca.pub"
        self.target = SSHD(self.folder, "open", ca, [*OPEN, f'XAuthLocation "{world.public}/bin/target-xauth"'])
        self.closed = SSHD(self.folder, "closed", ca, CLOSED)
        home = self.folder / "bastion"
        shutil.copytree(world.bastion.folder / "hostkeys", home / "hostkeys")
        self.bastion = Bastion(home, self._config())

    def _tools(self) -> None:
        for name, text in (
            ("target-xauth", TARGET_XAUTH.format(folder=self.world.scratch)),
            ("client-xauth", CLIENT_XAUTH),
        ):
            path = self.world.public / "bin" / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)

    def _config(self) -> str:
        text = self.world.config()
        targets = TARGETS.format(
            open=self.target.port,
            open_key=self.target.host_key,
            closed=self.closed.port,
            closed_key=self.closed.host_key,
            login=self.world.login,
        )
        return text[: text.index("[targets.web-1]")] + targets + text[text.index("[[rules]]") :]

    def person(self, name: str) -> Client:
        """Return somebody, signed in."""
        if name not in self._people:
            client = Client(self.folder / name, self.bastion, name, self.world.login)
            provider = self.world.agents if name == "build-agent" else self.world.people
            client.sign_in(provider.token(name))
            self._people[name] = client
        return self._people[name]

    def way(self, form: str, target: str = "web-1") -> list[str]:
        """Return how ssh is told to go to a target, by `jump` or by `percent`."""
        if form == "jump":
            return ["-J", "bastion", f"{self.world.login}@{target}"]
        return [f"{self.world.login}%{target}@bastion"]

    @contextmanager
    def connected(self, client: Client, *arguments: str, command: str = "echo ready; cat") -> Iterator[Running]:
        """Hold a session open, with forwards as the arguments say. On leaving, the session must still answer."""
        running = client.start(client.ssh_command(*arguments, command))
        try:
            running.wait_for("^ready$")
            yield running
            running.write(b"alive\n")
            running.wait_for("^alive$")
        finally:
            with contextlib.suppress(OSError):
                running.finish(timeout=20)

    def events(self, kind: str, /, **facts: object) -> list[dict[str, Any]]:
        """Return the data of journal entries of a type that state all these facts, oldest first."""
        entries = self.person("bob").json("audit", "log", "--type", kind, "--limit", "1000")
        found = [{**entry["data"], "session": entry["session"], "seq": entry["seq"]} for entry in entries]
        return sorted(
            (data for data in found if all(data.get(name) == value for name, value in facts.items())),
            key=lambda data: data["seq"],
        )

    def event(self, kind: str, /, **facts: object) -> dict[str, Any]:
        """Wait for a journal entry of a type that states all these facts, and return the newest one's data."""
        return wait_until(f"{kind} with {facts}", lambda: self.events(kind, **facts), timeout=20)[-1]

    def close(self) -> None:
        """Stop everything."""
        self.bastion.stop()
        self.target.stop()
        self.closed.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
