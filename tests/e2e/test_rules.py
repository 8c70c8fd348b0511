"""Rules and approvals over exec channels, as the caller, the approver and the target see them.

What happened on the real target decides: a marker file, or the lines that the held `deploy` command leaves.
"""

import itertools
import json
import re
from pathlib import Path

import pytest

from tests.e2e.conftest import PROMPT, Reach, open_shell
from tests.lab.bastion import World, run_bastion
from tests.lab.client import Client, Done, Running

WAITING = r"^bastion: waiting for approval (\S+) \(rule prod-change, approvers sre, until (\S+)\)\r?$"
OPEN = r"bastion: approval (\S+) is still open; run the same command again once it is approved"
_names = (f"release-{number}" for number in itertools.count(1))


@pytest.fixture
def release() -> str:
    """A name no other test deploys."""
    return next(_names)


@pytest.fixture
def deployed(world: World) -> Path:
    path = world.scratch / "deployed"
    path.touch(mode=0o666)
    path.chmod(0o666)
    return path


def runs(deployed: Path, release: str) -> int:
    """Return how often a release was deployed on the target."""
    return deployed.read_text(encoding="utf-8").split().count(release)


def hold(caller: Client, world: World, release: str, status: int = 0, *options: str) -> tuple[Running, str]:
    """Start a deployment that is held, and return it with its approval's id."""
    command = caller.ssh_command(*options, "-J", "bastion", f"{world.login}@web-1", f"deploy {release} {status}")
    running = caller.start(command)
    return running, running.wait_for(WAITING)[1]


def deploy(caller: Client, world: World, release: str, target: str = "web-1") -> Done:
    """Run a deployment without waiting for an approver."""
    return caller.ssh("-o", "SetEnv=BASTION_WAIT=0", "-J", "bastion", f"{world.login}@{target}", f"deploy {release} 0")


def open_approval(done: Done) -> str:
    """Return the id in the answer 75."""
    found = re.fullmatch(OPEN, done.said[-1])
    assert found is not None
    assert (done.status, done.out) == (75, b"")
    return found[1]


def state(approver: Client, approval: str) -> str:
    """Return the state of an approval."""
    shown = approver.json("approvals", "show", approval)
    return str(shown["state"])


def test_denied(reach: Reach, world: World) -> None:
    forbidden = world.scratch / "forbidden-file"
    done = reach(f"touch {forbidden}")
    assert (done.status, done.out) == (126, b"")
    assert done.errors.splitlines() == ["bastion: denied by rule protected: not to be touched"]
    assert not forbidden.exists()


@pytest.mark.parametrize(
    "form",
    [
        "touch {path}; true",
        "true && touch {path}",
        "sh -c 'touch {path}'",
        "env A=1 nice touch {path}",
        "x=touch; $x {path}",
        "/usr/bin/touch {path}",
        "echo $(touch {path})",
        "t''ouch {path}",
        "cat <<E | sh\ntouch {path}\nE",
    ],
)
def test_denied_in_other_words(alice: Client, world: World, form: str) -> None:
    forbidden = world.scratch / "forbidden-words"
    done = alice.jump(f"{world.login}@web-1", form.format(path=forbidden))
    assert done.status == 126
    assert done.said == ["bastion: denied by rule protected: not to be touched"]
    assert not forbidden.exists()


def test_nothing_of_a_denied_command_reaches_the_target(alice: Client, world: World) -> None:
    """Not even a login: no session starts there."""
    before = world.target.log().count("Starting session")
    assert alice.jump(f"{world.login}@stage-1", "echo x; rm -rf /").status == 126
    assert alice.jump(f"{world.login}@stage-1", "true").status == 0
    assert world.target.log().count("Starting session") == before + 1


@pytest.mark.parametrize("padding", ["# padding\n" * 6_000, "# padding\n" * 18_000, "(\n", "\x01\n"])
def test_padded_with_what_nobody_reads(alice: Client, world: World, padding: str) -> None:
    """A comment too long to be read, a syntax error or an odd character does not carry a command past a rule."""
    path = world.scratch / "forbidden-padded"
    words = [padding[:100_000], padding[100_000:]] if padding[0] == "#" else []
    done = alice.ssh(f"{world.login}%web-1@bastion", *words, f"touch {path}\n{'' if words else padding}")
    assert (done.status, done.out) == (126, b"")
    assert done.said[0].startswith("bastion: denied by rule protected: not to be touched")
    assert not path.exists()


