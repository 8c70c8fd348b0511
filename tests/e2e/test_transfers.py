"""Files through the bastion with the stock programs: who may copy what, what is journalled, what is masked.

A bastion of the module's own has roles that grant uploads and downloads apart, and rules on paths.
"""

import hashlib
import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client, Done
from tests.lab.process import wait_until

ADDRESS = b"jane.doe@example.com"
ROLES = """\
[roles.up]
groups = ["eng"]
targets = ["web-1"]
logins = ["{login}"]
channels = ["exec", "upload"]

[roles.down]
groups = ["agents"]
targets = ["web-1"]
logins = ["{login}"]
channels = ["exec", "download"]

[roles.command]
groups = ["guests"]
targets = ["web-1"]
logins = ["{login}"]
channels = ["exec"]

[roles.both]
groups = ["sre", "dpo"]
targets = ["web-1"]
logins = ["{login}"]
channels = ["exec", "sftp"]

[[rules]]
name = "secrets"
action = "deny"
paths = ["{scratch}/secret/**"]
reason = "stays where it is"

[[rules]]
name = "release"
action = "approve"
paths = ["{scratch}/release/**"]
transfer = ["upload"]
approvers = ["sre"]
timeout = "1m"
"""
_numbers = itertools.count(1)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Copies:
    """Somebody who copies between a folder of their own and one on the target."""

    def __init__(self, client: Client, world: World, folder: str) -> None:
        self.client = client
        number = next(_numbers)
        self.there = world.scratch / (folder or f"copies-{number}")
        self.there.mkdir()
        self.there.chmod(0o777)
        self.here = client.folder / f"copies-{number}"
        self.here.mkdir()
        self.host = f"{world.login}@web-1"
        self.ssh = ["-F", str(client.config), "-J", "bastion"]

    def sftp(self, *commands: str) -> Done:
        return self.client.run(
            ["sftp", "-q", "-b", "-", *self.ssh, self.host], stdin="".join(f"{line}\n" for line in commands).encode()
        )

    def scp(self, *arguments: str, old: bool = False) -> Done:
        return self.client.run(["scp", "-q", *(["-O"] if old else []), *self.ssh, *arguments])

    def rsync(self, *arguments: str) -> Done:
        return self.client.run(["rsync", "-e", f"ssh {' '.join(self.ssh)}", *arguments])

    def put(self, how: str, name: str) -> Done:
        """Copy a file of ours to the same name over there."""
        here, there = str(self.here / name), str(self.there / name)
        if how == "sftp":
            return self.sftp(f"put {here} {there}")
        return self.rsync(here, f"{self.host}:{there}") if how == "rsync" else self._scp(how, here, f":{there}")

    def get(self, how: str, name: str) -> Done:
        """Copy a file from there to the same name here."""
        here, there = str(self.here / name), str(self.there / name)
        if how == "sftp":
            return self.sftp(f"get {there} {here}")
        return self.rsync(f"{self.host}:{there}", here) if how == "rsync" else self._scp(how, f":{there}", here)

    def _scp(self, how: str, source: str, goal: str) -> Done:
        names = [f"{self.host}{name}" if name.startswith(":") else name for name in (source, goal)]
        return self.scp(*names, old=how == "scp -O")

    def lay(self, name: str, content: bytes) -> Path:
        """Put a file on the target without the bastion."""
        path = self.there / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o666)
        path.parent.chmod(0o777)
        return path


HOW = ["sftp", "scp", "scp -O", "rsync"]
Make = Callable[..., Copies]


@pytest.fixture(scope="module")
def guarded(world: World) -> Iterator[Bastion]:
    """A bastion with the roles and rules above."""
    text = world.config()
    begin, end = text.index("[roles.engineer]"), text.index("[roles.approver]")
    rules, masking = text.index("[[rules]]"), text.index("[masking]")
    roles = ROLES.format(login=world.login, scratch=world.scratch)
    folder = world.folder / "bastion-transfers"
    shutil.copytree(world.bastion.folder / "hostkeys", folder / "hostkeys")
    bastion = Bastion(folder, text[:begin] + text[end:rules] + roles + text[masking:])
    yield bastion
    bastion.stop()


