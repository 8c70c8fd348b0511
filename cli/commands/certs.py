"""`bastion certs …`: issued certificates."""

from datetime import datetime

import click

from bastion.control import certificates
from bastion.model import rfc3339
from bastion.store.base import CertificateRow
from cli.command import Group, ServerContext, json_option, limit_option
from cli.console import Column, moment

_COLUMNS = (Column("SERIAL"), Column("USER", grow=True), Column("KIND"), Column("STATE"), Column("EXPIRES"))


@click.group("certs", cls=Group)
def command() -> None:
    """List and revoke the certificates people log in with."""


@command.command("list", example="bastion certs list --json")
@limit_option(100)
@json_option
@click.pass_obj
async def list_(context: ServerContext, limit: int, as_json: bool) -> None:
    """List certificates, newest first: yours, or all with the right to revoke or audit."""
    rows, now = await certificates.find(context.control, limit), context.control.now
    if as_json:
        context.console.json([_json(row, now) for row in rows])
    else:
        context.console.table(_COLUMNS, (_row(row, now) for row in rows), empty="no certificate was issued")


@command.command("revoke", example="bastion certs revoke alice@example.com")
@click.argument("which", metavar="SERIAL|USER")
@json_option
@click.pass_obj
async def revoke(context: ServerContext, which: str, as_json: bool) -> None:
    """Revoke one certificate by serial number or all of a user's, and cut the connections they opened."""
    rows = await certificates.revoke(context.control, which)
    if as_json:
        context.console.json([_json(row, context.control.now) | {"state": "revoked"} for row in rows])
        return
    for row in rows:
        context.console.line(f"revoked {row.serial} of {row.identity}")


def _state(row: CertificateRow, now: datetime) -> str:
    if row.revoked is not None:
        return "revoked"
    return "valid" if now < row.expires else "expired"


def _json(row: CertificateRow, now: datetime) -> dict[str, object]:
    return {
        "serial": str(row.serial),
        "identity": row.identity,
        "issuer": row.issuer,
        "subject": row.subject,
        "kind": str(row.kind),
        "fingerprint": row.fingerprint,
        "state": _state(row, now),
        "issued": rfc3339(row.issued),
        "expires": rfc3339(row.expires),
        "revoked": rfc3339(row.revoked) if row.revoked else None,
    }


def _row(row: CertificateRow, now: datetime) -> list[str]:
    return [str(row.serial), row.identity, str(row.kind), _state(row, now), moment(row.expires)]