def test_neighbours_of_a_rule_run(alice: Client, world: World, marker: Path) -> None:
    assert alice.jump(f"{world.login}@web-1", f"touch {marker}").status == 0
    assert alice.jump(f"{world.login}@web-1", "echo rm -rf /").text == "rm -rf /\n"
    assert alice.jump(f"{world.login}@stage-1", "deploy elsewhere 4").status == 4, "the rule is for prod alone"


@pytest.mark.parametrize("how", ["program", "plain ssh"])
def test_approved_runs_exactly_once(
    agent: Client, bob: Client, world: World, deployed: Path, release: str, how: str
) -> None:
    running, approval = hold(agent, world, release, 5)
    assert runs(deployed, release) == 0
    pending = {row["id"]: row for row in bob.json("approvals", "list")}
    assert pending[approval]["command"] == f"deploy {release} 5"
    assert pending[approval]["requester"] == "build-agent"
    approve = ("approvals", "approve", approval)
    decided = bob.cli(*approve) if how == "program" else bob.ssh("bastion", *approve)
    assert decided.status == 0, decided.errors
    done = running.finish()
    assert (done.status, done.text) == (5, f"deployed {release}\n")
    assert runs(deployed, release) == 1
    assert state(bob, approval) == "used"


def test_input_given_while_waiting_is_not_lost(agent: Client, bob: Client, world: World) -> None:
    data = b"z" * 300_000
    command = agent.ssh_command("-J", "bastion", f"{world.login}@web-1", "deploy input 0; cat")
    running = agent.start(command)
    approval = running.wait_for(WAITING)[1]
    running.write(data)
    assert bob.cli("approvals", "approve", approval).status == 0
    assert running.finish().out == b"deployed input\n" + data


def test_denied_by_a_person(agent: Client, bob: Client, world: World, deployed: Path, release: str) -> None:
    running, approval = hold(agent, world, release)
    assert bob.cli("approvals", "deny", approval, "--reason", "not today").status == 0
    done = running.finish()
    assert (done.status, done.out) == (126, b"")
    assert done.said[-1] == f"bastion: approval {approval} denied by bob: not today"
    assert runs(deployed, release) == 0


def test_run_again_after_approval(agent: Client, bob: Client, world: World, deployed: Path, release: str) -> None:
    """BASTION_WAIT=0 asks and leaves; once approved the same command goes through, one time."""
    approval = open_approval(deploy(agent, world, release))
    assert open_approval(deploy(agent, world, release)) == approval, "asking again is the same question"
    assert bob.cli("approvals", "approve", approval).status == 0
    done = deploy(agent, world, release)
    assert (done.status, done.text) == (0, f"deployed {release}\n")
    assert open_approval(deploy(agent, world, release)) != approval
    assert runs(deployed, release) == 1


@pytest.mark.parametrize("way", ["jump", "percent"])
def test_programs_are_told_as_json(agent: Client, world: World, release: str, way: str) -> None:
    place = ["-J", "bastion", f"{world.login}@web-1"] if way == "jump" else [f"{world.login}%web-1@bastion"]
    done = agent.ssh("-o", "SetEnv=BASTION_WAIT=0 BASTION_JSON=1", *place, f"deploy {release} 0; env")
    (line,) = [line for line in done.said if line.startswith("bastion: {")]
    assert (done.status, done.out) == (75, b"")
    assert json.loads(line.removeprefix("bastion: ")) == {"approval": open_approval(done), "state": "open"}


def test_approval_is_for_these_bytes_this_user_and_this_way(
    people: dict[str, Client], world: World, deployed: Path, release: str
) -> None:
    agent, alice, bob = people["build-agent"], people["alice"], people["bob"]
    approval = open_approval(deploy(agent, world, release))
    assert bob.cli("approvals", "approve", approval).status == 0
    assert open_approval(deploy(alice, world, release)) != approval, "another user"
    assert open_approval(deploy(agent, world, f" {release}")) != approval, "one more blank"
    assert runs(deployed, release) == 0
    assert deploy(agent, world, release).status == 0


def test_nobody_approves_their_own_request(
    people: dict[str, Client], world: World, deployed: Path, release: str
) -> None:
    bob, dave = people["bob"], people["dave"]
    approval = open_approval(deploy(bob, world, release))
    for refused in (bob.cli("approvals", "approve", approval), bob.ssh("bastion", "approvals", "approve", approval)):
        assert (refused.status, refused.out) == (3, b"")
        assert len(refused.said) == 1
    assert state(dave, approval) == "pending"
    assert open_approval(deploy(bob, world, release)) == approval
    assert dave.cli("approvals", "approve", approval).status == 0
    assert deploy(bob, world, release).status == 0
    assert runs(deployed, release) == 1


