"""What a client asks a session channel to be, in RFC 4254 terms."""

from dataclasses import dataclass, field

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

    @property
    def size(self) -> tuple[int, int, int, int]:
        """Columns, rows, width and height."""
        return self.columns, self.rows, self.width, self.height


@dataclass(frozen=True, slots=True)
class Display:
    """An X11 request (RFC 4254 section 6.3.1): the cookie is the client's, in hexadecimal, and stays as it is."""

    single: bool
    protocol: bytes
    cookie: bytes = field(repr=False)
    screen: int


NOT_WAITING = (("BASTION_WAIT", "0"),)
"""What a client sends that does not wait for people, but comes back later."""


@dataclass(frozen=True, slots=True)
class ChannelRequest:
    """A shell, exec or subsystem request with all that came before it.

    `command` is the exec string or the subsystem's name as raw bytes, empty for a shell. `env` are the variables the
    client sent, those for the bastion itself included. `agent` and `display` are what is to be forwarded to it.
    """

    kind: ChannelKind
    command: bytes
    terminal: Terminal | None
    env: tuple[tuple[str, str], ...]
    agent: bool = False
    display: Display | None = None

    @property
    def waits(self) -> bool:
        """Whether the client waits for people."""
        return not set(NOT_WAITING) <= set(self.env)

    @property
    def machine(self) -> bool:
        """Whether a program reads what is said, and wants it as JSON besides: BASTION_JSON=1."""
        return dict(self.env).get("BASTION_JSON") == "1"

    @property
    def unmask(self) -> str:
        """Why the client asks to see values in clear: BASTION_UNMASK; empty where it does not."""
        return dict(self.env).get("BASTION_UNMASK", "").strip()
