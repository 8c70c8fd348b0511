"""What a client asks a session channel to be, in RFC 4254 terms."""

from dataclasses import dataclass

from bastion.model import ChannelKind


@dataclass(frozen=True, slots=True)
class Terminal:
    """A PTY request (RFC 4254 section 6.2): sizes in characters and pixels, modes as opcode to value."""

    term: str
    columns: int
    rows: int
    width: int
    height: int
    modes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ChannelRequest:
    """A shell, exec or subsystem request with all that came before it.

    `command` is the exec string or the subsystem's name as raw bytes, empty for a shell. `env` are the variables the
    client sent, those for the bastion itself included.
    """

    kind: ChannelKind
    command: bytes
    terminal: Terminal | None
    env: tuple[tuple[str, str], ...]

    def variable(self, name: str) -> str:
        """Return a variable the client sent, or an empty text."""
        return dict(self.env).get(name, "")
