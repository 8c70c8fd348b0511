"""When masking breaks: the channel ends, and on a target that says so its output goes on, unrecorded and journalled.

The bastion runs with a module that makes every masker break at a word, as a defect would.
"""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.lab.bastion import Bastion, World
from tests.lab.client import Client

BREAKING = """\
from bastion.masking.stream import StreamMasker

feed = StreamMasker.feed

def breaking(self, data):
    if b"shiver" in data:
        raise RuntimeError("broken on purpose")
    return feed(self, data)

StreamMasker.feed = breaking
"""
TARGET = """
[targets.lenient]
protocol = "ssh"
address = "127.0.0.1:{port}"
labels = {{ env = "staging" }}
host_key = "{key}"
masking = {{ on_error = "pass" }}
"""
COMMAND = "printf 'one a@%s two shi''ver three\\n' b.example; cat"


@pytest.fixture(scope="module")
def broken(world: World) -> Iterator[tuple[Bastion, Client]]:
    folder = world.folder / "bastion-broken"
    shutil.copytree(world.bastion.folder / "hostkeys", folder / "hostkeys")
    (folder / "sitecustomize.py").write_text(BREAKING, encoding="utf-8")
    text = world.config() + TARGET.format(port=world.target.port, key=world.target.host_key)
    bastion = Bastion(folder, text, {**os.environ, "PYTHONPATH": str(folder)})
    client = Client(world.folder / "broken", bastion, "bob", world.login)
    client.sign_in(world.people.token("bob"))
    yield bastion, client
    bastion.stop()


def kept(bastion: Bastion, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in [bastion.server.log, *bastion.files()])


def test_the_channel_ends(broken: tuple[Bastion, Client], world: World) -> None:
    bastion, bob = broken
    done = bob.jump(f"{world.login}@web-1", COMMAND)
    assert done.status == 255
    assert b"shiver" not in done.out + done.err
    assert done.said == ["bastion: internal error, so this session ends here; the server's log has the details"]
    assert not kept(bastion, b"two shiver")
    (entry,) = [row for row in bob.json("audit", "log", "--type", "failure") if "RuntimeError" in row["data"]["why"]]
    assert entry["data"]["target"] == "web-1"


def test_a_target_may_let_it_through_and_that_is_journalled(broken: tuple[Bastion, Client], world: World) -> None:
    bastion, bob = broken
    done = bob.jump(f"{world.login}@lenient", COMMAND, stdin=b"and the rest\n")
    assert (done.status, done.text) == (0, "one a@b.example two shiver three\nand the rest\n")
    assert not kept(bastion, b"two shiver")
    failures = [row["data"] for row in bob.json("audit", "log", "--type", "failure")]
    (entry,) = [data for data in failures if data["where"] == "masking"]
    assert entry["target"] == "lenient"
    assert "not masked, nor recorded" in entry["why"]
