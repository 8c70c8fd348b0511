"""Where a forward may lead: checks of what a client wrote, each of which raises AccessDenied with the reason. Pure.

Ports of ssh servers are out: a session behind such a forward would be neither seen nor recorded. What listens there
does not matter, nor on which host: names of one's own are easily made.
"""

from collections.abc import Iterable

from bastion.config.schema import Target
from bastion.errors import AccessDenied

SSH_PORT = 22
LONGEST_HOST = 255
LONGEST_PATH = 1024


def spelt(host: str, port: int) -> str:
    """Return host and port as one text; an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_destination(host: str, port: int, targets: Iterable[Target]) -> None:
    """Check what a target is to connect to."""
    if not 0 < len(host) <= LONGEST_HOST or not host.isprintable():
        raise AccessDenied("this is no name or address of a host")
    if not 0 < port < 1 << 16:
        raise AccessDenied(f"{port} is no TCP port")
    _check_port(port, targets)


def check_listen(host: str, port: int, targets: Iterable[Target]) -> None:
    """Check where a target is to listen; host "" is every address, port 0 any free one."""
    if len(host) > LONGEST_HOST or not host.isprintable():
        raise AccessDenied("this is no address to listen on")
    if not 0 <= port < 1 << 16:
        raise AccessDenied(f"{port} is no TCP port")
    _check_port(port, targets)


def check_path(path: str) -> None:
    """Check the path of a unix socket on a target."""
    if not 0 < len(path) <= LONGEST_PATH or not path.isprintable():
        raise AccessDenied("this is no path of a unix socket")


def _check_port(port: int, targets: Iterable[Target]) -> None:
    if port == SSH_PORT or any(target.protocol == "ssh" and target.address.port == port for target in targets):
        raise AccessDenied(
            f"port {port} is one of ssh servers, and ssh inside a forward would not be recorded; "
            "connect to the target through the bastion"
        )
