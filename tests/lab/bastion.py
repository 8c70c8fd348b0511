"""A whole world on loopback: identity providers, a real ssh target, the bastion as a program, and its people.

The configuration is the one of `CONFIG`; a test that needs another starts a second `Bastion` with other text. Targets:
`web-1` (prod) and `stage-1` (staging) are the same sshd, `moved` is pinned to another key, `down` has nobody
listening, `vault` exists but nobody may reach it.
"""

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from tests.lab.process import Server
from tests.lab.provider import AGENTS, AUDIENCE, CLIENT_ID, PEOPLE, Provider
from tests.lab.sshd import SSHD, Account, keygen, make_account

CONFIG = """\
[server]
listen = "127.0.0.1:{port}"
names = ["localhost", "127.0.0.1"]
host_keys = "hostkeys"

[store]
database = "sqlite:///var/bastion.db"
recordings = "var/recordings"

[certificates]
lifetime = "8h"
agent_lifetime = "15m"

[issuers.corp]
url = "{people}"
client_id = "{client}"
audience = "{audience}"
username_claim = "sub"
groups_claim = "groups"
kind = "human"

[issuers.machines]
url = "{agents}"
client_id = "{client}"
audience = "{audience}"
username_claim = "sub"
groups_claim = "groups"
kind = "agent"
interactive = false

[targets.web-1]
protocol = "ssh"
address = "127.0.0.1:{target}"
labels = {{ env = "prod" }}
host_key = "{host_key}"
credential = {{ kind = "certificate" }}

[targets.stage-1]
protocol = "ssh"
address = "127.0.0.1:{target}"
labels = {{ env = "staging" }}
host_key = "{host_key}"
credential = {{ kind = "certificate" }}

[targets.moved]
protocol = "ssh"
address = "127.0.0.1:{target}"
labels = {{ env = "staging" }}
host_key = "{other_key}"
credential = {{ kind = "certificate" }}

[targets.down]
protocol = "ssh"
address = "127.0.0.1:{closed}"
labels = {{ env = "staging" }}
host_key = "{host_key}"
credential = {{ kind = "certificate" }}

[targets.vault]
protocol = "ssh"
address = "127.0.0.1:{target}"
labels = {{ env = "secret" }}
host_key = "{host_key}"
credential = {{ kind = "certificate" }}

[roles.engineer]
groups = ["eng", "agents", "sre", "dpo"]
targets = ["web-1", {{ env = "staging" }}]
logins = ["{login}"]
channels = ["shell", "exec", "sftp", "forward"]

[roles.approver]
groups = ["sre"]
control = ["approve", "replay", "audit", "kill", "revoke"]

[roles.officer]
groups = ["dpo"]
control = ["replay", "audit"]

# Nobody of the lab is in this group.
[roles.keeper]
groups = ["keepers"]
targets = ["vault"]
logins = ["{login}"]
channels = ["exec"]

[[rules]]
name = "wipe"
action = "deny"
commands = ["rm -rf /", "mkfs.* **"]
reason = "destroys the host"

[[rules]]
name = "protected"
action = "deny"
commands = ["touch */forbidden*"]
reason = "not to be touched"

[[rules]]
name = "prod-change"
action = "approve"
targets = [{{ env = "prod" }}]
commands = ["deploy **", "systemctl stop *"]
reason = "changes production"
approvers = ["sre"]
timeout = "10m"

[masking]
detectors = ["email"]
style = "tag"
unmasked_groups = ["dpo"]
"""

# Commands on the target. `deploy`, which a rule holds, leaves one line a run, says so, and ends with the status it was
# asked for; `customers` prints addresses.
PROGRAMS = {
    "deploy": """\
#!/bin/sh
echo "$1" >>"SCRATCH/deployed"
echo "deployed $1"
exit "${2:-0}"
""",
    "customers": """\
#!/bin/sh
cat <<EOF
id,name,mail,city
17,Jane,jane.doe@example.com,Leeds
18,Omar,omar@example.net,Cairo
EOF
""",
}


