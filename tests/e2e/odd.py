"""A bastion with targets that are no plain sshd: behind gateways, found by pattern, old, on IPv6, of other makers."""

import shutil
import subprocess
from pathlib import Path
from typing import TypeVar

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client
from tests.lab.odd import Home, dropbear, hosts, tinysshd
from tests.lab.process import Server
from tests.lab.sshd import SSHD, keygen

Part = TypeVar("Part", Server, SSHD, Bastion)
CONFIG = """\
[targets.gateway]
protocol = "ssh"
address = "127.0.0.1:{gateway}"
host_key = "{gateway_key}"

[targets.second]
protocol = "ssh"
address = "127.0.0.1:{gateway}"
host_key = "{gateway_key}"
via = "{login}@gateway"

[targets.db-host]
protocol = "ssh"
address = "127.0.0.1:{inner}"
host_key = "{inner_key}"
via = "{login}@gateway"

[targets.deep]
protocol = "ssh"
address = "127.0.0.1:{inner}"
host_key = "{inner_key}"
via = "{login}@second"

[targets.forged]
protocol = "ssh"
address = "127.0.0.1:{gateway}"
host_key = "{inner_key}"

[targets.behind-forged]
protocol = "ssh"
address = "127.0.0.1:{inner}"
host_key = "{inner_key}"
via = "{login}@forged"

[targets.forged-behind]
protocol = "ssh"
address = "127.0.0.1:{inner}"
host_key = "{gateway_key}"
via = "{login}@gateway"

[targets.nowhere-behind]
protocol = "ssh"
address = "127.0.0.1:1"
host_key = "{inner_key}"
via = "{login}@gateway"

[targets.old]
protocol = "ssh"
address = "127.0.0.1:{old}"
host_key = "{old_key}"
credential = {{ kind = "key", key_file = "{rsa}" }}
algorithms.kex = ["diffie-hellman-group14-sha1"]
algorithms.ciphers = ["aes128-cbc"]
algorithms.macs = ["hmac-sha1"]
algorithms.host_keys = ["ssh-rsa"]

[targets.old-strict]
protocol = "ssh"
address = "127.0.0.1:{old}"
host_key = "{old_key}"
credential = {{ kind = "key", key_file = "{rsa}" }}

[targets.six]
protocol = "ssh"
address = "[::1]:{six}"
host_key = "{six_key}"

[targets.bear]
protocol = "ssh"
address = "127.0.0.1:{bear}"
host_key = "{bear_key}"
credential = {{ kind = "key", key_file = "{key}" }}
algorithms.macs = ["hmac-sha2-256"]
shell = "hook"

[targets.tiny]
protocol = "ssh"
address = "127.0.0.1:{tiny}"
host_key = "{tiny_key}"
credential = {{ kind = "key", key_file = "{key}" }}
algorithms.ciphers = ["chacha20-poly1305@openssh.com"]
shell = "hook"

[targets."web-*.lab.test"]
protocol = "ssh"
address = "{{name}}:{fleet}"
labels = {{ env = "fleet" }}
host_ca = "{ca}"
networks = ["127.0.0.0/8"]

[targets."free-*.lab.test"]
protocol = "ssh"
address = "{{name}}:{fleet}"
labels = {{ env = "free" }}
host_ca = "{ca}"

[roles.engineer]
groups = ["eng"]
targets = [
    "db-host", "deep", "behind-*", "*-behind", "old*", "six", "bear", "tiny", {{ env = "fleet" }}, {{ env = "free" }},
]
logins = ["{login}"]
channels = ["shell", "exec", "sftp", "forward"]

[[rules]]
name = "wipe"
action = "deny"
commands = ["mkfs **"]

[roles.auditor]
groups = ["sre"]
control = ["audit", "replay"]
"""
NAMES = {"web-1.lab.test": "127.0.0.1", "web-2.lab.test": "127.0.0.1", "web-3.lab.test": "10.255.255.1"}
FREE = {"free-1.lab.test": "127.0.0.1", "free-2.lab.test": "169.254.169.254", "free-3.lab.test": "::1"}
OLD = [
    "KexAlgorithms diffie-hellman-group14-sha1",
    "Ciphers aes128-cbc",
    "MACs hmac-sha1",
    "HostKeyAlgorithms ssh-rsa",
]


class Odd:
    """All of them, and a bastion on IPv6 that knows them."""

    def __init__(self, world: World, folder: Path) -> None:
        self._stops: list[Server | SSHD | Bastion] = []
        ca = world.bastion.folder / "hostkeys" / "target_ca.pub"
        self.gateway, self.inner = self._keep(SSHD(folder, "gateway", ca)), self._keep(SSHD(folder, "inner", ca))
        six = self._keep(SSHD(folder, "six", ca, address="::1"))
        rsa, old_key = _rsa(folder / "rsa"), _rsa(folder / "old_host")
        world.public.joinpath("authorized").write_text(f"{rsa}\n", encoding="utf-8")
        options = [*OLD, f"HostKey {folder}/old_host", f"AuthorizedKeysFile {world.public}/authorized"]
        old = self._keep(SSHD(folder, "old", ca, options))
        fleet_ca = keygen(folder / "fleet_ca", "fleet")
        keygen(folder / "fleet_host_key", "fleet")
        names = ",".join(name for name in [*NAMES, *FREE] if name != "web-2.lab.test")
        sign = ["ssh-keygen", "-q", "-s", str(folder / "fleet_ca"), "-I", "fleet", "-h", "-n", names]
        _run([*sign, str(folder / "fleet_host_key.pub")])
        fleet = self._keep(SSHD(folder, "fleet", ca, [f"HostCertificate {folder}/fleet_host_key-cert.pub"]))
        self.home = Home(folder, world.account)
        bear, bear_port, bear_key = dropbear(folder, self.home)
        tiny, tiny_port, tiny_key = tinysshd(folder, self.home)
        self._keep(bear)
        self._keep(tiny)
        head = world.config().partition("[targets.")[0].replace("127.0.0.1:0", "[::]:0")
        head = head.replace('names = ["localhost", ', 'names = ["::1", "localhost", ')
        text = CONFIG.format(
            login=world.login, gateway=self.gateway.port, gateway_key=self.gateway.host_key, inner=self.inner.port,
            inner_key=self.inner.host_key, old=old.port, old_key=old_key, rsa=folder / "rsa", six=six.port,
            six_key=six.host_key, bear=bear_port, bear_key=bear_key, tiny=tiny_port, tiny_key=tiny_key,
            key=self.home.key, fleet=fleet.port, ca=fleet_ca,
        )  # fmt: skip
        shutil.copytree(world.bastion.folder / "hostkeys", folder / "bastion" / "hostkeys")
        self.bastion = self._keep(Bastion(folder / "bastion", head + text, hosts(folder, NAMES | FREE)))
        self.alice, self.bob = (Client(folder / name, self.bastion, name, world.login) for name in ("alice", "bob"))
        for client in (self.alice, self.bob):
            client.sign_in(world.people.token(client.name))

    def _keep(self, part: Part) -> Part:
        self._stops.append(part)
        return part

    def close(self) -> None:
        for part in reversed(self._stops):
            part.stop()
        self.home.remove()


def _rsa(path: Path) -> str:
    """Make an RSA key; return the line of its public half."""
    _run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(path)])
    return " ".join(path.with_name(f"{path.name}.pub").read_text(encoding="utf-8").split()[:2])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)
