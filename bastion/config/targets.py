"""Reads `[targets.NAME]` of bastion.toml: address, host keys and how the bastion signs in."""

from bastion.config.algorithms import read_algorithms
from bastion.config.masking import read_choice
from bastion.config.reach import link, pattern_address, read_networks, read_via
from bastion.config.schema import PROTOCOLS, Address, Credential, Secret, Target
from bastion.config.secrets import SecretReader, check_private_key
from bastion.config.table import Reader, Table
from bastion.config.values import (
    BadValueError,
    address,
    label_key,
    label_value,
    member,
    noun,
    public_key,
    target_or_pattern,
    text,
    word,
)
from bastion.model import Action, ShellGate
from bastion.names import is_target_pattern

_PORTS = {"ssh": 22, "postgres": 5432, "mysql": 3306, "http": 80, "kubernetes": 443}
_CREDENTIALS = {
    "ssh": ("certificate", "key", "password"),
    "postgres": ("password",),
    "mysql": ("password",),
    "http": ("token", "password"),
    "kubernetes": ("token",),
}
_SECRETS = ("key", "password", "token")
_NOWHERE = Address("", 0)


def read_targets(root: Table, secrets: SecretReader) -> dict[str, Target]:
    """Return all targets by name, patterns too; findings go to the table."""
    tables = root.tables("targets", target_or_pattern)
    targets, wishes = {}, {}
    for name, table in tables.items():
        targets[name] = _target(name, table, secrets)
        if (wish := read_via(table, targets[name].protocol)) is not None:
            wishes[name] = wish
        table.finish()
    return link(targets, wishes, tables)


def _target(name: str, table: Table, secrets: SecretReader) -> Target:
    protocol = table.need("protocol", word(PROTOCOLS), "", f"one of {', '.join(PROTOCOLS)}")
    pattern = is_target_pattern(name)
    if pattern and protocol not in ("ssh", ""):
        table.error("protocol", f"a pattern is for ssh targets, not for {protocol}; name each target by itself")
    read_address = pattern_address if pattern else _address(protocol)
    where, tls = table.need("address", read_address, (_NOWHERE, False), 'write "host:port"')
    host_keys, host_cas = _host_keys(table, protocol, pattern=pattern)
    if protocol not in ("postgres", "mysql", ""):
        table.forbid("database", f"is for database targets, not for {protocol}")
    return Target(
        name=name,
        protocol=protocol,
        address=where,
        credential=_credential(table, protocol, secrets),
        labels=table.take("labels", _labels, ()),
        host_keys=host_keys,
        host_cas=host_cas,
        database=table.take("database", text, ""),
        tls=tls,
        default=table.take("default", member(Action), Action.ALLOW),
        algorithms=read_algorithms(table, protocol),
        pattern=name if pattern else "",
        networks=read_networks(table, pattern=pattern),
        shell=_shell(table, protocol),
        masking=read_choice(table, is_target=True),
    )


def _shell(table: Table, protocol: str) -> ShellGate:
    if protocol not in ("ssh", ""):
        table.forbid("shell", f"is for ssh targets, not for {protocol}")
    return table.take("shell", member(ShellGate), ShellGate.MISTAKES)


def _address(protocol: str) -> Reader[tuple[Address, bool]]:
    """Return a reader of an address that ends with whether it was written as https://."""

    def read(value: object) -> tuple[Address, bool]:
        whole = text(value, 'write "host:port"')
        tls = protocol == "kubernetes"
        if protocol == "http" and whole.startswith("http://"):
            whole = whole.removeprefix("http://").removesuffix("/")
        elif protocol in ("http", "kubernetes") and whole.startswith("https://"):
            whole, tls = whole.removeprefix("https://").removesuffix("/"), True
        return address(443 if tls else _PORTS.get(protocol, 1))(whole), tls

    return read


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise BadValueError(f'must be a table, as in {{ env = "prod" }}, not {noun(value)}')
    return tuple(sorted((label_key(key), label_value(value[key])) for key in value))


def _host_keys(table: Table, protocol: str, *, pattern: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if protocol not in ("ssh", ""):
        table.forbid("host_key", f"is for ssh targets, not for {protocol}")
        table.forbid("host_ca", f"is for ssh targets, not for {protocol}")
        return (), ()
    if pattern:
        table.forbid("host_key", "does not fit many hosts; write host_ca, and let that CA sign each host's key")
        return (), table.one_or_more("host_ca", public_key) or _no_host_ca(table)
    if protocol == "ssh" and table.is_empty("host_key") and table.is_empty("host_ca"):
        table.error("host_key", 'is missing, and host_ca too; paste "type base64", as "ssh-keyscan HOST" prints it')
    return table.one_or_more("host_key", public_key), table.one_or_more("host_ca", public_key)


def _no_host_ca(table: Table) -> tuple[str, ...]:
    if table.is_empty("host_ca"):
        table.error("host_ca", "is missing; paste the public key of the CA that signs the hosts' keys")
    return ()


def _credential(target: Table, protocol: str, secrets: SecretReader) -> Credential:
    kinds = _CREDENTIALS.get(protocol, ("certificate", *_SECRETS))
    if "credential" not in target and protocol not in ("ssh", ""):
        target.error(
            "credential", f'is missing; write {{ kind = "{kinds[0]}", ... }}, with the secret from file or env'
        )
    table = target.table("credential")
    default = "certificate" if protocol == "ssh" else ""
    if "credential" in target:
        kind = table.need("kind", _kind(protocol, kinds), "", f"one of {', '.join(kinds)}")
    else:
        kind = table.take("kind", _kind(protocol, kinds), default)
    found = {name: secrets.take(table, name) for name in _SECRETS}
    for name in _SECRETS:
        _check_secret(table, kind, name, found[name])
    user = _user(table, protocol, kind)
    table.finish()
    return Credential(kind, user, found.get(kind))


def _kind(protocol: str, kinds: tuple[str, ...]) -> Reader[str]:
    def read(value: object) -> str:
        kind = word(("certificate", *_SECRETS))(value)
        if kind not in kinds:
            raise BadValueError(f'"{kind}" does not work for {protocol}; use {" or ".join(kinds)}')
        return kind

    return read


def _check_secret(table: Table, kind: str, name: str, secret: Secret | None) -> None:
    written = [key for key in (f"{name}_file", f"{name}_env") if key in table]
    if kind and name != kind and written:
        table.error(written[0], f'is for credentials of kind "{name}", this one is "{kind}"')
    if name == kind and not written and name not in table:
        table.error(
            f"{name}_file", f"is missing; name a file of mode 0600 here, or an environment variable in {name}_env"
        )
    if name == kind == "key" and secret is not None:
        try:
            check_private_key(secret)
        except BadValueError as error:
            table.error(written[0], str(error))


def _user(table: Table, protocol: str, kind: str) -> str:
    if protocol == "ssh":
        table.forbid("user", "is not for ssh targets: the login is what stands before the @, and roles name those")
    elif kind == "token":
        table.forbid("user", "does not go with a token, which says itself whose it is")
    elif kind == "password":
        return table.need("user", text, "", "write the account to sign in with")
    return table.take("user", text, "")
