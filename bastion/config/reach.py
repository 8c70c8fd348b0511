"""Reads how a target is reached: through gateways (`via`), and where the names of a pattern lead."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network

from bastion.config.schema import Address, Target, Via
from bastion.config.table import Table
from bastion.config.values import BadValueError, address, quoted, suggestion, text
from bastion.instances import NAME
from bastion.names import is_login

MAX_GATEWAYS = 4
_TEMPLATE = f'write "{NAME}:22", or "{NAME}.internal.example.com:22"; the name that is asked for takes this place'


@dataclass(frozen=True, slots=True)
class Wish:
    """What `via` says: a login, and the name of what should be an ssh target."""

    login: str
    gateway: str


def read_via(table: Table, protocol: str) -> Wish | None:
    """Return the gateway that a target names; findings go to the table."""
    if protocol not in ("ssh", ""):
        table.forbid("via", f"is for ssh targets, not for {protocol}")
        return None
    return table.take("via", _wish, None)


def _wish(value: object) -> Wish:
    login, separator, gateway = text(value).rpartition("@")
    if not separator or not is_login(login):
        raise BadValueError('must be a login and the name of another ssh target, as in "jump@gateway"')
    return Wish(login, gateway)


def link(targets: Mapping[str, Target], wishes: Mapping[str, Wish], tables: Mapping[str, Table]) -> dict[str, Target]:
    """Return the targets with their gateways; findings go to each target's table."""
    linked = {}
    for name, target in targets.items():
        linked[name] = target
        try:
            linked[name] = _through(target, _chain(name, targets, wishes))
        except BadValueError as error:
            tables[name].error("via", str(error))
    return linked


def _through(target: Target, chain: list[tuple[str, Target]]) -> Target:
    """Return the target with its gateways, of which the nearest to it comes first."""
    if not chain:
        return target
    (login, gateway), *others = chain
    return replace(target, via=Via(login, _through(gateway, others)))


def _chain(name: str, targets: Mapping[str, Target], wishes: Mapping[str, Wish]) -> list[tuple[str, Target]]:
    """Follow `via` to its end, or to where something is wrong that is reported of another target."""
    passed, chain = [name], []
    while (wish := wishes.get(passed[-1])) is not None:
        if wish.gateway == name:
            raise BadValueError(f"leads back to itself: {', '.join([*passed, name])}")
        if len(passed) > MAX_GATEWAYS:
            raise BadValueError(f"passes more than {MAX_GATEWAYS} gateways: {', '.join([*passed, wish.gateway])}")
        gateway = targets.get(wish.gateway)
        if gateway is None or gateway.pattern or gateway.protocol not in ("ssh", ""):
            if len(passed) == 1:
                raise BadValueError(_no_gateway(wish.gateway, gateway, targets))
            break
        if wish.gateway in passed:
            break
        passed.append(wish.gateway)
        chain.append((wish.login, gateway))
    return chain


def _no_gateway(name: str, found: Target | None, targets: Mapping[str, Target]) -> str:
    if found is None:
        return f"no target named {quoted(name)}{suggestion(name, targets)}"
    return f"{quoted(name)} is {'a pattern' if found.pattern else 'no ssh target'}; a gateway is one ssh target"


def pattern_address(value: object) -> tuple[Address, bool]:
    """Read the address of a pattern: a host with `{name}` in it. Never by TLS, so False comes with it."""
    whole = text(value, _TEMPLATE)
    if whole.count(NAME) != 1:
        raise BadValueError(f"must hold {NAME} once, since this target is a pattern; {_TEMPLATE}")
    found = address(22)(whole.replace(NAME, "name"))
    return Address(whole.partition(":")[0], found.port), False


def read_networks(table: Table, *, pattern: bool) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks that names of a pattern may lead to; findings go to the table."""
    if not pattern:
        table.forbid("networks", "is for patterns; this target has one address")
    elif "via" in table:
        table.forbid("networks", "does not go with via: it is the gateway that looks up where a name leads")
    else:
        return table.several("networks", _network)
    return ()


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text(value))
    except ValueError:
        raise BadValueError(f'{quoted(text(value))} is not a network; write it as in "10.0.0.0/8"') from None
