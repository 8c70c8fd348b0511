"""`bastion login` against a real SSH server: what is asked, sent, stored and said."""

import asyncio
import stat
from datetime import UTC, datetime

import asyncssh
import pytest

from cli.credentials import describe
from tests.cli.door import TOKEN, Laptop
from tests.cli.test_client import spawn


async def test_with_a_token_from_standard_input(laptop: Laptop) -> None:
    laptop.trust()
    ran = await laptop.run("login", "--token-file", "-", stdin=f"{TOKEN}\n".encode())
    assert ran.status == 0, ran.err
    assert ran.out.startswith("logged in as alice (sre) until 20")
    assert ran.err == f"bastion: created the key {laptop.key}\n"
    assert laptop.door.submethods == ["bastion-token"]
    assert laptop.door.answers == [[TOKEN]]
    assert laptop.door.commands == ["login"]
    assert stat.S_IMODE(laptop.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(laptop.certificate.stat().st_mode) == 0o644
    key = asyncssh.read_private_key(str(laptop.key))
    certificate = asyncssh.read_certificate(str(laptop.certificate))
    assert certificate.key.public_data == key.convert_to_public().public_data
    assert describe(certificate).expires > datetime.now(UTC)
    assert (await laptop.run("whoami", "--json")).json["identity"] == "alice"


async def test_with_a_token_from_a_file_and_a_named_issuer(laptop: Laptop) -> None:
    laptop.trust()
    (laptop.home / "token").write_text(TOKEN)
    ran = await laptop.run("login", "--token-file", "token", "--issuer", "machines")
    assert ran.status == 0, ran.err
    assert laptop.door.submethods == ["bastion-token:machines"]
    assert TOKEN not in ran.out + ran.err


async def test_with_a_token_from_the_environment(laptop: Laptop) -> None:
    laptop.trust()
    ran = await laptop.run("login", BASTION_ID_TOKEN=TOKEN)
    assert (ran.status, laptop.door.answers) == (0, [[TOKEN]])
    again = await laptop.run("login", "--device", BASTION_ID_TOKEN=TOKEN)
    assert (again.status, laptop.door.submethods) == (0, ["bastion-token", "bastion-device"])


async def test_in_a_browser(laptop: Laptop) -> None:
    laptop.trust()
    ran = await laptop.run("login")
    assert ran.status == 0
    assert "open https://idp.example/device and compare ABCD-EFGH\n" in ran.err
    assert "ABCD" not in ran.out
    assert laptop.door.submethods == ["bastion-device"]
    assert laptop.door.answers == [[]]


async def test_the_issuer_of_client_toml(laptop: Laptop) -> None:
    laptop.trust()
    laptop.settings.write_text(f'server = "127.0.0.1:{laptop.door.port}"\nissuer = "corp"\n')
    assert (await laptop.run("login")).status == 0
    assert laptop.door.submethods == ["bastion-device:corp"]


async def test_several_issuers_and_nobody_to_ask(laptop: Laptop) -> None:
    laptop.trust()
    laptop.door.issuers = ["corp", "github"]
    ran = await laptop.run("login")
    assert ran.status == 2
    assert "Issuer (corp, github); name one with --issuer" in ran.err
    assert not laptop.certificate.exists()


async def test_several_issuers_on_a_terminal(laptop: Laptop) -> None:
    laptop.trust()
    laptop.door.issuers = ["corp", "github"]
    child = spawn(laptop, "login")
    await asyncio.to_thread(child.expect, rb"Issuer \(corp, github\): ")
    child.sendline("github")
    await asyncio.to_thread(child.expect, b"logged in as alice")
    await asyncio.to_thread(child.wait)
    assert laptop.door.answers[0] == ["github"]


@pytest.mark.parametrize(
    ("refusal", "status"),
    [("the token expired", 1), ("the identity provider does not answer; try again later", 75)],
)
async def test_refused(laptop: Laptop, refusal: str, status: int) -> None:
    laptop.trust()
    laptop.door.refusal = refusal
    ran = await laptop.run("login", "--token-file", "-", stdin=TOKEN.encode())
    assert ran.status == status
    assert ran.err.splitlines()[-1] == f"bastion: {refusal}"
    assert laptop.door.answers == [[TOKEN]]  # a refused token is not sent again
    assert not laptop.certificate.exists()


async def test_a_refusal_cannot_act_on_the_terminal(laptop: Laptop) -> None:
    laptop.trust()
    laptop.door.refusal = "no \x1b[2J\x9b way"
    ran = await laptop.run("login", "--token-file", "-", stdin=TOKEN.encode())
    assert ran.status == 1
    assert "\x1b" not in ran.err
    assert "\x9b" not in ran.err


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"\x1b[31m", b"x" * 70_000])
async def test_what_is_no_token_is_not_sent(laptop: Laptop, content: bytes) -> None:
    laptop.trust()
    ran = await laptop.run("login", "--token-file", "-", stdin=content)
    assert ran.status == 2
    assert ran.err.startswith("bastion: standard input holds no token")
    assert laptop.door.submethods == []