@pytest.fixture(scope="module")
def clients(world: World, guarded: Bastion) -> dict[str, Client]:
    made: dict[str, Client] = {}
    for role, name, provider in (
        ("up", "alice", world.people),
        ("down", "build-agent", world.agents),
        ("command", "mallory", world.people),
        ("both", "bob", world.people),
        ("clear", "carol", world.people),
    ):
        made[role] = Client(world.folder / "transfers" / name, guarded, name, world.login)
        made[role].sign_in(provider.token(name))
    return made


@pytest.fixture
def make(world: World, clients: dict[str, Client]) -> Iterator[Make]:
    made: list[Copies] = []

    def copies(role: str, folder: str = "") -> Copies:
        made.append(Copies(clients[role], world, folder))
        return made[-1]

    yield copies
    for one in made:
        shutil.rmtree(one.there)


@pytest.fixture
def journal(clients: dict[str, Client]) -> Callable[[str, Path], list[dict[str, Any]]]:
    """Return the facts of the journal's entries of a type that name a path below a folder."""

    def read(kind: str, folder: Path) -> list[dict[str, Any]]:
        entries = clients["both"].json("audit", "log", "--type", kind, "--limit", "5000")
        return [entry["data"] for entry in entries if str(folder) in str(entry["data"])]

    return read


Journal = Callable[[str, Path], list[dict[str, Any]]]


@pytest.mark.parametrize("how", HOW[:3])
def test_up_and_down_whole_and_journalled(make: Make, journal: Journal, how: str) -> None:
    copies = make("both")
    content = random.Random(7).randbytes(3_000_000)
    (copies.here / "a.bin").write_bytes(content)
    assert copies.put(how, "a.bin").status == 0
    (copies.here / "a.bin").unlink()
    assert copies.get(how, "a.bin").status == 0
    assert (copies.there / "a.bin").read_bytes() == (copies.here / "a.bin").read_bytes() == content
    digest = hashlib.sha256(content).hexdigest()
    for kind in ("file.upload", "file.download"):
        (facts,) = journal(kind, copies.there)
        assert (facts["path"], facts["size"]) == (str(copies.there / "a.bin"), 3_000_000)
        assert (facts["sha256"], facts["result"], facts["access"]) == (digest, "ok", "sequential")
    assert journal("file.download", copies.there)[0]["complete"] is True


def test_rsync_both_ways(make: Make, journal: Journal) -> None:
    copies = make("both")
    content = random.Random(8).randbytes(1_000_000)
    (copies.here / "a.bin").write_bytes(content)
    assert copies.put("rsync", "a.bin").status == 0
    (copies.here / "a.bin").unlink()
    done = copies.get("rsync", "a.bin")
    assert (done.status, done.errors) == (0, "")
    assert (copies.here / "a.bin").read_bytes() == content
    for kind in ("file.upload", "file.download"):
        (facts,) = journal(kind, copies.there)
        assert (facts["path"], facts["detail"]) == (str(copies.there / "a.bin"), "rsync")
        assert facts["size"] > 1_000_000


@pytest.mark.parametrize("how", HOW)
def test_a_role_for_uploads_alone(make: Make, how: str) -> None:
    copies = make("up")
    (copies.here / "a").write_bytes(b"up")
    assert copies.put(how, "a").status == 0
    assert (copies.there / "a").read_bytes() == b"up"
    copies.lay("b", b"down")
    done = copies.get(how, "b")
    assert done.status != 0
    assert any("denied by rule roles: download is not granted to you here" in line for line in done.said), done.errors
    assert not (copies.here / "b").exists()


