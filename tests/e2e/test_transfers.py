"""Who may copy which files with the stock programs, and what those who may not are told.

On a bastion of its own (`guarded`), whose roles grant uploads and downloads apart, and whose rules speak of paths.
"""

import pytest

from tests.e2e.copies import HOW, Journal, Make
from tests.lab.client import Client


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
def test_cve_2026_54336_other_spellings_of_a_path(make: Make, spelling: str) -> None:
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


def test_cve_2023_45140_an_upload_that_needs_approval(make: Make, copiers: dict[str, Client]) -> None:
    copies = make("clear", "release")
    (copies.here / "v1").write_bytes(b"one")
    command = ["sftp", "-q", "-b", "/dev/stdin", *copies.ssh, copies.host]
    for verdict in ("approve", "deny"):
        running = copies.client.start(command)
        running.write(f"put {copies.here}/v1 {copies.there}/{verdict}\nls {copies.there}\n".encode())
        asked = running.wait_for(r"waiting for approval (\S+) \(rule release, approvers sre")
        assert not (copies.there / verdict).exists()
        shown = copiers["both"].json("approvals", "show", asked[1])
        assert shown["command"] == f"upload {copies.there}/{verdict}"
        assert copiers["both"].cli("approvals", verdict, asked[1]).status == 0
        done = running.finish()
        assert (done.status == 0) == (verdict == "approve"), done.errors
        assert (copies.there / verdict).exists() == (verdict == "approve")
    assert f"approval {asked[1]} denied by bob" in done.errors


def test_downloads_of_what_needs_approval_to_upload(make: Make) -> None:
    copies = make("both", "release")
    copies.lay("v1", b"one")
    assert copies.get("sftp", "v1").status == 0
