"""A hooked shell with stock ssh and a stock sshd: what runs is what was decided, and the hook leaves no trace."""

import io
from collections.abc import Callable
from pathlib import Path

import pexpect

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client

PROMPT = "gate> "
SHOWN = f"\x1b[?2004h{PROMPT}"  # readline switches bracketed paste on in front of it


def test_a_recalled_line_is_held_and_runs_once_it_is_approved(
    world: World, start_bastion: Callable[[str], Bastion], tmp_path: Path
) -> None:
    bastion = start_bastion(world.config().replace("[targets.web-1]", '[targets.web-1]\nshell = "hook"', 1))
    alice, bob = (Client(tmp_path / name, bastion, name, world.login) for name in ("alice", "bob"))
    for client in (alice, bob):
        client.sign_in(world.people.token(client.name))
    command = f"{world.public}/bin/deploy hooked"  # as a login shell, it sets its own PATH
    deployed = world.scratch / "deployed"

    def runs() -> int:
        return deployed.read_text(encoding="utf-8").split().count("hooked") if deployed.exists() else 0

    shell = alice.terminal(alice.ssh_command("-tt", "-J", "bastion", f"{world.login}@web-1"), rows=30, columns=100)
    shell.logfile_read = seen = io.StringIO()
    shell.expect(r"[$#] ")
    shell.sendline(f"PS1='{PROMPT}'")
    shell.expect_exact(SHOWN)
    shell.sendline(f": {command}")
    shell.expect_exact(SHOWN)
    shell.sendline("!!:1-$")  # what runs stands in no key and on no screen
    shell.expect(r"bastion: waiting for approval (\S+) \(rule prod-change")
    approval = shell.match.group(1)
    assert bob.json("approvals", "show", approval)["command"] == command
    assert runs() == 0
    assert bob.cli("approvals", "approve", approval).status == 0
    shell.expect("deployed hooked")
    shell.expect_exact(SHOWN)
    shell.sendline("echo NEXT | cat; rm -rf /")
    shell.expect("bastion: denied by rule wipe: destroys the host")
    shell.expect_exact(SHOWN)
    shell.sendline("exit 7")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 7
    assert runs() == 1

    (hook,) = bob.json("audit", "log", "--type", "shell.hook")
    assert hook["data"]["state"] == "in place"
    assert hook["data"]["shell"].startswith("bash ")
    kept = b"".join(path.read_bytes() for path in bastion.files())
    assert b"__bastion_" not in kept
    assert "5379" not in seen.getvalue()
    assert not [name for name in world.scratch.iterdir() if "bastion" in name.name]
