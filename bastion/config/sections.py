"""Reads the sections of bastion.toml that name no targets: server, store, certificates, issuers, retention."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from bastion.config.schema import (
    Address,
    CertificateConfig,
    Issuer,
    RetentionConfig,
    ServerConfig,
    StoreConfig,
)
from bastion.config.secrets import SecretReader, resolve
from bastion.config.table import Table
from bastion.config.values import (
    BadValueError,
    address,
    boolean,
    duration,
    host,
    integer,
    is_loopback,
    issuer_url,
    member,
    plain_name,
    quoted,
    suggestion,
    text,
)
from bastion.model import Kind

_MOST_WORKERS = 256
_LONGEST_CERTIFICATE = timedelta(days=30)


def read_server(root: Table, folder: Path) -> ServerConfig:
    """Return `[server]`; findings go to the table."""
    table, default = root.table("server"), ServerConfig()
    names = table.several("names", host, default.names)
    if "names" in table and table.is_empty("names"):
        table.error("names", "is empty; write the names that users type")
    server = ServerConfig(
        listen=table.take("listen", address(2222, lowest_port=0), default.listen),
        names=names,
        host_keys=table.take("host_keys", lambda value: resolve(folder, value), folder / default.host_keys),
        metrics=table.take("metrics", _loopback, None),
        workers=table.take("workers", integer(0, _MOST_WORKERS), default.workers),
        grace=table.take("grace", duration, default.grace),
    )
    table.finish()
    return server


def _loopback(value: object) -> Address:
    found = address(9322, lowest_port=0)(value)
    if not is_loopback(found.host):
        raise BadValueError(f'{quoted(found.host)} is not a loopback address; write "127.0.0.1:{found.port}"')
    return found


def read_store(root: Table, folder: Path) -> StoreConfig:
    """Return `[store]` with absolute paths; findings go to the table."""
    table = root.table("store")
    database = table.take(
        "database", lambda value: _database(folder, value), _database(folder, "sqlite:///var/bastion.db")
    )
    if urlsplit(database).password is not None:
        table.warn("database", "holds a password; leave it out and set PGPASSWORD or use ~/.pgpass")
    recordings = table.take("recordings", lambda value: _recordings(folder, value), folder / "var/recordings")
    table.finish()
    return StoreConfig(database, recordings)


def _database(folder: Path, value: object) -> str:
    url = text(value)
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite" and separator:
        path = rest.removeprefix("/")
        if not rest.startswith("/") or path in ("", "/", ":memory:") or "?" in path:
            raise BadValueError(
                f'{quoted(url)} names no file; write "sqlite:///var/bastion.db", or four slashes for a whole path'
            )
        return f"sqlite:///{resolve(folder, path)}"
    if scheme == "postgresql" and separator:
        try:
            _ = urlsplit(url).port
        except ValueError:
            raise BadValueError("is not a url such as postgresql://host:5432/bastion") from None
        return url
    # The url may hold a password, so only its scheme is repeated.
    shown = quoted(scheme) if separator else "this"
    raise BadValueError(
        f"{shown} is not a store; use sqlite:///... or postgresql://...{suggestion(scheme, ['postgresql', 'sqlite'])}"
    )


def _recordings(folder: Path, value: object) -> Path:
    name = text(value)
    if name.startswith("s3://"):
        raise BadValueError('s3:// is not supported yet; write a folder, as in "var/recordings"')
    if "://" in name:
        raise BadValueError(f'{quoted(name)} is not a folder; write one as in "var/recordings"')
    return resolve(folder, name)


def read_certificates(root: Table) -> CertificateConfig:
    """Return `[certificates]`; findings go to the table."""
    table, default = root.table("certificates"), CertificateConfig()
    lifetime = table.take("lifetime", duration, default.lifetime)
    agent_lifetime = table.take("agent_lifetime", duration, min(default.agent_lifetime, lifetime))
    if lifetime > _LONGEST_CERTIFICATE:
        table.error("lifetime", "must be at most 30d: a certificate is for a working day, not for ever")
    if agent_lifetime > lifetime:
        table.error("agent_lifetime", "must not be longer than lifetime")
    table.finish()
    return CertificateConfig(lifetime, agent_lifetime)


def read_issuers(root: Table, secrets: SecretReader) -> dict[str, Issuer]:
    """Return all issuers by name; findings go to the table."""
    tables = root.tables("issuers", plain_name)
    issuers = {name: _issuer(name, table, secrets) for name, table in tables.items()}
    seen: dict[tuple[str, str, str], str] = {}
    for name, issuer in issuers.items():
        first = seen.setdefault((issuer.url, issuer.client_id, issuer.audience), name)
        if first != name and issuer.url:
            tables[name].error(
                "url", f"is that of issuers.{first} with the same client_id and audience; nothing tells them apart"
            )
    return issuers


def _issuer(name: str, table: Table, secrets: SecretReader) -> Issuer:
    client_id = table.take("client_id", text, "")
    audience = table.take("audience", text, client_id)
    if "client_id" not in table and "audience" not in table:
        table.error(
            "client_id", "is missing, and audience too; without one, tokens made for other programs would open the door"
        )
    kind = table.take("kind", member(Kind), Kind.HUMAN)
    issuer = Issuer(
        name=name,
        url=table.need("url", issuer_url, "", 'write the provider\'s issuer, as in "https://idp.example.com"'),
        client_id=client_id,
        audience=audience,
        client_secret=secrets.take(table, "client_secret"),
        username_claim=table.take("username_claim", text, "email"),
        groups_claim=table.take("groups_claim", text, "groups"),
        kind=kind,
        interactive=table.take("interactive", boolean, kind is Kind.HUMAN),
    )
    if issuer.interactive and issuer.kind is Kind.HUMAN and "client_id" not in table:
        table.warn(
            "client_id", "is missing, so that nobody can log in through this issuer; write it, or interactive = false"
        )
    table.finish()
    return issuer


def read_retention(root: Table) -> RetentionConfig:
    """Return `[retention]`; findings go to the table."""
    table, default = root.table("retention"), RetentionConfig()
    retention = RetentionConfig(
        recordings=table.take("recordings", duration, default.recordings),
        audit=table.take("audit", duration, default.audit),
    )
    table.finish()
    return retention