@pytest.mark.parametrize("how", HOW)
def test_a_role_for_downloads_alone(make: Make, how: str) -> None:
    copies = make("down")
    copies.lay("b", b"down")
    assert copies.get(how, "b").status == 0
    assert (copies.here / "b").read_bytes() == b"down"
    (copies.here / "a").write_bytes(b"up")
    done = copies.put(how, "a")
    assert done.status != 0
    assert any("denied by rule roles: upload is not granted to you here" in line for line in done.said), done.errors
    assert not list(copies.there.glob("*a*")), "not even a part of it"


def test_sftp_shows_its_own_error_and_lives_on(make: Make) -> None:
    copies = make("down")
    (copies.here / "a").write_bytes(b"up")
    copies.lay("b", b"down")
    changes = ["put a x", "rm b", "rename b c", "mkdir d", "chmod 600 b", "ln -s b e"]
    done = copies.sftp(
        f"lcd {copies.here}", f"cd {copies.there}", *(f"-{change}" for change in changes), "get b", "ls -l"
    )
    assert done.status == 0, done.errors
    assert done.errors.count("Permission denied") == len(changes)
    assert len(done.said) == len(changes)
    assert (copies.here / "b").read_bytes() == b"down"
    assert [path.name for path in copies.there.iterdir()] == ["b"]


@pytest.mark.parametrize("how", HOW)
def test_a_role_for_commands_alone(make: Make, how: str) -> None:
    copies = make("command")
    (copies.here / "a").write_bytes(b"up")
    copies.lay("b", b"down")
    for done in (copies.put(how, "a"), copies.get(how, "b")):
        assert done.status != 0
        assert done.said, done.errors
    assert [path.name for path in copies.there.iterdir()] == ["b"]
    assert not (copies.here / "b").exists()


def test_hidden_copies_are_seen(make: Make) -> None:
    copies = make("command")
    copies.lay("b", b"down")
    for command in (
        f"s'c'p -f {copies.there}/b",
        f"sh -c 'cd {copies.there} && scp -f b'",
        f"env X=1 rsync --server --sender -e.L . {copies.there}/b",
        "/usr/lib/openssh/sftp-server",
    ):
        done = copies.client.jump(copies.host, command)
        assert done.status == 126, command
        assert b"roles" in done.out + done.err


@pytest.mark.parametrize("how", HOW)
def test_a_rule_on_paths(make: Make, journal: Journal, how: str) -> None:
    copies = make("both", "secret")
    copies.lay("plan", b"hidden")
    done = copies.get(how, "plan")
    assert done.status != 0
    assert any(line.startswith("bastion: denied by rule secrets: stays where it is") for line in done.said), done.errors
    assert not (copies.here / "plan").exists()
    (copies.here / "new").write_bytes(b"new")
    assert copies.put(how, "new").status != 0
    assert [path.name for path in copies.there.iterdir()] == ["plan"]
    verdicts = [facts for facts in journal("command.verdict", copies.there) if facts["action"] == "deny"]
    assert {facts["rule"] for facts in verdicts} == {"secrets"}


@pytest.mark.parametrize(
    "spelling", ["{base}/other/../secret/plan", "{base}//./secret//plan", "secret/plan", "./secret/plan"]
)
def test_other_spellings_of_a_path(make: Make, spelling: str) -> None:
    copies = make("both", "secret")
    copies.lay("plan", b"hidden")
    base = copies.there.parent
    done = copies.sftp(f"cd {base}", f"get {spelling.format(base=base)} {copies.here}/x")
    assert done.status != 0
    assert not (copies.here / "x").exists()


def test_a_protected_file_in_a_folder_is_left_out(make: Make) -> None:
    """Recursive copies go on with the other files; rsync, whose files are not read, is refused as a whole."""
    copies = make("both", "secret")
    copies.lay("s", b"s")
    outside = make("both", "free")
    outside.lay("a", b"a")
    base = copies.there.parent
    for old in (True, False):
        goal = copies.here / f"all-{old}"
        done = copies.scp("-r", f"{copies.host}:{base}", str(goal), old=old)
        assert done.status != 0
        assert done.said, done.errors
        assert (goal / "free" / "a").read_bytes() == b"a"
        assert not (goal / "secret" / "s").exists()
    done = copies.rsync("-r", f"{copies.host}:{base}/", str(copies.here / "all"))
    assert done.status != 0
    assert done.said[0].startswith("bastion: denied by rule secrets")
    assert not (copies.here / "all").exists()


