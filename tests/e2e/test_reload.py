"""A configuration that changes under a running bastion: a right one counts at once, a wrong one changes nothing."""

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client


def test_reloads_right_and_wrong(world: World, start_bastion: Callable[[str], Bastion], tmp_path: Path) -> None:
    text = world.config()
    bastion = start_bastion(text)
    alice, bob = (Client(tmp_path / name, bastion, name, world.login) for name in ("alice", "bob"))
    for client in (alice, bob):
        client.sign_in(world.people.token(client.name))
    way = f"{world.login}%web-1@bastion"
    staying = alice.start(alice.ssh_command(way, "echo up; cat"))
    staying.wait_for("^up$")

    wrong = text.replace('action = "deny"', 'action = "dney"', 1)
    bastion.config.write_text(wrong, encoding="utf-8")  # no signal: the change is enough
    bastion.server.wait_for_line("reload refused: .*rules.0..action: .*dney.* is not known; did you mean .*deny")
    assert alice.ssh(way, "touch /nowhere/forbidden").status == 126, "the old rules are in force"

    changed = re.sub('listen = ".*"', 'listen = "127.0.0.1:1"', text).replace("touch */forbidden*", "touch */new*")
    bastion.config.write_text(changed, encoding="utf-8")
    bastion.server.process.send_signal(signal.SIGHUP)
    bastion.server.wait_for_line("server.listen: has changed; that takes a restart")
    bastion.server.wait_for_line("configuration reloaded")
    assert alice.ssh(way, "touch /nowhere/forbidden").status == 1, "it went to the target"
    assert alice.ssh(way, "touch /nowhere/new").status == 126
    staying.write(b"still here\n")
    assert staying.finish().text == "up\nstill here\n"
    entries = bob.json("audit", "log", "--type", "config.reload")
    assert [entry["data"]["accepted"] for entry in sorted(entries, key=lambda one: one["seq"])] == [False, True]
    lines = [line for line in bastion.server.output().splitlines() if "reload" in line]
    assert all(json.loads(line)["level"] in {"error", "info", "warning"} for line in lines)
