"""What arrives of files copied with the stock programs, and what is kept of it: content, digests, masks, lines."""

import hashlib
import random
from pathlib import Path

import pytest

from tests.e2e.copies import ADDRESS, HOW, Journal, Make
from tests.lab.bastion import Bastion
from tests.lab.client import Client
from tests.lab.process import wait_until


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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


def test_an_evil_server_ends_the_channel_and_no_more(make: Make, copiers: dict[str, Client]) -> None:
    copies = make("both")
    server = copies.lay("sftp-server", b"#!/bin/sh\nprintf '\\377\\377\\377\\377'; cat >/dev/null\n")
    server.chmod(0o755)
    done = copies.client.run(["sftp", "-q", "-b", "-", *copies.ssh, "-s", str(server), copies.host], stdin=b"ls\n")
    assert done.status != 0
    assert done.said == ["bastion: the target sent an sftp packet of 4294967295 bytes"]
    failure = copiers["both"].json("audit", "log", "--type", "failure")[-1]
    assert failure["data"]["why"] == "the target sent an sftp packet of 4294967295 bytes"
    assert copies.sftp(f"ls {copies.there}").status == 0