def test_an_upload_that_needs_approval(make: Make, clients: dict[str, Client]) -> None:
    copies = make("clear", "release")
    (copies.here / "v1").write_bytes(b"one")
    command = ["sftp", "-q", "-b", "/dev/stdin", *copies.ssh, copies.host]
    for verdict in ("approve", "deny"):
        running = copies.client.start(command)
        running.write(f"put {copies.here}/v1 {copies.there}/{verdict}\nls {copies.there}\n".encode())
        asked = running.wait_for(r"waiting for approval (\S+) \(rule release, approvers sre")
        assert not (copies.there / verdict).exists()
        shown = clients["both"].json("approvals", "show", asked[1])
        assert shown["command"] == f"upload {copies.there}/{verdict}"
        assert clients["both"].cli("approvals", verdict, asked[1]).status == 0
        done = running.finish()
        assert (done.status == 0) == (verdict == "approve"), done.errors
        assert (copies.there / verdict).exists() == (verdict == "approve")
    assert f"approval {asked[1]} denied by bob" in done.errors


def test_downloads_of_what_needs_approval_to_upload(make: Make) -> None:
    copies = make("both", "release")
    copies.lay("v1", b"one")
    assert copies.get("sftp", "v1").status == 0


@pytest.mark.parametrize("how", HOW[:3])
def test_text_is_masked_in_place(make: Make, guarded: Bastion, journal: Journal, how: str) -> None:
    copies = make("both")
    text = b"".join(b"%d: write to %s today\n" % (number, ADDRESS) for number in range(5000))
    copies.lay("people.txt", text)
    done = copies.get(how, "people.txt")
    assert done.status == 0, done.errors
    assert (copies.here / "people.txt").read_bytes() == text.replace(ADDRESS, b"*" * len(ADDRESS))
    assert done.said == [f"bastion: 5000 values are masked in {copies.there}/people.txt"]
    (facts,) = journal("file.download", copies.there)
    assert (facts["masked"], facts["sha256"]) == ({"email": 5000}, hashlib.sha256(text).hexdigest())
    assert not [path for path in guarded.files() if ADDRESS in path.read_bytes()]
    assert ADDRESS not in guarded.server.log.read_bytes()


@pytest.mark.parametrize("how", HOW)
def test_unmasked_groups_get_files_as_they_are(make: Make, guarded: Bastion, how: str) -> None:
    copies = make("clear")
    text = b"write to " + ADDRESS + b"\n"
    copies.lay("people.txt", text)
    assert copies.get(how, "people.txt").status == 0
    assert (copies.here / "people.txt").read_bytes() == text
    (copies.here / "more.txt").write_bytes(text)
    assert copies.put(how, "more.txt").status == 0
    assert (copies.there / "more.txt").read_bytes() == text
    assert not [path for path in guarded.files() if ADDRESS in path.read_bytes()], "recordings stay masked"


def test_rsync_ends_where_something_must_be_masked(make: Make) -> None:
    copies = make("both")
    copies.lay("people.txt", b"write to " + ADDRESS + b"\n")
    done = copies.get("rsync", "people.txt")
    assert done.status != 0
    assert done.said == [
        "bastion: what comes now must be masked, which this program's protocol can't bear; use sftp or scp"
    ]
    assert not list(copies.here.iterdir())
    packed = copies.rsync("-z", f"{copies.host}:{copies.there}/people.txt", str(copies.here / "people.txt"))
    assert packed.status != 0
    assert packed.said[0].startswith("bastion: denied by rule masking: what comes compressed can't be masked")
    assert not list(copies.here.iterdir())


