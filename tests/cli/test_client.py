"""The program `bastion` on a laptop against a real SSH server: who is trusted, what is sent, what comes back."""

import asyncio
import signal
import socket
from datetime import UTC, datetime, timedelta

import asyncssh
import pexpect
import pytest

from tests.cli.door import PROGRAM, Door, Laptop
from tests.cli.world import ALICE, World


async def test_a_control_command_runs_on_the_bastion(laptop: Laptop) -> None:
    laptop.sign_in()
    ran = await laptop.run("whoami", "--json")
    assert (ran.status, ran.err) == (0, "")
    assert ran.json["identity"] == "alice"
    assert laptop.door.commands == ["whoami --json"]


@pytest.mark.parametrize("where", ["before", "after", "between"])
async def test_connection_options_stand_anywhere(laptop: Laptop, where: str) -> None:
    laptop.sign_in()
    laptop.settings.write_text('server = "127.0.0.1:1"\n')
    options = ["--server", f"127.0.0.1:{laptop.door.port}", f"--identity={laptop.key}"]
    words = {
        "before": [*options, "approvals", "list", "--json"],
        "after": ["approvals", "list", "--json", *options],
        "between": ["approvals", *options, "list", "--json"],
    }
    ran = await laptop.run(*words[where])
    assert (ran.status, ran.json) == (0, [])
    assert laptop.door.commands == ["approvals list --json"]


async def test_words_arrive_as_they_were_typed(laptop: Laptop, world: World) -> None:
    laptop.sign_in()
    row = await world.ask()
    reason = 'it\'s "late" \\ --server $HOME\t*; ü'
    ran = await laptop.run("approvals", "deny", row.id, "--reason", reason, "--json")
    assert ran.status == 0
    assert ran.json["decisions"][0]["reason"].replace("\\t", "\t") == reason


async def test_exit_status_and_stderr_come_back(laptop: Laptop) -> None:
    laptop.sign_in()
    ran = await laptop.run("approvals", "show", "zzzzzzzz")
    assert (ran.status, ran.out) == (4, "")
    assert ran.err.startswith("bastion: there is no approval zzzzzzzz")


async def test_wrong_usage_is_found_without_a_connection(laptop: Laptop) -> None:
    ran = await laptop.run("approvals", "approve", "--for", "soon", "X")
    assert ran.status == 2
    assert "bastion: invalid value for '--for'" in ran.err
    assert laptop.door.commands == []


async def test_without_a_certificate(laptop: Laptop) -> None:
    laptop.trust()
    ran = await laptop.run("whoami")
    assert ran.status == 1
    assert ran.err == f"bastion: there is no certificate {laptop.certificate}; run: bastion login\n"


async def test_with_an_expired_certificate(laptop: Laptop) -> None:
    laptop.sign_in(datetime.now(UTC) - timedelta(hours=9))
    ran = await laptop.run("whoami")
    assert ran.status == 1
    assert ran.err.startswith("bastion: your certificate expired at 20")
    assert ran.err.endswith("Z; run: bastion login\n")


async def test_with_a_certificate_of_another_key(laptop: Laptop) -> None:
    laptop.sign_in()
    laptop.key.unlink()
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(laptop.key))
    ran = await laptop.run("whoami")
    assert ran.status == 1
    assert "belongs to another key" in ran.err


async def test_a_certificate_the_bastion_does_not_accept(laptop: Laptop) -> None:
    laptop.sign_in()
    laptop.door.user_ca = asyncssh.generate_private_key("ssh-ed25519")
    ran = await laptop.run("whoami")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "bastion: the bastion did not accept your certificate; run: bastion login\n"


async def test_nobody_listens(laptop: Laptop) -> None:
    laptop.sign_in()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        ran = await laptop.run("whoami", "--server", f"127.0.0.1:{silent.getsockname()[1]}")
    assert ran.status == 75
    assert ran.err.startswith("bastion: cannot connect to [127.0.0.1]:")
    assert ran.err.count("\n") == 1


async def test_a_server_that_speaks_no_ssh(laptop: Laptop) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    laptop.sign_in()
    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        ran = await laptop.run("whoami", "--server", f"127.0.0.1:{port}")
    assert ran.status == 75
    assert ran.err.startswith("bastion: the connection to [127.0.0.1]:")


async def test_an_unknown_host_is_refused_without_a_terminal(laptop: Laptop) -> None:
    laptop.sign_in()
    laptop.known_hosts.unlink()
    ran = await laptop.run("whoami")
    assert ran.status == 1
    line = f"@cert-authority [127.0.0.1]:{laptop.door.port} {laptop.door.host_ca_line}"
    assert ran.err.endswith(f"add this line to {laptop.known_hosts}: {line}\n")
    assert laptop.door.host_ca.get_fingerprint() in ran.err
    assert not laptop.known_hosts.exists()
    laptop.known_hosts.write_text(line + "\n")
    assert (await laptop.run("whoami")).status == 0


async def test_a_changed_host_is_refused(laptop: Laptop) -> None:
    laptop.sign_in()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()
    for line in (f"[127.0.0.1]:{laptop.door.port} {other}", f"@cert-authority * {other}"):
        laptop.known_hosts.write_text(line)
        ran = await laptop.run("whoami")
        assert ran.status == 1
        assert "is not the one in" in ran.err
        assert laptop.known_hosts.read_text() == line