def test_only_approvers_decide(people: dict[str, Client], world: World, deployed: Path, release: str) -> None:
    running, approval = hold(people["build-agent"], world, release)
    for name in ("alice", "erin", "carol", "mallory"):
        refused = people[name].cli("approvals", "approve", approval)
        assert refused.status in {3, 4}, name
        assert refused.out == b""
    assert people["bob"].cli("approvals", "deny", approval).status == 0
    assert running.finish().status == 126
    assert runs(deployed, release) == 0


def test_caller_who_leaves_withdraws(agent: Client, bob: Client, world: World, deployed: Path, release: str) -> None:
    running, approval = hold(agent, world, release)
    running.process.terminate()
    running.finish()
    again = deploy(agent, world, release)
    assert open_approval(again)
    late = bob.cli("approvals", "approve", approval)
    assert (late.status != 0) == (open_approval(again) != approval)
    assert runs(deployed, release) == 0


def test_a_decision_stands(agent: Client, bob: Client, world: World, release: str) -> None:
    approval = open_approval(deploy(agent, world, release))
    assert bob.cli("approvals", "deny", approval).status == 0
    late = bob.cli("approvals", "approve", approval)
    assert late.status == 1
    assert len(late.said) == 1
    assert state(bob, approval) == "denied"


def test_no_such_approval(bob: Client) -> None:
    for command in (["show", "nonsense"], ["approve", "nonsense"], ["deny", "nonsense"]):
        done = bob.cli("approvals", *command)
        assert (done.status, len(done.said)) == (4, 1)


def test_watch_on_a_terminal(agent: Client, bob: Client, world: World, deployed: Path, release: str) -> None:
    """The approver's live screen shows what is held while it is held. It begins with the oldest, so that is ours."""
    for row in bob.json("approvals", "list"):
        if row["state"] == "pending":
            assert bob.cli("approvals", "deny", row["id"]).status == 0
    screen = bob.terminal(bob.ssh_command("-t", "bastion", "approvals watch"), rows=30, columns=140)
    running, _ = hold(agent, world, release)
    screen.expect(f"deploy {release}")
    screen.send("a")
    assert running.finish(timeout=30).status == 0
    screen.send("q")
    screen.wait()
    assert runs(deployed, release) == 1


def test_looking_on_before_approving(alice: Client, bob: Client, world: World, release: str) -> None:
    """From the list, `w` shows what the person who asks sees, masked; `q` leads back to the list."""
    shell = open_shell(alice, "-tt", "-J", "bastion", f"{world.login}@web-1")
    shell.sendline("echo omar@example.net")
    shell.expect_exact(PROMPT)
    shell.sendline(f"deploy {release}")
    shell.expect(r"waiting for approval (\w+)")
    wanted = shell.match[1]
    screen = bob.terminal(bob.ssh_command("-t", "bastion", "approvals watch"), rows=20, columns=100)
    screen.expect(f"deploy {release}")
    screen.send("w")
    screen.expect(r"alice on \S+@web-1, part of 80x24 ")
    screen.expect(r"\[EMAIL\]")
    screen.expect(f"waiting for approval {wanted}")
    screen.send("qa")
    screen.expect(f"{wanted} approved")
    shell.expect_exact(PROMPT)  # what ran is told by exec channels' tests: a login shell has another PATH
    screen.send("q")
    screen.wait()
    shell.sendline("exit")
    shell.wait()
    [row] = [row for row in bob.json("approvals", "list") if row["id"] == wanted]
    [entry] = bob.json("audit", "log", "--type", "session.watched")
    assert (entry["session"], entry["identity"]) == (row["session"], "bob")


def test_policy_explain_agrees(world: World) -> None:
    def explain(command: str) -> dict[str, object]:
        who = ["--user", "alice", "--groups", "eng", "--target", "web-1", "--login", world.login]
        done = run_bastion(
            "policy", "explain", "-c", str(world.bastion.config), *who, "--json", "--", command, cwd=world.folder
        )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict)
        return answer

    assert (explain("rm -fr //")["verdict"], explain("rm -fr //")["rule"]) == ("deny", "wipe")
    assert (explain("sudo deploy x")["verdict"], explain("sudo deploy x")["approvers"]) == ("approve", ["sre"])
    assert explain("ls -l")["verdict"] == "allow"
