"""E-mail addresses are masked in everything a client gets and everything that is kept, whatever way they come.

Commands build the address out of parts, so that it never stands in a command itself.
"""

import pytest

from tests.e2e.conftest import PROMPT, Reach, open_shell
from tests.lab.bastion import World
from tests.lab.client import Client

ADDRESS = "jane.doe@example.com"
TAG = "[EMAIL]"
PRINT = "printf 'to %s@%s now\\n' jane.doe example.com"


def test_stdout_and_stderr(reach: Reach) -> None:
    done = reach(f"{PRINT}; {PRINT} >&2; exit 5")
    assert done.status == 5
    for text in (done.text, done.errors):
        assert ADDRESS not in text
        assert text.startswith("to ")
        assert text.endswith(" now\n")
        assert TAG in text, "it says what stood there"


@pytest.mark.parametrize("cut", range(1, len(ADDRESS)))
def test_every_cut(alice: Client, world: World, cut: int) -> None:
    """The address arrives in two writes, a moment apart."""
    one, two = ADDRESS[:cut], ADDRESS[cut:]
    parts = " ".join(f"{letter!r}" for letter in one), " ".join(f"{letter!r}" for letter in two)
    done = alice.jump(f"{world.login}@web-1", f"printf %s {parts[0]}; sleep 0.05; printf %s {parts[1]}; printf '|\\n'")
    assert "jane" not in done.text
    assert "example.com" not in done.text
    assert done.text.endswith("|\n")


def test_what_is_no_address_passes_untouched(reach: Reach) -> None:
    text = "a@b user@ @host x@y.z1 git@github 100% @ home\n"
    assert reach("cat", stdin=text.encode()).text == text


def test_output_without_a_final_newline(reach: Reach) -> None:
    """Text held back at the end still arrives."""
    assert reach("printf 'jane.doe'").text == "jane.doe"
    assert reach("printf 'a.b@c'").text == "a.b@c"


def test_terminal(alice: Client, world: World) -> None:
    shell = open_shell(alice, "-J", "bastion", f"{world.login}@web-1")
    shell.sendline(PRINT)
    shell.expect(r"\rto (.*) now\r\n")
    assert shell.match is not None
    assert "jane" not in shell.match[1]
    assert shell.match[1] == TAG
    shell.expect_exact(PROMPT)
    shell.sendline("exit")
    shell.wait()


def test_unmasked_group_sees_it_and_the_recording_does_not(carol: Client, world: World) -> None:
    assert carol.jump(f"{world.login}@web-1", PRINT).text == f"to {ADDRESS} now\n"
    newest = carol.json("sessions", "list")[0]
    for form in ("cast", "text", "json", "html"):
        exported = carol.cli("sessions", "export", newest["id"], "--format", form)
        assert ADDRESS.encode() not in exported.out


def test_nothing_in_clear_is_kept(alice: Client, world: World) -> None:
    assert alice.jump(f"{world.login}@web-1", f"{PRINT}; {PRINT} >&2").status == 0
    kept = [world.bastion.server.log, *world.bastion.files()]
    assert any(path.suffix == ".cast" for path in kept), "there are recordings to look into"
    assert not [path for path in kept if ADDRESS.encode() in path.read_bytes()]


def test_count_is_kept(alice: Client, world: World) -> None:
    assert alice.jump(f"{world.login}@web-1", f"{PRINT}; {PRINT}").status == 0
    newest = alice.json("sessions", "list")[0]
    assert newest["masked"] == {"email": 2}


def test_exports_hold_the_mask(alice: Client, bob: Client, world: World) -> None:
    assert alice.jump(f"{world.login}@web-1", PRINT).status == 0
    newest = alice.json("sessions", "list")[0]
    for form in ("cast", "text"):
        exported = bob.cli("sessions", "export", newest["id"], "--format", form)
        assert exported.status == 0, exported.errors
        assert ADDRESS not in exported.text
        assert TAG in exported.text
