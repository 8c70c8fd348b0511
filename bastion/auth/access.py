"""Who may reach what: the one module that makes a `Grant`. Pure and synchronous; it reads the configuration alone.

A role applies to an identity that is in one of the role's groups. A role with `request` does not apply by itself, it
can only be asked for. Everything not granted by an applying role is refused, and a refusal reads the same whether the
target exists or not. Not here: who the identity is (the certificate's reader) and what may run (`bastion.policy`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bastion.config.schema import Config, Role, Target
from bastion.errors import AccessDenied
from bastion.instances import every, find
from bastion.model import ChannelKind, ControlRight, Grant, Identity, ShellGate, TimeLimits, strictest
from bastion.names import is_login
from bastion.selectors import channels_on, selects

DENIED = 'no target of that name is open to you; "bastion targets" lists yours'
ANY_LOGIN = "*"


@dataclass(frozen=True, slots=True)
class Reachable:
    """One line of `bastion targets`: a target, or a pattern of them, and how it may be reached.

    `logins` holds what may stand before the `@`, sorted; `*` is any login, and it is empty for targets whose account
    the bastion chooses. `channels` is what these logins have together. `access` is "granted", or "request" where a role
    must be asked for first.
    """

    target: Target
    logins: tuple[str, ...]
    channels: frozenset[ChannelKind]
    access: str


class Access:
    """Answers "may" for one configuration; make a new one when the configuration is reloaded."""

    __slots__ = ("_config", "_roles")

    def __init__(self, config: Config) -> None:
        self._config = config
        self._roles = tuple(config.roles.values())

    def grant(self, identity: Identity, target: str, login: str) -> Grant:
        """Return the grant for this login on this target, or raise AccessDenied with one and the same message.

        Only on ssh targets does the user choose the login. On others the account is the credential's, whatever the
        client says, so `login` may be anything there and roles' `logins` are not consulted.
        """
        found = find(self._config, target)
        if found is None:
            raise AccessDenied(DENIED, log="no such target")
        account = login if found.protocol == "ssh" else found.credential.user
        roles = [
            role
            for role in _applying(self._roles, identity)
            if role.request is None and selects(role.targets, found) and _has_login(role, found, login)
        ]
        channels = _channels(roles, found)
        if not channels:
            raise AccessDenied(DENIED, log="no role grants this login on this target")
        default = strictest([found.default, *(role.default for role in roles)])
        env = tuple(dict.fromkeys(pattern for role in roles for pattern in role.env))
        shell = max((found.shell, *(role.shell for role in roles)), key=tuple(ShellGate).index)
        names, way, pty = tuple(role.name for role in roles), _gateways(found), _terminal(roles)
        return Grant(identity, found.name, account, channels, default, env, way, shell, pty, names, _limits(roles))

    def open_to(self, identity: Identity, target: str) -> Target | None:
        """Return the target of this name, where some login on it is granted; None where there is none such."""
        found = find(self._config, target)
        granted = (role for role in _applying(self._roles, identity) if role.request is None)
        return found if found is not None and _channels(granted, found) else None

    def control_rights(self, identity: Identity) -> frozenset[ControlRight]:
        """Return what the identity may do in the control plane."""
        rights = (role.control for role in _applying(self._roles, identity) if role.request is None)
        return frozenset().union(*rights)

    def reachable(self, identity: Identity) -> list[Reachable]:
        """Return what the identity may reach, by target name."""
        targets = sorted(every(self._config), key=lambda target: target.name)
        return [line for target in targets for line in self.lines(identity, target)]

    def lines(self, identity: Identity, target: Target) -> list[Reachable]:
        """Return how the identity may reach a target; empty where it may not.

        There are two where a role that must be asked for adds logins or channels to those already granted; the second
        line then names the added logins, if there are any.
        """
        return list(_lines(list(_applying(self._roles, identity)), target))


def _applying(roles: Iterable[Role], identity: Identity) -> Iterable[Role]:
    groups = set(identity.groups)
    return (role for role in roles if groups.intersection(role.groups))


def _has_login(role: Role, target: Target, login: str) -> bool:
    if target.protocol != "ssh":
        return True
    return is_login(login) and (login in role.logins or ANY_LOGIN in role.logins)


def _terminal(roles: Iterable[Role]) -> bool:
    """Return whether a terminal may be had: unless a role says no and none says yes.

    Without one, commands are whole texts, which are read with certainty.
    """
    said = {role.pty for role in roles}
    return True in said or False not in said


def _limits(roles: Iterable[Role]) -> TimeLimits:
    """Return the strictest of what the roles say: a limit is there to hold, whatever else somebody may do."""
    limits = [role.limits for role in roles]
    idle = min((one.idle for one in limits if one.idle is not None), default=None)
    total = min((one.total for one in limits if one.total is not None), default=None)
    return TimeLimits(idle, total, at_expiry=any(one.at_expiry for one in limits))


def _gateways(target: Target) -> tuple[str, ...]:
    via = target.via
    return (*_gateways(via.target), f"{via.login}@{via.target.name}") if via is not None else ()


def _channels(roles: Iterable[Role], target: Target) -> frozenset[ChannelKind]:
    return frozenset(channel for role in roles for channel in channels_on(role, target))


def _lines(roles: Iterable[Role], target: Target) -> Iterable[Reachable]:
    picked = [role for role in roles if channels_on(role, target)]
    granted = _line([role for role in picked if role.request is None], target, "granted")
    request = _line([role for role in picked if role.request is not None], target, "request")
    if granted is None or request is None:
        return [line for line in (granted, request) if line is not None]
    new = () if ANY_LOGIN in granted.logins else tuple(set(request.logins).difference(granted.logins))
    if not new and request.channels <= granted.channels:
        return [granted]
    return [granted, Reachable(target, tuple(sorted(new)) or request.logins, request.channels, "request")]


def _line(roles: list[Role], target: Target, access: str) -> Reachable | None:
    if not roles:
        return None
    logins = {login for role in roles for login in role.logins} if target.protocol == "ssh" else set()
    return Reachable(target, tuple(sorted(logins)), _channels(roles, target), access)