def test_resumed_downloads_are_masked_too(make: Make, journal: Journal) -> None:
    copies = make("both")
    text = b"".join(b"%06d %s\n" % (number, ADDRESS) for number in range(20000))
    copies.lay("people.txt", text)
    masked = text.replace(ADDRESS, b"*" * len(ADDRESS))
    for cut in (1, 28 * 700 + 15, len(text) - 10):
        (copies.here / "people.txt").write_bytes(masked[:cut])
        assert copies.sftp(f"reget {copies.there}/people.txt {copies.here}/people.txt").status == 0
        assert (copies.here / "people.txt").read_bytes() == masked
    assert [facts["offset"] for facts in journal("file.download", copies.there)] == [1, 28 * 700 + 15, len(text) - 10]


def test_resumed_uploads(make: Make) -> None:
    copies = make("both")
    content = random.Random(3).randbytes(500_000)
    (copies.here / "a.bin").write_bytes(content)
    copies.lay("a.bin", content[:200_000])
    assert copies.sftp(f"reput {copies.here}/a.bin {copies.there}/a.bin").status == 0
    assert (copies.there / "a.bin").read_bytes() == content


def test_64_megabytes(make: Make, journal: Journal) -> None:
    copies = make("clear")
    (copies.here / "big").write_bytes(random.Random(5).randbytes(64_000_000))
    assert copies.put("scp", "big").status == 0
    (copies.here / "big").rename(copies.here / "kept")
    assert copies.get("sftp", "big").status == 0
    assert sha256(copies.here / "kept") == sha256(copies.there / "big") == sha256(copies.here / "big")
    assert [facts["sha256"] for facts in journal("file.upload", copies.there)] == [sha256(copies.here / "kept")]


def test_a_thousand_small_files(make: Make, journal: Journal) -> None:
    copies = make("both")
    tree = copies.here / "tree"
    tree.mkdir()
    for number in range(1000):
        (tree / f"f{number}").write_text(f"file {number}\n", encoding="utf-8")
    assert copies.scp("-r", str(tree), f"{copies.host}:{copies.there}/").status == 0
    assert len(list((copies.there / "tree").iterdir())) == 1000
    found = {facts["path"]: facts["sha256"] for facts in journal("file.upload", copies.there)}
    assert found == {str(copies.there / "tree" / path.name): sha256(path) for path in tree.iterdir()}


def test_changes_are_journalled(make: Make, journal: Journal) -> None:
    copies = make("both")
    copies.lay("a", b"a")
    there = copies.there
    done = copies.sftp(f"rename {there}/a {there}/b", f"mkdir {there}/d", f"rmdir {there}/d", f"-rm {there}/none")
    assert done.status == 0, done.errors
    told = [(facts["operation"], facts["path"], facts["result"]) for facts in journal("file.operation", there)]
    assert told == [
        ("rename", str(there / "a"), "ok"),
        ("mkdir", str(there / "d"), "ok"),
        ("rmdir", str(there / "d"), "ok"),
        ("remove", str(there / "none"), "no such file"),
    ]


def test_the_recording_tells_what_was_done(make: Make) -> None:
    copies = make("both")
    (copies.here / "a").write_bytes(b"up")
    assert copies.put("sftp", "a").status == 0
    newest = copies.client.json("sessions", "list")[0]
    text = copies.client.cli("sessions", "export", newest["id"], "--format", "text").text
    digest = hashlib.sha256(b"up").hexdigest()
    assert f"put {copies.there}/a 2 bytes sha256 {digest}" in text.replace("\n", "")


def test_a_killed_client_leaves_a_note(make: Make, journal: Journal) -> None:
    copies = make("both")
    (copies.here / "big").write_bytes(bytes(50_000_000))
    running = copies.client.start(["sftp", "-q", "-b", "/dev/stdin", *copies.ssh, copies.host])
    running.write(f"put {copies.here}/big {copies.there}/big\n".encode())
    there = copies.there / "big"
    wait_until("the upload has begun", lambda: there.exists() and there.stat().st_size > 0)
    running.process.kill()
    running.finish()
    (facts,) = wait_until("the entry is written", lambda: journal("file.upload", copies.there))
    assert facts["result"] == "incomplete"
    assert 0 < facts["size"] < 50_000_000
