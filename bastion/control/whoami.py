"""Who the caller is, and what they may reach."""

from dataclasses import dataclass

from bastion.auth.access import Reachable
from bastion.control.services import Control
from bastion.model import ControlRight, Identity


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller's identity and rights in the control plane, sorted."""

    identity: Identity
    rights: tuple[ControlRight, ...]


@dataclass(frozen=True, slots=True)
class ClientSetup:
    """What a stock ssh client has to know: the bastion's names and port, its host CA, and the ssh targets' names."""

    names: tuple[str, ...]
    port: int
    host_ca: str
    targets: tuple[str, ...]


def whoami(control: Control) -> Caller:
    """Return who the caller is."""
    rights = control.services.access().control_rights(control.identity)
    return Caller(control.identity, tuple(sorted(rights)))


def targets(control: Control) -> list[Reachable]:
    """Return what the caller may reach or ask for, by name."""
    return control.services.access().reachable(control.identity)


def client_setup(control: Control) -> ClientSetup:
    """Return what the caller's ssh has to be told."""
    services = control.services
    found = (line.target for line in targets(control))
    names = tuple(dict.fromkeys(target.name for target in found if target.protocol == "ssh"))
    return ClientSetup(services.config().server.names, services.port, services.host_ca, names)
