"""When something is wrong: one line that says what and what to do next, the right exit code, nothing let through."""

import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.conftest import Reach
from tests.lab.bastion import Bastion, World, run_bastion
from tests.lab.client import Client, Done
from tests.lab.process import free_port, wait_until
from tests.lab.sshd import SSHD, keygen

StartBastion = Callable[[str], Bastion]


def one_line(done: Done) -> str:
    """Return the one line that the bastion wrote, which is all there is on stderr.

    Before a channel is open its only way to say something is SSH's disconnect message, which ssh shows in its words.
    """
    lines = [line for line in done.errors.splitlines() if not line.startswith(("Connection to ", "Disconnected from "))]
    assert len(lines) == 1, done.errors
    assert lines[0].startswith(("bastion: ", "Received disconnect from "))
    assert not lines[0].endswith(".")
    return lines[0]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("listen =", "lisen =", ["server.lisen", "listen"]),
        ("[masking]", "[maskin]", ["maskin", "masking"]),
        ('lifetime = "8h"', 'lifetime = "8 parsecs"', ["certificates.lifetime"]),
        ('groups = ["dpo"]', 'groups = "dpo"', ["roles.officer.groups"]),
        ('targets = ["web-1", {', 'targets = ["web-7", {', ["web-7"]),
        ('action = "deny"', 'action = "denied"', ["deny"]),
        ("host_key = ", "host_ky = ", ["host_ky"]),
        ("[server]", "[server", ["bastion.toml"]),
    ],
)
def test_wrong_configuration(world: World, tmp_path: Path, old: str, new: str, named: list[str]) -> None:
    text = world.config()
    assert old in text
    (tmp_path / "bastion.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    for command in ("check", "serve") if old == "listen =" else ("check",):
        done = run_bastion(command, "-c", str(tmp_path / "bastion.toml"), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
        assert all(line.startswith("bastion: ") for line in done.stderr.splitlines())
        assert all(word in done.stderr for word in named), done.stderr
    assert not (tmp_path / "var").exists(), "nothing was started"


def test_missing_configuration(tmp_path: Path) -> None:
    for command in ("check", "serve"):
        done = run_bastion(command, "-c", str(tmp_path / "none.toml"), cwd=tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert "none.toml" in done.stderr


def test_key_readable_by_others(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.bastion.folder / "hostkeys", tmp_path / "hostkeys")
    (tmp_path / "hostkeys" / "user_ca").chmod(0o640)
    (tmp_path / "bastion.toml").write_text(world.config(), encoding="utf-8")
    done = run_bastion("serve", "-c", str(tmp_path / "bastion.toml"), cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "user_ca" in done.stderr
    assert "chmod" in done.stderr


def test_recordings_that_cannot_be_written(world: World, tmp_path: Path) -> None:
    (tmp_path / "bastion.toml").write_text(world.config(), encoding="utf-8")
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "recordings").write_text("no folder", encoding="utf-8")
    done = run_bastion("serve", "-c", str(tmp_path / "bastion.toml"), cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert f"store.recordings: cannot write recordings below {tmp_path / 'var' / 'recordings'}: " in done.stderr


def test_port_taken(world: World, tmp_path: Path) -> None:
    (tmp_path / "bastion.toml").write_text(world.config(port=world.bastion.port), encoding="utf-8")
    done = run_bastion("serve", "-c", str(tmp_path / "bastion.toml"), cwd=tmp_path)
    assert done.returncode == 1
    assert str(world.bastion.port) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_init_makes_what_serve_takes(tmp_path: Path) -> None:
    assert run_bastion("init", str(tmp_path / "new"), cwd=tmp_path).returncode == 0
    assert (tmp_path / "new" / "hostkeys" / "user_ca").stat().st_mode & 0o777 == 0o600
    config = tmp_path / "new" / "bastion.toml"
    config.write_text("# mine\n", encoding="utf-8")
    run_bastion("init", str(tmp_path / "new"), cwd=tmp_path)
    assert config.read_text(encoding="utf-8") == "# mine\n", "what is there is never overwritten"


def test_unreachable_issuer(world: World, start_bastion: StartBastion, alice: Client, tmp_path: Path) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    bastion = start_bastion(world.config().replace(world.people.url, gone))
    client = Client(tmp_path / "client", bastion, "alice", world.login)
    token = world.people.token("alice")
    done = client.cli("login", "--token-file", "-", stdin=token.encode())
    assert done.status in {1, 75}
    one_line(done)
    asked = client.ssh("bastion", "login", stdin=client.key.with_suffix(".pub").read_bytes(), asking=True)
    assert asked.status != 0
    assert asked.out == b""
    assert "Traceback" not in asked.errors
    assert not client.certificate.exists()


@pytest.mark.parametrize("target", ["down", "moved"])
def test_target_that_cannot_be_used(alice: Client, world: World, marker: Path, target: str) -> None:
    """Nobody listens there, or the host shows another key than the pinned one."""
    for done in (
        alice.jump(f"{world.login}@{target}", f"touch {marker}"),
        alice.ssh(f"{world.login}%{target}@bastion", f"touch {marker}"),
    ):
        assert done.status not in {0, 126, 127}
        assert done.out == b""
        assert target in one_line(done)
    assert not marker.exists()


def test_unknown_and_forbidden_target_look_the_same(alice: Client, people: dict[str, Client], world: World) -> None:
    def answers(client: Client, target: str) -> list[tuple[int, bytes, str]]:
        jump = client.jump(f"{world.login}@{target}", "true")
        percent = client.ssh(f"{world.login}%{target}@bastion", "true")
        return [(done.status, done.out, done.errors.replace(target, "TARGET")) for done in (jump, percent)]

    unknown = answers(alice, "web-99")
    assert answers(alice, "vault") == unknown
    assert answers(people["mallory"], "web-1") == answers(people["mallory"], "web-99")
    assert all(status != 0 and out == b"" for status, out, _ in unknown)
    assert any("bastion: " in errors or "prohibited" in errors for _, _, errors in unknown)


def test_login_that_is_not_granted(alice: Client, world: World, marker: Path) -> None:
    for done in (alice.jump("root@web-1", f"touch {marker}"), alice.ssh("root%web-1@bastion", f"touch {marker}")):
        assert done.status not in {0, 127}
        assert done.out == b""
    assert not marker.exists()


def test_database_locked(world: World, start_bastion: StartBastion, tmp_path: Path, marker: Path) -> None:
    """Another program holds the write lock: nobody gets in unrecorded, and all is well once it lets go."""
    bastion = start_bastion(world.config())
    client = Client(tmp_path / "client", bastion, "alice", world.login)
    client.sign_in(world.people.token("alice"))
    with closing(sqlite3.connect(bastion.folder / "var" / "bastion.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        done = client.ssh(f"{world.login}%web-1@bastion", f"touch {marker}", timeout=100)
        assert done.status not in {0, 126, 127}
        assert done.out == b""
        assert one_line(done)
        late = client.cli("login", "--token-file", "-", stdin=world.people.token("alice").encode(), timeout=100)
        assert late.status == 75
        assert one_line(late)
        other.execute("rollback")
    assert not marker.exists()
    assert bastion.server.process.poll() is None
    assert client.ssh("bastion", "whoami").status == 0, "the server went on"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[Bastion], None]]:
    """Leave a bastion no room for recordings: a small file system where we may mount, else a limit on files' sizes."""
    mounted: list[Path] = []

    def fill(bastion: Bastion) -> None:
        folder = bastion.folder / "var" / "recordings"
        folder.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
        if os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0:
            mounted.append(folder)
        else:  # a container's root may not mount
            limit = 2_000_000
            resource.prlimit(bastion.server.process.pid, resource.RLIMIT_FSIZE, (limit, limit))

    yield fill
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_disk_full_while_recording(
    world: World, start_bastion: StartBastion, small_disk: Callable[[Bastion], None], tmp_path: Path
) -> None:
    """What cannot be recorded is not let through: the command ends, and never more than the disk holds comes out."""
    bastion = start_bastion(world.config())
    small_disk(bastion)
    client = Client(tmp_path / "client", bastion, "alice", world.login)
    client.sign_in(world.people.token("alice"))
    done = client.ssh(f"{world.login}%web-1@bastion", "head -c 20000000 /dev/urandom | base64", timeout=100)
    assert done.status not in {0, 126, 127}
    assert len(done.out) < 3_000_000
    assert "record" in one_line(done)
    assert bastion.server.process.poll() is None, "the server went on"
    assert client.ssh("bastion", "whoami").status == 0


def test_target_that_dies_meanwhile(world: World, alice: Client, tmp_path: Path) -> None:
    ca = world.bastion.folder / "hostkeys" / "target_ca.pub"
    doomed = SSHD(tmp_path, "doomed", ca)
    config = world.config().replace(f"127.0.0.1:{world.target.port}", f"127.0.0.1:{doomed.port}", 1)
    config = config.replace(world.target.host_key, doomed.host_key, 1)
    folder = tmp_path / "bastion"
    folder.mkdir()
    shutil.copytree(world.bastion.folder / "hostkeys", folder / "hostkeys")
    bastion = Bastion(folder, config)
    try:
        client = Client(tmp_path / "client", bastion, "alice", world.login)
        client.sign_in(world.people.token("alice"))
        running = client.start(client.ssh_command(f"{world.login}%web-1@bastion", "echo up; cat"))
        running.wait_for("^up$")
        doomed.stop()
        assert running.finish(timeout=30).status != 0
        assert client.ssh("bastion", "whoami").status == 0
    finally:
        bastion.stop()
        doomed.stop()


def test_warpgate_2463_new_credentials_are_used_at_once(
    world: World, start_bastion: StartBastion, tmp_path: Path
) -> None:
    """The target does not know the configured key; it is replaced, and the client's open connection gets in."""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    known = world.public / "known-keys"
    known.write_text(keygen(right, "right") + "\n", encoding="utf-8")
    keygen(wrong, "wrong")
    ca = world.bastion.folder / "hostkeys" / "target_ca.pub"
    target = SSHD(tmp_path, "keys", ca, [f'AuthorizedKeysFile "{known}"'])
    config = world.config().replace(f"127.0.0.1:{world.target.port}", f"127.0.0.1:{target.port}", 1)
    config = config.replace(world.target.host_key, target.host_key, 1)
    kind = f'credential = {{ kind = "key", key_file = "{wrong}" }}'
    bastion = start_bastion(config.replace('credential = { kind = "certificate" }', kind, 1))
    client = Client(tmp_path / "client", bastion, "alice", world.login)
    client.sign_in(world.people.token("alice"))
    control = ["-o", f"ControlPath={tmp_path}/c", f"{world.login}%web-1@bastion"]
    master = client.start(client.ssh_command("-N", "-M", *control))
    try:
        wait_until("the master", (tmp_path / "c").exists)
        assert "does not accept the bastion's credential" in one_line(client.ssh(*control, "true"))
        bastion.config.write_text(bastion.config.read_text().replace(str(wrong), str(right)), encoding="utf-8")
        bastion.server.process.send_signal(signal.SIGHUP)
        wait_until("the new key to be used", lambda: client.ssh(*control, "echo in").text == "in\n")
        assert master.process.poll() is None
    finally:
        master.process.terminate()
        master.finish()
        target.stop()


def test_stops_cleanly_with_a_session_open(world: World, start_bastion: StartBastion, tmp_path: Path) -> None:
    bastion = start_bastion(world.config())
    client = Client(tmp_path / "client", bastion, "alice", world.login)
    client.sign_in(world.people.token("alice"))
    running = client.start(client.ssh_command("bastion", "approvals watch"))
    bastion.server.process.send_signal(signal.SIGTERM)
    assert bastion.server.process.wait(30) == 0
    assert "Traceback" not in bastion.server.output()
    running.finish(timeout=30)


def test_killed_server_leaves_readable_recordings(world: World, tmp_path: Path) -> None:
    """SIGKILL in the middle of a session: after a new start it is listed as ended and can be exported."""
    folder = tmp_path / "bastion"
    folder.mkdir()
    shutil.copytree(world.bastion.folder / "hostkeys", folder / "hostkeys")
    bastion = Bastion(folder, world.config())
    client = Client(tmp_path / "client", bastion, "alice", world.login)
    client.sign_in(world.people.token("alice"))
    running = client.start(client.ssh_command(f"{world.login}%web-1@bastion", "echo before-the-end; cat"))
    running.wait_for("^before-the-end$")
    bastion.server.process.kill()
    bastion.server.process.wait()
    assert running.finish().status == 255
    bastion.start()
    try:
        client = Client(tmp_path / "client", bastion, "alice", world.login)
        row = client.json("sessions", "list")[0]
        assert row["ended"] is not None
        exported = client.cli("sessions", "export", row["id"], "--format", "cast")
        assert exported.status == 0
        assert "before-the-end" in exported.text
    finally:
        bastion.stop()


def test_nothing_but_ssh_is_spoken(world: World, alice: Client) -> None:
    """A stray HTTP request gets no answer that helps, and hurts nobody."""
    with socket.create_connection(("127.0.0.1", world.bastion.port), timeout=10) as stray:
        stray.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while chunk := stray.recv(4096):
            answer += chunk
    assert answer.startswith(b"SSH-2.0-")
    assert alice.ssh("bastion", "whoami").status == 0


def test_the_door_forwards_nowhere_else(alice: Client, world: World, reach: Reach) -> None:
    """A forward to a plain address is refused, and so is a listener on the bastion."""
    done = alice.ssh("-W", f"127.0.0.1:{world.target.port}", "bastion", stdin=b"x")
    assert done.status != 0
    assert b"SSH-2.0" not in done.out
    done = alice.ssh("-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "-N", "bastion", timeout=30)
    assert done.status != 0
    assert reach("true").status == 0
