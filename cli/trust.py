"""Is this the right bastion? Its host key against known_hosts, and the question where nothing is known.

asyncssh compares; this module reads the file, tells "unknown" from "changed", and words what to do. A key is added only
after somebody has said yes on a terminal.
"""

from dataclasses import dataclass
from pathlib import Path

import asyncssh

from bastion.config.schema import Address
from bastion.errors import BastionError, ConfigError
from cli.credentials import reason
from cli.local import LocalTerminal


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A host key, or a host CA (`authority`), that the server showed and known_hosts does not hold."""

    key: asyncssh.SSHKey
    authority: bool

    def line(self, server: Address) -> str:
        """Return the known_hosts line that would make it trusted."""
        marker = "@cert-authority " if self.authority else ""
        kind, data = self.key.export_public_key("openssh").decode().split()[:2]
        return f"{marker}{pattern(server)} {kind} {data}"


def read_known_hosts(path: Path) -> asyncssh.SSHKnownHosts:
    """Read a known_hosts file; one that isn't there knows nobody."""
    try:
        return asyncssh.import_known_hosts(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return asyncssh.import_known_hosts("")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {reason(error)}") from None


def decide(shown: ShownKey, server: Address, path: Path, terminal: LocalTerminal) -> None:
    """Ask whether to trust an unknown key and store it, or raise BastionError that says what to add or to suspect."""
    fingerprint = f"{shown.key.get_algorithm()} {shown.key.get_fingerprint()}"
    kind = "host CA" if shown.authority else "host key"
    host_keys, authorities, *_ = read_known_hosts(path).match(server.host, "", server.port)
    if host_keys or authorities:
        raise BastionError(
            f"the {kind} of {pattern(server)} is not the one in {path}: it is {fingerprint}; "
            "somebody may be listening in. Ask the bastion's operator before you change that line"
        )
    line = shown.line(server)
    if not terminal.can_ask():
        raise BastionError(
            f"the {kind} of {pattern(server)} is not known ({fingerprint}); once you have checked it, add this line "
            f"to {path}: {line}"
        )
    question = f"The bastion {pattern(server)} is not known yet. Its {kind} is\n  {fingerprint}\nTrust it? (yes/no) "
    answer = terminal.ask(question)
    while answer.strip().lower() not in {"yes", "no"}:
        answer = terminal.ask("Please type yes or no: ")
    if answer.strip().lower() == "no":
        raise BastionError("the bastion is not trusted; nothing was sent")
    _append(path, line)


def pattern(server: Address) -> str:
    """Return a host as known_hosts spells it."""
    return server.host if server.port == 22 else f"[{server.host}]:{server.port}"


def _append(path: Path, line: str) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = path.read_bytes() if path.exists() else b""
        with path.open("ab") as file:
            file.write(b"\n" * bool(before and not before.endswith(b"\n")) + f"{line}\n".encode())
    except OSError as error:
        raise ConfigError(f"{path}: {reason(error)}") from None