async def test_a_token_file_that_is_not_there(laptop: Laptop) -> None:
    ran = await laptop.run("login", "--token-file", "nowhere")
    assert (ran.status, ran.err) == (2, "bastion: nowhere: no such file or directory\n")


async def test_device_and_token_exclude_each_other(laptop: Laptop) -> None:
    ran = await laptop.run("login", "--device", "--token-file", "-")
    assert ran.status == 2
    assert "exclude each other" in ran.err


@pytest.mark.parametrize("answer", ["nonsense", "another key"])
async def test_an_answer_that_is_no_certificate_of_ours_is_not_stored(laptop: Laptop, answer: str) -> None:
    laptop.trust()
    other = asyncssh.generate_private_key("ssh-ed25519")
    laptop.door.answer = laptop.door.certify(other) if answer == "another key" else answer
    ran = await laptop.run("login")
    assert ran.status == 1
    assert ran.err.splitlines()[-1].startswith("bastion: the bastion")
    assert not laptop.certificate.exists()


async def test_an_existing_key_is_used_and_left_alone(laptop: Laptop) -> None:
    laptop.trust()
    asyncssh.generate_private_key("ecdsa-sha2-nistp256").write_private_key(str(laptop.key))
    before = laptop.key.read_bytes()
    ran = await laptop.run("login")
    assert ran.status == 0, ran.err
    assert laptop.key.read_bytes() == before
    assert "created" not in ran.err
    assert (await laptop.run("whoami")).status == 0


async def test_a_key_with_a_passphrase_and_nobody_to_ask(laptop: Laptop) -> None:
    laptop.trust()
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(laptop.key), passphrase="secret", rounds=50)
    ran = await laptop.run("login")
    assert ran.status == 1
    assert "needs a passphrase" in ran.err


async def test_a_key_with_a_passphrase_on_a_terminal(laptop: Laptop) -> None:
    laptop.trust()
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(laptop.key), passphrase="secret", rounds=50)
    child = spawn(laptop, "login")
    await asyncio.to_thread(child.expect, b"Passphrase for ")
    child.sendline("secret")
    await asyncio.to_thread(child.expect, b"logged in as alice")
    assert b"secret" not in child.before
    await asyncio.to_thread(child.wait)


async def test_the_certificate_goes_into_the_agent(laptop: Laptop) -> None:
    laptop.trust()
    socket = laptop.home / "agent"
    agent = await asyncio.create_subprocess_exec("ssh-agent", "-D", "-a", str(socket), stdout=asyncio.subprocess.PIPE)
    assert agent.stdout is not None
    await agent.stdout.readline()
    try:
        ran = await laptop.run("login", SSH_AUTH_SOCK=str(socket))
        async with asyncssh.connect_agent(str(socket)) as client:
            keys = list(await client.get_keys())
    finally:
        agent.terminate()
        await agent.wait()
    assert ran.status == 0
    assert "warning" not in ran.err
    assert any(key.algorithm.startswith(b"ssh-ed25519-cert") for key in keys)


async def test_an_agent_that_does_not_answer_is_only_warned_of(laptop: Laptop) -> None:
    laptop.trust()
    ran = await laptop.run("login", SSH_AUTH_SOCK=str(laptop.home / "nothing"))
    assert ran.status == 0
    assert "bastion: warning: ssh-agent did not take the certificate" in ran.err
    assert laptop.certificate.exists()
