"""Signing in with plain ssh and with the CLI, against a provider nobody here wrote."""

import base64
import json
import re
from pathlib import Path

import pytest

from tests.lab import certificates
from tests.lab.bastion import World, program
from tests.lab.client import Client, Running
from tests.lab.provider import Provider

CODE = r"\b([A-Z0-9]{4}-?[A-Z0-9]{4})\b"


def device_code(running: Running, provider: Provider) -> str:
    """Wait until the login shows where to go, and return the code."""
    running.wait_for(re.escape(provider.url))
    return running.wait_for(CODE)[1]


def test_plain_ssh_login(stranger: Client, world: World) -> None:
    """`ssh bastion login < key.pub > cert`: the URL and code on stderr, the certificate on stdout."""
    running = stranger.start(stranger.ssh_command("bastion", "login", asking=True))
    running.write(stranger.key.with_suffix(".pub").read_bytes())
    assert running.process.stdin is not None
    running.process.stdin.close()
    world.people.answer_device(device_code(running, world.people), "alice")
    done = running.finish()
    assert done.status == 0, done.errors
    stranger.certificate.write_bytes(done.out)
    assert certificates.read(stranger.certificate).principals
    assert stranger.json("whoami")["identity"] == "alice"
    assert stranger.jump(f"{world.login}@web-1", "exit 3").status == 3


def test_login_on_the_way(stranger: Client, world: World) -> None:
    """Without a certificate a person may log in by browser for this connection alone."""
    command = stranger.ssh_command(f"{world.login}%web-1@bastion", "echo in; exit 4", asking=True)
    running = stranger.start(command)
    world.people.answer_device(device_code(running, world.people), "alice")
    done = running.finish()
    assert (done.status, done.text) == (4, "in\n")
    assert not stranger.certificate.exists()


def test_browser_says_no(stranger: Client, world: World, marker: Path) -> None:
    command = stranger.ssh_command(f"{world.login}%web-1@bastion", f"touch {marker}", asking=True)
    running = stranger.start(command)
    world.people.answer_device(device_code(running, world.people), "alice", allow=False)
    assert running.finish().status == 255
    assert not marker.exists()


def test_cli_device_login(stranger: Client, world: World) -> None:
    running = stranger.start(stranger.cli_command("login", "--device"))
    world.people.answer_device(device_code(running, world.people), "erin")
    done = running.finish()
    assert done.status == 0, done.errors
    assert stranger.json("whoami")["identity"] == "erin"


def test_cli_creates_the_key(stranger: Client, world: World) -> None:
    for path in (stranger.key, stranger.key.with_suffix(".pub")):
        path.unlink()
    stranger.sign_in(world.people.token("alice"))
    assert stranger.key.stat().st_mode & 0o777 == 0o600
    assert stranger.json("whoami")["identity"] == "alice"


def test_token_in_a_file_and_in_the_environment(stranger: Client, world: World) -> None:
    file = stranger.folder / "token"
    file.write_text(world.people.token("alice"), encoding="utf-8")
    assert stranger.cli("login", "--token-file", str(file)).status == 0
    stranger.certificate.unlink()
    env = ["env", f"BASTION_ID_TOKEN={world.people.token('erin')}"]
    assert stranger.run([*env, *stranger.cli_command("login")]).status == 0
    assert stranger.json("whoami")["identity"] == "erin"


def test_token_signed_by_a_rotated_key(stranger: Client, world: World) -> None:
    stranger.sign_in(world.people.token("alice"))
    world.people.rotate_keys()
    stranger.sign_in(world.people.token("erin"))
    assert stranger.json("whoami")["identity"] == "erin"


def test_whoami(alice: Client, agent: Client) -> None:
    me = alice.json("whoami")
    assert {"identity", "issuer", "subject", "groups", "kind", "certificate"} <= set(me)
    assert (me["identity"], me["issuer"], me["groups"], me["kind"]) == ("alice", "corp", ["eng"], "human")
    assert agent.json("whoami")["kind"] == "agent"


def test_targets_are_those_one_may_reach(alice: Client, people: dict[str, Client]) -> None:
    assert {row["name"] for row in alice.json("targets")} == {"web-1", "stage-1", "moved", "down"}
    assert people["mallory"].json("targets") == []


def test_ssh_config_works_as_printed(stranger: Client, world: World) -> None:
    """What `bastion ssh-config` prints is all that stock ssh needs, without a question."""
    stranger.sign_in(world.people.token("alice"))
    printed = stranger.cli("ssh-config")
    assert printed.status == 0, printed.errors
    lines = printed.text.splitlines()
    config, known_hosts = stranger.folder / "printed_config", stranger.folder / "printed_known_hosts"
    config.write_text("\n".join(line for line in lines if not line.startswith("@")) + "\n", encoding="utf-8")
    known_hosts.write_text("\n".join(line for line in lines if line.startswith("@")) + "\n", encoding="utf-8")
    ours = ["-F", str(config), "-i", str(stranger.key), "-o", "IdentityAgent=none", "-o", "BatchMode=yes"]
    trust = ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "GlobalKnownHostsFile=none", "-o", "UpdateHostKeys=no"]
    # ProxyJump starts a second ssh, which sees the configuration file but not our options.
    jump = ["-o", f"ProxyCommand=ssh {' '.join(ours + trust)} -W %h:%p bastion"]
    assert stranger.run(["ssh", *ours, *trust, "bastion", "whoami"]).status == 0
    done = stranger.run(["ssh", *ours, *trust, *jump, f"{world.login}@web-1", "exit 3"])
    assert (done.status, done.errors) == (3, "")


def test_client_toml(alice: Client) -> None:
    """Server, key and known hosts may stand in client.toml."""
    done = alice.run([program("bastion"), "whoami", "--json"])
    assert (done.status, json.loads(done.out)["identity"]) == (0, "alice")


def _altered(token: str, part: int, **claims: object) -> str:
    """Change claims of a token without signing it anew."""
    parts = token.split(".")
    decoded = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
    parts[part] = base64.urlsafe_b64encode(json.dumps(decoded | claims).encode()).rstrip(b"=").decode()
    return ".".join(parts)


@pytest.mark.parametrize(
    "kind", ["nonsense", "empty", "claims", "no signature", "algorithm none", "expired", "two lines", "huge"]
)
def test_wrong_token(stranger: Client, world: World, kind: str) -> None:
    good = world.people.token("alice")
    token = {
        "nonsense": "not-a-token",
        "empty": "",
        "claims": _altered(good, 1, groups=["sre"]),
        "no signature": good.rpartition(".")[0] + ".",
        "algorithm none": _altered(good, 0, alg="none").rpartition(".")[0] + ".",
        "expired": world.people.token("alice", minutes=-10),
        "two lines": f"{good}\n{good}",
        "huge": good + "A" * 2_000_000,
    }[kind]
    done = stranger.cli("login", "--token-file", "-", stdin=token.encode())
    assert done.status in {1, 2}
    assert done.out == b""
    assert len(done.errors.splitlines()) == 1
    assert done.errors.startswith("bastion: ")
    assert "Traceback" not in done.errors
    assert good[40:80] not in done.errors, "no part of a token is shown"
    assert not stranger.certificate.exists()


def test_token_of_an_issuer_nobody_configured(stranger: Client, world: World, tmp_path: Path) -> None:
    other = Provider(tmp_path / "other", {"alice": ("sre",)})
    try:
        done = stranger.cli("login", "--token-file", "-", stdin=other.token("alice").encode())
    finally:
        other.stop()
    assert done.status == 1
    assert len(done.said) == len(done.errors.splitlines()) == 1
    assert not stranger.certificate.exists()
