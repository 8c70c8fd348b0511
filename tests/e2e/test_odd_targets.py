"""Targets that are no plain sshd: behind gateways, found by pattern, with old algorithms, on IPv6, of other makers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.e2e.odd import Odd
from tests.lab.bastion import World
from tests.lab.client import Done

UNKNOWN = 'no target of that name is open to you; "bastion targets" lists yours'
CLOSED_WAY = "bastion: the way to the target is not open; try again later or ask an administrator"


@pytest.fixture(scope="module")
def odd(world: World) -> Iterator[Odd]:
    folder = world.folder / "odd"
    folder.mkdir()
    odd = Odd(world, folder)
    yield odd
    odd.close()


@pytest.fixture(params=["jump", "percent"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(odd: Odd, world: World, way: str, target: str, *command: str, stdin: bytes = b"") -> Done:
    """Run a command on a target as alice, in one of the two ways."""
    if way == "jump":
        return odd.alice.ssh("-J", "bastion", f"{world.login}@{target}", *command, stdin=stdin)
    return odd.alice.ssh(f"{world.login}%{target}@bastion", *command, stdin=stdin)


def journal(odd: Odd, kind: str, target: str) -> list[dict[str, Any]]:
    """Return the facts of the journal's entries of a type about a target."""
    entries = odd.bob.json("audit", "log", "--type", kind, "--limit", "5000")
    return [entry["data"] for entry in entries if entry["data"].get("target") == target]


# Gateways


@pytest.mark.parametrize(("target", "via"), [("db-host", 1), ("deep", 2)])
def test_behind_gateways(odd: Odd, world: World, way: str, target: str, via: int) -> None:
    """Every hop knows who it is for; the user needs no right to any gateway, and gets none."""
    done = run(odd, world, way, target, "cat; echo $SSH_CONNECTION >&2; exit 4", stdin=b"x" * 1_000_000)
    assert (done.status, len(done.out)) == (4, 1_000_000)
    assert "alice via bastion" in odd.gateway.log()
    assert "alice via bastion" in odd.inner.log()
    ways = {"db-host": f"{world.login}@gateway", "deep": f"{world.login}@gateway, {world.login}@second"}
    assert [entry["via"] for entry in journal(odd, "channel.open", target)][-1] == ways[target]
    assert ways[target].count("@") == via


@pytest.mark.parametrize("target", ["gateway", "second", "forged", "no-such"])
def test_a_gateway_is_no_target_of_its_users(odd: Odd, world: World, way: str, target: str) -> None:
    done = run(odd, world, way, target, "true")
    assert done.status == 255
    assert UNKNOWN in done.errors


@pytest.mark.parametrize(
    ("target", "said", "logged"),
    [
        ("behind-forged", CLOSED_WAY, "host key of forged"),
        ("forged-behind", "the host key of forged-behind is not the one configured", "host key of forged-behind"),
        ("nowhere-behind", "nowhere-behind does not answer", "127.0.0.1 port 1 through {login}@gateway"),
    ],
)
def test_each_hop_is_checked(odd: Odd, world: World, way: str, target: str, said: str, logged: str) -> None:
    done = run(odd, world, way, target, "true")
    assert done.status == 255
    assert len(done.said) == 1
    assert said in done.said[0]
    assert "gateway" not in done.errors.replace("behind", "")
    assert logged.format(login=world.login) in odd.bastion.server.output()


def test_one_connection_to_the_gateway_for_many_channels(odd: Odd, world: World) -> None:
    before = odd.gateway.log().count("Accepted publickey")
    control = ["-o", f"ControlPath={odd.alice.folder}/c-%C"]
    target = f"{world.login}%db-host@bastion"
    master = odd.alice.start(odd.alice.ssh_command("-M", *control, target, "echo ready; cat"))
    master.wait_for("^ready$")
    running = [odd.alice.start(odd.alice.ssh_command(*control, target, "cat")) for _ in range(25)]
    for one in running:
        one.write(b"x")
    assert [one.finish().out for one in running] == [b"x"] * 25
    master.finish()
    assert odd.gateway.log().count("Accepted publickey") == before + 1


# Old devices


def test_an_old_device(odd: Odd, world: World, way: str) -> None:
    done = run(odd, world, way, "old", "cat; exit 5", stdin=bytes(range(256)) * 4000)
    assert (done.status, done.out) == (5, bytes(range(256)) * 4000)


def test_nothing_is_relaxed_for_others(odd: Odd, world: World, way: str) -> None:
    done = run(odd, world, way, "old-strict", "true")
    assert done.status == 255
    assert len(done.said) == 1
    assert "targets.old-strict.algorithms" in done.said[0]


# Patterns


def test_a_target_of_a_pattern(odd: Odd, world: World, way: str) -> None:
    assert run(odd, world, way, "web-1.lab.test", "echo hi; exit 3").status == 3
    assert journal(odd, "channel.open", "web-1.lab.test")
    sessions = odd.bob.json("sessions", "list")
    assert {row["target"] for row in sessions if row["target"].startswith("web-")} == {"web-1.lab.test"}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            "web-2.lab.test",
            "the host key of web-2.lab.test is not the one configured",
        ),  # no such name in the certificate
        ("web-3.lab.test", "web-3.lab.test does not answer"),  # outside of networks
        ("web-9.lab.test", "web-9.lab.test does not answer"),  # in no DNS
        ("free-1.lab.test", "free-1.lab.test does not answer"),  # this machine
        ("free-2.lab.test", "free-2.lab.test does not answer"),  # a cloud's metadata
        ("free-3.lab.test", "free-3.lab.test does not answer"),
    ],
)
def test_where_a_name_may_not_lead(odd: Odd, world: World, way: str, target: str, said: str) -> None:
    done = run(odd, world, way, target, "true")
    assert done.status == 255
    assert len(done.said) == 1
    assert said in done.said[0]


