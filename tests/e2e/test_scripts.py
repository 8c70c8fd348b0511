"""Scripts on the standard input of a shell without a terminal: read as commands before the target gets any of them.

Files made or not made on the target decide, and the shell's own output; never what the bastion says of itself.
"""

from pathlib import Path

import pytest

from tests.e2e.conftest import Reach
from tests.lab.bastion import World
from tests.lab.client import Client

SHELLS = {
    "login shell": "",
    "bash -s": "bash -s -- one two",
    "sh": "sh",
    "wrapped": "env A=1 nice sh -s",
    "after cd": "cd / && bash",
    "by its file": "exec bash /dev/stdin",
    "nested": "sh -c 'exec sh'",
}
WAITING = r"^bastion: waiting for approval (\S+) \(rule prod-change"
DENIED = "bastion: denied by rule protected: "


def words(shell: str) -> list[str]:
    """Return the command as arguments of ssh: none for the login shell."""
    return [SHELLS[shell]] if SHELLS[shell] else []


@pytest.fixture
def forbidden(world: World, marker: Path) -> Path:
    """A file that a rule says nobody may touch."""
    return world.scratch / f"forbidden-{marker.name}"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_read_before_any_of_it_runs(reach: Reach, marker: Path, forbidden: Path, shell: str) -> None:
    script = f"echo ran > {marker}\nx={forbidden}\nif true; then\n  touch $x\nfi\n"
    done = reach(*words(shell), stdin=script.encode())
    assert done.status == 126
    assert done.said[-1].startswith(DENIED)
    assert not marker.exists()
    assert not forbidden.exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_harmless_script_runs_as_if_nothing_had_read_it(
    reach: Reach, marker: Path, forbidden: Path, shell: str
) -> None:
    script = f"echo 'touch {forbidden}'; echo $1\ncat > {marker} <<E\ntouch {forbidden}\nE\necho err >&2; exit 9"
    done = reach(*words(shell), stdin=script.encode())
    assert (done.status, done.errors.splitlines()[-1]) == (9, "err")
    assert done.text.splitlines() == [f"touch {forbidden}", "one" if "one" in SHELLS[shell] else ""]
    assert marker.read_text() == f"touch {forbidden}\n"


def test_a_script_waits_for_a_person_and_runs_whole(people: dict[str, Client], world: World, marker: Path) -> None:
    agent, bob = people["build-agent"], people["bob"]
    script = world.scratch / f"script-{marker.name}"
    script.write_text(f"touch {marker}; systemctl stop nothing 2>/dev/null\necho end\n")
    command = agent.ssh_command("-J", "bastion", f"{world.login}@web-1", "bash -s")
    running = agent.start(["sh", "-c", f'exec "$@" < {script}', "sh", *command])
    approval = running.wait_for(WAITING)[1]
    assert not marker.exists()
    shown = bob.json("approvals", "show", approval)
    assert "systemctl stop nothing" in shown["command"]
    assert bob.cli("approvals", "approve", approval).status == 0
    done = running.finish()
    assert (done.status, done.out) == (0, b"end\n")
    assert marker.exists()


def test_a_shell_that_is_fed_slowly_is_read_statement_by_statement(
    alice: Client, world: World, marker: Path, forbidden: Path
) -> None:
    running = alice.start(alice.ssh_command("-T", "-J", "bastion", f"{world.login}@web-1"))
    running.write(b"echo one; function f() {\n")
    running.write(b"  echo two\n}\nf\n")
    running.wait_for("^two$")
    running.write(f"echo three\nx={forbidden}\n".encode())
    running.wait_for("^three$")
    running.write(f"touch $x ; touch {marker}\necho four\n".encode())
    done = running.finish()
    assert (done.status, done.out) == (126, b"one\ntwo\nthree\n")
    assert done.said[-1].startswith(DENIED)
    assert not marker.exists()
    assert not forbidden.exists()


@pytest.mark.parametrize(
    ("command", "stdin", "denied"),
    [
        ("cat", "touch {forbidden}\n", False),
        ("xargs echo", "touch {forbidden}\n", False),
        ("xargs touch", "{forbidden}\n", True),
        ("tee -a /dev/null | sh", "touch {forbidden}\n", True),
        ("while read -r line; do $line; done", "touch {forbidden}\n", True),
    ],
)
def test_only_what_is_run_counts(
    alice: Client, world: World, forbidden: Path, command: str, stdin: str, denied: bool
) -> None:
    text = stdin.format(forbidden=forbidden)
    done = alice.ssh("-J", "bastion", f"{world.login}@web-1", command, stdin=text.encode())
    assert (done.status == 126) is denied
    assert not forbidden.exists()
