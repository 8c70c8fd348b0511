"""Which bastion a laptop talks to, and as whom: `~/.config/bastion/client.toml`, overridden by options.

    server = "bastion.example.com:2222"
    identity = "~/.ssh/id_ed25519"
    known_hosts = "~/.ssh/known_hosts"
    issuer = "corp"

Reads that one file and the environment it is given, nothing else.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from bastion.config.schema import Address
from bastion.errors import ConfigError

DEFAULT_PORT = 2222
FILE = ".config/bastion/client.toml"
OPTIONS = ("--server", "--identity", "--known-hosts")
_KEYS = ("server", "identity", "known_hosts", "issuer")


@dataclass(frozen=True, slots=True)
class Settings:
    """Paths are absolute. `issuer` is empty where the server may choose."""

    server: Address
    identity: Path
    known_hosts: Path
    issuer: str = ""

    @property
    def certificate(self) -> Path:
        """Return where the certificate of `identity` lies, as OpenSSH looks for it."""
        return self.identity.with_name(f"{self.identity.name}-cert.pub")


def load_settings(options: Mapping[str, str], environment: Mapping[str, str], home: Path) -> Settings:
    """Put options, environment and client.toml together, in this order of strength."""
    file = _read(home / FILE)
    known = options.get("--known-hosts") or environment.get("BASTION_KNOWN_HOSTS") or file.get("known_hosts")
    server = options.get("--server") or file.get("server")
    if not server:
        raise ConfigError(f'no bastion is named: give --server HOST[:PORT], or put server = "HOST:PORT" into ~/{FILE}')
    return Settings(
        server=parse_server(server),
        identity=_path(options.get("--identity") or file.get("identity") or "~/.ssh/id_ed25519", home),
        known_hosts=_path(known or "~/.ssh/known_hosts", home),
        issuer=file.get("issuer", ""),
    )


def parse_server(text: str) -> Address:
    """Read `HOST`, `HOST:PORT`, `[IPV6]:PORT` or a bare IPv6 address; the port is 2222 where none is given."""
    host, port = text, str(DEFAULT_PORT)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ConfigError(f"--server {text!r}: write an IPv6 address as [::1]:2222")
        port = rest[1:] or port
    elif text.count(":") == 1:
        host, port = text.split(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigError(f"--server {text!r}: write HOST, HOST:PORT or [IPV6]:PORT")
    return Address(host, int(port))


def separate(tree: click.Group, arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Take the connection options out of a command line, wherever they stand; returns (options, the rest).

    The tree is needed to tell an option from another option's value, as in `--reason --server`.
    """
    options: dict[str, str] = {}
    rest: list[str] = []
    command: click.Command = tree
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            return options, [*rest, word, *words]
        if name in OPTIONS:
            options[name] = value if equals else _next(words, name)
        elif word.startswith("-"):
            rest.append(word)
            if not equals and _takes_value(command, word):
                rest.append(_next(words, word))
        else:
            rest.append(word)
            if isinstance(command, click.Group):
                command = command.get_command(click.Context(command), word) or command
    return options, rest


def _next(words: Iterator[str], name: str) -> str:
    value = next(words, None)
    if value is None:
        raise ConfigError(f"{name} needs a value")
    return value


def _takes_value(command: click.Command, word: str) -> bool:
    return any(
        isinstance(param, click.Option) and word in param.opts and not param.is_flag and not param.count
        for param in command.params
    )


def _path(text: str, home: Path) -> Path:
    return home / text[2:] if text.startswith("~/") else Path(text).absolute()


def _read(path: Path) -> dict[str, str]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None
    for key, value in values.items():
        if key not in _KEYS:
            raise ConfigError(f"{path}: {key} is not known here; there are {', '.join(_KEYS)}")
        if not isinstance(value, str):
            raise ConfigError(f"{path}: {key} must be a text in quotes")
    return values