@pytest.mark.parametrize(
    "target", ["web-1.evil.lab.test", "web-1.lab.test.", "xweb-1.lab.test", "127.0.0.1", "web-*.lab.test"]
)
def test_a_name_that_no_pattern_matches_is_unknown(odd: Odd, world: World, way: str, target: str) -> None:
    done = run(odd, world, way, target, "true")
    assert done.status == 255
    assert UNKNOWN in done.errors


def test_patterns_are_listed(odd: Odd) -> None:
    found = {line["name"]: line for line in odd.alice.json("targets")}
    assert found["web-*.lab.test"]["labels"] == {"env": "fleet"}
    assert "gateway" not in found
    assert "web-*.lab.test" in odd.alice.cli("ssh-config").text


# IPv6


def test_a_target_on_ipv6(odd: Odd, world: World, way: str) -> None:
    assert run(odd, world, way, "six", "echo ${SSH_CONNECTION%% *}").text == "::1\n"


def test_a_bastion_on_ipv6(odd: Odd, world: World) -> None:
    """By its address, with known_hosts as for any other; the journal has one spelling of every address."""
    jump = f"{world.login}@[::1]:{odd.bastion.port}"
    assert odd.alice.ssh("-J", jump, f"{world.login}@six", "exit 6").status == 6
    straight = ["-p", str(odd.bastion.port), "-l", f"{world.login}%six", "::1", "exit 7"]
    assert odd.alice.ssh(*straight).status == 7
    where = ["--server", f"[::1]:{odd.bastion.port}", "--identity", str(odd.alice.key)]
    known = ["--known-hosts", str(odd.alice.known_hosts)]
    assert odd.alice.run([odd.alice.cli_command()[0], *where, *known, "whoami"]).status == 0
    assert odd.alice.ssh(f"{world.login}%six@bastion", "true").status == 0
    assert {entry["address"] for entry in journal(odd, "channel.open", "six")} == {"::1", "127.0.0.1"}


# Other makers


@pytest.mark.parametrize("target", ["bear", "tiny"])
def test_exec_of_another_maker(odd: Odd, world: World, way: str, target: str) -> None:
    done = run(odd, world, way, target, "cat; echo err >&2; exit 9", stdin=b"y" * 300_000)
    assert (done.status, done.out, done.err) == (9, b"y" * 300_000, b"err\n")


@pytest.mark.parametrize("target", ["bear", "tiny"])
def test_terminal_of_another_maker(odd: Odd, world: World, target: str) -> None:
    command = odd.alice.ssh_command("-tt", "-J", "bastion", f"{world.login}@{target}", "stty size; read x; echo got $x")
    screen = odd.alice.terminal(command, rows=31, columns=77)
    screen.expect("31 77\r\n")
    screen.sendline("this")
    screen.expect("got this\r\n")
    screen.expect(pexpect.EOF)


@pytest.mark.parametrize("target", ["bear", "tiny"])
def test_shell_with_a_hook_on_another_maker(odd: Odd, world: World, target: str) -> None:
    shell = odd.alice.terminal(odd.alice.ssh_command("-tt", "-J", "bastion", f"{world.login}@{target}"))
    shell.expect(r"[$#] ")
    shell.sendline("x=fs; mkfs $x")
    shell.expect("bastion: denied by rule wipe")
    shell.sendline("exit 5")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 5
    assert [entry["state"] for entry in journal(odd, "shell.hook", target)] == ["in place"]


@pytest.mark.parametrize("target", ["bear", "tiny"])
def test_scp_of_another_maker(odd: Odd, world: World, target: str, marker: Path) -> None:
    local = odd.alice.folder / "local"
    local.write_bytes(b"z" * 200_000)
    scp = ["scp", "-q", "-O", "-F", str(odd.alice.config), "-J", "bastion"]
    assert odd.alice.run([*scp, str(local), f"{world.login}@{target}:{marker}"]).status == 0
    assert marker.read_bytes() == local.read_bytes()


def test_many_channels_where_a_connection_takes_one(odd: Odd, world: World) -> None:
    control = ["-o", f"ControlPath={odd.alice.folder}/t-%C"]
    target = f"{world.login}%tiny@bastion"
    master = odd.alice.start(odd.alice.ssh_command("-M", *control, target, "echo ready; cat"))
    master.wait_for("^ready$")
    running = [odd.alice.start(odd.alice.ssh_command(*control, target, "cat")) for _ in range(5)]
    for one in running:
        one.write(b"x")
    assert [one.finish().out for one in running] == [b"x"] * 5
    assert master.finish().status == 0


def test_what_a_target_lacks_is_said_in_one_line(odd: Odd, world: World, way: str) -> None:
    """tinysshd here has no sftp; whoever asks gets an answer, and the connection stays of use."""
    ssh = ["-F", str(odd.alice.config)]
    host = f"{world.login}%tiny@bastion" if way == "percent" else f"{world.login}@tiny"
    jump = ["-J", "bastion"] if way == "jump" else []
    done = odd.alice.run(["sftp", *ssh, *jump, "-b", "-", host], stdin=b"ls\n")
    assert done.status == 255
    assert done.said == ["bastion: tiny refused the channel: Session request failed"]
    assert run(odd, world, way, "tiny", "exit 8").status == 8