async def test_a_host_certificate_for_another_name(laptop: Laptop) -> None:
    laptop.sign_in()
    ran = await laptop.run("whoami", "--server", f"127.0.0.2:{laptop.door.port}")
    assert ran.status in {1, 75}  # where 127.0.0.2 is no loopback address, nobody answers
    assert laptop.door.commands == []


async def test_known_hosts_from_option_and_environment(laptop: Laptop) -> None:
    laptop.sign_in()
    elsewhere = laptop.known_hosts.rename(laptop.home / "hosts")
    assert (await laptop.run("whoami")).status == 1
    assert (await laptop.run("whoami", "--known-hosts", str(elsewhere))).status == 0
    assert (await laptop.run("whoami", BASTION_KNOWN_HOSTS=str(elsewhere))).status == 0


async def test_standard_input_is_left_alone(laptop: Laptop) -> None:
    laptop.sign_in()
    script = f"while read name; do {PROGRAM} whoami --json > /dev/null; echo $name; done"
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", script,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=laptop.environment({}),
    )  # fmt: skip
    out, _ = await process.communicate(b"one\ntwo\nthree\n")
    assert out == b"one\ntwo\nthree\n"


async def test_a_reader_that_goes_away(laptop: Laptop) -> None:
    laptop.sign_in()
    for number in range(3000):
        laptop.door.world.add_session(f"s{number:04}")
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", f"{PROGRAM} sessions list --limit 5000 | head -1",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=laptop.environment({}),
    )  # fmt: skip
    out, err = await process.communicate()
    assert out.startswith(b"ID ")
    assert err == b""


def spawn(laptop: Laptop, *arguments: str) -> "pexpect.spawn[bytes]":
    environment = laptop.environment({})
    return pexpect.spawn(PROGRAM, list(arguments), env=environment, dimensions=(24, 80), timeout=20)


async def test_on_a_terminal_there_is_one_on_the_bastion_too(laptop: Laptop) -> None:
    laptop.sign_in()
    child = spawn(laptop, "whoami")
    out = await asyncio.to_thread(child.read)
    child.close()
    assert child.exitstatus == 0
    assert b"alice" in out
    assert laptop.door.terminals == [("xterm-256color", 80, 24)]


async def test_watching_and_deciding_with_keys(laptop: Laptop, world: World) -> None:
    laptop.sign_in()
    row = await world.ask(command=b"systemctl stop nginx")
    child = spawn(laptop, "approvals", "watch")
    await asyncio.to_thread(child.expect, b"systemctl stop nginx")
    child.setwinsize(30, 100)
    child.send("d")
    await asyncio.to_thread(child.expect, b"why not")
    child.send("not now\r")
    await asyncio.to_thread(child.expect, f"{row.id} denied".encode())
    child.send("q")
    await asyncio.to_thread(child.expect, pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    [decision] = (await world.approvals.list(ALICE, may_approve=True))[0].decisions
    assert decision.reason == "not now"


async def test_a_bastion_that_goes_away_leaves_the_terminal_usable(laptop: Laptop, door: Door) -> None:
    laptop.sign_in()
    child = spawn(laptop, "approvals", "watch")
    await asyncio.to_thread(child.expect, b"nothing waits")
    door.hang_up()
    await asyncio.to_thread(child.expect, rb"\x1b\[\?1049l\x1b\[\?25h")
    await asyncio.to_thread(child.expect, b"bastion: the connection to the bastion was lost")
    await asyncio.to_thread(child.expect, pexpect.EOF)
    child.close()
    assert child.exitstatus == 75


async def test_ending_the_program_gives_the_terminal_back(laptop: Laptop) -> None:
    laptop.sign_in()
    child = spawn(laptop, "approvals", "watch")
    await asyncio.to_thread(child.expect, b"nothing waits")
    child.kill(signal.SIGTERM)
    rest = await asyncio.to_thread(child.read)
    child.close()
    assert child.exitstatus == 130
    assert b"Traceback" not in rest


async def test_an_unknown_host_is_asked_about_on_a_terminal(laptop: Laptop, door: Door) -> None:
    laptop.sign_in()
    laptop.known_hosts.write_text("# mine")
    child = spawn(laptop, "whoami")
    await asyncio.to_thread(child.expect, door.host_ca.get_fingerprint().replace("+", r"\+").encode())
    child.sendline("maybe")
    await asyncio.to_thread(child.expect, b"yes or no")
    child.sendline("no")
    await asyncio.to_thread(child.expect, b"not trusted")
    await asyncio.to_thread(child.expect, pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    assert laptop.known_hosts.read_text() == "# mine"

    child = spawn(laptop, "whoami")
    await asyncio.to_thread(child.expect, b"Trust it")
    child.sendline("yes")
    await asyncio.to_thread(child.expect, b"alice")
    await asyncio.to_thread(child.expect, pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert laptop.known_hosts.read_text().splitlines() == [
        "# mine",
        f"@cert-authority [127.0.0.1]:{door.port} {door.host_ca_line}",
    ]
    assert (await laptop.run("whoami")).status == 0
