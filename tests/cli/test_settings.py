"""Which bastion, which key: options, environment and client.toml, in this order."""

from pathlib import Path

import pytest

from bastion.config.schema import Address
from bastion.errors import ConfigError
from cli.settings import Settings, load_settings, parse_server, separate
from cli.tree import local_tree

SERVERS = [
    ("gate", Address("gate", 2222)),
    ("gate:22", Address("gate", 22)),
    ("10.0.0.1:2022", Address("10.0.0.1", 2022)),
    ("[::1]:22", Address("::1", 22)),
    ("[::1]", Address("::1", 2222)),
    ("fe80::1", Address("fe80::1", 2222)),
]


@pytest.mark.parametrize(("text", "address"), SERVERS)
def test_servers(text: str, address: Address) -> None:
    assert parse_server(text) == address


@pytest.mark.parametrize("text", ["", ":22", "gate:", "gate:0", "gate:65536", "gate:ssh", "[::1", "[::1]22", "[]:22"])
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--server .*: write "):
        parse_server(text)


def write(home: Path, text: str) -> None:
    file = home / ".config" / "bastion" / "client.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_defaults(tmp_path: Path) -> None:
    found = load_settings({"--server": "gate"}, {}, tmp_path)
    assert found == Settings(Address("gate", 2222), tmp_path / ".ssh" / "id_ed25519", tmp_path / ".ssh" / "known_hosts")
    assert found.certificate == tmp_path / ".ssh" / "id_ed25519-cert.pub"


def test_options_beat_the_environment_and_that_the_file(tmp_path: Path) -> None:
    write(tmp_path, 'server = "file:1"\nidentity = "~/key"\nknown_hosts = "~/file"\nissuer = "corp"\n')
    found = load_settings({}, {}, tmp_path)
    assert found == Settings(Address("file", 1), tmp_path / "key", tmp_path / "file", "corp")
    found = load_settings({}, {"BASTION_KNOWN_HOSTS": "/env"}, tmp_path)
    assert found.known_hosts == Path("/env")
    options = {"--server": "[::1]:9", "--identity": "/k", "--known-hosts": "/option"}
    found = load_settings(options, {"BASTION_KNOWN_HOSTS": "/env"}, tmp_path)
    assert found == Settings(Address("::1", 9), Path("/k"), Path("/option"), "corp")


@pytest.mark.parametrize("text", ['servre = "x"', "server = 3", "server = ", "\x00"])
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    with pytest.raises(ConfigError, match=r"client\.toml: "):
        load_settings({}, {}, tmp_path)


def test_no_server_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no bastion is named: give --server"):
        load_settings({}, {}, tmp_path)


SEPARATED = [
    ("whoami --server a", {"--server": "a"}, "whoami"),
    ("--server=a whoami", {"--server": "a"}, "whoami"),
    ("approvals --identity k list --known-hosts h --json", {"--identity": "k", "--known-hosts": "h"},
     "approvals list --json"),
    ("approvals deny X --reason --server", {}, "approvals deny X --reason --server"),
    ("approvals deny X --reason=--server", {}, "approvals deny X --reason=--server"),
    ("sessions search -- --server", {}, "sessions search -- --server"),
    ("serve -c --server", {}, "serve -c --server"),
    ("approvals list --json --server a", {"--server": "a"}, "approvals list --json"),
    ("--server a --server b whoami", {"--server": "b"}, "whoami"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "options", "rest"), SEPARATED)
def test_connection_options_are_taken_out(line: str, options: dict[str, str], rest: str) -> None:
    assert separate(local_tree(), line.split()) == (options, rest.split())


@pytest.mark.parametrize("line", ["whoami --server", "approvals deny X --reason"])
def test_an_option_without_its_value(line: str) -> None:
    with pytest.raises(ConfigError, match="needs a value"):
        separate(local_tree(), line.split())
