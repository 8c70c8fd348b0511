"""Stock OpenSSH through the bastion to a stock sshd: bytes, streams, exit codes and terminals arrive as without it."""

import hashlib
import random
import re
from pathlib import Path

import pexpect
import pytest

from tests.e2e.conftest import PROMPT, Reach, open_shell
from tests.lab.bastion import World
from tests.lab.client import Client


@pytest.mark.parametrize("code", [0, 7, 43, 255])
def test_exit_code(reach: Reach, code: int) -> None:
    done = reach(f"exit {code}")
    assert (done.status, done.out, done.err) == (code, b"", b"")


def test_target_is_reached_as_the_login(reach: Reach, world: World) -> None:
    assert reach("id -un").text == f"{world.login}\n"


def test_no_question_about_host_keys(reach: Reach) -> None:
    """StrictHostKeyChecking=yes and one @cert-authority line are all a client needs."""
    done = reach("true")
    assert (done.status, done.errors) == (0, "")


def test_large_binary_both_ways(reach: Reach) -> None:
    data = random.Random(10).randbytes(10_000_000)  # always the same: by chance bytes may look like an address
    done = reach("cat", stdin=data)
    assert done.status == 0
    assert hashlib.sha256(done.out).digest() == hashlib.sha256(data).digest()


def test_every_byte_value(reach: Reach) -> None:
    data = bytes(range(256)) * 3 + b"\r\n\0\xff\xfe~.\n~.\r"
    assert reach("cat", stdin=data).out == data


def test_streams_stay_apart(reach: Reach) -> None:
    done = reach("echo out; echo err >&2; echo out2; exit 3")
    assert (done.status, done.text, done.errors) == (3, "out\nout2\n", "err\n")


def test_stdin_ends_where_it_ends(reach: Reach) -> None:
    assert reach("wc -c; echo done", stdin=b"x" * 70_001).text.split() == ["70001", "done"]
    assert reach("cat; echo done", stdin=b"").text == "done\n"


def test_target_stops_reading_early(reach: Reach) -> None:
    assert reach("head -c 10", stdin=b"0123456789" * 300_000).text == "0123456789"


def test_stdout_ends_before_stdin(reach: Reach, marker: Path) -> None:
    done = reach(f"exec >&- 2>&-; cat >{marker}", stdin=b"y" * 500_000)
    assert done.status == 0
    assert marker.stat().st_size == 500_000


def test_death_by_signal_is_not_success(reach: Reach) -> None:
    assert reach("kill -TERM $$").status == 255


def test_unknown_command(reach: Reach) -> None:
    done = reach("no-such-command-here")
    assert done.status == 127
    assert "not found" in done.errors


def test_utf8(reach: Reach) -> None:
    text = "zażółć 日本語 🙂"
    assert reach(f"printf '%s' '{text}'; cat", stdin=text.encode()).text == text * 2


def test_quotes_and_newlines_of_a_command(reach: Reach) -> None:
    assert reach("printf '%s|' 'a  b' \"c'd\" \\\\; echo\necho two").text == "a  b|c'd|\\|\ntwo\n"


def test_many_sessions_at_once(alice: Client, world: World) -> None:
    command = alice.ssh_command("-J", "bastion", f"{world.login}@web-1", "cat; exit 4")
    running = [alice.start(command) for _ in range(8)]
    for index, one in enumerate(running):
        one.write(f"{index}\n".encode() * 1000)
    for index, one in enumerate(running):
        done = one.finish()
        assert (done.status, done.text) == (4, f"{index}\n" * 1000)


def test_sessions_of_one_connection(alice: Client, world: World) -> None:
    """ControlMaster: several channels in one connection, of which one fails, leave each other alone."""
    control = f"ControlPath={alice.folder}/c-%C"
    target = f"{world.login}%web-1@bastion"
    master = alice.start(alice.ssh_command("-M", "-o", control, target, "echo ready; cat"))
    master.wait_for("^ready$")
    assert [alice.ssh("-o", control, target, f"exit {code}").status for code in (5, 0, 6)] == [5, 0, 6]
    master.write(b"still here\n")
    assert master.finish().text == "ready\nstill here\n"


def test_rekeying(alice: Client, world: World) -> None:
    data = random.Random(6).randbytes(6_000_000)
    done = alice.ssh("-o", "RekeyLimit 1M", "-J", "bastion", f"{world.login}@web-1", "cat", stdin=data)
    assert done.out == data


@pytest.mark.parametrize("form", ["jump", "percent"])
def test_shell_on_a_terminal(alice: Client, world: World, form: str) -> None:
    way = ["-J", "bastion", f"{world.login}@web-1"] if form == "jump" else [f"{world.login}%web-1@bastion"]
    shell = open_shell(alice, *way, rows=30, columns=100)
    shell.sendline("stty size; echo $TERM; tty")
    shell.expect(r"30 100\r\nxterm-256color\r\n/dev/pts/\d+")
    shell.expect_exact(PROMPT)
    shell.setwinsize(41, 133)
    shell.sendline("until [ \"$(stty size)\" = '41 133' ]; do sleep 0.05; done; echo re''sized")
    shell.expect("resized")
    shell.expect_exact(PROMPT)
    shell.sendline("printf '%s\\n' 'zażółć 日本語 🙂'")
    shell.expect("\rzażółć 日本語 🙂\r\n")
    shell.expect_exact(PROMPT)
    shell.sendline("sh -c 'echo rea\"\"dy; exec sleep 100'")
    shell.expect("ready")  # now it is in the foreground, and the interrupt goes to it
    shell.sendintr()
    shell.expect_exact(PROMPT)
    shell.sendline("echo status $?")
    shell.expect("status 130")
    shell.expect_exact(PROMPT)
    shell.sendline("exit 7")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 7


@pytest.mark.parametrize("form", ["jump", "percent"])
def test_a_command_that_no_packet_may_hold_is_answered(alice: Client, world: World, form: str) -> None:
    way = ["-J", "bastion", f"{world.login}@web-1"] if form == "jump" else [f"{world.login}%web-1@bastion"]
    done = alice.ssh(*way, "echo", *["x" * 1000] * 1000)
    assert (done.status, done.out) == (255, b"")
    (line,) = done.said
    assert line.startswith("bastion: this command is 1001004 bytes long, 261120 at most are taken; give it to a shell")


def test_command_on_a_terminal(alice: Client, world: World) -> None:
    command = alice.ssh_command("-tt", "-J", "bastion", f"{world.login}@web-1", "tty && stty size; exit 9")
    screen = alice.terminal(command, rows=25, columns=90)
    screen.expect(r"/dev/pts/\d+\r\n25 90")
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 9


def test_end_of_input_ends_a_shell(alice: Client, world: World) -> None:
    shell = open_shell(alice, "-J", "bastion", f"{world.login}@web-1")
    shell.sendeof()
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 0


def test_shell_without_a_terminal(reach: Reach) -> None:
    done = reach(stdin=b"echo one\nexit 6\n", options=("-T",))
    assert (done.status, done.text) == (6, "one\n")


def test_the_target_sees_a_certificate_for_seconds(reach: Reach, world: World) -> None:
    """It names who is behind the login, in the target's own log."""
    reach("true")
    accepted = re.findall(
        r"Accepted publickey for (\S+) .*ED25519-CERT \S+ ID (.+) \(serial (\d+)\)", world.target.log()
    )
    login, key_id, serial = accepted[-1]
    assert login == world.login
    assert "alice" in key_id
    assert int(serial) > 0