class Bastion:
    """`bastion serve` as a subprocess on a free port, with everything it keeps below `folder`."""

    def __init__(self, folder: Path, config: str, env: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config = folder / "bastion.toml"
        self.config.write_text(config, encoding="utf-8")
        self._env = env
        self.port = 0
        self.server = self.start()

    def start(self) -> Server:
        """Start it (again) and wait until it accepts connections."""
        command = [program("bastion"), "serve", "-c", str(self.config)]
        server = Server("bastion", command, self.folder / "serve.log", cwd=self.folder, env=self._env)
        listening = server.wait_for_line(r"^bastion: listening on (\S+):(\d+)$")
        self.port = int(listening[2])
        self.server = server
        return server

    @property
    def host_ca(self) -> str:
        """Return the public key line of its host CA."""
        return " ".join((self.folder / "hostkeys" / "host_ca.pub").read_text(encoding="utf-8").split()[:2])

    def files(self) -> list[Path]:
        """Return every file it keeps: database, recordings, whatever lies in var/."""
        return sorted(path for path in (self.folder / "var").rglob("*") if path.is_file())

    def stop(self) -> int:
        """Stop it and return its exit status."""
        return self.server.stop()


class World:
    """Providers, target and bastion, built in `folder` and taken down by `close`."""

    def __init__(self, folder: Path, *, login: str = "", tell: Callable[[str], None] = lambda _: None) -> None:
        """Start everything. `login` is wanted as the account's name; `tell` is called with one line a part."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._stops: list[Server | SSHD | Provider | Bastion | Account] = []
        # The account's home must be reachable for it, wherever the repository lies.
        self.public = Path(tempfile.mkdtemp(prefix="bastion-lab-"))
        self.public.chmod(0o755)
        self._silent = socket.socket()
        self._silent.bind(("127.0.0.1", 0))  # bound and never listening: connections are refused
        try:
            self._build(login, tell)
        except BaseException:
            self.close()
            raise

    def _build(self, login: str, tell: Callable[[str], None]) -> None:
        self.account = make_account(self.public, login)
        self._stops.append(self.account)
        self.people = Provider(self.folder / "people", PEOPLE)
        self._stops.append(self.people)
        tell(f"identity provider of the people at {self.people.url}")
        self.agents = Provider(self.folder / "agents", AGENTS)
        self._stops.append(self.agents)
        tell(f"identity provider of the agents at {self.agents.url}")
        home = self.folder / "bastion"
        home.mkdir(exist_ok=True)
        # sshd reads the CA at each login, so the bastion may create it later.
        self.target = SSHD(self.folder, "web-1", home / "hostkeys" / "target_ca.pub", [f"SetEnv PATH={self._path()}"])
        self._stops.append(self.target)
        tell(f"target web-1: a stock sshd at 127.0.0.1:{self.target.port}, login {self.login}")
        self.bastion = Bastion(home, self.config())
        self._stops.append(self.bastion)
        tell(f"the bastion at 127.0.0.1:{self.bastion.port}, configured by {self.bastion.config}")

    def _path(self) -> str:
        """Lay the commands of the tests onto the target and return its PATH."""
        folder = self.public / "bin"
        folder.mkdir(exist_ok=True)
        for name, script in PROGRAMS.items():
            (folder / name).write_text(script.replace("SCRATCH", str(self.scratch)), encoding="utf-8")
            (folder / name).chmod(0o755)
        return f"{folder}:/usr/local/bin:/usr/bin:/bin"

    @property
    def scratch(self) -> Path:
        """Return the folder of the target where commands leave traces."""
        return self.account.scratch

    @property
    def login(self) -> str:
        """Return the login on the target."""
        return self.account.name

    def config(self, *, port: int = 0) -> str:
        """Return the text of bastion.toml for this world."""
        return CONFIG.format(
            port=port,
            people=self.people.url,
            agents=self.agents.url,
            client=CLIENT_ID,
            audience=AUDIENCE,
            target=self.target.port,
            host_key=self.target.host_key,
            other_key=keygen(self.folder / "other_host_key", "other"),
            closed=self._silent.getsockname()[1],
            login=self.login,
        )

    def close(self) -> None:
        """Stop everything, last started first."""
        for part in reversed(self._stops):
            part.remove() if isinstance(part, Account) else part.stop()
        self._stops.clear()
        self._silent.close()
        shutil.rmtree(self.public, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def program(name: str) -> str:
    """Return the path of a program of this virtual environment."""
    return str(Path(sys.executable).with_name(name))


def run_bastion(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the `bastion` program to its end, as an administrator of the server would."""
    command = [program("bastion"), *arguments]
    return subprocess.run(
        command, check=False, cwd=cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )
